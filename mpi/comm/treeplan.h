/* The plan of a tree sum: which rank sends which part of which node of the tree to whom.
 *
 * A rank adds up the tiles that it owns as far as they form complete subtrees. Each of these
 * subtrees is a *slot*: a record in the rank's memory. What is left of the tree are the nodes whose
 * tiles have several owners. A record is cut into slices of equal length; the sum of one slice of a
 * node is made by one rank, its *maker*, and different slices have different makers:
 *
 *   - of a node with one owner, the owner makes all slices;
 *   - of another node, the maker of a slice is the maker of the same slice of its left or of its
 *     right child. The other one of the two sends. The lower half of the slices goes left and the
 *     upper half right one level above the owners, on the next level each half is halved again,
 *     and so on (recursive halving; R. Thakur, R. Rabenseifner, W. Gropp, "Optimization of
 *     collective communication operations in MPICH", 2005);
 *   - at the root both makers send to each other, and both add.
 *
 * Then the total travels back along the same edges. With P = 2^k owners of equal runs each rank
 * sends about two records in all, in 2 k - 1 messages, whatever P is. A record that cannot be cut
 * has one slice, whose maker is always that of the left child: it needs 2 k - 1 steps, too, but k
 * records. No rank receives the records of all others in either case.
 *
 * Which additions are made, and in which order, is a property of the tree alone.
 */
#ifndef KARMA_COMM_TREEPLAN_H
#define KARMA_COMM_TREEPLAN_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* Tiles [index << level, (index + 1) << level), cut at the number of tiles. */
struct tree_node {
    int level, index;
};

/* What one rank does for one node and one run of slices. */
struct tree_move {
    bool sends;      /* to `peer`; else it merges what it has with what `peer` sends */
    bool top;        /* at the root: each of the two sends and merges, and the way back is empty */
    bool ends;       /* the last move of this rank for the node */
    int peer;        /* -1: this rank makes both children, and nothing is sent */
    int left, right; /* slots of the children, -1: the peer has it. Only one if it sends. */
    int into;        /* slot in which the sum is made; -1: in the total */
    size_t from, to; /* bytes of the record */
    struct tree_node at; /* the child that is sent or received */
};

struct treeplan {
    struct tree_move *moves; /* (n_moves), in the order in which they are made */
    int n_moves;
    int n_slots;  /* subtrees that the rank owns */
    int n_owners; /* ranks that own a tile */
    int root_level;
};

/* Slices are not shorter than this: the time of a message would exceed that of its bytes. Nor are
 * there more than TREEPLAN_SLICES_MAX. */
enum { TREEPLAN_SLICE_MIN = 4096, TREEPLAN_SLICES_MAX = 64 };

/* Local. The plan of `rank`. owner: (n_tiles) ranks below `size`. Records have `bytes` bytes and
 * may be cut at multiples of MEM_ALIGN if `divisible`. */
enum err treeplan_init(struct treeplan *p, struct arena *arena, size_t bytes, bool divisible,
                       int n_tiles, const int *owner, int rank, int size) WARN_UNUSED;

#endif
