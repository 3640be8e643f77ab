/* A small HTTP server on loopback that answers by a script and misbehaves on request, in a thread
 * of the test. The first answer of the script whose method and path fit, and that has times left,
 * is given; what fits nothing gets 404. Every request is noted.
 *
 *     struct fault_server s;
 *     static const struct fault_answer script[] = {{.path = "/x", .status = 200, .body = "{}"}};
 *     fault_server_start(&s, script, 1);
 *     ... s.url ...
 *     fault_server_stop(&s);
 */
#ifndef KARMA_TESTS_FAULT_SERVER_H
#define KARMA_TESTS_FAULT_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum fault {
    FAULT_NONE,
    FAULT_CLOSE,   /* the connection ends before the first byte */
    FAULT_RESET,   /* the same with a reset */
    FAULT_CUT,     /* it ends after half of the body, of which all was promised */
    FAULT_HANG,    /* no byte, until the server stops or the client goes */
    FAULT_SLOW,    /* one byte of the body every 20 ms */
    FAULT_GARBAGE, /* bytes that are no HTTP */
    FAULT_ENDLESS, /* a body without end */
    FAULT_STREAM,  /* chunks, one for each line of the body, and then the end */
    FAULT_OPEN,    /* the same, but the end never comes */
    FAULT_TORN     /* the same, and the connection ends within a chunk */
};

struct fault_answer {
    const char *method; /* NULL: any */
    const char *path;   /* the request's path, or a beginning of it that ends with '*' */
    int times;          /* 0: always */
    int status;
    const char *headers; /* NULL, or lines that end with CR LF */
    const char *body;    /* NULL: "" */
    enum fault fault;
};

enum { FAULT_REQUESTS_MAX = 512, FAULT_TEXT_MAX = 2048, FAULT_ANSWERS_MAX = 64 };

struct fault_request {
    char method[16], path[FAULT_TEXT_MAX], authorization[256], type[128], body[FAULT_TEXT_MAX];
};

struct fault_server {
    char url[64];
    int port, listening;
    int wake[2];
    pthread_t thread;
    pthread_mutex_t mutex; /* of what stands below */
    struct fault_answer answers[FAULT_ANSWERS_MAX];
    int n_answers, used[FAULT_ANSWERS_MAX];
    struct fault_request *requests; /* (FAULT_REQUESTS_MAX) */
    int n_requests;
};

static inline void fault_send(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
}

/* Until the client goes away or the server stops. True: for `ms` nothing of that happened. */
static inline bool fault_wait(struct fault_server *s, int fd, int ms)
{
    struct pollfd p[2] = {{.fd = s->wake[0], .events = POLLIN}, {.fd = fd, .events = POLLRDHUP}};
    return poll(p, 2, ms) == 0;
}

static inline void fault_chunks(int fd, const char *body, bool torn)
{
    char head[32];
    while (*body != '\0') {
        const size_t n = strcspn(body, "\n") + (body[strcspn(body, "\n")] == '\n');
        (void)snprintf(head, sizeof head, "%zx\r\n", n);
        fault_send(fd, head, strlen(head));
        fault_send(fd, body, torn && body[n] == '\0' ? n / 2 : n);
        fault_send(fd, "\r\n", torn && body[n] == '\0' ? 0 : 2);
        body += n;
    }
}

static inline void fault_head(int fd, const struct fault_answer *a, long long length)
{
    char head[1024];
    char size[64] = "Transfer-Encoding: chunked\r\n";
    if (length >= 0) {
        (void)snprintf(size, sizeof size, "Content-Length: %lld\r\n", length);
    }
    (void)snprintf(
        head, sizeof head,
        "HTTP/1.1 %d Test\r\nContent-Type: application/json\r\nConnection: close\r\n%s%s\r\n",
        a->status, size, a->headers != NULL ? a->headers : "");
    fault_send(fd, head, strlen(head));
}

