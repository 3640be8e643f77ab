/* What each kind of event does to the simulated cluster, measured in small clusters. */
#include "tests/unit/cluster_fixture.h"

#include <math.h>

/* The event that was added last. */
static struct event *last_event(struct cluster_fixture *w)
{
    return &w->schedule.events[w->schedule.n_events - 1];
}

static void loris(struct cluster_fixture *w, double start_s, double duration_s, double per_s,
                  double hold_s)
{
    w->schedule.mean_rps = 100;
    fixture_event(w, EVENT_LORIS, -1, start_s, duration_s, per_s / 100);
    last_event(w)->hold_s = hold_s;
}

static int holding(const struct sim *s)
{
    int n = 0;
    for (int i = 0; i < s->n_touched; i++) {
        n += s->calls[i].state == CALL_HOLDING;
    }
    return n;
}

/* ---- slow-loris ---- */

/* Two slots and four queue places, 50 connections/s for 20 s, each holding a slot for 30 s. A
 * request after 5 s finds no place; after the flood has ended those in the queue get their slots,
 * and when they have held them, too, everything is free. No request was received meanwhile but the
 * one that was made. */
static void test_loris_takes_slots_and_places(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 1000.0);
    w.topology_cfg.slots_per_pod = 2;
    w.topology_cfg.queue_per_pod = 4;
    fixture_open(&w, 1);
    loris(&w, 10, 20, 50, 30);
    struct sim *s = fixture_reset(&w);
    sim_run(s, 15);
    assert_int_equal(s->n_held_conns, 6);
    assert_int_equal(holding(s), 2);
    assert_int_equal(s->pods[0].held, 2);
    assert_int_equal(s->pods[0].queued, 4);
    assert_int_equal(s->pods[0].computing, 0);
    assert_true(s->entry_area.value == 0.0);
    assert_true(sim_consistent(s));
    fixture_request(s, 16);
    assert_true(s->received == 1.0 && s->resolved == 1.0 && s->truth.failed == 1.0);
    sim_run(s, 10 + 3 * 30 + 2); /* three pairs, one behind the other */
    assert_int_equal(s->n_held_conns, 0);
    assert_int_equal(s->pods[0].held + s->pods[0].queued, 0);
    assert_int_equal(s->n_live, 0);
    assert_true(s->tick_s == SIM_NEVER);
    assert_true(s->received == 1.0 && s->services[0].count.received == 1.0);
    assert_true(sim_pod_used_s(s, 0) == 0.0);
    assert_true(sim_consistent(s));
    fixture_close(&w);
}

/* One slot, held from its arrival at about 10 s on for 5 s: the request made at 11 s waits for it
 * in the queue. */
static void test_request_waits_behind_a_holder(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 1e6);
    w.topology_cfg.slots_per_pod = 1;
    w.plant_cfg.timeout_s = 100;
    fixture_open(&w, 1);
    loris(&w, 10, 0.2, 50, 5);
    struct sim *s = fixture_reset(&w);
    sim_run(s, 11);
    int n = s->n_held_conns;
    double free_s = 0.0; /* when the last of them leaves */
    assert_true(n > 1);
    for (int i = 0; i < s->n_touched; i++) {
        free_s = s->calls[i].state == CALL_HOLDING ? s->calls[i].deadline_s : free_s;
    }
    fixture_request(s, 11);
    sim_run(s, 11 + 5 * n);
    assert_true(s->answered == 1.0);
    double expected = free_s + 5 * (n - 1) - 11; /* each a tick late at most */
    assert_true(s->latency_s > expected - 1e-3 && s->latency_s < expected + 0.1 * n + 1e-3);
    fixture_close(&w);
}

/* Little's law: 20 connections/s that stay 4 s each hold 80 slots on average. Their number is
 * Poisson, its covariance over a lag t 80 (1 - t / 4): a mean over 950 s has variance 80 4 / 950.
 * Both ends of a stay fall on ticks, so ticks change nothing. */
