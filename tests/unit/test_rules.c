/* Rules of the game: heads, masks, what actions do, imitation. By hand and, for every combination
 * of head and operations, on random states. What agents see stands in test_rules_seen.c. */
#include "core/plant/episode_metrics.h"
#include "tests/unit/rules_fixture.h"

/* ---- what a choice means, decoded a second time ---- */

struct meaning {
    int service, target; /* target: as chosen, before clipping */
    bool none;           /* the delta head's no-op */
};

static struct meaning meaning_of(const struct fixture *f, const struct variant *v, int factor,
                                 int k)
{
    struct meaning m = {.service = factor};
    if (v->head == HEAD_LEVEL) {
        for (m.service = v->all ? factor : 0; !v->all && k >= MOST[m.service]; m.service++) {
            k -= MOST[m.service];
        }
        m.target = k + 1;
        return m;
    }
    int change = k - ALPHA;
    if (!v->all) {
        static const int changes[] = {-3, -2, -1, 1, 2, 3};
        m.none = k == 0;
        m.service = m.none ? 0 : (k - 1) / 6;
        change = m.none ? 0 : changes[(k - 1) % 6];
    }
    m.target = desired_of(f, m.service) + change;
    return m;
}

static int clipped(int x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static int change_of(const struct fixture *f, const struct meaning *m)
{
    return clipped(m->target - desired_of(f, m->service), -ALPHA, ALPHA);
}

/* ---- shapes ---- */

static void test_sizes(void **state)
{
    (void)state;
    static const int choices[N_VARIANTS] = {27, 25, 10, 7, 27, 25, 27, 25, 10, 7};
    int n_seen = 0;
    for (int i = 0; i < SERVICE_FEATURES; i++) {
        n_seen += SERVICES * service_feature_info[i].obs;
    }
    for (int i = 0; i < GLOBAL_FEATURES; i++) {
        n_seen += global_feature_info[i].obs;
    }
    for (int v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        start(&f, VARIANTS[v].text);
        const struct team_spec *spec = &f.r->spec;
        const int n_agents = VARIANTS[v].n_agents;
        const int last = VARIANTS[v].all ? SERVICES : 2;
        const int last_seen = VARIANTS[v].all ? SERVICES : SERVICES + 1;
        assert_int_equal(spec->n_agents, n_agents);
        assert_int_equal(spec->n_choices, choices[v]);
        assert_int_equal(spec->n_factors, VARIANTS[v].all ? SERVICES : 1);
        assert_int_equal(spec->n_norm, state_size(SERVICES));
        assert_int_equal(spec->n_global_state, state_size(SERVICES) + SERVICES + n_agents * last);
        assert_int_equal(spec->n_obs, n_seen + SERVICES + last_seen);
        assert_int_equal(spec->n_critic, n_seen + SERVICES + n_agents * last_seen);
        assert_int_equal(f.r->env.n_stats, EPISODE_OWN);
        assert_string_equal(f.r->env.stat_names[0], "slo_attainment");
        assert_string_equal(f.r->env.stat_names[METRIC_TRAINED - 1], "conflicts");
        assert_string_equal(f.r->env.stat_names[EPISODE_REWARD_SQUARED], "reward_squared");
        assert_int_equal(spec->agent_names[n_agents - 1][0], "pqrstu"[n_agents - 1]);
        stop(&f);
    }
}

static void test_too_many_choices(void **state)
{
    (void)state;
    struct game_fixture w;
    assert_int_equal(
        game_fixture_try(&w, "topology: {services: [{name: a, entry: true, calls: [b, c]}, "
                             "{name: b}, {name: c}]}\n"
                             "plant: {alpha: 700}\ngame: {action: {head: delta}}\n"),
        ERR_CONFIG); /* 1 + 3 x 1400 */
    assert_non_null(strstr(w.log, "4201 choices"));
    game_fixture_close(&w);
    assert_int_equal(
        game_fixture_try(&w,
                         "topology: {services: [{name: a, entry: true, calls: [b, c]}, "
                         "{name: b}, {name: c}]}\n"
                         "plant: {alpha: 700}\ngame: {action: {head: delta, operations: all}}\n"),
        ERR_OK);
    assert_int_equal(w.rules.spec.n_choices, 1401);
    game_fixture_close(&w);
}

/* A period that is no multiple of the scrape interval never becomes a world. */
static void test_world_checks_the_plant(void **state)
{
    (void)state;
    struct game_fixture w;
    assert_int_equal(game_fixture_try(&w, "plant: {period_s: 12}\n"), ERR_CONFIG);
    assert_non_null(strstr(w.log, "world.yaml:1"));
    assert_non_null(strstr(w.log, "period_s"));
    game_fixture_close(&w);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    struct game_fixture w;
    struct rules r;
    struct rules_memory m;
    struct arena arena;
    game_fixture_open(&w, VARIANTS[0].text);
    arena_init(&arena);
    mem_fail_after(1);
    assert_int_equal(rules_init(&r, &arena, &w.root.game, &w.env_setup), ERR_MEMORY);
    mem_fail_after(1);
    assert_int_equal(rules_memory_init(&m, &arena, &w.rules), ERR_MEMORY);
    arena_release(&arena);
    game_fixture_close(&w);
}

/* ---- masks ---- */

/* Every mask against the meaning of its choices; a choice that changes nothing always stands open.
 */
static void test_masks(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        start(&f, VARIANTS[v].text);
        const struct team_spec *spec = &f.r->spec;
        for (uint32_t i = 0; i < CASES / 5; i++) {
            draw_state(&f, v, i);
            look(&f);
            for (int j = 0; j < spec->n_factors; j++) {
                const uint32_t *mask = mask_of(&f, 0, j);
                bool idle = false;
                for (int k = 0; k < 32 * env_mask_words(spec); k++) {
                    if (k >= spec->n_choices ||
                        (VARIANTS[v].head == HEAD_LEVEL && VARIANTS[v].all && k >= MOST[j])) {
                        assert_false(mask_has(mask, k));
                        continue;
                    }
                    const struct meaning m = meaning_of(&f, &VARIANTS[v], j, k);
                    const bool inside = m.target >= LEAST[m.service] && m.target <= MOST[m.service];
                    assert_int_equal(mask_has(mask, k), m.none || inside);
                    idle = idle || (mask_has(mask, k) && change_of(&f, &m) == 0);
                }
                assert_true(idle);
            }
            for (int a = 1; a < spec->n_agents; a++) {
                assert_memory_equal(mask_of(&f, a, 0), mask_of(&f, 0, 0),
                                    (size_t)(spec->n_factors * env_mask_words(spec)) * 4);
            }
        }
        stop(&f);
    }
}

