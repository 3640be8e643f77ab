/* A verdict on a table of measurements: may a twin be learned from it? Column by column, with the
 * reason, before anything is imported.
 *
 * The faults are those that real recordings were found to have. Each is a test with a threshold
 * that stands beside its code; a table can pass all of them and still be wrong in a way that
 * numbers do not show, which is why csv_formats.h may know more (`known`).
 *
 *   missing       a column has (almost) no values
 *   constant      it never changes, in all services or in some
 *   limits        values that no measurement can have
 *   unit          another unit than the label says: by what is known of the format, by the relation
 *                 of columns (quantiles in order, received = succeeded + failed), by the median
 *                 (core/base/plausible.h: floor and ceiling of each unit)
 *   counter       the total of a counter where a rate is claimed
 *   gauge rate    memory of running pods that is 0: the rate of a gauge
 *   average       a mean over the whole past that poses as one over a window
 *   one number    every service has the same value: not measured per service
 *   censored      one value too often: interpolation inside the first bucket of a histogram
 *   time          none, going back, standing still, irregular, an unusual spacing
 *   repeated      rows that are in the same run before: re-sampled
 *   empty         a stretch in which no service received anything: it becomes a gap
 *   zero block    a stretch in which everything is 0: nothing was measured
 *
 * A table that this program exported is the simulator's or was checked when it came: only time,
 * limits and missing values are judged there, so that what export wrote is always read again.
 */
#ifndef KARMA_TRACE_CHECK_H
#define KARMA_TRACE_CHECK_H

#include "core/trace/metrics_table.h"

enum check_verdict { CHECK_PASS, CHECK_WARN, CHECK_FAIL };

/* "pass", "warn", "fail". */
const char *check_verdict_name(enum check_verdict v);

struct check_finding {
    const char *column; /* its name in the file; "(time)", "(rows)" */
    const char *fault;  /* from the list above; "" for a pass */
    const char *why;
    enum check_verdict verdict;
};
struct check {
    struct arena *arena; /* borrowed: texts live here */
    const struct metrics_table *table;
    struct buf findings; /* owned: struct check_finding, in order of columns */
    enum check_verdict worst;
    enum err failed; /* the first failure of check_add() */
};

/* Every column, the time and the rows have at least one finding. */
enum err check_table(struct check *c, struct arena *arena,
                     const struct metrics_table *s) WARN_UNUSED;
void check_release(struct check *c);

const struct check_finding *check_findings(const struct check *c, int *n);

/* "33 .. 110 ms": the range of the column of a finding, in the store's unit; "" for the time and
 * the rows, and for a column without a value. In the arena. NULL: no memory. */
const char *check_range(const struct check *c, const struct check_finding *f);

/* The worst verdict on that fault in that column (NULL: in any); CHECK_PASS if it was not found. */
enum check_verdict check_of(const struct check *c, const char *column, const char *fault);

/* ---- between the files of the check ---- */

void check_add(struct check *c, const char *column, const char *fault, enum check_verdict v,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void check_time(struct check *c);
enum err check_units(struct check *c) WARN_UNUSED;
enum err check_rows(struct check *c) WARN_UNUSED;

#endif
