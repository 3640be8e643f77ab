/* Statistics by two passes and pairwise merging, input normalisation, PopArt. All statistics are
 * double; what touches rows of float is frozen into floats first. */
#include "core/nn/normaliser.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ---- statistics ---- */

void stats_clear(double *s, int d)
{
    memset(s, 0, stats_doubles(d) * sizeof(double));
}

void stats_of_rows(double *s, int d, const float *x, int ldx, int rows)
{
    /* Two passes: subtracting the mean before squaring avoids the cancellation of E[x^2] - E[x]^2,
     * which has no correct digit left where the mean is large against the deviation. */
    double *restrict count = s, *restrict mean = s + d, *restrict m2 = s + 2 * (ptrdiff_t)d;
    stats_clear(s, d);
    if (rows <= 0) {
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t c = 0; c < d; c++) {
            mean[c] += (double)x[i * ldx + c];
        }
    }
    for (ptrdiff_t c = 0; c < d; c++) {
        count[c] = (double)rows;
        mean[c] /= (double)rows;
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t c = 0; c < d; c++) {
            const double delta = (double)x[i * ldx + c] - mean[c];
            m2[c] += delta * delta;
        }
    }
}

void stats_merge(double *into, const double *from, int d)
{
    double *count = into, *mean = into + d, *m2 = into + 2 * (ptrdiff_t)d;
    const double *f_count = from, *f_mean = from + d, *f_m2 = from + 2 * (ptrdiff_t)d;
    for (ptrdiff_t c = 0; c < d; c++) {
        /* An empty side carries a mean of 0 that means nothing. Copying the other side instead of
         * computing with n = count keeps its bits, so empty leaves of a tree can be left out or put
         * in. */
        if (f_count[c] == 0.0) {
            continue;
        }
        if (count[c] == 0.0) {
            count[c] = f_count[c];
            mean[c] = f_mean[c];
            m2[c] = f_m2[c];
            continue;
        }
        const double n = count[c] + f_count[c];
        const double delta = f_mean[c] - mean[c];
        /* With n = n1 + n2, mean = mean1 + delta n2 / n. The deviations of side 1 from the new mean
         * sum to m2_1 + n1 (delta n2 / n)^2, those of side 2 to m2_2 + n2 (delta n1 / n)^2, and the
         * two added terms together are delta^2 n1 n2 / n. */
        m2[c] += f_m2[c] + delta * delta * (count[c] * f_count[c] / n);
        mean[c] += delta * (f_count[c] / n);
        count[c] = n;
    }
}

double stats_var(const double *s, int d, int c)
{
    return s[c] > 0.0 ? s[2 * (ptrdiff_t)d + c] / s[c] : 0.0;
}

/* ---- input normalisation ---- */

void normaliser_init(struct normaliser *nz, int d, float clip, float *mean, float *inv_std)
{
    *nz = (struct normaliser){.d = d, .clip = clip, .mean = mean, .inv_std = inv_std};
    for (int c = 0; c < d; c++) {
        mean[c] = 0.0F;
        inv_std[c] = 1.0F;
    }
}

void normaliser_freeze(struct normaliser *nz, const double *s, double eps)
{
    for (int c = 0; c < nz->d; c++) {
        /* One value has variance 0, and dividing by sqrt(eps) would blow up the next difference. */
        const int known = s[c] >= 2.0;
        nz->mean[c] = known ? (float)s[nz->d + c] : 0.0F;
        nz->inv_std[c] = known ? (float)(1.0 / sqrt(stats_var(s, nz->d, c) + eps)) : 1.0F;
    }
}

void normaliser_apply(const struct normaliser *nz, float *y, int ldy, const float *x, int ldx,
                      int rows)
{
    const float clip = nz->clip;
    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t c = 0; c < nz->d; c++) {
            const float z = (x[i * ldx + c] - nz->mean[c]) * nz->inv_std[c];
            const float below = z > clip ? clip : z; /* NaN passes both */
            y[i * ldy + c] = below < -clip ? -clip : below;
        }
    }
}

/* ---- PopArt ---- */

void popart_init(struct popart *pa, int d, double beta, double sigma_min, double *state)
{
    *pa = (struct popart){.d = d, .beta = beta, .sigma_min = sigma_min, .state = state};
    memset(state, 0, popart_doubles(d) * sizeof(double));
}

