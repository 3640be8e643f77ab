/* karma twin: how good a twin is. Fitting, which runs on ranks, stands in twin_fit.c. */
#include "core/base/log.h"
#include "core/base/shell.h"
#include "core/eval/answers.h"
#include "core/eval/rank_agreement.h"
#include "core/report/table.h"
#include "core/report/twin_report.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/input.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/policies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- report ---- */

struct options {
    const char **sets;
    int n_sets;
    const char *out, *config, *on;
    int horizon, stride;
};

static const struct option_row report_rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, config, "config", 'c', "CONFIG",
                  "where `twin` and `plant` stand (default: the defaults)"),
    OPTION_STRING(struct options, out, "out", 'o', "DIR", "directory of figures"),
    OPTION_STRING(struct options, on, "on", 0, "STORE",
                  "on all episodes of this store, not on the held-out ones of the twin's"),
    OPTION_INT(struct options, horizon, "horizon", 0, "K", 1, ACCURACY_HORIZON_MAX,
               "periods ahead (default: 20)"),
    OPTION_INT(struct options, stride, "stride", 0, "N", 1, 1000,
               "predict from every N-th decision (default: 5)"),
    OPTION_END,
};
static const struct operand_row report_operands[] = {
    {"TWIN", "a twin that `karma twin fit` made", 1, 1},
    OPERAND_END,
};
static const struct command_line report_line = {
    "karma twin report",
    "Prints the accuracy of a twin on episodes that it did not learn from, as it is used, without "
    "its table and without its networks.",
    report_rows, report_operands, sizeof(struct options)};

/* What the report works with. */
struct session {
    const struct options *o;
    const char *twin;
    struct arena *arena;
};

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
    struct features features;
    struct arena scratch;
};

/* The episodes of --on as the twin's networks see them. The store must have the columns of
 * the twin's own. */
static enum err read_other(struct examination *x, const struct twin_model *m)
{
    struct store store;
    TRY(store_open(&store, x->s->arena, x->s->o->on));
    enum err e = store_same_header(&m->features.header, x->s->twin, &store.header, x->s->o->on);
    if (e == ERR_OK) {
        e = dataset_read(&x->other, x->s->arena, &store, &m->features);
    }
    store_close(&store);
    return e;
}

/* Each trial loads the twin anew, because how it is used (table, fallback) is part of loading.
 * The other store is read once, with the features of the first: they do not depend on how the
 * twin is used. */
static enum err examine(struct trial *t, struct examination *x)
{
    struct accuracy_cfg cfg = x->cfg;
    TRY(model_load(&t->model, x->s->arena, &t->use, x->s->twin));
    if (x->s->o->on != NULL && x->other.features == NULL) {
        TRY(read_other(x, &t->model));
    }
    cfg.data = x->s->o->on != NULL ? &x->other : &t->model.data;
    return accuracy_measure(&t->accuracy, x->s->arena, &t->model, x->plant, &cfg, &x->scratch);
}

/* Horizons of the tables: 1, 5, 20, as far as they go. Then `horizon` itself. ACCURACY_HORIZON_MAX
 * is 100, so there are at most 1, 5, 20, 80 and the last: 5, of 8. */
static int choose_horizons(int *out, int horizon)
{
    int n = 0;
    for (int k = 1; k < horizon; k *= k == 1 ? 5 : 4) {
        out[n++] = k;
    }
    out[n++] = horizon;
    return n;
}

/* Tables to standard output; figures only with --out. */
static enum err write_report(struct session *s, const struct twin_report *f,
                             const struct twin_report_pairs *pairs, struct arena *scratch)
{
    struct buf out;
    buf_init(&out);
    enum err e = twin_report_print(&out, f, scratch);
    if (e == ERR_OK) {
        fwrite(out.data, 1, out.len, stdout);
    }
    if (e == ERR_OK && s->o->out != NULL) {
        e = twin_report_figures(s->o->out, f, pairs, scratch);
        const char *word = shell_word(scratch, s->o->out);
        printf("\nfigures: data and scripts in %s; draw them with: karma figure %s\n", s->o->out,
               word != NULL ? word : s->o->out);
    }
    buf_release(&out);
    return e;
}

