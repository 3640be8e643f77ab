/* The walk through directories, and what its readers share. See results.h.
 *
 * The walk comes first and only lists directories, so that reading, which takes the time, can show
 * its progress. Names are sorted: the order of a directory differs between file systems. */
#include "core/report/results.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/eval/old_columns.h"
#include "core/report/results_parts.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 12, SENTENCE_MAX = 1024, COLUMNS_MAX = 4096, WARNED_MAX = 20 };

void *results_grow(struct arena *arena, void *items, int n, int *cap, size_t size)
{
    if (n < *cap) {
        return items;
    }
    const int more = *cap > 0 ? 2 * *cap : 16;
    void *grown = arena_alloc(arena, (size_t)more, size);
    if (grown != NULL) {
        if (n > 0) {
            memcpy(grown, items, (size_t)n * size);
        }
        *cap = more;
    }
    return grown;
}

/* If the arena fails, whoever asks it will know. */
void results_note(struct results *r, const char *what, const char *why)
{
    const struct left_out l = {arena_strdup(r->arena, what), arena_strdup(r->arena, why)};
    struct left_out *left = RESULTS_GROW(r, left, struct left_out);
    if (left != NULL) {
        r->left = left;
        r->left[r->n_left++] = l;
    }
}

/* Logs the last sentences, from number `first` on, as far as there are not too many. */
static void warn_of(struct results *r, int first)
{
    for (int i = first; i < r->n_left && r->n_logged++ < WARNED_MAX; i++) {
        log_warn("%s: left out: %s", r->left[i].what, r->left[i].why);
    }
}

