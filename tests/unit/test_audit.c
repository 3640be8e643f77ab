/* The audit log: every changed byte is found, half a line does not count, records survive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/transfer/audit.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Searching for a byte takes long: one of so many is searched for. */
enum { RECORDS = 4, SEARCH_EACH = 11 };
static const float values[] = {0.1F, -0.0F, INFINITY, NAN, 1e-45F, 3.4e38F};
static const int32_t changes[] = {-3, 0, 2147483647, -2147483647 - 1};

static char path[] = "/tmp/test_audit_XXXXXX";
static char said[1024]; /* the last error */

static void hear(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (level == LOG_ERROR || level == LOG_WARN) {
        (void)snprintf(said, sizeof said, "%s", line);
    }
}

static enum err put(struct audit *a, int i)
{
    audit_begin(a, i == 0 ? "start" : "decision");
    audit_double(a, "now", i / 3.0);
    if (i == 2) {
        static const char *const names[] = {"web", "a \"b\" ,\"sha256\":\"\n\\"};
        audit_texts(a, "names", names, 2);
        audit_text(a, "text", names[1]);
        audit_floats(a, "values", values, 6);
        audit_ints(a, "changes", changes, 4);
        audit_ints(a, "none", NULL, 0);
        audit_int(a, "count", INT64_MIN);
    }
    return audit_end(a);
}

/* A log of RECORDS records; its text in `out`. */
static void make(struct buf *out)
{
    struct audit a;
    struct arena arena;
    arena_init(&arena);
    (void)unlink(path);
    assert_int_equal(audit_open(&a, &arena, path), ERR_OK);
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(put(&a, i), ERR_OK);
    }
    audit_close(&a);
    assert_int_equal(file_read(out, path, 1 << 20), ERR_OK);
    arena_release(&arena);
}

/* Records that are right, and how it ended. */
static enum err read_all(int64_t *n, enum audit_status *status, const void *bytes, size_t n_bytes,
                         bool search)
{
    struct audit_reader r;
    struct audit_record record;
    enum err e = ERR_OK;
    *status = AUDIT_RECORD;
    said[0] = '\0';
    assert_int_equal(audit_reader_over(&r, "LOG", bytes, n_bytes), ERR_OK);
    r.search = search;
    while (e == ERR_OK && *status == AUDIT_RECORD) {
        e = audit_read_next(&r, &record, status);
    }
    *n = r.n;
    audit_reader_close(&r);
    return e;
}

static void records_read_back(void **state)
{
    (void)state;
    struct buf text, got;
    struct audit_reader r;
    struct audit_record record;
    enum audit_status status;
    float f[6];
    int32_t k[4];
    int64_t count;
    double now;
    buf_init(&text);
    buf_init(&got);
    make(&text);
    assert_int_equal(audit_reader_open(&r, path), ERR_OK);
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(audit_read_next(&r, &record, &status), ERR_OK);
        assert_int_equal(status, AUDIT_RECORD);
        assert_int_equal(record.number, i);
        assert_string_equal(record.kind, i == 0 ? "start" : "decision");
        assert_true(audit_get_double(&now, &record, "now"));
        assert_true(now == i / 3.0);
        assert_int_equal(audit_get_ints(k, 4, &record, "changes"), i == 2);
        if (i == 2) {
            assert_memory_equal(k, changes, sizeof k);
            assert_true(audit_get_floats(f, 6, &record, "values"));
            assert_memory_equal(f, values, 3 * sizeof *f); /* -0 and infinity among them */
            assert_true(isnan(f[3]));
            assert_memory_equal(f + 4, values + 4, 2 * sizeof *f);
            assert_false(audit_get_floats(f, 5, &record, "values"));
            assert_true(audit_get_ints(k, 0, &record, "none"));
            assert_true(audit_get_int(&count, &record, "count"));
            assert_true(count == INT64_MIN);
            assert_true(audit_get_text(&got, &record, "text"));
            assert_string_equal((const char *)got.data, "a \"b\" ,\"sha256\":\"\n\\");
            assert_false(audit_get_text(&got, &record, "web"));
            assert_false(audit_get_int(&count, &record, "now"));
        }
    }
    assert_int_equal(audit_read_next(&r, &record, &status), ERR_OK);
    assert_int_equal(status, AUDIT_END);
    audit_reader_close(&r);
    buf_release(&got);
    buf_release(&text);
}

