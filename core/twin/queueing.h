/* The parameters of a queueing twin: what a network of queues must know of a cluster.
 *
 *   of a service   demand_s    CPU-seconds of one call
 *                  visits      calls per request at the entries
 *                  usable      CPU that a saturated pod uses / its CPU limit
 *   of the whole   start_s     mean start-up delay of a pod, s
 *                  start_sd_s  its standard deviation, s
 *                  lag_s       age of the newest measurement at a decision, s
 *                  servers     calls that a pod serves side by side as if it were so many servers
 *                              of one queue: 1 = processor sharing of one CPU share
 *                  join        mean of the last of parallel calls beyond the longest mean / that of
 *                              independent calls: below 1, since they meet the same load
 *                  tail        variance of the time at a pod / that of processor sharing
 *                  pod_mib     memory of a pod, MiB
 *                  call_mib    memory of a call that a pod holds, MiB
 *                  call_kbit   network traffic of a call, each way, kbit
 *
 * They are fitted to recorded transitions (queueing_fit.h), each with an interval. What they are
 * *not* is read from a configuration: `capacity_rps` and `demand_scale` of a topology, and the
 * start-up delay of the simulator, are never looked at. Known beforehand is what an operator of
 * Kubernetes knows: the call graph, the CPU and memory requests and limits, the size of the queue
 * and the slots of a pod, the node, the time-out of the clients and the settings of the monitoring
 * system (`plant`).
 */
#ifndef KARMA_TWIN_QUEUEING_H
#define KARMA_TWIN_QUEUEING_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

/*     id       name       unit  least, most */
#define QUEUEING_SERVICE_LIST(X)                                                                   \
    X(DEMAND, "demand_s", "s", 1e-9, 1e3)                                                          \
    X(VISITS, "visits", "calls", 1e-6, 1e4)                                                        \
    X(USABLE, "usable", "", 0.05, 1.0)
#define QUEUEING_WHOLE_LIST(X)                                                                     \
    X(START, "start_s", "s", 0.0, 3600.0)                                                          \
    X(START_SD, "start_sd_s", "s", 0.0, 600.0)                                                     \
    X(LAG, "lag_s", "s", 0.0, 600.0)                                                               \
    X(SERVERS, "servers", "", 1.0, 64.0)                                                           \
    X(JOIN, "join", "", 0.0, 2.0)                                                                  \
    X(TAIL, "tail", "", 0.01, 100.0)                                                               \
    X(POD_MIB, "pod_mib", "MiB", 0.0, 1e9)                                                         \
    X(CALL_MIB, "call_mib", "MiB", 0.0, 1e9)                                                       \
    X(CALL_KBIT, "call_kbit", "kbit", 0.0, 1e9)

#define QUEUEING_ENUM_(id, name, unit, least, most) QUEUEING_##id,
enum queueing_of_service { QUEUEING_SERVICE_LIST(QUEUEING_ENUM_) QUEUEING_PER_SERVICE };
enum queueing_of_whole { QUEUEING_WHOLE_LIST(QUEUEING_ENUM_) QUEUEING_WHOLES };
#undef QUEUEING_ENUM_

struct queueing_limits {
    const char *name, *unit;
    double least, most; /* of a value that makes sense */
};
extern const struct queueing_limits queueing_service_limits[QUEUEING_PER_SERVICE];
extern const struct queueing_limits queueing_whole_limits[QUEUEING_WHOLES];

/* A parameter and its interval: lo <= value <= hi. */
struct queueing_param {
    double value, lo, hi;
};

struct queueing {
    int n_services, n;             /* n = n_services x QUEUEING_PER_SERVICE + QUEUEING_WHOLES */
    struct queueing_param *params; /* (n) those of service 0, of service 1, ...; of the whole */
    const char *const *services;   /* (n_services) borrowed */
    int n_episodes;                /* that it was fitted to */
};

static inline int queueing_at_service(int service, enum queueing_of_service which)
{
    return service * QUEUEING_PER_SERVICE + (int)which;
}
static inline int queueing_at_whole(int n_services, enum queueing_of_whole which)
{
    return n_services * QUEUEING_PER_SERVICE + (int)which;
}

enum err queueing_init(struct queueing *q, struct arena *arena, const char *const *services,
                       int n_services) WARN_UNUSED;

/* Limits of parameter i, and its name ("a.demand_s", "lag_s") in the arena (NULL: no memory). */
const struct queueing_limits *queueing_limits_of(const struct queueing *q, int i);
const char *queueing_name(const struct queueing *q, int i, struct arena *arena);

/* ERR_FORMAT with a sentence if a value is no number, lies outside of its limits, or outside of its
 * own interval. */
enum err queueing_check(const struct queueing *q, const char *source) WARN_UNUSED;

/* The table of parameters as CSV: parameter, unit, value, lo, hi. */
enum err queueing_write_csv(const struct queueing *q, const char *path) WARN_UNUSED;

#endif
