/* Fuzzes the reader of audit logs: audit_read_next() and the fields of its records.
 *
 * The first byte says what the rest is. Even: a log as it stands. Odd: bodies, one a line, which
 * get the digests that they must have, because no mutation of bytes finds those; so the fields of
 * records are reached. Records that were accepted must be the beginning of the log, line by line,
 * and reading what is accepted alone must end after the last of them. */
#include "core/transfer/audit.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { VALUES = 4 };

static enum err read_fields(const struct audit_record *r)
{
    static const char *const keys[] = {"n", "kind", "v", "s", "f", "k"};
    struct buf text;
    buf_init(&text);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t whole;
        double real;
        float f[VALUES];
        int32_t k[VALUES];
        (void)audit_get_int(&whole, r, keys[i]);
        (void)audit_get_double(&real, r, keys[i]);
        (void)audit_get_floats(f, (int)(i % (VALUES + 1)), r, keys[i]);
        (void)audit_get_ints(k, (int)(i % (VALUES + 1)), r, keys[i]);
        (void)audit_get_text(&text, r, keys[i]);
    }
    buf_release(&text);
    return ERR_OK;
}

static enum err read_log(size_t *accepted, int64_t *n, const void *bytes, size_t n_bytes)
{
    struct audit_reader r;
    struct audit_record record;
    enum audit_status status = AUDIT_RECORD;
    enum err e = audit_reader_over(&r, fuzz_source(), bytes, n_bytes);
    while (e == ERR_OK && status == AUDIT_RECORD) {
        e = audit_read_next(&r, &record, &status);
        if (e == ERR_OK && status == AUDIT_RECORD) {
            e = read_fields(&record);
        }
    }
    *accepted = (size_t)r.offset;
    *n = r.n;
    audit_reader_close(&r);
    return e;
}

/* Each line with the digest that it must have. */
static enum err seal(struct buf *out, const char *bytes, size_t n)
{
    char head[SHA256_HEX];
    memset(head, '0', sizeof head - 1);
    head[sizeof head - 1] = '\0';
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        const size_t len = end != NULL ? (size_t)(end - bytes) : n;
        audit_digest(head, head, bytes, len);
        TRY(buf_append(out, bytes, len));
        TRY(buf_printf(out, "%s%s\"}\n", audit_seal, head));
        bytes += len;
        n -= len;
        if (n > 0) {
            bytes++;
            n--;
        }
    }
    return ERR_OK;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    struct buf log;
    size_t accepted, again;
    int64_t n_records, n_again;
    (void)scratch;
    buf_init(&log);
    const char *text = (const char *)bytes + (n > 0);
    const size_t len = n - (n > 0);
    enum err e = n > 0 && bytes[0] % 2 == 1 ? seal(&log, text, len) : buf_append(&log, text, len);
    if (e == ERR_OK) {
        e = read_log(&accepted, &n_records, log.data, log.len);
        CHECK(accepted <= log.len && (accepted == 0 || log.data[accepted - 1] == '\n'));
        CHECK(read_log(&again, &n_again, log.data, accepted) == ERR_OK);
        CHECK(again == accepted && n_again == n_records);
    }
    buf_release(&log);
    return e;
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes;
    (void)n;
    CHECK(e == ERR_OK || e == ERR_MISMATCH || e == ERR_FORMAT);
}

static void seeds(void)
{
    static const char *const bodies[] = {
        "\001{\"n\":0,\"kind\":\"start\",\"v\":12\n{\"n\":1,\"kind\":\"decision\",\"v\":[1,-2]",
        "\001{\"n\":0,\"kind\":\"start\",\"s\":\"a \\\"b\\\" "
        "\\u000a\",\"f\":[\"0x1p+0\",\"nan\",\"inf\","
        "\"-0x0p+0\"],\"k\":[1,2,3,4,5]",
        "\001{\"n\":0,\"kind\":\"start\",\"v\":\"0x1.8p+1\",\"s\":[\"x\",{\"k\":1}],\"k\":[]",
        "\001{\"n\":1,\"kind\":\"start\"",
        "\001{\"n\":0,\"kind\":\"",
        "\000{\"n\":0,\"kind\":\"st"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct buf log;
        const size_t n = 1 + strlen(bodies[i] + 1);
        fuzz_seed(bodies[i], n);
        buf_init(&log);
        if (bodies[i][0] == 1 && buf_append(&log, "\000", 1) == ERR_OK &&
            seal(&log, bodies[i] + 1, n - 1) == ERR_OK) {
            fuzz_seed(log.data, log.len);
        }
        buf_release(&log);
    }
}

/* Twice the log, each once more while a buffer doubles. Each text is read into an arena of its own,
 * whose smallest chunk has 64 KiB, and a key with an empty text takes 7 bytes: at most 9.4 KiB for
 * each byte. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 1 << 21, .each = 10 << 10, .read = read, .check = check, .seeds = seeds};
