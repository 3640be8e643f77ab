/* Feed-forward staffing against the queueing formula itself, evaluated pod by pod. */
#include "core/controllers/ff.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { STATE_MAX = 256, SERVICES = 4 };

/* The diamond a -> b, c -> d with room for every plan; d is visited twice per request. */
static const char ROOMY[] =
    "topology: {node_cpu_m: 1e8, node_ram_mib: 1e8, services: [\n"
    "  {name: a, cpu_m: 500, capacity_rps: 100, max_replicas: 1000, entry: true, calls: [b, c]},\n"
    "  {name: b, cpu_m: 400, capacity_rps: 80, max_replicas: 1000, calls: [d]},\n"
    "  {name: c, cpu_m: 600, capacity_rps: 150, max_replicas: 1000, calls: [d]},\n"
    "  {name: d, cpu_m: 700, capacity_rps: 30, max_replicas: 1000}]}\n"
    "controllers: [{ff: {down_s: 0, growth: 0}}]\n";
static const double VISITS[SERVICES] = {1, 1, 1, 2};
static const double CAPACITY[SERVICES] = {100, 80, 150, 30};

struct fixture {
    struct game_fixture w;
    struct ff_params params; /* of the controller; a test may change them */
    struct controller *ff;
    float state[STATE_MAX];
    int plan[SERVICES];
};

static void open_world(struct fixture *f, const char *text)
{
    game_fixture_open(&f->w, text);
    memset(f->state, 0, sizeof f->state);
    memcpy(&f->params, f->w.root.controllers[0].method.params, sizeof f->params);
    f->w.root.controllers[0].method.params = &f->params;
}

static void start(struct fixture *f, const char *text)
{
    open_world(f, text);
    f->ff = game_fixture_controller(&f->w, 0);
}

static void stop(struct fixture *f)
{
    game_fixture_close(&f->w);
}

/* Replicas it asks for when the entry rate is constant over 10 s but for `rise`. */
static const int *plan_for(struct fixture *f, double rate_5s, double rate_10s, double rise)
{
    int32_t delta[SERVICES];
    game_fixture_set_global(&f->w, f->state, GF_ENTRY_5S, rate_5s);
    game_fixture_set_global(&f->w, f->state, GF_ENTRY_10S, rate_10s);
    game_fixture_set_global(&f->w, f->state, GF_ENTRY_DIFF, rise);
    for (int s = 0; s < SERVICES; s++) {
        game_fixture_set(&f->w, f->state, s, SF_DESIRED, s + 2);
    }
    controller_act(f->ff, delta, f->state);
    for (int s = 0; s < SERVICES; s++) {
        f->plan[s] = s + 2 + delta[s];
    }
    return f->plan;
}

/* Mean response of an M/G/1 processor-sharing queue, seconds; infinite when it is overloaded. */
static double response(double lambda, double mu)
{
    return lambda < mu ? 1.0 / (mu - lambda) : HUGE_VAL;
}

/* Least pods by trial. */
static int staffing(double lambda, double mu, double utilisation, double response_s)
{
    int n = 1;
    while (lambda / n / mu > utilisation || response(lambda / n, mu) > response_s) {
        n++;
    }
    return n;
}

/* With shares from loose (utilisation decides) to tight (response decides). d: 33 ms of work. */
static void test_least_staffing(void **state)
{
    (void)state;
    static const double shares[] = {1.0, 0.5, 0.3, 0.2};
    struct fixture f;
    int by_response = 0;
    start(&f, ROOMY);
    for (uint32_t i = 0; i < 2000; i++) {
        const struct rng_block b = rng_philox(rng_key(3, RNG_TEST, RNG_TEST_SPLIT), i, 0, 0, 0);
        const double rate = (float)(0.5 + 2000.0 * rng_open_f64(b.v[0]));
        struct ff_params *cfg = &f.params;
        cfg->wait_share = shares[rng_below(b.v[1], 4)];
        cfg->utilisation = 0.3 + 0.65 * rng_open_f64(b.v[2]);
        const int *plan = plan_for(&f, rate, rate, 0);
        for (int s = 0; s < SERVICES; s++) {
            const double lambda = rate * VISITS[s];
            const int n = staffing(lambda, CAPACITY[s], cfg->utilisation, cfg->wait_share * 0.2);
            if (plan[s] != n) {
                fail_msg("service %d at %g/s: %d pods, by trial %d", s, lambda, plan[s], n);
            }
            by_response += n > (int)ceil(lambda / CAPACITY[s] / cfg->utilisation);
        }
    }
    assert_true(by_response > 500 && by_response < 7500);
    stop(&f);
}

/* 200/s: a 200 / (100 x 0.7) = 2.86 and 1 / (100 - 200 / 3) = 30 ms <= 50 ms: 3. b: 200 / 56 = 3.6,
 * and 1 / (80 - 50) = 33 ms: 4. c: 200 / 105: 2. d, 400/s: 1 / (30 - 400 / n) <= 50 ms needs 40. */
static void test_by_hand(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ROOMY);
    const int *plan = plan_for(&f, 200, 200, 0);
    assert_int_equal(plan[0], 3);
    assert_int_equal(plan[1], 4);
    assert_int_equal(plan[2], 2);
    assert_int_equal(plan[3], 40);
    stop(&f);
}

