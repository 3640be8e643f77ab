/* Agglomerative hierarchical clustering of weighted points, from their distances.
 *
 * Distances are condensed: of n points, that of i < j stands at pair_index(n, i, j). A point of
 * weight w stands for w points in one place: average linkage, Ward's, and all that is computed from
 * the tree are as if each of them were there.
 *
 * The tree is n - 1 merges in the order of height. Clusters 0 .. n-1 are the points, merge i makes
 * cluster n + i (as MATLAB and SciPy number them).
 */
#ifndef KARMA_ANALYSIS_LINKAGE_H
#define KARMA_ANALYSIS_LINKAGE_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>

/* Distance of two clusters: mean of all pairs; largest of all pairs; Ward's: the root of twice the
 * increase of the sum of squares, if distances were Euclidean. */
enum linkage_kind { LINKAGE_AVERAGE, LINKAGE_COMPLETE, LINKAGE_WARD, LINKAGE_KINDS };
extern const char *const linkage_names[LINKAGE_KINDS];

struct merge {
    int a, b; /* clusters, a < b */
    double height;
    double weight; /* of the points below */
};

static inline size_t pair_count(int n)
{
    return (size_t)n * (size_t)(n - 1) / 2;
}
/* i < j. */
static inline size_t pair_index(int n, int i, int j)
{
    return (size_t)i * (size_t)n - (size_t)i * (size_t)(i + 1) / 2 + (size_t)(j - i - 1);
}
static inline double pair_get(const double *d, int n, int i, int j)
{
    return i == j ? 0.0 : i < j ? d[pair_index(n, i, j)] : d[pair_index(n, j, i)];
}

/* out (n - 1). d (pair_count(n)) is overwritten. Time O(n^2): chains of nearest neighbours (F.
 * Murtagh, "A survey of recent advances in hierarchical clustering algorithms", 1983). Ties: the
 * smallest number of a point first. n >= 1. */
enum err linkage_make(struct merge *out, double *d, const double *weight, int n,
                      enum linkage_kind kind, struct arena *scratch) WARN_UNUSED;

/* label (n): 0 .. k-1, clusters in the order of their first point, when the last k - 1 merges are
 * undone. 1 <= k <= n. */
enum err linkage_cut(int *label, const struct merge *tree, int n, int k,
                     struct arena *scratch) WARN_UNUSED;

/* out (pair_count(n)): the height at which two points come into one cluster. */
enum err linkage_cophenetic(double *out, const struct merge *tree, int n,
                            struct arena *scratch) WARN_UNUSED;

/* Pearson correlation of the distances with the cophenetic ones (R. Sokal and F. Rohlf, 1962) over
 * all pairs of points, those in one place included. NaN if one of them is constant. */
enum err linkage_cophenetic_correlation(double *out, const double *d, const struct merge *tree,
                                        const double *weight, int n,
                                        struct arena *scratch) WARN_UNUSED;

#endif
