/* The bound by trying every cut: the reference for core/eval/cut.h. After upper_bound_of(), from
 * the same ends and arrivals. */
#ifndef TESTS_UNIT_BOUND_REF_H
#define TESTS_UNIT_BOUND_REF_H

#include "core/base/fmath.h"
#include "core/eval/upper_bound.h"

#include <math.h>

/* What windows i .. j-1 can answer in time. */
static double upper_bound_ref_window(const struct upper_bound *b, int i, int j, double l)
{
    const double late_s = b->env_setup->cfg.plant->latency_max_ms * 1e-3;
    double least = b->arrived[j] - b->arrived[i];
    for (int r = 0; r < b->n_resources; r++) {
        const double *ends = b->ends + r * (b->n_windows + 1);
        const double k = ends[j] - ends[i] + late_s * b->rate[r];
        if (b->need[r] > 0.0 && least * b->need[r] > k) {
            const double x = l / 3.0 + sqrt(l * l / 9.0 + 2.0 * k * l);
            least = fmin(least, floor((k + x) / b->need[r]));
        }
    }
    return least;
}

/* best (n + 1), of the first n windows of the episode b has just seen. */
static void upper_bound_ref(double *best, const struct upper_bound *b, int n)
{
    const double l = fm_log(0.5 * n * (n + 1.0) * b->n_resources / 1e-9);
    best[0] = b->best[0];
    for (int j = 1; j <= n; j++) {
        best[j] = HUGE_VAL;
        for (int i = 0; i < j; i++) {
            best[j] = fmin(best[j], best[i] + upper_bound_ref_window(b, i, j, l));
        }
    }
}

#endif
