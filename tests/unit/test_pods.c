/* The lives of pods: started, waiting for room, drained, crashed and brought back; probes and
 * warm-up on the way to full speed. */
#include "tests/unit/cluster_fixture.h"

#include <math.h>

/* One service of exactly 1 s on one core; pods start in exactly 20 s. */
static void fixture_exact(struct cluster_fixture *w)
{
    fixture_chain(w, 1, 1.0);
    w->services[0].service_time = WORK_DETERMINISTIC;
    w->plant_cfg.timeout_s = 1000;
    w->cluster_cfg.start_sd_s = 0;
}

/* ---- starting, going, crashing ---- */

static int count_state(const struct sim *s, int service, enum sim_pod_state state)
{
    int n = 0;
    for (int i = 0; i < s->shared->n_pods; i++) {
        n += s->pods[i].state == state && s->pods[i].service == service;
    }
    return n;
}

/* start_sd_s 0: a pod asked for at 0 is ready at exactly start_s. */
static void test_start_up(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = fixture_start(&w);
    sim_scale(s, 0, 3);
    sim_schedule_pods(s);
    assert_int_equal(count_state(s, 0, POD_STARTING), 2);
    assert_true(s->node_cpu_m == 3000.0);
    sim_run(s, 19.999);
    assert_int_equal(s->services[0].n_ready, 1);
    sim_run(s, 20.0);
    assert_int_equal(s->services[0].n_ready, 3);
    assert_true(sim_consistent(s));
    fixture_close(&w);
}

/* Delays are normal(20, 6), at least 1 s: mean and spread over many pods. */
static void test_start_up_is_normal(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.services[0].max_replicas = 500;
    w.services[0].cpu_m = w.services[0].ram_mib = 1;
    struct sim *s = fixture_start(&w);
    sim_scale(s, 0, 401);
    sim_schedule_pods(s);
    double sum = 0, square = 0, least = 100;
    for (int i = 1; i <= 400; i++) {
        double d = s->pods[i].next_transition_s;
        sum += d;
        square += d * d;
        least = d < least ? d : least;
    }
    double mean = sum / 400, sd = sqrt(square / 400 - mean * mean);
    assert_true(fabs(mean - 20.0) < 4.0 * 6.0 / sqrt(400.0));
    assert_true(fabs(sd - 6.0) < 4.0 * 6.0 / sqrt(800.0));
    assert_true(least >= 1.0);
    fixture_close(&w);
}

/* The node has room for 5 of 8 pods; the rest wait until one goes. */
static void test_pending(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.topology_cfg.node_cpu_m = 5500;
    struct sim *s = fixture_start(&w);
    sim_scale(s, 0, 8);
    sim_schedule_pods(s);
    assert_int_equal(count_state(s, 0, POD_PENDING), 3);
    sim_run(s, 60.0);
    assert_int_equal(s->services[0].n_ready, 5);
    assert_true(s->requested_area.value == 5000.0);
    sim_scale(s, 0, 7); /* takes a pending one */
    assert_int_equal(count_state(s, 0, POD_PENDING), 2);
    assert_int_equal(s->services[0].n_ready, 5);
    sim_pod_crash(s, 0); /* a crashed pod keeps its place */
    sim_run(s, 61.0);
    assert_int_equal(count_state(s, 0, POD_PENDING), 2);
    sim_scale(s, 0, 4); /* two pending ones, then the crashed one */
    sim_schedule_pods(s);
    assert_int_equal(count_state(s, 0, POD_PENDING), 0);
    assert_int_equal(count_state(s, 0, POD_CRASHED), 0);
    assert_int_equal(s->services[0].n_ready, 4);
    assert_true(s->node_cpu_m == 4000.0);
    fixture_close(&w);
}

/* Starting ones go first, then the youngest ready one. */
static void test_scale_down_order(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = fixture_start(&w);
    sim_scale(s, 0, 2);
    sim_schedule_pods(s);
    sim_run(s, 30.0); /* pod 1 became ready at 20 */
    sim_scale(s, 0, 3);
    sim_schedule_pods(s);
    sim_scale(s, 0, 2);
    assert_int_equal(s->services[0].n_ready, 2);
    assert_int_equal(count_state(s, 0, POD_STARTING), 0);
    sim_scale(s, 0, 1);
    assert_int_equal(s->services[0].n_ready, 1);
    assert_int_equal(s->services[0].ready[0], 0);
    fixture_close(&w);
}

