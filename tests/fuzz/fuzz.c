/* Drives the reader of a fuzz program: every input starts from the same output and an empty arena,
 * so an input that fails, fails alone. See fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/base/log.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILE_MAX = 16 * 1024 * 1024 };

static struct {
    int fd;            /* of the file in memory */
    char source[64];   /* its path */
    bool named;        /* an error that was logged since the input began names it */
    const char *seeds; /* directory; NULL: we are not making seeds */
    int n_seeds;
    struct buf home, now; /* the output as it must be before an input; as it is */
} fuzz;

const char *fuzz_source(void)
{
    return fuzz.source;
}

static void hear(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (level == LOG_ERROR) {
        fuzz.named = fuzz.named || strstr(line, fuzz.source) != NULL;
        if (strstr(line, "CHECK(") != NULL) {
            (void)fprintf(stderr, "%s\n", line);
        }
    }
}

void fuzz_to_file(const unsigned char *bytes, size_t n)
{
    CHECK(ftruncate(fuzz.fd, 0) == 0);
    for (size_t at = 0; at < n;) {
        const ssize_t wrote = pwrite(fuzz.fd, bytes + at, n - at, (off_t)at);
        CHECK(wrote > 0);
        at += (size_t)wrote;
    }
}

void fuzz_from_file(struct buf *out)
{
    unsigned char piece[4096];
    ssize_t got;
    for (off_t at = 0; (got = pread(fuzz.fd, piece, sizeof piece, at)) > 0; at += got) {
        CHECK(buf_append(out, piece, (size_t)got) == ERR_OK);
    }
    CHECK(got == 0);
}

/* ---- readers that have a writer ---- */

/* The payload of the output as it is, into `out`. */
static void encode(struct buf *out)
{
    out->len = 0;
    CHECK(fuzz_reader.encode(out) == ERR_OK);
    CHECK(out->len >= FRAME_HEADER_BYTES);
    out->len -= FRAME_HEADER_BYTES;
    memmove(out->data, out->data + FRAME_HEADER_BYTES, out->len);
}

static bool equal(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void read_back(const struct buf *bytes)
{
    struct arena scratch;
    arena_init(&scratch);
    CHECK(fuzz_reader.read(bytes->data, bytes->len, &scratch) == ERR_OK);
    arena_release(&scratch);
}

static void check_output(enum err e)
{
    encode(&fuzz.now);
    if (e != ERR_OK) {
        CHECK(equal(&fuzz.now, &fuzz.home));
        return;
    }
    struct buf again;
    buf_init(&again);
    read_back(&fuzz.now);
    encode(&again);
    CHECK(equal(&again, &fuzz.now));
    buf_release(&again);
    read_back(&fuzz.home);
}

/* ---- readers that encode what they read ---- */

void fuzz_check_recoded(struct buf *first,
                        enum err (*recode)(struct buf *out, const unsigned char *bytes, size_t n,
                                           struct arena *arena))
{
    struct arena arena;
    struct buf again;
    arena_init(&arena);
    buf_init(&again);
    CHECK(recode(&again, first->data, first->len, &arena) == ERR_OK);
    CHECK(equal(&again, first));
    buf_release(&again);
    buf_release(first);
    arena_release(&arena);
}

/* ---- seeds ---- */

void fuzz_seed(const void *bytes, size_t n)
{
    char path[512];
    const int len = snprintf(path, sizeof path, "%s/%03d", fuzz.seeds, fuzz.n_seeds++);
    CHECK(len > 0 && (size_t)len < sizeof path);
    CHECK(file_write(path, bytes, n) == ERR_OK);
}

/* Of a codec: every variant, and what protobuf makes of messages that are cut, that hold a field
 * nobody knows (number 100, a varint), or that come twice. */
static void message_seeds(void)
{
    static const unsigned char unknown[] = {0xa0, 0x06, 0x07};
    const int n = fuzz_reader.n_variants > 0 ? fuzz_reader.n_variants : 1;
    for (int variant = 0; variant < n; variant++) {
        struct arena arena;
        arena_init(&arena);
        CHECK(fuzz_reader.begin(&arena, variant) == ERR_OK);
        encode(&fuzz.now);
        fuzz_seed(fuzz.now.data, fuzz.now.len);
        const size_t whole = fuzz.now.len;
        fuzz_seed(fuzz.now.data, whole / 2);
        CHECK(buf_append(&fuzz.now, unknown, sizeof unknown) == ERR_OK);
        fuzz_seed(fuzz.now.data, fuzz.now.len);
        fuzz.now.len = whole;
        CHECK(buf_reserve(&fuzz.now, 2 * whole) == ERR_OK);
        CHECK(buf_append(&fuzz.now, fuzz.now.data, whole) == ERR_OK);
        fuzz_seed(fuzz.now.data, fuzz.now.len);
        arena_release(&arena);
    }
}

/* ---- libFuzzer ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct arena arena;
    (void)argc;
    (void)argv;
    fuzz.seeds = getenv("KARMA_SEEDS");
    fuzz.fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fuzz.fd >= 0);
    (void)snprintf(fuzz.source, sizeof fuzz.source, "/proc/self/fd/%d", fuzz.fd);
    buf_init(&fuzz.home);
    buf_init(&fuzz.now);
    arena_init(&arena);
    if (fuzz.seeds != NULL) {
        (fuzz_reader.seeds != NULL ? fuzz_reader.seeds : message_seeds)();
        exit(0);
    }
    if (fuzz_reader.begin != NULL) {
        CHECK(fuzz_reader.begin(&arena, 0) == ERR_OK);
    }
    if (fuzz_reader.encode != NULL) {
        encode(&fuzz.home);
    }
    log_set_sink(hear, NULL);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena scratch;
    arena_init(&scratch);
    fuzz.named = false;
    if (n > FILE_MAX) {
        return 0;
    }
    const uint64_t before = mem_bytes();
    const enum err e = fuzz_reader.read(bytes, n, &scratch);
    CHECK(mem_bytes() - before <= fuzz_reader.fixed + fuzz_reader.each * n);
    CHECK(e == ERR_OK || fuzz.named);
    if (fuzz_reader.encode != NULL) {
        check_output(e);
    } else {
        fuzz_reader.check(bytes, n, e);
    }
    arena_release(&scratch);
    return 0;
}
