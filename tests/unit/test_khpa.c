/* The Kubernetes rule: examples worked by hand, and a second implementation that keeps time-stamped
 * lists as the original does, on random histories. Kubernetes' own tables: test_khpa_kubernetes.c.
 */
#include "tests/unit/khpa_fixture.h"

#include <math.h>

/* Pods that are all ready, in a number that makes the rule recommend `wanted` (target 0.5). */
static int decide_for(struct fixture *f, int wanted)
{
    const struct hpa_service p = {f->current, 0, 0, 500.0 * wanted};
    return decide(f, &p);
}

/* With a stanza, so that steps 4 and 5 are the configurable ones. */
#define DEFAULT_AT(percent)                                                                        \
    (struct khpa_params)                                                                           \
    {                                                                                              \
        .behavior = KHPA_BEHAVIOR_DEFAULT, .target = (percent)                                     \
    }

/* ---- steps 1 to 3 ---- */

struct example {
    const char *name;
    int current;
    double target;
    struct hpa_service pods;
    int expected;
};

static void check_examples(const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct example *e = &examples[i];
        struct fixture f;
        start(&f, &DEFAULT_AT(e->target), 15, e->current);
        const int got = decide(&f, &e->pods);
        if (got != e->expected) {
            fail_msg("%s: %d replicas, expected %d", e->name, got, e->expected);
        }
        stop(&f);
    }
}

static void test_examples_by_hand(void **state)
{
    (void)state;
    static const struct example examples[] = {
        /* Documentation: 200 m used of a wanted 100 m doubles, 50 m halves. */
        {"documentation, doubled", 4, 0.10, {4, 0, 0, 800}, 8},
        {"documentation, halved", 4, 0.10, {4, 0, 0, 200}, 2},
        /* 33.3 % is 33 %, and 33 / 30 = 1.1 is tolerable; 34 / 30 x 3 = 3.4. */
        {"fraction of a per cent dropped", 3, 0.30, {3, 0, 0, 999}, 3},
        {"one per cent more", 3, 0.30, {3, 0, 0, 1020}, 4},
        /* 44.99 % is 44 %: 0.88 x 10 = 8.8; 45 / 50 = 0.9 is tolerable. */
        {"lower edge of the tolerance", 10, 0.50, {10, 0, 0, 4500}, 10},
        {"below it", 10, 0.50, {10, 0, 0, 4499}, 9},
        /* 88 / 80 = 1.1, where 1.1 - 1 > 0.1 in binary. */
        {"upper edge of the tolerance", 10, 0.80, {10, 0, 0, 8800}, 10},
        {"above it", 10, 0.80, {10, 0, 0, 8900}, 12},
        /* 114 / 57 is exactly 2, though 100 x 0.57 < 57. */
        {"ceil of a whole number", 10, 0.57, {10, 0, 0, 11400}, 20},
        {"ceil of just more", 10, 0.57, {10, 0, 0, 9200}, 17},
        {"nothing used", 3, 0.80, {3, 0, 0, 0}, 1},
        /* Asked for 10, 4 run, 6 are pending: 150 % of the target on 4 pods, 60 % of it on 10. */
        {"pending pods turn the direction", 10, 1.00, {4, 6, 0, 6000}, 10},
        {"pending pods damp", 10, 1.00, {4, 6, 0, 12000}, 12},
        {"pending pods do not count downwards", 10, 1.00, {4, 6, 0, 2000}, 2},
        {"nor inside the tolerance", 10, 1.00, {4, 6, 0, 3900}, 10},
        /* Pods that do not even exist count nowhere: 1.2 x 4. */
        {"missing from the cluster", 10, 1.00, {4, 0, 0, 4800}, 5},
        {"only pods set aside", 4, 0.80, {0, 4, 0, 0}, 4},
        /* Up: 3600 / 5000 = 72 %, 1.44 x 5 = 7.2. */
        {"missing pods use nothing upwards", 5, 0.50, {3, 1, 1, 3600}, 8},
        /* Down: ignored ones stay out: (600 + 1000) / 4000 = 40 %, 0.8 x 4 = 3.2. */
        {"missing pods use all downwards", 5, 0.50, {3, 1, 1, 600}, 4},
        /* 90 / 80 = 1.125 is not tolerable, but 2700 / 4000 = 67 %: the other way. */
        {"missing pods turn the direction", 4, 0.80, {3, 0, 1, 2700}, 4},
        /* 150 % on 5 pods, 50 % on 15: 1.25 x 15 is 19, one fewer than asked for. */
        {"result against current", 20, 0.40, {5, 10, 0, 7500}, 20},
    };
    check_examples(examples, sizeof examples / sizeof *examples);
}

