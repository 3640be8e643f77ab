/* What the rules remember of an episode, and the change of replicas that the choices of a decision
 * come to. See rules.h.
 *
 * All of it is a function of the episode's identity, the states that were observed and the actions:
 * a checkpoint stores none of it, and a replay makes it anew. */
#include "core/game/rules_parts.h"

#include <string.h>

/* ---- one episode ---- */

enum err rules_memory_init(struct rules_memory *m, struct arena *arena, const struct rules *r)
{
    const int n_agents = r->spec.n_agents;
    const int n_frames = view_frames(r) > 1 ? view_frames(r) * r->n_obs_state : 0;
    *m = (struct rules_memory){
        .change_age_s = ARENA_NEW(arena, r->n_services, float),
        .last_action = ARENA_NEW(arena, r->n_last_action * n_agents, float),
        .frames = ARENA_NEW(arena, n_frames, float),
        .rates = ARENA_NEW(arena, r->cfg->obs.n_rates, double),
        .highest = ARENA_NEW(arena, r->n_services, int32_t),
        .imitated = ARENA_NEW(arena, r->n_services, int32_t),
        .mask_active = ARENA_NEW(arena, n_agents, uint8_t),
        .compliant = ARENA_NEW(arena, n_agents, uint8_t),
    };
    TRY(arena_error(arena));
    if (r->guides != NULL) {
        TRY(guides_memory_init(&m->guides, arena, r->guides));
    }
    if (r->shield != NULL) {
        TRY(shield_history_init(&m->past, arena, r->n_services));
        TRY(shield_verdict_init(&m->verdict, arena, r->n_services));
        m->least = ARENA_NEW(arena, r->n_services, int32_t);
        m->most = ARENA_NEW(arena, r->n_services, int32_t);
        m->wanted = ARENA_NEW(arena, r->n_services, int32_t);
        TRY(arena_error(arena));
    }
    rules_memory_clear(m, r);
    return ERR_OK;
}

/* The previous action becomes 'none': all changes 0, and for one operation the service -1. */
static void forget_actions(struct rules_memory *m, const struct rules *r)
{
    memset(m->last_action, 0,
           (size_t)(r->n_last_action * r->spec.n_agents) * sizeof *m->last_action);
    for (int a = 0; a < r->spec.n_agents && !operates_all(r); a++) {
        m->last_action[r->n_last_action * a] = -1.0F;
    }
}

void rules_memory_clear(struct rules_memory *m, const struct rules *r)
{
    for (int s = 0; s < r->n_services; s++) {
        m->change_age_s[s] = RULES_CHANGE_AGE_MAX_S;
    }
    forget_actions(m, r);
    m->n_observed = 0;
    memset(m->rates, 0, (size_t)r->cfg->obs.n_rates * sizeof *m->rates);
    memset(m->mask_active, 0, (size_t)r->spec.n_agents);
    memset(m->compliant, 1, (size_t)r->spec.n_agents);
    if (r->guides != NULL) {
        guides_clear(&m->guides, r->guides);
    }
    if (r->shield != NULL) {
        shield_history_clear(&m->past, r->n_services);
    }
}

void rules_begin(struct rules_memory *m, const struct rules *r, const struct episode_id *id)
{
    rules_memory_clear(m, r);
    m->id = *id;
    m->coins = id->env;
    m->cost_weight = cost_law_weight(&r->cost, id);
}

/* frames (stack, n): frame k is what was observed k decisions ago. All move one place back, which
 * drops the oldest, and the new state becomes frame 0. The first state of an episode stands for all
 * before it and fills every frame. */
static void remember_frame(struct rules_memory *m, const struct rules *r, const float *state)
{
    const int n = r->n_obs_state;
    const int n_older = view_frames(r) - 1;
    memmove(m->frames + n, m->frames, (size_t)(n_older * n) * sizeof *m->frames);
    for (int k = 0; k < (m->n_observed == 0 ? n_older + 1 : 1); k++) {
        for (int i = 0; i < n; i++) {
            m->frames[k * n + i] = state[r->obs_from[i]];
        }
    }
}

