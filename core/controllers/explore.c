/* explore: a rule, and random changes mixed in. For traces, not for results.
 *
 * A rule alone shows a twin what happens where the rule goes, and nothing else: neither what a
 * service does with too many replicas nor what happens when it is taken away in a flood. So for
 * each service and decision, with probability `random`, the rule's change is replaced by a uniform
 * one of -alpha .. alpha, inside the replica bounds. What the rule does next it does from there: it
 * pulls back to where policies will be, so the detours stay near them.
 *
 * `draw: allocations` goes everywhere else: the replicas of each service are drawn from all that
 * the bounds allow when an episode begins, and again with probability `random` at each decision,
 * and held until then. Without it a twin knows allocations only on the way from one to another.
 */
#include "core/controllers/kinds.h"
#include "core/controllers/rule.h"

#include "core/base/log.h"

enum explore_draw { DRAW_CHANGES, DRAW_ALLOCATIONS };

struct explore_params {
    struct controller_rule rule;
    int draw;      /* enum explore_draw */
    double random; /* share of the changes, by service, that are drawn */
};

struct explore {
    struct controller base;
    const struct explore_params *cfg;
    struct controller *rule; /* NULL: allocations are drawn and held */
    int *held;               /* (n_services) */
    struct rng_key key;
    struct episode_id id;
    uint32_t step;
    uint32_t depth; /* 0: no other explorer mixes this one's decisions with its own */
};

enum { DEPTH_SHIFT = 16 }; /* services have smaller numbers */

static void explore_reset(struct controller *c, const struct episode_id *id,
                          const struct schedule *future)
{
    struct explore *x = (struct explore *)c;
    x->id = *id;
    x->step = 0;
    x->key = rng_key(id->seed, RNG_EXPLORE, id->split);
    if (x->rule != NULL) {
        controller_reset(x->rule, id, future);
    }
}

/* The draws of a service at this decision: whether, and what. An explorer whose rule explores, too,
 * shares no draws with it. */
static struct rng_block draw(const struct explore *x, int s)
{
    return rng_philox(x->key, (uint32_t)s | x->depth << DEPTH_SHIFT, x->step, x->id.episode,
                      x->id.env);
}

/* Allocations drawn and held. Each service draws both words at every step, used or not, so its
 * draws are the same functions of the step whatever was drawn before. */
static void act_held(struct explore *x, int32_t *delta, const float *state)
{
    const struct env_setup *w = x->base.env_setup;
    for (int s = 0; s < w->topology.n_services; s++) {
        const struct rng_block b = draw(x, s);
        const struct service_cfg *cfg = &w->topology.cfg->services[s];
        const uint32_t n = (uint32_t)(cfg->max_replicas - cfg->min_replicas + 1);
        if (x->step == 0 || (double)rng_f32(b.v[0]) < x->cfg->random) {
            x->held[s] = cfg->min_replicas + (int)rng_below(b.v[1], n);
        }
        delta[s] = x->held[s] - controller_desired(state, s);
    }
    x->step++;
}

static void explore_act(struct controller *c, int32_t *delta, const float *state)
{
    struct explore *x = (struct explore *)c;
    const int alpha = c->env_setup->cfg.plant->alpha;
    if (x->rule == NULL) {
        act_held(x, delta, state);
        return;
    }
    controller_act(x->rule, delta, state);
    for (int s = 0; s < c->env_setup->topology.n_services; s++) {
        const struct rng_block b = draw(x, s);
        if ((double)rng_f32(b.v[0]) < x->cfg->random) {
            const int desired = controller_desired(state, s);
            const int change = (int)rng_below(b.v[1], (uint32_t)(2 * alpha + 1)) - alpha;
            delta[s] = controller_clip(c->env_setup, s, desired + change) - desired;
        }
    }
    x->step++;
}

static const struct controller_ops explore_ops = {.reset = explore_reset, .act = explore_act};

/* An explorer is made after the one that is its rule. */
static void deepen(struct controller *c)
{
    while (c != NULL && c->ops == &explore_ops) {
        struct explore *x = (struct explore *)c;
        x->depth++;
        c = x->rule;
    }
}

static enum err explore_check(const char *label, const void *params,
                              const struct topology_cfg *topology)
{
    const struct explore_params *p = params;
    return p->draw == DRAW_ALLOCATIONS
               ? ERR_OK /* no rule is used */
               : controller_rule_check(label, &p->rule, CONTROLLER_NEEDS_FORESIGHT, topology);
}

/* Older versions wrote `rule: static` for drawn allocations. */
static enum err rule_new(struct controller **out, struct arena *arena,
                         const struct explore_params *cfg, const struct controller_setup *setup)
{
    const enum err e = controller_rule_new(out, arena, &cfg->rule, setup);
    if (e == ERR_CONFIG && controller_kind_of(&cfg->rule.method) == &controller_static) {
        log_error("controller '%s': to draw allocations and hold them, write explore: {draw: "
                  "allocations, random: %g}",
                  setup->label, cfg->random);
    }
    return e;
}

static enum err explore_make(struct controller **out, struct arena *arena,
                             const struct controller_setup *setup)
{
    const struct explore_params *cfg = setup->params;
    struct explore *x = ARENA_NEW(arena, 1, struct explore);
    int *held = ARENA_NEW(arena, setup->env_setup->topology.n_services, int);
    struct controller *rule = NULL;
    TRY(arena_error(arena));
    if (cfg->draw == DRAW_CHANGES) {
        TRY(rule_new(&rule, arena, cfg, setup));
        deepen(rule);
    }
    *x = (struct explore){.base = {.ops = &explore_ops, .needs = rule != NULL ? rule->needs : 0},
                          .cfg = cfg,
                          .rule = rule,
                          .held = held};
    *out = &x->base;
    return ERR_OK;
}

static const struct cfg_choice draws[] = {
    {"changes", DRAW_CHANGES, "a change in place of the rule's"},
    {"allocations", DRAW_ALLOCATIONS,
     "replicas from all that the bounds allow, which are held; no "
     "rule is used"},
    {NULL, 0, NULL},
};

static const struct cfg_field explore_fields[] = {
    CFG_ENUM(struct explore_params, draw, "changes", draws, CFG_RESULT, "what is drawn"),
    CFG_DOUBLE(struct explore_params, random, "0.3", 0, 1, "", CFG_RESULT,
               "share of the decisions, by service, at which it is drawn"),
    CFG_TABLE(struct explore_params, rule, controller_rule_khpa,
              "what it does when it does not explore"),
    CFG_REPLACED("rule", "static", "draw: allocations"),
    CFG_END,
};

const struct controller_kind controller_explore = {
    .cfg = {"explore", "a rule, and random changes mixed in: for traces", explore_fields,
            sizeof(struct explore_params)},
    .colour = "#E69F00",
    .check = explore_check,
    .make = explore_make,
};
