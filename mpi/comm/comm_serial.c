/* Communication of a program built without MPI: one rank that can only talk to itself.
 *
 * A message to oneself waits in a queue until it is received. Since nobody else could send it,
 * waiting for a message that is not there would last for ever: that is a bug of ours, so a CHECK.
 */
#include "core/base/log.h"
#include "mpi/comm/comm.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
    struct message *next;
    enum comm_tag tag;
    struct buf bytes; /* owned */
};

struct comm_impl {
    struct message *oldest;
};

enum err comm_init(struct comm *c, int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    *c = (struct comm){0};
    struct comm_impl *impl = mem_alloc(sizeof(*impl));
    if (impl == NULL) {
        return ERR_MEMORY;
    }
    *impl = (struct comm_impl){0};
    c->size = 1;
    c->impl = impl;
    return ERR_OK;
}

/* A rank alone is every group. */
enum err comm_split(struct comm *out, struct comm *c, int group)
{
    CHECK(group >= 0);
    (void)c;
    return comm_init(out, NULL, NULL);
}

/* Never asked: nothing in this file waits. */
void comm_watch(struct comm *c, enum err (*watch)(void *ctx), void *ctx)
{
    c->watch = watch;
    c->watch_ctx = ctx;
}

static void message_free(struct message *m)
{
    buf_release(&m->bytes);
    mem_free(m);
}

void comm_finalize(struct comm *c)
{
    if (c->impl == NULL) {
        return;
    }
    while (c->impl->oldest != NULL) {
        struct message *m = c->impl->oldest;
        c->impl->oldest = m->next;
        message_free(m);
    }
    mem_free(c->impl);
    c->impl = NULL;
}

_Noreturn void comm_abort(int exit_code)
{
    _Exit(exit_code);
}

void comm_poll(struct comm *c)
{
    (void)c;
}

/* A queued message keeps its own buffer until it is received, so there is nothing to use again. */
enum err comm_buf_take(struct comm *c, struct buf *out, size_t cap)
{
    (void)c;
    struct buf b;
    buf_init(&b);
    TRY(buf_reserve(&b, cap));
    *out = b;
    return ERR_OK;
}

void comm_buf_give(struct comm *c, struct buf *b)
{
    (void)c;
    buf_release(b);
}

/* At the end of the list: comm_try_recv() looks from the oldest on, so messages of one tag are
 * received in the order in which they were sent, as with MPI. The limit is MPI's, so that a run
 * which is too large for MPI fails here in the same way. */
static enum err enqueue(struct comm *c, enum comm_tag tag, struct buf bytes)
{
    if (bytes.len > INT_MAX) {
        log_error("a message of %zu bytes is more than MPI can count (%d); use a smaller tile or "
                  "shorter episodes",
                  bytes.len, INT_MAX);
        return ERR_FAILED;
    }
    struct message *m = mem_alloc(sizeof(*m));
    if (m == NULL) {
        return ERR_MEMORY;
    }
    *m = (struct message){NULL, tag, bytes};
    struct message **end = &c->impl->oldest;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = m;
    c->bytes_sent += bytes.len;
    c->n_sent++;
    return ERR_OK;
}

enum err comm_send(struct comm *c, int dst, enum comm_tag tag, struct buf *moved)
{
    CHECK(dst == 0);
    struct buf bytes = *moved;
    buf_init(moved);
    enum err e = enqueue(c, tag, bytes);
    if (e != ERR_OK) {
        buf_release(&bytes);
    }
    return e;
}

enum err comm_flush(struct comm *c)
{
    (void)c;
    return ERR_OK;
}

/* `at` points to the link that leads to the message, so the first, a middle and the last one leave
 * the list in the same way. The two buffers change owners: `out` gets the bytes, and what it held
 * before goes with the message. */
enum err comm_try_recv(struct comm *c, int src, enum comm_tag tag, struct buf *out, int *from,
                       bool *got)
{
    CHECK(src == 0 || src == COMM_ANY);
    struct message **at = &c->impl->oldest;
    while (*at != NULL && (*at)->tag != tag) {
        at = &(*at)->next;
    }
    struct message *m = *at;
    *got = m != NULL;
    if (m == NULL) {
        return ERR_OK;
    }
    *at = m->next;
    struct buf replaced = *out;
    *out = m->bytes;
    m->bytes = replaced;
    message_free(m);
    if (from != NULL) {
        *from = 0;
    }
    return ERR_OK;
}

enum err comm_recv(struct comm *c, int src, enum comm_tag tag, struct buf *out, int *from)
{
    bool got = false;
    TRY(comm_try_recv(c, src, tag, out, from, &got));
    CHECK(got); /* nobody else could send it */
    return ERR_OK;
}

/* Counted as on the root with MPI, so that timing.csv has the same column. */
enum err comm_bcast(struct comm *c, int root, struct buf *b)
{
    CHECK(root == 0);
    c->bytes_sent += b->len;
    return ERR_OK;
}

enum err comm_gather_all(struct comm *c, void *all, const void *mine, size_t bytes)
{
    (void)c;
    memcpy(all, mine, bytes);
    return ERR_OK;
}

enum err comm_agree(struct comm *c, enum err mine)
{
    (void)c;
    return mine;
}

enum err comm_same_u64(struct comm *c, const char *what, uint64_t value)
{
    (void)c;
    (void)what;
    (void)value;
    return ERR_OK;
}

enum err comm_barrier(struct comm *c)
{
    (void)c;
    return ERR_OK;
}

const char *comm_library(void)
{
    return "serial";
}

void comm_library_loaded(char *out, size_t cap)
{
    (void)snprintf(out, cap, "serial");
}

struct comm_threads comm_threads(void)
{
    return (struct comm_threads){"none", "none", true};
}
