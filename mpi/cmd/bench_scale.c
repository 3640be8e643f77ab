/* karma bench scale: measures a few updates, and predicts trainings on many ranks.
 *
 * The first call in DIR measures the constants: it needs two ranks or more, between which messages
 * can be timed. It makes a few updates twice, once with every rank learning and once with one
 * learner, so that what a learning rank needs for each tile can be told from what it needs in any
 * case. The constants stay in DIR/constants.csv. Each later call, on any number of ranks, measures
 * the updates only and compares them with the prediction: a row of DIR/check.csv. */
#include "core/base/csv.h"
#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/report/figure.h"
#include "core/report/table.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/experiment.h"
#include "mpi/jobs/scale.h"
#include "mpi/train/train.h"
#include "mpi/train/train_game.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct options {
    const char **sets;
    int n_sets;
    const char *out;
    int measured, updates, ranks, each, per_place, straggle, preempt, checkpoint_s, restart_s, seed;
};

#define O struct options
static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(O),
    OPTION_STRING(O, out, "out", 'o', "DIR", "directory of the tables and the figure"),
    OPTION_INT(O, measured, "measure", 'm', "N", 2, 1000,
               "updates that are measured; 8 if not given"),
    OPTION_INT(O, updates, "updates", 'u', "N", 1, 100000000,
               "updates until convergence; train.updates if not given"),
    OPTION_INT(O, ranks, "ranks", 0, "N", 1, 1000000, "the largest farm; 10000 if not given"),
    OPTION_INT(O, each, "each", 0, "N", 1, 10000,
               "ranks of a training in the farm; 1 if not given"),
    OPTION_INT(O, per_place, "per-place", 0, "N", 1, 1000,
               "trainings for each place of the farm; 4 if not given"),
    OPTION_INT(
        O, straggle, "straggle", 0, "PERCENT", 0, 300,
        "stragglers: standard deviation of the logarithm of a training's time; 10 if not given"),
    OPTION_INT(O, preempt, "preempt", 0, "N", 0, 1000000,
               "preemptions in 1000 hours of a rank; 20 if not given"),
    OPTION_INT(O, checkpoint_s, "checkpoint", 0, "S", 0, 1000000,
               "seconds between checkpoints; 60 if not given"),
    OPTION_INT(O, restart_s, "restart", 0, "S", 0, 1000000,
               "seconds from a preemption until the training goes on; 60 if not given"),
    OPTION_INT(O, seed, "seed", 0, "S", 0, 2147483647,
               "of stragglers and preemptions; 1 if not given"),
    OPTION_END,
};
#undef O
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration of the training", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {"karma bench scale",
                                         "Predicts how a training, and a farm of independent "
                                         "trainings, scales with the number of ranks. "
                                         "Start it with mpi/launch -n RANKS. The first call "
                                         "measures this machine and its network on two "
                                         "ranks or more; later calls in the same DIR, on any "
                                         "number of ranks, add a row that compares the "
                                         "prediction with what they measure.",
                                         rows, operand_rows, sizeof(struct options)};

enum { TRAININGS_MAX = 10 * 1000 * 1000 }; /* of a farm: seconds of drawing */

/* ---- constants.csv ---- */

/* Numbers that a file keeps, by name. */
struct constant {
    const char *name;
    size_t offset;
};
#define C(member)                                                                                  \
    {                                                                                              \
#member, offsetof(struct balance_costs, member)                                            \
    }
static const struct constant constants[] = {
    C(simulate_s),    C(update_s),       C(fixed_s),   C(rest_s),     C(block_s),
    C(net.latency_s), C(net.overhead_s), C(net.gap_s), C(net.byte_s),
};
#undef C
enum { N_CONSTANTS = sizeof constants / sizeof *constants };

static double *constant_at(struct balance_costs *c, int i)
{
    return (double *)(void *)((char *)c + constants[i].offset);
}

