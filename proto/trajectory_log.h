/* An episode step by step, as it stands in the trajectory log, trajectories.bin
 * (proto/trajectory_log.proto; conventions: proto/wire.h). */
#ifndef KARMA_PROTO_TRAJECTORY_LOG_H
#define KARMA_PROTO_TRAJECTORY_LOG_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>
#include <stdint.h>

/* Layout version of the payload: what this program writes, and the newest it reads. */
enum { CODEC_TRAJECTORY_LOG_VERSION = 2 };

struct trajectory_episode {
    const char *controller, *scenario, *split;
    uint64_t policy, train_seed; /* 0 for rules */
    uint64_t seed, cell_digest;
    uint32_t episode;
    double period_s;
    const char *const *services; /* (n_services) */
    const char *const *columns;  /* (n_columns) */
    const char *const *agents;   /* (n_agents), none for rules */
    const char *const *terms;    /* (n_terms) */
    int n_steps, n_services, n_columns, n_agents, n_terms;
    int n_choices;         /* of each agent */
    const float *state;    /* (n_steps + 1, n_columns) */
    const int32_t *delta;  /* (n_steps, n_services) */
    const int32_t *action; /* (n_steps, n_agents, n_choices) */
    const double *reward;  /* (n_steps, n_terms) */
    /* Unknown to frames of version 1, and where trajectory_log.proto says so: NULL, NaN. */
    const char *const *roles;   /* (n_agents) */
    const int32_t *change;      /* (n_steps, n_agents, n_services) */
    const int32_t *free_change; /* (n_steps, n_agents, n_services) */
    double slo_attainment, upper_bound;
};
enum err codec_put_trajectory(struct buf *out, const struct trajectory_episode *t) WARN_UNUSED;
/* Everything points into `arena`. ERR_FORMAT if the shapes do not fit each other. */
enum err codec_get_trajectory(struct trajectory_episode *t, const void *bytes, size_t n,
                              const char *source, struct arena *arena) WARN_UNUSED;

#endif
