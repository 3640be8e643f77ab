/* What an autoscaler can be told beyond its defaults: scaling policies, tolerances of a direction,
 * several metrics, requests. Kubernetes' rows (khpa_kubernetes_rows.h) and examples by hand.
 *
 * What of Kubernetes' tables is left out, and why, stands in docs/evaluation.md ("Test tables of
 * Kubernetes"); the counts below keep that table true.
 */
#include "tests/unit/khpa_fixture.h"
#include "tests/unit/khpa_kubernetes_rows.h"

/* Pods that make the rule recommend `wanted` (target 0.5), which differs from the current number by
 * more than the tolerance. */
static struct hpa_service pods_for(int wanted)
{
    const int ready = wanted == 1 ? 2 : 1;
    return (struct hpa_service){ready, 0, 0, wanted == 1 ? 500.0 : 500.0 * wanted};
}

static int decide_for(struct fixture *f, int wanted)
{
    const struct hpa_service p = pods_for(wanted);
    return decide(f, &p);
}

static void expect(const char *name, int got, int expected)
{
    if (got != expected) {
        fail_msg("%s: %d replicas, expected %d", name, got, expected);
    }
}

/* ---- Kubernetes: policies ---- */

enum { POLICIES_MAX = 2, SPREAD_S = 120 };

static void set_rules(struct khpa_direction *d, struct khpa_policy *room,
                      const struct kube_rules *rules)
{
    d->policies = room;
    if (rules->pods > 0) {
        room[d->n_policies++] = (struct khpa_policy){KHPA_PODS, rules->pods, rules->pods_s};
    }
    if (rules->percent > 0) {
        room[d->n_policies++] =
            (struct khpa_policy){KHPA_PERCENT, rules->percent, rules->percent_s};
    }
}

static int count_events(const int *events)
{
    int n = 0;
    while (n < EVENTS_MAX && events[n] > 0) {
        n++;
    }
    return n;
}

/* Change by events of at most that age, s. Of n events the i-th is 120 - 120 (i + 1/2) / n s old.
 */
static int changed_since(const int *events, double age_s)
{
    const int n = count_events(events);
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += SPREAD_S - SPREAD_S * (i + 0.5) / n <= age_s ? events[i] : 0;
    }
    return sum;
}

/* Decisions come twice in each part of the 120 s, so that an event is one of them. Before the last
 * one the rule finds no metric, and the numbers that the events left. */
static int play_scaling(const struct kube_scaling_row *r)
{
    const int n_up = count_events(r->ups), n_down = count_events(r->downs);
    const int n = n_up > n_down ? n_up : n_down;
    const double period_s = n > 0 ? SPREAD_S / (2.0 * n) : 15.0;
    const struct hpa_service none = {0, 0, 1, 0};
    struct khpa_policy room[2][POLICIES_MAX];
    struct khpa_params params = {.behavior = KHPA_BEHAVIOR_DEFAULT, .target = 0.5};
    struct fixture f;
    set_rules(&params.up, room[0], &r->up);
    set_rules(&params.down, room[1], &r->down);
    start(&f, &params, period_s, r->current);
    bounds(&f, r->least, r->most);
    for (int age = 2 * n; age > 0; age--) {
        f.current = r->current - changed_since(r->ups, age * period_s) +
                    changed_since(r->downs, age * period_s);
        (void)decide(&f, &none);
    }
    f.current = r->current;
    const int got = decide_for(&f, r->wanted);
    stop(&f);
    return got;
}

static void test_scaling_with_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kube_scaling / sizeof *kube_scaling; i++) {
        const struct kube_scaling_row *r = &kube_scaling[i];
        expect(r->name, play_scaling(r), r->expected);
    }
}

/* TestCalculateScaleUpLimitWithScalingRules, ...ScaleDownLimitWithBehaviors: the smaller change of
 * 2 pods and 50 % in 60 s. */
