/* Replay: a tile of environments back where its history says it stood.
 *
 * No environment can write down its state. But it is a function of the seed, its episode number and
 * the joint actions of that episode so far, and rollout_tile holds those: starting the episode and
 * doing the same again leads to the same state, bit by bit, on any rank. A checksum of the global
 * state and the masks, taken when the history was stored, shows that it did.
 */
#ifndef KARMA_MARL_REPLAY_TILE_H
#define KARMA_MARL_REPLAY_TILE_H

#include "core/marl/rollout.h"

/* sums (n_env): CRC-32C of the bytes of each environment's rows and masks, team after team, as
 * they stand now.
 * scratch is rewound. */
enum err replay_tile_checksums(uint32_t *sums, const struct rollout_tile *tile,
                               struct arena *scratch) WARN_UNUSED;

/* tile->episode, steps and actions say where it stood: bring the environments there. All slots of
 * a tile step together, so those with fewer steps behind them start later; until then they do
 * whatever is allowed, and it is forgotten. stagger, n_env_total: as in rollout_run().
 * ERR_MISMATCH with a sentence if an episode ends on the way or a checksum differs from `sums`:
 * the environments are not those that the history was made with. scratch is rewound. */
enum err replay_tile(struct rollout_tile *tile, const uint32_t *sums, int stagger, int n_env_total,
                     struct arena *scratch) WARN_UNUSED;

#endif
