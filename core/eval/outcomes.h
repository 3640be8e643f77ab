/* The outcomes of an evaluation as a dense table, and the samples that statistics take from it.
 *
 * Axes: controller, training seed (one for rules), scenario, episode. The pooled scenario is the
 * mean over scenarios of what an episode number gave in each: equal weights, and episodes of one
 * number stay together, because they share their draws of the load.
 */
#ifndef KARMA_EVAL_OUTCOMES_H
#define KARMA_EVAL_OUTCOMES_H

#include "core/eval/eval.h"

#include <stddef.h>

enum { OUTCOMES_POOLED = -1 }; /* a scenario: the mean of all */

/* Number of a metric: METRIC_OF(slo_attainment). */
#define METRIC_OF(name) ((int)(offsetof(struct episode_metrics, name) / sizeof(double)))

struct outcomes {
    const struct eval_row *rows; /* borrowed: ordered by (controller, train, scenario, episode) */
    int n_controllers, n_scenarios, n_episodes;
    const int *first;   /* (n_controllers) index of its first row */
    const int *n_train; /* (n_controllers) training seeds; 1 for rules */
};

/* ERR_MISMATCH, naming the first place, if rows are missing, double or out of order. Episodes are
 * numbered from the first row's on. */
enum err outcomes_init(struct outcomes *o, struct arena *arena, const struct eval_row *rows,
                       int n_rows, int n_controllers, int n_scenarios, int n_episodes) WARN_UNUSED;

/* x (n_train, n_episodes) of one metric; NaN where it is not defined. Pooled: mean over the
 * scenarios in which the episode has one. */
void outcomes_gather(double *x, const struct outcomes *o, int controller, int scenario, int metric);

/* Mean over training seeds and episodes in which the metric is defined; NaN if there is none. */
double outcomes_mean(const struct outcomes *o, int controller, int scenario, int metric);

/* Drops the episodes (columns) in which a value of a (n_a, n_episodes) or b (n_b, n_episodes) is
 * undefined, in place; returns how many are left. b is not read if n_b is 0. */
int outcomes_defined(double *a, int n_a, double *b, int n_b, int n_episodes);

#endif
