/* Communication: order, sizes, collectives, errors, and an end that does not hang.
 * RUN: np=1,2,3,4
 */
#include "core/base/clock.h"
#include "tests/mpi/ranks.h"

#include <limits.h>
#include <time.h>
#include <unistd.h>

static unsigned char pattern(int src, int dst, size_t i)
{
    return (unsigned char)(i * 31 + i / 256 + (size_t)src * 7 + (size_t)dst * 3);
}

static enum err send_pattern(struct ranks *r, int dst, size_t n)
{
    struct buf b;
    TRY(comm_buf_take(&r->c, &b, n));
    for (size_t i = 0; i < n; i++) {
        b.data[i] = pattern(r->c.rank, dst, i);
    }
    b.len = n;
    enum err e = comm_send(&r->c, dst, COMM_TAG_TEST, &b);
    EXPECT(r, b.data == NULL && b.len == 0);
    return e;
}

static void expect_pattern(struct ranks *r, const struct buf *b, int src, size_t n)
{
    EXPECT(r, b->len == n);
    size_t n_wrong = 0;
    for (size_t i = 0; i < b->len; i++) {
        n_wrong += b->data[i] != pattern(src, r->c.rank, i);
    }
    EXPECT(r, n_wrong == 0);
}

/* From nothing over eager to rendezvous and pipelined transfers. */
static const size_t sizes[] = {0, 1, 15, 4096, 65537, 524288, 3000001};
enum { N_SIZES = (int)(sizeof(sizes) / sizeof(sizes[0])) };

/* Everybody sends all sizes to everybody (itself too); the receiver takes one source at a time. */
static void test_all_to_all_in_order(struct ranks *r)
{
    struct comm *c = &r->c;
    uint64_t sent = c->bytes_sent, bytes = 0;
    struct buf in;
    buf_init(&in);
    for (int i = 0; i < N_SIZES; i++) {
        for (int dst = 0; dst < c->size; dst++) {
            EXPECT(r, send_pattern(r, dst, sizes[i]) == ERR_OK);
            bytes += sizes[i];
        }
    }
    for (int src = c->size - 1; src >= 0; src--) {
        for (int i = 0; i < N_SIZES; i++) {
            int from = -7;
            EXPECT(r, comm_recv(c, src, COMM_TAG_TEST, &in, &from) == ERR_OK);
            EXPECT(r, from == src);
            expect_pattern(r, &in, src, sizes[i]);
        }
    }
    EXPECT(r, comm_flush(c) == ERR_OK);
    EXPECT(r, c->bytes_sent - sent == bytes);
    buf_release(&in);
}

static void test_any_source(struct ranks *r)
{
    struct comm *c = &r->c;
    struct buf in;
    buf_init(&in);
    EXPECT(r, send_pattern(r, 0, 100 + (size_t)c->rank) == ERR_OK);
    int seen = 0;
    for (int i = 0; c->rank == 0 && i < c->size; i++) {
        int from = -1;
        EXPECT(r, comm_recv(c, COMM_ANY, COMM_TAG_TEST, &in, &from) == ERR_OK);
        EXPECT(r, from >= 0 && from < c->size && !(seen >> from & 1));
        seen |= 1 << from;
        expect_pattern(r, &in, from, 100 + (size_t)from);
    }
    EXPECT(r, comm_flush(c) == ERR_OK);
    buf_release(&in);
}

/* A message of another tag is not taken, and comes out later unharmed. */
static void test_tags_are_apart(struct ranks *r)
{
    struct comm *c = &r->c;
    int next = (c->rank + 1) % c->size, last = (c->rank + c->size - 1) % c->size;
    struct buf b, in;
    buf_init(&b);
    buf_init(&in);
    EXPECT(r, buf_append(&b, "tile", 4) == ERR_OK);
    EXPECT(r, comm_send(c, next, COMM_TAG_TILE, &b) == ERR_OK);
    EXPECT(r, buf_append(&b, "test", 4) == ERR_OK);
    EXPECT(r, comm_send(c, next, COMM_TAG_TEST, &b) == ERR_OK);
    EXPECT(r, comm_recv(c, last, COMM_TAG_TEST, &in, NULL) == ERR_OK);
    EXPECT(r, in.len == 4 && memcmp(in.data, "test", 4) == 0);
    bool got = true;
    EXPECT(r, comm_try_recv(c, last, COMM_TAG_RECORD, &in, NULL, &got) == ERR_OK);
    EXPECT(r, !got);
    EXPECT(r, comm_recv(c, last, COMM_TAG_TILE, &in, NULL) == ERR_OK);
    EXPECT(r, in.len == 4 && memcmp(in.data, "tile", 4) == 0);
    buf_release(&in);
}

