/* The coordinates of space.h for whole rows: the same bits as its functions for one column, in
 * loops that vectorise. What they need to know of the columns stands in one array for each thing.
 */
#ifndef KARMA_TWIN_SPACE_ROWS_H
#define KARMA_TWIN_SPACE_ROWS_H

#include "core/twin/space.h"

struct space_rows {
    const struct space *space;     /* borrowed; its limits are copied: they must be final */
    uint32_t *root;                /* (S) all bits set: worked with as its square root */
    uint32_t *root_out;            /* (n_target) the same; measures stay in coordinates */
    float *lo, *least, *most, *hi; /* (n_target) */
    uint32_t *whole;               /* (n_target) all bits set: counts pods or requests */
};

enum err space_rows_init(struct space_rows *r, struct arena *arena,
                         const struct space *s) WARN_UNUSED;

/* space_input(). */
void space_rows_input(float *in, const struct space_rows *r, const struct space_decision *d);

/* Of targets in coordinates (n_target): space_back() of the learned columns, those of pods as gaps,
 * then space_snap() of the measures. */
void space_rows_back(float *out, const struct space_rows *r, const float *target);

#endif
