/* The diamond worked out by hand, every refusal with its sentence and place, and random acyclic
 * graphs against the plain definition of visits. */
#include "core/base/config.h"
#include "core/base/rng.h"
#include "core/plant/plant.h"
#include "core/plant/topology.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct root {
    struct topology_cfg topology;
    struct plant_cfg plant;
};
static const struct cfg_field ROOT[] = {
    CFG_TABLE(struct root, topology, topology_fields, "services and node"),
    CFG_TABLE(struct root, plant, plant_fields, "periods and limits"),
    CFG_END,
};

struct fixture {
    struct arena arena;
    struct cfg places;
    struct root root;
    struct topology topology;
    struct heard log;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    arena_init(&f.arena);
    cfg_init(&f.places, ROOT, sizeof(struct root), &f.arena);
    heard_begin(&f.log);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(0);
    heard_end();
    arena_release(&f->arena);
    return 0;
}

static enum err build(struct fixture *f, const char *text)
{
    TRY(cfg_load_text(&f->places, "t.yaml", text, NULL, 0, &f->root));
    return topology_init(&f->topology, &f->arena, &f->root.topology, &f->places);
}

static void assert_ints(const int *got, const int *want, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(got[i], want[i]);
    }
}

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fabs(want))) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

/* By hand: a request costs one call at a, b, c and two at d; b bears 10 x 80 = 800 requests/s, a
 * 1000, c 1500, d 10 x 300 / 2 = 1500. */
static void assert_diamond(const struct topology *t)
{
    assert_int_equal(t->n_services, 4);
    assert_int_equal(t->n_entries, 1);
    assert_int_equal(t->entries[0], 0);
    assert_ints(t->callee_begin, (int[]){0, 2, 3, 4, 4}, 5);
    assert_ints(t->callee, (int[]){1, 2, 3, 3}, 4);
    assert_ints(t->caller_begin, (int[]){0, 0, 1, 2, 4}, 5);
    assert_ints(t->caller, (int[]){0, 0, 1, 2}, 4);
    assert_ints(t->order, (int[]){0, 1, 2, 3}, 4);
    double visits[] = {1, 1, 1, 2};
    double demand_s[] = {0.5 / 100, 0.4 / 80, 0.6 / 150, 0.7 / 300};
    double pod_rps[] = {100, 80, 150, 300};
    double requested_m = 0;
    for (int s = 0; s < 4; s++) {
        assert_close(t->visits[s], visits[s]);
        assert_close(t->demand_s[s], demand_s[s]);
        assert_close(t->pod_rps[s], pod_rps[s]);
        requested_m += t->cfg->services[s].cpu_m * t->cfg->services[s].initial_replicas;
    }
    assert_close(t->critical_rps, 800);
    assert_close(requested_m, 7900);
}

static void test_diamond_is_the_default(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(build(f, ""), ERR_OK);
    assert_diamond(&f->topology);
    assert_int_equal(plant_cfg_check(&f->root.plant, &f->places), ERR_OK);
}

static void test_shipped_files(void **state)
{
    struct fixture *f = *state;
    const char *const diamond = "configs/topologies/diamond.yaml";
    assert_int_equal(cfg_load(&f->places, diamond, NULL, 0, &f->root), ERR_OK);
    assert_int_equal(topology_init(&f->topology, &f->arena, &f->root.topology, &f->places), ERR_OK);
    assert_diamond(&f->topology);
    const char *const chain = "configs/topologies/chain.yaml";
    assert_int_equal(cfg_load(&f->places, chain, NULL, 0, &f->root), ERR_OK);
    assert_int_equal(topology_init(&f->topology, &f->arena, &f->root.topology, NULL), ERR_OK);
    assert_ints(f->topology.callee, (int[]){1, 2, 3}, 3);
    assert_close(f->topology.visits[3], 1);
    assert_close(f->topology.critical_rps, 800);
}

static void test_demand_scale_divides_the_capacity(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(build(f, "topology: {demand_scale: 4}"), ERR_OK);
    assert_close(f->topology.critical_rps, 200);
    assert_close(f->topology.pod_rps[1], 20);
    assert_close(f->topology.demand_s[1], 0.02);
}