static inline void fault_give(struct fault_server *s, int fd, const struct fault_answer *a)
{
    static const char zeros[4096];
    const char *body = a->body != NULL ? a->body : "";
    const size_t n = strlen(body);
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    switch (a->fault) {
    case FAULT_CLOSE:
        return;
    case FAULT_RESET:
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        return;
    case FAULT_HANG:
        (void)fault_wait(s, fd, -1);
        return;
    case FAULT_GARBAGE:
        fault_send(fd, "\x16\x03garbage\r\n\r\n", 13);
        return;
    case FAULT_ENDLESS:
        fault_head(fd, a, 1LL << 40);
        while (fault_wait(s, fd, 0) && send(fd, zeros, sizeof zeros, MSG_NOSIGNAL) > 0) {
        }
        return;
    case FAULT_STREAM:
    case FAULT_OPEN:
    case FAULT_TORN:
        fault_head(fd, a, -1);
        fault_chunks(fd, body, a->fault == FAULT_TORN);
        if (a->fault == FAULT_STREAM) {
            fault_send(fd, "0\r\n\r\n", 5);
        } else if (a->fault == FAULT_OPEN) {
            (void)fault_wait(s, fd, -1);
        }
        return;
    default:
        fault_head(fd, a, (long long)n);
    }
    for (size_t i = 0; a->fault == FAULT_SLOW && i < n && fault_wait(s, fd, 20); i++) {
        fault_send(fd, body + i, 1);
    }
    fault_send(fd, body, a->fault == FAULT_SLOW ? 0 : a->fault == FAULT_CUT ? n / 2 : n);
}

static inline void fault_copy(char *to, size_t size, const char *from, const char *ends)
{
    (void)snprintf(to, size, "%.*s", (int)strcspn(from, ends), from);
}

/* Notes the request and chooses its answer. */
static inline struct fault_answer fault_choose(struct fault_server *s, const char *head,
                                               const char *body)
{
    struct fault_answer chosen = {.status = 404, .body = "{\"message\":\"not in the script\"}"};
    struct fault_request *r = &s->requests[s->n_requests % FAULT_REQUESTS_MAX];
    const char *path = strchr(head, ' ');
    const char *token = strcasestr(head, "\r\nauthorization: ");
    const char *type = strcasestr(head, "\r\ncontent-type: ");
    memset(r, 0, sizeof *r);
    fault_copy(r->method, sizeof r->method, head, " ");
    fault_copy(r->path, sizeof r->path, path != NULL ? path + 1 : "", " ");
    fault_copy(r->authorization, sizeof r->authorization, token != NULL ? token + 17 : "", "\r");
    fault_copy(r->type, sizeof r->type, type != NULL ? type + 16 : "", "\r");
    (void)snprintf(r->body, sizeof r->body, "%s", body);
    s->n_requests++;
    for (int i = 0; i < s->n_answers; i++) {
        const struct fault_answer *a = &s->answers[i];
        const size_t n = strlen(a->path);
        const bool begins = n > 0 && a->path[n - 1] == '*';
        const bool fits =
            begins ? strncmp(r->path, a->path, n - 1) == 0 : strcmp(r->path, a->path) == 0;
        if (fits && (a->method == NULL || strcmp(a->method, r->method) == 0) &&
            (a->times == 0 || s->used[i] < a->times)) {
            s->used[i]++;
            return *a;
        }
    }
    return chosen;
}

