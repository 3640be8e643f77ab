/* Running statistics, input normalisation and PopArt. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/nn/normaliser.h"

enum { D = 3, ROWS = 200 };

static float draw(uint32_t stream, uint32_t i)
{
    const struct rng_key key = rng_key(13, RNG_TEST, RNG_TRAIN);
    return 2.0F * rng_f32(rng_philox(key, i, stream, 0, 0).v[0]) - 1.0F;
}

/* Columns of different location and scale: 0 +- 1, 1000 +- 0.1, -3 +- 50. */
static void make_rows(float *x, int rows, uint32_t stream)
{
    static const float centre[D] = {0.0F, 1000.0F, -3.0F}, scale[D] = {1.0F, 0.1F, 50.0F};
    for (uint32_t i = 0; i < (uint32_t)(rows * D); i++) {
        x[i] = centre[i % D] + scale[i % D] * draw(stream, i);
    }
}

static void assert_near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * (1.0 + fabs(want)))) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

/* (1,4), (3,4), (8,4) with a gap: means 4 and 4, squared deviations 9 + 1 + 16 and 0. */
static void test_stats_by_hand(void **state)
{
    (void)state;
    const float x[9] = {1.0F, 4.0F, 99.0F, 3.0F, 4.0F, 99.0F, 8.0F, 4.0F, 99.0F};
    const double want[6] = {3.0, 3.0, 4.0, 4.0, 26.0, 0.0};
    double s[6];
    stats_of_rows(s, 2, x, 3, 3);
    assert_memory_equal(s, want, sizeof(s));
    assert_true(stats_var(s, 2, 0) == 26.0 / 3.0 && stats_var(s, 2, 1) == 0.0);
    stats_of_rows(s, 2, x, 3, 0);
    for (int i = 0; i < 6; i++) {
        assert_true(s[i] == 0.0);
    }
    assert_true(stats_var(s, 2, 0) == 0.0);
}

static void test_merge_equals_direct(void **state)
{
    (void)state;
    static float x[ROWS * D];
    make_rows(x, ROWS, 1);
    double direct[3 * D], merged[3 * D], part[3 * D];
    stats_of_rows(direct, D, x, D, ROWS);
    for (int slice = 1; slice <= ROWS; slice += 37) {
        stats_clear(merged, D);
        for (int r = 0; r < ROWS; r += slice) {
            stats_of_rows(part, D, x + r * D, D, slice < ROWS - r ? slice : ROWS - r);
            stats_merge(merged, part, D);
        }
        for (int c = 0; c < D; c++) {
            assert_true(merged[c] == (double)ROWS);
            assert_near(merged[D + c], direct[D + c], 1e-14);
            assert_near(merged[2 * D + c], direct[2 * D + c], 1e-11);
        }
    }
}

/* An empty side changes no bit of the other, in either direction. */
static void test_merge_with_nothing(void **state)
{
    (void)state;
    static float x[10 * D];
    make_rows(x, 10, 2);
    double s[3 * D], copy[3 * D], empty[3 * D];
    stats_of_rows(s, D, x, D, 10);
    memcpy(copy, s, sizeof(s));
    stats_clear(empty, D);
    stats_merge(s, empty, D);
    assert_memory_equal(s, copy, sizeof(s));
    stats_merge(empty, s, D);
    assert_memory_equal(empty, copy, sizeof(s));
}

