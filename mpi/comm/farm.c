/* The farm: rank 0 keeps every other rank busy with one job and puts the records back in order.
 *
 * A worker answers each job with exactly one message, its record or the reason why there is none,
 * and rank 0 answers each of those with exactly one message, the next job or NO_MORE. So rank 0
 * knows at any time who still owes an answer, and the farm ends when nobody does.
 */
#include "mpi/comm/farm.h"

#include "core/base/log.h"
#include "core/base/progress.h"
#include "mpi/comm/peers.h"
#include "mpi/comm/stop.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NO_MORE = -1, CAUSE_MAX = 2048 };

/* What precedes the bytes of a record, or the text of the cause when err is not ERR_OK. */
struct head {
    int32_t job;
    int32_t err; /* enum err */
};

/* ---- worker ---- */

/* Error lines of the running job. */
struct cause {
    char text[CAUSE_MAX];
    size_t len;
};

static void print_line(const char *line)
{
    dprintf(STDERR_FILENO, "%s\n", line);
}

/* Holds error lines back, lets the others through, and the last words of a failed CHECK as well:
 * after those nobody comes back to tell. Several lines are joined by "; ". A line for which there
 * is no room is printed here, by the worker. */
static void hold_errors(void *ctx, enum log_level level, const char *line)
{
    struct cause *cause = ctx;
    const char *text = strstr(line, "error: ");
    if (level != LOG_ERROR || text == NULL || strstr(line, "CHECK(") != NULL) {
        print_line(line);
        return;
    }
    text += strlen("error: ");
    size_t n = strlen(text), sep = cause->len > 0 ? 2 : 0;
    if (cause->len + sep + n >= CAUSE_MAX) {
        print_line(line);
        return;
    }
    memcpy(cause->text + cause->len, "; ", sep);
    memcpy(cause->text + cause->len + sep, text, n + 1);
    cause->len += sep + n;
}

/* Runs one job into `out`, behind room for the head. */
static enum err run_job(const struct job_list *jobs, int i, struct buf *out, struct cause *cause)
{
    const struct head none = {0};
    *cause = (struct cause){.len = 0};
    out->len = 0;
    TRY(buf_append(out, &none, sizeof(none)));
    log_set_sink(hold_errors, cause);
    enum err e = jobs->run(jobs->ctx, i, out);
    log_set_sink(NULL, NULL);
    if (e == ERR_OK && cause->len > 0) {
        log_error("%s", cause->text); /* it complained, but went on */
    }
    return e;
}

/* Puts the cause in place of the record; does not fail where `out` has CAUSE_MAX bytes of room. */
static enum err explain(struct buf *out, const struct cause *cause)
{
    const struct head none = {0};
    out->len = 0;
    TRY(buf_append(out, &none, sizeof(none)));
    return buf_append(out, cause->text, cause->len);
}

/* The message of job i: head, then the record or the cause. The buffer has room for the longest
 * cause before the job runs, so that explaining a failure needs no memory, not even when the
 * failure is that there is none. */
static enum err answer(struct comm *c, const struct job_list *jobs, int i, struct cause *cause)
{
    struct buf out;
    TRY(comm_buf_take(c, &out, sizeof(struct head) + CAUSE_MAX));
    enum err e = run_job(jobs, i, &out, cause);
    if (e != ERR_OK) {
        comm_must(explain(&out, cause));
    }
    struct head head = {i, (int32_t)e};
    memcpy(out.data, &head, sizeof(head));
    return comm_send(c, 0, COMM_TAG_RECORD, &out);
}

/* One job, if there is one. *more = false when rank 0 has no other. */
static enum err next_job(struct comm *c, const struct job_list *jobs, struct buf *in, bool *more)
{
    int32_t job;
    struct cause cause;
    TRY(comm_recv(c, 0, COMM_TAG_JOB, in, NULL));
    CHECK(in->len == sizeof(job));
    memcpy(&job, in->data, sizeof(job));
    *more = job != NO_MORE;
    if (job == NO_MORE) {
        return ERR_OK;
    }
    CHECK(job >= 0 && job < jobs->n);
    return answer(c, jobs, job, &cause);
}

