/* What a choice comes to, which choices are open to an agent, and the masks that say so. See
 * rules.h.
 *
 * A mask starts with what replica bounds leave, the same for all agents. The shield and the roles
 * only take choices away, and none of them takes the last one: a choice that comes to no change
 * passes each of them. */
#include "core/game/rules_parts.h"

#include <math.h>
#include <string.h>

/* ---- choices <-> (service, change) ---- */

int rules_delta_to(const struct rules *r, const float *state, int service, int target)
{
    const int alpha = r->env_setup->cfg.plant->alpha;
    return clip_int(target - desired_of(state, service), -alpha, alpha);
}

/* The change of alphabet position p in 0 .. 2 alpha - 1: -alpha .. -1, 1 .. alpha. */
static int nonzero_delta(int p, int alpha)
{
    return p < alpha ? p - alpha : p - alpha + 1;
}

/* The pods that the load at this multiple needs, inside the replica bounds. */
static int need_of(const struct rules *r, const float *state, int s, double load)
{
    const struct service_cfg *svc = service_of(r, s);
    const double pods = ceil(load * need_rate(state, r->n_services) * r->pods_per_rps[s]);
    return pods < svc->max_replicas ? clip_int((int)pods, svc->min_replicas, svc->max_replicas)
                                    : svc->max_replicas;
}

static struct op need_op(const struct rules *r, const float *state, int f, int k)
{
    const struct need_cfg *cfg = &r->cfg->action.need;
    const int s = operates_all(r) || k == 0 ? f : (k - 1) / cfg->n_loads;
    if (k == 0) {
        return (struct op){s, 0};
    }
    const int target = need_of(r, state, s, cfg->loads[(k - 1) % cfg->n_loads]);
    return (struct op){s, rules_delta_to(r, state, s, target)};
}

/* What choice k of factor f comes to, as (service, change):
 *
 *     level, one    s = choice_of[k], target 1 + k - choice_at[s]
 *     level, all    s = f, target 1 + k
 *     delta, one    k = 0 nothing; else k - 1 = s * 2 alpha + p, change nonzero_delta(p)
 *     delta, all    s = f, change k - alpha
 *     need, one     k = 0 nothing; else k - 1 = s * loads + i, target need_of(load i)
 *     need, all     s = f, k = 0 nothing; else target need_of(load k - 1)
 *
 * Operations `own` are numbered as `one`.
 *
 * A target is cut to the change that one decision can make, so several targets may come to the same
 * change. */
struct op rules_op(const struct rules *r, const float *state, int f, int k)
{
    const int alpha = r->env_setup->cfg.plant->alpha;
    const bool all = operates_all(r);
    if (r->cfg->action.head == HEAD_LEVEL) {
        const int s = all ? f : r->choice_of[k];
        const int target = 1 + (all ? k : k - r->choice_at[s]);
        return (struct op){s, rules_delta_to(r, state, s, target)};
    }
    if (r->cfg->action.head == HEAD_NEED) {
        return need_op(r, state, f, k);
    }
    if (all) {
        return (struct op){f, k - alpha};
    }
    if (k == 0) {
        return (struct op){0, 0};
    }
    return (struct op){(k - 1) / (2 * alpha), nonzero_delta((k - 1) % (2 * alpha), alpha)};
}

/* Level targets must lie in the bounds of the service; changes must lead into them. */
bool rules_choice_open(const struct rules *r, const float *state, int f, int k)
{
    const struct op op = rules_op(r, state, f, k);
    const struct service_cfg *s = service_of(r, op.service);
    if (r->cfg->action.head == HEAD_LEVEL) {
        const bool all = operates_all(r);
        const int target = 1 + (all ? k : k - r->choice_at[op.service]);
        return target >= s->min_replicas && target <= s->max_replicas;
    }
    const int next = desired_of(state, op.service) + op.delta;
    return op.delta == 0 || (next >= s->min_replicas && next <= s->max_replicas);
}

/* Whether choice k means no change of any service. A level never does. */
static bool is_nothing(const struct rules *r, int k)
{
    return k == 0 && r->cfg->action.head != HEAD_LEVEL;
}

