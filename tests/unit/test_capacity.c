/* Capacities estimated online: against states of services whose numbers are known, and against the
 * simulator. */
#include "core/controllers/capacity.h"

#include "core/controllers/ff.h"
#include "core/eval/episode.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { STATE_MAX = 256, SERVICES = 4 };

static const char DIAMOND[] =
    "workload: {mean_rps: 200}\n"
    "game: {horizon: 40}\n"
    "controllers: [{name: t, ff: {}}, {name: m, ff: {capacity: measured}}, nothing]\n";

struct fixture {
    struct game_fixture w;
    struct capacity c;
    float state[STATE_MAX];
};

static void start(struct fixture *f)
{
    game_fixture_open(&f->w, DIAMOND);
    memset(f->state, 0, sizeof f->state);
    assert_int_equal(capacity_init(&f->c, &f->w.arena, &f->w.env_setup), ERR_OK);
}

/* What a window shows of `rate` requests/s when a call at service s needs demand[s] CPU-seconds and
 * a request makes visits[s] calls there. */
static void show(struct fixture *f, double rate, const double *visits, const double *demand,
                 double answered)
{
    game_fixture_set_global(&f->w, f->state, GF_ENTRY_30S, rate);
    game_fixture_set_global(&f->w, f->state, GF_ANSWERED, answered);
    for (int s = 0; s < SERVICES; s++) {
        game_fixture_set(&f->w, f->state, s, SF_RECEIVED, rate * visits[s]);
        game_fixture_set(&f->w, f->state, s, SF_CPU, 1e3 * rate * visits[s] * demand[s]);
    }
}

static bool about(double a, double b, double margin)
{
    return fabs(a - b) <= margin * fabs(b);
}

static const double VISITS[SERVICES] = {1, 2, 0.5, 0}; /* the last one is never called */
static const double DEMAND[SERVICES] = {0.01, 0.002, 0.05, 0.01};

/* Capacity = request / (demand (1 + 1 / sqrt n)), n the calls of the periods so far. */
static void test_quotients(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    for (int s = 0; s < SERVICES; s++) {
        assert_false(capacity_known(&f.c, s));
    }
    show(&f, 10, VISITS, DEMAND, 1);
    capacity_update(&f.c, f.state);
    const double period_s = f.w.env_setup.cfg.plant->period_s;
    for (int s = 0; s < 3; s++) {
        const double n = 10 * VISITS[s] * period_s;
        const double request_s = f.w.env_setup.cfg.topology->services[s].cpu_m * 1e-3;
        assert_true(capacity_known(&f.c, s));
        assert_true(about(f.c.visits[s], VISITS[s], 1e-6));
        assert_true(about(f.c.pod_rps[s], request_s / (DEMAND[s] * (1 + 1 / sqrt(n))), 1e-6));
    }
    assert_false(capacity_known(&f.c, 3));
    assert_true(f.c.visits[3] == 0.0);
    capacity_clear(&f.c);
    assert_false(capacity_known(&f.c, 0));
    game_fixture_close(&f.w);
}

/* In overload calls are refused: they use no CPU and make no further calls. A flood of ten minutes
 * that shows half the visits and half the work moves the estimate by less than a tenth; a service
 * that became twice as slow is known after an hour. */
static void test_overload_and_change(void **state)
{
    (void)state;
    struct fixture f;
    double half_visits[SERVICES], half_demand[SERVICES], slow[SERVICES];
    start(&f);
    for (int s = 0; s < SERVICES; s++) {
        half_visits[s] = 0.5 * VISITS[s];
        half_demand[s] = 0.5 * DEMAND[s];
        slow[s] = 2.0 * DEMAND[s];
    }
    for (int i = 0; i < 40; i++) {
        show(&f, 100, VISITS, DEMAND, 1);
        capacity_update(&f.c, f.state);
    }
    const double before = f.c.pod_rps[0];
    for (int i = 0; i < 40; i++) {
        show(&f, 300, half_visits, half_demand, 0.6);
        capacity_update(&f.c, f.state);
    }
    assert_true(about(f.c.pod_rps[0], before, 0.1));
    assert_true(about(f.c.visits[1], VISITS[1], 0.1));
    for (int i = 0; i < 240; i++) {
        show(&f, 100, VISITS, slow, 1);
        capacity_update(&f.c, f.state);
    }
    assert_true(about(f.c.pod_rps[0], 0.5 * before, 0.05));
    game_fixture_close(&f.w);
}

/* A queue counts as overload, too; what is never clean still gets an estimate. */
static void test_never_clean(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    game_fixture_set(&f.w, f.state, 0, SF_QUEUE, 1000);
    show(&f, 100, VISITS, DEMAND, 1);
    capacity_update(&f.c, f.state);
    assert_true(about(f.c.entered, 0.02 * 100 * f.w.env_setup.cfg.plant->period_s, 1e-6));
    capacity_update(&f.c, f.state);
    assert_true(capacity_known(&f.c, 0));
    assert_true(about(f.c.visits[0], 1.0, 1e-6));
    game_fixture_close(&f.w);
}

/* ---- against the simulator ---- */

struct watch {
    struct capacity c;
    double worst; /* over decisions from the second on, relative */
    int step;
};

