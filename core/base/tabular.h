/* Tables that others wrote: CSV in every dialect that spreadsheets, Grafana, Prometheus exporters
 * and InfluxDB make. Recorded loads and tables of measurements are both read here, so that a
 * spelling which one of them takes is taken by the other. (csv_read.h is for the files of this
 * program: one dialect, and whatever differs is damage.)
 *
 *   file        packed with gzip or not; a UTF-8 byte-order mark is skipped; UTF-16, workbooks and
 *               bytes that are no text are refused by name
 *   lines       end in LF, CRLF or CR; blank ones, rows without any value and lines that begin with
 *               # are skipped
 *   separator   comma, semicolon or tab: the one a first line "sep=;" names, else the one that cuts
 *               the header and the first row into the same number of cells, most of them
 *   cells       "quoted" (doubled quotes, separators and line ends inside) or not; blanks around
 *               them do not count
 *   numbers     with a decimal point; where the separator is no comma, also with a decimal comma.
 *               Thousands separators are refused
 *   no value    an empty cell, nan, NA, N/A, null, none, in any case
 *
 * Local.
 */
#ifndef KARMA_BASE_TABULAR_H
#define KARMA_BASE_TABULAR_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>

enum { TABULAR_COLUMNS_MAX = 4096 };

struct tabular {
    const char *path;     /* borrowed */
    struct arena *arena;  /* borrowed */
    struct buf text;      /* owned; cells point into it */
    char *at, *end;       /* what is still to be read */
    int next_line;        /* on which `at` stands, from 1 */
    char separator;       /* '\0': there is no header, each line is one value */
    const char **header;  /* (n_columns), no longer than the text */
    const char **cells;   /* (n_columns) of the row that was read last */
    int n_columns;        /* 1 without a header */
    int header_line;      /* 0: there is none */
    int line;             /* where the row that was read last begins */
    int n_decimal_commas; /* numbers that tabular_number() read with one */
};

/* Reads the file (at most max_bytes, unpacked) and its header. ERR_IO, ERR_FORMAT with file, line
 * and remedy. The path must outlive the table. */
enum err tabular_open(struct tabular *t, struct arena *arena, const char *path,
                      size_t max_bytes) WARN_UNUSED;
void tabular_close(struct tabular *t);

/* The next row into cells, which stay valid until tabular_close(). *more false: there is none.
 * ERR_FORMAT for another number of cells than the header has, an open or a stray quote. */
enum err tabular_next(struct tabular *t, bool *more) WARN_UNUSED;

/* Index of the column of that name, in any case, or of that number, "#2" being the second; -1. */
int tabular_find(const struct tabular *t, const char *name);

/* Index of another column with the name of this one; -1. */
int tabular_twin(const struct tabular *t, int column);

/* Index of the first of these names (ends with NULL) that the header has; -1. */
int tabular_find_any(const struct tabular *t, const char *const *names);

/* There is a header, and every name in it is a number: a table without one, whose first row was
 * taken for it. */
bool tabular_headless(const struct tabular *t);

/* Usual names of the column of times; ends with NULL. */
extern const char *const tabular_time_names[];

/* "'Time', 'Value'": the columns that were found, for messages; in the arena, never NULL. */
const char *tabular_found(const struct tabular *t);

/* The same for a list of names. */
const char *tabular_names(struct arena *arena, const char *const *names, int n);

/* "comma", "semicolon", "tab". */
const char *tabular_separator_name(const struct tabular *t);

bool tabular_missing(const char *cell);

/* False: it is no number in this dialect. */
bool tabular_number(struct tabular *t, double *out, const char *cell);

/* Why a cell is no number, with a remedy: a fragment for a message. */
const char *tabular_why_no_number(const struct tabular *t, const char *cell);

#endif
