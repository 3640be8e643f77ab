/* What all controllers have in common: choice by kind, names, bounds, episodes that do not leak
 * into each other, no allocation; and the simple ones and the policy in full. */
#include "core/marl/mappo_learner.h"
#include "tests/unit/game_fixture.h"

enum { SERVICES = 4, STATE_MAX = 256, PERIODS = 40 };

static const char ALL_KINDS[] = "controllers:\n"
                                "  - nothing\n"
                                "  - {name: five, static: {replicas: [5, 5, 5, 50]}}\n"
                                "  - {khpa: {target: 0.6, down_s: 60}}\n"
                                "  - ff\n"
                                "  - policy\n"
                                "  - {name: drawn, policy: {mode: sample}}\n"
                                "  - explore\n"
                                "game: {agents: [p, q]}\n";
enum { NOTHING, FIVE, KHPA, FF, POLICY, DRAWN, EXPLORE, KINDS };

struct team_root {
    struct team_cfg team;
};
static const struct cfg_field TEAM_ROOT[] = {
    CFG_TABLE(struct team_root, team, team_fields, "networks"),
    CFG_END,
};

struct fixture {
    struct game_fixture w;
    struct team_root networks;
    struct team team;
    struct mappo_learner player;
    struct trained_team trained;
    float state[STATE_MAX];
};

static void start_team(struct fixture *f)
{
    struct cfg places;
    struct arena scratch;
    arena_init(&scratch);
    cfg_init(&places, TEAM_ROOT, sizeof f->networks, &f->w.arena);
    assert_int_equal(cfg_load_text(&places, "team.yaml",
                                   "team: {actor_hidden: [8], critic_hidden: [8]}\n", NULL, 0,
                                   &f->networks),
                     ERR_OK);
    assert_int_equal(team_init(&f->team, &f->w.arena, &f->networks.team, &f->w.rules.spec), ERR_OK);
    assert_int_equal(team_init_params(&f->team, 3, &scratch), ERR_OK);
    for (size_t i = 0; i < f->team.w.n_params; i++) { /* so that choices hang on what is seen */
        f->team.w.params[i] *= 10;
    }
    assert_int_equal(mappo_learner_init(&f->player, &f->w.arena, &f->team, NULL), ERR_OK);
    f->trained =
        (struct trained_team){.interface = &f->w.rules.interface, .learner = &f->player.base};
    arena_release(&scratch);
}

static void start(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, ALL_KINDS);
    start_team(f);
}

static void stop(struct fixture *f)
{
    game_fixture_close(&f->w);
}

static struct controller *make(struct fixture *f, int kind)
{
    struct controller *c = NULL;
    assert_int_equal(controller_new(&c, &f->w.arena, &f->w.root.controllers[kind], &f->w.env_setup,
                                    &f->w.rules, &f->trained),
                     ERR_OK);
    return c;
}

static uint32_t word(uint32_t i, uint32_t k)
{
    return rng_philox(rng_key(9, RNG_TEST, RNG_TEST_SPLIT), k, i, 0, 0).v[0];
}

/* Any state whose replicas asked for are as given. */
static void draw_state(struct fixture *f, uint32_t i, const int *desired)
{
    for (int k = 0; k < f->w.rules.n_state; k++) {
        f->state[k] = 50.0F * rng_f32(word(i, 100 + (uint32_t)k));
    }
    for (int s = 0; s < SERVICES; s++) {
        game_fixture_set(&f->w, f->state, s, SF_DESIRED, desired[s]);
        game_fixture_set(&f->w, f->state, s, SF_HPA_READY, rng_below(word(i, (uint32_t)s), 6));
        game_fixture_set(&f->w, f->state, s, SF_HPA_CPU,
                         rng_below(word(i, 10 + (uint32_t)s), 3000));
    }
}

/* Replicas asked for after every period of an episode (PERIODS, SERVICES). */
static void play(struct fixture *f, struct controller *c, const struct episode_id *id, int *asked)
{
    int desired[SERVICES] = {4, 5, 3, 3};
    controller_reset(c, id, NULL);
    for (uint32_t t = 0; t < PERIODS; t++) {
        int32_t delta[SERVICES];
        draw_state(f, t, desired);
        controller_act(c, delta, f->state);
        for (int s = 0; s < SERVICES; s++) {
            desired[s] += delta[s];
            assert_true(desired[s] >= 1 && desired[s] <= 10);
        }
        memcpy(asked + t * SERVICES, desired, sizeof desired);
    }
}

static const struct episode_id ID = {5, RNG_DEV, 2, 8};

/* ---- all kinds ---- */