static enum err watch_see(void *ctx, const struct episode_step *step)
{
    struct watch *w = ctx;
    capacity_update(&w->c, step->state);
    const struct topology *t = &w->c.env_setup->topology;
    for (int s = 0; s < SERVICES && step->step > 0; s++) {
        w->worst = fmax(w->worst, fabs(w->c.visits[s] / t->visits[s] - 1.0));
        w->worst = fmax(w->worst, fabs(w->c.pod_rps[s] / t->pod_rps[s] - 1.0));
    }
    return ERR_OK;
}

/* From the second decision on no estimate of a quiet diamond is off by more than 8 %: 6,000 calls
 * of exponential work have a standard error of 1.3 %; eight estimates are looked at 39 times. */
static void test_simulator(void **state)
{
    (void)state;
    struct fixture f;
    struct episode e;
    struct episode_metrics m;
    struct watch w = {.worst = 0.0};
    start(&f);
    w.c = f.c;
    const struct episode_observer observer = {.ctx = &w, .see = watch_see};
    const struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = 0};
    assert_int_equal(episode_init(&e, &f.w.arena, &f.w.env_setup), ERR_OK);
    assert_int_equal(episode_run(&e, &m, game_fixture_controller(&f.w, 2), 0, &id, &observer),
                     ERR_OK);
    print_message("worst estimate of a quiet episode: %.1f %% off\n", 100 * w.worst);
    assert_true(w.worst > 0.0 && w.worst < 0.08);
    game_fixture_close(&f.w);
}

/* ---- ff ---- */

static struct controller *ff_of(struct fixture *f, const char *text)
{
    struct controller_cfg *row;
    game_fixture_open(&f->w, text);
    row = &f->w.root.controllers[0];
    struct controller *c = NULL;
    return controller_new(&c, &f->w.arena, row, &f->w.env_setup, &f->w.rules, NULL) == ERR_OK
               ? c
               : NULL;
}

static void test_factors(void **state)
{
    (void)state;
    struct fixture f = {.state = {0}};
    struct controller *c = ff_of(&f, "topology: {node_cpu_m: 1e8, node_ram_mib: 1e8}\n"
                                     "controllers: [{ff: {growth: 0, down_s: 0, wait_share: 1,\n"
                                     "  utilisation: 0.5, told_factors: [2, 1, 1, 1]}}]\n");
    int32_t delta[SERVICES];
    const struct episode_id id = {0};
    assert_non_null(c);
    controller_reset(c, &id, NULL);
    game_fixture_set_global(&f.w, f.state, GF_ENTRY_5S, 400);
    controller_act(c, delta, f.state);
    const struct topology *t = &f.w.env_setup.topology;
    assert_int_equal(delta[0], ceil(400 * t->visits[0] / (2 * t->pod_rps[0]) / 0.5));
    assert_int_equal(delta[1], ceil(400 * t->visits[1] / t->pod_rps[1] / 0.5));
    game_fixture_close(&f.w);
}

/* Without an estimate replicas stay; with one it plans for what it has seen. */
static void test_measured_ff(void **state)
{
    (void)state;
    static const double visits[SERVICES] = {1, 3, 1, 0};
    struct fixture f = {.state = {0}};
    struct controller *c = ff_of(&f, "topology: {node_cpu_m: 1e8, node_ram_mib: 1e8}\n"
                                     "controllers: [{ff: {capacity: measured, growth: 0,\n"
                                     "  down_s: 0, wait_share: 1, utilisation: 0.5}}]\n");
    int32_t delta[SERVICES];
    const struct episode_id id = {0};
    assert_non_null(c);
    controller_reset(c, &id, NULL);
    for (int s = 0; s < SERVICES; s++) {
        game_fixture_set(&f.w, f.state, s, SF_DESIRED, 2);
    }
    controller_act(c, delta, f.state);
    for (int s = 0; s < SERVICES; s++) {
        assert_int_equal(delta[s], 0);
    }
    show(&f, 100, visits, DEMAND, 1);
    game_fixture_set_global(&f.w, f.state, GF_ENTRY_5S, 100);
    controller_act(c, delta, f.state);
    const double request_s = f.w.env_setup.cfg.topology->services[0].cpu_m * 1e-3;
    const double margin = 1 + 1 / sqrt(1500.0);
    assert_int_equal(2 + delta[0], ceil(100 * DEMAND[0] * margin / request_s / 0.5));
    assert_int_equal(delta[3], 0);
    game_fixture_close(&f.w);
}

static void test_refusals(void **state)
{
    (void)state;
    struct fixture f;
    assert_null(ff_of(&f, "controllers: [{name: x, ff: {told_factors: [1, 2]}}]\n"));
    assert_non_null(
        strstr(f.w.log, "'x': 2 values in 'told_factors', the topology has 4 services"));
    game_fixture_close(&f.w);
    assert_null(
        ff_of(&f, "controllers: [{ff: {capacity: measured, told_factors: [1, 1, 1, 1]}}]\n"));
    assert_non_null(strstr(f.w.log, "set capacity: told, or leave told_factors out"));
    game_fixture_close(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotients),   cmocka_unit_test(test_overload_and_change),
        cmocka_unit_test(test_never_clean), cmocka_unit_test(test_simulator),
        cmocka_unit_test(test_factors),     cmocka_unit_test(test_measured_ff),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
