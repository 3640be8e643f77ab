/* Capacities and visits estimated online, from what a monitoring system shows: for staffing that
 * nobody has told what a pod can do.
 *
 * Of the periods k since the start of the episode, with the weight
 *
 *   w_k = clean_k 2^(-age_k / HALF_LIFE_S),     clean_k = 1, or DIRTY if requests fail or pile up
 *
 * the estimates are quotients of sums (period T, all rates and CPU over the window of the state):
 *
 *   n_s       = sum w received_s T                        calls counted
 *   visits_s  = sum w received_s T / sum w entry T        calls per request at the entries
 *   demand_s  = sum w cpu_s T / n_s                       CPU-seconds of one call
 *   pod_rps_s = request_s / (demand_s (1 + 1 / sqrt n_s))
 *
 * A period is clean if at least CLEAN of the requests were answered, and fewer requests wait than
 * 1 - CLEAN of what the window received: else calls that were refused need no CPU, and those that
 * wait upstream are missing downstream, so that both quotients would come out too small. Unclean
 * periods count as little as DIRTY, so that a service that never is clean gets an estimate, too.
 *
 * Start value: none. Until N_MIN calls were counted the service has no estimate and its visits are
 * 0; whoever plans leaves its replicas alone. Confidence: 1 / sqrt n_s is the relative standard
 * error of demand_s for exponential work (a coefficient of variation of 1); capacities are those of
 * the upper end of demand_s, one standard error up, so an uncertain pod counts as a slow one. An
 * episode starts with a full window, so n_s is the calls of a period at its first decision.
 */
#ifndef KARMA_CONTROLLERS_CAPACITY_H
#define KARMA_CONTROLLERS_CAPACITY_H

#include "core/base/mem.h"
#include "core/game/env_setup.h"

struct capacity {
    const struct env_setup *env_setup;
    double entered; /* weighted requests at the entries */
    double *calls;  /* (n_services) n_s */
    double *used_s; /* (n_services) CPU-seconds of these */
    /* Estimates (n_services). */
    double *visits, *pod_rps;
};

/* By reference; empty. */
enum err capacity_init(struct capacity *c, struct arena *arena,
                       const struct env_setup *env_setup) WARN_UNUSED;
/* Forgets everything: an episode begins. */
void capacity_clear(struct capacity *c);
/* One decision: takes in the state (state_size) and updates the estimates. */
void capacity_update(struct capacity *c, const float *state);
/* Were enough calls counted? */
bool capacity_known(const struct capacity *c, int service);
/* columns (state_size) = 1 for those that it reads. */
void capacity_reads(uint8_t *columns, const struct topology *topology);

#endif
