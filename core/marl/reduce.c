/* Records that add, and the serial sum over all tiles.
 *
 * reduce_serial() is a binary counter: slot `level` of a stack of pending nodes holds the sum of an
 * aligned group of tiles; whenever two neighbours of one size are complete they merge. At the end
 * what is pending is folded from the right. This is the tree of mpi/comm/treesum.h, node by node,
 * with log2(n) + 2 records instead of n.
 */
#include "core/marl/reduce.h"

#include "core/nn/normaliser.h"

#include <string.h>

enum { FLOAT_PAD = 16 };

static size_t padded_floats(const struct reduce_shape *s)
{
    return (s->n_floats + s->n_max + FLOAT_PAD - 1) / FLOAT_PAD * FLOAT_PAD;
}

size_t reduce_bytes(const struct reduce_shape *s)
{
    size_t bytes = padded_floats(s) * sizeof(float) + stats_doubles(s->n_stats) * sizeof(double);
    return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

float *reduce_floats(void *record)
{
    return record;
}

double *reduce_stats(const struct reduce_shape *s, void *record)
{
    return (double *)(void *)((float *)record + padded_floats(s));
}

void reduce_clear(const struct reduce_shape *s, void *record)
{
    memset(record, 0, reduce_bytes(s));
}

static void add_floats(float *restrict into, const float *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        into[i] += from[i];
    }
}

static void max_floats(float *restrict into, const float *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        into[i] = into[i] > from[i] ? into[i] : from[i];
    }
}

void reduce_merge(void *ctx, void *into, const void *left, const void *right)
{
    const struct reduce_shape *s = ctx;
    const float *from = right;
    if (into != left) {
        memcpy(into, left, reduce_bytes(s));
    }
    add_floats(into, from, s->n_floats);
    max_floats((float *)into + s->n_floats, from + s->n_floats, s->n_max);
    stats_merge(reduce_stats(s, into), (const double *)(const void *)(from + padded_floats(s)),
                s->n_stats);
}

void reduce_merge_part(void *ctx, void *into, const void *left, const void *right, size_t from,
                       size_t to)
{
    const struct reduce_shape *s = ctx;
    const float *a = left, *b = right;
    float *sum = into;
    const size_t first = from / sizeof(float), n = (to - from) / sizeof(float);
    const size_t n_added = s->n_floats > first ? s->n_floats - first : 0;
    for (size_t i = 0; i < n && i < n_added; i++) {
        sum[i] = a[i] + b[i];
    }
    for (size_t i = n_added; i < n; i++) {
        sum[i] = a[i] > b[i] ? a[i] : b[i];
    }
}

/* ---- one process owns every tile ---- */

struct serial {
    struct reduce_shape shape;
    unsigned char *slots;  /* records; slot i holds the i-th pending node, the last one is newest */
    bool empty[32];        /* of the pending nodes: all of their leaves were skipped */
    int n_tiles, n_leaves; /* expected, and handed over so far in this sum */
    int n_pending;
};

static void *slot(const struct serial *s, int i)
{
    return s->slots + (size_t)i * reduce_bytes(&s->shape);
}

/* A node without any leaf is the neutral element: merging it copies the other one bit by bit. So a
 * tile that has nothing to add changes no rounding of those that have. */
static void merge_last_two(struct serial *s)
{
    const int right_i = --s->n_pending, left_i = right_i - 1;
    void *left = slot(s, left_i);
    const void *right = slot(s, right_i);
    if (s->empty[right_i]) {
        return;
    }
    if (s->empty[left_i]) {
        memcpy(left, right, reduce_bytes(&s->shape));
        s->empty[left_i] = false;
    } else {
        reduce_merge(&s->shape, left, left, right);
    }
}

static void *serial_leaf(void *ctx, int tile)
{
    struct serial *s = ctx;
    CHECK(tile == s->n_leaves && tile < s->n_tiles);
    return slot(s, s->n_pending);
}

/* Invariant: after n leaves the pending nodes are the groups of the binary digits of n, the largest
 * first; 13 = 8 + 4 + 1 leaves three. A new leaf is a group of 1. Counting from n - 1 to n carries
 * once for each trailing zero of n, and each carry merges two neighbours of one size. So at most
 * log2(n) + 1 nodes are pending, and the one that is being filled. */
static void finish_leaf(struct serial *s, int tile, bool empty)
{
    CHECK(tile == s->n_leaves);
    s->n_leaves++;
    s->empty[s->n_pending++] = empty;
    for (int n = s->n_leaves; n % 2 == 0; n /= 2) {
        merge_last_two(s);
    }
}

static void serial_leaf_done(void *ctx, int tile)
{
    finish_leaf(ctx, tile, false);
}

static void serial_leaf_skip(void *ctx, int tile)
{
    finish_leaf(ctx, tile, true);
}

static enum err serial_total(void *ctx, void *out)
{
    struct serial *s = ctx;
    CHECK(s->n_leaves == s->n_tiles);
    while (s->n_pending > 1) {
        merge_last_two(s);
    }
    CHECK(!s->empty[0]);
    memcpy(out, slot(s, 0), reduce_bytes(&s->shape));
    s->n_leaves = 0;
    s->n_pending = 0;
    return ERR_OK;
}

enum err reduce_serial(struct reducer *r, struct arena *arena, const struct reduce_shape *shape,
                       int n_tiles)
{
    CHECK(n_tiles >= 1);
    int n_slots = 2;
    for (int n = n_tiles; n > 1; n /= 2) {
        n_slots++;
    }
    struct serial *s = ARENA_NEW(arena, 1, struct serial);
    unsigned char *slots = arena_alloc(arena, (size_t)n_slots, reduce_bytes(shape));
    TRY(arena_error(arena));
    *s = (struct serial){.shape = *shape, .slots = slots, .n_tiles = n_tiles};
    *r = (struct reducer){.bytes = reduce_bytes(shape),
                          .ctx = s,
                          .leaf = serial_leaf,
                          .leaf_done = serial_leaf_done,
                          .leaf_skip = serial_leaf_skip,
                          .total = serial_total};
    return ERR_OK;
}
