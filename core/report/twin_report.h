/* The report of a twin: its accuracy (core/twin/accuracy.h) as tables and figures.
 *
 * Up to three twins that differ only in how they are used are compared on the same episodes: as
 * configured, without the table, without the networks.
 */
#ifndef KARMA_REPORT_TWIN_REPORT_H
#define KARMA_REPORT_TWIN_REPORT_H

#include "core/twin/accuracy.h"

enum { TWIN_REPORT_TWINS_MAX = 3, TWIN_REPORT_PAIRS_MAX = 300 };

struct twin_report {
    const char *names[TWIN_REPORT_TWINS_MAX];
    const struct accuracy *twins[TWIN_REPORT_TWINS_MAX]; /* the first is the one that is meant */
    int n_twins;
    const int *horizons; /* (n_horizons) that stand in tables */
    int n_horizons;
    struct stat_cfg stat;
};

/* All tables as text. */
enum err twin_report_print(struct buf *out, const struct twin_report *f,
                           struct arena *scratch) WARN_UNUSED;

/* Predicted against true, for a scatter plot: at most TWIN_REPORT_PAIRS_MAX of each group and
 * horizon. */
struct twin_report_pairs;
enum err twin_report_pairs_new(struct twin_report_pairs **out, struct arena *arena,
                               const int *horizons, int n_horizons) WARN_UNUSED;
struct accuracy_watch twin_report_watch(struct twin_report_pairs *p);

/* DIR/accuracy.csv with every number, pairs.csv, and scripts for gnuplot: skill by horizon,
 * coverage, predicted against true. */
enum err twin_report_figures(const char *dir, const struct twin_report *f,
                             const struct twin_report_pairs *pairs,
                             struct arena *scratch) WARN_UNUSED;

#endif
