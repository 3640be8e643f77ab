/* How the agents of Rlad-core meet the plant: bounds of the response time, rows, masks, costs by
 * hand; and in a game every row holds a whole transition. */
#include "core/methods/rlad_interface.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum {
    A,
    B,
    C,
    D,
    SERVICES,
    ROW = SERVICES * RLAD_COLUMNS,
    N_ENV = 3,
    HORIZON = 7,
    STATE_MAX = 128
};
static const uint64_t SEED = 11;

/* a waits for b, b for c; nobody waits for d. */
static const char WORLD[] =
    "topology:\n"
    "  services:\n"
    "    - {name: a, cpu_m: 500, ram_mib: 64, capacity_rps: 50, min_replicas: 1,\n"
    "       max_replicas: 10, initial_replicas: 2, entry: true, calls: [b], async: [d]}\n"
    "    - {name: b, cpu_m: 500, ram_mib: 64, capacity_rps: 50, min_replicas: 2,\n"
    "       max_replicas: 4, initial_replicas: 2, calls: [c]}\n"
    "    - {name: c, cpu_m: 250, ram_mib: 64, capacity_rps: 50, min_replicas: 1,\n"
    "       max_replicas: 10, initial_replicas: 2}\n"
    "    - {name: d, cpu_m: 250, ram_mib: 64, capacity_rps: 50, min_replicas: 1,\n"
    "       max_replicas: 10, initial_replicas: 2}\n"
    "  node_cpu_m: 10000\n"
    "workload: {mean_rps: 60}\n"
    "plant: {latency_max_ms: 600, timeout_s: 2, cost_weight: 0.4}\n"
    "game: {horizon: 7}\n";

struct fixture {
    struct game_fixture w;
    struct rlad_cfg cfg;
    struct rlad_interface rlad;
    void *memory;
    float state[STATE_MAX], row[ROW];
    uint32_t mask[SERVICES];
};

static struct sight sight_of(const struct fixture *f)
{
    return (struct sight){.state = f->state};
}

static void show(struct fixture *f)
{
    const struct sight sight = sight_of(f);
    f->rlad.interface.ops->observe(f->memory, &f->rlad.interface, &sight);
    f->rlad.interface.ops->global_state(f->row, f->mask, f->memory, &f->rlad.interface, &sight);
}

static void start(struct fixture *f, enum rlad_reward reward)
{
    const struct episode_id id = {1, RNG_TRAIN, 0, 0};
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, WORLD);
    f->cfg = (struct rlad_cfg){.reward = reward, .resources = 0.09, .lateness = 0.9};
    OK(rlad_interface_init(&f->rlad, &f->w.arena, &f->cfg, &f->w.env_setup));
    assert_true(state_size(SERVICES) <= STATE_MAX);
    OK(f->rlad.interface.ops->memory(&f->memory, &f->w.arena, &f->rlad.interface));
    f->rlad.interface.ops->begin(f->memory, &f->rlad.interface, &id, 0);
    for (int s = 0; s < SERVICES; s++) {
        game_fixture_set(&f->w, f->state, s, SF_DESIRED, 2);
        game_fixture_set(&f->w, f->state, s, SF_UTIL_10S, 0.44);
        game_fixture_set(&f->w, f->state, s, SF_RECEIVED, 60);
        game_fixture_set(&f->w, f->state, s, SF_SUCCEEDED, 60);
    }
}

static void finish(struct fixture *f)
{
    game_fixture_close(&f->w);
}

static const float *of(const struct fixture *f, int service)
{
    return f->row + service * RLAD_COLUMNS;
}

static void decide(struct fixture *f, const int32_t action[SERVICES], int32_t delta[SERVICES])
{
    const struct sight sight = sight_of(f);
    struct game_move move = {.delta = delta};
    f->rlad.interface.ops->apply(&move, f->memory, &f->rlad.interface, &sight, action);
}

static void pay(struct fixture *f, float reward[SERVICES], const struct reward_terms *terms)
{
    const struct sight sight = sight_of(f);
    f->rlad.interface.ops->reward(reward, f->memory, &f->rlad.interface, &sight, terms);
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-6)) {
        fail_msg("got %.9g, want %.9g", got, want);
    }
}

/* ---- by hand ---- */

