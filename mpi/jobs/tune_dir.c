/* Files of a tuning. See tune_dir.h. */
#include "mpi/jobs/tune_dir.h"

#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/shell.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What decides a tuning: all rows of the configuration but those of other commands. */
static const char *const not_read[] = {"fit", "run", NULL};

static bool is_read(const struct cfg_field *f)
{
    for (int i = 0; not_read[i] != NULL; i++) {
        if (strcmp(f->name, not_read[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* ---- whose directory it is ---- */

/* Lines of differences, joined to one sentence. */
static enum err refuse(const char *dir, const struct buf *lines)
{
    struct buf b;
    buf_init(&b);
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < lines->len; i++) {
        const char c = (char)lines->data[i];
        const bool last = i + 1 == lines->len;
        e = c != '\n' ? buf_append(&b, &c, 1) : last ? ERR_OK : buf_printf(&b, "; ");
    }
    if (e == ERR_OK) {
        log_error("%s holds another tuning. Go on with its own configuration, choose another "
                  "--out DIR, or begin anew with --restart (the old one is moved aside). What "
                  "differs, old -> new: %.*s",
                  dir, (int)b.len, (const char *)b.data);
        e = ERR_CONFIG;
    }
    buf_release(&b);
    return e;
}

/* Enough for the rows of the root table, and the end. */
enum { ROOT_MAX = 64 };

static enum err compare(const char *dir, const struct experiment_cfg *old,
                        const struct experiment_cfg *new)
{
    struct cfg_field fields[ROOT_MAX];
    struct buf lines;
    int n = 0, n_differ = 0;
    for (const struct cfg_field *f = experiment_fields; f->name != NULL; f++) {
        CHECK(n + 1 < ROOT_MAX);
        if (is_read(f)) {
            fields[n++] = *f;
        }
    }
    fields[n] = (struct cfg_field)CFG_END;
    buf_init(&lines);
    enum err e = cfg_diff(&lines, &n_differ, fields, old, new);
    if (e == ERR_OK && n_differ > 0) {
        e = refuse(dir, &lines);
    }
    buf_release(&lines);
    return e;
}

/* A random search may grow: its first trials stay what they are. */
static void allow_growth(struct experiment_cfg *old, const struct experiment_cfg *new)
{
    const bool grows = old->tune.search == TUNE_RANDOM &&
                       new->tune.search == TUNE_RANDOM &&new->tune.trials > old->tune.trials;
    if (grows) {
        old->tune.trials = new->tune.trials;
    }
}

/* tune.yaml was written by experiment_load(), where eval.frontier is joined to the controllers; the
 * file is read back the same way. */
static enum err check_same(const struct tune_trials *trials, const char *dir, const char *path,
                           struct arena *scratch)
{
    struct experiment_cfg old;
    struct cfg reader;
    cfg_init(&reader, experiment_fields, sizeof old, scratch);
    const enum err e = cfg_load(&reader, path, NULL, 0, &old);
    if (e == ERR_CONFIG) {
        log_error("%s: this program cannot read the configuration of the tuning; go on with the "
                  "program that wrote it, choose another --out DIR, or begin anew with --restart",
                  path);
    }
    TRY(e);
    allow_growth(&old, &trials->x->cfg);
    return compare(dir, &old, &trials->x->cfg);
}

static enum err move_aside(const char *dir, struct lock *lock, struct arena *scratch)
{
    for (int i = 1;; i++) {
        const char *aside = arena_printf(scratch, "%s.%d", dir, i);
        TRY(arena_error(scratch));
        if (!file_exists(aside)) {
            TRY(lock_move_aside(lock, dir, aside));
            log_info("%s held an earlier tuning: moved to %s", dir, aside);
            return ERR_OK;
        }
    }
}

/* A run or an evaluation has files of the same names: its directory is not touched. */
static enum err check_foreign(const char *dir, struct arena *scratch)
{
    static const char *const names[] = {"run.yaml", "eval.csv", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        const char *path = file_join(scratch, dir, names[i]);
        TRY(arena_error(scratch));
        if (file_exists(path)) {
            log_error("%s holds a training or an evaluation (%s); choose another --out DIR", dir,
                      names[i]);
            return ERR_CONFIG;
        }
    }
    return ERR_OK;
}

enum err tune_dir_take(const struct tune_trials *trials, const char *dir, struct lock *lock,
                       bool restart, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct buf *resolved = &trials->x->resolved;
    const char *path = file_join(scratch, dir, "tune.yaml");
    TRY(arena_error(scratch));
    if (file_exists(path)) {
        TRY(restart ? move_aside(dir, lock, scratch) : check_same(trials, dir, path, scratch));
    }
    TRY(check_foreign(dir, scratch));
    TRY(file_check_writable(dir));
    const enum err e = file_write(path, resolved->data, strlen((const char *)resolved->data));
    arena_rewind(scratch, mark);
    return e;
}

/* ---- how far it is ---- */

/* What a line of trials.csv says. */
struct line {
    int trial, rung;
    double objective;
};

/* Columns before the keys: trial, rung, updates, episodes, state. */
enum { COLUMNS_BEFORE = 5, COLUMNS_BEHIND = 9 };

static enum err read_line(struct line *line, const struct csv_reader *r, const char *const *cells,
                          int n_keys)
{
    double trial, rung;
    TRY(csv_reader_number(&trial, r, cells[0], "trial"));
    TRY(csv_reader_number(&rung, r, cells[1], "rung"));
    TRY(csv_reader_number(&line->objective, r, cells[COLUMNS_BEFORE + n_keys], "objective"));
    line->trial = (int)trial;
    line->rung = (int)rung;
    return ERR_OK;
}

/* Lines of each rung, and the best of the last one that has any. */
struct progress_of {
    int n_done[TUNE_RUNGS_MAX];
    struct line best; /* trial 0: none */
};

static enum err read_log(struct progress_of *p, const struct tune_trials *trials, const char *path)
{
    const char *cells[COLUMNS_BEFORE + TUNE_KEYS_MAX + COLUMNS_BEHIND];
    const int n_keys = trials->x->cfg.tune.n_keys;
    const int n_columns = COLUMNS_BEFORE + n_keys + COLUMNS_BEHIND;
    struct csv_reader r;
    enum csv_status status;
    *p = (struct progress_of){.best = {.objective = NAN}};
    TRY(csv_reader_open(&r, path));
    enum err e = csv_reader_next(&r, cells, n_columns, &status); /* the header */
    while (e == ERR_OK) {
        struct line line;
        e = csv_reader_next(&r, cells, n_columns, &status);
        if (e != ERR_OK || status != CSV_ROW) {
            break;
        }
        e = read_line(&line, &r, cells, n_keys);
        if (e == ERR_OK && line.rung >= 1 && line.rung <= trials->n_rungs) {
            p->n_done[line.rung - 1]++;
            const bool better =
                line.rung > p->best.rung ||
                halving_better(line.trial, line.objective, p->best.trial, p->best.objective);
            p->best = better ? line : p->best;
        }
    }
    csv_reader_close(&r);
    return e;
}

static void print_status(const struct progress_of *p, const struct tune_trials *trials)
{
    bool done = true;
    for (int k = 0; k < trials->n_rungs; k++) {
        const int n = trials->rungs[k].n_trials;
        done = done && p->n_done[k] == n;
        printf("rung %d: %d of %d trials are done (%d %s each)\n", k + 1, p->n_done[k], n,
               trials->rungs[k].budget,
               trials->x->cfg.tune.what == TUNE_TRAINING ? "updates" : "episodes");
    }
    if (p->best.trial > 0) {
        printf("best so far: trial %d of rung %d, objective %.4f\n", p->best.trial, p->best.rung,
               p->best.objective);
    }
    printf("%s\n", done ? "the tuning is done" : "the same command without --status goes on");
}

enum err tune_dir_status(const struct tune_trials *trials, const char *dir, struct arena *scratch)
{
    const char *config = file_join(scratch, dir, "tune.yaml");
    const char *path = file_join(scratch, dir, "trials.csv");
    struct progress_of p;
    TRY(arena_error(scratch));
    if (!file_exists(config) || !file_exists(path)) {
        printf("%s: no trial is done\n", dir);
        return ERR_OK;
    }
    TRY(check_same(trials, dir, config, scratch));
    TRY(read_log(&p, trials, path));
    print_status(&p, trials);
    return ERR_OK;
}

/* ---- best.yaml ---- */

/* Part of a configuration: the list of controllers, which replaces that of a file. */
struct fragment_eval {
    struct controller_cfg *controllers;
    int n_controllers;
};
struct fragment {
    struct fragment_eval eval;
};
static const struct cfg_field fragment_eval_fields[] = {
    CFG_LIST(struct fragment_eval, controllers, n_controllers, struct controller_cfg,
             controller_fields, "[]", 0, 256, ""),
    CFG_END,
};
static const struct cfg_field fragment_fields[] = {
    CFG_TABLE(struct fragment, eval, fragment_eval_fields, ""),
    CFG_END,
};

/* All listed controllers, with the tuned one as it was in the best trial. */
static enum err print_controllers(struct buf *b, const struct tune_play *p, int trial)
{
    const struct eval_cfg *base = &p->base;
    const int n = base->n_controllers - base->n_joined;
    struct controller_cfg *all = ARENA_NEW(p->scratch, n, struct controller_cfg);
    TRY(arena_error(p->scratch));
    for (int c = 0; c < n; c++) {
        all[c] = base->controllers[c];
        all[c].name = controller_label(&base->controllers[c]);
    }
    all[p->trials->controller].method = p->trials->methods[trial - 1];
    const struct fragment f = {.eval = {.controllers = all, .n_controllers = n}};
    return cfg_print_resolved(b, fragment_fields, &f, CFG_ALL);
}

/* Length of what two dotted keys have in common, in whole parts. */
static size_t common_parts(const char *a, const char *b)
{
    size_t common = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
        common = a[i] == '.' ? i + 1 : common;
    }
    return common;
}

static int count_parts(const char *key, size_t n)
{
    int parts = 0;
    for (size_t i = 0; i < n; i++) {
        parts += key[i] == '.' ? 1 : 0;
    }
    return parts;
}

/* The headings of `key` that the one before it has not opened, and the value. */
static enum err print_key(struct buf *b, const char *key, const char *before, const char *value)
{
    size_t at = common_parts(key, before);
    for (;;) {
        const int indent = 2 * count_parts(key, at);
        const size_t n = strcspn(key + at, ".");
        const bool last = key[at + n] == '\0';
        TRY(buf_printf(b, "%*s%.*s:%s%s\n", indent, "", (int)n, key + at, last ? " " : "",
                       last ? value : ""));
        if (last) {
            return ERR_OK;
        }
        at += n + 1;
    }
}

/* Indices of keys by name, so that those of one section stand together. */
static void sort_keys(int *order, const struct tune_cfg *tune)
{
    for (int k = 0; k < tune->n_keys; k++) {
        int j = k;
        for (; j > 0 && strcmp(tune->keys[k].key, tune->keys[order[j - 1]].key) < 0; j--) {
            order[j] = order[j - 1];
        }
        order[j] = k;
    }
}

static enum err print_settings(struct buf *b, const struct tune_play *p, int trial)
{
    const struct tune_cfg *tune = &p->trials->x->cfg.tune;
    int order[TUNE_KEYS_MAX];
    const char *before = "";
    sort_keys(order, tune);
    for (int i = 0; i < tune->n_keys; i++) {
        const char *key = tune->keys[order[i]].key;
        TRY(print_key(b, key, before, tune_trials_value(p->trials, trial, order[i])));
        before = key;
    }
    return ERR_OK;
}

static enum err print_best(struct buf *b, const struct tune_play *p,
                           const struct trial_result *best)
{
    const struct experiment_cfg *cfg = &p->trials->x->cfg;
    TRY(buf_printf(b,
                   "# Made by: karma tune %s\n"
                   "# Trial %d of %d: %s.\n"
                   "# Objective %.4f [%.4f, %.4f] on %d DEV episodes of each scenario, seed "
                   "%" PRIu64 ".\n"
                   "# Include this file behind the configuration that was tuned.\n",
                   p->trials->source.path, best->trial, cfg->tune.trials,
                   tune_trials_describe(p->trials, p->scratch, best->trial),
                   best->score.objective.value, best->score.objective.lo, best->score.objective.hi,
                   best->n_episodes, p->base.seed));
    return cfg->tune.what == TUNE_TRAINING ? print_settings(b, p, best->trial)
                                           : print_controllers(b, p, best->trial);
}

static enum err write_best(const struct tune_play *p, const struct trial_result *best)
{
    const char *path = file_join(p->scratch, p->dir, "best.yaml");
    struct buf b;
    TRY(arena_error(p->scratch));
    if (best == NULL) {
        log_warn("no trial has an objective, so there is no best.yaml");
        return file_remove(path);
    }
    buf_init(&b);
    enum err e = print_best(&b, p, best);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

/* ---- tables and the figure ---- */

enum { NOTES_MAX = 8 };

static const char *objective_note(const struct tune_play *p)
{
    const struct tune_cfg *tune = &p->trials->x->cfg.tune;
    return tune->objective == TUNE_EQUAL_COST
               ? arena_printf(p->arena,
                              "objective: SLO attainment minus the frontier of %d arms of %s at "
                              "the trial's own vCPU-hours",
                              p->n_references, tune->reference)
               : arena_printf(p->arena, "objective: %s - %g x mean vCPU", tune->metric,
                              tune->price);
}

static enum err make_notes(const char **notes, int *n, const struct tune_play *p)
{
    const struct experiment_cfg *cfg = &p->trials->x->cfg;
    const struct tune_cfg *tune = &cfg->tune;
    const bool training = tune->what == TUNE_TRAINING;
    notes[(*n)++] = arena_printf(
        p->arena, "%d trials of %s%s%s, values of seed %" PRIu64 ", search %s", tune->trials,
        training ? "the training that " : "", tune->controller, training ? " plays" : "",
        tune->seed, tune->search == TUNE_HALVING ? "halving" : "random");
    notes[(*n)++] = arena_printf(p->arena,
                                 "DEV episodes, seed %" PRIu64
                                 ", the same for every trial; trial 1 has the values of %s",
                                 p->base.seed, p->trials->source.path);
    notes[(*n)++] = objective_note(p);
    notes[(*n)++] = arena_printf(p->arena, "mean [%g %% bootstrap interval, %d resamples]",
                                 100 * p->base.confidence, p->base.resamples);
    notes[(*n)++] = "the best of many trials is chosen on the episodes that it is shown on, so its "
                    "objective is too high: compare it on other DEV episodes (eval.first)";
    return arena_error(p->arena);
}

static enum err write_tables(const struct tune_play *p, const struct trials_report *r)
{
    static const struct {
        const char *name;
        enum table_style style;
    } files[] = {{"summary.txt", TABLE_TEXT}, {"summary.md", TABLE_MARKDOWN}};
    enum err e = ERR_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && e == ERR_OK; i++) {
        const char *path = file_join(p->arena, p->dir, files[i].name);
        struct buf b;
        buf_init(&b);
        e = path == NULL ? ERR_MEMORY : trials_print(&b, r, files[i].style, p->scratch);
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

static enum err write_figure(const struct tune_play *p, const struct trials_report *r)
{
    const char *dir = file_join(p->arena, p->dir, "figures");
    TRY(arena_error(p->arena));
    TRY(file_make_dirs(dir));
    return trials_figure(dir, r, p->scratch);
}

static void tell_best(const struct tune_play *p, const struct trial_result *best)
{
    const char *word = shell_word(p->scratch, p->dir);
    if (best != NULL) {
        log_info("the best is trial %d: %s; %s/best.yaml can be included", best->trial,
                 tune_trials_describe(p->trials, p->scratch, best->trial), p->dir);
    }
    log_info("trials: %s/trials.csv; draw the figure with: karma figure %s", p->dir,
             word != NULL ? word : p->dir);
}

enum err tune_dir_report(const struct tune_play *p)
{
    const char *notes[NOTES_MAX];
    struct frontier_point *points = ARENA_NEW(p->arena, p->n_references + 1, struct frontier_point);
    struct trials_report r = {.cfg = &p->trials->x->cfg.tune,
                              .values = p->trials->values,
                              .results = p->results,
                              .n_results = p->n_results,
                              .n_rungs = p->trials->n_rungs,
                              .reference = points,
                              .notes = notes};
    TRY(arena_error(p->arena));
    TRY(tune_play_reference(points, &r.n_reference, p));
    TRY(make_notes(notes, &r.n_notes, p));
    TRY(write_tables(p, &r));
    TRY(write_figure(p, &r));
    TRY(write_best(p, trials_best(&r)));
    tell_best(p, trials_best(&r));
    return ERR_OK;
}
