/* The attacker's memory, what it sees, and what it is paid. See attacker_interface.h.
 *
 * Global state = [ response time | errors | state, if it sees all ][ load, crash probability of
 * each entry | requests left | crashes left | time | last change of load, of data ], then with the
 * kind loris [ connections of each entry | connections left | last change ], and with the kind cost
 * [ factor | work left | last change ]. The first bracket is normalised; the numbers of the others
 * lie within a few units by construction. */
#include "core/game/attacker_interface.h"

#include "core/base/fmath.h"
#include "core/plant/schema.h"
#include "core/scenario/attacker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Columns that do not depend on the topology: always, with loris, with cost. */
enum { MEASURES = 2, OWN = 5, OWN_LORIS = 2, OWN_COST = 3 };

static const struct cfg_choice kinds[] = {
    {"rate", ATTACKER_RATE, "requests on top of the legitimate ones"},
    {"crash", ATTACKER_CRASH, "a crash probability of the pods of an entry's service"},
    {"loris", ATTACKER_LORIS, "connections that hold worker slots of an entry's service"},
    {"cost", ATTACKER_COST, "requests that need more CPU than legitimate ones; needs rate"},
    {NULL, 0, NULL},
};
const struct cfg_choice attacker_views[] = {
    {"blind", ATTACKER_BLIND, "what it did, and what its own requests experience"},
    {"probe", ATTACKER_PROBE, "response time and errors at all times, as anyone can measure them"},
    {"full", ATTACKER_FULL, "the measured state of the defenders, too"},
    {NULL, 0, NULL},
};
const struct cfg_choice attacker_rewards[] = {
    {"zero_sum", ATTACKER_ZERO_SUM, "minus the common reward of the defenders"},
    {"damage", ATTACKER_DAMAGE, "legitimate requests not answered in time, per unit of budget"},
    {NULL, 0, NULL},
};

const struct cfg_field attacker_fields[] = {
    CFG_LIST_ENUM(struct attacker_cfg, kinds, n_kinds, int, kinds, "[rate, crash]", 1,
                  ATTACKER_KINDS, CFG_RESULT | CFG_LATER, "what it may do"),
    CFG_LIST_STRING(struct attacker_cfg, entries, n_entries, "[]", 0, 64, CFG_RESULT | CFG_LATER,
                    "entries that it may aim at; none = every one"),
    CFG_ENUM(struct attacker_cfg, view, "probe", attacker_views, CFG_RESULT | CFG_LATER,
             "what it sees"),
    CFG_ENUM(struct attacker_cfg, reward, "zero_sum", attacker_rewards, CFG_RESULT | CFG_LATER,
             "what it is paid"),
    CFG_LIST_INT(struct attacker_cfg, hidden, n_hidden, "[64, 64]", 1, 8, 1, 4096, "units",
                 CFG_RESULT | CFG_LATER, "hidden layers of its actor and of its critic"),
    CFG_DOUBLE(struct attacker_cfg, lr, "0.001", 0, 1, "", CFG_RESULT | CFG_LATER,
               "Adam step size at the start; the other settings are those of mappo"),
    CFG_DOUBLE(struct attacker_cfg, lr_end, "0.0001", 0, 1, "", CFG_RESULT | CFG_LATER,
               "the same at the end"),
    CFG_DOUBLE(struct attacker_cfg, entropy, "0.01", 0, 10, "", CFG_RESULT | CFG_LATER,
               "weight of the entropy, per factor"),
    CFG_PATH(struct attacker_cfg, policy, "", CFG_RESULT | CFG_LATER,
             "policy file of a trained attacker, for train.opponent: fixed"),
    CFG_LIST_PATH(
        struct attacker_cfg, members, n_members, "[]", 0, 1000, CFG_RESULT | CFG_LATER,
        "policy files of trained attackers, for train.opponent: population; an empty name "
        "is an attacker that does nothing"),
    CFG_LIST_DOUBLE(struct attacker_cfg, shares, n_shares, "[]", 0, 1000, 0, 1e9, "",
                    CFG_RESULT | CFG_LATER,
                    "how often each of them is drawn, in any unit; none = all alike"),
    CFG_END,
};

