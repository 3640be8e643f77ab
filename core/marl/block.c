/* A block's arrays, allocated for one shape. */
#include "core/marl/block.h"

static enum err allocate_recorded(struct block *b, struct arena *arena,
                                  const struct team_spec *spec, int n_stats)
{
    size_t agents = (size_t)spec->n_agents;
    size_t envs = (size_t)b->n_env;
    size_t rows = envs * (size_t)b->n_steps;
    size_t factors = agents * (size_t)spec->n_factors;
    b->global_state = ARENA_NEW(arena, rows * (size_t)spec->n_global_state, float);
    size_t n_privileged = rows * (size_t)spec->n_privileged;
    b->privileged = n_privileged > 0 ? ARENA_NEW(arena, n_privileged, float) : NULL;
    b->mask = ARENA_NEW(arena, rows * factors * (size_t)env_mask_words(spec), uint32_t);
    b->action = ARENA_NEW(arena, rows * factors, int32_t);
    b->logp = ARENA_NEW(arena, rows * agents, float);
    b->value = ARENA_NEW(arena, rows * agents, float);
    b->reward = ARENA_NEW(arena, rows * agents, float);
    b->flag = ARENA_NEW(arena, rows, uint8_t);
    b->bootstrap_value = ARENA_NEW(arena, rows * agents, float);
    b->last_value = ARENA_NEW(arena, envs * agents, float);
    b->episode = ARENA_NEW(arena, envs, uint32_t);
    b->stats = ARENA_NEW(arena, n_stats, double);
    size_t n_state = envs * agents * (size_t)spec->n_state;
    b->state = n_state > 0 ? ARENA_NEW(arena, n_state, float) : NULL;
    return arena_error(arena);
}

enum err block_init(struct block *b, struct arena *arena, const struct env_spec *spec, int team,
                    int n_env, int n_steps)
{
    CHECK(n_env >= 1 && n_env <= TILE && n_steps >= 1);
    struct block made = {.team = team, .n_env = n_env, .n_steps = n_steps};
    TRY(allocate_recorded(&made, arena, spec->teams[team], block_n_stats(spec, team)));
    size_t samples = (size_t)n_env * (size_t)n_steps * (size_t)spec->teams[team]->n_agents;
    made.advantage = ARENA_NEW(arena, samples, float);
    made.target = ARENA_NEW(arena, samples, float);
    TRY(arena_error(arena));
    *b = made;
    return ERR_OK;
}
