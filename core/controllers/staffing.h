/* Staffing: the fewest pods that meet a bound of queueing theory. What ff does with the rate it
 * sees and oracle with the one it foresees.
 *
 * lambda_s = rate x visits_s calls/s arrive at service s. Calls choose pods at random, so each of n
 * pods is an M/G/1 processor-sharing queue of load rho = lambda / (n mu), whose mean response is
 * (1 / mu) / (1 - rho) whatever the distribution of the work (Kleinrock, Queueing Systems II, 4.4).
 * n is the least number that keeps rho <= utilisation and the response <= response_s; where the
 * work alone takes nearly that long or longer, rho <= 0.05 has to do. Replica bounds hold always.
 */
#ifndef KARMA_CONTROLLERS_STAFFING_H
#define KARMA_CONTROLLERS_STAFFING_H

#include "core/base/config.h"
#include "core/game/env_setup.h"

#include <stdbool.h>

/* The bound, and what a planner believes of the services. */
struct staffing_rule {
    double utilisation;    /* 0 .. 1 */
    double response_s;     /* mean time of a call at one service */
    const double *visits;  /* (n_services) calls per request at the entries */
    const double *pod_rps; /* (n_services) mu: calls/s of a pod at full use of its CPU request */
};

/* The rule whose response is `wait_share` of latency_max, with the visits and capacities of the
 * topology. */
struct staffing_rule staffing_rule_of(const struct env_setup *w, double utilisation,
                                      double wait_share);

/* Rows of both, members of the struct S of a method's parameters. */
#define STAFFING_FIELDS(S)                                                                         \
    CFG_DOUBLE(S, utilisation, "0.7", 0.01, 1, "", CFG_RESULT,                                     \
               "share of a pod's capacity that it never plans above"),                             \
        CFG_DOUBLE(S, wait_share, "0.25", 0.01, 1, "", CFG_RESULT,                                 \
                   "share of latency_max a call may take at one service")

/* The conditions that the pods work under. NULL: no slow-down, no CPU taken, all pods up. */
struct staffing_conditions {
    double *slowdown; /* (n_services) factor on the service time, >= 1 */
    double *up;       /* (n_services) share of the pods expected to be up, > 0 */
    double taken_m;   /* milli-cores of the node that others use */
};

/* plan (n_services) for an entry rate of rate_rps or, if that plan does not fit, for the largest
 * rate whose plan does: the services share what there is instead of the first one taking all. A
 * plan fits if the node has room for the pods' requests, and CPU left for their work. If none does,
 * the fewest replicas. Plans grow with the rate. */
void staffing_plan(int *plan, const struct env_setup *w, const struct staffing_rule *rule,
                   double rate_rps, const struct staffing_conditions *conditions);

#endif
