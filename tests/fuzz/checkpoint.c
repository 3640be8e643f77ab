/* Fuzzes codec_get_checkpoint(): the first frame of a checkpoint, which says what the rest must be.
 */
#include "proto/checkpoint.h"
#include "tests/fuzz/toy.h"

static struct toy_team toy;
static struct checkpoint_header header;

static enum err begin(struct arena *arena, int variant)
{
    header = (struct checkpoint_header){.config = UINT64_C(0xfedcba9876543210),
                                        .weights = UINT64_C(0x0123456789abcdef),
                                        .update = variant == 0 ? 12 : INT32_MAX,
                                        .rollouts = 300,
                                        .counter = UINT64_C(7) << 32 | 9,
                                        .n_envs = TOY_ENVS,
                                        .horizon = TOY_HORIZON};
    return toy_team_begin(&toy, arena, variant);
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const enum err e =
        codec_get_checkpoint(&header, &toy.run.player.base, bytes, n, fuzz_source(), scratch);
    CHECK(header.n_envs == TOY_ENVS && header.horizon == TOY_HORIZON);
    CHECK(header.update <= INT32_MAX);
    CHECK(scratch->bytes == 0); /* rewound */
    return e;
}

static enum err encode(struct buf *out)
{
    return codec_put_checkpoint(out, &header, &toy.run.player.base);
}

const struct fuzz_reader fuzz_reader = {.fixed = TOY_FIXED,
                                        .each = TOY_EACH,
                                        .begin = begin,
                                        .n_variants = 2,
                                        .read = read,
                                        .encode = encode};