/* A response time contains those of callees that are waited for: 3, 2, 1 and 1 of 3 levels. */
static void test_response_bounds(void **state)
{
    static const double want[SERVICES] = {600, 400, 200, 200};
    struct fixture f;
    (void)state;
    start(&f, RLAD_OWN);
    for (int s = 0; s < SERVICES; s++) {
        assert_near(f.rlad.response_max_ms[s], want[s]);
    }
    assert_string_equal(f.rlad.columns[RLAD_COLUMNS], "b.replicas of 2 to 4");
    assert_string_equal(f.rlad.spec.agent_names[D], "d");
    finish(&f);
}

static void test_rows_and_masks(void **state)
{
    static const int32_t action[SERVICES] = {2, 2, 0, 1};
    int32_t delta[SERVICES] = {0};
    float seen[2];
    struct fixture f;
    (void)state;
    start(&f, RLAD_OWN);
    game_fixture_set(&f.w, f.state, A, SF_DESIRED, 10);
    game_fixture_set(&f.w, f.state, A, SF_UTIL_10S, 1.7);
    show(&f);
    assert_true(of(&f, A)[RLAD_REPLICAS] == 10 && of(&f, A)[RLAD_BIN] == 10);
    assert_true(of(&f, B)[RLAD_REPLICAS] == 2 && of(&f, B)[RLAD_BIN] == 4);
    assert_true(of(&f, B)[RLAD_REPLICAS_BEFORE] == 0);
    assert_int_equal(f.mask[A], 3); /* at most 10 */
    assert_int_equal(f.mask[B], 6); /* at least 2 */
    assert_int_equal(f.mask[C], 7);
    decide(&f, action, delta);
    assert_true(delta[A] == 1 && delta[B] == 1 && delta[C] == -1 && delta[D] == 0);
    game_fixture_set(&f.w, f.state, B, SF_DESIRED, 3);
    game_fixture_set(&f.w, f.state, B, SF_UTIL_10S, 0.26);
    show(&f);
    assert_true(of(&f, B)[RLAD_REPLICAS] == 3 && of(&f, B)[RLAD_BIN] == 3);
    assert_true(of(&f, B)[RLAD_REPLICAS_BEFORE] == 2 && of(&f, B)[RLAD_BIN_BEFORE] == 4);
    assert_true(of(&f, B)[RLAD_CHOICE] == 2);
    f.rlad.spec.obs(f.rlad.spec.ctx, seen, B, f.row);
    assert_true(seen[0] == 3 && seen[1] == 3);
    finish(&f);
}

static void test_own_cost(void **state)
{
    static const int32_t nothing[SERVICES] = {1, 1, 1, 1};
    const struct reward_terms terms = {.reward = 0.5};
    int32_t delta[SERVICES];
    float reward[SERVICES];
    struct fixture f;
    (void)state;
    start(&f, RLAD_OWN);
    decide(&f, nothing, delta);
    game_fixture_set(&f.w, f.state, A, SF_LATENCY_10S, 599);
    game_fixture_set(&f.w, f.state, B, SF_LATENCY_10S, 401);
    game_fixture_set(&f.w, f.state, C, SF_SUCCEEDED, 0); /* called, and answered nobody */
    game_fixture_set(&f.w, f.state, D, SF_SUCCEEDED, 0);
    game_fixture_set(&f.w, f.state, D, SF_RECEIVED, 0);
    pay(&f, reward, &terms);
    assert_near((double)reward[A], -0.09 * 2 / 10);
    assert_near((double)reward[B], -0.09 * 2 / 4 - 0.9);
    assert_near((double)reward[C], -0.09 * 2 / 10 - 0.9);
    assert_near((double)reward[D], -0.09 * 2 / 10);
    show(&f);
    assert_near((double)of(&f, A)[RLAD_UNKNOWN_COST], 0);
    assert_near((double)of(&f, B)[RLAD_UNKNOWN_COST], 0.9);
    finish(&f);
}

/* reward = achieved - 0.4 cost: achieved 0.5 + 0.4 * 0.25 = 0.6. */
static void test_common_reward(void **state)
{
    static const int32_t nothing[SERVICES] = {1, 1, 1, 1};
    const struct reward_terms terms = {.resilience = 0.6, .cost = 0.25, .reward = 0.5};
    int32_t delta[SERVICES];
    float reward[SERVICES];
    struct fixture f;
    (void)state;
    start(&f, RLAD_KARMA);
    decide(&f, nothing, delta);
    pay(&f, reward, &terms);
    show(&f);
    for (int s = 0; s < SERVICES; s++) {
        assert_near((double)reward[s], 0.5);
        assert_near((double)of(&f, s)[RLAD_UNKNOWN_COST], 0.4);
    }
    assert_near(f.rlad.services[A].replica_cost, 0.4 * 500 / 10000);
    assert_near(f.rlad.services[C].replica_cost, 0.4 * 250 / 10000);
    finish(&f);
}

