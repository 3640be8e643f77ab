/* The rules of the game: rows and observations out, choices in. See rules.h. */
#include "core/game/rules.h"

#include "core/base/log.h"
#include "core/plant/metrics.h"
#include "core/plant/schema.h"

#include <string.h>

enum { SINCE_MAX_S = 600, CHOICES_MAX = 4096 };

static const struct cfg_choice head_choices[] = {
    {"level", HEAD_LEVEL, "choose the target number of replicas"},
    {"delta", HEAD_DELTA, "choose the change itself"},
    {NULL, 0, NULL},
};
static const struct cfg_choice operations_choices[] = {
    {"one", OPERATIONS_ONE, "one service for each agent and step"},
    {"all", OPERATIONS_ALL, "every service, one factor each"},
    {NULL, 0, NULL},
};
static const struct cfg_field action_fields[] = {
    CFG_ENUM(struct action_cfg, head, "level", head_choices, CFG_RESULT, "what a choice means"),
    CFG_ENUM(struct action_cfg, operations, "one", operations_choices, CFG_RESULT,
             "services an agent may change in a step"),
    CFG_END,
};
const struct cfg_field game_fields[] = {
    CFG_INT(struct game_cfg, horizon, "200", 1, 100000, "decisions", CFG_RESULT,
            "length of an episode"),
    CFG_LIST_STRING(struct game_cfg, agents, n_agents, "[bottleneck, ddos, failure, resource]", 1,
                    64, CFG_RESULT, "the agents of the team"),
    CFG_TABLE(struct game_cfg, action, action_fields, "the action head"),
    CFG_END,
};

/* ---- observations: pure functions of a (normalised) row ---- */

static int row_since(const struct rules *r)
{
    return r->n_state;
}

static int row_last(const struct rules *r)
{
    return r->n_state + r->n_services;
}

static float *put_state(float *out, const struct rules *r, const float *row)
{
    for (int i = 0; i < r->n_obs_state; i++) {
        *out++ = row[r->obs_from[i]];
    }
    for (int s = 0; s < r->n_services; s++) {
        *out++ = row[row_since(r) + s] / (float)SINCE_MAX_S;
    }
    return out;
}

static bool operates_all(const struct rules *r)
{
    return r->cfg->action.operations == OPERATIONS_ALL;
}

/* Previous action of one agent: one-hot of the service, and the change; or all changes. */
static float *put_last(float *out, const struct rules *r, const float *row, int agent)
{
    const float *last = row + row_last(r) + r->n_last * agent;
    if (operates_all(r)) {
        memcpy(out, last, (size_t)r->n_last * sizeof *out);
        return out + r->n_last;
    }
    for (int s = 0; s < r->n_services; s++) {
        *out++ = last[0] == (float)s ? 1.0F : 0.0F;
    }
    *out++ = last[1];
    return out;
}

static void rules_obs(const void *ctx, float *obs, int agent, const float *row)
{
    const struct rules *r = ctx;
    put_last(put_state(obs, r, row), r, row, agent);
}

static void rules_critic(const void *ctx, float *out, const float *row)
{
    const struct rules *r = ctx;
    out = put_state(out, r, row);
    for (int a = 0; a < r->spec.n_agents; a++) {
        out = put_last(out, r, row, a);
    }
}

/* ---- building ---- */

static enum err init_obs_columns(struct rules *r, struct arena *arena)
{
    int *from = ARENA_NEW(arena, r->n_state, int);
    if (from == NULL) {
        return ERR_MEMORY;
    }
    int n = 0;
    for (int s = 0; s < r->n_services; s++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            if (service_feature_info[f].obs) {
                from[n++] = state_service_at(s, (enum service_feature)f);
            }
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        if (global_feature_info[f].obs) {
            from[n++] = state_global_at(r->n_services, (enum global_feature)f);
        }
    }
    r->obs_from = from;
    r->n_obs_state = n;
    return ERR_OK;
}

static enum err init_choices(struct rules *r, struct arena *arena)
{
    int *at = ARENA_NEW(arena, r->n_services + 1, int);
    if (at == NULL) {
        return ERR_MEMORY;
    }
    for (int s = 0; s < r->n_services; s++) {
        at[s + 1] = at[s] + r->world->cfg.topology->services[s].max_replicas;
    }
    r->choice_at = at;
    return ERR_OK;
}

/* Choices of one factor. */
static int count_choices(const struct rules *r)
{
    const int alpha = r->world->cfg.plant->alpha;
    const bool all = operates_all(r);
    if (r->cfg->action.head == HEAD_DELTA) {
        return all ? 2 * alpha + 1 : 1 + r->n_services * 2 * alpha;
    }
    if (!all) {
        return r->choice_at[r->n_services];
    }
    int largest = 0;
    for (int s = 0; s < r->n_services; s++) {
        const int max = r->world->cfg.topology->services[s].max_replicas;
        largest = max > largest ? max : largest;
    }
    return largest;
}