static enum err put_constants(struct balance_costs *c, const char *path, struct arena *arena)
{
    static const char *const columns[] = {"constant", "seconds"};
    struct csv csv;
    TRY(csv_create(&csv, arena, path, columns, 2));
    enum err e = ERR_OK;
    for (int i = 0; i < N_CONSTANTS && e == ERR_OK; i++) {
        csv_text(&csv, constants[i].name);
        csv_exact(&csv, *constant_at(c, i));
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    return e;
}

/* The rows must be those that put_constants() writes, in their order. */
static enum err read_constants(struct balance_costs *c, struct csv_reader *r)
{
    const char *cells[2];
    enum csv_status status;
    TRY(csv_reader_next(r, cells, 2, &status));
    for (int i = 0; i < N_CONSTANTS; i++) {
        TRY(csv_reader_next(r, cells, 2, &status));
        if (status != CSV_ROW || strcmp(cells[0], constants[i].name) != 0) {
            log_error("%s:%d: expected the constant %s; remove the file, and the next call on two "
                      "ranks measures again",
                      r->path, r->line, constants[i].name);
            return ERR_FORMAT;
        }
        TRY(csv_reader_number(constant_at(c, i), r, cells[1], constants[i].name));
    }
    return ERR_OK;
}

static enum err get_constants(struct balance_costs *c, const char *path)
{
    struct csv_reader r;
    TRY(csv_reader_open(&r, path));
    const enum err e = read_constants(c, &r);
    csv_reader_close(&r);
    return e;
}

/* ---- measuring ---- */

struct bench {
    struct comm *comm;
    struct experiment *x;
    const struct options *o;
    int converged; /* updates */
    const char *constants_path;
    bool known; /* constants.csv is there */
    struct balance_costs costs;
    struct balance_forecast predicted, measured; /* on these ranks */
};

/* An update with `learners`, on all ranks. */
static enum err measure(struct bench *b, struct train_measured *out, int learners)
{
    struct experiment *x = b->x;
    struct train_game game;
    struct train_setup setup = {.train = &x->cfg.train,
                                .envs = &game.envs,
                                .learners = game.learners,
                                .interface = x->method.interface,
                                .rules = &x->rules,
                                .config = (const char *)x->resolved.data,
                                .features = x->method.columns};
    x->cfg.train.learners = learners;
    setup.run_dir = arena_printf(&x->arena, "%s/run", b->o->out);
    train_game_init(&game, &x->cfg.train, &x->method);
    enum err e = experiment_training_digest(&setup.config_digest, &x->cfg);
    e = e == ERR_OK ? arena_error(&x->arena) : e;
    TRY(comm_agree(b->comm, e));
    return train_measure(b->comm, out, &setup);
}

/* Fused ranks learn from n / P tiles each, a single learner from all n: two points of the line
 * u0 + u l. Noise may turn the line upside down; then all is put down to the tiles. */
static enum err measure_constants(struct bench *b)
{
    struct train_measured fused, split;
    const int n = (b->x->cfg.train.envs + 7) / 8;
    TRY(measure(b, &fused, 0));
    TRY(measure(b, &split, 1));
    b->costs = fused.costs;
    const double most = ceil((double)n / b->comm->size);
    const double of_fused = fused.costs.update_s * n / b->comm->size;
    const double of_split = split.costs.update_s * n;
    const double u = (of_split - of_fused) / (n - (double)n / b->comm->size);
    const double fixed = of_split - u * n;
    if (most < n && u > 0.0 && fixed > 0.0) {
        b->costs.update_s = u;
        b->costs.fixed_s = fixed;
    }
    b->measured = fused.update;
    return b->comm->rank == 0 ? put_constants(&b->costs, b->constants_path, &b->x->arena) : ERR_OK;
}

/* The constants are those of an earlier call; what was just measured supplies what a file does not
 * keep: shapes and counts. */
static enum err measure_update(struct bench *b, int learners)
{
    struct train_measured m;
    TRY(measure(b, &m, learners));
    b->costs = m.costs;
    b->measured = m.update;
    return get_constants(&b->costs, b->constants_path);
}

/* On one rank there are no sums, so their number is not known there: it is that of two ranks. */
static enum err measure_all(struct bench *b)
{
    struct comm *comm = b->comm;
    const int n_tiles = (b->x->cfg.train.envs + 7) / 8;
    const int learners = comm->size > n_tiles ? 1 : 0;
    if (!b->known && (comm->size < 2 || learners != 0)) {
        if (comm->rank == 0 && n_tiles < 2) {
            log_error(
                "train.envs is %d, which is a single tile of 8 environments: there is nothing "
                "that two ranks could share; set train.envs to at least 16",
                b->x->cfg.train.envs);
        } else if (comm->rank == 0) {
            log_error(
                "%s does not exist yet, and %d rank%s cannot measure it: the first call needs "
                "2 to %d ranks (mpi/launch -n 2 karma bench scale ...)",
                b->constants_path, comm->size, comm->size == 1 ? "" : "s", n_tiles);
        }
        return ERR_USAGE;
    }
    TRY(comm_agree(comm, b->known ? measure_update(b, learners) : measure_constants(b)));
    struct balance_costs here = b->costs;
    here.size = comm->size;
    return comm_agree(comm, balance_predict(&b->predicted, &here, learners, 0, &b->x->arena));
}

/* ---- check.csv ---- */

enum { N_CHECK = 5 };
static const char *const check_columns[N_CHECK] = {"ranks", "predicted_cpu_s", "measured_cpu_s",
                                                   "predicted_messages", "measured_messages"};

static enum err put_check(const struct bench *b, const char *path)
{
    struct csv csv;
    struct arena *arena = &b->x->arena;
    TRY(b->known && file_exists(path)
            ? csv_resume(&csv, arena, path, check_columns, N_CHECK, CSV_KEEP_ALL)
            : csv_create(&csv, arena, path, check_columns, N_CHECK));
    csv_int(&csv, b->comm->size);
    csv_num(&csv, b->predicted.cpu_s);
    csv_num(&csv, b->measured.cpu_s);
    csv_num(&csv, b->predicted.messages);
    csv_num(&csv, b->measured.messages);
    const enum err e = csv_end_row(&csv);
    csv_close(&csv);
    return e;
}

/* ---- scale.csv and the tables ---- */

enum { N_SCALE = 16, CHECKS_MAX = 256 };
static const char *const scale_columns[N_SCALE] = {
    "kind",       "ranks",           "learners",       "simulated",
    "update_s",   "seconds",         "efficiency",     "cpu_s",
    "messages",   "bytes",           "trainings",      "preemptions",
    "lost_share", "predicted_cpu_s", "measured_cpu_s", "measured_messages"};

static void skip_cells(struct csv *csv, int n)
{
    for (int i = 0; i < n; i++) {
        csv_num(csv, NAN);
    }
}

static enum err put_run(struct csv *csv, const struct scale_run *r)
{
    csv_text(csv, "run");
    csv_int(csv, r->ranks);
    csv_int(csv, r->table.learners);
    csv_int(csv, r->table.simulated);
    csv_num(csv, r->update.update_s);
    csv_num(csv, r->converged_s);
    csv_num(csv, r->efficiency);
    csv_num(csv, r->update.cpu_s);
    csv_num(csv, r->update.messages);
    csv_num(csv, r->update.bytes);
    skip_cells(csv, N_SCALE - 10);
    return csv_end_row(csv);
}

static enum err put_farm(struct csv *csv, const struct scale_farm *f)
{
    csv_text(csv, "farm");
    csv_int(csv, f->ranks);
    skip_cells(csv, 3);
    csv_num(csv, f->seconds);
    csv_num(csv, f->efficiency);
    skip_cells(csv, 3);
    csv_int(csv, f->trainings);
    csv_num(csv, f->preemptions);
    csv_num(csv, f->lost_share);
    skip_cells(csv, 3);
    return csv_end_row(csv);
}

struct check {
    double cells[N_CHECK];
};

static enum err put_check_row(struct csv *csv, const struct check *k)
{
    csv_text(csv, "check");
    csv_num(csv, k->cells[0]);
    skip_cells(csv, 6);
    csv_num(csv, k->cells[3]);
    skip_cells(csv, 4);
    csv_num(csv, k->cells[1]);
    csv_num(csv, k->cells[2]);
    csv_num(csv, k->cells[4]);
    return csv_end_row(csv);
}

static enum err read_checks(struct check *checks, int *n, const char *path)
{
    struct csv_reader r;
    const char *cells[N_CHECK];
    enum csv_status status = CSV_ROW;
    *n = 0;
    TRY(csv_reader_open(&r, path));
    enum err e = csv_reader_next(&r, cells, N_CHECK, &status);
    while (e == ERR_OK && *n < CHECKS_MAX) {
        e = csv_reader_next(&r, cells, N_CHECK, &status);
        if (e != ERR_OK || status != CSV_ROW) {
            break;
        }
        for (int i = 0; i < N_CHECK && e == ERR_OK; i++) {
            e = csv_reader_number(&checks[*n].cells[i], &r, cells[i], check_columns[i]);
        }
        ++*n;
    }
    csv_reader_close(&r);
    return e;
}

/* By the number of ranks; rows of equal ranks stay in their order. */
static void sort_checks(struct check *checks, int n)
{
    for (int i = 1; i < n; i++) {
        const struct check k = checks[i];
        int at = i;
        for (; at > 0 && checks[at - 1].cells[0] > k.cells[0]; at--) {
            checks[at] = checks[at - 1];
        }
        checks[at] = k;
    }
}

struct results {
    struct scale_run runs[SCALE_ROWS_MAX];
    struct scale_farm farms[SCALE_ROWS_MAX];
    struct check checks[CHECKS_MAX];
    int n_runs, n_farms, n_checks;
};

static enum err put_scale(const struct results *r, const char *path, struct arena *arena)
{
    struct csv csv;
    TRY(csv_create(&csv, arena, path, scale_columns, N_SCALE));
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < r->n_runs; i++) {
        e = put_run(&csv, &r->runs[i]);
    }
    for (int i = 0; e == ERR_OK && i < r->n_farms; i++) {
        e = put_farm(&csv, &r->farms[i]);
    }
    for (int i = 0; e == ERR_OK && i < r->n_checks; i++) {
        e = put_check_row(&csv, &r->checks[i]);
    }
    csv_close(&csv);
    return e;
}

