/* Layouts: how the tables of others are to be read. A layout is data: which column is the time,
 * which the service, which metric a column is and by which factor its unit differs from ours, and
 * what is known to be wrong with it that its numbers cannot show.
 *
 * Long layouts have a row for each time and service, wide ones a row for each time and columns
 * called SERVICE + suffix.
 */
#ifndef KARMA_TRACE_LAYOUTS_H
#define KARMA_TRACE_LAYOUTS_H

#include "core/base/mem.h"

#include <stdbool.h>

enum { LAYOUT_RUNS_MAX = 4 };

struct layout_column {
    const char *header; /* name of the column; its suffix in a wide layout */
    const char *metric; /* of metric.h */
    double factor;      /* value here / value there */
    const char *known;  /* NULL, or a fault of the unit that is known of this layout */
};
struct layout {
    const char *name, *doc;
    bool wide;
    const char *time;    /* or another usual name of it (tabular.h); may be missing in a wide one */
    const char *service; /* of a long one */
    const char *runs[LAYOUT_RUNS_MAX]; /* columns that tell runs apart; NULL where there are less */
    const char *must; /* a column, or a suffix, that no other layout has; NULL: one of Prometheus'
                         names */
    const struct layout_column *columns; /* ends with a NULL header; NULL: Prometheus' names */
};

/* Ends with a NULL name. The tidy table, which export writes, is the first. */
extern const struct layout layouts[];

/* What these columns (n) lack to be of the layout, for messages; in the arena, NULL without memory.
 */
const char *layout_missing(const struct layout *l, struct arena *arena, const char *const *header,
                           int n);

/* The layout that a table with these columns (n) has; NULL if none. Names match in any case. */
const struct layout *layout_of(const char *const *header, int n);

/* Does `header` end with `suffix`, something before it? Then its length, else 0. */
int layout_stem(const char *header, const char *suffix);

#endif
