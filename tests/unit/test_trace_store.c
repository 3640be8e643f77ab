/* The store of transitions: what goes in comes out; torn, damaged, mixed and empty ones get a
 * sentence; merging and splitting. */
#include "core/base/file.h"
#include "tests/store_fixture.h"
#include "tests/unit/scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { N = 2, S = 5, M = 2, EPISODES = 3, FILE_MAX = 1 << 20 };

struct fixture {
    struct scene scene;
    struct store_header header;
    const char *path, *other, *merged;
};

static struct store_header header_of_two(void)
{
    static const char *const services[N] = {"web", "db"};
    static const char *const columns[S] = {"web.cpu", "web.ram", "db.cpu", "db.ram", "entry_30s"};
    static const char *const units[S] = {"mcpu", "MiB", "mcpu", "MiB", "1/s"};
    static const char *const truths[M] = {"received", "answered"};
    struct store_header h = store_fixture_header(services, N, columns, units, S, truths, M);
    h.split_seed = 7;
    h.validation = 0.2;
    h.held_out = 0.1;
    return h;
}

static int setup(void **state)
{
    static struct fixture f;
    const int e = scene_open(&f.scene);
    f.header = header_of_two();
    f.path = scene_file(&f.scene, "store");
    f.other = scene_file(&f.scene, "other");
    f.merged = scene_file(&f.scene, "merged");
    *state = &f;
    return e;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    return scene_close(&f->scene);
}

/* Arrays of episode i, of i + 1 decisions. */
struct made {
    struct store_episode e;
    float state[(EPISODES + 2) * S], load[EPISODES + 1];
    int32_t delta[(EPISODES + 1) * N], attack[(EPISODES + 1) * STORE_ATTACK];
    double truth[(EPISODES + 1) * M];
    uint8_t gaps[(EPISODES + 2) * S];
};

static void make(struct made *m, int i)
{
    memset(m, 0, sizeof *m);
    for (int k = 0; k < (i + 2) * S; k++) {
        m->state[k] = 0.1F * (float)(k + i);
    }
    for (int k = 0; k < (i + 1) * N; k++) {
        m->delta[k] = k % 7 - 3;
    }
    for (int k = 0; k < (i + 1) * M; k++) {
        m->truth[k] = 1.0 / (k + 3);
    }
    for (int t = 0; t <= i; t++) {
        m->load[t] = 10.0F * (float)(t + 1);
        m->attack[t * STORE_ATTACK + 1] = -2;
    }
    m->gaps[0] = 0x82; /* values 1 and 7: row 0 column 1, row 1 column 2 */
    m->e = (struct store_episode){.controller = i == 0 ? "ff" : "khpa",
                                  .scenario = "ddos",
                                  .policy = (uint64_t)i,
                                  .seed = 11,
                                  .cell_digest = 99,
                                  .episode = (uint32_t)i,
                                  .start_s = 0.25 * i,
                                  .n_steps = i + 1,
                                  .state = m->state,
                                  .delta = m->delta,
                                  .attack = i == 1 ? m->attack : NULL,
                                  .load = m->load,
                                  .truth = m->truth,
                                  .gaps = i == 2 ? m->gaps : NULL};
}

static void put(struct store_writer *w, const struct store_header *h, int i)
{
    struct made m;
    make(&m, i);
    OK(store_fixture_put(w, h, &m.e));
}

/* A store of episodes [first, last). */
static void write_store(const char *path, const struct store_header *h, int first, int last)
{
    struct store_writer w;
    OK(store_create(&w, path, h));
    for (int i = first; i < last; i++) {
        put(&w, h, i);
    }
    OK(store_finish(&w));
}

static void assert_episode(const struct store_episode *got, int i)
{
    struct made m;
    make(&m, i);
    assert_string_equal(got->controller, m.e.controller);
    assert_string_equal(got->scenario, m.e.scenario);
    assert_int_equal(got->policy, m.e.policy);
    assert_int_equal(got->seed, m.e.seed);
    assert_int_equal(got->cell_digest, m.e.cell_digest);
    assert_int_equal(got->episode, m.e.episode);
    assert_true(got->start_s == m.e.start_s);
    assert_int_equal(got->n_steps, i + 1);
    assert_memory_equal(got->state, m.state, sizeof(float) * (size_t)(i + 2) * S);
    assert_memory_equal(got->delta, m.delta, sizeof(int32_t) * (size_t)(i + 1) * N);
    assert_memory_equal(got->load, m.load, sizeof(float) * (size_t)(i + 1));
    assert_memory_equal(got->truth, m.truth, sizeof(double) * (size_t)(i + 1) * M);
    assert_int_equal(got->attack != NULL, i == 1);
    assert_int_equal(got->gaps != NULL, i == 2);
    assert_int_equal(store_known(got, S, 0, 1), i != 2);
    assert_int_equal(store_known(got, S, 1, 2), i != 2);
    assert_true(store_known(got, S, 0, 0) && store_known(got, S, 1, 1));
}

