/* Two-way bootstrap: statistics of samples in which every training seed of an arm plays every
 * episode.
 *
 * x_ie = what policy i did in episode e. It varies with the training and with the episode, and a
 * claim about a method has to hold for both: for another training and for other episodes. Rules are
 * arms with one row. Samples and settings as in stats.h (struct stat_arm). */
#ifndef KARMA_BASE_TWOWAY_H
#define KARMA_BASE_TWOWAY_H

#include "core/base/stats.h"

enum twoway_statistic {
    TWOWAY_MEAN,       /* of a; of a minus that of b */
    TWOWAY_IQM,        /* interquartile mean over all values of a (stat_iqm); b is not read */
    TWOWAY_IMPROVEMENT /* probability of improvement P(a > b) + P(a = b) / 2, each policy of a against
                      each of b on the same episode (R. Agarwal et al., 2021) */
};

/* "mean", "interquartile mean", "probability of improvement": for stat_stream(). Static. */
const char *twoway_name(enum twoway_statistic statistic);

/* Percentile interval of the nested bootstrap: training seeds of each arm and episodes (the same
 * for both arms) are drawn with replacement. TWOWAY_MEAN is stat_bootstrap_nested(). b: NULL for
 * one arm. ERR_NUMERIC; scratch is rewound. */
enum err twoway_bootstrap(struct stat_interval *out, const struct stat_arm *a,
                          const struct stat_arm *b, uint32_t n_eval,
                          enum twoway_statistic statistic, const struct stat_cfg *cfg,
                          struct arena *scratch) WARN_UNUSED;

/* Percentile intervals are too narrow for few training seeds: the bootstrap's variance of a mean of
 * n is short by (n - 1) / n, and its tails are the normal ones. The factor by which the distances
 * from the estimate to both ends must grow:
 *
 *   t(level, df) / t(level, inf) * sqrt(V / V')
 *   V   = sum_k V_k                   V_k: estimated variance of the mean due to source k
 *   V'  = sum_k V_k (n_k - 1) / n_k   sources: training of a, training of b, episodes
 *   df  = V^2 / sum_k (V_k^2 / (n_k - 1))             (F. E. Satterthwaite, 1946)
 *
 * So it is close to 1 where episodes decide, and that of Student's t where training seeds do. A
 * source with n_k = 1 has no V_k. At least 1; 1 if nothing varies. */
double twoway_satterthwaite(const struct stat_arm *a, const struct stat_arm *b, uint32_t n_eval,
                            double level);

/* The interval with both ends that much further from the estimate. */
struct stat_interval twoway_ci_widen(const struct stat_interval *v, double factor);

/* The mean of n independent values, for example of one number of each training seed, with the
 * percentile interval of stat_bootstrap() widened by the factor above. One value has no interval:
 * lo and hi are NaN. n >= 1. ERR_NUMERIC; scratch is rewound. */
enum err stat_bootstrap_corrected(struct stat_interval *out, const double *x, uint32_t n,
                                  const struct stat_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* The mean U over all pairs of n things of a value that two of them have, for example of how far
 * two training seeds agree: pairs (n, n), symmetric; those that are NaN do not count, nor does the
 * diagonal. Each thing is in many pairs, so values of pairs are not independent. The jackknife
 * pseudo-values (J. Tukey 1958)
 *
 *   u_i = n U - (n - 1) U_i,   U_i: the mean over the pairs without thing i
 *
 * are approximately so, and their mean is U if no pair is NaN. So the interval is that of the mean
 * of n values, above. Two things have one pair and no interval: lo and hi are NaN; without a pair
 * the value is NaN, too. ERR_MEMORY; scratch is rewound. */
enum err stat_pairs_corrected(struct stat_interval *out, const double *pairs, uint32_t n,
                              const struct stat_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* Two-sided critical value of Student's t: P(|T| <= t) = level; df in [1, 1e4], beyond 1e4 as 1e4.
 * Absolute error below 1e-6 of its value. */
double stat_t_critical(double level, double df);

/* Units of a permutation test of mean a = mean b (stat_sign_flip), diff (at least the larger of
 * n_eval and the numbers of seeds) is filled, their number returned.
 *
 *   both arms have one row     a unit is an episode: a_e - b_e
 *   else                       a unit is a training seed with episodes of its own: the episodes
 *                              are dealt out in turn, unit i is the mean of a_ie - b_ie over those
 *                              dealt to i (an arm with one row has it everywhere)
 *
 * Episodes of one policy share the luck of its training, and policies that meet the same
 * episodes share those, so neither alone may be flipped one by one. Units made this way share
 * nothing, at the price of fewer episodes for each. Under the hypothesis both signs of each are
 * equally likely: exactly, if a and b come from the same distribution (two trainings with one
 * method); for a policy against a rule it is assumed that the difference is symmetric about 0.
 * With unequal numbers of seeds the surplus is left out, as are seeds beyond the number of
 * episodes. */
uint32_t twoway_units(double *diff, const struct stat_arm *a, const struct stat_arm *b,
                      uint32_t n_eval);

#endif
