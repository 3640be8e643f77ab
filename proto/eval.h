/* The record of one evaluated episode, from the rank that played it to rank 0 (proto/eval.proto;
 * conventions: proto/wire.h). */
#ifndef KARMA_PROTO_EVAL_H
#define KARMA_PROTO_EVAL_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>
#include <stdint.h>

/* Layout version of the payload: what this program writes, and the newest it reads. */
enum { CODEC_EVAL_VERSION = 1 };

struct eval_record {
    uint32_t controller, train, scenario, episode;
    const double *metrics;     /* (n_metrics) */
    const double *org_metrics; /* (n_org_metrics) */
    int n_metrics, n_org_metrics;
};
enum err codec_put_record(struct buf *out, const struct eval_record *r) WARN_UNUSED;
/* r->n_metrics and r->n_org_metrics say how many are expected; they go to `metrics` and
 * `org_metrics` (NULL: none). scratch is rewound. */
enum err codec_get_record(struct eval_record *r, double *metrics, double *org_metrics,
                          const void *bytes, size_t n, const char *source,
                          struct arena *scratch) WARN_UNUSED;

#endif
