/* Every pair is looked at: evaluations have tens of controllers. See pareto.h. */
#include "core/eval/pareto.h"

#include <math.h>

/* Equal points fail the last condition, so neither dominates the other; every comparison with NaN
 * is false, so a point that is not defined dominates nobody. */
static bool dominates(double value, double cost, double other_value, double other_cost)
{
    return value >= other_value && cost <= other_cost && (value > other_value || cost < other_cost);
}

void pareto_front(bool *front, const double *value, const double *cost, int n)
{
    for (int i = 0; i < n; i++) {
        front[i] = isfinite(value[i]) && isfinite(cost[i]);
        for (int j = 0; j < n && front[i]; j++) {
            front[i] = !dominates(value[j], cost[j], value[i], cost[i]);
        }
    }
}

enum err pareto_of(bool *front, const struct outcomes *o, int scenario, int cost,
                   struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    double *values = ARENA_NEW(scratch, o->n_controllers, double);
    double *costs = ARENA_NEW(scratch, o->n_controllers, double);
    const enum err e = arena_error(scratch);
    for (int c = 0; e == ERR_OK && c < o->n_controllers; c++) {
        values[c] = outcomes_mean(o, c, scenario, METRIC_OF(slo_attainment));
        costs[c] = outcomes_mean(o, c, scenario, cost);
    }
    if (e == ERR_OK) {
        pareto_front(front, values, costs, o->n_controllers);
    }
    arena_rewind(scratch, mark);
    return e;
}