static void test_smallest_change(void **state)
{
    static const char both[] = "{behavior: default, target: 0.5, down_s: 0, "
                               "%s: {select: min, policies: [{type: pods, value: 2, period_s: 60}, "
                               "{type: percent, value: 50, period_s: 60}]}}";
    char khpa[512];
    struct fixture f;
    (void)state;
    (void)snprintf(khpa, sizeof khpa, both, "up");
    start_as(&f, khpa, 15, 1);
    assert_int_equal(decide_for(&f, 900), 2);
    stop(&f);
    (void)snprintf(khpa, sizeof khpa, both, "down");
    start_as(&f, khpa, 15, 5);
    assert_int_equal(decide_for(&f, 1), 3);
    stop(&f);
}

/* Decisions every second. What is allowed is the number 60 s ago and 100 pods. */
static int play_events(const struct kube_events_row *r, int sign)
{
    const struct hpa_service none = {0, 0, 1, 0};
    struct khpa_policy policy = {KHPA_PODS, 100, 60};
    struct khpa_params params = {.behavior = KHPA_BEHAVIOR_DEFAULT, .target = 0.5};
    struct khpa_direction *d = sign > 0 ? &params.up : &params.down;
    struct fixture f;
    d->policies = &policy;
    d->n_policies = 1;
    start(&f, &params, 1, 500);
    for (int age = 61; age > 0; age--) {
        f.current = 500;
        for (int i = 0; i < EVENTS_MAX; i++) {
            f.current -= r->events[i].ago_s <= age ? sign * r->events[i].change : 0;
        }
        (void)decide(&f, &none);
    }
    f.current = 500;
    const int got = decide_for(&f, sign > 0 ? 1000 : 1);
    stop(&f);
    return got;
}

static void test_events_of_a_period(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kube_events / sizeof *kube_events; i++) {
        const struct kube_events_row *r = &kube_events[i];
        expect(r->name, play_events(r, 1), 600 - r->expected);
        expect(r->name, play_events(r, -1), 400 + r->expected);
    }
}

/* TestUpscaleCap, TestUpscaleCapGreaterThanMaxReplicas: 200 % of a target of 10 % on three pods;
 * TestScaleDownWithScalingRules. */
static void test_whole_controller(void **state)
{
    const struct hpa_service hot = {3, 0, 0, 6000}, idle = {5, 0, 0, 1400};
    static const char cap[] = "{behavior: default, target: 0.1, up: {policies: [{type: percent, "
                              "value: 700, period_s: 60}]}}";
    static const int most[] = {100, 20}, expected[] = {24, 20};
    struct fixture f;
    (void)state;
    for (int i = 0; i < 2; i++) {
        start_as(&f, cap, 15, 3);
        bounds(&f, 1, most[i]);
        assert_int_equal(decide(&f, &hot), expected[i]);
        stop(&f);
    }
    start_as(&f,
             "{behavior: default, target: 0.5, up_s: 30, down_s: 0, up: {policies: [{type: "
             "percent, value: 100, period_s: 15}]}}",
             15, 5);
    bounds(&f, 2, 6);
    assert_int_equal(decide(&f, &idle), 3);
    stop(&f);
}

/* ---- Kubernetes: other metrics ---- */

static void check_averages(const struct kube_average_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct kube_average_row *r = &rows[i];
        double average = r->average;
        struct khpa_metric metric = {.of = KHPA_SERVICE, .average = &average, .n_average = 1};
        const struct khpa_params params = {
            .behavior = KHPA_BEHAVIOR_DEFAULT, .metrics = &metric, .n_metrics = 1};
        const struct hpa_service p = {.ready = r->pods};
        struct fixture f;
        start(&f, &params, 15, r->pods);
        bounds(&f, r->least, r->most);
        receives(&f, r->rate);
        expect(r->name, decide(&f, &p), r->expected);
        stop(&f);
    }
}

static void test_averages(void **state)
{
    (void)state;
    check_averages(kube_average_calculator,
                   sizeof kube_average_calculator / sizeof *kube_average_calculator);
    check_averages(kube_average_controller,
                   sizeof kube_average_controller / sizeof *kube_average_controller);
}