static void test_loris_holds_rate_times_time(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 1000.0);
    w.topology_cfg.slots_per_pod = 200;
    fixture_open(&w, 1);
    loris(&w, 0, 1000, 20, 4);
    struct sim *s = fixture_reset(&w);
    double sum = 0.0;
    for (int i = 0; i < 950; i++) {
        sim_run(s, 10 + i);
        sum += s->n_held_conns;
    }
    double sd = sqrt(80.0 * 4 / 950);
    print_message("held %.2f, expected 80 +- %.2f\n", sum / 950, sd);
    assert_true(fabs(sum / 950 - 80) < 3 * sd);
    fixture_close(&w);
}

/* A pod that crashes, or is out of grace, loses its held connections, waiting ones, too. */
static void test_holders_die_with_their_pod(void **state)
{
    (void)state;
    for (int drain = 0; drain < 2; drain++) {
        struct cluster_fixture w;
        fixture_chain(&w, 1, 1000.0);
        w.services[0].initial_replicas = 2;
        w.topology_cfg.slots_per_pod = 2;
        w.topology_cfg.queue_per_pod = 4;
        fixture_open(&w, 1);
        loris(&w, 0, 5, 50, 500);
        struct sim *s = fixture_reset(&w);
        sim_run(s, 10);
        assert_int_equal(s->n_held_conns, 12);
        if (drain == 1) {
            sim_scale(s, 0, 1);
            sim_run(s, 39);
            assert_int_equal(s->n_held_conns, 12);
            sim_run(s, 41);
        } else {
            sim_pod_crash(s, 1);
        }
        assert_int_equal(s->n_held_conns, 6);
        assert_true(sim_consistent(s));
        assert_true(s->services[0].count.errors == 0.0);
        fixture_close(&w);
    }
}

/* ---- requests ---- */

/* From the beginning on, 0.3 of the calls of s0 to s1 are lost. */
static void lossy_link(struct cluster_fixture *w, double duration_s)
{
    fixture_event(w, EVENT_NET_LOSS, 0, 0, duration_s, 0.3);
    last_event(w)->callee = 1;
}

/* s0 -> s1 and a loss of 0.3 between them: that share of 6000 requests fails, within three standard
 * deviations; the calls that were lost are errors of s1 and no work. */
static void test_loss_is_the_share_of_failures(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 2, 1000.0);
    fixture_open_under(&w, 20, 0);
    lossy_link(&w, 400);
    struct sim *s = fixture_reset(&w);
    fixture_step(&w);
    double received = 0.0, failed = 0.0;
    for (int t = 0; t < 20; t++) {
        const struct plant_truth *truth = fixture_step(&w);
        received += truth->received;
        failed += truth->failed;
    }
    double sd = sqrt(0.3 * 0.7 / received);
    print_message("failed %.4f, expected 0.3 +- %.4f\n", failed / received, sd);
    assert_true(received > 5500 && fabs(failed / received - 0.3) < 3 * sd);
    assert_true(s->services[0].count.errors == s->services[1].count.errors);
    assert_true(cluster_consistent(w.plant));
    sim_run(s, 402);
    double before = s->services[1].count.errors;
    sim_run(s, 500);
    assert_true(s->services[1].count.errors == before && !s->lossy);
    fixture_close(&w);
}

/* An asynchronous callee is told over the same network: a third of what it is told does not arrive,
 * and nobody's request fails of it. */
static void test_async_calls_are_lost_too(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 2, 1000.0);
    w.services[0].async = w.services[0].calls;
    w.services[0].n_async = 1;
    w.services[0].n_calls = 0;
    fixture_open_under(&w, 20, 0);
    lossy_link(&w, 300);
    struct sim *s = fixture_reset(&w);
    sim_run(s, 1);
    double told = s->services[1].count.received, lost = s->services[1].count.errors;
    sim_run(s, 299);
    told = s->services[1].count.received - told;
    lost = s->services[1].count.errors - lost;
    double sd = sqrt(0.3 * 0.7 / told);
    print_message("lost %.4f, expected 0.3 +- %.4f\n", lost / told, sd);
    assert_true(told > 5500 && fabs(lost / told - 0.3) < 4 * sd);
    assert_true(s->truth.failed == 0.0 && s->services[0].count.errors == 0.0);
    assert_true(cluster_consistent(w.plant));
    fixture_close(&w);
}

