/* The plant: a tile of independent simulations behind the plant's operations. */
#include "core/cluster/cluster.h"

#include "core/base/log.h"
#include "core/cluster/internal.h"

#define CLUSTER_DOUBLE(member, def, min, max, unit, doc)                                           \
    CFG_DOUBLE(struct cluster_cfg, member, def, min, max, unit, CFG_RESULT, doc)

static const struct cfg_choice client_choices[] = {
    {"open", CLIENT_OPEN, "arrivals come at the schedule's rate, whatever happens"},
    {"closed", CLIENT_CLOSED, "users think, send a request, and wait"},
    {NULL, 0, NULL},
};

#define CLIENT_DOUBLE(member, def, min, max, unit, doc)                                            \
    CFG_DOUBLE(struct client_cfg, member, def, min, max, unit, CFG_RESULT, doc)

static const struct cfg_field client_fields[] = {
    CFG_ENUM(struct client_cfg, kind, "open", client_choices, CFG_RESULT,
             "what makes a client send a request"),
    CFG_INT(struct client_cfg, users, "0", 0, 1000000, "", CFG_RESULT,
            "closed clients; 0 = rate of the schedule x (think_s + nominal_ms)"),
    CLIENT_DOUBLE(think_s, "1", 0.001, 86400, "s", "closed: mean think time between requests"),
    CLIENT_DOUBLE(nominal_ms, "100", 0, 1e6, "ms", "closed: the response users are numbered for"),
    CFG_INT(struct client_cfg, retries, "0", 0, 100, "", CFG_RESULT,
            "most attempts after the first one has failed"),
    CLIENT_DOUBLE(attempt_timeout_s, "0", 0, 3600, "s",
                  "a client abandons an attempt after this; 0 = after plant.timeout_s"),
    CLIENT_DOUBLE(backoff_s, "0.1", 0, 3600, "s", "wait before the first retry; doubles with each"),
    CLIENT_DOUBLE(backoff_max_s, "10", 0, 3600, "s", "up to here"),
    CLIENT_DOUBLE(jitter, "0.5", 0, 1, "", "part of each wait that is drawn uniformly"),
    CFG_INT(struct client_cfg, requests_max, "10000", 1, 1000000, "", CFG_RESULT,
            "requests remembered for retries; further ones have one attempt; also most users"),
    CFG_END,
};

#define LIVENESS_DOUBLE(member, def, min, max, unit, doc)                                          \
    CFG_DOUBLE(struct liveness_cfg, member, def, min, max, unit, CFG_RESULT | CFG_LATER, doc)

static const struct cfg_field liveness_fields[] = {
    LIVENESS_DOUBLE(coupling, "0", 0, 1, "",
                    "factor on the crash rate of a busy pod; 0 = liveness probes never fail"),
    LIVENESS_DOUBLE(timeout_s, "1", 0.001, 600, "s", "a probe fails if it takes longer"),
    LIVENESS_DOUBLE(period_s, "10", 0.1, 600, "s", "interval of the probes"),
    CFG_INT(struct liveness_cfg, failures, "3", 1, 100, "", CFG_RESULT | CFG_LATER,
            "probes in a row that fail before a container is restarted"),
    CFG_END,
};

const struct cfg_field cluster_fields[] = {
    CLUSTER_DOUBLE(start_s, "20", 1, 3600, "s", "mean start-up delay of a pod"),
    CLUSTER_DOUBLE(start_sd_s, "6", 0, 600, "s", "its standard deviation; no delay is below 1 s"),
    CLUSTER_DOUBLE(backoff_s, "10", 0.1, 3600, "s", "wait before the first restart after a crash"),
    CLUSTER_DOUBLE(backoff_max_s, "300", 0.1, 86400, "s", "the wait doubles up to here"),
    CLUSTER_DOUBLE(backoff_reset_s, "600", 0, 86400, "s", "running this long forgets crashes"),
    CLUSTER_DOUBLE(probe_delay_s, "0", 0, 3600, "s",
                   "first readiness probe after a pod's container begins to start"),
    CLUSTER_DOUBLE(probe_s, "0", 0, 600, "s",
                   "interval of the probes; 0 = ready as soon as it has started"),
    CLUSTER_DOUBLE(warm_s, "0", 0, 600, "s", "a pod works slower for so long after it is ready"),
    CLUSTER_DOUBLE(warm_factor, "1", 1, 100, "",
                   "on the CPU demand of calls begun when it gets ready; falls linearly to 1"),
    CLUSTER_DOUBLE(grace_s, "30", 0, 86400, "s",
                   "a removed pod may work on for so long (terminationGracePeriodSeconds)"),
    CFG_BOOL(struct cluster_cfg, deadline_propagation, "true", CFG_RESULT,
             "drop calls past their deadline when dequeued or about to call on"),
    CLUSTER_DOUBLE(bytes_per_call, "2048", 0, 1e9, "B", "network traffic of a call, each way"),
    CLUSTER_DOUBLE(ram_base_mib, "120", 0, 1e6, "MiB", "memory of a running pod without calls"),
    CLUSTER_DOUBLE(ram_call_mib, "1", 0, 1e4, "MiB", "memory of each call a pod holds"),
    CFG_TABLE(struct cluster_cfg, clients, client_fields, "legitimate clients"),
    CFG_TABLE(struct cluster_cfg, liveness, liveness_fields, "liveness probes of busy pods"),
    CFG_END,
};