static enum err show_runs(const struct results *r, struct arena *arena)
{
    static const char *const head[] = {
        "one training, ranks", "learners", "update, ms", "to convergence, s",
        "efficiency",          "messages", "MB sent"};
    struct table t;
    table_init(&t, arena, head, 7, 1);
    for (int i = 0; i < r->n_runs; i++) {
        const struct scale_run *run = &r->runs[i];
        table_cell(&t, "%d", run->ranks);
        table_cell(&t, "%d", run->table.learners == 0 ? run->ranks : run->table.learners);
        table_cell(&t, "%.2f", 1e3 * run->update.update_s);
        table_cell(&t, "%.1f", run->converged_s);
        table_cell(&t, "%.2f", run->efficiency);
        table_cell(&t, "%.0f", run->update.messages);
        table_cell(&t, "%.2f", 1e-6 * run->update.bytes);
    }
    return table_show(&t);
}

static enum err show_farms(const struct results *r, struct arena *arena)
{
    static const char *const head[] = {"farm, ranks", "trainings",   "until the last ends, s",
                                       "efficiency",  "preemptions", "time lost"};
    struct table t;
    table_init(&t, arena, head, 6, 1);
    for (int i = 0; i < r->n_farms; i++) {
        const struct scale_farm *f = &r->farms[i];
        table_cell(&t, "%d", f->ranks);
        table_cell(&t, "%d", f->trainings);
        table_cell(&t, "%.0f", f->seconds);
        table_cell(&t, "%.2f", f->efficiency);
        table_cell(&t, "%.0f", f->preemptions);
        table_cell(&t, "%.1f %%", 100.0 * f->lost_share);
    }
    return table_show(&t);
}