static void test_apply(void **state)
{
    (void)state;
    static float x[ROWS * D], y[ROWS * D], z[ROWS * D];
    float mean[D], inv_std[D];
    double s[3 * D], after[3 * D];
    struct normaliser nz;
    make_rows(x, ROWS, 3);
    normaliser_init(&nz, D, 10.0F, mean, inv_std);
    normaliser_apply(&nz, y, D, x, D, 1);
    assert_true(y[0] == x[0] && y[1] == 10.0F); /* identity, but clipped */
    stats_of_rows(s, D, x, D, ROWS);
    normaliser_freeze(&nz, s, 1e-8);
    normaliser_apply(&nz, y, D, x, D, ROWS);
    stats_of_rows(after, D, y, D, ROWS);
    for (int c = 0; c < D; c++) {
        assert_near(after[D + c], 0.0, 1e-3); /* 1000 +- 0.1 in float: the mean is 2^-14 coarse */
        assert_near(stats_var(after, D, c), 1.0, 1e-4);
        assert_near((double)y[c], ((double)x[c] - s[D + c]) / sqrt(stats_var(s, D, c) + 1e-8),
                    1e-3);
    }
    for (int r = 0; r < ROWS; r++) { /* row by row, and in place */
        memcpy(z + r * D, x + r * D, D * sizeof(float));
        normaliser_apply(&nz, z + r * D, D, z + r * D, D, 1);
    }
    assert_memory_equal(y, z, sizeof(y));
}

static void test_clip(void **state)
{
    (void)state;
    float mean[1], inv_std[1], x[4] = {100.0F, -100.0F, 0.5F, NAN}, y[4];
    const double one[3] = {1.0, 5.0, 0.0}, two[3] = {2.0, 5.0, 8.0};
    struct normaliser nz;
    normaliser_init(&nz, 1, 3.0F, mean, inv_std);
    normaliser_freeze(&nz, one, 1e-8); /* one row says nothing about a spread */
    assert_true(mean[0] == 0.0F && inv_std[0] == 1.0F);
    normaliser_apply(&nz, y, 1, x, 1, 4);
    assert_true(y[0] == 3.0F && y[1] == -3.0F && y[2] == 0.5F && isnan(y[3]));
    normaliser_freeze(&nz, two, 0.0); /* mean 5, variance 4 */
    normaliser_apply(&nz, y, 1, x, 1, 4);
    assert_true(y[0] == 3.0F && y[1] == -3.0F && y[2] == -2.25F && isnan(y[3]));
}

/* ---- PopArt ---- */

/* The debiased moving average of the first two moments, as the formula is usually written. */
static void test_popart_moving_average(void **state)
{
    (void)state;
    const double beta = 0.9;
    double m1[D] = {0}, m2[D] = {0}, debias = 0.0, st[3 * D], s[3 * D];
    struct popart pa;
    popart_init(&pa, D, beta, 1e-4, st);
    for (int c = 0; c < D; c++) {
        assert_true(popart_mean(&pa, c) == 0.0 && popart_sigma(&pa, c) == 1.0);
    }
    for (uint32_t t = 0; t < 30; t++) {
        static float x[ROWS * D];
        make_rows(x, ROWS, 10 + t);
        stats_of_rows(s, D, x, D, ROWS);
        popart_update(&pa, s, NULL, NULL);
        debias = beta * debias + (1.0 - beta);
        for (int c = 0; c < D; c++) {
            const double mean = s[D + c], square = stats_var(s, D, c) + mean * mean;
            m1[c] = beta * m1[c] + (1.0 - beta) * mean;
            m2[c] = beta * m2[c] + (1.0 - beta) * square;
            assert_near(popart_mean(&pa, c), m1[c] / debias, 1e-12);
            assert_near(popart_sigma(&pa, c),
                        sqrt(m2[c] / debias - m1[c] / debias * (m1[c] / debias)), 1e-6);
        }
    }
}

/* beta = 0: the statistics of all targets ever seen. */
static void test_popart_cumulative(void **state)
{
    (void)state;
    static float x[ROWS * D];
    double all[3 * D], s[3 * D], st[3 * D];
    struct popart pa;
    make_rows(x, ROWS, 4);
    stats_of_rows(all, D, x, D, ROWS);
    popart_init(&pa, D, 0.0, 1e-4, st);
    for (int r = 0; r < ROWS; r += 60) {
        stats_of_rows(s, D, x + r * D, D, ROWS - r < 60 ? ROWS - r : 60);
        popart_update(&pa, s, NULL, NULL);
    }
    for (int c = 0; c < D; c++) {
        assert_true(st[c] == (double)ROWS);
        assert_near(popart_mean(&pa, c), all[D + c], 1e-13);
        assert_near(popart_sigma(&pa, c), sqrt(stats_var(all, D, c)), 1e-11);
    }
}

