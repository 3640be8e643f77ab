/* Skew: how far the clocks of the ranks are apart.
 *
 * Each rank reads its clock before it enters a barrier (e) and after it has left it (l). Nobody
 * leaves before everybody has entered. Let o be the clock of rank r minus the clock of rank 0. In
 * the time of rank 0, rank r entered at e_r - o and left at l_r - o, so
 *
 *   e_r - o <= l_0   and   e_0 <= l_r - o,   that is   e_r - l_0 <= o <= l_r - e_0
 *
 * These bounds hold whatever the network and the scheduler do. Each round gives its own bounds;
 * their intersection is usually about as wide as the quickest barrier.
 */
#ifndef KARMA_COMM_SKEW_H
#define KARMA_COMM_SKEW_H

#include "mpi/comm/comm.h"

#include <stdbool.h>

enum { SKEW_ROUNDS = 8 };

/* Seconds since 1970 by the clock of one rank. */
struct skew_sample {
    double entered[SKEW_ROUNDS], left[SKEW_ROUNDS];
};

/* Collective. */
enum err skew_sample(struct skew_sample *out, struct comm *comm) WARN_UNUSED;

/* Local. The clock of `mine` minus the clock of `zero` is between *lo and *hi seconds. False: no
 * number satisfies all rounds, so one of the clocks was set between them. */
bool skew_bounds(double *lo, double *hi, const struct skew_sample *zero,
                 const struct skew_sample *mine);

/* Local. Seconds since 1970 by the clock of this host. */
double skew_now(void);

#endif
