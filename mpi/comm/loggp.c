/* Measuring the four numbers, and playing a tree sum with them. See loggp.h. */
#include "mpi/comm/loggp.h"

#include "core/base/clock.h"
#include "core/base/stats.h"
#include "mpi/comm/treeplan.h"

#include <string.h>

/* ---- measuring ---- */

enum { ROUNDS = 60, BURST = 32, SHORT_BYTES = 16, LONG_BYTES = 256 * 1024, PAIRS_MAX = 4 };

static enum err send_bytes(struct comm *c, int to, size_t n, double *overhead_s)
{
    struct buf b;
    TRY(comm_buf_take(c, &b, n));
    memset(b.data, 0, n);
    b.len = n;
    const double start = clock_s();
    const enum err e = comm_send(c, to, COMM_TAG_TEST, &b);
    const double took = clock_s() - start;
    *overhead_s = took < *overhead_s ? took : *overhead_s;
    return e;
}

/* The least time of a round trip of n bytes, as the rank that begins sees it. */
static enum err round_trip(struct comm *c, int peer, bool begins, size_t n, struct buf *in,
                           double *least_s, double *overhead_s)
{
    for (int i = 0; i < ROUNDS; i++) {
        const double start = clock_s();
        if (begins) {
            TRY(send_bytes(c, peer, n, overhead_s));
        }
        TRY(comm_recv(c, peer, COMM_TAG_TEST, in, NULL));
        if (!begins) {
            TRY(send_bytes(c, peer, n, overhead_s));
        }
        const double took = clock_s() - start;
        *least_s = took < *least_s ? took : *least_s;
    }
    return ERR_OK;
}

/* BURST messages one way and one back; the least time between two of them. */
static enum err burst(struct comm *c, int peer, bool begins, struct buf *in, double *gap_s)
{
    double ignored = 1.0;
    for (int i = 0; i < ROUNDS / 4; i++) {
        const double start = clock_s();
        for (int k = 0; k < BURST; k++) {
            TRY(begins ? send_bytes(c, peer, SHORT_BYTES, &ignored)
                       : comm_recv(c, peer, COMM_TAG_TEST, in, NULL));
        }
        TRY(begins ? comm_recv(c, peer, COMM_TAG_TEST, in, NULL)
                   : send_bytes(c, peer, SHORT_BYTES, &ignored));
        const double took = (clock_s() - start) / BURST;
        *gap_s = took < *gap_s ? took : *gap_s;
    }
    return ERR_OK;
}

static double not_negative(double x)
{
    return x > 0.0 ? x : 0.0;
}

/* A round trip of n bytes takes 2 (o + (n - 1) G + L + o). */
static enum err measure_pair(struct loggp *out, struct comm *c, int peer, bool begins)
{
    struct buf in;
    double short_s = 1e9, long_s = 1e9, gap_s = 1e9, o = 1e9, o_long = 1e9;
    buf_init(&in);
    enum err e = round_trip(c, peer, begins, SHORT_BYTES, &in, &short_s, &o);
    e = e == ERR_OK ? round_trip(c, peer, begins, LONG_BYTES, &in, &long_s, &o_long) : e;
    e = e == ERR_OK ? burst(c, peer, begins, &in, &gap_s) : e;
    buf_release(&in);
    const double byte_s = not_negative((long_s - short_s) / 2.0 / (LONG_BYTES - SHORT_BYTES));
    *out = (struct loggp){.latency_s =
                              not_negative(short_s / 2.0 - 2.0 * o - (SHORT_BYTES - 1) * byte_s),
                          .overhead_s = o,
                          .gap_s = gap_s > o ? gap_s : o,
                          .byte_s = byte_s};
    return e;
}

/* Median over the ranks that began a pair of the number at `offset`. */
static double median_of(const struct loggp *all, const bool *began, int n, size_t offset)
{
    double x[PAIRS_MAX];
    uint32_t order[PAIRS_MAX], m = 0;
    for (int r = 0; r < n && m < PAIRS_MAX; r++) {
        if (began[r]) {
            memcpy(&x[m++], (const char *)&all[r] + offset, sizeof(double));
        }
    }
    return stat_quantile(x, m, 0.5, order);
}

static enum err measure(struct loggp *out, struct comm *c, struct loggp *all, bool *began)
{
    const int half = c->size / 2, n_pairs = half < PAIRS_MAX ? half : PAIRS_MAX;
    struct loggp mine = {0};
    for (int i = 0; i < n_pairs; i++) {
        const int first = i * half / n_pairs, second = first + half;
        enum err e = ERR_OK;
        began[first] = true;
        if (c->rank == first || c->rank == second) {
            struct loggp l;
            e = measure_pair(&l, c, first + second - c->rank, c->rank == first);
            mine = c->rank == first ? l : mine;
        }
        TRY(comm_agree(c, e));
    }
    TRY(comm_gather_all(c, all, &mine, sizeof mine));
    *out = (struct loggp){
        median_of(all, began, c->size, offsetof(struct loggp, latency_s)),
        median_of(all, began, c->size, offsetof(struct loggp, overhead_s)),
        median_of(all, began, c->size, offsetof(struct loggp, gap_s)),
        median_of(all, began, c->size, offsetof(struct loggp, byte_s)),
    };
    return ERR_OK;
}

