/* Disturbances and measurement: what slow services and a neighbour do, and when; lagged windows,
 * the pods that the HPA counts, exact means. */
#include "core/cluster/share.h"
#include "tests/unit/cluster_fixture.h"

#include <math.h>

/* ---- disturbances ---- */

/* No load, no events: no ticks. */
static void test_calm_has_no_ticks(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open_under(&w, 10, 0);
    fixture_event(&w, EVENT_SLOW, 2, 33.33, 10, 3.0);
    struct sim *s = fixture_reset(&w);
    assert_true(near(s->tick_s, 33.3));
    sim_run(s, 40.0);
    assert_true(s->services[2].slowdown == 3.0 && s->services[1].slowdown == 1.0);
    assert_true(near(s->tick_s, 40.1));
    sim_run(s, 50.0);
    assert_true(s->services[2].slowdown == 1.0);
    assert_true(s->tick_s == SIM_NEVER);
    fixture_close(&w);
}

/* 2 pods of weight 1000 and one of 500 want 1 + 1 + 0.5 cores of a node whose neighbour leaves 2:
 * in proportion to requests 0.8, 0.8, 0.4. With one pod of weight 1000 idle there is enough. */
static void test_contention(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 3, 0.01);
    w.services[2].cpu_m = 500;
    w.services[1].calls = NULL;
    w.services[1].n_calls = 0;
    w.services[1].entry = w.services[2].entry = true;
    w.services[0].n_calls = 0;
    w.topology_cfg.node_cpu_m = 4000;
    w.plant_cfg.timeout_s = 600;
    fixture_open(&w, 1);
    fixture_event(&w, EVENT_NEIGHBOUR, -1, 10, 100, 0.5);
    struct sim *s = fixture_reset(&w);
    for (int i = 0; i < 30; i++) {
        fixture_request(s, 9.0);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(s->pods[i].computing > 1);
        assert_true(s->pods[i].cores == s->services[i].cores);
    }
    sim_run(s, 11.0);
    assert_true(near(s->pods[0].cores, 0.8) && near(s->pods[1].cores, 0.8));
    assert_true(near(s->pods[2].cores, 0.4));
    assert_true(s->throttled);
    sim_run(s, 11.02); /* not at ticks only */
    sim_lose_calls(s, 0);
    share_announce(s, 0);
    sim_run(s, 11.03);
    assert_true(s->pods[1].cores == 1.0 && s->pods[2].cores == 0.5);
    assert_true(!s->throttled);
    for (int i = 0; s->pods[0].computing == 0; i++) {
        assert_in_range(i, 0, 30);
        fixture_request(s, 11.04);
    }
    sim_run(s, 11.04);
    assert_true(near(s->pods[0].cores + s->pods[1].cores + s->pods[2].cores, 2.0));
    assert_true(near(s->pods[0].cores, 0.8) && s->throttled);
    sim_run(s, 120.0);
    assert_true(s->tick_s == SIM_NEVER);
    fixture_close(&w);
}

/* ---- measurement ---- */

/* At the first decision the windows are full of the first second's load. */
static void test_first_state(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open_under(&w, 200, 0);
    fixture_reset(&w);
    assert_true(fabs(fixture_global(&w, GF_ENTRY_30S) - 200.0) < 4.0 * sqrt(200.0 / 30.0));
    assert_true(fabs(fixture_global(&w, GF_ENTRY_5S) - 200.0) < 4.0 * sqrt(200.0 / 5.0));
    assert_true(fixture_global(&w, GF_ANSWERED) > 0.99);
    assert_true(fixture_global(&w, GF_RESPONSE) > 40.0 && fixture_global(&w, GF_RESPONSE) < 80.0);
    /* CPU: 200/s x 5 ms; twice as many calls at d; 10 s utilisation near 1/2 at a. */
    assert_true(fabs(fixture_feature(&w, 0, SF_CPU) - 1000.0) < 100.0);
    assert_true(fabs(fixture_feature(&w, 3, SF_RECEIVED) - 400.0) < 40.0);
    assert_true(fabs(fixture_feature(&w, 0, SF_UTIL_10S) - 0.5) < 0.1);
    assert_true(fixture_feature(&w, 0, SF_DEPLOYED) == 4.0 &&
                fixture_feature(&w, 1, SF_READY) == 5.0);
    assert_true(fixture_feature(&w, 2, SF_HPA_READY) == 3.0 &&
                fixture_feature(&w, 3, SF_ID) == 3.0);
    /* The autoscaler's window is another one, and its milli-cores are whole. */
    assert_true(fabs(fixture_feature(&w, 2, SF_HPA_CPU) / fixture_feature(&w, 2, SF_CPU) - 1) <
                0.15);
    assert_true(fixture_feature(&w, 2, SF_HPA_CPU) == floor(fixture_feature(&w, 2, SF_HPA_CPU)));
    /* Traffic of d: 400 calls/s of 1000 bytes. */
    assert_true(fabs(fixture_feature(&w, 3, SF_NET_IN) - 3200.0) < 320.0);
    assert_true(plant_truth(w.plant, 0)->received == 0.0);
    fixture_close(&w);
}

