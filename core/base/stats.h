/* Statistics of results: moments, quantiles, bootstrap intervals, paired tests.
 *
 * Sums run in the order of the index and sorts have the key (value, index), so the same values give
 * the same bits. Random draws are Philox in the domain RNG_BOOTSTRAP, at coordinates (draw,
 * resample, role of the draw, stream). Every n here is at least 1; NaN and infinities are
 * ERR_NUMERIC where an error can be returned, and a bug of the caller elsewhere.
 */
#ifndef KARMA_BASE_STATS_H
#define KARMA_BASE_STATS_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>
#include <stdint.h>

/* ---- running moments ---- */

/* Count, mean and the sum of squared deviations (B. P. Welford 1962). {0} is empty. */
struct running {
    uint64_t n;
    double mean, m2;
};
void running_add(struct running *r, double x);
/* As if the values of `from` had been added (T. F. Chan, G. H. Golub, R. J. LeVeque 1979). */
void running_merge(struct running *into, const struct running *from);
double running_variance(const struct running *r); /* sample variance, n - 1; NaN if n < 2 */

/* ---- descriptive ---- */

double stat_mean(const double *x, size_t n);
double stat_variance(const double *x, size_t n); /* sample variance; NaN if n < 2 */

/* order = indices of x, ascending by (value, index). */
void stat_order(uint32_t *order, const double *x, uint32_t n);

/* q in [0, 1], linear between order statistics: type 7 of R. J. Hyndman and Y. Fan, "Sample
 * quantiles in statistical packages", 1996; the default of R and NumPy. order: scratch (n). */
double stat_quantile(const double *x, uint32_t n, double q, uint32_t *order);

/* Interquartile mean: the floor(n/4) lowest and highest values left out (R. Agarwal et al., "Deep
 * reinforcement learning at the edge of the statistical precipice", 2021). order: scratch (n). */
double stat_iqm(const double *x, uint32_t n, uint32_t *order);

/* ---- bootstrap ---- */

enum stat_estimator { STAT_MEAN, STAT_IQM };

struct stat_cfg {
    uint64_t seed;
    uint32_t stream;    /* of the number: stat_stream(); 0 in a report of a single sample */
    uint32_t resamples; /* 10,000 is customary; at least 1 */
    double level;       /* 0.95 */
};

struct stat_interval {
    double value;  /* the estimate from the data */
    double lo, hi; /* percentile interval (B. Efron 1979) */
};

/* The stream of a number, from its names: the statistic, then what it is taken of, for example
 * STAT_STREAM("mean", "khpa", "flood", "vcpu_h").
 *
 * An interval carries the error of a finite number of resamples, so its last digits depend on the
 * stream. If the stream were counted along a table, they would change when another controller is
 * listed, when a metric is added, or when rows change places, though the data of the interval are
 * the same. A stream that follows from the names changes with the names alone, and another program
 * that knows them finds the same interval.
 *
 * The stream is FNV-1a over the names, each with its terminating zero (so ("a", "bc") is not
 * ("ab", "c")), with the upper half folded onto the lower one. Two numbers have the same stream
 * with a probability of 2^-32; they then share resamples, and each interval stays valid. */
uint32_t stat_stream(const char *const *names); /* NULL after the last one */
#define STAT_STREAM(...) stat_stream((const char *const[]){__VA_ARGS__, NULL})

/* Parts of a bootstrap, for estimators of other modules. out (n): indices below n, drawn with
 * replacement; role: what they choose. The nested bootstrap below draws with the first three. */
enum stat_role { STAT_ROLE_TRAIN_A = 1, STAT_ROLE_TRAIN_B, STAT_ROLE_EVAL };
void stat_draw(uint32_t *out, uint32_t n, const struct stat_cfg *cfg, uint32_t resample,
               uint32_t role);
/* The interval from one estimate for each resample. Allocates from scratch. */
enum err stat_percentiles(struct stat_interval *out, double value, const double *estimates,
                          const struct stat_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* One sample. scratch is rewound. */
enum err stat_bootstrap(struct stat_interval *out, const double *x, uint32_t n,
                        enum stat_estimator what, const struct stat_cfg *cfg,
                        struct arena *scratch) WARN_UNUSED;

/* Mean of a[i] - b[i]: pairs are resampled, never their halves. */
enum err stat_bootstrap_paired(struct stat_interval *out, const double *a, const double *b,
                               uint32_t n, const struct stat_cfg *cfg,
                               struct arena *scratch) WARN_UNUSED;

/* One arm: a policy for each training seed, measured on each evaluation seed. */
struct stat_arm {
    const double *x; /* (n_train, n_eval) */
    uint32_t n_train;
};

/* Mean over an arm, both kinds of seeds resampled: the interval covers another training and another
 * day. `b` not NULL: the mean of a minus that of b. The arms draw their training seeds
 * independently (equal seeds do not make equal networks) but share the evaluation seeds that are
 * drawn, because both were measured on the same ones. An arm without training has n_train = 1. */
enum err stat_bootstrap_nested(struct stat_interval *out, const struct stat_arm *a,
                               const struct stat_arm *b, uint32_t n_eval,
                               const struct stat_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* ---- tests ---- */

enum { STAT_EXACT_MAX = 20 }; /* pairs up to which all sign patterns are counted */

/* Two-sided sign-flip permutation test of mean difference 0 (R. A. Fisher 1935): the share of sign
 * patterns with |sum| at least as large as seen. Exact for n <= STAT_EXACT_MAX, so p >= 2^(1-n);
 * else cfg->resamples random patterns and (1 + hits) / (1 + resamples). */
enum err stat_sign_flip(double *p, const double *diff, uint32_t n,
                        const struct stat_cfg *cfg) WARN_UNUSED;

/* Adjusted p-values (S. Holm, "A simple sequentially rejective multiple test procedure", 1979):
 * reject where adjusted[i] <= alpha. order: scratch (n). */
void stat_holm(double *adjusted, const double *p, uint32_t n, uint32_t *order);

/* The same for the false discovery rate (Y. Benjamini, Y. Hochberg, "Controlling the false
 * discovery rate", 1995): of the hypotheses with adjusted[i] <= q, the share that is true is at
 * most q on average, if the tests are independent or positively dependent. n = 0: nothing happens.
 */
void stat_benjamini_hochberg(double *adjusted, const double *p, uint32_t n, uint32_t *order);

#endif