static inline void fault_serve(struct fault_server *s, int fd)
{
    enum { REQUEST_MAX = 64 * 1024 };
    char *text = calloc(1, REQUEST_MAX + 1);
    size_t n = 0, want = REQUEST_MAX;
    char *body = NULL;
    while (n < want) {
        const ssize_t got = recv(fd, text + n, REQUEST_MAX - n, 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        if (body == NULL && (body = strstr(text, "\r\n\r\n")) != NULL) {
            const char *length = strcasestr(text, "\r\ncontent-length: ");
            body[2] = '\0';
            body += 4;
            want = (size_t)(body - text) + (length != NULL ? strtoul(length + 18, NULL, 10) : 0);
        }
    }
    if (body != NULL) {
        (void)pthread_mutex_lock(&s->mutex);
        const struct fault_answer a = fault_choose(s, text, body);
        (void)pthread_mutex_unlock(&s->mutex);
        fault_give(s, fd, &a);
    }
    free(text);
    (void)close(fd);
}

struct fault_connection {
    struct fault_server *server;
    int fd;
};

static inline void *fault_connection_run(void *ctx)
{
    struct fault_connection c = *(struct fault_connection *)ctx;
    free(ctx);
    fault_serve(c.server, c.fd);
    return NULL;
}

/* Each connection has a thread, so that one that hangs (a watch) does not keep others waiting. */
static inline void *fault_run(void *ctx)
{
    enum { CONNECTIONS_MAX = 2048 };
    struct fault_server *s = ctx;
    pthread_t *threads = calloc(CONNECTIONS_MAX, sizeof *threads);
    int n = 0;
    while (n < CONNECTIONS_MAX) {
        struct pollfd p[2] = {{.fd = s->wake[0], .events = POLLIN},
                              {.fd = s->listening, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 || p[0].revents != 0) {
            break;
        }
        struct fault_connection *c = calloc(1, sizeof *c);
        c->server = s;
        c->fd = accept(s->listening, NULL, NULL);
        if (c->fd < 0 || pthread_create(&threads[n], NULL, fault_connection_run, c) != 0) {
            free(c);
            continue;
        }
        n++;
    }
    for (int i = 0; i < n; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    free(threads);
    return NULL;
}

/* Replaces the script; counts begin anew. */
static inline void fault_server_script(struct fault_server *s, const struct fault_answer *answers,
                                       int n)
{
    (void)pthread_mutex_lock(&s->mutex);
    for (int i = 0; i < n; i++) {
        s->answers[i] = answers[i];
    }
    memset(s->used, 0, sizeof s->used);
    s->n_answers = n;
    s->n_requests = 0;
    (void)pthread_mutex_unlock(&s->mutex);
}

/* On the port `port`, or on any if it is 0. */
static inline bool fault_server_listen(struct fault_server *s, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    socklen_t n = sizeof at;
    const int on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listening = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(s->listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s->listening, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(s->listening, 64) != 0 || pipe(s->wake) != 0 ||
        getsockname(s->listening, (struct sockaddr *)&at, &n) != 0) {
        return false;
    }
    s->port = ntohs(at.sin_port);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", s->port);
    return pthread_create(&s->thread, NULL, fault_run, s) == 0;
}

static inline bool fault_server_start(struct fault_server *s, const struct fault_answer *answers,
                                      int n)
{
    memset(s, 0, sizeof *s);
    (void)pthread_mutex_init(&s->mutex, NULL);
    s->requests = calloc(FAULT_REQUESTS_MAX, sizeof *s->requests);
    fault_server_script(s, answers, n);
    return fault_server_listen(s, 0);
}

/* Nobody listens any more; the notes stay. fault_server_listen() on the same port: a restart. */
static inline void fault_server_down(struct fault_server *s)
{
    (void)shutdown(s->listening, SHUT_RDWR);
    (void)close(s->wake[1]);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->wake[0]);
    (void)close(s->listening);
}

static inline void fault_server_stop(struct fault_server *s)
{
    fault_server_down(s);
    free(s->requests);
}

/* Requests so far that had this method (NULL: any). */
static inline int fault_server_count(struct fault_server *s, const char *method)
{
    int n = 0;
    (void)pthread_mutex_lock(&s->mutex);
    for (int i = 0; i < s->n_requests && i < FAULT_REQUESTS_MAX; i++) {
        n += method == NULL || strcmp(s->requests[i].method, method) == 0;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    return n;
}

#endif
