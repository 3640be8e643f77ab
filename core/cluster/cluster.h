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
 * demand exceeds it (allocated anew whenever what a pod could use changes: contention.c). Calls
 * whose deadline has passed are dropped when dequeued (deadline_propagation). With one slot calls
 * are served first come, first served; c slots on a limit of c cores are c servers; many slots
 * share the CPU; slots + queue bound what is inside.
 *
 * A pod's life. Its container starts when it is scheduled on the node and could answer after
 * start_s +- start_sd_s (normal, never below 1 s). It is ready at the first probe that finds it so:
 * probes come probe_delay_s after the start of the container and every probe_s from then on;
 * probe_s 0 = at once. For warm_s after that the work of calls that begin to compute is multiplied
 * by a factor that falls linearly from warm_factor to 1 (work in the queue meanwhile is not
 * affected). It is removed gracefully: no new calls from that instant on (endpoints follow at
 * once), its calls may end within grace_s, what is left is lost. It crashes at the schedule's rate:
 * all it holds is lost and fails at once, its callees work on for nobody; it stays on the node and
 * restarts after a back-off: backoff_s, doubled with each crash up to backoff_max_s, forgotten when
 * it had been ready for backoff_reset_s (CrashLoopBackOff: 10 s, 300 s, 10 min). A restarted pod
 * starts, is probed and warms up as a new one. Readiness probes never fail a pod that is ready,
 * however busy it is; with liveness.coupling > 0 liveness probes do, and it crashes at a rate that
 * grows with the work it holds (liveness.c).
 *
 * Clients (legitimate ones; attack traffic is open and never tries again). Open clients send one
 * request for each arrival of the schedule's Poisson stream. Closed ones are users: each thinks for
 * an exponential time, sends a request and thinks again when it is resolved, however it ended.
 * There are `users` of them, or, if that is 0, as many as would make the schedule's rate if a
 * response took nominal_ms: rate x (think_s + nominal_ms), rounded to nearest, followed every
 * second; of too many, those who think leave at once, those who wait when their request is
 * resolved. A client gives up a request plant.timeout_s after its first attempt. An attempt that is
 * refused, fails, is lost or takes longer than attempt_timeout_s is followed, while there are
 * retries and time left, by another one at the same entry, after backoff_s x 2^(k-1), at most
 * backoff_max_s, of which a uniform part of at most `jitter` is taken off (1: "full jitter").
 * Servers learn of an abandoned attempt by its deadline only; whether they heed it is
 * deadline_propagation. Its answer is discarded. Retries are counted apart (plant_truth.retries)
 * and are calls to the services; the measured rates of the front are those of attempts. At most
 * requests_max requests are remembered: what arrives while so many are open has one attempt; it is
 * also the largest number of users.
 *
 * Conventions. A request that will not be retried by an open client counts as resolved when its
 * first call is answered, refused or lost; if the client has given up by then it counts as failed,
 * at that moment. All others are resolved when the client has its answer or gives up. received =
 * resolved + in flight at any time. A pod for which the node has no room (CPU and memory requests)
 * exists and waits. Scale-down removes such pending pods first, then starting ones, crashed ones,
 * and ready ones, the youngest first; a removed pod keeps its CPU request until it has drained, 30
 * s at most. Before an episode some 45 s run at the legitimate rate of its first second, without
 * attack or fault (an event's time 0 is the start of the episode), with the first pods already 600
 * s old, so that measurement windows are full at the first decision; neither truth nor cohorts
 * count them, but what they left in flight is resolved in the first period.
 *
 * Attacks and faults come from the schedule (scenario.h) and act here: floods and costly requests
 * as arrivals (arrivals.c); crashes, simultaneous crashes, slow-downs and the noisy neighbour on
 * ticks of 0.1 s (disturbances.c); slow-loris connections and lost calls in requests (attack.c);
 * failed scrapes in the measured state (scrape.c). Slow-loris connections are no requests: they
 * appear in no counter of received, answered or failed, only in queues and slots. A lost call
 * counts as a refused one. A retry storm gives each failed request as many attempts more as the
 * schedule says at that moment, with the back-off of the clients, also where they do not retry
 * otherwise (cfg.clients.storms). The learned attacker acts within a budget (attacker.h);
 * attack_left says what remains.
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

enum client_kind { CLIENT_OPEN, CLIENT_CLOSED };

struct client_cfg {
    enum client_kind kind;
    int users;                       /* closed: how many; 0 = as the schedule's rate says */
    double think_s;                  /* closed: mean think time, exponential */
    double nominal_ms;               /* closed: response at which users make the schedule's rate */
    int retries;                     /* attempts after the first */
    double attempt_timeout_s;        /* an attempt is abandoned after this, 0 = never */
    double backoff_s, backoff_max_s; /* before the first retry; doubles up to the second */
    double jitter;                   /* part of a wait that is drawn */
    int requests_max;                /* records for requests that may be retried, and for users */
    bool storms; /* some scenario has a retry storm, so records are needed then; no row of the
                    configuration: env_setup_init() knows */
};

/* Liveness probes, and how strongly a pod's load crashes it (liveness.c has the law). */
struct liveness_cfg {
    double coupling; /* factor on the crash rate, 0 = probes never fail */
    double timeout_s, period_s;
    int failures; /* in a row, that restart a container */
};

struct cluster_cfg {
    double start_s, start_sd_s;        /* pod start-up delay: mean, standard deviation */
    double backoff_s, backoff_max_s;   /* CrashLoopBackOff */
    double backoff_reset_s;            /* running this long forgets earlier crashes */
    double probe_delay_s, probe_s;     /* readiness: first probe, interval; 0 = no probe */
    double warm_s, warm_factor;        /* after readiness: length, first factor on the work */
    double grace_s;                    /* a removed pod has this long to drain */
    bool deadline_propagation;         /* drop expired calls when dequeued */
    double bytes_per_call;             /* network traffic of one call, each way */
    double ram_base_mib, ram_call_mib; /* memory of a pod: base + per call it holds */
    struct client_cfg clients;
    struct liveness_cfg liveness;
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
 * agree with the pods' lists, and Little's law holds exactly, but for rounding, over all requests.
 * Returns false and logs what is wrong. For tests, any time. */
bool cluster_consistent(const struct plant *p);

#endif
