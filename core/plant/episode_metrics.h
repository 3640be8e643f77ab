/* Metrics of an episode: one definition for training logs, tables and figures.
 *
 * Accumulated from the truth of every period, and from the cohorts at the end. Requests count in
 * received when they come, in answered and compliant when they are answered; so of one episode both
 * quotients may exceed 1, by what was in flight at its start / received. Primary endpoint of every
 * comparison: `slo_attainment` (answered within latency_max / received) at no more `vcpu_h`.
 */
#ifndef KARMA_PLANT_EPISODE_METRICS_H
#define KARMA_PLANT_EPISODE_METRICS_H

#include "core/plant/plant.h"
#include "core/plant/reward.h"

/*    field          unit    meaning */
#define METRIC_LIST(X)                                                                             \
    X(slo_attainment, "", "requests answered without error within latency_max / received")         \
    X(success, "", "requests answered / received")                                                 \
    X(pending, "", "time mean of waiting requests / (received rate x time-out)")                   \
    X(resilience, "", "OR, mean over periods")                                                     \
    X(or_success, "", "its term sr")                                                               \
    X(or_pods, "", "its term 1 - pfr")                                                             \
    X(or_latency, "", "its term 1 - lr")                                                           \
    X(or_entry, "", "its term epa")                                                                \
    X(or_traffic, "", "its term tcr")                                                              \
    X(reward, "", "OR, or what plant.reward chooses, - w_c cost, mean over periods")               \
    X(vcpu, "vCPU", "mean CPU requested by existing pods")                                         \
    X(vcpu_h, "vCPU h", "its integral over the episode")                                           \
    X(availability, "", "time mean share of available services")                                   \
    X(latency, "ms", "mean response time of answered requests")                                    \
    X(recovery, "s", "from onset of the first attack or fault to recovery; 0 if never breached")   \
    X(censored, "", "1 if not recovered at the end of the episode")                                \
    X(violation, "s", "time in 5 s windows below the service level")                               \
    X(scalings, "1/h", "changes of desired replicas per hour, summed over services")               \
    X(flips, "1/h", "changes of direction per hour, summed over services")                         \
    X(conflicts, "", "share of periods in which agents pulled one service both ways")              \
    X(upper_bound, "",                                                                             \
      "the SLO attainment that no controller can exceed; above 1 by what was in flight "           \
      "at "                                                                                        \
      "the start; evaluation only")

struct episode_metrics {
#define METRIC_FIELD_(name, unit, doc) double name;
    METRIC_LIST(METRIC_FIELD_)
#undef METRIC_FIELD_
};
struct metric_info {
    const char *name, *unit, *doc;
};
enum { METRIC_COUNT = sizeof(struct episode_metrics) / sizeof(double) };
enum { METRIC_TRAINED = METRIC_COUNT - 1 }; /* of an episode of training: all but the bound */
extern const struct metric_info metric_info[METRIC_COUNT]; /* in the order of the struct */

/* Running account of one episode. */
struct episode_account {
    double periods, received, answered, compliant, failed, latency_sum_ms, waiting, available;
    double requested_m;
    struct reward_terms sum;
    double scalings, flips, conflicts;
    int8_t *last_direction; /* (n_services), owned by the arena */
    int n_services;
};
enum err episode_account_init(struct episode_account *m, struct arena *arena,
                              int n_services) WARN_UNUSED;
void episode_account_clear(struct episode_account *m);
/* executed (n_services): the change of desired replicas that took place; conflict: two agents asked
 * for opposite signs on one service. */
void episode_account_step(struct episode_account *m, const struct plant_truth *t,
                          const struct reward_terms *r, const int32_t *executed, bool conflict);
/* After one period at least. onset_s: of the first attack or fault, < 0 if none (then recovery and
 * censored are NaN). cohorts may be NULL (then recovery, violation and censored are NaN); windows
 * that ended less than the time-out before the end are not judged, their requests may still be in
 * flight. bound is NaN: core/eval/upper_bound.h knows it. latency is NaN if none was answered. An
 * episode that received no request is not scored: it has no shares, and what it cost bought
 * nothing, so all its metrics are NaN. Where a plant has no exact counters, metrics that need them
 * are NaN.
 */
void episode_metrics_finish(struct episode_metrics *out, const struct episode_account *m,
                            const struct plant_cohort *cohorts, int n_cohorts, double onset_s,
                            const struct plant_cfg *cfg);

/* Is it known that the episode received anything, and how much of it was answered in time? */
bool episode_metrics_scored(const struct episode_metrics *m);

/* A window meets the service level if success >= 0.95 and >= 90 % of what it received was
 * compliant; one without requests says nothing: it is no breach, and no part of a recovery.
 * Recovery: from onset to the start of the first 15 s of good windows after the first breach; 0 if
 * no window that starts at or after onset breaches; to the end of the windows, and censored, if
 * they end first. Violation: time in breaching windows, all of them. */
void episode_metrics_recovery(double *recovery_s, bool *censored, double *violation_s,
                              const struct plant_cohort *cohorts, int n_cohorts, double onset_s);

#endif
