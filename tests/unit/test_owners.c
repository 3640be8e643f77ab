/* Owner tables: worked examples, and every small world exhaustively. */
#include "mpi/comm/owners.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_tables(int n_tiles, int size, int learners, const int *sim, const int *learn)
{
    struct arena arena;
    struct owners o;
    arena_init(&arena);
    assert_int_equal(owners_init(&o, &arena, n_tiles, size, learners), ERR_OK);
    assert_int_equal(o.n_tiles, n_tiles);
    assert_int_equal(o.size, size);
    assert_memory_equal(o.sim, sim, (size_t)n_tiles * sizeof(int));
    assert_memory_equal(o.learn, learn, (size_t)n_tiles * sizeof(int));
    arena_release(&arena);
}

static void test_worked_examples(void **state)
{
    (void)state;
    const int zeros[6] = {0};
    expect_tables(6, 1, 1, zeros, zeros); /* serial */
    expect_tables(6, 1, 0, zeros, zeros);
    const int split[] = {1, 1, 1, 2, 2, 2};
    expect_tables(6, 3, 1, split, zeros);
    const int two_learn[] = {0, 0, 0, 1, 1, 1}, two_sim[] = {2, 2, 2, 3, 3, 3};
    expect_tables(6, 4, 2, two_sim, two_learn);
    const int fused[] = {0, 0, 1, 1, 2, 2};
    expect_tables(6, 3, 0, fused, fused);
    expect_tables(6, 3, 3, fused, fused);
}

/* Learners that simulate keep the first of their own tiles; others share the rest. */
static void test_learners_that_simulate(void **state)
{
    (void)state;
    static const struct {
        int learners, simulated, sim[6];
    } cases[] = {
        {1, 0, {1, 1, 1, 2, 2, 2}}, {1, 2, {0, 0, 1, 1, 2, 2}}, {1, 6, {0, 0, 0, 0, 0, 0}},
        {1, 9, {0, 0, 0, 0, 0, 0}}, {2, 2, {0, 2, 2, 1, 2, 2}}, {2, 3, {0, 2, 2, 1, 1, 2}},
        {0, 3, {0, 0, 1, 1, 2, 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct owners o;
        arena_init(&arena);
        assert_int_equal(owners_deal(&o, &arena, 6, 3, cases[i].learners, cases[i].simulated),
                         ERR_OK);
        assert_memory_equal(o.sim, cases[i].sim, sizeof cases[i].sim);
        arena_release(&arena);
    }
}

/* Ascending, nearly equal runs of ranks first .. first + n_ranks - 1. */
static void check_table(const int *table, int n_tiles, int first, int n_ranks)
{
    int least = n_tiles, most = 0;
    for (int rank = first; rank < first + n_ranks; rank++) {
        int n = owners_count(table, n_tiles, rank);
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    assert_in_range(most - least, 0, 1);
    for (int tile = 0; tile < n_tiles; tile++) {
        assert_in_range(table[tile], first, first + n_ranks - 1);
        assert_true(tile == 0 || table[tile] >= table[tile - 1]);
    }
}

/* Returns whether the tables exist. */
static bool check_world(int n_tiles, int size, int learners)
{
    struct arena arena;
    struct owners o = {.n_tiles = -1};
    arena_init(&arena);
    enum err e = owners_init(&o, &arena, n_tiles, size, learners);
    bool fused = size == 1 || learners == 0 || learners == size;
    int n_learners = fused ? size : learners;
    bool possible = (size == 1 || learners <= size) && n_learners <= n_tiles;
    assert_int_equal(e, possible ? ERR_OK : ERR_CONFIG);
    if (possible) {
        assert_int_equal(o.n_learners, n_learners);
        check_table(o.learn, n_tiles, 0, n_learners);
        check_table(o.sim, n_tiles, fused ? 0 : n_learners, fused ? size : size - n_learners);
        for (int tile = 0; tile < n_tiles; tile++) {
            assert_int_equal(o.sim[tile] == o.learn[tile], fused);
        }
    } else {
        assert_int_equal(o.n_tiles, -1); /* untouched */
    }
    arena_release(&arena);
    return possible;
}

static void test_small_worlds(void **state)
{
    (void)state;
    struct heard heard;
    heard_begin(&heard);
    int n_possible = 0;
    for (int n_tiles = 1; n_tiles <= 17; n_tiles++) {
        for (int size = 1; size <= 9; size++) {
            for (int learners = 0; learners <= 10; learners++) {
                n_possible += check_world(n_tiles, size, learners);
            }
        }
    }
    heard_end();
    assert_true(n_possible > 500);
}

static void expect_refusal(int n_tiles, int size, int learners, const char *says)
{
    struct heard heard;
    struct arena arena;
    struct owners o;
    arena_init(&arena);
    heard_begin(&heard);
    enum err e = owners_init(&o, &arena, n_tiles, size, learners);
    heard_end();
    assert_int_equal(e, ERR_CONFIG);
    assert_int_equal(heard.n, 1);
    assert_non_null(strstr(heard.last, says));
    arena_release(&arena);
}

static void test_refusals_have_sentences(void **state)
{
    (void)state;
    expect_refusal(8, 3, 4, "only 3 ranks");
    expect_refusal(8, 3, -1, "-1 learners");
    expect_refusal(0, 1, 0, "0 tiles");
    expect_refusal(2, 3, 0, "at most 2 ranks");
    expect_refusal(2, 9, 3, "3 learners share 2 tiles");
}

static void test_without_memory(void **state)
{
    (void)state;
    struct arena arena;
    struct owners o = {.n_tiles = -1};
    arena_init(&arena);
    mem_fail_after(1);
    assert_int_equal(owners_init(&o, &arena, 8, 3, 1), ERR_MEMORY);
    mem_fail_after(0);
    assert_int_equal(o.n_tiles, -1);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_examples), cmocka_unit_test(test_learners_that_simulate),
        cmocka_unit_test(test_small_worlds),    cmocka_unit_test(test_refusals_have_sentences),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
