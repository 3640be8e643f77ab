/* Communication over MPI: the only file that includes mpi.h.
 *
 * The one idea: no call blocks inside the library. Whatever takes time is started nonblocking and
 * polled here, spinning for POLL_NS and napping after that, because a library that spins on an
 * oversubscribed machine takes the core from the very rank it waits for.
 */
#include "mpi/comm/comm.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <limits.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <time.h>

enum {
    POLL_NS = 50 * 1000,
    NAP_NS = 500 * 1000,
    WATCH_NS = 1000 * 1000 * 1000,
    TIMER_SLACK_NS = 1000,
    PENDING_MIN = 64,
    SPARES_MAX = 16,
    THREADS_NEEDED = MPI_THREAD_FUNNELED /* other threads renew locks, and call no MPI */
};

/* A send that has not left. */
struct pending {
    MPI_Request request;
    struct buf bytes; /* owned */
};

struct comm_impl {
    MPI_Comm world;           /* a duplicate of MPI_COMM_WORLD, or a part: our tags meet nobody
                                 else's */
    struct buf pending_bytes; /* storage of an array of struct pending */
    size_t n_pending;
    struct buf spares[SPARES_MAX]; /* buffers free for the next message */
    int n_spares;
    enum err send_err; /* a send that failed while nobody could be told; sticky */
    double watched_s;  /* when a wait was last looked at */
    enum err broken;   /* what the watch said; no wait succeeds after that */
    bool owns_library;
    bool is_part; /* of another communicator, which has the hook and the library */
};

/* ---- errors ---- */

/* A wrong argument would be our bug and would show in every run, so the sentence names what else
 * can fail: another rank or the network. */
static enum err mpi_result(int rc, const char *call)
{
    if (rc == MPI_SUCCESS) {
        return ERR_OK;
    }
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(rc, text, &n);
    log_error("%s failed: %s. Another rank or the network may be lost; see what the launcher says",
              call, text);
    return ERR_PEER;
}

/* MPI-3.1 counts bytes in int. Every length passes here before it is cast, so a message that is too
 * long is refused and never cut off. */
static enum err check_count(size_t n)
{
    if (n > INT_MAX) {
        log_error("a message of %zu bytes is more than MPI can count (%d); use a smaller tile or "
                  "shorter episodes",
                  n, INT_MAX);
        return ERR_FAILED;
    }
    return ERR_OK;
}

/* ---- waiting ---- */

/* Between two polls of a wait that began at `start_s`. Naps grow with the wait, so a message is
 * noticed at most a quarter late; a tree sum of 0.5 MB on two ranks took 1.4 ms with naps of a
 * fixed 200 us and takes 0.5 to 1.1 ms so.
 *
 * A nap of a quarter of the time w waited so far makes the next poll come at 5/4 w. From 50 us
 * on these times grow geometrically until the naps reach their limit of 500 us at w = 2 ms,
 * after ln(40) / ln(5/4), about 17, polls; later there are 2000 polls a second. A message that
 * arrives during a nap is noticed at its end, so the delay is at most the nap: a quarter of the
 * wait before it.
 *
 * The watch is asked once a wait has lasted a second, and at most twice a second in all waits
 * together. Its error is kept: a rank that is lost does not come back, so each later wait would
 * last for ever. */
static enum err pause_since(struct comm *c, double start_s)
{
    double now_s = clock_s(), waited_ns = (now_s - start_s) * 1e9;
    if (waited_ns >= POLL_NS) {
        double nap_ns = 0.25 * waited_ns;
        struct timespec nap = {0, nap_ns < NAP_NS ? (long)nap_ns : NAP_NS};
        nanosleep(&nap, NULL);
    }
    if (c->impl->broken != ERR_OK) {
        return c->impl->broken;
    }
    if (c->watch == NULL || waited_ns < WATCH_NS ||
        now_s < c->impl->watched_s + 0.5e-9 * WATCH_NS) {
        return ERR_OK;
    }
    c->impl->watched_s = now_s;
    c->impl->broken = c->watch(c->watch_ctx);
    return c->impl->broken;
}

/* Linux rounds naps up by 50 us for a process that does not ask for less. */
static void ask_for_short_naps(void)
{
#ifdef __linux__
    prctl(PR_SET_TIMERSLACK, (unsigned long)TIMER_SLACK_NS);
#endif
}