/* Three trials of one twin, in the order of `names`: as configured, without its table of
 * transitions, and with the nearest recorded transition in the place of its networks. A queueing or
 * residual twin has no table, and is tried once. Pairs for the figures are collected in the first.
 * */
static enum err report(struct session *s, struct examination *x, const struct experiment_cfg *cfg)
{
    static const char *const names[] = {"as used", "without the table", "without networks"};
    struct trial *trials = ARENA_NEW(s->arena, TWIN_REPORT_TWINS_MAX, struct trial);
    struct twin_report_pairs *pairs;
    int horizons[8];
    struct twin_report f = {.horizons = horizons,
                            .n_horizons = choose_horizons(horizons, x->cfg.horizon),
                            .stat = {.seed = 1, .resamples = 1000, .level = 0.95}};
    TRY(arena_error(s->arena));
    TRY(twin_report_pairs_new(&pairs, s->arena, horizons, f.n_horizons));
    const struct accuracy_watch watch = twin_report_watch(pairs);
    const int n_trials = cfg->twin.kind == TWIN_MLP ? TWIN_REPORT_TWINS_MAX : 1;
    for (int i = 0; i < n_trials; i++) {
        trials[i].use = cfg->twin;
        trials[i].use.lookup = i == 1 ? LOOKUP_NONE : cfg->twin.lookup;
        trials[i].use.fallback = i == 2 ? FALLBACK_NEAREST : cfg->twin.fallback;
        x->cfg.watch = i == 0 ? &watch : NULL;
        TRY(examine(&trials[i], x));
        f.names[f.n_twins] = names[i];
        f.twins[f.n_twins++] = &trials[i].accuracy;
    }
    printf("%s, digest %016" PRIx64 ", %s\n", s->twin, trials[0].model.digest,
           s->o->on != NULL ? s->o->on : "on its held-out episodes");
    return write_report(s, &f, pairs, &x->scratch);
}

/* The twin is judged on its own held-out episodes, or on all of another store, which it did
 * not learn from. */
static enum err run_report(const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = {
        .command = c->line->command, .path = o->config, .sets = o->sets, .n_sets = o->n_sets};
    struct experiment_cfg cfg;
    struct session s = {.o = o, .twin = c->operands[0], .arena = c->arena};
    TRY(input_load_config(&cfg, c->arena, &in));
    struct examination x = {.s = &s,
                            .plant = &cfg.plant,
                            .cfg = {.part = o->on != NULL ? ACCURACY_ALL : STORE_HELD_OUT,
                                    .horizon = o->horizon,
                                    .stride = o->stride,
                                    .seed = 1}};
    struct lock lock = {.fd = -1};
    if (o->out != NULL) {
        TRY(locking_dir(&lock, NULL, o->out, "karma twin report", "--out DIR"));
    }
    arena_init(&x.scratch);
    const enum err e = report(&s, &x, &cfg);
    arena_release(&x.scratch);
    locking_end(&lock);
    return e;
}

static enum err twin_report(int argc, char **argv)
{
    struct options o = {.horizon = 20, .stride = 5};
    return command_call(&report_line, &o, run_report, argc, argv);
}

/* ---- agree ---- */

struct agree_options {
    const char *metric;
};
static const struct option_row agree_rows[] = {
    OPTION_STRING(
        struct agree_options, metric, "metric", 0, "NAME",
        "by which controllers are ranked (default: slo_attainment); vcpu is always compared, too"),
    OPTION_END,
};
static const struct operand_row agree_operands[] = {
    {"EVAL.CSV", "two of them: of the cluster and of the twin (eval.plant)", 2, 2},
    OPERAND_END,
};
static const struct command_line agree_line = {
    "karma twin agree",
    "Do two evaluations, of the cluster and of the twin, say the same of controllers? Prints the "
    "means over their common episodes, how far they are apart, and Kendall's tau.",
    agree_rows, agree_operands, sizeof(struct agree_options)};

