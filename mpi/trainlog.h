/* What a training leaves behind on rank 0: progress, metrics.csv, timing.csv, status, the policy.
 *
 * On other ranks every function does nothing and succeeds.
 */
#ifndef KARMA_MPI_TRAINLOG_H
#define KARMA_MPI_TRAINLOG_H

#include "core/base/progress.h"
#include "core/base/rundir.h"
#include "core/marl/mappo.h"
#include "mpi/comm.h"
#include "mpi/train.h"

struct trainlog {
    bool active; /* rank 0 */
    const struct train_setup *setup;
    const struct team *team;
    struct comm *comm;
    struct arena *arena;
    struct rundir dir;
    struct csv metrics, timing;
    struct progress progress;
    uint64_t step; /* of the phase */
    int done;      /* updates that have their row */

    /* filled in by the trainer during an update */
    struct mappo_stats stats;
    float *episodes; /* (n_stats + 1) sums, and their number */
    struct train_time {
        double rollout, learn, checkpoint; /* seconds since the last row */
    } time;
    double started_s, last_s, waited_s;
    int collapsed_at, collapsed_agent; /* collapsed_at: update since which, 0: nobody is */
    double before_s;                   /* seconds of training before this program took over */
};

enum { TRAINLOG_NEW = -1 };

/* timing.csv. Seconds: of training until the row was written, over all programs that took part. */
enum { TIMING_SECONDS = 1, TIMING_COLUMNS = 8 };

/* done TRAINLOG_NEW: a new run; an earlier one in the directory is moved aside to DIR.1, DIR.2,
 * ...: nothing is lost. Else the run in the directory goes on after that update (0: before the
 * first); rows of later ones are cut off, since they will be written again. */
enum err trainlog_open(struct trainlog *l, struct arena *arena, struct comm *comm,
                       const struct train_setup *setup, const struct team *team,
                       int done) WARN_UNUSED;
/* done: of `steps`, before this program took over. */
void trainlog_phase(struct trainlog *l, const char *what, int steps, int done);
void trainlog_step(struct trainlog *l);
/* One row of metrics.csv and timing.csv for update u (from 1). ERR_NUMERIC, after the row, if a
 * probability ratio before the first step was not exactly 1. */
enum err trainlog_update(struct trainlog *l, int u) WARN_UNUSED;
/* What happened since the last row does not belong to the next update. */
void trainlog_restart_clock(struct trainlog *l);
/* Rows written so far are on the disk when this returns: a checkpoint counts on them. */
enum err trainlog_sync(struct trainlog *l) WARN_UNUSED;
/* policy/weights.bin as it is now, status; a warning if an agent's choices have collapsed. stopped:
 * before the last update, on request. */
enum err trainlog_finish(struct trainlog *l, bool stopped) WARN_UNUSED;
/* Stopped on request while there was nothing to go on from. */
void trainlog_unprepared(struct trainlog *l);
/* `fault`: what was not finite (mappo_fault()), "" for other errors. */
void trainlog_fail(struct trainlog *l, enum err why, const char *fault);
void trainlog_close(struct trainlog *l);

#endif
