/* A tuning: rungs of trials, and what came of them (karma tune).
 *
 *   DIR/tune.yaml     the resolved configuration, section `tune` included: whose directory it is
 *   DIR/trials.csv    one line for each trial and rung; see mpi/jobs/tune_log.h
 *   DIR/seconds.csv   what they took
 *   DIR/rung-K        rows of the episodes, and run directories of trainings
 *   DIR/best.yaml     the best trial as a fragment of a configuration, to be included
 *   DIR/summary.txt, summary.md, figures/trials.csv, .gp
 *
 * All but seconds.csv is a pure function of the configuration: the same bytes for any number of
 * ranks, and whether or not the tuning was interrupted.
 */
#ifndef KARMA_JOBS_TUNE_H
#define KARMA_JOBS_TUNE_H

#include "core/base/lock.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/tune_trials.h"

struct tune_order {
    struct experiment *x;
    struct tune_source source;
    const char *dir;
    bool restart, dry_run, status;
};

/* Collective. dry_run: prints the trials on standard output; status: how far the directory is.
 * These two write nothing. `lock` is rank 0's, empty; the caller ends it. ERR_STOPPED after
 * SIGUSR1; ERR_CONFIG with a sentence. */
enum err tune_run(struct comm *comm, struct lock *lock, const struct tune_order *order) WARN_UNUSED;

#endif
