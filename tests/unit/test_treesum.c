/* The tree sum on one rank: its bits against the recursion for 1 .. 64 tiles, its memory, its
 * refusals; and that the orders one falls into by accident are indeed other sums. */
#include "tests/treesum_ref.h"

#include "core/base/log.h"
#include "mpi/comm/owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const int all_mine[1024];

static size_t ref_dim = REF_DIM;

static struct tree_op add_op(void)
{
    return (struct tree_op){REF_DIM * sizeof(float), tree_add_f32, &ref_dim, NULL};
}

static struct treesum *sum_new(struct arena *arena, const struct tree_op *op, int n_tiles,
                               const int *owner, int rank, int size)
{
    struct treesum *t = NULL;
    assert_int_equal(treesum_init(&t, arena, op, n_tiles, owner, rank, size), ERR_OK);
    assert_non_null(t);
    return t;
}

static void test_bits_of_the_recursion(void **state)
{
    (void)state;
    struct comm c;
    assert_int_equal(comm_init(&c, NULL, NULL), ERR_OK);
    struct tree_op op = add_op();
    for (int n = 1; n <= REF_TILES_MAX; n++) {
        struct arena arena;
        arena_init(&arena);
        struct treesum *t = sum_new(&arena, &op, n, all_mine, 0, 1);
        float want[REF_DIM], got[REF_DIM];
        ref_node(want, ref_root_level(n), 0, n);
        for (int again = 0; again < 2; again++) {
            for (int tile = 0; tile < n; tile++) {
                ref_leaf(treesum_leaf(t, tile), tile);
                treesum_leaf_done(t, tile);
            }
            memset(got, 0xff, sizeof(got));
            assert_int_equal(treesum_total(t, &c, got), ERR_OK);
            assert_memory_equal(got, want, sizeof(want));
        }
        arena_release(&arena);
    }
    comm_finalize(&c);
}

/* 5 tiles by hand: ((1 + 2) + (3 + 4)) + 5, where 5 has no sibling on two levels. */
static void test_five_tiles_by_hand(void **state)
{
    (void)state;
    struct comm c;
    struct arena arena;
    int n_merges = 0;
    uint64_t got = 0, want = ref_join(ref_join(ref_join(1, 2), ref_join(3, 4)), 5);
    struct tree_op op = {sizeof(uint64_t), ref_merge_shape, &n_merges, NULL};
    assert_int_equal(comm_init(&c, NULL, NULL), ERR_OK);
    arena_init(&arena);
    struct treesum *t = sum_new(&arena, &op, 5, all_mine, 0, 1);
    for (int tile = 0; tile < 5; tile++) {
        uint64_t leaf = (uint64_t)tile + 1;
        memcpy(treesum_leaf(t, tile), &leaf, sizeof(leaf));
        treesum_leaf_done(t, tile);
    }
    assert_int_equal(treesum_total(t, &c, &got), ERR_OK);
    assert_true(got == want);
    assert_true(want == ref_shape(3, 0, 5));
    assert_int_equal(n_merges, 4);
    arena_release(&arena);
    comm_finalize(&c);
}

/* A thousand tiles of 64 KiB on three ranks are not a thousand records. */
static void test_memory_is_logarithmic(void **state)
{
    (void)state;
    enum { N = 1000, BYTES = 65536 };
    struct tree_op op = {BYTES, tree_add_f32, NULL, NULL};
    for (int rank = 0; rank < 3; rank++) {
        struct arena arena;
        struct owners o;
        arena_init(&arena);
        assert_int_equal(owners_init(&o, &arena, N, 3, 0), ERR_OK);
        size_t before = arena.bytes;
        sum_new(&arena, &op, N, o.learn, rank, 3);
        size_t n_records = (arena.bytes - before) / BYTES;
        assert_in_range(n_records, 1, 2 * 10 + (rank == 0 ? 11 : 0));
        arena_release(&arena);
    }
}

/* 10 tiles on 3 ranks: "own tiles first" differs in more than half of the elements, however the
 * ranks are added; 4 tiles on 2 ranks are right by luck, so that is no test. */
static void test_other_orders_are_other_sums(void **state)
{
    (void)state;
    struct arena arena;
    struct owners o;
    float tree[REF_DIM], ordered[REF_DIM], binomial[REF_DIM];
    arena_init(&arena);
    assert_int_equal(owners_init(&o, &arena, 10, 3, 0), ERR_OK);
    ref_node(tree, ref_root_level(10), 0, 10);
    ref_ranks_in_order(ordered, o.learn, 10, 3);
    ref_ranks_binomial(binomial, o.learn, 10, 0, 3);
    assert_in_range(ref_n_different(tree, ordered), REF_DIM / 2 + 1, REF_DIM);
    assert_in_range(ref_n_different(tree, binomial), REF_DIM / 2 + 1, REF_DIM);

    assert_int_equal(owners_init(&o, &arena, 4, 2, 0), ERR_OK);
    ref_node(tree, ref_root_level(4), 0, 4);
    ref_ranks_in_order(ordered, o.learn, 4, 2);
    ref_ranks_binomial(binomial, o.learn, 4, 0, 2);
    assert_int_equal(ref_n_different(tree, ordered), 0);
    assert_int_equal(ref_n_different(tree, binomial), 0);
    arena_release(&arena);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct tree_op op = {1 << 20, tree_add_f32, NULL, NULL};
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct arena arena;
        struct treesum *t = NULL;
        arena_init(&arena);
        mem_fail_after(nth);
        assert_int_equal(treesum_init(&t, &arena, &op, 10, all_mine, 0, 1), ERR_MEMORY);
        mem_fail_after(0);
        assert_null(t);
        arena_release(&arena);
    }
}

static jmp_buf after_check;

static void jump_out(void)
{
    longjmp(after_check, 1);
}

enum misuse { TWICE, BACKWARDS, NOT_MINE, PAST_THE_END, TOO_FEW, NO_TILE };

static void commit(enum misuse how, struct arena *arena, struct comm *c)
{
    static const int owner[] = {0, 1, 0, 1};
    struct tree_op op = add_op();
    float out[REF_DIM];
    struct treesum *t = sum_new(arena, &op, 4, owner, how == NO_TILE ? 2 : 0, 3);
    if (how == NO_TILE || how == TOO_FEW) {
        (void)!treesum_total(t, c, out);
        return;
    }
    if (how == NOT_MINE || how == PAST_THE_END) {
        treesum_leaf(t, how == NOT_MINE ? 1 : 4);
        return;
    }
    ref_leaf(treesum_leaf(t, 2), 2);
    treesum_leaf_done(t, 2);
    treesum_leaf(t, how == TWICE ? 2 : 0);
}

static void test_misuse_fails_a_check(void **state)
{
    (void)state;
    struct comm c;
    struct arena arena;
    assert_int_equal(comm_init(&c, NULL, NULL), ERR_OK);
    for (volatile int how = TWICE; how <= NO_TILE; how++) {
        arena_init(&arena);
        log_set_sink(log_discard, NULL);
        check_set_hook(jump_out);
        volatile bool caught = true;
        if (setjmp(after_check) == 0) {
            commit((enum misuse)how, &arena, &c);
            caught = false;
        }
        log_set_sink(NULL, NULL);
        check_set_hook(NULL);
        assert_true(caught);
        arena_release(&arena);
    }
    comm_finalize(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits_of_the_recursion),
        cmocka_unit_test(test_five_tiles_by_hand),
        cmocka_unit_test(test_memory_is_logarithmic),
        cmocka_unit_test(test_other_orders_are_other_sums),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_misuse_fails_a_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
