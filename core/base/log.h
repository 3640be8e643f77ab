/* The log: standard error, one line each; standard output belongs to results.
 *
 * Where both streams go to one file and mpirun stands between, KARMA_LOG_TO=stdout joins them at
 * the source: mpirun reads each stream in pieces, and a line of one could tear a line of the other.
 * mpi/launch sets it.
 *
 * Levels, in words:
 *   error  the run or the command cannot do what was asked; says file, place and remedy
 *   warn   the result stands, but not under the conditions the user may believe
 *   info   what a user wants to see of a healthy run (phases, files written)
 *   debug  what a developer wants to see (KARMA_LOG=debug)
 * Lines of ranks other than 0 carry "[rank r]"; info is printed by rank 0 only, errors by whichever
 * rank notices first. Local: never communicates.
 */
#ifndef KARMA_BASE_LOG_H
#define KARMA_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* `rank` < 0: no prefix. Level from $KARMA_LOG (error|warn|info|debug), else info. */
void log_init(int rank);
void log_set_level(enum log_level level);

/* Would a line of that level be shown by this rank? For output that costs something to prepare. */
bool log_wants(enum log_level level);

/* Standard error is a terminal that can erase a line. */
bool log_on_terminal(void);

/* Redirect every line to `sink` (tests); NULL = standard error again. `line` has no newline. */
void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx);

/* A sink that drops every line. */
void log_discard(void *ctx, enum log_level level, const char *line);

/* Where lines go now, to be set again. */
struct log_sink {
    void (*sink)(void *ctx, enum log_level level, const char *line);
    void *ctx;
};
struct log_sink log_sink_now(void);

void log_at(enum log_level level, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Source file and line of ours are shown at KARMA_LOG=debug only: a user needs the place in *his*
 * file, which belongs into the message. */
#define log_error(...) log_at(LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__)

#endif
