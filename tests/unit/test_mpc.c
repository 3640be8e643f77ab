/* The planner: plans whose optimum is known, the same decisions for the same episode, more than
 * doing nothing achieves at no more cost, and what it refuses. Its twin has the true parameters. */
#include "core/eval/episode.h"
#include "core/twin/model.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/controller_text.h"
#include "tests/unit/game_fixture.h"

#define OK(call) assert_int_equal((call), ERR_OK)

enum { SERVICES_MAX = 8 };

/* A queueing twin of an environment, whose parameters are its true ones. */
struct true_twin {
    const char *names[SERVICES_MAX];
    struct queueing q;
    struct twin_cfg cfg;
    struct twin_model model;
};

static void set(struct true_twin *t, int i, double value)
{
    t->q.params[i] = (struct queueing_param){value, value, value};
}

static void give_twin(struct true_twin *t, struct env_setup *w, struct arena *arena)
{
    static const double whole[QUEUEING_WHOLES] = {
        [QUEUEING_START] = 20.0,   [QUEUEING_START_SD] = 6.0, [QUEUEING_LAG] = 7.5,
        [QUEUEING_SERVERS] = 1.0,  [QUEUEING_JOIN] = 1.0,     [QUEUEING_TAIL] = 1.0,
        [QUEUEING_POD_MIB] = 64.0, [QUEUEING_CALL_MIB] = 0.5, [QUEUEING_CALL_KBIT] = 16.0};
    const int n = w->topology.n_services;
    *t = (struct true_twin){.cfg = {.file = "true.twin", .kind = TWIN_QUEUEING}};
    for (int s = 0; s < n; s++) {
        t->names[s] = w->cfg.topology->services[s].name;
    }
    OK(queueing_init(&t->q, arena, t->names, n));
    for (int s = 0; s < n; s++) {
        set(t, queueing_at_service(s, QUEUEING_DEMAND), w->topology.demand_s[s]);
        set(t, queueing_at_service(s, QUEUEING_VISITS), w->topology.visits[s]);
        set(t, queueing_at_service(s, QUEUEING_USABLE), 1.0);
    }
    for (int k = 0; k < QUEUEING_WHOLES; k++) {
        set(t, queueing_at_whole(n, (enum queueing_of_whole)k), whole[k]);
    }
    t->model = (struct twin_model){.cfg = &t->cfg, .queueing = &t->q, .topology = &w->topology};
    w->cfg.twin = &t->cfg;
    w->twin = &t->model;
}

/* ---- plans with a known optimum ---- */

struct scene {
    struct game_fixture w;
    struct true_twin twin;
    struct controller *mpc;
    float state[256];
    int n, desired[SERVICES_MAX];
};

/* Two services in a row; a pod answers 100 and 200 requests/s. */
static void open_scene(struct scene *s, const char *mpc)
{
    char world[1024];
    memset(s, 0, sizeof *s);
    (void)snprintf(world, sizeof world,
                   "topology: {services: [{name: a, cpu_m: 500, capacity_rps: 100, max_replicas: "
                   "6, initial_replicas: 2, entry: true, calls: [b]}, {name: b, cpu_m: 500, "
                   "capacity_rps: 200, max_replicas: 5, initial_replicas: 2}]}\n"
                   "controllers: [{mpc: %s}]\n",
                   mpc);
    game_fixture_open(&s->w, world);
    give_twin(&s->twin, &s->w.env_setup, &s->w.arena);
    s->mpc = game_fixture_controller(&s->w, 0);
    s->n = 2;
    s->desired[0] = s->desired[1] = 2;
}

static void decide(struct scene *s, double rate, double rise)
{
    int32_t delta[SERVICES_MAX];
    for (int i = 0; i < s->n; i++) {
        game_fixture_set(&s->w, s->state, i, SF_DESIRED, s->desired[i]);
    }
    game_fixture_set_global(&s->w, s->state, GF_ENTRY_5S, rate);
    game_fixture_set_global(&s->w, s->state, GF_ENTRY_10S, rate);
    game_fixture_set_global(&s->w, s->state, GF_ENTRY_DIFF, rise);
    controller_act(s->mpc, delta, s->state);
    for (int i = 0; i < s->n; i++) {
        s->desired[i] += delta[i];
    }
}

/* Where CPU is dear, or nobody calls, the optimum are the fewest replicas at once. Where it costs
 * nothing, each pod shortens responses: the most replicas at once, which bear 500/s. */
static void test_known_optima(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "{cost: 1000, iterations: 8}");
    decide(&s, 150, 0);
    assert_int_equal(s.desired[0], 1);
    assert_int_equal(s.desired[1], 1);
    game_fixture_close(&s.w);
    open_scene(&s, "{cost: 0.01, iterations: 8}");
    decide(&s, 0, 0);
    assert_int_equal(s.desired[0], 1);
    assert_int_equal(s.desired[1], 1);
    game_fixture_close(&s.w);
    open_scene(&s, "{cost: 0, samples: 100, iterations: 10}");
    decide(&s, 500, 0);
    assert_int_equal(s.desired[0], 6);
    assert_int_equal(s.desired[1], 5);
    game_fixture_close(&s.w);
}

