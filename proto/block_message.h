/* A rollout block seen as its message: pointers into the block, nothing copied but the sparse
 * fields. For the codecs of trajectory and update dump only. */
#ifndef KARMA_PROTO_BLOCK_MESSAGE_H
#define KARMA_PROTO_BLOCK_MESSAGE_H

#include "core/marl/block.h"
#include "proto/trajectory.pb-c.h"

/* boot: room for (E, T, A) floats. The message borrows from b and boot. */
void block_message(Karma__TileBlock *m, const struct block *b, const struct team_spec *spec,
                   int n_stats, float *boot);

#endif
