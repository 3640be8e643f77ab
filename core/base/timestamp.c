/* See timestamp.h. Every reader takes a cursor and moves it behind what it has read. */
#include "core/base/timestamp.h"

#include "core/base/number.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool timestamp_number(double *out, const char *text)
{
    /* The characters leave out nan and inf, which number_real() takes. */
    return strspn(text, "0123456789+-.eE") == strlen(text) && number_real(out, text);
}

/* Exactly n digits, a number from lo to hi. */
static bool take_digits(int *out, const char **at, int n, int lo, int hi)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = 10 * value + (c - '0');
    }
    *at += n;
    *out = value;
    return value >= lo && value <= hi;
}

static bool take(const char **at, const char *any_of)
{
    if (**at == '\0' || strchr(any_of, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Days since 1970-01-01: whole years before this one with their leap days, then whole months. */
static int days_since_1970(int year, int month, int day)
{
    /* Leap days up to year y: y/4 - y/100 + y/400. Up to 1969 they are 492 - 19 + 4 = 477, which is
     * subtracted. */
    int before = year - 1;
    int days = 365 * (year - 1970) + (before / 4 - before / 100 + before / 400) - 477;
    for (int m = 1; m < month; m++) {
        days += days_in_month(year, m);
    }
    return days + day - 1;
}

static bool take_date(double *seconds, const char **at)
{
    int year, month, day;
    if (!take_digits(&year, at, 4, 1, 9999) || !take(at, "-") ||
        !take_digits(&month, at, 2, 1, 12) || !take(at, "-") ||
        !take_digits(&day, at, 2, 1, days_in_month(year, month))) {
        return false;
    }
    *seconds = 86400.0 * days_since_1970(year, month, day);
    return true;
}

/* hh:mm[:ss[.fraction]], added. */
static bool take_clock(double *seconds, const char **at)
{
    int hour, minute, second = 0;
    if (!take_digits(&hour, at, 2, 0, 23) || !take(at, ":") ||
        !take_digits(&minute, at, 2, 0, 59)) {
        return false;
    }
    if (take(at, ":") && !take_digits(&second, at, 2, 0, 60)) {
        return false;
    }
    *seconds += 3600.0 * hour + 60.0 * minute + second;
    if (take(at, ".,")) {
        double digit = 0.1;
        const char *first = *at;
        for (; **at >= '0' && **at <= '9'; (*at)++, digit *= 0.1) {
            *seconds += digit * (**at - '0');
        }
        return *at > first;
    }
    return true;
}

/* Z, +hh, +hh:mm, +hhmm: what is east of Greenwich is earlier in UTC. */
static bool take_zone(double *seconds, const char **at)
{
    int hours, minutes = 0;
    if (take(at, "Zz")) {
        return true;
    }
    double sign = **at == '-' ? -1.0 : 1.0;
    if (!take(at, "+-") || !take_digits(&hours, at, 2, 0, 14)) {
        return false;
    }
    bool colon = take(at, ":");
    if ((colon || **at != '\0') && !take_digits(&minutes, at, 2, 0, 59)) {
        return false;
    }
    *seconds -= sign * (3600.0 * hours + 60.0 * minutes);
    return true;
}

bool timestamp_parse(double *seconds, const char *text, double unit_s)
{
    double value;
    if (timestamp_number(&value, text)) {
        value *= unit_s;
        *seconds = isfinite(value) ? value : *seconds;
        return isfinite(value);
    }
    const char *at = text;
    if (!take_date(&value, &at)) {
        return false;
    }
    if (*at != '\0' && (!take(&at, "T ") || !take_clock(&value, &at))) {
        return false;
    }
    if (*at != '\0' && (!take_zone(&value, &at) || *at != '\0')) {
        return false;
    }
    *seconds = value;
    return true;
}

/* ---- printing ---- */

enum { DAY_S = 86400 };
static const double FIRST_S = -62135596800.0, END_S = 253402300800.0; /* years 1 to 9999 */
static const double RELATIVE_S = 1e8;

void timestamp_print(char text[TIMESTAMP_BYTES], double seconds)
{
    if (!(seconds >= FIRST_S && seconds < END_S) || fabs(seconds) < RELATIVE_S) {
        (void)snprintf(text, TIMESTAMP_BYTES, "%.9g s", seconds);
        return;
    }
    /* C rounds quotients towards 0; the correction makes `days` the floor and s the seconds of that
     * day, in [0, DAY_S), for times before 1970, too. */
    int64_t s = (int64_t)floor(seconds), days = s / DAY_S;
    days -= s % DAY_S < 0;
    s -= days * DAY_S;
    int year = 1970 + (int)(days / 366), month = 1; /* never too late: no year is longer */
    year -= days < 0;
    /* After both loops the day lies in `year`. The guess is off by about one year in 480, so they
     * are short. */
    while (days >= days_since_1970(year + 1, 1, 1)) {
        year++;
    }
    while (days < days_since_1970(year, 1, 1)) {
        year--;
    }
    int day = (int)(days - days_since_1970(year, 1, 1));
    for (; day >= days_in_month(year, month); month++) {
        day -= days_in_month(year, month);
    }
    (void)snprintf(text, TIMESTAMP_BYTES, "%04d-%02d-%02d %02d:%02d:%02d", year, month, day + 1,
                   (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
}

/* ---- the numbers of a time column ---- */

enum { FORMS = 4, DIGITS_MAX = 14 };
static const int form_digits[FORMS] = {8, 10, 12, 14};
static const double EPOCH_MIN_S = 946684800.0, EPOCH_MAX_S = 4133980800.0; /* 2000 .. 2101 */
static const double epoch_units[] = {1.0, 1e-3, 1e-6, 1e-9};

static const char *const unit_names[] = {"seconds",
                                         "milliseconds since 1970",
                                         "microseconds since 1970",
                                         "nanoseconds since 1970",
                                         "dates YYYYMMDD",
                                         "dates YYYYMMDDHH",
                                         "dates YYYYMMDDHHMM",
                                         "dates YYYYMMDDHHMMSS",
                                         "no times"};

/* Seconds since 1970 of YYYYMMDD[HH[MM[SS]]] between 1900 and 2100. */
static bool calendar(double *seconds, double number, int digits)
{
    char text[DIGITS_MAX + 2];
    int year, month, day, hour = 0, minute = 0, second = 0;
    /* Whole numbers below 1e14 are exact in double and have at most 14 digits. */
    if (!(number >= 0.0 && number < 1e14 && !(number > floor(number))) ||
        snprintf(text, sizeof text, "%.0f", number) != digits) {
        return false;
    }
    const char *at = text;
    if (!take_digits(&year, &at, 4, 1900, 2100) || !take_digits(&month, &at, 2, 1, 12) ||
        !take_digits(&day, &at, 2, 1, days_in_month(year, month)) ||
        (digits >= 10 && !take_digits(&hour, &at, 2, 0, 23)) ||
        (digits >= 12 && !take_digits(&minute, &at, 2, 0, 59)) ||
        (digits >= 14 && !take_digits(&second, &at, 2, 0, 59))) {
        return false;
    }
    *seconds = 86400.0 * days_since_1970(year, month, day) + 3600.0 * hour + 60.0 * minute + second;
    return true;
}

void timescale_look(struct timescale *t, double number)
{
    double ignored;
    t->min = t->n == 0 ? number : fmin(t->min, number);
    t->max = t->n == 0 ? number : fmax(t->max, number);
    t->n++;
    for (int i = 0; i < FORMS; i++) {
        t->not_calendar[i] = t->not_calendar[i] || !calendar(&ignored, number, form_digits[i]);
    }
}

enum timescale_unit timescale_unit(const struct timescale *t)
{
    /* The forms differ in their number of digits, and an epoch in milliseconds that has 12 digits
     * would be a date after the year 9000. The epochs differ by factors of 1000, while 2000 to 2101
     * is a factor of 4.4, so one unit at most fits. So only seconds and dates could be taken for
     * each other, and numbers are dates only if every one of them is. */
    for (int i = 0; t->n > 0 && i < FORMS; i++) {
        if (!t->not_calendar[i]) {
            return (enum timescale_unit)(TIMESCALE_DAY + i);
        }
    }
    for (int i = TIMESCALE_MILLI; i <= TIMESCALE_NANO; i++) {
        if (t->min * epoch_units[i] >= EPOCH_MIN_S && t->max * epoch_units[i] <= EPOCH_MAX_S) {
            return (enum timescale_unit)i;
        }
    }
    return fabs(t->min) <= EPOCH_MAX_S && fabs(t->max) <= EPOCH_MAX_S ? TIMESCALE_SECONDS
                                                                      : TIMESCALE_NONE;
}

double timescale_seconds(enum timescale_unit unit, double number)
{
    double seconds = number;
    if (unit <= TIMESCALE_NANO) {
        return number * epoch_units[unit];
    }
    if (unit < TIMESCALE_NONE) {
        (void)calendar(&seconds, number, form_digits[unit - TIMESCALE_DAY]);
    }
    return seconds;
}

const char *timescale_name(enum timescale_unit unit)
{
    return unit_names[unit];
}
