/* karma eval: controllers x scenarios x episodes over all ranks -> eval.csv, tables, figure data.
 */
#include "core/eval/eval.h"

#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/report/comparison.h"
#include "core/report/figure.h"
#include "core/report/timeline.h"
#include "mpi/cmd/commands.h"
#include "mpi/comm.h"
#include "mpi/experiment.h"
#include "mpi/farm.h"
#include "mpi/policies.h"
#include "mpi/selfcheck.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    const char **sets;
    int n_sets;
    const char *out;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where eval.csv, tables and figures go (default: run.dir)"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/quickstart.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma eval",
    "Compares the controllers of `eval.controllers` on held-out episodes of every scenario. Start "
    "it with mpi/launch -n RANKS (or mpirun, srun); the results do not depend on RANKS. Prints "
    "the tables and writes DIR/eval.csv (one row per episode), DIR/summary.txt, DIR/summary.md "
    "and DIR/figures, which `karma figure DIR` draws.",
    rows, operand_rows, sizeof(struct options)};

/* One evaluation. */
struct session {
    struct comm *comm;
    struct experiment *x;
    const char *config_path, *dir;
    struct arena arena, scratch;
    struct policies policies;
    struct eval *eval;
    struct job_list inner; /* of the evaluation; ours adds the row of eval.csv */
    struct csv csv;
};

/* ---- eval.csv ---- */

enum { KEY_COLUMNS = 7 };

/* Who, trained how, where: enough to merge files of several evaluations. */
static enum err open_csv(struct session *s)
{
    const char *columns[KEY_COLUMNS + METRIC_COUNT] = {
        "controller", "policy", "train_seed", "scenario", "split", "seed", "episode"};
    const char *path = file_join(&s->arena, s->dir, "eval.csv");
    for (int m = 0; m < METRIC_COUNT; m++) {
        columns[KEY_COLUMNS + m] = metric_info[m].name;
    }
    if (path == NULL) {
        return ERR_MEMORY;
    }
    TRY(file_make_dirs(s->dir));
    TRY(file_check_writable(s->dir));
    return csv_create(&s->csv, &s->arena, path, columns, KEY_COLUMNS + METRIC_COUNT);
}

static void put_uint(struct csv *csv, const char *format, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof text, format, v);
    csv_text(csv, text);
}

static enum err put_row(struct session *s, const struct eval_row *r)
{
    const struct eval_cfg *cfg = &s->x->cfg.eval;
    const bool learned = s->policies.teams[r->controller].n_teams > 0;
    const double *values = (const double *)&r->m;
    csv_text(&s->csv, controller_label(&cfg->controllers[r->controller]));
    if (learned) {
        const struct policy_source *source = &s->policies.sources[r->controller][r->train];
        put_uint(&s->csv, "%016" PRIx64, source->digest);
        put_uint(&s->csv, "%" PRIu64, source->seed);
    } else {
        csv_text(&s->csv, "");
        csv_text(&s->csv, "");
    }
    csv_text(&s->csv, s->x->cfg.scenarios[r->scenario].name);
    csv_text(&s->csv, eval_split_name(cfg));
    put_uint(&s->csv, "%" PRIu64, cfg->seed);
    csv_int(&s->csv, r->episode);
    for (int m = 0; m < METRIC_COUNT; m++) {
        csv_num(&s->csv, values[m]);
    }
    return csv_end_row(&s->csv);
}

static enum err run_job(void *ctx, int i, struct buf *out)
{
    const struct session *s = ctx;
    return s->inner.run(s->inner.ctx, i, out);
}

/* A row reaches the file as soon as its turn comes, so a run that is killed leaves its rows. */
static enum err take_job(void *ctx, int i, const void *record, size_t bytes)
{
    struct session *s = ctx;
    int n;
    TRY(s->inner.take(s->inner.ctx, i, record, bytes));
    return put_row(s, &eval_rows(s->eval, &n)[i]);
}

/* ---- tables ---- */

enum { NOTES_MAX = 300 };