/* ---- sizes ---- */

/* Visit numbers: a call's callees follow it in pre-order, so callee k stands behind the whole trees
 * of the callees before it. tree[s]: calls of one request from service s on. Services are visited
 * in reverse topological order, so the trees of all callees are complete. Modulo 2^32: in a graph
 * with more calls per request than that, numbers repeat, which only means equal draws. */
static enum err number_visits(struct sim_shared *w, struct arena *arena)
{
    const struct topology *t = w->topology;
    uint32_t *tree = ARENA_NEW(arena, t->n_services, uint32_t);
    uint32_t *step = ARENA_NEW(arena, t->callee_begin[t->n_services], uint32_t);
    TRY(arena_error(arena));
    for (int i = t->n_services - 1; i >= 0; i--) {
        int service = t->order[i];
        tree[service] = 1;
        for (int e = t->callee_begin[service]; e < t->callee_begin[service + 1]; e++) {
            step[e] = tree[service];
            tree[service] += tree[t->callee[e]];
        }
        w->tree_visits = w->tree_visits > tree[service] ? w->tree_visits : tree[service];
    }
    w->visit_step = step;
    return ERR_OK;
}

/* Rates look back over their windows, and over twice 10 s; scrapes younger than the lag wait.
 *
 * The newest scrape that a decision may see is lag_s old, so at most ceil(lag_s / scrape_s) newer
 * ones were taken, and at most `back` older ones are read: n_ring holds these, the newest itself
 * and a spare. Scrape 0 is taken `back` intervals and the lag before time 0, so at the first
 * decision all windows are full. The warm-up begins at least one interval before it. */
static void size_measurement(struct sim_shared *w)
{
    const struct plant_cfg *plant = w->plant;
    int64_t window = sim_scrapes_in(plant, plant->window_s);
    int64_t twice_ten = 2 * sim_scrapes_in(plant, 10.0);
    int64_t hpa = sim_scrapes_in(plant, plant->hpa_window_s);
    int64_t back = window > twice_ten ? window : twice_ten;
    back = back > hpa ? back : hpa;
    w->n_ring = (int)(back + (int64_t)ceil(plant->lag_s / plant->scrape_s)) + 2;
    w->scrape_from_s = -plant->lag_s - (double)back * plant->scrape_s;
    w->warm_s = ceil(-w->scrape_from_s + plant->scrape_s);
}

/* Twice max_replicas: a service may replace all its pods while the old ones drain. A pod holds at
 * most slots_per_pod + queue_per_pod calls, so the pool of calls cannot run out (call_new()). */
static enum err size_pools(struct sim_shared *w)
{
    const struct topology_cfg *cfg = w->topology->cfg;
    int64_t n_pods = 0;
    int64_t capacity = (int64_t)cfg->slots_per_pod + cfg->queue_per_pod;
    for (int i = 0; i < cfg->n_services; i++) {
        n_pods += 2 * (int64_t)cfg->services[i].max_replicas;
    }
    if (cfg->n_services > INT16_MAX || n_pods * capacity > INT32_MAX) {
        log_error("the cluster has room for %lld pods with %lld calls each; lower max_replicas, "
                  "slots_per_pod or queue_per_pod",
                  (long long)n_pods, (long long)capacity);
        return ERR_CONFIG;
    }
    w->n_pods = w->n_ready = (int)n_pods;
    w->capacity = (int)capacity;
    w->n_calls = (int)(n_pods * capacity);
    return ERR_OK;
}

/* Records for clients that need them. */
static enum err size_clients(struct sim_shared *w)
{
    const struct client_cfg *cfg = &w->cfg->clients;
    bool closed = cfg->kind == CLIENT_CLOSED;
    if (closed && cfg->users > cfg->requests_max) {
        log_error("cluster.clients: %d users do not fit requests_max = %d; raise it", cfg->users,
                  cfg->requests_max);
        return ERR_CONFIG;
    }
    bool always = closed || cfg->retries > 0 || cfg->attempt_timeout_s > 0.0;
    w->n_clients = always || cfg->storms ? cfg->requests_max : 0;
    w->storms_only = !always;
    return ERR_OK;
}

/* ---- operations ---- */

static enum err cluster_reset(struct plant *p, int lid, const struct episode_id *id,
                              const struct schedule *schedule, int horizon)
{
    struct cluster *c = (struct cluster *)p;
    CHECK(lid >= 0 && lid < p->n_env && horizon >= 0);
    if (horizon > c->max_horizon) {
        log_error("an episode of %d periods does not fit the cluster made for %d", horizon,
                  c->max_horizon);
        return ERR_MISMATCH;
    }
    sim_reset(&c->sims[lid], id, schedule, horizon);
    return ERR_OK;
}

