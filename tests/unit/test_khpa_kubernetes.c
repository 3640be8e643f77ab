/* The tables of Kubernetes' own tests of CPU, for both forms of spec.behavior with their defaults.
 * Those of policies and of other metrics: test_khpa_policies.c.
 *
 * Numbers from pkg/controller/podautoscaler of kubernetes/kubernetes, named as there:
 * replica_calculator_test.go at 00067268967e, horizontal_test.go at 003e86297d18. Rows are played
 * through the whole rule, not through one of its steps. What is left out, and why, stands in
 * docs/evaluation.md ("Test tables of Kubernetes"); a count below keeps that table true.
 */
#include "tests/unit/khpa_fixture.h"

enum { BEHAVIORS = 2 };
static const char *const behavior_names[BEHAVIORS] = {
    [KHPA_BEHAVIOR_NONE] = "none", [KHPA_BEHAVIOR_DEFAULT] = "default"};

/* ---- one decision: formula, bounds, limit ---- */

struct row {
    const char *name;
    int current;
    double target;
    struct hpa_service pods;
    int expected;
    int least, most; /* replica bounds; 0 = 1 and 1000 */
};

/* A window of 0 s: the tests have no recommendations before. */
static void check_rows(const struct row *rows, int n, int behavior)
{
    for (int i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct fixture f;
        start(&f, &(struct khpa_params){.behavior = behavior, .target = r->target}, 15, r->current);
        bounds(&f, r->least > 0 ? r->least : 1, r->most > 0 ? r->most : 1000);
        const int got = decide(&f, &r->pods);
        if (got != r->expected) {
            fail_msg("%s, behavior %s: %d replicas, expected %d", r->name, behavior_names[behavior],
                     got, r->expected);
        }
        stop(&f);
    }
}

/* replica_calculator_test.go, of the CPU metric; without "TestReplicaCalc". */
static const struct row calculator[] = {
    {"ScaleUp", 3, 0.30, {3, 0, 0, 1500}, 5, 0, 0},
    {"ScaleUpUnreadyLessScale", 3, 0.30, {2, 1, 0, 1200}, 4, 0, 0},
    {"ScaleUpUnreadyNoScale", 3, 0.30, {1, 2, 0, 400}, 3, 0, 0},
    {"ScaleUpIgnoresFailedPods", 2, 0.30, {2, 0, 0, 1200}, 4, 0, 0},
    {"ScaleDown", 5, 0.50, {5, 0, 0, 1400}, 3, 0, 0},
    {"ScaleDownIncludeUnreadyPods", 5, 0.50, {3, 2, 0, 900}, 2, 0, 0},
    {"ScaleDownExcludeUnscheduledPods", 5, 0.50, {1, 4, 0, 100}, 1, 0, 0},
    {"Tolerance", 3, 1.00, {3, 0, 0, 3060}, 3, 0, 0},
    {"MissingMetrics", 4, 1.00, {2, 0, 2, 495}, 3, 0, 0},
    {"EmptyMetrics", 4, 1.00, {0, 0, 3, 0}, 4, 0, 0},
    {"MissingMetricsNoChangeEq", 2, 1.00, {1, 0, 1, 1000}, 2, 0, 0},
    {"MissingMetricsNoChangeGt", 2, 1.00, {1, 0, 1, 1900}, 2, 0, 0},
    {"MissingMetricsNoChangeLt", 2, 1.00, {1, 0, 1, 600}, 2, 0, 0},
    {"MissingMetricsUnreadyChange", 3, 0.50, {1, 1, 1, 450}, 3, 0, 0},
    {"MissingMetricsUnreadyScaleUp", 3, 0.50, {1, 1, 1, 2000}, 4, 0, 0},
    {"MissingMetricsUnreadyScaleDown", 4, 0.50, {2, 1, 1, 200}, 3, 0, 0},
    {"DuringRollingUpdateWithMaxSurge", 2, 0.50, {2, 0, 1, 200}, 2, 0, 0},
    {"ComputedToleranceAlgImplementation", 10, 0.56, {10, 0, 0, 5000}, 9, 0, 0},
    {"ComputedToleranceAlgImplementation, unscaling", 10, 0.55, {10, 0, 0, 5000}, 10, 0, 0},
};

