/* The frames of a checkpoint: there and back, and every way in which they can be wrong. */
#include "proto/checkpoint.h"
#include "tests/unit/framed.h"
#include "tests/unit/toy_env.h"

enum { N_ENV = 11, T = 9, HORIZON = 12, N_ACT = 4 };

static const struct toy_shape shape = {.n_agents = 2,
                                       .n_factors = 2,
                                       .n_choices = 300, /* more than a byte holds */
                                       .n_global_state = 9,
                                       .n_norm = 4,
                                       .n_obs = 7,
                                       .n_critic = 9,
                                       .horizon = HORIZON};
static int hidden[] = {8};
static const struct rollout_cfg policy = {.seed = 31};

struct fixture {
    struct framed framed;
    struct team_spec spec;
    struct env_spec env;
    struct team_cfg cfg;
    struct toy_run run;
};

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    framed_begin(&f.framed);
    f.spec = toy_spec(&shape);
    f.env = toy_env_spec(&f.spec);
    f.cfg = toy_team_cfg(hidden, 1, 16);
    OK(toy_run_init(&f.run, &f.framed.arena, &f.cfg, &shape, &f.env, N_ENV, T));
    for (int i = 0; i < f.run.n_tiles; i++) {
        OK(rollout_keep_actions(&f.run.tile[i], &f.framed.arena, &f.env, HORIZON));
    }
    OK(toy_run_rollout(&f.run, &policy, 0));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    framed_end(&f->framed);
    return 0;
}

/* ---- header ---- */

static const struct checkpoint_header header = {.config = UINT64_C(0xfedcba9876543210),
                                                .weights = UINT64_C(0x0123456789abcdef),
                                                .update = 12,
                                                .rollouts = 34,
                                                .counter = UINT64_C(7) << 32 | 9,
                                                .n_envs = N_ENV,
                                                .horizon = HORIZON};

static enum err get_header(struct fixture *f, struct checkpoint_header *h, const struct learner *l)
{
    const struct frame frame = framed_only(&f->framed, FRAME_CHECKPOINT);
    return codec_get_checkpoint(h, l, frame.payload, frame.n, "test", &f->framed.scratch);
}

static void test_header(void **state)
{
    struct fixture *f = *state;
    struct checkpoint_header h = {.n_envs = N_ENV, .horizon = HORIZON};
    OK(codec_put_checkpoint(&f->framed.bytes, &header, &f->run.player.base));
    OK(get_header(f, &h, &f->run.player.base));
    assert_true(h.config == header.config && h.weights == header.weights);
    assert_true(h.counter == header.counter);
    assert_int_equal(h.update, 12);
    assert_int_equal(h.rollouts, 34);
}

/* Each shape that differs is named. */
static void test_header_of_another_training(void **state)
{
    struct fixture *f = *state;
    const struct checkpoint_header own = {.n_envs = N_ENV, .horizon = HORIZON};
    OK(codec_put_checkpoint(&f->framed.bytes, &header, &f->run.player.base));
    const char *const names[] = {"parameters", "environments", "episode", "agents",
                                 "factors",    "choices",      "state"};
    for (int i = 0; i < 7; i++) {
        struct checkpoint_header h = own;
        struct team_spec spec = f->spec;
        struct weights w = f->run.team.w;
        const struct learner other = {.spec = &spec, .w = &w};
        w.n_params += i == 0;
        h.n_envs += i == 1;
        h.horizon += i == 2;
        spec.n_agents += i == 3;
        spec.n_factors += i == 4;
        spec.n_choices += i == 5;
        spec.n_global_state += i == 6;
        const struct checkpoint_header before = h;
        assert_int_equal(get_header(f, &h, &other), ERR_MISMATCH);
        assert_non_null(strstr(f->framed.log.last, names[i]));
        assert_memory_equal(&h, &before, sizeof h);
    }
}

/* ---- moments ---- */

