/* Who simulates and who learns: two integer tables over tiles.
 *
 * A tile (8 consecutive environments) is simulated by sim[tile] and its gradient leaf is computed
 * by learn[tile]. A trajectory message exists exactly where the two differ. Split (rank 0 learns,
 * the others simulate), several learners, fused (every rank does both) and serial are different
 * tables and nothing else. The result of a run does not depend on them.
 */
#ifndef KARMA_COMM_OWNERS_H
#define KARMA_COMM_OWNERS_H

#include "core/base/err.h"
#include "core/base/mem.h"

struct owners {
    int n_tiles, size; /* size: MPI ranks */
    int *sim, *learn;  /* (n_tiles), ranks; owned by the arena */
    int n_learners;    /* learners are the ranks 0 .. n_learners-1 */
};

/* learners: 0 = fused (every rank simulates and learns its own tiles); 1 .. size-1 = that many
 * learner ranks, the rest simulate; learners == size means fused too. size == 1 is always fused.
 * Tiles are dealt in contiguous, nearly equal runs. ERR_CONFIG with a sentence if no rank would be
 * left to simulate or a learner would own no tile. More simulating ranks than tiles is allowed:
 * some are idle (train.c warns).
 * Local; every rank computes the same tables. Nothing is written to `o` on failure. */
enum err owners_init(struct owners *o, struct arena *arena, int n_tiles, int size,
                     int learners) WARN_UNUSED;

/* The same where learners simulate `simulated` tiles beside learning, in all: each the first of
 * those that it learns, so that their blocks need no message; 0 .. n_tiles. The other tiles are
 * dealt to the ranks that do not learn. Without such ranks `simulated` means nothing. Local. */
enum err owners_deal(struct owners *o, struct arena *arena, int n_tiles, int size, int learners,
                     int simulated) WARN_UNUSED;

/* The errors of owners_init() alone, before anything is made. Local. */
enum err owners_check(int n_tiles, int size, int learners) WARN_UNUSED;

/* How many tiles `rank` has in one of the two tables. */
int owners_count(const int *table, int n_tiles, int rank);

#endif