/* A removed pod finishes what it has, keeps its CPU until then, and takes no new calls. */
static void test_drain(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 1.0);
    w.services[0].initial_replicas = 2;
    w.plant_cfg.timeout_s = 100;
    struct sim *s = fixture_start(&w);
    for (int i = 0; i < 12; i++) {
        fixture_request(s, 0.0);
    }
    int held = s->pods[1].held;
    assert_true(held > 0);
    sim_scale(s, 0, 1);
    assert_int_equal(s->pods[1].state, POD_DRAINING);
    assert_int_equal(s->services[0].n_pods, 1);
    assert_true(s->requested_area.value == 2000.0);
    for (int i = 0; i < 12; i++) {
        fixture_request(s, 0.0);
    }
    assert_int_equal(s->pods[1].held, held);
    double used = 0;
    for (int i = 0; i < held; i++) {
        used += s->pods[1].tag[i]; /* entered at virtual time 0 */
    }
    sim_run(s, w.cluster_cfg.grace_s - 0.1);
    assert_int_equal(s->pods[1].state, POD_FREE);
    assert_true(near(s->services[0].count.used_s, used));
    assert_true(s->requested_area.value == 1000.0);
    assert_true(s->truth.failed == 0.0);
    fixture_close(&w);
}

/* After the grace period what is left is lost, and fails. */
static void test_drain_out_of_grace(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 0.01); /* 100 s a call */
    w.services[0].initial_replicas = 2;
    w.plant_cfg.timeout_s = 600;
    struct sim *s = fixture_start(&w);
    for (int i = 0; i < 40; i++) {
        fixture_request(s, 0.0);
    }
    sim_scale(s, 0, 1);
    sim_run(s, w.cluster_cfg.grace_s - 0.1);
    int held = s->pods[1].held;
    double failed = s->truth.failed;
    assert_true(held > 5);
    sim_run(s, w.cluster_cfg.grace_s);
    assert_int_equal(s->pods[1].state, POD_FREE);
    assert_true(s->truth.failed == failed + held);
    assert_true(sim_consistent(s));
    fixture_close(&w);
}

/* A crash loses the pod's calls: callers waiting above fail, callees below go on as orphans. */
static void test_crash_in_the_middle(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 3, 1.0);
    w.plant_cfg.timeout_s = 100;
    struct sim *s = fixture_start(&w);
    for (int i = 0; i < 30; i++) {
        fixture_request(s, 0.0);
    }
    while (s->services[2].count.received < 3.0 || s->pods[1].computing < 2) {
        sim_run(s, s->now + 0.05);
    }
    int middle = s->pods[1].held, waiting = middle - s->pods[1].computing;
    assert_true(waiting > 0);
    double failed = s->truth.failed;
    sim_pod_crash(s, 1);
    assert_true(s->truth.failed == failed + middle);
    assert_true(sim_consistent(s));
    int orphans = 0;
    for (int i = 0; i < s->n_touched; i++) {
        orphans += s->calls[i].state != CALL_FREE && s->calls[i].parent == SIM_ORPHAN;
    }
    assert_int_equal(orphans, waiting);
    double up = s->services[1].up_area.value;
    assert_true(up == 0.0);
    sim_run(s, 400.0);
    assert_int_equal(s->n_live, 0);
    assert_true(sim_consistent(s));
    fixture_close(&w);
}

/* 10, 20, 40 ... 300 s, and 10 again after ten minutes of running. */
static void test_back_off(void **state)
{
    (void)state;
    static const double expected[] = {10, 20, 40, 80, 160, 300, 300};
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = fixture_start(&w);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        double at = s->now;
        sim_pod_crash(s, 0);
        assert_int_equal(s->services[0].n_failed, 1);
        assert_true(near(s->pods[0].next_transition_s, at + expected[i]));
        sim_run(s, at + expected[i]);
        assert_int_equal(s->pods[0].state, POD_STARTING);
        assert_int_equal(s->services[0].n_failed, 0);
        sim_run(s, at + expected[i] + 20.0);
        assert_int_equal(s->pods[0].state, POD_READY);
    }
    sim_run(s, s->now + 600.0);
    double at = s->now;
    sim_pod_crash(s, 0);
    assert_true(near(s->pods[0].next_transition_s, at + 10.0));
    fixture_close(&w);
}

