/* Topology: the services, who calls whom, and the node they share.
 *
 * What every phase knows about a cluster: simulator, twin, controllers and organisation all read
 * this one description. Services are indexed 0 .. n-1 in the order of the configuration. The call
 * graph is acyclic; a call to a service is answered when the service has done its own work and its
 * synchronous callees have answered. How it calls them is its fan-out:
 *
 *   parallel   all at once; it answers with the last of them (the request is duplicated)
 *   sequence   in the order of the list, each when the one before has answered; a failure ends it
 *   split      one of them, drawn with equal probabilities for each call
 *
 * Asynchronous callees are told at the same moment and forgotten: nobody waits for them, nobody's
 * deadline holds for them, their failure fails nobody.
 */
#ifndef KARMA_PLANT_TOPOLOGY_H
#define KARMA_PLANT_TOPOLOGY_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/work_law.h"

#include <stdbool.h>
#include <stdint.h>

enum fan_out { FAN_PARALLEL, FAN_SEQUENCE, FAN_SPLIT };

/* Which ready pod of a service gets a call. */
enum balancing {
    BALANCE_RANDOM,      /* any, full ones too, as kube-proxy does */
    BALANCE_LEAST_LOADED /* one with the fewest calls in slots and queue; of several the first from
                            a drawn place on, in the order in which they became ready */
};

/* One service as written in the configuration. */
struct service_cfg {
    const char *name;
    double cpu_m;        /* CPU request of a pod, milli-cores */
    double ram_mib;      /* memory request of a pod, MiB */
    double capacity_rps; /* requests/s one pod answers at full use of its CPU request */
    int min_replicas, max_replicas;
    int initial_replicas; /* at the start of an episode: also what do-nothing keeps */
    bool entry;           /* clients call this service */
    const char **calls;   /* names of the synchronous callees */
    int n_calls;
    const char **async; /* names of the asynchronous callees */
    int n_async;
    enum fan_out fan_out;
    enum work_kind service_time; /* law of a call's CPU demand around its mean */
    double cv;                   /* of a lognormal law */
    const double *samples;       /* of an empirical law, in any unit */
    int n_samples;
};

struct topology_cfg {
    struct service_cfg *services;
    int n_services;
    double node_cpu_m;   /* allocatable CPU of the node, milli-cores */
    double node_ram_mib; /* allocatable memory, MiB */
    double limit_ratio;  /* CPU limit / CPU request of every pod, >= 1 */
    double demand_scale; /* multiplies the CPU demand of every request: 4 = a pod answers a quarter
                            of capacity_rps; keeps utilisation at fewer simulated requests */
    int queue_per_pod;   /* waiting requests a pod accepts (spec: 100) */
    int slots_per_pod;   /* requests a pod works on at once (64) */
    enum balancing balancing;
};
extern const struct cfg_field topology_fields[];

/* Compiled: flat arrays, indices instead of names. Immutable after init; shared by all users. */
struct topology {
    const struct topology_cfg *cfg;
    int n_services, n_entries;
    const int *entries;      /* (n_entries) */
    const int *callee;       /* callees of s: callee[callee_begin[s] .. callee_begin[s+1]) */
    const int *callee_begin; /* (n_services + 1) */
    const int *sync_end;     /* (n_services) asynchronous callees stand from here to the end */
    const int *caller, *caller_begin; /* the same, upstream */
    const int *order;                 /* (n_services) topological, callers first */
    const double *visits; /* mean calls to s per request at the entries (one request spread evenly),
                             none of them failing */
    const struct work_law *work; /* (n_services) of mean 1 */
    const double *demand_s;      /* mean CPU-seconds of one call at s */
    const double *pod_rps;       /* calls/s one pod answers at full use of its request */
    double critical_rps;         /* largest entry rate all services bear at max_replicas */
};

/* Builds and checks: unique names, known callees, acyclic (the sentence shows the cycle and the
 * place in the file), at least one entry, every service reachable, min <= initial <= max, initial
 * fits the node. `src_locs` finds file:line for messages (may be NULL). */
enum err topology_init(struct topology *t, struct arena *arena, const struct topology_cfg *cfg,
                       const struct cfg *src_locs) WARN_UNUSED;

/* levels (n_services): how many services the longest chain of synchronous calls from each one
 * has, itself included; a service that calls nobody, or only asynchronously, has 1. Returns the
 * largest. */
int topology_levels(int *levels, const struct topology *t);

/* Index of a name, -1 if unknown. */
int topology_find(const struct topology *t, const char *name);

#endif
