/* Clocks: for timing.csv, machine.yaml, progress and benches, and for what talks to servers. No
 * result of a simulation may depend on them. */
#ifndef KARMA_BASE_CLOCK_H
#define KARMA_BASE_CLOCK_H

#include <stdbool.h>

enum { CLOCK_ISO_BYTES = 32 };

/* Seconds since some moment in the past; never goes back. */
double clock_s(void);

/* Seconds of CPU that all threads of this process have used. */
double clock_cpu_s(void);

/* Seconds since 1970-01-01 00:00 UTC without leap seconds; jumps when somebody sets the date. */
double clock_unix_s(void);

/* Waits. False: a signal cut the wait short. */
bool clock_sleep(double seconds);

/* "2025-01-19T08:30:00Z", UTC. */
void clock_iso(char out[CLOCK_ISO_BYTES]);

/* "2025-01-19T08:30:00.250000Z", UTC, of a time that clock_unix_s() gave: with microseconds. */
void clock_iso_micro(char out[CLOCK_ISO_BYTES], double unix_s);

#endif
