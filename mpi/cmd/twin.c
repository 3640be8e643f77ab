/* karma twin: models of a cluster, learned from its traces. */
#include "core/base/log.h"
#include "core/eval/agreement.h"
#include "core/report/fidelity.h"
#include "core/report/table.h"
#include "mpi/cmd/commands.h"
#include "mpi/comm.h"
#include "mpi/experiment.h"
#include "mpi/fit.h"
#include "mpi/locking.h"
#include "mpi/selfcheck.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct options {
    const char **sets;
    int n_sets;
    const char *out, *config, *from, *on, *metric;
    int horizon, stride;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, config, "config", 'c', "CONFIG",
                  "where `fit` and `twin` stand (default: the defaults)"),
    OPTION_STRING(struct options, out, "out", 'o', "PATH",
                  "fit: the twin, PATH and PATH.traces; report: directory of figures"),
    OPTION_STRING(
        struct options, from, "from", 0, "TWIN",
        "fit: start from this twin and what it remembers; on validation episodes the new one is "
        "no worse"),
    OPTION_STRING(struct options, on, "on", 0, "STORE",
                  "report: on all episodes of this store, not on the held-out ones of the twin's"),
    OPTION_INT(struct options, horizon, "horizon", 0, "K", 1, ACCURACY_HORIZON_MAX,
               "report: periods ahead (default: 20)"),
    OPTION_INT(struct options, stride, "stride", 0, "N", 1, 1000,
               "report: predict from every N-th decision (default: 5)"),
    OPTION_STRING(struct options, metric, "metric", 0, "NAME",
                  "agree: by which controllers are ranked (default: compliance)"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"VERB",
     "fit: learn a twin from stores of traces, on all ranks | report: its accuracy on episodes it "
     "did not learn from, with and without its table and its networks | agree: do two evaluations, "
     "of the cluster and of the twin (eval.plant), rank controllers alike?",
     1, 1},
    {"FILE", "stores (fit; karma trace collect, import), a twin (report), two eval.csv (agree)", 1,
     100000},
    OPERAND_END,
};
static const struct command_line line = {
    "karma twin",
    "Digital twins: recorded transitions, else an ensemble of networks. `fit` (start it with "
    "mpi/launch -n RANKS) makes one from stores of traces; the result does not depend on RANKS. "
    "Policies train in it where a configuration says twin.file.",
    rows, operand_rows, sizeof(struct options)};

struct session {
    int *argc;
    char ***argv;
    const struct options *o;
    const char *const *files; /* (n_files) */
    int n_files;
    struct arena *arena;
};

/* `fit` and `twin` of a configuration, without building its world: its twin may not be there yet.
 */
static enum err load_config(struct experiment_cfg *cfg, const struct session *s)
{
    struct cfg reader;
    cfg_init(&reader, experiment_fields, sizeof *cfg, s->arena);
    return cfg_load(&reader, s->o->config, s->o->sets, s->o->n_sets, cfg);
}

/* ---- fit ---- */

static enum err print_members(const struct twin_model *m, struct arena *arena)
{
    static const char *const head[] = {"network", "passes", "validation error"};
    struct table t;
    table_init(&t, arena, head, 3, 1);
    for (int i = 0; i < m->ensemble.n_members; i++) {
        table_cell(&t, "%d", i);
        table_cell(&t, "%d", m->ensemble.members[i].epochs);
        table_cell(&t, "%.4f", m->ensemble.members[i].error);
    }
    return table_show(&t);
}

static enum err tell(const struct fit_outcome *f, const struct fit_order *o, struct arena *arena)
{
    const struct dataset *d = &f->model.data;
    if (f->waiting) {
        printf("%d new transitions, a refit waits for %d: nothing is changed\n", f->n_new,
               REFIT_TRANSITIONS);
        return ERR_OK;
    }
    printf("%d transitions for training, %d for validation, %d held out; %d inputs, %d targets\n",
           d->n_at[STORE_TRAIN], d->n_at[STORE_VALIDATION], d->n_at[STORE_HELD_OUT],
           f->model.space.n_in, f->model.space.n_target);
    TRY(print_members(&f->model, arena));
    printf("error: mean squared, in units of the targets' variance, on whole episodes\n");
    if (o->from != NULL) {
        printf("on old and new validation episodes: %.4f before, %.4f now\n", f->before, f->after);
    }
    printf("%s, digest %016" PRIx64 "\n", o->out, f->model.digest);
    return ERR_OK;
}

