/* Building the rules, what an episode remembers, and what choices do. See rules.h. */
#include "core/game/rules_parts.h"

#include "core/base/fmath.h"
#include "core/base/log.h"
#include "core/game/org_metric_values.h"
#include "core/game/privileged.h"
#include "core/plant/episode_metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHOICES_MAX = 4096 };
static const double LN_2 = 0.69314718055994530942;

static const struct cfg_choice head_choices[] = {
    {"level", HEAD_LEVEL, "choose the target number of replicas"},
    {"delta", HEAD_DELTA, "choose the change itself"},
    {"need", HEAD_NEED, "choose how many times the measured load is staffed for"},
    {NULL, 0, NULL},
};
static const struct cfg_choice operations_choices[] = {
    {"one", OPERATIONS_ONE, "one service for each agent and step"},
    {"all", OPERATIONS_ALL, "every service, one factor each"},
    {"own", OPERATIONS_OWN, "one service for each agent and step, of those that are its own"},
    {NULL, 0, NULL},
};
static const struct cfg_field need_fields[] = {
    CFG_DOUBLE(struct need_cfg, utilisation, "0.7", 0.01, 1, "", CFG_RESULT | CFG_LATER,
               "largest share of a pod's capacity that a need counts on"),
    CFG_DOUBLE(struct need_cfg, wait_share, "0.25", 0.01, 1, "", CFG_RESULT | CFG_LATER,
               "share of latency_max a call may take at one service"),
    CFG_LIST_DOUBLE(struct need_cfg, loads, n_loads,
                    "[0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3]", 1, 256, 0, 100, "",
                    CFG_RESULT | CFG_LATER, "multiples of the measured load to choose from"),
    CFG_END,
};
static const struct cfg_field action_fields[] = {
    CFG_ENUM(struct action_cfg, head, "level", head_choices, CFG_RESULT, "what a choice means"),
    CFG_ENUM(struct action_cfg, operations, "one", operations_choices, CFG_RESULT,
             "services an agent may change in a step"),
    CFG_TABLE(struct action_cfg, need, need_fields, "choices of the head `need`"),
    CFG_END,
};
static const struct cfg_choice view_choices[] = {
    {"full", OBS_FULL, "every observed column"},
    {"role", OBS_ROLE,
     "what the agent's rules and goals read, and the pods; needs an organisation"},
    {NULL, 0, NULL},
};
static const struct cfg_field obs_fields[] = {
    CFG_ENUM(struct obs_cfg, view, "full", view_choices, CFG_RESULT, "what an agent sees"),
    CFG_INT(struct obs_cfg, stack, "1", 1, 32, "decisions", CFG_RESULT,
            "states it sees at once: this one and those before"),
    CFG_LIST_DOUBLE(struct obs_cfg, rates, n_rates, "[]", 0, 16, 1, 86400, "s",
                    CFG_RESULT | CFG_LATER,
                    "half-lives of slow means of the entry rate that it also sees"),
    CFG_END,
};
const struct cfg_field game_fields[] = {
    CFG_INT(struct game_cfg, horizon, "200", 1, 100000, "decisions", CFG_RESULT,
            "length of an episode"),
    CFG_LIST_STRING(struct game_cfg, agents, n_agents, "[bottleneck, ddos, failure, resource]", 1,
                    64, CFG_RESULT, "the agents of the team"),
    CFG_TABLE(struct game_cfg, action, action_fields, "the action head"),
    CFG_TABLE(struct game_cfg, obs, obs_fields, "observations"),
    CFG_LIST_STRING(struct game_cfg, authority, n_authority, "[]", 0, 64, CFG_RESULT,
                    "agents, the highest first: who has its way where two pull one service in "
                    "opposite directions; none = changes are summed"),
    CFG_END,
};

/* ---- building ---- */

/* The choices of the head `level` with one operation: prefix sums of max_replicas. Choices
 * choice_at[s] .. choice_at[s + 1] - 1 are the target replicas 1 .. max_replicas of service s, and
 * choice_of gives the service back. */
static enum err init_choices(struct rules *r, struct arena *arena)
{
    int *at = ARENA_NEW(arena, r->n_services + 1, int);
    TRY(arena_error(arena));
    for (int s = 0; s < r->n_services; s++) {
        at[s + 1] = at[s] + r->env_setup->cfg.topology->services[s].max_replicas;
    }
    int *of = ARENA_NEW(arena, at[r->n_services], int);
    TRY(arena_error(arena));
    for (int s = 0; s < r->n_services; s++) {
        for (int k = at[s]; k < at[s + 1]; k++) {
            of[k] = s;
        }
    }
    r->choice_at = at;
    r->choice_of = of;
    return ERR_OK;
}

