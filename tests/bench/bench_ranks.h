/* What the benches on several ranks share: giving up together, and the tree sum as a unit of work.
 *
 * Here times are by the clock on the wall: waiting is what is measured.
 */
#ifndef KARMA_TESTS_BENCH_RANKS_H
#define KARMA_TESTS_BENCH_RANKS_H

#include "core/base/clock.h"
#include "core/base/log.h"
#include "mpi/comm/owners.h"
#include "mpi/comm/treesum.h"
#include "tests/bench/bench.h"

enum { BENCH_ROUNDS_MAX = 101 };

static inline void bench_start(struct comm *c, int *argc, char ***argv)
{
    comm_must(comm_init(c, argc, argv));
    log_init(c->rank);
    log_set_level(LOG_WARN);
}

/* Collective over the learners of `o`. One sum of n_floats; its leaves are written beforehand. */
static inline double bench_sum_once(struct treesum *t, struct comm *c, const struct owners *o,
                                    size_t n_floats, float *total)
{
    for (int tile = 0; tile < o->n_tiles; tile++) {
        if (o->learn[tile] == c->rank) {
            float *leaf = treesum_leaf(t, tile);
            for (size_t k = 0; k < n_floats; k++) {
                leaf[k] = (float)(tile + 1);
            }
            treesum_leaf_done(t, tile);
        }
    }
    comm_must(comm_barrier(c));
    const double start = clock_s();
    comm_must(treesum_total(t, c, total));
    comm_must(comm_barrier(c));
    const float sum = 0.5F * (float)o->n_tiles * (float)(o->n_tiles + 1);
    CHECK(total[0] == sum && total[n_floats - 1] == sum);
    return clock_s() - start;
}

/* Collective; every rank learns. Seconds of one sum along the tree, median. */
static inline double bench_tree_sum(struct comm *c, const struct owners *o, size_t n_floats,
                                    int rounds)
{
    double t[BENCH_ROUNDS_MAX];
    struct tree_op op = {n_floats * sizeof(float), tree_add_f32, &n_floats, tree_add_part_f32};
    struct treesum *sum;
    struct arena arena;
    arena_init(&arena);
    float *total = ARENA_NEW(&arena, n_floats, float);
    comm_must(total == NULL ? ERR_MEMORY : ERR_OK);
    comm_must(treesum_init(&sum, &arena, &op, o->n_tiles, o->learn, c->rank, c->size));
    for (int i = 0; i < rounds; i++) {
        t[i] = bench_sum_once(sum, c, o, n_floats, total);
    }
    arena_release(&arena);
    return bench_median(t, rounds);
}

#endif
