/* Ranks are counted, not sorted: a few thousand trials at most, and the order of the numbers stays.
 * See halving.h. */
#include "core/eval/halving.h"

#include <math.h>
#include <stdint.h>

/* eta^k, not beyond 2^40: enough to divide any int to 0. */
static int64_t power(int eta, int k)
{
    int64_t p = 1;
    for (int i = 0; i < k && p < INT64_C(1) << 40; i++) {
        p *= eta;
    }
    return p;
}

void halving_plan(struct halving_rung *rungs, int n_rungs, int eta, int n_trials, int budget)
{
    for (int k = 0; k < n_rungs; k++) {
        const int64_t n = n_trials / power(eta, k), d = power(eta, n_rungs - 1 - k);
        rungs[k] = (struct halving_rung){.n_trials = n > 1 ? (int)n : 1,
                                         .budget = (int)((budget + d - 1) / d)};
    }
}

int halving_better(int a, double objective_a, int b, double objective_b)
{
    if (isnan(objective_a) || isnan(objective_b)) {
        return isnan(objective_a) == isnan(objective_b) ? a < b : isnan(objective_b);
    }
    return objective_a != objective_b ? objective_a > objective_b : a < b;
}

/* A trial is kept if fewer than n_kept are better. The order is total, so these are exactly n_kept.
 * Whether trial i is kept is decided before kept[m], m <= i, is written, and later trials are
 * compared by their index, so kept may be trials. */
void halving_keep(int *kept, int n_kept, const int *trials, const double *objective, int n)
{
    int m = 0;
    for (int i = 0; i < n; i++) {
        int n_better = 0;
        for (int k = 0; k < n; k++) {
            n_better += k != i && halving_better(k, objective[k], i, objective[i]) ? 1 : 0;
        }
        if (n_better < n_kept) {
            kept[m++] = trials[i];
        }
    }
}