/* ---- retry storms ---- */

/* A link loses 0.3 of its calls, and a storm gives each failed request 1.5 attempts more: one in
 * two has one, one in two has two. So a request fails with 0.3 x 0.3 x (1/2 + 1/2 x 0.3), and 0.3 +
 * 0.3 x 0.3 / 2 of them try again. Clients without retries of their own had one attempt before the
 * storm, and have one after it. */
static void test_storm_adds_attempts(void **state)
{
    (void)state;
    static const double begin_s[] = {0, 105, 405}, end_s[] = {90, 390, 500};
    for (int own = 0; own < 2; own++) {
        struct cluster_fixture w;
        fixture_chain(&w, 2, 1000.0);
        w.cluster_cfg.clients.storms = true;
        w.cluster_cfg.clients.retries = own;
        w.cluster_cfg.clients.backoff_s = 0.1;
        w.cluster_cfg.clients.backoff_max_s = 1;
        w.cluster_cfg.clients.requests_max = 1000;
        fixture_open_under(&w, 40, 0);
        lossy_link(&w, 600);
        fixture_event(&w, EVENT_RETRY_STORM, -1, 100, 300, 1.5);
        struct sim *s = fixture_reset(&w);
        for (int part = 0; part < 3; part++) {
            double more = part == 1 ? 1.5 : 0.0;
            sim_run(s, begin_s[part]);
            double received = s->received, resolved = s->resolved, answered = s->answered;
            double retries = s->retries;
            sim_run(s, end_s[part]);
            received = s->received - received;
            resolved = s->resolved - resolved;
            double failed = 1.0 - (s->answered - answered) / resolved;
            double again = (s->retries - retries) / received;
            /* Each attempt but the first needs that all before it failed. */
            double fails = 0.3, tries = 0.0;
            for (int i = 0; i < own + (int)more; i++) {
                tries += fails;
                fails *= 0.3;
            }
            tries += fails * (more - floor(more));
            fails *= 1.0 - 0.7 * (more - floor(more));
            double sd = sqrt(fails * (1.0 - fails) / resolved);
            print_message("own %d: failed %.4f, expected %.4f +- %.4f; again %.4f, expected %.4f\n",
                          own, failed, fails, sd, again, tries);
            assert_true(fabs(failed - fails) < 4 * sd);
            assert_true(fabs(again - tries) <= (tries > 0.0 ? 4 * sqrt(0.9 / received) : 0.0));
            assert_true(cluster_consistent(w.plant));
        }
        fixture_close(&w);
    }
}

/* A flood that one pod cannot bear, and a storm in it: what is refused comes back, so the pod sees
 * more calls; not one of the clients' requests is counted twice. */
static void test_storm_makes_a_flood_larger(void **state)
{
    (void)state;
    double calls[2], received[2];
    for (int storm = 0; storm < 2; storm++) {
        struct cluster_fixture w;
        fixture_chain(&w, 1, 50.0);
        w.topology_cfg.slots_per_pod = 4;
        w.topology_cfg.queue_per_pod = 20;
        w.cluster_cfg.clients.storms = true;
        w.cluster_cfg.clients.backoff_s = 0.1;
        w.cluster_cfg.clients.backoff_max_s = 1;
        w.cluster_cfg.clients.requests_max = 10000;
        fixture_open_under(&w, 100, 0);
        if (storm == 1) {
            fixture_event(&w, EVENT_RETRY_STORM, -1, 0, 300, 2);
        }
        struct sim *s = fixture_reset(&w);
        sim_run(s, 300);
        calls[storm] = s->services[0].count.received;
        received[storm] = s->received;
        assert_true(cluster_consistent(w.plant));
        fixture_close(&w);
    }
    print_message("calls %.0f without the storm, %.0f with it\n", calls[0], calls[1]);
    assert_true(received[0] == received[1]);
    assert_true(calls[0] == received[0]);
    assert_true(calls[1] > 1.8 * calls[0] && calls[1] <= 3.0 * calls[0]);
}

