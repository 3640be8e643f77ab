/* karma trace: stores of transitions, and tables that may become some. Collecting, which runs on
 * ranks, stands in trace_collect.c.
 *
 * Verbs that write a file lock it first (run_locked()); a verb that makes a store of several tables
 * removes the store when one of them fails. */
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/plural.h"
#include "core/base/timestamp.h"
#include "core/report/table.h"
#include "core/trace/check.h"
#include "core/trace/export.h"
#include "core/trace/import.h"
#include "core/trace/store.h"
#include "core/twin/trial.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/input.h"
#include "mpi/cmd/trace_split.h"
#include "mpi/comm/locking.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct options {
    const char **sets;
    int n_sets;
    const char *out, *origin, *licence;
    int split_seed, validation, held_out, gap;
    bool force;
};

#define OUT_OPTION(what) OPTION_STRING(struct options, out, "out", 'o', "FILE", what)

static const struct option_row no_rows[] = {OPTION_END};
static const struct operand_row store_operand[] = {
    {"STORE", "a store of transitions", 1, 1},
    OPERAND_END,
};
static const struct operand_row table_operands[] = {
    {"TABLE", "CSV, packed with gzip or not", 1, 100000},
    OPERAND_END,
};

/* What a verb writes is its own while it runs. The lock comes before `write` looks whether the file
 * is there, and is released after its last write. */
static enum err run_locked(const struct call *c, const char *out,
                           enum err (*write)(const struct call *c))
{
    struct lock lock;
    TRY(locking_file(&lock, NULL, out, "karma trace", "--out FILE"));
    const enum err e = write(c);
    locking_end(&lock);
    return e;
}

/* --out is an option in the table and must be given all the same. */
static enum err check_out(const struct call *c, const struct options *o)
{
    return o->out != NULL ? ERR_OK
                          : command_misused(c, "--out is missing; write --out FILE, the file to "
                                               "write");
}

/* ---- info ---- */

static void print_header(const struct store *s)
{
    const struct store_header *h = &s->header;
    printf("%s: %s, %d episode%s, %" PRId64 " decision%s of %g s, %zu bytes\n", s->path, h->plant,
           s->n_episodes, plural_s(s->n_episodes), s->n_steps, plural_s(s->n_steps), h->period_s,
           s->intact);
    printf("origin: %s\nlicence: %s\nservices:", h->origin, h->licence);
    for (int i = 0; i < h->n_services; i++) {
        printf(" %s", h->services[i]);
    }
    printf("\ncolumns: %d, measurements: %d, topology: %s\n", h->n_columns, h->n_truths,
           h->topology[0] != '\0' ? "known" : "unknown");
    printf("split: %g validation, %g held out, seed %" PRIu64 "\n", h->validation, h->held_out,
           h->split_seed);
}

/* Episodes of one controller in one scenario are one line, as long as they follow each other. */
struct tally {
    const char *controller, *scenario;
    int n_part[STORE_PARTS];
    int64_t n_steps, n_gaps, n_values;
};

/* One bit for each value that is missing; bits behind the last value of the last byte are 0.
 * NULL: no gaps. */
static int64_t count_gaps(const struct store_episode *e, int n_columns)
{
    int64_t n = 0;
    for (size_t i = 0; e->gaps != NULL && i < store_gap_bytes(e->n_steps, n_columns); i++) {
        n += __builtin_popcount(e->gaps[i]);
    }
    return n;
}

/* A tally without a controller is that from before the first episode. */
static void add_line(struct table *t, const struct tally *y)
{
    if (y->controller == NULL) {
        return;
    }
    table_text(t, y->controller);
    table_text(t, y->scenario);
    for (int p = 0; p < STORE_PARTS; p++) {
        table_cell(t, "%d", y->n_part[p]);
    }
    table_cell(t, "%" PRId64, y->n_steps);
    table_cell(t, "%.1f %%", 100.0 * (double)y->n_gaps / (double)y->n_values);
}

/* Invariant: `y` counts the episodes since the controller or the scenario changed last; its line is
 * added when they change again, and for the last ones behind the loop. Names are copied, since an
 * episode's memory is given back. n decisions have n + 1 states. */
