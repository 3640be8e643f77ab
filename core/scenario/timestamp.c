/* See timestamp.h. Every reader takes a cursor and moves it behind what it has read. */
#include "core/scenario/timestamp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool timestamp_number(double *out, const char *text)
{
    if (strspn(text, "0123456789+-.eE") != strlen(text)) {
        return false;
    }
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0') {
        return false;
    }
    *out = value;
    return true;
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
