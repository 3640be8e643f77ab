/* Work laws: how the CPU demand of one call varies around its mean.
 *
 *   law            of mean 1, from uniform words u0, u1                    coefficient of variation
 *   exponential    -log u0                                                 1
 *   deterministic  1                                                       0
 *   lognormal      exp(sigma z - sigma^2 / 2), z standard normal           cv
 *                  (Box-Muller), sigma^2 = log(1 + cv^2)
 *   empirical      one of the samples, each as likely, over their mean     that of the samples
 *
 * A law is a shape only. Its mean stands in the topology (cpu_m and capacity_rps), so services can
 * be compared under equal load, and samples may be in any unit.
 */
#ifndef KARMA_PLANT_WORK_LAW_H
#define KARMA_PLANT_WORK_LAW_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

#include <stdint.h>

enum work_kind { WORK_EXPONENTIAL, WORK_DETERMINISTIC, WORK_LOGNORMAL, WORK_EMPIRICAL };
extern const struct cfg_choice work_choices[];

struct work_law {
    enum work_kind kind;
    double sigma;          /* of a lognormal law's logarithm */
    const double *samples; /* (n_samples) of mean 1; in the arena */
    uint32_t n_samples;
};

/* cv: of a lognormal law. samples (n_samples): of an empirical one, copied; their sum must be above
 * 0 and none below. Returns ERR_MEMORY. */
enum err work_law_init(struct work_law *law, struct arena *arena, enum work_kind kind, double cv,
                       const double *samples, int n_samples) WARN_UNUSED;

/* Every law but the exponential one: out of line, away from the simulator's hot path. */
double work_law_other_(const struct work_law *law, uint32_t u0, uint32_t u1);

/* A draw of mean 1. */
static inline double work_law_draw(const struct work_law *law, uint32_t u0, uint32_t u1)
{
    return law->kind == WORK_EXPONENTIAL ? rng_exponential(u0) : work_law_other_(law, u0, u1);
}

/* How many calls, at most, one mean's worth of CPU ends on average, however it is spent: whoever
 * has given a call the work w without ending it ends it with the hazard h(w), so sup h is such a
 * number, and so is 1 / least draw. HUGE_VAL: there is none.
 *
 *   exponential    1 = h everywhere
 *   deterministic  1
 *   empirical      1 / least sample
 *   lognormal      the smaller of two numbers: exp(6.77 sigma + sigma^2 / 2), because the
 *                  generator's normal draws stay within 6.77 = sqrt(66 log 2), and a bound on the
 *                  hazard. With x = exp(sigma z - sigma^2 / 2) the hazard is
 *                      phi(z) / (sigma x Q(z)).
 *                  For z <= 0, Q >= 1/2 gives sqrt(2 / pi) exp(sigma^2) / sigma, reached at
 *                  z = -sigma. For z >= 0, 1 / Mills' ratio <= (z + sqrt(z^2 + 4)) / 2
 *                  (Z. W. Birnbaum, "An inequality for Mill's ratio", 1942), which over x is
 *                  largest at z = sqrt(1 / sigma^2 - 4), or at 0.
 */
double work_law_pace(const struct work_law *law);

#endif
