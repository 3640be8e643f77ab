/* The cluster simulator: a request-level discrete-event simulation of Kubernetes services; a plant.
 *
 * It stands in for the real cluster: traces come from it and every reported result is measured on
 * it. A request walks the call graph; a call holds its worker slot until its callees have answered,
 * so back-pressure and cascades arise by themselves. Callees are called in parallel, in sequence,
 * or one of them; asynchronous ones are told and forgotten (plant/topology.h). The CPU demand of a
 * call follows the law of its service (plant/work_law.h), its pod the balancing of the topology.
 *
 * Pod: a queue (queue_per_pod), worker slots (slots_per_pod), processor sharing of its CPU among
 * the calls that compute: each advances at min(1, cpu / n) cores, cpu = limit, cut by the node when
 * demand exceeds it. Calls whose deadline has passed are dropped when dequeued
 * (deadline_propagation). A pod starts after start_s +- start_sd_s, is removed gracefully (no new
 * calls, drains), crashes at the schedule's rate (its calls are lost) and restarts after a back-off
 * that doubles from backoff_s to backoff_max_s.
 *
 * Conventions. A request counts as resolved when its first call is answered, refused or lost; if
 * the client has given up by then it counts as failed, at that moment: received = resolved + in
 * flight at any time. A pod without a place on the node (CPU and memory requests) exists and waits.
 * Scale-down removes pods without a place first, then starting ones, crashed ones, and ready ones,
 * the youngest first; a removed pod keeps its CPU request until it has drained, 30 s at most.
 * Before an episode some 45 s run at the rates of its first second, with the first pods already 600
 * s old, so that measurement windows are full at the first decision; neither truth nor cohorts
 * count them, but what they left in flight is resolved in the first period.
 *
 * Memory is fixed at cluster_new: every pod has room for its slots and its queue, and there are
 * twice as many pods as max_replicas in sum, for those that drain; when that is not enough, new
 * pods wait for drained ones. One environment's results depend on nothing but its identity, its
 * schedule and the actions; the same bits on any compiler.
 */
#ifndef KARMA_CLUSTER_CLUSTER_H
#define KARMA_CLUSTER_CLUSTER_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/plant/topology.h"

#include <stdint.h>

struct cluster_cfg {
    double start_s, start_sd_s;        /* pod start-up delay: mean, standard deviation */
    double backoff_s, backoff_max_s;   /* CrashLoopBackOff */
    double backoff_reset_s;            /* running this long forgets earlier crashes */
    bool deadline_propagation;         /* drop expired calls when dequeued */
    double bytes_per_call;             /* network traffic of one call, each way */
    double ram_base_mib, ram_call_mib; /* memory of a pod: base + per call it holds */
};
extern const struct cfg_field cluster_fields[];

/* A tile of n_env simulated clusters. All arguments are kept by reference. */
enum err cluster_new(struct plant **out, struct arena *arena, const struct cluster_cfg *cfg,
                     const struct plant_cfg *plant, const struct topology *topology, int n_env,
                     int max_horizon) WARN_UNUSED;

/* Calls completed or failed at a service since the start, all environments: the unit of the
 * simulator's speed (request-hops). */
uint64_t cluster_hops(const struct plant *p);

/* Checks conservation in every environment: received = resolved + in flight, slots and queues
 * agree with the pods' lists. Returns false and logs what is wrong. For tests, any time. */
bool cluster_consistent(const struct plant *p);

#endif
