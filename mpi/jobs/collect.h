/* Collecting traces: controllers x scenarios x episodes -> one store, over all ranks.
 *
 * A job list like an evaluation, and the same rows of the configuration say who plays what
 * (eval.controllers, scenarios, eval.episodes, eval.first, eval.seed). But episodes are drawn from
 * the TRAIN domain, whatever eval.split says: what a twin is learned from must not meet what
 * controllers are measured on. Job i is a pure function of its index and is written when its turn
 * comes, so the file does not depend on the number of ranks. A collection that was interrupted goes
 * on behind the episodes that are there.
 */
#ifndef KARMA_JOBS_COLLECT_H
#define KARMA_JOBS_COLLECT_H

#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"

struct collect_cfg {
    const char *path, *licence;
    uint64_t split_seed;
    double validation, held_out; /* shares */
    bool in_locked_dir;          /* the caller has locked the directory that `path` is in */
};

/* Collective. config_path: for messages. ERR_STOPPED after SIGUSR1; ERR_MISMATCH if the file holds
 * another collection. */
enum err collect_run(struct comm *comm, const struct experiment *x, const char *config_path,
                     const struct collect_cfg *cfg) WARN_UNUSED;

#endif