static void assert_store(struct fixture *f, const char *path, int n)
{
    struct store s;
    OK(store_open(&s, &f->scene.arena, path));
    OK(store_same_header(&s.header, "a", &f->header, "b"));
    assert_int_equal(s.n_episodes, n);
    for (int i = n - 1; i >= 0; i--) { /* any order */
        struct store_episode e;
        OK(store_read(&e, &s, i, &f->scene.arena));
        assert_episode(&e, i);
        assert_int_equal(s.entries[i].n_steps, i + 1);
    }
    store_close(&s);
}

static void test_what_goes_in_comes_out(void **state)
{
    struct fixture *f = *state;
    write_store(f->path, &f->header, 0, EPISODES);
    assert_store(f, f->path, EPISODES);
    assert_int_equal(f->scene.log.n, 0);
    struct store_writer w;
    assert_int_equal(store_create(&w, f->path, &f->header), ERR_IO); /* never over another one */
}

/* Cut anywhere, it has the whole episodes before the cut, and appending gives the same bytes. */
static void test_torn(void **state)
{
    struct fixture *f = *state;
    struct buf again;
    buf_init(&again);
    write_store(f->path, &f->header, 0, EPISODES);
    OK(file_read(&f->scene.text, f->path, FILE_MAX));
    struct store s;
    OK(store_open(&s, &f->scene.arena, f->path));
    for (size_t cut = s.entries[0].offset; cut < f->scene.text.len; cut++) {
        int n = 0, whole = 0;
        struct store_writer w;
        while (s.entries[whole].offset + s.entries[whole].bytes <= cut) {
            whole++;
        }
        const bool torn = cut != s.entries[whole].offset;
        OK(file_write(f->other, f->scene.text.data, cut));
        heard_forget(&f->scene.log);
        assert_store(f, f->other, whole);
        assert_int_equal(f->scene.log.n, torn ? 1 : 0);
        OK(store_append(&w, &n, f->other, &f->header));
        assert_int_equal(n, whole);
        for (int i = whole; i < EPISODES; i++) {
            put(&w, &f->header, i);
        }
        OK(store_finish(&w));
        OK(file_read(&again, f->other, FILE_MAX));
        assert_int_equal(again.len, f->scene.text.len);
        assert_memory_equal(again.data, f->scene.text.data, again.len);
    }
    assert_non_null(strstr(f->scene.log.text, "ends inside an episode"));
    store_close(&s);
    buf_release(&again);
}

static void assert_refused(struct fixture *f, enum err e, const char *words)
{
    struct store s;
    heard_forget(&f->scene.log);
    assert_int_equal(store_open(&s, &f->scene.arena, f->path), e);
    assert_int_equal(f->scene.log.n, 1);
    assert_non_null(strstr(f->scene.log.last, f->path));
    assert_non_null(strstr(f->scene.log.last, words));
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    OK(file_write(f->path, "", 0));
    assert_refused(f, ERR_FORMAT, "is empty");
    OK(file_write(f->path, "time,service\n1,web\n", 19));
    assert_refused(f, ERR_FORMAT, "");
    OK(frame_append(&f->scene.text, FRAME_WEIGHTS, 1, "abc", 3));
    OK(file_write(f->path, f->scene.text.data, f->scene.text.len));
    assert_refused(f, ERR_FORMAT, "no trace store");
    OK(file_remove(f->path));
    write_store(f->path, &f->header, 0, EPISODES);
    OK(file_read(&f->scene.text, f->path, FILE_MAX));
    f->scene.text.data[f->scene.text.len / 2] ^= 1;
    OK(file_write(f->path, f->scene.text.data, f->scene.text.len));
    assert_refused(f, ERR_FORMAT, "bytes before it are intact");
    f->scene.text.data[f->scene.text.len / 2] ^= 1;
    OK(file_write(f->path, f->scene.text.data, 30)); /* not even the header */
    assert_refused(f, ERR_FORMAT, "");
    f->scene.text.len = f->scene.text.len > 0 ? f->scene.text.len : 0;
    OK(frame_append(&f->scene.text, FRAME_WEIGHTS, 1, "abc", 3));
    OK(file_write(f->path, f->scene.text.data, f->scene.text.len));
    assert_refused(f, ERR_FORMAT, "does not belong there");
}

