/* What the log says while a test listens. */
#ifndef KARMA_TESTS_HEARD_H
#define KARMA_TESTS_HEARD_H

#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

struct heard {
    char text[32768]; /* all lines, each with its newline, as far as there is room */
    char last[8192];  /* the last line */
    int n;            /* lines */
};

static inline void heard_line(void *ctx, enum log_level level, const char *line)
{
    struct heard *h = ctx;
    const size_t used = strlen(h->text);
    (void)level;
    (void)snprintf(h->text + used, sizeof h->text - used, "%s\n", line);
    (void)snprintf(h->last, sizeof h->last, "%s", line);
    h->n++;
}

static inline void heard_forget(struct heard *h)
{
    h->text[0] = h->last[0] = '\0';
    h->n = 0;
}

/* From here on, until heard_end(), lines go to `h` instead of standard error. */
static inline void heard_begin(struct heard *h)
{
    heard_forget(h);
    log_set_sink(heard_line, h);
}

static inline void heard_end(void)
{
    log_set_sink(NULL, NULL);
}

#endif
