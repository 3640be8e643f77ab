/* Communication: the only door to MPI.
 *
 * comm_mpi.c (the only user of mpi.h, MPI-3.1 calls only) and comm_serial.c (one rank) implement
 * this header; everything above compiles and runs with either. Bytes go in and out; what they mean
 * is proto/'s business. Floating-point sums never happen in here: see mpi/comm/treesum.h.
 *
 * A wait polls for about 50 us and then naps between polls, a quarter of the time waited so far and
 * at most 500 us, instead of spinning: three ranks on two cores must not steal time from each
 * other, and short waits stay short. comm_poll() drives progress from inside long computations.
 *
 * Errors of the library come back as ERR_PEER after its own words have been logged. A failed
 * CHECK on any rank ends the whole job: comm_init() installs the hook.
 *
 * `rank` and `size` mean MPI rank and size. Each function says Collective or Local.
 */
#ifndef KARMA_COMM_COMM_H
#define KARMA_COMM_COMM_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum comm_tag {
    COMM_TAG_TILE = 1, /* a trajectory block */
    COMM_TAG_TREE,     /* a subtree of a gradient sum */
    COMM_TAG_JOB,      /* farm: a job index to a worker, -1 = no more */
    COMM_TAG_RECORD,   /* farm: a record to the root */
    COMM_TAG_STATE,    /* checkpoint: a tile to rank 0 */
    COMM_TAG_TEST
};

struct comm {
    int rank, size;
    double wait_seconds; /* time spent waiting in this module, for the bench and timing.csv */
    double wait_cpu_s;   /* CPU time of these waits: polls and naps */
    uint64_t n_sent;     /* messages handed to comm_send() */
    uint64_t bytes_sent; /* payload handed to sends and broadcasts of which this rank is the root */
    /* Looked at about twice a second in waits that have taken a second: an error ends the wait.
     * The library itself would wait for a lost rank for ever. NULL: nobody watches. */
    enum err (*watch)(void *ctx);
    void *watch_ctx;
    struct comm_impl *impl; /* owned */
};

/* Collective. Starts the library (MPI_Init_thread FUNNELED) on first use. */
enum err comm_init(struct comm *c, int *argc, char ***argv) WARN_UNUSED;
/* Collective over `c`. Ranks that pass the same group (>= 0) get a communicator of their own, with
 * ranks in the order of those in `c`; the caller ends it with comm_finalize(), before that of `c`.
 * For independent work side by side: messages of a group meet nobody else's. */
enum err comm_split(struct comm *out, struct comm *c, int group) WARN_UNUSED;
/* Local. From now on, until NULL takes its place, `watch` ends waits. */
void comm_watch(struct comm *c, enum err (*watch)(void *ctx), void *ctx);
/* Collective. Waits until every rank is here and every send has left; messages nobody asked for
 * (a run that ends with an error leaves some) are received and thrown away, so that no rank hangs.
 * Nothing happens if comm_init() failed or was not called on a zeroed `c`. */
void comm_finalize(struct comm *c);
/* Local, never returns: ends every rank of the job (MPI_Abort). For failed CHECKs. */
_Noreturn void comm_abort(int exit_code);
/* Local. Ends every rank if `e` is an error: for messages without which the others would wait for
 * ever. */
static inline void comm_must(enum err e)
{
    if (e != ERR_OK) {
        comm_abort(err_exit_code(e));
    }
}

/* Local. Let the library make progress; cheap (~0.2 us), call once per decision step. */
void comm_poll(struct comm *c);

/* Local. An empty buffer with room for `cap` bytes, for a message: taken from those whose message
 * has left or that were given back, so that a steady stream of messages allocates nothing. The
 * caller owns it until comm_send(), comm_buf_give() or buf_release(). */
enum err comm_buf_take(struct comm *c, struct buf *out, size_t cap) WARN_UNUSED;
/* Local. Gives a buffer back; `b` is empty afterwards. */
void comm_buf_give(struct comm *c, struct buf *b);
/* Local. Nonblocking send of bytes: the buffer is moved into the comm, which keeps it for
 * comm_buf_take() or frees it when the message has left; `moved` is empty afterwards, on failure
 * too. Messages from one rank to another with one tag arrive in order. At most `INT_MAX` bytes
 * (ERR_FAILED with a sentence). */
enum err comm_send(struct comm *c, int dst, enum comm_tag tag, struct buf *moved) WARN_UNUSED;
/* Local, blocking: all sends handed over so far have left. */
enum err comm_flush(struct comm *c) WARN_UNUSED;
/* Local, blocking. Receives the next message with `tag` from `src` (COMM_ANY = any) into `out`
 * (contents replaced); *from gets the sender (NULL: not wanted). After ERR_MEMORY the
 * message is still there. */
enum { COMM_ANY = -1 };
enum err comm_recv(struct comm *c, int src, enum comm_tag tag, struct buf *out,
                   int *from) WARN_UNUSED;
/* Local. The same without waiting: *got = false when nothing has arrived. */
enum err comm_try_recv(struct comm *c, int src, enum comm_tag tag, struct buf *out, int *from,
                       bool *got) WARN_UNUSED;

/* Collective. `b` of root reaches everybody (resized on the others). Ranks that cannot make room,
 * or a root with more than INT_MAX bytes, are an error on all ranks. */
enum err comm_bcast(struct comm *c, int root, struct buf *b) WARN_UNUSED;
/* Collective. all (size, bytes): the `bytes` at `mine` of every rank, in the order of the ranks;
 * `bytes` is the same on all ranks and small. ERR_PEER as in other collectives. */
enum err comm_gather_all(struct comm *c, void *all, const void *mine, size_t bytes) WARN_UNUSED;
/* Collective. Everybody leaves with the worst (largest) error of all ranks: the one place where
 * ranks agree that something went wrong and leave together. */
enum err comm_agree(struct comm *c, enum err mine) WARN_UNUSED;
/* Collective. ERR_MISMATCH (with a sentence naming the ranks) unless all pass the same value. */
enum err comm_same_u64(struct comm *c, const char *what, uint64_t value) WARN_UNUSED;
/* Collective. */
enum err comm_barrier(struct comm *c) WARN_UNUSED;

/* Local. "Open MPI 4.1.4" or "serial": the library this program was built with. */
const char *comm_library(void);
/* Local, also before comm_init(). What the library that was loaded says of itself, its first line:
 * "Open MPI v4.1.4, package: ...". Cut if it has no room. */
void comm_library_loaded(char *out, size_t cap);

/* Local, after comm_init(). How far threads may call the library: the words of the MPI standard. */
struct comm_threads {
    const char *provided, *needed;
    bool enough;
};
struct comm_threads comm_threads(void);

#endif
