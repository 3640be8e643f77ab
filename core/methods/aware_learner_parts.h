/* What the files of AWARE's learner share.
 *
 *   aware_learner.c   acting, values, what a learner declares
 *   aware_update.c    an update: its order, episodes, state, optimiser
 *   aware_gradient.c  one tile's gradient leaf
 *
 * Private to core/methods.
 */
#ifndef KARMA_METHODS_AWARE_LEARNER_PARTS_H
#define KARMA_METHODS_AWARE_LEARNER_PARTS_H

#include "core/methods/aware_learner.h"
#include "core/methods/aware_net.h"

/* What an update is for. */
enum aware_phase { PHASE_NOTHING, PHASE_CLONE, PHASE_PPO };

/* The gradient record: heads of actor and critic, then (A, E) by each embedding, then sums over
 * samples: (A) of each of these, then two of the critic; the greatest |rho - 1| takes the maximum.
 */
enum aware_sum { SUM_WEIGHT, SUM_LOSS, SUM_ENTROPY, SUM_KL, SUM_CLIPPED, N_AGENT_SUMS };
enum aware_value_sum { SUM_VALUE_LOSS, SUM_VALUES, N_VALUE_SUMS };

struct aware_record {
    size_t head[2], embedding[2]; /* of actor and critic */
    size_t sums, value_sums, ratio_dev;
    struct reduce_shape shape;
};

/* Columns of the statistics of a batch. */
enum aware_column {
    COL_ADVANTAGE,
    COL_TARGET,
    COL_RESIDUAL, /* target - value */
    COL_REWARD,
    COL_LOGP,
    COL_HEURISTIC, /* returns of whole episodes in which the heuristic acted ... */
    COL_AGENTS,    /* ... and the agents; of an episode the mean over agents */
    N_COLUMNS
};

struct aware_networks {
    struct aware_net net[2]; /* actor, critic */
    size_t at[2];            /* in params */
    size_t embedding_at[2];
    size_t n_learned; /* parameters that Adam moves: those before the embeddings */
};

struct aware_update;

struct aware_learner {
    struct learner base; /* first */
    struct aware_plan plan;
    struct weights w;
    struct aware_networks nets;
    struct aware_best_shape shape;
    struct aware_record record;
    struct reduce_shape batch_shape;
    /* for acting and values */
    float *obs, *x, *out, *work; /* (n, D), (A, n, x_ld), (A, n, out_ld) */
    float *logp, *prob;          /* (K) */
    struct aware_update *update; /* NULL before prepare() */
};

enum { FAULT_MAX = 160 };

struct aware_update {
    struct aware_learner *l;
    struct learner_batch batch;
    enum aware_phase phase;
    bool trials; /* the agents acted in some environments only */
    struct aware_best best;
    struct aware_sequences sequences;
    struct aware_encoding encoding[2];
    float *kept, *mom1, *mom2; /* parts */
    uint64_t t;                /* steps of Adam */
    float *grads;              /* (n_learned) */
    float **obs;               /* (n_mine) (A, rows, D) of a tile */
    uint32_t *order;           /* (n_env) permutation of an epoch */
    uint64_t *order_scratch;
    int *minibatch_of; /* (n_env) */
    int n_minibatches;
    float adv_mean, adv_scale;
    float *x, *acts, *out, *d_out, *dx, *work, *loss_work; /* of one environment */
    float *column;                                         /* (rows, A) */
    void *grad_total, *batch_total, *best_total;
    double *agent_weight, *agent_entropy; /* (A) of the last epoch */
    char fault[FAULT_MAX];
};

static inline double *aware_state_of(const struct aware_learner *a)
{
    return a->w.global_state_stats;
}
static inline const float *aware_embedding(const struct aware_learner *a, int network)
{
    return a->w.params + a->nets.embedding_at[network];
}

/* Local. Scratch of gradients, for environments of n_steps rows. */
enum err aware_gradient_init(struct aware_update *u, struct arena *arena, int n_steps) WARN_UNUSED;
/* Local. Fill the leaf: sums over the rows of this tile's environments whose minibatch is
 * `minibatch`. */
void aware_gradient_leaf(struct aware_update *u, void *leaf, int tile_i, const struct block *b,
                         int minibatch);
/* Does an environment's part of a block teach anything in this update? */
bool aware_teaches(const struct aware_update *u, uint32_t gid);

/* Steps of an update. Collective: advantages and targets into the blocks, statistics and best
 * episodes of all tiles into the totals. ERR_NUMERIC if something is not finite. */
enum err aware_collect(struct aware_update *u, struct block *blocks) WARN_UNUSED;
/* Local. u->grads from the summed floats of the gradient record, which are scaled: means over
 * samples, and backwards through the encoders. The embeddings are those of the last forward pass.
 * */
void aware_spread_gradient(struct aware_update *u, float *total);

/* Operations of struct learner_ops. */
enum err aware_prepare(struct learner *l, struct arena *arena, const struct learner_batch *batch);
enum err aware_learn(struct learner *l, struct block *blocks, const struct learn_args *args,
                     struct learn_stats *out);
enum { AWARE_COLUMNS = 14 };
extern const char *const aware_columns[AWARE_COLUMNS];
/* Merges the records of the sum of best episodes; ctx: the learner. */
void aware_merge_best(void *ctx, void *into, const void *left, const void *right);

#endif