/* What it remembers of an episode. */
struct raid {
    double *load;  /* (n_entries) requests/s */
    double *crash; /* (n_entries) probability per pod and minute */
    double *conns; /* (n_entries) new connections/s */
    double cost;   /* CPU of its requests / of legitimate ones */
    struct attack_budget all, left;
    double nominal_rps; /* of the episode, as its budget tells; 0: it has neither requests nor
                           connections */
    double latency_ms, errors;
    struct attack_action last;
    int step; /* states observed */
    double reward, periods;
};

static const struct attacker_interface *self(const struct interface *i)
{
    return (const struct attacker_interface *)(const void *)i;
}

static int n_entries(const struct attacker_interface *a)
{
    return a->env_setup->topology.n_entries;
}

/* ---- an episode ---- */

static enum err raid_new(void **out, struct arena *arena, const struct interface *i)
{
    struct raid *r = ARENA_NEW(arena, 1, struct raid);
    const int n = n_entries(self(i));
    double *rows = ARENA_NEW(arena, 3 * n, double);
    TRY(arena_error(arena));
    r->load = rows;
    r->crash = rows + n;
    r->conns = rows + 2 * (ptrdiff_t)n;
    *out = r;
    return ERR_OK;
}

static void raid_begin(void *memory, const struct interface *i, const struct episode_id *id,
                       uint32_t gid)
{
    struct raid *r = memory;
    const struct raid before = *r;
    (void)id;
    (void)gid;
    *r = (struct raid){
        .load = before.load, .crash = before.crash, .conns = before.conns, .cost = 1.0};
    memset(r->load, 0, 3 * sizeof *r->load * (size_t)n_entries(self(i)));
}

/* The first state of an episode: nothing was spent, so the budget is whole. Its requests, or else
 * its connections, are a multiple of the legitimate requests of the episode, which tells their
 * rate. */
static void look_first(struct raid *r, const struct attacker_interface *a,
                       const struct attack_budget *left)
{
    const struct plant_cfg *plant = a->env_setup->cfg.plant;
    r->all = *left;
    r->nominal_rps = 0.0;
    if (plant->attack_requests > 0.0) {
        r->nominal_rps = left->requests / (plant->attack_requests * a->env_setup->n_seconds);
    } else if (plant->attack_connections > 0.0) {
        r->nominal_rps = left->connections / (plant->attack_connections * a->env_setup->n_seconds);
    }
}

/* Rates of entries, cut alike to what was paid in the period. */
static void cut_to(double *rps, int n, double paid, double period_s)
{
    double wanted = 0.0;
    for (int e = 0; e < n; e++) {
        wanted += rps[e];
    }
    for (int e = 0; e < n; e++) {
        rps[e] *= wanted > 0.0 ? paid / period_s / wanted : 0.0;
    }
}

/* What the last period cost tells what of the action was carried out. Rates of all entries are
 * taken to be cut alike, which is so but at ATTACK_MAX and at the cap of connections; a rise of the
 * crash probability by p costs p x ATTACK_DECAY_MIN; additional CPU is (factor - 1) x requests, and
 * tells nothing while none are sent. */
static void account(struct raid *r, const struct attacker_interface *a,
                    const struct attack_budget *left)
{
    const double period_s = a->env_setup->cfg.plant->period_s;
    const double sent = r->left.requests - left->requests;
    const double decay = fm_exp(-0.69314718055994531 * period_s / ATTACK_HALF_LIFE_S);
    cut_to(r->load, n_entries(a), sent, period_s);
    cut_to(r->conns, n_entries(a), r->left.connections - left->connections, period_s);
    r->cost = sent > 0.0 ? 1.0 + (r->left.work - left->work) / sent : r->cost;
    r->crash[r->last.entry] += (r->left.crashes - left->crashes) / ATTACK_DECAY_MIN;
    for (int e = 0; e < n_entries(a); e++) {
        r->crash[e] *= decay;
    }
}

/* What it experiences: blind, its own requests; else all. Where its own are not counted apart, it
 * sees nothing in a period in which it sends nothing. */
static struct attack_answers experience(const struct attacker_interface *a,
                                        const struct sight *sight, bool sent)
{
    const struct plant_truth *t = plant_truth(sight->plant, sight->lid);
    if (a->cfg->view != ATTACKER_BLIND) {
        return (struct attack_answers){t->answered, t->failed, t->latency_sum_ms};
    }
    return sent || sight->plant->ops->attack_answers != NULL
               ? plant_attack_answers(sight->plant, sight->lid)
               : (struct attack_answers){0};
}

