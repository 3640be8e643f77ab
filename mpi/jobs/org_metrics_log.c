/* The grid says whose rows they are; the values are those of the job that was taken last. See
 * org_metrics_log.h. */
#include "mpi/jobs/org_metrics_log.h"

#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/report/org_metrics_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_CONTROLLER,
    KEY_POLICY,
    KEY_TRAIN_SEED,
    KEY_SCENARIO,
    KEY_SPLIT,
    KEY_SEED,
    KEY_EPISODE,
    KEY_CELL_DIGEST,
    KEY_AGENT,
    KEYS,
    COLUMNS = ORG_METRICS_COLUMNS
};
_Static_assert((int)KEYS == (int)ORG_METRICS_KEYS && (int)KEY_AGENT == (int)ORG_METRICS_KEY_AGENT,
               "the table of a report reads these columns");

static void name_columns(const char *columns[COLUMNS])
{
    static const char *const keys[KEYS] = {"controller", "policy",      "train_seed",
                                           "scenario",   "split",       "seed",
                                           "episode",    "cell_digest", "agent"};
    memcpy(columns, keys, sizeof keys);
    for (int i = 0; i < ORG_METRIC_COUNT; i++) {
        columns[KEYS + i] = org_metric_info[i].name;
    }
}

/* The keys of one row as text. */
struct keys {
    char number[5][24];
    const char *text[KEYS];
};

/* The keys of agent `agent` in job i, where
 *
 *   i = (arm * n_scenarios + scenario) * n_episodes + episode - first
 *
 * They point into `k`, the grid and the evaluation. Policy and training seed are empty for
 * rules. */
static void keys_of(struct keys *k, const struct org_metrics_log *l, int i, int agent)
{
    const struct eval_grid *p = l->grid;
    const struct grid_arm *arm = &p->arms[i / (p->n_scenarios * p->n_episodes)];
    const int scenario = i / p->n_episodes % p->n_scenarios;
    memset(k->number, 0, sizeof k->number);
    if (arm->learned) {
        (void)snprintf(k->number[0], sizeof k->number[0], "%016" PRIx64, arm->policy);
        (void)snprintf(k->number[1], sizeof k->number[1], "%" PRIu64, arm->seed);
    }
    (void)snprintf(k->number[2], sizeof k->number[2], "%" PRIu64, p->seed);
    (void)snprintf(k->number[3], sizeof k->number[3], "%d", p->first + i % p->n_episodes);
    (void)snprintf(k->number[4], sizeof k->number[4], "%016" PRIx64, arm->cell_digest[scenario]);
    k->text[KEY_CONTROLLER] = arm->name;
    k->text[KEY_POLICY] = k->number[0];
    k->text[KEY_TRAIN_SEED] = k->number[1];
    k->text[KEY_SCENARIO] = p->scenarios[scenario];
    k->text[KEY_SPLIT] = p->split;
    k->text[KEY_SEED] = k->number[2];
    k->text[KEY_EPISODE] = k->number[3];
    k->text[KEY_CELL_DIGEST] = k->number[4];
    k->text[KEY_AGENT] = eval_agent_name(l->eval, i, agent);
}

enum err org_metrics_log_init(struct org_metrics_log *l, struct arena *arena,
                              const struct eval *eval, const struct eval_grid *grid,
                              const char *dir)
{
    *l = (struct org_metrics_log){.eval = eval,
                                  .grid = grid,
                                  .arena = arena,
                                  .path = file_join(arena, dir, "org_metrics.csv"),
                                  .csv = {.fd = -1},
                                  .n_jobs = grid->n_arms * grid->n_scenarios * grid->n_episodes};
    for (int i = 0; i < l->n_jobs; i++) {
        l->on = l->on || eval_n_agents(eval, i) > 0;
    }
    l->n_kept = l->n_jobs;
    return arena_error(arena);
}

/* ---- what is there ---- */

/* Whether the next rows are those of job i; *n_rows grows by them. A job counts only with the rows
 * of all its agents, so the file can be cut behind it. */
static bool next_is_job(struct csv_reader *r, const struct org_metrics_log *l, int i,
                        int64_t *n_rows)
{
    const int n_agents = eval_n_agents(l->eval, i);
    for (int a = 0; a < n_agents; a++) {
        const char *cells[COLUMNS];
        enum csv_status status;
        struct keys want;
        if (csv_reader_next(r, cells, COLUMNS, &status) != ERR_OK || status != CSV_ROW) {
            return false;
        }
        keys_of(&want, l, i, a);
        for (int k = 0; k < KEYS; k++) {
            if (strcmp(cells[k], want.text[k]) != 0) {
                return false;
            }
        }
    }
    *n_rows += n_agents;
    return true;
}

