/* Adam and gradient clipping: worked by hand, then against the formulas in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/base/rng.h"
#include "core/nn/adam.h"

static float draw(uint32_t stream, uint32_t i)
{
    const struct rng_key key = rng_key(9, RNG_TEST, RNG_TRAIN);
    return 2.0F * rng_f32(rng_philox(key, i, stream, 0, 0).v[0]) - 1.0F;
}

/* lr 0.1, betas 0.9 and 0.999, eps 0, from p = 1:
 * t=1, g=0.5:  m = 0.05, v = 0.00025; corrected 0.5 and 0.25; p = 1 - 0.1 * 0.5/0.5 = 0.9
 * t=2, g=-1:   m = -0.055, v = 0.00124975; corrected -0.055/0.19 = -0.28947368 and
 *              0.00124975/0.001999 = 0.62518759; p = 0.9 + 0.1 * 0.28947368/0.79068805 = 0.93661 */
static void test_worked_example(void **state)
{
    (void)state;
    const struct adam_config cfg = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 0.0};
    float p = 1.0F, m = 0.0F, v = 0.0F, g = 0.5F;
    adam_step(&p, &m, &v, &g, 1, &cfg, 1);
    assert_true(fabs((double)p - 0.9) < 1e-6);
    assert_true(fabs((double)m - 0.05) < 1e-8 && fabs((double)v - 0.00025) < 1e-10);
    g = -1.0F;
    adam_step(&p, &m, &v, &g, 1, &cfg, 2);
    assert_true(fabs((double)p - 0.93661035) < 1e-6);
    assert_true(fabs((double)m + 0.055) < 1e-8 && fabs((double)v - 0.00124975) < 1e-10);
}

/* eps stands outside the root: from zero moments, g = eps and t = 1 move by lr / 2. */
static void test_eps_outside_root(void **state)
{
    (void)state;
    const struct adam_config cfg = {.lr = 1.0, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-5};
    float p = 0.0F, m = 0.0F, v = 0.0F;
    const float g = 1e-5F;
    adam_step(&p, &m, &v, &g, 1, &cfg, 1);
    assert_true(fabs((double)p + 0.5) < 1e-5);
}

/* A thousand steps on 37 parameters against algorithm 1 of the paper, in double with libm. */
static void test_against_paper(void **state)
{
    (void)state;
    enum { N = 37, STEPS = 1000 };
    float p[N], m[N] = {0}, v[N] = {0}, g[N];
    double pd[N], md[N] = {0}, vd[N] = {0};
    struct adam_config cfg = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-5};
    for (uint32_t i = 0; i < N; i++) {
        p[i] = draw(0, i);
        pd[i] = (double)p[i];
    }
    for (uint32_t t = 1; t <= STEPS; t++) {
        cfg.lr = 1e-3 * (1.0 - (double)t / (2.0 * STEPS));
        for (uint32_t i = 0; i < N; i++) {
            g[i] = draw(t, i) + 0.3F;
            md[i] = 0.9 * md[i] + 0.1 * (double)g[i];
            vd[i] = 0.999 * vd[i] + 0.001 * (double)g[i] * (double)g[i];
            pd[i] -= cfg.lr * (md[i] / (1.0 - pow(0.9, t))) /
                     (sqrt(vd[i] / (1.0 - pow(0.999, t))) + 1e-5);
        }
        adam_step(p, m, v, g, N, &cfg, t);
    }
    for (int i = 0; i < N; i++) {
        assert_true(fabs((double)p[i] - pd[i]) < 2e-5);
    }
}

/* Gaps of a block: zero gradient leaves zero. And a late step is still finite. */
static void test_zero_stays_zero(void **state)
{
    (void)state;
    const struct adam_config cfg = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    float p[5] = {0}, m[5] = {0}, v[5] = {0};
    const float g[5] = {0};
    adam_step(p, m, v, g, 5, &cfg, 1);
    adam_step(p, m, v, g, 5, &cfg, UINT64_MAX);
    for (int i = 0; i < 5; i++) {
        assert_true(p[i] == 0.0F && m[i] == 0.0F && v[i] == 0.0F);
    }
}

