/* One PPO update, recorded to be checked by other implementations (proto/update_dump.proto;
 * conventions: proto/wire.h). */
#ifndef KARMA_PROTO_UPDATE_DUMP_H
#define KARMA_PROTO_UPDATE_DUMP_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/marl/block.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"

#include <stdint.h>

/* Layout version of the payload: what this program writes, and the newest it reads. */
enum { CODEC_UPDATE_VERSION = 1 };

/* One PPO update whose blocks are all here, in environment order. */
struct update_dump {
    const struct team *team;      /* shapes; weights after */
    const struct weights *before; /* copies made before the update, like the next three */
    const float *adam_m, *adam_v; /* (n_params) */
    uint64_t adam_t;              /* as mappo_optimiser() tells it */
    const struct mappo_cfg *cfg;
    const struct mappo_stats *stats;
    const struct block *blocks;        /* (n_blocks), with advantages and targets */
    const struct mappo_inputs *inputs; /* (n_blocks) */
    const uint32_t *minibatch_of;      /* (epochs, environments) */
    int n_blocks, n_minibatches;
    int n_stats; /* of an episode */
    int group;   /* mappo_group() */
    uint32_t update;
    uint64_t seed;
};
/* scratch is rewound. */
enum err codec_put_update(struct buf *out, const struct update_dump *d,
                          struct arena *scratch) WARN_UNUSED;

#endif
