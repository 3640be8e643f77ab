/* Rows of the small files, and the manifest as CSV. See ablation_results.h. */
#include "core/eval/ablation_results.h"

#include "core/base/csv.h"
#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/number.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

const struct cfg_choice ablation_states[] = {
    {"waiting", ABLATION_WAITING, "nobody works on it"},
    {"running", ABLATION_RUNNING, "a process works on it"},
    {"done", ABLATION_DONE, "its results are there"},
    {"failed", ABLATION_FAILED, "it has no results, and the reason is known"},
    {"changed", ABLATION_CHANGED, "its results are of another configuration"},
    {NULL, 0, NULL},
};

#define TEXT(S, member, doc)       CFG_STRING(S, member, "", CFG_RESULT, doc)
#define COUNT(S, member, max, doc) CFG_INT(S, member, "0", 0, max, "", CFG_RESULT, doc)
#define REAL(S, member, unit, doc)                                                                 \
    CFG_DOUBLE(S, member, "0", CFG_NO_MIN, CFG_NO_MAX, unit, CFG_RESULT, doc)

static const struct cfg_field mean_rows[] = {
    TEXT(struct ablation_mean, controller, "as in eval.csv"),
    TEXT(struct ablation_mean, scenario, "as in eval.csv"),
    COUNT(struct ablation_mean, episodes, 1e9, "rows"),
    COUNT(struct ablation_mean, scored, 1e9,
          "rows with an SLO attainment; the means are over them"),
    REAL(struct ablation_mean, slo_attainment, "", "mean"),
    REAL(struct ablation_mean, vcpu, "vCPU", "mean"),
    REAL(struct ablation_mean, reward, "", "mean"),
    CFG_END,
};

const struct cfg_field ablation_outcome_fields[] = {
    CFG_INT(struct ablation_outcome, format, CFG_REQUIRED, ABLATION_FORMAT, ABLATION_FORMAT, "",
            CFG_RESULT, "of this file"),
    CFG_STRING(struct ablation_outcome, digest, CFG_REQUIRED, CFG_RESULT,
               "of all that decides the results"),
    TEXT(struct ablation_outcome, variant, "name"),
    TEXT(struct ablation_outcome, scenario, "name"),
    CFG_UINT64(struct ablation_outcome, seed, "0", CFG_RESULT, "train.seed"),
    TEXT(struct ablation_outcome, kind, "training, controllers, collect or fit"),
    CFG_ENUM(struct ablation_outcome, state, CFG_REQUIRED, ablation_states, CFG_RESULT,
             "done or failed"),
    TEXT(struct ablation_outcome, error, "of a failed run"),
    TEXT(struct ablation_outcome, reason, "of a failed run, a sentence"),
    TEXT(struct ablation_outcome, weights, "digest of the weights, the store or the twin"),
    COUNT(struct ablation_outcome, updates, 1e9, "of the training"),
    CFG_INT64(struct ablation_outcome, env_steps, "0", 0, CFG_NO_MAX, "", CFG_RESULT,
              "decisions of the training"),
    CFG_BOOL(struct ablation_outcome, converged, "false", CFG_RESULT,
             "by the criterion of docs/training.md"),
    CFG_BOOL(struct ablation_outcome, collapsed, "false", CFG_RESULT, "at the last evaluation"),
    COUNT(struct ablation_outcome, converged_update, 1e9, "0 = not converged"),
    CFG_INT64(struct ablation_outcome, converged_env_steps, "0", 0, CFG_NO_MAX, "", CFG_RESULT,
              "0 = not converged"),
    CFG_INT64(struct ablation_outcome, converged_episodes, "0", 0, CFG_NO_MAX, "", CFG_RESULT,
              "0 = not converged"),
    CFG_LIST(struct ablation_outcome, means, n_means, struct ablation_mean, mean_rows, "[]", 0,
             100000, "of the evaluation"),
    CFG_END,
};

