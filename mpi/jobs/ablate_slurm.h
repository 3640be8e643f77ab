/* An ablation on Slurm: a script that submits its stages, an array of tasks for its runs, and the
 * report, each after the one before.
 *
 * The jobs are those of slurm/ablation.sbatch and slurm/report.sbatch, where modules, time limits
 * and requeues are set. Each task of the array takes the next run that nobody works on, until none
 * is left; so a task that is cancelled or loses its node leaves its run to the others, and the same
 * script submitted again makes what is missing. Local.
 */
#ifndef KARMA_JOBS_ABLATE_SLURM_H
#define KARMA_JOBS_ABLATE_SLURM_H

#include "mpi/jobs/ablate_plan.h"

struct ablate_slurm {
    const char *dir;         /* where submit.sh is written */
    const char *const *sets; /* (n_sets) of the spec, as they were typed */
    int n_sets;
    int group;       /* ranks of a task */
    int stage_ranks; /* of the job that makes traces and twins */
    int throttle;    /* tasks that run at a time */
};

/* Writes DIR/submit.sh and names it on standard output. */
enum err ablate_write_slurm(const struct ablate_plan *plan,
                            const struct ablate_slurm *how) WARN_UNUSED;

#endif
