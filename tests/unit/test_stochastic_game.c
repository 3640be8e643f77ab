/* Matrix games and stochastic games against values known by hand, and against their own definition:
 * nobody gains by deviating from a solution. */
#include "core/base/rng.h"
#include "core/marl/matrix_game.h"
#include "core/marl/stochastic_env.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_MAX_ = 8, WORK = 9 * 17 + 8 };

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9 * (1.0 + fabs(b));
}

static void solve(double *value, double *row, double *col, const double *payoff, int n, int m)
{
    double work[WORK];
    assert_true(matrix_game_work(n, m) <= WORK);
    assert_int_equal(matrix_game_solve(value, row, col, payoff, n, m, work), ERR_OK);
}

/* Rock-paper-scissors; a saddle point; the 2 x 2 formula; a dominated row; one choice. */
static void test_by_hand(void **state)
{
    (void)state;
    double v, row[8], col[8];
    solve(&v, row, col, (const double[]){0, -1, 1, 1, 0, -1, -1, 1, 0}, 3, 3);
    assert_true(near(v, 0.0));
    for (int i = 0; i < 3; i++) {
        assert_true(near(row[i], 1.0 / 3) && near(col[i], 1.0 / 3));
    }
    solve(&v, row, col, (const double[]){4, 5, 3, 1}, 2, 2); /* a saddle point at (0, 0) */
    assert_true(near(v, 4.0) && near(row[0], 1.0) && near(col[0], 1.0));
    solve(&v, row, col, (const double[]){3, -1, -2, 4}, 2, 2); /* (3 4 - 1 2) / (3 + 4 + 1 + 2) */
    assert_true(near(v, 1.0) && near(row[0], 0.6) && near(col[0], 0.5));
    solve(&v, row, col, (const double[]){3, -1, -2, 4, -3, -2}, 3, 2);
    assert_true(near(v, 1.0) && row[2] == 0.0);
    solve(&v, row, col, (const double[]){-7}, 1, 1);
    assert_true(near(v, -7.0) && row[0] == 1.0 && col[0] == 1.0);
    solve(&v, row, col, (const double[]){2, 2, 2, 2, 2, 2}, 2, 3);
    assert_true(near(v, 2.0) && near(row[0] + row[1], 1.0));
    double work[WORK];
    assert_int_equal(matrix_game_solve(&v, row, col, (const double[]){1, (double)NAN}, 1, 2, work),
                     ERR_NUMERIC);
}

/* Of any matrix: both strategies are distributions, and each guarantees the value. */
static void test_random_matrices(void **state)
{
    (void)state;
    for (uint32_t trial = 0; trial < 3000; trial++) {
        const struct rng_key key = rng_key(trial, RNG_TEST, RNG_TRAIN);
        const int n = 1 + (int)rng_below(rng_philox(key, 0, 0, 0, 0).v[0], SIZE_MAX_);
        const int m = 1 + (int)rng_below(rng_philox(key, 1, 0, 0, 0).v[0], SIZE_MAX_);
        double a[64], v, row[8], col[8], sum_row = 0.0, sum_col = 0.0;
        for (int i = 0; i < n * m; i++) {
            const uint32_t w = rng_philox(key, 2, (uint32_t)i, 0, 0).v[0];
            a[i] = trial % 2 == 0 ? (double)(w % 5) - 2.0 : (double)w * 0x1p-30 - 1.0;
        }
        solve(&v, row, col, a, n, m);
        for (int i = 0; i < n; i++) {
            double mean = 0.0;
            for (int j = 0; j < m; j++) {
                mean += a[i * m + j] * col[j];
            }
            assert_true(row[i] >= 0.0 && mean <= v + 1e-8);
            sum_row += row[i];
        }
        for (int j = 0; j < m; j++) {
            double mean = 0.0;
            for (int i = 0; i < n; i++) {
                mean += a[i * m + j] * row[i];
            }
            assert_true(col[j] >= 0.0 && mean >= v - 1e-8);
            sum_col += col[j];
        }
        assert_true(fabs(sum_row - 1.0) < 1e-8 && fabs(sum_col - 1.0) < 1e-8);
    }
}

