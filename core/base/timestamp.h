/* Points in time as recordings write them: a number, or a date of ISO 8601; and what the numbers of
 * a whole time column count.
 */
#ifndef KARMA_BASE_TIMESTAMP_H
#define KARMA_BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>

/* A decimal number as a whole text. nan, inf, hexadecimal numbers and blanks are refused. */
bool timestamp_number(double *out, const char *text);

/* Seconds. Either a decimal number, multiplied by `unit_s`; or a date of the Gregorian calendar,
 * 2014-04-10[(T| )00:04[:05[.25]][Z|+02:00|-0530]], counted from 1970-01-01 00:00 UTC without leap
 * seconds; no zone means UTC. False: it is neither. */
bool timestamp_parse(double *seconds, const char *text, double unit_s);

/* "2021-03-05 13:00:00" (UTC, whole seconds). Less than 1e8 s, which is 1973, are taken for seconds
 * from some start and written as a number, as are those outside of the years 1 to 9999. */
enum { TIMESTAMP_BYTES = 64 };
void timestamp_print(char text[TIMESTAMP_BYTES], double seconds);

/* ---- the numbers of a time column ---- */

enum timescale_unit {
    TIMESCALE_SECONDS, /* since 1970, or since some start */
    TIMESCALE_MILLI,   /* since 1970, as the three below */
    TIMESCALE_MICRO,
    TIMESCALE_NANO,
    TIMESCALE_DAY,    /* YYYYMMDD */
    TIMESCALE_HOUR,   /* YYYYMMDDHH */
    TIMESCALE_MINUTE, /* YYYYMMDDHHMM */
    TIMESCALE_SECOND, /* YYYYMMDDHHMMSS */
    TIMESCALE_NONE    /* the numbers are no times in any of these */
};

/* What has been seen of a column so far. Zero-initialise. */
struct timescale {
    double min, max;
    size_t n;
    bool not_calendar[4]; /* by form, from YYYYMMDD on: some number is no such date */
};

/* Looks at one number of the column. */
void timescale_look(struct timescale *t, double number);

/* What the numbers count. A calendar form is believed only if every number of the column is a date
 * in it; an epoch only if all lie in the years 2000 to 2100. Numbers of at most 4.2e9 that are
 * neither are seconds. */
enum timescale_unit timescale_unit(const struct timescale *t);

/* Seconds of a number that timescale_look() was shown. */
double timescale_seconds(enum timescale_unit unit, double number);

/* "seconds", "milliseconds since 1970", "dates YYYYMMDDHH". */
const char *timescale_name(enum timescale_unit unit);

#endif