/* sigma y + mean is the same before and after an update, to rounding: a chain of 20 FMAs, a bias
 * and a conversion on either side, each off by at most 2^-24 of the largest number in it. */
static void test_popart_preserves_outputs(void **state)
{
    (void)state;
    const struct mlp_shape shape = {.n_layers = 2, .sizes = {6, 20, D}, .act = ACT_TANH};
    enum { N = 12 };
    static float params[1024], before_params[1024], x[N * 6], y[N * D], work[4096];
    static float before[N * D], after[N * D], targets[ROWS * D];
    struct mlp mlp;
    struct popart pa;
    struct arena scratch;
    double st[3 * D], s[3 * D];
    arena_init(&scratch);
    assert_int_equal(mlp_init(&mlp, &shape, GEMM_FIXED, 0), ERR_OK);
    assert_true(mlp.n_params <= 1024 && mlp_infer_work_floats(&mlp) <= 4096);
    assert_int_equal(
        mlp_init_params(&mlp, params, 1.0, 1.0, rng_key(2, RNG_TEST, RNG_TRAIN), 0, &scratch),
        ERR_OK);
    arena_release(&scratch);
    for (uint32_t i = 0; i < N * 6; i++) {
        x[i] = draw(5, i);
    }
    popart_init(&pa, D, 0.7, 1e-4, st);
    for (uint32_t t = 0; t < 5; t++) {
        mlp_infer(&mlp, y, D, params, x, 6, N, work);
        popart_denormalise(&pa, before, D, y, D, N);
        memcpy(before_params, params, sizeof(params));
        make_rows(targets, ROWS, 30 + t);
        stats_of_rows(s, D, targets, D, ROWS);
        s[2] = t == 3 ? 0.0 : s[2]; /* once, the last output has no targets */
        popart_update(&pa, s, &mlp, params);
        mlp_infer(&mlp, y, D, params, x, 6, N, work);
        popart_denormalise(&pa, after, D, y, D, N);
        for (int i = 0; i < N * D; i++) {
            const double size = 1.0 + fabs(popart_mean(&pa, i % D)) + fabs((double)before[i]);
            assert_true(fabs((double)after[i] - (double)before[i]) <= 2.0 * 22.0 * 0x1p-24 * size);
        }
        /* Layers below the last stay, and so does an output without targets. */
        assert_memory_equal(params, before_params, mlp.w[1] * sizeof(float));
        for (size_t i = 0; i < 20; i++) {
            const size_t at = mlp.w[1] + i * D + 2;
            assert_int_equal(params[at] == before_params[at], t == 3);
        }
    }
}

static void test_popart_rows(void **state)
{
    (void)state;
    double st[3 * D];
    const double s[3 * D] = {4.0, 4.0, 4.0, 10.0, -1.0, 0.0, 16.0, 1.0, 0.0};
    float x[D] = {14.0F, -1.5F, 1.0F}, y[D], z[D];
    struct popart pa;
    popart_init(&pa, D, 0.99, 0.25, st);
    popart_update(&pa, s, NULL, NULL);
    assert_true(popart_sigma(&pa, 0) == 2.0 && popart_sigma(&pa, 1) == 0.5);
    assert_true(popart_sigma(&pa, 2) == 0.25); /* the floor */
    popart_normalise(&pa, y, D, x, D, 1);
    assert_true(y[0] == 2.0F && y[1] == -1.0F && y[2] == 4.0F);
    popart_denormalise(&pa, z, D, y, D, 1);
    assert_memory_equal(x, z, sizeof(x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats_by_hand),
        cmocka_unit_test(test_merge_equals_direct),
        cmocka_unit_test(test_merge_with_nothing),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_popart_moving_average),
        cmocka_unit_test(test_popart_cumulative),
        cmocka_unit_test(test_popart_preserves_outputs),
        cmocka_unit_test(test_popart_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