static void test_moments(void **state)
{
    struct fixture *f = *state;
    const float values[5] = {1.5F, -2.0F, 0.0F, -0.0F, 3e-39F}; /* a denormal number, too */
    float got[5] = {0};
    OK(codec_put_moments(&f->framed.bytes, 2, values, 5));
    const struct frame frame = framed_only(&f->framed, FRAME_MOMENTS);
    OK(codec_get_moments(got, 5, 2, frame.payload, frame.n, "test", &f->framed.scratch));
    assert_memory_equal(got, values, sizeof values);
    const float stored[5] = {9, 9, 9, 9, 9};
    memcpy(got, stored, sizeof got);
    assert_int_equal(codec_get_moments(got, 5, 1, frame.payload, frame.n, "t", &f->framed.scratch),
                     ERR_FORMAT);
    assert_int_equal(codec_get_moments(got, 4, 2, frame.payload, frame.n, "t", &f->framed.scratch),
                     ERR_FORMAT);
    assert_memory_equal(got, stored, sizeof stored);
}

/* ---- tile state ---- */

static const uint32_t sums[TILE] = {1, 22, 333, 4444, 0xffffffff, 0, 7, 8};

/* A tile of the same shape that has done nothing. */
static struct rollout_tile blank(struct fixture *f, const struct rollout_tile *like)
{
    struct rollout_tile tile = {.env = like->env, .tile = like->tile};
    OK(rollout_keep_actions(&tile, &f->framed.arena, &f->env, HORIZON));
    return tile;
}

static enum err get_tile(struct fixture *f, struct rollout_tile *tile, uint32_t *got)
{
    const struct frame frame = framed_only(&f->framed, FRAME_TILE_STATE);
    return codec_get_tile_state(tile, got, frame.payload, frame.n, "test", &f->framed.scratch);
}

static void test_tile(void **state)
{
    struct fixture *f = *state;
    int most = 0;
    for (int i = 0; i < f->run.n_tiles; i++) {
        const struct rollout_tile *from = &f->run.tile[i];
        struct rollout_tile to = blank(f, from);
        uint32_t got[TILE] = {0};
        f->framed.bytes.len = 0;
        OK(codec_put_tile_state(&f->framed.bytes, from, sums, &f->framed.scratch));
        OK(get_tile(f, &to, got));
        const size_t n_env = (size_t)from->env->n_env;
        assert_memory_equal(got, sums, n_env * sizeof *got);
        assert_memory_equal(to.episode, from->episode, n_env * sizeof *to.episode);
        assert_memory_equal(to.steps, from->steps, n_env * sizeof *to.steps);
        for (int e = 0; e < (int)n_env; e++) {
            assert_memory_equal(rollout_stored(&to, e, 0), rollout_stored(from, e, 0),
                                (size_t)from->steps[e] * N_ACT * sizeof(uint16_t));
            for (int k = 0; k < from->steps[e] * N_ACT; k++) {
                const int choice = rollout_stored(from, e, 0)[k];
                most = choice > most ? choice : most;
            }
        }
    }
    assert_true(most > 255); /* it was there to be tested */
}

static void test_tile_of_another_shape(void **state)
{
    struct fixture *f = *state;
    const struct rollout_tile *from = &f->run.tile[0];
    OK(codec_put_tile_state(&f->framed.bytes, from, sums, &f->framed.scratch));
    enum { OTHER_TILE, FEWER_ENVS, SHORTER, FEWER_CHOICES, FEWER_FACTORS, N_KINDS };
    const char *const says[] = {"tile 0 stands", "episode", "steps behind", "action", "action"};
    for (int kind = 0; kind < N_KINDS; kind++) {
        struct rollout_tile to = blank(f, from);
        struct team_spec spec = f->spec;
        struct env_spec env_spec = f->env;
        struct env env = *from->env;
        uint32_t got[TILE] = {0};
        env_spec.teams[0] = &spec;
        env.spec = &env_spec;
        to.env = &env;
        to.tile += kind == OTHER_TILE;
        env.n_env -= kind == FEWER_ENVS;
        to.max_steps = kind == SHORTER ? 1 : to.max_steps;
        spec.n_choices = kind == FEWER_CHOICES ? 2 : spec.n_choices;
        spec.n_factors -= kind == FEWER_FACTORS;
        const struct rollout_tile before = to;
        assert_int_equal(get_tile(f, &to, got), ERR_FORMAT);
        assert_non_null(strstr(f->framed.log.last, says[kind]));
        assert_memory_equal(to.steps, before.steps, sizeof to.steps);
        assert_memory_equal(to.episode, before.episode, sizeof to.episode);
    }
}

/* ---- damage ---- */

