/* The head `need`, the operations `own` and the slow means of the entry rate. */
#include "core/game/need.h"
#include "core/plant/episode_metrics.h"
#include "tests/unit/rules_fixture.h"

#include <math.h>

enum { N_LOADS = 3 };
static const double LOADS[N_LOADS] = {0.5, 1, 2};

#define GAME_(action, agents)                                                                      \
    SERVICE_TEXT "game: {agents: " agents ", action: {" action                                     \
                 ", need: {utilisation: 0.6, wait_share: 0.5, loads: [0.5, 1, 2]}}}\n"
static const char *const NEED_ONE = GAME_("head: need", "[p, q, r, s]");
static const char *const NEED_ALL = GAME_("head: need, operations: all", "[p]");

struct pair {
    const char *own, *one;
    enum action_head head;
};
#define PAIR_(head, id)                                                                            \
    {                                                                                              \
        GAME_("head: " #head ", operations: own", "[p, q, r]"),                                    \
            GAME_("head: " #head ", operations: one", "[p, q, r]"), id                             \
    }
static const struct pair PAIRS[] = {PAIR_(need, HEAD_NEED), PAIR_(level, HEAD_LEVEL),
                                    PAIR_(delta, HEAD_DELTA)};

static void set_rates(struct fixture *f, float entry_5s, float entry_10s)
{
    f->state[state_global_at(SERVICES, GF_ENTRY_5S)] = entry_5s;
    f->state[state_global_at(SERVICES, GF_ENTRY_10S)] = entry_10s;
}

static int least_of(int a, int b)
{
    return a < b ? a : b;
}

/* The change that a multiple of the rate comes to: enough pods that none works above 60 %, or above
 * the load at which a call takes half of latency_max. */
static int change_for(const struct fixture *f, int s, double load)
{
    const struct topology *t = &f->r->env_setup->topology;
    const double mu = t->pod_rps[s];
    const double allowed_s = 0.5 * f->r->env_setup->cfg.plant->latency_max_ms / 1e3;
    const double a = (double)f->state[state_global_at(SERVICES, GF_ENTRY_5S)];
    const double b = (double)f->state[state_global_at(SERVICES, GF_ENTRY_10S)];
    const double calls = load * (a > b ? a : b) * t->visits[s];
    int pods = LEAST[s];
    while (pods < MOST[s] &&
           (calls / (pods * mu) > 0.6 || 1 / mu / (1 - calls / (pods * mu)) > allowed_s)) {
        pods++;
    }
    const int change = pods - desired_of(f, s);
    return change < -ALPHA ? -ALPHA : least_of(change, ALPHA);
}

/* ---- what is needed ---- */

static void test_rate(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, NEED_ONE);
    set_rates(&f, 30, 40);
    assert_true(need_rate(f.state, SERVICES) == 40);
    set_rates(&f, 50, 40);
    assert_true(need_rate(f.state, SERVICES) == 50);
    stop(&f);
}

static void test_load_max(void **state)
{
    (void)state;
    assert_true(need_load_max(100, 0.7, 1) == 0.7);
    assert_true(need_load_max(10, 0.9, 0.2) == 0.5);   /* a call of 100 ms may take 200 ms */
    assert_true(need_load_max(10, 0.9, 0.1) == 0.05);  /* its work alone takes as long */
    assert_true(need_load_max(10, 0.9, 0.01) == 0.05); /* or longer */
}

/* ---- choices ---- */

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int n_factors, n_choices;
    } cases[] = {{NEED_ONE, 1, 1 + SERVICES * N_LOADS}, {NEED_ALL, SERVICES, 1 + N_LOADS}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        start(&f, cases[i].text);
        assert_int_equal(f.r->spec.n_factors, cases[i].n_factors);
        assert_int_equal(f.r->spec.n_choices, cases[i].n_choices);
        stop(&f);
    }
}

