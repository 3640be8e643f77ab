/* Clocks: the only reader of the time. */
#include "core/base/clock.h"

#include <time.h>

/* Seconds since an unknown start, for durations. This clock never goes back when the date is set. A
 * double resolves 1 us for 200 years. */
double clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_iso(char out[CLOCK_ISO_BYTES])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, CLOCK_ISO_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