static void measure(struct raid *r, const struct attacker_interface *a, const struct sight *sight,
                    bool sent)
{
    const struct attack_answers own = experience(a, sight, sent);
    const double resolved = own.answered + own.failed;
    const double worst_ms = 1000.0 * a->env_setup->cfg.plant->timeout_s;
    r->errors = resolved > 0.0 ? own.failed / resolved : 0.0;
    r->latency_ms = !(resolved > 0.0)    ? 0.0
                    : own.answered > 0.0 ? own.latency_sum_ms / own.answered
                                         : worst_ms;
}

static void raid_observe(void *memory, const struct interface *i, const struct sight *sight)
{
    struct raid *r = memory;
    const struct attacker_interface *a = self(i);
    const struct attack_budget left = plant_attack_left(sight->plant, sight->lid);
    if (r->step == 0) {
        look_first(r, a, &left);
    } else {
        account(r, a, &left);
        measure(r, a, sight, r->left.requests > left.requests);
    }
    r->left = left;
    r->step++;
}

static uint32_t bits(int n)
{
    return (1U << n) - 1U;
}

/* A factor that the attacker has: all its n choices while there is a budget, else the one that does
 * nothing. */
static void fill_factor(uint32_t *mask, const struct attacker_interface *a, int factor, double left,
                        int n, int nothing)
{
    static const enum attacker_kind kind_of[ATTACKER_FACTORS_MAX] = {
        [ATTACKER_LOAD] = ATTACKER_RATE,
        [ATTACKER_DATA] = ATTACKER_CRASH,
        [ATTACKER_CONNS] = ATTACKER_LORIS,
        [ATTACKER_COSTS] = ATTACKER_COST,
    };
    if (a->factor_at[factor] >= 0) {
        mask[a->factor_at[factor] * env_mask_words(&a->spec)] =
            a->has[kind_of[factor]] && left > 0.0 ? bits(n) : 1U << nothing;
    }
}

/* One factor after the other, each of as many words. */
static void fill_mask(uint32_t *mask, const struct raid *r, const struct attacker_interface *a)
{
    memset(mask, 0, (size_t)(a->spec.n_factors * env_mask_words(&a->spec)) * sizeof *mask);
    for (int e = 0; e < n_entries(a); e++) {
        mask[e / 32] |= a->may_aim[e] ? 1U << (e % 32) : 0U;
    }
    fill_factor(mask, a, ATTACKER_LOAD, r->left.requests, ATTACKER_LOAD_CHOICES, ATTACKER_STAND);
    fill_factor(mask, a, ATTACKER_DATA, r->left.crashes, ATTACKER_DATA_CHOICES, 0);
    fill_factor(mask, a, ATTACKER_CONNS, r->left.connections, ATTACKER_LOAD_CHOICES,
                ATTACKER_STAND);
    fill_factor(mask, a, ATTACKER_COSTS, r->left.work, ATTACKER_COST_CHOICES, ATTACKER_SAME);
}

static double share(double part, double whole)
{
    return whole > 0.0 ? part / whole : 0.0;
}

static void raid_global_state(float *global_state, uint32_t *mask, const void *memory,
                              const struct interface *i, const struct sight *sight)
{
    const struct raid *r = memory;
    const struct attacker_interface *a = self(i);
    float *at = global_state;
    *at++ = (float)r->latency_ms;
    *at++ = (float)r->errors;
    if (a->cfg->view == ATTACKER_FULL) {
        const int n = state_size(a->env_setup->topology.n_services);
        memcpy(at, sight->state, sizeof *at * (size_t)n);
        at += n;
    }
    for (int e = 0; e < n_entries(a); e++) {
        *at++ = (float)share(r->load[e], r->nominal_rps);
        *at++ = (float)(r->crash[e] / ATTACK_CRASH_MAX);
    }
    *at++ = (float)share(r->left.requests, r->all.requests);
    *at++ = (float)share(r->left.crashes, r->all.crashes);
    *at++ = (float)(r->step - 1) / (float)a->env_setup->cfg.horizon;
    *at++ = (float)r->last.rate_change / ATTACKER_STAND;
    *at++ = (float)r->last.data_change / (ATTACKER_DATA_CHOICES - 1);
    if (a->has[ATTACKER_LORIS]) {
        for (int e = 0; e < n_entries(a); e++) {
            *at++ = (float)share(r->conns[e], r->nominal_rps);
        }
        *at++ = (float)share(r->left.connections, r->all.connections);
        *at++ = (float)r->last.conn_change / ATTACKER_STAND;
    }
    if (a->has[ATTACKER_COST]) {
        *at++ = (float)((r->cost - 1.0) / (ATTACK_COST_MAX - 1.0));
        *at++ = (float)share(r->left.work, r->all.work);
        *at++ = (float)r->last.cost_change;
    }
    CHECK(at == global_state + a->spec.n_global_state);
    fill_mask(mask, r, a);
}