/* An episode without a storm does not notice that its configuration has some: the same bits,
 * measured and true. */
static void test_without_a_storm_nothing_changes(void **state)
{
    (void)state;
    enum { PERIODS = 12 };
    struct plant_truth truth[2][PERIODS];
    float seen[2][128];
    for (int storms = 0; storms < 2; storms++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        w.cluster_cfg.clients.storms = storms == 1;
        w.cluster_cfg.clients.backoff_s = 0.1;
        w.cluster_cfg.clients.requests_max = 1000;
        fixture_open_under(&w, 700, 50);
        fixture_event(&w, EVENT_CRASH, -1, 20, 100, 0.9);
        fixture_reset(&w);
        for (int t = 0; t < PERIODS; t++) {
            truth[storms][t] = *fixture_step(&w);
        }
        assert_true(truth[storms][PERIODS - 1].failed > 100.0);
        assert_true((size_t)w.plant->n_state <= 128);
        memset(seen[storms], 0, sizeof seen[storms]);
        memcpy(seen[storms], plant_state(w.plant, 0), (size_t)w.plant->n_state * sizeof(float));
        fixture_close(&w);
    }
    assert_memory_equal(truth[0], truth[1], sizeof truth[0]);
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
}

/* ---- costly requests ---- */

/* Attack requests of 5 x the CPU: 40 legitimate and 10 attack requests/s of 10 ms use 0.9 cores. */
static void test_costly_requests(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    w.services[0].initial_replicas = 4;
    fixture_open_under(&w, 40, 10);
    for (int t = 0; t < FIXTURE_SECONDS; t++) {
        w.schedule.attack_excess[t] = 4.0f;
    }
    fixture_reset(&w);
    double used_m = 0.0;
    for (int t = 0; t < 100; t++) {
        used_m += fixture_step(&w)->used_m_mean / 100;
    }
    /* Per second: 40 x (2 x 10 ms^2) + 10 x (2 x 50 ms^2), exponential: sd 0.241 cores. */
    double sd = 1e3 * sqrt((40 * 2 * 1e-4 + 10 * 2 * 25e-4) / 1500);
    print_message("used %.1f m, expected 900 +- %.1f\n", used_m, sd);
    assert_true(fabs(used_m - 900) < 4 * sd);
    fixture_close(&w);
}

/* The learned attacker's ordinary requests thin the costly ones: 10 of 20 /s need 5 x. */
static void test_ordinary_attack_thins_the_excess(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 100.0);
    fixture_open_under(&w, 40, 10);
    w.schedule.attack_excess[20] = 4.0f;
    struct sim *s = fixture_reset(&w);
    struct attack_action up = {.entry = 0, .rate_change = 1};
    assert_int_equal(plant_step(w.plant, w.delta, &up, NULL), ERR_OK);
    assert_true(near(s->extra_total, 10.0) && s->attack.work == 1.0);
    sim_run(s, 20.5);
    assert_true(near(s->attack.work, 1.0 + 4.0 / 2.0));
    assert_true(s->legit.work == 1.0);
    fixture_close(&w);
}

static void test_slow_node_slows_every_service(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open(&w, 1);
    fixture_event(&w, EVENT_SLOW_NODE, -1, 5, 20, 2.5);
    struct sim *s = fixture_reset(&w);
    sim_run(s, 10);
    for (int i = 0; i < 4; i++) {
        assert_true(s->services[i].slowdown == 2.5);
    }
    sim_run(s, 26);
    for (int i = 0; i < 4; i++) {
        assert_true(s->services[i].slowdown == 1.0);
    }
    fixture_close(&w);
}

/* ---- pods ---- */

/* At 33.33 s 0.6 of the pods: 2 of a's 4, 3 of b's 5, 2 of c's 3, 2 of d's 3, on the next tick and
 * never again; which ones is the same in the same episode, and another choice in another. */
