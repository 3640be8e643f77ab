/* States, draws and rewards of a tile. See stochastic_env.h. */
#include "core/marl/stochastic_env.h"

#include "core/base/rng.h"

#include <string.h>

struct slot {
    uint32_t gid, episode, step;
    int state, limit;
    double sum;
};

struct stochastic_env {
    struct env env;
    const struct stochastic_game *game;
    struct rng_key key;
    struct slot slots[TILE];
};

static void see(const void *ctx, float *obs, int agent, const float *global_state)
{
    const struct stochastic_game *g = ctx;
    (void)agent;
    memcpy(obs, global_state, sizeof *obs * (size_t)g->n_states);
}

static void see_all(const void *ctx, float *out, const float *global_state)
{
    see(ctx, out, 0, global_state);
}

void stochastic_shape_init(struct stochastic_shape *shape, const struct stochastic_game *g)
{
    static const char *const names[GAME_TEAMS] = {"row", "column"};
    static const char *const stats[] = {"row.reward"};
    *shape = (struct stochastic_shape){
        .game = g,
        .spec = {.name = g->name, .n_teams = GAME_TEAMS, .n_stats = 1, .stat_names = stats}};
    for (int k = 0; k < GAME_TEAMS; k++) {
        shape->teams[k] = (struct team_spec){.name = names[k],
                                             .n_agents = 1,
                                             .n_global_state = g->n_states,
                                             .n_obs = g->n_states,
                                             .n_critic = g->n_states,
                                             .n_factors = 1,
                                             .n_choices = k == GAME_ROW ? g->n_row : g->n_col,
                                             .agent_names = &names[k],
                                             .ctx = (void *)(uintptr_t)g,
                                             .obs = see,
                                             .critic = see_all};
        shape->spec.teams[k] = &shape->teams[k];
    }
}

/* Words of (what, step) in an episode; step 0 of `what` 0 is its first state. */
static uint32_t draw(const struct stochastic_env *e, const struct slot *s, uint32_t what)
{
    return rng_philox(e->key, what, s->step, s->episode, s->gid).v[0];
}

static enum err reset(struct env *env, int lid, uint32_t gid, uint32_t episode, int steps)
{
    struct stochastic_env *e = (struct stochastic_env *)env;
    const int horizon = e->game->horizon;
    struct slot *s = &e->slots[lid];
    *s = (struct slot){
        .gid = gid, .episode = episode, .limit = steps > 0 && steps < horizon ? steps : horizon};
    s->state = (int)rng_below(draw(e, s, 0), (uint32_t)e->game->n_states);
    return ERR_OK;
}

static void global_state(struct env *env, int lid, int team, float *out, uint32_t *mask)
{
    const struct stochastic_env *e = (const struct stochastic_env *)env;
    const struct stochastic_game *g = e->game;
    const int state = e->slots[lid].state;
    memset(out, 0, sizeof *out * (size_t)g->n_states);
    out[state] = 1.0F;
    mask[0] = team == GAME_ROW ? g->may_row[state] : g->may_col[state];
}

static enum err step(struct env *env, const int32_t *const *action, float *const *reward,
                     uint8_t *flag)
{
    struct stochastic_env *e = (struct stochastic_env *)env;
    for (int lid = 0; lid < env->n_env; lid++) {
        struct slot *s = &e->slots[lid];
        const struct game_outcome *o =
            game_outcome(e->game, s->state, action[GAME_ROW][lid], action[GAME_COL][lid]);
        const double u = (double)draw(e, s, 1) * 0x1p-32;
        s->state = o->next[u < o->p ? 0 : 1];
        s->step++;
        s->sum += o->reward;
        reward[GAME_ROW][lid] = (float)o->reward;
        reward[GAME_COL][lid] = (float)-o->reward;
        flag[lid] = (int)s->step >= s->limit ? ENV_TRUNCATED : ENV_RUNNING;
    }
    return ERR_OK;
}

static void stats(struct env *env, int lid, double *out)
{
    const struct slot *s = &((const struct stochastic_env *)env)->slots[lid];
    out[0] = s->sum / (double)s->step;
}

static const struct env_ops ops = {
    .reset = reset, .global_state = global_state, .step = step, .stats = stats};

enum err stochastic_env_new(struct env **out, struct arena *arena,
                            const struct stochastic_shape *shape, int n_env, uint64_t seed)
{
    struct stochastic_env *e = ARENA_NEW(arena, 1, struct stochastic_env);
    TRY(arena_error(arena));
    *e = (struct stochastic_env){.env = {.ops = &ops, .spec = &shape->spec, .n_env = n_env},
                                 .game = shape->game,
                                 .key = rng_key(seed, RNG_SCENARIO, RNG_TRAIN)};
    *out = &e->env;
    return ERR_OK;
}
