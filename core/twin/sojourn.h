/* Moments of response times, and the probability that a response comes in time.
 *
 * A time T is known by its mean m, its variance v, and the part of v that comes from mixing short
 * times with long ones (`heavy`). Sums add all three. For the other two
 * compositions T stands for a shifted exponential time, d + E with E exponential of mean sqrt(v)
 * and d = m - sqrt(v):
 *
 *   one of several, with probabilities p_i    moments of the mixture
 *   the last of two                           moments of the maximum, exact for shifted
 *                                             exponential times (memorylessness)
 *
 * For the mean of the last, a deviation sd > m counts as sqrt(m sd): what varies that much is short
 * most of the time, and with d < 0 its maximum would come out too long.
 *
 * P(T <= t) = Phi(z). Without a heavy part T is taken for gamma distributed, by the cube root
 * transformation (E. B. Wilson, M. M. Hilferty 1931): (T / m)^(1/3) is nearly normal with mean
 * 1 - 1 / (9 k) and variance 1 / (9 k), k = m^2 / v; for an exponential time (k = 1) the error is
 * below 0.01. If all of v is heavy, T is log-normal with these moments: closer than gamma to the
 * law of M/M/1 processor sharing, at pods and in sums over them. In between z is linear in the
 * share.
 *
 * Own elementary functions only: the same bits everywhere (base/fmath.h).
 */
#ifndef KARMA_TWIN_SOJOURN_H
#define KARMA_TWIN_SOJOURN_H

struct sojourn {
    double mean, var; /* s, s^2 */
    double heavy;     /* part of var */
};

static inline struct sojourn sojourn_sum(struct sojourn a, struct sojourn b)
{
    return (struct sojourn){a.mean + b.mean, a.var + b.var, a.heavy + b.heavy};
}

/* The longer of two independent times. */
struct sojourn sojourn_last(struct sojourn a, struct sojourn b);

/* Adds p times the moments of a time: `into` holds mean and second moment until sojourn_mixed(). */
static inline void sojourn_mix(struct sojourn *into, double p, struct sojourn a)
{
    into->mean += p * a.mean;
    into->var += p * (a.var + a.mean * a.mean);
    into->heavy += p * a.heavy;
}
static inline struct sojourn sojourn_mixed(struct sojourn sum)
{
    const double var = sum.var - sum.mean * sum.mean;
    return (struct sojourn){sum.mean, var > 0.0 ? var : 0.0, sum.heavy};
}

/* Distribution function of the standard normal law; error below 7.5e-8. */
double sojourn_normal(double z);

/* P(T <= t); t > 0. A time of mean 0 is in time. */
double sojourn_within(struct sojourn a, double t);

/* E(T | T <= t), at most t. */
double sojourn_mean_within(struct sojourn a, double t);

#endif
