/* A row is split where it stands: quotes are taken out, separators become ends of strings. */
#include "core/base/csv_read.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/number.h"

#include <stdbool.h>
#include <stdlib.h>

enum { CSV_READ_MAX = 1024 * 1024 * 1024, CELLS_MAX = 16 };

enum err csv_reader_open(struct csv_reader *r, const char *path)
{
    *r = (struct csv_reader){.path = path, .next_line = 1};
    buf_init(&r->text);
    return file_read(&r->text, path, CSV_READ_MAX);
}

void csv_reader_close(struct csv_reader *r)
{
    buf_release(&r->text);
}

/* Where the row that begins at r->at ends (its newline), and how many lines it has; false: torn. A
 * newline inside quotes belongs to its cell. */
static bool find_end(size_t *end, int *n_lines, const struct csv_reader *r)
{
    bool quoted = false;
    *n_lines = 0;
    for (size_t i = r->at; i < r->text.len; i++) {
        const char c = (char)r->text.data[i];
        /* Line ends in quotes count as lines of the file, though not as ends of the row. */
        quoted = c == '"' ? !quoted : quoted;
        *n_lines += c == '\n';
        if (c == '\n' && !quoted) {
            *end = i;
            return true;
        }
    }
    return false;
}

/* Unquotes the cell at `in` to its own place; returns where its separator, or `end`, stands. NULL:
 * a quote inside a plain cell, or text behind a closing one. */
static char *take_cell(char *in, const char *end)
{
    /* out <= in holds throughout: a cell only becomes shorter, so nothing is overwritten before it
     * is read. If out == in at the end, there was no quote, and split() writes the NUL over the
     * separator. */
    char *out = in;
    if (in < end && *in == '"') {
        /* In quotes the cell goes on until a quote that is not doubled. Of a doubled one the first
         * is skipped and the second copied. */
        for (in++; in < end && (*in != '"' || (in + 1 < end && in[1] == '"')); in++) {
            in += *in == '"' ? 1 : 0;
            *out++ = *in;
        }
        in += in < end ? 1 : 0; /* the closing quote */
        if (in < end && *in != ',') {
            return NULL;
        }
    } else {
        for (; in < end && *in != ','; in++, out++) {
            if (*in == '"') {
                return NULL;
            }
        }
    }
    if (out < in) {
        *out = '\0';
    }
    return in;
}

/* Splits [in, end), whose end may be overwritten, into cells. Returns their number, -1 if a quote
 * is stray; of more than n_columns only the number is right. */
static int split(const char **cells, int n_columns, char *in, char *end)
{
    for (int n = 1;; n++) {
        const char *cell = in;
        char *separator = take_cell(in, end);
        if (separator == NULL) {
            return -1;
        }
        if (n <= n_columns) {
            cells[n - 1] = cell;
        }
        const bool last = separator == end;
        *separator = '\0';
        if (last) {
            return n;
        }
        in = separator + 1;
    }
}

enum err csv_reader_next(struct csv_reader *r, const char **cells, int n_columns,
                         enum csv_status *status)
{
    size_t end = 0;
    int n_lines;
    r->line = r->next_line;
    if (!find_end(&end, &n_lines, r)) {
        *status = r->at == r->text.len ? CSV_AT_END : CSV_TORN;
        return ERR_OK;
    }
    char *text = (char *)r->text.data;
    const int n = split(cells, n_columns, text + r->at, text + end);
    if (n != n_columns) {
        log_error("%s:%d: %s", r->path, r->line,
                  n < 0 ? "a quote in the middle of a cell; the file was damaged"
                        : "the row has another number of cells than the header of this program; "
                          "the file was damaged or made by another version");
        return ERR_FORMAT;
    }
    r->at = end + 1;
    r->next_line += n_lines;
    *status = CSV_ROW;
    return ERR_OK;
}

enum err csv_reader_number(double *out, const struct csv_reader *r, const char *cell,
                           const char *column)
{
    if (!number_real(out, cell)) {
        log_error("%s:%d: '%s' in the column %s; a number was expected", r->path, r->line, cell,
                  column);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

enum err csv_read_column(double *out, int *n, int n_max, const char *path, int at, int n_columns)
{
    const char *cells[CELLS_MAX], *head = "";
    struct csv_reader r;
    enum csv_status status;
    CHECK(n_columns <= CELLS_MAX);
    *n = -1; /* the header */
    TRY(csv_reader_open(&r, path));
    enum err e = csv_reader_next(&r, cells, n_columns, &status);
    while (e == ERR_OK && status == CSV_ROW && *n < n_max) {
        if (*n >= 0) {
            e = csv_reader_number(&out[*n], &r, cells[at], head);
        } else {
            head = cells[at];
        }
        (*n)++;
        e = e == ERR_OK ? csv_reader_next(&r, cells, n_columns, &status) : e;
    }
    csv_reader_close(&r);
    *n = *n < 0 ? 0 : *n;
    return e;
}
