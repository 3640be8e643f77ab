/* Merge what is to be learned from, let the farm fit the networks, compare, save. See fit.h.
 *
 * Why the twin does not depend on the ranks: every rank reads the same merged store and makes the
 * same untrained networks; network i is then a function of the store, the settings and i alone;
 * rank 0 takes the fitted networks in the order of i and does the rest by itself. The ranks must
 * see one file system, because the merged store is read by each of them. The queues of a residual
 * twin reach them as the bytes of a queueing twin.
 *
 * Recovery: networks and transitions are made under temporary names. A fit that was killed or
 * stopped before save() renames them leaves the old twin as it was; the next one begins anew. One
 * that was killed between the two renamings leaves the new twin, whose transitions are found under
 * their temporary name (model.h); the next one begins by renaming them. */
#include "mpi/jobs/fit.h"

#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/base/log.h"
#include "mpi/comm/farm.h"
#include "mpi/comm/locking.h"
#include "mpi/comm/stop.h"
#include "proto/twin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct fit {
    struct comm *comm;
    const struct fit_order *order;
    struct fit_outcome *out;
    struct arena *arena;
    struct arena scratch;
    const char *traces, *pending; /* where the transitions go in the end, and until then */
    const char *pending_file;     /* the networks until then */
    struct twin_cfg as_it_is;     /* of the old twin: no table */
    struct twin_model old;
    bool has_old;
    struct lock lock; /* of the twin's file, rank 0's */
    bool saved;       /* the new twin needs f->pending, whatever name it has */
};

/* ---- the transitions ---- */