/* mean' = keep mean + (1 - keep) rate; the first rate of an episode stands for all before it. */
static void remember_rate(struct rules_memory *m, const struct rules *r, const float *state)
{
    const double rate = (double)state[state_global_at(r->n_services, GF_ENTRY_10S)];
    for (int i = 0; i < r->cfg->obs.n_rates; i++) {
        const double keep = m->n_observed == 0 ? 0.0 : r->rate_keep[i];
        m->rates[i] = keep * m->rates[i] + (1.0 - keep) * rate;
    }
}

/* Draws for each agent whether it is bound at this decision. The draw is a pure function of its
 * coordinates (agent, decision, episode, environment) under the seed and split of the episode, so a
 * replay, a resumed training, an evaluation and any number of ranks bind the same agents. u lies in
 * [0, 1): u < hardness always holds for hardness 1 and never for 0, which need no case. */
static void draw_masks(struct rules_memory *m, const struct rules *r)
{
    const struct rng_key key = rng_key(m->id.seed, RNG_HARDNESS, m->id.split);
    for (int a = 0; a < r->spec.n_agents; a++) {
        const struct rng_block b =
            rng_philox(key, (uint32_t)a, (uint32_t)m->n_observed, m->id.episode, m->coins);
        m->mask_active[a] = guides_binds(r->guides, r->guide_of[a], rng_f64(b.v[0], b.v[1]));
    }
}

void rules_observe(struct rules_memory *m, const struct rules *r, const float *state)
{
    if (view_frames(r) > 1) {
        remember_frame(m, r, state);
    }
    remember_rate(m, r, state);
    if (r->guides != NULL) {
        guides_update(&m->guides, r->guides, state);
        draw_masks(m, r);
    }
    m->n_observed++;
}

/* No change is open whatever the shield requires; so is a part of a change that it requires, since
 * other agents may add the rest. */
void rules_shield_observe(struct rules_memory *m, const struct rules *r,
                          const struct shield_view *view)
{
    if (r->shield == NULL) {
        return;
    }
    m->view = *view;
    shield_observe(&m->past, r->shield, view);
    shield_limits(m->least, m->most, &m->verdict, r->shield, &m->past, view);
    for (int s = 0; s < r->n_services; s++) {
        m->least[s] = m->least[s] < 0 ? m->least[s] : 0;
        m->most[s] = m->most[s] > 0 ? m->most[s] : 0;
    }
}

/* ---- one decision ---- */

/* The ages as they will be at the next decision, one period from now; capped. */
static void remember_changes(struct rules_memory *m, const struct rules *r, const int32_t *delta)
{
    const float period = (float)r->env_setup->cfg.plant->period_s;
    for (int s = 0; s < r->n_services; s++) {
        const float age = delta[s] != 0 ? period : m->change_age_s[s] + period;
        m->change_age_s[s] = age > RULES_CHANGE_AGE_MAX_S ? RULES_CHANGE_AGE_MAX_S : age;
    }
}

/* What the agent requested, whether or not it took place. For `all` operations a service has one
 * factor, so its change is written once. */
static void remember_action(struct rules_memory *m, const struct rules *r, int agent,
                            const struct op *op)
{
    const float change = (float)op->delta / (float)r->env_setup->cfg.plant->alpha;
    float *last = m->last_action + r->n_last_action * agent;
    if (operates_all(r)) {
        last[op->service] = change;
        return;
    }
    last[0] = (float)op->service;
    last[1] = change;
}

/* highest[s]: 0 if no agent requests a change of s; else +-(priority + 1) of the agent with the
 * most authority that does, with the sign of its change. Adding 1 gives the priority 0 a sign, too.
 * The comparison is strict, so among agents of equal priority the first one decides. */
