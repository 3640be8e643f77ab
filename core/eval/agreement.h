/* Do two evaluations rank controllers alike? Of the cluster and of its twin, for one: a twin in
 * which the better controller is the better one is good enough to choose in, whatever its numbers.
 *
 * Kendall's tau-b (M. G. Kendall, 1945) of the controllers' means of one metric, over the scenarios
 * and episodes that all of them have in both; its interval resamples episodes. Beside it stands
 * what can be expected: tau between two disjoint halves of the first evaluation.
 */
#ifndef KARMA_EVAL_AGREEMENT_H
#define KARMA_EVAL_AGREEMENT_H

#include "core/base/stats.h"

struct agreement {
    const char **controllers; /* (n_controllers) in order of appearance in the first file */
    double *a, *b;            /* (n_controllers) means */
    int n_controllers, n_episodes;
    struct stat_interval tau;
    double halves; /* tau of even against odd episodes of the first */
};

/* Reads two eval.csv. ERR_FORMAT, ERR_MISMATCH with a sentence: no such metric, fewer than three
 * common controllers, no common episode. */
enum err agreement_read(struct agreement *g, struct arena *arena, const char *path_a,
                        const char *path_b, const char *metric,
                        const struct stat_cfg *stat) WARN_UNUSED;

/* tau-b of two lists (n); NaN if one has one value only. */
double kendall_tau(const double *a, const double *b, int n);

#endif
