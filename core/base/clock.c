/* Clocks: the only reader of the time. */
#include "core/base/clock.h"

#include <math.h>
#include <stdio.h>
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

double clock_unix_s(void)
{
    return read_clock(CLOCK_REALTIME);
}

bool clock_sleep(double seconds)
{
    if (!(seconds > 0.0)) {
        return true;
    }
    const double whole = floor(seconds);
    const struct timespec t = {.tv_sec = (time_t)whole, .tv_nsec = (long)((seconds - whole) * 1e9)};
    return nanosleep(&t, NULL) == 0;
}

void clock_iso_micro(char out[CLOCK_ISO_BYTES], double unix_s)
{
    const double whole = floor(unix_s);
    const time_t then = (time_t)whole;
    struct tm utc;
    gmtime_r(&then, &utc);
    const size_t n = strftime(out, CLOCK_ISO_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out + n, CLOCK_ISO_BYTES - n, ".%06dZ", (int)((unix_s - whole) * 1e6) % 1000000);
}
