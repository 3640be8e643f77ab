/* Sums over tiles, as marl sees them: a leaf per tile, a total for everybody.
 *
 * marl does not know who owns which tile. It fills or skips leaves in ascending tile order and asks
 * for the total, to which at least one tile must add; mpi/comm/treesum.h implements this over
 * ranks, reduce_serial() in one process. Both merge along the same binary tree over global tile
 * indices, so the bits agree. */
#ifndef KARMA_MARL_REDUCE_H
#define KARMA_MARL_REDUCE_H

#include "core/base/mem.h"

struct reducer {
    size_t bytes; /* of a record */
    void *ctx;
    void *(*leaf)(void *ctx, int tile); /* where to put it; contents undefined */
    void (*leaf_done)(void *ctx, int tile);
    void (*leaf_skip)(void *ctx, int tile);  /* instead of both: the tile has nothing to add */
    enum err (*total)(void *ctx, void *out); /* Collective over all learners */
};

/* What a record is made of: n_floats that add, n_max floats >= 0 of which the greatest counts, then
 * stats_doubles(d) doubles that merge (core/nn/normaliser.h). Floats are padded to a multiple of
 * 16. A leaf must be written whole: reduce_clear() first is the simple way. */
struct reduce_shape {
    size_t n_floats;
    int n_stats; /* d, columns */
    size_t n_max;
};
size_t reduce_bytes(const struct reduce_shape *s);
float *reduce_floats(void *record);
double *reduce_stats(const struct reduce_shape *s, void *record);
/* All zeros: a leaf that adds nothing. */
void reduce_clear(const struct reduce_shape *s, void *record);
/* into = left (+) right; ctx is the shape; into may be left. Fits mpi/comm/treesum.h. */
void reduce_merge(void *ctx, void *into, const void *left, const void *right);
/* The same for bytes [from, to) of records without stats; the pointers point to byte `from`, a
 * multiple of MEM_ALIGN, and into may be either. */
void reduce_merge_part(void *ctx, void *into, const void *left, const void *right, size_t from,
                       size_t to);

/* One process owns every tile. */
enum err reduce_serial(struct reducer *r, struct arena *arena, const struct reduce_shape *s,
                       int n_tiles) WARN_UNUSED;

#endif
