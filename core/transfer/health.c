/* Three pages behind libmicrohttpd. See health.h.
 *
 * Two threads: that of the decisions writes the texts, that of the library reads them, and both
 * hold the lock while they do. A page is copied into the response, so the lock is not held while a
 * slow client reads it. */
#include "core/transfer/health.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* One address cannot take all connections, so that the probe of the kubelet finds one. */
enum { CONNECTIONS_MAX = 16, CONNECTIONS_EACH = 8, TIMEOUT_S = 10, MEMORY_EACH = 8192 };

struct health {
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    struct buf metrics;
    bool ready;
    char why[512];
    double set_s, dead_s; /* when health_set() was called last; clock_s() */
};

/* ---- pages ---- */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type,
                              const void *text, size_t n)
{
    /* The library copies the text and never writes to the given one. */
    struct MHD_Response *r =
        MHD_create_response_from_buffer(n, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (r == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    const enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned status, const char *text)
{
    return answer(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result say_alive(struct MHD_Connection *c, const struct health *h)
{
    char text[128];
    const double ago_s = clock_s() - h->set_s;
    if (ago_s <= h->dead_s) {
        return say(c, MHD_HTTP_OK, "ok\n");
    }
    (void)snprintf(text, sizeof text, "no decision for %.0f s\n", ago_s);
    return say(c, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result say_ready(struct MHD_Connection *c, const struct health *h)
{
    return h->ready ? say(c, MHD_HTTP_OK, "ok\n") : say(c, MHD_HTTP_SERVICE_UNAVAILABLE, h->why);
}

static enum MHD_Result page(struct MHD_Connection *c, const struct health *h, const char *url)
{
    if (strcmp(url, "/metrics") == 0) {
        return answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", h->metrics.data,
                      h->metrics.len);
    }
    if (strcmp(url, "/healthz") == 0) {
        return say_alive(c, h);
    }
    if (strcmp(url, "/readyz") == 0) {
        return say_ready(c, h);
    }
    return say(c, MHD_HTTP_NOT_FOUND, "there are /metrics, /healthz and /readyz\n");
}

/* Called by the library, in its thread, for each request. */
static enum MHD_Result handle(void *ctx, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *n_upload, void **state)
{
    struct health *h = ctx;
    (void)version;
    (void)upload;
    (void)state;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return MHD_NO; /* the connection is closed */
    }
    *n_upload = 0;
    pthread_mutex_lock(&h->lock);
    const enum MHD_Result result = page(c, h, url);
    pthread_mutex_unlock(&h->lock);
    return result;
}

/* ---- the address ---- */

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "HOST:PORT" or "[HOST]:PORT"; numbers only, no names. */
static bool read_address(union socket_address *out, const char *text)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    int64_t port;
    const size_t n = colon != NULL ? (size_t)(colon - text) : sizeof host;
    if (n >= sizeof host || !number_whole(&port, colon + 1, 0, 65535)) {
        return false;
    }
    memset(out, 0, sizeof *out);
    if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
        (void)snprintf(host, sizeof host, "%.*s", (int)n - 2, text + 1);
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)n, text);
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1;
}

enum err health_start(struct health **out, const char *address)
{
    union socket_address at;
    if (!read_address(&at, address)) {
        log_error("listen: '%s' is no address; expected HOST:PORT with a numeric host, such as "
                  "127.0.0.1:9464 or 0.0.0.0:9464",
                  address);
        return ERR_CONFIG;
    }
    struct health *h = mem_alloc(sizeof *h);
    if (h == NULL) {
        return ERR_MEMORY;
    }
    *h = (struct health){.set_s = clock_s(), .dead_s = 60.0, .why = "no decision yet\n"};
    buf_init(&h->metrics);
    pthread_mutex_init(&h->lock, NULL);
    const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD |
                           (at.any.sa_family == AF_INET6 ? (unsigned)MHD_USE_IPv6 : 0U);
    /* The thread inherits the mask: signals are for the thread of the decisions, whose wait they
     * cut short. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, h, MHD_OPTION_SOCK_ADDR, &at.any, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_EACH,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY_EACH, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (h->daemon == NULL) {
        log_error("listen: %s cannot be listened on: %s; choose another port, or end what uses it",
                  address, strerror(errno));
        health_stop(h);
        return ERR_IO;
    }
    *out = h;
    return ERR_OK;
}

void health_stop(struct health *h)
{
    if (h == NULL) {
        return;
    }
    if (h->daemon != NULL) {
        MHD_stop_daemon(h->daemon);
    }
    pthread_mutex_destroy(&h->lock);
    buf_release(&h->metrics);
    mem_free(h);
}

int health_port(const struct health *h)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info != NULL ? (int)info->port : 0;
}

enum err health_set(struct health *h, const struct buf *metrics, bool ready, const char *why,
                    double dead_s)
{
    pthread_mutex_lock(&h->lock);
    h->metrics.len = 0;
    const enum err e = buf_append(&h->metrics, metrics->data, metrics->len);
    h->ready = ready;
    (void)snprintf(h->why, sizeof h->why, "%.500s\n", why);
    h->set_s = clock_s();
    h->dead_s = dead_s;
    pthread_mutex_unlock(&h->lock);
    return e;
}