static enum err tell_episodes(struct table *t, struct store *s, struct arena *arena)
{
    struct tally y = {0};
    struct arena scratch;
    enum err e = ERR_OK;
    arena_init(&scratch);
    for (int i = 0; e == ERR_OK && i < s->n_episodes; i++) {
        struct store_episode found;
        const struct arena_mark mark = arena_mark(&scratch);
        e = store_read(&found, s, i, &scratch);
        if (e != ERR_OK) {
            break;
        }
        if (y.controller == NULL || strcmp(y.controller, found.controller) != 0 ||
            strcmp(y.scenario, found.scenario) != 0) {
            add_line(t, &y);
            y = (struct tally){.controller = arena_strdup(arena, found.controller),
                               .scenario = arena_strdup(arena, found.scenario)};
            e = arena_error(arena);
        }
        y.n_part[s->entries[i].part]++;
        y.n_steps += found.n_steps;
        y.n_gaps += count_gaps(&found, s->header.n_columns);
        y.n_values += ((int64_t)found.n_steps + 1) * s->header.n_columns;
        arena_rewind(&scratch, mark);
    }
    if (e == ERR_OK) {
        add_line(t, &y);
    }
    arena_release(&scratch);
    return e;
}

static const struct command_line info_line = {
    "karma trace info",
    "Prints what a store holds: origin, licence, services, and for each controller and scenario "
    "the number of episodes, decisions and gaps.",
    no_rows, store_operand, 1};

/* The digest is that of the store's bytes, which a twin that is fitted to it keeps. */
static enum err run_info(const struct call *c)
{
    static const char *const head[] = {"controller", "scenario",  "train", "validation",
                                       "held out",   "decisions", "gaps"};
    struct store store;
    struct table t;
    TRY(store_open(&store, c->arena, c->operands[0]));
    print_header(&store);
    table_init(&t, c->arena, head, 7, 2);
    enum err e = tell_episodes(&t, &store, c->arena);
    if (e == ERR_OK && store.n_episodes > 0) {
        putchar('\n');
        e = table_show(&t);
    }
    printf("digest %016" PRIx64 "\n", store.digest);
    store_close(&store);
    return e;
}

static enum err trace_info(int argc, char **argv)
{
    char none = 0; /* no options */
    return command_call(&info_line, &none, run_info, argc, argv);
}

/* ---- check ---- */

static struct import_cfg import_cfg(const struct options *o)
{
    return (struct import_cfg){.origin = o->origin != NULL ? o->origin : "",
                               .licence = o->licence != NULL ? o->licence : "",
                               .split_seed = (uint64_t)o->split_seed,
                               .validation = o->validation / 100.0,
                               .held_out = o->held_out / 100.0,
                               .gap_periods = o->gap};
}

/* What the reader took the file for: with a wrong format or time unit the verdicts below mean
 * nothing. Rows need not be in the order of their times. */
static void print_understood(const struct metrics_table *s)
{
    char from[TIMESTAMP_BYTES], to[TIMESTAMP_BYTES];
    double first_s = s->time_s[0], last_s = s->time_s[0];
    printf("%s: format %s, %d service%s%s, %d line%s, columns separated by %ss%s\n", s->path,
           s->format->name, metrics_table_services(s), plural_s(metrics_table_services(s)),
           metrics_table_services(s) < s->n_services ? " and the application" : "", s->n_lines,
           plural_s(s->n_lines), s->separator, s->decimal_commas ? ", decimal commas" : "");
    for (int i = 0; i < s->n_rows; i++) {
        first_s = fmin(first_s, s->time_s[i]);
        last_s = fmax(last_s, s->time_s[i]);
    }
    if (s->timed) {
        timestamp_print(from, first_s);
        timestamp_print(to, last_s);
        printf("%d sample%s in %d run%s, %.9g s apart, from %s to %s, %.9g s (times: %s)\n",
               s->n_rows, plural_s(s->n_rows), s->n_runs, plural_s(s->n_runs), s->spacing_s, from,
               to, last_s - first_s, s->times);
    }
}

/* One line for each finding, then columns that were not read, then the worst verdict. */
static enum err print_check(const struct check *c, struct arena *arena)
{
    static const char *const head[] = {"column", "range", "verdict", "fault", "why"};
    const struct metrics_table *s = c->table;
    struct table t;
    int n;
    const struct check_finding *f = check_findings(c, &n);
    table_init(&t, arena, head, 5, 5);
    for (int i = 0; i < n; i++) {
        const char *range = check_range(c, &f[i]);
        if (range == NULL) {
            return ERR_MEMORY;
        }
        table_text(&t, f[i].column);
        table_text(&t, range[0] != '\0' ? range : "-");
        table_text(&t, check_verdict_name(f[i].verdict));
        table_text(&t, f[i].fault[0] != '\0' ? f[i].fault : "-");
        table_text(&t, f[i].why);
    }
    print_understood(s);
    TRY(table_show(&t));
    if (s->n_ignored > 0) {
        printf("not read:");
        for (int i = 0; i < s->n_ignored; i++) {
            printf(" %s", s->ignored[i]);
        }
        putchar('\n');
    }
    printf("verdict: %s\n\n", check_verdict_name(c->worst));
    return ERR_OK;
}

