/* The log: a line is built on the stack and leaves in one write, so lines of ranks never mix. */
#include "core/base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, ERASE_BYTES = 3 };

/* The log is process state by nature: a level, a rank and where the lines go. */
static struct {
    enum log_level level;
    int rank, fd;
    void (*sink)(void *ctx, enum log_level level, const char *line);
    void *ctx;
} logger = {LOG_INFO, -1, STDERR_FILENO, NULL, NULL};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static enum log_level level_from_env(void)
{
    const char *want = getenv("KARMA_LOG");
    if (want == NULL || want[0] == '\0') {
        return LOG_INFO;
    }
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(want, level_names[i]) == 0) {
            return (enum log_level)i;
        }
    }
    log_warn("KARMA_LOG=%s is not a level; use error, warn, info or debug. Using info", want);
    return LOG_INFO;
}

static int fd_from_env(void)
{
    const char *want = getenv("KARMA_LOG_TO");
    return want != NULL && strcmp(want, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO;
}

void log_init(int rank)
{
    logger.rank = rank;
    logger.fd = fd_from_env();
    /* level_from_env() may warn, and the warning must pass. */
    logger.level = LOG_INFO;
    logger.level = level_from_env();
}

void log_set_level(enum log_level level)
{
    logger.level = level;
}

struct log_sink log_sink_now(void)
{
    return (struct log_sink){logger.sink, logger.ctx};
}

void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx)
{
    logger.sink = sink;
    logger.ctx = ctx;
}

bool log_wants(enum log_level level)
{
    /* Information is the same on all ranks and rank 0 tells it. Errors, warnings and debugging
     * lines may differ, so every rank writes its own. The rank is -1 before log_init(). */
    bool other_rank_tells = level == LOG_INFO && logger.rank > 0;
    return level <= logger.level && !other_rank_tells;
}

bool log_on_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

/* "[rank 3] error: core/x.c:12: " as far as it applies; returns its length. */
static size_t put_prefix(char *line, size_t cap, enum log_level level, const char *file, int at)
{
    char rank[32] = "", src_loc[256] = "";
    if (logger.rank > 0) {
        snprintf(rank, sizeof(rank), "[rank %d] ", logger.rank);
    }
    if (logger.level == LOG_DEBUG) {
        snprintf(src_loc, sizeof(src_loc), "%s:%d: ", file, at);
    }
    const char *kind = level == LOG_INFO ? "" : level_names[level];
    int n = snprintf(line, cap, "%s%s%s%s", rank, kind, kind[0] != '\0' ? ": " : "", src_loc);
    return n > 0 ? (size_t)n : 0;
}

/* A message quotes what the user wrote; its newlines and escape codes must not reach a terminal. */
static void hide_control_bytes(char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f) {
            *s = ' ';
        }
    }
}

/* The first bytes of `out` are free for the code that erases what a progress line left behind.
 * Results that were printed before stand before the line, and are not torn by it. */
static void write_line(char *out, size_t n)
{
    char *line = out + ERASE_BYTES;
    line[n++] = '\n';
    if (log_on_terminal()) {
        line = memcpy(out, "\033[K", ERASE_BYTES);
        n += ERASE_BYTES;
    }
    (void)fflush(stdout); /* a failure is remembered, and found at the end of main */
    /* write() may take a part of the line only, for example of a full pipe, or be interrupted. */
    for (size_t done = 0; done < n;) {
        ssize_t wrote = write(logger.fd, line + done, n - done);
        if (wrote < 0 && errno != EINTR) {
            return; /* nowhere left to complain */
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
}

void log_discard(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

void log_at(enum log_level level, const char *file, int line, const char *fmt, ...)
{
    if (!log_wants(level)) {
        return;
    }
    /* A message may stand between a failing call and the code that looks at errno. */
    int saved_errno = errno;
    char out[ERASE_BYTES + LINE_MAX_BYTES + 1]; /* room for the newline */
    char *text = out + ERASE_BYTES;
    size_t at = put_prefix(text, LINE_MAX_BYTES, level, file, line);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text + at, LINE_MAX_BYTES - at, fmt, args);
    va_end(args);
    /* vsnprintf() has cut the line; its last three bytes become dots. The terminating NUL is
     * copied, too. */
    if (n >= 0 && (size_t)n >= LINE_MAX_BYTES - at) {
        memcpy(text + LINE_MAX_BYTES - 4, "...", 4);
    }
    hide_control_bytes(text);
    if (logger.sink != NULL) {
        logger.sink(logger.ctx, level, text);
    } else {
        write_line(out, strlen(text));
    }
    errno = saved_errno;
}
