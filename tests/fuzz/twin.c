/* Fuzzes model_read(): the file of a fitted twin, beside a small store of traces. What is read
 * steps once, without a table and with one: states stay numbers, whatever the networks say. And it
 * is written again, and read again, as the same bytes. */
#include "core/base/crc32c.h"
#include "core/base/frame.h"
#include "core/twin/twin_batch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/store_fixture.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEPS = 6, EPISODES = 6, N = 1, S = 3 };

static struct {
    char traces[64]; /* never on a disk */
    uint64_t digest;
    struct buf written; /* what was read, encoded anew */
} toy;

/* ---- the traces ---- */

static struct store_header toy_header(void)
{
    static const char *const services[N] = {"a"};
    static const char *const columns[S] = {"a.desired", "a.queue", "entry_30s"};
    static const char *const units[S] = {"pods", "requests", "1/s"};
    struct store_header h =
        store_fixture_header(services, N, columns, units, S, plant_truth_names, PLANT_TRUTHS);
    h.split_seed = 1;
    h.validation = 0.4;
    return h;
}

static enum err put_episode(struct buf *out, const struct store_header *h, int number)
{
    float state[(STEPS + 1) * S], load[STEPS];
    int32_t delta[STEPS * N];
    double truth[STEPS * PLANT_TRUTHS];
    for (int t = 0; t <= STEPS; t++) {
        state[t * S] = (float)(1 + t % 2);
        state[t * S + 1] = (float)((3 * t + number) % 5);
        state[t * S + 2] = (float)((7 * t + number) % 11);
    }
    for (int t = 0; t < STEPS; t++) {
        load[t] = (float)((5 * t + number) % 13);
        delta[t] = t % 2 == 0 ? 1 : -1;
        for (int k = 0; k < PLANT_TRUTHS; k++) {
            truth[t * PLANT_TRUTHS + k] = (double)((t + k + number) % 4) / 4.0;
        }
    }
    const struct store_episode e = {.controller = "c",
                                    .scenario = "s",
                                    .episode = (uint32_t)number,
                                    .n_steps = STEPS,
                                    .state = state,
                                    .delta = delta,
                                    .load = load,
                                    .truth = truth};
    return codec_put_episode(out, &e, h);
}

static enum err write_traces(struct arena *arena)
{
    const struct store_header h = toy_header();
    struct buf b;
    struct store s;
    buf_init(&b);
    enum err e = codec_put_store(&b, &h);
    for (int i = 0; e == ERR_OK && i < EPISODES; i++) {
        e = put_episode(&b, &h, i);
    }
    const int fd = memfd_create("traces", MFD_CLOEXEC);
    CHECK(e == ERR_OK && fd >= 0 && write(fd, b.data, b.len) == (ssize_t)b.len);
    buf_release(&b);
    (void)snprintf(toy.traces, sizeof toy.traces, "/proc/self/fd/%d", fd);
    TRY(store_open(&s, arena, toy.traces));
    toy.digest = s.digest;
    store_close(&s);
    return ERR_OK;
}

static enum err begin(struct arena *arena, int variant)
{
    (void)variant;
    return toy.traces[0] == '\0' ? write_traces(arena) : ERR_OK;
}

/* ---- reading ---- */

static const char *const key[] = {"desired", "queue"};
static const struct twin_cfg uses[] = {{.lookup = LOOKUP_QUANTISED,
                                        .fallback = FALLBACK_MLP,
                                        .key = (const char **)(uintptr_t)key,
                                        .n_key = 2,
                                        .quantum = 0.5,
                                        .successors = 1},
                                       {.lookup = LOOKUP_NONE, .fallback = FALLBACK_MLP}};

static void step(const struct twin_model *m, struct arena *arena)
{
    struct twin_batch w;
    const int32_t delta[N] = {0};
    const float load = 3.0F;
    CHECK(twin_batch_init(&w, arena, m, 1) == ERR_OK);
    for (int i = 0; i < m->ensemble.n_members; i++) {
        const struct twin_batch_id id = {rng_key(1, RNG_TWIN, RNG_TRAIN), 0, 0, i};
        twin_batch_begin(&w, 0, &id, &m->data, m->starts[0]);
        for (int t = 0; t < 3; t++) {
            twin_batch_step(&w, delta, NULL, &load, NULL);
            for (int k = 0; k < S; k++) {
                CHECK(isfinite(twin_batch_state(&w, 0)[k]));
            }
        }
    }
}