static void work(struct comm *c, const struct job_list *jobs)
{
    struct buf in;
    buf_init(&in);
    for (bool more = true; more;) {
        comm_must(next_job(c, jobs, &in, &more));
    }
    buf_release(&in);
}

/* ---- rank 0 ---- */

struct server {
    const struct job_list *jobs;
    struct buf *early; /* (n): records that came before their turn; owned */
    int *given;        /* (size): the job a rank owes an answer for, or NO_MORE */
    int next_job;      /* to be handed out */
    int next_record;   /* to be taken */
    int n_busy;
    bool stopped; /* on request: nothing more is handed out */
    enum err err; /* the first */
    struct progress progress;
};

/* Hands rank `dst` its next job, or sends it away. Called once for each worker at the start and
 * once after each of its answers. So a worker has either one job for which it owes an answer, or it
 * was sent away; n_busy counts the former. Jobs are handed out in the order of their index. */
static enum err hand_out(struct server *s, struct comm *c, int dst)
{
    s->stopped = s->stopped || (s->jobs->stop != NULL && s->jobs->stop(s->jobs->ctx));
    bool more = s->err == ERR_OK && !s->stopped && s->next_job < s->jobs->n;
    int32_t job = more ? s->next_job++ : NO_MORE;
    s->given[dst] = job;
    s->n_busy += more ? 1 : 0;
    struct buf b;
    TRY(comm_buf_take(c, &b, sizeof(job)));
    TRY(buf_append(&b, &job, sizeof(job)));
    return comm_send(c, dst, COMM_TAG_JOB, &b);
}

/* Takes the records whose turn has come. Invariant: the records before next_record were taken, and
 * of the others early[i] holds what has come so far. A record that has come contains at least its
 * head, so an empty buffer means that it has not. */
static enum err take_in_order(struct server *s)
{
    const struct job_list *jobs = s->jobs;
    while (s->next_record < jobs->n && s->early[s->next_record].len > 0) {
        struct buf *b = &s->early[s->next_record];
        size_t n = b->len - sizeof(struct head);
        TRY(jobs->take(jobs->ctx, s->next_record, b->data + sizeof(struct head), n));
        buf_release(b);
        s->next_record++;
    }
    return ERR_OK;
}

/* Logs the message of a failed job. */
static enum err report_failure(const struct server *s, const struct buf *b, int src)
{
    struct head head;
    memcpy(&head, b->data, sizeof(head));
    bool known = head.err > ERR_OK && head.err < ERR_COUNT;
    enum err e = known ? (enum err)head.err : ERR_FAILED;
    int n = (int)(b->len - sizeof(head));
    const char *text = n > 0 ? (const char *)b->data + sizeof(head) : err_text(e);
    log_error("%s: job %d failed on rank %d: %.*s", s->jobs->what, (int)head.job, src,
              n > 0 ? n : (int)strlen(text), text);
    return e;
}

/* Files the answer in `b` (left empty when it was kept). The index in an answer is not
 * trusted: only the job that was handed to this rank may be answered. This also bounds the
 * index into `early`. */
static enum err file_answer(struct server *s, struct buf *b, int src)
{
    struct head head = {NO_MORE, ERR_OK};
    if (b->len >= sizeof(head)) {
        memcpy(&head, b->data, sizeof(head));
    }
    if (s->given[src] == NO_MORE || head.job != s->given[src]) {
        log_error("%s: rank %d answered job %d where job %d was due; start the same program on "
                  "every host",
                  s->jobs->what, src, (int)head.job, s->given[src]);
        return ERR_MISMATCH;
    }
    if (head.err != ERR_OK) {
        return report_failure(s, b, src);
    }
    s->early[head.job] = *b;
    buf_init(b);
    return take_in_order(s);
}