/* ---- in a game ---- */

struct look {
    float row[N_ENV][ROW], reward[N_ENV * SERVICES];
    uint32_t mask[N_ENV][SERVICES];
    uint8_t flag[N_ENV];
    int32_t action[N_ENV * SERVICES];
};

/* Any open choice. */
static void act(struct look *l, uint32_t step)
{
    for (int i = 0; i < N_ENV * SERVICES; i++) {
        const struct rng_block v =
            rng_philox(rng_key(SEED, RNG_TEST, RNG_TRAIN), (uint32_t)i, step, 0, 0);
        l->action[i] = (int32_t)rng_below(v.v[0], RLAD_CHOICES);
        if (!mask_has(&l->mask[i / SERVICES][i % SERVICES], l->action[i])) {
            l->action[i] = RLAD_NO_CHANGE;
        }
    }
}

static void look(struct look *l, struct env *env)
{
    for (int e = 0; e < N_ENV; e++) {
        env->ops->global_state(env, e, 0, l->row[e], l->mask[e]);
    }
}

/* A service's row continues the one before: state, choice, and the cost that was paid. */
static void assert_continues(const struct fixture *f, const struct look *l,
                             const struct look *before, int e, int s)
{
    const float *x = l->row[e] + s * RLAD_COLUMNS, *y = before->row[e] + s * RLAD_COLUMNS;
    const int32_t choice = before->action[e * SERVICES + s];
    assert_true(x[RLAD_REPLICAS_BEFORE] == y[RLAD_REPLICAS]);
    assert_true(x[RLAD_BIN_BEFORE] == y[RLAD_BIN]);
    assert_true((int32_t)x[RLAD_CHOICE] == choice);
    assert_true(x[RLAD_REPLICAS] == y[RLAD_REPLICAS] + (float)(choice - RLAD_NO_CHANGE));
    assert_near(-(double)l->reward[e * SERVICES + s],
                f->rlad.services[s].replica_cost * (double)x[RLAD_REPLICAS] +
                    (double)x[RLAD_UNKNOWN_COST]);
}

static void test_transitions(void **state)
{
    struct fixture f;
    struct env_spec spec;
    struct env *env;
    struct look now = {0};
    (void)state;
    start(&f, RLAD_OWN);
    const struct interface *const alone[] = {&f.rlad.interface};
    OK(interface_env_spec(&spec, &f.w.arena, alone, 1));
    const struct game_teams teams = {
        .env_setup = &f.w.env_setup, .spec = &spec, .interfaces = alone};
    OK(game_new_teams(&env, &f.w.arena, &teams, N_ENV, SEED, NULL));
    for (int e = 0; e < N_ENV; e++) {
        OK(env->ops->reset(env, e, (uint32_t)e, 0, 0));
    }
    look(&now, env);
    assert_true(now.row[0][RLAD_REPLICAS_BEFORE] == 0);
    for (uint32_t step = 0; step < HORIZON; step++) {
        act(&now, step);
        const struct look before = now;
        const int32_t *action[] = {now.action};
        float *reward[] = {now.reward};
        OK(env->ops->step(env, action, reward, now.flag));
        look(&now, env);
        for (int i = 0; i < N_ENV * SERVICES; i++) {
            assert_continues(&f, &now, &before, i / SERVICES, i % SERVICES);
        }
    }
    assert_int_equal(now.flag[0], ENV_TRUNCATED);
    OK(env->ops->reset(env, 0, 0, 1, 0));
    look(&now, env);
    assert_true(now.row[0][RLAD_REPLICAS_BEFORE] == 0 && now.row[1][RLAD_REPLICAS_BEFORE] > 0);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response_bounds), cmocka_unit_test(test_rows_and_masks),
        cmocka_unit_test(test_own_cost),        cmocka_unit_test(test_common_reward),
        cmocka_unit_test(test_transitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
