/* What agents of an organisation see: its norms, only what their roles look at, former states. */
#include "tests/unit/guided_fixture.h"

static void test_guidance_is_seen(void **state)
{
    (void)state;
    static struct fixture f, plain;
    float obs[AGENTS][GLOBAL_STATE_MAX], critic[GLOBAL_STATE_MAX];
    open_world(&f, KARMA, "");
    open_world(&plain, "", "");
    begin(&f, 0, 0);
    draw_state(&f, 0, 7);
    game_fixture_set(&f.w, f.state, 2, SF_FAILED_PODS, 1);
    game_fixture_set(&f.w, f.state, 2, SF_DESIRED, 5);
    observe(&f);
    const struct rules *r = &f.w.rules;
    const struct team_spec *spec = &r->spec;
    const int n_own = 4 + 1 + 2 * S; /* norms, bound, may grow, may shrink */
    assert_int_equal(spec->n_obs, plain.w.rules.spec.n_obs + n_own);
    assert_int_equal(spec->n_critic, plain.w.rules.spec.n_critic + 4 + AGENTS * (1 + 2 * S));
    spec->critic(spec->ctx, critic, f.global_state);
    for (int a = 0; a < AGENTS; a++) {
        const uint32_t *allowed = guides_allowed(&f.memory.guides, r->guides, a);
        spec->obs(spec->ctx, obs[a], a, f.global_state);
        const float *own = obs[a] + spec->n_obs - n_own;
        for (int norm = 0; norm < 4; norm++) { /* one for each role, in their order */
            assert_true(own[norm] == (norm == a ? 1.0F : 0.0F));
        }
        assert_true(own[4] == 1.0F);
        for (int s = 0; s < S; s++) {
            assert_true(own[5 + s] == ((allowed[s] >> 4) != 0 ? 1.0F : 0.0F));
            assert_true(own[5 + S + s] == ((allowed[s] & 7U) != 0 ? 1.0F : 0.0F));
        }
        assert_memory_equal(critic + spec->n_critic - (AGENTS - a) * (1 + 2 * S), own + 4,
                            (1 + 2 * S) * sizeof *own);
    }
    assert_true(obs[2][spec->n_obs - n_own + 5 + 2] == 1.0F); /* failure may enlarge c */
    game_fixture_close(&f.w);
    game_fixture_close(&plain.w);
}

static void test_role_view(void **state)
{
    (void)state;
    static struct fixture f;
    float full[GLOBAL_STATE_MAX], role[GLOBAL_STATE_MAX];
    open_world(&f, KARMA, "game: {obs: {view: role}}\n");
    begin(&f, 0, 0);
    for (int i = 0; i < f.w.rules.n_state; i++) {
        f.state[i] = 2.0F; /* nothing is 0 but what is hidden */
    }
    observe(&f);
    const struct rules *r = &f.w.rules;
    struct rules seeing = *r;
    seeing.sight = NULL;
    for (int a = 0; a < AGENTS; a++) {
        r->spec.obs(&seeing, full, a, f.global_state);
        r->spec.obs(r, role, a, f.global_state);
        int n_hidden = 0;
        for (int i = 0; i < r->n_obs_state; i++) {
            const int c = r->obs_from[i];
            const bool global = c >= S * SERVICE_FEATURES;
            const enum service_feature sf = (enum service_feature)(c % SERVICE_FEATURES);
            bool sees = !global && (sf == SF_DEPLOYED || sf == SF_DESIRED || sf == SF_READY ||
                                    sf == SF_QUEUE || sf == SF_UTIL_10S); /* pods; idle */
            if (a == 1) { /* ddos: flooded, calm, answered, quick */
                const int g = c - S * SERVICE_FEATURES;
                sees = sees || (!global && sf == SF_RECEIVED) ||
                       (global && (g == GF_ENTRY_10S || g == GF_ENTRY_30S || g == GF_ANSWERED ||
                                   g == GF_RESPONSE));
            }
            if (a == 2) {
                sees = sees || (!global && (sf == SF_FAILED_PODS || sf == SF_CPU));
            }
            if (a != 3) { /* resource sees more: not repeated here */
                assert_true(role[i] == (sees ? full[i] : 0.0F));
            }
            n_hidden += role[i] == 0.0F ? 1 : 0;
        }
        assert_true(n_hidden > 0);
        assert_memory_equal(role + r->n_obs_state, full + r->n_obs_state,
                            (size_t)(r->spec.n_obs - r->n_obs_state) * sizeof *role);
    }
    game_fixture_close(&f.w);
    assert_int_equal(game_fixture_try(&f.w, text_of(&f, "", "game: {obs: {view: role}}\n")),
                     ERR_CONFIG);
    assert_non_null(strstr(f.w.log, "game.obs.view"));
    game_fixture_close(&f.w);
}

static void test_stack(void **state)
{
    (void)state;
    enum { STACK = 3, STEPS = 6 };
    static struct fixture f, plain;
    static float before[STEPS][GLOBAL_STATE_MAX];
    float obs[GLOBAL_STATE_MAX], now[GLOBAL_STATE_MAX];
    open_world(&f, "", "game: {obs: {stack: 3}}\n");
    open_world(&plain, "", "");
    const struct rules *r = &f.w.rules;
    const int n = r->n_obs_state;
    assert_int_equal(r->spec.n_obs, plain.w.rules.spec.n_obs + (STACK - 1) * n);
    assert_int_equal(r->spec.n_norm, r->n_state + (STACK - 1) * n);
    for (uint32_t episode = 0; episode < 2; episode++) {
        begin(&f, 0, episode);
        begin(&plain, 0, episode);
        for (uint32_t t = 0; t < STEPS; t++) {
            draw_state(&f, episode, t);
            memcpy(plain.state, f.state, sizeof f.state);
            observe(&f);
            observe(&plain);
            plain.w.rules.spec.obs(&plain.w.rules, now, 0, plain.global_state);
            memcpy(before[t], now, (size_t)n * sizeof *now);
            r->spec.obs(r, obs, 0, f.global_state);
            for (uint32_t k = 0; k < STACK; k++) {
                assert_memory_equal(obs + (int)k * n, before[t < k ? 0 : t - k],
                                    (size_t)n * sizeof *obs);
            }
            assert_memory_equal(obs + STACK * n, now + n, (size_t)(S + S + 1) * sizeof *obs);
        }
    }
    const char *const *names = rules_columns(r, &f.w.arena);
    assert_string_equal(names[0], "a.id");
    assert_string_equal(names[r->n_state], "a.deployed, 1 before");
    assert_string_equal(names[r->n_state + 2 * n - 1], "response, 2 before");
    game_fixture_close(&f.w);
    game_fixture_close(&plain.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guidance_is_seen),
        cmocka_unit_test(test_role_view),
        cmocka_unit_test(test_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
