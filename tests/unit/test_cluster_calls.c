/* How calls go on: sequences, splits, asynchronous callees, laws of work, balancing. Small clusters
 * with deterministic work, worked by hand; then every variant under rough treatment. */
#include "tests/unit/cluster_fixture.h"

#include <math.h>

/* Services s0 .. s3 of one core each and work of exactly 1, 2, 3, 4 s; nobody calls anybody yet. */
static void fixture_four(struct cluster_fixture *w)
{
    fixture_chain(w, 4, 1.0);
    for (int i = 0; i < 4; i++) {
        w->services[i].capacity_rps = 1.0 / (i + 1);
        w->services[i].service_time = WORK_DETERMINISTIC;
        w->services[i].n_calls = 0;
    }
    w->plant_cfg.timeout_s = 100;
}

static const char *s123[] = {"s1", "s2", "s3"};

/* ---- sequence ---- */

/* s0 1 s, then s1 2 s, s2 3 s, s3 4 s: at 1, 3, 6 and 10 s. Only one of them works at a time. */
static void test_sequence(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_four(&w);
    fixture_calls(&w.services[0], s123, 3);
    w.services[0].fan_out = FAN_SEQUENCE;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 0.0);
    static const double at[] = {0.5, 2.0, 4.5, 8.0};
    for (int i = 0; i < 4; i++) {
        sim_run(s, at[i]);
        for (int k = 0; k < 4; k++) {
            assert_int_equal(s->pods[k].computing, k == i);
        }
        assert_true(cluster_consistent(w.plant));
    }
    sim_run(s, 20.0);
    assert_true(near(s->latency_s, 10.0) && s->answered == 1.0);
    assert_true(s->services[0].count.sent == 3.0);
    assert_int_equal(s->n_live, 0);
    fixture_close(&w);
}

/* The second callee has no pod: the third is not called, and the request fails at 3 s. */
static void test_sequence_ends_with_a_failure(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_four(&w);
    fixture_calls(&w.services[0], s123, 3);
    w.services[0].fan_out = FAN_SEQUENCE;
    struct sim *s = fixture_start(&w);
    sim_pod_crash(s, 2);
    fixture_request(s, 0.0);
    sim_run(s, 2.999);
    assert_true(s->resolved == 0.0);
    sim_run(s, 3.001);
    assert_true(s->truth.failed == 1.0 && s->services[2].count.errors == 1.0);
    assert_true(s->services[3].count.received == 0.0);
    assert_true(cluster_consistent(w.plant));
    fixture_close(&w);
}

/* A deadline of 2.5 s passes while s1 works: with propagation the rest is not called. */
static void test_sequence_ends_at_the_deadline(void **state)
{
    (void)state;
    for (int propagate = 0; propagate < 2; propagate++) {
        struct cluster_fixture w;
        fixture_four(&w);
        fixture_calls(&w.services[0], s123, 3);
        w.services[0].fan_out = FAN_SEQUENCE;
        w.plant_cfg.timeout_s = 2.5;
        w.cluster_cfg.deadline_propagation = propagate == 1;
        struct sim *s = fixture_start(&w);
        fixture_request(s, 0.0);
        sim_run(s, 50.0);
        /* s1 answers too late, so its answer is a failure, with or without propagation. */
        assert_true(s->truth.failed == 1.0 && s->services[1].count.errors == 1.0);
        assert_true(s->services[2].count.received == 0.0);
        assert_int_equal(s->n_live, 0);
        fixture_close(&w);
    }
}

/* s0 calls s1, then s3; s1 calls s3 as well. When s3 answers s1 and s1 answers s0, s0 calls s3
 * again, within the same event: 1 + 2 + 4 + 4. */
static void test_sequence_returns_to_the_same_pod(void **state)
{
    (void)state;
    static const char *s1_s3[] = {"s1", "s3", "s2"}, *s3[] = {"s3"};
    struct cluster_fixture w;
    fixture_four(&w);
    fixture_calls(&w.services[0], s1_s3, 3);
    fixture_calls(&w.services[1], s3, 1);
    w.services[0].fan_out = FAN_SEQUENCE;
    w.topology_cfg.slots_per_pod = 1;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 0.0);
    sim_run(s, 30.0);
    assert_true(near(s->latency_s, 1.0 + 2.0 + 4.0 + 4.0 + 3.0) && s->answered == 1.0);
    assert_true(cluster_consistent(w.plant));
    fixture_close(&w);
}

/* ---- split ---- */