/* Appends all kinds of frames of a checkpoint. */
static void put_all(struct fixture *f)
{
    const float values[3] = {1, 2, 3};
    OK(codec_put_checkpoint(&f->framed.bytes, &header, &f->run.player.base));
    OK(codec_put_moments(&f->framed.bytes, 1, values, 3));
    OK(codec_put_tile_state(&f->framed.bytes, &f->run.tile[1], sums, &f->framed.scratch));
}

/* How many frames can be read. */
static int count_frames(const struct buf *b, size_t n)
{
    struct frame_reader reader;
    struct frame frame;
    int n_frames = 0;
    frame_reader_init(&reader, b->data, n, "test");
    while (frame_next(&reader, &frame) == FRAME_OK) {
        n_frames++;
    }
    return n_frames;
}

static void test_bit_flips(void **state)
{
    struct fixture *f = *state;
    put_all(f);
    assert_int_equal(count_frames(&f->framed.bytes, f->framed.bytes.len), 3);
    for (size_t bit = 0; bit < 8 * f->framed.bytes.len; bit++) {
        f->framed.bytes.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_in_range(count_frames(&f->framed.bytes, f->framed.bytes.len), 0, 2);
        f->framed.bytes.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    for (size_t n = 0; n < f->framed.bytes.len; n++) {
        assert_in_range(count_frames(&f->framed.bytes, n), 0, 2);
    }
}

/* What the CRC cannot notice: bytes that are not such a message. Nothing may crash, be written or
 * ask for memory beyond what the bytes justify. */
static void test_wrong_payloads(void **state)
{
    struct fixture *f = *state;
    OK(codec_put_tile_state(&f->framed.bytes, &f->run.tile[0], sums, &f->framed.scratch));
    const struct frame frame = framed_only(&f->framed, FRAME_TILE_STATE);
    unsigned char *payload = f->framed.bytes.data + FRAME_HEADER_BYTES;
    struct rollout_tile to = blank(f, &f->run.tile[0]);
    int n_refused = 0;
    for (size_t i = 0; i < frame.n; i++) {
        const unsigned char was = payload[i];
        for (int flip = 0; flip < 8; flip++) {
            uint32_t got[TILE];
            struct checkpoint_header h = {.n_envs = N_ENV, .horizon = HORIZON};
            payload[i] = (unsigned char)(was ^ 1U << flip);
            const enum err e =
                codec_get_tile_state(&to, got, payload, frame.n, "t", &f->framed.scratch);
            n_refused += e != ERR_OK;
            for (int k = 0; e == ERR_OK && k < to.env->n_env; k++) {
                assert_in_range(to.steps[k], 0, HORIZON - 1);
            }
            assert_int_not_equal(codec_get_checkpoint(&h, &f->run.player.base, payload, frame.n,
                                                      "t", &f->framed.scratch),
                                 ERR_OK);
        }
        payload[i] = was;
    }
    assert_true(n_refused > 50);
    for (size_t n = 0; n < frame.n; n++) {
        uint32_t got[TILE];
        assert_int_not_equal(codec_get_tile_state(&to, got, payload, n, "t", &f->framed.scratch),
                             ERR_OK);
    }
    assert_true(f->framed.scratch.bytes == 0); /* rewound every time */
}

static void test_memory(void **state)
{
    struct fixture *f = *state;
    struct arena empty;
    uint32_t got[TILE];
    struct rollout_tile to = blank(f, &f->run.tile[0]);
    arena_init(&empty);
    mem_fail_after(1);
    assert_int_equal(codec_put_tile_state(&f->framed.bytes, &f->run.tile[0], sums, &empty),
                     ERR_MEMORY);
    mem_fail_after(0);
    OK(codec_put_tile_state(&f->framed.bytes, &f->run.tile[0], sums, &empty));
    const struct frame frame = framed_only(&f->framed, FRAME_TILE_STATE);
    arena_release(&empty);
    arena_init(&empty);
    mem_fail_after(1);
    assert_int_not_equal(codec_get_tile_state(&to, got, frame.payload, frame.n, "t", &empty),
                         ERR_OK);
    mem_fail_after(0);
    OK(codec_get_tile_state(&to, got, frame.payload, frame.n, "t", &empty));
    arena_release(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_of_another_training, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tile_of_another_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bit_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_payloads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
