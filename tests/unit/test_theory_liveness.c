/* Crashes of busy pods against their closed form (core/cluster/liveness.c).
 *
 *   constant queue   the time to the crash is exponential with the rate of the law
 *   M/M/1            the mean rate is the sum over n of (1 - rho) rho^n h(n)
 *
 * and no request is lost between the books, nothing else changes while the coupling is 0.
 */
#include "tests/unit/theory.h"

/* ---- a constant queue ---- */

/* Calls that take 1e6 s are never done, so a pod that got six of them holds six until it crashes.
 * Six are 6e6 s of work; half of a timeout of 3e6 s, so p = exp(-1/2) and the rate
 * 0.8 exp(-3/2) / 30 = 1 / 168 s. */
enum { CONSTANT_CALLS = 6, CONSTANT_EPISODES = 4000 };

static void constant_queue(struct cluster_fixture *w)
{
    fixture_chain(w, 1, 1e-6);
    w->services[0].service_time = WORK_DETERMINISTIC;
    w->services[0].max_replicas = 1;
    w->topology_cfg.slots_per_pod = 4;
    w->plant_cfg.timeout_s = 1e9;
    w->cluster_cfg.liveness =
        (struct liveness_cfg){.coupling = 0.8, .timeout_s = 3e6, .period_s = 10, .failures = 3};
}