/* One state: V = v / (1 - gamma). */
static void test_repeated_matrix(void **state)
{
    (void)state;
    struct arena arena;
    struct stochastic_game g;
    struct game_solution s;
    arena_init(&arena);
    assert_int_equal(
        stochastic_game_matrix(&g, &arena, "pennies", (const double[]){3, -1, -2, 4}, 2, 2),
        ERR_OK);
    assert_int_equal(stochastic_game_solve(&s, &arena, &g, 1e-12), ERR_OK);
    assert_true(fabs(s.value[0] - 2.0) < 1e-9 && s.n_pure == 0);
    assert_true(fabs(s.row[0] - 0.6) < 1e-9 && fabs(s.col[0] - 0.5) < 1e-9);
    arena_release(&arena);
}

/* The solution of the chain: strategies reach its value against each other and against best
 * responses, which gain nothing; it lies within what can be paid at all. */
static void test_chain(void **state)
{
    (void)state;
    struct arena arena;
    struct stochastic_game g;
    struct game_solution s;
    arena_init(&arena);
    assert_int_equal(stochastic_game_chain(&g, &arena), ERR_OK);
    assert_int_equal(stochastic_game_solve(&s, &arena, &g, 1e-10), ERR_OK);
    double *v = ARENA_NEW(&arena, g.n_states, double);
    const struct {
        const double *row, *col;
    } pairs[] = {{s.row, s.col}, {s.row, NULL}, {NULL, s.col}};
    for (int k = 0; k < 3; k++) {
        stochastic_game_value(v, &g, pairs[k].row, pairs[k].col, false, 1e-10);
        for (int i = 0; i < g.n_states; i++) {
            assert_true(fabs(v[i] - s.value[i]) < 1e-7);
        }
    }
    double *most = ARENA_NEW(&arena, g.n_states, double);
    stochastic_game_value(most, &g, NULL, NULL, false, 1e-10);
    stochastic_game_value(v, &g, NULL, NULL, true, 1e-10);
    for (int i = 0; i < g.n_states; i++) {
        assert_true(v[i] <= s.value[i] + 1e-8 && s.value[i] <= most[i] + 1e-8);
        assert_true(v[i] < most[i]);
    }
    print_message("%s: %d states, %d with a pure saddle point; value %.4f in [%.4f, %.4f]\n",
                  g.name, g.n_states, s.n_pure, s.value[g.start], v[g.start], most[g.start]);
    arena_release(&arena);
}

/* The environment plays the table: rewards are opposite, masks are kept, states follow. */
static void test_environment(void **state)
{
    (void)state;
    struct arena arena;
    struct stochastic_game g;
    struct stochastic_shape shape;
    struct env *e;
    static float seen[2][256];
    uint32_t mask[2];
    arena_init(&arena);
    assert_int_equal(stochastic_game_chain(&g, &arena), ERR_OK);
    stochastic_shape_init(&shape, &g);
    assert_int_equal(stochastic_env_new(&e, &arena, &shape, 1, 3), ERR_OK);
    int from = -1;
    for (uint32_t episode = 0; episode < 20; episode++) {
        assert_int_equal(e->ops->reset(e, 0, 5, episode, 0), ERR_OK);
        uint8_t flag = ENV_RUNNING;
        const struct game_outcome *o = NULL;
        for (uint32_t t = 0; flag == ENV_RUNNING; t++) {
            float row, col;
            int at = -1;
            for (int k = 0; k < GAME_TEAMS; k++) {
                e->ops->global_state(e, 0, k, seen[k], &mask[k]);
            }
            assert_memory_equal(seen[0], seen[1], (size_t)g.n_states * sizeof(float));
            for (int s = 0; s < g.n_states; s++) {
                at = seen[0][s] == 1.0F ? s : at;
            }
            assert_true(mask[0] == g.may_row[at] && mask[1] == g.may_col[at]);
            assert_true(t == 0 || at == o->next[0] || at == o->next[1]);
            const int32_t a = mask_has(mask, (int)(t % 3)) ? (int)(t % 3) : 0;
            const int32_t b = mask_has(&mask[1], (int)(episode % 3)) ? (int)(episode % 3) : 0;
            const int32_t *const action[] = {&a, &b};
            float *const reward[] = {&row, &col};
            o = game_outcome(&g, at, a, b);
            assert_int_equal(e->ops->step(e, action, reward, &flag), ERR_OK);
            assert_true(row == (float)o->reward && col == -row);
            from = at;
        }
    }
    assert_true(from >= 0);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),         cmocka_unit_test(test_random_matrices),
        cmocka_unit_test(test_repeated_matrix), cmocka_unit_test(test_chain),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
