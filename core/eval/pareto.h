/* Pareto front: who is not beaten on both of two counts at once.
 *
 * A controller is dominated if another one answers at least as much in time for at most the same
 * cost, and is better in one of the two. Costs: vCPU-hours, and changes of direction (flips), each
 * with a front of its own.
 */
#ifndef KARMA_EVAL_PARETO_H
#define KARMA_EVAL_PARETO_H

#include "core/eval/outcomes.h"

#include <stdbool.h>

/* front[i]: point i (value: more is better, cost: less is better) is dominated by none. Equal
 * points do not dominate each other. Points with NaN are never on a front. */
void pareto_front(bool *front, const double *value, const double *cost, int n);

/* Over all controllers (n_controllers), by their means of slo_attainment and `cost` (a metric) in a
 * scenario or OUTCOMES_POOLED. scratch is rewound. */
enum err pareto_of(bool *front, const struct outcomes *o, int scenario, int cost,
                   struct arena *scratch) WARN_UNUSED;

#endif
