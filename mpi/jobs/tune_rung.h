/* One rung of a tuning: its trials play, and each is scored as soon as its episodes are there.
 *
 * A rung is an evaluation (mpi/jobs/eval_run.h) in DIR/rung-K, whose controllers are the arms of
 * the reference and the trials. So an interrupted tuning goes on from the episodes that it has, on
 * any number of ranks, and rows of another spec or another program are refused. A rung of a
 * controller plays only the episodes that the rungs before it have not played, and scores all of
 * them.
 */
#ifndef KARMA_JOBS_TUNE_RUNG_H
#define KARMA_JOBS_TUNE_RUNG_H

#include "core/base/lock.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/tune_log.h"

/* Rows of one rung. */
struct tune_rows {
    const struct eval_row *rows; /* ordered by arm, scenario, episode */
    int n_episodes;
    const int *first_arm, *n_arms; /* (controllers) of the evaluation */
    const int *trials;             /* (n_trials) played, behind the arms of the reference */
    int n_trials;
};

/* A trial that is in the rung. */
struct tune_entry {
    int trial;
    bool failed;    /* its training diverged: it is not played */
    double train_s; /* NaN: it was not trained now */
};

struct tune_play {
    struct comm *comm;
    const struct tune_trials *trials;
    const char *dir;
    struct lock *lock;
    struct arena *arena, *scratch; /* borrowed; rows of all rungs stay in `arena` */
    struct eval_cfg base;          /* as configured */
    const int *references;         /* (n_references) in base.controllers */
    int n_references;
    struct tune_rows rungs[TUNE_RUNGS_MAX];
    struct tune_log log;          /* rank 0 */
    struct trial_result *results; /* rank 0: (n_results), room for all rungs */
    int n_results;
};

/* Local. By reference. */
enum err tune_play_init(struct tune_play *p, struct comm *comm, struct arena *arena,
                        struct arena *scratch, const struct tune_trials *trials,
                        const char *dir) WARN_UNUSED;

/* Local. The run directory of a training, in rung `rung`, from 0. In the arena; NULL when out of
 * memory. */
const char *tune_train_dir(const struct tune_play *p, struct arena *arena, int rung, int trial,
                           int seed);

/* Collective. The entries (n, ascending by trial; some has not failed) play rung `rung`, which is
 * the next one. Rank 0 then has their results, the last n of p->results, and lines in the log.
 * ERR_STOPPED after SIGUSR1. */
enum err tune_play_rung(struct tune_play *p, int rung, const struct tune_entry *entries,
                        int n) WARN_UNUSED;

/* Local, rank 0. Corners of the reference's frontier over all episodes, as (mean vCPU, SLO
 * attainment), into points (n_references). Returns their number; 0 without a reference. */
enum err tune_play_reference(struct frontier_point *points, int *n,
                             const struct tune_play *p) WARN_UNUSED;

#endif
