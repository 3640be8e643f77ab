/* The state schema: the one vector that crosses plants, traces, twin, policies and the live
 * cluster.
 *
 * A state is float[n_services * SERVICE_FEATURES + GLOBAL_FEATURES]: first one block per service in
 * the order of the topology, then the global block. It holds what a monitoring system would show at
 * a decision: measured with scrape interval, window and lag; never an attack label, never the
 * future. Rates and means are over the 30 s window unless the name says otherwise.
 *
 * Against a real Prometheus. A rate here is the slope between the oldest and the newest scrape of
 * its window, both ends included: 30 s at a scrape every 5 s are 7 scrapes. Prometheus' rate()
 * extrapolates increase and time alike to the ends of its range when scrapes are near them, so it
 * gives the same slope over a range a little longer, rate(x[32s]). Counters here are sums over all
 * pods and survive them; there, what a pod counted before its first and after its last scrape is
 * lost. When a scrape fails, Prometheus shows no instant value, and for a rate uses what is left in
 * the range; here the last value stays, as with an adapter that remembers. How old what is seen is
 * does not belong to the state: a controller cannot rely on being told.
 *
 * Against metrics-server. hpa_cpu stands for its CPU: the rate of a cumulative counter between two
 * points in time, plant.hpa_window_s apart (15 s, its resolution), in whole milli-cores per pod. In
 * an outage the hpa_* columns do not stay as they were: pods without a metric are hpa_missing.
 *
 * `obs` says whether a policy sees the feature (the hpa_* columns exist for the Kubernetes rule,
 * which needs its partition of the pods), `paper` whether it is one of the nine of the paper
 * (arXiv 2505.21559, section on the state space).
 */
#ifndef KARMA_PLANT_SCHEMA_H
#define KARMA_PLANT_SCHEMA_H

/*    name             unit          obs paper  meaning */
#define SERVICE_FEATURE_LIST(X)                                                                    \
    X(ID, "id", "", 0, 1, "number of the service")                                                 \
    X(DEPLOYED, "deployed", "pods", 1, 1, "pods that exist")                                       \
    X(DESIRED, "desired", "pods", 1, 1, "pods asked for")                                          \
    X(FAILED_PODS, "failed_pods", "pods", 1, 1, "pods crashed and waiting for restart")            \
    X(QUEUE, "queue", "requests", 1, 1, "requests waiting in pod queues")                          \
    X(CPU, "cpu", "mcpu", 1, 1, "CPU used, summed over pods")                                      \
    X(RAM, "ram", "MiB", 0, 1, "memory used, summed over pods")                                    \
    X(NET_IN, "net_in", "kbit/s", 0, 1, "received traffic")                                        \
    X(NET_OUT, "net_out", "kbit/s", 0, 1, "transmitted traffic")                                   \
    X(RECEIVED, "received", "1/s", 1, 0, "calls received")                                         \
    X(SUCCEEDED, "succeeded", "1/s", 1, 0, "calls answered without error")                         \
    X(ERRORS, "errors", "1/s", 1, 0, "calls refused, expired or lost")                             \
    X(LATENCY, "latency", "ms", 1, 0, "mean time of answered calls at this service")               \
    X(READY, "ready", "pods", 1, 0, "pods ready")                                                  \
    X(POD_AGE, "pod_age", "s", 1, 0, "mean age of the pods, capped at 600")                        \
    X(UTIL_10S, "util_10s", "", 1, 0, "CPU used / CPU requested of ready pods, last 10 s")         \
    X(LATENCY_10S, "latency_10s", "ms", 1, 0, "the same latency, last 10 s")                       \
    X(HPA_READY, "hpa_ready", "pods", 0, 0, "pods the HPA rule counts as ready with a metric")     \
    X(HPA_IGNORED, "hpa_ignored", "pods", 0, 0, "pods it sets aside as pending or too young")      \
    X(HPA_MISSING, "hpa_missing", "pods", 0, 0, "running pods without a metric")                   \
    X(HPA_CPU, "hpa_cpu", "mcpu", 0, 0, "CPU used by the hpa_ready pods")

#define GLOBAL_FEATURE_LIST(X)                                                                     \
    X(ENTRY_30S, "entry_30s", "1/s", 1, 0, "requests received at the entries, last 30 s")          \
    X(ENTRY_10S, "entry_10s", "1/s", 1, 0, "the same, last 10 s")                                  \
    X(ENTRY_5S, "entry_5s", "1/s", 1, 0, "the same, last 5 s")                                     \
    X(ENTRY_DIFF, "entry_diff", "1/s", 1, 0, "last 10 s minus the 10 s before")                    \
    X(ENTRY_TREND, "entry_trend", "1/s", 1, 0, "last 10 s minus last 30 s")                        \
    X(ANSWERED, "answered", "", 1, 0, "requests answered / resolved, 30 s; 1 if none")             \
    X(RESPONSE, "response", "ms", 1, 0, "mean response time of answered requests, 30 s")

#define SERVICE_ENUM_(id, name, unit, obs, paper, doc) SF_##id,
enum service_feature { SERVICE_FEATURE_LIST(SERVICE_ENUM_) SERVICE_FEATURES };
#undef SERVICE_ENUM_
#define GLOBAL_ENUM_(id, name, unit, obs, paper, doc) GF_##id,
enum global_feature { GLOBAL_FEATURE_LIST(GLOBAL_ENUM_) GLOBAL_FEATURES };
#undef GLOBAL_ENUM_

struct feature_info {
    const char *name, *unit, *doc;
    int obs, paper;
};
extern const struct feature_info service_feature_info[SERVICE_FEATURES];
extern const struct feature_info global_feature_info[GLOBAL_FEATURES];

static inline int state_size(int n_services)
{
    return n_services * SERVICE_FEATURES + GLOBAL_FEATURES;
}
static inline int state_service_at(int service, enum service_feature f)
{
    return service * SERVICE_FEATURES + (int)f;
}
static inline int state_global_at(int n_services, enum global_feature f)
{
    return n_services * SERVICE_FEATURES + (int)f;
}

#endif
