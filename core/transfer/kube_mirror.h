/* A mirror: all objects of a kind in the namespace, kept up to date by list and watch.
 *
 *     struct kube_mirror *m;
 *     TRY(kube_mirror_new(&m, k, KUBE_DEPLOYMENT, "", 0.0));
 *     for (;;) {
 *         TRY(kube_mirror_poll(m, 1.0));
 *         ... kube_mirror_find(m, "front"), kube_mirror_age_s(m) ...
 *     }
 *
 * The first poll lists; later ones hand over what the watch says. A watch that ends is opened again
 * where it ended. One whose version has expired (410, in the status or as an ERROR event) is
 * replaced by a new list. One that is cut is opened again after a wait with backoff; polls until
 * then return at once with what is known. The objects stay as they were while the server is away:
 * the age says how old that is.
 */
#ifndef KARMA_TRANSFER_KUBE_MIRROR_H
#define KARMA_TRANSFER_KUBE_MIRROR_H

#include "core/transfer/kubernetes.h"

struct kube_mirror;

/* `k` must outlive the mirror. watch_s: a watch is opened anew after so many seconds [60], which is
 * what bounds the age in a cluster where nothing happens. Asks nobody. */
enum err kube_mirror_new(struct kube_mirror **out, struct kube *k, enum kube_kind kind,
                         const char *selector, double watch_s) WARN_UNUSED;
void kube_mirror_free(struct kube_mirror *m); /* NULL is fine */

/* Waits at most `seconds` for changes (a list takes the time that it takes, see retry.h). ERR_OK:
 * also while a watch waits to be opened again. The errors of kube_list(): the next poll tries
 * again, not before a wait with backoff. */
enum err kube_mirror_poll(struct kube_mirror *m, double seconds) WARN_UNUSED;

/* The objects, in no particular order; valid until the next poll. */
const struct kube_object *kube_mirror_objects(const struct kube_mirror *m, int *n);
const struct kube_object *kube_mirror_find(const struct kube_mirror *m, const char *name);

/* Seconds since the server last said something; infinite before the first list. */
double kube_mirror_age_s(const struct kube_mirror *m);

/* One line of a watch: for the fuzzer and for kube_mirror_poll(). Changes the objects. */
enum err kube_mirror_line(struct kube_mirror *m, const char *line, size_t n) WARN_UNUSED;

#endif
