/* scripted: the team's agents and masks, but nothing learned. What a learned team must beat to have
 * learned something: its organisation alone already decides a lot.
 *
 *   no rule  every choice of the mask is equally likely, as for an untrained team
 *   a rule   is carried out by the agents in turn, as far as the masks let them (rules_imitate())
 *
 * As many agents, operations and coins as the team has, under the organisation of the experiment.
 */
#include "core/controllers/kinds.h"
#include "core/controllers/rule.h"

#include "core/plant/schema.h"

struct scripted_params {
    struct controller_rule rule;
};

struct scripted {
    struct controller base;
    struct controller *rule; /* NULL: uniform */
    struct rules_memory memory;
    struct rng_key key;
    struct episode_id id;
    uint32_t step;
    float *global_state; /* (G) */
    uint32_t *mask;      /* (A, F, words) */
    int32_t *action;     /* (A, F) */
    int32_t *target;     /* (n_services) */
};

static void scripted_reset(struct controller *c, const struct episode_id *id,
                           const struct schedule *future)
{
    struct scripted *x = (struct scripted *)c;
    rules_begin(&x->memory, c->rules, id);
    x->id = *id;
    x->step = 0;
    x->key = rng_key(id->seed, RNG_SCRIPTED, id->split);
    if (x->rule != NULL) {
        controller_reset(x->rule, id, future);
    }
}

/* The n-th choice of a mask, which has more than n. */
static int32_t nth_choice(const uint32_t *mask, int n_choices, uint32_t n)
{
    int32_t found = -1;
    for (int k = 0; k < n_choices; k++) {
        if (mask_has(mask, k) && n-- == 0) {
            found = k;
        }
    }
    CHECK(found >= 0);
    return found;
}

/* One draw for each factor of each agent, at coordinates (factor, step, episode, environment): what
 * one agent draws does not depend on how many choices another has. A mask without any choice would
 * be our bug: nth_choice() checks it. */
static void choose_uniform(struct scripted *x)
{
    const struct team_spec *spec = &x->base.rules->spec;
    const int words = env_mask_words(spec);
    for (int i = 0; i < spec->n_agents * spec->n_factors; i++) {
        const uint32_t *mask = x->mask + i * words;
        uint32_t n = 0;
        for (int k = 0; k < spec->n_choices; k++) {
            n += mask_has(mask, k) ? 1 : 0;
        }
        const struct rng_block b =
            rng_philox(x->key, (uint32_t)i, x->step, x->id.episode, x->id.env);
        x->action[i] = nth_choice(mask, spec->n_choices, rng_below(b.v[0], n));
    }
}

/* The rule's changes become numbers of replicas, which the agents approach as far as they may. */
static void follow_rule(struct scripted *x, const float *state)
{
    controller_act(x->rule, x->target, state);
    for (int s = 0; s < x->base.rules->n_services; s++) {
        x->target[s] += controller_desired(state, s);
    }
    rules_imitate(x->action, x->base.rules, &x->memory, state, x->target);
}

static void scripted_act(struct controller *c, int32_t *delta, const float *state)
{
    struct scripted *x = (struct scripted *)c;
    rules_observe(&x->memory, c->rules, state);
    rules_shield_observe(&x->memory, c->rules, &c->view);
    rules_global_state(x->global_state, x->mask, c->rules, &x->memory, state);
    if (x->rule == NULL) {
        choose_uniform(x);
    } else {
        follow_rule(x, state);
    }
    rules_apply(delta, &c->conflict, &x->memory, c->rules, state, x->action);
    x->step++;
}

static const struct controller_ops scripted_ops = {.reset = scripted_reset, .act = scripted_act};

static enum err scripted_check(const char *label, const void *params,
                               const struct topology_cfg *topology)
{
    const struct scripted_params *p = params;
    return controller_rule_check(label, &p->rule, CONTROLLER_NEEDS_FORESIGHT, topology);
}

static enum err scripted_make(struct controller **out, struct arena *arena,
                              const struct controller_setup *setup)
{
    const struct scripted_params *cfg = setup->params;
    const struct rules *rules = setup->rules;
    const struct team_spec *spec = &rules->spec;
    const int n_actions = spec->n_agents * spec->n_factors;
    struct scripted *x = ARENA_NEW(arena, 1, struct scripted);
    TRY(arena_error(arena));
    *x = (struct scripted){
        .base = {.ops = &scripted_ops},
        .global_state = ARENA_NEW(arena, spec->n_global_state, float),
        .mask = ARENA_NEW(arena, n_actions * env_mask_words(spec), uint32_t),
        .action = ARENA_NEW(arena, n_actions, int32_t),
        .target = ARENA_NEW(arena, rules->n_services, int32_t),
    };
    TRY(arena_error(arena));
    TRY(rules_memory_init(&x->memory, arena, rules));
    x->base.wanted = x->memory.wanted;
    TRY(controller_rule_new(&x->rule, arena, &cfg->rule, setup));
    x->base.needs = x->rule != NULL ? x->rule->needs : 0;
    x->base.spec = spec;
    x->base.rules = rules;
    x->base.action = x->action;
    *out = &x->base;
    return ERR_OK;
}

static const struct cfg_field scripted_fields[] = {
    CFG_TABLE(struct scripted_params, rule, controller_rule_none,
              "what the agents carry out; without one every choice of a mask is equally "
              "likely"),
    CFG_RENAMED("choice", "rule"),
    CFG_END,
};

const struct controller_kind controller_scripted = {
    .cfg = {"scripted", "a team that learned nothing, inside its organisation", scripted_fields,
            sizeof(struct scripted_params)},
    .needs = CONTROLLER_NEEDS_ORGANISATION,
    .sweeps = true,
    .colour = "#56B4E9",
    .check = scripted_check,
    .make = scripted_make,
};
