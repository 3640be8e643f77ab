/* karma replay: recorded metrics through a controller, and how it agrees with what was recorded.
 *
 * The recording is a metrics table (core/trace/metrics_table.h) with replicas; each run of each of
 * its services is a series (core/transfer/replay_series.h), and each service is a topology of its
 * own, for a recording does not say who calls whom.
 *
 * A recording rarely says what a pod requests, nor when the autoscaler saw what was recorded. With
 * `fit` both are found: of a grid of requests and lags the pair whose free runs have the least
 * error. They are found on all runs but the one they are used for (leave one out), so that the
 * error that is printed is of runs that had no part in the choice.
 */
#ifndef KARMA_JOBS_REPLAY_RECORDING_H
#define KARMA_JOBS_REPLAY_RECORDING_H

#include "core/trace/metrics_table.h"
#include "core/transfer/replay_series.h"

struct replay_recording_cfg {
    const char *controller;        /* YAML, as a row of eval.controllers */
    const char *const *requests;   /* (n_requests) "MCPU" for all, or "SERVICE=MCPU" */
    const char *const *capacities; /* (n_capacities) the same, calls/s of a pod */
    int n_requests, n_capacities;
    int min, max; /* replicas; max 0: the most that were recorded */
    int lag_s, start_s, period_s;
    const char *only; /* runs whose name contains this; NULL: all */
    bool fit;
    const char *out; /* CSV of the replicas at each sample; NULL: none */
};

/* Reads, replays and prints. ERR_FORMAT for a recording without times, replicas, or CPU where the
 * controller reads it; ERR_CONFIG for a controller that cannot be replayed. */
enum err replay_recording_run(const struct replay_recording_cfg *cfg, const char *path,
                              struct arena *arena) WARN_UNUSED;

#endif
