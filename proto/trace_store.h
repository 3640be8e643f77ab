/* The frames of a trace store: a header, then episodes (proto/trace_store.proto; conventions:
 * proto/wire.h). */
#ifndef KARMA_PROTO_TRACE_STORE_H
#define KARMA_PROTO_TRACE_STORE_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stddef.h>
#include <stdint.h>

/* Layout version of the payload: what this program writes, and the newest it reads. */
enum { CODEC_STORE_VERSION = 1 };

struct store_header {
    const char *plant, *topology, *origin, *licence;
    const char *const *services; /* (n_services) */
    const char *const *columns;  /* (n_columns) */
    const char *const *units;    /* (n_columns) */
    const char *const *truths;   /* (n_truths) */
    int n_services, n_columns, n_truths;
    double period_s;
    uint64_t split_seed;
    double validation, held_out; /* shares */
};
enum err codec_put_store(struct buf *out, const struct store_header *h) WARN_UNUSED;
/* Everything points into `arena`. ERR_FORMAT if the numbers do not make sense. */
enum err codec_get_store(struct store_header *h, const void *bytes, size_t n, const char *source,
                         struct arena *arena) WARN_UNUSED;

enum { STORE_ATTACK = 3 }; /* entry, rate, data */
struct store_episode {
    const char *controller, *scenario;
    uint64_t policy, seed, cell_digest;
    uint32_t episode;
    double start_s;
    int n_steps;              /* T >= 1 */
    const float *state;       /* (T + 1, n_columns), finite */
    const int32_t *delta;     /* (T, n_services) */
    const int32_t *attack;    /* (T, STORE_ATTACK); NULL: nobody attacks but the scenario */
    const float *load;        /* (T), finite, >= 0 */
    const double *truth;      /* (T, n_truths), finite */
    const uint8_t *gaps;      /* (store_gap_bytes) bits; NULL: none */
    const uint8_t *load_gaps; /* (T) bits: loads that are not known; NULL: none */
};
/* Bytes of the gap bits. */
static inline size_t store_gap_bytes(int n_steps, int n_columns)
{
    return (((size_t)n_steps + 1) * (size_t)n_columns + 7) / 8;
}
static inline size_t store_load_gap_bytes(int n_steps)
{
    return ((size_t)n_steps + 7) / 8;
}
enum err codec_put_episode(struct buf *out, const struct store_episode *e,
                           const struct store_header *h) WARN_UNUSED;
/* Everything points into `arena`. ERR_FORMAT if the shapes are not those of the header. */
enum err codec_get_episode(struct store_episode *e, const struct store_header *h, const void *bytes,
                           size_t n, const char *source, struct arena *arena) WARN_UNUSED;

#endif
