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

/* The tile's place in its history. An environment is its episode number and the joint actions so
 * far: replay.h brings it back from them. */
struct rollout_tile {
    struct env *env;
    int tile;
    uint32_t episode[TILE];
    bool started;
    int steps[TILE];   /* that the running episodes have taken */
    uint16_t *actions; /* (TILE, max_steps, A, F) executed in them; NULL: not kept */
    int max_steps;     /* of an episode */
};

/* Let the tile keep its actions, for episodes of at most max_steps. */
enum err rollout_keep_actions(struct rollout_tile *tile, struct arena *arena,
                              const struct env_spec *spec, int max_steps) WARN_UNUSED;

/* Where `from` stands, into `to` of the same environment and kept length. */
void rollout_copy_history(struct rollout_tile *to, const struct rollout_tile *from);

/* The action of step t in slot e's running episode (A, F). */
static inline uint16_t *rollout_kept(const struct rollout_tile *tile, int e, int t)
{
    const struct env_spec *spec = tile->env->spec;
    return tile->actions + ((size_t)e * (size_t)tile->max_steps + (size_t)t) *
                               (size_t)(spec->n_agents * spec->n_factors);
}

/* Length of an environment's first episode when resets are staggered over `stagger` steps: so many
 * that resets do not coincide. stagger 0: not cut, 0. */
static inline int rollout_first_steps(uint32_t gid, int stagger, int n_env_total)
{
    return stagger > 0 ? (int)(1 + (int64_t)gid * stagger / n_env_total) : 0;
}

struct rollout; /* buffers for one tile */
enum err rollout_init(struct rollout **out, struct arena *arena,
                      const struct team *team) WARN_UNUSED;

/* Fills block (n_env, n_steps of it; stagger: horizon or 0, see rollout_first_steps()). Continues
 * where the tile's last block ended; starts it if it has not started. */
enum err rollout_run(struct rollout *r, struct block *block, struct rollout_tile *tile,
                     const struct team *team, const struct rollout_cfg *cfg, uint32_t update,
                     int stagger, int n_env_total) WARN_UNUSED;

#endif
