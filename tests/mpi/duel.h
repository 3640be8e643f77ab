/* An environment with two teams of different shapes and opposite rewards: guards hold a gate,
 * raiders push against it. Small, cheap, and a function of (gid, episode, actions) only.
 *
 *   damage = max(0, pushes of the raiders - holds of the guards) at a gate of level 0..9
 *   reward of each guard  = -damage - 0.1 holds; of each raider: the opposite
 *
 * Damage lowers the gate, holding raises it; an episode is over when it has fallen. Raiders are
 * told the level only with noise, guards are told how hard they were pushed. A raider has two
 * factors, of which the second only doubles its push and is not always allowed.
 */
#ifndef KARMA_TESTS_MPI_DUEL_H
#define KARMA_TESTS_MPI_DUEL_H

#include "core/base/log.h"
#include "core/base/rng.h"
#include "mpi/train/source.h"

#include <string.h>

enum { GUARDS, RAIDERS };
enum {
    GUARD_AGENTS = 2,
    GUARD_CHOICES = 4, /* how hard to hold */
    GUARD_STATE = 3,
    RAID_AGENTS = 3,
    RAID_FACTORS = 2,
    RAID_CHOICES = 5, /* how hard to push; doubled or not */
    RAID_STATE = 6,
    DUEL_TOP = 9,
    DUEL_HORIZON = 7
};

struct duel_slot {
    uint32_t gid, episode;
    int step, limit, level, pushed;
    double sum; /* of a guard's rewards */
};

struct duel {
    struct env env;
    const struct duel_trouble *trouble;
    struct duel_slot slot[TILE];
};

/* Episode `episode` of environment gid begins with on_reset(), which may fail. */
struct duel_trouble {
    uint32_t gid, episode;
    enum err (*on_reset)(void);
};

static inline uint32_t duel_draw(const struct duel_slot *s, uint32_t what, uint32_t below)
{
    const struct rng_key key = rng_key(what, RNG_TEST, RNG_TRAIN);
    return rng_below(rng_philox(key, 0, (uint32_t)s->step, s->episode, s->gid).v[0], below);
}

static inline enum err duel_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    struct duel *d = (struct duel *)e;
    struct duel_slot *s = &d->slot[lid];
    *s = (struct duel_slot){.gid = gid, .episode = episode};
    s->limit = steps > 0 && steps < DUEL_HORIZON ? steps : DUEL_HORIZON;
    s->level = 3 + (int)duel_draw(s, 1, DUEL_TOP - 3);
    const struct duel_trouble *t = d->trouble;
    const bool now = t->on_reset != NULL && t->gid == gid && t->episode == episode;
    return now ? t->on_reset() : ERR_OK;
}

static inline void duel_global_state(struct env *e, int lid, int team, float *global_state,
                                     uint32_t *mask)
{
    const struct duel_slot *s = &((struct duel *)e)->slot[lid];
    const float left = (float)(s->limit - s->step);
    if (team == GUARDS) {
        const float seen[GUARD_STATE] = {(float)s->level, (float)s->pushed, left};
        memcpy(global_state, seen, sizeof seen);
        for (int a = 0; a < GUARD_AGENTS; a++) {
            mask[a] = s->level == DUEL_TOP ? 0x3 : 0xF; /* a whole gate needs little */
        }
        return;
    }
    const float noisy = (float)(s->level / 2 + (int)duel_draw(s, 2, 2));
    const float seen[RAID_STATE] = {
        noisy, left, (float)s->pushed, (float)duel_draw(s, 3, 5), (float)(s->step % 2), 1.0F};
    memcpy(global_state, seen, sizeof seen);
    for (int a = 0; a < RAID_AGENTS; a++) {
        mask[a * RAID_FACTORS] = 0x1F;
        mask[a * RAID_FACTORS + 1] = (s->step + a) % 2 == 0 ? 0x3 : 0x1;
    }
}

/* One slot; the guards' reward. */
static inline float duel_play(struct duel_slot *s, const int32_t *guard, const int32_t *raid)
{
    int held = 0, pushed = 0;
    for (int a = 0; a < GUARD_AGENTS; a++) {
        held += guard[a];
    }
    for (int a = 0; a < RAID_AGENTS; a++) {
        pushed += raid[a * RAID_FACTORS] * (1 + raid[a * RAID_FACTORS + 1]);
    }
    const int damage = pushed > 2 * held ? pushed - 2 * held : 0;
    s->pushed = pushed;
    s->level -= damage / 4;
    s->level += held > 2 && s->level < DUEL_TOP;
    s->step++;
    const float reward = -(float)damage - 0.1F * (float)held;
    s->sum += (double)reward;
    return reward;
}

