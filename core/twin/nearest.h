/* The nearest recorded transition: what the twin answers without networks (the ablation), where the
 * table has no entry.
 *
 * Distance is Euclidean over the columns of the table's key and the two loads, each in steps of the
 * key (lookup.h), over the transitions with the same executed changes and the same desired
 * replicas. Beyond the radius, or without any such transition, the state is held. Exact search:
 * transitions are sorted by (group, first load), and the walk outwards from the query ends where
 * that one coordinate alone is further away than the best found.
 */
#ifndef KARMA_TWIN_NEAREST_H
#define KARMA_TWIN_NEAREST_H

#include "core/twin/lookup.h"

struct twin_nearest {
    const struct lookup *table;
    const struct dataset *data;
    uint64_t *group; /* (n) ascending: hash of changes and desired replicas */
    float *point;    /* (n, n_point) coordinates in steps; the first is the load */
    int *row;        /* (n) */
    int n, n_point;
};

/* Over the same transitions as the table. */
enum err nearest_init(struct twin_nearest *s, struct arena *arena, const struct lookup *table,
                      const struct dataset *d) WARN_UNUSED;

/* Row of the nearest transition; FEATURES_NONE if none is within `radius` steps. */
int nearest_find(const struct twin_nearest *s, const struct features_decision *d, double radius,
                 float *scratch /* (n_point) */);

#endif
