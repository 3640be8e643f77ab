/* A twin on disk: it comes back bit by bit; files that are damaged, torn, mixed, or lie, and traces
 * that changed, get a sentence; so does memory that is short. */
#include "core/base/frame.h"
#include "proto/twin.h"
#include "tests/unit/twin_fixture.h"

enum { EPISODES = 9, STEPS = 5 };

static int setup(void **state)
{
    static struct twin_fixture w;
    *state = &w;
    if (twin_fixture_open(&w) != 0) {
        return -1;
    }
    w.hidden[0] = w.hidden[1] = 4;
    w.fit.epochs = 1;
    linear_store(w.traces, 0, EPISODES, STEPS, NULL);
    twin_fixture_save(&w);
    return 0;
}

static int teardown(void **state)
{
    return twin_fixture_close(*state);
}

/* ---- the round trip ---- */

static void assert_same_floats(const float *a, const float *b, size_t n)
{
    assert_memory_equal(a, b, n * sizeof *a);
}

static void assert_same_model(const struct twin_model *a, const struct twin_model *b)
{
    const struct ensemble *x = &a->ensemble, *y = &b->ensemble;
    const size_t n_in = (size_t)a->features.n_in, n_target = (size_t)a->features.n_target;
    assert_int_equal(a->digest, b->digest);
    assert_int_equal(a->features.history, b->features.history);
    assert_int_equal(x->residual, y->residual);
    assert_int_equal(x->n_members, y->n_members);
    assert_same_floats(x->in_mean, y->in_mean, n_in);
    assert_same_floats(x->in_inv, y->in_inv, n_in);
    assert_same_floats(x->out_mean, y->out_mean, n_target);
    assert_same_floats(x->out_std, y->out_std, n_target);
    assert_same_floats(a->spread, b->spread, MODEL_SPREADS);
    for (int i = 0; i < a->features.n_state + a->features.n_kpis; i++) {
        assert_same_floats(&a->features.columns[i].lo, &b->features.columns[i].lo, 1);
        assert_same_floats(&a->features.columns[i].least, &b->features.columns[i].least, 1);
        assert_same_floats(&a->features.columns[i].most, &b->features.columns[i].most, 1);
        assert_same_floats(&a->features.columns[i].hi, &b->features.columns[i].hi, 1);
    }
    for (int i = 0; i < x->n_members; i++) {
        const struct member *m = &x->members[i], *k = &y->members[i];
        const size_t rows = (size_t)m->residuals.n;
        assert_int_equal(m->residuals.n, k->residuals.n);
        assert_int_equal(m->epochs, k->epochs);
        assert_true(m->error == k->error);
        assert_same_floats(m->params, k->params, x->mlp.n_params);
        assert_same_floats(m->residuals.level, k->residuals.level, rows);
        assert_same_floats(m->residuals.z, k->residuals.z, rows * n_target);
        assert_memory_equal(m->residuals.next, k->residuals.next, rows * sizeof *m->residuals.next);
    }
}

static void assert_round_trip(struct twin_fixture *w)
{
    struct twin_model got;
    struct buf first, again;
    buf_init(&first);
    buf_init(&again);
    OK(model_load(&got, &w->scene.arena, &w->use, w->file));
    assert_same_model(&w->model, &got);
    assert_string_equal(got.fit, "fit: a test\n");
    assert_int_equal(got.table.n, got.data.n_at[STORE_TRAIN]);
    OK(file_read(&first, w->file, 1 << 24));
    OK(model_save(&got, w->other, twin_fixture_digest(w, w->traces), got.fit));
    OK(file_read(&again, w->other, 1 << 24));
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.data, again.data, first.len);
    buf_release(&first);
    buf_release(&again);
}

static void test_round_trip(void **state)
{
    struct twin_fixture *w = *state;
    assert_round_trip(w);
    w->fit.predict = PREDICT_DIRECT;
    w->fit.members = 1;
    w->fit.n_hidden = 1;
    w->fit.history = 3;
    w->fit.noise_rows = 7; /* fewer than there are */
    twin_fixture_save(w);
    assert_round_trip(w);
}

