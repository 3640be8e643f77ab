/* A figure as SVG, drawn by this program itself: for pages that must be the same bytes wherever
 * they are made, with or without gnuplot.
 *
 * One panel with two axes, lines with bands, or points with intervals, and a key beside the panel,
 * where it covers no data. Series differ in colour (those of M. Okabe and K. Ito), in dashes and in
 * the form of their points, so that they can be told apart without colour. Groups of series and
 * keys are marked as tests/figures.awk expects them.
 */
#ifndef KARMA_REPORT_PLOT_H
#define KARMA_REPORT_PLOT_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>

enum { PLOT_SERIES_MAX = 8 };

struct plot_series {
    const char *name;
    const double *x, *y;       /* (n); NaN: a gap */
    const double *lo, *hi;     /* (n) of y: a band around a line, a bar at a point; NULL: none */
    const double *x_lo, *x_hi; /* (n) of x: a bar at a point; NULL: none */
    int n;
    const char *const *labels; /* (n) of points: a few letters each, where there is room; NULL */
    bool points;               /* else a line */
};

struct plot {
    const char *title;                 /* for readers that do not see it */
    const char *x_label, *y_label;     /* with the unit in brackets */
    double x_min, x_max, y_min, y_max; /* NaN: as the data need it */
    const struct plot_series *series;  /* (n_series), at most PLOT_SERIES_MAX */
    int n_series;
};

/* Append one <svg> element. Whatever is not finite is not drawn. */
enum err plot_svg(struct buf *out, const struct plot *p) WARN_UNUSED;

#endif