/* What the reader must know to read the numbers. */
static enum err make_notes(const char **notes, int *n, struct session *s)
{
    const struct eval_cfg *cfg = &s->x->cfg.eval;
    const struct plant_cfg *plant = &s->x->cfg.plant;
    const struct world *w = &s->x->world;
    notes[(*n)++] = arena_printf(&s->arena,
                                 "%s episodes, seed %" PRIu64
                                 ": %d of %d s in each scenario, the same for every controller",
                                 eval_split_name(cfg), cfg->seed, cfg->episodes, w->n_seconds);
    notes[(*n)++] = arena_printf(
        &s->arena, "answered in time: within %g ms, of all requests received (time-out %g s)",
        plant->latency_max_ms, plant->timeout_s);
    notes[(*n)++] = arena_printf(
        &s->arena,
        "mean [%g %% bootstrap interval, %d resamples of episodes and of training seeds]",
        100 * cfg->confidence, cfg->resamples);
    if (w->cfg.n_scenarios > 1) {
        notes[(*n)++] = "(all): every scenario has the same weight";
    }
    for (int c = 0; c < cfg->n_controllers; c++) {
        if (s->policies.teams[c].n_teams > 0 && *n < NOTES_MAX) {
            notes[(*n)++] = policies_describe(&s->policies, &s->arena, c);
        }
    }
    for (int i = 0; i < *n; i++) {
        if (notes[i] == NULL) {
            return ERR_MEMORY;
        }
    }
    return ERR_OK;
}