/* Rank 0 until nobody owes an answer. What cannot be told to the workers ends the job.
 *
 * Why it ends: each turn takes one answer and hands out at most one job. Jobs are handed out at
 * most n times in all, so there are at most n answers, and n_busy reaches 0. A worker is sent away
 * in the reply to its last answer (or at the start), so all workers have been sent away by then. */
static void serve_all(struct server *s, struct comm *c)
{
    struct buf in;
    buf_init(&in);
    for (int rank = 1; rank < c->size; rank++) {
        comm_must(hand_out(s, c, rank));
    }
    for (uint64_t n_done = 1; s->n_busy > 0; n_done++) {
        int src = 0;
        comm_must(comm_recv(c, COMM_ANY, COMM_TAG_RECORD, &in, &src));
        s->n_busy--;
        progress_at(&s->progress, n_done, "%s", "");
        if (s->err == ERR_OK) { /* else its record is of no use, and one message is enough */
            s->err = file_answer(s, &in, src);
        }
        comm_must(hand_out(s, c, src));
    }
    buf_release(&in);
}

static enum err server_init(struct server *s, struct arena *arena, const struct job_list *jobs,
                            int size)
{
    *s = (struct server){.jobs = jobs};
    s->early = ARENA_NEW(arena, jobs->n, struct buf); /* zeroed = empty */
    s->given = ARENA_NEW(arena, size, int);
    return arena_error(arena);
}

/* Every record was taken, or an error tells why not. Without an error every job that was handed out
 * was answered, and jobs are handed out in order: the records before next_job have all been taken,
 * and nothing that was computed is lost by a stop. If no stop came before the last job, these are
 * all records. After an error some may be left, and are released. */
static enum err finish(struct server *s)
{
    const struct job_list *jobs = s->jobs;
    if (s->err == ERR_OK && s->stopped && s->next_record < jobs->n) {
        s->err = ERR_STOPPED;
    }
    CHECK(s->err != ERR_OK || s->next_record == jobs->n);
    for (int i = s->next_record; i < jobs->n; i++) {
        buf_release(&s->early[i]);
    }
    return s->err;
}

/* Two agreements, as in farm_work(), with which they pair: before the first job, that rank 0 has
 * memory, and after the last one, how the farm ended. */
static enum err farm_serve(struct comm *c, const struct job_list *jobs)
{
    struct arena arena;
    struct server s;
    arena_init(&arena);
    enum err e = comm_agree(c, server_init(&s, &arena, jobs, c->size));
    if (e == ERR_OK) {
        progress_begin(&s.progress, jobs->what, 0, (uint64_t)jobs->n);
        serve_all(&s, c);
        progress_end(&s.progress);
        e = comm_agree(c, finish(&s));
    }
    arena_release(&arena);
    return e;
}

static enum err farm_work(struct comm *c, const struct job_list *jobs)
{
    TRY(comm_agree(c, ERR_OK)); /* rank 0 has room for the records */
    work(c, jobs);
    return comm_agree(c, ERR_OK);
}

static enum err run_jobs(struct comm *c, const struct job_list *jobs)
{
    if (c->size == 1) {
        return jobs_run(jobs);
    }
    return c->rank == 0 ? farm_serve(c, jobs) : farm_work(c, jobs);
}

/* Jobs that stop on request go on later: whoever ends them at once is told how. */
static enum err run_resumable(struct comm *c, const struct job_list *jobs)
{
    struct arena arena;
    struct peers peers;
    arena_init(&arena);
    enum err e = peers_init(&peers, &arena, c);
    if (e == ERR_OK) {
        stop_resumable(&peers);
        e = run_jobs(c, jobs);
        stop_forget();
    }
    arena_release(&arena);
    return e;
}

enum err farm_run(struct comm *c, const struct job_list *jobs)
{
    return jobs->stop != NULL ? run_resumable(c, jobs) : run_jobs(c, jobs);
}