/* "byte N of the file" of the last message; -1: it names none. */
static long named_byte(void)
{
    const char *at = strstr(said, "which is byte ");
    return at != NULL ? strtol(at + strlen("which is byte "), NULL, 10) : -1;
}

/* Every byte of the log, to its neighbour, to another bit, to a line end, to a quote: the record it
 * is in is not accepted, none behind it is, and a search names that byte. Only the line end of
 * the last record makes half a line of it. */
static void every_changed_byte_is_found(void **state)
{
    (void)state;
    static const char *const into = "\n\"0, ";
    struct buf text;
    buf_init(&text);
    make(&text);
    int64_t record = 0;
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char was = text.data[i];
        for (int how = 0; how < 7; how++) {
            int64_t n;
            enum audit_status status;
            const unsigned char now = how == 0   ? (unsigned char)(was + 1)
                                      : how == 1 ? was ^ 0x20
                                                 : (unsigned char)into[how - 2];
            if (now == was) {
                continue;
            }
            text.data[i] = now;
            const bool search = how == 0 && i % SEARCH_EACH == 0;
            const enum err e = read_all(&n, &status, text.data, text.len, search);
            text.data[i] = was;
            if (i + 1 == text.len) {
                assert_int_equal(e, ERR_OK);
                assert_int_equal(status, AUDIT_TORN);
            } else {
                assert_true(e == ERR_MISMATCH || (e == ERR_FORMAT && record == 0));
                if (search && e == ERR_MISMATCH) {
                    assert_int_equal(named_byte(), (long)i);
                }
            }
            assert_int_equal(n, record);
        }
        record += was == '\n';
    }
    buf_release(&text);
}

/* Cut anywhere, whole records count and half a line is told; cut at a line end, the head is another
 * one. A record that is missing, doubled or moved is found. */
static void cuts_and_moves(void **state)
{
    (void)state;
    struct buf text, other;
    size_t ends[RECORDS + 1] = {0};
    int records = 0;
    int64_t n;
    enum audit_status status;
    buf_init(&text);
    buf_init(&other);
    make(&text);
    for (size_t i = 0; i <= text.len; i++) {
        if (i > 0 && text.data[i - 1] == '\n') {
            ends[++records] = i;
        }
        assert_int_equal(read_all(&n, &status, text.data, i, false), ERR_OK);
        assert_int_equal(n, records);
        assert_int_equal(status, i == ends[records] ? AUDIT_END : AUDIT_TORN);
    }
    for (int a = 0; a < RECORDS; a++) {
        for (int b = 0; b < RECORDS; b++) { /* a, then b and what follows */
            other.len = 0;
            assert_int_equal(buf_append(&other, text.data, ends[a]), ERR_OK);
            assert_int_equal(buf_append(&other, text.data + ends[b], text.len - ends[b]), ERR_OK);
            assert_int_equal(read_all(&n, &status, other.data, other.len, false),
                             a == b ? ERR_OK : ERR_MISMATCH);
            assert_int_equal(n, a == b ? RECORDS : a);
        }
    }
    buf_release(&other);
    buf_release(&text);
}

/* A log that was killed at any byte is continued, and is then whole; a changed one is not, and is
 * left as it is. */
