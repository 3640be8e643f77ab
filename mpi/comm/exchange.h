/* The exchange: trajectory blocks from worker to learner, weights from learner to all.
 *
 * Message flow only: what is sent stands in proto/, who sends in owners.h.
 */
#ifndef KARMA_COMM_EXCHANGE_H
#define KARMA_COMM_EXCHANGE_H

#include "core/base/mem.h"
#include "core/marl/block.h"
#include "core/marl/learner.h"
#include "mpi/comm/comm.h"
#include "mpi/comm/owners.h"

struct exchange {
    struct comm *comm;
    const struct env_spec *spec;
    struct learner *const *learners; /* (spec->n_teams) */
    struct arena *scratch;
    struct buf in; /* reused for every message received */
};

/* By reference. */
void exchange_init(struct exchange *x, struct comm *comm, const struct env_spec *spec,
                   struct learner *const *learners, struct arena *scratch);
void exchange_release(struct exchange *x);

/* Local. The block may be overwritten as soon as this returns. */
enum err exchange_send_block(struct exchange *x, int learner, const struct block *b) WARN_UNUSED;

/* Messages that a tile which leaves is made of: team 0's block, because episodes are counted by it,
 * and one for each other team that learns. */
int exchange_per_tile(const struct exchange *x);
/* Is there a message, and so a block, of team k? */
bool exchange_wants(const struct exchange *x, int team);

/* Local. In place of my tiles first_sim, first_sim + 1, ... (counted among those I simulate; of the
 * first one `sent` messages are on their way): tell their learners what went wrong, so that nobody
 * waits for them. */
void exchange_send_errors(struct exchange *x, const struct owners *o, int first_sim, int sent,
                          enum err why);

/* Local, blocking. Takes `expected` messages into blocks (n), found by tile and team. Returns the
 * error a worker reported in place of a tile, if any, after all messages have come. */
enum err exchange_receive_blocks(struct exchange *x, struct block *blocks, int n, int expected,
                                 uint32_t update) WARN_UNUSED;

/* Collective. Rank 0's weights of all teams reach everybody. */
enum err exchange_weights(struct exchange *x) WARN_UNUSED;

#endif
