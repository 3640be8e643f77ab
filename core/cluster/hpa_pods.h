/* The Kubernetes autoscaler's partition of the pods of one service.
 *
 * As groupPods() of replica_calculator.go does it for CPU, in this order:
 *   - a pod that is being deleted is skipped: callers leave it out;
 *   - a pod that is not scheduled on the node is Pending: ignored;
 *   - a pod without a metric is missing. A pod whose container starts is Running, so it is missing
 *     until it has a metric, not ignored;
 *   - a pod that started less than init_s ago is ignored while it is not ready, and until one whole
 *     window of its metric lies after it became ready;
 *   - an older pod is ignored if it is not ready and never was: its readiness last changed within
 *     delay_s of its start;
 *   - the rest is ready. So an old pod that restarts counts, with the little CPU it uses.
 */
#ifndef KARMA_CLUSTER_HPA_PODS_H
#define KARMA_CLUSTER_HPA_PODS_H

#include <stdbool.h>

/* Defaults of kube-controller-manager, seconds. */
enum {
    HPA_INIT_S = 300, /* --horizontal-pod-autoscaler-cpu-initialization-period */
    HPA_DELAY_S = 30  /* --horizontal-pod-autoscaler-initial-readiness-delay */
};

enum hpa_group { HPA_GROUP_READY, HPA_GROUP_IGNORED, HPA_GROUP_MISSING };

struct hpa_pod {
    bool pending, has_metric, ready;
    double started_s;    /* it was scheduled on the node */
    double transition_s; /* its readiness last changed; started_s if it was never ready */
    double sampled_s;    /* end of the metric's window */
    double window_s;     /* length of the metric's window */
};

enum hpa_group hpa_group_of(const struct hpa_pod *p, double now_s, double init_s, double delay_s);

#endif
