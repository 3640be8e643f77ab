/* karma eval: controllers x scenarios x episodes over all ranks -> eval.csv, tables, figure data.
 *
 * The script is evaluate(): lock the directory, load what plays, let mpi/jobs/eval_run.h collect
 * the rows on all ranks, then report on rank 0. The report is made from the rows alone, so an
 * evaluation whose rows are all there prints the same tables without playing an episode again, but
 * for the few that are rechecked and the one that is drawn. */
#include "core/eval/eval.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/shell.h"
#include "core/controllers/kinds.h"
#include "core/report/comparison.h"
#include "core/report/figure.h"
#include "core/report/org_metrics_table.h"
#include "core/report/timeline.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/eval_run.h"
#include "mpi/jobs/experiment.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    const char **sets;
    int n_sets;
    const char *out;
    bool merge, restart;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where eval.csv, tables and figures go (default: run.dir)"),
    OPTION_FLAG(struct options, merge, "merge", 'm',
                "take the rows from the FILEs (eval.csv of parts) instead of measuring"),
    OPTION_FLAG(
        struct options, restart, "restart", 'r',
        "measure all anew even if DIR/eval.csv has rows; it is moved aside (not with --merge)"),
    OPTION_END_KINDS("Methods of eval.controllers (parameters: karma config doc)",
                     controller_kinds),
};
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/warm_start.yaml", 1, 1},
    {"FILE",
     "with --merge: eval.csv of an evaluation of some of the controllers, policies or "
     "episodes",
     0, 100000},
    OPERAND_END,
};
static const struct command_line line = {
    "karma eval",
    "Compares the controllers of `eval.controllers` on held-out episodes of every scenario. Start "
    "it with mpi/launch -n RANKS (or mpirun, srun); the results do not depend on RANKS. Prints "
    "the tables and writes DIR/eval.csv (one row per episode), DIR/summary.txt, DIR/summary.md "
    "and DIR/figures, which `karma figure DIR` draws. An interrupted evaluation goes on where it "
    "was, on any number of ranks. SIGUSR1 stops it after the current episodes.",
    rows, operand_rows, sizeof(struct options)};

/* One evaluation. */
struct session {
    struct comm *comm;
    struct experiment *x;
    const char *config_path, *dir;
    struct arena arena, scratch;
    struct eval_run run;
    struct lock lock; /* of dir, rank 0's */
};

/* ---- tables ---- */

enum { NOTES_MAX = 300 };

/* From when on is counted. An autoscaler counts the replicas it finds as recommended, so it removes
 * none at the start of an episode: readers must know whether that is in the numbers. The note names
 * the controller that takes longest to settle. */
static const char *warmup_note(struct arena *arena, const struct eval_cfg *cfg)
{
    double longest = 0.0;
    const char *name = "";
    for (int c = 0; c < cfg->n_controllers; c++) {
        const struct cfg_one *method = &cfg->controllers[c].method;
        const struct controller_kind *kind = controller_kind_of(method);
        const double s = kind->settling_s != NULL ? kind->settling_s(method->params) : 0.0;
        name = s > longest ? kind->cfg.name : name;
        longest = s > longest ? s : longest;
    }
    if (cfg->warmup_s > 0.0) {
        return arena_printf(arena, "counted from %g s on (eval.warmup_s)", cfg->warmup_s);
    }
    return longest > 0.0
               ? arena_printf(arena,
                              "counted from the start: in its first %g s %s removes none of the "
                              "replicas it found (eval.warmup_s=%g leaves these out)",
                              longest, name, longest)
               : "counted from the start of each episode";
}

/* What the reader must know to read the numbers. At most NOTES_MAX lines: six here, then one for
 * each learned controller as far as there is room. */
static enum err make_notes(const char **notes, int *n, struct session *s)
{
    const struct eval_cfg *cfg = &s->x->cfg.eval;
    const struct plant_cfg *plant = &s->x->cfg.plant;
    const struct env_setup *w = &s->x->env_setup;
    notes[(*n)++] = arena_printf(&s->arena,
                                 "%s episodes, seed %" PRIu64
                                 ": %d of %d s in each scenario, the same for every controller",
                                 eval_split_name(cfg), cfg->seed, cfg->episodes, w->n_seconds);
    notes[(*n)++] = arena_printf(
        &s->arena, "SLO attainment: answered without error within %g ms / received (time-out %g s)",
        plant->latency_max_ms, plant->timeout_s);
    notes[(*n)++] = arena_printf(
        &s->arena,
        "mean [%g %% bootstrap interval, %d resamples of episodes and of training seeds%s]",
        100 * cfg->confidence, cfg->resamples,
        cfg->interval == EVAL_PERCENTILE_CORRECTED ? ", corrected for few training seeds" : "");
    notes[(*n)++] = warmup_note(&s->arena, cfg);
    if (cfg->step_bound > 0) {
        notes[(*n)++] = arena_printf(&s->arena,
                                     "step bound of rules and teams: %d pods of a service at a "
                                     "decision (eval.step_bound)",
                                     cfg->step_bound);
    }
    if (w->cfg.n_scenarios > 1) {
        notes[(*n)++] = "(all): every scenario has the same weight";
    }
    for (int c = 0; c < cfg->n_controllers; c++) {
        if (s->run.policies.teams[c].n_teams > 0 && *n < NOTES_MAX) {
            notes[(*n)++] = policies_describe(&s->run.policies, &s->arena, c);
        }
    }
    return arena_error(&s->arena);
}