/* horizontal_test.go, of the CPU metric; without "Test". Pods that failed or are being deleted do
 * not reach the rule; requests that differ between pods are given by their sum. */
static const struct row controller[] = {
    {"ScaleUp", 3, 0.30, {3, 0, 0, 1500}, 5, 2, 6},
    {"ScaleUpUnreadyLessScale", 3, 0.30, {2, 1, 0, 1200}, 4, 2, 6},
    {"ScaleUpHotCpuLessScale", 3, 0.30, {2, 1, 0, 1200}, 4, 2, 6},
    {"ScaleUpUnreadyNoScale", 3, 0.30, {1, 2, 0, 400}, 3, 2, 6},
    {"ScaleUpHotCpuNoScale", 3, 0.30, {1, 2, 0, 400}, 3, 2, 6},
    {"ScaleUpIgnoresFailedPods", 2, 0.30, {2, 0, 0, 1200}, 4, 2, 6},
    {"ScaleUpIgnoresDeletionPods", 2, 0.30, {2, 0, 0, 1200}, 4, 2, 6},
    {"ScaleUpDeployment", 3, 0.30, {3, 0, 0, 1500}, 5, 2, 6},
    {"ScaleUpReplicaSet", 3, 0.30, {3, 0, 0, 1500}, 5, 2, 6},
    {"ScaleDown", 5, 0.50, {5, 0, 0, 1400}, 3, 2, 6},
    {"ScaleDownIncludeUnreadyPods", 5, 0.50, {3, 2, 0, 900}, 2, 2, 6},
    {"ScaleDownIgnoreHotCpuPods", 5, 0.50, {3, 2, 0, 900}, 2, 2, 6},
    {"ScaleDownIgnoresFailedPods", 5, 0.50, {5, 0, 0, 1400}, 3, 2, 6},
    {"ScaleDownIgnoresDeletionPods", 5, 0.50, {5, 0, 0, 1400}, 3, 2, 6},
    {"Tolerance", 3, 1.00, {3, 0, 0, 3060}, 3, 1, 5},
    {"MinReplicas", 3, 0.90, {3, 0, 0, 115}, 2, 2, 5},
    {"MinReplicasDesiredZero", 3, 0.90, {3, 0, 0, 0}, 2, 2, 5},
    {"TooFewReplicas", 2, 0.90, {0, 0, 0, 0}, 3, 3, 5},
    {"TooManyReplicas", 10, 0.90, {0, 0, 0, 0}, 5, 3, 5},
    {"MaxReplicas", 3, 0.90, {3, 0, 0, 18500}, 5, 2, 5},
    {"SuperfluousMetrics", 4, 1.00, {4, 0, 0, 23500}, 6, 2, 6},
    {"MissingMetrics", 4, 1.00, {2, 0, 2, 495}, 3, 2, 6},
    {"EmptyMetrics", 4, 1.00, {0, 0, 4, 0}, 4, 2, 6},
    {"EventCreated", 1, 0.50, {1, 0, 0, 1000}, 2, 1, 5},
    {"EventNotCreated", 2, 0.50, {2, 0, 0, 1000}, 2, 1, 5},
    {"MissingReports", 4, 0.50, {1, 0, 0, 1000}, 2, 1, 5},
    {"MoreReplicasThanSpecNoScale", 4, 0.50, {5, 0, 0, 2500}, 4, 1, 8},
    {"ConditionFailedGetMetrics", 3, 0.10, {0, 0, 3, 0}, 3, 1, 100},
    {"ConditionNoAmbiguousSelector...", 3, 0.30, {3, 0, 0, 1500}, 5, 2, 6},
    {"ComputedToleranceAlgImplementation", 10, 0.56, {10, 0, 0, 5000}, 9, 1, 1000},
    {"ComputedToleranceAlgImplementation, unscaling", 10, 0.55, {10, 0, 0, 5000}, 10, 1, 1000},
    {"ScaleUpRCImmediately", 1, 0.50, {4, 0, 0, 0}, 2, 2, 6},
    {"ScaleDownRCImmediately", 6, 0.50, {3, 0, 0, 18500}, 5, 2, 5},
};

