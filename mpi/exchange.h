/* The exchange: trajectory blocks from worker to learner, weights from learner to all.
 *
 * Message flow only: what is sent stands in proto/, who sends in owners.h.
 */
#ifndef KARMA_MPI_EXCHANGE_H
#define KARMA_MPI_EXCHANGE_H

#include "core/base/mem.h"
#include "core/marl/block.h"
#include "core/marl/team.h"
#include "mpi/comm.h"
#include "mpi/owners.h"

struct exchange {
    struct comm *comm;
    struct team *team;
    struct arena *scratch;
    struct buf in; /* reused for every message received */
};

void exchange_init(struct exchange *x, struct comm *comm, struct team *team, struct arena *scratch);
void exchange_release(struct exchange *x);

/* Local. The block may be overwritten as soon as this returns. */
enum err exchange_send_block(struct exchange *x, int learner, const struct block *b) WARN_UNUSED;

/* Local. In place of my tiles first_sim, first_sim + 1, ... (counted among those I simulate): tell
 * their learners what went wrong, so that nobody waits for them. */
void exchange_send_errors(struct exchange *x, const struct owners *o, int first_sim, enum err why);

/* Local, blocking. Takes `expected` messages into blocks (n), found by tile. Returns the error a
 * worker reported in place of a tile, if any, after all messages have come. */
enum err exchange_receive_blocks(struct exchange *x, struct block *blocks, int n, int expected,
                                 uint32_t update) WARN_UNUSED;

/* Collective. Rank 0's weights reach everybody. */
enum err exchange_weights(struct exchange *x) WARN_UNUSED;

#endif
