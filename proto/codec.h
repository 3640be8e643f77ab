/* Codecs: bytes <-> plain arrays. The only users of protobuf-c and of the generated headers.
 *
 * Every encoder appends one frame (core/base/frame.h) to a buffer; every decoder takes one frame's
 * payload, checks every length against the shapes it was given, and writes its output on success
 * only. `source` names the bytes in messages ("rank 3", "policy/weights.bin").
 * Shapes and units stand in the .proto files.
 */
#ifndef KARMA_PROTO_CODEC_H
#define KARMA_PROTO_CODEC_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/marl/block.h"
#include "core/marl/learner.h"
#include "core/marl/mappo.h"
#include "core/marl/rollout.h"
#include "core/marl/team.h"

/* Layout versions of the payloads this program writes, and the newest it reads. */
enum {
    CODEC_TRAJECTORY_VERSION = 1,
    CODEC_WEIGHTS_VERSION = 1,
    CODEC_POLICY_VERSION = 1,
    CODEC_ERROR_VERSION = 1,
    CODEC_UPDATE_VERSION = 1,
    CODEC_EVAL_VERSION = 1,
    CODEC_CHECKPOINT_VERSION = 1,
    CODEC_MOMENTS_VERSION = 1,
    CODEC_TILE_STATE_VERSION = 1,
    CODEC_TRACE_VERSION = 1,
    CODEC_STORE_VERSION = 1,
    CODEC_TWIN_VERSION = 2 /* 1: numbers of pods were learned, not their gaps (core/twin/pods.h) */
};

/* ---- trajectory ---- */
/* scratch is rewound. */
enum err codec_put_block(struct buf *out, const struct block *b, const struct env_spec *spec,
                         struct arena *scratch) WARN_UNUSED;
/* Into the one of blocks (n_blocks, each initialised with its tile, team and shape) that the
 * message is for; *got points at it. ERR_FORMAT if the message has another shape or an unknown tile
 * or team. scratch is rewound. */
enum err codec_get_block(struct block **got, struct block *blocks, int n_blocks,
                         const struct env_spec *spec, const void *bytes, size_t n,
                         const char *source, struct arena *scratch) WARN_UNUSED;

/* ---- error ---- */
enum err codec_put_error(struct buf *out, enum err code) WARN_UNUSED;
enum err codec_get_error(enum err *code, const void *bytes, size_t n, const char *source,
                         struct arena *scratch) WARN_UNUSED;

/* ---- weights ---- */
/* team: its number in the environment. */
enum err codec_put_weights(struct buf *out, const struct weights *w, int team) WARN_UNUSED;
/* Overwrites *w, which has the lengths that are expected; a refresh is due. ERR_FORMAT if the
 * message has other lengths or is of another team. scratch is rewound. */
enum err codec_get_weights(struct weights *w, int team, const void *bytes, size_t n,
                           const char *source, struct arena *scratch) WARN_UNUSED;

/* ---- policy file ---- */
struct policy_meta {
    uint64_t seed, digest;
    const char *config;          /* resolved YAML */
    const char *const *features; /* (spec->n_norm) */
};
enum err codec_put_policy(struct buf *out, const struct weights *w, const struct team_spec *spec,
                          const struct policy_meta *meta) WARN_UNUSED;
/* Overwrites *w, a refresh is due. meta->features (or NULL) is what the caller's game has; the rest
 * of meta is filled in, its strings live in `arena`. ERR_MISMATCH, naming what differs, if the file
 * was made for another game. */
enum err codec_get_policy(struct weights *w, const struct team_spec *spec, struct policy_meta *meta,
                          const void *bytes, size_t n, const char *source,
                          struct arena *arena) WARN_UNUSED;
/* Only the configuration it was trained with, which says what shape the rest has; in `arena`. */
enum err codec_get_policy_config(const char **config, const void *bytes, size_t n,
                                 const char *source, struct arena *arena) WARN_UNUSED;

/* ---- evaluation record ---- */
struct eval_record {
    uint32_t controller, train, scenario, episode;
    const double *metrics; /* (n_metrics) */
    const double *conduct; /* (n_conduct) */
    int n_metrics, n_conduct;
};
enum err codec_put_record(struct buf *out, const struct eval_record *r) WARN_UNUSED;
/* r->n_metrics and r->n_conduct say how many are expected; they go to `metrics` and `conduct`
 * (NULL: none). scratch is rewound. */
enum err codec_get_record(struct eval_record *r, double *metrics, double *conduct,
                          const void *bytes, size_t n, const char *source,
                          struct arena *scratch) WARN_UNUSED;

/* ---- an episode step by step (proto/trace.proto) ---- */
struct episode_trace {
    const char *controller, *scenario, *split;
    uint64_t policy, train_seed; /* 0 for rules */
    uint64_t seed, setting;
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
};
enum err codec_put_trace(struct buf *out, const struct episode_trace *t) WARN_UNUSED;
/* Everything points into `arena`. ERR_FORMAT if the shapes do not fit each other. */
enum err codec_get_trace(struct episode_trace *t, const void *bytes, size_t n, const char *source,
                         struct arena *arena) WARN_UNUSED;

/* ---- a store of transitions (proto/trace_store.proto) ---- */
struct store_header {
    const char *plant, *topology, *origin, *licence;
    const char *const *services; /* (n_services) */
    const char *const *columns;  /* (n_columns) */
    const char *const *units;    /* (n_columns) */
    const char *const *measures; /* (n_measures) */
    int n_services, n_columns, n_measures;
    double period_s;
    uint64_t split_seed;
    double validation, held_out; /* shares */
};
enum err codec_put_store(struct buf *out, const struct store_header *h) WARN_UNUSED;
/* Everything points into `arena`. ERR_FORMAT if the numbers do not make sense. */
enum err codec_get_store(struct store_header *h, const void *bytes, size_t n, const char *source,
                         struct arena *arena) WARN_UNUSED;

