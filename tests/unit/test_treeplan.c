/* The plans of all ranks together: every message has a receiver, every tile reaches the total once,
 * and no rank's load grows with the number of ranks. */
#include "core/base/rng.h"
#include "mpi/comm/owners.h"
#include "mpi/comm/treeplan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_MAX_TESTED = 64, BYTES = 276480 };

static struct treeplan plans[SIZE_MAX_TESTED];

static void plan_all(struct arena *arena, int n_tiles, const int *owner, int size, bool divisible)
{
    for (int rank = 0; rank < size; rank++) {
        assert_int_equal(
            treeplan_init(&plans[rank], arena, BYTES, divisible, n_tiles, owner, rank, size),
            ERR_OK);
    }
}

/* Both ways: the way down is the way up without the moves at the top. */
struct load {
    size_t sent_bytes;
    int sent, received;
};

static struct load load_of(int rank)
{
    struct load l = {0};
    for (int i = 0; i < plans[rank].n_moves; i++) {
        const struct tree_move *m = &plans[rank].moves[i];
        const bool sends = m->sends && m->peer >= 0, receives = !m->sends && m->peer >= 0;
        l.sent += sends + (receives && !m->top);
        l.received += receives + (sends && !m->top);
        l.sent_bytes += sends ? m->to - m->from : 0;
        l.sent_bytes += receives && !m->top ? m->to - m->from : 0;
    }
    return l;
}

/* The i-th message from a to b in a's plan. */
static const struct tree_move *nth(int rank, int peer, bool sends, int n)
{
    for (int i = 0; i < plans[rank].n_moves; i++) {
        const struct tree_move *m = &plans[rank].moves[i];
        if (m->peer == peer && m->sends == sends && n-- == 0) {
            return m;
        }
    }
    return NULL;
}

static void check_pairs(int size)
{
    for (int a = 0; a < size; a++) {
        for (int b = 0; b < size; b++) {
            const struct tree_move *out = NULL;
            for (int i = 0; i == 0 || out != NULL; i++) {
                out = nth(a, b, true, i);
                const struct tree_move *in = nth(b, a, false, i);
                assert_int_equal(out == NULL, in == NULL);
                if (out != NULL) {
                    assert_true(out->from == in->from && out->to == in->to);
                    assert_true(out->at.level == in->at.level && out->at.index == in->at.index);
                    assert_int_equal(out->top, in->top);
                }
            }
        }
    }
}

static void test_messages_meet(void **state)
{
    (void)state;
    const struct rng_key key = rng_key(41, RNG_TEST, RNG_TRAIN);
    for (uint32_t i = 0; i < 60; i++) {
        struct arena arena;
        const struct rng_block b = rng_philox(key, i, 0, 0, 0);
        const int size = 1 + (int)rng_below(b.v[0], 12), n_tiles = 1 + (int)rng_below(b.v[1], 40);
        int owner[40];
        for (int tile = 0; tile < n_tiles; tile++) {
            const uint32_t any = rng_philox(key, i, 1, (uint32_t)tile, 0).v[0];
            owner[tile] = i % 2 == 0 ? tile * size / n_tiles : (int)rng_below(any, (uint32_t)size);
        }
        arena_init(&arena);
        plan_all(&arena, n_tiles, owner, size, i % 3 != 0);
        check_pairs(size);
        arena_release(&arena);
    }
}

/* 2^k ranks with equal runs of tiles: two records at most in 2 (k - 1) + 1 messages each way. */
static void test_load_stays(void **state)
{
    (void)state;
    for (int k = 1; 1 << k <= SIZE_MAX_TESTED; k++) {
        struct arena arena;
        struct owners o;
        const int size = 1 << k;
        arena_init(&arena);
        assert_int_equal(owners_init(&o, &arena, 2 * size, size, 0), ERR_OK);
        plan_all(&arena, 2 * size, o.learn, size, true);
        for (int rank = 0; rank < size; rank++) {
            const struct load l = load_of(rank);
            assert_int_equal(l.sent, 2 * k - 1);
            assert_int_equal(l.received, 2 * k - 1);
            assert_in_range(l.sent_bytes, BYTES / 2, 2 * BYTES);
        }
        arena_release(&arena);
    }
}

/* Records that cannot be cut: the busiest rank exchanges log2 P records, not P. */
static void test_whole_records(void **state)
{
    (void)state;
    struct arena arena;
    struct owners o;
    int most = 0;
    arena_init(&arena);
    assert_int_equal(owners_init(&o, &arena, 100, 64, 0), ERR_OK);
    plan_all(&arena, 100, o.learn, 64, false);
    for (int rank = 0; rank < 64; rank++) {
        const struct load l = load_of(rank);
        most = l.received > most ? l.received : most;
    }
    assert_in_range(most, 6, 2 * 8);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_meet),
        cmocka_unit_test(test_load_stays),
        cmocka_unit_test(test_whole_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