/* From the bytes; `out` gets what was read. */
static enum err read_twin(struct buf *out, const unsigned char *bytes, size_t n,
                          struct arena *arena)
{
    struct twin_model m = {0};
    const struct buf whole = {.data = (unsigned char *)(uintptr_t)bytes, .len = n, .cap = n};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        TRY(model_read(&m, arena, &uses[i], &whole, fuzz_source(), toy.traces));
        step(&m, arena);
    }
    return model_put(out, &m, toy.digest, m.fit);
}

static uint32_t load_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store_u32(unsigned char *p, uint32_t x)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(x >> (8 * i));
    }
}

/* Frames get the length and the checksums they should have: what they hide is what is fuzzed here,
 * they themselves are in frame.c. */
static void mend(unsigned char *bytes, size_t n)
{
    for (size_t at = 0; n - at >= FRAME_HEADER_BYTES;) {
        unsigned char *head = bytes + at;
        const size_t room = n - at - FRAME_HEADER_BYTES, said = load_u32(head + 8);
        const size_t length = said < room ? said : room;
        store_u32(head + 8, (uint32_t)length);
        store_u32(head + 12, crc32c(0, head + FRAME_HEADER_BYTES, length));
        store_u32(head + 16, crc32c(0, head, 16));
        at += FRAME_HEADER_BYTES + length;
    }
}

static enum err read_file(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    struct buf mended;
    buf_init(&toy.written);
    buf_init(&mended);
    CHECK(buf_append(&mended, bytes, n) == ERR_OK);
    mend(mended.data, n);
    const enum err e = read_twin(&toy.written, mended.data, n, scratch);
    buf_release(&mended);
    if (e != ERR_OK) {
        buf_release(&toy.written);
    }
    return e;
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes;
    (void)n;
    if (e == ERR_OK) {
        fuzz_check_recoded(&toy.written, read_twin);
    }
}

/* ---- seeds ---- */

static void seed(int members, int history, enum predict_kind predict, struct arena *arena)
{
    int hidden[1] = {2};
    const struct fit_cfg fit = {.seed = 1,
                                .members = members,
                                .history = history,
                                .hidden = hidden,
                                .n_hidden = 1,
                                .predict = (int)predict,
                                .epochs = 1,
                                .patience = 1,
                                .batch = 8,
                                .lr = 1e-3,
                                .lr_end = 1e-3,
                                .noise_rows = 2};
    struct twin_model m;
    struct arena scratch;
    struct buf b;
    arena_init(&scratch);
    buf_init(&b);
    CHECK(model_begin(&m, arena, toy.traces, &fit, NULL, arena) == ERR_OK);
    for (int i = 0; i < members; i++) {
        CHECK(learn_member(&m.ensemble, i, &m.data, &fit, false, NULL, arena) == ERR_OK);
    }
    CHECK(model_calibrate(&m, arena, fit.noise_rows, &scratch) == ERR_OK);
    CHECK(model_put(&b, &m, toy.digest, "") == ERR_OK);
    fuzz_seed(b.data, b.len);
    buf_release(&b);
    arena_release(&scratch);
}

static void seeds(void)
{
    struct arena arena;
    arena_init(&arena);
    CHECK(begin(&arena, 0) == ERR_OK);
    seed(1, 1, PREDICT_RESIDUAL, &arena);
    seed(2, 2, PREDICT_DIRECT, &arena);
    arena_release(&arena);
}

/* A table, two models and the traces are of fixed sizes; networks are as long as their bytes, read
 * twice, unpacked and allocated. */
const struct fuzz_reader fuzz_reader = {.fixed = 8 * 1024 * 1024,
                                        .each = 4096,
                                        .begin = begin,
                                        .read = read_file,
                                        .check = check,
                                        .seeds = seeds};
