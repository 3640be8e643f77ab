/* Outcomes: what a monitoring system shows of a decision period, each value known or unknown.
 *
 * They are the measured counterpart of struct plant_truth. Every plant has them: a simulator and a
 * twin tell them from their measured state, a live cluster from what Prometheus holds. So they have
 * the lag and the windows of the state (plant.h): after a decision they describe a window that ends
 * lag_s before the next decision and is window_s long, not the period itself.
 *
 * What no monitoring system can tell is not among them: which requests are an attacker's, and how
 * many were in flight.
 */
#ifndef KARMA_PLANT_OUTCOMES_H
#define KARMA_PLANT_OUTCOMES_H

#include "core/plant/plant.h"
#include "core/plant/schema.h"

/*    id        name           unit       meaning */
#define OUTCOME_LIST(X)                                                                            \
    X(RECEIVED, "received", "1/s", "requests received at the entries, attack traffic included")    \
    X(SUCCESS, "success", "", "requests answered / resolved; 1 if none was resolved")              \
    X(SLO_ATTAINMENT, "slo_attainment", "", "requests answered within latency_max / received")     \
    X(LATENCY, "latency", "ms", "response time of answered requests; 0 if none was answered")      \
    X(WAITING, "waiting", "requests", "requests waiting in queues")                                \
    X(PODS, "pods", "pods", "pods that exist")                                                     \
    X(PODS_FAILED, "pods_failed", "pods", "pods crashed and waiting for restart")                  \
    X(ENTRY, "entry", "", "share of entries with a ready pod")                                     \
    X(SERVICE, "service", "", "share of services with a ready pod and fewer errors than answers")  \
    X(REQUESTED, "requested", "mcpu", "CPU requested by existing pods, at most the node's")        \
    X(USED, "used", "mcpu", "CPU used")                                                            \
    X(HEADROOM, "headroom", "",                                                                    \
      "mean over services of min(1, headroom_target / utilisation); utilisation: CPU used / "      \
      "requested")

#define OUTCOME_ENUM_(id, name, unit, doc) OUTCOME_##id,
enum plant_outcome { OUTCOME_LIST(OUTCOME_ENUM_) OUTCOMES };
#undef OUTCOME_ENUM_

struct outcome_info {
    const char *name, *unit, *doc;
};
extern const struct outcome_info outcome_info[OUTCOMES];

struct plant_outcomes {
    double value[OUTCOMES]; /* NaN where unknown */
    unsigned known;         /* bit i: value[i] is known */
};

static inline bool outcome_known(const struct plant_outcomes *o, enum plant_outcome i)
{
    return (o->known >> i & 1U) != 0;
}

/* A value that is not finite becomes unknown. */
void outcome_set(struct plant_outcomes *o, enum plant_outcome i, double value);

/* From a measured state; age (state_size): INFINITY = unknown, NULL: all is known. Where the state
 * lacks the entry point's own value, that of the entry services stands in for it: for `success`
 * their answered calls, for `latency` their mean latency. */
void outcomes_of_state(struct plant_outcomes *out, const float *state, const float *age,
                       const struct topology *topology, const struct plant_cfg *cfg);

/* The outcomes of a plant's last period. */
void plant_outcomes(struct plant_outcomes *out, const struct plant *p, int lid);

/* Counters as far as the outcomes tell them, for metrics of a plant that has no exact ones; NaN
 * where unknown. All traffic counts as legitimate, since nothing else can be seen. */
void outcomes_counters(struct plant_truth *out, const struct plant_outcomes *o, double period_s);

#endif
