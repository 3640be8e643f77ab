/* A Lease: of several instances exactly one acts.
 *
 * The protocol is that of client-go's leader election on the object coordination.k8s.io/v1 Lease.
 * The holder renews the lease. Another instance takes it when it has seen the same version of the
 * lease for longer than its duration, measured by the instance's own clock, so no two clocks are
 * compared. Every write carries the resourceVersion, so of two that take it at once one gets 409.
 *
 * An instance trusts itself for two thirds of the duration only, from the moment before its last
 * renewal was sent. So it stops before another may begin, as long as the clocks of the two run
 * equally fast to 33 %. A write that is under way at that moment can still arrive later: the caller
 * ends its requests by kube_lease_until_s().
 */
#ifndef KARMA_TRANSFER_KUBE_LEASE_H
#define KARMA_TRANSFER_KUBE_LEASE_H

#include "core/transfer/kubernetes.h"

struct kube_lease {
    struct kube *k;
    char name[KUBE_NAME_BYTES];
    char identity[KUBE_NAME_BYTES]; /* differs between any two processes */
    double duration_s;
    bool held;                    /* by us, when we last heard of it */
    double renewed_s;             /* before our last renewal */
    char holder[KUBE_NAME_BYTES]; /* "": nobody */
    char version[KUBE_ID_BYTES];  /* "": there is no lease yet */
    double observed_s;            /* since when we have seen this version */
    double their_duration_s;
    int transitions;
};

/* duration_s: whole seconds, at least 3. ERR_CONFIG. Asks nobody. */
enum err kube_lease_init(struct kube_lease *l, struct kube *k, const char *name,
                         const char *identity, double duration_s) WARN_UNUSED;

/* Renews the lease, takes it if it is free, or looks who has it. ERR_OK in all these cases; then
 * kube_lease_held(). To be called at least every third of the duration. */
enum err kube_lease_tick(struct kube_lease *l, double deadline_s) WARN_UNUSED;

/* May this instance write now? Until when, in seconds of http_time()? */
bool kube_lease_held(const struct kube_lease *l);
double kube_lease_until_s(const struct kube_lease *l);

/* Gives it up, so that another need not wait. Fine if it is not held. */
enum err kube_lease_release(struct kube_lease *l, double deadline_s) WARN_UNUSED;

/* Takes over what the server says of the lease; ERR_FORMAT: that is no lease. For the fuzzer, and
 * for kube_lease_tick(). */
enum err kube_lease_note(struct kube_lease *l, const struct json *j) WARN_UNUSED;

#endif