static enum err show_checks(const struct results *r, struct arena *arena)
{
    static const char *const head[] = {"check, ranks", "CPU predicted, ms",  "measured",
                                       "ratio",        "messages predicted", "measured"};
    struct table t;
    table_init(&t, arena, head, 6, 1);
    for (int i = 0; i < r->n_checks; i++) {
        const double *c = r->checks[i].cells;
        table_cell(&t, "%.0f", c[0]);
        table_cell(&t, "%.2f", 1e3 * c[1]);
        table_cell(&t, "%.2f", 1e3 * c[2]);
        table_cell(&t, "%.2f", c[1] / c[2]);
        table_cell(&t, "%.1f", c[3]);
        table_cell(&t, "%.1f", c[4]);
    }
    return table_show(&t);
}

static void show_constants(const struct bench *b)
{
    const struct balance_costs *c = &b->costs;
    printf("measured: a tile takes %.3f ms to simulate and %.3f ms to learn from, a learning rank "
           "%.3f ms in any case, rank 0 %.3f ms\n",
           1e3 * c->simulate_s, 1e3 * c->update_s, 1e3 * c->fixed_s, 1e3 * c->rest_s);
    printf("LogGP: latency %.2f us, overhead %.2f us, gap %.2f us, %.3f ns per byte\n\n",
           1e6 * c->net.latency_s, 1e6 * c->net.overhead_s, 1e6 * c->net.gap_s,
           1e9 * c->net.byte_s);
}

