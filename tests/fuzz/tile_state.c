/* Fuzzes codec_get_tile_state(): where the environments of a tile stand, from a checkpoint or from
 * the rank that simulates it. */
#include "proto/checkpoint.h"
#include "tests/fuzz/toy.h"

static struct toy_team toy;
static uint32_t sums[TILE];

static enum err begin(struct arena *arena, int variant)
{
    for (uint32_t i = 0; i < TILE; i++) {
        sums[i] = i * UINT32_C(0x9e3779b9);
    }
    return toy_team_begin(&toy, arena, variant);
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const enum err e =
        codec_get_tile_state(&toy.run.tile[0], sums, bytes, n, fuzz_source(), scratch);
    for (int i = 0; i < TOY_ENVS; i++) {
        CHECK(toy.run.tile[0].steps[i] >= 0 && toy.run.tile[0].steps[i] < TOY_HORIZON);
    }
    CHECK(scratch->bytes == 0); /* rewound */
    return e;
}

static enum err encode(struct buf *out)
{
    struct arena scratch;
    arena_init(&scratch);
    const enum err e = codec_put_tile_state(out, &toy.run.tile[0], sums, &scratch);
    arena_release(&scratch);
    return e;
}

const struct fuzz_reader fuzz_reader = {.fixed = TOY_FIXED,
                                        .each = TOY_EACH,
                                        .begin = begin,
                                        .n_variants = 4,
                                        .read = read,
                                        .encode = encode};
