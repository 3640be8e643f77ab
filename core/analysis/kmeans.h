/* K-means with the seeding of k-means++, several restarts, and a number of clusters by silhouette.
 *
 *   minimise  SSE = sum_i |x_i - c_label(i)|^2
 *
 * Lloyd's iteration (S. P. Lloyd 1982) from centres that are drawn with probabilities proportional
 * to the squared distance to the nearest centre so far (D. Arthur, S. Vassilvitskii, "k-means++:
 * the advantages of careful seeding", 2007); the best of the restarts is kept. A cluster that loses
 * all its points takes over the point that is farthest from its centre, so no cluster is ever empty
 * unless there are fewer different points than clusters.
 *
 * The number of clusters is that of the largest mean silhouette of Euclidean distances
 * (silhouette_of() of agreement.h). Of more than KMEANS_SAMPLE points it is that of an even sample,
 * since it costs n^2 distances.
 *
 * Sums run in the order of points, draws are Philox in the domain RNG_ANALYSIS: the same points
 * give the same bits.
 */
#ifndef KARMA_ANALYSIS_KMEANS_H
#define KARMA_ANALYSIS_KMEANS_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

enum { KMEANS_SAMPLE = 1000, KMEANS_K_MAX = 64 };

struct kmeans_cfg {
    uint64_t seed;
    uint32_t stream;
    int restarts;   /* 10 is customary; at least 1 */
    int iterations; /* of each, at most; 100 */
};

struct kmeans {
    int k, n, d;
    int *label;        /* (n) */
    int *size;         /* (k) */
    double *centre;    /* (k, d) means */
    double sse;        /* as above */
    double silhouette; /* NaN for k = 1, and unless kmeans_choose() made it */
};

/* points (n, d), finite, n >= k >= 1. In `arena`; scratch is rewound. ERR_MEMORY. */
enum err kmeans_fit(struct kmeans *out, struct arena *arena, const double *points, int n, int d,
                    int k, const struct kmeans_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* The best of k = k_min .. k_max (2 <= k_min <= k_max <= KMEANS_K_MAX), no more clusters than
 * points; the smaller one of equals. silhouettes (k_max - k_min + 1): of each, NaN where there are
 * too few points; may be NULL. ERR_CONFIG with a sentence if there are fewer than k_min points. */
enum err kmeans_choose(struct kmeans *out, double *silhouettes, struct arena *arena,
                       const double *points, int n, int d, int k_min, int k_max,
                       const struct kmeans_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* The cluster whose centre is nearest to `point` (d), the first of equals. */
int kmeans_nearest(const struct kmeans *m, const double *point);

/* Columns (n, d) in place: minus the mean, divided by the standard deviation; a column that does
 * not vary becomes 0. mean, sd (d): what was taken, sd 0 where it does not vary. */
void kmeans_standardise(double *points, double *mean, double *sd, int n, int d);

#endif