double popart_mean(const struct popart *pa, int c)
{
    return pa->state[pa->d + c];
}

double popart_sigma(const struct popart *pa, int c)
{
    if (pa->state[c] == 0.0) {
        return 1.0;
    }
    const double sigma = sqrt(pa->state[2 * (ptrdiff_t)pa->d + c]);
    return sigma > pa->sigma_min ? sigma : pa->sigma_min;
}

/* Both kinds of average are a mixture of the old and the new distribution: only the share of the
 * new one differs. For the moving average it is (1-beta) / (1-beta^t), which is the debiased
 * average of the first two moments, without their cancellation. */
static void popart_mix(struct popart *pa, const double *s, int c)
{
    double *weight = pa->state + c, *mean = weight + pa->d, *var = mean + pa->d;
    const double added = pa->beta > 0.0 ? 1.0 - pa->beta : s[c];
    const double old_weight = pa->beta > 0.0 ? pa->beta * *weight : *weight;
    /* The mixture of two distributions with shares 1 - p and p has the mean m0 + p delta and the
     * variance (1 - p) v0 + p v1 + p (1 - p) delta^2, where delta = m1 - m0. For the moving average
     * the weights obey w' = beta w + (1 - beta) from w = 0, so w = 1 - beta^t after t updates. At
     * the first update w = 0 and p = 1: the initial mean and variance leave no trace. */
    const double share = added / (old_weight + added);
    const double delta = s[pa->d + c] - *mean;
    *var = (1.0 - share) * *var + share * stats_var(s, pa->d, c) +
           share * (1.0 - share) * delta * delta;
    *mean += share * delta;
    *weight = old_weight + added;
}

/* Output c of the last layer, y = w h + b, so that the prediction in the units of the targets
 * stays:
 *
 *     sigma' (w' h + b') + mean' = sigma (w h + b) + mean    for every h
 *
 * Comparing the coefficients of h gives w' = w sigma / sigma'; the rest gives b'. Computed in
 * double and rounded once, so the prediction moves by the rounding of the new weights only. */
static void popart_rescale(const struct mlp *mlp, float *params, int c, double old_mean,
                           double old_sigma, double mean, double sigma)
{
    const int last = mlp->shape.n_layers - 1;
    const ptrdiff_t k = mlp->shape.sizes[last], n = mlp->shape.sizes[last + 1];
    float *w = params + mlp->w[last] + c, *b = params + mlp->b[last] + c;
    const double ratio = old_sigma / sigma;
    for (ptrdiff_t i = 0; i < k; i++) {
        w[i * n] = (float)((double)w[i * n] * ratio);
    }
    *b = (float)((old_sigma * (double)*b + old_mean - mean) / sigma);
}

void popart_update(struct popart *pa, const double *s, const struct mlp *mlp, float *params)
{
    CHECK(mlp == NULL || mlp->shape.sizes[mlp->shape.n_layers] == pa->d);
    for (int c = 0; c < pa->d; c++) {
        if (s[c] == 0.0) {
            continue;
        }
        const double old_mean = popart_mean(pa, c), old_sigma = popart_sigma(pa, c);
        popart_mix(pa, s, c);
        if (mlp != NULL) {
            popart_rescale(mlp, params, c, old_mean, old_sigma, popart_mean(pa, c),
                           popart_sigma(pa, c));
        }
    }
}

void popart_normalise(const struct popart *pa, float *y, int ldy, const float *x, int ldx, int rows)
{
    for (int c = 0; c < pa->d; c++) {
        const double mean = popart_mean(pa, c), inv_sigma = 1.0 / popart_sigma(pa, c);
        for (ptrdiff_t i = 0; i < rows; i++) {
            y[i * ldy + c] = (float)(((double)x[i * ldx + c] - mean) * inv_sigma);
        }
    }
}

void popart_denormalise(const struct popart *pa, float *y, int ldy, const float *x, int ldx,
                        int rows)
{
    for (int c = 0; c < pa->d; c++) {
        const double mean = popart_mean(pa, c), sigma = popart_sigma(pa, c);
        for (ptrdiff_t i = 0; i < rows; i++) {
            y[i * ldy + c] = (float)((double)x[i * ldx + c] * sigma + mean);
        }
    }
}
