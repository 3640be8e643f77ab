/* The autoscaler's partition of pods: Kubernetes' own table, and what the simulator makes of it. */
#include "core/cluster/hpa_pods.h"

#include "tests/unit/cluster_fixture.h"

/* ---- TestGroupPods of replica_calculator_test.go (kubernetes at 00067268967e) ---- */

/* Seconds before now; the test's own periods are 2 minutes and 10 s. */
struct row {
    const char *name;
    struct hpa_pod pod;
    enum hpa_group expected;
};
static const struct row rows[] = {
    {"count in a ready pod with fresh metrics during initialization period",
     {false, true, true, -60, -30, 0, 30},
     HPA_GROUP_READY},
    {"ignore a ready pod without fresh metrics during initialization period",
     {false, true, true, -60, -30, 0, 60},
     HPA_GROUP_IGNORED},
    {"ignore an unready pod during initialization period",
     {false, true, false, -600, -594, -1e9, 0},
     HPA_GROUP_IGNORED},
    {"count in a ready pod without fresh metrics after initialization period",
     {false, true, true, -180, -180, -120, 60},
     HPA_GROUP_READY},
    {"count in an unready pod that was ready after initialization period",
     {false, true, false, -600, -540, -1e9, 0},
     HPA_GROUP_READY},
    {"ignore pod that has never been ready after initialization period",
     {false, true, false, -600, -590, -1e9, 0},
     HPA_GROUP_READY}, /* 10 s exactly: the table counts it, whatever its name says */
    {"a missing pod", {false, false, false, -180, -180, 0, 0}, HPA_GROUP_MISSING},
    {"pending pods are ignored", {true, false, false, 0, 0, 0, 0}, HPA_GROUP_IGNORED},
};

static void test_kubernetes_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (hpa_group_of(&rows[i].pod, 0, 120, 10) != rows[i].expected) {
            fail_msg("%s", rows[i].name);
        }
    }
}

/* ---- the simulator ---- */

static void expect(const struct cluster_fixture *w, double ready, double ignored, double missing)
{
    const double got[] = {fixture_feature(w, 0, SF_HPA_READY),
                          fixture_feature(w, 0, SF_HPA_IGNORED),
                          fixture_feature(w, 0, SF_HPA_MISSING)};
    if (got[0] != ready || got[1] != ignored || got[2] != missing) {
        fail_msg("%g ready, %g ignored, %g missing; expected %g, %g, %g", got[0], got[1], got[2],
                 ready, ignored, missing);
    }
}

/* A pod that finds no room is Pending, so ignored; one that starts runs, so it is missing. */
static void test_pending_and_starting(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.topology_cfg.node_cpu_m = 3 * w.services[0].cpu_m;
    w.cluster_cfg.start_s = 60;
    w.cluster_cfg.start_sd_s = 0;
    fixture_open_under(&w, 60, 0);
    fixture_reset(&w);
    const double before = fixture_feature(&w, 0, SF_DESIRED);
    assert_true(before == 1.0);
    w.delta[0] = 4; /* two find room */
    fixture_step(&w);
    expect(&w, 1, 2, 2);
    w.delta[0] = 0;
    fixture_step(&w);
    expect(&w, 1, 4, 0); /* now they have a metric, and are not ready */
    fixture_close(&w);
}

/* A crashed pod has no container, so no metric. Restarted, and old, it counts with what it uses. */
static void test_crash_and_restart(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.cluster_cfg.start_s = 60;
    w.cluster_cfg.start_sd_s = 0;
    fixture_open_under(&w, 60, 0);
    struct sim *s = fixture_reset(&w);
    fixture_step(&w);
    expect(&w, 1, 0, 0);
    sim_pod_crash(s, 0); /* 10 s of back-off, then 60 s of start */
    fixture_step(&w);
    expect(&w, 0, 0, 1);
    fixture_step(&w);
    fixture_step(&w);
    expect(&w, 1, 0, 0);
    assert_true(fixture_feature(&w, 0, SF_HPA_CPU) == 0.0);
    assert_true(fixture_feature(&w, 0, SF_READY) == 0.0);
    fixture_close(&w);
}

/* The window is the autoscaler's own: with 15 s a step of the load is seen whole after 22.5 s, with
 * 30 s half of it. Milli-cores are whole numbers per pod. */
static void test_window(void **state)
{
    (void)state;
    double seen[2];
    for (int i = 0; i < 2; i++) {
        struct cluster_fixture w;
        fixture_chain(&w, 1, 1000.0);
        w.plant_cfg.hpa_window_s = i == 0 ? 15 : 30;
        fixture_open(&w, 1);
        fixture_rate(&w, 0, 30, 100, 0);
        fixture_rate(&w, 30, FIXTURE_SECONDS, 700, 0);
        fixture_reset(&w);
        for (int t = 0; t < 4; t++) {
            fixture_step(&w);
        }
        seen[i] = fixture_feature(&w, 0, SF_HPA_CPU); /* newest scrape 52.5 s */
        assert_true(seen[i] == floor(seen[i]));
        fixture_close(&w);
    }
    assert_true(fabs(seen[0] - 700.0) < 60.0);
    assert_true(fabs(seen[1] - 550.0) < 60.0);
}

/* Within an outage pods lose their metric, though every other column stays; later it comes back. */
static void test_outage(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    fixture_open_under(&w, 60, 0);
    fixture_event(&w, EVENT_METRIC_OUTAGE, -1, 31, 120, 1);
    fixture_reset(&w);
    for (int t = 0; t < 2; t++) {
        fixture_step(&w);
    }
    expect(&w, 1, 0, 0);
    const double cpu = fixture_feature(&w, 0, SF_CPU);
    for (int t = 2; t < 10; t++) {
        fixture_step(&w);
        if (t >= 3) { /* newest scrape 52.5: nothing seen since 27.5 */
            expect(&w, 0, 0, 1);
        }
    }
    assert_true(fixture_feature(&w, 0, SF_READY) == 1.0 && cpu > 0.0);
    for (int t = 10; t < 13; t++) {
        fixture_step(&w);
    }
    expect(&w, 1, 0, 0);
    fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kubernetes_table),
        cmocka_unit_test(test_pending_and_starting),
        cmocka_unit_test(test_crash_and_restart),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
