/* Writing an audit log. See audit.h. */
#include "core/transfer/audit.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/transfer/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char audit_seal[] = ",\"sha256\":\"";

void audit_digest(char out[SHA256_HEX], const char *head, const char *body, size_t n_body)
{
    struct sha256 s;
    sha256_init(&s);
    sha256_add(&s, head, SHA256_HEX - 1);
    sha256_add(&s, body, n_body);
    sha256_end_hex(out, &s);
}

/* ---- the file ---- */

static enum err failed(const char *verb, const char *path)
{
    log_error("cannot %s '%s': %s", verb, path, strerror(errno));
    return ERR_IO;
}

/* Reads all records; a->n, bytes and head are those of the last one. */
static enum err check_all(struct audit *a, const char *path)
{
    struct audit_reader r;
    struct audit_record record;
    enum audit_status status = AUDIT_RECORD;
    TRY(audit_reader_open(&r, path));
    enum err e = ERR_OK;
    while (e == ERR_OK && status == AUDIT_RECORD) {
        e = audit_read_next(&r, &record, &status);
    }
    a->n = r.n;
    a->bytes = r.offset;
    a->n_cut = status == AUDIT_TORN ? (int64_t)(r.text.len - r.at) : 0;
    memcpy(a->head, r.head, sizeof a->head);
    audit_reader_close(&r);
    if (e == ERR_MISMATCH || e == ERR_FORMAT) {
        log_error("%s cannot be continued: keep it for whoever looks into this, under another "
                  "name; then a new one begins",
                  path);
    }
    return e;
}

static enum err cut(struct audit *a)
{
    if (a->n_cut == 0) {
        return ERR_OK;
    }
    log_warn("%s ends in half a record of %" PRId64 " bytes, which a process left that was killed; "
             "it is cut off behind record %" PRId64,
             a->path, a->n_cut, a->n - 1);
    return ftruncate(a->fd, (off_t)a->bytes) == 0 && fsync(a->fd) == 0 ? ERR_OK
                                                                       : failed("cut", a->path);
}

/* The name of a new file is on the disk, too. */
static enum err sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
                   slash == NULL ? "." : path);
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed("open", dir);
    }
    const bool ok = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS;
    const enum err e = ok ? ERR_OK : failed("flush", dir);
    close(fd);
    return e;
}

void audit_init_preview(struct audit *a)
{
    *a = (struct audit){.fd = -1, .path = "(preview)"};
    memset(a->head, '0', sizeof a->head - 1);
    buf_init(&a->line);
}

enum err audit_open(struct audit *a, struct arena *arena, const char *path)
{
    audit_init_preview(a);
    a->path = arena_strdup(arena, path);
    TRY(arena_error(arena));
    const bool there = file_exists(path);
    if (there) {
        TRY(check_all(a, path));
    }
    a->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (a->fd < 0) {
        return failed("open", path);
    }
    const enum err e = there ? cut(a) : sync_directory(path);
    if (e != ERR_OK) {
        audit_close(a);
    }
    return e;
}

void audit_close(struct audit *a)
{
    if (a->fd >= 0) {
        close(a->fd);
        a->fd = -1;
    }
    buf_release(&a->line);
}

/* ---- fields ---- */

static void keep(struct audit *a, enum err e)
{
    a->failed = a->failed == ERR_OK ? e : a->failed;
}

void audit_begin(struct audit *a, const char *kind)
{
    CHECK(strlen(kind) < AUDIT_KIND_BYTES);
    a->line.len = 0;
    keep(a, buf_printf(&a->line, "{\"n\":%" PRId64 ",\"kind\":\"%s\"", a->n, kind));
}

static void put_key(struct audit *a, const char *key)
{
    keep(a, buf_printf(&a->line, ",\"%s\":", key));
}

void audit_text(struct audit *a, const char *key, const char *text)
{
    put_key(a, key);
    keep(a, json_put_text(&a->line, text));
}

void audit_int(struct audit *a, const char *key, int64_t value)
{
    put_key(a, key);
    keep(a, buf_printf(&a->line, "%" PRId64, value));
}

/* All NaN are one: no comparison in a decision tells them apart. */
static void put_hex(struct audit *a, double value)
{
    keep(a, isnan(value) ? buf_printf(&a->line, "\"nan\"") : buf_printf(&a->line, "\"%a\"", value));
}

void audit_double(struct audit *a, const char *key, double value)
{
    put_key(a, key);
    put_hex(a, value);
}

void audit_floats(struct audit *a, const char *key, const float *values, int n)
{
    put_key(a, key);
    for (int i = 0; i < n; i++) {
        keep(a, buf_printf(&a->line, i == 0 ? "[" : ","));
        put_hex(a, (double)values[i]);
    }
    keep(a, buf_printf(&a->line, n == 0 ? "[]" : "]"));
}

void audit_ints(struct audit *a, const char *key, const int32_t *values, int n)
{
    put_key(a, key);
    for (int i = 0; i < n; i++) {
        keep(a, buf_printf(&a->line, "%s%" PRId32, i == 0 ? "[" : ",", values[i]));
    }
    keep(a, buf_printf(&a->line, n == 0 ? "[]" : "]"));
}

void audit_bits(struct audit *a, const char *key, const uint32_t *words, int n)
{
    put_key(a, key);
    for (int i = 0; i < n; i++) {
        keep(a, buf_printf(&a->line, "%s\"%" PRIx32 "\"", i == 0 ? "[" : ",", words[i]));
    }
    keep(a, buf_printf(&a->line, n == 0 ? "[]" : "]"));
}

void audit_texts(struct audit *a, const char *key, const char *const *texts, int n)
{
    put_key(a, key);
    for (int i = 0; i < n; i++) {
        keep(a, buf_printf(&a->line, i == 0 ? "[" : ","));
        keep(a, json_put_text(&a->line, texts[i]));
    }
    keep(a, buf_printf(&a->line, n == 0 ? "[]" : "]"));
}

enum err audit_preview(struct buf *out, struct audit *a)
{
    TRY(a->failed);
    return buf_append(out, a->line.data, a->line.len);
}

/* ---- a record ---- */

/* A half line that cannot be taken back would be the beginning of the next record. */
static enum err append(struct audit *a)
{
    enum err e = file_write_fd(a->fd, a->path, a->line.data, a->line.len);
    if (e == ERR_OK && fsync(a->fd) != 0) {
        e = failed("flush", a->path);
    }
    if (e != ERR_OK && ftruncate(a->fd, (off_t)a->bytes) != 0) {
        a->failed = e;
    }
    return e;
}

enum err audit_end(struct audit *a)
{
    char digest[SHA256_HEX];
    TRY(a->failed);
    audit_digest(digest, a->head, (const char *)a->line.data, a->line.len);
    TRY(buf_printf(&a->line, "%s%s\"}\n", audit_seal, digest));
    TRY(append(a));
    a->n++;
    a->bytes += (int64_t)a->line.len;
    memcpy(a->head, digest, sizeof digest);
    return ERR_OK;
}
