/* The table, and the tests that need more than a median. See plausible.h. */
#include "core/base/plausible.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define KIB (1024.0)
#define MIB (1024.0 * KIB)
#define TIB (1024.0 * 1024.0 * MIB)

/* Where the limits come from: no client waits 20 s in the median, and no request is done in 10 us;
 * an empty process of Linux has about 1 MiB, and no machine above 100 TiB; the largest machines for
 * rent have 192 cores and more than one such machine for one service is rare; 1.25e10 bytes/s are a
 * link of 100 Gbit/s. */
const struct unit_info unit_table[UNITS] = {
    [UNIT_NONE] = {"", "", "any", -INFINITY, -INFINITY, INFINITY, INFINITY, "", ""},
    [UNIT_DURATION] = {"s", "the time a request takes", "10 us to 2 s", 1e-7, 1e-5, 2.0, 20.0,
                       "seconds under a name that says milliseconds", "milliseconds"},
    [UNIT_MEMORY] = {"bytes", "the memory of a service", "1 MiB to 1 TiB", 256.0 * KIB, 1.0 * MIB,
                     1.0 * TIB, 100.0 * TIB, "MiB or KiB", "bytes under a name that says MiB"},
    [UNIT_CPU] = {"cores", "the CPU of a service", "up to 64 cores", 1e-9, 1e-6, 64.0, 192.0,
                  "cores under a name that says milli-cores", "milli-cores or per cent"},
    [UNIT_REQUESTS] = {"requests/s", "the load of a service", "up to 1e6 requests/s", 0.0, 0.0, 1e6,
                       1e8, "", "the total of a counter, or requests of a longer period"},
    [UNIT_TRAFFIC] = {"bytes/s", "the traffic of a service", "up to 100 Gbit/s", 0.0, 0.0, 1.25e10,
                      1.25e12, "", "the total of a counter, or bits"},
};

enum plausible_level plausible_median(const char **likely, enum unit unit, double median)
{
    const struct unit_info *u = &unit_table[unit];
    /* Limits are ordered: fail_below <= warn_below <= warn_above <= fail_above. */
    *likely = median < u->warn_below ? u->below : median > u->warn_above ? u->above : "";
    return median < u->fail_below || median > u->fail_above   ? PLAUSIBLE_FAIL
           : median < u->warn_below || median > u->warn_above ? PLAUSIBLE_WARN
                                                              : PLAUSIBLE_OK;
}

/* ---- counters ---- */

static const double RESET_TO = 0.5;     /* of the value before */
static const double GROWING = 0.9;      /* share of the steps that are above 0 */
static const double SAME_STEPS = 0.001; /* deviation / mean of the steps of a made ramp */
enum {
    NAMED_UP = 4
}; /* steps above 0 of a counter by name: 5 values rise by chance 1 time in 120 */

bool plausible_counter_name(const char *name)
{
    static const char *const endings[] = {"_total", "_count"};
    /* Labels stand in braces behind the name: http_requests_total{code="200"}. */
    const size_t n = strcspn(name, "{");
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t k = strlen(endings[i]);
        if (n > k && strncasecmp(name + n - k, endings[i], k) == 0) {
            return true;
        }
    }
    return false;
}

enum plausible_level plausible_rate(int *n_resets, const char *name, const double *x, size_t n)
{
    /* One pass. A step down to more than half of the value before shows a rate: counters begin
     * again near 0. The other steps down are counted as resets and are no steps of the counter,
     * whose mean and variance are taken over the steps of 0 or more. */
    size_t n_up = 0, n_steps = 0;
    double sum = 0.0, squares = 0.0;
    *n_resets = 0;
    for (size_t i = 1; i < n; i++) {
        const double step = x[i] - x[i - 1];
        if (step < 0.0 && x[i] > RESET_TO * x[i - 1]) {
            return PLAUSIBLE_OK;
        }
        *n_resets += step < 0.0;
        if (step >= 0.0) {
            n_up += step > 0.0;
            n_steps++;
            sum += step;
            squares += step * step;
        }
    }
    if (n_up >= NAMED_UP && plausible_counter_name(name)) {
        return PLAUSIBLE_FAIL;
    }
    /* Without the name of a counter the evidence must be stronger: enough values, at most one reset
     * for ten values, and nearly every step above 0. Requests of a real service rise by different
     * amounts, so steps that are all the same are a ramp that somebody made. */
    if (n < PLAUSIBLE_SERIES_MIN || n_steps == 0 ||
        (size_t)*n_resets * PLAUSIBLE_SERIES_MIN / 2 > n ||
        (double)n_up < GROWING * (double)n_steps) {
        return PLAUSIBLE_OK;
    }
    const double mean = sum / (double)n_steps;
    const double variance = squares / (double)n_steps - mean * mean;
    if (variance <= SAME_STEPS * SAME_STEPS * mean * mean) {
        return PLAUSIBLE_OK;
    }
    return *n_resets > 0 ? PLAUSIBLE_FAIL : PLAUSIBLE_WARN;
}

/* ---- spacing ---- */

static const double MONTH_S = 31.0 * 86400.0;

/* A clock that is read every hour says 3600.2 now and then. */
static bool whole(double s, double of)
{
    const double k = floor(s / of + 0.5);
    return fabs(s - k * of) <= 0.01 * of;
}

enum plausible_level plausible_spacing(double median_s)
{
    if (median_s > MONTH_S) {
        return PLAUSIBLE_FAIL;
    }
    const bool usual = median_s <= 600.0 || (median_s <= 3600.0 && whole(median_s, 60.0)) ||
                       whole(median_s, 3600.0);
    return usual ? PLAUSIBLE_OK : PLAUSIBLE_WARN;
}