static void test_blow(void **state)
{
    (void)state;
    static const int expected[] = {2, 3, 2, 2};
    uint32_t chosen[3] = {0};
    for (uint32_t run = 0; run < 3; run++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        w.id.episode = run == 2 ? 77 : 5;
        fixture_open(&w, 1);
        fixture_event(&w, EVENT_CRASH_ALL, -1, 33.33, 1, 0.6);
        struct sim *s = fixture_reset(&w);
        sim_run(s, 33.35);
        assert_true(s->failed_area.value == 0.0);
        sim_run(s, 33.45);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(s->services[i].n_failed, expected[i]);
        }
        for (int i = 0; i < s->shared->n_pods; i++) {
            chosen[run] |= s->pods[i].state == POD_CRASHED ? 1u << i : 0u;
        }
        assert_true(sim_consistent(s));
        sim_run(s, 100); /* back after 10 s and a start */
        assert_true(s->failed_area.value == 0.0);
        fixture_close(&w);
    }
    assert_int_equal(chosen[0], chosen[1]);
    assert_true(chosen[0] != chosen[2]);
}

/* ---- measurement ---- */

/* Scrapes are due at 2.5, 7.5, ...; those from 20 to 60 fail: 22.5 ... 57.5. Decisions see the
 * scrape of 7.5 s before: new until 15 (7.5), 30 sees the one of 22.5: stale until 60 (52.5); at 75
 * the one of 67.5 is seen: gauges and the rates of 5 and 10 s, from 62.5 on, are new. */
static void test_outage_leaves_the_state_stale(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open_under(&w, 200, 0);
    fixture_rate(&w, 20, FIXTURE_SECONDS, 300, 0);
    fixture_event(&w, EVENT_METRIC_OUTAGE, -1, 20, 40, 1);
    fixture_reset(&w);
    fixture_step(&w);
    size_t n = (size_t)w.plant->n_state;
    float seen[128];
    assert_true(n <= 128);
    memcpy(seen, plant_state(w.plant, 0), n * sizeof *seen);
    for (int t = 2; t <= 4; t++) { /* at 30, 45, 60 */
        w.delta[0] = 1;
        assert_true(fixture_step(&w)->received > 0);
        for (int i = 0; i < 4; i++) { /* one's own wishes are known */
            double desired = i == 0 ? 4.0 + (t - 1) : (double)w.services[i].initial_replicas;
            assert_true(fixture_feature(&w, i, SF_DESIRED) == desired);
            seen[state_service_at(i, SF_DESIRED)] = (float)desired;
            /* The autoscaler's columns say that there is no metric (test_hpa_pods.c). */
            memcpy(&seen[state_service_at(i, SF_HPA_READY)],
                   &plant_state(w.plant, 0)[state_service_at(i, SF_HPA_READY)],
                   (SF_HPA_CPU - SF_HPA_READY + 1) * sizeof *seen);
        }
        assert_memory_equal(plant_state(w.plant, 0), seen, n * sizeof *seen);
    }
    fixture_step(&w); /* 75 */
    for (int i = 0; i < 4; i++) {
        assert_true(fixture_feature(&w, i, SF_RECEIVED) !=
                    (double)seen[state_service_at(i, SF_RECEIVED)]);
    }
    assert_true(fabs(fixture_global(&w, GF_ENTRY_5S) - 300) < 4 * sqrt(300.0 / 5));
    /* The window has two scrapes, of 62.5 and 67.5: its rate is that of their 5 s. */
    assert_true(fixture_global(&w, GF_ENTRY_30S) == fixture_global(&w, GF_ENTRY_5S));
    /* 10 s before the last 10 s nothing was seen: the difference is still that of 15 s. */
    assert_true(fixture_global(&w, GF_ENTRY_DIFF) ==
                (double)seen[state_global_at(4, GF_ENTRY_DIFF)]);
    fixture_step(&w);
    fixture_step(&w); /* 105: 97.5 and back to 67.5, whole */
    assert_true(fabs(fixture_global(&w, GF_ENTRY_30S) - 300) < 4 * sqrt(300.0 / 30));
    assert_true(fabs(fixture_global(&w, GF_ENTRY_DIFF)) < 4 * sqrt(600.0 / 10));
    fixture_close(&w);
}