static enum err fit_on(struct comm *comm, struct session *s)
{
    struct experiment_cfg cfg;
    struct fit_outcome outcome;
    struct buf yaml;
    TRY(comm_agree(comm, load_config(&cfg, s)));
    TRY(selfcheck(comm, GEMM_FIXED));
    buf_init(&yaml);
    enum err e = cfg_print_resolved(&yaml, fit_fields, &cfg.fit, CFG_ALL);
    if (e == ERR_OK) {
        e = buf_append(&yaml, "", 1);
    }
    e = comm_agree(comm, e);
    if (e == ERR_OK) {
        const struct fit_order order = {.stores = s->files,
                                        .n_stores = s->n_files,
                                        .out = s->o->out,
                                        .from = s->o->from,
                                        .cfg = &cfg.fit,
                                        .yaml = (const char *)yaml.data};
        e = fit_run(comm, &outcome, s->arena, &order);
        if (e == ERR_OK && comm->rank == 0) {
            e = tell(&outcome, &order, s->arena);
        }
    }
    buf_release(&yaml);
    return e;
}

static enum err run_fit(struct session *s)
{
    struct comm comm;
    if (s->o->out == NULL) {
        log_error("karma twin fit: --out FILE is missing");
        return ERR_USAGE;
    }
    TRY(comm_init(&comm, s->argc, s->argv));
    const enum err e = fit_on(&comm, s);
    comm_finalize(&comm);
    return e;
}

/* ---- report ---- */

/* One twin, used in one way, and how well it did. */
struct trial {
    struct twin_cfg use;
    struct twin_model model;
    struct accuracy accuracy;
};

/* Episodes to predict: the twin's own, or another store's. */
struct examination {
    struct session *s;
    const struct plant_cfg *plant;
    struct accuracy_cfg cfg;
    struct dataset other;
    struct space space;
    struct arena scratch;
};

static enum err read_other(struct examination *x, const struct twin_model *m)
{
    struct store store;
    TRY(store_open(&store, x->s->arena, x->s->o->on));
    enum err e = store_same_header(&m->space.header, x->s->files[0], &store.header, x->s->o->on);
    if (e == ERR_OK) {
        e = dataset_read(&x->other, x->s->arena, &store, &m->space);
    }
    store_close(&store);
    return e;
}

static enum err examine(struct trial *t, struct examination *x)
{
    struct accuracy_cfg cfg = x->cfg;
    TRY(model_load(&t->model, x->s->arena, &t->use, x->s->files[0]));
    if (x->s->o->on != NULL && x->other.space == NULL) {
        TRY(read_other(x, &t->model));
    }
    cfg.data = x->s->o->on != NULL ? &x->other : &t->model.data;
    return accuracy_measure(&t->accuracy, x->s->arena, &t->model, x->plant, &cfg, &x->scratch);
}

/* Horizons of the tables: 1, 5, 20, as far as they go. */
static int choose_horizons(int *out, int horizon)
{
    int n = 0;
    for (int k = 1; k < horizon; k *= k == 1 ? 5 : 4) {
        out[n++] = k;
    }
    out[n++] = horizon;
    return n;
}

static enum err write_report(struct session *s, const struct fidelity *f,
                             const struct fidelity_pairs *pairs, struct arena *scratch)
{
    struct buf out;
    buf_init(&out);
    enum err e = fidelity_print(&out, f, scratch);
    if (e == ERR_OK) {
        fwrite(out.data, 1, out.len, stdout);
    }
    if (e == ERR_OK && s->o->out != NULL) {
        e = fidelity_figures(s->o->out, f, pairs, scratch);
        printf("\nfigures: data and scripts in %s; draw them with: karma figure %s\n", s->o->out,
               s->o->out);
    }
    buf_release(&out);
    return e;
}

