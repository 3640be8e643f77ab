/* What the tree sum must equal: its definition as a recursion over nodes, in one process. Beside
 * it two orders that a parallel program falls into by itself, to show that they are other sums. */
#ifndef KARMA_TESTS_TREESUM_REF_H
#define KARMA_TESTS_TREESUM_REF_H

#include "core/base/rng.h"
#include "mpi/comm/treesum.h"

#include <stdlib.h>
#include <string.h>

enum { REF_DIM = 37, REF_TILES_MAX = 64 };

/* Element k of leaf `tile`: all of one magnitude and with full mantissas, so that every addition
 * rounds and order matters. */
static inline float ref_leaf_value(int tile, int k)
{
    struct rng_key key = rng_key(2505, RNG_TEST, RNG_TRAIN);
    struct rng_block b = rng_philox(key, (uint32_t)k, (uint32_t)tile, 0, 0);
    return (2.0f * rng_f32(b.v[0]) - 1.0f) * (0.5f + rng_f32(b.v[1]));
}

static inline void ref_leaf(float *out, int tile)
{
    for (int k = 0; k < REF_DIM; k++) {
        out[k] = ref_leaf_value(tile, k);
    }
}

static inline void ref_add(float *into, const float *x)
{
    for (int k = 0; k < REF_DIM; k++) {
        into[k] += x[k];
    }
}

/* Node (level, i) of the header's definition; false: it is empty. skipped (n_tiles): leaves that
 * are not there; NULL: none. */
static inline bool ref_node_of(float *out, int level, int i, int n_tiles, const bool *skipped)
{
    if (level == 0) {
        ref_leaf(out, i);
        return skipped == NULL || !skipped[i];
    }
    const bool has_left = ref_node_of(out, level - 1, 2 * i, n_tiles, skipped);
    if ((2 * i + 1) << (level - 1) >= n_tiles) {
        return has_left;
    }
    float right[REF_DIM];
    const bool has_right = ref_node_of(right, level - 1, 2 * i + 1, n_tiles, skipped);
    if (has_left && has_right) {
        ref_add(out, right);
    } else if (has_right) {
        memcpy(out, right, sizeof(right));
    }
    return has_left || has_right;
}

static inline void ref_node(float *out, int level, int i, int n_tiles)
{
    (void)ref_node_of(out, level, i, n_tiles, NULL);
}

static inline int ref_root_level(int n_tiles)
{
    int level = 0;
    while (1 << level < n_tiles) {
        level++;
    }
    return level;
}

/* A hash of the shape of the tree: another grouping or another order is another number. */
static inline uint64_t ref_join(uint64_t left, uint64_t right)
{
    uint64_t h = left * 0x9e3779b97f4a7c15u + right;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    return h ^ h >> 32;
}

static inline uint64_t ref_shape(int level, int i, int n_tiles)
{
    if (level == 0) {
        return (uint64_t)i + 1;
    }
    uint64_t left = ref_shape(level - 1, 2 * i, n_tiles);
    bool has_right = (2 * i + 1) << (level - 1) < n_tiles;
    return has_right ? ref_join(left, ref_shape(level - 1, 2 * i + 1, n_tiles)) : left;
}

static inline void ref_merge_shape(void *ctx, void *into, const void *left, const void *right)
{
    uint64_t l, r;
    memcpy(&l, left, sizeof(l));
    memcpy(&r, right, sizeof(r));
    l = ref_join(l, r);
    memcpy(into, &l, sizeof(l));
    ++*(int *)ctx; /* merges made here */
}

/* Each rank adds its own tiles in order; the ranks are added in order. */
static inline void ref_ranks_in_order(float *out, const int *owner, int n_tiles, int size)
{
    memset(out, 0, REF_DIM * sizeof(float));
    for (int rank = 0; rank < size; rank++) {
        float own[REF_DIM] = {0}, leaf[REF_DIM];
        for (int tile = 0; tile < n_tiles; tile++) {
            if (owner[tile] == rank) {
                ref_leaf(leaf, tile);
                ref_add(own, leaf);
            }
        }
        ref_add(out, own);
    }
}

/* The same with the ranks added along a binomial tree, as a reduction of the library may do. */
static inline void ref_ranks_binomial(float *out, const int *owner, int n_tiles, int first,
                                      int n_ranks)
{
    memset(out, 0, REF_DIM * sizeof(float));
    float part[REF_DIM];
    if (n_ranks > 1) {
        int half = 1;
        while (2 * half < n_ranks) {
            half *= 2;
        }
        ref_ranks_binomial(out, owner, n_tiles, first, half);
        ref_ranks_binomial(part, owner, n_tiles, first + half, n_ranks - half);
        ref_add(out, part);
        return;
    }
    for (int tile = 0; tile < n_tiles; tile++) {
        if (owner[tile] == first) {
            ref_leaf(part, tile);
            ref_add(out, part);
        }
    }
}

static inline int ref_n_different(const float *a, const float *b)
{
    int n = 0;
    for (int k = 0; k < REF_DIM; k++) {
        n += memcmp(&a[k], &b[k], sizeof(float)) != 0;
    }
    return n;
}

#endif
