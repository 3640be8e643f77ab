/* The run directory. */
#include "core/base/rundir.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef KARMA_REVISION
#define KARMA_REVISION "unknown"
#endif
#ifndef KARMA_BUILD_INFO
#define KARMA_BUILD_INFO "unknown"
#endif

#define CPU_FILE "/proc/cpuinfo"

enum { NAME_MAX_BYTES = 128, CPU_FILE_MAX = 16 * 1024 * 1024 };

const char *rundir_revision(void)
{
    return KARMA_REVISION;
}

const char *rundir_build_info(void)
{
    return KARMA_BUILD_INFO;
}

/* ---- the directory ---- */

static enum err check_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    if (n == 0 || n > NAME_MAX_BYTES || name[0] == '.' || strspn(name, allowed) != n) {
        log_error("'%s' cannot be the name of a run: use 1 to %d letters, digits, '_', '-' or '.', "
                  "not starting with '.'",
                  name, NAME_MAX_BYTES);
        return ERR_USAGE;
    }
    return ERR_OK;
}

enum err rundir_check_name(const char *path)
{
    char name[NAME_MAX_BYTES + 2]; /* a longer one is too long here, too */
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    /* The last part of the path, slashes at its end left aside. */
    size_t from = n;
    while (from > 0 && path[from - 1] != '/') {
        from--;
    }
    snprintf(name, sizeof name, "%.*s", (int)(n - from), path + from);
    return check_name(name);
}

static enum err name_run(struct rundir *r, bool *exists, struct arena *arena, const char *root,
                         const char *name)
{
    TRY(check_name(name));
    r->name = arena_strdup(arena, name);
    r->path = file_join(arena, root, name);
    TRY(arena_error(arena));
    char *config = file_join(arena, r->path, "run.yaml");
    TRY(arena_error(arena));
    *exists = file_exists(config);
    return ERR_OK;
}

/* The sub-directories and a probe that files can be created, before anything is computed. */
static enum err make_tree(const struct rundir *r, struct arena *arena)
{
    static const char *const parts[] = {"checkpoints", "policy"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *path = file_join(arena, r->path, parts[i]);
        TRY(arena_error(arena));
        TRY(file_make_dirs(path));
    }
    return file_check_writable(r->path);
}

enum err rundir_create(struct rundir *r, struct arena *arena, const char *root, const char *name)
{
    struct rundir made;
    bool exists;
    TRY(name_run(&made, &exists, arena, root, name));
    if (exists) {
        log_error("there is a run '%s' already in '%s'; choose another name, resume it, or move it "
                  "away",
                  name, root);
        return ERR_USAGE;
    }
    TRY(make_tree(&made, arena));
    *r = made;
    return ERR_OK;
}

enum err rundir_open(struct rundir *r, struct arena *arena, const char *root, const char *name)
{
    struct rundir made;
    bool exists;
    TRY(name_run(&made, &exists, arena, root, name));
    if (!exists) {
        log_error("there is no run '%s' in '%s' (no run.yaml); nothing can be resumed", name, root);
        return ERR_USAGE;
    }
    TRY(make_tree(&made, arena));
    *r = made;
    return ERR_OK;
}

char *rundir_path(const struct rundir *r, struct arena *arena, const char *file)
{
    return file_join(arena, r->path, file);
}

/* ---- its small files ---- */

static enum err put_bytes(const struct rundir *r, const char *file, const void *bytes, size_t n)
{
    /* The path lives as long as the write, so the arena of the run does not grow with every
     * status. */
    struct arena scratch;
    arena_init(&scratch);
    char *path = file_join(&scratch, r->path, file);
    enum err e = path != NULL ? file_write(path, bytes, n) : ERR_MEMORY;
    arena_release(&scratch);
    return e;
}

enum err rundir_put(const struct rundir *r, const char *file, const char *text)
{
    return put_bytes(r, file, text, strlen(text));
}

enum err rundir_status(const struct rundir *r, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line) - 1, fmt, args);
    va_end(args);
    /* A status that is too long is cut; line[len] is inside, because vsnprintf had one byte
     * less. */
    CHECK(n >= 0);
    size_t len = strlen(line);
    line[len] = '\n';
    return put_bytes(r, "status", line, len + 1);
}

/* ---- machine.yaml ---- */

/* A YAML double-quoted scalar. */
static enum err put_quoted(struct buf *out, const char *key, const char *s, size_t n)
{
    TRY(buf_printf(out, "%s: \"", key));
    for (size_t i = 0; i < n; i++) {
        /* Text of the system (model names, compiler versions) may hold any byte. Quote and
         * backslash are escaped, control bytes become \xNN; all others are valid in double
         * quotes. */
        unsigned char c = (unsigned char)s[i];
        bool special = c == '"' || c == '\\';
        TRY(c < ' ' || c == 0x7f ? buf_printf(out, "\\x%02X", c)
                                 : buf_printf(out, special ? "\\%c" : "%c", c));
    }
    return buf_append(out, "\"\n", 2);
}

/* The value behind "model name" in the text of /proc/cpuinfo; its length in *n. */
static const char *model_name(size_t *n, const struct buf *info)
{
    /* file_read() has put a NUL behind the text. On CPUs that name their model otherwise the value
     * is "unknown". */
    const char *line = info->len > 0 ? strstr((const char *)info->data, "model name") : NULL;
    const char *colon = line != NULL ? strchr(line, ':') : NULL;
    const char *value = colon != NULL ? colon + 1 + strspn(colon + 1, " \t") : "unknown";
    *n = strcspn(value, "\n");
    return value;
}

/* A machine without that file is described as far as possible. */
static enum err put_cpu(struct buf *out)
{
    struct buf info;
    size_t n;
    buf_init(&info);
    enum err e = file_exists(CPU_FILE) ? file_read(&info, CPU_FILE, CPU_FILE_MAX) : ERR_OK;
    if (e != ERR_MEMORY) {
        const char *name = model_name(&n, &info);
        e = put_quoted(out, "cpu", name, n);
    }
    buf_release(&info);
    return e;
}

static const char *compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

static enum err put_string(struct buf *out, const char *key, const char *s)
{
    return put_quoted(out, key, s, strlen(s));
}

static enum err describe(struct buf *out, int ranks, const char *more)
{
    char host[256] = "unknown", started[CLOCK_ISO_BYTES];
    if (gethostname(host, sizeof(host) - 1) != 0) {
        snprintf(host, sizeof(host), "unknown");
    }
    clock_iso(started);
    TRY(put_string(out, "started", started));
    TRY(put_string(out, "host", host));
    TRY(put_cpu(out));
    TRY(buf_printf(out, "cores_online: %ld\nranks: %d\n", sysconf(_SC_NPROCESSORS_ONLN), ranks));
    TRY(put_string(out, "compiler", compiler()));
    TRY(put_string(out, "build", rundir_build_info()));
    TRY(put_string(out, "revision", rundir_revision()));
    return buf_append(out, more, strlen(more));
}

enum err rundir_put_machine(const struct rundir *r, int ranks, const char *more)
{
    struct buf text;
    buf_init(&text);
    enum err e = describe(&text, ranks, more);
    if (e == ERR_OK) {
        e = put_bytes(r, "machine.yaml", text.data, text.len);
    }
    buf_release(&text);
    return e;
}
