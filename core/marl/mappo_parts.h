/* What the files of MAPPO share: its memory, its records, and the steps of an update.
 *
 *   mappo.c     the order of an update: statistics, epochs, minibatches, optimiser
 *   batch.c     what is known of the whole batch before the first epoch
 *   gradient.c  one tile's gradient leaf
 *   loss.c      the losses, row by row
 *
 * Private to core/marl.
 */
#ifndef KARMA_MARL_MAPPO_PARTS_H
#define KARMA_MARL_MAPPO_PARTS_H

#include "core/marl/mappo.h"

/* The gradient record: n_params floats laid out like the parameters, then for each of these A
 * floats, then two of the critic; the greatest |rho - 1| is the float that takes the maximum. */
enum agent_sum { SUM_WEIGHT, SUM_LOSS, SUM_ENTROPY, SUM_KL, SUM_CLIPPED, N_AGENT_SUMS };
enum value_sum { SUM_VALUE_LOSS, SUM_VALUES, N_VALUE_SUMS };

/* (A) floats of one kind. */
static inline float *record_agent_sums(const struct team *t, float *record, enum agent_sum kind)
{
    return record + t->w.n_params + (size_t)kind * (size_t)t->spec->n_agents;
}
static inline float *record_value_sums(const struct team *t, float *record)
{
    return record_agent_sums(t, record, N_AGENT_SUMS);
}
static inline float *record_ratio_dev(const struct team *t, float *record)
{
    return record_value_sums(t, record) + N_VALUE_SUMS;
}

/* The batch record's columns: n_norm of the rows, then A of each of these. */
enum batch_column {
    COL_ADVANTAGE, /* of samples with a choice */
    COL_TARGET,
    COL_RESIDUAL, /* target - value */
    COL_REWARD,
    N_BATCH_COLUMNS
};
static inline int batch_columns(const struct team *t)
{
    return t->spec->n_norm + N_BATCH_COLUMNS * t->spec->n_agents;
}
static inline int batch_column(const struct team *t, enum batch_column kind, int agent)
{
    return t->spec->n_norm + (int)kind * t->spec->n_agents + agent;
}

/* What all epochs read of one tile; rows = its environments x steps, environment-major. */
struct tile_inputs {
    float *obs;    /* (A, rows, obs_ld) */
    float *critic; /* (rows, critic_ld); local critic: none */
    float *value;  /* (rows, A) normalised */
    float *target; /* (rows, A) normalised */
};

enum { FAULT_MAX = 200 };

struct mappo {
    const struct mappo_cfg *cfg;
    struct team *team; /* borrowed, written */
    uint64_t seed;
    int n_env, n_tiles, n_steps, n_mine, n_minibatches;
    int group; /* environments that play the same episodes; 1: each plays its own */
    struct reducer grad, batch;
    struct reduce_shape grad_shape, batch_shape;
    float *mom1, *mom2; /* (n_params) Adam */
    uint64_t t;         /* Adam steps: the actors' in the upper half, the critic's in the lower */

    struct tile_inputs *tiles;   /* (n_mine) */
    float *adv_mean, *adv_scale; /* (A) */
    uint32_t *order;             /* (n_env) permutation of an epoch */
    uint64_t *order_scratch;     /* (n_env) */
    int *minibatch_of;           /* (n_env) minibatch of each environment in this epoch */
    int *n_dealt; /* (n_tiles) of each run of n_minibatches tiles: tiles dealt so far */

    /* for one block of rows */
    float *acts, *out, *d_out, *work, *loss_work;
    /* for statistics */
    float *global_state; /* (G) */
    float *column;       /* (TILE * T) */
    double *columns;     /* stats_doubles(max(n_norm, A)) */

    void *grad_total, *batch_total; /* records */

    double *agent_weight, *agent_entropy; /* (A) sums over the minibatches of this epoch */
    char fault[FAULT_MAX];
};

/* Local. Logs that something is not finite and keeps the words for mappo_fault(). ERR_NUMERIC. */
enum err mappo_not_finite(struct mappo *m, const char *fmt, ...) WARN_UNUSED
    __attribute__((format(printf, 2, 3)));

/* Local. One learner's memory for a pass over its tiles, n_rows of each. */
enum err gradient_init(struct mappo *m, struct arena *arena) WARN_UNUSED;
/* Local. Fill the leaf (a gradient record): the sums over the rows of the tile's environments whose
 * minibatch is `minibatch`; zeros if there are none. tile_i: index among this learner's tiles. */
void gradient_leaf(struct mappo *m, void *leaf, int tile_i, const struct block *b, int minibatch,
                   enum mappo_phase phase);

enum err batch_init(struct mappo *m, struct arena *arena) WARN_UNUSED;
/* Collective. Advantages and targets into the blocks, statistics of the batch into batch_total.
 * ERR_NUMERIC if something in the blocks is not finite. */
enum err batch_collect(struct mappo *m, struct block *blocks) WARN_UNUSED;
/* Local. PopArt moves, advantages get their scale, inputs of all tiles are built. */
void batch_prepare(struct mappo *m, const struct block *blocks);
/* Local. The statistics of the batch's global states join the team's. */
void batch_merge_rows(struct mappo *m);
/* Local. The numbers of the log that come from the batch. */
double batch_mean_reward(const struct mappo *m);
double batch_explained_variance(const struct mappo *m);

#endif