/* Choices K of one factor; R_s is max_replicas of service s, S the number of services.
 *
 *     head     operations: one, own    all
 *     level    sum of R_s              largest R_s (the surplus of smaller services stays masked)
 *     delta    1 + S * 2 alpha         2 alpha + 1
 *     need     1 + S * loads           1 + loads
 */
static int count_choices(const struct rules *r)
{
    const int alpha = r->env_setup->cfg.plant->alpha;
    const bool all = operates_all(r);
    if (r->cfg->action.head == HEAD_DELTA) {
        return all ? 2 * alpha + 1 : 1 + r->n_services * 2 * alpha;
    }
    if (r->cfg->action.head == HEAD_NEED) {
        return 1 + (all ? 1 : r->n_services) * r->cfg->action.need.n_loads;
    }
    if (!all) {
        return r->choice_at[r->n_services];
    }
    int largest = 0;
    for (int s = 0; s < r->n_services; s++) {
        const int max = r->env_setup->cfg.topology->services[s].max_replicas;
        largest = max > largest ? max : largest;
    }
    return largest;
}

static enum err init_need(struct rules *r, struct arena *arena)
{
    const struct need_cfg *cfg = &r->cfg->action.need;
    const struct topology *t = &r->env_setup->topology;
    const double response_s = cfg->wait_share * r->env_setup->cfg.plant->latency_max_ms * 1e-3;
    double *pods = ARENA_NEW(arena, r->n_services, double);
    TRY(arena_error(arena));
    for (int s = 0; s < r->n_services; s++) {
        const double rho = need_load_max(t->pod_rps[s], cfg->utilisation, response_s);
        pods[s] = t->visits[s] / (t->pod_rps[s] * rho);
    }
    r->pods_per_rps = pods;
    return ERR_OK;
}

/* After one period a slow mean of half-life h keeps 2^(-period / h) of itself. */
static enum err init_rates(struct rules *r, struct arena *arena)
{
    const struct obs_cfg *cfg = &r->cfg->obs;
    double *keep = ARENA_NEW(arena, cfg->n_rates, double);
    TRY(arena_error(arena));
    for (int i = 0; i < cfg->n_rates; i++) {
        keep[i] = fm_exp(-LN_2 * r->env_setup->cfg.plant->period_s / cfg->rates[i]);
    }
    r->rate_keep = keep;
    return ERR_OK;
}

/* Names of the organisational metrics that an episode leaves behind; of an agent: "ddos.can_act".
 */
static enum err init_stat_names(struct rules *r, struct arena *arena)
{
    const int n = r->guides == NULL ? 0 : r->guides->n_agents * ORG_METRIC_TRAINED;
    const char **names = ARENA_NEW(arena, n, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < n; i++) {
        const char *agent = r->guides->org.cfg->agents[i / ORG_METRIC_TRAINED].name;
        names[i] =
            arena_printf(arena, "%s.%s", agent, org_metric_info[i % ORG_METRIC_TRAINED].name);
    }
    TRY(arena_error(arena));
    r->interface.n_stats = n;
    r->interface.stat_names = names;
    return ERR_OK;
}

static enum err init_interface(struct rules *r, struct arena *arena)
{
    const struct interface *const alone[] = {&r->interface};
    r->interface.ops = &rules_interface_ops;
    r->interface.spec = &r->spec;
    TRY(init_stat_names(r, arena));
    return interface_env_spec(&r->env, arena, alone, 1);
}

/* ---- agents and their places ---- */

/* Index among the game's agents, -1 if unknown. */
static int find_agent(const struct game_cfg *cfg, const char *name)
{
    int found = -1;
    for (int a = 0; a < cfg->n_agents && found < 0; a++) {
        found = strcmp(cfg->agents[a], name) == 0 ? a : -1;
    }
    return found;
}

/* game.agents and organisation.agents are the same names, in any order. The first loop refuses an
 * agent of the organisation that the game does not have, the second an agent of the game that has
 * no number in the organisation; together the two lists name the same agents. */