/* Reads, judges, prints. With a trial, what import and fit would say is part of the verdict.
 * c.failed is a failure of the check itself, such as no memory. It is returned as an error, while a
 * table that is bad is a verdict. */
static enum err check_file(struct metrics_table *table, enum check_verdict *worst, const char *path,
                           struct trial *trial, int history, const struct import_cfg *cfg,
                           struct arena *arena)
{
    struct check c;
    TRY(metrics_table_read(table, arena, path));
    TRY(check_table(&c, arena, table));
    enum err e = trial != NULL ? trial_table(trial, &c, cfg, history) : ERR_OK;
    e = e == ERR_OK ? c.failed : e;
    if (e == ERR_OK) {
        e = print_check(&c, arena);
    }
    *worst = c.worst;
    check_release(&c);
    return e;
}

/* One table at a time, whose memory is given back before the next. A table that fails does not end
 * the loop, so that all findings are seen at once. If each table passes, they are tried as one
 * store, which `import` of all of them would make: together they may have what each alone lacks. */
static enum err check_files(const struct call *c, struct trial *trial, int history)
{
    const struct import_cfg cfg = import_cfg(c->options);
    int n_failed = 0;
    const char *why = "";
    for (int i = 0; i < c->n_operands; i++) {
        struct metrics_table table;
        enum check_verdict worst = CHECK_PASS;
        const struct arena_mark mark = arena_mark(c->arena);
        TRY(check_file(&table, &worst, c->operands[i], trial, history, &cfg, c->arena));
        arena_rewind(c->arena, mark);
        n_failed += worst == CHECK_FAIL;
    }
    if (n_failed > 0) {
        log_error("%d of %d table%s failed: a twin learned from that would be wrong", n_failed,
                  c->n_operands, plural_s(c->n_operands));
        return ERR_FAILED;
    }
    if (c->n_operands > 1) {
        TRY(trial_together(&why, trial, c->arena, history));
        if (why[0] != '\0') {
            log_warn("the %d tables in one store: %s", c->n_operands, why);
        }
    }
    return ERR_OK;
}

static const struct option_row check_options[] = {
    EXPERIMENT_SET_OPTION(struct options),
    SPLIT_OPTIONS(struct options),
    OPTION_INT(struct options, gap, "gap", 0, "N", 0, 1000,
               "after more missing decisions another episode begins (default: 10)"),
    OPTION_END,
};
static const struct command_line check_line = {
    "karma trace check",
    "Prints pass, warn or fail for each column of each table, with the reason; tries `karma trace "
    "import` and what `karma twin fit` needs. Ends with status 1 if one failed.",
    check_options, table_operands, sizeof(struct options)};

/* No configuration file is read: the defaults and --set give fit.history, the states before
 * a decision that a twin needs. The trial imports into a directory of its own, which is
 * removed whatever happens. */
static enum err run_check(const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = {.command = c->line->command, .sets = o->sets, .n_sets = o->n_sets};
    struct experiment_cfg cfg; /* fit.history */
    struct trial trial;
    TRY(trace_check_split(c, o->validation, o->held_out));
    TRY(input_load_config(&cfg, c->arena, &in));
    TRY(trial_begin(&trial));
    const enum err e = check_files(c, &trial, cfg.fit.history);
    trial_end(&trial);
    return e;
}

static enum err trace_check(int argc, char **argv)
{
    struct options o = {.split_seed = 1, .validation = 15, .held_out = 15, .gap = 10};
    return command_call(&check_line, &o, run_check, argc, argv);
}

/* ---- import ---- */

static const struct option_row import_rows[] = {
    OUT_OPTION("the store that is written; it must not be there yet"),
    OPTION_STRING(struct options, origin, "origin", 0, "TEXT", "where the data comes from"),
    OPTION_STRING(struct options, licence, "licence", 0, "TEXT", "under which licence it is"),
    SPLIT_OPTIONS(struct options),
    OPTION_INT(struct options, gap, "gap", 0, "N", 0, 1000,
               "after more missing decisions another episode begins (default: 10)"),
    OPTION_FLAG(struct options, force, "force", 'f', "in spite of a verdict of fail"),
    OPTION_END,
};
static const struct command_line import_line = {
    "karma trace import",
    "Makes a store from recorded tables. Each table is checked first, as `karma trace check` does; "
    "nothing is imported if one fails. A store names its origin and licence, so both must be "
    "given.",
    import_rows, table_operands, sizeof(struct options)};

