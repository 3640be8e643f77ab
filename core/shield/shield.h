/* The shield: what no controller, learned or not, may do to a cluster.
 *
 * A pure function between a controller and a plant:
 *
 *     (proposed change, measured state with the age of each value, limits, history)
 *         -> (allowed change, reasons)
 *
 * It draws nothing and reads no clock, so whoever has its inputs computes the same output, bit for
 * bit. Times are seconds of the plant's clock (plant_clock_s()).
 *
 * Invariants, the highest first. d is what a service asks for now (`desired`), x what it is to ask
 * for after the decision; each invariant is a set A of allowed x:
 *
 *   1 budget      Pods, CPU and memory that all services ask for fit the quota and the node:
 *                 if any x > d, then sum of x times request <= min(quota, node). Checked after all
 *                 others on the joint change. An increase that does not fit is granted pod by pod,
 *                 first to services below what a higher invariant requires of them, then to the one
 *                 with the fewest pods granted; a decrease is never refused by it.
 *                 Assumes that the room of pods that end is free at once.
 *   2 bounds      min_replicas <= x <= max_replicas.
 *   3 step        d - step_in <= x <= d + step_out.
 *   4 freshness   Blind is a service of which a value that the shield reads (shield_reads()) is
 *                 missing (not a number, age unknown), implausible (negative, infinite, ready pods
 *                 > deployed pods), stale (older than stale_s) or frozen (its rates, CPU and queue
 *                 have not changed by a bit for frozen_s, whatever their age says), and every
 *                 service while the entry rates are.
 *                 Blind for less than hold_s: x = d. Later: x = d + 1 while d < floor, else x = d,
 *                 where `floor` are the pods that bear floor_load of the largest load the cluster
 *                 bears. While `desired` itself is not known: no write, whatever else holds (the
 *                 budget counts the last known number, or max_replicas).
 *                 Not blind, but pods without a metric (partial), pods failed or not ready
 *                 (unready): x >= d.
 *                 Assumes that an age is not understated; frozen catches an adapter that repeats
 *                 its last value. A metric that is wrong, fresh, moving and plausible passes.
 *   5 capacity    x >= hold: with the bound of the measured load, utilisation <= `utilisation`.
 *                 x < d only if x >= safe: over the actuation lag the load bound, its growth
 *                 included, stays <= scale_in_utilisation, and the bound of the backlog (bounds.h)
 *                 can be worked off within latency_max. Load is the larger of two bounds: entry
 *                 rate x visits at the told capacity, and measured CPU (received calls at the CPU
 *                 that a call is seen to need, where the told one is refuted at the confidence).
 *                 Does not hold of a blind service: nothing is known of its load.
 *                 Assumes what bounds.h assumes, and calls spread evenly over pods.
 *   6 flaps       At most flips_max changes of direction in flap_window_s, own ones: a decrease
 *                 that reverses is allowed after at most flips_max - 2 of them, an increase after
 *                 at most flips_max - 1. So the increase that follows a decrease is always free:
 *                 the budget never delays an increase, unless a higher invariant has overdrawn it.
 *   7 cooldown    x = d for cooldown_s after somebody else changed `desired`.
 *   8 disruption  x >= d - (ceil(disruption d) - unavailable): what a decrease takes and what is
 *                 not ready together stay within a PodDisruptionBudget of that maxUnavailable.
 *
 * Conflicts. Let S_0 be all numbers, and S_i the points of S_(i-1) that are nearest to A_i. The
 * result is the point of S_8 that is nearest to the proposal. So every invariant holds that is
 * compatible with those above it, and one that is not is violated as little as these permit and is
 * reported as overruled. All A_i are intervals, so each S_i is one, and the whole costs two
 * comparisons for each invariant.
 *
 * The result is idempotent: shielded again, it is itself.
 *
 * The clock. A time that is not finite, or before the last one, counts as the last one. Until a
 * finite time has been seen every service is blind, with a missing value. Assumes that a finite
 * time is right: one in the far future would stop the clock until then.
 *
 * Use, at each decision: shield_observe() once; shield_decide(); shield_executed() with what was
 * written. docs/shield.md has the proofs and the price. tests/unit/shield_monitor.h judges without
 * this code.
 */