static void test_steady_stream_allocates_nothing(struct ranks *r)
{
    struct comm *c = &r->c;
    int next = (c->rank + 1) % c->size, last = (c->rank + c->size - 1) % c->size;
    struct buf in;
    buf_init(&in);
    uint64_t before = 0;
    for (int i = 0; i < 12; i++) {
        before = i == 2 ? mem_calls() : before;
        EXPECT(r, send_pattern(r, next, 50000) == ERR_OK);
        EXPECT(r, comm_recv(c, last, COMM_TAG_TEST, &in, NULL) == ERR_OK);
        EXPECT(r, comm_flush(c) == ERR_OK);
    }
    EXPECT(r, c->size == 1 || mem_calls() == before);
    buf_release(&in);
}

static void test_bcast(struct ranks *r)
{
    struct comm *c = &r->c;
    struct buf b;
    buf_init(&b);
    for (int i = 0; i < N_SIZES; i++) {
        int root = i % c->size;
        b.len = 0;
        if (c->rank == root) {
            EXPECT(r, buf_reserve(&b, sizes[i]) == ERR_OK);
            for (size_t k = 0; k < sizes[i]; k++) {
                b.data[k] = pattern(root, 0, k);
            }
            b.len = sizes[i];
        }
        EXPECT(r, comm_bcast(c, root, &b) == ERR_OK);
        EXPECT(r, b.len == sizes[i]);
        size_t n_wrong = 0;
        for (size_t k = 0; k < b.len; k++) {
            n_wrong += b.data[k] != pattern(root, 0, k);
        }
        EXPECT(r, n_wrong == 0);
    }
    buf_release(&b);
}

/* One rank finds no memory: all leave with that error, and the next broadcast works. */
static void test_bcast_without_memory(struct ranks *r)
{
    struct comm *c = &r->c;
    int victim = c->size - 1;
    struct buf b;
    buf_init(&b);
    if (c->rank == 0) {
        EXPECT(r, buf_reserve(&b, 1000) == ERR_OK);
        memset(b.data, 5, 1000);
        b.len = 1000;
    }
    mem_fail_after(c->rank == victim ? 1 : 0);
    EXPECT(r, comm_bcast(c, 0, &b) == (c->size > 1 ? ERR_MEMORY : ERR_OK));
    mem_fail_after(0);
    EXPECT(r, comm_bcast(c, 0, &b) == ERR_OK);
    EXPECT(r, b.len == 1000 && b.data[999] == 5);
    buf_release(&b);
}

/* Every rank's bytes, in the order of the ranks, of several sizes. */
static void test_gather_all(struct ranks *r)
{
    enum { LONGEST = 300, RANKS_MAX = 16 };
    static unsigned char mine[LONGEST], all[RANKS_MAX * LONGEST + 1];
    struct comm *c = &r->c;
    EXPECT(r, c->size <= RANKS_MAX);
    for (size_t n = 1; n <= LONGEST; n += 23) {
        memset(all, 0xff, sizeof all);
        for (size_t i = 0; i < n; i++) {
            mine[i] = (unsigned char)(31 * c->rank + 7 * (int)i);
        }
        EXPECT(r, comm_gather_all(c, all, mine, n) == ERR_OK);
        for (size_t i = 0; i < n * (size_t)c->size; i++) {
            EXPECT(r, all[i] == (unsigned char)(31 * (int)(i / n) + 7 * (int)(i % n)));
        }
        EXPECT(r, all[n * (size_t)c->size] == 0xff);
    }
}

