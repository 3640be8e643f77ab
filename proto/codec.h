/* Codecs: bytes <-> plain arrays. The only users of protobuf-c and of the generated headers.
 *
 * Every encoder appends one frame (core/base/frame.h) to a buffer; every decoder takes one frame's
 * payload, checks every length against the shapes it was given, and writes its output on success
 * only. `source` names the bytes in messages ("rank 3", "policy/weights.bin").
 * Shapes and units stand in the .proto files.
 */
#ifndef KARMA_PROTO_CODEC_H
#define KARMA_PROTO_CODEC_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/marl/block.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"

/* ---- trajectory ---- */
enum err codec_put_block(struct buf *out, const struct block *b,
                         const struct env_spec *spec) WARN_UNUSED;
/* b: initialised with the expected shape; ERR_FORMAT if the message has another. scratch is
 * rewound. */
enum err codec_get_block(struct block *b, const struct env_spec *spec, const void *bytes, size_t n,
                         const char *source, struct arena *scratch) WARN_UNUSED;

/* ---- weights ---- */
enum err codec_put_weights(struct buf *out, const struct team *t) WARN_UNUSED;
/* Overwrites t->w and refreshes. */
enum err codec_get_weights(struct team *t, const void *bytes, size_t n, const char *source,
                           struct arena *scratch) WARN_UNUSED;

/* ---- policy file ---- */
struct policy_meta {
    uint64_t seed, digest;
    const char *config;          /* resolved YAML */
    const char *const *features; /* (spec->n_norm) */
};
enum err codec_put_policy(struct buf *out, const struct team *t,
                          const struct policy_meta *meta) WARN_UNUSED;
/* Strings of meta live in `arena`. ERR_MISMATCH, naming what differs, if the file was made for
 * another game. */
enum err codec_get_policy(struct team *t, struct policy_meta *meta, const void *bytes, size_t n,
                          const char *source, struct arena *arena) WARN_UNUSED;

/* ---- update dump ---- */
struct update_dump {
    const struct team *team; /* shapes; weights after */
    const struct weights *before;
    const struct mappo_cfg *cfg;
    const struct mappo_stats *stats;
    const float *adam_m, *adam_v; /* before */
    uint64_t adam_t, seed;
    const struct block *blocks; /* (n_blocks), with advantages and targets */
    int n_blocks;
    uint32_t update;
};
enum err codec_put_update(struct buf *out, const struct update_dump *d,
                          struct arena *scratch) WARN_UNUSED;

#endif