#ifndef KARMA_SHIELD_SHIELD_H
#define KARMA_SHIELD_SHIELD_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/plant/topology.h"
#include "core/shield/bounds.h"

#include <stdbool.h>
#include <stdint.h>

enum { SHIELD_FLIPS_MAX = 32 };

/* Section `shield`. */
struct shield_cfg {
    int quota_pods;       /* of all services; 0 = none */
    double quota_cpu_m;   /* CPU requests of all services; 0 = the node's */
    double quota_ram_mib; /* memory requests of all services; 0 = the node's */
    int step_out, step_in;
    double stale_s, frozen_s, hold_s, floor_load;
    double utilisation, scale_in_utilisation, actuation_s;
    double confidence, arrival_scv, service_scv;
    int flips_max;
    double flap_window_s, cooldown_s, disruption;
};
extern const struct cfg_field shield_fields[];

enum shield_invariant {
    SHIELD_BUDGET,
    SHIELD_BOUNDS,
    SHIELD_STEP,
    SHIELD_FRESHNESS,
    SHIELD_CAPACITY,
    SHIELD_FLAPS,
    SHIELD_COOLDOWN,
    SHIELD_DISRUPTION,
    SHIELD_INVARIANTS
};
extern const char *const shield_invariant_names[SHIELD_INVARIANTS];

/* Why a proposal was changed.
 *    id           name           invariant           meaning */
#define SHIELD_REASON_LIST(X)                                                                      \
    X(QUOTA, "quota", SHIELD_BUDGET, "the quota of pods, CPU or memory is used up")                \
    X(NODE, "node", SHIELD_BUDGET, "the node has no room for the requests")                        \
    X(REPLICAS, "replicas", SHIELD_BOUNDS, "outside min_replicas and max_replicas")                \
    X(STEP, "step", SHIELD_STEP, "a larger change than one decision may make")                     \
    X(MISSING, "missing", SHIELD_FRESHNESS, "a value is not a number, or its age is unknown")      \
    X(IMPLAUSIBLE, "implausible", SHIELD_FRESHNESS, "a value is impossible")                       \
    X(STALE, "stale", SHIELD_FRESHNESS, "a value is too old")                                      \
    X(FROZEN, "frozen", SHIELD_FRESHNESS, "values have not changed by a bit")                      \
    X(PARTIAL, "partial", SHIELD_FRESHNESS, "pods without a metric: no scale-in")                  \
    X(UNREADY, "unready", SHIELD_FRESHNESS, "pods not ready: no scale-in")                         \
    X(FLOOR, "floor", SHIELD_FRESHNESS, "blind for hold_s: a step towards the safe floor")         \
    X(LOAD, "load", SHIELD_CAPACITY, "fewer pods than the measured load needs")                    \
    X(LAG, "lag", SHIELD_CAPACITY, "scale-in: too few pods over the actuation lag")                \
    X(BACKLOG, "backlog", SHIELD_CAPACITY, "scale-in: the backlog could outlast latency_max")      \
    X(FLAPS, "flaps", SHIELD_FLAPS, "too many changes of direction")                               \
    X(FOREIGN, "foreign", SHIELD_COOLDOWN, "somebody else has changed the replicas")               \
    X(DISRUPTION, "disruption", SHIELD_DISRUPTION, "too many pods would be unavailable")

#define SHIELD_ENUM_(id, name, invariant, doc) SHIELD_REASON_##id,
enum shield_reason { SHIELD_REASON_LIST(SHIELD_ENUM_) SHIELD_REASONS };
#undef SHIELD_ENUM_

struct shield_reason_info {
    const char *name, *doc;
    enum shield_invariant invariant;
};
extern const struct shield_reason_info shield_reason_info[SHIELD_REASONS];

/* The limits, compiled. Immutable, shared by all environments. */
struct shield {
    const struct shield_cfg *cfg;
    const struct topology *topology;
    int n_services;
    int step_out, step_in;     /* of the configuration, or shield_bound_steps() */
    double lag_s, window_s;    /* of the plant's monitoring */
    double answer_s;           /* latency_max */
    double cpu_max_m, ram_max; /* of requests: the smaller of quota and node */
    bool quota_cpu, quota_ram; /* the smaller one is the quota */
    const int *floor;          /* (n_services) safe floor, replicas */
    struct bound_level level;  /* of `confidence` */
    unsigned switched_off;     /* bits of enum shield_invariant; 0. For tests of the tests only */
};

