/* The fixed-order GEMM: bit by bit against scalar fmaf, whatever the shape, slice or build. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/fmath.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/nn/gemm.h"
#include "core/nn/kernel.h"

enum { ELEMENTS = 1 << 18 };

struct fixture {
    struct arena arena;
    float *x, *y, *w, *b, *got, *want;
};

static float draw(uint32_t stream, uint32_t i)
{
    const struct rng_key key = rng_key(7, RNG_TEST, RNG_TRAIN);
    return 2.0F * rng_f32(rng_philox(key, i, stream, 0, 0).v[0]) - 1.0F;
}

static void fill(float *p, size_t n, uint32_t stream)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = draw(stream, (uint32_t)i);
    }
}

static int setup(void **state)
{
    static struct fixture s;
    float **const arrays[] = {&s.x, &s.y, &s.w, &s.b, &s.got, &s.want};
    arena_init(&s.arena);
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        *arrays[i] = ARENA_NEW(&s.arena, ELEMENTS, float);
        if (*arrays[i] == NULL) {
            return -1;
        }
        fill(*arrays[i], ELEMENTS, (uint32_t)i);
    }
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    arena_release(&((struct fixture *)*state)->arena);
    return 0;
}

/* A call: sizes, extra columns of each leading dimension, and misalignment of the pointers. */
struct shape {
    int m, k, n, gap, shift;
};

/* The outputs start equal and are compared whole: gaps and what lies behind must stay too. */
static void assert_same(struct fixture *s, size_t n, const char *form, const struct shape *c)
{
    if (memcmp(s->got, s->want, n * sizeof(float)) == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&s->got[i], &s->want[i], sizeof(float)) != 0) {
            fail_msg("%s m=%d k=%d n=%d gap=%d shift=%d: element %zu is %a, not %a", form, c->m,
                     c->k, c->n, c->gap, c->shift, i, (double)s->got[i], (double)s->want[i]);
        }
    }
}

static size_t extent(int rows, int ld, int shift)
{
    const size_t n = (size_t)rows * (size_t)ld + (size_t)shift + 64;
    assert_true(n <= ELEMENTS);
    return n;
}

static void restart(struct fixture *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->got[i] = s->want[i] = (float)(i % 13) * 0.125F - 0.5F;
    }
}

static void compare_kernel(struct fixture *s, const struct kernel *kernel, const struct shape *c,
                           const float *bias, bool add)
{
    const int ldk = c->k + c->gap, ldn = c->n + c->gap, at = c->shift;
    const float *x = s->x + at, *w = s->w + at, *dy = s->y + at;
    size_t size = extent(c->m, ldn, at);
    restart(s, size);
    kernel->nn(s->got + at, ldn, x, ldk, w, ldn, bias, c->m, c->k, c->n);
    gemm_ref_nn(s->want + at, ldn, x, ldk, w, ldn, bias, c->m, c->k, c->n);
    assert_same(s, size, "nn", c);

    size = extent(c->k, ldn, at);
    restart(s, size);
    kernel->tn(s->got + at, ldn, x, ldk, dy, ldn, c->m, c->k, c->n);
    gemm_ref_tn(s->want + at, ldn, x, ldk, dy, ldn, c->m, c->k, c->n);
    assert_same(s, size, "tn", c);

    size = extent(c->m, ldk, at);
    restart(s, size);
    kernel->nt(s->got + at, ldk, dy, ldn, w, ldn, add, c->m, c->k, c->n);
    gemm_ref_nt(s->want + at, ldk, dy, ldn, w, ldn, add, c->m, c->k, c->n);
    assert_same(s, size, add ? "nt add" : "nt", c);

    restart(s, extent(1, c->n, 0));
    kernel->bias_grad(s->got, dy, ldn, c->m, c->n);
    gemm_ref_bias_grad(s->want, dy, ldn, c->m, c->n);
    assert_same(s, extent(1, c->n, 0), "bias", c);
}

/* Every kernel that this CPU can run against the scalar reference. */
static void compare(struct fixture *s, const struct shape *c, const float *bias, bool add)
{
    int n;
    const struct kernel *const *list = kernel_list(&n);
    for (int i = 0; i < n; i++) {
        compare_kernel(s, list[i], c, bias, add);
    }
}

/* Few columns, alone and to the right of whole vectors: all remainders of rows, steps and columns
 * of a quad, a depth that is cut for the cache, and the chain that goes on from dx. */
