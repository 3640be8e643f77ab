/* The configuration beside the rows. See eval_config.h. */
#include "mpi/jobs/eval_config.h"

#include "core/base/file.h"
#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 16 * 1024 * 1024 };

static const char name[] = "config.yaml";
static const char first_line[] =
    "# Made by karma: the complete configuration of the rows in eval.csv.\n";

const char *eval_config_path(struct arena *arena, const char *dir)
{
    return file_join(arena, dir, name);
}

/* *text: the file, empty if there is none. *ours: an evaluation has written it. */
static enum err read_text(struct buf *text, bool *ours, const char *path)
{
    *ours = false;
    if (!file_exists(path)) {
        return ERR_OK;
    }
    TRY(file_read(text, path, TEXT_MAX));
    *ours = strncmp((const char *)text->data, first_line, sizeof first_line - 1) == 0;
    return ERR_OK;
}

bool eval_config_exists(const char *dir)
{
    struct arena arena;
    struct buf text;
    bool ours = false;
    arena_init(&arena);
    buf_init(&text);
    const char *path = eval_config_path(&arena, dir);
    const struct log_sink before = log_sink_now();
    log_set_sink(log_discard, NULL);
    const enum err e = path != NULL ? read_text(&text, &ours, path) : ERR_MEMORY;
    log_set_sink(before.sink, before.ctx);
    buf_release(&text);
    arena_release(&arena);
    return e == ERR_OK && ours;
}

static enum err check(const struct buf *text, bool ours, const char *path)
{
    if (ours || text->len == 0) {
        return ERR_OK;
    }
    log_error("%s: an evaluation keeps its configuration there, but this file was not written by "
              "one; rename it, or choose another directory with --out DIR",
              path);
    return ERR_USAGE;
}

/* The old file, then what is to be there; `yaml` NULL: nothing is written. */
static enum err put(const char *path, const char *yaml)
{
    struct buf old, text;
    bool ours = false;
    buf_init(&old);
    buf_init(&text);
    enum err e = read_text(&old, &ours, path);
    e = e == ERR_OK ? check(&old, ours, path) : e;
    if (e == ERR_OK && yaml != NULL) {
        e = buf_printf(&text, "%s%s", first_line, yaml);
        const bool same =
            e == ERR_OK && text.len == old.len && memcmp(text.data, old.data, text.len) == 0;
        e = e == ERR_OK && !same ? file_write(path, text.data, text.len) : e;
    }
    buf_release(&text);
    buf_release(&old);
    return e;
}

enum err eval_config_write(const char *dir, const char *yaml)
{
    struct arena arena;
    arena_init(&arena);
    const char *path = eval_config_path(&arena, dir);
    const enum err e = path != NULL ? put(path, yaml) : ERR_MEMORY;
    arena_release(&arena);
    return e;
}

enum err eval_config_check(const char *dir)
{
    return eval_config_write(dir, NULL);
}

/* ---- what differs ---- */

static enum err tell(const char *path, const struct experiment *x, struct arena *arena)
{
    struct experiment_cfg old;
    struct cfg reader;
    struct buf differences;
    cfg_init(&reader, experiment_fields, sizeof old, arena);
    /* A file of another version may have keys that this one refuses: then only the rows speak. */
    const struct log_sink before = log_sink_now();
    log_set_sink(log_discard, NULL);
    enum err e = cfg_load(&reader, path, NULL, 0, &old);
    log_set_sink(before.sink, before.ctx);
    if (e != ERR_OK) {
        return e == ERR_MEMORY ? e : ERR_OK;
    }
    buf_init(&differences);
    e = experiment_diff(&differences, experiment_fields, &old, &x->cfg);
    if (e == ERR_OK && ((const char *)differences.data)[0] != '\0') {
        log_error("what differs from %s, old -> new: %s", path, (const char *)differences.data);
    }
    buf_release(&differences);
    return e;
}

enum err eval_config_tell_difference(const char *csv, const struct experiment *x)
{
    struct arena arena;
    arena_init(&arena);
    const char *slash = strrchr(csv, '/');
    const char *path =
        arena_printf(&arena, "%.*s%s", slash != NULL ? (int)(slash - csv + 1) : 0, csv, name);
    enum err e = path != NULL ? ERR_OK : ERR_MEMORY;
    if (e == ERR_OK && file_exists(path)) {
        e = tell(path, x, &arena);
    }
    arena_release(&arena);
    return e;
}