/* ---- step 4 ---- */

static const struct khpa_params DOWN_300 = {
    .behavior = KHPA_BEHAVIOR_DEFAULT, .target = 0.5, .down_s = 300};
static const struct khpa_params DOWN_60 = {
    .behavior = KHPA_BEHAVIOR_DEFAULT, .target = 0.5, .down_s = 60};
static const struct khpa_params UP_30 = {
    .behavior = KHPA_BEHAVIOR_DEFAULT, .target = 0.5, .up_s = 30};
static const struct khpa_params AT_ONCE = {.behavior = KHPA_BEHAVIOR_DEFAULT, .target = 0.5};

/* The ten replicas found at the start count as recommended, for 300 s: decisions 0 to 19. */
static void test_down_window(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &DOWN_300, 15, 10);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(decide_for(&f, 5), 10);
    }
    assert_int_equal(decide_for(&f, 5), 5);
    assert_int_equal(decide_for(&f, 7), 7); /* up at once */
    stop(&f);
}

/* Recommendations 5 5 8 5 5 ..., found 10, window 60 s = four decisions: 10 leaves at decision 4,
 * 8 at decision 6. */
static void test_down_window_keeps_the_largest(void **state)
{
    (void)state;
    static const int wanted[] = {5, 5, 8, 5, 5, 5, 5};
    static const int expected[] = {10, 10, 10, 10, 8, 8, 5};
    struct fixture f;
    start(&f, &DOWN_60, 15, 10);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(decide_for(&f, wanted[i]), expected[i]);
    }
    stop(&f);
}

static void test_no_window(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &AT_ONCE, 15, 10);
    assert_int_equal(decide_for(&f, 5), 5);
    assert_int_equal(decide_for(&f, 9), 9);
    stop(&f);
}

/* 30 s = two decisions; then the least of two recommendations. */
static void test_up_window(void **state)
{
    (void)state;
    static const int wanted[] = {20, 20, 14, 20, 20, 20};
    static const int expected[] = {10, 10, 14, 14, 20, 20};
    struct fixture f;
    start(&f, &UP_30, 15, 10);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(decide_for(&f, wanted[i]), expected[i]);
    }
    stop(&f);
}

/* A decision without metrics keeps what is there, and is no recommendation: at decision 4 the ten
 * of the start have left the window, and decision 3 does not hold them. */
static void test_no_metrics_is_no_opinion(void **state)
{
    (void)state;
    const struct hpa_service none = {0, 2, 1, 0};
    struct fixture f;
    start(&f, &DOWN_60, 15, 10);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(decide_for(&f, 5), 10);
    }
    assert_int_equal(decide(&f, &none), 10);
    assert_int_equal(decide_for(&f, 5), 5);
    assert_int_equal(decide(&f, &none), 5);
    stop(&f);
}

static void test_reset_forgets(void **state)
{
    (void)state;
    struct fixture f;
    const struct episode_id id = {0};
    start(&f, &DOWN_60, 15, 10);
    assert_int_equal(decide_for(&f, 20), 20);
    controller_reset(f.khpa, &id, NULL);
    f.current = 6;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(decide_for(&f, 3), 6);
    }
    assert_int_equal(decide_for(&f, 3), 3);
    stop(&f);
}

/* ---- step 5 ---- */

