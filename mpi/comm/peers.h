/* Peers: where the other ranks are, and which of them are gone.
 *
 * MPI never reports a dead peer. But a rank on this host is a process of this host, and the system
 * says whether it still exists; of ranks elsewhere nothing is known here. Ranks count as being on
 * this host if they share the host's name, its boot and the table of processes (containers have
 * tables of their own).
 */
#ifndef KARMA_COMM_PEERS_H
#define KARMA_COMM_PEERS_H

#include "core/base/mem.h"
#include "mpi/comm/comm.h"

#include <stdbool.h>

struct peer {
    int rank, pid;
};
struct peers {
    int me;
    struct peer *here; /* (n_here) the other ranks of this host, ascending by rank */
    int n_here;
    int lost; /* whom peers_watch() found gone, -1 = nobody yet */
};

/* Collective. */
enum err peers_init(struct peers *p, struct arena *arena, struct comm *comm) WARN_UNUSED;

/* Local. The lowest rank of this host that is gone, -1 if none is. Safe in a signal handler. */
int peers_lost(const struct peers *p);

/* Local. Is no rank below mine left on this host? Safe in a signal handler. */
bool peers_lowest(const struct peers *p);

/* Local. A watch for comm_watch(): ERR_PEER, with a sentence, once a rank of this host is gone. */
enum err peers_watch(void *peers) WARN_UNUSED;

#endif
