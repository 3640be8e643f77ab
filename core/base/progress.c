/* The progress line: on a terminal written with the cursor left at its start, so that a log line
 * covers it; elsewhere a log line itself. See progress.h. */
#include "core/base/progress.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 256 };

static const double draw_every_s = 0.1;
static const double log_every_s = 60.0;

char *progress_duration(char *out, size_t cap, double seconds)
{
    if (!(seconds >= 0.0 && seconds < 1e9)) {
        snprintf(out, cap, "?");
        return out;
    }
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s < 60) {
        snprintf(out, cap, "%lus", s);
    } else if (s < 3600) {
        snprintf(out, cap, "%lum%02lus", s / 60, s % 60);
    } else if (s < 24 * 3600) {
        snprintf(out, cap, "%luh%02lum", s / 3600, s / 60 % 60);
    } else {
        snprintf(out, cap, "%lud%02luh", s / 86400, s / 3600 % 24);
    }
    return out;
}

char *progress_count(char *out, size_t cap, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < cap; i++) {
        /* A comma stands where a multiple of three digits follows. */
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

void progress_line(char *out, size_t cap, const char *what, uint64_t done, uint64_t total,
                   uint64_t first, double elapsed_s, const char *more)
{
    char count[32], of[32], eta[32], middle[96] = "";
    progress_count(count, sizeof(count), done);
    if (total > 0) {
        /* Only what this process has done tells how fast it is: `first` units were there at the
         * start of a resumed run. Nothing done yet: the duration is negative, which prints as
         * "?". */
        double own = done > first ? (double)(done - first) : 0.0;
        double left = done < total ? (double)(total - done) : 0.0;
        double left_s = own > 0.0 ? elapsed_s * left / own : -1.0;
        snprintf(middle, sizeof(middle), "/%s  %3.0f%%  eta %s",
                 progress_count(of, sizeof(of), total), 100.0 * (double)done / (double)total,
                 progress_duration(eta, sizeof(eta), left_s));
    }
    int n =
        snprintf(out, cap, "%s  %s%s%s%s", what, count, middle, more[0] != '\0' ? "  " : "", more);
    CHECK(n >= 0);
}

/* Columns of the terminal, less one: a full line would wrap. */
static size_t line_cap(void)
{
    struct winsize size;
    size_t columns = 80;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) {
        columns = size.ws_col;
    }
    return columns < LINE_BYTES ? columns : LINE_BYTES;
}

/* $KARMA_PROGRESS_S, if it is a number. */
static double log_period_s(void)
{
    const char *text = getenv("KARMA_PROGRESS_S");
    if (text == NULL || text[0] == '\0') {
        return log_every_s;
    }
    double period_s;
    if (!number_real(&period_s, text) || !(period_s >= 0.0)) {
        log_warn("KARMA_PROGRESS_S=%s is not a number of seconds, 0 or more. Using %g", text,
                 log_every_s);
        return log_every_s;
    }
    /* 0 asks for no lines at all, which is_due() knows as a negative period. */
    return period_s > 0.0 ? period_s : -1.0;
}

void progress_begin(struct progress *p, const char *what, uint64_t first, uint64_t total)
{
    *p = (struct progress){.what = what, .first = first, .total = total, .clock = clock_s};
    p->started_s = p->drawn_s = p->clock();
    p->redrawn = log_on_terminal();
    p->visible = log_wants(LOG_INFO);
    p->period_s = p->redrawn ? draw_every_s : log_period_s();
}

/* On a terminal the first call draws, and so does the last; in a log a line follows the one before
 * by the period. */
static bool is_due(const struct progress *p, bool first, uint64_t done, double now)
{
    if (p->redrawn && (first || (p->total > 0 && done >= p->total))) {
        return true;
    }
    return p->period_s > 0.0 && now - p->drawn_s >= p->period_s;
}

void progress_at(struct progress *p, uint64_t done, const char *fmt, ...)
{
    if (!p->visible) {
        return;
    }
    const double now = p->clock();
    const bool first = !p->begun;
    p->begun = true;
    if (!is_due(p, first, done, now)) {
        return;
    }
    /* The period counts from the last line shown, not from the last call. */
    p->drawn_s = now;
    char more[LINE_BYTES], line[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(more, sizeof(more), fmt, args);
    va_end(args);
    const size_t cap = p->redrawn ? line_cap() : sizeof line;
    progress_line(line, cap, p->what, done, p->total, p->first, now - p->started_s, more);
    if (p->redrawn) {
        fprintf(stderr, "\033[K%s\r", line);
    } else {
        log_info("%s", line);
    }
}

void progress_end(struct progress *p)
{
    if (p->visible && p->redrawn && p->begun) {
        fputs("\033[K", stderr);
    }
    p->visible = false;
}
