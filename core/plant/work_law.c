/* The shapes of work. Samples are divided by their mean once, so that a draw is one look-up. */
#include "core/plant/work_law.h"

#include "core/base/fmath.h"

#include <math.h>

const struct cfg_choice work_choices[] = {
    {"exponential", WORK_EXPONENTIAL, "memoryless"},
    {"deterministic", WORK_DETERMINISTIC, "every call the same"},
    {"lognormal", WORK_LOGNORMAL, "with coefficient of variation cv"},
    {"empirical", WORK_EMPIRICAL, "one of samples"},
    {NULL, 0, NULL},
};

enum err work_law_init(struct work_law *law, struct arena *arena, enum work_kind kind, double cv,
                       const double *samples, int n_samples)
{
    struct work_law made = {.kind = kind};
    if (kind == WORK_LOGNORMAL) {
        /* X = exp(sigma z - sigma^2 / 2) has E[X] = 1 and E[X^2] = exp(sigma^2). Its variance is
         * therefore exp(sigma^2) - 1, which is cv^2 for this sigma. */
        made.sigma = sqrt(fm_log(1.0 + cv * cv));
    }
    if (kind == WORK_EMPIRICAL) {
        double *scaled = ARENA_NEW(arena, n_samples, double);
        TRY(arena_error(arena));
        /* The sum is above 0 (asked of the caller). The mean of samples[i] n / sum is 1 but for
         * rounding. */
        double sum = 0.0;
        for (int i = 0; i < n_samples; i++) {
            sum += samples[i];
        }
        for (int i = 0; i < n_samples; i++) {
            scaled[i] = samples[i] * (double)n_samples / sum;
        }
        made.samples = scaled;
        made.n_samples = (uint32_t)n_samples;
    }
    *law = made;
    return ERR_OK;
}

double work_law_other_(const struct work_law *law, uint32_t u0, uint32_t u1)
{
    switch (law->kind) {
    case WORK_LOGNORMAL:
        return fm_exp(law->sigma * rng_normal(u0, u1) - 0.5 * law->sigma * law->sigma);
    case WORK_EMPIRICAL:
        return law->samples[rng_below(u0, law->n_samples)];
    default:
        return 1.0;
    }
}

/* ---- pace ---- */

/* The formulas and their derivation stand in work_law.h: the bound by the least draw and the bound
 * on the hazard, `left` for z <= 0 and `right` for z >= 0; the smaller of the two bounds holds. */
static double lognormal_pace(double sigma)
{
    static const double NORMAL_MOST = 6.77, SQRT_2_OVER_PI = 0.79788456080286536;
    double square = sigma * sigma;
    double by_least = fm_exp(NORMAL_MOST * sigma + 0.5 * square);
    if (sigma <= 0.0) {
        return by_least;
    }
    double left = SQRT_2_OVER_PI * fm_exp(square) / sigma;
    /* log of the bound: log(z + sqrt(z^2 + 4)) - sigma z + const. Its derivative is
     * 1 / sqrt(z^2 + 4) - sigma, which falls in z and is 0 at z^2 = 1 / sigma^2 - 4. For
     * sigma >= 1/2 it is negative from 0 on, so the maximum is at 0. */
    double z = square < 0.25 ? sqrt(1.0 / square - 4.0) : 0.0;
    double right = 0.5 * (z + sqrt(z * z + 4.0)) * fm_exp(0.5 * square - sigma * z) / sigma;
    return fmin(by_least, fmax(left, right));
}

static double empirical_pace(const struct work_law *law)
{
    /* One mean's worth of CPU ends at most 1 / least calls, each needing `least` at the minimum. A
     * sample of 0 needs none, and there is no bound. */
    double least = law->samples[0];
    for (uint32_t i = 1; i < law->n_samples; i++) {
        least = fmin(least, law->samples[i]);
    }
    return least > 0.0 ? 1.0 / least : HUGE_VAL;
}

double work_law_pace(const struct work_law *law)
{
    switch (law->kind) {
    case WORK_LOGNORMAL:
        return lognormal_pace(law->sigma);
    case WORK_EMPIRICAL:
        return empirical_pace(law);
    default:
        return 1.0;
    }
}
