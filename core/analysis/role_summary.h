/* The roles of several teams side by side. */
#ifndef KARMA_ANALYSIS_ROLE_SUMMARY_H
#define KARMA_ANALYSIS_ROLE_SUMMARY_H

#include "core/analysis/role_report.h"

/* One row for each of n teams: text, Markdown, or the CSV file at `path`. */
enum err role_summary_print(struct buf *out, const struct role_report *p, int n,
                            enum table_style style, struct arena *scratch) WARN_UNUSED;
enum err role_summary_csv(const struct role_report *p, int n, const char *path,
                          struct arena *scratch) WARN_UNUSED;

#endif