struct wait {
    double start_s, start_cpu_s;
};

static struct wait begin_wait(void)
{
    return (struct wait){clock_s(), clock_cpu_s()};
}

static void count_wait(struct comm *c, struct wait w)
{
    c->wait_seconds += clock_s() - w.start_s;
    c->wait_cpu_s += clock_cpu_s() - w.start_cpu_s;
}

/* Polls until `request` is complete; `call` names what started it. The request is tested once more
 * after the pause that ended the wait: if it is complete by then, the wait has succeeded. A request
 * that is given up still belongs to the library, with the memory that it reads or writes; after
 * such an error the caller must end the job (comm_abort()). */
static enum err await(struct comm *c, MPI_Request *request, const char *call)
{
    const struct wait w = begin_wait();
    int done = 0;
    int rc = MPI_Test(request, &done, MPI_STATUS_IGNORE);
    enum err e = ERR_OK;
    while (e == ERR_OK && rc == MPI_SUCCESS && !done) {
        e = pause_since(c, w.start_s);
        rc = MPI_Test(request, &done, MPI_STATUS_IGNORE);
    }
    count_wait(c, w);
    return e != ERR_OK && !done ? e : mpi_result(rc, call);
}

/* ---- start and end ---- */

_Noreturn void comm_abort(int exit_code)
{
    int is_up = 0, is_down = 0;
    MPI_Initialized(&is_up);
    MPI_Finalized(&is_down);
    if (is_up && !is_down) {
        MPI_Abort(MPI_COMM_WORLD, exit_code);
    }
    _Exit(exit_code);
}

static void abort_on_check(void)
{
    comm_abort(err_exit_code(ERR_FAILED));
}

/* MPI_Init with threads of its own that take no signals: a handler shall interrupt the thread that
 * works, not run beside it. */
