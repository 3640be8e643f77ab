/* Column definitions: the vocabulary in which plants and recordings are compared. One row says what
 * a column of a state is called here and in Prometheus, its unit here and its factor to SI, and the
 * limits that no measurement of it can exceed. The first rows are the state schema
 * (core/plant/schema.h; a test compares names and units), the rest is what recordings have beside
 * it. */
#ifndef KARMA_TRACE_COLUMN_DEF_H
#define KARMA_TRACE_COLUMN_DEF_H

#include <stdbool.h>

/* What kind of quantity: decides which faults are looked for. */
enum column_kind {
    COLUMN_PODS,   /* a whole number of pods, that somebody decides about */
    COLUMN_LEVEL,  /* how much there is now: a gauge that may be 0 */
    COLUMN_MEMORY, /* the same, but a running process never has none */
    COLUMN_RATE,   /* per second, over a window */
    COLUMN_TIME,   /* how long something took, mean or quantile of a window */
    COLUMN_SHARE   /* 0 .. 1 */
};

struct column_def {
    const char *name, *unit; /* in a store */
    const char *prometheus;  /* in a tidy table: SI units, Prometheus' rules for names */
    double si;               /* value in SI units / value here */
    enum column_kind kind;
    double min, max; /* physical limits, here's unit */
    bool whole;      /* of the whole application, not of one service */
};

/* Ends with a row whose name is NULL. */
extern const struct column_def column_defs[];

/* By the name here, or by that in Prometheus, in any case; NULL if there is none. */
const struct column_def *column_def_find(const char *name);
const struct column_def *column_def_find_prometheus(const char *name);

#endif
