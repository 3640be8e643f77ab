/* The collector: an observer that keeps one episode as the trace store wants it: states, executed
 * changes, the load that was offered and what was true. Beside the trajectory recorder
 * (trajectory_recorder.h), which keeps what agents chose and were rewarded for.
 */
#ifndef KARMA_EVAL_COLLECTOR_H
#define KARMA_EVAL_COLLECTOR_H

#include "core/eval/episode.h"
#include "proto/trace_store.h"

struct collector {
    const struct env_setup *env_setup;
    const struct schedule *schedule; /* of the running episode */
    int n_steps;                     /* kept so far */
    float *state;                    /* (horizon + 1, n_state) */
    float *load;                     /* (horizon) */
    int32_t *delta;                  /* (horizon, n_services) */
    double *truth;                   /* (horizon, PLANT_TRUTHS) */
};

/* schedule: where the episode that is played has its own. By reference. */
enum err collector_init(struct collector *c, struct arena *arena, const struct env_setup *w,
                        const struct schedule *schedule) WARN_UNUSED;

/* For episode_run(); a new episode replaces the old one. `c` must stay where it is. */
struct episode_observer collector_observer(struct collector *c);

/* The episode's arrays; who played is for the caller to say. By reference. */
void collector_fill(struct store_episode *out, const struct collector *c);

#endif
