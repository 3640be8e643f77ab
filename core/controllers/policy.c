/* A trained team as a controller: the same rows, masks, coins and interface as in training,
 * whatever method trained it. A team that plays by the rules of the game also tells what it would
 * do if it were free: how much of its keeping to the roles was learned, and how much the masks did.
 */
#include "core/controllers/kinds.h"
#include "core/controllers/trained.h"

#include <string.h>

enum policy_mode { MODE_SAMPLE, MODE_ARGMAX };

struct policy_params {
    struct trained_cfg trained;
    int mode; /* enum policy_mode */
};

struct player {
    struct controller base;
    const struct interface *interface;
    struct learner *learner;
    void *memory;               /* of the interface */
    struct rules_memory *rules; /* what stands in it; NULL: other interfaces */
    bool greedy;
    double cost_weight; /* it acts for, if it was trained to be told */
    struct rng_key key;
    uint32_t env, episode, step; /* coordinates of sampled choices */
    float *global_state;         /* (G) */
    uint32_t *mask;              /* (A, F, words) */
    uint32_t *open_mask;         /* (A, F, words) of the free action; NULL without rules */
    int32_t *action;             /* (A, F) */
    float *logp;                 /* (A) */
    float *state;                /* (A, S) recurrent; NULL if S = 0 */
    int32_t *free_action;        /* (A, F); NULL without rules */
};

static void policy_reset(struct controller *c, const struct episode_id *id,
                         const struct schedule *future)
{
    struct player *p = (struct player *)c;
    (void)future;
    p->interface->ops->begin(p->memory, p->interface, id, id->env);
    if (p->rules != NULL) {
        p->rules->cost_weight = p->cost_weight;
    }
    if (p->state != NULL) {
        const struct team_spec *spec = p->interface->spec;
        memset(p->state, 0, (size_t)(spec->n_agents * spec->n_state) * sizeof *p->state);
    }
    p->key = rng_key(id->seed, RNG_ACTION, id->split);
    p->env = id->env;
    p->episode = id->episode;
    p->step = 0;
}

/* First the decision, as in training. Then the free action: the masks are opened and the same
 * learner is asked again for what it thinks best, which draws nothing. The free action has no
 * effect on the plant. */
static void policy_act(struct controller *c, int32_t *delta, const float *state)
{
    struct player *p = (struct player *)c;
    const struct interface *i = p->interface;
    const struct sight sight = {.state = state, .view = &c->view};
    struct learner_view view = {.n = 1,
                                .global_state = p->global_state,
                                .mask = p->mask,
                                .key = p->key,
                                .gid = &p->env,
                                .update = p->episode,
                                .step = p->step++,
                                .greedy = p->greedy};
    struct game_move move = {.delta = delta};
    i->ops->observe(p->memory, i, &sight);
    i->ops->global_state(p->global_state, p->mask, p->memory, i, &sight);
    p->learner->ops->act(p->learner, p->action, p->logp, p->state, &view);
    memset(delta, 0, (size_t)c->env_setup->topology.n_services * sizeof *delta);
    i->ops->apply(&move, p->memory, i, &sight, p->action);
    c->conflict = move.conflict;
    if (p->rules != NULL) {
        view.greedy = true;
        view.mask = p->open_mask;
        rules_open_mask(p->open_mask, c->rules, state);
        p->learner->ops->act(p->learner, p->free_action, p->logp, p->state, &view);
    }
}

static const struct controller_ops policy_ops = {.reset = policy_reset, .act = policy_act};

static enum err policy_make(struct controller **out, struct arena *arena,
                            const struct controller_setup *setup)
{
    const struct policy_params *cfg = setup->params;
    const struct interface *interface = setup->team->interface;
    const struct team_spec *spec = interface->spec;
    const int n_actions = env_n_actions(spec);
    struct player *p = ARENA_NEW(arena, 1, struct player);
    TRY(arena_error(arena));
    *p = (struct player){
        .base = {.ops = &policy_ops, .spec = spec, .rules = rules_of(interface)},
        .interface = interface,
        .learner = setup->team->learner,
        .greedy = cfg->mode == MODE_ARGMAX,
        .cost_weight = trained_cost(&cfg->trained, setup->env_setup->cfg.plant),
        .global_state = ARENA_NEW(arena, spec->n_global_state, float),
        .mask = ARENA_NEW(arena, n_actions * env_mask_words(spec), uint32_t),
        .action = ARENA_NEW(arena, n_actions, int32_t),
        .logp = ARENA_NEW(arena, spec->n_agents, float),
    };
    p->state = spec->n_state > 0 ? ARENA_NEW(arena, spec->n_agents * spec->n_state, float) : NULL;
    TRY(arena_error(arena));
    TRY(interface->ops->memory(&p->memory, arena, interface));
    p->base.action = p->action;
    p->base.mask = p->mask;
    p->rules = rules_memory_of(p->memory, interface);
    if (p->rules != NULL) {
        p->free_action = ARENA_NEW(arena, n_actions, int32_t);
        p->open_mask = ARENA_NEW(arena, n_actions * env_mask_words(spec), uint32_t);
        p->base.free_action = p->free_action;
        p->base.wanted = p->rules->wanted;
    }
    *out = &p->base;
    return arena_error(arena);
}

static const char *policy_manner(const void *params)
{
    const struct policy_params *p = params;
    return p->mode == MODE_ARGMAX ? "the most probable choice (arg-max)" : "sampled choices";
}

static const struct cfg_choice modes[] = {
    {"argmax", MODE_ARGMAX, "the most probable choice"},
    {"sample", MODE_SAMPLE, "a draw from the policy, as in training"},
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
