/* CSV: a row is collected in a buffer and leaves in one write.
 *
 * The first failure in a row is kept in `failed` and returned by csv_end_row(), so cells need no
 * check of their own. A row that failed is dropped as a whole, and the next one begins afresh. */
#include "core/base/csv.h"

#include "core/base/file.h"
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CSV_FILE_MAX = 1024 * 1024 * 1024 };

static void keep_first_failure(struct csv *c, enum err e)
{
    if (c->failed == ERR_OK) {
        c->failed = e;
    }
}

static void begin_cell(struct csv *c)
{
    CHECK(c->column < c->n_columns);
    if (c->column++ > 0) {
        keep_first_failure(c, buf_append(&c->row, ",", 1));
    }
}

static void quote(struct csv *c, const char *s)
{
    keep_first_failure(c, buf_append(&c->row, "\"", 1));
    for (; *s != '\0'; s++) {
        keep_first_failure(c, buf_append(&c->row, "\"\"", *s == '"' ? 2 : 0));
        keep_first_failure(c, buf_append(&c->row, s, *s == '"' ? 0 : 1));
    }
    keep_first_failure(c, buf_append(&c->row, "\"", 1));
}

/* Would a reader of tables (tabular.h) take the bare text for another one? Blanks at its ends are
 * dropped, and # begins a comment. */
