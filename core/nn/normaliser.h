/* Running statistics of columns, input normalisation, and PopArt for value targets.
 *
 * Statistics are plain blocks of doubles that can be written to a file, sent, and merged as nodes
 * of a tree; whoever merges chooses (and documents) the order, and the bits follow from it.
 */
#ifndef KARMA_NN_NORMALISER_H
#define KARMA_NN_NORMALISER_H

#include "core/nn/mlp.h"

#include <stddef.h>

/* ---- statistics: a block of stats_doubles(d) doubles: count(d), mean(d), m2(d) ----
 * m2 is the sum of squared deviations from the mean. All zeros = nothing seen. */
static inline size_t stats_doubles(int d)
{
    return 3 * (size_t)d;
}

void stats_clear(double *s, int d);

/* s = statistics of x(rows, d), leading dimension ldx; two passes, rows ascending. */
void stats_of_rows(double *s, int d, const float *x, int ldx, int rows);

/* into = into (+) from, column by column (Chan, Golub, LeVeque 1979). An empty side leaves the
 * other's bits alone. Not associative in floating point: fix the tree. */
void stats_merge(double *into, const double *from, int d);

/* Population variance of column c; 0 while nothing was seen. */
double stats_var(const double *s, int d, int c);

/* ---- input normalisation: y = clip((x - mean) / sqrt(var + eps), -clip, clip) ---- */
struct normaliser {
    int d;
    float clip;
    float *mean;    /* (d) caller's memory */
    float *inv_std; /* (d) caller's memory */
};

/* mean and inv_std (d floats each) are the caller's; starts as the identity up to clipping. */
void normaliser_init(struct normaliser *nz, int d, float clip, float *mean, float *inv_std);

/* Take over s. A column with count < 2 stays (0, 1). */
void normaliser_freeze(struct normaliser *nz, const double *s, double eps);

/* y(rows, d) from x(rows, d). y == x (with ldy == ldx) is allowed. Row by row, so any split of the
 * rows gives the same bits. */
void normaliser_apply(const struct normaliser *nz, float *y, int ldy, const float *x, int ldx,
                      int rows);

/* ---- PopArt (van Hasselt et al. 2016, arXiv 1602.07714) ----
 * The critic predicts (target - mean) / sigma for each output; when mean and sigma move, its last
 * layer is rescaled so that the predictions in the units of the targets stay what they were. */
struct popart {
    int d;            /* outputs */
    double beta;      /* > 0: moving average with this memory, debiased; 0: all targets ever seen */
    double sigma_min; /* > 0: floor of sigma */
    double *state;    /* popart_doubles(d), caller's: weight(d), mean(d), var(d). Serialise this. */
};

static inline size_t popart_doubles(int d)
{
    return 3 * (size_t)d;
}

/* Clears state: mean 0, sigma 1 until the first update. */
void popart_init(struct popart *pa, int d, double beta, double sigma_min, double *state);

double popart_mean(const struct popart *pa, int c);
double popart_sigma(const struct popart *pa, int c);

/* Move mean and variance towards the batch statistics `s` (merged over all tiles; stats block of d
 * columns), and rescale the last layer of `mlp` in `params`: with sizes[n_layers] == d,
 *   W' = W sigma / sigma',  b' = (sigma b + mean - mean') / sigma'.
 * Columns with count 0 stay. mlp == NULL: statistics only. Adam's moments are left as they are. */
void popart_update(struct popart *pa, const double *s, const struct mlp *mlp, float *params);

/* y = (x - mean) / sigma and y = x sigma + mean for (rows, d). y == x is allowed. */
void popart_normalise(const struct popart *pa, float *y, int ldy, const float *x, int ldx,
                      int rows);
void popart_denormalise(const struct popart *pa, float *y, int ldy, const float *x, int ldx,
                        int rows);

#endif