/* Means of a metric in both, and how far they are apart. */
static enum err print_means(const struct rank_agreement *g, const struct rank_agreement *cost,
                            struct arena *arena)
{
    static const char *const head[] = {"controller", "first",  "second",    "difference",
                                       "vCPU first", "second", "difference"};
    struct table t;
    table_init(&t, arena, head, cost != NULL ? 7 : 4, 1);
    for (int i = 0; i < g->n_controllers; i++) {
        table_text(&t, g->controllers[i]);
        table_cell(&t, "%.4f", g->a[i]);
        table_cell(&t, "%.4f", g->b[i]);
        table_cell(&t, "%+.4f", g->b[i] - g->a[i]);
        if (cost != NULL) {
            table_cell(&t, "%.3f", cost->a[i]);
            table_cell(&t, "%.3f", cost->b[i]);
            table_cell(&t, "%+.3f", cost->b[i] - cost->a[i]);
        }
    }
    return table_show(&t);
}

/* By groups: the first words of the controllers' names. Groups depend on names only, so row i of
 * `gaps` and row i of `costs` are the same group. */
static enum err print_gaps(const struct rank_agreement *g, const struct rank_agreement *cost,
                           struct arena *arena)
{
    static const char *const head[] = {"group",           "worst in",    "controllers",
                                       "mean error",      "worst error", "mean vCPU error",
                                       "worst vCPU error"};
    struct rank_agreement_gap *gaps =
        ARENA_NEW(arena, g->n_controllers + 1, struct rank_agreement_gap);
    struct rank_agreement_gap *costs =
        ARENA_NEW(arena, g->n_controllers + 1, struct rank_agreement_gap);
    struct table t;
    TRY(arena_error(arena));
    const int n = rank_agreement_gaps(gaps, g);
    table_init(&t, arena, head, cost != NULL ? 7 : 5, 2);
    if (cost != NULL) {
        (void)rank_agreement_gaps(costs, cost);
    }
    for (int i = 0; i < n; i++) {
        if (gaps[i].group == NULL) {
            table_text(&t, "(all)");
        } else {
            table_cell(&t, "%.*s", gaps[i].group_length, gaps[i].group);
        }
        table_text(&t, gaps[i].worst_of);
        table_cell(&t, "%d", gaps[i].n);
        table_cell(&t, "%.4f", gaps[i].mean);
        table_cell(&t, "%.4f", gaps[i].worst);
        if (cost != NULL) {
            table_cell(&t, "%.3f", costs[i].mean);
            table_cell(&t, "%.3f", costs[i].worst);
        }
    }
    return table_show(&t);
}

/* Of vcpu only means and their differences are printed and no interval, so few resamples do. */
static enum err run_agree(const struct call *c)
{
    const struct agree_options *o = c->options;
    const char *const first = c->operands[0], *const second = c->operands[1];
    const char *metric = o->metric != NULL ? o->metric : "slo_attainment";
    const bool priced = strcmp(metric, "vcpu") != 0;
    const struct stat_cfg stat = {.seed = 1, .resamples = 10000, .level = 0.95};
    const struct stat_cfg once = {.seed = 1, .resamples = 100, .level = 0.95};
    struct rank_agreement g, vcpu;
    TRY(rank_agreement_read(&g, c->arena, first, second, metric, &stat));
    if (priced) {
        TRY(rank_agreement_read(&vcpu, c->arena, first, second, "vcpu", &once));
    }
    printf("%s, means over %d common episodes\nfirst:  %s\nsecond: %s\n\n", metric, g.n_episodes,
           first, second);
    TRY(print_means(&g, priced ? &vcpu : NULL, c->arena));
    printf("\nErrors: |second - first| of the means\n\n");
    TRY(print_gaps(&g, priced ? &vcpu : NULL, c->arena));
    printf("\nKendall's tau %.3f [%.3f, %.3f] over %d controllers; between halves of the first: "
           "%.3f\n",
           g.tau.value, g.tau.lo, g.tau.hi, g.n_controllers, g.halves);
    return ERR_OK;
}

