/* Scenarios: what drives a plant. Workload (legitimate load) and faults, as configured.
 *
 * A scenario is a list of event *generators*: kind, target, and ranges from which each episode
 * draws quiet time, ramp, duration and magnitude. Time alternates: quiet, event, quiet, event ...;
 * the first quiet time is cut at a uniform point, as if the process had always been running.
 *
 * A generator may instead *follow* one that stands before it: each event of the leader is followed,
 * with a probability and after a delay, by one of its own. So a flood that triggers crashes which
 * trigger contention is three generators, each following the one before.
 */
#ifndef KARMA_SCENARIO_SCENARIO_H
#define KARMA_SCENARIO_SCENARIO_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/topology.h"
#include "core/scenario/workload.h"

/* What an event hits. `service` names the target of HITS_SERVICE, `service` and `callee` that of
 * HITS_LINK; the others have no target to choose. */
enum event_hits { HITS_ENTRIES, HITS_SERVICE, HITS_NODE, HITS_LINK, HITS_MONITOR, HITS_CLIENTS };

/* id, name, target, neutral (magnitude of nothing happening), least, greatest, magnitude's unit.
 *
 *   ddos           requests of an attacker, on top of the legitimate ones
 *   crash          pods crash at a rate; the greatest is the limit of the method's attacker
 *   slow           a bottleneck: calls that arrive at the service need more CPU
 *   neighbour      others take CPU from the node, and do not give way
 *   yoyo           a flood that goes on and off, on_s and off_s, each time with the ramp; meant
 *                  against the window after which an autoscaler scales down (A. Bremler-Barr et
 *                  al., "DDoS attack on cloud auto-scaling mechanisms", INFOCOM 2017)
 *   loris          connections that take a place at an entry and then nothing but time: they hold
 *                  a worker slot for hold_s each, use no CPU, and are no requests
 *   cost           few requests of an attacker (`rate` x the workload's mean), each needing more
 *                  CPU than a legitimate one at every service on its way
 *   slow_node      all services need more CPU: the node's clock is throttled
 *   net_loss       calls from `service` to `callee` are lost; the caller is told at once
 *   metric_outage  scrapes fail; controllers see what was seen last
 *   crash_all      at one instant, a share of the ready pods of the service crashes; ramp_s and
 *                  duration_s are not used
 *   retry_storm    clients try failed requests again, more often than they otherwise do
 */
#define EVENT_KIND_LIST(X)                                                                         \
    X(EVENT_DDOS, "ddos", HITS_ENTRIES, 1, 1, 100,                                                 \
      "peak of the total entry rate, x the workload's mean")                                       \
    X(EVENT_CRASH, "crash", HITS_SERVICE, 0, 0, 0.2,                                               \
      "crash probability of each pod per minute (at most 0.2)")                                    \
    X(EVENT_SLOW, "slow", HITS_SERVICE, 1, 1, 100, "factor on the service time")                   \
    X(EVENT_NEIGHBOUR, "neighbour", HITS_NODE, 0, 0, 0.9,                                          \
      "share of the node's CPU taken by others")                                                   \
    X(EVENT_YOYO, "yoyo", HITS_ENTRIES, 1, 1, 100,                                                 \
      "peak of the total entry rate while on, x the workload's mean")                              \
    X(EVENT_LORIS, "loris", HITS_ENTRIES, 0, 0, 100,                                               \
      "new connections a second / the workload's mean rate")                                       \
    X(EVENT_COST, "cost", HITS_ENTRIES, 1, 1, 100,                                                 \
      "CPU of an attack request / of a legitimate one")                                            \
    X(EVENT_SLOW_NODE, "slow_node", HITS_NODE, 1, 1, 100, "factor on all service times")           \
    X(EVENT_NET_LOSS, "net_loss", HITS_LINK, 0, 0, 1, "probability that a call is lost")           \
    X(EVENT_METRIC_OUTAGE, "metric_outage", HITS_MONITOR, 0, 0, 1,                                 \
      "probability that a scrape fails")                                                           \
    X(EVENT_CRASH_ALL, "crash_all", HITS_SERVICE, 0, 0, 1, "share of the ready pods that crash")   \
    X(EVENT_RETRY_STORM, "retry_storm", HITS_CLIENTS, 0, 0, 10,                                    \
      "more attempts for each failed request")
#define EVENT_ENUM_(id, name, hits, neutral, lo, hi, unit) id,
enum event_kind { EVENT_KIND_LIST(EVENT_ENUM_) EVENT_KINDS };
#undef EVENT_ENUM_

struct event_kind_info {
    const char *name, *unit;
    enum event_hits hits;
    double neutral, least, greatest;
};
extern const struct event_kind_info event_kind_info[EVENT_KINDS];

/* Targets that are no index; most generators of a scenario; no leader. */
enum {
    SCENARIO_ALL = -1,
    SCENARIO_DRAWN = -2,
    SCENARIO_EVENTS_MAX = 16,
    SCENARIO_LEADS_ITSELF = -1
};

struct range_cfg {
    double lo, hi;
};

struct event_cfg {
    int kind;            /* enum event_kind */
    const char *name;    /* for `follow`; "" = none */
    const char *service; /* of crash, slow, crash_all: name; "any" = drawn per event; "all". Of
                            net_loss: the caller */
    const char *callee;  /* of net_loss: the called service, likewise */
    struct range_cfg quiet_s, ramp_s, duration_s, magnitude;
    struct range_cfg on_s, off_s; /* of yoyo: from the start of a rise to that of the fall; from
                                     there to the next rise */
    struct range_cfg hold_s;      /* of loris */
    struct range_cfg rate;        /* of cost: its requests / the workload's mean */
    const char *follow;           /* name or index of a generator before this one; "" = none */
    struct range_cfg delay_s;     /* of a follower, from the start of the leader's event */
    double probability;           /* that an event of the leader is followed */
};

struct scenario_cfg {
    const char *name;
    struct event_cfg *events;
    int n_events;
};
extern const struct cfg_field scenario_fields[];

/* A target of one generator, resolved. */
struct scenario_target {
    int service, callee; /* index, SCENARIO_ALL or SCENARIO_DRAWN */
    int leader;          /* generator it follows, SCENARIO_LEADS_ITSELF */
};

struct scenario {
    const struct scenario_cfg *cfg;
    const struct workload *workload;
    const struct topology *topology;
    const struct scenario_target *targets; /* (cfg->n_events) */
};

/* Resolves names and checks ranges (lo <= hi, units' limits); sentences name the place: `key` is
 * the scenario's own, "scenarios.2"; places may be NULL. */
enum err scenario_init(struct scenario *s, struct arena *arena, const struct scenario_cfg *cfg,
                       const struct workload *workload, const struct topology *topology,
                       const char *key, const struct cfg *src_locs) WARN_UNUSED;

/* ---- between the files of this folder ---- */

/* One generator and where it stands in the configuration. */
struct scenario_src_loc {
    const struct scenario_cfg *scenario;
    const struct event_cfg *event;
    const struct cfg *src_locs;
    const char *key; /* of the scenario */
    int index;       /* of the event */
};

/* Everything about one generator that needs more than one value. */
enum err scenario_check_event(const struct scenario_src_loc *p) WARN_UNUSED;

/* Names -> indices. */
enum err scenario_resolve(struct scenario_target *out, const struct scenario_src_loc *p,
                          const struct topology *topology) WARN_UNUSED;

#endif
