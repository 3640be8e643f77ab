/* Clocks: the only reader of the time. */
#include "core/base/clock.h"

#include <time.h>

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds since an unknown start, for durations. This clock never goes back when the date is set. A
 * double resolves 1 us for 200 years. */
double clock_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_cpu_s(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_iso(char out[CLOCK_ISO_BYTES])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, CLOCK_ISO_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