static void test_several_metrics(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kube_several / sizeof *kube_several; i++) {
        const struct kube_several_row *r = &kube_several[i];
        double average = r->average;
        struct khpa_metric metrics[] = {{.of = KHPA_CPU},
                                        {.of = KHPA_SERVICE, .average = &average, .n_average = 1}};
        const struct khpa_params params = {.behavior = KHPA_BEHAVIOR_DEFAULT,
                                           .target = r->target,
                                           .metrics = metrics,
                                           .n_metrics = 2};
        const bool has_cpu = r->used_m >= 0.0;
        const struct hpa_service p = {has_cpu ? r->pods : 0, 0, has_cpu ? 0 : r->pods, r->used_m};
        struct fixture f;
        start(&f, &params, 15, r->pods);
        bounds(&f, r->least, r->most);
        receives(&f, r->rate >= 0.0 ? r->rate : INFINITY);
        expect(r->name, decide(&f, &p), r->expected);
        stop(&f);
    }
}

/* ---- policies by hand ---- */

enum { STEPS_MAX = 8 };

/* Decisions every 15 s that all want the same. */
struct climb {
    const char *name, *khpa; /* behind "behavior: default, target: 0.5, down_s: 0" */
    int from, wanted, n, expected[STEPS_MAX];
};

static const struct climb climbs[] = {
    /* ceil 4 x 1.5 = 6, which stands until the change is 60 s old; then 9, ceil 13.5. */
    {"percent up",
     "up: {policies: [{type: percent, value: 50, period_s: 60}]}",
     4,
     100,
     8,
     {6, 6, 6, 6, 9, 9, 9, 9}},
    {"pods up",
     "up: {policies: [{type: pods, value: 3, period_s: 30}]}",
     4,
     100,
     5,
     {7, 7, 10, 10, 13}},
    /* 10 x 0.75 = 7.5, fractions dropped: 7, then 5, then 3. */
    {"percent down",
     "down: {policies: [{type: percent, value: 25, period_s: 15}]}",
     10,
     1,
     4,
     {7, 5, 3, 2}},
    {"pods down",
     "down: {policies: [{type: pods, value: 1, period_s: 30}]}",
     10,
     1,
     5,
     {9, 9, 8, 8, 7}},
    /* 3 + 4 in the first 60 s, but each time two more than 15 s ago. */
    {"the larger of two periods",
     "up: {policies: [{type: pods, value: 2, period_s: 15}, {type: pods, value: 4, period_s: 60}]}",
     3,
     100,
     5,
     {7, 9, 11, 13, 15}},
    /* Two in 15 s, and four in 60 s: 5, 7, and at 60 s 5 + 4. */
    {"the smaller of two periods",
     "up: {select: min, policies: [{type: pods, value: 2, period_s: 15}, "
     "{type: pods, value: 4, period_s: 60}]}",
     3,
     100,
     6,
     {5, 7, 7, 7, 9, 11}},
    {"the smaller of the default policies", "up: {select: min}", 2, 100, 4, {4, 8, 12, 16}},
    {"up disabled", "up: {select: disabled}", 4, 100, 2, {4, 4}},
    {"down disabled", "down: {select: disabled}", 8, 2, 2, {8, 8}},
    {"up disabled goes down", "up: {select: disabled}", 8, 2, 1, {2}},
    {"down disabled goes up", "down: {select: disabled}", 2, 4, 1, {4}},
    {"windows are of a direction", "up_s: 30", 10, 4, 1, {4}},
    {"windows are of the other", "up_s: 30", 4, 10, 3, {4, 4, 8}},
};

static void test_climbs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof climbs / sizeof *climbs; i++) {
        const struct climb *c = &climbs[i];
        char khpa[512];
        struct fixture f;
        (void)snprintf(khpa, sizeof khpa, "{behavior: default, target: 0.5, down_s: 0, %s}",
                       c->khpa);
        start_as(&f, khpa, 15, c->from);
        for (int k = 0; k < c->n; k++) {
            expect(c->name, decide_for(&f, c->wanted), c->expected[k]);
        }
        stop(&f);
    }
}

/* Three pods at a target of 30 %. Up: none is tolerable, 31 % / 30 % of 3 is 3.1. Down: 22 % is
 * 0.73 of the target and within 30 %; 20 % is 0.67 of it and asks for two. */
