/* The serial sum over tiles against the tree as it is defined, node by node. */
#include "core/base/rng.h"
#include "core/marl/reduce.h"
#include "core/nn/normaliser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <string.h>

enum { N_FLOATS = 37, N_STATS = 3, TILES_MAX = 33 };

static const struct reduce_shape shape = {.n_floats = N_FLOATS, .n_stats = N_STATS, .n_max = 2};

static void fill_leaf(void *leaf, int tile)
{
    struct rng_key key = rng_key(11, RNG_TEST, RNG_TRAIN);
    float rows[5 * N_STATS];
    reduce_clear(&shape, leaf);
    for (int i = 0; i < N_FLOATS + 2; i++) {
        reduce_floats(leaf)[i] = rng_f32(rng_philox(key, (uint32_t)i, (uint32_t)tile, 0, 0).v[0]);
    }
    for (int i = 0; i < 5 * N_STATS; i++) {
        rows[i] = rng_f32(rng_philox(key, (uint32_t)i, (uint32_t)tile, 1, 0).v[0]);
    }
    stats_of_rows(reduce_stats(&shape, leaf), N_STATS, rows, N_STATS, tile % 6); /* one is empty */
}

/* Node (level, i): tiles [i << level, (i+1) << level) cut at n; NULL if all of them are skipped.
 * Bit `tile` of `skipped`: the tile adds nothing. */
static void *node(struct arena *arena, int level, int i, int n, uint64_t skipped)
{
    if (level == 0) {
        void *leaf = arena_alloc(arena, 1, reduce_bytes(&shape));
        assert_non_null(leaf);
        fill_leaf(leaf, i);
        return (skipped >> i & 1) != 0 ? NULL : leaf;
    }
    void *left = node(arena, level - 1, 2 * i, n, skipped);
    if (((2 * i + 1) << (level - 1)) >= n) {
        return left;
    }
    void *right = node(arena, level - 1, 2 * i + 1, n, skipped);
    if (left == NULL || right == NULL) {
        return left == NULL ? right : left;
    }
    void *out = arena_alloc(arena, 1, reduce_bytes(&shape));
    assert_non_null(out);
    reduce_merge((void *)(uintptr_t)&shape, out, left, right);
    return out;
}

static void *serial_sum(struct arena *arena, int n, int times, uint64_t skipped)
{
    struct reducer r;
    void *out = arena_alloc(arena, 1, reduce_bytes(&shape));
    assert_int_equal(reduce_serial(&r, arena, &shape, n), ERR_OK);
    assert_int_equal(r.bytes, reduce_bytes(&shape));
    for (int k = 0; k < times; k++) {
        for (int tile = 0; tile < n; tile++) {
            if ((skipped >> tile & 1) != 0) {
                r.leaf_skip(r.ctx, tile);
                continue;
            }
            fill_leaf(r.leaf(r.ctx, tile), tile);
            r.leaf_done(r.ctx, tile);
        }
        assert_int_equal(r.total(r.ctx, out), ERR_OK);
    }
    return out;
}

static void test_tree(void **state)
{
    (void)state;
    for (int n = 1; n <= TILES_MAX; n++) {
        struct arena arena;
        arena_init(&arena);
        void *expected = node(&arena, 6, 0, n, 0);
        assert_memory_equal(serial_sum(&arena, n, 1, 0), expected, reduce_bytes(&shape));
        assert_memory_equal(serial_sum(&arena, n, 3, 0), expected, reduce_bytes(&shape));
        arena_release(&arena);
    }
}