/* ---- what is refused ---- */

static void assert_refused(struct twin_fixture *w, const char *file, enum err want,
                           const char *words)
{
    struct twin_model got;
    heard_forget(&w->scene.log);
    const enum err e = model_load(&got, &w->scene.arena, &w->use, file);
    if (want == ERR_OK ? e == ERR_OK : e != want) {
        fail_msg("error %d: %s", (int)e, w->scene.log.text);
    }
    assert_true(w->scene.log.n >= 1);
    if (strstr(w->scene.log.text, words) == NULL) {
        fail_msg("'%s' is not in '%s'", words, w->scene.log.text);
    }
}

/* file_write() waits for the disk. */
static void put_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Put `n` bytes where the twin was; anything but success will do. */
static void refuse_bytes(struct twin_fixture *w, const void *bytes, size_t n)
{
    put_bytes(w->file, bytes, n);
    const struct arena_mark mark = arena_mark(&w->scene.arena);
    assert_refused(w, w->file, ERR_OK, w->file);
    arena_rewind(&w->scene.arena, mark);
}

static void test_torn_and_damaged(void **state)
{
    struct twin_fixture *w = *state;
    struct buf b;
    buf_init(&b);
    OK(file_read(&b, w->file, 1 << 24));
    for (size_t cut = 0; cut < b.len; cut += cut < 40 || cut + 40 > b.len ? 1 : 61) {
        refuse_bytes(w, b.data, cut);
    }
    for (size_t at = 0; at < b.len; at += at < 200 ? 1 : 37) {
        b.data[at] ^= (unsigned char)(1 << at % 8);
        refuse_bytes(w, b.data, b.len);
        b.data[at] ^= (unsigned char)(1 << at % 8);
    }
    OK(buf_append(&b, "more", 4));
    refuse_bytes(w, b.data, b.len);
    b.len -= 4;
    put_bytes(w->file, b.data, b.len);
    assert_round_trip(w);
    buf_release(&b);
}

/* Frames of the twin, to be put together otherwise. */
enum { FRAMES = 3 };
struct pieces {
    struct buf bytes;
    struct frame frame[FRAMES];
};

static void take_apart(struct pieces *p, const char *file)
{
    struct frame_reader r;
    buf_init(&p->bytes);
    OK(file_read(&p->bytes, file, 1 << 24));
    frame_reader_init(&r, p->bytes.data, p->bytes.len, file);
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(frame_next(&r, &p->frame[i]), FRAME_OK);
    }
}

static void add_frame(struct buf *out, const struct frame *f)
{
    OK(frame_append(out, (enum frame_kind)f->kind, f->version, f->payload, f->n));
}

static void refuse(struct twin_fixture *w, struct buf *out, enum err e, const char *words)
{
    put_bytes(w->file, out->data, out->len);
    assert_refused(w, w->file, e, words);
    out->len = 0;
}

/* A twin of the version before says what to do; it would be read as numbers that mean other things.
 */
static void test_earlier_version(void **state)
{
    struct twin_fixture *w = *state;
    struct buf b, old;
    struct frame_reader r;
    struct frame f;
    buf_init(&b);
    buf_init(&old);
    OK(file_read(&b, w->file, 1 << 24));
    frame_reader_init(&r, b.data, b.len, w->file);
    while (frame_next(&r, &f) == FRAME_OK) {
        assert_int_equal(f.version, CODEC_TWIN_VERSION);
        OK(frame_append(&old, (enum frame_kind)f.kind, 1, f.payload, f.n));
    }
    assert_int_equal(old.len, b.len);
    put_bytes(w->file, old.data, old.len);
    assert_refused(w, w->file, ERR_VERSION, "earlier version");
    assert_refused(w, w->file, ERR_VERSION, "karma twin fit ");
    buf_release(&b);
    buf_release(&old);
}

