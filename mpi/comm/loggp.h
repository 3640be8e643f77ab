/* LogGP: the network in four numbers, and what messages cost by them.
 *
 *   latency    L  from one rank to another, of a small message in the network
 *   overhead   o  of the processor, to send or to receive
 *   gap        g  between two small messages of one rank
 *   per byte   G  the same for each byte of a long message
 *
 * A message of n bytes that is sent at time t is in the receiver's hands at
 *
 *     t + o + (n - 1) G + L + o
 *
 * and the sender may send the next one at t + max(o, g) + (n - 1) G. Source: A. Alexandrov,
 * M. F. Ionescu, K. E. Schauser, C. Scheiman, "LogGP: incorporating long messages into the LogP
 * model", 1995.
 */
#ifndef KARMA_COMM_LOGGP_H
#define KARMA_COMM_LOGGP_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "mpi/comm/comm.h"

#include <stdbool.h>

struct loggp {
    double latency_s, overhead_s, gap_s, byte_s; /* byte_s: seconds per byte */
};

/* Collective. Measured between ranks r and r + size / 2, for at most four r, one pair after the
 * other: round trips of short and long messages, and bursts. Of each time the least of many
 * repetitions counts, as other programs can only add to it; of the pairs the median. Some 30 ms on
 * an idle machine. All zeros if there is one rank. Everybody has the same numbers. */
enum err loggp_measure(struct loggp *out, struct comm *c, struct arena *scratch) WARN_UNUSED;

/* Local. Seconds until the last rank has a message of n bytes that travels from one rank to `size`
 * ranks along a binomial tree. */
double loggp_bcast_s(const struct loggp *net, size_t bytes, int size);

/* What one tree sum (treesum.h) costs. */
struct loggp_sum {
    double seconds;         /* from when all ranks begin until the last one has the total */
    double messages, bytes; /* sent by all ranks together */
};

/* Local. The moves of all ranks (treeplan.h) in the time of the model. add_byte_s: seconds per byte
 * for adding two records. scratch is rewound. */
enum err loggp_sum(struct loggp_sum *out, const struct loggp *net, size_t bytes, bool divisible,
                   double add_byte_s, int n_tiles, const int *owner, int size,
                   struct arena *scratch) WARN_UNUSED;

#endif
