/* What agents of the game see: rows that remember, observations column by column, and that they are
 * functions of state, memory and action alone. */
#include "tests/unit/rules_fixture.h"

static void test_since(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[1].text);
    set_desired(&f, 5, 4, 4, 3);
    look(&f);
    const float *since = f.global_state + f.r->n_state;
    assert_true(since[0] == 600 && since[3] == 600);
    f.action[0] = 1 + 3; /* a + 1 */
    act(&f);
    look(&f);
    assert_true(since[0] == 15 && since[1] == 600);
    memset(f.action, 0, sizeof f.action);
    for (int i = 2; i < 60; i++) {
        act(&f);
        look(&f);
        assert_true(since[0] == (float)(15 * i < 600 ? 15 * i : 600));
    }
    f.action[0] = 1 + 12 + 2; /* c - 1 at its floor: nothing happens */
    act(&f);
    look(&f);
    assert_true(since[2] == 600);
    rules_memory_clear(&f.memory, f.r);
    look(&f);
    assert_true(since[0] == 600);
    stop(&f);
}

/* What was asked for, before sums and bounds; nothing = service -1. */
static void test_previous_action_of_one(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[0].text);
    set_desired(&f, 4, 5, 4, 3);
    look(&f);
    const float *last = f.global_state + f.r->n_state + SERVICES;
    assert_true(last[0] == -1 && last[1] == 0 && last[6] == -1);
    const int32_t action[] = {9, 10 + 3, 10 + 4, 10 + 9 + 4}; /* a to 10, b to 4, b to 5, c to 5 */
    memcpy(f.action, action, sizeof action);
    act(&f);
    look(&f);
    const float expected[] = {0, 1, 1, -1.0F / 3, -1, 0, 2, 1.0F / 3};
    assert_memory_equal(last, expected, sizeof expected);
    float obs[STATE_MAX];
    const int at = f.r->spec.n_obs - SERVICES - 1;
    f.r->spec.obs(f.r, obs, 1, f.global_state);
    const float seen[] = {0, 1, 0, 0, -1.0F / 3};
    assert_memory_equal(obs + at, seen, sizeof seen);
    f.r->spec.obs(f.r, obs, 2, f.global_state);
    const float nothing[] = {0, 0, 0, 0, 0};
    assert_memory_equal(obs + at, nothing, sizeof nothing);
    stop(&f);
}

static void test_previous_action_of_all(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[3].text);
    set_desired(&f, 4, 5, 4, 3);
    const int32_t action[] = {ALPHA + 3, ALPHA - 1, ALPHA + 1, ALPHA};
    memcpy(f.action, action, sizeof action);
    act(&f);
    look(&f);
    const float expected[] = {1, -1.0F / 3, 1.0F / 3, 0};
    assert_memory_equal(f.global_state + f.r->n_state + SERVICES, expected, sizeof expected);
    float obs[STATE_MAX];
    f.r->spec.obs(f.r, obs, 0, f.global_state);
    assert_memory_equal(obs + f.r->spec.n_obs - SERVICES, expected, sizeof expected);
    stop(&f);
}

