/* Which launcher started this process. See launched.h. */
#include "mpi/comm/launched.h"

#include "core/base/number.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Steps that srun did not make (the batch script, salloc's shell, adopted processes) have numbers
 * near 2^32 (slurm.h: SLURM_BATCH_SCRIPT 0xfffffffb, SLURM_INTERACTIVE_STEP 0xfffffffa). */
enum { STEP_MAX = 1000000000 };

static int whole(const char *name, int otherwise)
{
    const char *text = getenv(name);
    int64_t n;
    return text != NULL && number_whole(&n, text, 0, INT_MAX) ? (int)n : otherwise;
}

/* Slurm numbers its steps whatever starts MPI: mpirun of Open MPI starts its daemons by srun, so
 * its own variables are looked at first. */
void launched_read(struct launched *out)
{
    const int step = whole("SLURM_STEP_ID", INT_MAX);
    *out = (struct launched){.rank = -1, .job = getenv("SLURM_JOB_ID")};
    if (out->job != NULL) {
        out->tasks = whole("SLURM_NTASKS", 0);
        out->nodes = whole("SLURM_JOB_NUM_NODES", 0);
        out->cpus_per_task = whole("SLURM_CPUS_PER_TASK", 0);
        out->step = step < STEP_MAX && getenv("SLURM_PROCID") != NULL;
    }
    if (getenv("OMPI_COMM_WORLD_SIZE") != NULL) {
        out->by = LAUNCHER_OPENMPI;
        out->size = whole("OMPI_COMM_WORLD_SIZE", 0);
        out->rank = whole("OMPI_COMM_WORLD_RANK", -1);
    } else if (out->step) {
        out->by = getenv("PMIX_RANK") != NULL  ? LAUNCHER_PMIX
                  : getenv("PMI_RANK") != NULL ? LAUNCHER_PMI
                                               : LAUNCHER_SRUN;
        out->size = whole("SLURM_STEP_NUM_TASKS", 0);
        out->rank = whole("SLURM_PROCID", -1);
    } else if (getenv("PMI_RANK") != NULL) {
        out->by = LAUNCHER_PMI;
        out->size = whole("PMI_SIZE", 0);
        out->rank = whole("PMI_RANK", -1);
    }
}

const char *launched_by(const struct launched *l)
{
    switch (l->by) {
    case LAUNCHER_NONE:
        return "no launcher";
    case LAUNCHER_OPENMPI:
        return "mpirun of Open MPI";
    case LAUNCHER_PMIX:
        return "srun --mpi=pmix";
    case LAUNCHER_PMI:
        return l->step ? "srun --mpi=pmi2" : "mpiexec of MPICH or Intel MPI";
    case LAUNCHER_SRUN:
        return "srun without an interface of MPI";
    }
    return "an unknown launcher";
}

static bool is_openmpi(const char *library)
{
    return strncmp(library, "Open MPI", strlen("Open MPI")) == 0;
}

bool launched_without_pmix(const struct launched *l, const char *library)
{
    return l->by == LAUNCHER_SRUN && is_openmpi(library);
}

bool launched_with_old_pmi(const struct launched *l, const char *library)
{
    return l->by == LAUNCHER_PMI && l->step && is_openmpi(library);
}