/* Crash events: at p = 0.2 a minute, 400 pods crash like 400 (1 - 0.8^m) within m minutes. */
static void test_crash_hazard(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.services[0].max_replicas = w.services[0].initial_replicas = 400;
    w.services[0].cpu_m = w.services[0].ram_mib = 1;
    w.cluster_cfg.backoff_s = w.cluster_cfg.backoff_max_s = 10000;
    fixture_open(&w, 1);
    fixture_event(&w, EVENT_CRASH, 0, 0, 2000, 0.2);
    struct sim *s = fixture_reset(&w);
    sim_run(s, 120.0);
    double expected = 400 * (1 - 0.8 * 0.8), sd = sqrt(400 * 0.36 * 0.64);
    assert_true(fabs(s->services[0].n_failed - expected) < 4 * sd);
    fixture_close(&w);
}

/* ---- readiness ---- */

/* Started after 20 s; probes at delay + k x interval from its creation at 7 s. */
static void test_readiness_probes(void **state)
{
    (void)state;
    static const struct {
        double delay_s, interval_s, ready_s;
    } rows[] = {
        {0, 0, 20},  /* no probe */
        {0, 10, 20}, /* a probe at that very moment */
        {0, 15, 30}, {5, 10, 25}, {19, 7, 26}, {20, 7, 20}, {45, 10, 45}, /* not asked before */
        {45, 0, 20}, /* without an interval there is no probe, hence no delay */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cluster_fixture w;
        fixture_exact(&w);
        w.cluster_cfg.probe_delay_s = rows[i].delay_s;
        w.cluster_cfg.probe_s = rows[i].interval_s;
        struct sim *s = fixture_start(&w);
        sim_run(s, 7.0);
        sim_scale(s, 0, 2);
        sim_schedule_pods(s);
        sim_run(s, 7.0 + rows[i].ready_s - 1e-6);
        assert_int_equal(s->services[0].n_ready, 1);
        sim_run(s, 7.0 + rows[i].ready_s + 1e-6);
        assert_int_equal(s->services[0].n_ready, 2);
        assert_true(near(s->pods[1].transition_s, 7.0 + rows[i].ready_s));
        assert_true(cluster_consistent(w.plant));
        fixture_close(&w);
    }
}

/* ---- warm-up ---- */

/* Ready at 20 s with three times the work, at 30 s with twice, at 40 s with one: calls that begin
 * at 20, 25, 30, 35, 40 s last 3, 2.5, 2, 1.5, 1 s. The first pods are warm. */
static void test_warm_up(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_exact(&w);
    w.cluster_cfg.warm_s = 20;
    w.cluster_cfg.warm_factor = 3;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 0.0);
    sim_run(s, 1.0 + 1e-6);
    assert_true(near(s->latency_s, 1.0));
    sim_scale(s, 0, 2);
    sim_schedule_pods(s); /* at 1.000001 s */
    sim_run(s, 10.0);
    sim_pod_crash(s, 0); /* the new one is alone from now on */
    s->pods[0].next_transition_s = 500.0;
    agenda_set(&s->agenda, 0, 500.0);
    double ready = 21.0 + 1e-6;
    for (int i = 0; i < 6; i++) {
        double before = s->latency_s, wanted = i < 4 ? 3.0 - 0.5 * i : 1.0;
        fixture_request(s, ready + 5.0 * i);
        sim_run(s, ready + 5.0 * i + 4.0);
        assert_true(fabs(s->latency_s - before - wanted) < 1e-6);
    }
    fixture_close(&w);
}

/* The factor is that of the moment a call begins to compute, not of its arrival: with one slot the
 * second of two calls at 20 s begins at 23 s, with a factor of 3 - 2 x 3 / 20 = 2.7. */
static void test_warm_up_of_the_queue(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_exact(&w);
    w.topology_cfg.slots_per_pod = 1;
    w.cluster_cfg.warm_s = 20;
    w.cluster_cfg.warm_factor = 3;
    struct sim *s = fixture_start(&w);
    sim_pod_crash(s, 0);
    double ready = s->now + 10.0 + 20.0; /* back-off, start: warms up again */
    fixture_request(s, ready);
    fixture_request(s, ready);
    sim_run(s, ready + 10.0);
    assert_true(near(s->latency_s, 3.0 + 5.7));
    fixture_close(&w);
}

/* ---- removal ---- */