static void test_tolerance_of_a_direction(void **state)
{
    static const struct {
        double used_m;
        int expected;
    } rows[] = {{930, 4}, {900, 3}, {660, 3}, {600, 2}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct hpa_service p = {3, 0, 0, rows[i].used_m};
        struct fixture f;
        start_as(&f,
                 "{behavior: default, target: 0.3, down_s: 0, up: {tolerance: 0}, "
                 "down: {tolerance: 0.3}}",
                 15, 3);
        assert_int_equal(decide(&f, &p), rows[i].expected);
        stop(&f);
    }
}

/* ---- requests by hand ---- */

/* Rates come in thousandths: 30.0004 is 30.000, three pods at 10; 30.001 would be four, were it not
 * tolerable. A tolerable rate asks for the pods that exist, not for those asked for. */
static void test_thousandths(void **state)
{
    const struct hpa_service six = {3, 1, 2, 0}, three = {3, 0, 0, 0};
    struct fixture f;
    (void)state;
    start_as(&f,
             "{behavior: default, down_s: 0, up: {tolerance: 0}, down: {tolerance: 0}, metrics: "
             "[{of: service, average: [10]}]}",
             15, 5);
    receives(&f, 30.0004);
    assert_int_equal(decide(&f, &three), 3);
    receives(&f, 30.001);
    assert_int_equal(decide(&f, &three), 4);
    receives(&f, 60);
    assert_int_equal(decide(&f, &six), 6);
    stop(&f);
}

/* Two services that pods can serve 100/s and 50/s of, the second called once by each request: at a
 * share of a half 50/s and 25/s for each pod. */
static const char PAIR[] =
    "topology: {services: [{name: a, capacity_rps: 100, entry: true, calls: [b]}, "
    "{name: b, capacity_rps: 50}]}\n"
    "controllers: [{khpa: {behavior: default, down_s: 0, metrics: [{of: %s, %s}]}}]\n";

static void check_pair(const char *of, const char *target, int a, int b)
{
    char world[512];
    float s[KHPA_STATE_MAX] = {0};
    int32_t delta[2];
    struct game_fixture w;
    (void)snprintf(world, sizeof world, PAIR, of, target);
    game_fixture_open(&w, world);
    struct controller *c = game_fixture_controller(&w, 0);
    for (int i = 0; i < 2; i++) {
        game_fixture_set(&w, s, i, SF_DESIRED, 2);
        game_fixture_set(&w, s, i, SF_HPA_READY, 2);
        game_fixture_set(&w, s, i, SF_RECEIVED, i == 0 ? 120 : 80);
    }
    game_fixture_set_global(&w, s, GF_ENTRY_30S, 130);
    game_fixture_set_global(&w, s, GF_ENTRY_10S, 180);
    game_fixture_set_global(&w, s, GF_ENTRY_5S, 220);
    controller_act(c, delta, s);
    if (2 + delta[0] != a || 2 + delta[1] != b) {
        fail_msg("%s, %s: %d and %d replicas, expected %d and %d", of, target, 2 + delta[0],
                 2 + delta[1], a, b);
    }
    game_fixture_close(&w);
}

static void test_sources(void **state)
{
    (void)state;
    check_pair("service", "share: 0.5", 3, 4); /* 120 / 50, 80 / 25 */
    check_pair("ingress", "share: 0.5", 3, 6); /* 130 / 50, 130 / 25, at most 2 + 4 */
    check_pair("ingress_10s", "average: [60]", 3, 3);
    check_pair("ingress_5s", "average: [55, 110]", 4, 2);
}

/* The larger proposal counts; a metric that fails takes decreases away, not increases. */
static void test_largest_proposal(void **state)
{
    const struct hpa_service busy = {4, 0, 0, 3000}, idle = {4, 0, 0, 500}, blind = {0, 0, 4, 0};
    struct fixture f;
    (void)state;
    start_as(&f,
             "{behavior: default, target: 0.5, down_s: 0, metrics: [{of: cpu}, {of: service, "
             "average: [10]}]}",
             15, 4);
    receives(&f, 20); /* 2 */
    assert_int_equal(decide(&f, &busy), 6);
    receives(&f, 50); /* 5 */
    assert_int_equal(decide(&f, &idle), 5);
    receives(&f, INFINITY);
    assert_int_equal(decide(&f, &idle), 5);
    receives(&f, 70);
    assert_int_equal(decide(&f, &blind), 7);
    receives(&f, 20);
    assert_int_equal(decide(&f, &blind), 7);
    stop(&f);
}

