/* A rollout block seen as its message: pointers into the block, nothing copied but the sparse
 * fields. For the codecs of rollout block and update dump only. */
#ifndef KARMA_PROTO_BLOCK_MESSAGE_H
#define KARMA_PROTO_BLOCK_MESSAGE_H

#include "core/marl/block.h"
#include "proto/rollout_block.pb-c.h"

/* bootstrap_value: room for (E, T, A) floats. The message borrows from b and bootstrap_value. */
void block_message(Karma__TileBlock *m, const struct block *b, const struct team_spec *spec,
                   int n_stats, float *bootstrap_value);

#endif