const struct cfg_field ablation_cost_fields[] = {
    CFG_INT(struct ablation_cost, format, CFG_REQUIRED, ABLATION_FORMAT, ABLATION_FORMAT, "",
            CFG_OUTPUT, "of this file"),
    COUNT(struct ablation_cost, attempts, 1e9, "times the run was begun"),
    COUNT(struct ablation_cost, ranks, 1e9, "of the last time"),
    REAL(struct ablation_cost, seconds, "s", "wall clock"),
    REAL(struct ablation_cost, cpu_s, "s", "CPU time of all ranks"),
    REAL(struct ablation_cost, train_s, "s", "wall clock of the training"),
    REAL(struct ablation_cost, evaluate_s, "s", "wall clock of the evaluation"),
    REAL(struct ablation_cost, memory_mib, "MiB", "resident memory of any rank, at most"),
    TEXT(struct ablation_cost, started, "the first time, UTC"),
    TEXT(struct ablation_cost, ended, "the last time, UTC"),
    TEXT(struct ablation_cost, host, "of the first rank, the last time"),
    TEXT(struct ablation_cost, revision, "of the program"),
    TEXT(struct ablation_cost, build, "of the program"),
    CFG_END,
};

/* ---- places ---- */

void ablation_digest_print(char out[ABLATION_DIGEST_BYTES], uint64_t digest)
{
    (void)snprintf(out, ABLATION_DIGEST_BYTES, "%016" PRIx64, digest);
}

static bool digest_read(uint64_t *digest, const char *text)
{
    return strspn(text, "0123456789abcdef") == ABLATION_DIGEST_BYTES - 1 &&
           strlen(text) == ABLATION_DIGEST_BYTES - 1 &&
           number_unsigned(digest, text, 16, UINT64_MAX);
}

char *ablation_run_dir(struct arena *arena, const char *dir, const struct ablation_line *line)
{
    return arena_printf(arena, "%s/runs/%s/%s/%" PRIu64, dir, line->variant, line->scenario,
                        line->seed);
}

char *ablation_stage_dir(struct arena *arena, const char *dir, const char *kind, uint64_t digest)
{
    return arena_printf(arena, "%s/stages/%s-%016" PRIx64, dir, kind, digest);
}

/* ---- the manifest ---- */

enum column {
    COL_LINE,
    COL_VARIANT,
    COL_SCENARIO,
    COL_SEED,
    COL_KIND,
    COL_LABEL,
    COL_DIGEST,
    COL_TWIN,
    COL_STATE,
    COLUMNS
};
static const char *const columns[COLUMNS] = {"line",  "variant", "scenario", "seed", "kind",
                                             "label", "digest",  "twin",     "state"};
static const char MANIFEST[] = "manifest.csv";

/* A cell is quoted where RFC 4180 asks for it. */
static enum err put_cell(struct buf *b, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        return buf_printf(b, "%s", text);
    }
    TRY(buf_append(b, "\"", 1));
    for (const char *c = text; *c != '\0'; c++) {
        TRY(*c == '"' ? buf_append(b, "\"\"", 2) : buf_append(b, c, 1));
    }
    return buf_append(b, "\"", 1);
}

static enum err put_line(struct buf *b, const struct ablation_line *l)
{
    TRY(buf_printf(b, "%d,%s,%s,%" PRIu64 ",%s,", l->number, l->variant, l->scenario, l->seed,
                   l->kind));
    TRY(put_cell(b, l->label));
    return buf_printf(b, ",%016" PRIx64 ",%s,%s\n", l->digest, l->twin,
                      cfg_choice_name(ablation_states, (int)l->state));
}

static enum err put_manifest(struct buf *b, const struct ablation_line *lines, int n)
{
    for (int i = 0; i < COLUMNS; i++) {
        TRY(buf_printf(b, "%s%s", columns[i], i + 1 < COLUMNS ? "," : "\n"));
    }
    for (int i = 0; i < n; i++) {
        TRY(put_line(b, &lines[i]));
    }
    return ERR_OK;
}

enum err ablation_manifest_write(const char *dir, const struct ablation_line *lines, int n)
{
    struct arena arena;
    struct buf b;
    arena_init(&arena);
    buf_init(&b);
    const char *path = file_join(&arena, dir, MANIFEST);
    enum err e = path != NULL ? put_manifest(&b, lines, n) : ERR_MEMORY;
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    arena_release(&arena);
    return e;
}