static int init_library(int *argc, char ***argv)
{
    int provided;
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    const int rc = MPI_Init_thread(argc, argv, THREADS_NEEDED, &provided);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* MPI_Comm_dup reports its errors through the communicator that is duplicated, so
 * MPI_COMM_WORLD gets the handler that returns them, too. A library that was up before is not
 * ended here either. */
static enum err open_world(struct comm *c, struct comm_impl *impl, int *argc, char ***argv)
{
    int is_up = 0;
    TRY(mpi_result(MPI_Initialized(&is_up), "MPI_Initialized"));
    if (!is_up) {
        TRY(mpi_result(init_library(argc, argv), "MPI_Init_thread"));
        impl->owns_library = true;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    TRY(mpi_result(MPI_Comm_dup(MPI_COMM_WORLD, &impl->world), "MPI_Comm_dup"));
    MPI_Comm_set_errhandler(impl->world, MPI_ERRORS_RETURN);
    TRY(mpi_result(MPI_Comm_rank(impl->world, &c->rank), "MPI_Comm_rank"));
    return mpi_result(MPI_Comm_size(impl->world, &c->size), "MPI_Comm_size");
}

enum err comm_init(struct comm *c, int *argc, char ***argv)
{
    *c = (struct comm){0};
    struct comm_impl *impl = mem_alloc(sizeof(*impl));
    if (impl == NULL) {
        return ERR_MEMORY;
    }
    *impl = (struct comm_impl){0};
    enum err e;
    TRY_GOTO(e, buf_reserve(&impl->pending_bytes, PENDING_MIN * sizeof(struct pending)), free_impl);
    TRY_GOTO(e, open_world(c, impl, argc, argv), free_pending);
    c->impl = impl;
    check_set_hook(abort_on_check);
    ask_for_short_naps();
    return ERR_OK;
free_pending:
    buf_release(&impl->pending_bytes);
free_impl:
    mem_free(impl);
    return e;
}

/* MPI_Comm_split blocks inside the library, but no longer than until all ranks are here: it is
 * called where they are, before independent work. */
static enum err open_part(struct comm *out, struct comm_impl *impl, struct comm *c, int group)
{
    TRY(mpi_result(MPI_Comm_split(c->impl->world, group, c->rank, &impl->world), "MPI_Comm_split"));
    MPI_Comm_set_errhandler(impl->world, MPI_ERRORS_RETURN);
    TRY(mpi_result(MPI_Comm_rank(impl->world, &out->rank), "MPI_Comm_rank"));
    return mpi_result(MPI_Comm_size(impl->world, &out->size), "MPI_Comm_size");
}

enum err comm_split(struct comm *out, struct comm *c, int group)
{
    CHECK(group >= 0);
    *out = (struct comm){0};
    struct comm_impl *impl = mem_alloc(sizeof *impl);
    enum err e = impl != NULL ? ERR_OK : ERR_MEMORY;
    if (e == ERR_OK) {
        *impl = (struct comm_impl){.is_part = true};
        e = buf_reserve(&impl->pending_bytes, PENDING_MIN * sizeof(struct pending));
    }
    e = comm_agree(c, e);
    if (e == ERR_OK) {
        e = open_part(out, impl, c, group);
    }
    if (e != ERR_OK && impl != NULL) {
        buf_release(&impl->pending_bytes);
        mem_free(impl);
        return e;
    }
    out->impl = impl;
    return e;
}

void comm_watch(struct comm *c, enum err (*watch)(void *ctx), void *ctx)
{
    c->watch = watch;
    c->watch_ctx = ctx;
}

/* Receives one message that nobody asked for, if there is one, and throws it away. All of it: Open
 * MPI 4.1 writes past the end of a receive that is too short for a message in shared memory. */
static enum err discard_one(struct comm *c)
{
    int got = 0, n = 0;
    MPI_Status s;
    int rc = MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->impl->world, &got, &s);
    TRY(mpi_result(rc, "MPI_Iprobe"));
    if (!got) {
        return ERR_OK;
    }
    struct buf b;
    TRY(mpi_result(MPI_Get_count(&s, MPI_BYTE, &n), "MPI_Get_count"));
    TRY(comm_buf_take(c, &b, (size_t)n));
    rc = MPI_Recv(b.data, n, MPI_BYTE, s.MPI_SOURCE, s.MPI_TAG, c->impl->world, MPI_STATUS_IGNORE);
    comm_buf_give(c, &b);
    return mpi_result(rc, "MPI_Recv");
}

static enum err retire_sends(struct comm *c);

/* Nobody leaves before everybody's sends have left, and nobody's send waits for a receiver that is
 * already on its way out.
 *
 * Why the loop ends on every rank: a rank enters the barrier as soon as its own sends have left,
 * and until the barrier is over it receives whatever arrives. So no send lacks a receiver, each of
 * them leaves, all ranks enter, and the barrier completes. The exception is a rank that is lost:
 * then the watch, if there is one, ends the pause with an error. */
static enum err leave_together(struct comm *c)
{
    double start = clock_s();
    MPI_Request barrier = MPI_REQUEST_NULL;
    bool entered = false;
    for (int done = 0; !done;) {
        TRY(discard_one(c));
        TRY(retire_sends(c));
        if (!entered && c->impl->n_pending == 0) {
            TRY(mpi_result(MPI_Ibarrier(c->impl->world, &barrier), "MPI_Ibarrier"));
            entered = true;
        }
        if (entered) {
            TRY(mpi_result(MPI_Test(&barrier, &done, MPI_STATUS_IGNORE), "MPI_Ibarrier"));
        }
        if (!done) {
            TRY(pause_since(c, start));
        }
    }
    return ERR_OK;
}

void comm_finalize(struct comm *c)
{
    struct comm_impl *impl = c->impl;
    if (impl == NULL) {
        return;
    }
    enum err e = leave_together(c);
    if (e != ERR_OK) {
        comm_abort(err_exit_code(e)); /* MPI_Finalize would wait for the lost rank for ever */
    }
    if (!impl->is_part) {
        check_set_hook(NULL);
    }
    MPI_Comm_free(&impl->world);
    if (impl->owns_library) {
        MPI_Finalize();
    }
    for (int i = 0; i < impl->n_spares; i++) {
        buf_release(&impl->spares[i]);
    }
    buf_release(&impl->pending_bytes);
    mem_free(impl);
    c->impl = NULL;
}

/* ---- sending ---- */

/* The storage comes from realloc(), which aligns it for any type. It may move when it grows:
 * requests are handles and may be copied. */
static struct pending *pending_array(struct comm_impl *impl)
{
    return (struct pending *)(void *)impl->pending_bytes.data;
}

void comm_buf_give(struct comm *c, struct buf *b)
{
    struct comm_impl *impl = c->impl;
    if (b->cap > 0 && impl->n_spares < SPARES_MAX) {
        impl->spares[impl->n_spares++] = *b;
        buf_init(b);
    } else {
        buf_release(b);
    }
}

/* Takes every send that has left off the list; this also lets the library make progress.
 *
 * Invariant: the entries before i are pending and were tested in this call. The last entry,
 * which was not tested yet, takes the place of one that is done, so i stays; n_pending - i falls
 * by one in each turn, so the loop ends. The order of the list means nothing. A send that failed
 * counts as done, because its buffer is free again; the error stays in send_err until a caller
 * can return it. */
static enum err retire_sends(struct comm *c)
{
    struct comm_impl *impl = c->impl;
    struct pending *p = pending_array(impl);
    for (size_t i = 0; i < impl->n_pending;) {
        int done = 0;
        enum err e = mpi_result(MPI_Test(&p[i].request, &done, MPI_STATUS_IGNORE), "MPI_Isend");
        if (e != ERR_OK) {
            impl->send_err = e;
            done = 1;
        }
        if (done) {
            comm_buf_give(c, &p[i].bytes);
            p[i] = p[--impl->n_pending];
        } else {
            i++;
        }
    }
    return impl->send_err;
}

/* MPI moves messages only inside its calls. Where there is no send to be tested, the call is a
 * probe. */
void comm_poll(struct comm *c)
{
    if (c->impl->n_pending > 0) {
        enum err e = retire_sends(c);
        (void)e; /* sticky: the next send or flush returns it */
    } else {
        int flag;
        MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->impl->world, &flag, MPI_STATUS_IGNORE);
    }
}