static void test_agree_takes_the_worst(struct ranks *r)
{
    struct comm *c = &r->c;
    EXPECT(r, comm_agree(c, ERR_OK) == ERR_OK);
    for (int rank = 0; rank < c->size; rank++) {
        EXPECT(r, comm_agree(c, c->rank == rank ? ERR_PEER : ERR_OK) == ERR_PEER);
    }
    enum err worst = c->size > 1 ? ERR_NUMERIC : ERR_CONFIG;
    EXPECT(r, comm_agree(c, c->rank == 1 ? ERR_NUMERIC : ERR_CONFIG) == worst);
}

static void test_same_u64(struct ranks *r)
{
    struct comm *c = &r->c;
    EXPECT(r, comm_same_u64(c, "zero", 0) == ERR_OK);
    EXPECT(r, comm_same_u64(c, "all ones", UINT64_MAX) == ERR_OK);
    EXPECT(r, r->n_logged == 0);
    if (c->size == 1) {
        return;
    }
    int odd = c->size - 1;
    uint64_t value = c->rank == odd ? 0xfeed : 0xbeef;
    EXPECT(r, comm_same_u64(c, "the weights", value) == ERR_MISMATCH);
    char want[64];
    snprintf(want, sizeof(want), "rank %d has 000000000000feed", odd);
    EXPECT(r, r->n_logged == (c->rank == 0 ? 1 : 0));
    EXPECT(r, c->rank != 0 || strstr(r->logged, want) != NULL);
    EXPECT(r, c->rank != 0 || strstr(r->logged, "rank 0 has 000000000000beef") != NULL);
    EXPECT(r, c->rank != 0 || strstr(r->logged, "agree on the weights") != NULL);
}

/* Nobody leaves before the last one came; the time until then is counted, and no other. The ranks
 * of this test are on one host, so their clocks are one. True if this rank counted all of it: a
 * busy machine may take the core away between reading the clock and waiting. */
static bool barrier_once(struct ranks *r)
{
    struct comm *c = &r->c;
    EXPECT(r, comm_barrier(c) == ERR_OK);
    if (c->rank == 0) {
        usleep(30000);
    }
    double entered = clock_s(), waited = c->wait_seconds;
    EXPECT(r, comm_barrier(c) == ERR_OK);
    double left = clock_s();
    waited = c->wait_seconds - waited;
    double last = entered;
    struct buf b;
    buf_init(&b);
    EXPECT(r, buf_append(&b, &last, sizeof(last)) == ERR_OK);
    EXPECT(r, comm_bcast(c, 0, &b) == ERR_OK && b.len == sizeof(last));
    memcpy(&last, b.data, sizeof(last));
    buf_release(&b);
    EXPECT(r, left >= last);
    EXPECT(r, waited <= left - entered);
    return c->size == 1 || waited > last - entered - 1e-3;
}

static void test_barrier_waits(struct ranks *r)
{
    enum { TRIES = 10 };
    int counted = 0;
    for (int i = 0; i < TRIES; i++) {
        counted += barrier_once(r);
    }
    EXPECT(r, counted > 0);
}

static void test_too_large_is_refused(struct ranks *r)
{
    struct buf b = {.len = (size_t)INT_MAX + 1}; /* claims; nobody touches the bytes */
    EXPECT(r, comm_send(&r->c, r->c.rank, COMM_TAG_TEST, &b) == ERR_FAILED);
    EXPECT(r, r->n_logged == 1 && strstr(r->logged, "2147483648 bytes") != NULL);
    EXPECT(r, b.data == NULL && b.len == 0);
}

/* The message stays where it is and is received when there is memory again. */
static void test_receiver_without_memory(struct ranks *r)
{
    struct comm *c = &r->c;
    int next = (c->rank + 1) % c->size, last = (c->rank + c->size - 1) % c->size;
    struct buf in;
    buf_init(&in);
    EXPECT(r, send_pattern(r, next, 600000) == ERR_OK); /* larger than eager: waits for us */
    enum err want = strcmp(comm_library(), "serial") == 0 ? ERR_OK : ERR_MEMORY;
    mem_fail_after(1);
    EXPECT(r, comm_recv(c, last, COMM_TAG_TEST, &in, NULL) == want);
    mem_fail_after(0);
    if (want != ERR_OK) {
        EXPECT(r, comm_recv(c, last, COMM_TAG_TEST, &in, NULL) == ERR_OK);
    }
    expect_pattern(r, &in, last, 600000);
    EXPECT(r, comm_flush(c) == ERR_OK);
    buf_release(&in);
}

