/* Scale, owner, lease and event of each write. See live_kubernetes.h. */
#include "core/transfer/live_kubernetes.h"

#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

enum err live_kubernetes_init(struct live_kubernetes *l, struct arena *arena, struct kube *k,
                              const char *const *deployments, int n, const char *lease,
                              const char *identity, double lease_s, double patience_s)
{
    *l = (struct live_kubernetes){.k = k,
                                  .deployments = deployments,
                                  .n = n,
                                  .patience_s = patience_s,
                                  .scale = ARENA_NEW(arena, n, struct kube_scale),
                                  .known = ARENA_NEW(arena, n, bool)};
    TRY(arena_error(arena));
    return kube_lease_init(&l->lease, k, lease, identity, lease_s);
}

static double deadline(const struct live_kubernetes *l)
{
    const struct http_time *t = http_time(kube_http(l->k));
    return t->now_s(t->ctx) + l->patience_s;
}

/* Behind the sentence of the server, which has no such deployment: a wrong namespace looks so. */
static enum err find(struct live_kubernetes *l, int i)
{
    const enum err e = kube_scale_get(l->k, &l->scale[i], l->deployments[i], deadline(l));
    if (e == ERR_MISMATCH) {
        log_error("the deployments of the services are looked for in the namespace '%s'; if they "
                  "are in another one, give it with --set kubernetes.namespace=NAME",
                  kube_namespace(l->k));
    }
    return e;
}

enum err live_kubernetes_check(struct live_kubernetes *l)
{
    for (int i = 0; i < l->n; i++) {
        char owner[KUBE_OWNER_BYTES];
        TRY(find(l, i));
        TRY(kube_find_owner(l->k, owner, l->deployments[i], deadline(l)));
        if (owner[0] != '\0') {
            log_error("deployment '%s' is scaled by %s; two autoscalers would undo each other's "
                      "changes: delete that one, or stay in the stage shadow",
                      l->deployments[i], owner);
            return ERR_REFUSED;
        }
    }
    return ERR_OK;
}

/* ---- the interface ---- */

/* The lease is renewed here because this is called at every decision, also where nothing is
 * written. Its errors were logged; without a renewal it runs out by itself. */
static void read_desired(void *ctx, int32_t *replicas, char why[LIVE_WHY])
{
    struct live_kubernetes *l = ctx;
    const double until_s = deadline(l);
    const enum err e = kube_lease_tick(&l->lease, until_s);
    if (e != ERR_OK) {
        log_debug("lease: %s", err_text(e));
    }
    for (int i = 0; i < l->n; i++) {
        const enum err got = kube_scale_get(l->k, &l->scale[i], l->deployments[i], until_s);
        l->known[i] = got == ERR_OK;
        replicas[i] = got == ERR_OK ? l->scale[i].replicas : -1;
        if (got != ERR_OK) {
            (void)snprintf(why, LIVE_WHY, "deployment '%.128s': %s", l->deployments[i],
                           err_text(got));
        }
    }
}

static bool is_active(void *ctx, char why[LIVE_WHY])
{
    const struct live_kubernetes *l = ctx;
    if (kube_lease_held(&l->lease)) {
        return true;
    }
    (void)snprintf(why, LIVE_WHY, "the lease '%.128s' is held by '%.128s'", l->lease.name,
                   l->lease.holder[0] != '\0' ? l->lease.holder : "nobody yet");
    return false;
}

/* An event that cannot be recorded does not undo the change; that was logged. */
static void record(struct live_kubernetes *l, int service, int from, int to, const char *reason)
{
    char message[512];
    (void)snprintf(message, sizeof message, "Scaled from %d to %d%s%s", from, to,
                   reason[0] != '\0' ? ": " : "", reason);
    const struct kube_event event = {.kind = "Deployment",
                                     .api_version = "apps/v1",
                                     .object = &l->scale[service].meta,
                                     .reason = "KarmaScaled",
                                     .message = message};
    const enum err e = kube_put_event(l->k, &event, deadline(l));
    if (e != ERR_OK) {
        log_debug("event: %s", err_text(e));
    }
}

static enum err scale(void *ctx, int service, int from, int to, const char *reason,
                      char why[LIVE_WHY])
{
    struct live_kubernetes *l = ctx;
    char owner[KUBE_OWNER_BYTES];
    const double lease_s = kube_lease_until_s(&l->lease), patience_s = deadline(l);
    const double until_s = lease_s < patience_s ? lease_s : patience_s;
    if (!is_active(l, why)) {
        return ERR_REFUSED;
    }
    if (!l->known[service] || l->scale[service].replicas != from) {
        (void)snprintf(why, LIVE_WHY, "it is not known whether it still asks for %d", from);
        return ERR_CONFLICT;
    }
    enum err e = kube_find_owner(l->k, owner, l->deployments[service], until_s);
    if (e == ERR_OK && owner[0] != '\0') {
        (void)snprintf(why, LIVE_WHY, "it is scaled by %.400s now", owner);
        return ERR_REFUSED;
    }
    if (e == ERR_OK) {
        e = kube_scale_set(l->k, &l->scale[service], l->deployments[service], to, until_s);
    }
    if (e != ERR_OK) {
        l->known[service] = false;
        (void)snprintf(why, LIVE_WHY, "%s", err_text(e));
        return e;
    }
    record(l, service, from, to, reason);
    return ERR_OK;
}

struct live_writes live_kubernetes_writes(struct live_kubernetes *l)
{
    return (struct live_writes){
        .ctx = l, .desired = read_desired, .active = is_active, .scale = scale};
}

void live_kubernetes_end(struct live_kubernetes *l)
{
    if (l->k != NULL && l->lease.held) {
        const enum err e = kube_lease_release(&l->lease, deadline(l));
        if (e != ERR_OK) {
            log_debug("lease: %s", err_text(e));
        }
    }
}