static void check_climb(double period_s, const int *wanted, const int *expected, int n, int from)
{
    struct fixture f;
    start(&f, &AT_ONCE, period_s, from);
    for (int i = 0; i < n; i++) {
        const int got = decide_for(&f, wanted[i]);
        if (got != expected[i]) {
            fail_msg("every %g s, decision %d: %d, expected %d", period_s, i, got, expected[i]);
        }
    }
    stop(&f);
}

static void test_rate_limits(void **state)
{
    (void)state;
    static const int all[] = {900, 900, 900, 900, 900, 900, 900, 900};
    /* Every 15 s: four pods or double. */
    check_climb(15, all, (const int[]){7, 14, 28, 56}, 4, 3);
    check_climb(30, all, (const int[]){7, 14, 28, 56}, 4, 3);
    /* Every 5 s: four pods in 15 s, then what there was 15 s ago doubles. */
    check_climb(5, all, (const int[]){7, 7, 7, 14, 14, 14, 28, 28}, 8, 3);
    /* 10 s: changes at 0, 10 and 20; at 20 s that of 0 has left: 7 + 7. */
    check_climb(10, all, (const int[]){7, 7, 14, 14, 28}, 5, 3);
    /* +2 at 0 s, +2 of 4 at 5 s; at 15 s the first has left: 10 = 2 x 5 from 5. */
    check_climb(5, (const int[]){5, 900, 900, 900}, (const int[]){5, 7, 7, 10}, 4, 3);
    /* What was removed counts as there at the start of the period: 2 x 6. */
    check_climb(5, (const int[]){3, 900}, (const int[]){3, 12}, 2, 6);
    /* Down without limit. */
    check_climb(5, (const int[]){1}, (const int[]){1}, 1, 90);
}

/* 587 % of the target on four pods (SuperfluousMetrics of replica_calculator_test.go) asks for 24;
 * the limit lets it have 8 first. */
static void test_limit_of_a_case_of_kubernetes(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &DEFAULT_AT(1.0), 15, 4);
    const struct hpa_service p = {4, 0, 0, 23500};
    assert_int_equal(decide(&f, &p), 8);
    assert_int_equal(decide(&f, &p), 16);
    assert_int_equal(decide(&f, &p), 24);
    assert_int_equal(decide(&f, &p), 24);
    stop(&f);
}

static void test_bounds(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &AT_ONCE, 15, 10);
    bounds(&f, 2, 12);
    assert_int_equal(decide_for(&f, 500), 12);
    assert_int_equal(decide_for(&f, 0), 2);
    stop(&f);
}

/* Each service has histories of its own; requests differ. */
static void test_services_are_independent(void **state)
{
    (void)state;
    struct game_fixture w;
    int32_t delta[2];
    float s[KHPA_STATE_MAX] = {0};
    game_fixture_open(&w, "topology: {services: [{name: a, cpu_m: 500, entry: true, calls: [b]}, "
                          "{name: b, cpu_m: 200}]}\n"
                          "controllers: [{khpa: {behavior: default, target: 0.5, down_s: 60}}]\n");
    struct controller *c = game_fixture_controller(&w, 0);
    for (int i = 0; i < 5; i++) {
        game_fixture_set(&w, s, 0, SF_DESIRED, 4);
        game_fixture_set(&w, s, 0, SF_HPA_READY, 4);
        game_fixture_set(&w, s, 0, SF_HPA_CPU, 500); /* 25 % of 4 x 500: 2 */
        game_fixture_set(&w, s, 1, SF_DESIRED, 4);
        game_fixture_set(&w, s, 1, SF_HPA_READY, 4);
        game_fixture_set(&w, s, 1, SF_HPA_CPU, 500); /* 62 % of 4 x 200: 1.24 x 4 = 4.96 */
        controller_act(c, delta, s);
        assert_int_equal(delta[0], i < 4 ? 0 : -2);
        assert_int_equal(delta[1], 1);
    }
    game_fixture_close(&w);
}

/* ---- a second implementation ---- */

enum { HISTORY = 64 };
struct stamped {
    double at;
    int value;
};
/* The rule after its recommendation, with lists of time-stamped values. */
struct reference {
    struct stamped recommended[HISTORY], changed[HISTORY];
    int n_recommended, n_changed;
};