static enum err init_stat_names(struct env_spec *spec, struct arena *arena)
{
    const char **names = ARENA_NEW(arena, METRIC_TRAINED, const char *);
    if (names == NULL) {
        return ERR_MEMORY;
    }
    for (int i = 0; i < METRIC_TRAINED; i++) {
        names[i] = metric_info[i].name;
    }
    spec->n_stats = METRIC_TRAINED;
    spec->stat_names = names;
    return ERR_OK;
}

enum err rules_init(struct rules *r, struct arena *arena, const struct game_cfg *cfg,
                    const struct world *world)
{
    const int n = world->topology.n_services;
    const bool all = cfg->action.operations == OPERATIONS_ALL;
    const int n_seen_last = all ? n : n + 1; /* columns of put_last() */
    *r = (struct rules){.cfg = cfg,
                        .world = world,
                        .n_services = n,
                        .n_state = state_size(n),
                        .n_last = all ? n : 2};
    TRY(init_obs_columns(r, arena));
    TRY(init_choices(r, arena));
    const int n_choices = count_choices(r);
    if (n_choices > CHOICES_MAX) {
        log_error("action head: %d choices; at most %d are supported (fewer services or replicas, "
                  "or game.action.operations: all)",
                  n_choices, CHOICES_MAX);
        return ERR_CONFIG;
    }
    r->spec = (struct env_spec){
        .name = "karma",
        .n_agents = cfg->n_agents,
        .n_row = r->n_state + n + r->n_last * cfg->n_agents,
        .n_norm = r->n_state,
        .n_obs = r->n_obs_state + n + n_seen_last,
        .n_critic = r->n_obs_state + n + cfg->n_agents * n_seen_last,
        .n_factors = all ? n : 1,
        .n_choices = n_choices,
        .agent_names = cfg->agents,
        .ctx = r,
        .obs = rules_obs,
        .critic = rules_critic,
    };
    return init_stat_names(&r->spec, arena);
}

/* ---- memory ---- */

enum err rules_memory_init(struct rules_memory *m, struct arena *arena, const struct rules *r)
{
    m->since_s = ARENA_NEW(arena, r->n_services, float);
    m->last = ARENA_NEW(arena, r->n_last * r->spec.n_agents, float);
    if (m->since_s == NULL || m->last == NULL) {
        return ERR_MEMORY;
    }
    rules_memory_clear(m, r);
    return ERR_OK;
}

/* Nobody has done anything. */
static void forget_actions(struct rules_memory *m, const struct rules *r)
{
    memset(m->last, 0, (size_t)(r->n_last * r->spec.n_agents) * sizeof *m->last);
    for (int a = 0; a < r->spec.n_agents && !operates_all(r); a++) {
        m->last[r->n_last * a] = -1.0F;
    }
}

void rules_memory_clear(struct rules_memory *m, const struct rules *r)
{
    for (int s = 0; s < r->n_services; s++) {
        m->since_s[s] = SINCE_MAX_S;
    }
    forget_actions(m, r);
}

/* ---- choices <-> (service, change) ---- */

struct op {
    int service, delta; /* delta 0: nothing */
};

