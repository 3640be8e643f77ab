/* Speed of communication through mpi/comm/comm.h: ping-pong, broadcast and the tree sum.
 *
 * RUN: np=2
 *
 * Every message is checked when it arrives. Times are medians over rounds on rank 0; with more
 * ranks than cores they measure the scheduler as well. On one rank there is nothing to measure,
 * which the program says. -v: more sizes.
 */
#include "tests/bench/bench_ranks.h"

enum { ROUNDS = 41, QUICK_ROUNDS = 3, GRADIENT = 131072, TILES = 16 };

struct size {
    size_t bytes;
    const char *text;
    bool in_summary;
};
static const struct size sizes[] = {{8, "8 B", true},
                                    {4096, "4 KiB", false},
                                    {65536, "64 KiB", true},
                                    {524288, "512 KiB", true},
                                    {2097152, "2 MiB", false}};

/* ---- ping-pong between rank 0 and the last ---- */

static void send_filled(struct comm *c, int dst, size_t n, int byte)
{
    struct buf b;
    comm_must(comm_buf_take(c, &b, n));
    memset(b.data, byte, n);
    b.len = n;
    comm_must(comm_send(c, dst, COMM_TAG_TEST, &b));
}

static void receive_filled(struct comm *c, int src, struct buf *in, size_t n, int byte)
{
    comm_must(comm_recv(c, src, COMM_TAG_TEST, in, NULL));
    CHECK(in->len == n && in->data[0] == byte && in->data[n - 1] == byte);
}

static double ping_pong(struct comm *c, size_t n, int rounds)
{
    double t[ROUNDS];
    int last = c->size - 1;
    struct buf in;
    buf_init(&in);
    for (int i = 0; i < rounds; i++) {
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
    comm_must(comm_flush(c));
    comm_must(comm_barrier(c));
    buf_release(&in);
    return bench_median(t, rounds);
}

/* ---- broadcast: until the last rank has it and rank 0 knows ---- */

static double broadcast(struct comm *c, size_t n, int rounds)
{
    double t[ROUNDS];
    struct buf b;
    buf_init(&b);
    comm_must(buf_reserve(&b, n));
    for (int i = 0; i < rounds; i++) {
        memset(b.data, c->rank == 0 ? i : 255, n);
        b.len = n;
        comm_must(comm_barrier(c));
        double start = clock_s();
        comm_must(comm_bcast(c, 0, &b));
        comm_must(comm_barrier(c));
        t[i] = clock_s() - start;
        CHECK(b.len == n && b.data[0] == i && b.data[n - 1] == i);
    }
    buf_release(&b);
    return bench_median(t, rounds);
}

/* ---- the report ---- */

static void report(const struct comm *c, const char *name, const struct size *size, double seconds,
                   int rounds)
{
    char what[64];
    snprintf(what, sizeof what, "%s, %s", name, size->text);
    if (c->rank == 0) {
        bench_row(what, seconds * 1e6, "us", "%.2f GB/s; median of %d",
                  (double)size->bytes / seconds * 1e-9, rounds);
    }
}

/* A gradient of 0.5 MiB, every rank a learner. */
static void measure_tree_sum(struct comm *c, int rounds)
{
    static const struct size size = {GRADIENT * sizeof(float), "512 KiB, 16 tiles", true};
    struct arena arena;
    struct owners o;
    arena_init(&arena);
    comm_must(owners_init(&o, &arena, TILES, c->size, 0));
    report(c, "tree sum", &size, bench_tree_sum(c, &o, GRADIENT, rounds), rounds);
    arena_release(&arena);
}

static void measure(struct comm *c, const struct bench_options *o)
{
    const int rounds = o->quick ? QUICK_ROUNDS : ROUNDS;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (o->all || sizes[i].in_summary) {
            report(c, "ping-pong, half", &sizes[i], ping_pong(c, sizes[i].bytes, rounds), rounds);
        }
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (o->all || sizes[i].in_summary) {
            report(c, "broadcast", &sizes[i], broadcast(c, sizes[i].bytes, rounds), rounds);
        }
    }
    if (c->size <= TILES) {
        measure_tree_sum(c, rounds);
    }
}

int main(int argc, char **argv)
{
    struct comm c;
    char title[96];
    bench_start(&c, &argc, &argv);
    const struct bench_options o = bench_options(argc, argv);
    if (c.rank == 0) {
        snprintf(title, sizeof title, "Messages, %d ranks, %s", c.size, comm_library());
        bench_title(title);
    }
    if (c.size > 1) {
        measure(&c, &o);
    } else {
        printf("  one rank has nobody to talk with; start it with mpi/launch -n 2 (or more)\n");
    }
    if (c.rank == 0 && c.size > 1) {
        bench_checked("every message by its content, the sum by its value; clock on the wall");
    }
    comm_finalize(&c);
    return 0;
}