static enum err report(struct session *s, struct examination *x, const struct experiment_cfg *cfg)
{
    static const char *const names[] = {"as used", "without the table", "without networks"};
    struct trial *trials = ARENA_NEW(s->arena, FIDELITY_TWINS_MAX, struct trial);
    struct fidelity_pairs *pairs;
    int horizons[8];
    struct fidelity f = {.horizons = horizons,
                         .n_horizons = choose_horizons(horizons, x->cfg.horizon),
                         .stat = {.seed = 1, .resamples = 1000, .level = 0.95}};
    if (trials == NULL) {
        return ERR_MEMORY;
    }
    TRY(fidelity_pairs_new(&pairs, s->arena, horizons, f.n_horizons));
    const struct accuracy_watch watch = fidelity_watch(pairs);
    for (int i = 0; i < FIDELITY_TWINS_MAX; i++) {
        trials[i].use = cfg->twin;
        trials[i].use.lookup = i == 1 ? LOOKUP_NONE : cfg->twin.lookup;
        trials[i].use.fallback = i == 2 ? FALLBACK_NEAREST : cfg->twin.fallback;
        x->cfg.watch = i == 0 ? &watch : NULL;
        TRY(examine(&trials[i], x));
        f.names[f.n_twins] = names[i];
        f.twins[f.n_twins++] = &trials[i].accuracy;
    }
    printf("%s, digest %016" PRIx64 ", %s\n", s->files[0], trials[0].model.digest,
           s->o->on != NULL ? s->o->on : "on its held-out episodes");
    return write_report(s, &f, pairs, &x->scratch);
}

static enum err run_report(struct session *s)
{
    struct experiment_cfg cfg;
    TRY(load_config(&cfg, s));
    struct examination x = {.s = s,
                            .plant = &cfg.plant,
                            .cfg = {.part = s->o->on != NULL ? ACCURACY_ALL : STORE_HELD_OUT,
                                    .horizon = s->o->horizon,
                                    .stride = s->o->stride,
                                    .seed = 1}};
    struct lock lock = {.fd = -1};
    if (s->o->out != NULL) {
        TRY(locking_dir(&lock, NULL, s->o->out, "karma twin report"));
    }
    arena_init(&x.scratch);
    const enum err e = report(s, &x, &cfg);
    arena_release(&x.scratch);
    locking_end(&lock);
    return e;
}

/* ---- agree ---- */

static enum err run_agree(struct session *s)
{
    static const char *const head[] = {"controller", "first", "second"};
    const char *metric = s->o->metric != NULL ? s->o->metric : "compliance";
    const struct stat_cfg stat = {.seed = 1, .resamples = 10000, .level = 0.95};
    struct agreement g;
    struct table t;
    TRY(agreement_read(&g, s->arena, s->files[0], s->files[1], metric, &stat));
    printf("%s, means over %d common episodes\nfirst:  %s\nsecond: %s\n\n", metric, g.n_episodes,
           s->files[0], s->files[1]);
    table_init(&t, s->arena, head, 3, 1);
    for (int i = 0; i < g.n_controllers; i++) {
        table_text(&t, g.controllers[i]);
        table_cell(&t, "%.4f", g.a[i]);
        table_cell(&t, "%.4f", g.b[i]);
    }
    TRY(table_show(&t));
    printf("\nKendall's tau %.3f [%.3f, %.3f] over %d controllers; between halves of the first: "
           "%.3f\n",
           g.tau.value, g.tau.lo, g.tau.hi, g.n_controllers, g.halves);
    return ERR_OK;
}

/* ---- verbs ---- */

static const struct verb {
    const char *name;
    enum err (*run)(struct session *s);
    int n_min, n_max; /* files */
} verbs[] = {
    {"fit", run_fit, 1, 100000},
    {"report", run_report, 1, 1},
    {"agree", run_agree, 2, 2},
};

static enum err run_verb(struct session *s, const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(v->name, name) != 0) {
            continue;
        }
        if (s->n_files < v->n_min || s->n_files > v->n_max) {
            log_error("karma twin %s: it takes %d FILE%s", name, v->n_min,
                      v->n_max > v->n_min ? " or more"
                      : v->n_min > 1      ? "s"
                                          : "");
            return ERR_USAGE;
        }
        return v->run(s);
    }
    log_error("karma twin: unknown verb '%s'; karma twin --help lists them", name);
    return ERR_USAGE;
}

enum err command_twin(int argc, char **argv)
{
    struct arena arena;
    struct options o = {.horizon = 20, .stride = 5};
    struct operands given;
    bool done = false;
    arena_init(&arena);
    enum err e = command_parse(&line, &arena, &o, &given, &done, argc, argv);
    if (e == ERR_OK && !done) {
        struct session s = {.argc = &argc,
                            .argv = &argv,
                            .o = &o,
                            .files = given.items + 1,
                            .n_files = given.n - 1,
                            .arena = &arena};
        e = run_verb(&s, given.items[0]);
    }
    arena_release(&arena);
    return e;
}
