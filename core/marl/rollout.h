/* The rollout: T steps of one tile into blocks, one for each team.
 *
 *   rows, masks -> every team acts -> env steps -> rewards, flag -> reset where an episode ended
 *
 * Everything drawn is a function of (seed, team, environment, update, step), so a block is a
 * function of the weights and the tile's history, not of where it is computed.
 */
#ifndef KARMA_MARL_ROLLOUT_H
#define KARMA_MARL_ROLLOUT_H

#include "core/marl/block.h"
#include "core/marl/learner.h"

/* Who chooses for team 0. DEMONSTRATE: the block's actions are the demonstrator's (the labels of
 * cloning), while each agent executes, with probability `random_share`, a uniform choice inside its
 * mask. The other teams act as they have learned in either mode. */
enum rollout_mode { ROLLOUT_POLICY, ROLLOUT_DEMONSTRATE };

struct rollout_cfg {
    uint64_t seed;
    enum rollout_mode mode;
    double random_share;
    void (*poll)(void *ctx); /* called once per step; may be NULL */
    void *poll_ctx;
    double *infer_s; /* seconds in which networks were computed are added; NULL: not measured */
};

/* Episodes of an environment are numbered from k 2^20 in stage k of a training (mpi/train/setup.h),
 * so no two stages play the same ones, and the number tells which is the first of a stage. */
enum { ROLLOUT_STAGE_EPISODES = 1 << 20 };

/* The tile's place in its history. An environment is its episode number and the joint actions so
 * far: replay_tile.h brings it back from them. */
struct rollout_tile {
    struct env *env;
    int tile;
    uint32_t first_episode; /* that its environments play when it starts */
    uint32_t episode[TILE];
    bool started;
    int steps[TILE];   /* that the running episodes have taken */
    uint16_t *actions; /* (TILE, max_steps, all teams' A*F) executed in them; NULL: not kept */
    int max_steps;     /* of an episode */
    float *state[ENV_TEAMS_MAX]; /* (TILE, A, S) of each team's agents now; NULL where S = 0 */
};

/* Let the tile keep its actions, for episodes of at most max_steps, and what its agents carry from
 * step to step. Teams with such a state need this. */
enum err rollout_keep_actions(struct rollout_tile *tile, struct arena *arena,
                              const struct env_spec *spec, int max_steps) WARN_UNUSED;

/* Where `from` stands, into `to` of the same environment and kept length. */
void rollout_copy_history(struct rollout_tile *to, const struct rollout_tile *from);

/* The joint action of step t in slot e's running episode: (A, F) of one team after the other. */
static inline uint16_t *rollout_stored(const struct rollout_tile *tile, int e, int t)
{
    return tile->actions + ((size_t)e * (size_t)tile->max_steps + (size_t)t) *
                               (size_t)env_joint_actions(tile->env->spec);
}

/* Length of an environment's first episode in a stage when resets are staggered over `stagger`
 * steps: so many that resets do not coincide, but those of a group. stagger 0: not cut, 0. */
static inline int rollout_first_steps(uint32_t gid, int stagger, int n_env_total, int group)
{
    const int64_t g = gid / (uint32_t)group, n_groups = n_env_total / group;
    return stagger > 0 ? (int)(1 + g * stagger / n_groups) : 0;
}

struct rollout; /* buffers for one tile */
/* learners (spec->n_teams) act; by reference. */
enum err rollout_init(struct rollout **out, struct arena *arena, const struct env_spec *spec,
                      struct learner *const *learners) WARN_UNUSED;

/* Fills blocks (n_teams; each n_env, n_steps of it; NULL: that team's is not wanted, but team 0's
 * is). stagger: horizon or 0, see rollout_first_steps(). Continues where the tile's last blocks
 * ended; starts it if it has not started. */
enum err rollout_run(struct rollout *r, struct block *const *blocks, struct rollout_tile *tile,
                     const struct rollout_cfg *cfg, uint32_t update, int stagger,
                     int n_env_total) WARN_UNUSED;

#endif
