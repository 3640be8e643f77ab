/* Lines first, as they stand; then the array. See metrics_table.h.
 *
 * A line of a long table has one time and one service; a line of a wide table one time and all
 * services. Lines are stored as they are read (struct line, and `width` values), because neither
 * the number of services nor the unit of the times is known before the last line. Then times become
 * seconds, the median spacing is found, lines are numbered into rows, and each line's values are
 * copied to (row, service). */
#include "core/trace/metrics_table.h"

#include "core/base/log.h"
#include "core/base/order.h"
#include "core/base/plausible.h"
#include "core/base/tabular.h"
#include "core/base/timecolumn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    FILE_MAX = 1024 * 1024 * 1024,
    SERVICES_MAX = 1024,    /* of a table */
    RUNS_MAX = 65536,       /* of a table */
    CELLS_FREE = 64 * 1024, /* of the array, whatever the file has */
    SPARSE_MAX = 64         /* cells of the array for each one of the file */
};

/* One line of the file; its values stand in another buffer. */
struct line {
    double time_s;
    int run, service, line;
};

struct reader {
    struct metrics_table *s;
    struct arena *arena;
    struct tabular table;
    int *column_of,
        *service_of; /* (n_columns) index in the table, -1: not read; services of a wide one */
    int service_at, run_at[CSV_FORMAT_RUNS_MAX];
    int width;                   /* values of a line */
    struct buf lines;            /* struct line */
    struct buf values;           /* (lines, width) double */
    struct buf runs;             /* struct metrics_table_run */
    double last_s[SERVICES_MAX]; /* of the line before of the same service */
    int last_run[SERVICES_MAX];  /* -1: there was none */
    struct timecolumn times;     /* column -1: there is none */
};

/* ---- the file ---- */

/* FILE_MAX bounds the size after unpacking, so a small archive cannot fill the memory. */
static enum err open_file(struct reader *r, const char *path)
{
    TRY(tabular_open(&r->table, r->arena, path, FILE_MAX));
    if (r->table.header == NULL) {
        log_error(
            "%s:%d: '%.*s' is no header; a line that names at least two columns was expected, "
            "separated by commas, semicolons or tabs",
            path, r->table.next_line, (int)strcspn(r->table.at, "\n"), r->table.at);
        return ERR_FORMAT;
    }
    r->column_of = ARENA_NEW(r->arena, r->table.n_columns, int);
    r->service_of = ARENA_NEW(r->arena, r->table.n_columns, int);
    return arena_error(r->arena);
}

/* ---- the header ---- */

/* Column of the file with that name, -1 if there is none or the format has no such column. */
static int find_header(const struct reader *r, const char *name)
{
    return name != NULL ? tabular_find(&r->table, name) : -1;
}

/* Columns found, and what each format misses. */
static enum err no_format(const struct reader *r)
{
    const struct tabular *t = &r->table;
    const char *list = "";
    if (tabular_headless(t)) {
        log_error(
            "%s:%d: this line holds numbers, %s, where a header with the names of the columns "
            "was expected; put one above it (docs/twin.md names the columns)",
            t->path, t->header_line, tabular_found(t));
        return ERR_FORMAT;
    }
    for (const struct csv_format *l = csv_formats; l->name != NULL && list != NULL; l++) {
        const char *missing = csv_format_missing(l, r->arena, t->header, t->n_columns);
        list = missing != NULL ? arena_printf(r->arena, "%s%s%s (%s) needs %s", list,
                                              l > csv_formats ? "; " : "", l->name, l->doc, missing)
                               : NULL;
    }
    log_error("%s:%d: the columns are those of no known CSV format; columns found: %s; missing: "
              "%s",
              t->path, t->header_line, tabular_found(t), list != NULL ? list : "");
    return ERR_FORMAT;
}