static inline enum err duel_step(struct env *e, const int32_t *const *action, float *const *reward,
                                 uint8_t *flag)
{
    struct duel *d = (struct duel *)e;
    for (int lid = 0; lid < e->n_env; lid++) {
        struct duel_slot *s = &d->slot[lid];
        const float guards = duel_play(s, action[GUARDS] + lid * GUARD_AGENTS,
                                       action[RAIDERS] + lid * RAID_AGENTS * RAID_FACTORS);
        for (int a = 0; a < GUARD_AGENTS; a++) {
            reward[GUARDS][lid * GUARD_AGENTS + a] = guards;
        }
        for (int a = 0; a < RAID_AGENTS; a++) {
            reward[RAIDERS][lid * RAID_AGENTS + a] = -guards;
        }
        flag[lid] = s->level <= 0         ? ENV_TERMINATED
                    : s->step == s->limit ? ENV_TRUNCATED
                                          : ENV_RUNNING;
    }
    return ERR_OK;
}

static inline void duel_stats(struct env *e, int lid, double *out)
{
    const struct duel_slot *s = &((struct duel *)e)->slot[lid];
    out[0] = (double)s->step;
    out[1] = s->sum;
}

/* Each agent sees the row, a raider without its last column. */
static inline void guard_obs(const void *ctx, float *obs, int agent, const float *global_state)
{
    (void)ctx;
    memcpy(obs, global_state, GUARD_STATE * sizeof *obs);
    obs[GUARD_STATE] = (float)agent;
}

static inline void guard_critic(const void *ctx, float *out, const float *global_state)
{
    (void)ctx;
    memcpy(out, global_state, GUARD_STATE * sizeof *out);
}

static inline void raid_obs(const void *ctx, float *obs, int agent, const float *global_state)
{
    (void)ctx;
    (void)agent;
    memcpy(obs, global_state, (RAID_STATE - 1) * sizeof *obs);
}

static inline void raid_critic(const void *ctx, float *out, const float *global_state)
{
    (void)ctx;
    memcpy(out, global_state, RAID_STATE * sizeof *out);
}

static const char *const guard_names[] = {"left", "right"};
static const char *const raid_names[] = {"one", "two", "three"};
static const struct team_spec duel_guards = {.name = "guards",
                                             .n_agents = GUARD_AGENTS,
                                             .n_global_state = GUARD_STATE,
                                             .n_norm = GUARD_STATE,
                                             .n_obs = GUARD_STATE + 1,
                                             .n_critic = GUARD_STATE,
                                             .n_factors = 1,
                                             .n_choices = GUARD_CHOICES,
                                             .agent_names = guard_names,
                                             .obs = guard_obs,
                                             .critic = guard_critic};
/* They may remember their last push: see table.h. Networks do not use it. */
static const struct team_spec duel_raiders = {.name = "raiders",
                                              .n_agents = RAID_AGENTS,
                                              .n_global_state = RAID_STATE,
                                              .n_norm = 4,
                                              .n_obs = RAID_STATE - 1,
                                              .n_critic = RAID_STATE,
                                              .n_factors = RAID_FACTORS,
                                              .n_choices = RAID_CHOICES,
                                              .n_state = 1,
                                              .agent_names = raid_names,
                                              .obs = raid_obs,
                                              .critic = raid_critic};
static const char *const duel_stat_names[] = {"length", "return"};
static const struct env_spec duel_spec = {.name = "duel",
                                          .n_teams = 2,
                                          .teams = {&duel_guards, &duel_raiders},
                                          .n_stats = 2,
                                          .stat_names = duel_stat_names};
static const struct env_ops duel_ops = {
    .reset = duel_reset, .global_state = duel_global_state, .step = duel_step, .stats = duel_stats};

/* ctx: a struct duel_trouble. */
static inline enum err duel_make(void *ctx, struct env **out, struct arena *arena, int n_env)
{
    struct duel *d = ARENA_NEW(arena, 1, struct duel);
    TRY(arena_error(arena));
    *d = (struct duel){.env = {.ops = &duel_ops, .spec = &duel_spec, .n_env = n_env},
                       .trouble = ctx};
    *out = &d->env;
    return ERR_OK;
}

#endif