static enum err init_guides(struct rules *r, struct arena *arena, const struct org_cfg *org,
                            const struct cfg *src_locs)
{
    const struct game_cfg *cfg = r->cfg;
    struct guides *guides = ARENA_NEW(arena, 1, struct guides);
    int *guide_of = ARENA_NEW(arena, cfg->n_agents, int);
    TRY(arena_error(arena));
    TRY(guides_init(guides, arena, org, &r->env_setup->topology, r->env_setup->cfg.plant, src_locs,
                    "organisation"));
    for (int a = 0; a < cfg->n_agents; a++) {
        guide_of[a] = -1;
    }
    for (int g = 0; g < org->n_agents; g++) {
        char key[64];
        const int a = find_agent(cfg, org->agents[g].name);
        (void)snprintf(key, sizeof key, "organisation.agents.%d.name", g);
        if (a < 0) {
            return plant_cfg_error(src_locs, key, "game.agents has no '%s'; name it there",
                                   org->agents[g].name);
        }
        guide_of[a] = g;
    }
    for (int a = 0; a < cfg->n_agents; a++) {
        if (guide_of[a] < 0) {
            return plant_cfg_error(src_locs, "game.agents",
                                   "agent '%s' plays no role of the organisation; add it to "
                                   "organisation.agents",
                                   cfg->agents[a]);
        }
    }
    r->guides = guides;
    r->guide_of = guide_of;
    return ERR_OK;
}

/* Agents that are not named stand below all that are, and equal among themselves. The list is read
 * from its end, so an agent that is named twice has the higher place. */
static enum err init_authority(struct rules *r, struct arena *arena, const struct cfg *src_locs)
{
    const struct game_cfg *cfg = r->cfg;
    if (cfg->n_authority == 0) {
        return ERR_OK;
    }
    int *priority_of = ARENA_NEW(arena, cfg->n_agents, int);
    TRY(arena_error(arena));
    for (int a = 0; a < cfg->n_agents; a++) {
        priority_of[a] = cfg->n_authority;
    }
    for (int i = cfg->n_authority - 1; i >= 0; i--) {
        char key[64];
        const int a = find_agent(cfg, cfg->authority[i]);
        (void)snprintf(key, sizeof key, "game.authority.%d", i);
        if (a < 0) {
            return plant_cfg_error(src_locs, key, "game.agents has no '%s'", cfg->authority[i]);
        }
        priority_of[a] = i;
    }
    r->priority_of = priority_of;
    return ERR_OK;
}

/* The order matters: view_init() takes the shapes from the choices and the guides, and the names of
 * an episode's metrics are those of the guides' agents. */
enum err rules_init_organised(struct rules *r, struct arena *arena, const struct game_cfg *cfg,
                              const struct env_setup *env_setup, const struct org_cfg *organisation,
                              const struct cfg *src_locs)
{
    const int n = env_setup->topology.n_services;
    const bool all = cfg->action.operations == OPERATIONS_ALL;
    *r = (struct rules){.cfg = cfg,
                        .env_setup = env_setup,
                        .n_services = n,
                        .n_state = state_size(n),
                        .cost = {.kind = COST_FIXED, .weight = env_setup->cfg.plant->cost_weight},
                        .n_last_action = all ? n : 2};
    if (cfg->action.operations == OPERATIONS_OWN && cfg->n_agents > n) {
        return plant_cfg_error(src_locs, "game.action.operations",
                               "own: %d agents share %d services, so an agent would have none; "
                               "name at most %d in game.agents",
                               cfg->n_agents, n, n);
    }
    TRY(init_choices(r, arena));
    TRY(init_need(r, arena));
    TRY(init_rates(r, arena));
    const int n_choices = count_choices(r);
    if (n_choices > CHOICES_MAX) {
        log_error("action head: %d choices; at most %d are supported (fewer services or replicas, "
                  "or game.action.operations: all)",
                  n_choices, CHOICES_MAX);
        return ERR_CONFIG;
    }
    r->spec = (struct team_spec){.name = "karma",
                                 .n_agents = cfg->n_agents,
                                 .n_factors = all ? n : 1,
                                 .n_choices = n_choices,
                                 .agent_names = cfg->agents};
    if (organisation != NULL && organisation->n_agents > 0) {
        TRY(init_guides(r, arena, organisation, src_locs));
    } else if (cfg->obs.view == OBS_ROLE) {
        return plant_cfg_error(src_locs, "game.obs.view",
                               "role: there is no organisation; include one of "
                               "configs/organisations");
    }
    TRY(init_authority(r, arena, src_locs));
    TRY(view_init(r, arena));
    return init_interface(r, arena);
}

enum err rules_init(struct rules *r, struct arena *arena, const struct game_cfg *cfg,
                    const struct env_setup *env_setup)
{
    return rules_init_organised(r, arena, cfg, env_setup, NULL, NULL);
}

void rules_show_privileged(struct rules *r)
{
    r->spec.n_privileged = privileged_columns(r->n_services);
}

void rules_weigh_cost(struct rules *r, const struct cost_law *law)
{
    const int n = law->kind == COST_CONDITIONED ? 1 : 0; /* column, see view.c */
    r->cost = *law;
    r->spec.n_global_state += n;
    r->spec.n_obs += n;
    r->spec.n_critic += n;
}

/* ---- memory ---- */

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

/* ---- applying ---- */

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
