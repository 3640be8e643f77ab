/* File -> rows of time and rate: which columns are meant, and what they hold. See recording.h. */
#include "core/base/log.h"
#include "core/base/tabular.h"
#include "core/base/timecolumn.h"
#include "core/scenario/recording.h"

#include <math.h>
#include <string.h>

enum { FILE_BYTES_MAX = 256 * 1024 * 1024 };
static const double RATE_MAX = 1e12;

static const char *const RATE_NAMES[] = {
    "rate",     "rps",      "rate_rps", "requests_per_second",
    "requests", "qps",      "value",    "_value",
    "y",        "views",    "count",    "http_requests_per_second",
    "hits",     "received", NULL};

struct reader {
    const struct recording_format *format;
    struct recording_text *out;
    struct tabular table;
    int rate_at;
    struct timecolumn times; /* column -1: there is none */
    double last;             /* time of the row before, as it stands in the file */
    bool has_last;
};

static enum err refuse(const struct reader *r, const char *found, const char *what)
{
    log_error("%s:%d: '%.40s' %s", r->format->path, r->table.line, found, what);
    return ERR_FORMAT;
}

/* ---- columns ---- */

static enum err no_column(const struct reader *r, const char *what, const char *key,
                          const char *const *names)
{
    int n = 0;
    while (names[n] != NULL) {
        n++;
    }
    if (tabular_headless(&r->table)) {
        log_error(
            "%s:%d: this line holds numbers, %s, where a header with the names of the columns "
            "was expected; put one above it: sed -i '%di time,rate' FILE",
            r->format->path, r->table.header_line, tabular_found(&r->table), r->table.header_line);
        return ERR_FORMAT;
    }
    log_error("%s:%d: no column for the %s; columns found: %s; expected one called %s (in any "
              "case); name yours with --set workload.%s=NAME, or give its number: '#2'",
              r->format->path, r->table.header_line, what, tabular_found(&r->table),
              tabular_names(r->table.arena, names, n), key);
    return ERR_FORMAT;
}

/* A name that two columns have says of neither that it is meant; a number does. */
static enum err refuse_twin(const struct reader *r, int column, const char *key)
{
    const int other = tabular_twin(&r->table, column);
    if (other < 0) {
        return ERR_OK;
    }
    log_error("%s:%d: columns %d and %d are both called '%.40s'; remove one, or "
              "read the first of them with --set 'workload.%s=#%d'",
              r->format->path, r->table.header_line, column + 1, other + 1, r->table.header[column],
              key, column + 1);
    return ERR_FORMAT;
}

static enum err find_column(int *column, const struct reader *r, const char *what, const char *key,
                            const char *wanted, const char *const *usual)
{
    if (wanted == NULL || wanted[0] == '\0') {
        *column = tabular_find_any(&r->table, usual);
        return *column >= 0 ? refuse_twin(r, *column, key) : no_column(r, what, key, usual);
    }
    *column = tabular_find(&r->table, wanted);
    if (*column < 0) {
        log_error("%s:%d: the header has no column '%.40s' for the %s; columns found: %s; correct "
                  "workload.%s",
                  r->format->path, r->table.header_line, wanted, what, tabular_found(&r->table),
                  key);
        return ERR_FORMAT;
    }
    return wanted[0] == '#' ? ERR_OK : refuse_twin(r, *column, key);
}

