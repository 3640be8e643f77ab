/* A sheet: a table of measurements, whatever its layout was, as one array in our units.
 *
 * CSV, packed with gzip or not, with a header; layouts.h says how it is read. Nothing is corrected
 * while reading but units: what is wrong with the numbers is for check.h to say. In a long table
 * the rows of one time are brought together, run by run, in order of time; a wide one keeps its
 * order.
 */
#ifndef KARMA_TWIN_SHEET_H
#define KARMA_TWIN_SHEET_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/twin/layouts.h"
#include "core/twin/metric.h"

#include <stdbool.h>
#include <stddef.h>

struct sheet_column {
    const struct metric *metric;
    const char *header; /* in the file; the suffix of a wide one without its "_" */
    const char *known;  /* layout_column.known */
};

/* Text of the columns that tell runs apart; "" where there are less. */
struct sheet_run {
    const char *names[LAYOUT_RUNS_MAX];
};

struct sheet {
    const char *path; /* borrowed */
    const struct layout *layout;
    int n_rows, n_services, n_columns, n_runs;
    const char **services;        /* (n_services) in order of appearance; "" = the application */
    struct sheet_column *columns; /* (n_columns) */
    struct sheet_run *runs;       /* (n_runs) in order of appearance */
    double *time_s;               /* (n_rows); NaN if the file has no times */
    int *run;                     /* (n_rows) */
    int *line;                    /* (n_rows) of the file, from 1: where the row begins */
    double *values; /* (n_rows, n_services, n_columns) in our units; NaN = not there */
    bool timed;
    int n_back, n_still;       /* lines whose time is before that of the line before, of the same
                                  run and service; or the same */
    int back_line, still_line; /* the first of them */
    int n_lines;               /* of data */
    const char **ignored;      /* (n_ignored) columns of the file that are not read */
    int n_ignored;
};

/* ERR_IO, ERR_FORMAT with file, line and remedy. Everything in the arena. */
enum err sheet_read(struct sheet *s, struct arena *arena, const char *path) WARN_UNUSED;

static inline double sheet_at(const struct sheet *s, int row, int service, int column)
{
    return s
        ->values[((size_t)row * (size_t)s->n_services + (size_t)service) * (size_t)s->n_columns +
                 (size_t)column];
}

/* Index of a column by the metric's name; -1. */
int sheet_find(const struct sheet *s, const char *metric);

#endif
