/* The numbers that a job left (proto/numbers.proto; conventions: proto/wire.h). */
#ifndef KARMA_PROTO_NUMBERS_H
#define KARMA_PROTO_NUMBERS_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>
#include <stdint.h>

/* Layout version of the payload: what this program writes, and the newest it reads. */
enum { CODEC_NUMBERS_VERSION = 1 };

struct numbers {
    uint64_t digest;
    uint32_t job;
    const double *value; /* (n) */
    size_t n;
};
enum err codec_put_numbers(struct buf *out, const struct numbers *r) WARN_UNUSED;
/* The values point into `arena`. */
enum err codec_get_numbers(struct numbers *r, const void *bytes, size_t n, const char *source,
                           struct arena *arena) WARN_UNUSED;

#endif
