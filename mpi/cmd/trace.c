/* karma trace: stores of transitions, how they are collected, and tables that may become some. */
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/timestamp.h"
#include "core/report/table.h"
#include "core/twin/check.h"
#include "core/twin/export.h"
#include "core/twin/import.h"
#include "core/twin/store.h"
#include "core/twin/trial.h"
#include "mpi/cmd/commands.h"
#include "mpi/collect.h"
#include "mpi/comm.h"
#include "mpi/experiment.h"
#include "mpi/locking.h"
#include "mpi/selfcheck.h"

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

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, out, "out", 'o', "FILE", "the store or table that is written"),
    OPTION_STRING(struct options, origin, "origin", 0, "TEXT", "import: where the data comes from"),
    OPTION_STRING(struct options, licence, "licence", 0, "TEXT",
                  "import, collect: under which licence (collect: Apache-2.0)"),
    OPTION_INT(struct options, split_seed, "split-seed", 0, "S", 0, 1000000000,
               "check, import, collect: another seed, another split (default: 1)"),
    OPTION_INT(struct options, validation, "validation", 0, "PERCENT", 0, 99,
               "check, import, collect: of the episodes, for choosing models (default: 15)"),
    OPTION_INT(struct options, held_out, "held-out", 0, "PERCENT", 0, 99,
               "check, import, collect: of the episodes, for the final figures (default: 15)"),
    OPTION_INT(struct options, gap, "gap", 0, "N", 0, 1000,
               "check, import: after more missing decisions another episode begins (default: 10)"),
    OPTION_FLAG(struct options, force, "force", 'f', "import: in spite of a verdict of fail"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"VERB",
     "collect: play the controllers of a configuration, on all ranks | info: what a store holds | "
     "check: a verdict on tables | import: tables into a store | "
     "export: a store as one tidy table | merge: stores into one",
     1, 1},
    {"FILE",
     "a store (info, export), stores (merge), or CSV, packed with gzip or not (check, import)", 0,
     100000},
    OPERAND_END,
};
static const struct command_line line = {
    "karma trace",
    "Stores of transitions, which a twin is learned from. `check` prints pass, warn or fail for "
    "each column with the reason, tries `import` and what `karma twin fit` needs, and ends with 1 "
    "if "
    "something failed; `import` checks first. `collect` "
    "(start it with mpi/launch -n RANKS) plays eval.controllers in all scenarios, eval.episodes "
    "each, drawn from the TRAIN domain; the store does not depend on RANKS, and the same command "
    "goes on with one that was interrupted.",
    rows, operand_rows, sizeof(struct options)};

/* What a verb works with. */
struct session {
    int *argc;
    char ***argv;
    const struct options *o;
    const char *const *files; /* (n_files) */
    int n_files;
    struct arena *arena;
};

/* ---- info ---- */

