/* A twin on disk and in memory. See model.h.
 *
 * model_begin() makes a twin to be fitted, model_calibrate() completes it when all members are
 * fitted, and model_save() writes it. model_load() reads it: the file gives networks, scalers and
 * limits; features and transitions are always made from the trace store, as they were for the fit,
 * and the sizes of both must agree. */
#include "core/twin/model.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/stats.h"
#include "core/twin/played.h"
#include "core/twin/residual_pool_fill.h"
#include "proto/twin.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1024 * 1024 * 1024 };

static const struct cfg_choice lookups[] = {
    {"none", LOOKUP_NONE, "the table is not used"},
    {"exact", LOOKUP_EXACT, "every bit of the state, as the paper says it"},
    {"quantised", LOOKUP_QUANTISED, "steps of `quantum`"},
    {NULL, 0, NULL},
};
static const struct cfg_choice fallbacks[] = {
    {"mlp", FALLBACK_MLP, "the ensemble"},
    {"nearest", FALLBACK_NEAREST, "the nearest recorded transition, else hold: no networks"},
    {NULL, 0, NULL},
};

static const struct cfg_choice kinds[] = {
    {"mlp", TWIN_MLP, "networks, and a table of recorded transitions"},
    {"queueing", TWIN_QUEUEING, "a fluid network of queues whose parameters are fitted"},
    {"residual", TWIN_RESIDUAL, "such a network, and neural networks that correct its answers"},
    {NULL, 0, NULL},
};

const char *twin_kind_name(enum twin_kind kind)
{
    return kinds[kind].name;
}

const struct cfg_field twin_fields[] = {
    CFG_PATH(struct twin_cfg, file, "", CFG_RESULT,
             "a fitted twin (karma twin fit): train in it; \"\" = train on the simulator"),
    CFG_ENUM(struct twin_cfg, lookup, "quantised", lookups, CFG_RESULT,
             "how recorded transitions are looked up"),
    CFG_ENUM(struct twin_cfg, fallback, "mlp", fallbacks, CFG_RESULT,
             "who answers where none was recorded"),
    CFG_LIST_STRING(struct twin_cfg, key, n_key,
                    "[desired, ready, failed_pods, queue, util_10s, latency_10s, entry_10s]", 1, 64,
                    CFG_RESULT,
                    "metrics that tell states apart in the table, as far as the traces have them"),
    CFG_INT(struct twin_cfg, successors, "6", 1, 1000000, "", CFG_RESULT,
            "fewest recorded successors with which the table answers: one says nothing of chance"),
    CFG_DOUBLE(struct twin_cfg, quantum, "0.5", 1e-6, 1000, "standard deviations", CFG_RESULT,
               "steps of measured metrics in a key"),
    CFG_DOUBLE(struct twin_cfg, radius, "4", 0, 1e6, "steps", CFG_RESULT,
               "how far the nearest transition may be"),
    CFG_ENUM(struct twin_cfg, kind, "mlp", kinds, CFG_RESULT | CFG_LATER,
             "what karma twin fit makes, and what `file` must be"),
    CFG_DOUBLE(struct twin_cfg, noise, "0.3", 0, 10, "", CFG_RESULT | CFG_LATER,
               "queueing: random changes of the calls in a pod; 1 = those of a Poisson process"),
    CFG_DOUBLE(
        struct twin_cfg, draw, "1", 0, 100, "intervals", CFG_RESULT | CFG_LATER,
        "queueing, residual, in training: each episode draws its parameters from this much of "
        "their intervals"),
    CFG_DOUBLE(struct twin_cfg, demand_sd, "0.05", 0, 1, "", CFG_RESULT | CFG_LATER,
               "queueing, residual, in training: standard deviation of log CPU per call, drawn for "
               "each service and episode"),
    CFG_DOUBLE(struct twin_cfg, load_sd, "0.05", 0, 1, "", CFG_RESULT | CFG_LATER,
               "queueing, residual, in training: standard deviation of log load, drawn for each "
               "period"),
    CFG_END,
};

const char *model_traces(struct arena *arena, const char *file)
{
    return arena_printf(arena, "%s.traces", file);
}

const char *model_pending(struct arena *arena, const char *file)
{
    return arena_printf(arena, "%s.traces.pending", file);
}

/* Has the file this digest? A store's digest is that of all its bytes (store.h). Silent: a file
 * that cannot be read has not. */
static bool has_digest(const char *path, uint64_t digest)
{
    unsigned char piece[65536];
    uint64_t hash = HASH_START;
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return false;
    }
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) {
        hash = hash_fnv1a(hash, piece, n);
    }
    const bool whole = ferror(f) == 0;
    (void)fclose(f);
    return whole && hash == digest;
}