static void continued(void **state)
{
    (void)state;
    struct buf text, again;
    struct arena arena;
    struct audit a;
    int64_t n;
    enum audit_status status;
    buf_init(&text);
    buf_init(&again);
    arena_init(&arena);
    make(&text);
    for (size_t i = 0; i <= text.len; i += 13) {
        assert_int_equal(file_write(path, text.data, i), ERR_OK);
        assert_int_equal(audit_open(&a, &arena, path), ERR_OK);
        const int before = (int)a.n;
        assert_int_equal(put(&a, before), ERR_OK);
        audit_close(&a);
        assert_int_equal(file_read(&again, path, 1 << 20), ERR_OK);
        assert_int_equal(read_all(&n, &status, again.data, again.len, false), ERR_OK);
        assert_int_equal(status, AUDIT_END);
        assert_int_equal(n, before + 1);
        const size_t same = again.len < text.len ? again.len : text.len;
        assert_memory_equal(again.data, text.data, same);
    }
    text.data[30] ^= 1;
    assert_int_equal(file_write(path, text.data, text.len), ERR_OK);
    assert_int_equal(audit_open(&a, &arena, path), ERR_MISMATCH);
    assert_non_null(strstr(said, "cannot be continued"));
    assert_int_equal(file_read(&again, path, 1 << 20), ERR_OK);
    assert_int_equal(again.len, text.len);
    assert_memory_equal(again.data, text.data, text.len);
    arena_release(&arena);
    buf_release(&again);
    buf_release(&text);
}

/* Not a log at all. */
static void other_files(void **state)
{
    (void)state;
    static const char *const files[] = {"\n", "time,decision\n", "{}\n", "{\"n\":0}\n",
                                        "{\"n\":0,\"kind\":\"start\"}\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int64_t n;
        enum audit_status status;
        assert_int_not_equal(read_all(&n, &status, files[i], strlen(files[i]), true), ERR_OK);
        assert_int_equal(n, 0);
        assert_non_null(strstr(said, "LOG: "));
    }
}

/* Killed while it writes without a pause, again and again: every record that audit_end() confirmed
 * through the pipe is there, and the log goes on. */
static void killed_writers(void **state)
{
    (void)state;
    struct buf text;
    int64_t confirmed = -1, n;
    enum audit_status status;
    buf_init(&text);
    (void)unlink(path);
    for (int kill_at = 0; kill_at < 12; kill_at++) {
        int fds[2], told;
        assert_int_equal(pipe(fds), 0);
        const pid_t child = fork();
        if (child == 0) {
            struct audit a;
            struct arena arena;
            arena_init(&arena);
            if (audit_open(&a, &arena, path) != ERR_OK) {
                _exit(1);
            }
            while (put(&a, (int)a.n) == ERR_OK) {
                const int number = (int)a.n - 1;
                (void)!write(fds[1], &number, sizeof number);
            }
            _exit(1);
        }
        close(fds[1]);
        assert_int_equal(read(fds[0], &told, sizeof told), sizeof told);
        (void)usleep((useconds_t)(3000 * kill_at));
        assert_int_equal(kill(child, SIGKILL), 0);
        do {
            confirmed = told;
        } while (read(fds[0], &told, sizeof told) == sizeof told);
        close(fds[0]);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        assert_int_equal(file_read(&text, path, 1 << 28), ERR_OK);
        assert_int_equal(read_all(&n, &status, text.data, text.len, false), ERR_OK);
        assert_true(n > confirmed);
    }
    buf_release(&text);
}

/* A file that may not grow: the record is refused, its half line is taken back, and when there is
 * room again the chain goes on. */
static void no_room(void **state)
{
    (void)state;
    struct arena arena;
    struct audit a;
    struct stat st;
    struct rlimit old, little;
    int64_t n;
    enum audit_status status;
    struct buf text;
    buf_init(&text);
    arena_init(&arena);
    (void)unlink(path);
    assert_int_equal(audit_open(&a, &arena, path), ERR_OK);
    assert_int_equal(put(&a, 0), ERR_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    little = old;
    little.rlim_cur = (rlim_t)(a.bytes + 10);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    const enum err e = put(&a, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(e, ERR_IO);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, a.bytes);
    assert_int_equal(put(&a, 1), ERR_OK);
    audit_close(&a);
    assert_int_equal(file_read(&text, path, 1 << 20), ERR_OK);
    assert_int_equal(read_all(&n, &status, text.data, text.len, false), ERR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(status, AUDIT_END);
    arena_release(&arena);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_read_back), cmocka_unit_test(every_changed_byte_is_found),
        cmocka_unit_test(cuts_and_moves),    cmocka_unit_test(continued),
        cmocka_unit_test(other_files),       cmocka_unit_test(killed_writers),
        cmocka_unit_test(no_room),
    };
    const int fd = mkstemp(path);
    close(fd);
    log_set_sink(hear, NULL);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
