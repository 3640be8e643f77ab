/* The column of times of a table that others wrote: dates of ISO 8601, or numbers. What the numbers
 * count (timestamp.h) is known only when all of them were seen, so a reader keeps them as they are
 * and scales them at the end:
 *
 *     timecolumn_read()     once for each row
 *     timecolumn_unit()     once, after the last row
 *     timescale_seconds()   once for each row again, if they are numbers
 *
 * Local.
 */
#ifndef KARMA_BASE_TIMECOLUMN_H
#define KARMA_BASE_TIMECOLUMN_H

#include "core/base/tabular.h"
#include "core/base/timestamp.h"

/* Zero-initialise, but for `column`. */
struct timecolumn {
    int column;             /* of the table, from 0 */
    struct timescale scale; /* of the numbers */
    size_t n_dates;         /* times that are dates */
};

/* The time in the row that was read last: the number as it stands there, or the seconds of a date.
 * ERR_FORMAT, with file, line and remedy, if it is neither, or if the column holds both. */
enum err timecolumn_read(double *at, struct timecolumn *c, struct tabular *t) WARN_UNUSED;

/* What the numbers count; TIMESCALE_SECONDS for dates. ERR_FORMAT if they are no times: `remedy`
 * ends that message, as in "write seconds". */
enum err timecolumn_unit(enum timescale_unit *unit, const struct timecolumn *c,
                         const struct tabular *t, const char *remedy) WARN_UNUSED;

/* "dates", or what the numbers count. */
const char *timecolumn_name(const struct timecolumn *c, enum timescale_unit unit);

#endif