static void find_highest(struct rules_memory *m, const struct rules *r, const float *state,
                         const int32_t *action)
{
    const struct team_spec *spec = &r->spec;
    memset(m->highest, 0, (size_t)r->n_services * sizeof *m->highest);
    for (int i = 0; i < spec->n_agents * spec->n_factors; i++) {
        const int level = r->priority_of[i / spec->n_factors] + 1;
        const struct op op = rules_op(r, state, i % spec->n_factors, action[i]);
        const int now = m->highest[op.service];
        if (op.delta != 0 && (now == 0 || level < (now < 0 ? -now : now))) {
            m->highest[op.service] = op.delta < 0 ? -level : level;
        }
    }
}

/* Whether an agent with more authority wants the opposite. For a request of a change, highest is
 * not 0, since find_highest() has counted that request itself. */
static bool is_overruled(const struct rules_memory *m, const struct rules *r, const struct op *op)
{
    return r->priority_of != NULL && (m->highest[op->service] < 0) != (op->delta < 0);
}

/* Sums the changes of all agents; returns whether two requested opposite changes of one service.
 *
 * The sum so far is enough to see that. Let a request be the first of a service that contradicts an
 * earlier one. Until then all requests had one sign and none was 0, so their sum has that sign and
 * is not 0, and its product with the new request is negative. A request that is overruled
 * contradicts the one that overrules it. */
static bool sum_changes(int32_t *delta, struct rules_memory *m, const struct rules *r,
                        const float *state, const int32_t *action)
{
    const struct team_spec *spec = &r->spec;
    bool conflict = false;
    memset(delta, 0, (size_t)r->n_services * sizeof *delta);
    forget_actions(m, r);
    if (r->priority_of != NULL) {
        find_highest(m, r, state, action);
    }
    for (int a = 0; a < spec->n_agents; a++) {
        for (int f = 0; f < spec->n_factors; f++) {
            const struct op op = rules_op(r, state, f, action[a * spec->n_factors + f]);
            if (op.delta == 0) {
                continue;
            }
            const bool overruled = is_overruled(m, r, &op);
            conflict = conflict || overruled || delta[op.service] * op.delta < 0;
            delta[op.service] += overruled ? 0 : op.delta;
            remember_action(m, r, a, &op);
        }
    }
    return conflict;
}

/* The joint change: agents that were each allowed a part may ask for too much together. */
static void pass_shield(int32_t *delta, struct rules_memory *m, const struct rules *r)
{
    memcpy(m->wanted, delta, (size_t)r->n_services * sizeof *delta);
    shield_decide(&m->verdict, r->shield, &m->past, &m->view, delta);
    memcpy(delta, m->verdict.delta, (size_t)r->n_services * sizeof *delta);
    shield_executed(&m->past, r->shield, delta);
}

/* Whether actions were allowed is noted first, by the guides of this decision; the reward asks for
 * it when the guides have moved on. The desired replicas lie within the bounds, so the interval of
 * the second cut contains 0 and the change stays within +-alpha. */
void rules_apply(int32_t *delta, bool *conflict, struct rules_memory *m, const struct rules *r,
                 const float *state, const int32_t *action)
{
    const int alpha = r->env_setup->cfg.plant->alpha;
    for (int a = 0; a < r->spec.n_agents && r->guides != NULL; a++) {
        m->compliant[a] =
            rules_compliant(r, &m->guides, r->guide_of[a], state, action + a * r->spec.n_factors);
    }
    *conflict = sum_changes(delta, m, r, state, action);
    for (int s = 0; s < r->n_services; s++) {
        const struct service_cfg *svc = service_of(r, s);
        const int desired = desired_of(state, s);
        delta[s] = clip_int(clip_int(delta[s], -alpha, alpha), svc->min_replicas - desired,
                            svc->max_replicas - desired);
    }
    if (r->shield != NULL) {
        pass_shield(delta, m, r);
    }
    remember_changes(m, r, delta);
}

void rules_reward(struct guides_reward *out, const struct rules_memory *m, const struct rules *r,
                  int agent)
{
    *out = (struct guides_reward){0};
    if (r->guides != NULL) {
        guides_reward(out, &m->guides, r->guides, r->guide_of[agent], m->compliant[agent] != 0);
    }
}