/* A row whose columns are their numbers: what stands where. */
static void test_observation_columns(void **state)
{
    (void)state;
    struct fixture f;
    float obs[STATE_MAX], critic[STATE_MAX], again[STATE_MAX];
    start(&f, VARIANTS[0].text);
    const struct team_spec *spec = &f.r->spec;
    for (int i = 0; i < spec->n_global_state; i++) {
        f.global_state[i] = (float)(1000 + i);
    }
    f.global_state[f.r->n_state + SERVICES + 2 * 3] = 2; /* the last agent: service c */
    spec->obs(f.r, obs, 3, f.global_state);
    spec->critic(f.r, critic, f.global_state);
    int n = 0;
    for (int s = 0; s < SERVICES; s++) {
        for (int i = 0; i < SERVICE_FEATURES; i++) {
            if (service_feature_info[i].obs) {
                assert_true(obs[n++] == (float)(1000 + s * SERVICE_FEATURES + i));
            }
        }
    }
    for (int i = 0; i < GLOBAL_FEATURES; i++) {
        if (global_feature_info[i].obs) {
            assert_true(obs[n++] == (float)(1000 + SERVICES * SERVICE_FEATURES + i));
        }
    }
    for (int s = 0; s < SERVICES; s++) {
        assert_true(obs[n++] == (float)(1000 + f.r->n_state + s) / 600.0F);
    }
    assert_memory_equal(obs, critic, (size_t)n * sizeof *obs);
    assert_true(obs[n] == 0 && obs[n + 1] == 0 && obs[n + 2] == 1 && obs[n + 3] == 0);
    assert_true(obs[n + 4] == (float)(1000 + f.r->n_state + SERVICES + 7));
    assert_int_equal(n + 5, spec->n_obs);
    for (int a = 0; a < 4; a++) { /* the critic sees what each agent did */
        spec->obs(f.r, again, a, f.global_state);
        assert_memory_equal(critic + n + 5 * a, again + n, 5 * sizeof *again);
    }
    assert_int_equal(n + 5 * 4, spec->n_critic);
    stop(&f);
}

/* hpa_* columns, which only the Kubernetes rule may read, do not move an observation. */
static void test_hidden_columns(void **state)
{
    (void)state;
    struct fixture f;
    float a[STATE_MAX], b[STATE_MAX];
    start(&f, VARIANTS[2].text);
    draw_state(&f, 1, 1);
    look(&f);
    f.r->spec.obs(f.r, a, 0, f.global_state);
    for (int s = 0; s < SERVICES; s++) {
        for (int i = SF_HPA_READY; i <= SF_HPA_CPU; i++) {
            f.state[state_service_at(s, (enum service_feature)i)] += 7;
        }
    }
    look(&f);
    f.r->spec.obs(f.r, b, 0, f.global_state);
    assert_memory_equal(a, b, (size_t)f.r->spec.n_obs * sizeof *a);
    stop(&f);
}

/* Rows, masks, changes and observations are functions of state, memory and action alone, and
 * nothing outside their shapes is written. */
static void test_purity(void **state)
{
    (void)state;
    struct fixture f, g;
    float obs_f[STATE_MAX], obs_g[STATE_MAX];
    start(&f, VARIANTS[0].text);
    start(&g, VARIANTS[0].text);
    const size_t n_obs = (size_t)f.r->spec.n_obs;
    for (uint32_t i = 0; i < 200; i++) {
        draw_state(&f, 9, i);
        memcpy(g.state, f.state, sizeof f.state);
        memset(g.global_state, (int)i, sizeof g.global_state);
        memset(g.mask, (int)i, sizeof g.mask);
        memset(g.delta, (int)i, sizeof g.delta);
        memset(obs_g, (int)i, sizeof obs_g);
        look(&f);
        look(&g);
        const size_t n_global_state = (size_t)f.r->spec.n_global_state;
        assert_memory_equal(f.global_state, g.global_state,
                            n_global_state * sizeof *f.global_state);
        assert_memory_equal(f.mask, g.mask,
                            (size_t)(4 * env_mask_words(&f.r->spec)) * sizeof *f.mask);
        assert_memory_equal((unsigned char *)&g.global_state[n_global_state],
                            &(unsigned char){(unsigned char)i}, 1);
        f.r->spec.obs(f.r, obs_f, 2, f.global_state);
        g.r->spec.obs(g.r, obs_g, 2, g.global_state);
        assert_memory_equal(obs_f, obs_g, n_obs * sizeof *obs_f);
        assert_memory_equal((unsigned char *)&obs_g[n_obs], &(unsigned char){(unsigned char)i}, 1);
        draw_action(&f, 9, i);
        memcpy(g.action, f.action, sizeof f.action);
        act(&f);
        act(&g);
        assert_memory_equal(f.delta, g.delta, sizeof f.delta);
    }
    stop(&f);
    stop(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_since),
        cmocka_unit_test(test_previous_action_of_one),
        cmocka_unit_test(test_previous_action_of_all),
        cmocka_unit_test(test_observation_columns),
        cmocka_unit_test(test_hidden_columns),
        cmocka_unit_test(test_purity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
