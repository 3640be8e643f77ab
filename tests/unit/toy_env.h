/* An environment for tests in which everything is drawn: rows, masks, ends of episodes.
 *
 * Shapes are free. Every fourth step or so an agent has one choice only. The reward favours low
 * choices, so there is something to learn. Everything is a function of (gid, episode, step), and
 * of the action where it says so, hence of nothing else.
 */
#ifndef KARMA_TESTS_TOY_ENV_H
#define KARMA_TESTS_TOY_ENV_H

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/marl/env.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/rollout.h"

#include <string.h>

struct toy_shape {
    int n_agents, n_factors, n_choices, n_global_state, n_norm, n_obs, n_critic, horizon;
};

struct toy_slot {
    uint32_t gid, episode, step;
    int limit; /* steps of this episode */
    double sum;
};

struct toy {
    struct env env;
    const struct toy_shape *shape;
    struct toy_slot slot[TILE];
};

static inline struct rng_block toy_draw(uint32_t what, uint32_t i, const struct toy_slot *s)
{
    struct rng_key key = rng_key(what, RNG_TEST, RNG_TRAIN);
    return rng_philox(key, i, s->step, s->episode, s->gid);
}

static inline void toy_obs(const void *ctx, float *obs, int agent, const float *global_state)
{
    const struct toy_shape *shape = ctx; /* n_global_state >= n_obs, n_global_state > agent */
    int n =
        shape->n_global_state - agent < shape->n_obs ? shape->n_global_state - agent : shape->n_obs;
    memcpy(obs, global_state + agent, (size_t)n * sizeof(float));
    memcpy(obs + n, global_state, (size_t)(shape->n_obs - n) * sizeof(float));
}

static inline void toy_critic(const void *ctx, float *out, const float *global_state)
{
    const struct toy_shape *shape = ctx; /* n_global_state >= n_critic */
    memcpy(out, global_state, (size_t)shape->n_critic * sizeof(float));
}

static inline enum err toy_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    struct toy *t = (struct toy *)e;
    int limit = steps > 0 ? steps : t->shape->horizon;
    t->slot[lid] = (struct toy_slot){.gid = gid, .episode = episode, .limit = limit};
    return ERR_OK;
}

static inline void toy_masks(const struct toy *t, const struct toy_slot *s, uint32_t *mask)
{
    const struct toy_shape *shape = t->shape;
    int n_words = (shape->n_choices + 31) / 32;
    memset(mask, 0, (size_t)(shape->n_agents * shape->n_factors * n_words) * sizeof(uint32_t));
    for (int i = 0; i < shape->n_agents * shape->n_factors; i++) {
        uint32_t *m = mask + i * n_words;
        struct rng_block b = toy_draw(1, (uint32_t)i, s);
        bool one = toy_draw(2, (uint32_t)(i / shape->n_factors), s).v[0] % 4 == 0;
        for (int k = 0; k < shape->n_choices && !one; k++) {
            uint32_t bit = (b.v[1 + (k / 32) % 2] >> (k % 32)) & 1U;
            m[k / 32] |= bit << (k % 32);
        }
        uint32_t sure = rng_below(b.v[0], (uint32_t)shape->n_choices);
        m[sure / 32] |= 1U << (sure % 32);
    }
}

static inline void toy_global_state(struct env *e, int lid, int team, float *global_state,
                                    uint32_t *mask)
{
    (void)team;
    const struct toy *t = (struct toy *)e;
    const struct toy_slot *s = &t->slot[lid];
    for (int i = 0; i < t->shape->n_global_state; i++) {
        struct rng_block b = toy_draw(0, (uint32_t)i, s);
        global_state[i] = 3.0f * rng_f32(b.v[0]) + (float)i;
    }
    toy_masks(t, s, mask);
}

static inline float toy_reward(const struct toy *t, const struct toy_slot *s, const int32_t *action,
                               int agent)
{
    float reward = rng_f32(toy_draw(3, (uint32_t)agent, s).v[0]);
    for (int f = 0; f < t->shape->n_factors; f++) {
        reward -= (float)action[f] / (float)t->shape->n_choices;
    }
    return reward;
}

static inline enum err toy_step(struct env *e, const int32_t *const *action, float *const *reward,
                                uint8_t *flag)
{
    struct toy *t = (struct toy *)e;
    const struct toy_shape *shape = t->shape;
    for (int lid = 0; lid < e->n_env; lid++) {
        struct toy_slot *s = &t->slot[lid];
        for (int a = 0; a < shape->n_agents; a++) {
            int i = lid * shape->n_agents + a;
            reward[0][i] = toy_reward(t, s, action[0] + i * shape->n_factors, a);
            s->sum += (double)reward[0][i];
        }
        bool dies = toy_draw(4, 0, s).v[0] % 16 == 0;
        s->step++;
        bool over = (int)s->step >= s->limit;
        flag[lid] = dies ? ENV_TERMINATED : over ? ENV_TRUNCATED : ENV_RUNNING;
    }
    return ERR_OK;
}

