/* Fuzzes codec_get_moments(): what the optimiser remembers, two frames of a checkpoint. */
#include "proto/checkpoint.h"
#include "tests/fuzz/toy.h"

enum { N_VALUES = 9, ORDER = 2 };
static float values[N_VALUES];

static enum err begin(struct arena *arena, int variant)
{
    (void)arena;
    for (int i = 0; i < N_VALUES; i++) {
        values[i] = (float)(i - variant) * 1e-3F;
    }
    return ERR_OK;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const enum err e = codec_get_moments(values, N_VALUES, ORDER, bytes, n, fuzz_source(), scratch);
    CHECK(scratch->bytes == 0); /* rewound */
    return e;
}

static enum err encode(struct buf *out)
{
    return codec_put_moments(out, ORDER, values, N_VALUES);
}

const struct fuzz_reader fuzz_reader = {.fixed = TOY_FIXED,
                                        .each = TOY_EACH,
                                        .begin = begin,
                                        .n_variants = 2,
                                        .read = read,
                                        .encode = encode};
