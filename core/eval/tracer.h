/* The tracer: an observer that keeps one episode, step by step, for the log of trajectories. */
#ifndef KARMA_EVAL_TRACER_H
#define KARMA_EVAL_TRACER_H

#include "core/eval/episode.h"
#include "proto/trace.h"

struct tracer {
    int n_services, n_columns, n_action,
        horizon;               /* n_action: the most that a team chooses a step */
    int n_steps;               /* kept so far */
    const struct rules *rules; /* of the team that acts; NULL: none */
    float *state;              /* (horizon + 1, n_columns) */
    int32_t *delta;            /* (horizon, n_services) */
    int32_t *action;           /* (horizon, n_action) */
    double *reward;            /* (horizon, terms) */
};
/* rules: of the team with the most choices. */
enum err tracer_init(struct tracer *t, struct arena *arena, const struct world *w,
                     const struct rules *rules) WARN_UNUSED;

/* For episode_run(); a new episode replaces the old one. `t` must stay where it is. */
struct episode_observer tracer_observer(struct tracer *t);

/* The episode's steps, with the names of the terms; who played is for the caller to say. By
 * reference. */
void tracer_fill(struct episode_trace *out, const struct tracer *t);

#endif