/* Jobs, and their rows, from the start of the file that can be kept. Invariant: the first *n_rows
 * rows are exactly those of the jobs 0 .. n_kept - 1. The first row that is read is the header;
 * csv_resume() compares it with the columns. */
static enum err count_kept(struct org_metrics_log *l, int64_t *n_rows)
{
    struct csv_reader r;
    const char *cells[COLUMNS];
    enum csv_status status;
    TRY(csv_reader_open(&r, l->path));
    enum err e = csv_reader_next(&r, cells, COLUMNS, &status);
    while (e == ERR_OK && status == CSV_ROW && l->n_kept < l->n_jobs &&
           next_is_job(&r, l, l->n_kept, n_rows)) {
        l->n_kept++;
    }
    csv_reader_close(&r);
    return e;
}

enum err org_metrics_log_open(struct org_metrics_log *l, bool keep)
{
    const char *columns[COLUMNS];
    int64_t n_rows = 0;
    if (!l->on) {
        return ERR_OK;
    }
    name_columns(columns);
    l->n_kept = 0;
    if (!keep || !file_exists(l->path)) {
        return csv_create(&l->csv, l->arena, l->path, columns, COLUMNS);
    }
    TRY(count_kept(l, &n_rows));
    return csv_resume(&l->csv, l->arena, l->path, columns, COLUMNS, n_rows);
}

/* ---- parts ---- */

/* A row of some part. */
struct found {
    uint64_t hash;
    const char *cells[COLUMNS]; /* valid as long as the reader is open */
    const char *path;
    int line;
};

/* Parts and their rows, sorted by hash. */
struct parts {
    struct csv_reader *readers; /* (n) open */
    int n;
    struct buf rows;
};

/* The NUL of each key is hashed, too, so that "ab", "c" and "a", "bc" differ. */
static uint64_t hash_of(const char *const *keys)
{
    uint64_t hash = HASH_START;
    for (int k = 0; k < KEYS; k++) {
        hash = hash_fnv1a(hash, keys[k], strlen(keys[k]) + 1);
    }
    return hash;
}

static int by_hash(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Rows point into the text that the reader keeps, so the readers stay open until the
 * file is written. */
static enum err read_part(struct parts *p, struct csv_reader *r)
{
    struct found row;
    enum csv_status status;
    TRY(csv_reader_next(r, row.cells, COLUMNS, &status)); /* the header */
    while (status == CSV_ROW) {
        TRY(csv_reader_next(r, row.cells, COLUMNS, &status));
        row.hash = hash_of(row.cells);
        row.path = r->path;
        row.line = r->line;
        if (status == CSV_ROW) {
            TRY(buf_append(&p->rows, &row, sizeof row));
        }
    }
    return ERR_OK;
}

/* The cells of the row with these keys, NULL: there is none. Invariant of the search: rows before
 * `lo` have a smaller hash, rows from `hi` on have none that is smaller. At its end `lo` is the
 * first row with this hash, if there is one. Different keys may share a hash, so the keys of each
 * such row are compared. */
static const char *const *find_row(const struct parts *p, const char *const *keys)
{
    const struct found *rows = (const struct found *)(const void *)p->rows.data;
    const uint64_t hash = hash_of(keys);
    size_t lo = 0, hi = p->rows.len / sizeof *rows;
    const size_t n = hi;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (rows[mid].hash < hash) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    for (; lo < n && rows[lo].hash == hash; lo++) {
        int k = 0;
        while (k < KEYS && strcmp(rows[lo].cells[k], keys[k]) == 0) {
            k++;
        }
        if (k == KEYS) {
            return rows[lo].cells;
        }
    }
    return NULL;
}

/* How many cells from the left are the same in both. */
static int n_equal(const struct found *a, const struct found *b)
{
    int c = 0;
    while (c < COLUMNS && strcmp(a->cells[c], b->cells[c]) == 0) {
        c++;
    }
    return c;
}

/* Parts may repeat each other's rows, but not contradict them. Rows with the same keys have the
 * same hash, and so stand together; each is compared with all of its hash that follow. */
static enum err check_repeated(const struct parts *p)
{
    const struct found *rows = (const struct found *)(const void *)p->rows.data;
    const size_t n = p->rows.len / sizeof *rows;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n && rows[j].hash == rows[i].hash; j++) {
            const int c = n_equal(&rows[i], &rows[j]);
            if (c >= KEYS && c < COLUMNS) {
                log_error("%s:%d and %s:%d are both of %s, %s, episode %s, agent %s, but %s is %s "
                          "in one and %s in the other; they were made by different programs",
                          rows[i].path, rows[i].line, rows[j].path, rows[j].line,
                          rows[i].cells[KEY_CONTROLLER], rows[i].cells[KEY_SCENARIO],
                          rows[i].cells[KEY_EPISODE], rows[i].cells[KEY_AGENT],
                          org_metric_info[c - KEYS].name, rows[i].cells[c], rows[j].cells[c]);
                return ERR_MISMATCH;
            }
        }
    }
    return ERR_OK;
}