static enum err write_table(struct session *s, struct comparison *c, const char *name,
                            enum table_style style)
{
    const char *path = file_join(&s->arena, s->dir, name);
    struct buf b;
    if (path == NULL) {
        return ERR_MEMORY;
    }
    buf_init(&b);
    enum err e = comparison_print(&b, c, style, &s->scratch);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

static enum err print_table(struct session *s, const struct comparison *c)
{
    struct buf b;
    buf_init(&b);
    const enum err e = comparison_print(&b, c, TABLE_TEXT, &s->scratch);
    if (e == ERR_OK) {
        fwrite(b.data, 1, b.len, stdout);
    }
    buf_release(&b);
    return e;
}

/* ---- figures ---- */

static bool has_kind(const struct scenario_cfg *s, int kind)
{
    for (int i = 0; i < s->n_events; i++) {
        if (kind == EVENT_KINDS || s->events[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* One with a flood, else one in which anything happens, else the first. */
static int drawn_scenario(const struct experiment_cfg *cfg)
{
    static const int wanted[] = {EVENT_DDOS, EVENT_KINDS};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < cfg->n_scenarios; i++) {
            if (has_kind(&cfg->scenarios[i], wanted[k])) {
                return i;
            }
        }
    }
    return 0;
}

/* The first listed controller of each kind that readers look for. */
static enum err choose_tracks(struct timeline *t, struct session *s)
{
    static const enum controller_kind kinds[TIMELINE_TRACKS_MAX] = {
        CONTROLLER_NOTHING, CONTROLLER_KHPA, CONTROLLER_FF, CONTROLLER_POLICY};
    const struct experiment *x = s->x;
    for (int k = 0; k < TIMELINE_TRACKS_MAX; k++) {
        for (int c = 0; c < x->cfg.eval.n_controllers; c++) {
            const struct controller_cfg *cfg = &x->cfg.eval.controllers[c];
            if (cfg->kind != (int)kinds[k] || !cfg->listed) {
                continue;
            }
            const struct eval_teams *teams = &s->policies.teams[c];
            TRY(controller_new(&t->controllers[t->n_controllers++], &s->arena, cfg, &x->world,
                               &x->rules, teams->n_teams > 0 ? teams->teams[0] : NULL));
            break;
        }
    }
    return ERR_OK;
}

static enum err write_timeline(struct session *s, const char *dir)
{
    const struct experiment *x = s->x;
    const struct eval_cfg *cfg = &x->cfg.eval;
    const int scenario = drawn_scenario(&x->cfg);
    struct schedule schedule;
    struct timeline t = {.world = &x->world,
                         .scenario = scenario,
                         .id = {.seed = cfg->seed, .split = (enum rng_split)cfg->split}};
    TRY(schedule_init(&schedule, &s->arena, x->world.n_seconds));
    t.id.env = cfg->figure_episode >= 0
                   ? (uint32_t)cfg->figure_episode
                   : timeline_choose(&x->world, scenario, t.id, cfg->episodes, &schedule);
    t.title = arena_printf(&s->arena, "scenario %s, %s episode %u", x->cfg.scenarios[scenario].name,
                           eval_split_name(cfg), t.id.env);
    TRY(choose_tracks(&t, s));
    if (t.title == NULL) {
        return ERR_MEMORY;
    }
    return t.n_controllers > 0 ? timeline_write(NULL, &t, dir, &s->scratch) : ERR_OK;
}

static enum err write_figures(struct session *s, const struct summary *summary)
{
    const char *dir = file_join(&s->arena, s->dir, "figures");
    if (dir == NULL) {
        return ERR_MEMORY;
    }
    TRY(file_make_dirs(dir));
    TRY(figure_frontiers(dir, summary, s->x->cfg.scenarios, &s->scratch));
    TRY(write_timeline(s, dir));
    log_info("figures: data and scripts in %s; draw them with: karma figure %s", dir, s->dir);
    return ERR_OK;
}

static enum err report(struct session *s)
{
    const struct experiment_cfg *cfg = &s->x->cfg;
    const char *notes[NOTES_MAX];
    struct summary summary;
    struct frontiers frontiers;
    int n_rows;
    const struct eval_row *all = eval_rows(s->eval, &n_rows);
    TRY(summary_init(&summary, &s->arena, &cfg->eval, cfg->n_scenarios, all, n_rows, &s->scratch));
    TRY(frontiers_init(&frontiers, &s->arena, &summary, &s->scratch));
    struct comparison c = {
        .summary = &summary, .frontiers = &frontiers, .scenarios = cfg->scenarios, .notes = notes};
    TRY(make_notes(notes, &c.n_notes, s));
    TRY(print_table(s, &c));
    c.complete = true;
    TRY(write_table(s, &c, "summary.txt", TABLE_TEXT));
    TRY(write_table(s, &c, "summary.md", TABLE_MARKDOWN));
    log_info("rows: %s/eval.csv, tables: %s/summary.txt and summary.md", s->dir, s->dir);
    return write_figures(s, &summary);
}

/* ---- the script ---- */

static enum err prepare(struct session *s)
{
    struct experiment *x = s->x;
    TRY(policies_load(&s->policies, &s->arena, x, POLICIES_ALL, s->config_path));
    TRY(eval_new(&s->eval, &s->arena, &x->cfg.eval, &x->world, &x->rules, s->policies.teams));
    s->inner = eval_jobs(s->eval);
    return s->comm->rank == 0 ? open_csv(s) : ERR_OK;
}

static void ignore_line(void *ctx, enum log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

/* Every rank reads all files itself; only rank 0 complains. */
static void mute(const struct comm *comm, bool on)
{
    if (comm->rank != 0) {
        log_set_sink(on ? ignore_line : NULL, NULL);
    }
}

static enum err evaluate(struct session *s)
{
    mute(s->comm, true);
    enum err e = prepare(s);
    mute(s->comm, false);
    TRY(comm_agree(s->comm, e));
    const struct job_list jobs = {
        .n = s->inner.n, .ctx = s, .what = s->inner.what, .run = run_job, .take = take_job};
    TRY(farm_run(s->comm, &jobs));
    e = s->comm->rank == 0 ? report(s) : ERR_OK;
    return comm_agree(s->comm, e);
}

static enum err eval_on(struct comm *comm, const char *path, const struct options *o)
{
    struct experiment x;
    mute(comm, true);
    const enum err loaded = experiment_load(&x, path, o->sets, o->n_sets);
    mute(comm, false);
    TRY(comm_agree(comm, loaded));
    struct session s = {.comm = comm,
                        .x = &x,
                        .config_path = path,
                        .dir = o->out != NULL ? o->out : x.cfg.run.dir,
                        .csv = {.fd = -1}};
    arena_init(&s.arena);
    arena_init(&s.scratch);
    enum err e = selfcheck(comm, (enum gemm_kind)x.cfg.team.gemm);
    if (e == ERR_OK) {
        e = evaluate(&s);
    }
    csv_close(&s.csv);
    arena_release(&s.scratch);
    arena_release(&s.arena);
    experiment_release(&x);
    return e;
}

enum err command_eval(int argc, char **argv)
{
    struct arena arena;
    struct comm comm;
    struct options o = {0};
    struct operands given;
    bool done = false;
    arena_init(&arena);
    enum err e = command_parse(&line, &arena, &o, &given, &done, argc, argv);
    if (e == ERR_OK && !done) {
        e = comm_init(&comm, &argc, &argv);
        if (e == ERR_OK) {
            e = eval_on(&comm, given.items[0], &o);
            comm_finalize(&comm);
        }
    }
    arena_release(&arena);
    return e;
}
