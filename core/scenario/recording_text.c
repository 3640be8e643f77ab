/* Text -> rows of time and rate: lines, fields of a CSV, columns by name. See recording.h. */
#include "core/base/log.h"
#include "core/base/timestamp.h"
#include "core/scenario/recording.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIELDS_MAX = 256 };
static const double RATE_MAX = 1e12;

/* A text that is read line by line. */
struct reader {
    const struct recording_format *format;
    struct buf *rows;
    int number; /* of the line, from 1 */
    /* CSV only */
    char separator; /* '\0': one rate a line */
    int time_column, rate_column, n_columns;
    double last_s; /* time of the row before */
    bool has_last;
};

static const char *const PLAIN_REMEDY = "give one rate (requests/s) a line, or a CSV file whose "
                                        "header names a time column";

static enum err refuse(const struct reader *r, const char *what, const char *found,
                       const char *remedy)
{
    log_error("%s:%d: '%.40s' %s; %s", r->format->path, r->number, found, what, remedy);
    return ERR_FORMAT;
}

/* The text without blanks at its ends, NUL-terminated in place. */
static char *trim(char *text, char *end)
{
    while (end > text && strchr(" \t\r", end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    return text + strspn(text, " \t");
}

/* ---- fields ---- */

/* A quoted field from behind its opening quote; doubled quotes become one. Returns what follows the
 * closing quote, NULL if there is none. */
static char *unquote(char *at)
{
    char *out = at;
    for (; *at != '\0'; at++) {
        if (*at == '"' && at[1] != '"') {
            *out = '\0';
            return at + 1;
        }
        at += *at == '"';
        *out++ = *at;
    }
    return NULL;
}

/* Cuts the line in place. Returns the number of fields, -1 with an open quote, FIELDS_MAX + 1 if
 * there are more. */
static int split(char *fields[FIELDS_MAX], char *line, char separator)
{
    for (int n = 0; n < FIELDS_MAX; n++) {
        line += strspn(line, " ");
        char *after = line;
        if (*line == '"') {
            fields[n] = line + 1;
            after = unquote(line + 1);
            if (after == NULL) {
                return -1;
            }
        }
        char *end = strchr(after, separator);
        bool last = end == NULL;
        end = last ? after + strlen(after) : end;
        if (after == line) {
            fields[n] = trim(line, end);
        }
        if (last) {
            return n + 1;
        }
        *end = '\0';
        line = end + 1;
    }
    return FIELDS_MAX + 1;
}

/* ---- the header ---- */

static const char *const TIME_NAMES[] = {"time", "timestamp", "t_s",       "time_s", "t",
                                         "date", "datetime",  "date_time", "ds",     NULL};
static const char *const RATE_NAMES[] = {"rate",     "rps", "rate_rps", "requests_per_second",
                                         "requests", "qps", "value",    "request_rate_rps",
                                         "y",        NULL};

/* Which column is meant: by name or by "#number"; -1 if none. */
static int column_named(const char *wanted, char *const *fields, int n)
{
    if (wanted[0] == '#') {
        char *end;
        long number = strtol(wanted + 1, &end, 10);
        return *end == '\0' && number >= 1 && number <= n ? (int)number - 1 : -1;
    }
    for (int i = 0; i < n; i++) {
        if (strcasecmp(wanted, fields[i]) == 0) {
            return i;
        }
    }
    return -1;
}

/* The first of the usual names that the header has. */
static int column_usual(const char *const *names, char *const *fields, int n)
{
    int column = -1;
    for (int i = 0; column < 0 && names[i] != NULL; i++) {
        column = column_named(names[i], fields, n);
    }
    return column;
}

static enum err find_column(int *column, const struct reader *r, const char *key,
                            const char *wanted, const char *const *usual, char *const *fields)
{
    bool given = wanted != NULL && wanted[0] != '\0';
    *column = given ? column_named(wanted, fields, r->n_columns)
                    : column_usual(usual, fields, r->n_columns);
    if (*column >= 0) {
        return ERR_OK;
    }
    if (given) {
        log_error("%s:%d: the header has no column '%.40s'; correct workload.%s", r->format->path,
                  r->number, wanted, key);
    } else {
        log_error("%s:%d: none of the %d columns has a usual name for it; name it in workload.%s, "
                  "or give its number as '#2'",
                  r->format->path, r->number, r->n_columns, key);
    }
    return ERR_FORMAT;
}

static enum err read_header(struct reader *r, char *line)
{
    char *fields[FIELDS_MAX];
    r->n_columns = split(fields, line, r->separator);
    if (r->n_columns < 2 || r->n_columns > FIELDS_MAX) {
        return refuse(r, "is no header of 2 to 256 columns", line, "correct the first line");
    }
    TRY(find_column(&r->time_column, r, "time_column", r->format->time_column, TIME_NAMES, fields));
    if (r->n_columns == 2 && (r->format->rate_column == NULL || *r->format->rate_column == '\0')) {
        r->rate_column = 1 - r->time_column;
        return ERR_OK;
    }
    TRY(find_column(&r->rate_column, r, "rate_column", r->format->rate_column, RATE_NAMES, fields));
    if (r->rate_column == r->time_column) {
        return refuse(r, "is the column of the time and of the rate", fields[r->rate_column],
                      "correct workload.time_column or rate_column");
    }
    return ERR_OK;
}

/* A first line that is no number but has a separator is the header of a CSV. */
static char separator_of(const char *line)
{
    static const char separators[] = ",;\t";
    double ignored;
    for (const char *s = separators; *s != '\0'; s++) {
        if (!timestamp_number(&ignored, line) && strchr(line, *s) != NULL) {
            return *s;
        }
    }
    return '\0';
}

/* ---- lines ---- */

static enum err keep(struct reader *r, double at_s, const char *text, const char *remedy)
{
    struct recording_row row = {.at_s = at_s};
    if (!timestamp_number(&row.rate, text)) {
        return refuse(r, "is not a number", text, remedy);
    }
    if (!(row.rate >= 0.0 && row.rate <= RATE_MAX)) {
        log_error("%s:%d: the rate %.40s is not from 0 to %g requests/s", r->format->path,
                  r->number, text, RATE_MAX);
        return ERR_FORMAT;
    }
    return buf_append(r->rows, &row, sizeof row);
}

static bool is_missing(const char *text)
{
    return text[0] == '\0' || strcasecmp(text, "nan") == 0 || strcasecmp(text, "na") == 0 ||
           strcasecmp(text, "null") == 0;
}

static enum err read_row(struct reader *r, char *line)
{
    char *fields[FIELDS_MAX];
    int n = split(fields, line, r->separator);
    if (n != r->n_columns) {
        log_error("%s:%d: %s; the header has %d columns, give every row as many", r->format->path,
                  r->number, n < 0 ? "a quote is not closed" : "the number of fields differs",
                  r->n_columns);
        return ERR_FORMAT;
    }
    double at_s;
    if (!timestamp_parse(&at_s, fields[r->time_column], r->format->time_unit_s)) {
        return refuse(r, "is no time", fields[r->time_column],
                      "give seconds (or set workload.time_unit_s) or 2025-01-31 23:59:59");
    }
    if (r->has_last && at_s <= r->last_s) {
        return refuse(r, "is not after the time of the row before", fields[r->time_column],
                      "sort the rows and keep one series");
    }
    r->last_s = at_s;
    r->has_last = true;
    if (is_missing(fields[r->rate_column])) {
        return ERR_OK;
    }
    return keep(r, at_s, fields[r->rate_column], "give a rate (requests/s), or leave it empty");
}

static enum err read_line(struct reader *r, char *line, bool *first)
{
    if (line[0] == '\0' || line[0] == '#') {
        return ERR_OK;
    }
    if (*first) {
        *first = false;
        r->separator = separator_of(line);
        if (r->separator != '\0') {
            return read_header(r, line);
        }
    }
    if (r->separator != '\0') {
        return read_row(r, line);
    }
    double at_s = (double)(r->rows->len / sizeof(struct recording_row));
    return keep(r, at_s, line, PLAIN_REMEDY);
}

/* Blanks at the end of a line may be empty fields between tabs. */
static char *line_of(char *at, char *end, char separator)
{
    if (separator != '\t') {
        return trim(at, end);
    }
    end -= end > at && end[-1] == '\r';
    *end = '\0';
    return at;
}

enum err recording_rows(struct buf *rows, struct buf *text, const struct recording_format *format)
{
    struct reader r = {.format = format, .rows = rows};
    char *at = (char *)text->data;
    char *text_end = at + text->len;
    bool first = true;
    if (text->len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        at += 3; /* the mark that some programs put before UTF-8 */
    }
    for (r.number = 1; at < text_end; r.number++) {
        char *newline = memchr(at, '\n', (size_t)(text_end - at));
        char *end = newline != NULL ? newline : text_end;
        if (memchr(at, '\0', (size_t)(end - at)) != NULL) {
            log_error("%s:%d: not a text file; %s", format->path, r.number, PLAIN_REMEDY);
            return ERR_FORMAT;
        }
        TRY(read_line(&r, line_of(at, end, r.separator), &first));
        at = end + 1;
    }
    return ERR_OK;
}