static enum err twin_agree(int argc, char **argv)
{
    struct agree_options o = {.metric = NULL};
    return command_call(&agree_line, &o, run_agree, argc, argv);
}

/* ---- answers ---- */

/* Shares of all steps that the twin made for a controller, by who answered them. */
static enum err print_answers(const struct answers *all, const struct eval_cfg *cfg,
                              struct arena *arena)
{
    static const char *const head[] = {"controller", "table", "networks", "nearest", "hold"};
    struct table t;
    table_init(&t, arena, head, 5, 1);
    for (int k = 0; k < cfg->n_controllers; k++) {
        table_text(&t, controller_label(&cfg->controllers[k]));
        for (int i = 0; i < TWIN_SOURCES; i++) {
            table_cell(&t, "%.1f %%", 100.0 * (double)all[k].asked[i] / (double)all[k].steps);
        }
    }
    return table_show(&t);
}

/* Episodes are played for the counts alone; their metrics are not looked at. */
static enum err answers_of(const struct experiment *x, const struct call *c)
{
    const struct eval_cfg *cfg = &x->cfg.eval;
    struct policies policies;
    struct answers *all = ARENA_NEW(c->arena, cfg->n_controllers, struct answers);
    TRY(arena_error(c->arena));
    TRY(policies_load(&policies, c->arena, x, POLICIES_ALL, c->operands[0]));
    TRY(answers_count(all, c->arena, cfg, &x->env_setup, &x->rules, policies.teams));
    printf("Who answers in the twin, share of the steps; %d episodes of each scenario\n\n",
           cfg->episodes);
    return print_answers(all, cfg, c->arena);
}

struct answers_options {
    const char **sets;
    int n_sets;
};
static const struct option_row answers_rows[] = {
    EXPERIMENT_SET_OPTION(struct answers_options),
    OPTION_END,
};
static const struct operand_row answers_operands[] = {
    {"CONFIG", "a configuration that names a twin (twin.file)", 1, 1},
    OPERAND_END,
};
static const struct command_line answers_line = {
    "karma twin answers",
    "Plays the controllers of a configuration in its twin and prints, for each controller, which "
    "share of the steps the twin's table and its networks answer.",
    answers_rows, answers_operands, sizeof(struct answers_options)};

/* The twin is loaded whatever eval.plant says, since the answers asked for are the twin's. */
static enum err run_answers(const struct call *c)
{
    const struct answers_options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    TRY(input_load(&x, &in));
    enum err e = experiment_load_twin(&x);
    if (e == ERR_OK && x.env_setup.twin != NULL && x.env_setup.twin->queueing != NULL) {
        log_error(
            "the twin %s is of kind %s, and its queues answer every step, without a table; its "
            "accuracy: karma twin report %s",
            x.cfg.twin.file, twin_kind_name((enum twin_kind)x.cfg.twin.kind), x.cfg.twin.file);
        e = ERR_CONFIG;
    }
    e = e == ERR_OK ? answers_of(&x, c) : e;
    experiment_release(&x);
    return e;
}

static enum err twin_answers(int argc, char **argv)
{
    struct answers_options o = {.sets = NULL};
    return command_call(&answers_line, &o, run_answers, argc, argv);
}

/* ---- verbs ---- */

const struct command twin_verbs[] = {
    {.name = "fit",
     .summary = "learn a twin from stores of traces, on all ranks",
     .run = twin_fit,
     .stops = true},
    {.name = "report",
     .summary = "its accuracy on episodes that it did not learn from",
     .run = twin_report},
    {.name = "agree",
     .summary = "do two evaluations, of cluster and twin, say the same of controllers?",
     .run = twin_agree},
    {.name = "answers",
     .summary = "how often its table and its networks answer each controller",
     .run = twin_answers},
    {.name = NULL},
};
