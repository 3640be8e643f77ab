/* The message of a rollout block, from the rank that simulated it to the rank that learns
 * from it (proto/rollout_block.proto; conventions: proto/wire.h). */
#ifndef KARMA_PROTO_ROLLOUT_BLOCK_H
#define KARMA_PROTO_ROLLOUT_BLOCK_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/marl/block.h"

#include <stddef.h>

/* Layout version of the payload: what this program writes, and the newest it reads. */
enum { CODEC_ROLLOUT_BLOCK_VERSION = 1 };

/* scratch is rewound. */
enum err codec_put_block(struct buf *out, const struct block *b, const struct env_spec *spec,
                         struct arena *scratch) WARN_UNUSED;
/* Into the one of blocks (n_blocks, each initialised with its tile, team and shape) that the
 * message is for; *got points at it. ERR_FORMAT if the message has another shape or an unknown tile
 * or team. scratch is rewound. */
enum err codec_get_block(struct block **got, struct block *blocks, int n_blocks,
                         const struct env_spec *spec, const void *bytes, size_t n,
                         const char *source, struct arena *scratch) WARN_UNUSED;

#endif
