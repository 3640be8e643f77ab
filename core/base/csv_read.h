/* Reading CSV files (RFC 4180) back, row by row, with the line for messages.
 *
 * The whole file is held in memory; cells are unquoted in place. Local.
 */
#ifndef KARMA_BASE_CSV_READ_H
#define KARMA_BASE_CSV_READ_H

#include "core/base/err.h"
#include "core/base/mem.h"

struct csv_reader {
    const char *path; /* borrowed */
    struct buf text;  /* owned */
    size_t at;
    int line;      /* on which the row that was read last began, from 1 */
    int next_line; /* on which the next one begins */
};

/* ERR_IO. */
enum err csv_reader_open(struct csv_reader *r, const char *path) WARN_UNUSED;
void csv_reader_close(struct csv_reader *r);

enum csv_status {
    CSV_ROW,
    CSV_AT_END, /* after the last whole row */
    CSV_TORN    /* so are the last bytes, but a row that has no end follows: a killed writer's */
};

/* The next row, the header included, into cells (n_columns), which stay valid until the reader is
 * closed. A row of another number of cells, or with a stray quote: ERR_FORMAT with file and line.
 */
enum err csv_reader_next(struct csv_reader *r, const char **cells, int n_columns,
                         enum csv_status *status) WARN_UNUSED;

/* A cell of the row that was read last, as a number ("nan" and "inf" are numbers). Else ERR_FORMAT
 * with file, line and the name of the column. */
enum err csv_reader_number(double *out, const struct csv_reader *r, const char *cell,
                           const char *column) WARN_UNUSED;

/* Column `at`, from 0, of the rows below the header of a file of n_columns (at most 16), as
 * numbers, into out (n_max); *n: how many. Rows behind n_max are not looked at. */
enum err csv_read_column(double *out, int *n, int n_max, const char *path, int at,
                         int n_columns) WARN_UNUSED;

#endif