/* ---- applying ---- */

/* Level: agents aim at 10 of a from 4 (+3), at 1 (-3), at 5 (+1), at 2 of b from 5 (-3): a +1 with
 * a conflict, b -3. */
static void test_level_by_hand(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[0].text);
    set_desired(&f, 4, 5, 4, 3);
    const int32_t action[] = {9, 0, 4, 10 + 1};
    memcpy(f.action, action, sizeof action);
    act(&f);
    assert_int_equal(f.delta[0], 1);
    assert_int_equal(f.delta[1], -3);
    assert_int_equal(f.delta[2], 0);
    assert_int_equal(f.delta[3], 0);
    assert_true(f.conflict);
    /* Same sign: +3 +3 +3 is cut to alpha; from 8 to the bound. */
    const int32_t together[] = {9, 9, 9, 10 + 4};
    memcpy(f.action, together, sizeof together);
    act(&f);
    assert_int_equal(f.delta[0], 3);
    assert_int_equal(f.delta[1], 0);
    assert_false(f.conflict);
    set_desired(&f, 8, 5, 4, 3);
    act(&f);
    assert_int_equal(f.delta[0], 2);
    stop(&f);
}

/* Delta, one: choice 1 + 6 s + {0..5} = {-3 .. -1, 1 .. 3} of service s. b from 4: -1 -1 to 2; a
 * -2 +2 cancel, which is a conflict too. */
static void test_delta_by_hand(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[1].text);
    set_desired(&f, 5, 4, 4, 3);
    const int32_t action[] = {1 + 6 + 2, 1 + 6 + 2, 0, 1 + 12 + 3};
    memcpy(f.action, action, sizeof action);
    act(&f);
    assert_int_equal(f.delta[0], 0);
    assert_int_equal(f.delta[1], -2);
    assert_int_equal(f.delta[2], 1);
    assert_false(f.conflict);
    const int32_t against[] = {1 + 1, 1 + 4, 0, 0};
    memcpy(f.action, against, sizeof against);
    act(&f);
    assert_int_equal(f.delta[0], 0);
    assert_true(f.conflict);
    stop(&f);
}

/* Sums, cuts and conflicts once more, from meanings. */
static void test_apply_on_random_states(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        int n_conflicts = 0;
        start(&f, VARIANTS[v].text);
        const struct team_spec *spec = &f.r->spec;
        for (uint32_t i = 0; i < CASES; i++) {
            int sum[SERVICES] = {0}, up[SERVICES] = {0}, down[SERVICES] = {0};
            bool conflict = false;
            draw_state(&f, v, i);
            look(&f);
            draw_action(&f, v, i);
            for (int j = 0; j < spec->n_agents * spec->n_factors; j++) {
                const struct meaning m =
                    meaning_of(&f, &VARIANTS[v], j % spec->n_factors, f.action[j]);
                const int change = m.none ? 0 : change_of(&f, &m);
                sum[m.service] += change;
                up[m.service] += change > 0;
                down[m.service] += change < 0;
            }
            act(&f);
            for (int s = 0; s < SERVICES; s++) {
                const int target = desired_of(&f, s) + clipped(sum[s], -ALPHA, ALPHA);
                assert_int_equal(desired_of(&f, s) + f.delta[s],
                                 clipped(target, LEAST[s], MOST[s]));
                conflict = conflict || (up[s] > 0 && down[s] > 0);
            }
            assert_int_equal(f.conflict, conflict);
            n_conflicts += conflict;
        }
        assert_true(VARIANTS[v].n_agents == 1 ? n_conflicts == 0 : n_conflicts > 0);
        stop(&f);
    }
}