static int reference_recommends(const struct hpa_service *p, double target, int current)
{
    const long t = lround(100 * target), used = lround(p->used_m);
    const double ratio = (double)(used * 100 / (1000L * p->ready)) / (double)t;
    const bool aside = p->ignored > 0 && ratio > 1.0;
    long n = p->ready, sum = used;
    if (aside || p->missing > 0) {
        if (ratio < 1.0 || ratio > 1.0) {
            n += p->missing;
            sum += ratio < 1.0 ? 1000L * p->missing : 0;
        }
        n += aside ? p->ignored : 0;
    }
    const double again = (double)(sum * 100 / (1000 * n)) / (double)t;
    const int wanted = (int)ceil(again * (double)n);
    if (again >= 1.0 - 0.1 && again <= 1.0 + 0.1) {
        return current;
    }
    if (aside || p->missing > 0) {
        const bool turned = (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0);
        const bool against = (again < 1.0 && wanted > current) || (again > 1.0 && wanted < current);
        return turned || against ? current : wanted;
    }
    return wanted;
}

static int reference_decides(struct reference *r, const struct khpa_params *cfg, double now,
                             const struct hpa_service *p, int current)
{
    if (r->n_recommended == 0) {
        r->recommended[r->n_recommended++] = (struct stamped){now, current};
    }
    if (p->ready == 0) {
        return current;
    }
    int least = reference_recommends(p, cfg->target, current);
    int largest = least;
    const int recommended = least;
    for (int i = 0; i < r->n_recommended; i++) {
        const struct stamped *e = &r->recommended[i];
        least = e->at > now - cfg->up_s && e->value < least ? e->value : least;
        largest = e->at > now - cfg->down_s && e->value > largest ? e->value : largest;
    }
    r->recommended[r->n_recommended++] = (struct stamped){now, recommended};
    const bool none = cfg->behavior == KHPA_BEHAVIOR_NONE;
    int wanted = none ? largest : current;
    if (!none) {
        wanted = wanted < least ? least : wanted;
        wanted = wanted > largest ? largest : wanted;
    }
    int begun = current;
    for (int i = 0; i < r->n_changed; i++) {
        begun -= r->changed[i].at > now - 15 ? r->changed[i].value : 0;
    }
    if (wanted > current) {
        int most = 2 * begun > begun + 4 ? 2 * begun : begun + 4;
        most = none ? (2 * current > 4 ? 2 * current : 4) : most;
        wanted = wanted > most ? most : wanted;
        wanted = wanted < current ? current : wanted;
    }
    wanted = wanted < 1 ? 1 : wanted > 40 ? 40 : wanted;
    r->changed[r->n_changed++] = (struct stamped){now, wanted - current};
    return wanted;
}

static uint32_t word(uint32_t history, uint32_t step, uint32_t i)
{
    return rng_philox(rng_key(11, RNG_TEST, RNG_TEST_SPLIT), i, step, history, 0).v[0];
}

static void draw_pods(struct hpa_service *p, uint32_t history, uint32_t step, int current)
{
    p->ready = (int)rng_below(word(history, step, 0), (uint32_t)current + 2);
    p->ignored = (int)rng_below(word(history, step, 1), 4) * (int)(word(history, step, 2) & 1);
    p->missing = (int)rng_below(word(history, step, 3), 4) * (int)(word(history, step, 4) & 1);
    p->used_m = (double)rng_below(word(history, step, 5), 1500) * p->ready;
}

