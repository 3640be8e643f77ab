/* A learner: what acts for one team of an environment, and gets better at it.
 *
 * The trainer (mpi/train/train.h) knows learners by this interface only. Every rank has a learner
 * for each team, to act with; on ranks that learn, prepare() gives it the rest. An update is:
 *
 *     blocks of my tiles -> learn() -> the same weights on every learning rank
 *     rank 0: weights -> everybody -> refresh()
 *
 * Learners on several ranks meet in *sums*: a record for each tile, merged along the tree of tiles
 * (reduce.h). A learner says beforehand how many sums it needs and what their records are. So its
 * weights do not depend on who owns which tile, if they are a function of these totals.
 *
 * What it remembers between updates besides its weights (moments of an optimiser, episodes worth
 * keeping) are *parts*: arrays of floats and one counter, which a checkpoint stores as they are.
 * Parts must be equal on all learning ranks. What must be known where the team acts has to stand in
 * the weights.
 *
 * First implementation: mappo_learner.h.
 */
#ifndef KARMA_MARL_LEARNER_H
#define KARMA_MARL_LEARNER_H

#include "core/base/rng.h"
#include "core/marl/block.h"
#include "core/marl/reduce.h"
#include "core/marl/weights.h"

enum { LEARNER_SUMS_MAX = 4, LEARNER_PARTS_MAX = 8, LEARNER_COLUMNS_MAX = 16 };

/* What is asked of a learner. WARMUP: get to know the environment, do not change how the team acts.
 * CLONE: imitate the block's actions. VALUE: learn what states are worth, do not change how the
 * team acts. ALL: get better. A learner to which a phase means nothing does nothing in it. */
enum learn_phase { LEARN_WARMUP, LEARN_CLONE, LEARN_VALUE, LEARN_ALL };

struct learn_args {
    enum learn_phase phase;
    double progress;   /* of the run (of cloning, while it lasts), in [0, 1) */
    double lr, lr_end; /* step size at the start and the end; negative: the learner's own */
};

/* What an update tells. */
struct learn_stats {
    double reward;    /* mean of a step */
    double entropy;   /* mean, of the choices of an agent; 0 if it has none */
    double acted_dev; /* greatest deviation of the probabilities recorded in the blocks from those
                         that the same weights give here, as a ratio; 0 if it compares none */
    /* The least mean entropy of one agent's choices, and whose (-1: nobody had a choice). About 0:
     * the agent always does the same and explores nothing any more. */
    double entropy_least;
    int entropy_agent;
    double columns[LEARNER_COLUMNS_MAX]; /* (ops->n_columns) for metrics.csv */
};

/* What environments show to a team when it acts; row-wise: an answer may not depend on n. It has
 * no privileged part: that is for values alone. */
struct learner_view {
    int n;
    const float *global_state; /* (n, G) raw */
    const uint32_t *mask;      /* (n, A, F, words) */
    /* Coordinates of the draws: counter (draw, step, update, gid), with draws of this team's own
     * (env_draw()). */
    struct rng_key key;
    const uint32_t *gid; /* (n) */
    uint32_t update, step;
    /* What the learner thinks best, by which a policy is played: no draws, gid may be NULL.
     * Rollouts leave it false: as the learner explores. */
    bool greedy;
};

/* Sequences of rows to be valued. */
struct learner_rows {
    int n, n_steps;
    const float *global_state; /* (n, n_steps, G) raw */
    const float *privileged;   /* (n, n_steps, P); NULL if P = 0 */
    const float *state;        /* (n, A, S) before the first step; NULL if S = 0 */
    const uint8_t *flag; /* (n, n_steps) enum env_flag: states are 0 after the end of an episode;
                            NULL: none ends */
};

/* What a learning rank gives to a learner. */
struct learner_batch {
    uint64_t seed;
    int n_env, n_steps;         /* of the whole run */
    int group;                  /* env_group() */
    int n_mine;                 /* tiles this rank learns */
    const struct reducer *sums; /* (n_sums) */
};

