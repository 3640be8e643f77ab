/* Clocks: for timing.csv, machine.yaml, progress and benches. No result may depend on them. */
#ifndef KARMA_BASE_CLOCK_H
#define KARMA_BASE_CLOCK_H

enum { CLOCK_ISO_BYTES = 32 };

/* Seconds since some moment in the past; never goes back. */
double clock_s(void);

/* Seconds of CPU that all threads of this process have used. */
double clock_cpu_s(void);

/* "2025-01-19T08:30:00Z", UTC. */
void clock_iso(char out[CLOCK_ISO_BYTES]);

#endif
