/* Writes of a live plant through the Kubernetes API: one deployment for each service.
 *
 * A write happens only while this instance holds the lease, while no HorizontalPodAutoscaler and no
 * ScaledObject scales the deployment, and only if it still asks for what it asked for when the
 * decision was made (kubernetes.h). It ends before the lease may pass to another instance. Each one
 * is an event on the deployment. None is repeated after the decision: the next one sees what there
 * is.
 */
#ifndef KARMA_TRANSFER_LIVE_KUBERNETES_H
#define KARMA_TRANSFER_LIVE_KUBERNETES_H

#include "core/transfer/kube_lease.h"
#include "core/transfer/live.h"

struct live_kubernetes {
    struct kube *k;
    struct kube_lease lease;
    const char *const *deployments; /* (n) */
    int n;
    double patience_s;        /* of the requests of one decision */
    struct kube_scale *scale; /* (n) as they were read last */
    bool *known;              /* (n) */
};

/* The clients by reference; deployments (n) too. lease_s: at least three decision periods. */
enum err live_kubernetes_init(struct live_kubernetes *l, struct arena *arena, struct kube *k,
                              const char *const *deployments, int n, const char *lease,
                              const char *identity, double lease_s, double patience_s) WARN_UNUSED;

/* ERR_REFUSED with a sentence if somebody else scales one of the deployments, ERR_DENIED if that
 * cannot be known. */
enum err live_kubernetes_check(struct live_kubernetes *l) WARN_UNUSED;

struct live_writes live_kubernetes_writes(struct live_kubernetes *l);

/* Gives the lease up. */
void live_kubernetes_end(struct live_kubernetes *l);

#endif
