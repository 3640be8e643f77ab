/* Random configurations: generated call graphs, sizes, loads, faults, clients and treatments, all
 * drawn from the number of the configuration; whatever they are, the invariants hold.
 *
 *   CONFIGS=10000 build/default/tests/unit/test_cluster_random_configs    more than the usual 100
 *   FIRST=4711 CONFIGS=1 ...                                      that one again
 */
#include "core/plant/topology_gen.h"
#include "tests/unit/cluster_fixture.h"

#include <math.h>

enum { PERIODS = 12, SERVICES_MAX = 16, USUAL = 100 };

struct root {
    struct topology_cfg topology;
};
static const struct cfg_field ROOT[] = {
    CFG_TABLE(struct root, topology, topology_fields, "services and node"),
    CFG_END,
};

/* Draws come in the order in which the configuration is described. */
struct dice {
    uint32_t config, n;
};

static uint32_t below(struct dice *d, uint32_t n)
{
    struct rng_key key = rng_key(20251126, RNG_TEST, RNG_DEV);
    return rng_below(rng_philox(key, d->n++, d->config, 0, 0).v[0], n);
}

static double between(struct dice *d, double least, double most)
{
    return least + (most - least) * below(d, 1001) / 1000.0;
}

static bool chance(struct dice *d, uint32_t percent)
{
    return below(d, 100) < percent;
}

struct random_config {
    struct cluster_fixture w; /* its own services are not used */
    struct root root;
    struct cfg reader;
    double rate_rps;
};

/* ---- a configuration ---- */

static void draw_topology(struct random_config *r, struct dice *d)
{
    struct arena *arena = &r->w.arena;
    const struct topology_gen gen = {(enum topology_shape)below(d, SHAPES),
                                     4 + (int)below(d, SERVICES_MAX - 3), d->config, r->rate_rps};
    struct buf text;
    buf_init(&text);
    assert_int_equal(topology_generate(&text, &gen), ERR_OK);
    assert_int_equal(buf_append(&text, "", 1), ERR_OK);
    cfg_init(&r->reader, ROOT, sizeof r->root, arena);
    assert_int_equal(
        cfg_load_text(&r->reader, "config", (const char *)text.data, NULL, 0, &r->root), ERR_OK);
    buf_release(&text);
    struct topology_cfg *cfg = &r->root.topology;
    cfg->slots_per_pod = 1 + (int)below(d, 12);
    cfg->queue_per_pod = (int)below(d, 20);
    cfg->limit_ratio = chance(d, 50) ? 1.0 : between(d, 1.0, 4.0);
    cfg->demand_scale = between(d, 0.5, 1.5);
    cfg->balancing = (enum balancing)below(d, 2);
    for (int s = 0; s < cfg->n_services; s++) {
        struct service_cfg *c = &cfg->services[s];
        c->fan_out = (enum fan_out)below(d, 3);
        c->service_time = (enum work_kind)below(d, 3);
        c->cv = between(d, 0.0, 3.0);
        c->max_replicas = c->initial_replicas + (int)below(d, 3);
    }
}

static void draw_cluster(struct cluster_cfg *c, struct dice *d)
{
    c->start_s = between(d, 1.0, 40.0);
    c->start_sd_s = between(d, 0.0, 10.0);
    c->backoff_max_s = between(d, 10.0, 300.0);
    c->probe_delay_s = between(d, 0.0, 20.0);
    c->probe_s = chance(d, 50) ? 0.0 : between(d, 1.0, 20.0);
    c->warm_s = chance(d, 50) ? 0.0 : between(d, 1.0, 60.0);
    c->warm_factor = between(d, 1.0, 4.0);
    c->grace_s = between(d, 0.0, 30.0);
    c->deadline_propagation = chance(d, 50);
    c->clients.kind = chance(d, 30) ? CLIENT_CLOSED : CLIENT_OPEN;
    c->clients.users = chance(d, 50) ? 0 : (int)below(d, 40);
    c->clients.think_s = between(d, 0.05, 3.0);
    c->clients.nominal_ms = between(d, 0.0, 500.0);
    c->clients.retries = chance(d, 30) ? 0 : (int)below(d, 6);
    c->clients.attempt_timeout_s = chance(d, 30) ? 0.0 : between(d, 0.05, 3.0);
    c->clients.backoff_s = chance(d, 20) ? 0.0 : between(d, 0.01, 1.0);
    c->clients.backoff_max_s = between(d, 0.0, 3.0);
    c->clients.jitter = between(d, 0.0, 1.0);
    c->clients.requests_max = 40 + (int)below(d, 2000);
}