static void test_calculator(void **state)
{
    (void)state;
    for (int b = 0; b < BEHAVIORS; b++) {
        check_rows(calculator, sizeof calculator / sizeof *calculator, b);
    }
}

static void test_controller(void **state)
{
    (void)state;
    for (int b = 0; b < BEHAVIORS; b++) {
        check_rows(controller, sizeof controller / sizeof *controller, b);
    }
}

/* ---- given a recommendation ---- */

/* Pods that make the rule recommend `wanted` (target 0.5), whatever the current number. */
static struct hpa_service pods_for(int wanted)
{
    const int ready = wanted == 1 ? 2 : 1; /* a ratio of 1 would keep the current number */
    return (struct hpa_service){ready, 0, 0, wanted == 1 ? 500.0 : 500.0 * wanted};
}

/* What a limit makes of a recommendation. */
struct limit_row {
    const char *name;
    int current, wanted, least, most, expected;
};

static void check_limits(const struct limit_row *rows, int n, int behavior)
{
    for (int i = 0; i < n; i++) {
        const struct limit_row *r = &rows[i];
        struct fixture f;
        start(&f, &(struct khpa_params){.behavior = behavior, .target = 0.5}, 15, r->current);
        bounds(&f, r->least, r->most);
        const struct hpa_service p = pods_for(r->wanted);
        const int got = decide(&f, &p);
        if (got != r->expected) {
            fail_msg("%s: %d replicas, expected %d", r->name, got, r->expected);
        }
        stop(&f);
    }
}

/* TestConvertDesiredReplicasWithRules: without a stanza. */
static const struct limit_row rules[] = {
    {"prenormalized desired replicas within range", 5, 7, 3, 8, 7},
    {"prenormalized desired replicas < minReplicas", 3, 1, 2, 8, 2},
    {"maxReplicas is the limit because maxReplicas < scaleUpLimit", 20, 1000, 1, 10, 10},
    {"scaleUpLimit is the limit because scaleUpLimit < maxReplicas", 3, 1000, 1, 2000, 6},
};

/* TestScalingWithRules: rows without policies of their own, which have the default ones. */
static const struct limit_row with_rules[] = {
    {"prenormalized desired replicas within range", 5, 7, 3, 8, 7},
    {"prenormalized desired replicas < minReplicas", 3, 1, 2, 8, 2},
    {"maxReplicas is the limit because maxReplicas < scaleUpLimit", 20, 1000, 1, 10, 10},
    {"desired replica count is more than the maximum replica count", 100, 1000, 100, 150, 150},
    {"scaleUp with default behavior", 10, 50, 1, 1000, 20},
};

static void test_limits(void **state)
{
    (void)state;
    check_limits(rules, sizeof rules / sizeof *rules, KHPA_BEHAVIOR_NONE);
    check_limits(with_rules, sizeof with_rules / sizeof *with_rules, KHPA_BEHAVIOR_DEFAULT);
}

/* TestScalingWithRules, "scaleDown with default policy and previous events": 1, 5 and 9 pods were
 * removed 100, 60 and 20 s ago. 25 -> 24 -> 19 -> 10, then 5 are wanted. */
