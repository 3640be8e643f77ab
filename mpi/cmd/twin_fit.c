/* karma twin fit: stores of traces in, a twin out, on all ranks.
 *
 * The configuration is read on every rank. Its sections `fit` and `twin` (the kind) are used, and
 * for a queueing or a residual twin `plant`: the windows of the monitoring, the time-out and the
 * limit of latency. What is fitted, and why the result does not depend on the ranks, stands in
 * mpi/jobs/fit.h; this file prints what came of it, on rank 0. */
#include "mpi/jobs/fit.h"

#include "core/report/table.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/selfcheck.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    const char **sets;
    int n_sets;
    const char *out, *config, *from;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(
        struct options, config, "config", 'c', "CONFIG",
        "where `fit`, `twin` and, for a queueing or residual twin, `plant` stand (default: the "
        "defaults)"),
    OPTION_STRING(struct options, out, "out", 'o', "TWIN",
                  "the twin that is written: TWIN and TWIN.traces"),
    OPTION_STRING(struct options, from, "from", 0, "TWIN",
                  "start from this twin and its transitions; on validation episodes the new one is "
                  "no worse"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"STORE", "stores of transitions (karma trace collect, karma trace import)", 1, 100000},
    OPERAND_END,
};
static const struct command_line line = {
    "karma twin fit",
    "Learns a twin from stores of traces. Start it with mpi/launch -n RANKS; the result does not "
    "depend on RANKS.",
    rows, operand_rows, sizeof(struct options)};

/* passes: epochs until the network was best on the validation episodes; 0 in a refit that kept
 * the old one. */
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

/* The parameters, as TWIN.csv has them. */
static enum err tell_queues(const struct fit_outcome *f, struct arena *arena)
{
    static const char *const head[] = {"parameter", "unit", "value", "interval"};
    const struct queueing *q = f->model.queueing;
    struct table t;
    table_init(&t, arena, head, 4, 2);
    for (int i = 0; i < q->n; i++) {
        const struct queueing_param *p = &q->params[i];
        const char *name = queueing_name(q, i, arena);
        TRY(arena_error(arena));
        table_text(&t, name);
        table_text(&t, queueing_limits_of(q, i)->unit);
        table_cell(&t, "%.4g", p->value);
        table_cell(&t, "[%.4g, %.4g]", p->lo, p->hi);
    }
    TRY(table_show(&t));
    printf("intervals: 95 %%, %d training episodes resampled\n", q->n_episodes);
    printf("%son %d validation episodes, from their first decision on: mean error of the share "
           "answered in time %.4f, of the CPU used %.0f mcpu\n",
           model_kind(&f->model) == TWIN_RESIDUAL ? "the queues alone, " : "", f->errors.n_episodes,
           f->errors.in_time, f->errors.used_m);
    return ERR_OK;
}

static enum err tell_networks(const struct fit_outcome *f, const struct fit_order *o,
                              struct arena *arena)
{
    TRY(print_members(&f->model, arena));
    printf("error: mean squared, in units of the targets' variance, on whole episodes\n");
    if (model_kind(&f->model) == TWIN_RESIDUAL) {
        printf("targets: what was recorded less the queues' answer\n");
    }
    if (o->from != NULL) {
        printf("on old and new validation episodes: %.4f before, %.4f now\n", f->before, f->after);
    }
    return ERR_OK;
}

/* A refit that waits has no new networks, so there is nothing more to print. */
static enum err tell(const struct fit_outcome *f, const struct fit_order *o, struct arena *arena)
{
    const struct dataset *d = &f->model.data;
    const enum twin_kind kind = model_kind(&f->model);
    if (f->waiting) {
        printf("%d new transitions, a refit waits for %d: nothing is changed\n", f->n_new,
               REFIT_TRANSITIONS);
        return ERR_OK;
    }
    printf("%d transitions for training, %d for validation, %d held out", d->n_at[STORE_TRAIN],
           d->n_at[STORE_VALIDATION], d->n_at[STORE_HELD_OUT]);
    if (kind != TWIN_QUEUEING) {
        printf("; %d inputs, %d targets", f->model.features.n_in, f->model.features.n_target);
    }
    printf("\n");
    if (kind != TWIN_MLP) {
        TRY(tell_queues(f, arena));
    }
    if (kind != TWIN_QUEUEING) {
        TRY(tell_networks(f, o, arena));
    }
    printf("%s, digest %016" PRIx64 "\n", o->out, f->model.digest);
    return ERR_OK;
}

/* `fit` as YAML text, NUL-terminated. */
static enum err print_settings(struct buf *yaml, const struct fit_cfg *fit)
{
    TRY(cfg_print_resolved(yaml, fit_fields, fit, CFG_ALL));
    return buf_append(yaml, "", 1);
}

/* The configuration, nothing built from it: its twin may not be there yet. */
static enum err load(struct experiment_cfg *cfg, struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = {
        .command = c->line->command, .path = o->config, .sets = o->sets, .n_sets = o->n_sets};
    ranks_mute(comm, true);
    const enum err e = input_load_config(cfg, c->arena, &in);
    ranks_mute(comm, false);
    TRY(comm_agree(comm, e));
    return selfcheck(comm, GEMM_FIXED);
}

/* `yaml` is kept in the twin: with which settings it was fitted. */
static enum err fit_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    struct experiment_cfg cfg;
    struct fit_outcome outcome;
    struct buf yaml;
    TRY(load(&cfg, comm, c));
    buf_init(&yaml);
    enum err e = comm_agree(comm, print_settings(&yaml, &cfg.fit));
    if (e == ERR_OK) {
        const struct fluid_cfg fluid = twin_fluid_cfg(&cfg.twin);
        const struct fit_order order = {.kind = (enum twin_kind)cfg.twin.kind,
                                        .plant = &cfg.plant,
                                        .fluid = &fluid,
                                        .stores = c->operands,
                                        .n_stores = c->n_operands,
                                        .out = o->out,
                                        .from = o->from,
                                        .cfg = &cfg.fit,
                                        .yaml = (const char *)yaml.data};
        e = fit_run(comm, &outcome, c->arena, &order);
        if (e == ERR_OK && comm->rank == 0) {
            e = tell(&outcome, &order, c->arena);
        }
    }
    buf_release(&yaml);
    return e;
}

/* --out may be the twin of --from, which is replaced when the new one is complete, but not one
 * of the stores. */
static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->out == NULL) {
        return command_misused(c, "--out is missing; write --out TWIN, the twin to write");
    }
    TRY(command_spares_operands(c, o->out));
    return ranks_run(c, fit_on);
}

enum err twin_fit(int argc, char **argv)
{
    struct options o = {.out = NULL};
    return command_call(&line, &o, run, argc, argv);
}
