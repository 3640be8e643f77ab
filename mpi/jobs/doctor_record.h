/* What `karma doctor` finds out on one rank: a record of fixed size, which every rank fills and
 * rank 0 gathers. What it means is judged in doctor_findings.h.
 */
#ifndef KARMA_JOBS_DOCTOR_RECORD_H
#define KARMA_JOBS_DOCTOR_RECORD_H

#include "mpi/comm/cores.h"
#include "mpi/comm/launched.h"
#include "mpi/comm/limits.h"
#include "mpi/comm/skew.h"
#include "mpi/jobs/storage_probe.h"

#include <stdbool.h>
#include <stdint.h>

enum { DOCTOR_NAME = 64, DOCTOR_TEXT = 200 };

/* What this host's name leads to. */
enum name_state { NAME_OURS, NAME_ELSEWHERE, NAME_UNKNOWN };

struct doctor_record {
    char host[DOCTOR_NAME];
    uint32_t machine;          /* owner_machine(): equal on ranks of one host */
    char library[DOCTOR_TEXT]; /* MPI, as it was loaded */
    double start_s;            /* seconds that MPI_Init took */
    uint32_t cpu;              /* a bit for each instruction set of the CPU that has a name */
    char kernel[DOCTOR_NAME];  /* of gemm: fixed */
    char blas[DOCTOR_TEXT];    /* the library */
    char blas_kernel[DOCTOR_NAME];
    int blas_threads_before;      /* as OpenBLAS started */
    int blas_threads;             /* after this program asked for one */
    char complaint[DOCTOR_TEXT];  /* selfcheck_complaint() of gemm: fixed; "": none */
    uint32_t crc_fixed, crc_blas; /* selfcheck_crc() */
    bool cores_known;
    int n_cpus; /* in the affinity mask */
    struct core_set cores;
    struct limits limits;
    char name[DOCTOR_NAME];    /* that was resolved */
    char address[DOCTOR_NAME]; /* it leads to */
    char name_error[DOCTOR_NAME];
    enum name_state name_state;
    double name_s;               /* seconds that it took */
    char temporary[DOCTOR_TEXT]; /* TMPDIR if nothing can be made there, and why; "": all is well */
    enum storage_seen seen;      /* what another host than rank 0's saw of the storage */
    struct skew_sample clock;
};

/* Local, before comm_init(): limits, TMPDIR, and what a name leads to, the host's own if it is
 * NULL. May take as long as the name service does. */
void doctor_examine_early(struct doctor_record *r, const char *name);

/* Local, after comm_init(): everything else but `start_s`, `cpu`, `seen` and `clock`. */
void doctor_examine(struct doctor_record *r);

#endif