/* Without a file of that name, which is the rule, nothing is read. Else the digests decide: while
 * a fit runs there may be pending transitions of a twin that is still to come. NULL: no memory. */
static const char *choose_traces(struct arena *arena, const char *traces, uint64_t digest)
{
    const char *pending = arena_printf(arena, "%s.pending", traces); /* model_pending() */
    if (arena_error(arena) != ERR_OK) {
        return NULL;
    }
    const bool interrupted =
        file_exists(pending) && has_digest(pending, digest) && !has_digest(traces, digest);
    return interrupted ? pending : traces;
}

/* ---- what it remembers ---- */

static enum err no_part(const char *part)
{
    log_error("the traces hold no transition for %s that was measured completely; add episodes, or "
              "split them otherwise (--validation and --held-out of karma trace collect and of "
              "karma trace import)",
              part);
    return ERR_FORMAT;
}

static enum err no_target(void)
{
    log_error("the traces hold nothing to learn: beside the replicas no metric was measured; "
              "record the CPU used, the latency or the answered requests, and import that");
    return ERR_FORMAT;
}

struct start_key {
    float load;
    int row;
};

/* Ties in the order of rows, so that the sorted list does not depend on qsort(). */
static int by_load(const void *a, const void *b)
{
    const struct start_key *x = a, *y = b;
    if (x->load != y->load) {
        return x->load < y->load ? -1 : 1;
    }
    return (x->row > y->row) - (x->row < y->row);
}

/* The first rows of the training episodes, ascending in load: twin.c searches this list for
 * beginnings. A beginning that was not measured is no state to start from. */
static enum err list_starts(struct twin_model *m, struct arena *arena)
{
    const struct dataset *d = &m->data;
    struct start_key *keys = ARENA_NEW(arena, d->n_episodes, struct start_key);
    m->starts = ARENA_NEW(arena, d->n_episodes, int);
    TRY(arena_error(arena));
    for (int i = 0; i < d->n_episodes; i++) {
        const int row = d->episodes[i].first_row;
        if (d->episodes[i].part == STORE_TRAIN && d->whole[row] != 0) {
            keys[m->n_starts++] = (struct start_key){d->load[row], row};
        }
    }
    qsort(keys, (size_t)m->n_starts, sizeof *keys, by_load);
    for (int i = 0; i < m->n_starts; i++) {
        m->starts[i] = keys[i].row;
    }
    return ERR_OK;
}

/* What fit must have: transitions to learn from, and enough to stop by. */
static const char *lacking(const struct dataset *d)
{
    return d->n_at[STORE_TRAIN] == 0                       ? "training"
           : d->n_at[STORE_VALIDATION] < RESIDUAL_POOL_MIN ? "validation"
                                                           : NULL;
}

/* Features and transitions of the store at `path`. `file`: the twin that was fitted to it, when its
 * digest was `expected`; NULL: none yet. The features come first, then the transitions, then which
 * targets are exact, which only the transitions show. With the same store the result is the same,
 * so a loaded twin has the targets that it was fitted with. */
static enum err recall(struct twin_model *m, struct arena *arena, const char *path, int history,
                       const char *file, uint64_t expected)
{
    struct store store;
    TRY(store_open(&store, arena, path));
    enum err e = ERR_OK;
    if (file != NULL && store.digest != expected) {
        log_error("%s is not what the twin %s was fitted to (digest %016" PRIx64 ", not %016" PRIx64
                  "); fit again",
                  path, file, store.digest, expected);
        e = ERR_MISMATCH;
    }
    if (e == ERR_OK) {
        e = features_init(&m->features, arena, &store.header, history);
    }
    if (e == ERR_OK) {
        e = dataset_read(&m->data, arena, &store, &m->features);
    }
    if (e == ERR_OK) {
        dataset_mark_exact(&m->features, &m->data);
    }
    store_close(&store);
    return e;
}

/* The same, or a refusal if it is too little to learn from. */
static enum err remember(struct twin_model *m, struct arena *arena, const char *path, int history,
                         const char *file, uint64_t expected)
{
    TRY(recall(m, arena, path, history, file, expected));
    if (m->features.n_target == 0) {
        return no_target();
    }
    const char *part = lacking(&m->data);
    return part != NULL ? no_part(part) : list_starts(m, arena);
}

enum err model_lacks(const char **part, struct arena *arena, const char *traces, int history)
{
    struct twin_model *m = ARENA_NEW(arena, 1, struct twin_model); /* data points to its features */
    TRY(arena_error(arena));
    TRY(recall(m, arena, traces, history, NULL, 0));
    *part = lacking(&m->data);
    return ERR_OK;
}

