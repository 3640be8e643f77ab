/* Reading an audit log, record by record, and finding what is not as it was written.
 *
 * The frame of a line is checked first: a seal is found by its first place in the line, for no text
 * inside a record can look like one. So a line end that was changed, or one that was put in, is
 * told apart from a body that was changed. */
#include "core/base/log.h"
#include "core/base/number.h"
#include "core/transfer/audit.h"
#include "core/transfer/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Digits of two unrelated digests that differ: 60 of 64 on average, and 8 or fewer never. */
enum { PIECE = 1 << 16, SEAL = 11, DIGITS = SHA256_HEX - 1, FEW = 8 };

/* ---- lines ---- */

static void begin(struct audit_reader *r, const char *path)
{
    *r = (struct audit_reader){.path = path, .fd = -1};
    memset(r->head, '0', DIGITS);
    buf_init(&r->text);
}

enum err audit_reader_open(struct audit_reader *r, const char *path)
{
    begin(r, path);
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) {
        log_error("cannot open '%s': %s", path, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

enum err audit_reader_over(struct audit_reader *r, const char *name, const void *bytes, size_t n)
{
    begin(r, name);
    r->ended = true;
    return buf_append(&r->text, bytes, n);
}

void audit_reader_close(struct audit_reader *r)
{
    if (r->fd >= 0) {
        close(r->fd);
        r->fd = -1;
    }
    buf_release(&r->text);
}

/* Another piece of the file behind what is there; what was read before the current line goes. */
static enum err more(struct audit_reader *r)
{
    memmove(r->text.data, r->text.data + r->at, r->text.len - r->at);
    r->text.len -= r->at;
    r->at = 0;
    if (r->text.cap - r->text.len < PIECE) {
        TRY(buf_reserve(&r->text, 2 * r->text.cap + PIECE));
    }
    ssize_t got;
    do {
        got = read(r->fd, r->text.data + r->text.len, r->text.cap - r->text.len);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        log_error("cannot read '%s': %s", r->path, strerror(errno));
        return ERR_IO;
    }
    r->text.len += (size_t)got;
    r->ended = got == 0;
    return ERR_OK;
}

/* *line: the next one, n bytes and its end; NULL: there is none that has an end. */
static enum err next_line(struct audit_reader *r, const char **line, size_t *n)
{
    size_t seen = 0;
    for (;;) {
        const size_t left = r->text.len - r->at;
        const char *from = left > 0 ? (const char *)r->text.data + r->at : "";
        const char *end = left > seen ? memchr(from + seen, '\n', left - seen) : NULL;
        *line = end != NULL ? from : NULL;
        *n = end != NULL ? (size_t)(end - from) : left;
        if (*n > AUDIT_LINE_MAX) {
            log_error("%s: byte %" PRId64 ": a line of more than %d bytes is no record of an audit "
                      "log",
                      r->path, r->offset, AUDIT_LINE_MAX);
            return ERR_FORMAT;
        }
        if (end != NULL || r->ended) {
            return ERR_OK;
        }
        seen = left;
        TRY(more(r));
    }
}

/* ---- what is wrong ---- */

static const char *shown(char text[16], unsigned char c)
{
    (void)snprintf(text, 16, c > ' ' && c < 127 ? "'%c'" : "byte %u", c);
    return text;
}

/* "record 17: its byte 123, byte 40377 of the file, was changed: ..." */
static enum err changed(const struct audit_reader *r, size_t at, int now, int was)
{
    char a[16], b[16], what[64] = "";
    if (was >= 0) {
        (void)snprintf(what, sizeof what, ": it is %s and was %s", shown(a, (unsigned char)now),
                       shown(b, (unsigned char)was));
    }
    log_error("%s: record %" PRId64 " is not what was written: its byte %zu, which is byte %" PRId64
              " of the file, was changed%s",
              r->path, r->n, at, r->offset + (int64_t)at, what);
    return ERR_MISMATCH;
}

static enum err whole_record(const struct audit_reader *r, size_t n_line, const char *why)
{
    log_error("%s: record %" PRId64 " (bytes %" PRId64 " to %" PRId64 " of the file) %s", r->path,
              r->n, r->offset, r->offset + (int64_t)n_line, why);
    return r->n == 0 && n_line == 0 ? ERR_FORMAT : ERR_MISMATCH;
}

/* A line without a whole seal. If it ends in something of the length of one, the first byte that
 * differs is the changed one. */
static enum err no_seal(const struct audit_reader *r, const char *line, size_t n)
{
    const size_t n_seal = SEAL + DIGITS + 2;
    if (r->n == 0 && (n < 2 || line[0] != '{')) {
        log_error("%s: line 1 is no record of an audit log; was it written by karma serve?",
                  r->path);
        return ERR_FORMAT;
    }
    size_t differ = 0, first = 0;
    for (size_t i = 0; n > n_seal && i < SEAL; i++) {
        const bool same = line[n - n_seal + i] == audit_seal[i];
        first = !same && differ == 0 ? i : first;
        differ += !same;
    }
    if (n > n_seal && differ == 1) {
        return changed(r, n - n_seal + first, (unsigned char)line[n - n_seal + first],
                       (unsigned char)audit_seal[first]);
    }
    log_error("%s: record %" PRId64 " is cut: its line ends at byte %" PRId64
              " of the file, and no digest stands before that",
              r->path, r->n, r->offset + (int64_t)n);
    return ERR_MISMATCH;
}

static const char *find_seal(const char *line, size_t n)
{
    const char *at = line, *end = line + n;
    while (end - at >= SEAL && (at = memchr(at, ',', (size_t)(end - at) - SEAL + 1)) != NULL) {
        if (memcmp(at, audit_seal, SEAL) == 0) {
            return at;
        }
        at++;
    }
    return NULL;
}

/* Behind the seal: 64 digits, then "} and the end of the line. */
static enum err check_frame(const struct audit_reader *r, const char *line, size_t n,
                            const char *seal)
{
    const char *digits = seal + SEAL;
    const size_t left = n - (size_t)(digits - line);
    for (size_t i = 0; i < DIGITS + 2; i++) {
        const int want = i < DIGITS ? -1 : "\"}"[i - DIGITS];
        const int is = i < left ? (unsigned char)digits[i] : '\n';
        const bool right =
            want >= 0 ? is == want : (is >= '0' && is <= '9') || (is >= 'a' && is <= 'f');
        if (!right) {
            return changed(r, (size_t)(digits - line) + i, is, want);
        }
    }
    return left == DIGITS + 2 ? ERR_OK
                              : changed(r, (size_t)(digits - line) + DIGITS + 2,
                                        (unsigned char)digits[DIGITS + 2], '\n');
}

/* The digest is that of the body behind the record before, or a byte of it is wrong. */
static enum err check_digest(const struct audit_reader *r, const char *line, size_t n,
                             size_t n_body)
{
    char digest[SHA256_HEX], sealed[SHA256_HEX];
    const char *digits = line + n_body + SEAL;
    size_t differ = 0, first = 0, at;
    unsigned char was;
    memcpy(sealed, digits, DIGITS);
    sealed[DIGITS] = '\0';
    audit_digest(digest, r->head, line, n_body);
    for (size_t i = 0; i < DIGITS; i++) {
        const bool same = digest[i] == sealed[i];
        first = !same && differ == 0 ? i : first;
        differ += !same;
    }
    if (differ == 0) {
        return ERR_OK;
    }
    if (differ <= FEW) {
        return changed(r, n_body + SEAL + first, (unsigned char)sealed[first],
                       (unsigned char)digest[first]);
    }
    if (r->search && n_body <= AUDIT_SEARCH_MAX &&
        audit_find_byte(&at, &was, r->head, sealed, line, n_body)) {
        return changed(r, at, (unsigned char)line[at], was);
    }
    return whole_record(r, n,
                        "is not what was written behind the one before: more than one byte of it "
                        "was changed, or records between the two were removed or moved");
}

/* ---- records ---- */

/* {"n":17,"kind":"decision" */
static enum err read_name(const struct audit_reader *r, struct audit_record *out, size_t n_line)
{
    char want[64];
    const int n_want = snprintf(want, sizeof want, "{\"n\":%" PRId64 ",\"kind\":\"", r->n);
    if (out->n_body < (size_t)n_want || memcmp(out->body, want, (size_t)n_want) != 0) {
        return whole_record(r, n_line,
                            "has another number than its place, though its digest is right: it was "
                            "not written by this program");
    }
    const char *kind = out->body + n_want;
    const size_t left = out->n_body - (size_t)n_want;
    const char *end = memchr(kind, '"', left < AUDIT_KIND_BYTES ? left : AUDIT_KIND_BYTES);
    if (end == NULL || memchr(kind, '\0', (size_t)(end - kind)) != NULL) {
        return whole_record(r, n_line,
                            "has no kind, though its digest is right: it was not "
                            "written by this program");
    }
    memcpy(out->kind, kind, (size_t)(end - kind));
    out->kind[end - kind] = '\0';
    out->number = r->n;
    out->offset = r->offset;
    return ERR_OK;
}

enum err audit_read_next(struct audit_reader *r, struct audit_record *out,
                         enum audit_status *status)
{
    const char *line;
    size_t n;
    *out = (struct audit_record){.body = ""};
    TRY(next_line(r, &line, &n));
    if (line == NULL) {
        *status = n > 0 ? AUDIT_TORN : AUDIT_END;
        return ERR_OK;
    }
    const char *seal = find_seal(line, n);
    if (seal == NULL) {
        return no_seal(r, line, n);
    }
    TRY(check_frame(r, line, n, seal));
    out->body = line;
    out->n_body = (size_t)(seal - line);
    TRY(check_digest(r, line, n, out->n_body));
    TRY(read_name(r, out, n));
    memcpy(r->head, seal + SEAL, DIGITS);
    r->n++;
    r->at += n + 1;
    r->offset += (int64_t)n + 1;
    *status = AUDIT_RECORD;
    return ERR_OK;
}

/* ---- fields ---- */

/* Behind a text whose quote stands at `at`; NULL: it has no end. */
static const char *skip_text(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        at += *at == '\\';
    }
    return at < end ? at + 1 : NULL;
}

/* The value of a key of the outermost level, up to the end of the body; NULL: none. Keys are texts
 * that follow { or , outside of every list and text. */
static const char *find(const struct audit_record *r, const char *key)
{
    const char *at = r->body, *end = r->body + r->n_body;
    const size_t n_key = strlen(key);
    int depth = 0;
    while (at != NULL && at < end) {
        const char c = *at;
        if (c == '"') {
            const char *behind = skip_text(at, end);
            const bool is_key = behind != NULL && behind < end && *behind == ':' && depth == 1;
            if (is_key && (size_t)(behind - at) == n_key + 2 && memcmp(at + 1, key, n_key) == 0) {
                return behind + 1;
            }
            at = behind;
            continue;
        }
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        at++;
    }
    return NULL;
}

/* One number in decimal digits; returns what follows, NULL: there is none. */
static const char *take_int(int64_t *out, const char *at, const char *end)
{
    char text[24];
    size_t n = 0;
    while (at != NULL && at + n < end && n + 1 < sizeof text &&
           (at[n] == '-' || (at[n] >= '0' && at[n] <= '9'))) {
        text[n] = at[n];
        n++;
    }
    text[n] = '\0';
    return number_whole(out, text, INT64_MIN, INT64_MAX) ? at + n : NULL;
}

/* One number as the text of a hexadecimal float. */
static const char *take_hex(double *out, const char *at, const char *end)
{
    char text[40];
    if (at == NULL || at >= end || *at != '"') {
        return NULL;
    }
    const char *behind = skip_text(at, end);
    const size_t n = behind != NULL ? (size_t)(behind - at) - 2 : 0;
    if (n == 0 || n >= sizeof text || memchr(at + 1, '\0', n) != NULL) {
        return NULL;
    }
    memcpy(text, at + 1, n);
    text[n] = '\0';
    return number_hex(out, text) ? behind : NULL;
}

bool audit_get_int(int64_t *out, const struct audit_record *r, const char *key)
{
    return take_int(out, find(r, key), r->body + r->n_body) != NULL;
}

bool audit_get_double(double *out, const struct audit_record *r, const char *key)
{
    return take_hex(out, find(r, key), r->body + r->n_body) != NULL;
}

/* '[' before the first of n values, ',' before the others; behind them ']'. */
static const char *take_sign(const char *at, const char *end, char sign)
{
    return at != NULL && at < end && *at == sign ? at + 1 : NULL;
}

bool audit_get_floats(float *out, int n, const struct audit_record *r, const char *key)
{
    const char *at = find(r, key), *end = r->body + r->n_body;
    for (int i = 0; i < n; i++) {
        double value = 0.0;
        at = take_hex(&value, take_sign(at, end, i == 0 ? '[' : ','), end);
        out[i] = (float)value;
    }
    at = n == 0 ? take_sign(at, end, '[') : at;
    return take_sign(at, end, ']') != NULL;
}

bool audit_get_ints(int32_t *out, int n, const struct audit_record *r, const char *key)
{
    const char *at = find(r, key), *end = r->body + r->n_body;
    for (int i = 0; i < n; i++) {
        int64_t value = 0;
        at = take_int(&value, take_sign(at, end, i == 0 ? '[' : ','), end);
        if (value < INT32_MIN || value > INT32_MAX) {
            return false;
        }
        out[i] = (int32_t)value;
    }
    at = n == 0 ? take_sign(at, end, '[') : at;
    return take_sign(at, end, ']') != NULL;
}

/* One text, appended with a NUL; returns what follows, NULL: there is none. */
static const char *take_text(struct buf *out, const char *at, const char *end)
{
    const char *behind = at != NULL && at < end && *at == '"' ? skip_text(at, end) : NULL;
    const struct json *text = NULL;
    struct arena arena;
    char why[128];
    if (behind == NULL) {
        return NULL;
    }
    arena_init(&arena);
    const bool ok =
        json_read_quietly(&text, &arena, why, sizeof why, at, (size_t)(behind - at)) == ERR_OK &&
        text->type == JSON_TEXT_ && buf_append(out, text->text, strlen(text->text) + 1) == ERR_OK;
    arena_release(&arena);
    return ok ? behind : NULL;
}

bool audit_get_text(struct buf *out, const struct audit_record *r, const char *key)
{
    return take_text(out, find(r, key), r->body + r->n_body) != NULL;
}

bool audit_get_texts(struct buf *out, int n, const struct audit_record *r, const char *key)
{
    const char *at = find(r, key), *end = r->body + r->n_body;
    for (int i = 0; i < n; i++) {
        at = take_text(out, take_sign(at, end, i == 0 ? '[' : ','), end);
    }
    at = n == 0 ? take_sign(at, end, '[') : at;
    return take_sign(at, end, ']') != NULL;
}
