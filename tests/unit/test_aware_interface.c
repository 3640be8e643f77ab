/* What AWARE's agents see, choose and are paid, on states that are set by hand; and that the
 * encoder tells two families of workloads apart on the simulator. */
#include "core/methods/aware_interface.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

#define OK(call) assert_int_equal((call), ERR_OK)

/* Objective of the front 600 ms, of the middle 400 ms, of the leaf 200 ms. */
static const char WORLD[] =
    "topology:\n"
    "  limit_ratio: 2\n"
    "  services:\n"
    "    - {name: front, cpu_m: 512, ram_mib: 256, min_replicas: 1, max_replicas: 4, entry: true,\n"
    "       calls: [middle]}\n"
    "    - {name: middle, cpu_m: 512, ram_mib: 256, min_replicas: 1, max_replicas: 4,\n"
    "       calls: [leaf]}\n"
    "    - {name: leaf, cpu_m: 512, ram_mib: 256, min_replicas: 2, max_replicas: 4,\n"
    "       initial_replicas: 2}\n"
    "plant: {latency_max_ms: 600, timeout_s: 6}\n"
    "workload: {mean_rps: 50}\n"
    "game: {horizon: 10}\n";

struct scene {
    struct game_fixture world;
    struct aware_cfg cfg;
    struct aware_interface aware;
    void *memory;
    float *state;
    float row[3 * (AWARE_VALUES + 1)];
    uint32_t mask[3];
};

static void scene_open(struct scene *s)
{
    game_fixture_open(&s->world, WORLD);
    s->cfg = (struct aware_cfg){.utilisation_weight = 0.3, .reversal_penalty = 1.0};
    OK(aware_interface_init(&s->aware, &s->world.arena, &s->cfg, &s->world.env_setup,
                            &s->world.rules));
    OK(s->aware.base.ops->memory(&s->memory, &s->world.arena, &s->aware.base));
    s->state = ARENA_NEW(&s->world.arena, state_size(3), float);
    assert_non_null(s->state);
    s->aware.base.ops->begin(s->memory, &s->aware.base, &(struct episode_id){.seed = 1}, 0);
    for (int i = 0; i < 3; i++) {
        game_fixture_set(&s->world, s->state, i, SF_DEPLOYED, 2);
        game_fixture_set(&s->world, s->state, i, SF_DESIRED, 2);
        game_fixture_set(&s->world, s->state, i, SF_READY, 2);
    }
}

static struct sight sight_of(const struct scene *s)
{
    return (struct sight){.state = s->state};
}

static void look(struct scene *s)
{
    const struct sight sight = sight_of(s);
    s->aware.base.ops->observe(s->memory, &s->aware.base, &sight);
    s->aware.base.ops->global_state(s->row, s->mask, s->memory, &s->aware.base, &sight);
}

/* Rewards of the choices (3), of the state as it is. */
static void choose(struct scene *s, int32_t delta[3], float reward[3], const int32_t *action)
{
    const struct sight sight = sight_of(s);
    const struct reward_terms terms = {.reward = 0.25};
    struct game_move move = {.delta = delta};
    memset(delta, 0, 3 * sizeof *delta);
    s->aware.base.ops->apply(&move, s->memory, &s->aware.base, &sight, action);
    s->aware.base.ops->reward(reward, s->memory, &s->aware.base, &sight, &terms);
}

static void near(double x, double expected)
{
    if (fabs(x - expected) > 1e-6) {
        fail_msg("%g, expected %g", x, expected);
    }
}

static void test_values(void **state)
{
    (void)state;
    static struct scene s;
    float obs[AWARE_VALUES];
    scene_open(&s);
    game_fixture_set(&s.world, s.state, 1, SF_CPU, 768);
    game_fixture_set(&s.world, s.state, 1, SF_RAM, 128);
    game_fixture_set(&s.world, s.state, 1, SF_QUEUE, 6);
    game_fixture_set(&s.world, s.state, 1, SF_RECEIVED, 100);
    game_fixture_set(&s.world, s.state, 1, SF_SUCCEEDED, 75);
    game_fixture_set(&s.world, s.state, 1, SF_LATENCY, 800);
    game_fixture_set(&s.world, s.state, 0, SF_LATENCY, 60000);
    game_fixture_set_global(&s.world, s.state, GF_ENTRY_30S, 100);
    look(&s);
    s.aware.spec.obs(s.aware.spec.ctx, obs, 1, s.row);
    near((double)obs[AWARE_CPU_UTIL], 0.75);
    near((double)obs[AWARE_MEMORY_UTIL], 0.25);
    near((double)obs[AWARE_DISK_IO], 0.0);
    near((double)obs[AWARE_FILE_DISCOVERY_RATE], 2.0);
    near((double)obs[AWARE_RATE], 0.25);
    near((double)obs[AWARE_PROCESSING_RATE], 1.5);
    near((double)obs[AWARE_INGESTION_RATE], 2.0);
    near((double)obs[AWARE_LATENCY], 2.0); /* objective: 2 of 3 levels of 600 ms */
    near((double)obs[AWARE_NUM_REPLICAS], 0.5);
    near((double)obs[AWARE_CPU_LIMIT], 0.5);
    near((double)obs[AWARE_MEMORY_LIMIT], 256.0 / 3072.0);
    s.aware.spec.obs(s.aware.spec.ctx, obs, 0, s.row);
    near((double)obs[AWARE_LATENCY], 10.0); /* cut */
    near(s.aware.objective_ms[0], 600.0);
    near(s.aware.objective_ms[2], 200.0);
    /* 0.3 (0.75 + 0.25 / 2) + 0.7 (0.75 + 0.5) */
    near(aware_own_reward(&s.aware, s.state, 1, false), 0.2625 + 0.875);
    near(aware_own_reward(&s.aware, s.state, 1, true), 0.2625 + 0.875 - 1.0);
    near(aware_own_reward(&s.aware, s.state, 2, false), 1.4); /* no calls: nothing was missed */
    game_fixture_set(&s.world, s.state, 1, SF_SUCCEEDED, 0);
    game_fixture_set(&s.world, s.state, 1, SF_LATENCY, 0);
    near(aware_own_reward(&s.aware, s.state, 1, false), 0.2625); /* none was answered */
    game_fixture_close(&s.world);
}

