/* The script of a tuning. See tune.h. */
#include "mpi/jobs/tune.h"

#include "core/base/log.h"
#include "core/report/table.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/tune_dir.h"
#include "mpi/jobs/tune_rung.h"
#include "mpi/jobs/tune_training.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct tuning {
    struct comm *comm;
    const struct tune_order *order;
    struct lock *lock;
    struct arena arena, scratch;
    struct tune_trials trials;
    struct tune_play play;
    int *alive; /* (n_alive) trials of the next rung, ascending */
    int n_alive;
};

static const struct tune_cfg *tune_of(const struct tuning *t)
{
    return &t->order->x->cfg.tune;
}

/* ---- what would be done ---- */

/* "rung 2: 21 trials, 20 episodes" */
static void print_plan(const struct tuning *t)
{
    const char *unit = tune_of(t)->what == TUNE_TRAINING ? "updates" : "episodes";
    const int n_scenarios = t->order->x->cfg.n_scenarios;
    for (int k = 0; k < t->trials.n_rungs; k++) {
        printf("rung %d: %d trials, %d %s each%s\n", k + 1, t->trials.rungs[k].n_trials,
               t->trials.rungs[k].budget, unit,
               tune_of(t)->what == TUNE_CONTROLLER && n_scenarios > 1 ? " in each scenario" : "");
    }
}

static enum err print_trials(struct tuning *t)
{
    const struct tune_cfg *tune = tune_of(t);
    const char *head[TUNE_KEYS_MAX + 1] = {"trial"};
    struct table table;
    for (int k = 0; k < tune->n_keys; k++) {
        head[k + 1] = tune->keys[k].key;
    }
    table_init(&table, &t->arena, head, tune->n_keys + 1, 1);
    for (int trial = 1; trial <= tune->trials; trial++) {
        table_cell(&table, "%d%s", trial, trial == 1 ? " (configured)" : "");
        for (int k = 0; k < tune->n_keys; k++) {
            table_text(&table, tune_trials_value(&t->trials, trial, k));
        }
    }
    print_plan(t);
    return table_show(&table);
}

/* ---- rungs ---- */

/* Rank 0's choice to all. */
static enum err share_alive(struct tuning *t)
{
    struct buf b;
    buf_init(&b);
    const size_t bytes = (size_t)t->n_alive * sizeof *t->alive;
    enum err e = t->comm->rank == 0 ? buf_append(&b, t->alive, bytes) : ERR_OK;
    e = comm_agree(t->comm, e);
    if (e == ERR_OK) {
        e = comm_bcast(t->comm, 0, &b);
    }
    if (e == ERR_OK) {
        CHECK(b.len == bytes);
        memcpy(t->alive, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

/* The best of the rung that was played last go on. Only rank 0 has their scores. */
static enum err choose(struct tuning *t, int n_next)
{
    double *objective = ARENA_NEW(&t->arena, t->n_alive, double);
    TRY(comm_agree(t->comm, arena_error(&t->arena)));
    if (t->comm->rank == 0) {
        const struct trial_result *last = &t->play.results[t->play.n_results - t->n_alive];
        for (int i = 0; i < t->n_alive; i++) {
            objective[i] = last[i].score.objective.value;
        }
        halving_keep(t->alive, n_next, t->alive, objective, t->n_alive);
    }
    t->n_alive = n_next;
    return share_alive(t);
}

static enum err play(struct tuning *t, int rung)
{
    struct tune_entry *entries = ARENA_NEW(&t->arena, t->n_alive, struct tune_entry);
    TRY(comm_agree(t->comm, arena_error(&t->arena)));
    for (int i = 0; i < t->n_alive; i++) {
        entries[i] = (struct tune_entry){.trial = t->alive[i], .train_s = NAN};
    }
    if (tune_of(t)->what == TUNE_TRAINING) {
        TRY(tune_train(&t->play, rung, entries, t->n_alive));
    }
    return tune_play_rung(&t->play, rung, entries, t->n_alive);
}

static enum err play_all(struct tuning *t)
{
    t->n_alive = tune_of(t)->trials;
    t->alive = ARENA_NEW(&t->arena, t->n_alive, int);
    TRY(comm_agree(t->comm, arena_error(&t->arena)));
    for (int i = 0; i < t->n_alive; i++) {
        t->alive[i] = i + 1;
    }
    for (int k = 0; k < t->trials.n_rungs; k++) {
        if (k > 0) {
            TRY(choose(t, t->trials.rungs[k].n_trials));
        }
        TRY(play(t, k));
    }
    return ERR_OK;
}

/* ---- the script ---- */

/* Rank 0: from here on the directory is this tuning's. */
static enum err begin(struct tuning *t)
{
    TRY(tune_dir_take(&t->trials, t->order->dir, t->lock, t->order->restart, &t->scratch));
    tune_log_init(&t->play.log, &t->arena, &t->trials, t->order->dir);
    return ERR_OK;
}

static enum err end(struct tuning *t)
{
    TRY(lock_confirm(t->lock));
    return tune_dir_report(&t->play);
}

static enum err look(struct tuning *t)
{
    if (t->comm->rank != 0) {
        return ERR_OK;
    }
    return t->order->dry_run ? print_trials(t)
                             : tune_dir_status(&t->trials, t->order->dir, &t->scratch);
}

/* All ranks check alike; rank 0 logs for all. */
static enum err check(struct tuning *t)
{
    const struct log_sink before = log_sink_now();
    if (t->comm->rank != 0) {
        log_set_sink(log_discard, NULL);
    }
    enum err e = tune_trials_init(&t->trials, &t->arena, t->order->x, &t->order->source);
    if (e == ERR_OK) {
        e = tune_play_init(&t->play, t->comm, &t->arena, &t->scratch, &t->trials, t->order->dir);
    }
    log_set_sink(before.sink, before.ctx);
    return comm_agree(t->comm, e);
}

static enum err tune(struct tuning *t)
{
    const bool root = t->comm->rank == 0;
    TRY(check(t));
    if (t->order->dry_run || t->order->status) {
        return comm_agree(t->comm, look(t));
    }
    TRY(locking_dir(t->lock, t->comm, t->order->dir, "karma tune", "--out DIR"));
    t->play.lock = t->lock;
    TRY(comm_agree(t->comm, root ? begin(t) : ERR_OK));
    TRY(play_all(t));
    return comm_agree(t->comm, root ? end(t) : ERR_OK);
}

enum err tune_run(struct comm *comm, struct lock *lock, const struct tune_order *order)
{
    struct tuning t = {.comm = comm,
                       .order = order,
                       .lock = lock,
                       .play = {.log = {.rows = {.fd = -1}, .seconds = {.fd = -1}}}};
    arena_init(&t.arena);
    arena_init(&t.scratch);
    const enum err e = tune(&t);
    tune_log_close(&t.play.log);
    arena_release(&t.scratch);
    arena_release(&t.arena);
    return e;
}
