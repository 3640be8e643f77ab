/* DIR/trajectories.bin: the episodes of an evaluation step by step, one frame each, in the order of
 * jobs (eval.trajectories: all).
 *
 * The frame travels behind the episode's row in the record of its job, so it is written by rank 0
 * when its turn comes and nothing but the records under way is in memory. An evaluation that goes
 * on keeps the frames that are there, as far as they are the first jobs' and whole, and plays the
 * jobs behind them again, whether or not their rows are known.
 */
#ifndef KARMA_JOBS_TRAJECTORIES_H
#define KARMA_JOBS_TRAJECTORIES_H

#include "core/eval/eval_store.h"
#include "core/eval/trajectory_recorder.h"
#include "mpi/jobs/experiment.h"

struct trajectories {
    const struct experiment *x;
    const struct eval_grid *grid;
    struct trajectory_recorder recorder;
    const char *path;
    const char *const *columns, *const *services;
    int fd;     /* rank 0; -1: not open */
    int n_kept; /* rank 0: frames that were there */
};

/* Local. By reference; `t` must stay where it is. n_action: choices of a step of the team with the
 * most. */
enum err trajectories_init(struct trajectories *t, struct arena *arena, const struct experiment *x,
                           int n_action, const struct eval_grid *grid, const char *dir) WARN_UNUSED;

/* Local, rank 0. Opens the file; what is there is kept if `keep`, as far as it can be used. */
enum err trajectories_open(struct trajectories *t, bool keep) WARN_UNUSED;

/* Local. Appends the frame of the episode that the recorder observed, which was job i. */
enum err trajectories_encode(struct buf *out, const struct trajectories *t, int i) WARN_UNUSED;

/* Local, rank 0. The frame behind the first one of job i's record goes to the file, unless it is
 * there. */
enum err trajectories_take(struct trajectories *t, int i, const void *record,
                           size_t bytes) WARN_UNUSED;

void trajectories_close(struct trajectories *t);

#endif
