/* Tables: one model, five forms. The same cells for a terminal, as Markdown, HTML, LaTeX and CSV.
 *
 * The first columns are words, the others numbers. In text, widths are counted in characters of
 * UTF-8, so a sign beyond ASCII does not shift a column. What people read is rounded; CSV has every
 * number in full, and of an interval the value and both ends in columns of their own.
 */
#ifndef KARMA_REPORT_TABLE_H
#define KARMA_REPORT_TABLE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/stats.h"

enum table_style {
    TABLE_TEXT,
    TABLE_MARKDOWN,
    TABLE_HTML,  /* <table> ... </table> */
    TABLE_LATEX, /* tabular with the rules of the package booktabs */
    TABLE_CSV    /* RFC 4180, lines end in \n */
};
enum { TABLE_COLUMNS_MAX = 32 };

/* The text that people read, and the numbers that it was made of. */
struct table_entry {
    const char *text;
    int n;       /* numbers: 0 a text, 1 a number, 3 an interval */
    double x[3]; /* value, lo, hi; NaN: not defined */
};

struct table {
    struct arena *arena;       /* borrowed: cells live here */
    struct table_entry *cells; /* (rows + 1, n_columns), the head first; grows */
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
/* The number with that many decimals; "-" if it is not defined. */
void table_fixed(struct table *t, double v, int decimals);
/* "0.934 [0.921, 0.947]" with that many decimals; "0.934" without an interval, for example of a
 * single seed; "-" if it is not defined. */
void table_interval(struct table *t, const struct stat_interval *v, int decimals);
/* The same with a sign: for differences. */
void table_difference(struct table *t, const struct stat_interval *v, int decimals);

/* Rows below the head. */
int table_n_rows(const struct table *t);

/* Append the table. The last row must be complete. */
enum err table_print(struct buf *out, const struct table *t, enum table_style style) WARN_UNUSED;

/* As text, to standard output. */
enum err table_show(const struct table *t) WARN_UNUSED;

#endif
