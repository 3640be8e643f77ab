/* The frames of a checkpoint: a section for each team, its moments, its tiles
 * (proto/checkpoint.proto; conventions: proto/wire.h). */
#ifndef KARMA_PROTO_CHECKPOINT_H
#define KARMA_PROTO_CHECKPOINT_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/marl/learner.h"
#include "core/marl/rollout.h"

#include <stddef.h>
#include <stdint.h>

/* Layout versions of the payloads: what this program writes, and the newest it reads. */
enum { CODEC_CHECKPOINT_VERSION = 1, CODEC_MOMENTS_VERSION = 1, CODEC_TILE_STATE_VERSION = 1 };

/* Of one team's section. */
struct checkpoint_header {
    uint64_t config, weights; /* digests */
    uint32_t update, rollouts;
    uint64_t counter; /* of the learner */
    int n_envs, horizon;
};
enum err codec_put_checkpoint(struct buf *out, const struct checkpoint_header *h,
                              const struct learner *l) WARN_UNUSED;
/* ERR_MISMATCH, naming what differs, if the learner, h->n_envs or h->horizon are not the file's;
 * the rest of `h` is filled in. scratch is rewound. */
enum err codec_get_checkpoint(struct checkpoint_header *h, const struct learner *l,
                              const void *bytes, size_t n, const char *source,
                              struct arena *scratch) WARN_UNUSED;

/* values (n): the learner's part of that number, from 1. */
enum err codec_put_moments(struct buf *out, int order, const float *values,
                           size_t n_values) WARN_UNUSED;
enum err codec_get_moments(float *values, size_t n_values, int order, const void *bytes, size_t n,
                           const char *source, struct arena *scratch) WARN_UNUSED;

/* sums (n_env of the tile): see core/marl/replay_tile.h. The tile keeps its actions. scratch is
 * rewound. */
enum err codec_put_tile_state(struct buf *out, const struct rollout_tile *tile,
                              const uint32_t *sums, struct arena *scratch) WARN_UNUSED;
/* Into tile->episode, steps, actions and states; the message must be for tile->tile. */
enum err codec_get_tile_state(struct rollout_tile *tile, uint32_t *sums, const void *bytes,
                              size_t n, const char *source, struct arena *scratch) WARN_UNUSED;

#endif
