/* The replicas that a rule requests as the choices of a team. See rules_imitate() in rules.h. */
#include "core/game/rules_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- without an organisation: a service has one keeper ---- */

static int32_t nearest_need(const struct rules *r, const float *state, int s, int delta)
{
    const int n_loads = r->cfg->action.need.n_loads;
    const bool all = operates_all(r);
    const int first = 1 + (all ? 0 : s * n_loads);
    int best = 0;
    int best_gap = abs(delta);
    for (int k = first; k < first + n_loads; k++) {
        const int gap = abs(delta - rules_op(r, state, all ? s : 0, k).delta);
        if (gap < best_gap) {
            best = k;
            best_gap = gap;
        }
    }
    return best;
}

/* The choice of factor f that comes closest to `target` replicas of service s: the inverse of
 * rules_op(). A level is chosen even if one decision cannot reach it; rules_op() cuts the change.
 * With the head `delta` and one operation, the changes -alpha .. -1 and 1 .. alpha of a service are
 * its positions 0 .. 2 alpha - 1. With the head `need` targets lie apart, and the first of those
 * that come nearest is chosen, or no change. */
static int32_t choice_for(const struct rules *r, const float *state, int s, int target)
{
    const int alpha = r->env_setup->cfg.plant->alpha;
    const bool all = operates_all(r);
    if (r->cfg->action.head == HEAD_LEVEL) {
        return (all ? 0 : r->choice_at[s]) + target - 1;
    }
    const int delta = rules_delta_to(r, state, s, target);
    if (r->cfg->action.head == HEAD_NEED) {
        return nearest_need(r, state, s, delta);
    }
    if (all) {
        return delta + alpha;
    }
    if (delta == 0) {
        return 0;
    }
    return 1 + s * 2 * alpha + (delta < 0 ? delta + alpha : delta + alpha - 1);
}

/* Of the services s with s % A == agent the one furthest from its target, the first among equals.
 * An agent that keeps no service (agent >= n_services) gets another's, which imitate_keepers() then
 * leaves as it is. */
static int furthest_service(const struct rules *r, const float *state, const int32_t *target,
                            int agent)
{
    const int n_agents = r->spec.n_agents;
    int best = agent % r->n_services;
    int best_gap = -1;
    for (int s = agent; s < r->n_services; s += n_agents) {
        const int gap = target[s] - desired_of(state, s);
        const int size = gap < 0 ? -gap : gap;
        if (size > best_gap) {
            best_gap = size;
            best = s;
        }
    }
    return best;
}

/* out (n_services): the targets, each drawn towards the replicas that are there until its change
 * passes the shield. least <= 0 <= most (rules_shield_observe()), so no change always remains. */
static void shield_targets(int32_t *out, const struct rules *r, const struct rules_memory *m,
                           const float *state, const int32_t *target)
{
    for (int s = 0; s < r->n_services; s++) {
        const int delta = rules_delta_to(r, state, s, target[s]);
        const int allowed = clip_int(delta, m->least[s], m->most[s]);
        out[s] = allowed == delta ? target[s] : desired_of(state, s) + allowed;
    }
}

static void imitate_keepers(int32_t *action, const struct rules *r, const float *state,
                            const int32_t *target)
{
    const struct team_spec *spec = &r->spec;
    for (int a = 0; a < spec->n_agents; a++) {
        for (int f = 0; f < spec->n_factors; f++) {
            const int s = operates_all(r) ? f : furthest_service(r, state, target, a);
            /* A service has one keeper, or the changes of several would add up. */
            const bool keeps = s % spec->n_agents == a;
            const struct service_cfg *svc = service_of(r, s);
            const int aim = keeps ? target[s] : desired_of(state, s);
            action[a * spec->n_factors + f] =
                choice_for(r, state, s, clip_int(aim, svc->min_replicas, svc->max_replicas));
        }
    }
}

/* ---- with one, and where no choice may come to the change that passes the shield: in turn ---- */

/* How much nearer a change brings `sum` (n_services), the changes that were chosen so far, to the
 * change that one decision can make towards the target. */
static int gain_of(const struct rules *r, const float *state, const int32_t *target,
                   const int32_t *sum, const struct op *op)
{
    const int alpha = r->env_setup->cfg.plant->alpha;
    const int requested =
        clip_int(target[op->service] - desired_of(state, op->service), -alpha, alpha);
    return abs(requested - sum[op->service]) - abs(requested - sum[op->service] - op->delta);
}

/* Of the choices of factor f that the agent has, the first that gains most. A change must gain
 * something; one choice that comes to no change is always allowed (bind_factor() in choices.c) and
 * gains 0, so the search never fails. */
static int32_t best_choice(struct op *done, const struct rules *r, const struct rules_memory *m,
                           const float *state, const int32_t *target, const int32_t *sum, int agent,
                           int f)
{
    int best = -1, best_gain = -1;
    for (int k = 0; k < r->spec.n_choices; k++) {
        if (!rules_choice_open(r, state, f, k)) {
            continue;
        }
        const struct op op = rules_op(r, state, f, k);
        const int gain = gain_of(r, state, target, sum, &op);
        const bool nothing = op.delta == 0;
        if (gain > best_gain && (nothing || gain > 0) &&
            rules_choice_allowed(r, m, state, agent, f, k)) {
            best = k;
            best_gain = gain;
            *done = op;
        }
    }
    CHECK(best >= 0);
    return best;
}

/* Greedy: each factor of each agent in turn. A change is taken only if it gains, so the distance
 * |requested - sum| of a service never grows, and no agent undoes what an earlier one did well. */
static void imitate_in_turn(int32_t *action, const struct rules *r, const struct rules_memory *m,
                            const float *state, const int32_t *target)
{
    int32_t *sum = m->imitated;
    memset(sum, 0, (size_t)r->n_services * sizeof *sum);
    for (int i = 0; i < r->spec.n_agents * r->spec.n_factors; i++) {
        struct op done = {0, 0};
        action[i] = best_choice(&done, r, m, state, target, sum, i / r->spec.n_factors,
                                i % r->spec.n_factors);
        sum[done.service] += done.delta;
    }
}

void rules_imitate(int32_t *action, const struct rules *r, const struct rules_memory *m,
                   const float *state, const int32_t *target)
{
    const bool need = r->cfg->action.head == HEAD_NEED;
    if (r->guides == NULL && r->shield != NULL && !need) {
        shield_targets(m->imitated, r, m, state, target);
        imitate_keepers(action, r, state, m->imitated);
    } else if (r->guides == NULL && r->shield == NULL) {
        imitate_keepers(action, r, state, target);
    } else {
        imitate_in_turn(action, r, m, state, target);
    }
}
