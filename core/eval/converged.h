/* When has a training converged?
 *
 * At the third of the first three evaluations in a row that reach at least 80 % of the headroom
 * between doing nothing and staffing, and 95 % of what the last evaluation of the training reaches.
 * A policy that does nothing would meet the criterion of the paper (arXiv 2505.21559), a small
 * deviation of the reward.
 */
#ifndef KARMA_EVAL_CONVERGED_H
#define KARMA_EVAL_CONVERGED_H

enum { CONVERGED_IN_A_ROW = 3 };
static const double CONVERGED_HEADROOM = 0.8, CONVERGED_OWN = 0.95;

/* Index of that evaluation among n, -1: none. A headroom that is NaN is not reached. */
int converged_at(const double *slo_attainment, const double *headroom, int n);

/* The third of the first three in a row that reach that share of the headroom; -1: none. Unlike the
 * criterion above it does not depend on what the training reaches in the end, so trainings of two
 * kinds are asked for the same. */
int converged_level_at(const double *headroom, int n, double level);

#endif
