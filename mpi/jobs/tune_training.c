/* Trainings as jobs. See tune_training.h. */
#include "mpi/jobs/tune_training.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "mpi/comm/farm.h"
#include "mpi/comm/stop.h"
#include "mpi/jobs/training.h"

#include <math.h>
#include <string.h>

/* How a training ended. */
enum end { END_DONE, END_DIVERGED, END_STOPPED };
struct record {
    int32_t end;
    int32_t trained; /* 0: it was done before */
    double seconds;
};

struct trainings {
    struct tune_play *p;
    struct comm alone; /* this rank */
    int rung;
    struct tune_entry *entries; /* (n) */
    int n;
    bool stopped; /* rank 0 */
};

/* ---- one training ---- */

/* A training on rank 0 of its own communicator tells what a user of `karma train` wants to know. Of
 * many beside each other only what is wrong is told. */
static enum log_level level_now(void)
{
    return log_wants(LOG_DEBUG)  ? LOG_DEBUG
           : log_wants(LOG_INFO) ? LOG_INFO
           : log_wants(LOG_WARN) ? LOG_WARN
                                 : LOG_ERROR;
}

static enum err train_loaded(struct trainings *t, struct training_outcome *outcome,
                             struct experiment *x)
{
    const struct training_order order = {.lock = NULL};
    TRY(experiment_load_twin(x));
    return training_run(&t->alone, outcome, x, &order);
}

/* The configuration was checked when the tuning began. The arena of the job ends with it. */
static enum err train(struct trainings *t, struct training_outcome *outcome, int trial, int seed)
{
    const struct tune_trials *trials = t->p->trials;
    const char *const *sets;
    struct experiment x;
    struct arena arena;
    int n;
    arena_init(&arena);
    const char *dir = tune_train_dir(t->p, &arena, t->rung, trial, seed);
    enum err e = dir == NULL
                     ? ERR_MEMORY
                     : tune_trials_sets(&sets, &n, trials, &arena, trial, seed, t->rung, dir);
    if (e == ERR_OK) {
        e = experiment_load(&x, trials->source.path, sets, n);
    }
    if (e == ERR_OK) {
        e = train_loaded(t, outcome, &x);
        experiment_release(&x);
    }
    arena_release(&arena);
    return e;
}

/* A training takes the last words of the process for itself and leaves none; of one process the
 * list of jobs gets them back. (With more ranks rank 0 has them, which trains nothing.) */
static enum err run_job(void *ctx, int i, struct buf *out)
{
    struct trainings *t = ctx;
    const int n_seeds = t->p->trials->n_train_seeds;
    const enum log_level level = level_now();
    const double start = clock_s();
    struct training_outcome outcome = {.was_done = false};
    if (level != LOG_DEBUG) {
        log_set_level(LOG_WARN);
    }
    const enum err e = train(t, &outcome, t->entries[i / n_seeds].trial, i % n_seeds);
    log_set_level(level);
    if (t->p->comm->size == 1) {
        stop_resumable(NULL);
    }
    if (e != ERR_OK && e != ERR_NUMERIC && e != ERR_STOPPED) {
        return e;
    }
    const struct record r = {.end = e == ERR_OK        ? END_DONE
                                    : e == ERR_NUMERIC ? END_DIVERGED
                                                       : END_STOPPED,
                             .trained = outcome.was_done ? 0 : 1,
                             .seconds = clock_s() - start};
    return buf_append(out, &r, sizeof r);
}

static enum err take_job(void *ctx, int i, const void *record, size_t bytes)
{
    struct trainings *t = ctx;
    struct tune_entry *entry = &t->entries[i / t->p->trials->n_train_seeds];
    struct record r;
    CHECK(bytes == sizeof r);
    memcpy(&r, record, sizeof r);
    TRY(lock_confirm(t->p->lock));
    t->stopped = t->stopped || r.end == END_STOPPED;
    if (r.end == END_DIVERGED) {
        log_warn("trial %d: its training has diverged; it gets no score", entry->trial);
        entry->failed = true;
    }
    if (r.trained != 0) {
        entry->train_s = r.seconds + (isnan(entry->train_s) ? 0.0 : entry->train_s);
    }
    return ERR_OK;
}

/* ---- all ---- */

/* Rank 0 tells which trials have failed. */
static enum err share_failed(struct trainings *t)
{
    struct buf b;
    buf_init(&b);
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && t->p->comm->rank == 0 && i < t->n; i++) {
        e = buf_append(&b, &t->entries[i].failed, sizeof t->entries[i].failed);
    }
    e = comm_agree(t->p->comm, e);
    if (e == ERR_OK) {
        e = comm_bcast(t->p->comm, 0, &b);
    }
    for (int i = 0; e == ERR_OK && i < t->n; i++) {
        memcpy(&t->entries[i].failed, b.data + (size_t)i * sizeof t->entries[i].failed,
               sizeof t->entries[i].failed);
    }
    buf_release(&b);
    return e;
}

static enum err check_any(const struct trainings *t)
{
    for (int i = 0; i < t->n; i++) {
        if (!t->entries[i].failed) {
            return ERR_OK;
        }
    }
    if (t->p->comm->rank == 0) {
        log_error("rung %d: every training has diverged, so nothing can be compared; narrow the "
                  "ranges of tune.keys",
                  t->rung + 1);
    }
    return ERR_NUMERIC;
}

/* A job that was stopped in the middle counts as answered; so the list may end without an error
 * though a training has not. */
static enum err run_all(struct trainings *t)
{
    const bool root = t->p->comm->rank == 0;
    const struct job_list jobs = {.n = t->n * t->p->trials->n_train_seeds,
                                  .ctx = t,
                                  .what = "train trials",
                                  .run = run_job,
                                  .take = take_job,
                                  .stop = stop_of_jobs};
    if (root) {
        log_info("rung %d of %d: %d trainings, %d updates each", t->rung + 1, t->p->trials->n_rungs,
                 jobs.n, t->p->trials->rungs[t->rung].budget);
    }
    enum err e = farm_run(t->p->comm, &jobs);
    e = comm_agree(t->p->comm, e == ERR_OK && t->stopped ? ERR_STOPPED : e);
    if (root && e == ERR_STOPPED) {
        log_info("stopped on request; trainings under way have checkpoints; to go on: %s",
                 stop_command());
    }
    TRY(e);
    TRY(share_failed(t));
    return check_any(t);
}

enum err tune_train(struct tune_play *p, int rung, struct tune_entry *entries, int n)
{
    struct trainings t = {.p = p, .rung = rung, .entries = entries, .n = n};
    TRY(comm_split(&t.alone, p->comm, p->comm->rank));
    const enum err e = run_all(&t);
    comm_finalize(&t.alone);
    return e;
}