static enum err move(const char *from, const char *to)
{
    if (rename(from, to) != 0) {
        log_error("%s cannot become %s: %s", from, to, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

/* Rank 0: what save() of an earlier fit could not finish. Then the pending transitions are those of
 * the twin that is there, and must not be overwritten. A twin that cannot be read has none. */
static enum err finish_earlier(struct fit *f)
{
    const char *traces;
    if (!file_exists(f->order->out) || !file_exists(f->pending)) {
        return ERR_OK;
    }
    const enum err e = model_find_traces(&traces, &f->scratch, f->order->out);
    return e == ERR_OK && strcmp(traces, f->pending) == 0 ? move(f->pending, f->traces) : ERR_OK;
}

/* Rank 0: all stores in one, beside the twin. The old twin's transitions come first. store_merge()
 * keeps an episode that is in several stores once. */
static enum err merge(struct fit *f)
{
    const struct fit_order *o = f->order;
    const char **list = ARENA_NEW(&f->scratch, o->n_stores + 1, const char *);
    int n = 0;
    TRY(arena_error(&f->scratch));
    TRY(finish_earlier(f));
    if (o->from != NULL) {
        TRY(model_find_traces(&list[n++], &f->scratch, o->from));
    }
    for (int i = 0; i < o->n_stores; i++) {
        list[n++] = o->stores[i];
    }
    TRY(file_make_parents(f->pending));
    return store_merge(f->pending, list, n, &f->scratch);
}

/* Its networks alone are compared and adopted, so no table of its transitions is built. */
static enum err load_old(struct fit *f)
{
    if (f->order->from == NULL) {
        return ERR_OK;
    }
    f->as_it_is = (struct twin_cfg){
        .kind = (int)f->order->kind, .lookup = LOOKUP_NONE, .fallback = FALLBACK_MLP};
    f->has_old = true;
    return model_load(&f->old, f->arena, &f->as_it_is, f->order->from);
}

static int transitions(const struct dataset *d)
{
    return d->n_at[STORE_TRAIN] + d->n_at[STORE_VALIDATION] + d->n_at[STORE_HELD_OUT];
}

/* Every rank for itself. queues: of a residual twin. */
static enum err begin(struct fit *f, const struct buf *queues)
{
    const struct fit_order *o = f->order;
    struct twin_model *m = &f->out->model;
    TRY(load_old(f));
    const struct twin_model *from = f->has_old ? &f->old : NULL;
    if (o->kind == TWIN_RESIDUAL) {
        TRY(model_begin_residual(m, f->arena, f->pending, queues, o->plant, o->fluid, o->cfg, from,
                                 &f->scratch));
    } else {
        TRY(model_begin(m, f->arena, f->pending, o->cfg, from, &f->scratch));
    }
    f->out->n_new = transitions(&f->out->model.data) - (f->has_old ? transitions(&f->old.data) : 0);
    f->out->waiting = f->has_old && f->out->n_new < REFIT_TRANSITIONS;
    return ERR_OK;
}

/* ---- the farm ---- */

/* A refit starts from the old parameters, which model_begin() has copied into the new networks. */
static enum err run_job(void *ctx, int i, struct buf *out)
{
    struct fit *f = ctx;
    struct twin_model *m = &f->out->model;
    TRY(learn_member(&m->ensemble, i, &m->data, f->order->cfg, f->has_old, NULL, &f->scratch));
    return model_put_member(out, m, i);
}

static enum err take_job(void *ctx, int i, const void *record, size_t bytes)
{
    struct fit *f = ctx;
    struct frame_reader r;
    struct frame frame;
    frame_reader_init(&r, record, bytes, "a fitted network");
    TRY(frame_expect(&r, &frame, FRAME_TWIN_MEMBER, CODEC_TWIN_VERSION));
    return model_get_member(&f->out->model, f->arena, i, frame.payload, frame.n, r.source,
                            &f->scratch);
}

/* ---- the old and the new ---- */

/* Of all networks, on the validation episodes of the merged store. */
static enum err mean_error(double *error, struct fit *f, const struct ensemble *e)
{
    const struct dataset *d = &f->out->model.data;
    double sum = 0.0;
    for (int i = 0; i < e->n_members; i++) {
        double one;
        TRY(learn_error(&one, e, i, d, d->at[STORE_VALIDATION], d->n_at[STORE_VALIDATION],
                        &f->scratch));
        sum += one;
    }
    *error = sum / e->n_members;
    return ERR_OK;
}

/* Why the check holds, bit by bit. learn_member() keeps the old parameters unless an epoch is
 * better by the same function on the same transitions, so for each network after_i <= before_i.
 * Both sums add in the order of i, rounding keeps the order of two numbers, and both are divided by
 * the same count; therefore the means are in this order, too. The scalers of inputs and targets are
 * the old twin's (model_adopt()). */
static enum err compare(struct fit *f)
{
    struct fit_outcome *out = f->out;
    TRY(mean_error(&out->after, f, &out->model.ensemble));
    if (f->has_old) {
        TRY(mean_error(&out->before, f, &f->old.ensemble));
        CHECK(out->after <= out->before);
    }
    return ERR_OK;
}

/* Both files are there before the first one takes its place: a full disk costs no old twin. The
 * networks go first, because they hold the digest of their transitions: until then the old twin is
 * whole, from then on the new one is, with its transitions under either name. */
static enum err save(struct fit *f)
{
    struct store store;
    TRY(lock_confirm(&f->lock));
    TRY(store_open(&store, &f->scratch, f->pending));
    const uint64_t digest = store.digest;
    store_close(&store);
    TRY(model_save(&f->out->model, f->pending_file, digest, f->order->yaml));
    TRY(move(f->pending_file, f->order->out));
    f->saved = true;
    return move(f->pending, f->traces);
}

/* Such a twin predicts, but nobody can learn in it what scaling these services does. */
static enum err warn_of_actions(const struct twin_model *m, struct arena *arena)
{
    const char *list = "";
    for (int i = 0; i < m->features.n_services; i++) {
        if (!dataset_moves(&m->data, i)) {
            list = arena_printf(arena, "%s%s'%s'", list, list[0] != '\0' ? ", " : "",
                                m->features.header.services[i]);
            TRY(arena_error(arena));
        }
    }
    if (list[0] != '\0') {
        log_warn("no change of replicas was recorded in an episode for training of %s: the twin "
                 "predicts them, but it is no place to train in while they may be scaled "
                 "(min_replicas < max_replicas)",
                 list);
    }
    return ERR_OK;
}

static enum err finish(struct fit *f)
{
    TRY(warn_of_actions(&f->out->model, f->arena));
    TRY(model_calibrate(&f->out->model, f->arena, f->order->cfg->noise_rows, &f->scratch));
    TRY(compare(f));
    return save(f);
}

static enum err write_parameters(struct fit *f)
{
    const char *table = arena_printf(f->arena, "%s.csv", f->order->out);
    TRY(arena_error(f->arena));
    return queueing_write_csv(f->out->model.queueing, table);
}

/* Networks in parallel, and what rank 0 does with them. queues: of a residual twin. */
static enum err fit_networks(struct fit *f, const struct buf *queues)
{
    const bool root = f->comm->rank == 0;
    TRY(comm_agree(f->comm, begin(f, queues)));
    if (f->out->waiting) {
        return ERR_OK;
    }
    const struct job_list jobs = {.n = f->order->cfg->members,
                                  .ctx = f,
                                  .what = "fit",
                                  .run = run_job,
                                  .take = take_job,
                                  .stop = stop_of_jobs};
    const enum err e = farm_run(f->comm, &jobs);
    if (root && e == ERR_STOPPED) {
        log_info("stopped on request before all %d networks were fitted, so none is kept; to start "
                 "anew: %s",
                 jobs.n, stop_command());
    }
    TRY(e);
    return comm_agree(f->comm, root ? finish(f) : ERR_OK);
}

/* A refit has the old transitions and the new ones, and needs nothing else of the old twin. */
static enum err fit_queues(struct fit *f)
{
    const struct fit_order *o = f->order;
    struct fit_outcome *out = f->out;
    TRY(load_old(f));
    TRY(model_fit_queueing(&out->model, &out->errors, f->arena, f->pending, o->plant, o->fluid,
                           o->cfg, &f->scratch));
    out->n_new = transitions(&out->model.data) - (f->has_old ? transitions(&f->old.data) : 0);
    TRY(save(f));
    return write_parameters(f);
}

/* Rank 0: the queues of a residual twin, as a queueing twin in bytes. */
static enum err make_queues(struct buf *bytes, struct fit *f)
{
    const struct fit_order *o = f->order;
    struct twin_model *queues = ARENA_NEW(f->arena, 1, struct twin_model);
    TRY(arena_error(f->arena));
    TRY(model_fit_queueing(queues, &f->out->errors, f->arena, f->pending, o->plant, o->fluid,
                           o->cfg, &f->scratch));
    return model_put(bytes, queues, 0, "");
}

static enum err fit_residual(struct fit *f)
{
    const bool root = f->comm->rank == 0;
    struct buf queues;
    buf_init(&queues);
    enum err e = comm_agree(f->comm, root ? make_queues(&queues, f) : ERR_OK);
    e = e == ERR_OK ? comm_bcast(f->comm, 0, &queues) : e;
    e = e == ERR_OK ? fit_networks(f, &queues) : e;
    if (e == ERR_OK && !f->out->waiting) {
        e = comm_agree(f->comm, root ? write_parameters(f) : ERR_OK);
    }
    buf_release(&queues);
    return e;
}

/* Every rank takes the same way: whether a refit waits follows from the store that all have
 * read. */
static enum err fit(struct fit *f)
{
    const bool root = f->comm->rank == 0;
    f->traces = model_traces(f->arena, f->order->out);
    f->pending = model_pending(f->arena, f->order->out);
    f->pending_file = arena_printf(f->arena, "%s.pending", f->order->out);
    if (arena_error(f->arena) != ERR_OK) {
        return comm_agree(f->comm, ERR_MEMORY);
    }
    TRY((f->order->in_locked_dir ? locking_guest_file : locking_file)(
        &f->lock, f->comm, f->order->out, "karma twin fit", "--out FILE"));
    TRY(comm_agree(f->comm, root ? merge(f) : ERR_OK));
    switch (f->order->kind) {
    case TWIN_QUEUEING:
        return comm_agree(f->comm, root ? fit_queues(f) : ERR_OK);
    case TWIN_RESIDUAL:
        return fit_residual(f);
    case TWIN_MLP:
        break;
    }
    return fit_networks(f, NULL);
}

enum err fit_run(struct comm *comm, struct fit_outcome *outcome, struct arena *arena,
                 const struct fit_order *order)
{
    struct fit f = {
        .comm = comm, .order = order, .out = outcome, .arena = arena, .lock = {.fd = -1}};
    *outcome = (struct fit_outcome){0};
    arena_init(&f.scratch);
    const enum err e = fit(&f);
    if (f.lock.held && e != ERR_BUSY && !f.saved) { /* else they are another process's */
        (void)remove(f.pending);
        (void)remove(f.pending_file);
    }
    locking_end(&f.lock);
    arena_release(&f.scratch);
    return e;
}