/* What a user may be advised in; see learner_advice(). */
enum learner_trouble { LEARNER_COLLAPSES, LEARNER_COLLAPSED, LEARNER_NOT_FINITE };
enum { LEARNER_TEXT = 200 };

struct learner;
struct learner_ops {
    const char *name;
    int n_columns; /* names of learn_stats.columns */
    const char *const *columns;

    /* action (n, A, F), inside the masks; logp (n, A) of the joint choice over the factors; state
     * (n, A, S) in and out, NULL if S = 0. Local; allocates nothing. */
    void (*act)(struct learner *l, int32_t *action, float *logp, float *state,
                const struct learner_view *view);
    /* value (n, n_steps, A). NULL: this learner needs no values; they are 0 in its blocks. */
    void (*value)(struct learner *l, float *value, const struct learner_rows *rows);
    /* l->w was overwritten: derive what depends on it. NULL: nothing does. */
    void (*refresh)(struct learner *l);

    /* Local. Memory for learning, and l->parts. NULL, like learn: the team plays and never learns;
     * its blocks are neither recorded nor sent. */
    enum err (*prepare)(struct learner *l, struct arena *arena, const struct learner_batch *batch);
    /* Collective over all ranks that learn, through the sums. blocks (n_mine), ascending by tile.
     * Everybody ends with the same weights, their version + 1. ERR_NUMERIC with a sentence if
     * something is not finite; then the learner is good for nothing. */
    enum err (*learn)(struct learner *l, struct block *blocks, const struct learn_args *args,
                      struct learn_stats *out);
    /* What was not finite in the update that returned ERR_NUMERIC, "the gradient of the critic"; ""
     * if there was none. NULL: not told. */
    const char *(*fault)(const struct learner *l);
    /* What to change in the configuration, as part of a sentence. NULL: no advice. */
    void (*advise)(const struct learner *l, char text[LEARNER_TEXT], enum learner_trouble what);
};

/* Record of one tile in a sum, and how two are merged; see reduce.h and mpi/comm/treesum.h. */
struct learner_sum {
    size_t bytes;
    void (*merge)(void *ctx, void *into, const void *left, const void *right);
    void *ctx;
    /* Of bytes [from, to), if records can be cut; else NULL. */
    void (*merge_part)(void *ctx, void *into, const void *left, const void *right, size_t from,
                       size_t to);
};

struct learner_part {
    float *values; /* (n); NULL before prepare() */
    size_t n;
};

struct learner {
    const struct learner_ops *ops;
    const struct team_spec *spec;
    int team; /* its number in the environment */
    struct weights *w;

    /* An update goes through the tiles in so many parts of equal size, if the number of tiles is a
     * multiple, and ranks wait for each other after each; 0: as if it were 1. For predictions. */
    int turns;
    int n_sums, n_parts; /* both known before prepare() */
    struct learner_sum sums[LEARNER_SUMS_MAX];
    struct learner_part parts[LEARNER_PARTS_MAX];
    uint64_t *counter; /* stored with the parts; NULL before prepare() */
};

static inline bool learner_learns(const struct learner *l)
{
    return l->ops->learn != NULL;
}

static inline const char *learner_fault(const struct learner *l)
{
    return l->ops->fault != NULL ? l->ops->fault(l) : "";
}

/* LEARNER_COLLAPSES: an agent makes one choice with near certainty; COLLAPSED: it did to the end;
 * NOT_FINITE: a number was not. */
static inline const char *learner_advice(const struct learner *l, char text[LEARNER_TEXT],
                                         enum learner_trouble what)
{
    text[0] = '\0';
    if (l->ops->advise != NULL) {
        l->ops->advise(l, text, what);
    }
    return text;
}

static inline void learner_refresh(struct learner *l)
{
    if (l->ops->refresh != NULL) {
        l->ops->refresh(l);
    }
}

#endif
