/* The best episodes of each service: what the encoder of AWARE reads.
 *
 * An episode of AWARE is a run of L consecutive decisions of one environment. Of each agent the K
 * episodes with the greatest sums of rewards are kept, the greatest first, in one flat array
 *
 *   (A, K, 2 + L F)     score | 1 where there is an episode, else 0 | for each step F floats:
 *                       observation (D), one-hot of the action (n_choices), reward
 *
 * with F = D + n_choices + 1. Places without an episode are zero and stand behind the others.
 *
 * Merging takes the best of two arrays; among equal scores those of the left come first. So it is
 * associative, and the best of all tiles are the same for any number of ranks.
 */
#ifndef KARMA_METHODS_AWARE_BEST_H
#define KARMA_METHODS_AWARE_BEST_H

#include "core/base/mem.h"
#include "core/marl/block.h"

enum { BEST_SCORE, BEST_PRESENT, BEST_STEPS }; /* where the parts of an episode begin */

struct aware_best_shape {
    int n_agents, n_kept, n_steps; /* A, K, L */
    int n_obs, n_choices;          /* D */
};

static inline int aware_best_features(const struct aware_best_shape *s)
{
    return s->n_obs + s->n_choices + 1;
}
/* Floats of one episode, and of the whole array. */
static inline size_t aware_best_episode(const struct aware_best_shape *s)
{
    return BEST_STEPS + (size_t)(s->n_steps * aware_best_features(s));
}
static inline size_t aware_best_floats(const struct aware_best_shape *s)
{
    return (size_t)(s->n_agents * s->n_kept) * aware_best_episode(s);
}

/* What merging and collecting need; made once. */
struct aware_best {
    struct aware_best_shape shape;
    float *scratch;     /* (K, episode) */
    float *score;       /* of the candidates of a block */
    int *first;         /* (candidates) their first rows */
    int max_candidates; /* of one block */
};

/* Blocks have at most n_rows rows. */
enum err aware_best_init(struct aware_best *b, struct arena *arena,
                         const struct aware_best_shape *shape, int n_rows) WARN_UNUSED;

/* Whole episodes of a block: their number; their first rows, ascending, in b->first. */
int aware_best_find(struct aware_best *b, const struct block *block);

/* Sum of an agent's rewards in the episode that begins at row `first`. */
float aware_best_sum(const struct aware_best_shape *s, const struct block *block, int first,
                     int agent);

/* best = the best episodes of a block. obs (A, rows, D): what the agents saw. Episodes lie at
 * multiples of L steps; one in which the environment's own episode ended before its last step does
 * not count. */
void aware_best_of_block(struct aware_best *b, float *best, const struct block *block,
                         const float *obs);

/* into = the best of left and right; into may be left. */
void aware_best_merge(struct aware_best *b, float *into, const float *left, const float *right);

/* Episodes of an agent that are there. */
int aware_best_count(const struct aware_best_shape *s, const float *best, int agent);

#endif
