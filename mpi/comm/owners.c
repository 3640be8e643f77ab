/* Tables of owners: contiguous, nearly equal runs; the cut before rank k of K is k * n / K, in
 * integers, so every rank computes the same tables. */
#include "mpi/comm/owners.h"

#include "core/base/log.h"

#include <stdbool.h>
#include <stdint.h>

/* Deals tiles to the ranks first .. first + n_ranks - 1. For n tiles and K ranks, n = q K + r with
 * r < K, the cut before run k is
 *
 *   c(k) = floor(k n / K) = k q + floor(k r / K)
 *
 * Run k is [c(k), c(k + 1)). It begins where run k - 1 ends, and c(0) = 0, c(K) = n, so each tile
 * is dealt once. The last term grows by 0 or 1 from one k to the next, so runs have q or q + 1
 * tiles. The product is computed in 64 bits. */
static void deal(int *table, int n_tiles, int first, int n_ranks)
{
    for (int k = 0; k < n_ranks; k++) {
        int from = (int)((int64_t)k * n_tiles / n_ranks);
        int to = (int)((int64_t)(k + 1) * n_tiles / n_ranks);
        for (int tile = from; tile < to; tile++) {
            table[tile] = first + k;
        }
    }
}

static enum err check_sizes(int n_tiles, int size, int learners)
{
    if (n_tiles < 1 || size < 1 || learners < 0) {
        log_error("%d tiles, %d ranks and %d learners: there must be a tile and a rank, and "
                  "learners are 0 (every rank learns) or more",
                  n_tiles, size, learners);
        return ERR_CONFIG;
    }
    if (size > 1 && learners > size) {
        log_error("learners: %d, but there are only %d ranks; use at most %d, so that a rank is "
                  "left to simulate, or 0 for ranks that do both",
                  learners, size, size - 1);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* A learner without a tile would not take part in the tree sums, which are collective
 * over the owners. */
static enum err check_learners(int n_tiles, int n_learners)
{
    if (n_learners > n_tiles) {
        log_error("%d learners share %d tile%s, so some would own none; start at most %d ranks, or "
                  "set train.learners to auto or to at most %d, or train.envs to %d (a tile has 8 "
                  "environments)",
                  n_learners, n_tiles, n_tiles == 1 ? "" : "s", n_tiles, n_tiles, 8 * n_learners);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

static bool is_fused(int size, int learners)
{
    return size == 1 || learners == 0 || learners == size;
}

enum err owners_check(int n_tiles, int size, int learners)
{
    TRY(check_sizes(n_tiles, size, learners));
    return check_learners(n_tiles, is_fused(size, learners) ? size : learners);
}

/* Learner k keeps its share of `simulated`, the first of its tiles, as far as it has so many. The
 * tiles that are left are dealt to the other ranks, in ascending order: the i-th of n of them goes
 * where deal() would put tile i of n. */
static void deal_simulated(int *sim, const int *learn, int n_tiles, int size, int n_learners,
                           int simulated)
{
    int n_left = 0, i = 0;
    for (int k = 0; k < n_learners; k++) {
        int keeps =
            (int)((k + 1) * (int64_t)simulated / n_learners - k * (int64_t)simulated / n_learners);
        for (int tile = 0; tile < n_tiles; tile++) {
            if (learn[tile] == k) {
                sim[tile] = keeps-- > 0 ? k : -1;
                n_left += sim[tile] < 0;
            }
        }
    }
    const int n_ranks = size - n_learners;
    for (int tile = 0; tile < n_tiles; tile++) {
        if (sim[tile] < 0) {
            /* run k ends before (k + 1) n / K */
            sim[tile] = n_learners + (int)((((int64_t)i + 1) * n_ranks - 1) / n_left);
            i++;
        }
    }
}

/* Fused: both tables are dealt to the same ranks and are therefore equal, so no block
 * leaves its rank. */
enum err owners_deal(struct owners *o, struct arena *arena, int n_tiles, int size, int learners,
                     int simulated)
{
    TRY(owners_check(n_tiles, size, learners));
    bool fused = is_fused(size, learners);
    int n_learners = fused ? size : learners;
    int *sim = ARENA_NEW(arena, n_tiles, int);
    int *learn = ARENA_NEW(arena, n_tiles, int);
    TRY(arena_error(arena));
    int first_sim = fused ? 0 : n_learners, n_sim = size - first_sim;
    deal(learn, n_tiles, 0, n_learners);
    if (fused || simulated == 0) {
        deal(sim, n_tiles, first_sim, n_sim);
    } else {
        deal_simulated(sim, learn, n_tiles, size, n_learners, simulated);
    }
    *o = (struct owners){n_tiles, size, sim, learn, n_learners};
    return ERR_OK;
}

enum err owners_init(struct owners *o, struct arena *arena, int n_tiles, int size, int learners)
{
    return owners_deal(o, arena, n_tiles, size, learners, 0);
}

int owners_count(const int *table, int n_tiles, int rank)
{
    int n = 0;
    for (int tile = 0; tile < n_tiles; tile++) {
        n += table[tile] == rank;
    }
    return n;
}
