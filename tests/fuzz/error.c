/* Fuzzes codec_get_error(): what a rank sends that could not make what was expected of it. */
#include "proto/error.h"
#include "tests/fuzz/toy.h"

static enum err code;

static enum err begin(struct arena *arena, int variant)
{
    (void)arena;
    code = variant == 0 ? ERR_MEMORY : (enum err)(ERR_COUNT - 1);
    return ERR_OK;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const enum err e = codec_get_error(&code, bytes, n, fuzz_source(), scratch);
    CHECK(code > ERR_OK && code < ERR_COUNT);
    CHECK(scratch->bytes == 0); /* rewound */
    return e;
}

static enum err encode(struct buf *out)
{
    return codec_put_error(out, code);
}

const struct fuzz_reader fuzz_reader = {.fixed = TOY_FIXED,
                                        .each = TOY_EACH,
                                        .begin = begin,
                                        .n_variants = 2,
                                        .read = read,
                                        .encode = encode};