/* The first spare with room for `cap` bytes, else any (it saves a part of the growth), else -1. */
static int pick_spare(const struct comm_impl *impl, size_t cap)
{
    for (int i = 0; i < impl->n_spares; i++) {
        if (impl->spares[i].cap >= cap) {
            return i;
        }
    }
    return impl->n_spares - 1;
}

enum err comm_buf_take(struct comm *c, struct buf *out, size_t cap)
{
    struct comm_impl *impl = c->impl;
    TRY(retire_sends(c));
    struct buf b;
    buf_init(&b);
    int i = pick_spare(impl, cap);
    if (i >= 0) {
        b = impl->spares[i];
        impl->spares[i] = impl->spares[--impl->n_spares];
    }
    b.len = 0;
    enum err e = buf_reserve(&b, cap);
    if (e != ERR_OK) {
        buf_release(&b);
        return e;
    }
    *out = b;
    return ERR_OK;
}

/* Room for one entry more. Growing to twice the need keeps the copies of n sends at O(n) in all. */
static enum err reserve_pending(struct comm_impl *impl)
{
    size_t need = (impl->n_pending + 1) * sizeof(struct pending);
    if (need <= impl->pending_bytes.cap) {
        return ERR_OK;
    }
    return buf_reserve(&impl->pending_bytes, 2 * need);
}

/* The entry counts from the moment that MPI_Isend has accepted the bytes. After an error they are
 * still the caller's: no entry refers to them. */
static enum err start_send(struct comm *c, int dst, enum comm_tag tag, struct buf bytes)
{
    struct comm_impl *impl = c->impl;
    TRY(check_count(bytes.len));
    TRY(retire_sends(c));
    TRY(reserve_pending(impl));
    struct pending *p = &pending_array(impl)[impl->n_pending];
    *p = (struct pending){MPI_REQUEST_NULL, bytes};
    TRY(mpi_result(
        MPI_Isend(bytes.data, (int)bytes.len, MPI_BYTE, dst, (int)tag, impl->world, &p->request),
        "MPI_Isend"));
    impl->n_pending++;
    c->bytes_sent += bytes.len;
    c->n_sent++;
    return ERR_OK;
}

enum err comm_send(struct comm *c, int dst, enum comm_tag tag, struct buf *moved)
{
    struct buf bytes = *moved;
    buf_init(moved);
    enum err e = start_send(c, dst, tag, bytes);
    if (e != ERR_OK) {
        buf_release(&bytes);
    }
    return e;
}

/* retire_sends() inside the loop is what lets the library send, so the loop ends when the receivers
 * take their messages. */