/* Writes the tables to DIR/name; the file is replaced as a whole. */
static enum err write_table(struct session *s, struct comparison *c, const char *name,
                            enum table_style style)
{
    const char *path = file_join(&s->arena, s->dir, name);
    struct buf b;
    TRY(arena_error(&s->arena));
    buf_init(&b);
    enum err e = comparison_print(&b, c, style, &s->scratch);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

/* The same on standard output. Printed into a buffer first, so that it leaves in one piece. */
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

/* The organisational metrics of the agents, from org_metrics.csv, if it is there: to standard
 * output and files. */
static enum err report_org_metrics(struct session *s)
{
    static const struct {
        const char *name;
        enum table_style style;
    } files[] = {{"org_metrics.txt", TABLE_TEXT}, {"org_metrics.md", TABLE_MARKDOWN}};
    const struct org_metrics_log *log = &s->run.org_metrics;
    enum err e = ERR_OK;
    for (size_t i = 0; log->csv.fd >= 0 && i < sizeof files / sizeof *files && e == ERR_OK; i++) {
        const char *path = file_join(&s->arena, s->dir, files[i].name);
        struct buf b;
        buf_init(&b);
        e = path == NULL
                ? ERR_MEMORY
                : org_metrics_table(&b, log->path, &s->x->cfg.eval, files[i].style, &s->scratch);
        if (e == ERR_OK) {
            e = file_write(path, b.data, b.len);
        }
        if (e == ERR_OK && files[i].style == TABLE_TEXT) {
            fwrite(b.data, 1, b.len, stdout);
        }
        buf_release(&b);
    }
    return e;
}

/* ---- figures ---- */

/* Has the scenario an event of this kind? EVENT_KINDS, which is no kind, stands for any. */
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

/* The first shown controller of each kind that readers look for. At most one for each kind, so
 * TIMELINE_TRACKS_MAX tracks suffice. A learned controller plays with its first policy. */
static enum err choose_tracks(struct timeline *t, struct session *s)
{
    static const struct controller_kind *const kinds[TIMELINE_TRACKS_MAX] = {
        &controller_nothing, &controller_khpa, &controller_ff, &controller_policy};
    const struct experiment *x = s->x;
    for (int k = 0; k < TIMELINE_TRACKS_MAX; k++) {
        for (int c = 0; c < x->cfg.eval.n_controllers; c++) {
            const struct controller_cfg *cfg = &x->cfg.eval.controllers[c];
            if (controller_kind(cfg) != kinds[k] || !cfg->show) {
                continue;
            }
            const struct eval_teams *teams = &s->run.policies.teams[c];
            TRY(controller_new(&t->controllers[t->n_controllers++], &s->arena, cfg, &x->env_setup,
                               &x->rules, teams->n_teams > 0 ? teams->teams : NULL));
            break;
        }
    }
    return ERR_OK;
}

/* The episode is played again, by each track, since rows have no steps. eval.figure_episode -1
 * leaves the choice to timeline_choose(). */
static enum err write_timeline(struct session *s, const char *dir)
{
    const struct experiment *x = s->x;
    const struct eval_cfg *cfg = &x->cfg.eval;
    const int scenario = drawn_scenario(&x->cfg);
    struct schedule schedule;
    struct timeline t = {.env_setup = &x->env_setup,
                         .shield = cfg->shield,
                         .step_bound = cfg->step_bound,
                         .lie = &cfg->lie,
                         .plant_kind = (enum plant_kind)cfg->plant,
                         .scenario = scenario,
                         .id = {.seed = cfg->seed,
                                .split = (enum rng_split)cfg->split,
                                .env = (uint32_t)cfg->first}};
    TRY(schedule_init(&schedule, &s->arena, x->env_setup.n_seconds));
    t.id.env = cfg->figure_episode >= 0
                   ? (uint32_t)cfg->figure_episode
                   : timeline_choose(&x->env_setup, scenario, t.id, cfg->episodes, &schedule);
    t.title = arena_printf(&s->arena, "scenario %s, %s episode %u", x->cfg.scenarios[scenario].name,
                           eval_split_name(cfg), t.id.env);
    TRY(choose_tracks(&t, s));
    TRY(arena_error(&s->arena));
    return t.n_controllers > 0 ? timeline_write(NULL, &t, dir, &s->scratch) : ERR_OK;
}

/* Data and scripts only. Drawing them starts another program, which a process of MPI must not
 * do. */
static enum err write_figures(struct session *s, const struct summary *summary)
{
    const char *dir = file_join(&s->arena, s->dir, "figures");
    TRY(arena_error(&s->arena));
    TRY(file_make_dirs(dir));
    TRY(figure_frontiers(dir, summary, &s->scratch));
    TRY(write_timeline(s, dir));
    const char *word = shell_word(&s->arena, s->dir);
    log_info("figures: data and scripts in %s; draw them with: karma figure %s", dir,
             word != NULL ? word : s->dir);
    return ERR_OK;
}

/* Rank 0. Means and intervals first (summary), then what is derived from them: frontiers,
 * claims, the separation. The separation is returned at the end, as an error if it failed, when
 * all files are written. */
static enum err report(struct session *s)
{
    const struct experiment_cfg *cfg = &s->x->cfg;
    const char *notes[NOTES_MAX];
    struct summary summary;
    struct frontiers frontiers;
    struct claims claims;
    struct separation separation;
    int n_rows;
    const struct eval_row *all = eval_rows(s->run.eval, &n_rows);
    TRY(summary_init(&summary, &s->arena, &cfg->eval, cfg->scenarios, cfg->n_scenarios, all, n_rows,
                     &s->scratch));
    TRY(frontiers_init(&frontiers, &s->arena, &summary, &s->scratch));
    TRY(claims_init(&claims, &s->arena, &summary, &s->scratch));
    TRY(separation_init(&separation, &s->arena, &summary, &s->scratch));
    struct comparison c = {.separation = &separation,
                           .summary = &summary,
                           .frontiers = &frontiers,
                           .claims = &claims,
                           .notes = notes};
    TRY(make_notes(notes, &c.n_notes, s));
    TRY(print_table(s, &c));
    c.complete = true;
    TRY(write_table(s, &c, "summary.txt", TABLE_TEXT));
    TRY(write_table(s, &c, "summary.md", TABLE_MARKDOWN));
    TRY(report_org_metrics(s));
    log_info("rows: %s/eval.csv, tables: %s/summary.txt and summary.md", s->dir, s->dir);
    TRY(write_figures(s, &summary));
    return separation_verdict(&separation);
}

/* ---- the script ---- */

/* All ranks load the same configuration and policies; rank 0 logs for all. The lock is confirmed
 * before the report, which replaces files. */
static enum err evaluate(struct session *s, const struct eval_run_options *o)
{
    TRY(locking_dir(&s->lock, s->comm, s->dir, "karma eval", "--out DIR"));
    ranks_mute(s->comm, true);
    enum err e = eval_run_init(&s->run, &s->arena, s->comm, s->x, s->config_path, s->dir);
    ranks_mute(s->comm, false);
    TRY(comm_agree(s->comm, e));
    TRY(eval_run_execute(&s->run, o));
    e = s->comm->rank == 0 ? lock_confirm(&s->lock) : ERR_OK;
    if (s->comm->rank == 0 && e == ERR_OK) {
        e = report(s);
    }
    return comm_agree(s->comm, e);
}

/* Whatever fails, everything is released: both descriptors of files are -1 until they are
 * opened. */
static enum err eval_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    TRY(ranks_load(&x, comm, &in, NULL));
    struct session s = {.comm = comm,
                        .x = &x,
                        .config_path = in.path,
                        .dir = o->out != NULL ? o->out : x.cfg.run.dir,
                        .run = {.csv = {.fd = -1}, .org_metrics = {.csv = {.fd = -1}}},
                        .lock = {.fd = -1}};
    const struct eval_run_options how = {.restart = o->restart,
                                         .files = c->operands + 1,
                                         .n_files = o->merge ? c->n_operands - 1 : 0,
                                         .lock = &s.lock,
                                         .config = (const char *)x.resolved.data};
    arena_init(&s.arena);
    arena_init(&s.scratch);
    const enum err e = evaluate(&s, &how);
    eval_run_release(&s.run);
    locking_end(&s.lock);
    arena_release(&s.scratch);
    arena_release(&s.arena);
    experiment_release(&x);
    return e;
}

/* What the option table cannot say: operands and options that exclude each other. Checked before
 * the ranks start. */
static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->merge && c->n_operands == 1) {
        return command_misused(c, "--merge needs the files: karma eval CONFIG --merge A/eval.csv "
                                  "B/eval.csv");
    }
    if (o->merge && o->restart) {
        return command_misused(c, "--merge takes rows from files and measures nothing, --restart "
                                  "measures all anew; leave one of them out. If DIR/eval.csv is in "
                                  "the way of a merge, choose another --out DIR");
    }
    if (!o->merge && c->n_operands > 1) {
        return command_misused(c, "unexpected argument '%s'; files of rows are merged with --merge",
                               c->operands[1]);
    }
    return ranks_run(c, eval_on);
}

enum err command_eval(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&line, &o, run, argc, argv);
}