/* The load steps at 30 s from 100 to 300. At 45 the newest scrape is of 37.5 s: 7.5 of the last
 * 10 s lie behind the step, 7.5 of the last 30 s. */
static void test_lag_and_windows(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 1000.0);
    fixture_open(&w, 1);
    fixture_rate(&w, 0, 30, 100, 0);
    fixture_rate(&w, 30, FIXTURE_SECONDS, 300, 0);
    fixture_reset(&w);
    fixture_step(&w);
    fixture_step(&w);
    fixture_step(&w);
    double sd = sqrt(300.0);
    assert_true(fabs(fixture_global(&w, GF_ENTRY_5S) - 300.0) < 4.0 * sd / sqrt(5.0));
    assert_true(fabs(fixture_global(&w, GF_ENTRY_10S) - 250.0) < 4.0 * sd / sqrt(10.0));
    assert_true(fabs(fixture_global(&w, GF_ENTRY_30S) - 150.0) < 4.0 * sd / sqrt(30.0));
    assert_true(near(fixture_global(&w, GF_ENTRY_TREND),
                     fixture_global(&w, GF_ENTRY_10S) - fixture_global(&w, GF_ENTRY_30S)));
    assert_true(fabs(fixture_global(&w, GF_ENTRY_DIFF) - 150.0) < 4.0 * sd / sqrt(5.0));
    fixture_close(&w);
}

/* Scaled from 1 to 3 at 0, ready at 20. Decisions and newest scrapes:
 *   15: 7.5   container runs, two scrapes 5 s apart -> no metric: missing
 *   30: 22.5  metric of 15 s, partly before 20      -> ignored
 *   45: 37.5  whole window after 20                 -> ready
 */
static void test_hpa_partition(void **state)
{
    (void)state;
    static const double expected[][3] = {{1, 0, 2}, {1, 2, 0}, {3, 0, 0}, {3, 0, 0}};
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    fixture_open_under(&w, 60, 0);
    fixture_reset(&w);
    w.delta[0] = 2;
    for (int t = 0; t < 4; t++) {
        fixture_step(&w);
        assert_true(fixture_feature(&w, 0, SF_HPA_READY) == expected[t][0]);
        assert_true(fixture_feature(&w, 0, SF_HPA_IGNORED) == expected[t][1]);
        assert_true(fixture_feature(&w, 0, SF_HPA_MISSING) == expected[t][2]);
    }
    assert_true(fabs(fixture_feature(&w, 0, SF_HPA_CPU) - 600.0) < 100.0);
    assert_true(fixture_feature(&w, 0, SF_HPA_CPU) == floor(fixture_feature(&w, 0, SF_HPA_CPU)));
    assert_true(fixture_feature(&w, 0, SF_DESIRED) == 3.0);
    fixture_close(&w);
}

/* Desired replicas are clipped to the service's range; the present wish is shown. */
static void test_clipping(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open(&w, 1);
    fixture_reset(&w);
    w.delta[0] = 100;
    w.delta[1] = -100;
    w.delta[2] = INT32_MAX;
    fixture_step(&w);
    assert_true(fixture_feature(&w, 0, SF_DESIRED) == 10.0);
    assert_true(fixture_feature(&w, 1, SF_DESIRED) == 1.0);
    assert_true(fixture_feature(&w, 2, SF_DESIRED) == 10.0);
    fixture_close(&w);
}

/* Truth of a quiet period: exact means. */
static void test_truth_means(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 2, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = fixture_start(&w);
    w.delta[0] = 2;
    const struct plant_truth *t = fixture_step(&w);
    assert_true(near(t->pods_deployed_mean, 4.0));
    assert_true(near(t->requested_m_mean, 4000.0));
    assert_true(near(t->entry_available_mean, 1.0) && near(t->service_available_mean, 1.0));
    sim_pod_crash(s, 1); /* s1 is away for 10 + 20 s */
    t = fixture_step(&w);
    assert_true(near(t->pods_failed_mean, 10.0 / 15.0));
    assert_true(near(t->service_available_mean, 0.5));
    assert_true(near(t->entry_available_mean, 1.0));
    fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calm_has_no_ticks), cmocka_unit_test(test_contention),
        cmocka_unit_test(test_first_state),       cmocka_unit_test(test_lag_and_windows),
        cmocka_unit_test(test_hpa_partition),     cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_truth_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
