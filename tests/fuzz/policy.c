/* Fuzzes codec_get_policy(): RUN/policy/weights.bin.
 *
 * The message holds a digest of the weights, which the fuzzer cannot guess; what it changes beside
 * them gets through, and what it changes in them must be refused and leave the team as it was. */
#include "proto/weights.h"
#include "tests/fuzz/toy.h"

static struct toy_team toy;
static const char *const features[] = {"web.rate", "db.rate"};
static struct policy_meta meta;

static enum err begin(struct arena *arena, int variant)
{
    TRY(toy_team_begin(&toy, arena, variant));
    meta = (struct policy_meta){.seed = 7,
                                .digest = team_digest(&toy.run.team),
                                .config = "train: {seed: 7}\n",
                                .features = features};
    return ERR_OK;
}

/* The strings of what is read die with the scratch arena; the rest is kept. */
static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    struct policy_meta got = meta;
    const enum err e =
        codec_get_policy(&toy.run.team.w, &toy.spec, &got, bytes, n, fuzz_source(), scratch);
    if (e == ERR_OK) {
        CHECK(got.digest == team_digest(&toy.run.team));
        CHECK(strlen(got.config) <= n);
        meta.seed = got.seed;
    } else {
        CHECK(memcmp(&got, &meta, sizeof got) == 0);
    }
    return e;
}

static enum err encode(struct buf *out)
{
    return codec_put_policy(out, &toy.run.team.w, &toy.spec, &meta);
}

const struct fuzz_reader fuzz_reader = {
    .fixed = TOY_FIXED, .each = TOY_EACH, .begin = begin, .read = read, .encode = encode};