/* Appends the table's episodes to the store, which the first table makes. */
static enum err import_file(const struct call *c, const char *path, const struct import_cfg *cfg)
{
    const struct options *o = c->options;
    struct metrics_table table;
    struct import_result r;
    enum check_verdict worst = CHECK_PASS;
    TRY(check_file(&table, &worst, path, NULL, 0, cfg, c->arena));
    if (worst == CHECK_FAIL && !o->force) {
        log_error("%s failed the check and is not imported; --force does it nevertheless", path);
        return ERR_FAILED;
    }
    TRY(import_table(&r, o->out, &table, cfg, c->arena));
    log_info("%s: %d episode%s, %" PRId64 " decision%s of %g s; %d row%s left out, %d without any "
             "request",
             path, r.n_episodes, plural_s(r.n_episodes), r.n_steps, plural_s(r.n_steps), r.period_s,
             r.n_left_out, plural_s(r.n_left_out), r.n_empty);
    return ERR_OK;
}

/* A store that exists is refused, so the one that is removed after an error was made by this
 * call. */
static enum err import_all(const struct call *c)
{
    const struct options *o = c->options;
    const struct import_cfg cfg = import_cfg(o);
    if (file_exists(o->out)) {
        log_error(
            "'%s' exists; import makes a new store, which `karma trace merge` joins to others",
            o->out);
        return ERR_IO;
    }
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < c->n_operands; i++) {
        const struct arena_mark mark = arena_mark(c->arena);
        e = import_file(c, c->operands[i], &cfg);
        arena_rewind(c->arena, mark);
    }
    if (e != ERR_OK && file_exists(o->out)) {
        const enum err removed = file_remove(o->out); /* half an import is none */
        e = removed != ERR_OK ? removed : e;
    }
    return e;
}

static enum err run_import(const struct call *c)
{
    const struct options *o = c->options;
    TRY(check_out(c, o));
    TRY(trace_check_split(c, o->validation, o->held_out));
    if (o->origin == NULL || o->licence == NULL) {
        return command_misused(c, "a store says where its data comes from and what may be done "
                                  "with it; give --origin and --licence");
    }
    return run_locked(c, o->out, import_all);
}

static enum err trace_import(int argc, char **argv)
{
    struct options o = {.split_seed = 1, .validation = 15, .held_out = 15, .gap = 10};
    return command_call(&import_line, &o, run_import, argc, argv);
}

/* ---- export ---- */

static const struct option_row export_rows[] = {
    OUT_OPTION("the CSV table that is written"),
    OPTION_END,
};
static const struct command_line export_line = {"karma trace export",
                                                "Writes a store as one tidy CSV table.",
                                                export_rows, store_operand, sizeof(struct options)};

static enum err export_store(const struct call *c)
{
    const struct options *o = c->options;
    struct store store;
    TRY(store_open(&store, c->arena, c->operands[0]));
    const enum err e = export_table(o->out, &store, c->arena);
    store_close(&store);
    return e;
}

static enum err run_export(const struct call *c)
{
    const struct options *o = c->options;
    TRY(check_out(c, o));
    TRY(command_spares_operands(c, o->out));
    return run_locked(c, o->out, export_store);
}

static enum err trace_export(int argc, char **argv)
{
    struct options o = {.out = NULL};
    return command_call(&export_line, &o, run_export, argc, argv);
}

/* ---- merge ---- */

static const struct option_row merge_rows[] = {
    OUT_OPTION("the store that is written"),
    OPTION_END,
};
static const struct operand_row merge_operands[] = {
    {"STORE", "stores of one plant", 1, 100000},
    OPERAND_END,
};
static const struct command_line merge_line = {
    "karma trace merge",
    "Joins stores of one plant into one; an episode that is twice is kept once.", merge_rows,
    merge_operands, sizeof(struct options)};

static enum err merge_stores(const struct call *c)
{
    const struct options *o = c->options;
    return store_merge(o->out, c->operands, c->n_operands, c->arena);
}

/* --out may be one of the stores: the merged one takes its name when it
 * is complete (store_merge()). */
static enum err run_merge(const struct call *c)
{
    const struct options *o = c->options;
    TRY(check_out(c, o));
    return run_locked(c, o->out, merge_stores);
}

static enum err trace_merge(int argc, char **argv)
{
    struct options o = {.out = NULL};
    return command_call(&merge_line, &o, run_merge, argc, argv);
}

/* ---- verbs ---- */

const struct command trace_verbs[] = {
    {.name = "collect",
     .summary = "play the controllers of a configuration into a store, on all ranks",
     .run = trace_collect,
     .stops = true},
    {.name = "info", .summary = "what a store holds", .run = trace_info},
    {.name = "check", .summary = "a verdict on recorded tables", .run = trace_check},
    {.name = "import", .summary = "recorded tables into a store", .run = trace_import},
    {.name = "export", .summary = "a store as one tidy table", .run = trace_export},
    {.name = "merge", .summary = "several stores into one", .run = trace_merge},
    {.name = NULL},
};