static void print_header(const struct store *s)
{
    const struct store_header *h = &s->header;
    printf("%s: %s, %d episodes, %" PRId64 " decisions of %g s, %zu bytes\n", s->path, h->plant,
           s->n_episodes, s->n_steps, h->period_s, s->intact);
    printf("origin: %s\nlicence: %s\nservices:", h->origin, h->licence);
    for (int i = 0; i < h->n_services; i++) {
        printf(" %s", h->services[i]);
    }
    printf("\ncolumns: %d, measurements: %d, topology: %s\n", h->n_columns, h->n_measures,
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

static int64_t count_gaps(const struct store_episode *e, int n_columns)
{
    int64_t n = 0;
    for (size_t i = 0; e->gaps != NULL && i < store_gap_bytes(e->n_steps, n_columns); i++) {
        n += __builtin_popcount(e->gaps[i]);
    }
    return n;
}

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
            e = y.controller == NULL || y.scenario == NULL ? ERR_MEMORY : ERR_OK;
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

static enum err run_info(struct session *s)
{
    static const char *const head[] = {"controller", "scenario",  "train", "validation",
                                       "held out",   "decisions", "gaps"};
    struct store store;
    struct table t;
    TRY(store_open(&store, s->arena, s->files[0]));
    print_header(&store);
    table_init(&t, s->arena, head, 7, 2);
    enum err e = tell_episodes(&t, &store, s->arena);
    if (e == ERR_OK && store.n_episodes > 0) {
        putchar('\n');
        e = table_show(&t);
    }
    printf("digest %016" PRIx64 "\n", store.digest);
    store_close(&store);
    return e;
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

static void print_understood(const struct sheet *s)
{
    char from[TIMESTAMP_BYTES], to[TIMESTAMP_BYTES];
    double first_s = s->time_s[0], last_s = s->time_s[0];
    printf("%s: layout %s, %d services%s, %d lines, columns separated by %ss%s\n", s->path,
           s->layout->name, sheet_services(s),
           sheet_services(s) < s->n_services ? " and the application" : "", s->n_lines,
           s->separator, s->decimal_commas ? ", decimal commas" : "");
    for (int i = 0; i < s->n_rows; i++) {
        first_s = fmin(first_s, s->time_s[i]);
        last_s = fmax(last_s, s->time_s[i]);
    }
    if (s->timed) {
        timestamp_print(from, first_s);
        timestamp_print(to, last_s);
        printf("%d samples in %d runs, %.9g s apart, from %s to %s, %.9g s (times: %s)\n",
               s->n_rows, s->n_runs, s->spacing_s, from, to, last_s - first_s, s->times);
    }
}

static enum err print_check(const struct check *c, struct arena *arena)
{
    static const char *const head[] = {"column", "range", "verdict", "fault", "why"};
    const struct sheet *s = c->sheet;
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

/* Reads, judges, prints. With a trial, what import and fit would say is part of the verdict. */
static enum err check_file(struct sheet *sheet, enum check_verdict *worst, const char *path,
                           struct trial *trial, int history, const struct session *s)
{
    const struct import_cfg cfg = import_cfg(s->o);
    struct check c;
    TRY(sheet_read(sheet, s->arena, path));
    TRY(check_sheet(&c, s->arena, sheet));
    enum err e = trial != NULL ? trial_table(trial, &c, &cfg, history) : ERR_OK;
    e = e == ERR_OK ? c.failed : e;
    if (e == ERR_OK) {
        e = print_check(&c, s->arena);
    }
    *worst = c.worst;
    check_release(&c);
    return e;
}

static enum err check_files(struct session *s, struct trial *trial, int history)
{
    int n_failed = 0;
    const char *why = "";
    for (int i = 0; i < s->n_files; i++) {
        struct sheet sheet;
        enum check_verdict worst = CHECK_PASS;
        const struct arena_mark mark = arena_mark(s->arena);
        TRY(check_file(&sheet, &worst, s->files[i], trial, history, s));
        arena_rewind(s->arena, mark);
        n_failed += worst == CHECK_FAIL;
    }
    if (n_failed > 0) {
        log_error("%d of %d tables failed: a twin learned from them would be wrong", n_failed,
                  s->n_files);
        return ERR_FAILED;
    }
    if (s->n_files > 1) {
        TRY(trial_together(&why, trial, s->arena, history));
        if (why[0] != '\0') {
            log_warn("the %d tables in one store: %s", s->n_files, why);
        }
    }
    return ERR_OK;
}

static enum err run_check(struct session *s)
{
    struct experiment_cfg cfg; /* fit.history */
    struct cfg reader;
    struct trial trial;
    cfg_init(&reader, experiment_fields, sizeof cfg, s->arena);
    TRY(cfg_load(&reader, NULL, s->o->sets, s->o->n_sets, &cfg));
    TRY(trial_begin(&trial));
    const enum err e = check_files(s, &trial, cfg.fit.history);
    trial_end(&trial);
    return e;
}

/* ---- import ---- */

static enum err import_file(struct session *s, const char *path, const struct import_cfg *cfg)
{
    struct sheet sheet;
    struct import_result r;
    enum check_verdict worst = CHECK_PASS;
    TRY(check_file(&sheet, &worst, path, NULL, 0, s));
    if (worst == CHECK_FAIL && !s->o->force) {
        log_error("%s failed the check and is not imported; --force does it nevertheless", path);
        return ERR_FAILED;
    }
    TRY(import_sheet(&r, s->o->out, &sheet, cfg, s->arena));
    log_info("%s: %d episodes, %" PRId64 " decisions of %g s; %d rows left out, %d without any "
             "request",
             path, r.n_episodes, r.n_steps, r.period_s, r.n_left_out, r.n_empty);
    return ERR_OK;
}

static enum err run_import(struct session *s)
{
    const struct options *o = s->o;
    const struct import_cfg cfg = import_cfg(o);
    if (o->origin == NULL || o->licence == NULL) {
        log_error("karma trace import: a store says where its data comes from and what may be done "
                  "with it; give --origin and --licence");
        return ERR_USAGE;
    }
    if (file_exists(o->out)) {
        log_error(
            "'%s' exists; import makes a new store, which `karma trace merge` joins to others",
            o->out);
        return ERR_IO;
    }
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < s->n_files; i++) {
        const struct arena_mark mark = arena_mark(s->arena);
        e = import_file(s, s->files[i], &cfg);
        arena_rewind(s->arena, mark);
    }
    if (e != ERR_OK && file_exists(o->out)) {
        const enum err removed = file_remove(o->out); /* half an import is none */
        e = removed != ERR_OK ? removed : e;
    }
    return e;
}

/* ---- export, merge ---- */

static enum err run_export(struct session *s)
{
    struct store store;
    TRY(store_open(&store, s->arena, s->files[0]));
    const enum err e = export_table(s->o->out, &store, s->arena);
    store_close(&store);
    return e;
}

static enum err run_merge(struct session *s)
{
    return store_merge(s->o->out, s->files, s->n_files, s->arena);
}

/* ---- collect ---- */

static void ignore_line(void *ctx, enum log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

/* Every rank reads the configuration itself; only rank 0 complains. */
static enum err load(struct experiment *x, struct comm *comm, struct session *s)
{
    if (comm->rank != 0) {
        log_set_sink(ignore_line, NULL);
    }
    const enum err e = experiment_load(x, s->files[0], s->o->sets, s->o->n_sets);
    if (comm->rank != 0) {
        log_set_sink(NULL, NULL);
    }
    return comm_agree(comm, e);
}

static enum err collect_on(struct comm *comm, struct session *s)
{
    const struct options *o = s->o;
    const struct collect_cfg cfg = {.path = o->out,
                                    .licence = o->licence != NULL ? o->licence : "Apache-2.0",
                                    .split_seed = (uint64_t)o->split_seed,
                                    .validation = o->validation / 100.0,
                                    .held_out = o->held_out / 100.0};
    struct experiment x;
    TRY(load(&x, comm, s));
    enum err e = selfcheck(comm, (enum gemm_kind)x.cfg.team.gemm);
    if (e == ERR_OK) {
        e = collect_run(comm, &x, s->files[0], &cfg);
    }
    experiment_release(&x);
    return e;
}

static enum err run_collect(struct session *s)
{
    struct comm comm;
    TRY(comm_init(&comm, s->argc, s->argv));
    const enum err e = collect_on(&comm, s);
    comm_finalize(&comm);
    return e;
}

/* ---- verbs ---- */

static const struct verb {
    const char *name;
    enum err (*run)(struct session *s);
    int n_max; /* files */
    bool writes;
} verbs[] = {
    {"info", run_info, 1, false},         {"check", run_check, 100000, false},
    {"import", run_import, 100000, true}, {"export", run_export, 1, true},
    {"merge", run_merge, 100000, true},   {"collect", run_collect, 1, true},
};

/* For verbs without ranks: what they write is theirs. */
static enum err run_locked(const struct verb *v, struct session *s)
{
    struct lock lock;
    TRY(locking_file(&lock, NULL, s->o->out, "karma trace"));
    const enum err e = v->run(s);
    locking_end(&lock);
    return e;
}

static enum err run_verb(const struct operands *given, const struct options *o, struct arena *arena,
                         int *argc, char ***argv)
{
    struct session s = {.argc = argc,
                        .argv = argv,
                        .o = o,
                        .files = given->items + 1,
                        .n_files = given->n - 1,
                        .arena = arena};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(v->name, given->items[0]) != 0) {
            continue;
        }
        if (s.n_files < 1 || s.n_files > v->n_max) {
            log_error("karma trace %s: it takes %s", v->name,
                      v->n_max == 1 ? "one FILE" : "at least one FILE");
            return ERR_USAGE;
        }
        if (v->writes && o->out == NULL) {
            log_error("karma trace %s: --out FILE is missing", v->name);
            return ERR_USAGE;
        }
        if (o->validation + o->held_out > 99) {
            log_error("karma trace: --validation and --held-out leave nothing to learn from");
            return ERR_USAGE;
        }
        return v->writes && v->run != run_collect ? run_locked(v, &s) : v->run(&s);
    }
    log_error("karma trace: unknown verb '%s'; collect, info, check, import, export or merge",
              given->items[0]);
    return ERR_USAGE;
}

enum err command_trace(int argc, char **argv)
{
    struct arena arena;
    struct options o = {.split_seed = 1, .validation = 15, .held_out = 15, .gap = 10};
    struct operands given;
    bool done = false;
    arena_init(&arena);
    enum err e = command_parse(&line, &arena, &o, &given, &done, argc, argv);
    if (e == ERR_OK && !done) {
        e = run_verb(&given, &o, &arena, &argc, &argv);
    }
    arena_release(&arena);
    return e;
}
