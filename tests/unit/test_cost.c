/* Cost weights of episodes: the laws by hand, what agents see of a weight, what an episode pays. */
#include "core/game/cost.h"
#include "core/game/rules_parts.h"
#include "core/plant/reward.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { DRAWS = 4000, N_ENV = 4, AGENTS = 4, ROW_MAX = 256 };
static const char WORLD[] = "workload: {mean_rps: 30}\ngame: {horizon: 6}\n";
static const struct cost_law DRAWN = {
    .kind = COST_CONDITIONED, .weight = 0.2, .lo = 0.1, .hi = 0.8};

static void assert_near(double got, double want, double within)
{
    if (!(fabs(got - want) <= within)) {
        fail_msg("got %.9g, want %.9g", got, want);
    }
}

/* ---- laws ---- */

static void test_fixed(void **state)
{
    const struct cost_law law = {.kind = COST_FIXED, .weight = 0.3, .start = 1, .episodes = 10};
    (void)state;
    for (uint32_t e = 0; e < 20; e++) {
        const struct episode_id id = {1, RNG_TRAIN, e, e};
        assert_true(cost_law_weight(&law, &id) == 0.3);
    }
}

static void test_annealed_by_hand(void **state)
{
    const struct cost_law law = {.kind = COST_ANNEALED, .weight = 0.5, .start = 0.1, .episodes = 8};
    static const double want[] = {0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5};
    (void)state;
    for (uint32_t e = 0; e < 10; e++) {
        const struct episode_id id = {1, RNG_TRAIN, 7, e};
        assert_near(cost_law_weight(&law, &id), want[e], 1e-12);
    }
    const struct cost_law at_once = {.kind = COST_ANNEALED, .weight = 0.5, .start = 0.1};
    const struct episode_id first = {1, RNG_TRAIN, 7, 0};
    assert_true(cost_law_weight(&at_once, &first) == 0.5);
}

/* Log-uniform: the mean of log w is the middle, and each third of the range has a third. */
static void test_drawn(void **state)
{
    double sum = 0.0;
    int thirds[3] = {0};
    (void)state;
    for (uint32_t e = 0; e < DRAWS; e++) {
        const struct episode_id id = {1, RNG_TRAIN, e % 50, e / 50};
        const double w = cost_law_weight(&DRAWN, &id);
        assert_true(w >= 0.1 - 1e-12 && w <= 0.8 + 1e-12);
        assert_true(w == cost_law_weight(&DRAWN, &id));
        sum += log(w / 0.1) / log(8);
        thirds[(int)(3 * fmin(0.999, log(w / 0.1) / log(8)))]++;
    }
    assert_near(sum / DRAWS, 0.5, 0.02);
    for (int i = 0; i < 3; i++) {
        assert_near((double)thirds[i] / DRAWS, 1.0 / 3, 0.03);
    }
}

static void test_as_networks_see_it(void **state)
{
    (void)state;
    assert_near((double)cost_law_input(&DRAWN, 0.1), -1, 1e-6);
    assert_near((double)cost_law_input(&DRAWN, 0.8), 1, 1e-6);
    assert_near((double)cost_law_input(&DRAWN, 0.1 * sqrt(8)), 0, 1e-6);
    assert_true(cost_law_covers(&DRAWN, 0.1) && cost_law_covers(&DRAWN, 0.8));
    assert_false(cost_law_covers(&DRAWN, 0.0999) || cost_law_covers(&DRAWN, 0.81));
}

/* ---- in the game ---- */

struct fixture {
    struct game_fixture w;
    struct env *env;
    float row[ROW_MAX], obs[ROW_MAX], critic[ROW_MAX];
    uint32_t mask[64];
};

static void start(struct fixture *f, const struct cost_law *law, int group)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, WORLD);
    if (law != NULL) {
        rules_weigh_cost(&f->w.rules, law);
    }
    f->w.rules.env.group = group;
    assert_true(f->w.rules.spec.n_global_state <= ROW_MAX && f->w.rules.spec.n_critic <= ROW_MAX);
    assert_int_equal(game_new(&f->env, &f->w.arena, &f->w.rules, N_ENV, 11, NULL), ERR_OK);
    for (int lid = 0; lid < N_ENV; lid++) {
        assert_int_equal(f->env->ops->reset(f->env, lid, (uint32_t)lid, 3, 0), ERR_OK);
    }
}