static bool needs_quotes(const char *s)
{
    const size_t n = strlen(s);
    return strpbrk(s, ",\"\r\n") != NULL || s[0] == '#' || s[0] == ' ' || s[0] == '\t' ||
           (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'));
}

void csv_text(struct csv *c, const char *s)
{
    begin_cell(c);
    if (needs_quotes(s)) {
        quote(c, s);
    } else {
        keep_first_failure(c, buf_append(&c->row, s, strlen(s)));
    }
}

void csv_int(struct csv *c, int64_t v)
{
    begin_cell(c);
    keep_first_failure(c, buf_printf(&c->row, "%lld", (long long)v));
}

void csv_num(struct csv *c, double v)
{
    begin_cell(c);
    if (isnan(v)) { /* printf would show its sign */
        keep_first_failure(c, buf_append(&c->row, "nan", 3));
    } else {
        keep_first_failure(c, buf_printf(&c->row, "%.9g", v));
    }
}

void csv_exact(struct csv *c, double v)
{
    /* 17 digits tell every double, so the loop ends with a text that reads back as v. Infinities
     * print as inf and read back. */
    char text[40] = "nan";
    begin_cell(c);
    for (int digits = 9; !isnan(v) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    keep_first_failure(c, buf_append(&c->row, text, strlen(text)));
}

enum err csv_end_row(struct csv *c)
{
    /* One write() for a row: with O_APPEND a reader sees whole rows. After a failure the state is
     * that of an empty row. */
    CHECK(c->column == c->n_columns);
    keep_first_failure(c, buf_append(&c->row, "\n", 1));
    enum err e = c->failed;
    if (e == ERR_OK) {
        e = file_write_fd(c->fd, c->path, c->row.data, c->row.len);
    }
    c->row.len = 0;
    c->column = 0;
    c->failed = ERR_OK;
    return e;
}

enum err csv_sync(struct csv *c)
{
    if (fsync(c->fd) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP) {
        log_error("cannot flush '%s': %s", c->path, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

void csv_close(struct csv *c)
{
    buf_release(&c->row);
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
}

/* ---- opening ---- */

/* The header line into c->row. */
static enum err build_header(struct csv *c, const char *const *columns)
{
    for (int i = 0; i < c->n_columns; i++) {
        csv_text(c, columns[i]);
    }
    keep_first_failure(c, buf_append(&c->row, "\n", 1));
    return c->failed;
}

static enum err open_at_end(struct csv *c)
{
    c->fd = open(c->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (c->fd < 0) {
        log_error("cannot open '%s': %s", c->path, strerror(errno));
        return ERR_IO;
    }
    c->row.len = 0;
    c->column = 0;
    return ERR_OK;
}

static enum err init(struct csv *c, struct arena *arena, const char *path, int n_columns)
{
    CHECK(n_columns > 0);
    *c = (struct csv){.fd = -1, .n_columns = n_columns, .path = arena_strdup(arena, path)};
    buf_init(&c->row);
    return arena_error(arena);
}

enum err csv_create(struct csv *c, struct arena *arena, const char *path,
                    const char *const *columns, int n_columns)
{
    struct csv made;
    enum err e;
    TRY_GOTO(e, init(&made, arena, path, n_columns), close_csv);
    TRY_GOTO(e, build_header(&made, columns), close_csv);
    TRY_GOTO(e, file_write(path, made.row.data, made.row.len), close_csv);
    TRY_GOTO(e, open_at_end(&made), close_csv);
    *c = made;
    return ERR_OK;
close_csv:
    csv_close(&made);
    return e;
}

/* Bytes of the complete line that begins at `at`, 0 if it is torn. A newline inside quotes is part
 * of its cell. */
static size_t line_bytes(const struct buf *text, size_t at)
{
    /* A doubled quote inside quotes flips the state twice, so it needs no case of its own. */
    bool quoted = false;
    for (size_t i = at; i < text->len; i++) {
        if (text->data[i] == '"') {
            quoted = !quoted;
        } else if (text->data[i] == '\n' && !quoted) {
            return i + 1 - at;
        }
    }
    return 0;
}

/* Names the first column that is another one. Neither header has quotes. */
static enum err other_columns(const struct csv *c, const struct buf *text)
{
    const char *found = (const char *)text->data, *want = (const char *)c->row.data;
    int n_found = 0, n_want = 0;
    /* `at` is the same in both headers: all columns before it were equal, separators included. So
     * the loop stops at the first difference at the latest. */
    for (size_t at = 0; at < c->row.len; at += (size_t)n_want + 1) {
        const int left = at < text->len ? (int)(text->len - at) : 0;
        n_want = (int)strcspn(want + at, ",\n");
        n_found = 0;
        while (n_found < left && strchr(",\n", found[at + (size_t)n_found]) == NULL) {
            n_found++;
        }
        if (n_found != n_want || memcmp(found + at, want + at, (size_t)n_want) != 0) {
            log_error("'%s' has %s'%.*s' where this program writes the column '%.*s'; move it "
                      "away or resume with the program that wrote it",
                      c->path, left > 0 ? "" : "nothing, ", n_found, left > 0 ? found + at : "",
                      n_want, want + at);
            return ERR_MISMATCH;
        }
    }
    log_error("'%s' has more columns than this program writes; move it away or resume with the "
              "program that wrote it",
              c->path);
    return ERR_MISMATCH;
}

/* Where `keep` rows after the header end. */
static enum err find_cut(size_t *cut, const struct csv *c, const struct buf *text, int64_t keep)
{
    bool same = text->len >= c->row.len && memcmp(text->data, c->row.data, c->row.len) == 0;
    if (!same) {
        return other_columns(c, text);
    }
    size_t at = c->row.len;
    int64_t rows = 0;
    /* CSV_KEEP_ALL is -1, which `rows` never is: then all complete rows are kept, and a torn last
     * one is behind the cut. */
    for (size_t n; rows != keep && (n = line_bytes(text, at)) > 0; rows++) {
        at += n;
    }
    if (rows < keep) {
        log_error("'%s' has %lld complete rows, but the checkpoint was made after %lld; it belongs "
                  "to another run or was damaged",
                  c->path, (long long)rows, (long long)keep);
        return ERR_MISMATCH;
    }
    *cut = at;
    return ERR_OK;
}

static enum err cut_file(struct csv *c, int64_t keep)
{
    struct buf text;
    size_t cut;
    buf_init(&text);
    enum err e = file_read(&text, c->path, CSV_FILE_MAX);
    if (e == ERR_OK) {
        e = find_cut(&cut, c, &text, keep);
    }
    if (e == ERR_OK && cut < text.len && truncate(c->path, (off_t)cut) != 0) {
        log_error("cannot shorten '%s': %s", c->path, strerror(errno));
        e = ERR_IO;
    }
    buf_release(&text);
    return e;
}

enum err csv_resume(struct csv *c, struct arena *arena, const char *path,
                    const char *const *columns, int n_columns, int64_t keep)
{
    struct csv made;
    enum err e;
    TRY_GOTO(e, init(&made, arena, path, n_columns), close_csv);
    TRY_GOTO(e, build_header(&made, columns), close_csv);
    TRY_GOTO(e, cut_file(&made, keep), close_csv);
    TRY_GOTO(e, open_at_end(&made), close_csv);
    *c = made;
    return ERR_OK;
close_csv:
    csv_close(&made);
    return e;
}