/* Which columns of the file are the time, the service and the run. */
static enum err choose_format(struct reader *r)
{
    struct metrics_table *s = r->s;
    s->format = csv_format_of(r->table.header, r->table.n_columns);
    if (s->format == NULL) {
        return no_format(r);
    }
    r->times.column =
        s->format->time != NULL ? tabular_find_any(&r->table, tabular_time_names) : -1;
    r->service_at = find_header(r, s->format->service);
    s->n_run_columns = 0;
    for (int i = 0; i < CSV_FORMAT_RUNS_MAX; i++) {
        r->run_at[i] = find_header(r, s->format->runs[i]);
        s->n_run_columns += r->run_at[i] >= 0;
    }
    s->timed = r->times.column >= 0;
    s->header_line = r->table.header_line;
    s->separator = tabular_separator_name(&r->table);
    return ERR_OK;
}

/* Index of a service of that name, which is added if it is new. */
static enum err take_service(int *index, struct reader *r, const char *name, size_t n)
{
    struct metrics_table *s = r->s;
    for (int i = 0; i < s->n_services; i++) {
        if (strncmp(s->services[i], name, n) == 0 && s->services[i][n] == '\0') {
            *index = i;
            return ERR_OK;
        }
    }
    if (s->n_services == SERVICES_MAX) {
        log_error("%s:%d: more than %d services", s->path, r->table.line, SERVICES_MAX);
        return ERR_FORMAT;
    }
    s->services[s->n_services] = arena_printf(r->arena, "%.*s", (int)n, name);
    r->last_run[s->n_services] = -1;
    *index = s->n_services++;
    return arena_error(r->arena);
}

/* What the format says of a column of the file; stem: length of the service in a wide one. */
static struct metrics_table_column column_meant(double *factor, int *stem,
                                                const struct csv_format *l, const char *header)
{
    struct metrics_table_column c = {.header = header};
    *stem = 0;
    if (l->columns == NULL) {
        c.def = column_def_find_prometheus(header);
        *factor = c.def != NULL ? 1.0 / c.def->si : 1.0;
        return c;
    }
    for (const struct csv_format_column *k = l->columns; k->header != NULL && c.def == NULL; k++) {
        *stem = l->wide ? csv_format_stem(header, k->header) : 0;
        if (l->wide ? *stem > 0 : strcasecmp(header, k->header) == 0) {
            c = (struct metrics_table_column){column_def_find(k->def_name),
                                              k->header + (l->wide ? 1 : 0), k->known};
            *factor = k->factor;
        }
    }
    return c;
}

/* Index of a column of that metric, which is added if it is new. */
static int take_column(struct metrics_table *s, const struct metrics_table_column *c)
{
    const int i = metrics_table_find(s, c->def->name);
    if (i >= 0) {
        return i;
    }
    s->columns[s->n_columns] = *c;
    return s->n_columns++;
}

static bool names_row(const struct reader *r, int i)
{
    bool is = i == r->times.column || i == r->service_at;
    for (int k = 0; k < CSV_FORMAT_RUNS_MAX; k++) {
        is = is || i == r->run_at[k];
    }
    return is;
}

/* Two columns for one measurement of one service: which of them is meant cannot be told. */
static enum err refuse_twin(const struct reader *r, int column)
{
    for (int i = 0; i < column; i++) {
        if (r->column_of[i] >= 0 && r->column_of[i] == r->column_of[column] &&
            r->service_of[i] == r->service_of[column]) {
            log_error("%s:%d: columns %d '%.60s' and %d '%.60s' are the same measurement; remove "
                      "or rename one of them",
                      r->s->path, r->s->header_line, i + 1, r->table.header[i], column + 1,
                      r->table.header[column]);
            return ERR_FORMAT;
        }
    }
    return ERR_OK;
}

