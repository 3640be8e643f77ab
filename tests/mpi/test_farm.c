/* The farm: the same bytes as the plain loop, in order, each job once; errors end it everywhere.
 * RUN: np=1,2,3,4
 */
#include "tests/mpi/ranks.h"

#include "core/base/crc32c.h"
#include "mpi/comm/farm.h"

#include <unistd.h>

enum { NOBODY = -1 };

struct fixture {
    struct ranks *r;
    int n_run;                       /* here */
    int next;                        /* the record whose turn it is */
    uint32_t digest;                 /* of all records taken */
    int fail_run, fail_take, mutter; /* the job that fails, or complains and goes on */
    bool slow_first;
};

static struct fixture fixture_new(struct ranks *r)
{
    return (struct fixture){
        .r = r, .fail_run = NOBODY, .fail_take = NOBODY, .mutter = NOBODY, .slow_first = false};
}

/* Record i: i % 5 numbers (none for some), a function of i alone. */
static enum err run_job(void *ctx, int i, struct buf *out)
{
    struct fixture *w = ctx;
    w->n_run++;
    if (i == w->fail_run) {
        log_error("trace %d.pb: torn at byte 17; record it again", i);
        return ERR_FORMAT;
    }
    if (i == w->mutter) {
        log_error("job %d found a scratch file and went on", i);
    }
    usleep(w->slow_first && i == 0 ? 60000 : (useconds_t)(ranks_noise(7, (uint32_t)i) > 0) * 1000);
    for (int k = 0; k < i % 5; k++) {
        float x = ranks_noise((uint32_t)i, (uint32_t)k);
        TRY(buf_append(out, &x, sizeof(x)));
    }
    return ERR_OK;
}

static enum err take_record(void *ctx, int i, const void *record, size_t bytes)
{
    struct fixture *w = ctx;
    EXPECT(w->r, w->r->c.rank == 0);
    EXPECT(w->r, i == w->next);
    EXPECT(w->r, bytes == (size_t)(i % 5) * sizeof(float));
    w->next++;
    w->digest = crc32c(crc32c(w->digest, &i, sizeof(i)), record, bytes);
    if (i == w->fail_take) {
        log_error("eval.csv: no space left; free some and run again");
        return ERR_IO;
    }
    return ERR_OK;
}

static struct job_list jobs_of(struct fixture *w, int n)
{
    return (struct job_list){
        .n = n, .ctx = w, .what = "evaluate", .run = run_job, .take = take_record};
}

/* Sum over ranks of a small number, by messages: the farm's own collectives stay out of it. */
static int sum_to_root(struct ranks *r, int mine)
{
    struct comm *c = &r->c;
    struct buf b;
    buf_init(&b);
    int sum = mine;
    if (c->rank > 0) {
        EXPECT(r, buf_append(&b, &mine, sizeof(mine)) == ERR_OK);
        EXPECT(r, comm_send(c, 0, COMM_TAG_TEST, &b) == ERR_OK);
        EXPECT(r, comm_flush(c) == ERR_OK);
    }
    for (int rank = 1; c->rank == 0 && rank < c->size; rank++) {
        int other = 0;
        EXPECT(r, comm_recv(c, rank, COMM_TAG_TEST, &b, NULL) == ERR_OK);
        memcpy(&other, b.data, sizeof(other));
        sum += other;
    }
    buf_release(&b);
    return sum;
}

/* All jobs through the farm, and again through the plain loop on rank 0: the same digest. */
static void check_farm(struct ranks *r, int n, bool slow_first)
{
    struct fixture w = fixture_new(r);
    w.slow_first = slow_first;
    struct job_list jobs = jobs_of(&w, n);
    EXPECT(r, farm_run(&r->c, &jobs) == ERR_OK);
    int n_run = sum_to_root(r, w.n_run);
    if (r->c.rank == 0) {
        EXPECT(r, n_run == n);
        EXPECT(r, w.next == n);
        EXPECT(r, r->c.size == 1 || w.n_run == 0);
        struct fixture plain = fixture_new(r);
        struct job_list same = jobs_of(&plain, n);
        EXPECT(r, jobs_run(&same) == ERR_OK);
        EXPECT(r, plain.digest == w.digest);
    }
}

static void test_same_bytes_as_the_loop(struct ranks *r)
{
    const int ns[] = {0, 1, 2, 3, 7, 60};
    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        check_farm(r, ns[i], false);
    }
}

/* While job 0 runs, the others finish: all their records wait for their turn. */
static void test_records_wait_for_their_turn(struct ranks *r)
{
    check_farm(r, 30, true);
}

static void test_failed_job_ends_it_everywhere(struct ranks *r)
{
    enum { N = 400, BAD = 5 };
    struct fixture w = fixture_new(r);
    w.fail_run = BAD;
    struct job_list jobs = jobs_of(&w, N);
    EXPECT(r, farm_run(&r->c, &jobs) == ERR_FORMAT);
    EXPECT(r, w.next <= BAD);
    int n_run = sum_to_root(r, w.n_run);
    EXPECT(r, r->c.rank != 0 || n_run < N / 2);
    EXPECT(r, r->n_logged == (r->c.rank == 0 ? 1 : 0)); /* one message, on rank 0 */
    if (r->c.rank == 0) {
        EXPECT(r, strstr(r->logged, "trace 5.pb: torn at byte 17; record it again") != NULL);
    }
    if (r->c.rank == 0 && r->c.size > 1) {
        EXPECT(r, strstr(r->logged, "evaluate: job 5 failed on rank ") != NULL);
    }
    check_farm(r, 20, false); /* nothing is left under way */
}