/* All choices are open whatever the state, and each comes to the change that is computed here. */
static void test_changes(void **state)
{
    (void)state;
    struct fixture f;
    int n_moved = 0;
    start(&f, NEED_ALL);
    for (uint32_t i = 0; i < CASES; i++) {
        draw_state(&f, 31, i);
        look(&f);
        for (int s = 0; s < SERVICES; s++) {
            assert_int_equal(mask_of(&f, 0, s)[0], (1U << (1 + N_LOADS)) - 1);
        }
        draw_action(&f, 31, i);
        act(&f);
        for (int s = 0; s < SERVICES; s++) {
            const int k = f.action[s];
            assert_int_equal(f.delta[s], k == 0 ? 0 : change_for(&f, s, LOADS[k - 1]));
            n_moved += f.delta[s] != 0;
        }
    }
    assert_true(n_moved > CASES);
    stop(&f);
}

static void test_changes_of_one(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, NEED_ONE);
    for (uint32_t i = 0; i < CASES; i++) {
        draw_state(&f, 32, i);
        look(&f);
        for (int s = 0; s < SERVICES; s++) {
            const int k = (int)rng_below(word(32, i, 500 + (uint32_t)s), 1 + N_LOADS);
            f.action[s] = k == 0 ? 0 : s * N_LOADS + k;
        }
        act(&f);
        assert_false(f.conflict);
        for (int s = 0; s < SERVICES; s++) {
            const int k = f.action[s] - s * N_LOADS;
            assert_int_equal(f.delta[s], f.action[s] == 0 ? 0 : change_for(&f, s, LOADS[k - 1]));
        }
    }
    stop(&f);
}

/* A rate beyond all bounds asks for all pods, and none at all for the fewest. */
static void test_extreme_rates(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, NEED_ALL);
    set_desired(&f, 8, 8, 4, 3);
    f.action[0] = f.action[1] = f.action[2] = 3;
    set_rates(&f, 3e38F, 0);
    act(&f);
    assert_true(f.delta[0] == 2 && f.delta[1] == 1 && f.delta[2] == 1);
    set_rates(&f, 0, 0);
    act(&f);
    assert_true(f.delta[0] == -3 && f.delta[1] == -3 && f.delta[2] == 0);
    stop(&f);
}

/* ---- imitation ---- */

/* No choice comes nearer to what one decision can do. */
static void test_imitation(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, NEED_ALL);
    for (uint32_t i = 0; i < CASES; i++) {
        int32_t target[SERVICES];
        draw_state(&f, 33, i);
        look(&f);
        for (int s = 0; s < SERVICES; s++) {
            const uint32_t n = (uint32_t)(MOST[s] - LEAST[s] + 1);
            target[s] = LEAST[s] + (int)rng_below(word(33, i, 2000 + (uint32_t)s), n);
        }
        rules_imitate(f.action, f.r, &f.memory, f.state, target);
        act(&f);
        for (int s = 0; s < SERVICES; s++) {
            const int gap = target[s] - desired_of(&f, s);
            const int wanted = gap < -ALPHA ? -ALPHA : least_of(gap, ALPHA);
            int best = abs(wanted);
            for (int k = 0; k < N_LOADS; k++) {
                best = least_of(best, abs(wanted - change_for(&f, s, LOADS[k])));
            }
            assert_int_equal(abs(wanted - f.delta[s]), best);
        }
    }
    stop(&f);
}

/* ---- own services ---- */

/* Of a choice; -1: it means no change of any service. */
static int service_of_choice(enum action_head head, int k)
{
    int s = 0;
    if (head == HEAD_LEVEL) {
        for (; k >= MOST[s]; s++) {
            k -= MOST[s];
        }
        return s;
    }
    return k == 0 ? -1 : (k - 1) / (head == HEAD_NEED ? N_LOADS : 2 * ALPHA);
}

/* p owns a and d, q owns b, r owns c. An agent has those choices of `one` that move none of the
 * others. */