static enum err build_table(struct twin_model *m, struct arena *arena)
{
    const struct twin_cfg *cfg = m->cfg;
    const struct lookup_cfg table = {.exact = cfg->lookup == LOOKUP_EXACT,
                                     .metrics = cfg->key,
                                     .n_metrics = cfg->n_key,
                                     .quantum = cfg->quantum};
    if (cfg->lookup != LOOKUP_NONE || cfg->fallback == FALLBACK_NEAREST) {
        TRY(lookup_init(&m->table, arena, &m->data, m->data.at[STORE_TRAIN],
                        m->data.n_at[STORE_TRAIN], &table));
    }
    return cfg->fallback == FALLBACK_NEAREST ? nearest_init(&m->nearest, arena, &m->table, &m->data)
                                             : ERR_OK;
}

/* ---- fitting ---- */

/* Networks for the features and transitions that are there. */
static enum err begin_networks(struct twin_model *m, struct arena *arena, const struct fit_cfg *fit,
                               const struct twin_model *from, struct arena *scratch)
{
    const struct ensemble_shape shape = {.hidden = fit->hidden,
                                         .n_hidden = fit->n_hidden,
                                         .n_members = fit->members,
                                         .residual = fit->predict == PREDICT_RESIDUAL};
    m->spread = ARENA_NEW(arena, MODEL_SPREADS, float);
    TRY(arena_error(arena));
    TRY(ensemble_init(&m->ensemble, arena, &m->features, &shape));
    if (from == NULL) {
        return learn_scalers(&m->ensemble, &m->features, &m->data, scratch);
    }
    return model_adopt(m, from);
}

enum err model_begin(struct twin_model *m, struct arena *arena, const char *traces,
                     const struct fit_cfg *fit, const struct twin_model *from,
                     struct arena *scratch)
{
    *m = (struct twin_model){0};
    TRY(remember(m, arena, traces, fit->history, NULL, 0));
    return begin_networks(m, arena, fit, from, scratch);
}

/* The spread of the members at each validation transition, as MODEL_SPREADS quantiles. Validation
 * episodes were not trained on, so the spread there is that of known, but not memorised, states. */