/* Half of the scrapes fail: rates stay unbiased, and the truth does not notice. */
static void test_half_an_outage(void **state)
{
    (void)state;
    double answered[2];
    for (int run = 0; run < 2; run++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        fixture_open_under(&w, 200, 0);
        if (run == 1) {
            fixture_event(&w, EVENT_METRIC_OUTAGE, -1, 0, 3000, 0.5);
        }
        fixture_reset(&w);
        double sum = 0.0;
        answered[run] = 0.0;
        int stale = 0;
        float before = -1.0f;
        for (int t = 0; t < 150; t++) {
            answered[run] += fixture_step(&w)->answered;
            float now = (float)fixture_global(&w, GF_ENTRY_30S);
            stale += now == before;
            before = now;
            sum += (double)now / 150;
        }
        print_message("mean of entry_30s %.2f, %d of 150 stale\n", sum, stale);
        assert_true(fabs(sum - 200) < 2);
        assert_true(run == 0 ? stale < 5 : stale > 45 && stale < 105);
        fixture_close(&w);
    }
    assert_true(answered[0] == answered[1]);
}

/* ---- everything at once ---- */

static uint32_t word(uint32_t i)
{
    return rng_philox(rng_key(2, RNG_TEST, RNG_TEST_SPLIT), i, 0, 0, 0).v[0];
}

static void test_invariants_under_everything(void **state)
{
    (void)state;
    for (uint32_t e = 0; e < 6; e++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        w.id.episode = e;
        w.topology_cfg.slots_per_pod = 8 << (e % 3);
        w.cluster_cfg.deadline_propagation = e % 2 == 0;
        fixture_open_under(&w, 180, 20);
        loris(&w, 50, 400, 15, 12);
        loris(&w, 300, 100, 30, 3);
        fixture_event(&w, EVENT_NET_LOSS, 1, 100, 300, 0.2);
        last_event(&w)->callee = 3;
        fixture_event(&w, EVENT_CRASH_ALL, -1, 150, 1, 0.5);
        fixture_event(&w, EVENT_CRASH, -1, 200, 300, 0.2);
        fixture_event(&w, EVENT_SLOW_NODE, -1, 250, 100, 1.7);
        fixture_event(&w, EVENT_NEIGHBOUR, -1, 300, 200, 0.6);
        fixture_event(&w, EVENT_METRIC_OUTAGE, -1, 100, 300, 0.5);
        fixture_reset(&w);
        for (uint32_t t = 0; t < 45; t++) {
            for (uint32_t i = 0; i < 4; i++) {
                w.delta[i] = (int32_t)(word(e * 1000 + 4 * t + i) % 7) - 3;
            }
            fixture_step(&w);
            assert_true(cluster_consistent(w.plant));
        }
        assert_int_equal(fixture_sim(&w, 0)->n_held_conns, 0);
        assert_true(fixture_sim(&w, 0)->n_loris_arrived > 5000);
        fixture_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loris_takes_slots_and_places),
        cmocka_unit_test(test_request_waits_behind_a_holder),
        cmocka_unit_test(test_loris_holds_rate_times_time),
        cmocka_unit_test(test_holders_die_with_their_pod),
        cmocka_unit_test(test_loss_is_the_share_of_failures),
        cmocka_unit_test(test_async_calls_are_lost_too),
        cmocka_unit_test(test_storm_adds_attempts),
        cmocka_unit_test(test_storm_makes_a_flood_larger),
        cmocka_unit_test(test_without_a_storm_nothing_changes),
        cmocka_unit_test(test_costly_requests),
        cmocka_unit_test(test_ordinary_attack_thins_the_excess),
        cmocka_unit_test(test_slow_node_slows_every_service),
        cmocka_unit_test(test_blow),
        cmocka_unit_test(test_outage_leaves_the_state_stale),
        cmocka_unit_test(test_half_an_outage),
        cmocka_unit_test(test_invariants_under_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