static int clip_int(int x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static int desired_of(const float *state, int service)
{
    return (int)state[state_service_at(service, SF_DESIRED)];
}

static const struct service_cfg *service_of(const struct rules *r, int s)
{
    return &r->world->cfg.topology->services[s];
}

/* Change that follows from aiming at `target` replicas. */
static int delta_to(const struct rules *r, const float *state, int service, int target)
{
    const int alpha = r->world->cfg.plant->alpha;
    return clip_int(target - desired_of(state, service), -alpha, alpha);
}

/* The change of alphabet position p in 0 .. 2 alpha - 1: -alpha .. -1, 1 .. alpha. */
static int nonzero_delta(int p, int alpha)
{
    return p < alpha ? p - alpha : p - alpha + 1;
}

static int service_of_choice(const struct rules *r, int k)
{
    int s = 0;
    while (k >= r->choice_at[s + 1]) {
        s++;
    }
    return s;
}

/* What choice k of factor f does. */
static struct op op_of(const struct rules *r, const float *state, int f, int k)
{
    const int alpha = r->world->cfg.plant->alpha;
    const bool all = operates_all(r);
    if (r->cfg->action.head == HEAD_LEVEL) {
        const int s = all ? f : service_of_choice(r, k);
        const int target = 1 + (all ? k : k - r->choice_at[s]);
        return (struct op){s, delta_to(r, state, s, target)};
    }
    if (all) {
        return (struct op){f, k - alpha};
    }
    if (k == 0) {
        return (struct op){0, 0};
    }
    return (struct op){(k - 1) / (2 * alpha), nonzero_delta((k - 1) % (2 * alpha), alpha)};
}

/* May choice k of factor f be made? Level targets must lie in the bounds of the service; changes
 * must lead into them. */
static bool allowed(const struct rules *r, const float *state, int f, int k)
{
    const struct op op = op_of(r, state, f, k);
    const struct service_cfg *s = service_of(r, op.service);
    if (r->cfg->action.head == HEAD_LEVEL) {
        const bool all = operates_all(r);
        const int target = 1 + (all ? k : k - r->choice_at[op.service]);
        return target >= s->min_replicas && target <= s->max_replicas;
    }
    const int next = desired_of(state, op.service) + op.delta;
    return op.delta == 0 || (next >= s->min_replicas && next <= s->max_replicas);
}

void rules_row(float *row, uint32_t *mask, const struct rules *r, const struct rules_memory *m,
               const float *state)
{
    const struct env_spec *spec = &r->spec;
    memcpy(row, state, (size_t)r->n_state * sizeof *row);
    memcpy(row + row_since(r), m->since_s, (size_t)r->n_services * sizeof *row);
    memcpy(row + row_last(r), m->last, (size_t)(r->n_last * spec->n_agents) * sizeof *row);

    const int words = env_mask_words(spec);
    const size_t agent_words = (size_t)spec->n_factors * (size_t)words;
    memset(mask, 0, agent_words * sizeof *mask);
    for (int f = 0; f < spec->n_factors; f++) {
        for (int k = 0; k < spec->n_choices; k++) {
            if (allowed(r, state, f, k)) {
                mask[f * words + k / 32] |= 1U << (k % 32);
            }
        }
    }
    for (int a = 1; a < spec->n_agents; a++) {
        memcpy(mask + (size_t)a * agent_words, mask, agent_words * sizeof *mask);
    }
}

/* ---- applying ---- */

/* As it will be at the next decision. */
static void remember_changes(struct rules_memory *m, const struct rules *r, const int32_t *delta)
{
    const float period = (float)r->world->cfg.plant->period_s;
    for (int s = 0; s < r->n_services; s++) {
        const float since = delta[s] != 0 ? period : m->since_s[s] + period;
        m->since_s[s] = since > SINCE_MAX_S ? SINCE_MAX_S : since;
    }
}

static void remember_action(struct rules_memory *m, const struct rules *r, int agent,
                            const struct op *op)
{
    const float change = (float)op->delta / (float)r->world->cfg.plant->alpha;
    float *last = m->last + r->n_last * agent;
    if (operates_all(r)) {
        last[op->service] = change;
        return;
    }
    last[0] = (float)op->service;
    last[1] = change;
}

/* Sum the changes of all agents; note opposite wishes. */
static bool sum_changes(int32_t *delta, struct rules_memory *m, const struct rules *r,
                        const float *state, const int32_t *action)
{
    const struct env_spec *spec = &r->spec;
    bool conflict = false;
    memset(delta, 0, (size_t)r->n_services * sizeof *delta);
    forget_actions(m, r);
    for (int a = 0; a < spec->n_agents; a++) {
        for (int f = 0; f < spec->n_factors; f++) {
            const struct op op = op_of(r, state, f, action[a * spec->n_factors + f]);
            if (op.delta == 0) {
                continue;
            }
            conflict = conflict || delta[op.service] * op.delta < 0;
            delta[op.service] += op.delta;
            remember_action(m, r, a, &op);
        }
    }
    return conflict;
}

void rules_apply(int32_t *delta, bool *conflict, struct rules_memory *m, const struct rules *r,
                 const float *state, const int32_t *action)
{
    const int alpha = r->world->cfg.plant->alpha;
    *conflict = sum_changes(delta, m, r, state, action);
    for (int s = 0; s < r->n_services; s++) {
        const struct service_cfg *svc = service_of(r, s);
        const int desired = desired_of(state, s);
        delta[s] = clip_int(clip_int(delta[s], -alpha, alpha), svc->min_replicas - desired,
                            svc->max_replicas - desired);
    }
    remember_changes(m, r, delta);
}

/* ---- imitation ---- */

/* The choice of factor f that comes closest to `target` replicas of service s. */
static int32_t choice_for(const struct rules *r, const float *state, int s, int target)
{
    const int alpha = r->world->cfg.plant->alpha;
    const bool all = operates_all(r);
    if (r->cfg->action.head == HEAD_LEVEL) {
        return (all ? 0 : r->choice_at[s]) + target - 1;
    }
    const int delta = delta_to(r, state, s, target);
    if (all) {
        return delta + alpha;
    }
    if (delta == 0) {
        return 0;
    }
    return 1 + s * 2 * alpha + (delta < 0 ? delta + alpha : delta + alpha - 1);
}

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

void rules_imitate(int32_t *action, const struct rules *r, const float *state,
                   const int32_t *target)
{
    const struct env_spec *spec = &r->spec;
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