static void test_entries_share_the_requests(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(build(f, "topology:\n"
                              "  services:\n"
                              "    - {name: db, capacity_rps: 100, max_replicas: 2}\n"
                              "    - {name: shop, entry: true, calls: [db, auth]}\n"
                              "    - {name: auth, entry: true, calls: [db]}\n"),
                     ERR_OK);
    const struct topology *t = &f->topology;
    assert_int_equal(t->n_entries, 2);
    assert_ints(t->entries, (int[]){1, 2}, 2);
    assert_ints(t->order, (int[]){1, 2, 0}, 3);
    assert_close(t->visits[1], 0.5);
    assert_close(t->visits[2], 1.0); /* half a request of its own, half from shop */
    assert_close(t->visits[0], 1.5);
    assert_close(t->critical_rps, 200 / 1.5);
    assert_int_equal(topology_find(t, "auth"), 2);
    assert_int_equal(topology_find(t, "aut"), -1);
}

/* ---- refusals ---- */

struct refusal {
    const char *text;
    const char *says[3]; /* parts of the sentence, place included */
};

static const struct refusal REFUSALS[] = {
    {"topology:\n"
     "  services:\n"
     "    - {name: a, entry: true, calls: [b]}\n"
     "    - {name: b, calls: [c, d]}\n"
     "    - {name: c, calls: [b]}\n"
     "    - {name: d}\n",
     {"t.yaml:4:", "topology.services.1.calls.0", "b -> c -> b"}},
    {"topology: {services: [{name: x, entry: true, calls: [x]}]}",
     {"t.yaml:1:", "topology.services.0.calls.0", "x -> x"}},
    {"topology:\n"
     "  services:\n"
     "    - {name: d, calls: [e]}\n"
     "    - {name: e, calls: [z, b]}\n"
     "    - {name: z, entry: true}\n"
     "    - {name: b, calls: [d]}\n",
     {"t.yaml:3:", "topology.services.0.calls.0", "d -> e -> b -> d"}},
    {"topology:\n  services:\n    - {name: a, entry: true}\n    - {name: a}\n",
     {"t.yaml:4:", "topology.services.1.name", "already the name of service 0"}},
    {"topology: {services: [{name: front, entry: true, calls: [bakc]}, {name: back}]}",
     {"t.yaml:1:", "'front' calls 'bakc', which is no service", "did you mean 'back'?"}},
    {"topology: {services: [{name: a, entry: true, calls: [b, b]}, {name: b}]}",
     {"topology.services.0.calls.1", "calls 'b' twice"}},
    {"topology: {services: [{name: a, entry: true, async: [back]}, {name: bakc, entry: true}]}",
     {"topology.services.0.async.0", "which is no service", "did you mean 'bakc'?"}},
    {"topology: {services: [{name: a, entry: true, calls: [b], async: [b]}, {name: b}]}",
     {"topology.services.0.async.0", "calls 'b' twice"}},
    {"topology:\n"
     "  services:\n"
     "    - {name: a, entry: true, calls: [b]}\n"
     "    - {name: b, async: [a]}\n",
     {"t.yaml:3:", "topology.services.0.calls.0", "a -> b -> a"}},
    {"topology: {services: [{name: a, entry: true, service_time: empirical}]}",
     {"topology.services.0.samples", "its samples are none"}},
    {"topology: {services: [{name: a, entry: true, service_time: empirical, samples: [0, 0]}]}",
     {"topology.services.0.samples", "its samples are all 0"}},
    {"topology: {services: [{name: a}]}", {"topology.services", "no service is an entry"}},
    {"topology: {services: [{name: a, entry: true}, {name: b, calls: [a]}]}",
     {"topology.services.1.name", "no request reaches 'b'"}},
    {"topology: {services: [{name: a, entry: true, min_replicas: 3, max_replicas: 2}]}",
     {"topology.services.0.min_replicas", "min_replicas 3 above max_replicas 2"}},
    {"topology: {services: [{name: a, entry: true, initial_replicas: 11}]}",
     {"topology.services.0.initial_replicas", "11 replicas", "1 to 10"}},
    {"topology: {services: [{name: a, entry: true, min_replicas: 2}]}",
     {"topology.services.0.initial_replicas", "starts with 1", "2 to 10"}},
    {"topology: {node_cpu_m: 7899}", {"topology.node_cpu_m", "7900", "7899"}},
    {"topology: {node_ram_mib: 8191}", {"topology.node_ram_mib", "8192", "8191"}},
    {"topology: {services: [{name: any, entry: true}]}", {"services.0.name", "'any'"}},
    {"topology: {services: [{name: Front_End, entry: true}]}",
     {"services.0.name", "'Front_End' is not a service name"}},
    {"topology: {services: [{name: '', entry: true}]}", {"services.0.name", "not a service name"}},
};

