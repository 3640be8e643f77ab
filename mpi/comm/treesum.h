/* The exact tree sum: the same bits for any number of ranks and any owner table.
 *
 * Leaves are tiles 0 .. n-1. Node (level, i) covers tiles [i << level, (i+1) << level) cut at n and
 * is the sum left + right, element by element, of its two children (a missing right child: the left
 * one itself). The value of the root is the sum. A rank sends the maximal aligned subtrees it owns
 * completely (at most 2 log2 n of them), or parts of them, and the nodes above are made by several
 * ranks (treeplan.h). "Own tiles first, then ranks" would be another sum.
 *
 * A leaf may be skipped: the tile has nothing to add. A node of which all leaves were skipped is
 * empty; the sum of an empty node and another one is the other one, and an empty node travels as a
 * message without a record. So the additions follow from the number of tiles and from which tiles
 * were skipped, never from the owner table.
 *
 * Works on float vectors (gradients) and on opaque records with a merge function (normalisers).
 */
#ifndef KARMA_COMM_TREESUM_H
#define KARMA_COMM_TREESUM_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "mpi/comm/comm.h"

/* What is summed: records of `bytes` each; merge(into, left, right): into may alias left. */
struct tree_op {
    size_t bytes;
    void (*merge)(void *ctx, void *into, const void *left, const void *right);
    void *ctx;
    /* The same for bytes [from, to) of the records, where all pointers point to byte `from`; into
     * may alias either. from is a multiple of MEM_ALIGN. NULL: records cannot be cut, and with many
     * owners the sum takes more bytes. */
    void (*merge_part)(void *ctx, void *into, const void *left, const void *right, size_t from,
                       size_t to);
};

/* Merges for n floats: into[i] = left[i] + right[i]; ctx = &n (size_t); n * 4 <= bytes. */
void tree_add_f32(void *ctx, void *into, const void *left, const void *right);
void tree_add_part_f32(void *ctx, void *into, const void *left, const void *right, size_t from,
                       size_t to);

struct treesum; /* node storage for the tiles one rank owns; allocated from an arena */

/* owner: (n_tiles) ranks, kept by reference, equal on all ranks. `op` is copied. Local.
 * Allocates, rounded up to 64 bytes each, as many records as the table needs: for a contiguous run
 * of tiles about 2 log2 n, for interleaved tiles one for each. A rank that owns no tile gets a sum
 * it may not use. */
enum err treesum_init(struct treesum **out, struct arena *arena, const struct tree_op *op,
                      int n_tiles, const int *owner, int rank, int size) WARN_UNUSED;

/* Local. Where to put leaf `tile` (owned by this rank): a record of op->bytes, valid until the next
 * call; its contents are what an earlier leaf left, so write or clear all of it. Leaves must be
 * handed over in ascending tile order, each exactly once per sum, `done` after each; finished
 * subtrees are merged on the way, so memory is O(log n) records, not O(n). Another order is a bug
 * and fails a CHECK. */
void *treesum_leaf(struct treesum *t, int tile);
void treesum_leaf_done(struct treesum *t, int tile);

/* Local. Instead of the two calls above: leaf `tile` is empty. At least one leaf of a sum must not
 * be; treesum_total() checks that. */
void treesum_leaf_skip(struct treesum *t, int tile);

/* Collective over all ranks that own a tile (others may not call): everybody in the table leaves
 * with the total in `out` (op->bytes), and the next sum may begin; or everybody with an error, the
 * contents of `out` are undefined, and the run must end. `out` is none of the leaves.
 * Buffers of messages are used again: from the second sum on hardly anything is allocated. */
enum err treesum_total(struct treesum *t, struct comm *c, void *out) WARN_UNUSED;

#endif