static void test_few_columns(void **state)
{
    static const int rows[] = {1, 2, 3, 5, 8, 13, 16, 31, 33, 65, 130};
    static const int columns[] = {1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 18, 25, 28, 40, 43};
    struct fixture *s = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t j = 0; j < sizeof(columns) / sizeof(columns[0]); j++) {
            for (int k = 0; k <= 9; k++) {
                const int gap = (k + (int)j) % 3, depth = k == 9 ? 133 : k;
                const float *bias = j % 2 == 0 ? s->b : NULL;
                compare(s, &(struct shape){rows[i], depth, columns[j], gap, k % 4}, bias, true);
                compare(s, &(struct shape){rows[i], columns[j], depth, gap, k % 4}, bias, k > 4);
            }
        }
    }
}

/* Every remainder of rows and columns that a tile can meet. */
static void test_remainders(void **state)
{
    struct fixture *s = *state;
    for (int m = 1; m <= 26; m++) {
        for (int n = 1; n <= 68; n += m % 4 == 1 ? 1 : 5) {
            compare(s, &(struct shape){m, 7, n, 0, 0}, s->b, false);
        }
    }
    for (int k = 0; k <= 70; k++) {
        compare(s, &(struct shape){9, k, 9, 3, 1}, k % 2 ? s->b : NULL, k % 3 == 0);
    }
}

/* Random sizes, leading dimensions and misalignment. */
static void test_random_shapes(void **state)
{
    struct fixture *s = *state;
    const struct rng_key key = rng_key(11, RNG_TEST, RNG_TRAIN);
    for (uint32_t i = 0; i < 120; i++) {
        const struct rng_block r = rng_philox(key, i, 0, 0, 0), q = rng_philox(key, i, 1, 0, 0);
        const struct shape c = {1 + (int)rng_below(r.v[0], 70), 1 + (int)rng_below(r.v[1], 90),
                                1 + (int)rng_below(r.v[2], 90), (int)rng_below(r.v[3], 20),
                                (int)rng_below(q.v[0], 17)};
        compare(s, &c, q.v[1] % 2 ? s->b : NULL, q.v[2] % 2);
    }
}

/* The layers this project has, and sizes that are cut for the cache or copied. */
static void test_large_shapes(void **state)
{
    static const struct shape shapes[] = {
        {64, 110, 64, 0, 0},  {8, 150, 64, 0, 0},   {256, 64, 40, 0, 0},  {256, 64, 4, 0, 0},
        {32, 128, 128, 0, 0}, {130, 300, 9, 5, 1},  {129, 33, 390, 2, 3}, {3, 512, 70, 0, 0},
        {5, 70, 512, 0, 0},   {1500, 12, 12, 0, 0}, {1, 512, 1, 0, 0},    {150, 200, 12, 1, 0},
    };
    struct fixture *s = *state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        compare(s, &shapes[i], i % 2 ? NULL : s->b, i % 3 == 0);
    }
}

static void test_empty(void **state)
{
    struct fixture *s = *state;
    compare(s, &(struct shape){0, 5, 5, 0, 0}, s->b, true);
    compare(s, &(struct shape){5, 0, 5, 0, 0}, s->b, true);
    compare(s, &(struct shape){5, 5, 0, 0, 0}, s->b, true);
    compare(s, &(struct shape){5, 5, 0, 0, 0}, NULL, false);
    compare(s, &(struct shape){200, 0, 5, 0, 0}, NULL, false);
}

/* (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 when fused, 0 when the product is rounded first. */
static void test_is_fused(void **state)
{
    (void)state;
    const float x[8] = {1.0F + 0x1p-12F, 1.0F + 0x1p-12F, 1.0F + 0x1p-12F, 1.0F + 0x1p-12F,
                        1.0F + 0x1p-12F, 1.0F + 0x1p-12F, 1.0F + 0x1p-12F, 1.0F + 0x1p-12F};
    const float bias[8] = {-(1.0F + 0x1p-11F), -(1.0F + 0x1p-11F)};
    float y[2], dw[2] = {-(1.0F + 0x1p-11F), -(1.0F + 0x1p-11F)};
    gemm_nn(GEMM_FIXED, y, 2, x, 1, x, 2, bias, 1, 1, 2);
    gemm_tn(GEMM_FIXED, dw, 2, x, 1, x, 2, 1, 1, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(y[i] == 0x1p-24F);
        assert_true(dw[i] == 0x1p-24F);
    }
}