/* a splits between b and c, so each gets half; b tells c, which therefore gets another half, and
 * the whole of a's other asynchronous call. */
static void test_split_and_async_calls(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(build(f, "topology:\n"
                              "  services:\n"
                              "    - {name: a, entry: true, calls: [b, c], fan_out: split,\n"
                              "       async: [d]}\n"
                              "    - {name: b, async: [c], fan_out: sequence}\n"
                              "    - {name: c}\n"
                              "    - {name: d, async: [c]}\n"),
                     ERR_OK);
    const struct topology *t = &f->topology;
    const double visits[] = {1, 0.5, 2, 1};
    for (int s = 0; s < 4; s++) {
        assert_close(t->visits[s], visits[s]);
    }
    assert_ints(t->callee, (int[]){1, 2, 3, 2, 2}, 5);
    assert_ints(t->callee_begin, (int[]){0, 3, 4, 4, 5}, 5);
    assert_ints(t->sync_end, (int[]){2, 3, 4, 4}, 4);
    assert_close(t->critical_rps, 500);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(REFUSALS) / sizeof(REFUSALS[0]); i++) {
        heard_forget(&f->log);
        f->topology.n_services = -7;
        if (build(f, REFUSALS[i].text) != ERR_CONFIG) {
            fail_msg("accepted: %s", REFUSALS[i].text);
        }
        assert_int_equal(f->topology.n_services, -7); /* outputs only on success */
        for (int k = 0; k < 3 && REFUSALS[i].says[k] != NULL; k++) {
            if (strstr(f->log.text, REFUSALS[i].says[k]) == NULL) {
                fail_msg("'%s' is missing in: %s", REFUSALS[i].says[k], f->log.text);
            }
        }
    }
}

static void test_messages_without_places(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(build(f, ""), ERR_OK);
    f->root.topology.node_cpu_m = 1;
    assert_int_equal(topology_init(&f->topology, &f->arena, &f->root.topology, NULL), ERR_CONFIG);
    assert_non_null(strstr(f->log.text, "topology.node_cpu_m: the initial replicas request 7900"));
}

static void test_plant_cross_checks(void **state)
{
    struct fixture *f = *state;
    const char *const texts[] = {"plant: {period_s: 16}", "plant: {period_s: 7.5, scrape_s: 2.5}",
                                 "plant: {window_s: 31}", "plant: {latency_max_ms: 2001}"};
    const char *const keys[] = {"plant.period_s", "plant.period_s", "plant.window_s",
                                "plant.latency_max_ms"};
    for (int i = 0; i < 4; i++) {
        heard_forget(&f->log);
        assert_int_equal(build(f, texts[i]), ERR_OK);
        assert_int_equal(plant_cfg_check(&f->root.plant, &f->places), ERR_CONFIG);
        assert_non_null(strstr(f->log.text, keys[i]));
        assert_non_null(strstr(f->log.text, "t.yaml:1:"));
    }
}

/* 3.3 / 1.1 is a rounding error below 3, and 7.7 / 1.1 one off 7; 3.4 is no multiple. */
static void test_multiples_of_a_decimal_fraction(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(build(f, "plant: {scrape_s: 1.1, period_s: 11, window_s: 3.3, "
                              "hpa_window_s: 7.7}"),
                     ERR_OK);
    assert_int_equal(plant_cfg_check(&f->root.plant, &f->places), ERR_OK);
    f->root.plant.window_s = 3.4;
    assert_int_equal(plant_cfg_check(&f->root.plant, &f->places), ERR_CONFIG);
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(build(f, ""), ERR_OK);
    struct arena fresh;
    arena_init(&fresh);
    struct topology t = {.n_services = -7};
    mem_fail_after(1);
    assert_int_equal(topology_init(&t, &fresh, &f->root.topology, NULL), ERR_MEMORY);
    mem_fail_after(0);
    assert_int_equal(t.n_services, -7);
    arena_release(&fresh);
}

