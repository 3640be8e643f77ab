/* The bound: the share of requests answered in time that no controller can exceed, whatever it
 * does.
 *
 * Computed for one episode from its schedule and its realised arrivals, which are the same for all
 * controllers. No result may exceed it: evaluation ends with a sentence if one does, because then
 * the simulator or this file is wrong. It is no controller, and need not be reachable.
 *
 * Why nobody exceeds it. Take the requests that arrive in a window [a, b).
 *
 * 1. One answered in time needs all its calls at service s (visits_s, those of the entry with the
 *    fewest) done within L = latency_max of its arrival, so in [a, b + L].
 * 2. The pods that may do them hold N_s(u) x limit_s cores. A call is done by the pod it came to,
 * so of pods that drain only those removed less than L before count. A start takes 1 s at least;
 *    with L < 1 s a successor is therefore never ready while its predecessor counts: all pods that
 *    count at u existed at u - L, and N_s <= max_replicas. For longer L, N_s <= max_replicas x
 *    (1 + floor(L / 1 s)). Until the pods of the second decision may be there, N_s is the initial
 *    replicas and those pods of the first decision whose start delay (a draw of the episode) is
 * over.
 * 3. The work of a call is exponential with mean demand_s x slowdown, and nobody, neither
 * controller nor processor sharing, knows it before it is done: whatever has happened, a call that
 * gets c cores ends within du with probability c du / mean. Calls at s thus end at no more than N_s
 * limit_s / (demand_s x least slowdown since u - L) per second; let K be the integral. With l > 0
 * the number of ends is below K + x but for a probability of exp(-l), where x = l / 3 + sqrt(l^2 /
 * 9 + 2 K l) (Bernstein's inequality for counting processes: Freedman, On tail probabilities for
 * martingales, 1975). So at most (K + x) / visits_s of the requests are answered in time. Lucky
 * service times are what x is for.
 * 4. The node is one more resource of this kind: the CPU limits of all pods in it sum up to node x
 *    limit_ratio at most, and a request needs the work of all its calls. With ends weighted by
 *    demand_s / max demand, each counts 1 at most, and the inequality holds as it stands.
 * 5. The episode is cut into windows so that the sum of the least of (arrivals, 3., 4.) is smallest
 *    (dynamic programming over the windows of plant_cohort). l makes the probability that any of
 *    the inequalities used fails in an episode at most 1e-9.
 *
 * To it come requests that arrived before the episode began and end in it. Left out, so that the
 * bound is looser than it might be: crashes, the noisy neighbour (CPU is shared anew every 0.1 s
 * only; pods idle at that moment may exceed their part until the next), uneven load of the pods,
 * and the time that a request needs even in an empty cluster.
 */
#ifndef KARMA_EVAL_BOUND_H
#define KARMA_EVAL_BOUND_H

#include "core/base/mem.h"
#include "core/game/world.h"
#include "core/scenario/schedule.h"

/* Room for one episode at a time. */
struct bound {
    const struct world *world;
    int n_windows;    /* of an episode */
    int n_resources;  /* services, then the node */
    double *need;     /* (n_resources) ends that one request in time takes, 0 = unlimited */
    double *rate;     /* (n_resources) ends per second at most, at any time */
    double *ends;     /* (n_resources, n_windows + 1) K from the start to the start of a window */
    double *arrived;  /* (n_windows + 1) requests before a window */
    double *best;     /* (n_windows + 1) least bound on those of them answered in time */
    double **start_s; /* (n_services) start delays of the pods of the first decision */
};
enum err bound_init(struct bound *b, struct arena *arena, const struct world *w) WARN_UNUSED;

/* Upper bound on answered in time / received; 1 if nothing was received. cohorts (n): of any
 * controller's episode `id` under `s`; carried: requests in flight when it began. May exceed 1 by
 * carried / received. */
double bound_of(struct bound *b, const struct schedule *s, const struct episode_id *id,
                const struct plant_cohort *cohorts, int n, double carried);

/* Pods of a service that may answer at t_s or earlier in the episode that bound_of() was given. */
int bound_pods(const struct bound *b, int service, double t_s);

#endif