/* 2^24 + 1 + 1 in ascending order loses both ones; descending it would not. */
static void test_is_ascending(void **state)
{
    (void)state;
    const float x[3] = {0x1p24F, 1.0F, 1.0F}, ones[3] = {1.0F, 1.0F, 1.0F};
    float y, dw = 0.0F, dx;
    gemm_nn(GEMM_FIXED, &y, 1, x, 3, ones, 1, NULL, 1, 3, 1);
    gemm_tn(GEMM_FIXED, &dw, 1, x, 1, ones, 1, 3, 1, 1);
    gemm_nt(GEMM_FIXED, &dx, 1, x, 3, ones, 3, false, 1, 1, 3);
    assert_true(y == 0x1p24F && dw == 0x1p24F && dx == 0x1p24F);
}

/* Signed zeros, denormals and infinities follow the definition too. */
static void test_special_values(void **state)
{
    static const float odd[] = {-0.0F,    0x1p-149F, -0x1p-130F, 0x1p-75F,  0x1p100F,
                                0x1p127F, 0.0F,      1.0F,       -0x1p-74F, 3.0F};
    struct fixture *s = *state;
    float *const arrays[] = {s->x, s->y, s->w, s->b};
    for (size_t a = 0; a < 4; a++) {
        for (size_t i = 0; i < 8192; i++) {
            const uint32_t pick =
                rng_philox(rng_key(3, RNG_TEST, RNG_TRAIN), (uint32_t)i, (uint32_t)a, 0, 0).v[0];
            arrays[a][i] = odd[pick % (sizeof(odd) / sizeof(odd[0]))];
        }
    }
    /* Only +inf can arise, so no inf - inf: the sign of a NaN is not promised. */
    compare(s, &(struct shape){40, 1, 40, 0, 0}, s->b, true);
    compare(s, &(struct shape){1, 40, 40, 0, 0}, s->b, true);
    for (size_t a = 0; a < 4; a++) {
        fill(arrays[a], 8192, (uint32_t)a);
    }
    s->x[3] = NAN;
    gemm_nn(GEMM_FIXED, s->got, 20, s->x, 10, s->w, 20, NULL, 5, 10, 20);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(isnan(s->got[i]) != 0, i < 20);
    }
    s->x[3] = draw(0, 3);
}

/* The rows of a weight gradient may arrive in slices of any size. */
static void test_slices_of_rows(void **state)
{
    struct fixture *s = *state;
    enum { M = 67, K = 50, N = 41 };
    for (int slice = 1; slice <= M; slice += 3) {
        for (int few = 0; few < 2; few++) {
            const int n = few ? 9 : N;
            restart(s, K * N);
            gemm_tn(GEMM_FIXED, s->want, n, s->x, K, s->y, n, M, K, n);
            for (int r = 0; r < M; r += slice) {
                const int rows = slice < M - r ? slice : M - r;
                gemm_tn(GEMM_FIXED, s->got, n, s->x + r * K, K, s->y + r * n, n, rows, K, n);
            }
            assert_same(s, K * N, "slices", &(struct shape){slice, K, n, 0, 0});
        }
    }
}

/* A row alone has the bits it has among others. */
static void test_rows_alone(void **state)
{
    struct fixture *s = *state;
    enum { M = 150, K = 61, N = 43 };
    restart(s, M * N);
    gemm_nn(GEMM_FIXED, s->want, N, s->x, K, s->w, N, s->b, M, K, N);
    for (int i = 0; i < M; i++) {
        gemm_nn(GEMM_FIXED, s->got + i * N, N, s->x + i * K, K, s->w, N, s->b, 1, K, N);
    }
    assert_same(s, M * N, "rows", &(struct shape){1, K, N, 0, 0});
}

/* Two heads on one trunk: dx of both is one chain over both. */
static void test_add_continues(void **state)
{
    struct fixture *s = *state;
    enum { M = 20, K = 35, N = 30, HEAD = 13 };
    restart(s, M * K);
    gemm_nt(GEMM_FIXED, s->want, K, s->y, N, s->w, N, false, M, K, N);
    gemm_nt(GEMM_FIXED, s->got, K, s->y, N, s->w, N, false, M, K, HEAD);
    gemm_nt(GEMM_FIXED, s->got, K, s->y + HEAD, N, s->w + HEAD, N, true, M, K, N - HEAD);
    assert_same(s, M * K, "heads", &(struct shape){M, K, N, 0, 0});
}

