/* The next steps, run for what they say. See trial.h. */
#include "core/twin/trial.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/plural.h"
#include "core/twin/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a step logs goes here instead of to the user: the last error and the last warning. */
struct listener {
    char error[1024], warning[1024];
    struct log_sink before;
};

/* A line is "error: TEXT" or "warning: TEXT"; the text is kept, cut to the buffer. Each replaces
 * the one before: the last error is the one for which a step failed. */
static void take_line(void *ctx, enum log_level level, const char *line)
{
    struct listener *l = ctx;
    char *to = level == LOG_ERROR ? l->error : l->warning;
    const char *text = strstr(line, ": ");
    if (level <= LOG_WARN) {
        (void)snprintf(to, sizeof l->error, "%s", text != NULL ? text + 2 : line);
    }
}

/* The sentence without the name of the table, which heads the verdict. */
static const char *without_path(const char *text, const char *path)
{
    const size_t n = strlen(path);
    return strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

/* Takes the directory out of a sentence: "table-1" says enough, and is gone when it is read. */
static void drop_dir(char *text, const struct trial *t)
{
    const size_t n = strlen(t->dir);
    for (char *at = strstr(text, t->dir); at != NULL; at = strstr(at, t->dir)) {
        const char *rest = at + n + (at[n] == '/' ? 1 : 0);
        memmove(at, rest, strlen(rest) + 1);
    }
}

static void listen(struct listener *l)
{
    l->error[0] = l->warning[0] = '\0';
    l->before = log_sink_now();
    log_set_sink(take_line, l);
}

static void stop_listening(struct listener *l)
{
    log_set_sink(l->before.sink, l->before.ctx);
}

/* Is it the table's fault, and not the machine's? */
static bool is_refusal(enum err e)
{
    return e != ERR_OK && e != ERR_MEMORY && e != ERR_IO;
}

enum err trial_begin(struct trial *t)
{
    const char *tmp = getenv("TMPDIR");
    *t = (struct trial){.n_stores = 0};
    (void)snprintf(t->dir, sizeof t->dir, "%s/karma_check_XXXXXX",
                   tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    if (mkdtemp(t->dir) == NULL) {
        log_error("cannot make a directory '%s' to try the import in: %s; set TMPDIR to one that "
                  "can be written",
                  t->dir, strerror(errno));
        t->dir[0] = '\0';
        return ERR_IO;
    }
    return ERR_OK;
}

static const char *store_path(const struct trial *t, struct arena *arena, int i)
{
    return arena_printf(arena, "%s/table-%d", t->dir, i + 1);
}

static enum err try_fit(struct check *c, const char *path, int history)
{
    struct listener l;
    const char *lacks = NULL;
    listen(&l);
    const enum err e = model_lacks(&lacks, c->arena, path, history);
    stop_listening(&l);
    if (is_refusal(e)) {
        check_add(c, "(fit)", "fit", CHECK_FAIL, "%s", without_path(l.error, path));
        return ERR_OK;
    }
    TRY(e);
    if (lacks != NULL) {
        check_add(c, "(fit)", "fit", CHECK_WARN,
                  "alone it is too little to fit a twin: no transition for %s that was measured "
                  "completely; import more recordings into the store, or split it otherwise "
                  "(--validation, --held-out)",
                  lacks);
    } else {
        check_add(c, "(fit)", "", CHECK_PASS, "transitions for training and validation");
    }
    return ERR_OK;
}

/* A refusal becomes a finding and the trial goes on. The store of a table that was refused is
 * removed, and its number is used again: the stores are table-1 .. table-n_stores, without
 * holes. */
enum err trial_table(struct trial *t, struct check *c, const struct import_cfg *cfg, int history)
{
    struct listener l;
    struct import_result r;
    const char *path = store_path(t, c->arena, t->n_stores);
    TRY(arena_error(c->arena));
    listen(&l);
    const enum err e = import_table(&r, path, c->table, cfg, c->arena);
    stop_listening(&l);
    if (is_refusal(e)) {
        check_add(c, "(import)", "import", CHECK_FAIL, "%s", without_path(l.error, c->table->path));
        (void)unlink(path);
        return ERR_OK;
    }
    if (e != ERR_OK) {
        log_error("%s", l.error);
        (void)unlink(path);
        return e;
    }
    t->n_stores++;
    if (l.warning[0] != '\0') {
        check_add(c, "(import)", "import", CHECK_WARN, "%s",
                  without_path(l.warning, c->table->path));
    }
    check_add(c, "(import)", "", CHECK_PASS,
              "%d episode%s, %" PRId64 " decision%s of %g s; %d row%s left out, %d without any "
              "request",
              r.n_episodes, plural_s(r.n_episodes), r.n_steps, plural_s(r.n_steps), r.period_s,
              r.n_left_out, plural_s(r.n_left_out), r.n_empty);
    return try_fit(c, path, history);
}

/* The merged store has the first number that is not used, and is removed again. */
enum err trial_together(const char **why, struct trial *t, struct arena *arena, int history)
{
    struct listener l;
    const char *lacks = NULL, *path = store_path(t, arena, t->n_stores);
    const char **list = ARENA_NEW(arena, t->n_stores, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < t->n_stores; i++) {
        list[i] = store_path(t, arena, i);
    }
    TRY(arena_error(arena));
    listen(&l);
    enum err e = store_merge(path, list, t->n_stores, arena);
    if (e == ERR_OK) {
        e = model_lacks(&lacks, arena, path, history);
    }
    stop_listening(&l);
    drop_dir(l.error, t);
    (void)unlink(path);
    if (e != ERR_OK && !is_refusal(e)) {
        log_error("%s", l.error);
        return e;
    }
    *why = e != ERR_OK ? arena_strdup(arena, l.error)
           : lacks == NULL
               ? ""
               : arena_printf(arena, "no transition for %s that was measured completely", lacks);
    return arena_error(arena);
}

void trial_end(struct trial *t)
{
    char path[PATH_MAX + 32];
    for (int i = 0; i < t->n_stores; i++) {
        (void)snprintf(path, sizeof path, "%s/table-%d", t->dir, i + 1);
        (void)unlink(path);
    }
    if (t->dir[0] != '\0') {
        (void)rmdir(t->dir);
    }
    t->n_stores = 0;
}
