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
        made.sigma = sqrt(fm_log(1.0 + cv * cv));
    }
    if (kind == WORK_EMPIRICAL) {
        double *scaled = ARENA_NEW(arena, n_samples, double);
        if (scaled == NULL) {
            return ERR_MEMORY;
        }
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
