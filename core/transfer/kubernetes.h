/* The Kubernetes API: read and set the scale of deployments, list objects, record events.
 *
 *     struct kube *k;
 *     TRY(kube_access_find(&access, &arena, "", ""));
 *     TRY(kube_new(&k, &access, &(struct kube_cfg){.name_space = "shop"}));
 *     struct kube_scale scale;
 *     TRY(kube_scale_get(k, &scale, "front", 0.0));
 *     TRY(kube_scale_set(k, &scale, "front", scale.replicas + 1, 0.0));
 *     kube_free(k);
 *
 * A write is a merge patch of the subresource `scale` that carries uid and resourceVersion of what
 * was read: whoever changed the deployment in between makes it fail with ERR_CONFLICT instead of
 * being overwritten, and a patch that is sent twice takes effect once. Everything is sent through
 * retry.h. kube_mirror.h keeps a list up to date by a watch; kube_lease.h decides which of several
 * instances acts.
 *
 * Errors, each logged with a sentence that names the request and the remedy: ERR_SERVER (no answer,
 * or 5xx to the end), ERR_DENIED (401, 403), ERR_CONFLICT (409), ERR_MISMATCH (404), ERR_VERSION
 * (410), ERR_FORMAT (an answer that is no such object), ERR_FAILED (another status), ERR_STOPPED.
 *
 * `deadline_s` of http_time(): the request and its repetitions end by then; 0: no such bound.
 * Not for several threads.
 */
#ifndef KARMA_TRANSFER_KUBERNETES_H
#define KARMA_TRANSFER_KUBERNETES_H

#include "core/base/mem.h"
#include "core/transfer/http.h"
#include "core/transfer/kube_objects.h"
#include "core/transfer/kubeconfig.h"
#include "core/transfer/retry.h"

#include <stdbool.h>
#include <stdint.h>

/* Zero or NULL means the value in brackets. */
struct kube_cfg {
    const char *name_space;    /* [that of the access] */
    const char *field_manager; /* who we are in the audit log, managedFields ["karma"] */
    double total_s;            /* one request [10] */
    size_t answer_max;         /* bytes of one answer [32 MiB] */
    int page;                  /* objects in one answer [100] */
    struct retry_cfg retry;
    struct http_time time;
    bool (*stopped)(void); /* a signal came: reading ends at once, writing with its answer */
};

struct kube;

enum err kube_new(struct kube **out, const struct kube_access *access,
                  const struct kube_cfg *cfg) WARN_UNUSED;
void kube_free(struct kube *k); /* NULL is fine */

const char *kube_namespace(const struct kube *k);
struct http *kube_http(struct kube *k);
struct retry *kube_retry(struct kube *k);

/* Requests that changed something, or tried to: everything but GET and dry runs. */
uint64_t kube_n_writes(const struct kube *k);

/* "v1.20.2": asks for /version, so that a wrong address, CA or token is found at the start. */
enum err kube_server_version(struct kube *k, char *out, size_t n, double deadline_s) WARN_UNUSED;

/* ---- scale ---- */

enum err kube_scale_get(struct kube *k, struct kube_scale *out, const char *deployment,
                        double deadline_s) WARN_UNUSED;

/* `scale` is what kube_scale_get() gave; becomes the answer. */
enum err kube_scale_set(struct kube *k, struct kube_scale *scale, const char *deployment,
                        int replicas, double deadline_s) WARN_UNUSED;

/* The same without effect: the server checks permission, version and admission. */
enum err kube_scale_try(struct kube *k, const struct kube_scale *scale, const char *deployment,
                        int replicas, double deadline_s) WARN_UNUSED;

/* ---- lists ---- */

/* Called for each object. */
typedef enum err kube_each(void *ctx, const struct kube_object *object);

/* All objects of a kind in the namespace, page by page; `selector` of labels, "" for all. `version`
 * (KUBE_ID_BYTES, or NULL): of the list, for a watch. If a page has expired (410) the list begins
 * anew, and `begin` (may be NULL) is called before each beginning. A kind that the server does not
 * know (404, KEDA is not installed) is an empty list. */
enum err kube_list(struct kube *k, enum kube_kind kind, const char *selector, char *version,
                   void (*begin)(void *ctx), kube_each *each, void *ctx,
                   double deadline_s) WARN_UNUSED;

/* ---- who else scales ---- */

enum { KUBE_OWNER_BYTES = 3 * KUBE_NAME_BYTES };

/* Is there a HorizontalPodAutoscaler or a ScaledObject that scales the deployment? `owner`: a
 * phrase such as "the HorizontalPodAutoscaler 'front'", or "". An answer needs the right to list
 * both: ERR_DENIED means that nobody knows, and then nothing may be written. */
enum err kube_find_owner(struct kube *k, char owner[KUBE_OWNER_BYTES], const char *deployment,
                         double deadline_s) WARN_UNUSED;

/* ---- events ---- */

struct kube_event {
    const char *kind, *api_version; /* of the object: "Deployment", "apps/v1" */
    const struct kube_meta *object;
    bool warning;
    const char *reason;  /* one word, "KarmaScaled" */
    const char *message; /* at most 1024 bytes are kept */
};

/* Records an event on an object, as `kubectl get events` shows it. */
enum err kube_put_event(struct kube *k, const struct kube_event *event,
                        double deadline_s) WARN_UNUSED;

/* ---- for kube_mirror.c and kube_lease.c ---- */

/* "/apis/apps/v1/namespaces/NS/deployments", appended. */
enum err kube_put_path(struct buf *path, const struct kube *k, enum kube_kind kind) WARN_UNUSED;

/* One request; `doing` completes "may not ..." in messages: "patch the scale of deployment 'x'".
 * The answer as JSON in `arena`. `quiet_status`: this status (404, 409) is not logged. */
struct kube_question {
    const char *method, *path, *content_type;
    const struct buf *body; /* NULL: none */
    const char *doing;
    int quiet_status;
    bool dry; /* changes nothing, whatever the method */
};
enum err kube_ask(const struct json **out, struct kube *k, struct arena *arena,
                  const struct kube_question *q, double deadline_s) WARN_UNUSED;

/* The error of a status, logged unless it is quiet. `j`: the answer, NULL if it is no JSON. */
enum err kube_refusal(struct kube *k, int status, const struct json *j, const char *doing,
                      int quiet_status) WARN_UNUSED;

/* What a kind is called: "deployments". */
const char *kube_plural(enum kube_kind kind);

#endif