static void raid_apply(struct game_move *move, void *memory, const struct interface *i,
                       const struct sight *sight, const int32_t *action)
{
    struct raid *r = memory;
    const struct attacker_interface *a = self(i);
    const int conns = a->factor_at[ATTACKER_CONNS], costs = a->factor_at[ATTACKER_COSTS];
    (void)sight;
    r->last = (struct attack_action){
        .entry = action[ATTACKER_ENTRY],
        .rate_change = action[ATTACKER_LOAD] - ATTACKER_STAND,
        .data_change = action[ATTACKER_DATA],
        .conn_change = conns >= 0 ? action[conns] - ATTACKER_STAND : 0,
        .cost_change = costs >= 0 ? action[costs] - ATTACKER_SAME : 0,
    };
    double *load = &r->load[r->last.entry], *conn = &r->conns[r->last.entry];
    *load = fmax(*load + r->last.rate_change * ATTACK_NOTCH * r->nominal_rps, 0.0);
    *conn = fmax(*conn + r->last.conn_change * ATTACK_CONN_NOTCH * r->nominal_rps, 0.0);
    if (r->last.cost_change != 0) {
        r->cost = r->last.cost_change > 0 ? fmin(2.0 * r->cost, ATTACK_COST_MAX)
                                          : fmax(0.5 * r->cost, 1.0);
    }
    move->attack = r->last;
}

/* ---- what it is paid ---- */

/* Legitimate requests of the period that were not answered in time; an answer may belong to a
 * request of the period before, so the estimate is not below 0. */
static double missed(const struct plant_truth *t)
{
    const double in_time = t->answered > 0.0 ? t->compliant * t->answered_legit / t->answered : 0.0;
    return fmax(t->received_legit - in_time, 0.0);
}

static double damage(const struct raid *r, const struct attacker_interface *a,
                     const struct plant_truth *t)
{
    const struct env_setup_cfg *cfg = &a->env_setup->cfg;
    const double unit = r->all.requests > 0.0 ? r->all.requests / cfg->horizon
                                              : cfg->workload->mean_rps * cfg->plant->period_s;
    return missed(t) / unit;
}

static void raid_reward(float *reward, void *memory, const struct interface *i,
                        const struct sight *sight, const struct reward_terms *terms)
{
    struct raid *r = memory;
    const struct attacker_interface *a = self(i);
    const double paid = a->cfg->reward == ATTACKER_ZERO_SUM
                            ? -terms->reward
                            : damage(r, a, plant_truth(sight->plant, sight->lid));
    reward[0] = (float)paid;
    r->reward += paid;
    r->periods += 1.0;
}

/* Those of an attacker with the kinds loris, cost, or neither, or both: the last rows may be left
 * out, and with cost alone the row of connections. */
static const char *const stat_names[] = {"attacker.requests_spent", "attacker.crashes_spent",
                                         "attacker.reward", "attacker.connections_spent",
                                         "attacker.work_spent"};
static const char *const cost_stat_names[] = {"attacker.requests_spent", "attacker.crashes_spent",
                                              "attacker.reward", "attacker.work_spent"};
enum { STATS = 3 }; /* of the kinds of the paper */

/* A budget that is empty from the start has no share that was spent. */
static double spent(double left, double all)
{
    return all > 0.0 ? 1.0 - left / all : (double)NAN;
}

static void raid_finish(double *stats, void *memory, const struct interface *i)
{
    const struct raid *r = memory;
    const struct attacker_interface *a = self(i);
    int n = 0;
    stats[n++] = spent(r->left.requests, r->all.requests);
    stats[n++] = spent(r->left.crashes, r->all.crashes);
    stats[n++] = r->reward / r->periods;
    if (a->has[ATTACKER_LORIS]) {
        stats[n++] = spent(r->left.connections, r->all.connections);
    }
    if (a->has[ATTACKER_COST]) {
        stats[n++] = spent(r->left.work, r->all.work);
    }
    CHECK(n == i->n_stats);
}

