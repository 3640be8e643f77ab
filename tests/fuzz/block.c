/* Fuzzes codec_get_block(): trajectories, from a rank that simulates to a rank that learns. */
#include "proto/rollout_block.h"
#include "tests/fuzz/toy.h"

static struct toy_team toy;

static enum err begin(struct arena *arena, int variant)
{
    return toy_team_begin(&toy, arena, variant);
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    struct block *got = NULL;
    const enum err e = codec_get_block(&got, toy.run.block, toy.run.n_tiles, &toy.env, bytes, n,
                                       fuzz_source(), scratch);
    CHECK((e == ERR_OK) == (got == toy.run.block));
    CHECK(scratch->bytes == 0); /* rewound */
    return e;
}

static enum err encode(struct buf *out)
{
    struct arena scratch;
    arena_init(&scratch);
    const enum err e = codec_put_block(out, toy.run.block, &toy.env, &scratch);
    arena_release(&scratch);
    return e;
}

const struct fuzz_reader fuzz_reader = {.fixed = TOY_FIXED,
                                        .each = TOY_EACH,
                                        .begin = begin,
                                        .n_variants = 4,
                                        .read = read,
                                        .encode = encode};
