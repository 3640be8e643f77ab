/* Scenarios: what drives a plant. Workload (legitimate load) and faults, as configured.
 *
 * A scenario is a list of event *generators*: kind, target, and ranges from which each episode
 * draws quiet time, ramp, duration and magnitude. Time alternates: quiet, event, quiet, event ...;
 * the first quiet time is cut at a uniform point, as if the process had always been running.
 */
#ifndef KARMA_SCENARIO_SCENARIO_H
#define KARMA_SCENARIO_SCENARIO_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/topology.h"
#include "core/scenario/workload.h"

/*   kind        magnitude's unit */
#define EVENT_KIND_LIST(X)                                                                         \
    X(EVENT_DDOS, "ddos", "peak of the total entry rate, x the workload's mean")                   \
    X(EVENT_CRASH, "crash", "crash probability of each pod per minute (at most 0.2)")              \
    X(EVENT_SLOW, "slow", "factor on the service time")                                            \
    X(EVENT_NEIGHBOUR, "neighbour", "share of the node's CPU taken by others")
#define EVENT_ENUM_(id, name, unit) id,
enum event_kind { EVENT_KIND_LIST(EVENT_ENUM_) EVENT_KINDS };
#undef EVENT_ENUM_

/* struct scenario.service: targets that are no index; most generators of a scenario. */
enum { SCENARIO_ALL = -1, SCENARIO_DRAWN = -2, SCENARIO_EVENTS_MAX = 16 };

struct range_cfg {
    double lo, hi;
};

struct event_cfg {
    int kind;            /* enum event_kind */
    const char *service; /* of crash and slow: name; "any" = drawn per event; "all" */
    struct range_cfg quiet_s, ramp_s, duration_s, magnitude;
};

struct scenario_cfg {
    const char *name;
    struct event_cfg *events;
    int n_events;
};
extern const struct cfg_field scenario_fields[];

struct scenario {
    const struct scenario_cfg *cfg;
    const struct workload *workload;
    const struct topology *topology;
    const int *service; /* (cfg->n_events) index, SCENARIO_ALL or SCENARIO_DRAWN */
};

/* Resolves names and checks ranges (lo <= hi, units' limits); sentences name the place: `key` is
 * the scenario's own, "scenarios.2"; places may be NULL. */
enum err scenario_init(struct scenario *s, struct arena *arena, const struct scenario_cfg *cfg,
                       const struct workload *workload, const struct topology *topology,
                       const char *key, const struct cfg *places) WARN_UNUSED;

/* Can a schedule of n_seconds hold every event the scenario may draw (SCHEDULE_EVENTS_MAX)? */
enum err scenario_check_length(const struct scenario *s, int n_seconds, const char *key,
                               const struct cfg *places) WARN_UNUSED;

#endif
