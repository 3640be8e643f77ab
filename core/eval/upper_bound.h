/* The upper bound of SLO attainment: the share of requests answered in time that no controller can
 * exceed, whatever it does.
 *
 * Computed for one episode from its schedule and its realised arrivals, which are the same for all
 * controllers. No result may exceed it: evaluation ends with a sentence if one does, because then
 * the simulator or this file is wrong. It is no controller, and need not be reachable.
 *
 * Why nobody exceeds it. Take the requests that arrive in a window [a, b).
 *
 * 1. One answered in time needs all synchronous calls of one of its attempts done within L =
 *    latency_max of its arrival, so in [a, b + L]. Of them visits_s or more are at service s: along
 *    the graph the sum over callees, of a split the least; of all entries the least. Asynchronous
 *    calls are nobody's need; they, calls of other attempts and of attackers only take CPU.
 * 2. The pods that may do them hold N_s(u) x limit_s cores. A call is done by the pod it came to,
 *    so of pods that drain only those removed less than L before count. A start takes 1 s at least,
 *    probes and restarts take longer; with L < 1 s a successor is therefore never ready while its
 *    predecessor counts: all pods that count at u existed at u - L, and N_s <= max_replicas. For
 *    longer L, N_s <= max_replicas x (1 + floor(L / 1 s)). Until the pods of the second decision
 *    may be there, N_s is the initial replicas and those pods of the first decision whose start
 *    delay (a draw of the episode) is over.
 * 3. Nobody, neither controller nor processor sharing, knows the work of a call before it is done:
 *    whatever has happened, a call that gets c cores ends within du with a probability of at most
 *        c du pace / mean,     mean = demand_s x slowdown,
 *    pace that of the law (work_law_pace(); 1 for an exponential one) - or, where pace comes from
 *    the least draw, c du spent on it make at most that part of an end. Cold pods and costly
 *    requests only add work. Calls at s thus end at no more than
 *        N_s limit_s pace / (demand_s x least slowdown since u - L)
 *    per second; let K be the integral. With l > 0 the number of ends is below K + x but for a
 *    probability of exp(-l), where
 *        x = l / 3 + sqrt(l^2 / 9 + 2 K l)
 *    (Bernstein's inequality for counting processes: Freedman, On tail probabilities for
 *    martingales, 1975). So at most (K + x) / visits_s of the requests are answered in time. Lucky
 *    service times are what x is for.
 * 4. The node is one more resource of this kind: the CPU limits of all pods in it sum up to
 *    node x limit_ratio at most, and a request needs the work of all its calls. With ends weighted
 *    by demand_s / pace over the largest of these, each counts 1 at most, and the inequality holds
 *    as it stands.
 * 5. The episode is cut into windows so that the sum of the least of (arrivals, 3., 4.) is smallest
 *    (dynamic programming over the windows of plant_cohort, with core/eval/cut.h). l makes the
 *    probability that any of the inequalities used fails in an episode at most 1e-9.
 *
 * To it come requests that arrived before the episode began and end in it. Left out, so that the
 * bound is looser than it might be: crashes, lost calls, slots that connections hold, the noisy
 * neighbour, retries, cold pods, uneven load of the pods, and the time that a request needs even in
 * an empty cluster.
 *
 * No statement, so that the bound is the share of all requests, 1: of a service whose law has no
 * pace; of closed clients, who ask less often when they wait, so that arrivals are not the same for
 * all controllers; of graphs in which a request has so many calls that their draws repeat
 * (core/cluster/internal.h, tree_visits).
 */
#ifndef KARMA_EVAL_UPPER_BOUND_H
#define KARMA_EVAL_UPPER_BOUND_H

#include "core/base/mem.h"
#include "core/eval/cut.h"
#include "core/game/env_setup.h"
#include "core/scenario/schedule.h"

/* Room for one episode at a time. */
struct upper_bound {
    const struct env_setup *env_setup;
    int n_windows;    /* of an episode */
    int n_resources;  /* services, then the node */
    double *end_s;    /* (n_services) CPU that an end takes: mean / pace; 0 = no statement */
    double *need;     /* (n_resources) ends that one request in time takes, 0 = unlimited */
    double *rate;     /* (n_resources) ends per second at most, at any time */
    double *ends;     /* (n_resources, n_windows + 1) K from the start to the start of a window */
    double *arrived;  /* (n_windows + 1) requests before a window */
    double *best;     /* (n_windows + 1) least bound on those of them answered in time */
    struct cut *cuts; /* (n_resources) where the last window may start */
    double **start_s; /* (n_services) start delays of the pods of the first decision */
};
enum err upper_bound_init(struct upper_bound *b, struct arena *arena,
                          const struct env_setup *w) WARN_UNUSED;

/* Upper bound on answered in time / received; 1 if nothing was received. cohorts (n): of any
 * controller's episode `id` under `s`; carried: requests in flight when it began. May exceed 1 by
 * carried / received. */
double upper_bound_of(struct upper_bound *b, const struct schedule *s, const struct episode_id *id,
                      const struct plant_cohort *cohorts, int n, double carried);

/* Pods of a service that may answer at t_s or earlier in the episode that upper_bound_of() was
 * given. */
int upper_bound_pods(const struct upper_bound *b, int service, double t_s);

#endif
