/* The cross-entropy method: a search for the plan of whole numbers with the largest score.
 *
 * A plan is n_steps rows of n numbers, each within bounds of its column. A population of plans is
 * drawn from normal laws, one for each number, and rounded; the laws are fitted to the best of them
 * (the elites) and the next population is drawn (P.-T. de Boer, D. P. Kroese, S. Mannor, R. Y.
 * Rubinstein, "A tutorial on the cross-entropy method", Annals of Operations Research 2005). Of
 * C. Pinneri et al., "Sample-efficient cross-entropy method for real-time planning" (CoRL 2020),
 * it has draws that are correlated over the steps, so that a level can move as a whole:
 *
 *   z_0 = e_0,   z_k = rho z_(k-1) + sqrt(1 - rho^2) e_k,   e_k independent, standard normal
 *
 * and the elites kept: the best plan and the means, rounded, are in every population. With means m
 * and deviations s of the elites, the laws move by
 *
 *   mean <- mean + MOVE (m - mean),    sd <- max(SD_MIN, sd + MOVE (s - sd))
 *
 * SD_MIN leaves the neighbours of a whole number within reach. A score is a pure function of the
 * plan; of plans with equal scores the one that was drawn first is better. So the result is a
 * function of the arguments, whoever calculates it.
 */
#ifndef KARMA_CONTROLLERS_CROSS_ENTROPY_H
#define KARMA_CONTROLLERS_CROSS_ENTROPY_H

#include "core/base/mem.h"
#include "core/base/rng.h"

struct cross_entropy_cfg {
    int samples;    /* of a population, at least 4 */
    int iterations; /* populations, at least 1 */
    double elites;  /* share of the population that the laws are fitted to; at least two plans */
    double rho;     /* correlation of neighbouring steps, 0 .. 1 */
};

struct cross_entropy {
    struct cross_entropy_cfg cfg;
    int n_steps, n;
    const int *least, *most; /* (n) bounds */
    double *mean, *sd;       /* (n_steps, n) in: of the first population; changed */
    int *plans;              /* (samples, n_steps, n) population */
    double *score;           /* (samples) */
    int *order;              /* (samples) best first */
    int *best;               /* (n_steps, n) result */
    double best_score;
};

/* Bounds by reference. */
enum err cross_entropy_init(struct cross_entropy *c, struct arena *arena,
                            const struct cross_entropy_cfg *cfg, int n_steps, int n,
                            const int *least, const int *most) WARN_UNUSED;

/* Where the draws come from. */
struct cross_entropy_draws {
    struct rng_key key;
    uint32_t step, episode, env;
};

/* Fills in best and best_score. first (n_first, n_steps, n): plans within the bounds that are in
 * the first population, as far as it has room; of it, at least its last quarter is drawn. */
void cross_entropy_run(struct cross_entropy *c, const int *first, int n_first,
                       double (*score)(void *ctx, const int *plan), void *ctx,
                       const struct cross_entropy_draws *draws);

#endif
