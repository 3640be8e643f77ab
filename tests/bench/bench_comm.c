/* Speed of communication through mpi/comm.h: ping-pong, broadcast and the tree sum.
 *
 *   mpirun -n N bench_comm        about a second
 *
 * Messages are checked before they are timed. Numbers are medians over rounds on rank 0; "wait" is
 * the share of the time that rank 0 spent in comm's waits. With more ranks than cores they measure
 * the scheduler as well: compare within one run. On one rank there is nothing to measure, which the
 * program says.
 */
#include "core/base/clock.h"
#include "mpi/owners.h"
#include "mpi/treesum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 41, GRADIENT = 131072, TILES = 16 };

static const size_t sizes[] = {8, 4096, 65536, 524288, 2097152};

/* A failure here is the end: a bench has nobody to tell. */
static void must(enum err e)
{
    if (e != ERR_OK) {
        comm_abort(err_exit_code(e));
    }
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *t)
{
    qsort(t, ROUNDS, sizeof(t[0]), compare_double);
    return t[ROUNDS / 2];
}

/* ---- ping-pong between rank 0 and the last ---- */

static void send_filled(struct comm *c, int dst, size_t n, int byte)
{
    struct buf b;
    must(comm_buf_take(c, &b, n));
    memset(b.data, byte, n);
    b.len = n;
    must(comm_send(c, dst, COMM_TAG_TEST, &b));
}

static void receive_filled(struct comm *c, int src, struct buf *in, size_t n, int byte)
{
    must(comm_recv(c, src, COMM_TAG_TEST, in, NULL));
    CHECK(in->len == n && in->data[0] == byte && in->data[n - 1] == byte);
}

static double ping_pong(struct comm *c, size_t n)
{
    double t[ROUNDS];
    int last = c->size - 1;
    struct buf in;
    buf_init(&in);
    for (int i = 0; i < ROUNDS; i++) {
        double start = clock_s();
        if (c->rank == 0) {
            send_filled(c, last, n, i);
            receive_filled(c, last, &in, n, i + 1);
        } else if (c->rank == last) {
            receive_filled(c, 0, &in, n, i);
            send_filled(c, 0, n, i + 1);
        }
        t[i] = 0.5 * (clock_s() - start);
    }
    must(comm_flush(c));
    must(comm_barrier(c));
    buf_release(&in);
    return median(t);
}

/* ---- broadcast: until the last rank has it and rank 0 knows ---- */

static double broadcast(struct comm *c, size_t n)
{
    double t[ROUNDS];
    struct buf b;
    buf_init(&b);
    must(buf_reserve(&b, n));
    for (int i = 0; i < ROUNDS; i++) {
        memset(b.data, c->rank == 0 ? i : 255, n);
        b.len = n;
        must(comm_barrier(c));
        double start = clock_s();
        must(comm_bcast(c, 0, &b));
        must(comm_barrier(c));
        t[i] = clock_s() - start;
        CHECK(b.len == n && b.data[0] == i && b.data[n - 1] == i);
    }
    buf_release(&b);
    return median(t);
}

/* ---- tree sum of a gradient, every rank a learner ---- */

static double sum_once(struct treesum *t, struct comm *c, const int *owner, float *total)
{
    for (int tile = 0; tile < TILES; tile++) {
        if (owner[tile] == c->rank) {
            float *leaf = treesum_leaf(t, tile);
            for (int k = 0; k < GRADIENT; k++) {
                leaf[k] = (float)(tile + 1);
            }
            treesum_leaf_done(t, tile);
        }
    }
    must(comm_barrier(c));
    double start = clock_s();
    must(treesum_total(t, c, total));
    must(comm_barrier(c));
    CHECK(total[0] == 0.5F * TILES * (TILES + 1) && total[GRADIENT - 1] == total[0]);
    return clock_s() - start;
}

static double tree_sum(struct comm *c)
{
    double t[ROUNDS];
    size_t n = GRADIENT;
    struct tree_op op = {GRADIENT * sizeof(float), tree_add_f32, &n};
    struct arena arena;
    struct owners o;
    struct treesum *sum;
    arena_init(&arena);
    float *total = ARENA_NEW(&arena, GRADIENT, float);
    must(total == NULL ? ERR_MEMORY : ERR_OK);
    must(owners_init(&o, &arena, TILES, c->size, 0));
    must(treesum_init(&sum, &arena, &op, TILES, o.learn, c->rank, c->size));
    for (int i = 0; i < ROUNDS; i++) {
        t[i] = sum_once(sum, c, o.learn, total);
    }
    arena_release(&arena);
    return median(t);
}

static void print_row(const struct comm *c, const char *what, size_t n, double seconds,
                      double waited_s, double elapsed_s)
{
    if (c->rank == 0) {
        printf("%-10s %8zu bytes %10.1f us %8.2f GB/s  wait %3.0f %%\n", what, n, seconds * 1e6,
               (double)n / seconds * 1e-9, 100.0 * waited_s / elapsed_s);
    }
}

enum what { PING_PONG, BROADCAST, TREE_SUM };

static void measure(struct comm *c, enum what what, size_t n)
{
    static const char *const names[] = {"ping-pong", "broadcast", "tree sum"};
    double start = clock_s(), waited = c->wait_seconds;
    double seconds = what == PING_PONG   ? ping_pong(c, n)
                     : what == BROADCAST ? broadcast(c, n)
                                         : tree_sum(c);
    print_row(c, names[what], n, seconds, c->wait_seconds - waited, clock_s() - start);
}

int main(int argc, char **argv)
{
    struct comm c;
    must(comm_init(&c, &argc, &argv));
    if (c.rank == 0) {
        printf("bench_comm: %s, %d ranks\n", comm_library(), c.size);
    }
    if (c.size == 1) {
        printf("one rank has nobody to talk with; start it with mpirun -n 2 (or more)\n");
    } else {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            measure(&c, PING_PONG, sizes[i]);
        }
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            measure(&c, BROADCAST, sizes[i]);
        }
        if (c.size <= TILES) {
            measure(&c, TREE_SUM, GRADIENT * sizeof(float));
        }
    }
    comm_finalize(&c);
    return 0;
}