/* A third of the requests each; the others don't see it. The choice is a matter of the request. */
static void test_split(void **state)
{
    (void)state;
    enum { REQUESTS = 3000 };
    static int chosen[REQUESTS];
    for (int run = 0; run < 2; run++) {
        struct cluster_fixture w;
        fixture_four(&w);
        fixture_calls(&w.services[0], s123, 3);
        w.services[0].fan_out = FAN_SPLIT;
        w.topology_cfg.demand_scale = 1e-3 * (1 + run);
        struct sim *s = fixture_start(&w);
        assert_true(near(w.topology.visits[1], 1.0 / 3.0) && near(w.topology.visits[0], 1.0));
        for (int i = 0; i < REQUESTS; i++) {
            double before[4];
            for (int k = 1; k < 4; k++) {
                before[k] = s->services[k].count.received;
            }
            fixture_request(s, 1e-1 * i);
            sim_run(s, 1e-1 * i + 5e-2);
            int got = 0;
            for (int k = 1; k < 4; k++) {
                got += s->services[k].count.received > before[k] ? k : 0;
            }
            assert_in_range(got, 1, 3);
            assert_true(run == 0 || chosen[i] == got);
            chosen[i] = got;
        }
        assert_true(s->services[0].count.sent == REQUESTS && s->answered == REQUESTS);
        for (int k = 1; k < 4; k++) { /* 4 standard deviations of a binomial */
            assert_true(fabs(s->services[k].count.received - REQUESTS / 3.0) < 4.0 * 25.9);
        }
        fixture_close(&w);
    }
}

/* ---- asynchronous ---- */

/* s0 waits for s1 (1 + 2 s) and tells s3 (4 s), which answers nobody at 5 s. */
static void test_async(void **state)
{
    (void)state;
    static const char *s1[] = {"s1"}, *s3[] = {"s3", "s2"};
    struct cluster_fixture w;
    fixture_four(&w);
    fixture_calls(&w.services[0], s1, 1);
    w.services[0].async = s3;
    w.services[0].n_async = 2;
    struct sim *s = fixture_start(&w);
    assert_true(near(w.topology.visits[3], 1.0));
    assert_true(near(w.topology.critical_rps, 10.0 / 4.0)); /* of s3: asynchronous work counts */
    fixture_request(s, 0.0);
    sim_run(s, 3.001);
    assert_true(s->answered == 1.0 && near(s->latency_s, 3.0));
    assert_int_equal(s->pods[3].computing, 1);
    assert_true(cluster_consistent(w.plant));
    sim_run(s, 10.0);
    assert_true(s->services[3].count.succeeded == 1.0 && near(s->services[3].count.latency_s, 4.0));
    assert_true(s->services[0].count.sent == 3.0);
    assert_int_equal(s->n_live, 0);
    fixture_close(&w);
}

/* Its failure fails nobody, and the client's deadline does not hold for it. */
static void test_async_is_on_its_own(void **state)
{
    (void)state;
    static const char *s3[] = {"s3"}, *s1[] = {"s1"};
    for (int dead = 0; dead < 2; dead++) {
        struct cluster_fixture w;
        fixture_four(&w);
        w.services[0].async = s3;
        w.services[0].n_async = 1;
        fixture_calls(&w.services[3], s1, 1); /* which waits for s1 */
        w.topology_cfg.n_services = 4;
        w.services[2].entry = true;
        w.plant_cfg.timeout_s = 1.5;
        struct sim *s = fixture_start(&w);
        if (dead == 1) {
            sim_pod_crash(s, 3);
        }
        while (rng_below(rng_philox(s->draws.key, 0, s->legit.n, 5, 3).v[2], 2) != 0) {
            s->legit.n++; /* the first request that goes to s0 */
        }
        fixture_request(s, 0.0);
        sim_run(s, 30.0);
        assert_true(s->answered == 1.0 && near(s->latency_s, 1.0));
        assert_true(s->services[3].count.errors == (double)dead);
        assert_true(s->services[3].count.succeeded == 1.0 - dead);
        assert_true(s->services[1].count.succeeded == 1.0 - dead);
        assert_true(cluster_consistent(w.plant));
        fixture_close(&w);
    }
}

/* ---- work ---- */

/* M/D/1 by hand: three requests at once wait for 0, 1 and 2 services of 1 s. Queue limit 1: the
 * third is refused. */
static void test_deterministic_queue(void **state)
{
    (void)state;
    for (int queue = 1; queue < 3; queue++) {
        struct cluster_fixture w;
        fixture_chain(&w, 1, 1.0);
        w.services[0].service_time = WORK_DETERMINISTIC;
        w.topology_cfg.slots_per_pod = 1;
        w.topology_cfg.queue_per_pod = queue;
        w.plant_cfg.timeout_s = 100;
        struct sim *s = fixture_start(&w);
        for (int i = 0; i < 3; i++) {
            fixture_request(s, 0.0);
        }
        sim_run(s, 10.0);
        assert_true(near(s->latency_s, queue == 1 ? 3.0 : 6.0));
        assert_true(s->truth.failed == (queue == 1 ? 1.0 : 0.0));
        fixture_close(&w);
    }
}