static const struct interface_ops raid_ops = {.name = "attacker",
                                              .memory = raid_new,
                                              .begin = raid_begin,
                                              .observe = raid_observe,
                                              .global_state = raid_global_state,
                                              .apply = raid_apply,
                                              .reward = raid_reward,
                                              .finish = raid_finish};

/* ---- what cannot be ---- */

static bool has_kind(const struct attacker_cfg *cfg, enum attacker_kind kind)
{
    bool has = false;
    for (int k = 0; k < cfg->n_kinds; k++) {
        has = has || cfg->kinds[k] == (int)kind;
    }
    return has;
}

static enum err check_kinds(const struct attacker_cfg *cfg, const struct cfg *src_locs)
{
    for (int k = 0; k < cfg->n_kinds; k++) {
        for (int other = 0; other < k; other++) {
            if (cfg->kinds[other] == cfg->kinds[k]) {
                return plant_cfg_error(src_locs, "attacker.kinds", "has '%s' twice; leave one out",
                                       kinds[cfg->kinds[k]].name);
            }
        }
    }
    if (has_kind(cfg, ATTACKER_COST) && !has_kind(cfg, ATTACKER_RATE)) {
        return plant_cfg_error(src_locs, "attacker.kinds",
                               "has 'cost' but not 'rate', so the attacker has no requests that "
                               "could be costly; add 'rate'");
    }
    return ERR_OK;
}

/* Each kind has a budget of its own. */
static enum err check_budget(const struct attacker_interface *a, const struct cfg *src_locs)
{
    const struct plant_cfg *plant = a->env_setup->cfg.plant;
    const struct {
        const char *key;
        double budget;
    } rows[ATTACKER_KINDS] = {
        [ATTACKER_RATE] = {"plant.attack_requests", plant->attack_requests},
        [ATTACKER_CRASH] = {"plant.attack_crashes", plant->attack_crashes},
        [ATTACKER_LORIS] = {"plant.attack_connections", plant->attack_connections},
        [ATTACKER_COST] = {"plant.attack_work", plant->attack_work},
    };
    for (int k = 0; k < ATTACKER_KINDS; k++) {
        if (a->has[k] && !(rows[k].budget > 0.0)) {
            return plant_cfg_error(src_locs, rows[k].key,
                                   "is 0, so an attacker with the kind '%s' (attacker.kinds) has "
                                   "no budget; set it above 0, or leave '%s' out",
                                   kinds[k].name, kinds[k].name);
        }
    }
    return ERR_OK;
}

static enum err check_twin(const struct attacker_interface *a, const struct cfg *src_locs)
{
    const struct env_setup *w = a->env_setup;
    if (env_setup_training_plant(w) != PLANT_KIND_TWIN) {
        return ERR_OK;
    }
    for (int k = 0; k < ATTACKER_KINDS; k++) {
        if (k != ATTACKER_RATE && a->has[k]) {
            return plant_cfg_error(src_locs, "attacker.kinds",
                                   "has '%s', which the twin %s cannot represent: it is told the "
                                   "offered load alone; leave it out, or train on the simulator "
                                   "(twin.file: '')",
                                   kinds[k].name, w->cfg.twin->file);
        }
    }
    if (w->topology.n_entries > 1) {
        return plant_cfg_error(src_locs, "twin.file",
                               "is %s, which cannot represent an attack on one of %d entries: it "
                               "is told the load of all entries together; train on the simulator "
                               "(twin.file: '')",
                               w->cfg.twin->file, w->topology.n_entries);
    }
    return ERR_OK;
}

static int entry_of(const struct topology *t, const char *name)
{
    for (int e = 0; e < t->n_entries; e++) {
        if (strcmp(t->cfg->services[t->entries[e]].name, name) == 0) {
            return e;
        }
    }
    return -1;
}

static enum err aim(struct attacker_interface *a, const struct cfg *src_locs)
{
    const struct topology *t = &a->env_setup->topology;
    for (int e = 0; e < t->n_entries; e++) {
        a->may_aim[e] = a->cfg->n_entries == 0;
    }
    for (int i = 0; i < a->cfg->n_entries; i++) {
        const int e = entry_of(t, a->cfg->entries[i]);
        if (e < 0) {
            return plant_cfg_error(src_locs, "attacker.entries",
                                   "has '%s', which is no entry of the topology; an entry is a "
                                   "service with entry: true, such as '%s'",
                                   a->cfg->entries[i], t->cfg->services[t->entries[0]].name);
        }
        a->may_aim[e] = true;
    }
    return ERR_OK;
}