static void test_mixed(void **state)
{
    struct twin_fixture *w = *state;
    struct pieces p, q;
    struct buf out;
    buf_init(&out);
    take_apart(&p, w->file);
    w->fit.n_hidden = 1;
    twin_fixture_save(w);
    take_apart(&q, w->file);
    add_frame(&out, &p.frame[1]); /* a network first */
    refuse(w, &out, ERR_FORMAT, w->file);
    add_frame(&out, &p.frame[0]);
    add_frame(&out, &p.frame[1]); /* one is missing */
    refuse(w, &out, ERR_FORMAT, w->file);
    add_frame(&out, &p.frame[0]);
    add_frame(&out, &p.frame[1]);
    add_frame(&out, &p.frame[2]);
    add_frame(&out, &p.frame[2]); /* one too many */
    refuse(w, &out, ERR_FORMAT, w->file);
    add_frame(&out, &p.frame[0]);
    add_frame(&out, &p.frame[1]);
    add_frame(&out, &q.frame[2]); /* of another twin */
    refuse(w, &out, ERR_FORMAT, "network 1 has");
    OK(frame_append(&out, FRAME_WEIGHTS, 1, "abc", 3));
    refuse(w, &out, ERR_FORMAT, w->file);
    buf_release(&out);
    buf_release(&p.bytes);
    buf_release(&q.bytes);
}

/* Headers that a checksum cannot find out: they were written so. */
static void test_lies(void **state)
{
    struct twin_fixture *w = *state;
    struct pieces p;
    struct buf out;
    struct twin_header h, lie;
    buf_init(&out);
    take_apart(&p, w->file);
    OK(codec_get_twin(&h, p.frame[0].payload, p.frame[0].n, "h", &w->scratch));
    int32_t wide[7] = {65536, 65536, 65536, 65536, 65536, 65536, 65536};
    float bad[64] = {0};
    bad[3] = NAN;
    for (int what = 0; what < 8; what++) {
        static const char *const words[8] = {"do not fit into", "this shape", "this shape",
                                             "this shape",      "is none",    "inputs",
                                             "columns",         "targets"};
        lie = h;
        if (what == 0) {
            lie.hidden = wide, lie.n_hidden = 7, lie.members = 32;
        }
        lie.history = what == 1 ? 9 : h.history;
        lie.members = what == 2 ? 33 : lie.members;
        lie.n_spread = what == 3 ? 7 : h.n_spread;
        lie.out_mean = what == 4 ? bad : h.out_mean;
        lie.n_in = what == 5 ? h.n_in - 1 : h.n_in;
        lie.n_columns = what == 6 ? h.n_columns - 1 : h.n_columns;
        lie.n_target = what == 7 ? h.n_target - 1 : h.n_target;
        OK(codec_put_twin(&out, &lie));
        add_frame(&out, &p.frame[1]);
        add_frame(&out, &p.frame[2]);
        refuse(w, &out, what < 5 ? ERR_FORMAT : ERR_MISMATCH, words[what]);
    }
    buf_release(&out);
    buf_release(&p.bytes);
}

/* Residual pools that no fit makes. */
static void test_bad_banks(void **state)
{
    struct twin_fixture *w = *state;
    struct pieces p;
    struct buf out;
    const int n = w->model.features.n_target;
    float level[3] = {0, 1, 2}, z[3 * 32] = {0};
    int32_t next[3] = {1, -1, 0};
    static const char *const words[5] = {"'z'", "not sorted", "followed by", "residuals",
                                         "is none"};
    assert_true(n <= 32);
    buf_init(&out);
    take_apart(&p, w->file);
    for (int what = 0; what < 5; what++) {
        struct twin_member m = {.params = w->model.ensemble.members[0].params,
                                .n_params = w->model.ensemble.mlp.n_params,
                                .level = level,
                                .z = z,
                                .next = next,
                                .n_residuals = what == 3 ? 1 : 3};
        level[1] = what == 1 ? 3.0F : 1.0F;
        next[0] = what == 2 ? 3 : what == 3 ? -1 : 1;
        z[1] = what == 4 ? INFINITY : 0.0F;
        add_frame(&out, &p.frame[0]);
        OK(codec_put_member(&out, &m, what == 0 ? n - 1 : n));
        add_frame(&out, &p.frame[2]);
        refuse(w, &out, ERR_FORMAT, words[what]);
    }
    buf_release(&out);
    buf_release(&p.bytes);
}

