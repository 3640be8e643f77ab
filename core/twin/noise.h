/* Noise: what makes a twin as restless as the cluster it was learned from.
 *
 * Noise is no normal number but a row of a bank: what a network got wrong on whole validation
 * episodes, divided by its own scale then, all targets together. So noise has the tails, the gaps
 * between whole numbers and the correlations of the cluster's. Rows follow each other as they did
 * there: a fault that lasts leaves residuals that last. The bank is sorted by its level, the mean
 * of s; the row that followed is taken as long as its level is near that of the moment. Where it is
 * not, and where a recording ends, another of the rows near it is drawn, all alike.
 * So this is a bootstrap of blocks whose lengths the world decides; none is cut short at random.
 *
 * A network's residuals hold its own error beside the noise of the world, and worlds that follow
 * different networks differ by those errors once more. So rows are shrunk, target by target, by the
 * largest c <= 1 with which both together stray no further than the truth does from the mean of the
 * networks, on average over the rows of such a level:
 *
 *     mean |network + c noise - mean of networks|  <=  mean |truth - mean of networks|
 */
#ifndef KARMA_TWIN_NOISE_H
#define KARMA_TWIN_NOISE_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { NOISE_NONE = -1, NOISE_LEAST = 2 };

struct noise {
    int n;         /* rows, >= NOISE_LEAST */
    float *level;  /* (n) ascending */
    float *z;      /* (n, n_target) */
    int32_t *next; /* (n) row that followed, NOISE_NONE */
};
/* Room for n rows of n_target, zeroed; nothing else. */
enum err noise_init(struct noise *b, struct arena *arena, int n, int n_target) WARN_UNUSED;

/* Rows to either side of those of a level that count as near to it. */
static inline int noise_near(int n)
{
    return n / 16 > 0 ? n / 16 : 1;
}

/* Rows whose level is below, or (equal) no greater. */
int noise_rank(const struct noise *b, float level, bool equal);

/* The row of the bank after `previous` (NOISE_NONE: none yet) at that level; u uniform in [0, 1).
 */
int noise_draw(const struct noise *b, int previous, float level, double u);

/* Asks the memory for the row that noise_draw() will most likely return. */
void noise_prefetch(const struct noise *b, int previous, int n_target);

#endif
