/* The rollout: T steps of one tile into a block.
 *
 *   row, masks -> team acts -> env steps -> reward, flag -> reset where an episode ended
 *
 * Everything drawn is a function of (seed, environment, update, step), so a block is a function of
 * the weights and the tile's history, not of where it is computed.
 */
#ifndef KARMA_MARL_ROLLOUT_H
#define KARMA_MARL_ROLLOUT_H

#include "core/marl/block.h"
#include "core/marl/team.h"

/* Who chooses. DEMONSTRATE: the block's actions are the demonstrator's (the labels of cloning),
 * while each agent executes, with probability `random_share`, a uniform choice inside its mask. */
enum rollout_mode { ROLLOUT_POLICY, ROLLOUT_DEMONSTRATE };

struct rollout_cfg {
    uint64_t seed;
    enum rollout_mode mode;
    double random_share;
    void (*poll)(void *ctx); /* called once per step; may be NULL */
    void *poll_ctx;
};

/* The tile's place in its history. */
struct rollout_tile {
    struct env *env;
    int tile;
    uint32_t episode[TILE];
    bool started;
};

struct rollout; /* buffers for one tile */
enum err rollout_init(struct rollout **out, struct arena *arena,
                      const struct team *team) WARN_UNUSED;

/* Fills block (n_env, n_steps of it; stagger: the first episode of environment g is cut to
 * 1 + g * horizon / n_env_total steps when stagger > 0 = horizon, 0 = not). Continues where the
 * tile's last block ended; starts it if it has not started. */
enum err rollout_run(struct rollout *r, struct block *block, struct rollout_tile *tile,
                     const struct team *team, const struct rollout_cfg *cfg, uint32_t update,
                     int stagger, int n_env_total) WARN_UNUSED;

#endif