/* One agent inside its mask gets exactly what it chose. */
static void test_choice_inside_the_mask_is_executed(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[4].text);
    for (uint32_t i = 0; i < CASES; i++) {
        draw_state(&f, 77, i);
        look(&f);
        draw_action(&f, 77, i);
        const struct meaning m = meaning_of(&f, &VARIANTS[4], 0, f.action[0]);
        act(&f);
        for (int s = 0; s < SERVICES; s++) {
            assert_int_equal(f.delta[s], s == m.service ? change_of(&f, &m) : 0);
        }
    }
    stop(&f);
}

/* ---- imitation ---- */

/* Of services s with s % A == agent the one furthest from its target, the first among equals. */
static bool is_moved(const struct fixture *f, const struct variant *v, const int32_t *target, int s)
{
    if (v->all) {
        return true;
    }
    for (int other = s % v->n_agents; other < SERVICES; other += v->n_agents) {
        const int gap = abs(target[s] - desired_of(f, s));
        const int other_gap = abs(target[other] - desired_of(f, other));
        if (other_gap > gap || (other_gap == gap && other < s)) {
            return false;
        }
    }
    return true;
}

static void test_imitation(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        int32_t target[SERVICES];
        int n_moved = 0;
        start(&f, VARIANTS[v].text);
        const struct team_spec *spec = &f.r->spec;
        for (uint32_t i = 0; i < CASES; i++) {
            draw_state(&f, v, i);
            look(&f);
            for (uint32_t s = 0; s < SERVICES; s++) { /* beyond the bounds, too */
                target[s] = (int32_t)rng_below(word(v, i, 2000 + s), 14);
            }
            rules_imitate(f.action, f.r, &f.memory, f.state, target);
            for (int j = 0; j < spec->n_agents * spec->n_factors; j++) {
                const int k = f.action[j];
                assert_true(k >= 0 && k < spec->n_choices);
                assert_true(mask_has(mask_of(&f, j / spec->n_factors, j % spec->n_factors), k));
            }
            act(&f);
            assert_false(f.conflict);
            for (int s = 0; s < SERVICES; s++) {
                const int requested = clipped(target[s], LEAST[s], MOST[s]) - desired_of(&f, s);
                const int moved = is_moved(&f, &VARIANTS[v], target, s);
                assert_int_equal(f.delta[s], moved ? clipped(requested, -ALPHA, ALPHA) : 0);
                n_moved += f.delta[s] != 0;
            }
        }
        assert_true(n_moved > CASES / 2);
        stop(&f);
    }
}

/* As many agents as services, or all operations: the whole wish is executed, and in a few steps
 * the rule's target is reached. */
static void test_imitation_arrives(void **state)
{
    (void)state;
    static const int32_t target[SERVICES] = {10, 2, 5, 3};
    for (int v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        start(&f, VARIANTS[v].text);
        set_desired(&f, 1, 9, 4, 3);
        for (int i = 0; i < 8; i++) {
            rules_imitate(f.action, f.r, &f.memory, f.state, target);
            act(&f);
            set_desired(&f, desired_of(&f, 0) + f.delta[0], desired_of(&f, 1) + f.delta[1],
                        desired_of(&f, 2) + f.delta[2], desired_of(&f, 3) + f.delta[3]);
            if (i == 2 && (VARIANTS[v].all || VARIANTS[v].n_agents >= SERVICES)) {
                assert_int_equal(desired_of(&f, 0), 10);
                assert_int_equal(desired_of(&f, 1), 2);
            }
        }
        for (int s = 0; s < SERVICES; s++) {
            assert_int_equal(desired_of(&f, s), target[s]);
        }
        stop(&f);
    }
}

/* One service: operations all and one are the same game. */
static void test_one_service(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "topology: {services: [{name: a, entry: true, max_replicas: 6}]}\n"
        "game: {agents: [p], action: {operations: one}}\n",
        "topology: {services: [{name: a, entry: true, max_replicas: 6}]}\n"
        "game: {agents: [p], action: {operations: all}}\n",
    };
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        const int32_t target[] = {5};
        start(&f, texts[i]);
        game_fixture_set(&f.w, f.state, 0, SF_DESIRED, 1);
        look(&f);
        assert_int_equal(f.r->spec.n_factors, 1);
        assert_int_equal(f.mask[0], 63);
        rules_imitate(f.action, f.r, &f.memory, f.state, target);
        assert_int_equal(f.action[0], 4);
        act(&f);
        assert_int_equal(f.delta[0], 3);
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_too_many_choices),
        cmocka_unit_test(test_world_checks_the_plant),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_level_by_hand),
        cmocka_unit_test(test_delta_by_hand),
        cmocka_unit_test(test_apply_on_random_states),
        cmocka_unit_test(test_choice_inside_the_mask_is_executed),
        cmocka_unit_test(test_imitation),
        cmocka_unit_test(test_imitation_arrives),
        cmocka_unit_test(test_one_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