/* ---- random graphs ---- */

enum { GRAPHS = 200, SERVICES = 9 };
static const char *const LETTERS[SERVICES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

/* Walks every path from s, the plain definition of a call. */
static void walk(double *visits, const struct topology *t, int s, double share)
{
    visits[s] += share;
    for (int i = t->callee_begin[s]; i < t->callee_begin[s + 1]; i++) {
        walk(visits, t, t->callee[i], share);
    }
}

/* Follows every path of synchronous calls. */
static int longest(const struct topology *t, int s)
{
    int most = 0;
    for (int i = t->callee_begin[s]; i < t->sync_end[s]; i++) {
        const int below = longest(t, t->callee[i]);
        most = below > most ? below : most;
    }
    return most + 1;
}

static void check_levels(const struct topology *t)
{
    int levels[SERVICES], most = 0;
    const int deepest = topology_levels(levels, t);
    for (int s = 0; s < t->n_services; s++) {
        assert_int_equal(levels[s], longest(t, s));
        most = levels[s] > most ? levels[s] : most;
    }
    assert_int_equal(deepest, most);
}

static void check_graph(struct fixture *f, uint32_t graph)
{
    struct service_cfg services[SERVICES] = {0};
    const char *calls[SERVICES][SERVICES];
    struct rng_key key = rng_key(42, RNG_TEST, RNG_TRAIN);
    for (int s = 0; s < SERVICES; s++) {
        /* Calls go to smaller indices, so the order must turn the list around. */
        services[s] = (struct service_cfg){.name = LETTERS[s],
                                           .cpu_m = 100,
                                           .ram_mib = 100,
                                           .capacity_rps = 10,
                                           .min_replicas = 1,
                                           .max_replicas = 1,
                                           .initial_replicas = 1,
                                           .entry = true,
                                           .calls = calls[s]};
        for (int callee = 0; callee < s; callee++) {
            uint32_t v = rng_philox(key, (uint32_t)callee, (uint32_t)s, graph, 0).v[0];
            if (rng_below(v, 3) == 0) {
                calls[s][services[s].n_calls++] = LETTERS[callee];
            }
        }
    }
    struct topology_cfg cfg = {.services = services,
                               .n_services = SERVICES,
                               .node_cpu_m = 16000,
                               .node_ram_mib = 32768,
                               .limit_ratio = 1,
                               .demand_scale = 1,
                               .queue_per_pod = 100,
                               .slots_per_pod = 64};
    assert_int_equal(topology_init(&f->topology, &f->arena, &cfg, NULL), ERR_OK);
    const struct topology *t = &f->topology;
    double visits[SERVICES] = {0};
    bool placed[SERVICES] = {false};
    for (int s = 0; s < SERVICES; s++) {
        walk(visits, t, s, 1.0 / SERVICES);
    }
    for (int k = 0; k < SERVICES; k++) {
        int s = t->order[k];
        for (int i = t->caller_begin[s]; i < t->caller_begin[s + 1]; i++) {
            assert_true(placed[t->caller[i]]);
        }
        assert_false(placed[s]);
        placed[s] = true;
        assert_true(fabs(t->visits[s] - visits[s]) < 1e-9);
    }
    check_levels(t);
}

static void test_random_graphs(void **state)
{
    for (uint32_t graph = 0; graph < GRAPHS; graph++) {
        check_graph(*state, graph);
    }
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_diamond_is_the_default),
        TEST_(test_shipped_files),
        TEST_(test_demand_scale_divides_the_capacity),
        TEST_(test_entries_share_the_requests),
        TEST_(test_split_and_async_calls),
        TEST_(test_refusals),
        TEST_(test_messages_without_places),
        TEST_(test_plant_cross_checks),
        TEST_(test_multiples_of_a_decimal_fraction),
        TEST_(test_out_of_memory),
        TEST_(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
