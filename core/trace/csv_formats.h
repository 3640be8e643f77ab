/* CSV formats: how the tables of other programs are read. A format is data: which column is the
 * time, which the service, which definition (column_def.h) a column has and by which factor its
 * unit differs from ours, and what is known to be wrong with it that its numbers cannot show.
 *
 * Long formats have a row for each time and service, wide ones a row for each time and columns
 * called SERVICE + suffix.
 */
#ifndef KARMA_TRACE_CSV_FORMATS_H
#define KARMA_TRACE_CSV_FORMATS_H

#include "core/base/mem.h"

#include <stdbool.h>

enum { CSV_FORMAT_RUNS_MAX = 4 };

struct csv_format_column {
    const char *header;   /* name of the column; its suffix in a wide format */
    const char *def_name; /* of column_def.h */
    double factor;        /* value here / value there */
    const char *known;    /* NULL, or a fault of the unit that is known of this format */
};
struct csv_format {
    const char *name, *doc;
    bool wide;
    const char *time;    /* or another usual name of it (tabular.h); may be missing in a wide one */
    const char *service; /* of a long one */
    const char
        *runs[CSV_FORMAT_RUNS_MAX]; /* columns that tell runs apart; NULL where there are less */
    const char *must; /* a column, or a suffix, that no other format has; NULL: one of Prometheus'
                         names */
    const struct csv_format_column *columns; /* ends with a NULL header; NULL: Prometheus' names */
};

/* Ends with a NULL name. The tidy table, which export writes, is the first. */
extern const struct csv_format csv_formats[];

/* What these columns (n) lack to be of the format, for messages; in the arena, NULL without memory.
 */
const char *csv_format_missing(const struct csv_format *l, struct arena *arena,
                               const char *const *header, int n);

/* The format that a table with these columns (n) has; NULL if none. Names match in any case. */
const struct csv_format *csv_format_of(const char *const *header, int n);

/* Does `header` end with `suffix`, something before it? Then its length, else 0. */
int csv_format_stem(const char *header, const char *suffix);

#endif
