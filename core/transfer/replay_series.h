/* Replay: what would a controller have done with the metrics that somebody recorded?
 *
 * A series is one run of one service: samples of its replicas, its CPU (summed over pods) and its
 * rate of calls. The controller decides every period between the samples, as it would have in the
 * cluster, in two ways:
 *
 *   open loop     before each sample it has the recorded replicas; what it has made of them by the
 *                 time of the sample is compared with that one. So this asks for the next step.
 *   free running  it has its own replicas from the second sample on. Load and total CPU are as
 *                 recorded: what a pod uses is the total / its own number of pods. So this asks for
 *                 the whole course, and errors add up.
 *
 * What is recorded of a moment was seen by the autoscaler earlier or later: a rate is an average
 * over a window that ends at the sample. lag_s says by how much: at time t the controller sees the
 * recorded values of t - lag_s, between two samples on the line through them. A recording whose
 * window is longer than that of metrics-server lags behind what the autoscaler saw, so that its
 * lag is negative. Before the first sample the controller sees the values of the first.
 *
 * Pods that were added are not ready for start_s: the Kubernetes rule sets them aside. Each pod,
 * ready or not, is taken to use the same CPU.
 *
 * What cannot be replayed: with fewer pods than there were, the recorded total CPU could not have
 * been used, and with more there would have been less of a queue. Free running is an account of the
 * rule, not of the cluster.
 */
#ifndef KARMA_TRANSFER_REPLAY_SERIES_H
#define KARMA_TRANSFER_REPLAY_SERIES_H

#include "core/controllers/controller.h"

#include <stdint.h>

/* NaN: not recorded. time_s ascends. */
struct replay_series {
    const char *service, *run; /* borrowed */
    int n;
    const double *time_s, *replicas, *cpu_m, *rps; /* (n) */
};

struct replay_cfg {
    double lag_s, start_s, period_s;
    double cpu_scale; /* CPU that the controller sees / recorded: 2 is a pod that requests half */
};

/* A prediction of replicas beside the recorded ones; sums. */
struct replay_error {
    int64_t n, n_equal;
    double abs;
};
static inline double replay_mean_abs(const struct replay_error *e)
{
    return e->n > 0 ? e->abs / (double)e->n : (double)NAN;
}
static inline double replay_share_equal(const struct replay_error *e)
{
    return e->n > 0 ? (double)e->n_equal / (double)e->n : (double)NAN;
}

struct replay_result {
    struct replay_error open, free;
    struct replay_error stay;  /* the replicas of the sample before: what open loop must beat */
    struct replay_error first; /* those of the first sample: what free running must beat */
    int64_t n_moves;           /* changes from sample to sample that were recorded */
    int64_t n_moves_met;       /* of these in the direction that open loop had */
    int64_t n_moves_missed;    /* of these where it stood still; the rest went the other way */
    int64_t n_moves_made;      /* changes of it where the recorded replicas stayed */
};
void replay_add(struct replay_result *sum, const struct replay_result *r);

/* Replays a series from its first sample with known replicas. `c` controls one service, the
 * topology's only one, and is reset. free_run (n, NULL: not wanted): replicas of the free run at
 * each sample; NaN before the first one. Adds to `out`. */
void replay_run(struct replay_result *out, double *free_run, struct controller *c,
                const struct replay_series *s, const struct replay_cfg *cfg);

#endif