/* Random sets of tiles add nothing; at least one adds. */
static void test_skipped(void **state)
{
    (void)state;
    const struct rng_key key = rng_key(12, RNG_TEST, RNG_TRAIN);
    for (uint32_t i = 0; i < 200; i++) {
        const struct rng_block b = rng_philox(key, i, 0, 0, 0);
        const int n = 1 + (int)rng_below(b.v[0], TILES_MAX);
        const uint64_t few = i % 2 == 0 ? ~UINT64_C(0) : b.v[3];
        const uint64_t skipped = ((uint64_t)b.v[1] << 32 | b.v[2] | (i % 3 == 0 ? few : 0)) &
                                 ~(UINT64_C(1) << rng_below(b.v[3], (uint32_t)n));
        struct arena arena;
        arena_init(&arena);
        void *expected = node(&arena, 6, 0, n, skipped);
        assert_memory_equal(serial_sum(&arena, n, 2, skipped), expected, reduce_bytes(&shape));
        arena_release(&arena);
    }
}

/* The order is visible in the bits: from left to right is another sum. */
static void test_order_matters(void **state)
{
    (void)state;
    enum { N = 10 };
    struct arena arena;
    arena_init(&arena);
    float *tree = reduce_floats(serial_sum(&arena, N, 1, 0));
    float *leaf = arena_alloc(&arena, 1, reduce_bytes(&shape)), row[N_FLOATS] = {0};
    for (int tile = 0; tile < N; tile++) {
        fill_leaf(leaf, tile);
        for (int i = 0; i < N_FLOATS; i++) {
            row[i] += leaf[i];
        }
    }
    assert_memory_not_equal(tree, row, sizeof(row));
    arena_release(&arena);
}

static void test_parts(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    float *sum = arena_alloc(&arena, 1, reduce_bytes(&shape));
    float *leaf = arena_alloc(&arena, 1, reduce_bytes(&shape));
    fill_leaf(sum, 1);
    fill_leaf(leaf, 2);
    float added = sum[0] + leaf[0];
    float greatest = sum[N_FLOATS] > leaf[N_FLOATS] ? sum[N_FLOATS] : leaf[N_FLOATS];
    reduce_merge((void *)(uintptr_t)&shape, sum, sum, leaf);
    assert_true(sum[0] == added);
    assert_true(sum[N_FLOATS] == greatest);
    assert_true(reduce_stats(&shape, sum)[0] == 3.0); /* rows of tiles 1 and 2 */
    assert_int_equal((uintptr_t)reduce_stats(&shape, sum) % 64, 0);
    arena_release(&arena);
}

static void test_memory(void **state)
{
    (void)state;
    struct arena arena;
    struct reducer r = {.bytes = 1};
    arena_init(&arena);
    mem_fail_after(1);
    assert_int_equal(reduce_serial(&r, &arena, &shape, 4), ERR_MEMORY);
    assert_int_equal(r.bytes, 1);
    mem_fail_after(0);
    arena_release(&arena);
}

/* A record cut anywhere at multiples of MEM_ALIGN, floats and maxima, into either side. */
static void test_cut_record(void **state)
{
    (void)state;
    enum { N = 70 };
    struct reduce_shape cut = {.n_floats = N - 3, .n_max = 3};
    const struct rng_key key = rng_key(13, RNG_TEST, RNG_TRAIN);
    struct arena arena;
    arena_init(&arena);
    const size_t bytes = reduce_bytes(&cut);
    float *rows[4];
    for (int k = 0; k < 4; k++) {
        rows[k] = arena_alloc(&arena, 1, bytes);
        for (uint32_t i = 0; i < N; i++) {
            rows[k][i] = rng_f32(rng_philox(key, i, (uint32_t)(k % 2), 0, 0).v[0]);
        }
    }
    float *want = arena_alloc(&arena, 1, bytes);
    reduce_merge(&cut, want, rows[0], rows[1]);
    for (size_t from = 0; from < bytes; from += MEM_ALIGN) {
        const size_t i = from / sizeof(float), to = from + MEM_ALIGN;
        reduce_merge_part(&cut, rows[2] + i, rows[2] + i, rows[1] + i, from, to);
        reduce_merge_part(&cut, rows[3] + i, rows[0] + i, rows[3] + i, from, to);
    }
    assert_memory_equal(rows[2], want, N * sizeof(float));
    assert_memory_equal(rows[3], want, N * sizeof(float));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),          cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_order_matters), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_memory),        cmocka_unit_test(test_cut_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
