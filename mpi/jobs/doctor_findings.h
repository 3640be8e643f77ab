/* Findings: what the records of the ranks mean, as lines that each begin with ok, warning or error.
 *
 *   ok       memory            15202 MiB are left on n1, 4 ranks of 512 MiB need 2048
 *   warning  host name         'n1' cannot be resolved on n1 ... Remedy, as root: ...
 *   error    output directory  results/runs: nothing can be made there: ... Remedy: ...
 *
 * Warnings and errors end with a remedy. An error keeps a run from working or from giving its
 * results; with a warning it works, but slower or with a part missing. All functions are Local and
 * pure: rank 0 calls them with the records (n) in the order of the ranks.
 */
#ifndef KARMA_JOBS_DOCTOR_FINDINGS_H
#define KARMA_JOBS_DOCTOR_FINDINGS_H

#include "core/base/mem.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/doctor_record.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_ERROR, DOCTOR_LEVELS };

struct doctor_report {
    struct buf text; /* owned */
    int n[DOCTOR_LEVELS];
    enum err failed; /* a line could not be kept: out of memory */
};
void doctor_report_init(struct doctor_report *r);
void doctor_report_release(struct doctor_report *r);
void doctor_say(struct doctor_report *r, enum doctor_level level, const char *topic,
                const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Everything that is judged. Borrowed. */
struct doctor_facts {
    const struct doctor_record *ranks; /* (n) */
    int n;
    struct launched launched; /* of rank 0 */
    const char *library;      /* that the program was built with: comm_library() */
    struct comm_threads threads;
    double agreement_s;           /* seconds of one agreement of all ranks */
    const char *const *cpu_names; /* (n_cpu_names) of the bits in `cpu` */
    int n_cpu_names;
    uint32_t cpu_built;                /* instruction sets that the build uses */
    int64_t memory_bytes, space_bytes; /* that a rank, a run needs */
    const char *dir;                   /* that runs are written to */
    const struct storage_probe *storage;
    struct arena *arena; /* for what is computed on the way */
};

void doctor_judge_mpi(struct doctor_report *r, const struct doctor_facts *f);
void doctor_judge_arithmetic(struct doctor_report *r, const struct doctor_facts *f);
void doctor_judge_cores(struct doctor_report *r, const struct doctor_facts *f);

/* The first rank of each host: is rank i one? And the number of ranks on its host. */
bool doctor_first_of_host(const struct doctor_facts *f, int i);
int doctor_ranks_of_host(const struct doctor_facts *f, int i);
int doctor_hosts(const struct doctor_facts *f);

#endif
