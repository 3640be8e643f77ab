/* Integrated gradients: complete for tanh and for rectifiers, exact where the answer is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/analysis/influence.h"

#include <math.h>
#include <string.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static int start(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int stop(void **state)
{
    arena_release(*state);
    return 0;
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

static float *random_net(struct mlp *mlp, const struct mlp_shape *shape, double gain,
                         struct arena *arena)
{
    const struct rng_key key = rng_key(8, RNG_TEST, RNG_DEV);
    OK(mlp_init(mlp, shape, GEMM_FIXED, 0));
    float *params = ARENA_NEW(arena, mlp->n_params, float);
    assert_non_null(params);
    OK(mlp_init_params(mlp, params, gain, gain, key, 1, arena));
    for (int l = 0; l < shape->n_layers; l++) {
        for (int j = 0; j < shape->sizes[l + 1]; j++) {
            params[mlp->b[l] + (size_t)j] = 0.3F * (float)(j % 5 - 2); /* kinks off the origin */
        }
    }
    return params;
}

/* Twenty inputs of up to 5 standard deviations, steep networks: the sum is complete within 1e-5,
 * and F is what the network itself gives. */
static void influences_are_complete(void **state)
{
    enum { IN = 60, OUT = 7 };
    static const enum activation acts[] = {ACT_TANH, ACT_RELU};
    for (int k = 0; k < 2; k++) {
        const struct mlp_shape shape = {3, {IN, 24, 24, OUT}, acts[k]};
        struct mlp mlp;
        const float *params = random_net(&mlp, &shape, 3.0, *state);
        float *work = ARENA_NEW(*state, mlp_infer_work_floats(&mlp), float);
        double worst = 0.0;
        int pieces = 0;
        for (uint32_t time = 0; time < 20; time++) {
            float x[IN], base[IN] = {0}, y[OUT];
            double a[IN], c[OUT] = {0};
            struct influence f;
            for (uint32_t i = 0; i < IN; i++) {
                const struct rng_block b = rng_philox(rng_key(8, RNG_TEST, RNG_DEV), i, time, 2, 0);
                x[i] = 10.0F * rng_f32(b.v[0]) - 5.0F;
            }
            c[time % OUT] = 1.0;
            c[(time + 1) % OUT] = -1.0;
            OK(influence_of(&f, a, &mlp, params, x, base, c, *state));
            mlp_infer(&mlp, y, OUT, params, x, IN, 1, work);
            assert_near(f.at, (double)y[time % OUT] - (double)y[(time + 1) % OUT], 1e-3);
            worst = fmax(worst, fabs(f.sum - (f.at - f.base)));
            pieces += f.n_pieces;
            assert_true(fabs(f.at - f.base) > 0.01);
        }
        print_message("# %s: largest difference %.1e, %d pieces an input\n",
                      k == 0 ? "tanh" : "relu", worst, pieces / 20);
        assert_true(worst <= 1e-5);
    }
}

/* A network without hidden layers is linear: a_i = w_i (x_i - x'_i), in one piece. An input that
 * does not differ from the base, or that no weight reads, has no influence. */
static void a_linear_network_is_shared_out_exactly(void **state)
{
    const struct mlp_shape shape = {1, {4, 2}, ACT_TANH};
    const float x[4] = {1.0F, 2.0F, -1.0F, 3.0F}, base[4] = {0.0F, 2.0F, 1.0F, 0.0F};
    const double c[2] = {1.0, -1.0};
    double a[4];
    struct influence f;
    struct mlp mlp;
    float *params = random_net(&mlp, &shape, 1.0, *state);
    const float w[8] = {0.5F, 0.25F, 1.0F, -1.0F, 2.0F, 0.0F, 0.75F, 0.75F};
    memcpy(params + mlp.w[0], w, sizeof w);
    OK(influence_of(&f, a, &mlp, params, x, base, c, *state));
    assert_near(a[0], 0.25, 1e-12);
    assert_near(a[1], 0.0, 0.0);
    assert_near(a[2], -4.0, 1e-12);
    assert_near(a[3], 0.0, 1e-12);
    assert_int_equal(f.n_pieces, 1);
}

/* max(0, x_0 + x_1 - 1) from 0 to (1, 2): dF = 1 from s = 1/3 on, so a = (2/3, 4/3). */
static void a_kink_is_found(void **state)
{
    const struct mlp_shape shape = {2, {2, 1, 1}, ACT_RELU};
    const float x[2] = {1.0F, 2.0F}, base[2] = {0.0F, 0.0F};
    const double c[1] = {1.0};
    double a[2];
    struct influence f;
    struct mlp mlp;
    float *params = random_net(&mlp, &shape, 1.0, *state);
    params[mlp.w[0]] = params[mlp.w[0] + 1] = params[mlp.w[1]] = 1.0F;
    params[mlp.b[0]] = -1.0F;
    params[mlp.b[1]] = 0.0F;
    OK(influence_of(&f, a, &mlp, params, x, base, c, *state));
    assert_near(a[0], 2.0 / 3.0, 1e-6);
    assert_near(a[1], 4.0 / 3.0, 1e-6);
}

static void what_is_not_finite_is_refused(void **state)
{
    const struct mlp_shape shape = {2, {2, 3, 1}, ACT_TANH};
    const float x[2] = {1.0F, INFINITY}, base[2] = {0.0F, 0.0F};
    const double c[1] = {1.0};
    double a[2];
    struct influence f;
    struct mlp mlp;
    float *params = random_net(&mlp, &shape, 1.0, *state);
    params[mlp.w[1]] = NAN;
    assert_int_equal(influence_of(&f, a, &mlp, params, x, base, c, *state), ERR_NUMERIC);
    mem_fail_piece(3);
    assert_int_equal(influence_of(&f, a, &mlp, params, x, base, c, *state), ERR_MEMORY);
    mem_fail_piece(0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(influences_are_complete),
        TEST(a_linear_network_is_shared_out_exactly),
        TEST(a_kink_is_found),
        TEST(what_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