void results_leave_out(struct results *r, const char *what, const char *fmt, ...)
{
    char sentence[SENTENCE_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    results_note(r, what, sentence);
    r->n_warned++;
    if (!r->listening) {
        warn_of(r, r->n_left - 1);
    }
}

/* ---- tables ---- */

void columns_close(struct columns *c)
{
    csv_reader_close(&c->reader);
}

/* The names of a header are never quoted, so commas count its columns. */
static enum err read_header(struct columns *c, struct arena *arena)
{
    const char *text = (const char *)c->reader.text.data;
    enum csv_status status;
    c->n = 1;
    for (size_t i = 0; i < c->reader.text.len && text[i] != '\n'; i++) {
        c->n += text[i] == ',' ? 1 : 0;
    }
    if (c->n > COLUMNS_MAX) {
        log_error("%s: its header has %d columns; the file was damaged", c->reader.path, c->n);
        return ERR_FORMAT;
    }
    c->names = ARENA_NEW(arena, c->n, const char *);
    c->cells = ARENA_NEW(arena, c->n, const char *);
    TRY(arena_error(arena));
    TRY(csv_reader_next(&c->reader, c->names, c->n, &status));
    if (status != CSV_ROW) {
        log_error("%s: is empty; run the command that wrote it again", c->reader.path);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

enum err columns_open(struct columns *c, struct arena *arena, const char *path)
{
    TRY(csv_reader_open(&c->reader, path));
    const enum err e = read_header(c, arena);
    if (e != ERR_OK) {
        columns_close(c);
    }
    return e;
}

int columns_find(const struct columns *c, const char *name)
{
    for (int i = 0; i < c->n; i++) {
        if (strcmp(c->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

enum err columns_need(int *at, const struct columns *c, const char *name)
{
    const char *old = old_column_name(name);
    *at = columns_find(c, name);
    if (*at < 0 && old != NULL && columns_find(c, old) >= 0) {
        log_error("%s: the column '%s' was called '%s' when it was written; make it again with "
                  "this version",
                  c->reader.path, name, old);
        return ERR_FORMAT;
    }
    if (*at < 0) {
        log_error("%s: has no column '%s'; it was written by another version: make it again",
                  c->reader.path, name);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

enum err columns_next(struct columns *c, bool *more)
{
    enum csv_status status;
    TRY(csv_reader_next(&c->reader, c->cells, c->n, &status));
    *more = status == CSV_ROW;
    c->torn = status == CSV_TORN;
    return ERR_OK;
}

enum err columns_number(double *out, const struct columns *c, int at)
{
    return csv_reader_number(out, &c->reader, c->cells[at], c->names[at]);
}

/* ---- reading a file, whatever is wrong with it ---- */

/* The first error that a reader logs is why its file is left out. */
struct heard {
    char sentence[SENTENCE_MAX];
};

static void hear(void *ctx, enum log_level level, const char *line)
{
    struct heard *h = ctx;
    static const char prefix[] = "error: ";
    const size_t n = strncmp(line, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
    if (level == LOG_ERROR && h->sentence[0] == '\0') {
        (void)snprintf(h->sentence, sizeof h->sentence, "%s", line + n);
    }
}

/* Takes every `part` out of the text: where results lie on a disk is not part of them. */
static void take_out(char *text, const char *part)
{
    const size_t n = strlen(part);
    for (char *at = text; n > 0 && (at = strstr(at, part)) != NULL;) {
        memmove(at, at + n, strlen(at + n) + 1);
    }
}

static const char *join_shown(struct arena *arena, const char *shown, const char *file)
{
    return strcmp(shown, ".") == 0 ? arena_strdup(arena, file)
                                   : arena_printf(arena, "%s/%s", shown, file);
}

enum err results_try(struct results *r, const struct result_dir *d, const char *file,
                     results_reader *read)
{
    struct heard h = {""};
    const char *path = file_join(r->arena, d->path, file);
    TRY(arena_error(r->arena));
    if (!file_exists(path)) {
        return ERR_OK;
    }
    const struct log_sink before = log_sink_now();
    const bool outermost = !r->listening;
    const int first = r->n_left;
    log_set_sink(hear, &h);
    r->listening = true;
    const enum err e = read(r, d, path);
    r->listening = !outermost;
    log_set_sink(before.sink, before.ctx);
    if (outermost) {
        warn_of(r, first);
    }
    if (e == ERR_OK || e == ERR_MEMORY) {
        return e;
    }
    const char *shown = join_shown(r->arena, d->shown, file);
    TRY(arena_error(r->arena));
    take_out(h.sentence, d->root);
    results_leave_out(r, shown, "%s", h.sentence[0] != '\0' ? h.sentence : err_name(e));
    return arena_error(r->arena);
}

/* ---- the walk ---- */

struct walk {
    struct arena *arena;
    const char *out, *root, *prefix; /* prefix: its name if several directories are read, else "" */
    struct result_dir *dirs;
    int n_dirs, cap_dirs;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of a directory, but hidden ones, sorted. */
static enum err list_names(const char ***names, int *n, struct arena *arena, const char *dir)
{
    DIR *d = opendir(dir);
    int cap = 0;
    *n = 0;
    *names = NULL;
    if (d == NULL) {
        return ERR_OK; /* whoever may not read it has no results there */
    }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        const char **grown = results_grow(arena, *names, *n, &cap, sizeof **names);
        if (grown == NULL) {
            break;
        }
        *names = grown;
        if (entry->d_name[0] != '.') {
            (*names)[(*n)++] = arena_strdup(arena, entry->d_name);
        }
    }
    closedir(d);
    TRY(arena_error(arena));
    if (*n > 0) {
        qsort(*names, (size_t)*n, sizeof **names, by_name);
    }
    return ERR_OK;
}

/* No results lie in these, but large files do. */
static bool skipped(const char *name)
{
    return strcmp(name, "checkpoints") == 0 || strcmp(name, "policy") == 0 ||
           strcmp(name, "rounds") == 0;
}

static enum err add_dir(struct walk *w, const char *path, const char *below)
{
    struct result_dir *dirs =
        results_grow(w->arena, w->dirs, w->n_dirs, &w->cap_dirs, sizeof *dirs);
    TRY(arena_error(w->arena));
    const char *slash = w->prefix[0] != '\0' && below[0] != '\0' ? "/" : "";
    const char *shown = arena_printf(w->arena, "%s%s%s", w->prefix, slash, below);
    TRY(arena_error(w->arena));
    w->dirs = dirs;
    w->dirs[w->n_dirs++] =
        (struct result_dir){.path = path, .shown = shown[0] != '\0' ? shown : ".", .root = w->root};
    return ERR_OK;
}

/* Every directory below `path`. A link to a directory is followed; the depth ends cycles. */
static enum err walk(struct walk *w, const char *path, const char *below, int depth)
{
    const char **names;
    int n;
    TRY(add_dir(w, path, below));
    const char *manifest = file_join(w->arena, path, "manifest.csv");
    TRY(arena_error(w->arena));
    if (file_exists(manifest)) {
        return ERR_OK; /* it says what lies below */
    }
    TRY(list_names(&names, &n, w->arena, path));
    for (int i = 0; i < n && depth < DEPTH_MAX; i++) {
        const char *inside = file_join(w->arena, path, names[i]);
        const char *shown =
            arena_printf(w->arena, "%s%s%s", below, below[0] != '\0' ? "/" : "", names[i]);
        TRY(arena_error(w->arena));
        if (!skipped(names[i]) && file_is_dir(inside) && !file_same(inside, w->out)) {
            TRY(walk(w, inside, shown, depth + 1));
        }
    }
    return ERR_OK;
}

/* The last part of a path. */
static const char *last_part(struct arena *arena, const char *path)
{
    char *copy = arena_strdup(arena, path);
    if (copy == NULL) {
        return NULL;
    }
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--) {
        copy[n - 1] = '\0';
    }
    const char *slash = strrchr(copy, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : copy;
}

static enum err walk_all(struct walk *w, const char *const *dirs, int n_dirs)
{
    for (int i = 0; i < n_dirs; i++) {
        w->root = arena_printf(w->arena, "%s/", dirs[i]);
        w->prefix = n_dirs > 1 ? last_part(w->arena, dirs[i]) : "";
        TRY(arena_error(w->arena));
        TRY(walk(w, dirs[i], "", 0));
    }
    return ERR_OK;
}

static enum err read_dir(struct results *r, const struct result_dir *d)
{
    TRY(results_try(r, d, "manifest.csv", results_read_ablation));
    TRY(results_try(r, d, "eval.csv", results_read_eval));
    TRY(results_try(r, d, "org_metrics.csv", results_read_agents));
    TRY(results_try(r, d, "run.yaml", results_read_training));
    TRY(results_try(r, d, "accuracy.csv", results_read_accuracy));
    return results_try(r, d, "roles.csv", results_read_analysis);
}

enum err results_read(struct results *r, struct arena *arena, const char *const *dirs, int n_dirs,
                      const char *out)
{
    struct walk w = {.arena = arena, .out = out};
    struct progress progress;
    *r = (struct results){.arena = arena};
    TRY(walk_all(&w, dirs, n_dirs));
    progress_begin(&progress, "read", 0, (uint64_t)w.n_dirs);
    r->progress = &progress;
    enum err e = ERR_OK;
    for (int i = 0; i < w.n_dirs && e == ERR_OK; i++) {
        e = read_dir(r, &w.dirs[i]);
        progress_at(&progress, (uint64_t)i + 1, "%s", "");
    }
    r->progress = NULL;
    progress_end(&progress);
    TRY(e);
    if (r->n_cells + r->n_trainings + r->n_accuracies + r->n_analyses + r->n_left == 0) {
        log_error(
            "%s%s: there is no result in it; a report needs eval.csv of karma eval, run.yaml "
            "of karma train, accuracy.csv of karma twin report, or roles.csv of karma analyse",
            dirs[0], n_dirs > 1 ? " and the other directories" : "");
        return ERR_USAGE;
    }
    return ERR_OK;
}
