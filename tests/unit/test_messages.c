/* Messages that nobody here would write: refused with a sentence, the output as it was, and no more
 * memory than their length justifies. What fuzzing and reading for it found; see tests/fuzz/. */
#include "proto/checkpoint.h"
#include "proto/rollout_block.h"
#include "proto/weights.h"
#include "proto/wire.h"
#include "tests/fuzz/toy.h"
#include "tests/unit/framed.h"

struct fixture {
    struct framed framed;
    struct toy_team toy;
};

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    framed_begin(&f.framed);
    OK(toy_team_begin(&f.toy, &f.framed.arena, 0));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    framed_end(&f->framed);
    return 0;
}

/* ---- policy ---- */

static const char *const features[] = {"web.rate", "db.rate"};

static void put_policy(struct fixture *f, uint64_t digest)
{
    const struct policy_meta meta = {
        .seed = 7, .digest = digest, .config = "", .features = features};
    OK(codec_put_policy(&f->framed.bytes, &f->toy.run.team.w, &f->toy.spec, &meta));
}

/* The weights of a file whose digest is wrong may not become the team's. */
static void test_policy_with_a_wrong_digest(void **state)
{
    struct fixture *f = *state;
    struct team *team = &f->toy.run.team;
    struct policy_meta meta = {.features = features};
    const struct policy_meta meta_before = meta;
    team->w.params[0] += 1.0F;
    team->w.version++;
    put_policy(f, team_digest(team) ^ 1);
    team->w.params[0] -= 1.0F;
    team->w.version--;
    const uint64_t before = team_digest(team);
    const uint32_t version = team->w.version;
    const struct frame frame = framed_only(&f->framed, FRAME_POLICY);
    assert_int_equal(codec_get_policy(&team->w, team->spec, &meta, frame.payload, frame.n, "p.bin",
                                      &f->framed.scratch),
                     ERR_FORMAT);
    assert_non_null(strstr(f->framed.log.last, "p.bin: digest of the weights"));
    assert_true(team_digest(team) == before);
    assert_int_equal(team->w.version, version);
    assert_memory_equal(&meta, &meta_before, sizeof meta);
}

static void test_policy(void **state)
{
    struct fixture *f = *state;
    struct team *team = &f->toy.run.team;
    struct policy_meta meta = {.features = features};
    const uint64_t digest = team_digest(team);
    put_policy(f, digest);
    team->w.params[0] += 1.0F;
    const struct frame frame = framed_only(&f->framed, FRAME_POLICY);
    OK(codec_get_policy(&team->w, team->spec, &meta, frame.payload, frame.n, "p.bin",
                        &f->framed.scratch));
    assert_true(team_digest(team) == digest && meta.digest == digest && meta.seed == 7);
}

/* ---- memory ---- */

/* Bytes that reading `bytes` as a policy asks for; it must be refused with that sentence. */
static uint64_t cost_of(struct fixture *f, const struct buf *bytes, const char *sentence)
{
    struct policy_meta meta = {.features = features};
    struct arena scratch;
    arena_init(&scratch);
    const uint64_t before = mem_bytes();
    assert_int_not_equal(codec_get_policy(&f->toy.run.team.w, &f->toy.spec, &meta, bytes->data,
                                          bytes->len, "p.bin", &scratch),
                         ERR_OK);
    const uint64_t cost = mem_bytes() - before;
    assert_non_null(strstr(f->framed.log.last, sentence));
    arena_release(&scratch);
    return cost;
}

/* A whole policy, then the piece so many times. */
static void repeat(struct fixture *f, const void *piece, size_t n, int times)
{
    struct buf *out = &f->framed.bytes;
    out->len = 0;
    put_policy(f, 0);
    out->len -= FRAME_HEADER_BYTES;
    memmove(out->data, out->data + FRAME_HEADER_BYTES, out->len);
    for (int i = 0; i < times; i++) {
        OK(buf_append(out, piece, n));
    }
}

/* Each of these asks for 40 times its length and more if it is allowed to. */
static void test_memory_follows_the_length(void **state)
{
    struct fixture *f = *state;
    static const unsigned char unknown[] = {0x78, 0x00}; /* field 15, a varint */
    static const unsigned char name[] = {0x22, 0x00};    /* agents: "" */
    /* weights: 16 parameters; each copy is merged with all before it */
    static const unsigned char weights[4 + 2 + 64] = {0x0a, 68, 0x08, 0x00, 0x12, 64};
    repeat(f, unknown, sizeof unknown, 200000);
    assert_in_range(cost_of(f, &f->framed.bytes, "more memory than any"), 1,
                    TOY_FIXED + TOY_EACH * f->framed.bytes.len);
    repeat(f, name, sizeof name, 200000);
    assert_in_range(cost_of(f, &f->framed.bytes, "more memory than any"), 1,
                    TOY_FIXED + TOY_EACH * f->framed.bytes.len);
    repeat(f, weights, sizeof weights, 2000);
    assert_in_range(cost_of(f, &f->framed.bytes, "more memory than any"), 1,
                    TOY_FIXED + TOY_EACH * f->framed.bytes.len);
}

/* What is real is not refused: many small values. */
static void test_real_messages_fit(void **state)
{
    struct fixture *f = *state;
    enum { N = 100000 };
    static float values[N], got[N];
    OK(codec_put_moments(&f->framed.bytes, 1, values, N));
    const struct frame frame = framed_only(&f->framed, FRAME_MOMENTS);
    OK(codec_get_moments(got, N, 1, frame.payload, frame.n, "test", &f->framed.scratch));
}

/* ---- values that will be used as indices and numbers ---- */

static void test_update_beyond_any_training(void **state)
{
    struct fixture *f = *state;
    const struct checkpoint_header far = {
        .update = UINT32_C(1) << 31, .n_envs = TOY_ENVS, .horizon = TOY_HORIZON};
    struct checkpoint_header h = {.n_envs = TOY_ENVS, .horizon = TOY_HORIZON};
    const struct checkpoint_header before = h;
    OK(codec_put_checkpoint(&f->framed.bytes, &far, &f->toy.run.player.base));
    const struct frame frame = framed_only(&f->framed, FRAME_CHECKPOINT);
    assert_int_equal(codec_get_checkpoint(&h, &f->toy.run.player.base, frame.payload, frame.n,
                                          "update-1.ckpt", &f->framed.scratch),
                     ERR_FORMAT);
    assert_non_null(strstr(f->framed.log.last, "update-1.ckpt: update 2147483648 is more than"));
    assert_memory_equal(&h, &before, sizeof h);
}

static void test_action_outside_its_mask(void **state)
{
    struct fixture *f = *state;
    struct block *b = &f->toy.run.block[0];
    struct block *got = NULL;
    const int words = env_mask_words(&f->toy.spec);
    b->mask[3 * words + b->action[3] / 32] &= ~(UINT32_C(1) << b->action[3] % 32);
    OK(codec_put_block(&f->framed.bytes, b, &f->toy.env, &f->framed.scratch));
    const struct frame frame = framed_only(&f->framed, FRAME_ROLLOUT_BLOCK);
    assert_int_equal(codec_get_block(&got, b, 1, &f->toy.env, frame.payload, frame.n, "rank 3",
                                     &f->framed.scratch),
                     ERR_FORMAT);
    assert_non_null(strstr(f->framed.log.last, "at position 3 is outside its mask"));
    assert_null(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policy_with_a_wrong_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_follows_the_length, setup, teardown),
        cmocka_unit_test_setup_teardown(test_real_messages_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_update_beyond_any_training, setup, teardown),
        cmocka_unit_test_setup_teardown(test_action_outside_its_mask, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