static void test_failed_take_ends_it_everywhere(struct ranks *r)
{
    struct fixture w = fixture_new(r);
    w.fail_take = 3;
    struct job_list jobs = jobs_of(&w, 100);
    EXPECT(r, farm_run(&r->c, &jobs) == ERR_IO);
    EXPECT(r, r->c.rank != 0 || w.next == 4);
    EXPECT(r, r->n_logged == (r->c.rank == 0 ? 1 : 0));
    int n_run = sum_to_root(r, w.n_run);
    EXPECT(r, r->c.rank != 0 || n_run < 100);
    check_farm(r, 20, false);
}

/* Every job of every rank fails: still one message and one error. */
static enum err always_fails(void *ctx, int i, struct buf *out)
{
    (void)ctx;
    (void)out;
    log_error("no such file: %d", i);
    return i % 2 == 0 ? ERR_CONFIG : ERR_IO;
}

static void test_everything_fails(struct ranks *r)
{
    struct fixture w = fixture_new(r);
    struct job_list jobs = jobs_of(&w, 50);
    jobs.run = always_fails;
    enum err e = farm_run(&r->c, &jobs);
    EXPECT(r, e == ERR_CONFIG || e == ERR_IO);
    EXPECT(r, comm_same_u64(&r->c, "the error", (uint64_t)e) == ERR_OK);
    EXPECT(r, w.next == 0);
    EXPECT(r, r->n_logged == (r->c.rank == 0 ? 1 : 0));
}

/* A failure without a word still says what it was. */
static enum err fails_silently(void *ctx, int i, struct buf *out)
{
    (void)ctx;
    TRY(buf_append(out, &i, sizeof(i)));
    return ERR_NUMERIC;
}

static void test_silent_failure(struct ranks *r)
{
    struct fixture w = fixture_new(r);
    struct job_list jobs = jobs_of(&w, 9);
    jobs.run = fails_silently;
    EXPECT(r, farm_run(&r->c, &jobs) == ERR_NUMERIC);
    EXPECT(r, r->c.rank > 0 || r->c.size == 1 || strstr(r->logged, "NaN") != NULL);
}

/* Longer than what is kept of a cause: the rest of the farm is unharmed. */
static enum err fails_at_length(void *ctx, int i, struct buf *out)
{
    (void)ctx;
    (void)out;
    char long_text[3000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    log_error("first cause of %d", i);
    log_error("%s", long_text);
    log_error("last cause of %d", i);
    return ERR_IO;
}

static void test_many_words(struct ranks *r)
{
    if (r->c.size == 1) {
        return; /* the plain loop logs directly */
    }
    struct fixture w = fixture_new(r);
    struct job_list jobs = jobs_of(&w, 1);
    jobs.run = fails_at_length;
    EXPECT(r, farm_run(&r->c, &jobs) == ERR_IO);
    EXPECT(r, r->c.rank != 0 || strstr(r->logged, "first cause of 0; last cause of 0") != NULL);
}

static void test_complaint_is_not_a_failure(struct ranks *r)
{
    struct fixture w = fixture_new(r);
    w.mutter = 2;
    struct job_list jobs = jobs_of(&w, 10);
    EXPECT(r, farm_run(&r->c, &jobs) == ERR_OK);
    EXPECT(r, r->c.rank != 0 || w.next == 10);
}

static bool after_seven(void *ctx)
{
    return ((const struct fixture *)ctx)->next >= 7;
}

/* Nothing new begins; what was handed out is taken, so the records taken are the first ones. */
static void test_stopped_on_request(struct ranks *r)
{
    struct fixture w = fixture_new(r);
    struct job_list jobs = jobs_of(&w, 5000);
    jobs.stop = after_seven;
    EXPECT(r, farm_run(&r->c, &jobs) == ERR_STOPPED);
    int n_run = sum_to_root(r, w.n_run);
    if (r->c.rank == 0) {
        EXPECT(r, w.next >= 7 && w.next < 5000); /* how many, the slowest rank decides */
        EXPECT(r, n_run == w.next);
    }
}

int main(int argc, char **argv)
{
    static const struct ranks_test tests[] = {
        {"same bytes as the loop", test_same_bytes_as_the_loop},
        {"records wait for their turn", test_records_wait_for_their_turn},
        {"a failed job ends it everywhere", test_failed_job_ends_it_everywhere},
        {"a failed take ends it everywhere", test_failed_take_ends_it_everywhere},
        {"everything fails", test_everything_fails},
        {"a silent failure", test_silent_failure},
        {"many words", test_many_words},
        {"a complaint is not a failure", test_complaint_is_not_a_failure},
        {"stopped on request", test_stopped_on_request},
    };
    return ranks_main(argc, argv, tests, (int)(sizeof(tests) / sizeof(tests[0])));
}