/* factors (n): value here / value there. */
static enum err read_header(struct reader *r, double *factors)
{
    struct metrics_table *s = r->s;
    for (int i = 0; i < r->table.n_columns; i++) {
        int stem = 0;
        r->column_of[i] = r->service_of[i] = -1;
        if (names_row(r, i)) {
            continue;
        }
        const struct metrics_table_column c =
            column_meant(&factors[i], &stem, s->format, r->table.header[i]);
        if (c.def == NULL) {
            s->ignored[s->n_ignored++] = r->table.header[i];
            continue;
        }
        r->column_of[i] = take_column(s, &c);
        if (s->format->wide) {
            TRY(take_service(&r->service_of[i], r, r->table.header[i], (size_t)stem));
        }
        TRY(refuse_twin(r, i));
    }
    if (s->n_columns == 0) {
        log_error("%s:%d: no column of the format %s holds a metric; columns found: %s", s->path,
                  s->header_line, s->format->name, tabular_found(&r->table));
        return ERR_FORMAT;
    }
    r->width = s->n_columns * (s->format->wide ? s->n_services : 1);
    return ERR_OK;
}

/* ---- lines ---- */

static enum err read_values(struct reader *r, double *out, const double *factors)
{
    const struct metrics_table *s = r->s;
    for (int i = 0; i < r->width; i++) {
        out[i] = NAN;
    }
    for (int i = 0; i < r->table.n_columns; i++) {
        double v = NAN;
        if (r->column_of[i] < 0) {
            continue;
        }
        const char *cell = r->table.cells[i];
        if (!tabular_missing(cell) && !tabular_number(&r->table, &v, cell)) {
            log_error("%s:%d: '%.40s' in column %s %s", s->path, r->table.line, cell,
                      r->table.header[i], tabular_why_no_number(&r->table, cell));
            return ERR_FORMAT;
        }
        const int service = s->format->wide ? r->service_of[i] : 0;
        out[service * s->n_columns + r->column_of[i]] = v * factors[i];
    }
    return ERR_OK;
}

/* Index of the run that the columns of the line name, which is added if it is new. Cells are valid
 * until the next line, so names that are kept are copied. */
static enum err take_run(int *run, struct reader *r)
{
    struct metrics_table_run new = {{"", "", "", ""}};
    const struct metrics_table_run *runs = (const void *)r->runs.data;
    for (int k = 0; k < CSV_FORMAT_RUNS_MAX; k++) {
        new.names[k] = r->run_at[k] >= 0 ? r->table.cells[r->run_at[k]] : "";
    }
    for (int i = r->s->n_runs - 1; i >= 0; i--) { /* most lines are of the last one */
        bool same = true;
        for (int k = 0; k < CSV_FORMAT_RUNS_MAX; k++) {
            same = same && strcmp(runs[i].names[k], new.names[k]) == 0;
        }
        if (same) {
            *run = i;
            return ERR_OK;
        }
    }
    if (r->s->n_runs == RUNS_MAX) {
        log_error("%s:%d: more than %d runs", r->s->path, r->table.line, RUNS_MAX);
        return ERR_FORMAT;
    }
    for (int k = 0; k < CSV_FORMAT_RUNS_MAX; k++) {
        new.names[k] = new.names[k][0] != '\0' ? arena_strdup(r->arena, new.names[k]) : "";
    }
    TRY(arena_error(r->arena));
    *run = r->s->n_runs++;
    return buf_append(&r->runs, &new, sizeof new);
}

/* Does time advance within a run and service? Times may still be in the unit of the file: whatever
 * it is, later times are larger numbers. */
static void watch_time(struct reader *r, const struct line *l)
{
    struct metrics_table *s = r->s;
    const int k = l->service;
    if (r->last_run[k] == l->run && s->timed) {
        const bool back = l->time_s < r->last_s[k], still = !back && l->time_s <= r->last_s[k];
        s->back_line = back && s->n_back == 0 ? l->line : s->back_line;
        s->still_line = still && s->n_still == 0 ? l->line : s->still_line;
        s->n_back += back;
        s->n_still += still;
    }
    r->last_run[k] = l->run;
    r->last_s[k] = l->time_s;
}

