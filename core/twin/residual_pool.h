/* Residual pool: the noise that gives a twin the variance of the cluster from which it was learned.
 *
 * Noise is not drawn from a normal distribution: it is a row of the pool, the residuals of a
 * network on whole validation episodes, divided by the scale that the network predicted there, all
 * targets together. So noise has the tails, the gaps between whole numbers and the correlations of
 * the cluster's. Rows follow each other as they did there: a fault that lasts leaves residuals that
 * last. The pool is sorted by level, the mean of s; the row that followed is taken as long as its
 * level is near the present one. Where it is not, and where a recording ends, another of the rows
 * near the level is drawn, all with the same probability. This is a block bootstrap whose block
 * lengths follow from the data; no block is cut short at random.
 *
 * A network's residuals hold its own error beside the noise of the cluster, and trajectories that
 * follow different networks differ by those errors once more. So rows are shrunk, target by target,
 * by the largest c <= 1 with which both together deviate no further from the mean of the networks
 * than the truth does, on average over the rows of such a level:
 *
 *     mean |network + c noise - mean of networks|  <=  mean |truth - mean of networks|
 */
#ifndef KARMA_TWIN_RESIDUAL_POOL_H
#define KARMA_TWIN_RESIDUAL_POOL_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { RESIDUAL_NONE = -1, RESIDUAL_POOL_MIN = 2 };

struct residual_pool {
    int n;         /* rows, >= RESIDUAL_POOL_MIN */
    float *level;  /* (n) ascending */
    float *z;      /* (n, n_target) */
    int32_t *next; /* (n) row that followed, RESIDUAL_NONE */
};
/* Room for n rows of n_target, zeroed; nothing else. */
enum err residual_pool_init(struct residual_pool *b, struct arena *arena, int n,
                            int n_target) WARN_UNUSED;

/* Rows to either side of those of a level that count as near to it. */
static inline int residual_pool_near(int n)
{
    return n / 16 > 0 ? n / 16 : 1;
}

/* Rows whose level is below, or (equal) no greater. */
int residual_pool_count_below(const struct residual_pool *b, float level, bool equal);

/* The row of the pool after `previous` (RESIDUAL_NONE: none yet) at that level; u uniform in [0,
 * 1). */
int residual_pool_draw(const struct residual_pool *b, int previous, float level, double u);

/* Prefetches the row that residual_pool_draw() will most likely return. */
void residual_pool_prefetch(const struct residual_pool *b, int previous, int n_target);

#endif