enum err model_calibrate(struct twin_model *m, struct arena *arena, int noise_rows,
                         struct arena *scratch)
{
    TRY(residual_pool_fill(&m->ensemble, &m->features, &m->data, noise_rows, arena, scratch));
    const struct arena_mark mark = arena_mark(scratch);
    const struct ensemble *e = &m->ensemble;
    const int n = m->data.n_at[STORE_VALIDATION], n_out = 2 * m->features.n_target;
    double *spread = ARENA_NEW(scratch, n, double);
    uint32_t *order = ARENA_NEW(scratch, n, uint32_t);
    float *in = ARENA_NEW(scratch, m->features.n_in, float);
    float *y = ARENA_NEW(scratch, e->n_members * n_out, float);
    float *work = ARENA_NEW(scratch, ensemble_work_floats(e, 1), float);
    TRY(arena_error(scratch));
    for (int i = 0; i < n; i++) {
        dataset_input(in, &m->data, m->data.at[STORE_VALIDATION][i]);
        for (int k = 0; k < e->n_members; k++) {
            ensemble_predict(e, k, y + (ptrdiff_t)k * n_out, in, 1, work);
        }
        spread[i] = ensemble_spread(e, y);
    }
    for (int q = 0; q < MODEL_SPREADS; q++) {
        m->spread[q] =
            (float)stat_quantile(spread, (uint32_t)n, (double)q / (MODEL_SPREADS - 1), order);
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* The inverse of the quantile function, linear between quantiles. q ends as the largest index with
 * spread[q] <= spread, or 0: quantiles ascend. Between q and q + 1 the part is in [0, 1); equal
 * quantiles cannot remain there, for then q would be larger. A NaN gives 0. */
double model_score(const struct twin_model *m, double spread)
{
    int q = 0;
    if (isnan(spread)) {
        return 1.0; /* comparisons with it are all false, as for one below all quantiles */
    }
    while (q < MODEL_SPREADS - 1 && (double)m->spread[q + 1] <= spread) {
        q++;
    }
    if (q == MODEL_SPREADS - 1 || spread <= (double)m->spread[0]) {
        return (double)q / (MODEL_SPREADS - 1);
    }
    const double lo = (double)m->spread[q], hi = (double)m->spread[q + 1];
    const double part = hi > lo ? (spread - lo) / (hi - lo) : 0.0;
    return (q + (part > 0.0 ? part : 0.0)) / (MODEL_SPREADS - 1);
}

/* ---- members as bytes ---- */

enum err model_put_member(struct buf *out, const struct twin_model *m, int member)
{
    const struct member *from = &m->ensemble.members[member];
    const struct twin_member record = {.params = from->params,
                                       .level = from->residuals.level,
                                       .z = from->residuals.z,
                                       .next = from->residuals.next,
                                       .n_params = m->ensemble.mlp.n_params,
                                       .n_residuals = from->residuals.n,
                                       .error = from->error,
                                       .epochs = from->epochs};
    return codec_put_member(out, &record, m->features.n_target);
}

/* The sizes in the record were checked against each other (codec_get_member()); here the number of
 * parameters is checked against the network. The pool's `next` entries were checked there, too. */
static enum err take_member(struct twin_model *m, int member, const struct twin_member *from,
                            struct arena *arena, const char *source)
{
    struct member *to = &m->ensemble.members[member];
    if (from->n_params != m->ensemble.mlp.n_params) {
        log_error("%s: network %d has %zu parameters; %zu would fit", source, member,
                  from->n_params, m->ensemble.mlp.n_params);
        return ERR_FORMAT;
    }
    const size_t rows = (size_t)from->n_residuals;
    TRY(residual_pool_init(&to->residuals, arena, from->n_residuals, m->features.n_target));
    memcpy(to->params, from->params, from->n_params * sizeof *to->params);
    if (rows > 0) { /* a member on its way from rank to rank has none, and null pointers to them */
        memcpy(to->residuals.level, from->level, rows * sizeof *to->residuals.level);
        memcpy(to->residuals.next, from->next, rows * sizeof *to->residuals.next);
        memcpy(to->residuals.z, from->z,
               rows * (size_t)m->features.n_target * sizeof *to->residuals.z);
    }
    to->error = from->error;
    to->epochs = from->epochs;
    return ERR_OK;
}

enum err model_get_member(struct twin_model *m, struct arena *arena, int member,
                          const void *payload, size_t n, const char *source, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct twin_member record;
    enum err e = codec_get_member(&record, payload, n, m->features.n_target, source, scratch);
    if (e == ERR_OK) {
        e = take_member(m, member, &record, arena, source);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- a queueing twin ---- */

/* The call graph, the pods' requests and the node, which the header of the traces has. */
static enum err take_topology(struct twin_model *m, struct arena *arena)
{
    struct cfg reader;
    const char *text = m->features.header.topology;
    if (text == NULL || text[0] == '\0') {
        log_error("a queueing twin needs the call graph, and these traces are of a recording, "
                  "which has none; fit networks (twin.kind: mlp)");
        return ERR_FORMAT;
    }
    struct topology_cfg *cfg = ARENA_NEW(arena, 1, struct topology_cfg);
    m->topology = ARENA_NEW(arena, 1, struct topology);
    m->queueing = ARENA_NEW(arena, 1, struct queueing);
    TRY(arena_error(arena));
    cfg_init(&reader, topology_fields, sizeof *cfg, arena);
    TRY(cfg_load_text(&reader, "topology of the trace store", text, NULL, 0, cfg));
    TRY(topology_init(m->topology, arena, cfg, NULL));
    return queueing_init(m->queueing, arena, m->features.header.services, m->features.n_services);
}

enum err model_fit_queueing(struct twin_model *m, struct queueing_errors *errors,
                            struct arena *arena, const char *traces, const struct plant_cfg *plant,
                            const struct fluid_cfg *cfg, const struct fit_cfg *fit,
                            struct arena *scratch)
{
    *m = (struct twin_model){0};
    TRY(remember(m, arena, traces, fit->history, NULL, 0));
    TRY(take_topology(m, arena));
    return queueing_fit(m->queueing, errors, &m->data, m->topology, plant, cfg, fit->seed, scratch);
}

static enum err put_queueing(struct buf *out, const struct twin_model *m, uint64_t traces,
                             const char *fit)
{
    struct arena scratch;
    const struct queueing *q = m->queueing;
    arena_init(&scratch);
    const char **names = ARENA_NEW(&scratch, q->n, const char *);
    double *values = ARENA_NEW(&scratch, 3 * q->n, double);
    enum err e = arena_error(&scratch);
    for (int i = 0; e == ERR_OK && i < q->n; i++) {
        names[i] = queueing_name(q, i, &scratch);
        values[i] = q->params[i].value;
        values[q->n + i] = q->params[i].lo;
        values[2 * q->n + i] = q->params[i].hi;
        e = arena_error(&scratch);
    }
    if (e == ERR_OK) {
        const struct twin_queueing record = {.traces = traces,
                                             .fit = fit,
                                             .names = names,
                                             .value = values,
                                             .lo = values + q->n,
                                             .hi = values + 2 * q->n,
                                             .n = q->n,
                                             .episodes = q->n_episodes};
        e = codec_put_queueing(out, &record);
    }
    arena_release(&scratch);
    return e;
}

/* Values are taken only under the name that this program gives them. */
static enum err take_params(struct queueing *q, const struct twin_queueing *record,
                            const char *file, struct arena *scratch)
{
    if (record->n != q->n) {
        log_error("%s has %d parameters, its services ask for %d; fit again", file, record->n,
                  q->n);
        return ERR_MISMATCH;
    }
    for (int i = 0; i < q->n; i++) {
        const char *name = queueing_name(q, i, scratch);
        TRY(arena_error(scratch));
        if (strcmp(record->names[i], name) != 0) {
            log_error("%s has a parameter '%s' in the place of '%s'; fit again", file,
                      record->names[i], name);
            return ERR_MISMATCH;
        }
        q->params[i] = (struct queueing_param){record->value[i], record->lo[i], record->hi[i]};
    }
    q->n_episodes = record->episodes;
    return queueing_check(q, file);
}

/* The record of the parameters, in `scratch`. */
static enum err next_queueing(struct twin_queueing *record, struct frame_reader *r,
                              struct arena *scratch)
{
    struct frame f;
    TRY(frame_expect(r, &f, FRAME_TWIN_QUEUEING, CODEC_TWIN_QUEUEING_VERSION));
    return codec_get_queueing(record, f.payload, f.n, r->source, scratch);
}

static enum err take_queueing(struct twin_model *m, struct arena *arena, struct frame_reader *r,
                              const char *traces, struct arena *scratch)
{
    enum { HISTORY = 2 }; /* of the features in which a report reads the transitions */
    struct twin_queueing record;
    TRY(next_queueing(&record, r, scratch));
    m->fit = arena_strdup(arena, record.fit);
    traces = choose_traces(arena, traces, record.traces);
    TRY(arena_error(arena));
    TRY(remember(m, arena, traces, HISTORY, r->source, record.traces));
    TRY(take_topology(m, arena));
    TRY(take_params(m->queueing, &record, r->source, scratch));
    return frame_expect_end(r);
}

/* The queues play before the networks are made, whose scalers depend on what was played. */
enum err model_begin_residual(struct twin_model *m, struct arena *arena, const char *traces,
                              const struct buf *queues, const struct plant_cfg *plant,
                              const struct fluid_cfg *cfg, const struct fit_cfg *fit,
                              const struct twin_model *from, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct frame_reader r;
    struct twin_queueing record;
    struct fluid_net net;
    *m = (struct twin_model){0};
    frame_reader_init(&r, queues->data, queues->len, "the fitted queues");
    TRY(next_queueing(&record, &r, scratch));
    TRY(remember(m, arena, traces, fit->history, NULL, 0));
    TRY(take_topology(m, arena));
    TRY(take_params(m->queueing, &record, r.source, scratch));
    features_add_answer(&m->features);
    TRY(fluid_net_init(&net, scratch, m->queueing, m->topology, plant, cfg));
    TRY(played_fill(&m->data, arena, &net, scratch));
    arena_rewind(scratch, mark);
    return begin_networks(m, arena, fit, from, scratch);
}

/* ---- warm start ---- */

static const char *predicts(const struct twin_model *m)
{
    return m->ensemble.residual ? "change" : "next state";
}

/* Would parameters mean the same in both? */
static bool same_networks(const struct twin_model *m, const struct twin_model *from)
{
    const struct mlp_shape *a = &m->ensemble.mlp.shape, *b = &from->ensemble.mlp.shape;
    bool same = a->n_layers == b->n_layers && m->ensemble.residual == from->ensemble.residual;
    for (int i = 0; same && i <= a->n_layers; i++) {
        same = a->sizes[i] == b->sizes[i];
    }
    return same;
}

/* Parameters mean something only with the scalers with which they were trained, so both are copied.
 * The limits are those of the new data: a range that was never seen in the old data must be
 * reachable. */
enum err model_adopt(struct twin_model *m, const struct twin_model *from)
{
    const struct features *a = &m->features, *b = &from->features;
    if (a->n_in != b->n_in || a->n_target != b->n_target || a->n_state != b->n_state ||
        m->ensemble.n_members != from->ensemble.n_members || !same_networks(m, from)) {
        log_error("the twin to start from has another shape: %d inputs, %d targets, %d networks of "
                  "%zu parameters that predict the %s; this one %d, %d, %d, %zu, the %s",
                  b->n_in, b->n_target, from->ensemble.n_members, from->ensemble.mlp.n_params,
                  predicts(from), a->n_in, a->n_target, m->ensemble.n_members,
                  m->ensemble.mlp.n_params, predicts(m));
        return ERR_MISMATCH;
    }
    struct ensemble *to = &m->ensemble;
    memcpy(to->in_mean, from->ensemble.in_mean, (size_t)a->n_in * sizeof *to->in_mean);
    memcpy(to->in_inv, from->ensemble.in_inv, (size_t)a->n_in * sizeof *to->in_inv);
    memcpy(to->out_mean, from->ensemble.out_mean, (size_t)a->n_target * sizeof *to->out_mean);
    memcpy(to->out_std, from->ensemble.out_std, (size_t)a->n_target * sizeof *to->out_std);
    for (int i = 0; i < to->n_members; i++) {
        memcpy(to->members[i].params, from->ensemble.members[i].params,
               to->mlp.n_params * sizeof *to->members[i].params);
    }
    learn_limits(&m->features, &m->data);
    return ERR_OK;
}

/* ---- the file ---- */

/* The header is small beside the networks; its limits stand apart from their columns. */
static enum err put_header(struct buf *out, const struct twin_model *m, uint64_t traces,
                           const char *fit)
{
    struct arena scratch;
    const struct ensemble *e = &m->ensemble;
    const struct features *s = &m->features;
    const int n_columns = s->n_state + s->n_kpis;
    int32_t hidden[MLP_LAYERS_MAX];
    arena_init(&scratch);
    float *limits = ARENA_NEW(&scratch, 4 * n_columns, float);
    enum err err = arena_error(&scratch);
    for (int i = 0; err == ERR_OK && i < n_columns; i++) {
        const struct features_column *c = &s->columns[i];
        limits[4 * i] = c->lo, limits[4 * i + 1] = c->least;
        limits[4 * i + 2] = c->most, limits[4 * i + 3] = c->hi;
    }
    for (int i = 0; i + 1 < e->mlp.shape.n_layers; i++) {
        hidden[i] = e->mlp.shape.sizes[i + 1];
    }
    const struct twin_header h = {.traces = traces,
                                  .fit = fit,
                                  .history = s->history,
                                  .residual = e->residual,
                                  .hidden = hidden,
                                  .n_hidden = e->mlp.shape.n_layers - 1,
                                  .members = e->n_members,
                                  .in_mean = e->in_mean,
                                  .in_inv = e->in_inv,
                                  .out_mean = e->out_mean,
                                  .out_std = e->out_std,
                                  .limits = limits,
                                  .spread = m->spread,
                                  .n_in = s->n_in,
                                  .n_target = s->n_target,
                                  .n_columns = n_columns,
                                  .n_spread = MODEL_SPREADS};
    err = err == ERR_OK ? codec_put_twin(out, &h) : err;
    arena_release(&scratch);
    return err;
}

enum err model_put(struct buf *out, const struct twin_model *m, uint64_t traces, const char *fit)
{
    if (m->queueing != NULL) {
        TRY(put_queueing(out, m, traces, fit));
    }
    if (model_kind(m) == TWIN_QUEUEING) {
        return ERR_OK;
    }
    TRY(put_header(out, m, traces, fit));
    for (int i = 0; i < m->ensemble.n_members; i++) {
        TRY(model_put_member(out, m, i));
    }
    return ERR_OK;
}

enum err model_save(struct twin_model *m, const char *file, uint64_t traces, const char *fit)
{
    struct buf out;
    buf_init(&out);
    enum err e = model_put(&out, m, traces, fit);
    if (e == ERR_OK) {
        m->digest = hash_fnv1a(HASH_START, out.data, out.len);
        e = file_write(file, out.data, out.len);
    }
    buf_release(&out);
    return e;
}

/* What is in the file? Silent: what is no frame at all counts as networks. Those of a residual twin
 * stand behind its parameters. */
static enum twin_kind kind_of(const struct buf *bytes)
{
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, bytes->data, bytes->len, "a twin");
    if (frame_next(&r, &f) != FRAME_OK || f.kind != FRAME_TWIN_QUEUEING) {
        return TWIN_MLP;
    }
    return frame_next(&r, &f) == FRAME_OK && f.kind == FRAME_TWIN ? TWIN_RESIDUAL : TWIN_QUEUEING;
}

static enum err check_kind(const struct twin_cfg *cfg, const struct buf *bytes, const char *file)
{
    const enum twin_kind kind = kind_of(bytes);
    if ((int)kind != cfg->kind) {
        const char *found = kinds[kind].name;
        log_error("the twin %s is of kind %s, and twin.kind is %s; write --set twin.kind=%s, or "
                  "fit another twin (karma twin fit)",
                  file, found, kinds[cfg->kind].name, found);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

/* The traces decide how many inputs, targets and columns there are; another number means that file
 * and traces do not belong together. */
static enum err wrong_shape(const char *file, const char *what, int found, int expected)
{
    log_error("%s has %d %s, the traces beside it ask for %d; fit again", file, found, what,
              expected);
    return ERR_MISMATCH;
}

/* Numbers from a file, before anything is allocated or indexed by them. */
static enum err check_shape(const struct twin_header *h, const char *file)
{
    bool fine = h->history >= 1 && h->history <= FEATURES_HISTORY_MAX && h->members >= 1 &&
                h->members <= ENSEMBLE_MEMBERS_MAX && h->n_hidden >= 1 &&
                h->n_hidden < MLP_LAYERS_MAX && h->n_spread == MODEL_SPREADS;
    for (int i = 0; fine && i < h->n_hidden; i++) {
        fine = h->hidden[i] >= 1 && h->hidden[i] <= 65536;
    }
    if (!fine) {
        log_error("%s: no twin has this shape (history, networks, hidden layers)", file);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

/* A file of `bytes` bytes holds at most bytes / 4 weights. A header that claims more is refused
 * before memory for its networks is allocated. No overflow: after check_shape() a layer has at most
 * 2^16 units, so n stays far below 2^64 / members. */
static enum err check_room(const struct twin_header *h, size_t bytes, const char *file)
{
    size_t n = 0;
    for (int i = 0; i <= h->n_hidden; i++) {
        const int from = i == 0 ? h->n_in : h->hidden[i - 1];
        const int to = i == h->n_hidden ? 2 * h->n_target : h->hidden[i];
        n += (size_t)from * (size_t)to;
    }
    if (n * (size_t)h->members > bytes / sizeof(float)) {
        log_error("%s: %d networks of %zu weights do not fit into its %zu bytes", file, h->members,
                  n, bytes);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static enum err take_header(struct twin_model *m, struct arena *arena, const struct twin_header *h,
                            const char *file, const char *traces)
{
    int hidden[MLP_LAYERS_MAX];
    m->spread = ARENA_NEW(arena, MODEL_SPREADS, float);
    m->fit = arena_strdup(arena, h->fit);
    traces = choose_traces(arena, traces, h->traces);
    TRY(arena_error(arena));
    TRY(remember(m, arena, traces, h->history, file, h->traces));
    struct features *s = &m->features;
    if (m->cfg->kind == TWIN_RESIDUAL) {
        features_add_answer(s);
    }
    const int n_columns = s->n_state + s->n_kpis;
    if (h->n_in != s->n_in || h->n_target != s->n_target || h->n_columns != n_columns) {
        return h->n_in != s->n_in           ? wrong_shape(file, "inputs", h->n_in, s->n_in)
               : h->n_target != s->n_target ? wrong_shape(file, "targets", h->n_target, s->n_target)
                                            : wrong_shape(file, "columns", h->n_columns, n_columns);
    }
    for (int i = 0; i < h->n_hidden; i++) {
        hidden[i] = h->hidden[i];
    }
    const struct ensemble_shape shape = {.hidden = hidden,
                                         .n_hidden = h->n_hidden,
                                         .n_members = h->members,
                                         .residual = h->residual};
    TRY(ensemble_init(&m->ensemble, arena, s, &shape));
    memcpy(m->ensemble.in_mean, h->in_mean, (size_t)s->n_in * sizeof(float));
    memcpy(m->ensemble.in_inv, h->in_inv, (size_t)s->n_in * sizeof(float));
    memcpy(m->ensemble.out_mean, h->out_mean, (size_t)s->n_target * sizeof(float));
    memcpy(m->ensemble.out_std, h->out_std, (size_t)s->n_target * sizeof(float));
    memcpy(m->spread, h->spread, MODEL_SPREADS * sizeof(float));
    for (int i = 0; i < n_columns; i++) {
        struct features_column *c = &s->columns[i];
        c->lo = h->limits[4 * i], c->least = h->limits[4 * i + 1];
        c->most = h->limits[4 * i + 2], c->hi = h->limits[4 * i + 3];
    }
    return ERR_OK;
}

/* Version 1 had the same format, but other meanings of inputs and targets. */
static enum err check_version(const struct frame *f, const char *file, const char *traces)
{
    if (f->version == CODEC_TWIN_VERSION) {
        return ERR_OK;
    }
    log_error("%s was fitted by an earlier version of this program (format %u, this one needs %d); "
              "fit it again from its transitions: karma twin fit %s --out NEW",
              file, f->version, CODEC_TWIN_VERSION, traces);
    return ERR_VERSION;
}

/* Frames in the order in which model_put() writes them: of a residual twin the parameters; the
 * header, then each member. Nothing may follow. Each check comes before the first use of what it
 * checks. */
static enum err take_file(struct twin_model *m, struct arena *arena, const struct buf *bytes,
                          const char *file, const char *traces, struct arena *scratch)
{
    struct frame_reader r;
    struct frame f;
    struct twin_header h;
    struct twin_queueing queues = {.n = 0};
    TRY(check_kind(m->cfg, bytes, file));
    frame_reader_init(&r, bytes->data, bytes->len, file);
    if (m->cfg->kind == TWIN_QUEUEING) {
        return take_queueing(m, arena, &r, traces, scratch);
    }
    if (m->cfg->kind == TWIN_RESIDUAL) {
        TRY(next_queueing(&queues, &r, scratch));
    }
    TRY(frame_expect(&r, &f, FRAME_TWIN, CODEC_TWIN_VERSION));
    TRY(check_version(&f, file, traces));
    TRY(codec_get_twin(&h, f.payload, f.n, file, scratch));
    TRY(check_shape(&h, file));
    TRY(check_room(&h, bytes->len, file));
    TRY(take_header(m, arena, &h, file, traces));
    if (m->cfg->kind == TWIN_RESIDUAL) {
        TRY(take_topology(m, arena));
        TRY(take_params(m->queueing, &queues, file, scratch));
    }
    for (int i = 0; i < m->ensemble.n_members; i++) {
        TRY(frame_expect(&r, &f, FRAME_TWIN_MEMBER, CODEC_TWIN_VERSION));
        TRY(model_get_member(m, arena, i, f.payload, f.n, file, scratch));
        if (m->ensemble.members[i].residuals.n < RESIDUAL_POOL_MIN) {
            log_error("%s: network %d has no residuals to draw noise from", file, i);
            return ERR_FORMAT;
        }
    }
    return frame_expect_end(&r);
}

enum err model_read(struct twin_model *m, struct arena *arena, const struct twin_cfg *cfg,
                    const struct buf *bytes, const char *file, const char *traces)
{
    struct arena scratch;
    *m = (struct twin_model){.cfg = cfg};
    arena_init(&scratch);
    enum err e = take_file(m, arena, bytes, file, traces, &scratch);
    arena_release(&scratch);
    if (e == ERR_OK) {
        m->digest = hash_fnv1a(HASH_START, bytes->data, bytes->len);
        e = model_kind(m) == TWIN_MLP ? build_table(m, arena) : ERR_OK;
    }
    return e;
}

static enum err read_digest(uint64_t *digest, const struct buf *bytes, const char *file,
                            const char *traces, struct arena *scratch)
{
    struct frame_reader r;
    struct frame f;
    struct twin_header h;
    struct twin_queueing q;
    frame_reader_init(&r, bytes->data, bytes->len, file);
    if (kind_of(bytes) != TWIN_MLP) {
        TRY(next_queueing(&q, &r, scratch));
        *digest = q.traces;
        return ERR_OK;
    }
    TRY(frame_expect(&r, &f, FRAME_TWIN, CODEC_TWIN_VERSION));
    TRY(check_version(&f, file, traces));
    TRY(codec_get_twin(&h, f.payload, f.n, file, scratch));
    *digest = h.traces;
    return ERR_OK;
}

enum err model_find_traces(const char **traces, struct arena *arena, const char *file)
{
    struct buf bytes;
    struct arena scratch;
    uint64_t digest = 0;
    const char *plain = model_traces(arena, file), *pending = model_pending(arena, file);
    TRY(arena_error(arena));
    if (!file_exists(pending)) {
        *traces = plain;
        return ERR_OK;
    }
    buf_init(&bytes);
    arena_init(&scratch);
    enum err e = file_read(&bytes, file, FILE_MAX);
    e = e == ERR_OK ? read_digest(&digest, &bytes, file, plain, &scratch) : e;
    const char *found = e == ERR_OK ? choose_traces(arena, plain, digest) : NULL;
    *traces = found != NULL ? found : plain;
    arena_release(&scratch);
    buf_release(&bytes);
    return e == ERR_OK ? arena_error(arena) : e;
}

enum err model_load(struct twin_model *m, struct arena *arena, const struct twin_cfg *cfg,
                    const char *file)
{
    struct buf bytes;
    const char *traces = model_traces(arena, file);
    TRY(arena_error(arena));
    buf_init(&bytes);
    enum err e = file_read(&bytes, file, FILE_MAX);
    if (e == ERR_OK) {
        e = model_read(m, arena, cfg, &bytes, file, traces);
    }
    buf_release(&bytes);
    return e;
}