/* No change is always permitted; it also needs no service to look up. */
static bool permits(const struct rules *r, const struct guides_memory *m, int guide,
                    const struct op *op)
{
    return op->delta == 0 || guides_permits(m, r->guides, guide, op->service, op->delta);
}

/* Whether the shield lets this change pass alone. */
static bool passes(const struct rules *r, const struct rules_memory *m, const struct op *op)
{
    return r->shield == NULL ||
           (op->delta >= m->least[op->service] && op->delta <= m->most[op->service]);
}

bool rules_choice_allowed(const struct rules *r, const struct rules_memory *m, const float *state,
                          int agent, int f, int k)
{
    if (!rules_choice_open(r, state, f, k)) {
        return false;
    }
    const struct op op = rules_op(r, state, f, k);
    if (!rules_owns(r, agent, op.service) && !is_nothing(r, k)) {
        return false;
    }
    if (!passes(r, m, &op)) {
        return false;
    }
    return r->guides == NULL || m->mask_active[agent] == 0 ||
           permits(r, &m->guides, r->guide_of[agent], &op);
}

bool rules_compliant(const struct rules *r, const struct guides_memory *m, int guide,
                     const float *state, const int32_t *action)
{
    bool compliant = true;
    for (int f = 0; f < r->spec.n_factors; f++) {
        const struct op op = rules_op(r, state, f, action[f]);
        compliant = compliant && permits(r, m, guide, &op);
    }
    return compliant;
}

void rules_changes(int32_t *change, const struct rules *r, const float *state,
                   const int32_t *action)
{
    memset(change, 0, (size_t)r->n_services * sizeof *change);
    for (int f = 0; f < r->spec.n_factors; f++) {
        const struct op op = rules_op(r, state, f, action[f]);
        change[op.service] += op.delta;
    }
}

/* The agent that the organisation means; -1: these rules have none, as those of a team that is
 * judged by an organisation it does not know. */
static int agent_of(const struct rules *r, int guide)
{
    for (int a = 0; r->guide_of != NULL && a < r->spec.n_agents; a++) {
        if (r->guide_of[a] == guide) {
            return a;
        }
    }
    return -1;
}

int rules_options(const struct rules *r, const struct guides_memory *m, int guide,
                  const float *state)
{
    const int alpha = r->guides->alpha;
    const uint32_t *allowed = guides_allowed(m, r->guides, guide);
    const int agent = agent_of(r, guide);
    int n = 0;
    for (int s = 0; s < r->n_services; s++) {
        if (agent >= 0 && !rules_owns(r, agent, s)) {
            continue;
        }
        const struct service_cfg *svc = service_of(r, s);
        const int desired = desired_of(state, s);
        for (int d = -alpha; d <= alpha; d++) {
            const bool room = desired + d >= svc->min_replicas && desired + d <= svc->max_replicas;
            n += d != 0 && room && (allowed[s] >> (d + alpha) & 1U) != 0 ? 1 : 0;
        }
    }
    return n;
}

/* ---- masks ---- */

/* One factor (words) of an agent whose mask is active: of the choices that replica bounds leave,
 * those that its roles allow. Where these all come to no change, the first of them only: a single
 * choice has probability 1 whatever the weights are, so its gradient is 0.
 *
 * `first` is set whenever nothing moves. rules_apply() keeps the desired replicas within the
 * bounds, so a choice that comes to no change is open in every factor (the present number as a
 * target, the change 0, or nothing), and permits() lets it stay. Hence a mask is never empty. */
static void bind_factor(uint32_t *mask, const struct rules *r, const struct rules_memory *m,
                        const float *state, int agent, int f)
{
    int first = -1;
    bool moves = false;
    for (int k = 0; k < r->spec.n_choices; k++) {
        if (!mask_has(mask, k)) {
            continue;
        }
        const struct op op = rules_op(r, state, f, k);
        if (!permits(r, &m->guides, r->guide_of[agent], &op)) {
            mask[k / 32] &= ~(1U << (k % 32));
        } else if (op.delta != 0) {
            moves = true;
        } else if (first < 0) {
            first = k;
        }
    }
    if (!moves) {
        memset(mask, 0, (size_t)env_mask_words(&r->spec) * sizeof *mask);
        mask[first / 32] |= 1U << (first % 32);
    }
}