/* The last column of the global state, of every observation and of the critic's view. */
static float seen_of(struct fixture *f, int lid)
{
    const struct team_spec *spec = &f->w.rules.spec;
    f->env->ops->global_state(f->env, lid, 0, f->row, f->mask);
    const float seen = f->row[view_cost(&f->w.rules)];
    spec->critic(spec->ctx, f->critic, f->row);
    assert_true(f->critic[spec->n_critic - 1] == seen);
    for (int a = 0; a < AGENTS; a++) {
        spec->obs(spec->ctx, f->obs, a, f->row);
        assert_true(f->obs[spec->n_obs - 1] == seen);
    }
    return seen;
}

static double weight_of(const struct cost_law *law, uint32_t env)
{
    const struct episode_id id = {11, RNG_TRAIN, env, 3};
    return cost_law_weight(law, &id);
}

static void test_shapes(void **state)
{
    struct fixture f, plain;
    (void)state;
    start(&plain, NULL, 1);
    start(&f, &DRAWN, 1);
    assert_int_equal(f.w.rules.spec.n_obs, plain.w.rules.spec.n_obs + 1);
    assert_int_equal(f.w.rules.spec.n_critic, plain.w.rules.spec.n_critic + 1);
    assert_int_equal(f.w.rules.spec.n_global_state, plain.w.rules.spec.n_global_state + 1);
    assert_int_equal(f.w.rules.spec.n_norm, plain.w.rules.spec.n_norm);
    game_fixture_close(&f.w);
    game_fixture_close(&plain.w);
}

/* Every environment sees the weight of its own episode; members of a group see the same. */
static void test_seen(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &DRAWN, 1);
    for (uint32_t lid = 0; lid < N_ENV; lid++) {
        assert_true(seen_of(&f, (int)lid) == cost_law_input(&DRAWN, weight_of(&DRAWN, lid)));
    }
    assert_true(seen_of(&f, 0) != seen_of(&f, 1));
    game_fixture_close(&f.w);
    start(&f, &DRAWN, 2);
    assert_true(seen_of(&f, 0) == seen_of(&f, 1) && seen_of(&f, 2) == seen_of(&f, 3));
    assert_true(seen_of(&f, 1) == cost_law_input(&DRAWN, weight_of(&DRAWN, 0)));
    assert_true(seen_of(&f, 1) != seen_of(&f, 2));
    game_fixture_close(&f.w);
}

/* First allowed choices. */
static void step(struct fixture *f, float *reward)
{
    int32_t action[N_ENV * AGENTS];
    uint8_t flag[N_ENV];
    const int words = env_mask_words(&f->w.rules.spec);
    for (int lid = 0; lid < N_ENV; lid++) {
        f->env->ops->global_state(f->env, lid, 0, f->row, f->mask);
        for (int a = 0; a < AGENTS; a++) {
            int k = 0;
            while (!mask_has(f->mask + a * words, k)) {
                k++;
            }
            action[lid * AGENTS + a] = k;
        }
    }
    assert_int_equal(
        f->env->ops->step(f->env, (const int32_t *const[]){action}, (float *const[]){reward}, flag),
        ERR_OK);
}

/* The same step pays less by (weight - plant.cost_weight) x cost, in every environment; the cost is
 * the same, since nothing else differs. */
static void test_paid(void **state)
{
    struct fixture f, plain, twice;
    float drawn[N_ENV * AGENTS], fixed[N_ENV * AGENTS], more[N_ENV * AGENTS];
    const struct cost_law one = {.kind = COST_FIXED, .weight = 1.2};
    (void)state;
    start(&plain, NULL, 1);
    start(&twice, &one, 1);
    start(&f, &DRAWN, 1);
    step(&plain, fixed);
    step(&twice, more);
    step(&f, drawn);
    for (uint32_t lid = 0; lid < N_ENV; lid++) {
        const double cost = (double)fixed[lid * AGENTS] - (double)more[lid * AGENTS]; /* x 1 */
        assert_true(cost > 0.1);
        assert_near((double)drawn[lid * AGENTS],
                    (double)fixed[lid * AGENTS] - (weight_of(&DRAWN, lid) - 0.2) * cost, 1e-6);
    }
    game_fixture_close(&f.w);
    game_fixture_close(&twice.w);
    game_fixture_close(&plain.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),  cmocka_unit_test(test_annealed_by_hand),
        cmocka_unit_test(test_drawn),  cmocka_unit_test(test_as_networks_see_it),
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_seen),
        cmocka_unit_test(test_paid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