/* |blas - ref| <= 2 K eps sum |a b|: the usual bound on a sum in any order. */
static void assert_close(const struct fixture *s, int count, int depth)
{
    const float bound = 2.0F * (float)(depth + 1) * 0x1p-24F * (float)(depth + 1);
    for (int i = 0; i < count; i++) {
        assert_true(fabsf(s->got[i] - s->want[i]) <= bound);
    }
}

static void test_blas_agrees(void **state)
{
    static const int shapes[][3] = {{64, 110, 64}, {8, 64, 9}, {33, 17, 40}, {1, 5, 1}};
    struct fixture *s = *state;
    gemm_init(GEMM_BLAS);
    for (size_t i = 0; i < 4; i++) {
        const int m = shapes[i][0], k = shapes[i][1], n = shapes[i][2];
        const float *bias = i % 2 ? s->b : NULL;
        gemm_nn(GEMM_BLAS, s->got, n, s->x, k, s->w, n, bias, m, k, n);
        gemm_ref_nn(s->want, n, s->x, k, s->w, n, bias, m, k, n);
        assert_close(s, m * n, k);
        restart(s, (size_t)k * (size_t)n);
        gemm_tn(GEMM_BLAS, s->got, n, s->x, k, s->y, n, m, k, n);
        gemm_ref_tn(s->want, n, s->x, k, s->y, n, m, k, n);
        assert_close(s, k * n, m);
        restart(s, (size_t)m * (size_t)k);
        gemm_nt(GEMM_BLAS, s->got, k, s->y, n, s->w, n, i % 2, m, k, n);
        gemm_ref_nt(s->want, k, s->y, n, s->w, n, i % 2, m, k, n);
        assert_close(s, m * k, n);
    }
}

/* FNV-1a over the bits of a product, the same number in every build: scalar fmaf, AVX2, AVX-512,
 * gcc, clang, any -O. First computed by gemm_ref_nn. */
static void test_digest(void **state)
{
    struct fixture *s = *state;
    enum { M = 50, K = 70, N = 43 };
    uint64_t h = HASH_START;
    gemm_nn(GEMM_FIXED, s->got, N, s->x, K, s->w, N, s->b, M, K, N);
    for (int i = 0; i < M * N; i++) {
        uint32_t bits;
        memcpy(&bits, &s->got[i], sizeof(bits));
        h = hash_word(h, bits);
    }
    print_message("kernel %s, digest %016llx\n", gemm_kernel_name(GEMM_FIXED),
                  (unsigned long long)h);
    assert_true(h == 0xcb21d74396ec5c21U);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(gemm_kind_name(GEMM_FIXED), "fixed");
    assert_string_equal(gemm_kind_name(GEMM_BLAS), "blas");
    assert_true(strlen(gemm_kernel_name(GEMM_BLAS)) > 0);
}

/* tanh of every kernel has the bits of fm_tanhf(): any length, in place, all kinds of floats. */
static void test_tanh(void **state)
{
    struct fixture *s = *state;
    int n_kernels;
    const struct kernel *const *list = kernel_list(&n_kernels);
    for (int k = 0; k < n_kernels; k++) {
        for (uint32_t n = 0; n < 150; n++) {
            for (uint32_t i = 0; i < 150; i++) {
                s->got[i] = fm_from_bits_f32_((n * 150 + i) * 190901u);
                s->want[i] = i < n ? fm_tanhf(s->got[i]) : s->got[i];
            }
            list[k]->tanh(s->got, s->got, n);
            for (uint32_t i = 0; i < 150; i++) {
                assert_true(fm_bits_f32_(s->got[i]) == fm_bits_f32_(s->want[i]) ||
                            (isnan(s->got[i]) && isnan(s->want[i])));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remainders),     cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_large_shapes),   cmocka_unit_test(test_empty),
        cmocka_unit_test(test_is_fused),       cmocka_unit_test(test_is_ascending),
        cmocka_unit_test(test_special_values), cmocka_unit_test(test_slices_of_rows),
        cmocka_unit_test(test_rows_alone),     cmocka_unit_test(test_add_continues),
        cmocka_unit_test(test_blas_agrees),    cmocka_unit_test(test_digest),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_few_columns),
        cmocka_unit_test(test_tanh),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
