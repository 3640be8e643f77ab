/* The progress line: one line on standard error that is redrawn, with the time that is left.
 *
 *     train  12/100   12%  eta 3m05s  1,234 steps/s  reward 0.71
 *
 * Quiet when standard error is not a terminal, when KARMA_LOG asks for less than info, and on ranks
 * other than 0. Drawn at most ten times a second. Output only: nothing is computed from it. Local.
 */
#ifndef KARMA_BASE_PROGRESS_H
#define KARMA_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* static string */
    uint64_t total;   /* 0 = unknown: no percentage, no eta */
    uint64_t first;   /* done at the first call: what a resumed run did not do itself */
    double started_s, drawn_s;
    bool visible, begun;
};

void progress_begin(struct progress *p, uint64_t total, const char *what);

/* `done` of total; fmt: more words, "" = none. Cheap when the line is not due. */
void progress_at(struct progress *p, uint64_t done, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Erases the line. */
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