static void test_scale_down_after_events(void **state)
{
    (void)state;
    static const int wanted[] = {24, 24, 19, 19, 10, 5};
    static const int expected[] = {24, 24, 19, 19, 10, 5};
    struct fixture f;
    start(&f, &(struct khpa_params){.behavior = KHPA_BEHAVIOR_DEFAULT, .target = 0.5}, 20, 25);
    for (int i = 0; i < 6; i++) {
        const struct hpa_service p = pods_for(wanted[i]);
        assert_int_equal(decide(&f, &p), expected[i]);
    }
    stop(&f);
}

/* ---- given a history of recommendations ---- */

enum { HISTORY_MAX = 4, MINUTES_MAX = 102 };

struct history_row {
    const char *name;
    struct {
        int minutes, value; /* so long ago */
    } history[HISTORY_MAX];
    int current, wanted, expected; /* after stabilisation */
    double up_s, down_s;
};

/* Decisions come every minute; those without a recommendation find no metric. */
static int play_history(const struct history_row *r, int behavior)
{
    const struct hpa_service none = {0, 0, 1, 0};
    const struct khpa_params params = {
        .behavior = behavior, .target = 0.5, .up_s = r->up_s, .down_s = r->down_s};
    struct fixture f;
    start(&f, &params, 60, 1); /* what it finds leaves every window before the end */
    for (int ago = MINUTES_MAX; ago > 0; ago--) {
        struct hpa_service p = none;
        for (int i = 0; i < HISTORY_MAX; i++) {
            p = r->history[i].minutes == ago ? pods_for(r->history[i].value) : p;
        }
        (void)decide(&f, &p);
        f.current = 1;
    }
    f.current = r->current;
    const struct hpa_service p = pods_for(r->wanted);
    const int got = decide(&f, &p);
    stop(&f);
    return got;
}

/* The same through the limit, which the tests of a step do not have. */
static int limited(int behavior, int current, int wanted)
{
    const int scaled = 2 * current;
    const int added = behavior == KHPA_BEHAVIOR_NONE ? 4 : current + 4;
    const int most = scaled > added ? scaled : added;
    return wanted < most ? wanted : most;
}

static void check_histories(const struct history_row *rows, int n, int behavior)
{
    for (int i = 0; i < n; i++) {
        const struct history_row *r = &rows[i];
        const int expected = limited(behavior, r->current, r->expected);
        const int got = play_history(r, behavior);
        if (got != expected) {
            fail_msg("%s: %d replicas, expected %d", r->name, got, expected);
        }
    }
}

/* TestNormalizeDesiredReplicas: without a stanza. There the current number plays no part; here it
 * only has to let the limit through. */
static const struct history_row normalised[] = {
    {"empty log", {{0}}, 10, 5, 5, 0, 300},
    {"stabilize", {{2, 4}, {1, 5}}, 10, 3, 5, 0, 300},
    {"no stabilize", {{2, 1}, {1, 2}}, 10, 3, 3, 0, 300},
    {"no stabilize - old recommendations", {{10, 10}, {9, 9}}, 10, 3, 3, 0, 300},
    {"stabilize - old recommendations", {{10, 10}, {1, 4}, {2, 5}, {9, 9}}, 10, 3, 5, 0, 300},
    /* TestStabilizeDownscale: 50 % of the target on 3 pods. */
    {"StabilizeDownscale", {{10, 10}, {1, 4}}, 4, 2, 4, 0, 300},
};