/* ---- shape ---- */

/* Actor and critic see all of the global state. */
static void see_all(const void *ctx, float *out, const float *global_state)
{
    const struct attacker_interface *a = ctx;
    memcpy(out, global_state, sizeof *out * (size_t)a->spec.n_global_state);
}

static void see(const void *ctx, float *obs, int agent, const float *global_state)
{
    (void)agent;
    see_all(ctx, obs, global_state);
}

static const char *const agent_names[] = {"attacker"};

/* The paper's three factors always, the others with their kinds. Returns how many. */
static int number_factors(struct attacker_interface *a)
{
    int n = 0;
    for (int f = 0; f < ATTACKER_FACTORS_MAX; f++) {
        const bool missing = (f == ATTACKER_CONNS && !a->has[ATTACKER_LORIS]) ||
                             (f == ATTACKER_COSTS && !a->has[ATTACKER_COST]);
        a->factor_at[f] = missing ? -1 : n++;
    }
    return n;
}

static struct team_spec shape(struct attacker_interface *a)
{
    const int entries = n_entries(a);
    const bool full = a->cfg->view == ATTACKER_FULL;
    const int n_norm = MEASURES + (full ? state_size(a->env_setup->topology.n_services) : 0);
    const int n = n_norm + 2 * entries + OWN + (a->has[ATTACKER_LORIS] ? entries + OWN_LORIS : 0) +
                  (a->has[ATTACKER_COST] ? OWN_COST : 0);
    return (struct team_spec){
        .name = "attacker",
        .n_agents = 1,
        .n_global_state = n,
        .n_norm = n_norm,
        .n_obs = n,
        .n_critic = n,
        .n_factors = number_factors(a),
        .n_choices = entries > ATTACKER_LOAD_CHOICES ? entries : ATTACKER_LOAD_CHOICES,
        .agent_names = agent_names,
        .ctx = a,
        .obs = see,
        .critic = see_all,
    };
}

enum err attacker_interface_init(struct attacker_interface *a, struct arena *arena,
                                 const struct attacker_cfg *cfg, const struct env_setup *env_setup,
                                 const struct cfg *src_locs)
{
    *a = (struct attacker_interface){
        .cfg = cfg,
        .env_setup = env_setup,
        .may_aim = ARENA_NEW(arena, env_setup->topology.n_entries, bool),
    };
    for (int k = 0; k < ATTACKER_KINDS; k++) {
        a->has[k] = has_kind(cfg, (enum attacker_kind)k);
    }
    TRY(arena_error(arena));
    TRY(check_kinds(cfg, src_locs));
    TRY(check_budget(a, src_locs));
    TRY(check_twin(a, src_locs));
    TRY(aim(a, src_locs));
    a->spec = shape(a);
    a->interface = (struct interface){
        .ops = &raid_ops,
        .spec = &a->spec,
        .attacks = true,
        .n_stats = STATS + a->has[ATTACKER_LORIS] + a->has[ATTACKER_COST],
        .stat_names = a->has[ATTACKER_LORIS] ? stat_names : cost_stat_names,
    };
    return ERR_OK;
}

/* Service columns stand service by service, those of the whole behind them (schema.h). */
static void name_state(const char **names, const struct topology *t, struct arena *arena)
{
    for (int s = 0; s < t->n_services; s++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            names[state_service_at(s, (enum service_feature)f)] = arena_printf(
                arena, "%s.%s", t->cfg->services[s].name, service_feature_info[f].name);
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        names[state_global_at(t->n_services, (enum global_feature)f)] = global_feature_info[f].name;
    }
}

const char *const *attacker_interface_columns(const struct attacker_interface *a,
                                              struct arena *arena)
{
    const char **names = ARENA_NEW(arena, a->spec.n_norm, const char *);
    if (names == NULL) {
        return NULL;
    }
    names[0] = "response time";
    names[1] = "errors";
    if (a->spec.n_norm > MEASURES) {
        name_state(names + MEASURES, &a->env_setup->topology, arena);
    }
    for (int i = 0; i < a->spec.n_norm; i++) {
        if (names[i] == NULL) {
            return NULL;
        }
    }
    return names;
}
