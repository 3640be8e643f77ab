/* The report of an ablation, or of any results: two pages with tables and figures.
 *
 *   OUT/report.html    results: what a paper cites. The same results give the same bytes
 *   OUT/timings.html   what trainings took: seconds, memory, hosts
 *   OUT/tables         every table of both, as CSV and as LaTeX (booktabs)
 *   OUT/figures        every figure, as SVG
 *   OUT/configs        the configuration of every arm that was trained
 *
 * Sections and tables whose inputs are not among the results are left out, and the report says so
 * by name. Intervals are those of core/eval (docs/statistics.md), corrected for few seeds. Local.
 */
#ifndef KARMA_REPORT_REPORT_H
#define KARMA_REPORT_REPORT_H

#include "core/report/panels.h"

struct report_cfg {
    const char *title;
    struct view_cfg view;
    double effect_min;         /* smallest difference of slo_attainment that matters */
    const char *markdown;      /* file with the tables that `tables` names; NULL: none */
    const char *const *tables; /* (n_tables) as in OUT/tables, without the ending; 0 = all */
    int n_tables;
};

/* Reads nothing, writes OUT, and the file of Markdown. ERR_USAGE: the report has no table of a name
 * that is asked for; OUT is written all the same. `r` may get more sentences about what is left
 * out. */
enum err report_write(struct results *r, const struct report_cfg *cfg, const char *out,
                      struct arena *arena) WARN_UNUSED;

#endif
