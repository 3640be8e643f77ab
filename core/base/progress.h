/* The progress of something long, with the time that is left, on standard error.
 *
 *     train  12/100   12%  eta 3m05s  1,234 steps/s  reward 0.71
 *
 * On a terminal it is one line that is redrawn, at most ten times a second, and erased at the end.
 * Elsewhere (a file, a pipe, a batch job) it is a line of the log, once a minute: the first one a
 * minute after the begin, so that a short run writes none. KARMA_PROGRESS_S is another period in
 * seconds; 0 = no lines. A line leaves in one write, so a log shows it at once.
 *
 * Quiet when KARMA_LOG asks for less than info, and on ranks other than 0. Output only: nothing is
 * computed from it. Local.
 */
#ifndef KARMA_BASE_PROGRESS_H
#define KARMA_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* static string */
    uint64_t total;   /* 0 = unknown: no percentage, no eta */
    uint64_t first;   /* done before: what a resumed run did not do itself */
    double started_s, drawn_s;
    double period_s;       /* between two lines of a log; < 0: none */
    double (*clock)(void); /* clock_s; a test puts its own here, after progress_begin() */
    bool redrawn;          /* one line on a terminal, else lines of a log */
    bool visible, begun;
};

/* `first` of `total` were done before: a resumed run's time that is left is reckoned from what it
 * does itself. */
void progress_begin(struct progress *p, const char *what, uint64_t first, uint64_t total);

/* `done` of total; fmt: more words, "" = none. Cheap when the line is not due. */
void progress_at(struct progress *p, uint64_t done, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Erases the line on a terminal. */
void progress_end(struct progress *p);

/* ---- the parts, for tests and other output ---- */

/* "42s", "3m05s", "2h07m", "3d04h"; "?" if negative or not finite. Returns out. */
char *progress_duration(char *out, size_t cap, double seconds);

/* 1234567 -> "1,234,567". Returns out. */
char *progress_count(char *out, size_t cap, uint64_t n);

/* The line without control bytes, at most cap - 1 bytes. `elapsed_s` is the time in which
 * done - first were done. */
void progress_line(char *out, size_t cap, const char *what, uint64_t done, uint64_t total,
                   uint64_t first, double elapsed_s, const char *more);

#endif
