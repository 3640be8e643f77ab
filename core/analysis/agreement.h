/* How good a clustering is, by itself and beside another one.
 *
 * Labels are 0 .. k-1; a weight counts points that are equal. With n_ij points in cluster i of the
 * first and j of the second clustering, a_i and b_j their sums, n all of them:
 *
 *   purity   sum_i max_j n_ij / n          of the first, if the second are the true classes
 *   ARI      (sum_ij C(n_ij, 2) - E) / ((A + B) / 2 - E),   A = sum_i C(a_i, 2), B alike,
 *            E = A B / C(n, 2)             adjusted Rand index (L. Hubert and P. Arabie, 1985)
 *   NMI      I / ((H_a + H_b) / 2)         normalised mutual information, arithmetic mean
 *
 * ARI and NMI are 1 where both clusterings are one cluster, or each point is one: they are equal.
 */
#ifndef KARMA_ANALYSIS_AGREEMENT_H
#define KARMA_ANALYSIS_AGREEMENT_H

#include "core/base/err.h"
#include "core/base/mem.h"

struct agreement {
    double purity, ari, nmi;
    double information; /* I in nats */
    double entropy;     /* (H_a + H_b) / 2 in nats */
};

/* label (n) of k_a, k_b clusters. n >= 1. */
enum err agreement_of(struct agreement *out, const int *a, int k_a, const int *b, int k_b, int n,
                      struct arena *scratch) WARN_UNUSED;

/* Mean silhouette (P. Rousseeuw, 1987) of n weighted points with condensed distances (linkage.h):
 *
 *   s_i = (b_i - a_i) / max(a_i, b_i)   a_i: mean distance to the others of its cluster,
 *                                       b_i: the smallest mean distance to another cluster
 *
 * s_i = 0 for a point that is alone in its cluster, or if there is no other cluster. Clusters
 * without a point count for nothing. each (n): s_i; may be NULL. k >= 2. */
enum err silhouette_of(double *mean, double *each, const double *d, const int *label,
                       const double *weight, int n, int k, struct arena *scratch) WARN_UNUSED;

/* The point with the smallest weighted sum of distances to its cluster, for each: medoid (k). */
enum err medoids_of(int *medoid, const double *d, const int *label, const double *weight, int n,
                    int k, struct arena *scratch) WARN_UNUSED;

#endif
