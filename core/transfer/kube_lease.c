/* The Lease: see kube_lease.h. */
#include "core/transfer/kube_lease.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CONFLICT = 409, MISSING = 404, DURATION_MIN_S = 3, DOING_BYTES = 320 };

static double now(const struct kube_lease *l)
{
    const struct http_time *t = http_time(kube_http(l->k));
    return t->now_s(t->ctx);
}

enum err kube_lease_init(struct kube_lease *l, struct kube *k, const char *name,
                         const char *identity, double duration_s)
{
    if (strlen(name) >= sizeof l->name || strlen(identity) >= sizeof l->identity ||
        name[0] == '\0' || identity[0] == '\0' || !(duration_s >= DURATION_MIN_S)) {
        log_error("a lease needs a name, the identity of its holder and at least %d s",
                  DURATION_MIN_S);
        return ERR_CONFIG;
    }
    *l = (struct kube_lease){.k = k, .duration_s = floor(duration_s), .renewed_s = -INFINITY};
    memcpy(l->name, name, strlen(name) + 1);
    memcpy(l->identity, identity, strlen(identity) + 1);
    return ERR_OK;
}

double kube_lease_until_s(const struct kube_lease *l)
{
    return l->held ? l->renewed_s + 2.0 / 3.0 * l->duration_s : -INFINITY;
}

bool kube_lease_held(const struct kube_lease *l)
{
    return now(l) < kube_lease_until_s(l);
}

static enum err put_path(struct buf *path, const struct kube_lease *l, bool itself)
{
    TRY(buf_printf(path, "/apis/coordination.k8s.io/v1/namespaces/"));
    TRY(http_put_part(path, kube_namespace(l->k)));
    TRY(buf_printf(path, "/leases%s", itself ? "/" : ""));
    if (itself) {
        TRY(http_put_part(path, l->name));
    }
    return buf_append(path, "", 1);
}

/* The body of a patch, or of the creation if there is no lease yet. */
static enum err put_body(struct buf *body, const struct kube_lease *l, const char *holder)
{
    char iso[CLOCK_ISO_BYTES];
    const bool changes = strcmp(holder, l->holder) != 0 && holder[0] != '\0';
    clock_iso_micro(iso, clock_unix_s());
    if (l->version[0] == '\0') {
        TRY(buf_printf(body, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
                             "\"metadata\":{\"name\":"));
        TRY(json_put_text(body, l->name));
    } else {
        TRY(buf_printf(body, "{\"metadata\":{\"resourceVersion\":"));
        TRY(json_put_text(body, l->version));
    }
    TRY(buf_printf(body, "},\"spec\":{\"holderIdentity\":"));
    TRY(json_put_text(body, holder));
    TRY(buf_printf(body, ",\"leaseDurationSeconds\":%.0f,\"renewTime\":\"%s\"", l->duration_s,
                   iso));
    if (changes) {
        TRY(buf_printf(body, ",\"acquireTime\":\"%s\",\"leaseTransitions\":%d", iso,
                       l->transitions + (l->version[0] != '\0')));
    }
    return buf_printf(body, "}}");
}

enum err kube_lease_note(struct kube_lease *l, const struct json *j)
{
    const char *version = json_text(j, "metadata.resourceVersion", "");
    const char *holder = json_text(j, "spec.holderIdentity", "");
    const double duration = json_number(j, "spec.leaseDurationSeconds", l->duration_s);
    const double transitions = json_number(j, "spec.leaseTransitions", 0.0);
    if (version[0] == '\0' || strlen(version) >= sizeof l->version ||
        strlen(holder) >= sizeof l->holder) {
        log_error("%s: the lease '%s' is no lease", http_label(kube_http(l->k)), l->name);
        return ERR_FORMAT;
    }
    if (strcmp(version, l->version) != 0) {
        l->observed_s = now(l);
    }
    memcpy(l->version, version, strlen(version) + 1);
    memcpy(l->holder, holder, strlen(holder) + 1);
    l->their_duration_s = duration >= 0.0 && duration < 1e6 ? duration : l->duration_s;
    l->transitions = transitions >= 0.0 && transitions < 1e9 ? (int)transitions : 0;
    l->held = strcmp(holder, l->identity) == 0;
    return ERR_OK;
}

enum what { LOOK, WRITE };

static enum err ask(struct kube_lease *l, enum what what, const char *holder, double deadline_s)
{
    char doing[DOING_BYTES];
    struct arena arena;
    struct buf path, body;
    const struct json *j = NULL;
    const bool creates = what == WRITE && l->version[0] == '\0';
    struct kube_question q = {.method = what == LOOK ? "GET"
                                        : creates    ? "POST"
                                                     : "PATCH",
                              .content_type = creates ? NULL : "application/merge-patch+json",
                              .doing = doing,
                              .quiet_status = what == LOOK ? MISSING : CONFLICT};
    (void)snprintf(doing, sizeof doing, "%s the lease '%s'",
                   what == LOOK ? "get"
                   : creates    ? "create"
                                : "patch",
                   l->name);
    arena_init(&arena);
    buf_init(&path);
    buf_init(&body);
    enum err e = put_path(&path, l, !creates);
    if (e == ERR_OK && what == WRITE) {
        e = put_body(&body, l, holder);
        q.body = &body;
    }
    if (e == ERR_OK) {
        q.path = (const char *)path.data;
        e = kube_ask(&j, l->k, &arena, &q, deadline_s);
    }
    if (e == ERR_OK) {
        e = kube_lease_note(l, j);
    }
    buf_release(&body);
    buf_release(&path);
    arena_release(&arena);
    return e;
}

/* Somebody else holds it and may still believe so. `observed_s` is when we first saw this version,
 * which is later than when it was written: the wait errs on the long side. */
static bool is_taken(const struct kube_lease *l)
{
    return l->holder[0] != '\0' && !l->held &&
           now(l) - l->observed_s <= fmax(l->their_duration_s, l->duration_s);
}

enum err kube_lease_tick(struct kube_lease *l, double deadline_s)
{
    const bool had = l->held;
    enum err e = ask(l, LOOK, "", deadline_s);
    if (e == ERR_MISMATCH) { /* there is none: a change of `had` cannot have come from us */
        l->version[0] = l->holder[0] = '\0';
        l->held = false;
    } else if (e != ERR_OK) {
        return e;
    }
    if (is_taken(l)) {
        if (had) {
            log_warn("the lease '%s' was lost to '%s'; this instance only watches now", l->name,
                     l->holder);
        }
        return ERR_OK;
    }
    const double before = now(l);
    const uint64_t n_again = kube_retry(l->k)->n_again;
    e = ask(l, WRITE, l->identity, deadline_s);
    if (e == ERR_CONFLICT && kube_retry(l->k)->n_again != n_again) {
        e = ask(l, LOOK, "", deadline_s); /* the first copy of the write may have arrived */
    } else if (e == ERR_CONFLICT) {
        l->held = false; /* another one was quicker */
        return ERR_OK;
    }
    TRY(e);
    if (l->held) {
        l->renewed_s = before;
        if (!had) {
            log_info("this instance ('%s') holds the lease '%s' and acts", l->identity, l->name);
        }
    }
    return ERR_OK;
}

enum err kube_lease_release(struct kube_lease *l, double deadline_s)
{
    if (!l->held) {
        return ERR_OK;
    }
    l->renewed_s = -INFINITY;
    const enum err e = ask(l, WRITE, "", deadline_s);
    l->held = false;
    return e == ERR_CONFLICT ? ERR_OK : e;
}