/* Operations `own`: an agent keeps the choices of its own services, and no change. */
static void keep_own(uint32_t *mask, const struct rules *r, const float *state, int agent)
{
    for (int k = 0; k < r->spec.n_choices; k++) {
        if (!is_nothing(r, k) && !rules_owns(r, agent, rules_op(r, state, 0, k).service)) {
            mask[k / 32] &= ~(1U << (k % 32));
        }
    }
}

/* Replica bounds are the same for all agents: the mask of the first one is copied. */
void rules_open_mask(uint32_t *mask, const struct rules *r, const float *state)
{
    const struct team_spec *spec = &r->spec;
    const int words = env_mask_words(spec);
    const size_t agent_words = (size_t)spec->n_factors * (size_t)words;
    memset(mask, 0, agent_words * sizeof *mask);
    for (int f = 0; f < spec->n_factors; f++) {
        for (int k = 0; k < spec->n_choices; k++) {
            if (rules_choice_open(r, state, f, k)) {
                mask[f * words + k / 32] |= 1U << (k % 32);
            }
        }
    }
    for (int a = 1; a < spec->n_agents; a++) {
        memcpy(mask + (size_t)a * agent_words, mask, agent_words * sizeof *mask);
    }
    for (int a = 0; a < spec->n_agents && r->cfg->action.operations == OPERATIONS_OWN; a++) {
        keep_own(mask + (size_t)a * agent_words, r, state, a);
    }
}

/* Takes out of the masks of all agents what the shield does not let pass. A choice that comes to no
 * change passes, so no mask becomes empty. */
static void shield_mask(uint32_t *mask, const struct rules *r, const struct rules_memory *m,
                        const float *state)
{
    const struct team_spec *spec = &r->spec;
    const int words = env_mask_words(spec);
    for (int f = 0; f < spec->n_factors; f++) {
        for (int k = 0; k < spec->n_choices; k++) {
            const struct op op = rules_op(r, state, f, k);
            for (int a = 0; a < spec->n_agents && !passes(r, m, &op); a++) {
                mask[(a * spec->n_factors + f) * words + k / 32] &= ~(1U << (k % 32));
            }
        }
    }
}

/* ---- the global state ---- */

/* Parts in the order of view.c. Frame 0 is left out of the history, because the state itself is
 * there. */
void rules_global_state(float *global_state, uint32_t *mask, const struct rules *r,
                        const struct rules_memory *m, const float *state)
{
    const struct team_spec *spec = &r->spec;
    const int words = env_mask_words(spec);
    memcpy(global_state, state, (size_t)r->n_state * sizeof *global_state);
    memcpy(global_state + view_history(r), m->frames + (view_frames(r) > 1 ? r->n_obs_state : 0),
           (size_t)(view_rates(r) - view_history(r)) * sizeof *global_state);
    for (int i = 0; i < r->cfg->obs.n_rates; i++) {
        global_state[view_rates(r) + i] = (float)m->rates[i];
    }
    memcpy(global_state + view_change_age(r), m->change_age_s,
           (size_t)r->n_services * sizeof *global_state);
    memcpy(global_state + view_last_action(r), m->last_action,
           (size_t)(r->n_last_action * spec->n_agents) * sizeof *global_state);
    view_put_organisation(global_state + view_norms(r), r, m);
    if (r->cost.kind == COST_CONDITIONED) {
        global_state[view_cost(r)] = cost_law_input(&r->cost, m->cost_weight);
    }

    rules_open_mask(mask, r, state);
    if (r->shield != NULL) {
        shield_mask(mask, r, m, state);
    }
    for (int a = 0; a < spec->n_agents && r->guides != NULL; a++) {
        for (int f = 0; f < spec->n_factors && m->mask_active[a] != 0; f++) {
            bind_factor(mask + (a * spec->n_factors + f) * words, r, m, state, a, f);
        }
    }
}