enum err comm_flush(struct comm *c)
{
    const struct wait w = begin_wait();
    enum err e = retire_sends(c);
    while (e == ERR_OK && c->impl->n_pending > 0) {
        e = pause_since(c, w.start_s);
        e = e == ERR_OK ? retire_sends(c) : e;
    }
    count_wait(c, w);
    return e;
}

/* ---- receiving ---- */

/* Receives the message that a probe has found. With one thread the receive cannot meet another one,
 * and until it is posted a failure loses nothing. */
static enum err take_message(struct comm *c, const MPI_Status *found, struct buf *out, int *from)
{
    int n = 0, source = found->MPI_SOURCE;
    TRY(mpi_result(MPI_Get_count(found, MPI_BYTE, &n), "MPI_Get_count"));
    TRY(buf_reserve(out, (size_t)n));
    out->len = 0;
    MPI_Request request;
    int rc = MPI_Irecv(out->data, n, MPI_BYTE, source, found->MPI_TAG, c->impl->world, &request);
    TRY(mpi_result(rc, "MPI_Irecv"));
    TRY(await(c, &request, "MPI_Irecv"));
    out->len = (size_t)n;
    if (from != NULL) {
        *from = source;
    }
    return ERR_OK;
}

enum err comm_try_recv(struct comm *c, int src, enum comm_tag tag, struct buf *out, int *from,
                       bool *got)
{
    int found = 0;
    MPI_Status status;
    int source = src == COMM_ANY ? MPI_ANY_SOURCE : src;
    int rc = MPI_Iprobe(source, (int)tag, c->impl->world, &found, &status);
    TRY(mpi_result(rc, "MPI_Iprobe"));
    if (found) {
        TRY(take_message(c, &status, out, from));
    }
    *got = found != 0;
    return ERR_OK;
}

enum err comm_recv(struct comm *c, int src, enum comm_tag tag, struct buf *out, int *from)
{
    const struct wait w = begin_wait();
    const double waited = c->wait_seconds, waited_cpu = c->wait_cpu_s;
    bool got = false;
    enum err e = comm_try_recv(c, src, tag, out, from, &got);
    while (e == ERR_OK && !got) {
        e = pause_since(c, w.start_s);
        e = e == ERR_OK ? comm_try_recv(c, src, tag, out, from, &got) : e;
    }
    c->wait_seconds = waited; /* the wait inside is part of this one */
    c->wait_cpu_s = waited_cpu;
    count_wait(c, w);
    return e;
}

/* ---- collectives ---- */

/* v[i] becomes the largest v[i] of all ranks, n <= 2. The only reduction of this module. A maximum
 * of integers is exact and does not depend on the order in which the library combines the ranks.
 * Complements turn it into a minimum: min x = ~max(~x). */
static enum err max_u64(struct comm *c, uint64_t *v, int n)
{
    uint64_t mine[2];
    memcpy(mine, v, (size_t)n * sizeof(v[0]));
    MPI_Request request;
    int rc = MPI_Iallreduce(mine, v, n, MPI_UINT64_T, MPI_MAX, c->impl->world, &request);
    TRY(mpi_result(rc, "MPI_Iallreduce"));
    return await(c, &request, "MPI_Iallreduce");
}

/* The two maxima are the size of the message, to which all ranks but the root contribute 0, and
 * the complement of the smallest room of any rank. If that room suffices, which is so in every
 * update but the first, each rank knows that each of them can receive. Otherwise all make room
 * and agree on whether it succeeded. All ranks take the same branch, because they decide by the
 * same two numbers. */
static enum err agree_on_room(struct comm *c, int root, struct buf *b, size_t *n)
{
    uint64_t v[2] = {c->rank == root ? b->len : 0, ~(uint64_t)b->cap};
    TRY(max_u64(c, v, 2));
    size_t size = (size_t)v[0], least_cap = (size_t)~v[1];
    if (size > INT_MAX) {
        return c->rank == root ? check_count(size) : ERR_FAILED;
    }
    if (least_cap < size) {
        TRY(comm_agree(c, buf_reserve(b, size)));
    }
    *n = size;
    return ERR_OK;
}

