/* A trained team as a controller: the same rows, masks, coins and rules as in training. With an
 * organisation also what the team would do if it were free: how much of its keeping to the roles
 * was learned, and how much the masks did.
 */
#include "core/controllers/kinds.h"
#include "core/controllers/trained.h"
#include "core/marl/team.h"

struct policy_params {
    struct trained_cfg trained;
    int mode; /* enum act_mode */
};

struct player {
    struct controller base;
    const struct team *team;
    struct team_scratch *scratch;
    struct rules_memory memory;
    enum act_mode mode;
    double cost_weight; /* it acts for, if it was trained to be told */
    struct rng_key key;
    uint32_t env, episode, step; /* coordinates of sampled choices */
    float *global_state;         /* (G) */
    uint32_t *mask;              /* (A, F, words) */
    int32_t *action;             /* (A, F) */
    float *logp;                 /* (A) */
    int32_t *free_action;        /* (A, F) */
};

static void policy_reset(struct controller *c, const struct episode_id *id,
                         const struct schedule *future)
{
    struct player *p = (struct player *)c;
    (void)future;
    rules_begin(&p->memory, c->rules, id);
    p->memory.cost_weight = p->cost_weight;
    p->key = rng_key(id->seed, RNG_ACTION, id->split);
    p->env = id->env;
    p->episode = id->episode;
    p->step = 0;
}

/* First the decision, as in training. Then the free action: the masks are opened and the same
 * networks are asked again, by arg-max, which draws nothing. The free action has no effect on the
 * plant. */
static void policy_act(struct controller *c, int32_t *delta, const float *state)
{
    struct player *p = (struct player *)c;
    rules_observe(&p->memory, c->rules, state);
    rules_shield_observe(&p->memory, c->rules, &c->view);
    rules_global_state(p->global_state, p->mask, c->rules, &p->memory, state);
    team_act(p->team, p->scratch, p->action, p->logp, p->global_state, p->mask, 1, p->mode, p->key,
             &p->env, p->episode, p->step++);
    rules_apply(delta, &c->conflict, &p->memory, c->rules, state, p->action);
    rules_open_mask(p->mask, c->rules, state);
    team_act(p->team, p->scratch, p->free_action, p->logp, p->global_state, p->mask, 1, ACT_ARGMAX,
             p->key, NULL, 0, 0);
}

static const struct controller_ops policy_ops = {.reset = policy_reset, .act = policy_act};

static enum err policy_make(struct controller **out, struct arena *arena,
                            const struct controller_setup *setup)
{
    const struct policy_params *cfg = setup->params;
    const struct rules *rules = setup->rules;
    const struct team_spec *spec = &rules->spec;
    const int n_actions = spec->n_agents * spec->n_factors;
    struct player *p = ARENA_NEW(arena, 1, struct player);
    TRY(arena_error(arena));
    *p = (struct player){
        .base = {.ops = &policy_ops, .rules = rules},
        .team = setup->team,
        .mode = (enum act_mode)cfg->mode,
        .cost_weight = trained_cost(&cfg->trained, setup->env_setup->cfg.plant),
        .global_state = ARENA_NEW(arena, spec->n_global_state, float),
        .mask = ARENA_NEW(arena, n_actions * env_mask_words(spec), uint32_t),
        .action = ARENA_NEW(arena, n_actions, int32_t),
        .logp = ARENA_NEW(arena, spec->n_agents, float),
        .free_action = ARENA_NEW(arena, n_actions, int32_t),
    };
    TRY(arena_error(arena));
    p->base.action = p->action;
    p->base.free_action = p->free_action;
    TRY(rules_memory_init(&p->memory, arena, rules));
    p->base.wanted = p->memory.wanted;
    TRY(team_scratch_init(&p->scratch, arena, setup->team, 1));
    *out = &p->base;
    return ERR_OK;
}

static const char *policy_manner(const void *params)
{
    const struct policy_params *p = params;
    return p->mode == ACT_ARGMAX ? "the most probable choice (arg-max)" : "sampled choices";
}

static const struct cfg_choice modes[] = {
    {"argmax", ACT_ARGMAX, "the most probable choice"},
    {"sample", ACT_SAMPLE, "a draw from the policy, as in training"},
    {NULL, 0, NULL},
};

static const struct cfg_field policy_fields[] = {
    TRAINED_FIELDS,
    CFG_ENUM(struct policy_params, mode, "argmax", modes, CFG_RESULT, "how a choice is made"),
    CFG_END,
};

const struct controller_kind controller_policy = {
    .cfg = {"policy", "a trained team", policy_fields, sizeof(struct policy_params)},
    .needs = CONTROLLER_NEEDS_POLICY,
    .colour = "#0072B2",
    .make = policy_make,
    .manner = policy_manner,
};
