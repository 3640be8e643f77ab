/* Fuzzes the frame readers: frame_next() over bytes in memory and frame_file_next() over the same
 * bytes in a file must see the same frames and the same end.
 *
 * A changed byte does not get past the CRCs, so the mutator mends them, most of the time: then
 * lengths, kinds and versions that nobody wrote are believed. */
#include "core/base/crc32c.h"
#include "core/base/frame_file.h"
#include "core/base/rng.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static enum err read_file(enum frame_status *status, struct frame_file *file)
{
    struct frame f;
    do {
        TRY(frame_file_next(file, &f, status));
    } while (*status == FRAME_OK);
    return ERR_OK;
}

/* The file alone: memory is measured here. */
static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    struct frame_file file;
    enum frame_status status = FRAME_OK;
    (void)scratch;
    fuzz_to_file(bytes, n);
    TRY(frame_file_open(&file, fuzz_source()));
    const enum err e = read_file(&status, &file);
    CHECK((status == FRAME_AT_END) == (file.at == n));
    CHECK(status == FRAME_AT_END || strstr(file.reader.why, fuzz_source()) != NULL);
    frame_file_close(&file);
    return e;
}

static void check_same(const struct frame *a, const struct frame *b, const unsigned char *bytes)
{
    struct buf again;
    CHECK(a->kind == b->kind && a->version == b->version && a->n == b->n && a->offset == b->offset);
    CHECK(a->n == 0 || memcmp(a->payload, b->payload, a->n) == 0);
    if (a->version == 0) {
        return; /* readers refuse it when they know what they want */
    }
    buf_init(&again);
    CHECK(frame_append(&again, (enum frame_kind)a->kind, a->version, a->payload, a->n) == ERR_OK);
    CHECK(memcmp(again.data, bytes + a->offset, again.len) == 0);
    buf_release(&again);
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    struct frame_file file;
    struct frame_reader reader;
    enum frame_status status;
    CHECK(e == ERR_OK); /* the bytes are no matter of the system */
    CHECK(frame_file_open(&file, fuzz_source()) == ERR_OK);
    frame_reader_init(&reader, bytes, n, fuzz_source());
    do {
        struct frame a = {0}, b = {0};
        enum frame_status other;
        status = frame_next(&reader, &a);
        CHECK(frame_file_next(&file, &b, &other) == ERR_OK);
        CHECK(status == other && reader.at == file.at && reader.at <= n);
        if (status == FRAME_OK) {
            check_same(&a, &b, bytes);
        }
    } while (status == FRAME_OK);
    CHECK((frame_err(status) == ERR_OK) == (status == FRAME_AT_END));
    CHECK(status == FRAME_AT_END || strstr(reader.why, fuzz_source()) != NULL);
    frame_file_close(&file);
}

/* ---- mutator ---- */

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n, size_t n_max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t n_max, unsigned seed);

static void put_u32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(v >> 8 * i);
    }
}

/* Both CRCs of every frame as far as lengths lead. `spare` (bits) leaves some as they are. */
static void mend(uint8_t *bytes, size_t n, uint32_t spare)
{
    for (size_t at = 0; n - at >= FRAME_HEADER_BYTES; spare /= 4) {
        uint8_t *h = bytes + at;
        const size_t left = n - at - FRAME_HEADER_BYTES;
        const size_t length = frame_length(h);
        if (length <= left && spare % 4 != 1) {
            put_u32(h + 12, crc32c(0, h + FRAME_HEADER_BYTES, length));
        }
        if (spare % 4 != 2) {
            put_u32(h + 16, crc32c(0, h, 16));
        }
        if (length > left) {
            return;
        }
        at += FRAME_HEADER_BYTES + length;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t n_max, unsigned seed)
{
    const struct rng_block draw = rng_philox(rng_key(seed, RNG_TEST, RNG_TRAIN), 0, 0, 0, 0);
    n = LLVMFuzzerMutate != NULL ? LLVMFuzzerMutate(bytes, n, n_max) : n;
    if (draw.v[0] % 8 != 0) {
        mend(bytes, n, draw.v[1]);
    }
    return n;
}

/* ---- seeds ---- */

static void seeds(void)
{
    struct buf b;
    buf_init(&b);
    fuzz_seed("", 0);
    for (int kind = FRAME_NONE + 1; kind < FRAME_KINDS; kind++) {
        CHECK(frame_append(&b, (enum frame_kind)kind, 1, "payload", (size_t)kind % 8) == ERR_OK);
        if (kind % 4 == 0) {
            fuzz_seed(b.data, b.len);
        }
    }
    fuzz_seed(b.data, b.len - 1);
    fuzz_seed(b.data, FRAME_HEADER_BYTES - 1);
    b.data[8] ^= 1;
    fuzz_seed(b.data, b.len);
    buf_release(&b);
}

/* Growing, the buffer asks for at most twice what it holds in the end; it begins with a piece of a
 * mebibyte, and holds one frame at a time. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 3 * 1024 * 1024, .each = 4, .read = read, .check = check, .seeds = seeds};