/* Seconds until the pod crashes; -1 if it has not by the end of the schedule. */
static double time_to_crash(struct cluster_fixture *w, uint32_t episode)
{
    w->id.episode = episode;
    struct sim *s = fixture_reset(w);
    for (int i = 0; i < CONSTANT_CALLS; i++) {
        fixture_request(s, 0.0);
    }
    while (s->services[0].n_failed == 0 && s->now < FIXTURE_SECONDS - 1) {
        sim_run(s, s->now + 1.0);
    }
    return s->services[0].n_failed > 0 ? s->pods[0].next_transition_s - s->pods[0].backoff_s : -1.0;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov distance of n sorted times from the exponential law of a rate. */
static double distance(const double *t, int n, double rate)
{
    double most = 0.0;
    for (int i = 0; i < n; i++) {
        const double f = 1.0 - exp(-rate * t[i]);
        most = fmax(most, fmax(f - (double)i / n, (double)(i + 1) / n - f));
    }
    return most;
}

/* 1.63 / sqrt(n) is the limit of a test at 1 %. A rate that is wrong by 15 % lies beyond it, so the
 * test can tell. Times are those of ticks, 0.1 s at most too late: 0.0006 of the distance. */
static void test_time_to_crash_is_exponential(void **state)
{
    (void)state;
    static double t[CONSTANT_EPISODES];
    struct cluster_fixture w;
    constant_queue(&w);
    fixture_open(&w, 1);
    double sum = 0.0;
    for (int i = 0; i < CONSTANT_EPISODES; i++) {
        t[i] = time_to_crash(&w, (uint32_t)i);
        assert_true(t[i] >= 0.0);
        sum += t[i];
    }
    qsort(t, CONSTANT_EPISODES, sizeof *t, ascending);
    const double rate = 0.8 * exp(-1.5) / 30.0, limit = 1.63 / sqrt(CONSTANT_EPISODES);
    print_message("mean time to crash %.1f s, closed form %.1f s; distance %.4f, limit %.4f\n",
                  sum / CONSTANT_EPISODES, 1.0 / rate, distance(t, CONSTANT_EPISODES, rate), limit);
    assert_true(distance(t, CONSTANT_EPISODES, rate) < limit);
    assert_true(distance(t, CONSTANT_EPISODES, 1.15 * rate) > limit);
    assert_true(distance(t, CONSTANT_EPISODES, rate / 1.15) > limit);
    fixture_close(&w);
}

/* An idle pod never crashes; twice the work on half the CPU is four times the backlog. */
static void test_law(void **state)
{
    (void)state;
    const struct liveness_cfg cfg = {
        .coupling = 0.4, .timeout_s = 1, .period_s = 10, .failures = 3};
    assert_true(liveness_hazard(&cfg, 0.0) == 0.0);
    assert_true(near(liveness_hazard(&cfg, 3.0), 0.4 * exp(-1.0) / 30.0));
    assert_true(near(liveness_hazard(&cfg, 1e12), 0.4 / 30.0));
    for (double w = 0.1; w < 100.0; w *= 1.1) {
        assert_true(liveness_hazard(&cfg, 1.1 * w) > liveness_hazard(&cfg, w));
    }
}

/* ---- M/M/1 ---- */

/* The coupling is so small that nothing crashes; what the integral has used up of the exponential
 * is the mean rate x time. Work of 1 ms, a timeout of 2 ms: n calls give exp(-6 / n). Queues of two
 * ticks are 0.1 s apart, in which M/M/1 at 0.7 forgets (1 ms / (1 - sqrt 0.7)^2 = 0.04 s). */
static void test_mean_rate_of_mm1(void **state)
{
    (void)state;
    const double rho = 0.7, coupling = 1e-6, seconds = FIXTURE_SECONDS - 1;
    struct cluster_fixture w;
    theory_world(&w, 1, 1, THEORY_ROOM);
    w.cluster_cfg.liveness = (struct liveness_cfg){
        .coupling = coupling, .timeout_s = 2e-3, .period_s = 10, .failures = 3};
    fixture_open_under(&w, rho * THEORY_MS, 0);
    double expected = 0.0;
    for (int n = 1; n <= THEORY_ROOM; n++) {
        expected += (1.0 - rho) * pow(rho, n) * coupling * exp(-6.0 / n) / 30.0;
    }
    struct sim *s = fixture_reset(&w);
    const double before = s->pods[0].liveness_left;
    sim_run(s, seconds);
    const double mean = (before - s->pods[0].liveness_left) / seconds;
    print_message("mean rate / coupling %.5g, closed form %.5g\n", mean / coupling,
                  expected / coupling);
    assert_true(fabs(mean / expected - 1.0) < 0.03);
    fixture_close(&w);
}

/* ---- the books ---- */

struct ran {
    double received, ended;
    int restarts;
};

/* The diamond under twice what it bears for 30 periods, books checked at each. */
static struct ran run_diamond(double coupling, double timeout_s)
{
    struct cluster_fixture w;
    struct ran r = {0};
    fixture_diamond(&w);
    w.cluster_cfg.liveness = (struct liveness_cfg){
        .coupling = coupling, .timeout_s = timeout_s, .period_s = 10, .failures = 3};
    fixture_open_under(&w, 200, 400);
    const struct sim *s = fixture_reset(&w);
    double before = plant_truth(w.plant, 0)->inflight;
    for (int i = 0; i < 30; i++) {
        const struct plant_truth *t = fixture_step(&w);
        assert_true(before + t->received == t->answered + t->failed + t->inflight);
        assert_true(cluster_consistent(w.plant));
        before = t->inflight;
        r.received += t->received;
        r.ended += t->answered;
    }
    for (int i = 0; i < s->shared->n_pods; i++) {
        r.restarts += s->pods[i].state != POD_FREE ? (int)s->pods[i].starts - 1 : 0;
    }
    fixture_close(&w);
    return r;
}

/* Open clients arrive whatever happens, so `received` shows that no other draw has moved. */
static void test_books_and_other_draws(void **state)
{
    (void)state;
    const struct ran off = run_diamond(0.0, 1.0), off_too = run_diamond(0.0, 1e-3);
    const struct ran on = run_diamond(0.8, 0.05);
    assert_int_equal(off.restarts, 0);
    assert_true(off.ended == off_too.ended && off.received == off_too.received);
    assert_true(on.restarts > 5);
    assert_true(on.received == off.received);
    assert_true(on.ended < off.ended);
}

/* The episode before time 0 has no faults, however busy the warm-up is. */
static void test_warm_up_is_spared(void **state)
{
    (void)state;
    struct cluster_fixture w;
    theory_world(&w, 1, 1, THEORY_ROOM);
    w.cluster_cfg.liveness =
        (struct liveness_cfg){.coupling = 1, .timeout_s = 1e-9, .period_s = 0.1, .failures = 1};
    fixture_open_under(&w, 2 * THEORY_MS, 0);
    struct sim *s = fixture_reset(&w);
    assert_int_equal(s->pods[0].starts, 1);
    assert_int_equal(s->services[0].n_failed, 0);
    sim_run(s, 5.0); /* ten crashes a second */
    assert_int_equal(s->services[0].n_failed, 1);
    fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_law),
        cmocka_unit_test(test_time_to_crash_is_exponential),
        cmocka_unit_test(test_mean_rate_of_mm1),
        cmocka_unit_test(test_books_and_other_draws),
        cmocka_unit_test(test_warm_up_is_spared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