/* ---- the traces beside it ---- */

static void test_traces(void **state)
{
    struct twin_fixture *w = *state;
    struct buf b;
    buf_init(&b);
    OK(file_read(&b, w->traces, 1 << 24));
    linear_store(w->traces, 0, EPISODES + 1, STEPS, NULL); /* grew */
    assert_refused(w, w->file, ERR_MISMATCH, "is not what the twin");
    linear_store(w->traces, 1, EPISODES, STEPS, NULL); /* shrank */
    assert_refused(w, w->file, ERR_MISMATCH, w->file);
    OK(file_write(w->traces, b.data, b.len - 3)); /* torn */
    assert_refused(w, w->file, ERR_MISMATCH, "fit again");
    OK(file_write(w->traces, "", 0));
    assert_refused(w, w->file, ERR_FORMAT, "is empty");
    OK(file_remove(w->traces));
    assert_refused(w, w->file, ERR_IO, w->traces);
    OK(file_write(w->traces, b.data, b.len));
    OK(file_remove(w->file));
    assert_refused(w, w->file, ERR_IO, w->file);
    buf_release(&b);
}

static void copy(const char *from, const char *to)
{
    struct buf b;
    buf_init(&b);
    OK(file_read(&b, from, 1 << 24));
    OK(file_write(to, b.data, b.len));
    buf_release(&b);
}

/* A fit that ended between its two renamings: the new transitions have their temporary name. */
static void test_interrupted_save(void **state)
{
    struct twin_fixture *w = *state;
    const char *pending = scene_file(&w->scene, "twin.traces.pending"), *found;
    struct twin_model got;
    assert_string_equal(model_pending(&w->scene.arena, w->file), pending);
    OK(model_find_traces(&found, &w->scene.arena, w->file));
    assert_string_equal(found, w->traces);
    assert_int_equal(rename(w->traces, pending), 0);
    OK(model_load(&got, &w->scene.arena, &w->use, w->file)); /* of a first fit */
    linear_store(w->traces, 0, EPISODES + 1, STEPS, NULL);   /* the old twin's */
    OK(model_load(&got, &w->scene.arena, &w->use, w->file));
    assert_same_model(&w->model, &got);
    OK(model_find_traces(&found, &w->scene.arena, w->file));
    assert_string_equal(found, pending);
    copy(w->traces, w->other);
    copy(pending, w->traces);
    copy(w->other, pending); /* of a fit that is still going on */
    OK(model_load(&got, &w->scene.arena, &w->use, w->file));
    OK(model_find_traces(&found, &w->scene.arena, w->file));
    assert_string_equal(found, w->traces);
}

/* Nothing to learn from, or nothing to judge by. */
static void test_parts(void **state)
{
    struct twin_fixture *w = *state;
    const struct store_header h = linear_header();
    static const char *const words[] = {"no transition for validation",
                                        "no transition for training"};
    for (int want = STORE_TRAIN; want <= STORE_VALIDATION; want++) {
        int first = 0;
        while ((int)store_part_of(&h, LINEAR_SEED, (uint32_t)first) != want) {
            first++;
        }
        linear_store(w->traces, first, first + 1, STEPS, NULL);
        struct twin_model m;
        assert_int_equal(model_begin(&m, &w->scene.arena, w->traces, &w->fit, NULL, &w->scratch),
                         ERR_FORMAT);
        assert_non_null(strstr(w->scene.log.last, words[want]));
    }
}