/* Values that no plant has, and shapes of another store. */
static void test_bad_episodes(void **state)
{
    struct fixture *f = *state;
    struct made m;
    for (int what = 0; what < 6; what++) {
        struct store_header h = f->header;
        make(&m, 2);
        m.state[3] = what == 0 ? NAN : m.state[3];
        m.load[1] = what == 1 ? -1.0F : m.load[1];
        m.truth[2] = what == 2 ? INFINITY : m.truth[2];
        m.e.start_s = what == 3 ? NAN : m.e.start_s;
        m.e.n_steps = what == 4 ? 0 : m.e.n_steps;
        h.n_services = what == 5 ? 1 : h.n_services;
        unlink(f->path);
        struct store_writer w;
        OK(store_create(&w, f->path, &f->header));
        OK(store_fixture_put(&w, &h, &m.e));
        OK(store_finish(&w));
        assert_refused(f, ERR_FORMAT, "");
    }
}

static void test_mixed(void **state)
{
    struct fixture *f = *state;
    const char *const renamed[S] = {"web.cpu", "web.memory", "db.cpu", "db.ram", "entry_30s"};
    struct store_writer w;
    int n = 0;
    write_store(f->path, &f->header, 0, 1);
    struct store_header h = f->header;
    h.columns = renamed;
    assert_int_equal(store_append(&w, &n, f->path, &h), ERR_MISMATCH);
    assert_non_null(strstr(f->scene.log.last, "columns 'web.ram' and 'web.memory'"));
    h = f->header;
    h.period_s = 30.0;
    assert_int_equal(store_append(&w, &n, f->path, &h), ERR_MISMATCH);
    assert_non_null(strstr(f->scene.log.last, "periods 15 and 30"));
    h = f->header;
    h.licence = "CC0";
    write_store(f->other, &h, 1, 2);
    const char *const files[] = {f->path, f->other};
    assert_int_equal(store_merge(f->merged, files, 2, &f->scene.arena), ERR_MISMATCH);
    assert_non_null(strstr(f->scene.log.last, "licences"));
    assert_false(file_exists(f->merged));
    assert_store(f, f->path, 1); /* as it was */
}

static void test_merge(void **state)
{
    struct fixture *f = *state;
    struct buf whole;
    buf_init(&whole);
    write_store(f->path, &f->header, 0, 2);
    write_store(f->other, &f->header, 1, EPISODES); /* episode 1 is in both */
    const char *const files[] = {f->path, f->other};
    OK(store_merge(f->merged, files, 2, &f->scene.arena));
    assert_store(f, f->merged, EPISODES);
    OK(file_read(&f->scene.text, f->merged, FILE_MAX));
    unlink(f->path);
    write_store(f->path, &f->header, 0, EPISODES);
    OK(file_read(&whole, f->path, FILE_MAX));
    assert_int_equal(whole.len, f->scene.text.len);
    assert_memory_equal(whole.data, f->scene.text.data, whole.len);
    buf_release(&whole);
    /* the same episode with other contents */
    struct made m;
    make(&m, 1);
    m.load[0] += 1.0F;
    unlink(f->other);
    OK(store_fixture_write(f->other, &f->header, &m.e));
    assert_int_equal(store_merge(f->merged, files, 2, &f->scene.arena), ERR_MISMATCH);
    assert_non_null(strstr(f->scene.log.last, "not the same contents"));
    assert_store(f, f->merged, EPISODES); /* as it was */
}

/* The first episodes' parts as another program drew them (Philox4x32-10 in Python). */
static void test_known_parts(void **state)
{
    const struct fixture *f = *state;
    static const char expected[] = "TVVTTVTTHTTTTTTTTHVT";
    for (int i = 0; i < (int)sizeof expected - 1; i++) {
        assert_int_equal("TVH"[store_part_of(&f->header, 11, (uint32_t)i)], expected[i]);
    }
}

/* Shares are kept, within four standard deviations of n draws. */
static void test_parts(void **state)
{
    const struct fixture *f = *state;
    const int n = 20000;
    int count[STORE_PARTS] = {0};
    const double shares[STORE_PARTS] = {0.7, 0.2, 0.1};
    struct store_header other = f->header;
    int moved = 0;
    other.split_seed++;
    for (int i = 0; i < n; i++) {
        const enum store_part p = store_part_of(&f->header, 11, (uint32_t)i);
        count[p]++;
        moved += store_part_of(&other, 11, (uint32_t)i) != p;
    }
    for (int p = 0; p < STORE_PARTS; p++) {
        assert_true(fabs(count[p] - shares[p] * n) < 4 * sqrt(shares[p] * (1 - shares[p]) * n));
    }
    assert_true(moved > n / 3); /* 1 - 0.49 - 0.04 - 0.01 = 0.46 expected */
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_what_goes_in_comes_out),
        TEST_(test_torn),
        TEST_(test_refusals),
        TEST_(test_bad_episodes),
        TEST_(test_mixed),
        TEST_(test_merge),
        TEST_(test_known_parts),
        TEST_(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