static void test_choices(void **state)
{
    (void)state;
    static struct scene s;
    int32_t delta[3];
    float reward[3];
    scene_open(&s);
    game_fixture_set(&s.world, s.state, 1, SF_DESIRED, 4);
    look(&s);
    assert_int_equal(s.mask[0], 1 << AWARE_STAY | 1 << AWARE_OUT | 1 << AWARE_IN);
    assert_int_equal(s.mask[1], 1 << AWARE_STAY | 1 << AWARE_IN);
    assert_int_equal(s.mask[2], 1 << AWARE_STAY | 1 << AWARE_OUT);
    choose(&s, delta, reward, (const int32_t[]){AWARE_OUT, AWARE_IN, AWARE_STAY});
    assert_true(delta[0] == 1 && delta[1] == -1 && delta[2] == 0);
    near((double)reward[0], 1.4);
    choose(&s, delta, reward, (const int32_t[]){AWARE_IN, AWARE_IN, AWARE_OUT});
    near((double)reward[0], 0.4); /* takes back what it did before */
    near((double)reward[1], 1.4);
    choose(&s, delta, reward, (const int32_t[]){AWARE_STAY, AWARE_STAY, AWARE_STAY});
    choose(&s, delta, reward, (const int32_t[]){AWARE_OUT, AWARE_OUT, AWARE_IN});
    near((double)reward[0], 1.4); /* not the choice right before */
    s.cfg.reward = AWARE_REWARD_KARMA;
    choose(&s, delta, reward, (const int32_t[]){AWARE_IN, AWARE_OUT, AWARE_IN});
    near((double)reward[0], 0.25);
    near((double)reward[2], 0.25);
    game_fixture_close(&s.world);
}

/* The heuristic's wish as a choice: one replica towards it, inside the bounds. */
static void test_heuristic(void **state)
{
    (void)state;
    static struct scene s;
    struct controller_cfg khpa;
    scene_open(&s);
    for (int k = 0; controller_kind_at(k) != NULL; k++) {
        if (strcmp(controller_kind_at(k)->cfg.name, "khpa") == 0) {
            OK(controller_cfg_default(&khpa, &s.world.arena, controller_kind_at(k)));
        }
    }
    s.cfg.bootstrap = (struct aware_bootstrap_cfg){.episodes = 20, .rule = {khpa.method}};
    OK(s.aware.base.ops->memory(&s.memory, &s.world.arena, &s.aware.base));
    s.aware.base.ops->begin(s.memory, &s.aware.base, &(struct episode_id){.seed = 1}, 0);
    for (int i = 0; i < 3; i++) { /* every pod at twice the target */
        game_fixture_set(&s.world, s.state, i, SF_HPA_READY, 2);
        game_fixture_set(&s.world, s.state, i, SF_HPA_CPU, 2 * 2 * 0.8 * 512);
    }
    game_fixture_set(&s.world, s.state, 1, SF_HPA_CPU, 2 * 0.8 * 512); /* at the target */
    look(&s);
    const float *heuristic = s.row + aware_heuristic_at(&s.aware);
    assert_true(heuristic[0] == AWARE_OUT && heuristic[1] == AWARE_STAY);
    for (int i = 0; i < 3; i++) {
        game_fixture_set(&s.world, s.state, i, SF_DESIRED, 4);
        game_fixture_set(&s.world, s.state, i, SF_DEPLOYED, 4);
        game_fixture_set(&s.world, s.state, i, SF_READY, 4);
    }
    look(&s);
    assert_true(heuristic[0] == AWARE_STAY); /* it has all it may have */
    game_fixture_close(&s.world);
}

static void test_columns_it_reads(void **state)
{
    (void)state;
    static struct scene s;
    float before[AWARE_VALUES], after[AWARE_VALUES];
    scene_open(&s);
    uint8_t *reads = ARENA_NEW(&s.world.arena, state_size(3), uint8_t);
    aware_reads(reads, &s.world.env_setup.topology);
    for (int c = 0; c < state_size(3); c++) {
        for (int service = 0; service < 3; service++) {
            const float kept = s.state[c];
            aware_observe(before, &s.aware, s.state, service);
            const double paid = aware_own_reward(&s.aware, s.state, service, false);
            s.state[c] += 3.0F;
            aware_observe(after, &s.aware, s.state, service);
            const bool moved = memcmp(before, after, sizeof before) != 0 ||
                               paid != aware_own_reward(&s.aware, s.state, service, false);
            s.state[c] = kept;
            const bool desired = c == state_service_at(service, SF_DESIRED);
            assert_true(!moved || reads[c] != 0 || desired);
        }
    }
    game_fixture_close(&s.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_heuristic),
        cmocka_unit_test(test_columns_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
