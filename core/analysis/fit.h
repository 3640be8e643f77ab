/* Organisational fit: how much a partition explains, on a scale without units.
 *
 * For a partition of objects with distances (trajectories of agents: structural fit, SOF; states of
 * successful episodes: functional fit, FOF)
 *
 *   fit = 1 - (mean distance of pairs in one cluster) / (mean distance of all pairs), cut to [0, 1]
 *   OF  = (SOF + FOF) / 2
 *
 * The mean over all pairs is what a random partition into clusters of the same sizes has on
 * average, since each pair is equally likely to share a cluster. So 0 is a partition no better than
 * a random one, and 1 has equal objects in each cluster, whatever the unit of the distance. The
 * p-value says how often random partitions of these sizes are at least as good.
 *
 * Beside it stands the fit of the reference implementation of MOISE+MARL,
 *
 *   max(0, 1 - (mean distance to the centre of the cluster) / 10)
 *
 * whose constant depends on the unit and on the length of trajectories. Where there is no mean the
 * centre is the medoid, the object with the least sum of distances to the others.
 */
#ifndef KARMA_ANALYSIS_FIT_H
#define KARMA_ANALYSIS_FIT_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

/* Distance of objects i and j: symmetric, >= 0, finite. */
struct fit_objects {
    int n;
    double (*distance)(const void *ctx, int i, int j);
    const void *ctx;
};

struct fit {
    double within; /* mean distance of pairs in one cluster; NaN: no two objects share one */
    double all;    /* of all pairs; NaN: fewer than two objects */
    double fit;    /* NaN where `within` is; 0 if all objects are equal */
    double p;      /* of random partitions; NaN where `within` is */
    double authors;
};

struct fit_cfg {
    uint64_t seed;
    uint32_t stream;
    int permutations; /* at least 1 */
};

/* label (n) below k. Deterministic in cfg; scratch is rewound. ERR_MEMORY. */
enum err fit_of(struct fit *out, const struct fit_objects *objects, const int *label, int k,
                const struct fit_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* The same of points (n, d) with Euclidean distance: at most FIT_POINTS of them, evenly spaced. The
 * centre is the mean. */
enum { FIT_POINTS = 1000 };
enum err fit_of_points(struct fit *out, const double *points, const int *label, int n, int d, int k,
                       const struct fit_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* Mean of the two; NaN if one of them is. */
double fit_organisational(double structural, double functional);

#endif
