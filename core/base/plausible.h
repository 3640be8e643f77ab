/* Plausibility: are the numbers of a column in the unit that its name says? A file can be well
 * formed and still hold milliseconds where seconds are expected. This module holds the limits of
 * each unit, the same ones for all readers.
 *
 * Nothing here changes a value. A reader warns where the numbers are unusual, and refuses (or gives
 * a verdict of fail) where no real system has them.
 */
#ifndef KARMA_BASE_PLAUSIBLE_H
#define KARMA_BASE_PLAUSIBLE_H

#include <stdbool.h>
#include <stddef.h>

enum plausible_level { PLAUSIBLE_OK, PLAUSIBLE_WARN, PLAUSIBLE_FAIL };

/* ---- units ---- */

enum unit { UNIT_NONE, UNIT_DURATION, UNIT_MEMORY, UNIT_CPU, UNIT_REQUESTS, UNIT_TRAFFIC, UNITS };

/* Limits of the median of a column's values above 0: one outlier does not make a unit wrong. */
struct unit_info {
    const char *name;  /* "s" */
    const char *what;  /* "the time a request takes" */
    const char *usual; /* "10 us to 2 s": the limits of a warning, for people */
    double fail_below, warn_below, warn_above, fail_above;
    const char *below, *above; /* what the numbers probably are beyond the limits */
};
extern const struct unit_info unit_table[UNITS];

/* Is that median plausible? *likely: what the numbers probably are, if not. */
enum plausible_level plausible_median(const char **likely, enum unit unit, double median);

/* ---- series ---- */

enum { PLAUSIBLE_SERIES_MIN = 20 };

/* Is x (n), one series in order of time, the total of a counter instead of a rate? It never falls
 * but to begin again from below half, and its steps differ. `n_resets`: how often it begins again;
 * with a reset nothing but a counter looks so (FAIL), without one it may be a load that grows
 * (WARN). Fewer than PLAUSIBLE_SERIES_MIN values, or steps that are all the same (a ramp that
 * somebody made): OK.
 *
 * `name` of the column ("": none): where it is a counter's, steps may be equal or 0, a few values
 * are enough, and the level is FAIL. A name alone decides nothing: what falls is not a counter. */
enum plausible_level plausible_rate(int *n_resets, const char *name, const double *x, size_t n);

/* Does the name end as Prometheus' conventions say for a counter: _total or _count, in any case,
 * labels in braces left aside? */
bool plausible_counter_name(const char *name);

/* Is that median spacing of samples (s) usual? Up to 10 minutes every spacing is, up to an hour
 * whole minutes, above it whole hours; above 31 days none. */
enum plausible_level plausible_spacing(double median_s);

/* A stretch of this many seconds or more in which nothing at all was received is a gap in the
 * measurement, not a load. */
#define PLAUSIBLE_EMPTY_S 600.0

#endif
