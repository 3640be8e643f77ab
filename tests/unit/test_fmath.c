/* Our elementary functions against libm in the next larger type, and their bits against themselves:
 * array against scalar, and everything against digests that every compiler must reproduce. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/crc32c.h"
#include "core/base/fmath.h"
#include "core/base/rng.h"

#include <math.h>
#include <stdio.h>

/* Arguments of the float functions: every 4999th of all 2^32 patterns. */
enum { FLOAT_STRIDE = 4999, DOUBLES = 200000 };

/* Spacing of floats at y. */
static double ulp_f32(double y)
{
    int e;
    frexp(y, &e);
    return fabs(y) < 0x1p-126 ? 0x1p-149 : ldexp(1.0, e - 24);
}

static long double ulp_f64(long double y)
{
    int e;
    frexpl(y, &e);
    return fabsl(y) < 0x1p-1022L ? 0x1p-1074L : ldexpl(1.0L, e - 53);
}

/* Error in ulp; infinity and NaN must be met, but for results within half an ulp of overflow. */
static double error_f32(float got, double want)
{
    if (isnan(want)) {
        return isnan(got) ? 0.0 : 1e9;
    }
    if (isinf(want) || fabs(want) >= 0x1.ffffffp127) {
        return isinf(got) && (got < 0.0f) == (want < 0.0) ? 0.0 : 1e9;
    }
    return isfinite(got) ? fabs((double)got - want) / ulp_f32(want) : 1e9;
}

static double worst_f32(float (*ours)(float), double (*libm)(double))
{
    double worst = 0.0;
    for (uint64_t u = 0; u <= UINT32_MAX; u += FLOAT_STRIDE) {
        float x = fm_from_bits_f32_((uint32_t)u);
        double e = error_f32(ours(x), libm((double)x));
        worst = e > worst ? e : worst;
    }
    return worst;
}

static void check_worst(const char *name, double worst, double bound)
{
    if (!(worst <= bound)) {
        fail_msg("%s is off by %.3f ulp, %.3f are promised", name, worst, bound);
    }
}

static void float_functions_keep_their_error(void **state)
{
    (void)state;
    check_worst("fm_tanhf", worst_f32(fm_tanhf, tanh), 2.5);
    check_worst("fm_expf", worst_f32(fm_expf, exp), 1.0);
    check_worst("fm_logf", worst_f32(fm_logf, log), 0.86);
}

/* Where a small error of the whole range could hide: around 0 and around 1, without gaps. */
static void float_functions_near_their_fixed_points(void **state)
{
    (void)state;
    double worst_tanh = 0.0, worst_exp = 0.0, worst_log = 0.0;
    for (uint32_t i = 0; i < 40000; i++) {
        float small = fm_from_bits_f32_(i * 26000u);
        worst_tanh = fmax(worst_tanh, error_f32(fm_tanhf(-small), -tanh((double)small)));
        worst_exp = fmax(worst_exp, error_f32(fm_expf(-small), exp(-(double)small)));
        float near_1 = fm_from_bits_f32_(0x3f800000u - 20000u + i);
        worst_log = fmax(worst_log, error_f32(fm_logf(near_1), log((double)near_1)));
    }
    check_worst("fm_tanhf", worst_tanh, 2.5);
    check_worst("fm_expf", worst_exp, 1.0);
    check_worst("fm_logf", worst_log, 0.86);
}

static void float_special_values(void **state)
{
    (void)state;
    assert_true(fm_tanhf(INFINITY) == 1.0f);
    assert_true(fm_tanhf(-INFINITY) == -1.0f);
    assert_true(fm_tanhf(10.0f) == 1.0f);
    assert_true(fm_tanhf(0.0f) == 0.0f && !signbit(fm_tanhf(0.0f)));
    assert_true(signbit(fm_tanhf(-0.0f)));
    assert_true(fm_tanhf(0x1p-149f) == 0x1p-149f);
    assert_true(fm_tanhf(-0x1.8p-140f) == -0x1.8p-140f);
    assert_true(isnan(fm_tanhf(NAN)));
    assert_true(fm_expf(0.0f) == 1.0f);
    assert_true(fm_expf(-INFINITY) == 0.0f);
    assert_true(fm_expf(-200.0f) == 0.0f);
    assert_true(fm_expf(200.0f) == INFINITY);
    assert_true(isnan(fm_expf(NAN)));
    assert_true(fm_logf(1.0f) == 0.0f);
    assert_true(fm_logf(0.0f) == -INFINITY);
    assert_true(fm_logf(-0.0f) == -INFINITY);
    assert_true(fm_logf(INFINITY) == INFINITY);
    assert_true(isnan(fm_logf(-1.0f)));
    assert_true(isnan(fm_logf(-INFINITY)));
    assert_true(isnan(fm_logf(NAN)));
}

/* tanh of a network's pre-activations must not leave [-1, 1] nor fall where it should rise. */
static void tanh_is_odd_bounded_and_nearly_monotonic(void **state)
{
    (void)state;
    float before = 0.0f;
    for (uint32_t u = 0; u < 0x41300000u; u += 1009) { /* 0 .. 11 */
        float x = fm_from_bits_f32_(u), y = fm_tanhf(x);
        assert_true(y >= 0.0f && y <= 1.0f);
        assert_true(fm_tanhf(-x) == -y);
        assert_true((double)before - (double)y <= 2.0 * ulp_f32((double)y));
        before = y;
    }
}

