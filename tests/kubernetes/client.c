/* The Kubernetes client of core/transfer by hand, for tests/kubernetes/test_kubernetes.sh: one
 * command, one line of output for each thing that it saw.
 *
 *     client version | scale NAME | set NAME N [VERSION] | try NAME N | list KIND | owner NAME
 *            | event NAME TEXT | mirror KIND SECONDS | lease NAME IDENTITY DURATION SECONDS
 *
 * The server is that of $KUBECONFIG. The exit status is that of the error. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/number.h"
#include "core/transfer/kube_lease.h"
#include "core/transfer/kube_mirror.h"
#include "core/transfer/kubernetes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

static bool stopped(void)
{
    return stop != 0;
}

static int whole(const char *text)
{
    int64_t n = 0;
    (void)number_whole(&n, text, 0, KUBE_COUNT_MAX);
    return (int)n;
}

static void print_scale(const char *what, const struct kube_scale *s)
{
    (void)printf("%s %s wanted %d existing %d version %s\n", what, s->meta.name, s->replicas,
                 s->existing, s->meta.version);
}

static enum err print_object(void *ctx, const struct kube_object *o)
{
    (void)ctx;
    switch (o->kind) {
    case KUBE_DEPLOYMENT:
        (void)printf("deployment %s wanted %d existing %d ready %d observed %d cpu %g memory %g "
                     "selector %s\n",
                     o->meta.name, o->deployment.replicas, o->deployment.existing,
                     o->deployment.ready, o->deployment.observed, o->deployment.cpu_request_m,
                     o->deployment.memory_request_mib, o->deployment.selector);
        break;
    case KUBE_POD:
        (void)printf("pod %s phase %s ready %d owner %s node %s\n", o->meta.name, o->pod.phase,
                     o->pod.ready, o->pod.owner, o->pod.node);
        break;
    default:
        (void)printf("autoscaler %s target %s %s from %d to %d\n", o->meta.name, o->hpa.target_kind,
                     o->hpa.target, o->hpa.min, o->hpa.max);
    }
    return ERR_OK;
}

static enum err set(struct kube *k, const char *name, const char *n, const char *version)
{
    struct kube_scale s;
    TRY(kube_scale_get(k, &s, name, 0.0));
    if (version != NULL) {
        (void)snprintf(s.meta.version, sizeof s.meta.version, "%s", version);
    }
    TRY(kube_scale_set(k, &s, name, whole(n), 0.0));
    print_scale("set", &s);
    return ERR_OK;
}

static enum err event(struct kube *k, const char *name, const char *text)
{
    struct kube_scale s;
    TRY(kube_scale_get(k, &s, name, 0.0));
    return kube_put_event(k,
                          &(struct kube_event){.kind = "Deployment",
                                               .api_version = "apps/v1",
                                               .object = &s.meta,
                                               .reason = "KarmaScaled",
                                               .message = text},
                          0.0);
}

static enum err mirror(struct kube *k, const char *kind, const char *seconds)
{
    struct kube_mirror *m;
    const double until = clock_s() + whole(seconds);
    int n, before = -1;
    enum err e;
    TRY(kube_mirror_new(&m, k, strcmp(kind, "pods") == 0 ? KUBE_POD : KUBE_DEPLOYMENT, "", 5.0));
    do {
        e = kube_mirror_poll(m, 0.2);
        const struct kube_object *o = kube_mirror_objects(m, &n);
        if (n != before) {
            (void)printf("mirror %d\n", n);
            before = n;
        }
        for (int i = 0; i < n && kind[0] == 'd'; i++) {
            (void)print_object(NULL, &o[i]);
        }
        (void)fflush(stdout);
    } while (clock_s() < until && e != ERR_STOPPED);
    (void)printf("age %.1f\n", kube_mirror_age_s(m));
    kube_mirror_free(m);
    return e;
}

static enum err lease(struct kube *k, char **argv)
{
    struct kube_lease l;
    const double until = clock_s() + whole(argv[3]);
    bool held = false;
    TRY(kube_lease_init(&l, k, argv[0], argv[1], whole(argv[2])));
    while (clock_s() < until && !stopped()) {
        const enum err e = kube_lease_tick(&l, 0.0);
        if (e != ERR_OK && e != ERR_SERVER) {
            return e;
        }
        if (kube_lease_held(&l) != held) {
            held = kube_lease_held(&l);
            (void)printf("%.2f %s %s\n", clock_unix_s(), argv[1], held ? "acts" : "watches");
            (void)fflush(stdout);
        }
        (void)clock_sleep(0.3);
    }
    return kube_lease_release(&l, 0.0);
}

static enum kube_kind kind_of(const char *plural)
{
    for (int kind = 0; kind < KUBE_KINDS; kind++) {
        if (strcmp(kube_plural((enum kube_kind)kind), plural) == 0) {
            return (enum kube_kind)kind;
        }
    }
    return KUBE_DEPLOYMENT;
}

static enum err run(struct kube *k, int n, char **argv)
{
    char text[KUBE_OWNER_BYTES];
    struct kube_scale s;
    if (strcmp(argv[0], "version") == 0) {
        TRY(kube_server_version(k, text, sizeof text, 0.0));
        (void)printf("version %s\n", text);
    } else if (strcmp(argv[0], "scale") == 0 && n == 2) {
        TRY(kube_scale_get(k, &s, argv[1], 0.0));
        print_scale("scale", &s);
    } else if (strcmp(argv[0], "set") == 0 && n >= 3) {
        return set(k, argv[1], argv[2], n > 3 ? argv[3] : NULL);
    } else if (strcmp(argv[0], "try") == 0 && n == 3) {
        TRY(kube_scale_get(k, &s, argv[1], 0.0));
        return kube_scale_try(k, &s, argv[1], whole(argv[2]), 0.0);
    } else if (strcmp(argv[0], "list") == 0 && n == 2) {
        return kube_list(k, kind_of(argv[1]), "", NULL, NULL, print_object, NULL, 0.0);
    } else if (strcmp(argv[0], "owner") == 0 && n == 2) {
        TRY(kube_find_owner(k, text, argv[1], 0.0));
        (void)printf("owner %s\n", text[0] != '\0' ? text : "nobody");
    } else if (strcmp(argv[0], "event") == 0 && n == 3) {
        return event(k, argv[1], argv[2]);
    } else if (strcmp(argv[0], "mirror") == 0 && n == 3) {
        return mirror(k, argv[1], argv[2]);
    } else if (strcmp(argv[0], "lease") == 0 && n == 5) {
        return lease(k, argv + 1);
    } else {
        return ERR_USAGE;
    }
    return ERR_OK;
}

int main(int argc, char **argv)
{
    struct kube_access access;
    struct arena arena;
    struct kube *k = NULL;
    const struct sigaction action = {.sa_handler = on_signal};
    log_init(-1);
    (void)sigaction(SIGTERM, &action, NULL);
    if (argc < 2) {
        return err_exit_code(ERR_USAGE);
    }
    arena_init(&arena);
    enum err e = kube_access_find(&access, &arena, "", "");
    if (e == ERR_OK) {
        e = kube_new(&k, &access,
                     &(struct kube_cfg){.page = 2,
                                        .total_s = 3.0,
                                        .retry = {.seed = (uint64_t)(clock_unix_s() * 1e6)},
                                        .stopped = stopped});
    }
    if (e == ERR_OK) {
        e = run(k, argc - 1, argv + 1);
    }
    kube_free(k);
    arena_release(&arena);
    return err_exit_code(e);
}
