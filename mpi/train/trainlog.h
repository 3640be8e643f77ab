/* What a training leaves behind on rank 0: progress, metrics.csv, timing.csv, status, the policy.
 *
 * metrics.csv has the columns of every team's learner; those of further teams carry their name.
 * On other ranks every function does nothing and succeeds.
 */
#ifndef KARMA_TRAIN_TRAINLOG_H
#define KARMA_TRAIN_TRAINLOG_H

#include "core/base/progress.h"
#include "core/base/rundir.h"
#include "core/marl/learner.h"
#include "mpi/comm/comm.h"
#include "mpi/train/setup.h"

struct trainlog {
    bool active; /* rank 0 */
    const struct train_setup *setup;
    const struct env_spec *spec;
    struct learner *const *learners; /* (spec->n_teams) */
    struct comm *comm;
    struct arena *arena;
    struct rundir dir;
    struct csv metrics, timing;
    struct progress progress;
    uint64_t step; /* of the phase */
    int done;      /* updates that have their row */

    /* filled in by the trainer during an update */
    struct learn_stats stats[ENV_TEAMS_MAX];
    float *episodes; /* (n_stats + 1) sums, and their number */
    struct train_time {
        double rollout, learn, checkpoint; /* seconds since the last row */
    } time;
    double started_s, last_s, waited_s, told_s; /* told_s: when the status was written */
    /* Of each team. collapsed_at: update since which, 0: nobody is. */
    int collapsed_at[ENV_TEAMS_MAX], collapsed_agent[ENV_TEAMS_MAX];
    double before_s; /* seconds of training before this program took over */
};

enum { TRAINLOG_NEW = -1 };

/* timing.csv. Seconds: of training until the row was written, over all programs that took part. */
enum { TIMING_SECONDS = 1, TIMING_COLUMNS = 8 };

/* done TRAINLOG_NEW: a new run; an earlier one in the directory is moved aside to DIR.1, DIR.2,
 * ...: nothing is lost. Else the run in the directory goes on after that update (0: before the
 * first); rows of later ones are cut off, since they will be written again. */
enum err trainlog_open(struct trainlog *l, struct arena *arena, struct comm *comm,
                       const struct train_setup *setup, struct learner *const *learners,
                       int done) WARN_UNUSED;
/* done: of `steps`, before this program took over. */
void trainlog_phase(struct trainlog *l, const char *what, int steps, int done);
void trainlog_step(struct trainlog *l);
/* One row of metrics.csv and timing.csv for update u (from 1). ERR_NUMERIC, after the row, if a
 * probability before the first step was not what the worker recorded. */
enum err trainlog_update(struct trainlog *l, int u) WARN_UNUSED;
/* What happened since the last row does not belong to the next update. */
void trainlog_restart_clock(struct trainlog *l);
/* Rows written so far are on the disk when this returns: a checkpoint counts on them. */
enum err trainlog_sync(struct trainlog *l) WARN_UNUSED;
/* Local. The policy file of a learner as it is now. columns (spec->n_norm): their names. */
enum err trainlog_write_policy(const char *path, const struct train_setup *setup,
                               const struct learner *learner,
                               const char *const *columns) WARN_UNUSED;
/* policy/weights.bin as it is now (of further teams policy/TEAM.bin), status; a warning if an
 * agent's choices have collapsed. stopped: before the last update, on request. */
enum err trainlog_finish(struct trainlog *l, bool stopped) WARN_UNUSED;
/* Another trainer goes on with this run. */
void trainlog_pause(struct trainlog *l);
/* Stopped on request while there was nothing to go on from. */
void trainlog_unprepared(struct trainlog *l);
/* Why a learner could not go on (learner_fault()) goes into the status. */
void trainlog_fail(struct trainlog *l, enum err why);
void trainlog_close(struct trainlog *l);

#endif