enum { STORE_ATTACK = 3 }; /* entry, rate, data */
struct store_episode {
    const char *controller, *scenario;
    uint64_t policy, seed, setting;
    uint32_t episode;
    double start_s;
    int n_steps;           /* T >= 1 */
    const float *state;    /* (T + 1, n_columns), finite */
    const int32_t *delta;  /* (T, n_services) */
    const int32_t *attack; /* (T, STORE_ATTACK); NULL: nobody attacks but the scenario */
    const float *load;     /* (T), finite, >= 0 */
    const double *measure; /* (T, n_measures), finite */
    const uint8_t *gaps;   /* (store_gap_bytes) bits; NULL: none */
};
/* Bytes of the gap bits. */
static inline size_t store_gap_bytes(int n_steps, int n_columns)
{
    return (((size_t)n_steps + 1) * (size_t)n_columns + 7) / 8;
}
enum err codec_put_episode(struct buf *out, const struct store_episode *e,
                           const struct store_header *h) WARN_UNUSED;
/* Everything points into `arena`. ERR_FORMAT if the shapes are not those of the header. */
enum err codec_get_episode(struct store_episode *e, const struct store_header *h, const void *bytes,
                           size_t n, const char *source, struct arena *arena) WARN_UNUSED;

/* ---- a fitted twin (proto/twin.proto) ---- */
struct twin_header {
    uint64_t traces; /* digest of the store beside it */
    const char *fit; /* YAML */
    int history;
    bool residual;
    const int32_t *hidden; /* (n_hidden) */
    int n_hidden, members;
    const float *in_mean, *in_inv;   /* (n_in) */
    const float *out_mean, *out_std; /* (n_target) */
    const float *limits;             /* (n_columns, 4) lo, least, most, hi */
    const float *spread;             /* (n_spread) ascending */
    int n_in, n_target, n_columns, n_spread;
};
enum err codec_put_twin(struct buf *out, const struct twin_header *h) WARN_UNUSED;
/* Everything points into `arena`; numbers are finite, shapes are for the caller to compare. */
enum err codec_get_twin(struct twin_header *h, const void *bytes, size_t n, const char *source,
                        struct arena *arena) WARN_UNUSED;

struct twin_member {
    const float *params; /* (n_params) */
    const float *level;  /* (n_noise) ascending */
    const float *z;      /* (n_noise, n_target) */
    const int32_t *next; /* (n_noise) row, -1 = none */
    size_t n_params;
    int n_noise;
    double error;
    int epochs;
};
enum err codec_put_member(struct buf *out, const struct twin_member *m, int n_target) WARN_UNUSED;
/* The same; z has n_target columns, and no row is followed by one that is not there. */
enum err codec_get_member(struct twin_member *m, const void *bytes, size_t n, int n_target,
                          const char *source, struct arena *arena) WARN_UNUSED;

/* ---- checkpoint (proto/checkpoint.proto) ---- */
/* Of one team's section. */
struct checkpoint_header {
    uint64_t config, weights; /* digests */
    uint32_t update, rollouts;
    uint64_t counter; /* of the learner */
    int n_envs, horizon;
};
enum err codec_put_checkpoint(struct buf *out, const struct checkpoint_header *h,
                              const struct learner *l) WARN_UNUSED;
/* ERR_MISMATCH, naming what differs, if the learner, h->n_envs or h->horizon are not the file's;
 * the rest of `h` is filled in. scratch is rewound. */
enum err codec_get_checkpoint(struct checkpoint_header *h, const struct learner *l,
                              const void *bytes, size_t n, const char *source,
                              struct arena *scratch) WARN_UNUSED;

/* values (n): the learner's part of that number, from 1. */
enum err codec_put_moments(struct buf *out, int order, const float *values,
                           size_t n_values) WARN_UNUSED;
enum err codec_get_moments(float *values, size_t n_values, int order, const void *bytes, size_t n,
                           const char *source, struct arena *scratch) WARN_UNUSED;

/* sums (n_env of the tile): see core/marl/replay.h. The tile keeps its actions. scratch is rewound.
 */
enum err codec_put_tile_state(struct buf *out, const struct rollout_tile *tile,
                              const uint32_t *sums, struct arena *scratch) WARN_UNUSED;
/* Into tile->episode, steps, actions and states; the message must be for tile->tile. */
enum err codec_get_tile_state(struct rollout_tile *tile, uint32_t *sums, const void *bytes,
                              size_t n, const char *source, struct arena *scratch) WARN_UNUSED;

/* ---- update dump ---- */
/* One PPO update whose blocks are all here, in environment order. */
struct update_dump {
    const struct team *team;      /* shapes; weights after */
    const struct weights *before; /* copies made before the update, like the next three */
    const float *adam_m, *adam_v; /* (n_params) */
    uint64_t adam_t;              /* as mappo_optimiser() tells it */
    const struct mappo_cfg *cfg;
    const struct mappo_stats *stats;
    const struct block *blocks;        /* (n_blocks), with advantages and targets */
    const struct mappo_inputs *inputs; /* (n_blocks) */
    const uint32_t *slice_of;          /* (epochs, environments) */
    int n_blocks, n_slices;
    int n_stats; /* of an episode */
    uint32_t update;
    uint64_t seed;
};
/* scratch is rewound. */
enum err codec_put_update(struct buf *out, const struct update_dump *d,
                          struct arena *scratch) WARN_UNUSED;

#endif
