/* The frames of a fitted twin: a header, then a network each; or the parameters of a queueing twin
 * alone; or, of a residual twin, these and then the others (proto/twin.proto; conventions:
 * proto/wire.h). */
#ifndef KARMA_PROTO_TWIN_H
#define KARMA_PROTO_TWIN_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Layout version of the payloads: what this program writes, and the newest it reads. Version 1
 * learned numbers of pods, not their gaps (core/twin/pods.h). */
enum { CODEC_TWIN_VERSION = 2 };

struct twin_header {
    uint64_t traces; /* digest of the store beside it */
    const char *fit; /* YAML */
    int history;
    bool residual;
    const int32_t *hidden; /* (n_hidden) */
    int n_hidden, members;
    const float *in_mean, *in_inv;   /* (n_in) */
    const float *out_mean, *out_std; /* (n_target) */
    const float *limits;             /* (n_columns, 4) lo, least, most, hi */
    const float *spread;             /* (n_spread) ascending */
    int n_in, n_target, n_columns, n_spread;
};
enum err codec_put_twin(struct buf *out, const struct twin_header *h) WARN_UNUSED;
/* Everything points into `arena`; numbers are finite, shapes are for the caller to compare. */
enum err codec_get_twin(struct twin_header *h, const void *bytes, size_t n, const char *source,
                        struct arena *arena) WARN_UNUSED;

struct twin_member {
    const float *params; /* (n_params) */
    const float *level;  /* (n_residuals) ascending */
    const float *z;      /* (n_residuals, n_target) */
    const int32_t *next; /* (n_residuals) row, -1 = none */
    size_t n_params;
    int n_residuals;
    double error;
    int epochs;
};
enum err codec_put_member(struct buf *out, const struct twin_member *m, int n_target) WARN_UNUSED;
/* The same; z has n_target columns, and no row is followed by one that is not there. */
enum err codec_get_member(struct twin_member *m, const void *bytes, size_t n, int n_target,
                          const char *source, struct arena *arena) WARN_UNUSED;

/* Layout version of a queueing twin. */
enum { CODEC_TWIN_QUEUEING_VERSION = 1 };

struct twin_queueing {
    uint64_t traces;               /* digest of the store beside it */
    const char *fit;               /* YAML */
    const char *const *names;      /* (n) of the parameters */
    const double *value, *lo, *hi; /* (n) */
    int n, episodes;
};
enum err codec_put_queueing(struct buf *out, const struct twin_queueing *q) WARN_UNUSED;
/* Everything points into `arena`; the arrays have one length, names and limits are for the caller
 * to compare. */
enum err codec_get_queueing(struct twin_queueing *q, const void *bytes, size_t n,
                            const char *source, struct arena *arena) WARN_UNUSED;

#endif