static enum err read_line(struct reader *r, double *values, const double *factors)
{
    struct metrics_table *s = r->s;
    struct line l = {.time_s = NAN, .line = r->table.line};
    if (s->timed) {
        TRY(timecolumn_read(&l.time_s, &r->times, &r->table));
    }
    if (!s->format->wide) {
        const char *name = r->table.cells[r->service_at];
        TRY(take_service(&l.service, r, name, strlen(name)));
    }
    TRY(take_run(&l.run, r));
    TRY(read_values(r, values, factors));
    watch_time(r, &l);
    s->n_lines++;
    TRY(buf_append(&r->values, values, (size_t)r->width * sizeof *values));
    return buf_append(&r->lines, &l, sizeof l);
}

static enum err read_lines(struct reader *r, const double *factors)
{
    bool more = true;
    double *values = ARENA_NEW(r->arena, r->width, double);
    TRY(arena_error(r->arena));
    for (;;) {
        TRY(tabular_next(&r->table, &more));
        if (!more) {
            break;
        }
        TRY(read_line(r, values, factors));
    }
    if (r->s->n_lines == 0) {
        log_error("%s: a header and no rows", r->s->path);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

/* ---- times ---- */

/* Raw numbers -> seconds, now that it is known what they count. */
static enum err scale_times(struct reader *r)
{
    struct metrics_table *s = r->s;
    struct line *lines = (void *)r->lines.data;
    enum timescale_unit unit;
    TRY(timecolumn_unit(&unit, &r->times, &r->table, "write seconds"));
    for (int i = 0; r->times.scale.n > 0 && i < s->n_lines; i++) {
        lines[i].time_s = timescale_seconds(unit, lines[i].time_s);
    }
    s->times = timecolumn_name(&r->times, unit);
    return ERR_OK;
}

/* Median time between lines of the same run and service, as they follow each other; 0 if none do.
 * last[k]: 1 + the line before of service k, 0 if there was none. A wide line has all services, so
 * there k is 0. */
static enum err find_spacing(struct reader *r)
{
    struct metrics_table *s = r->s;
    const struct line *lines = (const void *)r->lines.data;
    int *last = ARENA_NEW(r->arena, s->n_services, int);
    double *spacing = ARENA_NEW(r->arena, s->n_lines, double);
    int n = 0;
    TRY(arena_error(r->arena));
    for (int i = 0; s->timed && i < s->n_lines; i++) {
        const int k = s->format->wide ? 0 : lines[i].service, before = last[k] - 1;
        if (before >= 0 && lines[before].run == lines[i].run &&
            lines[i].time_s > lines[before].time_s) {
            spacing[n++] = lines[i].time_s - lines[before].time_s;
        }
        last[k] = i + 1;
    }
    qsort(spacing, (size_t)n, sizeof *spacing, order_doubles);
    s->spacing_s = n > 0 ? spacing[n / 2] : 0.0;
    return ERR_OK;
}

/* ---- the array ---- */

/* A total order: lines of one run and time keep the order of the file. Runs are numbered in their
 * order of appearance. */
static int by_run_and_time(const void *a, const void *b, void *ctx)
{
    const struct line *lines = ctx;
    const int i = *(const int *)a, j = *(const int *)b;
    const struct line *x = &lines[i], *y = &lines[j];
    return x->run != y->run        ? (x->run > y->run) - (x->run < y->run)
           : x->time_s < y->time_s ? -1
           : x->time_s > y->time_s ? 1
                                   : (i > j) - (i < j);
}

/* Services are scraped one after the other: what was measured within this part of the spacing is
 * one sample, at the time of its first line. */
static const double SAMPLE_SHARE = 0.25;

/* The row that is being filled. */
struct sample {
    int number, run;
    double begin_s;
    int *row_of; /* (n_services) 1 + the last row in which the service stands */
};

/* Does the line belong to the sample? Lines ascend in run and time. A line of the very time at
 * which the sample begins always does, so samples ascend in time. */
static bool same_sample(const struct sample *a, const struct metrics_table *s, const struct line *l)
{
    const bool within = l->time_s - a->begin_s <= SAMPLE_SHARE * s->spacing_s;
    return a->number > 0 && l->run == a->run &&
           (!(l->time_s > a->begin_s) || (within && a->row_of[l->service] != a->number));
}

/* rows (n_lines): the row of each line; returns their number. order (n_lines) and row_of
 * (n_services, 0): scratch.
 *
 * Lines are visited by run and time. A line opens a new row unless it belongs to the present
 * sample. row_of[k] is the number, from 1, of the last row with a line of service k, so a sample
 * takes each service once. Samples ascend in time within a run: a sample begins at the time of its
 * first line, and the next one begins with a later line. A wide table has a row for each line, in
 * the order of the file. */
static int number_rows(int *rows, int *order, int *row_of, const struct metrics_table *s,
                       const struct line *lines)
{
    struct sample a = {.row_of = row_of};
    for (int i = 0; i < s->n_lines; i++) {
        order[i] = i;
    }
    if (!s->format->wide) {
        qsort_r(order, (size_t)s->n_lines, sizeof *order, by_run_and_time,
                (void *)(uintptr_t)lines);
    }
    for (int i = 0; i < s->n_lines; i++) {
        const struct line *l = &lines[order[i]];
        if (s->format->wide || !same_sample(&a, s, l)) {
            a.number++;
            a.run = l->run;
            a.begin_s = l->time_s;
        }
        a.row_of[l->service] = a.number;
        rows[order[i]] = a.number - 1;
    }
    return a.number;
}

/* The array has a cell for every row, service and metric. If each service has times of its own,
 * almost all cells are empty and the array is about n_services times the file: such a table is
 * refused before memory for it is asked for. The product is formed in double, where it cannot
 * overflow. */
static enum err allocate_rows(struct metrics_table *s, struct arena *arena, const struct reader *r)
{
    const double cells = (double)s->n_rows * s->n_services * s->n_columns;
    if (cells > CELLS_FREE + (double)SPARSE_MAX * s->n_lines * r->width) {
        log_error("%s: %d services at %d times of their own; a table in which services are "
                  "measured together was expected",
                  s->path, s->n_services, s->n_rows);
        return ERR_FORMAT;
    }
    s->time_s = ARENA_NEW(arena, s->n_rows, double);
    s->run = ARENA_NEW(arena, s->n_rows, int);
    s->line = ARENA_NEW(arena, s->n_rows, int);
    s->values = ARENA_NEW(arena, (size_t)cells, double);
    TRY(arena_error(arena));
    for (size_t i = 0; i < (size_t)cells; i++) {
        s->values[i] = NAN;
    }
    return ERR_OK;
}

/* The row's time and line are the least of its lines', whatever their order in the file. Of two
 * lines of one service in a row the later one in the file is kept; watch_time() has counted it. */
static enum err fill_rows(struct reader *r)
{
    struct metrics_table *s = r->s;
    const struct line *lines = (const void *)r->lines.data;
    int *rows = ARENA_NEW(r->arena, s->n_lines, int);
    int *order = ARENA_NEW(r->arena, s->n_lines, int);
    int *row_of = ARENA_NEW(r->arena, s->n_services, int);
    TRY(arena_error(r->arena));
    s->n_rows = number_rows(rows, order, row_of, s, lines);
    TRY(allocate_rows(s, r->arena, r));
    for (int i = 0; i < s->n_lines; i++) {
        const size_t row = (size_t)rows[i];
        const size_t at =
            (row * (size_t)s->n_services + (size_t)lines[i].service) * (size_t)s->n_columns;
        memcpy(s->values + at,
               (const double *)(const void *)r->values.data + (size_t)i * (size_t)r->width,
               (size_t)r->width * sizeof *s->values);
        const bool first = s->line[row] == 0;
        s->time_s[row] =
            first || lines[i].time_s < s->time_s[row] ? lines[i].time_s : s->time_s[row];
        s->run[row] = lines[i].run;
        s->line[row] = first || lines[i].line < s->line[row] ? lines[i].line : s->line[row];
    }
    s->runs = ARENA_NEW(r->arena, s->n_runs, struct metrics_table_run);
    TRY(arena_error(r->arena));
    memcpy(s->runs, r->runs.data, r->runs.len);
    return ERR_OK;
}

static enum err keep_names(struct metrics_table *s, struct arena *arena)
{
    for (int i = 0; i < s->n_ignored; i++) {
        s->ignored[i] = arena_strdup(arena, s->ignored[i]);
    }
    for (int i = 0; i < s->n_columns; i++) {
        s->columns[i].header = arena_strdup(arena, s->columns[i].header);
    }
    return arena_error(arena);
}

/* `karma trace export` writes every column that names a run, and what was decided and offered. */
static bool is_exported(const struct metrics_table *s)
{
    return s->format->columns == NULL && s->n_run_columns == CSV_FORMAT_RUNS_MAX &&
           metrics_table_find(s, "delta") >= 0 && metrics_table_find(s, "offered") >= 0;
}

static enum err read_all(struct reader *r, const char *path)
{
    struct metrics_table *s = r->s;
    TRY(open_file(r, path));
    TRY(choose_format(r));
    double *factors = ARENA_NEW(r->arena, r->table.n_columns, double);
    s->services = ARENA_NEW(r->arena, SERVICES_MAX, const char *);
    s->columns = ARENA_NEW(r->arena, r->table.n_columns, struct metrics_table_column);
    s->ignored = ARENA_NEW(r->arena, r->table.n_columns, const char *);
    TRY(arena_error(r->arena));
    TRY(read_header(r, factors));
    TRY(keep_names(s, r->arena));
    TRY(read_lines(r, factors));
    s->decimal_commas = r->table.n_decimal_commas > 0;
    TRY(scale_times(r));
    TRY(find_spacing(r));
    s->exported = is_exported(s);
    return fill_rows(r);
}

enum err metrics_table_read(struct metrics_table *s, struct arena *arena, const char *path)
{
    struct metrics_table read = {.path = path};
    struct reader *r = ARENA_NEW(arena, 1, struct reader);
    TRY(arena_error(arena));
    r->s = &read;
    r->arena = arena;
    buf_init(&r->lines);
    buf_init(&r->values);
    buf_init(&r->runs);
    const enum err e = read_all(r, path);
    tabular_close(&r->table);
    buf_release(&r->runs);
    buf_release(&r->values);
    buf_release(&r->lines);
    if (e == ERR_OK) {
        *s = read;
    }
    return e;
}

int metrics_table_find(const struct metrics_table *s, const char *name)
{
    for (int i = 0; i < s->n_columns; i++) {
        if (strcmp(s->columns[i].def->name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int metrics_table_services(const struct metrics_table *s)
{
    int n = 0;
    for (int k = 0; k < s->n_services; k++) {
        n += s->services[k][0] != '\0';
    }
    return n;
}

/* Was a rate measured in this row, and is it 0 for every service? */
static bool nothing_received(const struct metrics_table *s, int row, int received)
{
    bool any = false;
    for (int k = 0; k < s->n_services; k++) {
        const double rate = metrics_table_at(s, row, k, received);
        if (rate > 0.0) {
            return false;
        }
        any = any || rate >= 0.0;
    }
    return any;
}

/* Stretches are maximal: `end` is the first row after i that received something or is of another
 * run, and the next one is looked for from there. A stretch lasts until one spacing after its last
 * row. */
int metrics_table_empty_rows(bool *empty, const struct metrics_table *s)
{
    const int received = metrics_table_find(s, "received");
    int n_empty = 0;
    for (int row = 0; row < s->n_rows; row++) {
        empty[row] = false;
    }
    for (int i = 0, end; !s->exported && s->timed && received >= 0 && i < s->n_rows; i = end) {
        end = i + 1;
        if (!nothing_received(s, i, received)) {
            continue;
        }
        while (end < s->n_rows && s->run[end] == s->run[i] && nothing_received(s, end, received)) {
            end++;
        }
        if (s->time_s[end - 1] + s->spacing_s - s->time_s[i] >= PLAUSIBLE_EMPTY_S) {
            for (int k = i; k < end; k++) {
                empty[k] = true;
            }
            n_empty += end - i;
        }
    }
    return n_empty;
}