static enum err refuse_cell(const struct csv_reader *r, enum column column, const char *cell)
{
    log_error("%s:%d: %s: found '%s'; this is no manifest of karma ablate, or it is damaged; karma "
              "ablate writes it anew when it is started",
              r->path, r->line, columns[column], cell);
    return ERR_FORMAT;
}

/* The cells live as long as the reader, so they are copied. */
static enum err parse_line(struct ablation_line *l, struct arena *arena, const struct csv_reader *r,
                           const char *const *cells, int number)
{
    uint64_t line;
    int state = 0;
    *l = (struct ablation_line){.number = number,
                                .variant = arena_strdup(arena, cells[COL_VARIANT]),
                                .scenario = arena_strdup(arena, cells[COL_SCENARIO]),
                                .kind = arena_strdup(arena, cells[COL_KIND]),
                                .label = arena_strdup(arena, cells[COL_LABEL]),
                                .twin = arena_strdup(arena, cells[COL_TWIN])};
    TRY(arena_error(arena));
    if (!number_unsigned(&line, cells[COL_LINE], 10, INT_MAX) || line != (uint64_t)number) {
        return refuse_cell(r, COL_LINE, cells[COL_LINE]);
    }
    if (!number_unsigned(&l->seed, cells[COL_SEED], 10, UINT64_MAX)) {
        return refuse_cell(r, COL_SEED, cells[COL_SEED]);
    }
    if (!digest_read(&l->digest, cells[COL_DIGEST])) {
        return refuse_cell(r, COL_DIGEST, cells[COL_DIGEST]);
    }
    while (ablation_states[state].name != NULL &&
           strcmp(ablation_states[state].name, cells[COL_STATE]) != 0) {
        state++;
    }
    if (ablation_states[state].name == NULL) {
        return refuse_cell(r, COL_STATE, cells[COL_STATE]);
    }
    l->state = (enum ablation_state)ablation_states[state].value;
    return ERR_OK;
}

static enum err read_header(struct csv_reader *r)
{
    const char *cells[COLUMNS];
    enum csv_status status;
    TRY(csv_reader_next(r, cells, COLUMNS, &status));
    for (int i = 0; i < COLUMNS; i++) {
        if (status != CSV_ROW || strcmp(cells[i], columns[i]) != 0) {
            log_error(
                "%s: this is no manifest of karma ablate, or it is damaged: column %d is '%s' "
                "and not '%s'; karma ablate writes it anew when it is started",
                r->path, i + 1, status == CSV_ROW ? cells[i] : "", columns[i]);
            return ERR_FORMAT;
        }
    }
    return ERR_OK;
}

/* Puts the rows into `lines` (NULL: only counts them). */
static enum err read_lines(struct ablation_line *lines, int *n, struct arena *arena,
                           const char *path)
{
    struct csv_reader r;
    const char *cells[COLUMNS];
    enum csv_status status = CSV_ROW;
    TRY(csv_reader_open(&r, path));
    *n = 0;
    enum err e = read_header(&r);
    while (e == ERR_OK && status == CSV_ROW) {
        e = csv_reader_next(&r, cells, COLUMNS, &status);
        if (e == ERR_OK && status == CSV_ROW && lines != NULL) {
            e = parse_line(&lines[*n], arena, &r, cells, *n + 1);
        }
        *n += e == ERR_OK && status == CSV_ROW ? 1 : 0;
    }
    if (e == ERR_OK && status == CSV_TORN) {
        e = refuse_cell(&r, COL_STATE, "the end of the file");
    }
    csv_reader_close(&r);
    return e;
}

enum err ablation_manifest_read(struct ablation_line **lines, int *n, struct arena *arena,
                                const char *dir)
{
    const char *path = file_join(arena, dir, MANIFEST);
    TRY(arena_error(arena));
    TRY(read_lines(NULL, n, arena, path));
    *lines = ARENA_NEW(arena, *n, struct ablation_line);
    TRY(arena_error(arena));
    return read_lines(*lines, n, arena, path);
}

/* ---- the records ---- */

static enum err write_record(const char *run_dir, const char *name, const struct cfg_field *fields,
                             const void *values)
{
    struct arena arena;
    struct buf b;
    arena_init(&arena);
    buf_init(&b);
    const char *path = file_join(&arena, run_dir, name);
    enum err e = path != NULL ? cfg_print_resolved(&b, fields, values, CFG_ALL) : ERR_MEMORY;
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    arena_release(&arena);
    return e;
}