static void test_grace(void **state)
{
    (void)state;
    static const double grace_s[] = {0.0, 3.0, 60.0};
    for (int i = 0; i < 3; i++) {
        struct cluster_fixture w;
        fixture_exact(&w);
        w.services[0].capacity_rps = 0.1; /* 10 s a call */
        w.services[0].initial_replicas = 2;
        w.cluster_cfg.grace_s = grace_s[i];
        struct sim *s = fixture_start(&w);
        while (s->pods[1].held == 0) {
            fixture_request(s, 0.0);
        }
        double others = s->received - 1.0;
        sim_scale(s, 0, 1);
        sim_schedule_pods(s);
        sim_run(s, grace_s[i] < 10.0 ? grace_s[i] : 9.999);
        assert_true(s->truth.failed == (grace_s[i] < 10.0 ? 1.0 : 0.0));
        assert_int_equal(s->pods[1].state, grace_s[i] < 10.0 ? POD_FREE : POD_DRAINING);
        assert_true(cluster_consistent(w.plant));
        sim_run(s, 10.0 * (others + 2.0));
        assert_true(s->answered == others + (grace_s[i] < 10.0 ? 0.0 : 1.0));
        assert_int_equal(s->pods[1].state, POD_FREE);
        fixture_close(&w);
    }
}

/* ---- restarts ---- */

/* A crash loop as kubectl shows it: 10, 20, 40, 80, 160, 300, 300 s; every restart starts for 20 s
 * and waits for its probe, every 15 s from the restart. Ready for 10 minutes: forgotten; for a
 * second less: not. */
static void test_crash_loop(void **state)
{
    (void)state;
    static const double waits[] = {10, 20, 40, 80, 160, 300, 300, 300};
    for (int forgets = 0; forgets < 2; forgets++) {
        struct cluster_fixture w;
        fixture_exact(&w);
        w.cluster_cfg.probe_s = 15;
        struct sim *s = fixture_start(&w);
        for (int i = 0; i < 8; i++) {
            double at = s->now;
            sim_pod_crash(s, 0);
            sim_run(s, at + waits[i] - 1e-6);
            assert_int_equal(s->pods[0].state, POD_CRASHED);
            sim_run(s, at + waits[i] + 30.0 - 1e-6);
            assert_int_equal(s->pods[0].state, POD_STARTING);
            sim_run(s, at + waits[i] + 30.0);
            assert_int_equal(s->pods[0].state, POD_READY);
            assert_true(cluster_consistent(w.plant));
        }
        sim_run(s, s->now + (forgets == 1 ? 600.0 : 599.0));
        double at = s->now;
        sim_pod_crash(s, 0);
        assert_true(near(s->pods[0].next_transition_s, at + (forgets == 1 ? 10.0 : 300.0)));
        fixture_close(&w);
    }
}

/* ---- servers ---- */

/* A limit of two cores and two slots are two servers: three calls of 1 s at once end at 1, 1, 2 s.
 * Four slots on them share: three calls get 2/3 of a core each and end at 1.5 s. */
static void test_servers_and_sharing(void **state)
{
    (void)state;
    for (int slots = 2; slots <= 4; slots += 2) {
        struct cluster_fixture w;
        fixture_exact(&w);
        w.services[0].cpu_m = 2000;
        w.services[0].capacity_rps = 2;
        w.topology_cfg.slots_per_pod = slots;
        struct sim *s = fixture_start(&w);
        for (int i = 0; i < 3; i++) {
            fixture_request(s, 0.0);
        }
        sim_run(s, 5.0);
        assert_true(near(s->latency_s, slots == 2 ? 4.0 : 4.5));
        fixture_close(&w);
    }
}

/* CFS: a call alone on a limit of half a core takes twice its work, on two cores no less than it.
 */
static void test_throttled_by_the_limit(void **state)
{
    (void)state;
    static const double ratio[] = {1.0, 2.0, 8.0}, latency_s[] = {4.0, 2.0, 1.0};
    for (int i = 0; i < 3; i++) {
        struct cluster_fixture w;
        fixture_exact(&w);
        w.services[0].cpu_m = 250;
        w.services[0].capacity_rps = 0.25; /* 1 CPU-second a call */
        w.topology_cfg.limit_ratio = ratio[i];
        struct sim *s = fixture_start(&w);
        fixture_request(s, 0.0);
        sim_run(s, 10.0);
        assert_true(near(s->latency_s, latency_s[i]));
        fixture_close(&w);
    }
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_up),
        cmocka_unit_test(test_start_up_is_normal),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_scale_down_order),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_out_of_grace),
        cmocka_unit_test(test_crash_in_the_middle),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_crash_hazard),
        cmocka_unit_test(test_readiness_probes),
        cmocka_unit_test(test_warm_up),
        cmocka_unit_test(test_warm_up_of_the_queue),
        cmocka_unit_test(test_grace),
        cmocka_unit_test(test_crash_loop),
        cmocka_unit_test(test_servers_and_sharing),
        cmocka_unit_test(test_throttled_by_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