static enum err compute(struct results *r, const struct bench *b, struct arena *scratch)
{
    const struct options *o = b->o;
    const struct scale_farm_cfg farm = {.seed = (uint64_t)o->seed,
                                        .sigma = 0.01 * o->straggle,
                                        .preempt_per_hour = 1e-3 * o->preempt,
                                        .checkpoint_s = o->checkpoint_s,
                                        .restart_s = o->restart_s,
                                        .ranks_each = o->each,
                                        .per_place = o->per_place,
                                        .ranks_most = o->ranks};
    struct balance_costs each = b->costs;
    struct balance_table table;
    each.size = o->each;
    each.processors = o->each;
    TRY(scale_runs(r->runs, &r->n_runs, &b->costs, b->converged, scratch));
    TRY(balance_choose(&table, &each, scratch));
    return scale_farms(r->farms, &r->n_farms, &farm, b->converged * table.update_s, &each.net,
                       scratch);
}

/* Rank 0, which has all the numbers. */
static enum err report(const struct bench *b)
{
    struct arena *arena = &b->x->arena;
    struct results *r = ARENA_NEW(arena, 1, struct results);
    const char *check = arena_printf(arena, "%s/check.csv", b->o->out);
    const char *scale = arena_printf(arena, "%s/scale.csv", b->o->out);
    TRY(arena_error(arena));
    TRY(put_check(b, check));
    TRY(read_checks(r->checks, &r->n_checks, check));
    sort_checks(r->checks, r->n_checks);
    TRY(compute(r, b, arena));
    TRY(put_scale(r, scale, arena));
    TRY(figure_scale(b->o->out, r->n_checks > 1, arena));
    show_constants(b);
    TRY(show_runs(r, arena));
    printf("\n");
    TRY(show_farms(r, arena));
    if (r->n_farms > 0 && r->farms[r->n_farms - 1].endless > 0) {
        const struct scale_farm *f = &r->farms[r->n_farms - 1];
        log_warn("%d of %d trainings of the largest farm lose so much to preemptions that they do "
                 "not end; the rows of the farm are too optimistic. Give a smaller --checkpoint",
                 f->endless, f->trainings);
    }
    printf("\n");
    TRY(show_checks(r, arena));
    printf("\ntable and script in %s; draw the figure with: karma figure %s\n", b->o->out,
           b->o->out);
    return ERR_OK;
}

