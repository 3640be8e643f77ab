/* JSON of the Kubernetes API -> structs: see kube_objects.h. Fields are those of apps/v1, core/v1,
 * autoscaling/v1 and keda.sh/v1alpha1. */
#include "core/transfer/kube_objects.h"

#include "core/base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { QUANTITY_BYTES = 64, MIB = 1 << 20 };

/* What reading one object leaves behind: the first fault, if any. */
struct reading {
    char *why;
    size_t n_why;
    enum err e;
};

static void fault(struct reading *r, const char *path, const char *sentence)
{
    if (r->e == ERR_OK) {
        (void)snprintf(r->why, r->n_why, "%s %s", path, sentence);
        r->e = ERR_FORMAT;
    }
}

static void copy(struct reading *r, char *out, size_t n, const char *path, const char *text)
{
    if (strlen(text) >= n) {
        fault(r, path, "is longer than Kubernetes allows");
    } else {
        memcpy(out, text, strlen(text) + 1);
    }
}

static void read_text(struct reading *r, char *out, size_t n, const struct json *j,
                      const char *path)
{
    copy(r, out, n, path, json_text(j, path, ""));
}

static int read_count(struct reading *r, const struct json *j, const char *path, int missing)
{
    const double v = json_number(j, path, missing);
    if (!(v >= 0.0 && v <= KUBE_COUNT_MAX) || v != floor(v)) {
        fault(r, path, "is no count");
        return missing;
    }
    return (int)v;
}

static void read_meta(struct reading *r, struct kube_meta *out, const struct json *j)
{
    *out = (struct kube_meta){.deleting = json_text(j, "metadata.deletionTimestamp", "")[0] != 0};
    read_text(r, out->name, sizeof out->name, j, "metadata.name");
    read_text(r, out->uid, sizeof out->uid, j, "metadata.uid");
    read_text(r, out->version, sizeof out->version, j, "metadata.resourceVersion");
    if (out->name[0] == '\0') {
        fault(r, "metadata.name", "is missing");
    }
}

/* The owner that controls the object, or its first one. */
static void read_owner(struct reading *r, char *kind, size_t n_kind, char *name, size_t n_name,
                       const struct json *j)
{
    const struct json *owners = NULL;
    const int n = json_list(&owners, j, "metadata.ownerReferences");
    const struct json *owner = n > 0 ? &owners[0] : NULL;
    for (int i = 0; i < n; i++) {
        owner = json_truth(&owners[i], "controller", false) ? &owners[i] : owner;
    }
    if (kind != NULL) {
        copy(r, kind, n_kind, "ownerReferences.kind", json_text(owner, "kind", ""));
    }
    copy(r, name, n_name, "ownerReferences.name", json_text(owner, "name", ""));
}

/* ---- quantities ---- */

bool kube_quantity(double *out, const char *text)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1.0},      {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},
                 {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},
                 {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40},
                 {"Pi", 0x1p50}, {"Ei", 0x1p60}, {"u", 1e-6},    {"n", 1e-9}};
    char digits[QUANTITY_BYTES];
    size_t n = strspn(text, "0123456789+-.");
    /* An exponent is e or E and digits; E alone is a unit. */
    if ((text[n] == 'e' || text[n] == 'E') && text[n + 1] != '\0') {
        n += 1 + strspn(text + n + 1, "0123456789+-");
    }
    if (n == 0 || n >= sizeof digits) {
        return false;
    }
    memcpy(digits, text, n);
    digits[n] = '\0';
    double value;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(text + n, units[i].suffix) == 0 && number_real(&value, digits) &&
            isfinite(value)) {
            *out = value * units[i].factor;
            return true;
        }
    }
    return false;
}

/* Sum of a request over the containers of a pod. A quantity may be a number in JSON, too. */
static double sum_requests(struct reading *r, const struct json *pod_spec, const char *resource)
{
    const struct json *containers = NULL;
    const int n = json_list(&containers, pod_spec, "containers");
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        const struct json *q =
            json_member(json_find(&containers[i], "resources.requests"), resource);
        double value = 0.0;
        if (q != NULL && q->type == JSON_NUMBER_) {
            value = q->number;
        } else if (q != NULL && (q->type != JSON_TEXT_ || !kube_quantity(&value, q->text))) {
            fault(r, "resources.requests", "holds no quantity");
        }
        sum += value;
    }
    if (!(sum >= 0.0 && sum < 1e18)) {
        fault(r, "resources.requests", "is no sensible quantity");
        return 0.0;
    }
    return sum;
}

/* ---- kinds ---- */

/* "a=b,c=d" of a map of labels. */
static void read_selector(struct reading *r, char out[KUBE_SELECTOR_BYTES],
                          const struct json *labels)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; labels != NULL && labels->type == JSON_MAP_ && i < labels->n; i++) {
        const char *value = json_text(&labels->items[i], "", "");
        const int n = snprintf(out + used, KUBE_SELECTOR_BYTES - used, "%s%s=%s", i > 0 ? "," : "",
                               labels->keys[i], value);
        if (n < 0 || (size_t)n >= KUBE_SELECTOR_BYTES - used) {
            fault(r, "spec.selector.matchLabels", "is too long");
            return;
        }
        used += (size_t)n;
    }
}

