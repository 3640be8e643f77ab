/* Launched: how this process was started, as the environment tells it before MPI is up.
 *
 *   mpirun of Open MPI      OMPI_COMM_WORLD_SIZE, OMPI_COMM_WORLD_RANK
 *   srun --mpi=pmix         SLURM_STEP_ID, PMIX_RANK
 *   srun --mpi=pmi2         SLURM_STEP_ID, PMI_RANK
 *   srun --mpi=none         SLURM_STEP_ID and none of these
 *   mpiexec of MPICH, Intel PMI_RANK, PMI_SIZE
 *
 * A batch script and a shell of salloc have SLURM_JOB_ID, too, but belong to no step with a usual
 * number. Local.
 */
#ifndef KARMA_COMM_LAUNCHED_H
#define KARMA_COMM_LAUNCHED_H

#include <stdbool.h>

enum launcher { LAUNCHER_NONE, LAUNCHER_OPENMPI, LAUNCHER_PMIX, LAUNCHER_PMI, LAUNCHER_SRUN };

struct launched {
    enum launcher by;
    int size, rank;    /* that the launcher announced; 0 and -1: it did not */
    const char *job;   /* SLURM_JOB_ID, NULL outside of Slurm; of the environment */
    bool step;         /* srun started this process */
    int tasks, nodes;  /* of the Slurm job; 0: unknown */
    int cpus_per_task; /* the same */
};

void launched_read(struct launched *out);

/* "srun --mpi=pmix"; static. */
const char *launched_by(const struct launched *l);

/* srun started this process without an interface that Open MPI could use: MPI_Init would end it
 * with a message of its own. `library`: comm_library(). */
bool launched_without_pmix(const struct launched *l, const char *library);

/* srun offers PMI 1 or 2, for which Open MPI must have been built (--with-pmi). */
bool launched_with_old_pmi(const struct launched *l, const char *library);

#endif