/* Everything by reference. ERR_CONFIG, ERR_MEMORY. */
enum err shield_init(struct shield *s, struct arena *arena, const struct shield_cfg *cfg,
                     const struct topology *topology, const struct plant_cfg *plant,
                     const struct cfg *src_locs) WARN_UNUSED;

/* Changes are executed only up to `most` pods a decision (eval.step_bound): the step cap is at most
 * that, so what is allowed is what is executed. 0: no bound. Before the first decision. */
void shield_bound_steps(struct shield *s, int most);

/* columns (state_size) = 1 for those that it reads; the others stay as they are. */
void shield_reads(uint8_t *columns, const struct topology *topology);

/* What is seen at a decision. */
struct shield_view {
    const float *state; /* (state_size) measured */
    const float *age;   /* (state_size) s, INFINITY: unknown; NULL: every value is lag_s old */
    double now_s;       /* see "The clock" above */
};
struct shield_view shield_view_of(const struct plant *p, int lid);

/* What it remembers of a run: one block of doubles, so that it can be stored, compared and hashed
 * as it is. NaN: none, not yet. */
struct shield_past {
    double now_s;
    double entry[3];     /* entry rates at the last look */
    double entry_same_s; /* since when they have been these */
};
struct shield_service_past {
    double before, expected;             /* `desired` before and after the last own write */
    double direction;                    /* of the last own change: -1, 0, 1 */
    double foreign_s;                    /* last change by somebody else */
    double blind_s;                      /* since when it has been blind */
    double seen[3];                      /* received, CPU, queue at the last look */
    double same_s;                       /* since when they have been these */
    double reversal_s[SHIELD_FLIPS_MAX]; /* own changes of direction, the newest first */
};
struct shield_history {
    double *values; /* (shield_history_size()) struct shield_past, then one for each service */
};
int shield_history_size(int n_services);
enum err shield_history_init(struct shield_history *h, struct arena *arena,
                             int n_services) WARN_UNUSED;
void shield_history_clear(struct shield_history *h, int n_services);

static inline struct shield_past *shield_past(const struct shield_history *h)
{
    return (struct shield_past *)(void *)h->values;
}
static inline struct shield_service_past *shield_service_past(const struct shield_history *h,
                                                              int service)
{
    return (struct shield_service_past *)(void *)(shield_past(h) + 1) + service;
}

/* The state of the next decision, once each. Changes nothing but the history. */
void shield_observe(struct shield_history *h, const struct shield *s, const struct shield_view *v);

/* What was decided of each service. */
struct shield_verdict {
    int32_t *delta;             /* (n_services) allowed change */
    uint32_t *reasons;          /* (n_services) bits of enum shield_reason; 0: as proposed */
    uint32_t *overruled;        /* (n_services) bits of enum shield_invariant that do not hold */
    struct shield_trial *trial; /* (n_services) working memory */
};
enum err shield_verdict_init(struct shield_verdict *out, struct arena *arena,
                             int n_services) WARN_UNUSED;

/* proposed (n_services): any numbers; may be out->delta. The history has observed the same view. */
void shield_decide(struct shield_verdict *out, const struct shield *s,
                   const struct shield_history *h, const struct shield_view *v,
                   const int32_t *proposed);

/* least, most (n_services): the changes of one service that pass if the others stay as they are are
 * those from least to most, 0 among them or not. `out` is overwritten. */
void shield_limits(int32_t *least, int32_t *most, struct shield_verdict *out,
                   const struct shield *s, const struct shield_history *h,
                   const struct shield_view *v);

/* What was written after the last shield_observe(). */
void shield_executed(struct shield_history *h, const struct shield *s, const int32_t *delta);

/* Appends "web: +5 asked, +2 allowed: step, node; overruled: capacity" and a newline for each
 * service whose change was altered or of which an invariant was overruled; NUL-terminated. */
enum err shield_explain(struct buf *out, const struct shield *s, const struct shield_verdict *d,
                        const int32_t *proposed) WARN_UNUSED;

#endif