static enum err cluster_pass(struct plant *p, const int32_t *delta,
                             const struct attack_action *attack, const uint8_t *active)
{
    struct cluster *c = (struct cluster *)p;
    for (int i = 0; i < p->n_env; i++) {
        if (active == NULL || active[i] != 0) {
            sim_step(&c->sims[i], delta + (size_t)i * (size_t)p->topology->n_services,
                     attack == NULL ? NULL : &attack[i]);
        }
    }
    return ERR_OK;
}

static const float *cluster_state(const struct plant *p, int lid)
{
    return ((const struct cluster *)p)->sims[lid].state;
}

/* Desired replicas are known at once, and the hpa_* columns say what metrics-server has; the rest
 * is as old as the newest scrape that did not fail. */
static const float *cluster_age(const struct plant *p, int lid)
{
    const struct cluster *c = (const struct cluster *)p;
    const struct sim *s = &c->sims[lid];
    static const enum service_feature hpa[] = {SF_HPA_READY, SF_HPA_IGNORED, SF_HPA_MISSING,
                                               SF_HPA_CPU};
    for (int i = 0; i < p->n_state; i++) {
        c->age[i] = (float)(s->now - s->observed_s);
    }
    for (int i = 0; i < p->topology->n_services; i++) {
        c->age[state_service_at(i, SF_DESIRED)] = 0.0F;
        for (size_t k = 0; k < sizeof hpa / sizeof *hpa; k++) {
            c->age[state_service_at(i, hpa[k])] = (float)p->cfg->lag_s;
        }
    }
    return c->age;
}

static double cluster_clock_s(const struct plant *p, int lid)
{
    return ((const struct cluster *)p)->sims[lid].now;
}

static const struct plant_truth *cluster_truth(const struct plant *p, int lid)
{
    return &((const struct cluster *)p)->sims[lid].truth;
}

static struct attack_budget cluster_attack_left(const struct plant *p, int lid)
{
    return ((const struct cluster *)p)->sims[lid].attacker.left;
}

static struct attack_answers cluster_attack_answers(const struct plant *p, int lid)
{
    return ((const struct cluster *)p)->sims[lid].attack_answers;
}

static const struct plant_cohort *cluster_cohorts(const struct plant *p, int lid, int *n)
{
    const struct sim *s = &((const struct cluster *)p)->sims[lid];
    *n = s->n_cohorts;
    return s->cohorts;
}

static const struct plant_ops cluster_ops = {
    .kind = "cluster",
    .reset = cluster_reset,
    .pass = cluster_pass,
    .state = cluster_state,
    .age = cluster_age,
    .clock_s = cluster_clock_s,
    .truth = cluster_truth,
    .attack_left = cluster_attack_left,
    .attack_answers = cluster_attack_answers,
    .cohorts = cluster_cohorts,
};

enum err cluster_new(struct plant **out, struct arena *arena, const struct cluster_cfg *cfg,
                     const struct plant_cfg *plant, const struct topology *topology, int n_env,
                     int max_horizon)
{
    arena_section(arena, "cluster");
    struct cluster *c = ARENA_NEW(arena, 1, struct cluster);
    TRY(arena_error(arena));
    c->plant = (struct plant){.ops = &cluster_ops,
                              .topology = topology,
                              .cfg = plant,
                              .n_env = n_env,
                              .n_state = state_size(topology->n_services),
                              .can = PLANT_EXACT | PLANT_COHORTS | PLANT_ATTACKED | PLANT_CRASHED |
                                     PLANT_DRIVEN | PLANT_REPEATS};
    c->max_horizon = max_horizon;
    c->shared = (struct sim_shared){.cfg = cfg, .plant = plant, .topology = topology};
    c->shared.least_loaded = topology->cfg->balancing == BALANCE_LEAST_LOADED;
    c->shared.n_cohorts = (int)ceil(max_horizon * plant->period_s / COHORT_S);
    TRY(size_pools(&c->shared));
    TRY(size_clients(&c->shared));
    TRY(number_visits(&c->shared, arena));
    size_measurement(&c->shared);
    c->sims = ARENA_NEW(arena, n_env, struct sim);
    c->age = ARENA_NEW(arena, c->plant.n_state, float);
    TRY(arena_error(arena));
    for (int i = 0; i < n_env; i++) {
        TRY(sim_init(&c->sims[i], arena, &c->shared));
    }
    *out = &c->plant;
    return ERR_OK;
}

uint64_t cluster_hops(const struct plant *p)
{
    const struct cluster *c = (const struct cluster *)p;
    uint64_t hops = 0;
    for (int i = 0; i < p->n_env; i++) {
        hops += c->sims[i].hops;
    }
    return hops;
}

bool cluster_consistent(const struct plant *p)
{
    const struct cluster *c = (const struct cluster *)p;
    for (int i = 0; i < p->n_env; i++) {
        if (!sim_consistent(&c->sims[i])) {
            return false;
        }
    }
    return true;
}