/* A sleeping rank must cost nothing: while rank 0 computes, the others' CPU time stays small. */
static void test_waiting_sleeps(struct ranks *r)
{
    struct comm *c = &r->c;
    EXPECT(r, comm_barrier(c) == ERR_OK);
    clock_t cpu = clock();
    double start = clock_s();
    if (c->rank == 0) {
        usleep(200000);
    }
    EXPECT(r, comm_barrier(c) == ERR_OK);
    double used = (double)(clock() - cpu) / CLOCKS_PER_SEC;
    EXPECT(r, used < 0.05 + 0.25 * (clock_s() - start));
}

/* Even and odd ranks: each group counts from 0, hears only itself, and leaves by itself. */
static void test_groups_are_apart(struct ranks *r)
{
    struct comm *c = &r->c, part;
    const int group = c->rank % 2;
    struct buf b, in;
    buf_init(&b);
    buf_init(&in);
    EXPECT(r, comm_split(&part, c, group) == ERR_OK);
    EXPECT(r, part.size == (c->size + 1 - group) / 2 && part.rank == c->rank / 2);
    for (int dst = 0; dst < part.size; dst++) {
        EXPECT(r, buf_append(&b, group == 0 ? "even" : "odd!", 4) == ERR_OK);
        EXPECT(r, comm_send(&part, dst, COMM_TAG_TEST, &b) == ERR_OK);
    }
    for (int src = 0; src < part.size; src++) {
        EXPECT(r, comm_recv(&part, COMM_ANY, COMM_TAG_TEST, &in, NULL) == ERR_OK);
        EXPECT(r, in.len == 4 && memcmp(in.data, group == 0 ? "even" : "odd!", 4) == 0);
    }
    const enum err worst = comm_agree(&part, group == 0 ? ERR_IO : ERR_OK);
    EXPECT(r, worst == (group == 0 ? ERR_IO : ERR_OK));
    comm_finalize(&part);
    EXPECT(r, comm_agree(c, ERR_OK) == ERR_OK);
    buf_release(&in);
}

/* Each rank a group of its own, again and again. */
static void test_ranks_alone(struct ranks *r)
{
    for (int i = 0; i < 20; i++) {
        struct comm alone;
        EXPECT(r, comm_split(&alone, &r->c, r->c.rank) == ERR_OK);
        EXPECT(r, alone.size == 1 && alone.rank == 0);
        EXPECT(r, comm_same_u64(&alone, "rank", (uint64_t)r->c.rank) == ERR_OK);
        comm_finalize(&alone);
    }
    EXPECT(r, comm_barrier(&r->c) == ERR_OK);
}

/* The last test: messages that nobody will receive must not keep anybody from leaving. */
static void test_leave_with_messages_unread(struct ranks *r)
{
    for (int dst = 0; dst < r->c.size; dst++) {
        EXPECT(r, send_pattern(r, dst, 2000000) == ERR_OK);
        EXPECT(r, send_pattern(r, dst, 3) == ERR_OK);
    }
    comm_poll(&r->c);
}

int main(int argc, char **argv)
{
    static const struct ranks_test tests[] = {
        {"all to all, in order", test_all_to_all_in_order},
        {"any source", test_any_source},
        {"tags are apart", test_tags_are_apart},
        {"a steady stream allocates nothing", test_steady_stream_allocates_nothing},
        {"broadcast", test_bcast},
        {"broadcast without memory", test_bcast_without_memory},
        {"every rank gets the bytes of all", test_gather_all},
        {"agree takes the worst", test_agree_takes_the_worst},
        {"same value", test_same_u64},
        {"barrier waits", test_barrier_waits},
        {"too large is refused", test_too_large_is_refused},
        {"receiver without memory", test_receiver_without_memory},
        {"waiting sleeps", test_waiting_sleeps},
        {"groups are apart", test_groups_are_apart},
        {"ranks alone", test_ranks_alone},
        {"leave with messages unread", test_leave_with_messages_unread},
    };
    return ranks_main(argc, argv, tests, (int)(sizeof(tests) / sizeof(tests[0])));
}
