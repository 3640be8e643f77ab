/* The configuration of recorded episodes, from the evaluations that recorded them (RUN/config.yaml,
 * mpi/jobs/eval_config.h). Several runs, such as those of an ablation, are one evaluation of the
 * policies of all. Whether they belong together is not checked here: who plays an episode again
 * compares it with its record (mpi/jobs/replay_episodes.h). Local.
 */
#ifndef KARMA_JOBS_RECORDED_H
#define KARMA_JOBS_RECORDED_H

#include "mpi/jobs/experiment.h"

/* RUN/config.yaml of a run, a directory or its file of trajectories, in the arena. ERR_USAGE with a
 * sentence if it has none; `option`: what names a configuration instead ("--config CONFIG"). */
enum err recorded_config(const char **path, struct arena *arena, const char *run,
                         const char *option) WARN_UNUSED;

/* `x` was loaded from runs[0]/config.yaml: the policies of the other runs join those of its
 * controllers with the same names. Controllers that it has not join as well. */
enum err recorded_join(struct experiment *x, const char *const *runs, int n_runs,
                       const char *option) WARN_UNUSED;

#endif
