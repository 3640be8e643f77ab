/* The criterion of convergence. See converged.h. */
#include "core/eval/converged.h"

#include <stdbool.h>

/* Invariant: before turn i `run` evaluations in a row, up to i - 1, are good. A comparison with NaN
 * is false, so NaN ends a row. What counts as good depends on the last evaluation, therefore it is
 * asked at the end of a run and not during it. */
int converged_at(const double *slo_attainment, const double *headroom, int n)
{
    int run = 0;
    for (int i = 0; i < n; i++) {
        const bool good = headroom[i] >= CONVERGED_HEADROOM &&
                          slo_attainment[i] >= CONVERGED_OWN * slo_attainment[n - 1];
        run = good ? run + 1 : 0;
        if (run == CONVERGED_IN_A_ROW) {
            return i;
        }
    }
    return -1;
}

int converged_level_at(const double *headroom, int n, double level)
{
    int run = 0;
    for (int i = 0; i < n; i++) {
        run = headroom[i] >= level ? run + 1 : 0;
        if (run == CONVERGED_IN_A_ROW) {
            return i;
        }
    }
    return -1;
}
