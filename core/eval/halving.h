/* Successive halving: many trials with little, then the best of them with more.
 *
 * K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
 * optimization", AISTATS 2016. Of n trials and a full budget R, rung k of K gives n_k trials r_k
 * each:
 *
 *     n_k = max(1, floor(n / eta^k)),   r_k = ceil(R / eta^(K - 1 - k)),   k = 0 .. K - 1
 *
 * One rung is the plain search: n trials with R each.
 */
#ifndef KARMA_EVAL_HALVING_H
#define KARMA_EVAL_HALVING_H

struct halving_rung {
    int n_trials, budget;
};

/* rungs (n_rungs), n_rungs >= 1. */
void halving_plan(struct halving_rung *rungs, int n_rungs, int eta, int n_trials, int budget);

/* The n_kept <= n trials with the highest objectives, ascending by number, into kept. trials (n)
 * ascends; objective (n). Of equal objectives the lower number is kept; NaN is worse than any
 * number. kept may be trials. */
void halving_keep(int *kept, int n_kept, const int *trials, const double *objective, int n);

/* The same order for tables: is trial a (number, objective) better than b? */
int halving_better(int a, double objective_a, int b, double objective_b);

#endif
