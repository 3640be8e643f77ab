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

/* Node (level, i): tiles [i << level, (i+1) << level) cut at n. */
static void *node(struct arena *arena, int level, int i, int n)
{
    void *out = arena_alloc(arena, 1, reduce_bytes(&shape));
    assert_non_null(out);
    if (level == 0) {
        fill_leaf(out, i);
        return out;
    }
    void *left = node(arena, level - 1, 2 * i, n);
    if (((2 * i + 1) << (level - 1)) >= n) {
        return left;
    }
    reduce_merge((void *)(uintptr_t)&shape, out, left, node(arena, level - 1, 2 * i + 1, n));
    return out;
}

static void *serial_sum(struct arena *arena, int n, int times)
{
    struct reducer r;
    void *out = arena_alloc(arena, 1, reduce_bytes(&shape));
    assert_int_equal(reduce_serial(&r, arena, &shape, n), ERR_OK);
    assert_int_equal(r.bytes, reduce_bytes(&shape));
    for (int k = 0; k < times; k++) {
        for (int tile = 0; tile < n; tile++) {
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
        void *expected = node(&arena, 6, 0, n);
        assert_memory_equal(serial_sum(&arena, n, 1), expected, reduce_bytes(&shape));
        assert_memory_equal(serial_sum(&arena, n, 3), expected, reduce_bytes(&shape));
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
    float *tree = reduce_floats(serial_sum(&arena, N, 1));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_order_matters),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
