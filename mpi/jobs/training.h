/* One training of a configuration, from its run directory to its digest: what `karma train` does,
 * and each trial of a tuning.
 */
#ifndef KARMA_JOBS_TRAINING_H
#define KARMA_JOBS_TRAINING_H

#include "core/base/lock.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"

struct training_order {
    struct lock *lock; /* takes the lock of run.dir, which the caller ends; NULL: a directory above
                          is locked, and nobody else can be there */
    bool restart;      /* whatever is there, train anew */
    struct train_options train; /* but `resume`, which is found out */
};

struct training_outcome {
    uint64_t digest; /* of the weights; 0 after a dry run */
    bool was_done;   /* before: nothing was trained */
};

/* Collective. Trains, or goes on with the run in run.dir, or finds it done. The twin is loaded
 * (experiment_load_twin()), and train_check() has passed. ERR_STOPPED after SIGUSR1, with a
 * checkpoint; ERR_NUMERIC if the weights are no numbers any more. */
enum err training_run(struct comm *comm, struct training_outcome *out, struct experiment *x,
                      const struct training_order *order) WARN_UNUSED;

#endif