static void test_own(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof PAIRS / sizeof *PAIRS; v++) {
        struct fixture own, one;
        start(&own, PAIRS[v].own);
        start(&one, PAIRS[v].one);
        assert_int_equal(own.r->spec.n_choices, one.r->spec.n_choices);
        for (uint32_t i = 0; i < CASES / 5; i++) {
            draw_state(&own, 34, i);
            memcpy(one.state, own.state, sizeof own.state);
            look(&own);
            look(&one);
            for (int a = 0; a < 3; a++) {
                for (int k = 0; k < own.r->spec.n_choices; k++) {
                    const int s = service_of_choice(PAIRS[v].head, k);
                    assert_int_equal(mask_has(mask_of(&own, a, 0), k),
                                     mask_has(mask_of(&one, a, 0), k) && (s < 0 || s % 3 == a));
                }
            }
        }
        stop(&own);
        stop(&one);
    }
}

static void test_own_imitation(void **state)
{
    (void)state;
    static const int32_t target[SERVICES] = {10, 2, 5, 3};
    struct fixture f;
    start(&f, PAIRS[1].own);
    set_desired(&f, 8, 5, 4, 3);
    look(&f);
    rules_imitate(f.action, f.r, &f.memory, f.state, target);
    for (int a = 0; a < 3; a++) {
        assert_true(mask_has(mask_of(&f, a, 0), f.action[a]));
    }
    act(&f);
    assert_true(f.delta[0] == 2 && f.delta[1] == -3 && f.delta[2] == 1 && f.delta[3] == 0);
    stop(&f);
}

static void test_more_agents_than_services(void **state)
{
    (void)state;
    struct game_fixture w;
    assert_int_equal(game_fixture_try(&w, GAME_("head: need, operations: own", "[p, q, r, s, t]")),
                     ERR_CONFIG);
    assert_non_null(strstr(w.log, "5 agents"));
    assert_non_null(strstr(w.log, "operations"));
    game_fixture_close(&w);
}

/* ---- slow means ---- */

/* A period of 15 s: after half-lives of 15 s and 30 s, 1/2 and 1/sqrt 2 of what was remains. The
 * columns stand behind the state and are seen by all. */
static void test_slow_means(void **state)
{
    (void)state;
    struct fixture f;
    float obs[STATE_MAX], critic[STATE_MAX];
    start(&f, SERVICE_TEXT "game: {agents: [p], obs: {rates: [15, 30]}}\n");
    const struct team_spec *spec = &f.r->spec;
    const struct episode_id id = {.seed = 1};
    assert_int_equal(spec->n_norm, f.r->n_state + 2);
    const char *const *names = rules_columns(f.r, &f.w.arena);
    assert_string_equal(names[f.r->n_state], "entry, half-life 15 s");
    for (int episode = 0; episode < 2; episode++) {
        rules_begin(&f.memory, f.r, &id);
        const double rates[] = {40, 80, 20};
        double fast = rates[0], slow = rates[0];
        for (int i = 0; i < 3; i++) {
            set_rates(&f, 0, (float)rates[i]);
            rules_observe(&f.memory, f.r, f.state);
            look(&f);
            fast = 0.5 * fast + 0.5 * rates[i];
            slow = sqrt(0.5) * slow + (1 - sqrt(0.5)) * rates[i];
            assert_true(fabs((double)f.global_state[f.r->n_state] - fast) < 1e-5);
            assert_true(fabs((double)f.global_state[f.r->n_state + 1] - slow) < 1e-5);
        }
        assert_true(f.global_state[f.r->n_state + 2] == 600); /* the age of a follows */
        spec->obs(f.r, obs, 0, f.global_state);
        spec->critic(f.r, critic, f.global_state);
        const int at = spec->n_obs - (SERVICES + 1) - SERVICES - 2;
        assert_true(obs[at] == f.global_state[f.r->n_state]);
        assert_true(critic[at + 1] == f.global_state[f.r->n_state + 1]);
        assert_true(obs[at + 2] == 1.0F);
    }
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),           cmocka_unit_test(test_load_max),
        cmocka_unit_test(test_shapes),         cmocka_unit_test(test_changes),
        cmocka_unit_test(test_changes_of_one), cmocka_unit_test(test_extreme_rates),
        cmocka_unit_test(test_imitation),      cmocka_unit_test(test_own),
        cmocka_unit_test(test_own_imitation),  cmocka_unit_test(test_more_agents_than_services),
        cmocka_unit_test(test_slow_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