/* ---- entry ---- */

static enum err check(struct experiment *x, const struct comm *comm)
{
    (void)comm;
    if (x->cfg.train.updates == 0) {
        return cfg_error(&x->reader, "train.updates",
                         "is 0: a training without updates has no time to predict; set it to the "
                         "updates until convergence");
    }
    if (x->cfg.train.opponent != OPPONENT_SCRIPTED) {
        return cfg_error(&x->reader, "train.opponent",
                         "lets an attacker play, but the prediction is of a training of one team; "
                         "set it to scripted");
    }
    return experiment_load_twin(x);
}

/* A short training from random weights, without files in between. */
static void shorten(struct train_cfg *t, int updates)
{
    t->init = INIT_SCRATCH;
    t->updates = updates + 1;
    t->checkpoint_every = 0;
    t->evaluate.every = 0;
    t->learners_simulate = 0;
}

static enum err bench_on_experiment(struct comm *comm, struct experiment *x, struct lock *lock,
                                    const struct options *o)
{
    struct bench b = {.comm = comm,
                      .x = x,
                      .o = o,
                      .converged = o->updates > 0 ? o->updates : x->cfg.train.updates};
    b.constants_path = arena_printf(&x->arena, "%s/constants.csv", o->out);
    TRY(comm_agree(comm, arena_error(&x->arena)));
    TRY(locking_dir(lock, comm, o->out, "karma bench scale", "--out DIR"));
    b.known = file_exists(b.constants_path);
    TRY(comm_same_u64(comm, "whether constants.csv exists", b.known));
    shorten(&x->cfg.train, o->measured);
    TRY(measure_all(&b));
    return comm_agree(comm, comm->rank == 0 ? report(&b) : ERR_OK);
}

static enum err bench_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    struct lock lock = {.fd = -1};
    TRY(ranks_load(&x, comm, &in, check));
    const enum err e = bench_on_experiment(comm, &x, &lock, o);
    locking_end(&lock);
    experiment_release(&x);
    return e;
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->out == NULL) {
        return command_misused(c, "--out is missing; write --out DIR, where the constants stay");
    }
    if (o->each > o->ranks) {
        return command_misused(c,
                               "--each %d is more than the %d ranks of the largest farm; give "
                               "--ranks at least %d",
                               o->each, o->ranks, o->each);
    }
    if ((int64_t)(o->ranks / o->each) * o->per_place > TRAININGS_MAX) {
        return command_misused(c,
                               "the largest farm has %d places with %d trainings each, more than "
                               "the %d that can be played; give a smaller --ranks or --per-place",
                               o->ranks / o->each, o->per_place, TRAININGS_MAX);
    }
    return ranks_run(c, bench_on);
}

static enum err bench_scale(int argc, char **argv)
{
    struct options o = {.measured = 8,
                        .ranks = 10000,
                        .each = 1,
                        .per_place = 4,
                        .straggle = 10,
                        .preempt = 20,
                        .checkpoint_s = 60,
                        .restart_s = 60,
                        .seed = 1};
    return command_call(&line, &o, run, argc, argv);
}

const struct command bench_verbs[] = {
    {.name = "scale",
     .summary = "predict trainings on many ranks from a few measured updates",
     .run = bench_scale},
    {.name = NULL},
};