/* ---- the rest ---- */

static void test_adopt(void **state)
{
    struct twin_fixture *w = *state;
    struct twin_model warm;
    OK(model_begin(&warm, &w->scene.arena, w->traces, &w->fit, &w->model, &w->scratch));
    assert_same_floats(warm.ensemble.members[1].params, w->model.ensemble.members[1].params,
                       warm.ensemble.mlp.n_params);
    assert_same_floats(warm.ensemble.out_std, w->model.ensemble.out_std,
                       (size_t)warm.features.n_target);
    w->fit.predict = PREDICT_DIRECT; /* the same numbers would mean something else */
    assert_int_equal(
        model_begin(&warm, &w->scene.arena, w->traces, &w->fit, &w->model, &w->scratch),
        ERR_MISMATCH);
    assert_non_null(strstr(w->scene.log.last, "predict the change"));
    w->fit.predict = PREDICT_RESIDUAL;
    w->fit.members = 1;
    assert_int_equal(
        model_begin(&warm, &w->scene.arena, w->traces, &w->fit, &w->model, &w->scratch),
        ERR_MISMATCH);
    w->fit.members = 2;
    w->fit.history = 1;
    assert_int_equal(
        model_begin(&warm, &w->scene.arena, w->traces, &w->fit, &w->model, &w->scratch),
        ERR_MISMATCH);
    assert_non_null(strstr(w->scene.log.last, "another shape"));
}

/* The score of a place is the share of the calibration below it. */
static void test_score(void **state)
{
    struct twin_fixture *w = *state;
    float spread[MODEL_SPREADS];
    struct twin_model m = {.spread = spread};
    for (int q = 0; q < MODEL_SPREADS; q++) {
        spread[q] = 0.01F * (float)(q * q);
    }
    double before = -1.0;
    assert_true(model_score(&m, 0.0) == 0.0);
    for (int k = 0; k < 5000; k++) {
        const double x = 0.1 * k, score = model_score(&m, x);
        const double want = fmin(1.0, sqrt(x / 0.01) / (MODEL_SPREADS - 1));
        assert_true(score >= before && score <= 1.0);
        assert_true(fabs(score - want) < 1.0 / (MODEL_SPREADS - 1));
        before = score;
    }
    assert_true(before == 1.0);
    assert_true(model_score(&m, NAN) == 1.0); /* networks that answer no numbers know nothing */
    /* A calibration of its own: half of the validation transitions lie below the middle. */
    assert_true(model_score(&w->model, (double)w->model.spread[MODEL_SPREADS / 2]) >= 0.5);
    assert_true(model_score(&w->model, 1e9) == 1.0);
    for (int q = 1; q < MODEL_SPREADS; q++) {
        assert_true(w->model.spread[q] >= w->model.spread[q - 1]);
    }
}

/* Wherever memory ends, the answer is an error and nothing is left behind. */
static void test_memory(void **state)
{
    struct twin_fixture *w = *state;
    enum err e = ERR_MEMORY;
    int failures = 0;
    w->use.fallback = FALLBACK_NEAREST;
    for (uint64_t n = 1; e != ERR_OK && n < 1000; n++) {
        struct arena arena;
        struct twin_model m;
        arena_init(&arena);
        mem_fail_after(n);
        e = model_load(&m, &arena, &w->use, w->file);
        mem_fail_after(0);
        assert_true(e == ERR_OK || e == ERR_MEMORY || e == ERR_FORMAT);
        failures += e != ERR_OK;
        arena_release(&arena);
    }
    OK(e);
    assert_true(failures > 5);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_round_trip),
        TEST_(test_torn_and_damaged),
        TEST_(test_earlier_version),
        TEST_(test_mixed),
        TEST_(test_lies),
        TEST_(test_bad_banks),
        TEST_(test_traces),
        TEST_(test_interrupted_save),
        TEST_(test_parts),
        TEST_(test_adopt),
        TEST_(test_score),
        TEST_(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
