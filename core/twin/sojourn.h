/* Moments of response times, and the probability that a response comes in time.
 *
 * A time T is known by its mean m and its variance v. Sums add both. For the other two
 * compositions T stands for a shifted exponential time, d + E with E exponential of mean sqrt(v)
 * and d = m - sqrt(v):
 *
 *   one of several, with probabilities p_i    moments of the mixture
 *   the last of two                           moments of the maximum, exact for shifted
 *                                             exponential times (memorylessness)
 *
 * P(T <= t) takes T for gamma distributed and uses the cube root transformation (E. B. Wilson,
 * M. M. Hilferty 1931): (T / m)^(1/3) is nearly normal with mean 1 - 1 / (9 k) and variance
 * 1 / (9 k), k = m^2 / v. For an exponential time (k = 1) its error is below 0.01.
 *
 * Own elementary functions only: the same bits everywhere (base/fmath.h).
 */
#ifndef KARMA_TWIN_SOJOURN_H
#define KARMA_TWIN_SOJOURN_H

struct sojourn {
    double mean, var; /* s, s^2 */
};

static inline struct sojourn sojourn_sum(struct sojourn a, struct sojourn b)
{
    return (struct sojourn){a.mean + b.mean, a.var + b.var};
}

/* The longer of two independent times. */
struct sojourn sojourn_last(struct sojourn a, struct sojourn b);

/* Adds p times the moments of a time: `into` holds mean and second moment until sojourn_mixed(). */
static inline void sojourn_mix(struct sojourn *into, double p, struct sojourn a)
{
    into->mean += p * a.mean;
    into->var += p * (a.var + a.mean * a.mean);
}
static inline struct sojourn sojourn_mixed(struct sojourn sum)
{
    const double var = sum.var - sum.mean * sum.mean;
    return (struct sojourn){sum.mean, var > 0.0 ? var : 0.0};
}

/* Distribution function of the standard normal law; error below 7.5e-8. */
double sojourn_normal(double z);

/* P(T <= t); t > 0. A time of mean 0 is in time. */
double sojourn_within(struct sojourn a, double t);

/* E(T | T <= t), at most t. */
double sojourn_mean_within(struct sojourn a, double t);

#endif
