/* The keys of the rules, and building them. See rules.h. */
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