static void test_names(void **state)
{
    (void)state;
    static const char *const names[KINDS] = {"nothing", "five",  "khpa",   "ff",
                                             "policy",  "drawn", "explore"};
    struct fixture f;
    start(&f);
    for (int k = 0; k < KINDS; k++) {
        struct controller *c = make(&f, k);
        assert_string_equal(c->name, names[k]);
        assert_string_equal(controller_label(&f.w.root.controllers[k]), names[k]);
        assert_ptr_equal(c->env_setup, &f.w.env_setup);
        assert_false(c->conflict);
    }
    stop(&f);
}

/* The same episode gives the same wishes after another one, and from another instance; all wishes
 * stay inside the bounds (play() looks), and every controller but one moves. */
static void test_episodes_do_not_leak(void **state)
{
    (void)state;
    static const struct episode_id other = {6, RNG_DEV, 9, 1};
    static int first[PERIODS * SERVICES], again[PERIODS * SERVICES];
    struct fixture f;
    start(&f);
    for (int k = 0; k < KINDS; k++) {
        struct controller *c = make(&f, k);
        play(&f, c, &ID, first);
        play(&f, c, &other, again);
        play(&f, c, &ID, again);
        assert_memory_equal(first, again, sizeof first);
        play(&f, make(&f, k), &ID, again);
        assert_memory_equal(first, again, sizeof first);
        const int initial[SERVICES] = {4, 5, 3, 3};
        const int *last = first + (PERIODS - 1) * SERVICES;
        assert_int_equal(memcmp(last, initial, sizeof initial) != 0, k != NOTHING);
    }
    stop(&f);
}

static void test_no_allocation(void **state)
{
    (void)state;
    static int asked[PERIODS * SERVICES];
    struct fixture f;
    start(&f);
    for (int k = 0; k < KINDS; k++) {
        struct controller *c = make(&f, k);
        const uint64_t before = mem_calls();
        play(&f, c, &ID, asked);
        assert_int_equal(mem_calls(), before);
    }
    stop(&f);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    for (int k = 0; k < KINDS; k++) {
        struct arena arena;
        struct controller *c = NULL;
        arena_init(&arena);
        mem_fail_after(1);
        assert_int_equal(controller_new(&c, &arena, &f.w.root.controllers[k], &f.w.env_setup,
                                        &f.w.rules, &f.trained),
                         ERR_MEMORY);
        assert_null(c);
        arena_release(&arena);
    }
    stop(&f);
}

/* ---- nothing and static ---- */

static void test_nothing(void **state)
{
    (void)state;
    static int asked[PERIODS * SERVICES];
    struct fixture f;
    start(&f);
    play(&f, make(&f, NOTHING), &ID, asked);
    for (int t = 0; t < PERIODS; t++) {
        assert_int_equal(asked[t * SERVICES], 4);
        assert_int_equal(asked[t * SERVICES + 1], 5);
    }
    stop(&f);
}

/* At once and for ever; cut to the bounds. */
static void test_static(void **state)
{
    (void)state;
    static int asked[PERIODS * SERVICES];
    struct fixture f;
    start(&f);
    play(&f, make(&f, FIVE), &ID, asked);
    for (int i = 0; i < PERIODS * SERVICES; i++) {
        assert_int_equal(asked[i], i % SERVICES == 3 ? 10 : 5);
    }
    stop(&f);
}

static void test_static_beyond_its_bounds_is_told(void **state)
{
    (void)state;
    struct game_fixture w;
    struct controller *c = NULL;
    game_fixture_open(&w, "controllers: [{name: many, static: {replicas: [3, 3, 3, 50]}}]\n");
    assert_int_equal(
        controller_new(&c, &w.arena, &w.root.controllers[0], &w.env_setup, &w.rules, NULL), ERR_OK);
    assert_non_null(strstr(w.log, "'many': 50 replicas of "));
    assert_non_null(strstr(w.log, "become 10, because its bounds are 1 to 10"));
    game_fixture_close(&w);
}

static void test_static_needs_every_service(void **state)
{
    (void)state;
    struct game_fixture w;
    struct controller *c = NULL;
    game_fixture_open(&w, "controllers: [{name: short, static: {replicas: [3, 3, 3]}}, "
                          "static]\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            controller_new(&c, &w.arena, &w.root.controllers[i], &w.env_setup, &w.rules, NULL),
            ERR_CONFIG);
        assert_null(c);
        assert_non_null(strstr(w.log, i == 0 ? "'short': 3 values" : "'static': 0 values"));
        assert_non_null(strstr(w.log, "4 services"));
    }
    game_fixture_close(&w);
}

/* ---- policy ---- */