static void draw_load(struct random_config *r, struct dice *d)
{
    struct cluster_fixture *w = &r->w;
    int from = (int)below(d, 120), to = from + (int)below(d, 60);
    fixture_rate(w, 0, FIXTURE_SECONDS, r->rate_rps, 0);
    fixture_rate(w, from, to, r->rate_rps * between(d, 0.0, 5.0),
                 r->rate_rps * between(d, 0.0, 5.0));
    for (int i = (int)below(d, 3); i > 0; i--) {
        static const enum event_kind kinds[] = {EVENT_CRASH, EVENT_SLOW, EVENT_NEIGHBOUR};
        static const double most[] = {0.9, 5.0, 0.9};
        uint32_t k = below(d, 3);
        int target = k == 2 ? -1 : (int)below(d, (uint32_t)w->topology.n_services + 1) - 1;
        fixture_event(w, kinds[k], target, between(d, 0.0, 100.0), between(d, 1.0, 100.0),
                      k == 1 ? between(d, 1.0, most[k]) : between(d, 0.0, most[k]));
    }
}

/* Behind all other draws, so that the configurations with known numbers stay what they are. */
static void draw_storm(struct random_config *r, struct dice *d)
{
    if (chance(d, 25)) {
        r->w.cluster_cfg.clients.storms = true;
        fixture_event(&r->w, EVENT_RETRY_STORM, -1, between(d, 0.0, 100.0), between(d, 1.0, 100.0),
                      between(d, 0.1, 4.0));
    }
}

/* The other kinds, in half of the configurations; attack requests may need more CPU than others. */
static void draw_more(struct random_config *r, struct dice *d)
{
    static const struct {
        enum event_kind kind;
        double least, most;
    } kinds[] = {{EVENT_LORIS, 0.05, 1.0},
                 {EVENT_NET_LOSS, 0.0, 0.5},
                 {EVENT_CRASH_ALL, 0.1, 1.0},
                 {EVENT_METRIC_OUTAGE, 0.3, 1.0},
                 {EVENT_SLOW_NODE, 1.0, 4.0}};
    struct schedule *s = &r->w.schedule;
    s->mean_rps = r->rate_rps;
    for (int i = chance(d, 50) ? 1 + (int)below(d, 3) : 0; i > 0; i--) {
        uint32_t k = below(d, sizeof kinds / sizeof *kinds);
        int target = (int)below(d, (uint32_t)r->w.topology.n_services + 1) - 1;
        fixture_event(&r->w, kinds[k].kind, target, between(d, 0.0, 100.0), between(d, 1.0, 100.0),
                      between(d, kinds[k].least, kinds[k].most));
        s->events[s->n_events - 1].hold_s = between(d, 0.5, 20.0);
        s->events[s->n_events - 1].callee = -1;
    }
    double excess = chance(d, 30) ? between(d, 0.0, 8.0) : 0.0;
    for (int t = 0; t < s->n_seconds; t++) {
        s->attack_excess[t] = (float)excess;
    }
}

/* Liveness probes that busy pods fail, in a quarter of the configurations; behind all others. */
static void draw_liveness(struct random_config *r, struct dice *d)
{
    if (chance(d, 25)) {
        r->w.cluster_cfg.liveness = (struct liveness_cfg){.coupling = between(d, 0.1, 1.0),
                                                          .timeout_s = between(d, 0.01, 1.0),
                                                          .period_s = between(d, 1.0, 10.0),
                                                          .failures = 1 + (int)below(d, 3)};
    }
}

static void config_draw(struct random_config *r, uint32_t number)
{
    struct dice d = {number, 0};
    fixture_diamond(&r->w);
    arena_init(&r->w.arena);
    r->rate_rps = between(&d, 5.0, 60.0);
    draw_topology(r, &d);
    draw_cluster(&r->w.cluster_cfg, &d);
    r->w.plant_cfg.timeout_s = between(&d, 0.2, 10.0);
    r->w.id.episode = number;
    struct cluster_fixture *w = &r->w;
    assert_int_equal(topology_init(&w->topology, &w->arena, &r->root.topology, NULL), ERR_OK);
    assert_int_equal(schedule_init(&w->schedule, &w->arena, FIXTURE_SECONDS), ERR_OK);
    w->schedule.n_seconds = FIXTURE_SECONDS;
    w->schedule.onset_s = -1.0;
    w->schedule.node_cpu_m = r->root.topology.node_cpu_m;
    draw_load(r, &d);
    draw_storm(r, &d);
    draw_more(r, &d);
    draw_liveness(r, &d);
    assert_int_equal(
        cluster_new(&w->plant, &w->arena, &w->cluster_cfg, &w->plant_cfg, &w->topology, 1, PERIODS),
        ERR_OK);
}

/* ---- its invariants ---- */

/* CPU that the neighbours left in a period, m: they are asked once a tick. */
static double left_m(const struct random_config *r, int period)
{
    double from_s = period * r->w.plant_cfg.period_s, neighbours_m = 0.0;
    int ticks = (int)(r->w.plant_cfg.period_s * SIM_TICKS_PER_S);
    for (int i = 0; i < ticks; i++) {
        neighbours_m += schedule_neighbour_m(&r->w.schedule, from_s + (double)i / SIM_TICKS_PER_S);
    }
    return r->root.topology.node_cpu_m - neighbours_m / ticks;
}