static double uniform(uint32_t i, uint32_t what)
{
    struct rng_block b = rng_philox((struct rng_key){{1, 2}}, i, what, 0, 0);
    return rng_f64(b.v[0], b.v[1]);
}

static double worst_f64(double (*ours)(double), long double (*libm)(long double), double from,
                        double to)
{
    double worst = 0.0;
    for (uint32_t i = 0; i < DOUBLES; i++) {
        double x = from + (to - from) * uniform(i, 1);
        long double want = libm((long double)x);
        double e = (double)(fabsl((long double)ours(x) - want) / ulp_f64(want));
        worst = e > worst ? e : worst;
    }
    return worst;
}

static double our_log(double x)
{
    return fm_log(x);
}

static void double_functions_keep_their_error(void **state)
{
    (void)state;
    check_worst("fm_exp", worst_f64(fm_exp, expl, -2.0, 2.0), 0.76);
    check_worst("fm_exp", worst_f64(fm_exp, expl, -745.0, 709.7), 0.76);
    check_worst("fm_log", worst_f64(our_log, logl, 0.0, 1.0), 0.52);
    check_worst("fm_log", worst_f64(our_log, logl, 0.98, 1.02), 0.52);
    check_worst("fm_log", worst_f64(our_log, logl, 0.0, 1e6), 0.52);
    check_worst("fm_sin", worst_f64(fm_sin, sinl, -4.0, 4.0), 0.8);
    check_worst("fm_cos", worst_f64(fm_cos, cosl, -4.0, 4.0), 0.8);
    check_worst("fm_sin", worst_f64(fm_sin, sinl, -0x1p20, 0x1p20), 0.8);
    check_worst("fm_cos", worst_f64(fm_cos, cosl, -0x1p20, 0x1p20), 0.8);
}

/* All exponents, denormals included. */
static void double_log_over_all_magnitudes(void **state)
{
    (void)state;
    double worst = 0.0;
    for (int e = -1074; e < 1024; e++) {
        for (uint32_t i = 0; i < 20; i++) {
            double x = ldexp(1.0 + uniform(i, (uint32_t)(e + 2000)), e);
            long double want = logl((long double)x);
            double off = (double)(fabsl((long double)fm_log(x) - want) / ulp_f64(want));
            worst = isfinite(x) && off > worst ? off : worst;
        }
    }
    check_worst("fm_log", worst, 0.52);
}

/* Each row of the table is what its comment says, to the 64 bits of a long double. */
static void log_table_is_consistent(void **state)
{
    (void)state;
    for (int i = 0; i < 128; i++) {
        const struct fm_log_row *row = &fm_log_table[i];
        assert_true(row->inv * 4096.0 == floor(row->inv * 4096.0));
        assert_true(row->log_hi * 0x1p42 == floor(row->log_hi * 0x1p42));
        long double sum = (long double)row->log_hi + (long double)row->log_lo;
        assert_true(fabsl(sum + logl((long double)row->inv)) <= 0x1p-63L);
    }
}

static void turns_are_the_cosine_of_an_exact_angle(void **state)
{
    (void)state;
    const long double step = 6.28318530717958647692528676655900577L / 0x1p32L;
    double worst = 0.0;
    for (uint32_t i = 0; i < DOUBLES; i++) {
        uint32_t turn = i * 2654435761u;
        uint32_t q = (turn + 0x20000000u) >> 30;
        long double r = step * (long double)(int32_t)(turn - (q << 30));
        long double want = q == 0 ? cosl(r) : q == 1 ? -sinl(r) : q == 2 ? -cosl(r) : sinl(r);
        double e = (double)(fabsl((long double)fm_cos_turn(turn) - want) / ulp_f64(want));
        worst = e > worst ? e : worst;
    }
    check_worst("fm_cos_turn", worst, 1.9);
}

/* The promise is 2 |y log x| + 1 ulp. */
static void pow_keeps_its_error(void **state)
{
    (void)state;
    double worst = 0.0;
    for (uint32_t i = 0; i < DOUBLES; i++) {
        double x = 10.0 * uniform(i, 2), y = 20.0 * uniform(i, 3) - 10.0;
        long double want = powl((long double)x, (long double)y);
        double e = (double)(fabsl((long double)fm_pow(x, y) - want) / ulp_f64(want));
        worst = fmax(worst, e - 2.0 * fabs(y * log(x)));
    }
    check_worst("fm_pow", worst, 1.0);
    assert_true(fm_pow(0.0, 2.0) == 0.0);
    assert_true(fm_pow(0.0, -2.0) == (double)INFINITY);
    assert_true(fm_pow(0.0, 0.0) == 1.0);
    assert_true(isnan(fm_pow(-2.0, 2.0)));
}