/* The reader of configurations names file, line and what it expected; its words come with
 * `consequence`. ERR_CONFIG becomes ERR_FORMAT: nobody typed this file. */
static enum err read_record(void *out, bool *found, struct arena *arena, const char *run_dir,
                            const char *name, const struct cfg_field *fields, size_t size)
{
    struct cfg reader;
    const char *path = file_join(arena, run_dir, name);
    TRY(arena_error(arena));
    *found = file_exists(path);
    if (!*found) {
        return ERR_OK;
    }
    cfg_init(&reader, fields, size, arena);
    const enum err e = cfg_load(&reader, path, NULL, 0, out);
    return e == ERR_CONFIG ? ERR_FORMAT : e;
}

enum err ablation_outcome_write(const char *run_dir, const struct ablation_outcome *out)
{
    return write_record(run_dir, "outcome.yaml", ablation_outcome_fields, out);
}

enum err ablation_outcome_read(struct ablation_outcome *out, bool *found, struct arena *arena,
                               const char *run_dir)
{
    struct ablation_outcome o;
    uint64_t digest;
    TRY(read_record(&o, found, arena, run_dir, "outcome.yaml", ablation_outcome_fields, sizeof o));
    if (!*found) {
        return ERR_OK;
    }
    if (!digest_read(&digest, o.digest) ||
        (o.state != ABLATION_DONE && o.state != ABLATION_FAILED)) {
        log_error("%s/outcome.yaml: this is no record of a run: its digest is '%s' and its state "
                  "%s",
                  run_dir, o.digest, cfg_choice_name(ablation_states, o.state));
        return ERR_FORMAT;
    }
    *out = o;
    return ERR_OK;
}

enum err ablation_cost_write(const char *run_dir, const struct ablation_cost *cost)
{
    return write_record(run_dir, "cost.yaml", ablation_cost_fields, cost);
}

enum err ablation_cost_read(struct ablation_cost *cost, bool *found, struct arena *arena,
                            const char *run_dir)
{
    struct ablation_cost c;
    const enum err e =
        read_record(&c, found, arena, run_dir, "cost.yaml", ablation_cost_fields, sizeof c);
    if (e == ERR_FORMAT) {
        log_warn("%s/cost.yaml is damaged and left out", run_dir);
        *found = false;
        return ERR_OK;
    }
    if (e == ERR_OK && *found) {
        *cost = c;
    }
    return e;
}

/* ---- states ---- */

enum err ablation_look_at(enum ablation_state *state, struct ablation_outcome *out,
                          struct arena *arena, const char *run_dir, uint64_t digest)
{
    char expected[ABLATION_DIGEST_BYTES];
    struct owner me;
    bool found;
    *out = (struct ablation_outcome){.format = 0};
    const struct log_sink before = log_sink_now();
    log_set_sink(log_discard, NULL); /* one sentence is enough */
    enum err e = ablation_outcome_read(out, &found, arena, run_dir);
    log_set_sink(before.sink, before.ctx);
    if (e == ERR_FORMAT) {
        log_warn("%s: its outcome.yaml is damaged and counts for nothing: the run is made again",
                 run_dir);
        found = false;
        e = ERR_OK;
    }
    TRY(e);
    if (found) {
        ablation_digest_print(expected, digest);
        const bool same = strcmp(out->digest, expected) == 0;
        *state = same ? (enum ablation_state)out->state : ABLATION_CHANGED;
        return ERR_OK;
    }
    owner_identify(&me, "karma ablate");
    *state = lock_look(NULL, run_dir, &me, &lock_usual_times) ? ABLATION_RUNNING : ABLATION_WAITING;
    return ERR_OK;
}

enum err ablation_look(enum ablation_state *state, struct ablation_outcome *out,
                       struct arena *arena, const char *dir, const struct ablation_line *line)
{
    const char *run_dir = ablation_run_dir(arena, dir, line);
    TRY(arena_error(arena));
    return ablation_look_at(state, out, arena, run_dir, line->digest);
}