/* The loop of training by hand: row, choice, rules; with the coordinates of the episode. */
static void play_policy(struct fixture *f, enum act_mode mode, int *asked, bool *conflicts)
{
    const struct rules *r = &f->w.rules;
    struct rules_memory memory;
    struct team_scratch *scratch = NULL;
    float global_state[STATE_MAX], logp[2];
    uint32_t mask[16];
    int32_t action[2], delta[SERVICES];
    int desired[SERVICES] = {4, 5, 3, 3};
    assert_int_equal(rules_memory_init(&memory, &f->w.arena, r), ERR_OK);
    assert_int_equal(team_scratch_init(&scratch, &f->w.arena, &f->team, 1), ERR_OK);
    for (uint32_t t = 0; t < PERIODS; t++) {
        draw_state(f, t, desired);
        rules_global_state(global_state, mask, r, &memory, f->state);
        team_act(&f->team, scratch, action, logp, global_state, mask, 1, mode,
                 rng_key(ID.seed, RNG_ACTION, ID.split), &ID.env, ID.episode, t);
        rules_apply(delta, &conflicts[t], &memory, r, f->state, action);
        for (int s = 0; s < SERVICES; s++) {
            desired[s] += delta[s];
        }
        memcpy(asked + t * SERVICES, desired, sizeof desired);
    }
}

static void test_policy(void **state)
{
    (void)state;
    static int expected[PERIODS * SERVICES], got[PERIODS * SERVICES], drawn[PERIODS * SERVICES];
    bool conflicts[PERIODS];
    struct fixture f;
    start(&f);
    play_policy(&f, ACT_ARGMAX, expected, conflicts);
    play(&f, make(&f, POLICY), &ID, got);
    assert_memory_equal(got, expected, sizeof got);
    play_policy(&f, ACT_SAMPLE, expected, conflicts);
    play(&f, make(&f, DRAWN), &ID, drawn);
    assert_memory_equal(drawn, expected, sizeof drawn);
    assert_memory_not_equal(drawn, got, sizeof got);
    stop(&f);
}

/* In one and the same state: what it did before changes its choice, until a reset. */
static void test_policy_forgets(void **state)
{
    (void)state;
    struct fixture f;
    int32_t first[SERVICES], later[SERVICES], again[SERVICES];
    int n_changed = 0;
    start(&f);
    struct controller *c = make(&f, POLICY);
    for (int i = 0; i < 1000; i++) {
        for (int s = 0; s < SERVICES; s++) {
            game_fixture_set(&f.w, f.state, s, SF_DESIRED,
                             1 + rng_below(word((uint32_t)i, (uint32_t)s), 10));
        }
        controller_reset(c, &ID, NULL);
        controller_act(c, first, f.state);
        controller_act(c, later, f.state);
        n_changed += memcmp(first, later, sizeof first) != 0;
        controller_reset(c, &ID, NULL);
        controller_act(c, again, f.state);
        assert_memory_equal(first, again, sizeof first);
    }
    assert_true(n_changed > 0);
    stop(&f);
}

/* The conflict of a step is that step's. */
static void test_policy_conflicts(void **state)
{
    (void)state;
    static int asked[PERIODS * SERVICES];
    bool conflicts[PERIODS];
    struct fixture f;
    int n = 0;
    int desired[SERVICES] = {4, 5, 3, 3};
    start(&f);
    play_policy(&f, ACT_SAMPLE, asked, conflicts);
    struct controller *c = make(&f, DRAWN);
    controller_reset(c, &ID, NULL);
    for (uint32_t t = 0; t < PERIODS; t++) {
        int32_t delta[SERVICES];
        draw_state(&f, t, desired);
        controller_act(c, delta, f.state);
        memcpy(desired, asked + t * SERVICES, sizeof desired);
        assert_int_equal(c->conflict, conflicts[t]);
        n += conflicts[t];
    }
    assert_true(n > 0 && n < PERIODS);
    stop(&f);
}

/* Draws are the episode's: another environment, episode, seed or domain plays otherwise. */
static void test_policy_draws(void **state)
{
    (void)state;
    static const struct episode_id others[] = {
        {6, RNG_DEV, 2, 8}, {5, RNG_TEST_SPLIT, 2, 8}, {5, RNG_DEV, 3, 8}, {5, RNG_DEV, 2, 9}};
    static int first[PERIODS * SERVICES], other[PERIODS * SERVICES];
    struct fixture f;
    start(&f);
    struct controller *c = make(&f, DRAWN);
    play(&f, c, &ID, first);
    for (int i = 0; i < 4; i++) {
        play(&f, c, &others[i], other);
        assert_memory_not_equal(first, other, sizeof first);
    }
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_episodes_do_not_leak),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_static_needs_every_service),
        cmocka_unit_test(test_static_beyond_its_bounds_is_told),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_policy_forgets),
        cmocka_unit_test(test_policy_conflicts),
        cmocka_unit_test(test_policy_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
