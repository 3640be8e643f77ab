/* Points in time as recordings write them: seconds, or ISO 8601. */
#ifndef KARMA_SCENARIO_TIMESTAMP_H
#define KARMA_SCENARIO_TIMESTAMP_H

#include <stdbool.h>

/* A decimal number as a whole text. nan, inf, hexadecimal numbers and blanks are refused. */
bool timestamp_number(double *out, const char *text);

/* Seconds. Either a decimal number, multiplied by `unit_s`; or a date of the Gregorian calendar,
 * 2014-04-10[(T| )00:04[:05[.25]]][Z|+02:00|-0530], counted from 1970-01-01 00:00 UTC without leap
 * seconds; no zone means UTC. False: it is neither. */
bool timestamp_parse(double *seconds, const char *text, double unit_s);

#endif