static void test_norm(void **state)
{
    (void)state;
    float g[100] = {0};
    g[3] = 3.0F;
    g[98] = -4.0F;
    assert_true(grad_norm(g, 100) == 5.0);
    assert_true(grad_norm(g, 98) == 3.0);
    assert_true(grad_norm(g, 0) == 0.0);
    g[50] = 0x1p127F; /* squares overflow float, not double */
    assert_true(isfinite(grad_norm(g, 100)));
    g[51] = INFINITY;
    assert_true(isinf(grad_norm(g, 100)));
    g[52] = NAN;
    assert_true(isnan(grad_norm(g, 100)));
}

/* The documented order, spelt out: sixteen sums by index modulo 16, then a binary tree. */
static void test_norm_order(void **state)
{
    (void)state;
    enum { N = 1003 };
    float g[N];
    double lane[16] = {0};
    for (uint32_t i = 0; i < N; i++) {
        g[i] = draw(77, i) * (i % 7 == 0 ? 1e4F : 1.0F);
        lane[i % 16] += (double)g[i] * (double)g[i];
    }
    double eight[8], four[4];
    for (int j = 0; j < 8; j++) {
        eight[j] = lane[j] + lane[j + 8];
    }
    for (int j = 0; j < 4; j++) {
        four[j] = eight[j] + eight[j + 4];
    }
    const double want = sqrt((four[0] + four[2]) + (four[1] + four[3]));
    assert_true(grad_norm(g, N) == want);
}

static void test_clip(void **state)
{
    (void)state;
    float g[4] = {3.0F, 0.0F, -4.0F, 0.0F};
    assert_true(grad_clip(g, 4, 10.0) == 5.0); /* short enough: untouched */
    assert_true(g[0] == 3.0F && g[2] == -4.0F);
    assert_true(grad_clip(g, 4, 0.0) == 5.0); /* no limit */
    assert_true(g[0] == 3.0F);
    assert_true(grad_clip(g, 4, 0.5) == 5.0);
    assert_true(fabsf(g[0] - 0.3F) < 1e-7F && fabsf(g[2] + 0.4F) < 1e-7F && g[1] == 0.0F);
    assert_true(fabs(grad_norm(g, 4) - 0.5) < 1e-7);
    g[1] = NAN;
    g[0] = 7.0F;
    assert_true(isnan(grad_clip(g, 4, 0.5)) && g[0] == 7.0F);
    g[1] = INFINITY;
    assert_true(isinf(grad_clip(g, 4, 0.5)) && g[0] == 7.0F);
}

/* FNV-1a over parameters after 50 steps: the same in every build. */
static void test_digest(void **state)
{
    (void)state;
    enum { N = 67 };
    const struct adam_config cfg = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-5};
    float p[N] = {0}, m[N] = {0}, v[N] = {0}, g[N];
    for (uint32_t t = 1; t <= 50; t++) {
        for (uint32_t i = 0; i < N; i++) {
            g[i] = draw(t, i) - 0.5F * p[i];
        }
        grad_clip(g, N, 0.5);
        adam_step(p, m, v, g, N, &cfg, t);
    }
    uint64_t h = HASH_START;
    for (int i = 0; i < N; i++) {
        uint32_t bits;
        memcpy(&bits, &p[i], sizeof(bits));
        h = hash_word(h, bits);
    }
    print_message("digest %016llx\n", (unsigned long long)h);
    assert_true(h == 0xeea6f18638cef0e7U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_example), cmocka_unit_test(test_eps_outside_root),
        cmocka_unit_test(test_against_paper),  cmocka_unit_test(test_zero_stays_zero),
        cmocka_unit_test(test_norm),           cmocka_unit_test(test_norm_order),
        cmocka_unit_test(test_clip),           cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
