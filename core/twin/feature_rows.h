/* The encoding of features.h for whole rows: the same bits as its functions for one column, in
 * loops that vectorise. Each property of the columns stands in an array of its own. */
#ifndef KARMA_TWIN_FEATURE_ROWS_H
#define KARMA_TWIN_FEATURE_ROWS_H

#include "core/twin/features.h"

struct feature_rows {
    const struct features *features; /* borrowed; its limits are copied: they must be final */
    uint32_t *root;                  /* (S) all bits set: encoded as its square root */
    uint32_t *root_out;              /* (n_target) the same; KPIs stay encoded */
    float *lo, *least, *most, *hi;   /* (n_target) */
    uint32_t *whole;                 /* (n_target) all bits set: counts pods or requests */
};

enum err feature_rows_init(struct feature_rows *r, struct arena *arena,
                           const struct features *s) WARN_UNUSED;

/* features_input(): all inputs but the answer. */
void feature_rows_input(float *in, const struct feature_rows *r, const struct features_decision *d);

/* Of encoded targets (n_target): features_decode() of the learned columns, those of pods as gaps,
 * then features_clamp() of the KPIs. */
void feature_rows_decode(float *out, const struct feature_rows *r, const float *target);

#endif