/* Without CPU among its metrics it does not need any. */
static void test_needs_no_cpu(void **state)
{
    const struct hpa_service blind = {0, 1, 3, 0};
    struct fixture f;
    (void)state;
    start_as(&f, "{behavior: default, metrics: [{of: service, average: [10]}]}", 15, 4);
    uint8_t columns[KHPA_STATE_MAX] = {0};
    receives(&f, 80);
    assert_int_equal(decide(&f, &blind), 8);
    const struct controller_cfg *cfg = &f.w.root.controllers[0];
    controller_kind(cfg)->reads(columns, cfg->method.params, &f.w.env_setup.topology);
    assert_int_equal(columns[state_service_at(0, SF_HPA_CPU)], 0);
    assert_int_equal(columns[state_service_at(0, SF_RECEIVED)], 1);
    assert_int_equal(columns[state_service_at(0, SF_HPA_READY)], 1);
    stop(&f);
}

/* ---- refusals ---- */

static void refused(const char *khpa, const char *says)
{
    char world[512];
    struct game_fixture w;
    struct controller *c = NULL;
    (void)snprintf(world, sizeof world, "controllers: [{name: mine, khpa: %s}]\n", khpa);
    game_fixture_open(&w, world);
    assert_int_equal(
        controller_new(&c, &w.arena, &w.root.controllers[0], &w.env_setup, &w.rules, NULL),
        ERR_CONFIG);
    assert_null(c);
    if (strstr(w.log, says) == NULL || strstr(w.log, "'mine'") == NULL) {
        fail_msg("says '%s', expected '%s'", w.log, says);
    }
    game_fixture_close(&w);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("{up: {select: min}}", "up.select is a part of spec.behavior");
    refused("{down: {tolerance: 0}}", "set behavior: default, or leave down.tolerance out");
    refused("{down: {policies: [{type: pods, value: 1, period_s: 60}]}}",
            "down.policies is a part of spec.behavior");
    refused("{metrics: [{of: cpu, average: [10]}]}", "metrics.0 is of CPU");
    refused("{metrics: [{of: cpu}, {of: ingress, average: [10, 20]}]}",
            "metrics.1 has 2 averages, the topology has 4 services");
}

static void unread(const char *khpa, const char *says)
{
    char world[512];
    struct game_fixture w;
    (void)snprintf(world, sizeof world, "controllers: [{khpa: %s}]\n", khpa);
    assert_int_equal(game_fixture_try(&w, world), ERR_CONFIG);
    if (strstr(w.log, says) == NULL) {
        fail_msg("says '%s', expected '%s'", w.log, says);
    }
    game_fixture_close(&w);
}

static void test_bad_values(void **state)
{
    (void)state;
    unread("{up: {policies: [{type: pods, value: 0, period_s: 60}]}}", "policies.0.value");
    unread("{up: {policies: [{type: pods, value: 1, period_s: 1801}]}}", "policies.0.period_s");
    unread("{up: {policies: [{type: pods, value: 1}]}}", "period_s");
    unread("{up: {policies: [{type: share, value: 1, period_s: 60}]}}", "policies.0.type");
    unread("{metrics: [{of: memory}]}", "metrics.0.of");
}

/* The numbers of docs/evaluation.md. */
static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(sizeof kube_scaling / sizeof *kube_scaling, 35);
    assert_int_equal(sizeof kube_events / sizeof *kube_events, 8);
    assert_int_equal(sizeof kube_average_calculator / sizeof *kube_average_calculator, 13);
    assert_int_equal(sizeof kube_average_controller / sizeof *kube_average_controller, 13);
    assert_int_equal(sizeof kube_several / sizeof *kube_several, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scaling_with_rules),
        cmocka_unit_test(test_smallest_change),
        cmocka_unit_test(test_events_of_a_period),
        cmocka_unit_test(test_whole_controller),
        cmocka_unit_test(test_averages),
        cmocka_unit_test(test_several_metrics),
        cmocka_unit_test(test_climbs),
        cmocka_unit_test(test_tolerance_of_a_direction),
        cmocka_unit_test(test_thousandths),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_largest_proposal),
        cmocka_unit_test(test_needs_no_cpu),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