static bool truth_holds(const struct random_config *r, const struct plant_truth *t, double inflight)
{
    const struct client_cfg *clients = &r->w.cluster_cfg.clients;
    return t->received == t->answered + t->failed + t->inflight - inflight &&
           t->compliant <= t->answered && t->answered_legit <= t->answered &&
           t->received_legit <= t->received && t->inflight >= 0.0 &&
           (clients->retries > 0 || clients->storms || t->retries == 0.0) &&
           t->requested_m_mean <= r->root.topology.node_cpu_m + 1e-6 &&
           t->pods_failed_mean <= t->pods_deployed_mean + 1e-9 &&
           t->entry_available_mean <= 1.0 + 1e-9 && t->service_available_mean <= 1.0 + 1e-9;
}

static bool cohorts_hold(const struct random_config *r)
{
    int n = 0;
    const struct plant_cohort *c = plant_cohorts(r->w.plant, 0, &n);
    bool good = n == PERIODS * 3;
    for (int i = 0; i < n; i++) {
        good = good && c[i].compliant <= c[i].answered && c[i].answered <= c[i].received &&
               c[i].answered_legit <= c[i].received_legit && c[i].received_legit <= c[i].received;
    }
    return good;
}

static bool state_is_finite(const struct random_config *r)
{
    const float *state = plant_state(r->w.plant, 0);
    bool good = true;
    for (int i = 0; i < r->w.plant->n_state; i++) {
        good = good && isfinite(state[i]);
    }
    return good;
}

/* One episode under drawn actions. False, with the reason logged, if an invariant breaks. */
static bool play(struct random_config *r, uint32_t treatment, struct plant_truth *truth)
{
    struct cluster_fixture *w = &r->w;
    struct dice d = {w->id.episode ^ treatment << 24, 1000};
    int32_t delta[SERVICES_MAX];
    assert_int_equal(plant_reset(w->plant, 0, &w->id, &w->schedule, PERIODS), ERR_OK);
    double inflight = plant_truth(w->plant, 0)->inflight;
    for (int t = 0; t < PERIODS; t++) {
        for (int s = 0; s < w->topology.n_services; s++) {
            delta[s] = (int32_t)below(&d, 7) - 3;
        }
        struct attack_action attack = {(int)below(&d, (uint32_t)w->topology.n_entries), 0, 0};
        attack.data_change = chance(&d, 10);
        assert_int_equal(plant_step(w->plant, delta, chance(&d, 30) ? &attack : NULL, NULL),
                         ERR_OK);
        truth[t] = *plant_truth(w->plant, 0);
        if (!truth_holds(r, &truth[t], inflight)) {
            log_error(
                "the account of period %d does not add up: received %g answered %g failed %g in "
                "flight %g, before %g; requested %g used %g of %g m; entries %g services %g",
                t, truth[t].received, truth[t].answered, truth[t].failed, truth[t].inflight,
                inflight, truth[t].requested_m_mean, truth[t].used_m_mean,
                r->root.topology.node_cpu_m, truth[t].entry_available_mean,
                truth[t].service_available_mean);
            return false;
        }
        if (truth[t].used_m_mean > left_m(r, t) * (1.0 + 1e-6)) {
            log_error("the pods used %g of the %g m that the neighbours left in period %d",
                      truth[t].used_m_mean, left_m(r, t), t);
            return false;
        }
        if (!cluster_consistent(w->plant) || !state_is_finite(r)) {
            return false;
        }
        inflight = truth[t].inflight;
    }
    return cohorts_hold(r);
}

/* Twice the same, and with open clients the same arrivals under another treatment. */
static bool config_holds(uint32_t number)
{
    static struct random_config r;
    struct plant_truth first[PERIODS], again[PERIODS], other[PERIODS];
    memset(&r, 0, sizeof r);
    config_draw(&r, number);
    uint64_t calls = mem_calls();
    bool good = play(&r, 0, first) && play(&r, 1, other) && play(&r, 0, again);
    good = good && memcmp(first, again, sizeof first) == 0 && mem_calls() == calls;
    for (int t = 0; good && t < PERIODS && r.w.cluster_cfg.clients.kind == CLIENT_OPEN; t++) {
        good = first[t].received == other[t].received;
    }
    fixture_close(&r.w);
    return good;
}

static uint32_t number_from(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static void test_random_configs(void **state)
{
    (void)state;
    uint32_t from = number_from("FIRST", 0), n = number_from("CONFIGS", USUAL);
    for (uint32_t i = from; i < from + n; i++) {
        if (!config_holds(i)) {
            fail_msg("configuration %u breaks an invariant; again: FIRST=%u CONFIGS=1", i, i);
        }
    }
    print_message("%u configurations from number %u hold all invariants\n", n, from);
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_configs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
