/* Rank agreement: do two evaluations say the same of the same controllers? Of the cluster and of
 * its twin, for one. Two questions: do they rank them alike (a twin in which the better controller
 * is the better one is good enough to choose in), and how far apart are their numbers?
 *
 * Kendall's tau-b (M. G. Kendall, 1945) of the controllers' means of one metric, over the scenarios
 * and episodes that all of them have in both; its interval resamples episodes. Beside it stands
 * what can be expected: tau between two disjoint halves of the first evaluation.
 */
#ifndef KARMA_EVAL_RANK_AGREEMENT_H
#define KARMA_EVAL_RANK_AGREEMENT_H

#include "core/base/stats.h"

struct rank_agreement {
    const char **controllers; /* (n_controllers) in order of appearance in the first file */
    double *a, *b;            /* (n_controllers) means */
    int n_controllers, n_episodes;
    struct stat_interval tau;
    double halves; /* tau of even against odd episodes of the first */
};

/* How far apart the means are, over the controllers of one group (all: the first word of their
 * names is not looked at). */
struct rank_agreement_gap {
    const char *group;    /* first word of the names; NULL: all controllers */
    int group_length;     /* of the word, in bytes */
    int n;                /* controllers */
    double mean, worst;   /* of |second - first| */
    const char *worst_of; /* whose it is */
};

/* Reads two eval.csv; stat->stream is not read (stat_stream of the metric is taken). ERR_FORMAT,
 * ERR_MISMATCH with a sentence: no such metric, a cell that is no number, fewer than three common
 * controllers, no common episode. */
enum err rank_agreement_read(struct rank_agreement *g, struct arena *arena, const char *path_a,
                             const char *path_b, const char *metric,
                             const struct stat_cfg *stat) WARN_UNUSED;

/* Gaps of the means: of all controllers first, then of each group in order of appearance, at most
 * n_controllers + 1 of them. Returns how many. */
int rank_agreement_gaps(struct rank_agreement_gap *out, const struct rank_agreement *g);

/* tau-b of two lists (n); NaN if one has one value only. */
double kendall_tau(const double *a, const double *b, int n);

#endif
