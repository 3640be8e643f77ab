/* Aligned tables of text: for a terminal, or as Markdown. The same cells, other borders.
 *
 * The first columns are left-aligned, numbers on the right; widths are counted in characters of
 * UTF-8, so a sign beyond ASCII does not shift a column.
 */
#ifndef KARMA_REPORT_TABLE_H
#define KARMA_REPORT_TABLE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/stats.h"

enum table_style { TABLE_TEXT, TABLE_MARKDOWN };
enum { TABLE_COLUMNS_MAX = 32 };

struct table {
    struct arena *arena; /* borrowed: cells live here */
    const char **cells;  /* (rows + 1, n_columns), the head first; grows */
    int n_columns, n_left, n_cells, cap;
    enum err failed; /* the first failure; table_print() returns it */
};

/* n_left columns from the left are words, the others numbers. */
void table_init(struct table *t, struct arena *arena, const char *const *head, int n_columns,
                int n_left);

/* One cell after the other, row by row. */
void table_text(struct table *t, const char *text);
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The number with 6 significant digits; "-" if it is not defined. */
void table_number(struct table *t, double v);
/* "0.934 [0.921, 0.947]" with that many decimals; "-" if it is not defined. */
void table_interval(struct table *t, const struct stat_interval *v, int decimals);
/* The same with a sign: for differences. */
void table_difference(struct table *t, const struct stat_interval *v, int decimals);

/* Append the table. The last row must be complete. */
enum err table_print(struct buf *out, const struct table *t, enum table_style style) WARN_UNUSED;

/* As text, to standard output. */
enum err table_show(const struct table *t) WARN_UNUSED;

#endif
