/* The rules as an interface: the defenders' side of a game, with the metrics of their organisation.
 * See rules.h and org_metrics.h. */
#include "core/game/org_metrics.h"
#include "core/game/rules_parts.h"

#include <string.h>

/* What a team of defenders remembers of an episode. */
struct player {
    struct rules_memory memory;
    struct org_metrics org_metrics;     /* with an organisation */
    struct org_metric_values *finished; /* (agents of the organisation) of the episode that ended */
};

/* The interface is the first member of struct rules, so both have the same address. */
const struct rules *rules_of(const struct interface *i)
{
    return i->ops == &rules_interface_ops ? (const struct rules *)(const void *)i : NULL;
}

struct rules_memory *rules_memory_of(void *memory, const struct interface *i)
{
    return rules_of(i) != NULL ? &((struct player *)memory)->memory : NULL;
}

static enum err player_new(void **out, struct arena *arena, const struct interface *i)
{
    const struct rules *r = rules_of(i);
    struct player *p = ARENA_NEW(arena, 1, struct player);
    TRY(arena_error(arena));
    TRY(rules_memory_init(&p->memory, arena, r));
    if (r->guides != NULL) {
        TRY(org_metrics_init(&p->org_metrics, arena, r->guides));
        p->finished = ARENA_NEW(arena, r->guides->n_agents, struct org_metric_values);
        TRY(arena_error(arena));
    }
    *out = p;
    return ERR_OK;
}

static void player_begin(void *memory, const struct interface *i, const struct episode_id *id,
                         uint32_t gid)
{
    struct player *p = memory;
    rules_begin(&p->memory, rules_of(i), id);
    p->memory.coins = gid;
    org_metrics_clear(&p->org_metrics);
}

static void player_observe(void *memory, const struct interface *i, const struct sight *sight)
{
    struct player *p = memory;
    rules_observe(&p->memory, rules_of(i), sight->state);
    if (rules_of(i)->shield != NULL) {
        const struct shield_view v =
            sight->view != NULL ? *sight->view : shield_view_of(sight->plant, sight->lid);
        rules_shield_observe(&p->memory, rules_of(i), &v);
    }
}

static void player_global_state(float *global_state, uint32_t *mask, const void *memory,
                                const struct interface *i, const struct sight *sight)
{
    rules_global_state(global_state, mask, rules_of(i), &((const struct player *)memory)->memory,
                       sight->state);
}

/* What the agents chose, before the plant moves: the guides still stand at the decision that the
 * choice belongs to. In training the sampled choice stands for the one without a mask, too. */
static void account_choices(struct player *p, const struct rules *r, const float *state)
{
    if (r->guides == NULL) {
        return;
    }
    org_metrics_decide(&p->org_metrics, r, &p->memory.guides, state);
    for (int a = 0; a < r->spec.n_agents; a++) {
        const bool compliant = p->memory.compliant[a] != 0;
        org_metrics_choice(&p->org_metrics, r->guide_of[a], compliant, compliant);
    }
}

static void player_apply(struct game_move *move, void *memory, const struct interface *i,
                         const struct sight *sight, const int32_t *action)
{
    struct player *p = memory;
    const struct rules *r = rules_of(i);
    rules_apply(move->delta, &move->conflict, &p->memory, r, sight->state, action);
    account_choices(p, r, sight->state);
}

/* The common reward at the cost weight of the episode; to each agent what its organisation adds. */
static void player_reward(float *reward, void *memory, const struct interface *i,
                          const struct sight *sight, const struct reward_terms *terms)
{
    struct player *p = memory;
    const struct rules *r = rules_of(i);
    const double common = reward_at(terms, r->env_setup->cfg.plant, p->memory.cost_weight);
    (void)sight;
    for (int a = 0; a < r->spec.n_agents; a++) {
        struct guides_reward own;
        rules_reward(&own, &p->memory, r, a);
        reward[a] = (float)(common + own.mission + own.bonus + own.penalty);
        if (r->guides != NULL) {
            org_metrics_reward(&p->org_metrics, r->guide_of[a], &own);
        }
    }
}

/* ORG_METRIC_TRAINED numbers for each agent: the last field of the struct is left out. */
static void player_finish(double *stats, void *memory, const struct interface *i)
{
    const struct player *p = memory;
    (void)i;
    org_metrics_finish(p->finished, &p->org_metrics);
    for (int a = 0; a < p->org_metrics.n_agents; a++, stats += ORG_METRIC_TRAINED) {
        memcpy(stats, &p->finished[a], ORG_METRIC_TRAINED * sizeof *stats);
    }
}

static void player_imitate(int32_t *action, const void *memory, const struct interface *i,
                           const struct sight *sight, const int32_t *target)
{
    rules_imitate(action, rules_of(i), &((const struct player *)memory)->memory, sight->state,
                  target);
}

const struct interface_ops rules_interface_ops = {
    .name = "rules",
    .memory = player_new,
    .begin = player_begin,
    .observe = player_observe,
    .global_state = player_global_state,
    .apply = player_apply,
    .reward = player_reward,
    .finish = player_finish,
    .imitate = player_imitate,
};