/* ---- balancing ---- */

/* Ten requests for five pods: two each, whatever is drawn; at random it is not so. */
static void test_least_loaded(void **state)
{
    (void)state;
    for (int balanced = 0; balanced < 2; balanced++) {
        struct cluster_fixture w;
        int first[5] = {0};
        fixture_chain(&w, 1, 1.0);
        w.services[0].initial_replicas = 5;
        w.topology_cfg.balancing = balanced == 1 ? BALANCE_LEAST_LOADED : BALANCE_RANDOM;
        w.topology_cfg.slots_per_pod = 1;
        w.topology_cfg.queue_per_pod = 1;
        struct sim *s = fixture_start(&w);
        bool even = true;
        for (int round = 0; round < 200; round++) {
            double at = 1.0 + 1000.0 * round;
            for (int i = 0; i < 10; i++) {
                fixture_request(s, at);
                for (int k = 0; k < 5 && i == 0; k++) {
                    first[k] += s->pods[k].held;
                }
            }
            for (int k = 0; k < 5; k++) {
                even = even && s->pods[k].held + s->pods[k].queued == 2;
            }
            sim_run(s, at + 999.0);
        }
        assert_true(even == (balanced == 1));
        assert_true(balanced == 0 || s->services[0].count.errors <= s->resolved - 5.0);
        for (int k = 0; k < 5; k++) { /* equals share: 40 each, 4 standard deviations of 5.7 */
            assert_in_range(first[k], 17, 63);
        }
        fixture_close(&w);
    }
}

/* ---- every variant under rough treatment ---- */

static uint32_t draw(uint32_t i)
{
    return rng_philox(rng_key(2, RNG_TEST, RNG_TEST_SPLIT), i, 0, 0, 0).v[0];
}

static void vary(struct cluster_fixture *w, uint32_t variant)
{
    static const char *d[] = {"d"};
    static const double samples[] = {1, 1, 1, 5};
    fixture_diamond(w);
    w->services[0].fan_out = (enum fan_out)(variant % 3);
    w->topology_cfg.balancing = (enum balancing)(variant / 3 % 2);
    if (variant / 6 % 2 == 1) { /* c tells d instead of asking it */
        fixture_calls(&w->services[2], NULL, 0);
        w->services[2].async = d;
        w->services[2].n_async = 1;
    }
    for (int i = 0; i < 4; i++) {
        w->services[i].service_time = (enum work_kind)((variant / 12 + (uint32_t)i) % 4);
        w->services[i].cv = 1.5;
        w->services[i].samples = samples;
        w->services[i].n_samples = 4;
    }
    w->cluster_cfg.deadline_propagation = variant % 2 == 0;
}

/* Twice the same, to the bit; consistent after every period; arrivals as without the variant. */
static void test_variants(void **state)
{
    (void)state;
    enum { PERIODS = 24, VARIANTS = 48 };
    double received[PERIODS];
    for (uint32_t v = 0; v < VARIANTS; v++) {
        struct cluster_fixture w;
        struct plant_truth truth[PERIODS];
        vary(&w, v);
        fixture_open_under(&w, 150, 0);
        fixture_rate(&w, 120, 240, 150, 700);
        fixture_event(&w, EVENT_CRASH, -1, 60, 2000, 0.2);
        for (int run = 0; run < 2; run++) {
            fixture_reset(&w);
            for (uint32_t t = 0; t < PERIODS; t++) {
                for (uint32_t i = 0; i < 4; i++) {
                    w.delta[i] = (int32_t)(draw(t * 4 + i) % 5) - 2;
                }
                const struct plant_truth *now = fixture_step(&w);
                assert_true(cluster_consistent(w.plant));
                if (run == 0) {
                    truth[t] = *now;
                } else {
                    assert_memory_equal(&truth[t], now, sizeof *now);
                }
                assert_true(v == 0 || received[t] == now->received);
                received[t] = now->received;
            }
        }
        fixture_close(&w);
    }
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_sequence_ends_with_a_failure),
        cmocka_unit_test(test_sequence_ends_at_the_deadline),
        cmocka_unit_test(test_sequence_returns_to_the_same_pod),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_async),
        cmocka_unit_test(test_async_is_on_its_own),
        cmocka_unit_test(test_deterministic_queue),
        cmocka_unit_test(test_least_loaded),
        cmocka_unit_test(test_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
