/* Lines first, as they stand; then the array. See sheet.h. */
#include "core/twin/sheet.h"

#include "core/base/csv_read.h"
#include "core/base/gzip.h"
#include "core/base/log.h"
#include "core/base/timestamp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_MAX = 1024 * 1024 * 1024,
    HEADER_MAX = 4096,      /* columns of a file */
    SERVICES_MAX = 1024,    /* of a sheet */
    RUNS_MAX = 65536,       /* of a sheet */
    CELLS_FREE = 64 * 1024, /* of the array, whatever the file has */
    SPARSE_MAX = 64         /* cells of the array for each one of the file */
};

/* One line of the file; its values stand in another buffer. */
struct line {
    double time_s;
    int run, service, line;
};

struct reader {
    struct sheet *s;
    struct arena *arena;
    struct csv_reader csv;
    const char **header, **cells; /* (n) */
    int n;
    int *column_of, *service_of; /* (n) index in the sheet, -1: not read; services of a wide one */
    int time_at, service_at, run_at[LAYOUT_RUNS_MAX];
    int width;                   /* values of a line */
    struct buf lines;            /* struct line */
    struct buf values;           /* (lines, width) double */
    struct buf runs;             /* struct sheet_run */
    double last_s[SERVICES_MAX]; /* of the line before of the same service */
    int last_run[SERVICES_MAX];  /* -1: there was none */
};

/* ---- the file ---- */

/* Line ends of every make become \n, and the last line has one. */
static enum err unify_ends(struct buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] == '\r' && i + 1 < text->len && text->data[i + 1] == '\n') {
            continue;
        }
        text->data[n++] = text->data[i];
    }
    text->len = n;
    if (n > 0 && text->data[n - 1] != '\n') {
        TRY(buf_append(text, "\n", 1));
    }
    return ERR_OK;
}

static int count_cells(const struct buf *text)
{
    int n = 1;
    for (size_t i = 0; i < text->len && text->data[i] != '\n'; i++) {
        n += text->data[i] == ',';
    }
    return n;
}

