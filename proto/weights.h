/* Weights as a message to all ranks, and as the policy file of a run (proto/weights.proto;
 * conventions: proto/wire.h). */
#ifndef KARMA_PROTO_WEIGHTS_H
#define KARMA_PROTO_WEIGHTS_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/marl/team.h"
#include "core/marl/weights.h"

#include <stddef.h>
#include <stdint.h>

/* Layout versions of the payloads: what this program writes, and the newest it reads. */
enum { CODEC_WEIGHTS_VERSION = 1, CODEC_POLICY_VERSION = 1 };

/* team: its number in the environment. */
enum err codec_put_weights(struct buf *out, const struct weights *w, int team) WARN_UNUSED;
/* Overwrites *w, which has the lengths that are expected; a refresh is due. ERR_FORMAT if the
 * message has other lengths or is of another team. scratch is rewound. */
enum err codec_get_weights(struct weights *w, int team, const void *bytes, size_t n,
                           const char *source, struct arena *scratch) WARN_UNUSED;

/* The policy file: weights, the shapes they are for, and the configuration they were trained with.
 */
struct policy_meta {
    uint64_t seed, digest;
    const char *config;          /* resolved YAML */
    const char *const *features; /* (spec->n_norm) */
};
enum err codec_put_policy(struct buf *out, const struct weights *w, const struct team_spec *spec,
                          const struct policy_meta *meta) WARN_UNUSED;
/* Overwrites *w, a refresh is due. meta->features (or NULL) is what the caller's game has; the rest
 * of meta is filled in, its strings live in `arena`. ERR_MISMATCH, naming what differs, if the file
 * was made for another game. */
enum err codec_get_policy(struct weights *w, const struct team_spec *spec, struct policy_meta *meta,
                          const void *bytes, size_t n, const char *source,
                          struct arena *arena) WARN_UNUSED;
/* Only the configuration it was trained with, which says what shape the rest has; in `arena`. */
enum err codec_get_policy_config(const char **config, const void *bytes, size_t n,
                                 const char *source, struct arena *arena) WARN_UNUSED;

#endif