/* 10 ms are not to be had from 10 ms of work: 5 % utilisation instead. */
static void test_response_out_of_reach(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ROOMY);
    f.params.wait_share = 0.05;
    assert_int_equal(plan_for(&f, 42, 42, 0)[0], 9); /* 42 / 5 */
    stop(&f);
}

static void test_rate_expected(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ROOMY);
    /* a: 70/s a pod. The larger of the two rates. */
    assert_int_equal(plan_for(&f, 700, 600, 0)[0], 10);
    assert_int_equal(plan_for(&f, 600, 700, 0)[0], 10);
    /* growth x rise on top; a fall is no rise. */
    f.params.growth = 2;
    assert_int_equal(plan_for(&f, 700, 650, 105)[0], 13);
    assert_int_equal(plan_for(&f, 700, 650, -300)[0], 10);
    f.params.growth = 0.5;
    assert_int_equal(plan_for(&f, 700, 650, 140)[0], 11);
    stop(&f);
}

/* A plan of 60 s ago still holds, one of 75 s does not. A reset forgets. */
static void test_hold(void **state)
{
    (void)state;
    static const int expected[] = {10, 10, 10, 10, 10, 5, 5, 5, 5, 2};
    struct fixture f;
    const struct episode_id id = {0};
    open_world(&f, ROOMY);
    f.params.down_s = 60;
    f.ff = game_fixture_controller(&f.w, 0);
    for (int i = 0; i < 10; i++) {
        const double rate = i == 0 ? 700 : i <= 4 ? 350 : 140;
        assert_int_equal(plan_for(&f, rate, rate, 0)[0], expected[i]);
    }
    assert_int_equal(plan_for(&f, 700, 0, 0)[0], 10); /* up at once */
    controller_reset(f.ff, &id, NULL);
    assert_int_equal(plan_for(&f, 140, 0, 0)[0], 2);
    stop(&f);
}

static void test_bounds(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, ROOMY);
    f.w.root.topology.services[0].min_replicas = 3;
    f.w.root.topology.services[0].max_replicas = 12;
    assert_int_equal(plan_for(&f, 0, 0, 0)[0], 3);
    assert_int_equal(plan_for(&f, 9000, 9000, 0)[0], 12);
    assert_int_equal(plan_for(&f, 3e38, 3e38, 0)[0], 12);
    stop(&f);
}

static const char SMALL_NODE[] =
    "topology: {node_cpu_m: 16000, node_ram_mib: 1e6}\ncontrollers: [{ff: {growth: 0}}]\n";
static const double CPU_M[SERVICES] = {500, 400, 600, 700}; /* the project's diamond */

static double cpu_of(const int *plan)
{
    double sum = 0;
    for (int s = 0; s < SERVICES; s++) {
        sum += plan[s] * CPU_M[s];
    }
    return sum;
}

/* At the largest rate that fits, no service has more than its staffing, and the next larger plan
 * does not fit. A rate that is far out of reach gets the same plan. */
static void test_node(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SMALL_NODE);
    f.params.wait_share = 1.0;
    int plan[SERVICES];
    memcpy(plan, plan_for(&f, 5000, 5000, 0), sizeof plan);
    assert_true(cpu_of(plan) <= 16000);
    assert_memory_equal(plan, plan_for(&f, 4e5, 4e5, 0), sizeof plan);
    const struct episode_id id = {0};
    double rate = 0;
    for (int i = 1; i < 100000; i++) { /* by trial, in steps of 0.01/s */
        static const double rps[SERVICES] = {100, 80, 150, 300};
        double sum = 0;
        for (int s = 0; s < SERVICES; s++) {
            const double n = ceil(0.01 * i * VISITS[s] / (0.7 * rps[s]));
            sum += (n < 10 ? n : 10) * CPU_M[s];
        }
        if (sum > 16000) {
            break;
        }
        rate = 0.01 * i;
    }
    controller_reset(f.ff, &id, NULL);
    assert_memory_equal(plan, plan_for(&f, rate, rate, 0), sizeof plan);
    stop(&f);
}

static void test_memory_of_the_node(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SMALL_NODE);
    f.w.root.topology.node_ram_mib = 10000; /* 256, 512, 512, 1024 a pod */
    const int *plan = plan_for(&f, 5000, 5000, 0);
    const int ram = 256 * plan[0] + 512 * plan[1] + 512 * plan[2] + 1024 * plan[3];
    assert_true(ram <= 10000 && ram > 8000);
    stop(&f);
}

/* Not even the fewest replicas fit: they are asked for. */
static void test_node_too_small(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SMALL_NODE);
    f.w.root.topology.node_cpu_m = 1000;
    const int *plan = plan_for(&f, 5000, 5000, 0);
    for (int s = 0; s < SERVICES; s++) {
        assert_int_equal(plan[s], 1);
    }
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_staffing),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_response_out_of_reach),
        cmocka_unit_test(test_rate_expected),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_node),
        cmocka_unit_test(test_memory_of_the_node),
        cmocka_unit_test(test_node_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