/* Is there a row for each agent of each job? Asked before the first row is written: a file is
 * complete or is not made. */
static bool have_all(const struct org_metrics_log *l, const struct parts *p)
{
    for (int i = 0; i < l->n_jobs; i++) {
        for (int a = 0; a < eval_n_agents(l->eval, i); a++) {
            struct keys k;
            keys_of(&k, l, i, a);
            if (find_row(p, k.text) == NULL) {
                log_info("org_metrics.csv is not merged: no part has the row of %s, %s, episode "
                         "%s, agent %s",
                         k.text[KEY_CONTROLLER], k.text[KEY_SCENARIO], k.text[KEY_EPISODE],
                         k.text[KEY_AGENT]);
                return false;
            }
        }
    }
    return true;
}

static enum err write_rows(struct org_metrics_log *l, const struct parts *p)
{
    const char *columns[COLUMNS];
    name_columns(columns);
    TRY(csv_create(&l->csv, l->arena, l->path, columns, COLUMNS));
    for (int i = 0; i < l->n_jobs; i++) {
        for (int a = 0; a < eval_n_agents(l->eval, i); a++) {
            struct keys k;
            keys_of(&k, l, i, a);
            const char *const *cells = find_row(p, k.text);
            for (int c = 0; c < COLUMNS; c++) {
                csv_text(&l->csv, cells[c]);
            }
            TRY(csv_end_row(&l->csv));
        }
    }
    return csv_sync(&l->csv);
}

/* "DIR/eval.csv" -> "DIR/org_metrics.csv". */
static const char *beside(const struct org_metrics_log *l, const char *file)
{
    const char *slash = strrchr(file, '/');
    const int n = slash == NULL ? 0 : (int)(slash - file) + 1;
    return arena_printf(l->arena, "%.*sorg_metrics.csv", n, file);
}

static enum err merge(struct org_metrics_log *l, struct parts *p, const char *const *files, int n)
{
    for (int i = 0; i < n; i++) {
        const char *path = beside(l, files[i]);
        TRY(arena_error(l->arena));
        if (!file_exists(path)) {
            continue; /* a part in which nobody is measured */
        }
        TRY(csv_reader_open(&p->readers[p->n], path));
        TRY(read_part(p, &p->readers[p->n++]));
    }
    if (p->rows.len > 0) {
        qsort(p->rows.data, p->rows.len / sizeof(struct found), sizeof(struct found), by_hash);
    }
    TRY(check_repeated(p));
    return have_all(l, p) ? write_rows(l, p) : ERR_OK;
}

enum err org_metrics_log_merge(struct org_metrics_log *l, const char *const *files, int n)
{
    struct parts p = {.readers = ARENA_NEW(l->arena, n, struct csv_reader)};
    if (!l->on) {
        return ERR_OK;
    }
    TRY(arena_error(l->arena));
    buf_init(&p.rows);
    const enum err e = merge(l, &p, files, n);
    for (int i = 0; i < p.n; i++) {
        csv_reader_close(&p.readers[i]);
    }
    buf_release(&p.rows);
    return e;
}

/* struct org_metric_values has doubles only, in the order of the columns. */
enum err org_metrics_log_take(struct org_metrics_log *l, int i)
{
    const struct org_metric_values *values = eval_org_metrics(l->eval);
    for (int a = 0; i >= l->n_kept && a < eval_n_agents(l->eval, i); a++) {
        const double *value = (const double *)&values[a];
        struct keys k;
        keys_of(&k, l, i, a);
        for (int c = 0; c < KEYS; c++) {
            csv_text(&l->csv, k.text[c]);
        }
        for (int c = 0; c < ORG_METRIC_COUNT; c++) {
            csv_num(&l->csv, value[c]);
        }
        TRY(csv_end_row(&l->csv));
    }
    return ERR_OK;
}

void org_metrics_log_close(struct org_metrics_log *l)
{
    csv_close(&l->csv);
}