static void read_deployment(struct reading *r, struct kube_deployment *d, const struct json *j)
{
    const struct json *pod = json_find(j, "spec.template.spec");
    const struct json *expressions = NULL;
    d->replicas = read_count(r, j, "spec.replicas", 1);
    d->existing = read_count(r, j, "status.replicas", 0);
    d->ready = read_count(r, j, "status.readyReplicas", 0);
    d->available = read_count(r, j, "status.availableReplicas", 0);
    d->updated = read_count(r, j, "status.updatedReplicas", 0);
    d->observed = json_number(j, "status.observedGeneration", 0.0) >=
                  json_number(j, "metadata.generation", 0.0);
    d->paused = json_truth(j, "spec.paused", false);
    d->selector_whole = json_list(&expressions, j, "spec.selector.matchExpressions") == 0;
    read_selector(r, d->selector, json_find(j, "spec.selector.matchLabels"));
    d->cpu_request_m = 1000.0 * sum_requests(r, pod, "cpu");
    d->memory_request_mib = sum_requests(r, pod, "memory") / MIB;
}

static void read_pod(struct reading *r, struct kube_pod *p, const struct json *j)
{
    const struct json *list = NULL;
    int n = json_list(&list, j, "status.conditions");
    read_text(r, p->phase, sizeof p->phase, j, "status.phase");
    read_text(r, p->node, sizeof p->node, j, "spec.nodeName");
    read_owner(r, NULL, 0, p->owner, sizeof p->owner, j);
    for (int i = 0; i < n; i++) {
        p->ready = p->ready || (strcmp(json_text(&list[i], "type", ""), "Ready") == 0 &&
                                strcmp(json_text(&list[i], "status", ""), "True") == 0);
    }
    n = json_list(&list, j, "status.containerStatuses");
    for (int i = 0; i < n && r->e == ERR_OK; i++) {
        p->restarts += read_count(r, &list[i], "restartCount", 0);
        p->restarts = p->restarts < KUBE_COUNT_MAX ? p->restarts : KUBE_COUNT_MAX;
    }
    p->cpu_request_m = 1000.0 * sum_requests(r, json_find(j, "spec"), "cpu");
    p->memory_request_mib = sum_requests(r, json_find(j, "spec"), "memory") / MIB;
}

static void read_hpa(struct reading *r, struct kube_hpa *h, const struct json *j, bool keda)
{
    read_text(r, h->target_kind, sizeof h->target_kind, j, "spec.scaleTargetRef.kind");
    read_text(r, h->target, sizeof h->target, j, "spec.scaleTargetRef.name");
    read_owner(r, h->owner_kind, sizeof h->owner_kind, h->owner, sizeof h->owner, j);
    if (keda && h->target_kind[0] == '\0') {
        copy(r, h->target_kind, sizeof h->target_kind, "kind", "Deployment");
    }
    h->min = read_count(r, j, keda ? "spec.minReplicaCount" : "spec.minReplicas", keda ? 0 : 1);
    h->max = read_count(r, j, keda ? "spec.maxReplicaCount" : "spec.maxReplicas", keda ? 100 : 0);
    h->current = read_count(r, j, "status.currentReplicas", 0);
    h->wanted = read_count(r, j, "status.desiredReplicas", 0);
}

enum err kube_read_object(struct kube_object *out, enum kube_kind kind, const struct json *j,
                          char *why, size_t n_why)
{
    struct reading r = {.why = why, .n_why = n_why};
    struct kube_object o = {.kind = kind};
    read_meta(&r, &o.meta, j);
    switch (kind) {
    case KUBE_DEPLOYMENT:
        read_deployment(&r, &o.deployment, j);
        break;
    case KUBE_POD:
        read_pod(&r, &o.pod, j);
        break;
    default:
        read_hpa(&r, &o.hpa, j, kind == KUBE_SCALED_OBJECT);
    }
    if (r.e == ERR_OK) {
        *out = o;
    }
    return r.e;
}

enum err kube_read_scale(struct kube_scale *out, const struct json *j, char *why, size_t n_why)
{
    struct reading r = {.why = why, .n_why = n_why};
    struct kube_scale s = {.replicas = 0};
    read_meta(&r, &s.meta, j);
    s.replicas = read_count(&r, j, "spec.replicas", 0);
    s.existing = read_count(&r, j, "status.replicas", 0);
    if (strcmp(json_text(j, "kind", ""), "Scale") != 0) {
        fault(&r, "kind", "is not Scale");
    }
    if (r.e == ERR_OK) {
        *out = s;
    }
    return r.e;
}
