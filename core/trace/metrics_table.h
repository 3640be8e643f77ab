/* A metrics table: measurements of any CSV format, as one array in our units.
 *
 * CSV in every spelling of core/base/tabular.h, with a header; csv_formats.h says how it is read.
 * Times are seconds, what they must be if they cannot be seconds (timescale_unit()), or dates.
 * Reading corrects nothing but units: check.h judges the numbers. In a long table lines become
 * samples, run by run, in order of time: lines of one time, and lines of different services within
 * a quarter of the spacing, are one sample. A wide table keeps its order. */
#ifndef KARMA_TRACE_METRICS_TABLE_H
#define KARMA_TRACE_METRICS_TABLE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/trace/column_def.h"
#include "core/trace/csv_formats.h"

#include <stdbool.h>
#include <stddef.h>

struct metrics_table_column {
    const struct column_def *def;
    const char *header; /* in the file; the suffix of a wide one without its "_" */
    const char *known;  /* csv_format_column.known */
};

/* Text of the columns that tell runs apart; "" where there are less. */
struct metrics_table_run {
    const char *names[CSV_FORMAT_RUNS_MAX];
};

struct metrics_table {
    const char *path; /* borrowed */
    const struct csv_format *format;
    int n_rows, n_services, n_columns, n_runs;
    const char **services; /* (n_services) in order of appearance; "" = the application */
    struct metrics_table_column *columns; /* (n_columns) */
    struct metrics_table_run *runs;       /* (n_runs) in order of appearance */
    double *time_s;                       /* (n_rows); NaN if the file has no times */
    int *run;                             /* (n_rows) */
    int *line;                            /* (n_rows) of the file, from 1: where the row begins */
    double *values; /* (n_rows, n_services, n_columns) in our units; NaN = not there */
    bool timed;
    int n_back, n_still;       /* lines whose time is before that of the line before, of the same
                                  run and service; or the same */
    int back_line, still_line; /* the first of them */
    int n_lines;               /* of data */
    const char **ignored;      /* (n_ignored) columns of the file that are not read */
    int n_ignored;
    int header_line;
    int n_run_columns;     /* of format->runs: how many the file has */
    double spacing_s;      /* median between lines of a run and service; 0: unknown */
    const char *times;     /* what the times were: "dates", "seconds", "dates YYYYMMDDHH" */
    const char *separator; /* "comma" */
    bool decimal_commas;
    bool exported; /* a table of `karma trace export`: its columns say so */
};

/* ERR_IO, ERR_FORMAT with file, line and remedy. Everything in the arena. */
enum err metrics_table_read(struct metrics_table *s, struct arena *arena,
                            const char *path) WARN_UNUSED;

static inline double metrics_table_at(const struct metrics_table *s, int row, int service,
                                      int column)
{
    return s
        ->values[((size_t)row * (size_t)s->n_services + (size_t)service) * (size_t)s->n_columns +
                 (size_t)column];
}

/* Services, the application (a row without one) not counted. */
int metrics_table_services(const struct metrics_table *s);

/* empty (n_rows): rows of stretches of PLAUSIBLE_EMPTY_S or more in which no service received
 * anything; returns their number. They are gaps in the measurement. In an exported table none are:
 * there the simulator knows. */
int metrics_table_empty_rows(bool *empty, const struct metrics_table *s);

/* Index of a column by the metric's name; -1. */
int metrics_table_find(const struct metrics_table *s, const char *name);

#endif