static inline void toy_stats(struct env *e, int lid, double *out)
{
    const struct toy *t = (struct toy *)e;
    out[0] = (double)t->slot[lid].step;
    out[1] = t->slot[lid].sum;
}

/* The lowest allowed choice. */
static inline void toy_demonstrate(struct env *e, int lid, int team, int32_t *action)
{
    (void)team;
    const struct toy *t = (struct toy *)e;
    uint32_t mask[64];
    int n_words = (t->shape->n_choices + 31) / 32;
    toy_masks(t, &t->slot[lid], mask);
    for (int i = 0; i < t->shape->n_agents * t->shape->n_factors; i++) {
        action[i] = 0;
        while (!mask_has(mask + i * n_words, action[i])) {
            action[i]++;
        }
    }
}

static const struct env_ops toy_ops = {.reset = toy_reset,
                                       .global_state = toy_global_state,
                                       .step = toy_step,
                                       .stats = toy_stats,
                                       .demonstrate = toy_demonstrate};

static inline struct team_spec toy_spec(const struct toy_shape *shape)
{
    static const char *const agent_names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    return (struct team_spec){.name = "toy",
                              .n_agents = shape->n_agents,
                              .n_global_state = shape->n_global_state,
                              .n_norm = shape->n_norm,
                              .n_obs = shape->n_obs,
                              .n_critic = shape->n_critic,
                              .n_factors = shape->n_factors,
                              .n_choices = shape->n_choices,
                              .agent_names = agent_names,
                              .ctx = (void *)(uintptr_t)shape,
                              .obs = toy_obs,
                              .critic = toy_critic};
}

/* One team. By reference. */
static inline struct env_spec toy_env_spec(const struct team_spec *team)
{
    static const char *const stat_names[] = {"steps", "reward"};
    return (struct env_spec){
        .name = "toy", .n_teams = 1, .teams = {team}, .n_stats = 2, .stat_names = stat_names};
}

static inline struct toy toy_env(const struct toy_shape *shape, const struct env_spec *spec,
                                 int n_env)
{
    return (struct toy){.env = {.ops = &toy_ops, .spec = spec, .n_env = n_env}, .shape = shape};
}

/* Actors and critics of these layers, which are borrowed; separate actors, a central critic. */
static inline struct team_cfg toy_team_cfg(int *hidden, int n_hidden, int row_block)
{
    return (struct team_cfg){.actor_hidden = hidden,
                             .n_actor_hidden = n_hidden,
                             .critic_hidden = hidden,
                             .n_critic_hidden = n_hidden,
                             .activation = ACT_TANH,
                             .critic = CRITIC_CENTRAL,
                             .obs_clip = 5.0,
                             .row_block = row_block,
                             .gemm = GEMM_FIXED};
}

/* One process, all tiles: environments, blocks and buffers of a run. Everything in the arena. */
struct toy_run {
    int n_env, n_tiles;
    struct team team;
    struct mappo_learner player; /* acts with it */
    struct rollout *rollout;
    struct rollout_tile *tile; /* (n_tiles) */
    struct toy *env;           /* (n_tiles) */
    struct block *block;       /* (n_tiles) */
};

static inline int toy_tile_envs(int n_env, int tile)
{
    return n_env - tile * TILE < TILE ? n_env - tile * TILE : TILE;
}

static inline enum err toy_run_init(struct toy_run *r, struct arena *arena,
                                    const struct team_cfg *cfg, const struct toy_shape *shape,
                                    const struct env_spec *spec, int n_env, int n_steps)
{
    int n_tiles = (n_env + TILE - 1) / TILE;
    *r = (struct toy_run){.n_env = n_env,
                          .n_tiles = n_tiles,
                          .tile = ARENA_NEW(arena, n_tiles, struct rollout_tile),
                          .env = ARENA_NEW(arena, n_tiles, struct toy),
                          .block = ARENA_NEW(arena, n_tiles, struct block)};
    TRY(team_init(&r->team, arena, cfg, spec->teams[0]));
    TRY(team_init_params(&r->team, 7, arena));
    TRY(mappo_learner_init(&r->player, arena, &r->team, NULL));
    TRY(rollout_init(&r->rollout, arena, spec, (struct learner *const[]){&r->player.base}));
    for (int i = 0; i < n_tiles; i++) {
        int n = toy_tile_envs(n_env, i);
        r->env[i] = toy_env(shape, spec, n);
        r->tile[i] = (struct rollout_tile){.env = &r->env[i].env, .tile = i};
        TRY(block_init(&r->block[i], arena, spec, 0, n, n_steps));
    }
    return ERR_OK;
}

static inline enum err toy_run_tile(struct toy_run *r, int i, const struct rollout_cfg *cfg,
                                    uint32_t update, int stagger)
{
    return rollout_run(r->rollout, (struct block *const[]){&r->block[i]}, &r->tile[i], cfg, update,
                       stagger, r->n_env);
}

static inline enum err toy_run_rollout(struct toy_run *r, const struct rollout_cfg *cfg,
                                       uint32_t update)
{
    for (int i = 0; i < r->n_tiles; i++) {
        TRY(toy_run_tile(r, i, cfg, update, 0));
    }
    return ERR_OK;
}

#endif