/* At 330/s three pods of a are overloaded for certain and five are not, one of b is and two are
 * not. With a small cost the plan lies between, and stays when it is reached. */
static void test_staffs_the_load(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "{cost: 0.3}");
    for (int i = 0; i < 8; i++) {
        decide(&s, 330, 0);
    }
    assert_in_range(s.desired[0], 4, 6);
    assert_in_range(s.desired[1], 2, 4);
    game_fixture_close(&s.w);
}

/* The same rate, but rising by 60/s in 10 s: more pods. */
static void test_expects_a_rise(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "{cost: 0.3, growth: 5}");
    decide(&s, 150, 0);
    const int flat = s.desired[0];
    game_fixture_close(&s.w);
    open_scene(&s, "{cost: 0.3, growth: 5}");
    decide(&s, 150, 60);
    assert_true(s.desired[0] > flat);
    game_fixture_close(&s.w);
}

/* `step` bounds a decision. */
static void test_step(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, "{cost: 0, step: 1}");
    decide(&s, 500, 0);
    assert_int_equal(s.desired[0], 3);
    assert_int_equal(s.desired[1], 3);
    game_fixture_close(&s.w);
}

/* An episode is a function of its identity: what came before it plays no part. */
static void test_reset_forgets(void **state)
{
    const struct episode_id id = {3, RNG_DEV, 4, 0}, other = {3, RNG_DEV, 5, 0};
    static const double rates[] = {100, 180, 260, 300, 200};
    int seen[2][5];
    struct scene s;
    (void)state;
    open_scene(&s, "{cost: 0.3, samples: 16, iterations: 2}");
    for (int turn = 0; turn < 2; turn++) {
        s.desired[0] = s.desired[1] = 2;
        controller_reset(s.mpc, &id, NULL);
        for (int i = 0; i < 5; i++) {
            decide(&s, rates[i], i < 3 ? 40 : 0);
            seen[turn][i] = s.desired[0] * 100 + s.desired[1];
        }
        controller_reset(s.mpc, &other, NULL);
        decide(&s, 50, 0);
    }
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    game_fixture_close(&s.w);
}

/* ---- against doing nothing ---- */

/* Floods of the compared setting on the simulator: a higher SLO attainment than doing nothing, at
 * no more vCPU-hours. */
static void test_beats_nothing(void **state)
{
    enum { EPISODES = 6 };
    static const char *const texts[] = {"nothing",
                                        "mpc: {cost: 2.5, growth: 5, samples: 24, iterations: 2}"};
    double slo[2] = {0}, cost[2] = {0};
    struct experiment x;
    struct true_twin twin;
    struct episode episode;
    (void)state;
    OK(experiment_load(&x, "configs/experiments/compared.yaml", NULL, 0));
    give_twin(&twin, &x.env_setup, &x.arena);
    OK(episode_init(&episode, &x.arena, &x.env_setup));
    for (int k = 0; k < 2; k++) {
        const struct controller_cfg cfg = controller_text(&x.arena, texts[k]);
        struct controller *c;
        OK(controller_new(&c, &x.arena, &cfg, &x.env_setup, &x.rules, NULL));
        for (uint32_t env = 0; env < EPISODES; env++) {
            const struct episode_id id = {.seed = 11, .split = RNG_DEV, .env = env};
            struct episode_metrics m;
            OK(episode_run(&episode, &m, c, 0, &id, NULL));
            slo[k] += m.slo_attainment / EPISODES;
            cost[k] += m.vcpu_h / EPISODES;
        }
    }
    if (!(slo[1] > slo[0] + 0.02 && cost[1] <= cost[0])) {
        fail_msg("mpc %.4f at %.4f vCPU h, nothing %.4f at %.4f", slo[1], cost[1], slo[0], cost[0]);
    }
    experiment_release(&x);
}

/* ---- refusals ---- */

static void refused(const char *controller, bool with_twin, bool queueing, const char *says)
{
    char world[256];
    struct game_fixture w;
    struct true_twin twin;
    struct controller *c = NULL;
    (void)snprintf(world, sizeof world, "controllers: [%s]\n", controller);
    game_fixture_open(&w, world);
    if (with_twin) {
        give_twin(&twin, &w.env_setup, &w.arena);
        twin.model.queueing = queueing ? &twin.q : NULL;
    }
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
    refused("{name: planner, mpc: {}}", false, false,
            "controller 'planner': mpc plans in a queueing twin, and there is none; name one with "
            "--set twin.kind=queueing --set twin.file=FILE");
    refused("mpc", true, false, "and true.twin is a twin of networks");
    refused("{mpc: {samples: 8, elites: 0.9}}", true, true, "lower elites or raise samples");
    refused("{explore: {rule: {mpc: {}}}}", true, true,
            "its rule is mpc, which needs a twin to plan in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_optima),   cmocka_unit_test(test_staffs_the_load),
        cmocka_unit_test(test_expects_a_rise), cmocka_unit_test(test_step),
        cmocka_unit_test(test_reset_forgets),  cmocka_unit_test(test_beats_nothing),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