/* The text ends with a line end, so a row without one has a quote that nobody closed. */
static enum err whole_row(const struct reader *r, enum csv_status status)
{
    if (status == CSV_TORN) {
        log_error("%s:%d: a quote is never closed", r->csv.path, r->csv.line);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static enum err open_file(struct reader *r, const char *path)
{
    enum csv_status status;
    r->csv = (struct csv_reader){.path = path, .next_line = 1};
    buf_init(&r->csv.text);
    TRY(gzip_read(&r->csv.text, path, FILE_MAX));
    TRY(unify_ends(&r->csv.text));
    if (r->csv.text.len == 0) {
        log_error("%s is empty; a table with a header was expected", path);
        return ERR_FORMAT;
    }
    r->n = count_cells(&r->csv.text);
    if (r->n > HEADER_MAX) {
        log_error("%s:1: %d columns; at most %d are read", path, r->n, HEADER_MAX);
        return ERR_FORMAT;
    }
    r->header = ARENA_NEW(r->arena, r->n, const char *);
    r->cells = ARENA_NEW(r->arena, r->n, const char *);
    r->column_of = ARENA_NEW(r->arena, r->n, int);
    r->service_of = ARENA_NEW(r->arena, r->n, int);
    if (r->header == NULL || r->cells == NULL || r->column_of == NULL || r->service_of == NULL) {
        return ERR_MEMORY;
    }
    TRY(csv_reader_next(&r->csv, r->header, r->n, &status));
    return whole_row(r, status);
}

/* ---- the header ---- */

static int find_header(const struct reader *r, const char *name)
{
    for (int i = 0; name != NULL && i < r->n; i++) {
        if (strcmp(r->header[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static enum err choose_layout(struct reader *r)
{
    struct sheet *s = r->s;
    s->layout = layout_of(r->header, r->n);
    if (s->layout == NULL) {
        const char *known = "";
        for (const struct layout *l = layouts; l->name != NULL && known != NULL; l++) {
            known = arena_printf(r->arena, "%s%s%s (%s)", known, l > layouts ? ", " : "", l->name,
                                 l->doc);
        }
        log_error("%s:1: the columns are those of no layout that is known: %s", s->path,
                  known != NULL ? known : "");
        return ERR_FORMAT;
    }
    r->time_at = find_header(r, s->layout->time);
    r->service_at = find_header(r, s->layout->service);
    for (int i = 0; i < LAYOUT_RUNS_MAX; i++) {
        r->run_at[i] = find_header(r, s->layout->runs[i]);
    }
    s->timed = r->time_at >= 0;
    return ERR_OK;
}

/* Index of a service of that name, which is added if it is new; -1: too many, or no memory. */
static int take_service(struct reader *r, const char *name, size_t n)
{
    struct sheet *s = r->s;
    for (int i = 0; i < s->n_services; i++) {
        if (strncmp(s->services[i], name, n) == 0 && s->services[i][n] == '\0') {
            return i;
        }
    }
    if (s->n_services == SERVICES_MAX) {
        log_error("%s:%d: more than %d services", s->path, r->csv.line, SERVICES_MAX);
        return -1;
    }
    s->services[s->n_services] = arena_printf(r->arena, "%.*s", (int)n, name);
    r->last_run[s->n_services] = -1;
    return s->services[s->n_services] != NULL ? s->n_services++ : -1;
}

/* What the layout says of a column of the file; stem: length of the service in a wide one. */
static struct sheet_column column_meant(double *factor, int *stem, const struct layout *l,
                                        const char *header)
{
    struct sheet_column c = {.header = header};
    *stem = 0;
    if (l->columns == NULL) {
        c.metric = metric_find_prometheus(header);
        *factor = c.metric != NULL ? 1.0 / c.metric->si : 1.0;
        return c;
    }
    for (const struct layout_column *k = l->columns; k->header != NULL && c.metric == NULL; k++) {
        *stem = l->wide ? layout_stem(header, k->header) : 0;
        if (l->wide ? *stem > 0 : strcmp(header, k->header) == 0) {
            c = (struct sheet_column){metric_find(k->metric), k->header + (l->wide ? 1 : 0),
                                      k->known};
            *factor = k->factor;
        }
    }
    return c;
}

/* Index of a column of that metric, which is added if it is new. */
static int take_column(struct sheet *s, const struct sheet_column *c)
{
    const int i = sheet_find(s, c->metric->name);
    if (i >= 0) {
        return i;
    }
    s->columns[s->n_columns] = *c;
    return s->n_columns++;
}

static bool names_row(const struct reader *r, int i)
{
    bool is = i == r->time_at || i == r->service_at;
    for (int k = 0; k < LAYOUT_RUNS_MAX; k++) {
        is = is || i == r->run_at[k];
    }
    return is;
}

/* factors (n): value here / value there. */
static enum err read_header(struct reader *r, double *factors)
{
    struct sheet *s = r->s;
    for (int i = 0; i < r->n; i++) {
        int stem = 0;
        r->column_of[i] = r->service_of[i] = -1;
        if (names_row(r, i)) {
            continue;
        }
        const struct sheet_column c = column_meant(&factors[i], &stem, s->layout, r->header[i]);
        if (c.metric == NULL) {
            s->ignored[s->n_ignored++] = r->header[i];
            continue;
        }
        r->column_of[i] = take_column(s, &c);
        if (s->layout->wide) {
            r->service_of[i] = take_service(r, r->header[i], (size_t)stem);
            if (r->service_of[i] < 0) {
                return ERR_FORMAT;
            }
        }
    }
    if (s->n_columns == 0) {
        log_error("%s:1: no column of the layout %s holds a metric", s->path, s->layout->name);
        return ERR_FORMAT;
    }
    r->width = s->n_columns * (s->layout->wide ? s->n_services : 1);
    return ERR_OK;
}

/* ---- lines ---- */

static bool is_missing(const char *cell)
{
    static const char *const words[] = {"", "nan", "NaN", "None", "NA", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(cell, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum err read_values(struct reader *r, double *out, const double *factors)
{
    const struct sheet *s = r->s;
    for (int i = 0; i < r->width; i++) {
        out[i] = NAN;
    }
    for (int i = 0; i < r->n; i++) {
        double v = NAN;
        if (r->column_of[i] < 0) {
            continue;
        }
        if (!is_missing(r->cells[i]) && !timestamp_number(&v, r->cells[i])) {
            log_error("%s:%d: '%s' in column %s is no number; an empty cell or nan is one that is "
                      "missing",
                      s->path, r->csv.line, r->cells[i], r->header[i]);
            return ERR_FORMAT;
        }
        const int service = s->layout->wide ? r->service_of[i] : 0;
        out[service * s->n_columns + r->column_of[i]] = v * factors[i];
    }
    return ERR_OK;
}

static enum err take_run(int *run, struct reader *r)
{
    struct sheet_run new = {{"", "", "", ""}};
    const struct sheet_run *runs = (const void *)r->runs.data;
    for (int k = 0; k < LAYOUT_RUNS_MAX; k++) {
        new.names[k] = r->run_at[k] >= 0 ? r->cells[r->run_at[k]] : "";
    }
    for (int i = r->s->n_runs - 1; i >= 0; i--) { /* most lines are of the last one */
        bool same = true;
        for (int k = 0; k < LAYOUT_RUNS_MAX; k++) {
            same = same && strcmp(runs[i].names[k], new.names[k]) == 0;
        }
        if (same) {
            *run = i;
            return ERR_OK;
        }
    }
    if (r->s->n_runs == RUNS_MAX) {
        log_error("%s:%d: more than %d runs", r->s->path, r->csv.line, RUNS_MAX);
        return ERR_FORMAT;
    }
    for (int k = 0; k < LAYOUT_RUNS_MAX; k++) {
        new.names[k] = new.names[k][0] != '\0' ? arena_strdup(r->arena, new.names[k]) : "";
        if (new.names[k] == NULL) {
            return ERR_MEMORY;
        }
    }
    *run = r->s->n_runs++;
    return buf_append(&r->runs, &new, sizeof new);
}

/* Does time advance within a run and service? */
static void watch_time(struct reader *r, const struct line *l)
{
    struct sheet *s = r->s;
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
    struct sheet *s = r->s;
    struct line l = {.time_s = NAN, .line = r->csv.line};
    if (s->timed && !timestamp_parse(&l.time_s, r->cells[r->time_at], 1.0)) {
        log_error("%s:%d: '%s' is no time; seconds or ISO 8601 were expected", s->path, l.line,
                  r->cells[r->time_at]);
        return ERR_FORMAT;
    }
    if (!s->layout->wide) {
        const char *name = r->cells[r->service_at];
        l.service = take_service(r, name, strlen(name));
        if (l.service < 0) {
            return ERR_FORMAT;
        }
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
    enum csv_status status = CSV_ROW;
    double *values = ARENA_NEW(r->arena, r->width, double);
    if (values == NULL) {
        return ERR_MEMORY;
    }
    for (;;) {
        TRY(csv_reader_next(&r->csv, r->cells, r->n, &status));
        TRY(whole_row(r, status));
        if (status == CSV_AT_END) {
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

/* ---- the array ---- */

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

/* rows (n_lines): the row of each line; returns their number. */
static int number_rows(int *rows, int *order, const struct sheet *s, const struct line *lines)
{
    int n = 0;
    for (int i = 0; i < s->n_lines; i++) {
        order[i] = i;
    }
    if (!s->layout->wide) {
        qsort_r(order, (size_t)s->n_lines, sizeof *order, by_run_and_time,
                (void *)(uintptr_t)lines);
    }
    for (int i = 0; i < s->n_lines; i++) {
        const struct line *l = &lines[order[i]], *before = i > 0 ? &lines[order[i - 1]] : l;
        const bool same =
            i > 0 && !s->layout->wide && l->run == before->run && !(l->time_s > before->time_s);
        n += same ? 0 : 1;
        rows[order[i]] = n - 1;
    }
    return n;
}

static enum err carve_rows(struct sheet *s, struct arena *arena, const struct reader *r)
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
    if (s->time_s == NULL || s->run == NULL || s->line == NULL || s->values == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < (size_t)cells; i++) {
        s->values[i] = NAN;
    }
    return ERR_OK;
}

static enum err fill_rows(struct reader *r)
{
    struct sheet *s = r->s;
    const struct line *lines = (const void *)r->lines.data;
    int *rows = ARENA_NEW(r->arena, s->n_lines, int);
    int *order = ARENA_NEW(r->arena, s->n_lines, int);
    if (rows == NULL || order == NULL) {
        return ERR_MEMORY;
    }
    s->n_rows = number_rows(rows, order, s, lines);
    TRY(carve_rows(s, r->arena, r));
    for (int i = 0; i < s->n_lines; i++) {
        const size_t row = (size_t)rows[i];
        const size_t at =
            (row * (size_t)s->n_services + (size_t)lines[i].service) * (size_t)s->n_columns;
        memcpy(s->values + at,
               (const double *)(const void *)r->values.data + (size_t)i * (size_t)r->width,
               (size_t)r->width * sizeof *s->values);
        s->time_s[row] = lines[i].time_s;
        s->run[row] = lines[i].run;
        s->line[row] =
            s->line[row] == 0 || lines[i].line < s->line[row] ? lines[i].line : s->line[row];
    }
    s->runs = ARENA_NEW(r->arena, s->n_runs, struct sheet_run);
    if (s->runs == NULL) {
        return ERR_MEMORY;
    }
    memcpy(s->runs, r->runs.data, r->runs.len);
    return ERR_OK;
}

static enum err keep_names(struct sheet *s, struct arena *arena)
{
    for (int i = 0; i < s->n_ignored; i++) {
        s->ignored[i] = arena_strdup(arena, s->ignored[i]);
        if (s->ignored[i] == NULL) {
            return ERR_MEMORY;
        }
    }
    for (int i = 0; i < s->n_columns; i++) {
        s->columns[i].header = arena_strdup(arena, s->columns[i].header);
        if (s->columns[i].header == NULL) {
            return ERR_MEMORY;
        }
    }
    return ERR_OK;
}

static enum err read_all(struct reader *r, const char *path)
{
    struct sheet *s = r->s;
    TRY(open_file(r, path));
    TRY(choose_layout(r));
    double *factors = ARENA_NEW(r->arena, r->n, double);
    s->services = ARENA_NEW(r->arena, SERVICES_MAX, const char *);
    s->columns = ARENA_NEW(r->arena, r->n, struct sheet_column);
    s->ignored = ARENA_NEW(r->arena, r->n, const char *);
    if (factors == NULL || s->services == NULL || s->columns == NULL || s->ignored == NULL) {
        return ERR_MEMORY;
    }
    TRY(read_header(r, factors));
    TRY(keep_names(s, r->arena));
    TRY(read_lines(r, factors));
    return fill_rows(r);
}

enum err sheet_read(struct sheet *s, struct arena *arena, const char *path)
{
    struct sheet read = {.path = path};
    struct reader *r = ARENA_NEW(arena, 1, struct reader);
    if (r == NULL) {
        return ERR_MEMORY;
    }
    r->s = &read;
    r->arena = arena;
    buf_init(&r->lines);
    buf_init(&r->values);
    buf_init(&r->runs);
    const enum err e = read_all(r, path);
    csv_reader_close(&r->csv);
    buf_release(&r->runs);
    buf_release(&r->values);
    buf_release(&r->lines);
    if (e == ERR_OK) {
        *s = read;
    }
    return e;
}

int sheet_find(const struct sheet *s, const char *metric)
{
    for (int i = 0; i < s->n_columns; i++) {
        if (strcmp(s->columns[i].metric->name, metric) == 0) {
            return i;
        }
    }
    return -1;
}