enum err loggp_measure(struct loggp *out, struct comm *c, struct arena *scratch)
{
    *out = (struct loggp){0};
    if (c->size == 1) {
        return ERR_OK;
    }
    const struct arena_mark mark = arena_mark(scratch);
    struct loggp *all = ARENA_NEW(scratch, c->size, struct loggp);
    bool *began = ARENA_NEW(scratch, c->size, bool);
    enum err e = comm_agree(c, arena_error(scratch));
    e = e == ERR_OK ? measure(out, c, all, began) : e;
    arena_rewind(scratch, mark);
    return e;
}

/* ---- messages by the model ---- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double in_hands_s(const struct loggp *net, double bytes)
{
    return 2.0 * net->overhead_s + net->latency_s + not_negative(bytes - 1.0) * net->byte_s;
}

static double until_next_s(const struct loggp *net, double bytes)
{
    return larger(net->overhead_s, net->gap_s) + not_negative(bytes - 1.0) * net->byte_s;
}

/* The first rank sends to ever nearer ones, and each that has the message does the same: the last
 * one has it after ceil(log2 size) messages one after the other. */
double loggp_bcast_s(const struct loggp *net, size_t bytes, int size)
{
    double s = 0.0;
    for (int reached = 1; reached < size; reached *= 2) {
        s += in_hands_s(net, (double)bytes);
    }
    return s;
}

/* ---- a tree sum by the model ---- */

/* A message under way. */
struct flight {
    int from, to;
    double at; /* in the hands of the receiver */
    bool taken;
};

struct play {
    const struct loggp *net;
    const struct treeplan *plans; /* (size) */
    double add_byte_s;
    double *now; /* (size) clocks of the ranks */
    int *next;   /* (size) moves that are done, both ways: 0 .. 2 n_moves */
    struct flight *flights;
    int n_flights, first; /* those before `first` are taken */
    struct loggp_sum *sum;
};

static void depart(struct play *p, int from, int to, double bytes)
{
    const double start = p->now[from];
    p->flights[p->n_flights++] =
        (struct flight){from, to, start + in_hands_s(p->net, bytes), false};
    p->now[from] = start + until_next_s(p->net, bytes);
    p->sum->messages += 1.0;
    p->sum->bytes += bytes;
}

/* The oldest message between the two, if it has been sent. */
static bool arrive(struct play *p, int from, int to)
{
    for (int i = p->first; i < p->n_flights; i++) {
        struct flight *f = &p->flights[i];
        if (!f->taken && f->from == from && f->to == to) {
            f->taken = true;
            p->now[to] = larger(p->now[to], f->at);
            while (p->first < p->n_flights && p->flights[p->first].taken) {
                p->first++;
            }
            return true;
        }
    }
    return false;
}

/* The next move of a rank, up or down; false: it waits for a message that nobody has sent yet. */
static bool advance(struct play *p, int rank)
{
    const struct treeplan *plan = &p->plans[rank];
    const bool up = p->next[rank] < plan->n_moves;
    const int i = up ? p->next[rank] : 2 * plan->n_moves - 1 - p->next[rank];
    const struct tree_move *m = &plan->moves[i];
    const double bytes = (double)(m->to - m->from);
    if (!up && (m->top || m->peer < 0)) {
        return true;
    }
    if (m->peer >= 0 && m->sends == up) {
        depart(p, rank, m->peer, bytes);
        return true;
    }
    if (m->peer >= 0 && !arrive(p, m->peer, rank)) {
        return false;
    }
    p->now[rank] += up ? bytes * p->add_byte_s : 0.0;
    return true;
}

/* Ends, because there is always a rank that does not wait (treeplan.c). */
static void play_all(struct play *p, int size)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int r = 0; r < size; r++) {
            while (p->next[r] < 2 * p->plans[r].n_moves && advance(p, r)) {
                p->next[r]++;
                moved = true;
            }
        }
    }
    for (int r = 0; r < size; r++) {
        CHECK(p->next[r] == 2 * p->plans[r].n_moves);
        p->sum->seconds = larger(p->sum->seconds, p->now[r]);
    }
}

static enum err play_sum(struct play *p, struct treeplan *plans, size_t bytes, bool divisible,
                         int n_tiles, const int *owner, int size, struct arena *scratch)
{
    int n = 0;
    for (int r = 0; r < size; r++) {
        TRY(treeplan_init(&plans[r], scratch, bytes, divisible, n_tiles, owner, r, size));
        n += 2 * plans[r].n_moves;
    }
    p->plans = plans;
    p->flights = ARENA_NEW(scratch, n, struct flight);
    TRY(arena_error(scratch));
    play_all(p, size);
    return ERR_OK;
}

enum err loggp_sum(struct loggp_sum *out, const struct loggp *net, size_t bytes, bool divisible,
                   double add_byte_s, int n_tiles, const int *owner, int size,
                   struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct loggp_sum sum = {0};
    struct play p = {.net = net, .add_byte_s = add_byte_s, .sum = &sum};
    struct treeplan *plans = ARENA_NEW(scratch, size, struct treeplan);
    p.now = ARENA_NEW(scratch, size, double);
    p.next = ARENA_NEW(scratch, size, int);
    enum err e = arena_error(scratch);
    e = e == ERR_OK ? play_sum(&p, plans, bytes, divisible, n_tiles, owner, size, scratch) : e;
    arena_rewind(scratch, mark);
    if (e == ERR_OK) {
        *out = sum;
    }
    return e;
}
