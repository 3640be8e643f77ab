/* The live plant: a cluster that is measured through Prometheus and changed through Kubernetes.
 *
 * A plant (core/plant/plant.h) of one environment. Its state and its outcomes are what was
 * measured, with the age of each value; it has no exact counters. plant_act() writes, plant_pass()
 * waits for the next decision (PLANT_REAL_TIME) and measures.
 *
 * Reads, writes and time are three interfaces. Kubernetes and Prometheus stand behind them in a
 * cluster; tests and recordings stand behind them otherwise, and nothing above notices.
 *
 * A reading that fails is no error of the plant: every measured value becomes unknown, so that the
 * shield sees a blind service and nothing is guessed. The first sentence of a failure is logged,
 * and the first reading after it. `desired` is known as long as the API server says it; without one
 * (shadow, reading only Prometheus) it is a column like the others.
 */
#ifndef KARMA_TRANSFER_LIVE_H
#define KARMA_TRANSFER_LIVE_H

#include "core/plant/outcomes.h"
#include "core/plant/plant.h"
#include "core/transfer/queries.h"

/* Where measurements come from. */
struct live_reads {
    void *ctx;
    /* The series of queries_all() as they are at Unix time at_s, in the arena. Errors as of
     * prometheus_query(), with out->why. */
    enum err (*read)(void *ctx, struct prom_result *out, struct arena *arena, double at_s);
};

/* Where changes go. */
enum { LIVE_WHY = 512 };
struct live_writes {
    void *ctx;
    /* Replicas that are asked for now, of each service (n_services); -1: not known. Logs nothing;
     * `why` for what is not known. */
    void (*desired)(void *ctx, int32_t *replicas, char why[LIVE_WHY]);
    /* May this instance write now? NULL: it may. `why` not. */
    bool (*active)(void *ctx, char why[LIVE_WHY]);
    /* Ask for `to` replicas of a service that asks for `from`, only if that is still so. ERR_OK:
     * done. ERR_REFUSED, ERR_SERVER, ...: not known to be done; `why`. reason: for the event. */
    enum err (*scale)(void *ctx, int service, int from, int to, const char *reason,
                      char why[LIVE_WHY]);
};

/* The clock, in Unix time, and waiting. */
struct live_time {
    void *ctx;
    double (*now_s)(void *ctx);
    /* Until that time, or at once if it has passed. ERR_STOPPED: the process is to end. */
    enum err (*wait)(void *ctx, double until_s);
};

struct live_setup {
    const struct topology *topology;
    const struct plant_cfg *cfg;
    const struct queries *queries;
    struct live_reads reads;
    struct live_writes writes; /* scale NULL: none; then changes are refused */
    struct live_time time;
};

/* How the last reading and the last writing went. */
struct live_report {
    double read_s; /* Unix time for which it was asked */
    bool read_ok;
    char why[PROM_WHY];                 /* why not; also a warning of the server */
    uint64_t n_reads, n_failed, n_late; /* late: a decision that began after the next was due */
    uint64_t n_writes, n_refused;
};

/* Everything in *setup by reference. The plant's first member is a struct plant. */
enum err live_new(struct plant **out, struct arena *arena,
                  const struct live_setup *setup) WARN_UNUSED;
void live_release(struct plant *p);

/* Of a live plant. */
const struct live_report *live_report(const struct plant *p);
/* (q->n, n_services) of the last reading. */
const struct query_cell *live_cells(const struct plant *p);
/* What plant_act() writes as the reason of a change of a service; by reference until then. */
void live_reason(struct plant *p, int service, const char *reason);
/* What the last write of each service came to (n_services): ERR_OK where nothing was written. */
const enum err *live_written(const struct plant *p);

/* ---- reading from Prometheus ---- */

/* One request for all queries; if the server refuses that, each of them alone, so that one wrong
 * query costs its own column only. A server whose clock is more than skew_s apart from this one is
 * a failure: ages would be wrong. */
struct live_prometheus {
    struct prometheus client;
    const struct queries *queries;
    double skew_s;
    bool apart; /* the queries are sent one by one from now on */
};
struct live_reads live_prometheus_reads(struct live_prometheus *p);

/* ---- reading from the past ---- */

/* The readings of start_s, start_s + step_s, ... end_s, asked for at once. In the arena. */
struct live_past {
    struct prom_result all;
    double start_s, end_s, step_s;
};
enum err live_past_load(struct live_past *out, struct live_prometheus *from, struct arena *arena,
                        double start_s, double end_s, double step_s) WARN_UNUSED;
struct live_reads live_past_reads(struct live_past *p);

#endif
