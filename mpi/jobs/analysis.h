/* The analysis of recorded trajectories (karma analyse): what a team learned, found in what it did.
 *
 *   DIR/TEAM/...      of each team (controller of eval.controllers), named by figure_slugs()
 *   DIR/roles.csv, roles.txt, roles.md    one row for each team
 *
 * Parts that compute something long are job lists whose records are arrays of numbers; they are
 * kept in a file of frames, so that an analysis goes on where it stopped, on any number of ranks
 * (mpi/jobs/number_jobs.h). All files are a function of the trajectories and the order: the same
 * bytes for any number of ranks.
 */
#ifndef KARMA_JOBS_ANALYSIS_H
#define KARMA_JOBS_ANALYSIS_H

#include "core/analysis/role_null.h"
#include "core/analysis/trajectories.h"
#include "core/base/lock.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"

struct analysis_order {
    const char *const *runs; /* (n_runs) directories of evaluations */
    int n_runs;
    const char *dir;        /* where results go: RUN/analysis */
    const char *controller; /* NULL: all teams */
    struct role_cfg roles;
    const struct experiment *x; /* the evaluation, for replays; NULL: none */
    int replaced;               /* decisions of an episode at which choices are replaced */
    double success; /* least SLO attainment of a successful episode; negative: the median */
    bool restart, dry_run;
};

/* What the parts of an analysis work with. */
struct analysis {
    struct comm *comm;
    const struct analysis_order *order;
    struct arena *arena; /* of the whole analysis */
    struct lock *lock;   /* of order->dir; rank 0's */
    struct trajectory_set *sets;
    const char **dirs; /* (n_sets) DIR/TEAM of each team */
    int n_sets;
};

/* Local. What an analysis would compute and the memory that it takes (analysis_memory.c), on
 * standard output; refuses what the analysis would. Parts that follow each other count as if they
 * were in memory at once, so the sum is an upper bound of what rank 0 takes; other ranks take less.
 */
enum err analysis_memory_print(const struct analysis_order *order) WARN_UNUSED;

/* Collective. `lock` is rank 0's, empty; the caller ends it. dry_run: prints on standard output
 * what would be done and what memory it takes; locks and writes nothing. ERR_STOPPED after SIGUSR1;
 * whatever trajectory_sets_read() refuses. */
enum err analysis_run(struct comm *comm, struct lock *lock,
                      const struct analysis_order *order) WARN_UNUSED;

#endif
