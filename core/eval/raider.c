/* Global state, mask, draw, action: the loop of a rollout for one environment. See raider.h. */
#include "core/eval/raider.h"

struct raider {
    const struct attacker_interface *attacker;
    const struct team *team;
    struct team_scratch *scratch;
    void *memory; /* of the interface */
    float *global_state;
    uint32_t *mask;
    int32_t action[ATTACKER_FACTORS_MAX];
    int32_t *delta; /* (n_services) that nobody reads */
    struct rng_key key;
    uint32_t env, episode, step;
};

enum err raider_new(struct raider **out, struct arena *arena,
                    const struct attacker_interface *attacker, const struct team *team)
{
    const struct team_spec *spec = &attacker->spec;
    struct raider *r = ARENA_NEW(arena, 1, struct raider);
    TRY(arena_error(arena));
    *r = (struct raider){
        .attacker = attacker,
        .team = team,
        .global_state = ARENA_NEW(arena, spec->n_global_state, float),
        .mask = ARENA_NEW(arena, spec->n_factors * env_mask_words(spec), uint32_t),
        .delta = ARENA_NEW(arena, attacker->env_setup->topology.n_services, int32_t),
    };
    TRY(arena_error(arena));
    TRY(attacker->interface.ops->memory(&r->memory, arena, &attacker->interface));
    TRY(team_scratch_init(&r->scratch, arena, team, 1));
    *out = r;
    return ERR_OK;
}

void raider_observe(struct raider *r, const struct sight *sight)
{
    r->attacker->interface.ops->observe(r->memory, &r->attacker->interface, sight);
}

const struct attacker_interface *raider_interface(const struct raider *r)
{
    return r->attacker;
}

void raider_begin(struct raider *r, const struct episode_id *id, const struct sight *sight)
{
    r->key = rng_key(id->seed, RNG_ACTION, id->split);
    r->env = id->env;
    r->episode = id->episode;
    r->step = 0;
    r->attacker->interface.ops->begin(r->memory, &r->attacker->interface, id, id->env);
    raider_observe(r, sight);
}

void raider_act(struct raider *r, struct attack_action *out, const struct sight *sight)
{
    const struct interface *i = &r->attacker->interface;
    struct game_move move = {.delta = r->delta};
    float logp;
    i->ops->global_state(r->global_state, r->mask, r->memory, i, sight);
    team_act(r->team, r->scratch, r->action, &logp, r->global_state, r->mask, 1, ACT_SAMPLE, r->key,
             &r->env, r->episode, r->step++);
    i->ops->apply(&move, r->memory, i, sight, r->action);
    *out = move.attack;
}