/* TestNormalizeDesiredReplicasWithBehavior. */
static const struct history_row with_behavior[] = {
    {"empty recommendations for scaling down", {{0}}, 100, 5, 5, 0, 0},
    {"simple scale down stabilization", {{2, 4}, {1, 5}}, 100, 3, 5, 0, 180},
    {"simple scale up stabilization", {{2, 4}, {1, 5}}, 1, 7, 4, 300, 0},
    {"no scale down stabilization", {{2, 1}, {1, 2}}, 100, 3, 3, 300, 0},
    {"no scale up stabilization", {{2, 4}, {1, 5}}, 1, 3, 3, 0, 300},
    {"no scale down stabilization, reuse", {{10, 10}, {9, 9}}, 100, 3, 3, 0, 0},
    {"no scale up stabilization, reuse", {{10, 10}, {9, 9}}, 1, 100, 100, 0, 0},
    {"scale down stabilization, reuse", {{10, 10}, {1, 4}, {2, 5}, {9, 9}}, 100, 3, 5, 0, 180},
    {"scale up stabilization, reuse", {{100, 10}, {1, 6}, {2, 5}, {3, 9}}, 1, 100, 5, 300, 0},
    {"do not scale up when prenormalized rec goes down", {{100, 2}, {3, 3}}, 2, 1, 2, 300, 300},
    {"do not scale down when prenormalized rec goes up", {{100, 2}, {3, 1}}, 2, 3, 2, 300, 300},
};

static void test_histories(void **state)
{
    (void)state;
    check_histories(normalised, sizeof normalised / sizeof *normalised, KHPA_BEHAVIOR_NONE);
    check_histories(with_behavior, sizeof with_behavior / sizeof *with_behavior,
                    KHPA_BEHAVIOR_DEFAULT);
}

/* TestScaleDownStabilizeInitialSize: what the controller finds counts as recommended. */
static void test_initial_size(void **state)
{
    (void)state;
    const struct hpa_service p = {5, 0, 0, 1400};
    for (int b = 0; b < BEHAVIORS; b++) {
        struct fixture f;
        start(&f, &(struct khpa_params){.behavior = b, .target = 0.5, .down_s = 300}, 15, 5);
        bounds(&f, 2, 6);
        assert_int_equal(decide(&f, &p), 5);
        stop(&f);
    }
}

/* Without a stanza the largest recommendation counts even above the current number; with one it
 * only holds back. Somebody else set the replicas from 8 to 4. */
static void test_the_maximum_counts_above_current(void **state)
{
    (void)state;
    static const int expected[BEHAVIORS] = {[KHPA_BEHAVIOR_NONE] = 8, [KHPA_BEHAVIOR_DEFAULT] = 4};
    for (int b = 0; b < BEHAVIORS; b++) {
        struct fixture f;
        start(&f, &(struct khpa_params){.behavior = b, .target = 0.5, .down_s = 300}, 15, 8);
        const struct hpa_service eight = pods_for(8), three = pods_for(3);
        assert_int_equal(decide(&f, &eight), 8);
        f.current = 4;
        assert_int_equal(decide(&f, &three), expected[b]);
        stop(&f);
    }
}

/* From 1, 2 and 3 pods without end (kubernetes issue 55477: 1 -> 4). */
static void test_first_steps(void **state)
{
    (void)state;
    static const int first[BEHAVIORS][3] = {
        [KHPA_BEHAVIOR_NONE] = {4, 4, 6}, [KHPA_BEHAVIOR_DEFAULT] = {5, 6, 7}};
    for (int b = 0; b < BEHAVIORS; b++) {
        for (int n = 1; n <= 3; n++) {
            struct fixture f;
            start(&f, &(struct khpa_params){.behavior = b, .target = 0.5}, 15, n);
            const struct hpa_service p = pods_for(900);
            assert_int_equal(decide(&f, &p), first[b][n - 1]);
            stop(&f);
        }
    }
}

/* The numbers of docs/evaluation.md. */
static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(sizeof calculator / sizeof *calculator, 19);
    assert_int_equal(sizeof controller / sizeof *controller, 33);
    assert_int_equal(sizeof rules / sizeof *rules, 4);
    assert_int_equal(sizeof with_rules / sizeof *with_rules + 1, 6);
    assert_int_equal(sizeof normalised / sizeof *normalised, 5 + 1);
    assert_int_equal(sizeof with_behavior / sizeof *with_behavior, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calculator),
        cmocka_unit_test(test_controller),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_scale_down_after_events),
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_initial_size),
        cmocka_unit_test(test_the_maximum_counts_above_current),
        cmocka_unit_test(test_first_steps),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
