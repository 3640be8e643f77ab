/* The forms of a table for pages and programs: HTML, LaTeX, CSV. Of table.c and table_page.c alone;
 * everybody else calls table_print().
 */
#ifndef KARMA_REPORT_TABLE_PARTS_H
#define KARMA_REPORT_TABLE_PARTS_H

#include "core/report/table.h"

/* Append the table as TABLE_HTML, TABLE_LATEX or TABLE_CSV. */
enum err table_print_page(struct buf *out, const struct table *t,
                          enum table_style style) WARN_UNUSED;

#endif