enum err comm_bcast(struct comm *c, int root, struct buf *b)
{
    size_t n;
    TRY(agree_on_room(c, root, b, &n));
    MPI_Request request;
    int rc = MPI_Ibcast(b->data, (int)n, MPI_BYTE, root, c->impl->world, &request);
    TRY(mpi_result(rc, "MPI_Ibcast"));
    TRY(await(c, &request, "MPI_Ibcast"));
    b->len = n;
    c->bytes_sent += c->rank == root ? n : 0;
    return ERR_OK;
}

enum err comm_gather_all(struct comm *c, void *all, const void *mine, size_t bytes)
{
    CHECK(bytes <= INT_MAX);
    MPI_Request request;
    int rc = MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, c->impl->world,
                            &request);
    TRY(mpi_result(rc, "MPI_Iallgather"));
    return await(c, &request, "MPI_Iallgather");
}

/* ERR_OK is 0 and the smallest code, so the result is ERR_OK only if every rank passes it. */
enum err comm_agree(struct comm *c, enum err mine)
{
    uint64_t v = (uint64_t)mine;
    TRY(max_u64(c, &v, 1));
    return (enum err)v;
}

/* Logs, on rank 0, the first rank with the largest value and the first with the smallest. Each rank
 * that has the extreme value bids ~rank, the others bid 0, which is less than any of these: the
 * maximum is the complement of the lowest such rank. */
static enum err name_the_ranks(struct comm *c, const char *what, uint64_t value, uint64_t largest,
                               uint64_t smallest)
{
    uint64_t rank = (uint64_t)c->rank;
    uint64_t first[2] = {value == largest ? ~rank : 0, value == smallest ? ~rank : 0};
    TRY(max_u64(c, first, 2));
    if (c->rank == 0) {
        log_error("the ranks do not agree on %s: rank %d has %016llx, rank %d has %016llx; start "
                  "the same program with the same files on every host",
                  what, (int)~first[0], (unsigned long long)largest, (int)~first[1],
                  (unsigned long long)smallest);
    }
    return ERR_MISMATCH;
}

/* Values are equal if and only if the largest is the smallest. All ranks get both, so all of them
 * go on to name_the_ranks(), which is collective, or none does. */
enum err comm_same_u64(struct comm *c, const char *what, uint64_t value)
{
    uint64_t v[2] = {value, ~value};
    TRY(max_u64(c, v, 2));
    uint64_t largest = v[0], smallest = ~v[1];
    return largest == smallest ? ERR_OK : name_the_ranks(c, what, value, largest, smallest);
}

enum err comm_barrier(struct comm *c)
{
    MPI_Request request;
    TRY(mpi_result(MPI_Ibarrier(c->impl->world, &request), "MPI_Ibarrier"));
    return await(c, &request, "MPI_Ibarrier");
}

/* ---- who we talk with ---- */

#define QUOTE_(x) #x
#define QUOTE(x)  QUOTE_(x)

const char *comm_library(void)
{
#if defined(OMPI_MAJOR_VERSION)
    return "Open MPI " QUOTE(OMPI_MAJOR_VERSION) "." QUOTE(OMPI_MINOR_VERSION) "." QUOTE(
        OMPI_RELEASE_VERSION);
#elif defined(I_MPI_VERSION)
    return "Intel MPI " I_MPI_VERSION;
#elif defined(MPICH_VERSION)
    return "MPICH " MPICH_VERSION;
#else
    return "MPI " QUOTE(MPI_VERSION) "." QUOTE(MPI_SUBVERSION);
#endif
}

void comm_library_loaded(char *out, size_t cap)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int n = 0;
    MPI_Get_library_version(text, &n);
    (void)snprintf(out, cap, "%.*s", (int)strcspn(text, "\n"), text);
}

static const char *name_of_level(int level)
{
    return level == MPI_THREAD_SINGLE       ? "single"
           : level == MPI_THREAD_FUNNELED   ? "funneled"
           : level == MPI_THREAD_SERIALIZED ? "serialized"
                                            : "multiple";
}

/* The levels are ordered: SINGLE < FUNNELED < SERIALIZED < MULTIPLE (MPI-3.1, 12.4.3). */
struct comm_threads comm_threads(void)
{
    int provided = MPI_THREAD_SINGLE;
    MPI_Query_thread(&provided);
    return (struct comm_threads){name_of_level(provided), name_of_level(THREADS_NEEDED),
                                 provided >= THREADS_NEEDED};
}