static void test_against_lists(void **state)
{
    (void)state;
    static const double periods[] = {5, 15, 30, 7};
    static const double windows[] = {0, 10, 60, 300};
    struct fixture f;
    int n_changes = 0;
    for (uint32_t h = 0; h < 400; h++) {
        const double period = periods[rng_below(word(h, 99, 0), 4)];
        const bool none = word(h, 99, 5) % 2 == 0;
        const struct khpa_params cfg = {
            .behavior = none ? KHPA_BEHAVIOR_NONE : KHPA_BEHAVIOR_DEFAULT,
            .target = 0.01 * (30 + rng_below(word(h, 99, 1), 70)),
            .up_s = none ? 0 : windows[rng_below(word(h, 99, 2), 4)],
            .down_s = windows[rng_below(word(h, 99, 3), 4)],
        };
        struct reference r = {0};
        start(&f, &cfg, period, 1 + (int)rng_below(word(h, 99, 4), 20));
        bounds(&f, 1, 40);
        for (uint32_t step = 0; step < 50; step++) {
            struct hpa_service p;
            draw_pods(&p, h, step, f.current);
            const int before = f.current;
            const int expected = reference_decides(&r, &cfg, step * period, &p, before);
            assert_int_equal(decide(&f, &p), expected);
            n_changes += expected != before;
        }
        stop(&f);
    }
    assert_true(n_changes > 2000);
}

/* ---- a metric outage ---- */

/* Without a metric nothing is decided, however long, and in neither form. */
static void test_no_decision_without_a_metric(void **state)
{
    (void)state;
    const struct hpa_service idle = {8, 0, 0, 800}, blind = {0, 0, 8, 0};
    for (int b = KHPA_BEHAVIOR_NONE; b <= KHPA_BEHAVIOR_DEFAULT; b++) {
        struct fixture f;
        start(&f, &(struct khpa_params){.behavior = b, .target = 0.8, .down_s = 300}, 15, 8);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(decide(&f, &idle), 8);
        }
        for (int i = 0; i < 60; i++) {
            assert_int_equal(decide(&f, &blind), 8);
        }
        assert_int_equal(decide(&f, &idle), 1); /* of 300 s ago nothing is left */
        stop(&f);
    }
}

/* ---- targets beyond the request ---- */

/* 250 % of the request on 4 pods, a target of 125 %: twice as many. */
static void test_target_beyond_the_request(void **state)
{
    (void)state;
    const struct hpa_service p = {4, 0, 0, 10000};
    struct fixture f;
    start(&f, &(struct khpa_params){.target = 1.25}, 15, 4);
    assert_int_equal(decide(&f, &p), 8);
    stop(&f);
}

/* ---- refusals ---- */

static void refused(const char *world, const char *says)
{
    struct game_fixture w;
    struct controller *c = NULL;
    game_fixture_open(&w, world);
    assert_int_equal(
        controller_new(&c, &w.arena, &w.root.controllers[0], &w.env_setup, &w.rules, NULL),
        ERR_CONFIG);
    assert_null(c);
    if (strstr(w.log, says) == NULL) {
        fail_msg("says '%s', expected '%s'", w.log, says);
    }
    game_fixture_close(&w);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("topology: {limit_ratio: 2}\ncontrollers: [{khpa: {target: 2.01}}]\n",
            "target 2.01 is more than a pod can use: its limit is 2 times its request");
    refused("controllers: [{khpa: {up_s: 30}}]\n", "set behavior: default, or up_s: 0");
}

static void test_target_must_be_whole(void **state)
{
    (void)state;
    struct game_fixture w;
    struct controller *c = NULL;
    game_fixture_open(&w, "controllers: [{khpa: {target: 0.805}}, {khpa: {target: 0.29}}]\n");
    assert_int_equal(
        controller_new(&c, &w.arena, &w.root.controllers[0], &w.env_setup, &w.rules, NULL),
        ERR_CONFIG);
    assert_null(c);
    assert_non_null(strstr(w.log, "0.805"));
    assert_non_null(game_fixture_controller(&w, 1));
    game_fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_by_hand),
        cmocka_unit_test(test_down_window),
        cmocka_unit_test(test_down_window_keeps_the_largest),
        cmocka_unit_test(test_no_window),
        cmocka_unit_test(test_up_window),
        cmocka_unit_test(test_no_metrics_is_no_opinion),
        cmocka_unit_test(test_reset_forgets),
        cmocka_unit_test(test_rate_limits),
        cmocka_unit_test(test_limit_of_a_case_of_kubernetes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_services_are_independent),
        cmocka_unit_test(test_against_lists),
        cmocka_unit_test(test_no_decision_without_a_metric),
        cmocka_unit_test(test_target_beyond_the_request),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_target_must_be_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