static void double_special_values(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    assert_true(fm_exp(0.0) == 1.0);
    assert_true(fm_exp(-inf) == 0.0);
    assert_true(fm_exp(inf) == inf);
    assert_true(fm_exp(-800.0) == 0.0);
    assert_true(fm_exp(800.0) == inf);
    assert_true(isnan(fm_exp((double)NAN)));
    assert_true(fm_log(1.0) == 0.0);
    assert_true(fm_log(0.0) == -inf);
    assert_true(fm_log(inf) == inf);
    assert_true(isnan(fm_log(-1.0)));
    assert_true(isnan(fm_log((double)NAN)));
    assert_true(fm_sin(0.0) == 0.0);
    assert_true(fm_cos(0.0) == 1.0);
    assert_true(isnan(fm_sin(inf)));
    assert_true(isnan(fm_cos((double)NAN)));
    assert_true(isnan(fm_sin(0x1.1p20)));
}

/* Lanes of a vector, its tail, and the scalar function: the same bits, in place too. */
static void arrays_have_the_bits_of_the_scalars(void **state)
{
    (void)state;
    enum { N = 1003 };
    static float in[N], out[N];
    void (*const array[3])(float *, const float *, size_t) = {fm_exp_f32, fm_log_f32, fm_tanh_f32};
    float (*const scalar[3])(float) = {fm_expf, fm_logf, fm_tanhf};
    for (uint32_t round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < N; i++) {
            in[i] = fm_from_bits_f32_((round * N + i) * 85637u);
        }
        for (int f = 0; f < 3; f++) {
            size_t n = N - round;
            array[f](out, in, n);
            for (size_t i = 0; i < n; i++) {
                float want = scalar[f](in[i]);
                assert_true(fm_bits_f32_(out[i]) == fm_bits_f32_(want) ||
                            (isnan(out[i]) && isnan(want)));
            }
        }
    }
    fm_tanh_f32(out, in, N);
    fm_tanh_f32(in, in, N);
    for (int i = 0; i < N; i++) {
        assert_true(fm_bits_f32_(in[i]) == fm_bits_f32_(out[i]) || isnan(in[i]));
    }
}

static uint32_t digest_f32(float (*f)(float))
{
    uint32_t crc = 0;
    for (uint64_t u = 0; u <= UINT32_MAX; u += 65521) {
        float y = f(fm_from_bits_f32_((uint32_t)u));
        y = isnan(y) ? 0.0f : y; /* the sign of a NaN is nobody's promise */
        crc = crc32c(crc, &y, sizeof(y));
    }
    return crc;
}

static uint32_t digest_f64(double (*f)(double), double scale)
{
    uint32_t crc = 0;
    for (uint32_t i = 0; i < 50000; i++) {
        double y = f(scale * uniform(i, 4));
        crc = crc32c(crc, &y, sizeof(y));
    }
    return crc;
}

/* Made with gcc 12.2 -O3 -march=x86-64-v3; clang, -O0 and any other x86-64 must agree. */
static void comparisons_without_branches(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    const double x[] = {-inf,      -2.5, -0x1p-1074,          -0.0, 0.0,
                        0x1p-1074, 1.0,  0x1.0000000000001p0, inf,  (double)NAN};
    const int n = sizeof x / sizeof *x;
    for (int i = 0; i < n * n; i++) {
        const double a = x[i / n], b = x[i % n];
        const double least = fm_min(a, b), most = fm_max(a, b);
        const double least_expected = b < a ? b : a, most_expected = b > a ? b : a;
        assert_memory_equal(&least, &least_expected, sizeof least);
        assert_memory_equal(&most, &most_expected, sizeof most);
        assert_int_equal(fm_less(a, b), a < b ? -1 : 0);
    }
}

static void bits_do_not_depend_on_the_compiler(void **state)
{
    (void)state;
    assert_int_equal(digest_f32(fm_tanhf), 0xbcd161cbu);
    assert_int_equal(digest_f32(fm_expf), 0xa8bbb9ddu);
    assert_int_equal(digest_f32(fm_logf), 0x08787ddfu);
    assert_int_equal(digest_f64(fm_exp, 700.0), 0x4440118fu);
    assert_int_equal(digest_f64(our_log, 1.0), 0x79258d4cu);
    assert_int_equal(digest_f64(fm_sin, 1e6), 0xa78c36a3u);
    assert_int_equal(digest_f64(fm_cos, 1e6), 0xec9a36f2u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_functions_keep_their_error),
        cmocka_unit_test(float_functions_near_their_fixed_points),
        cmocka_unit_test(float_special_values),
        cmocka_unit_test(tanh_is_odd_bounded_and_nearly_monotonic),
        cmocka_unit_test(double_functions_keep_their_error),
        cmocka_unit_test(double_log_over_all_magnitudes),
        cmocka_unit_test(log_table_is_consistent),
        cmocka_unit_test(turns_are_the_cosine_of_an_exact_angle),
        cmocka_unit_test(pow_keeps_its_error),
        cmocka_unit_test(double_special_values),
        cmocka_unit_test(arrays_have_the_bits_of_the_scalars),
        cmocka_unit_test(comparisons_without_branches),
        cmocka_unit_test(bits_do_not_depend_on_the_compiler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
