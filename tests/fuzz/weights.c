/* Fuzzes codec_get_weights(): what the learner broadcasts, and the second frame of a checkpoint. */
#include "proto/weights.h"
#include "tests/fuzz/toy.h"

static struct toy_team toy;

static enum err begin(struct arena *arena, int variant)
{
    return toy_team_begin(&toy, arena, variant);
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const enum err e = codec_get_weights(&toy.run.team.w, 0, bytes, n, fuzz_source(), scratch);
    CHECK(scratch->bytes == 0); /* rewound */
    return e;
}

static enum err encode(struct buf *out)
{
    return codec_put_weights(out, &toy.run.team.w, 0);
}

const struct fuzz_reader fuzz_reader = {
    .fixed = TOY_FIXED, .each = TOY_EACH, .begin = begin, .read = read, .encode = encode};