static enum err find_columns(struct reader *r)
{
    const struct recording_format *f = r->format;
    if (r->table.header == NULL) {
        r->times.column = -1;
        return ERR_OK;
    }
    TRY(find_column(&r->times.column, r, "time", "time_column", f->time_column,
                    tabular_time_names));
    /* Of two columns the one that is not the time is the rate, whatever its name. */
    if (r->table.n_columns == 2 && (f->rate_column == NULL || f->rate_column[0] == '\0')) {
        r->rate_at = 1 - r->times.column;
        return ERR_OK;
    }
    TRY(find_column(&r->rate_at, r, "rate", "rate_column", f->rate_column, RATE_NAMES));
    if (r->rate_at == r->times.column) {
        log_error("%s:%d: '%.40s' is the column of the time and of the rate; correct "
                  "workload.time_column or workload.rate_column",
                  f->path, r->table.header_line, r->table.header[r->rate_at]);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

/* ---- rows ---- */

static enum err read_time(double *at, struct reader *r)
{
    TRY(timecolumn_read(at, &r->times, &r->table));
    if (r->has_last && *at <= r->last) {
        return refuse(r, r->table.cells[r->times.column],
                      "is not after the time of the row before; sort the rows and keep "
                      "one series");
    }
    /* Times are compared as they stand in the file. Every unit grows with its numbers, so the order
     * in seconds is the same, and a message can quote the cell. */
    r->last = *at;
    r->has_last = true;
    return ERR_OK;
}

static enum err keep(struct reader *r, double at_s, const char *cell)
{
    struct recording_row row = {.at_s = at_s, .ends_s = NAN, .line = r->table.line};
    if (!tabular_number(&r->table, &row.rate, cell)) {
        return refuse(r, cell, tabular_why_no_number(&r->table, cell));
    }
    if (!(row.rate >= 0.0 && row.rate <= RATE_MAX)) {
        log_error("%s:%d: the rate %.40s is not from 0 to %g requests/s", r->format->path,
                  r->table.line, cell, RATE_MAX);
        return ERR_FORMAT;
    }
    return buf_append(&r->out->rows, &row, sizeof row);
}

static enum err read_row(struct reader *r)
{
    /* Without a column of times row i is second i. */
    double at_s = (double)(r->out->rows.len / sizeof(struct recording_row)), ignored;
    if (r->times.column >= 0) {
        TRY(read_time(&at_s, r));
    } else if (!timestamp_number(&ignored, r->table.cells[0])) {
        return refuse(
            r, r->table.cells[0],
            "is not a number; give one rate (requests/s) a line, or a CSV file whose header "
            "names a time column");
    }
    const char *cell = r->table.cells[r->rate_at];
    if (r->times.column >= 0 && tabular_missing(cell)) {
        r->out->n_missing++;
        return ERR_OK;
    }
    return keep(r, at_s, cell);
}

/* ---- times ---- */

/* Raw numbers -> seconds, once it is known what they count. */
static enum err scale_times(struct reader *r)
{
    struct recording_text *out = r->out;
    struct recording_row *rows = (struct recording_row *)(void *)out->rows.data;
    const size_t n = out->rows.len / sizeof *rows;
    const double unit_s = r->format->time_unit_s;
    const bool given = unit_s < 1.0 || unit_s > 1.0;
    enum timescale_unit unit = TIMESCALE_SECONDS;
    if (!given) {
        TRY(timecolumn_unit(&unit, &r->times, &r->table,
                            "set workload.time_unit_s to the length of one unit"));
    }
    for (size_t i = 0; i < n; i++) {
        const double raw = rows[i].at_s;
        rows[i].at_s = given ? raw * unit_s : timescale_seconds(unit, raw);
        if (!isfinite(rows[i].at_s)) {
            log_error("%s: the time %g, in units of %g s (workload.time_unit_s), is more seconds "
                      "than a number can hold; correct workload.time_unit_s or the time",
                      r->format->path, raw, unit_s);
            return ERR_FORMAT;
        }
    }
    if (given) {
        out->times = arena_printf(r->table.arena, "numbers, each unit %g s", unit_s);
    } else {
        out->times = timecolumn_name(&r->times, unit);
    }
    return arena_error(r->table.arena);
}

static enum err name_columns(struct reader *r)
{
    struct recording_text *out = r->out;
    struct tabular *t = &r->table;
    const bool plain = t->header == NULL;
    out->columns = plain ? "one rate a line"
                         : arena_printf(t->arena, "time '%.40s', rate '%.40s', separated by %ss%s",
                                        t->header[r->times.column], t->header[r->rate_at],
                                        tabular_separator_name(t),
                                        t->n_decimal_commas > 0 ? ", decimal commas" : "");
    out->rate = plain ? "" : arena_strdup(t->arena, t->header[r->rate_at]);
    out->times = plain ? "one a second" : "dates";
    TRY(arena_error(t->arena));
    return r->times.scale.n > 0 ? scale_times(r) : ERR_OK;
}

static enum err read_table(struct reader *r)
{
    bool more = true;
    TRY(find_columns(r));
    for (;;) {
        TRY(tabular_next(&r->table, &more));
        if (!more) {
            return name_columns(r);
        }
        TRY(read_row(r));
    }
}

enum err recording_read_text(struct recording_text *out, struct arena *arena,
                             const struct recording_format *format)
{
    struct reader r = {.format = format, .out = out};
    TRY(tabular_open(&r.table, arena, format->path, FILE_BYTES_MAX));
    const enum err e = read_table(&r);
    tabular_close(&r.table);
    return e;
}
