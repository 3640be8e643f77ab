/* The store of transitions: what goes in comes out; torn, damaged, mixed and empty ones get a
 * sentence; merging and splitting. */
#include "core/base/file.h"
#include "core/twin/store.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { N = 2, S = 5, M = 2, EPISODES = 3, FILE_MAX = 1 << 20 };

static const char *const services[N] = {"web", "db"};
static const char *const columns[S] = {"web.cpu", "web.ram", "db.cpu", "db.ram", "entry_30s"};
static const char *const units[S] = {"mcpu", "MiB", "mcpu", "MiB", "1/s"};
static const char *const measures[M] = {"received", "answered"};
static const struct store_header header = {.plant = "cluster",
                                           .topology = "",
                                           .origin = "a test",
                                           .licence = "Apache-2.0",
                                           .services = services,
                                           .columns = columns,
                                           .units = units,
                                           .measures = measures,
                                           .n_services = N,
                                           .n_columns = S,
                                           .n_measures = M,
                                           .period_s = 15.0,
                                           .split_seed = 7,
                                           .validation = 0.2,
                                           .held_out = 0.1};

struct fixture {
    struct arena arena;
    struct buf bytes;
    struct heard log;
    char dir[64], path[96], other[96], merged[96];
};

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    arena_init(&f.arena);
    buf_init(&f.bytes);
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/karma_store_XXXXXX");
    if (mkdtemp(f.dir) == NULL) {
        return -1;
    }
    (void)snprintf(f.path, sizeof f.path, "%s/store", f.dir);
    (void)snprintf(f.other, sizeof f.other, "%s/other", f.dir);
    (void)snprintf(f.merged, sizeof f.merged, "%s/merged", f.dir);
    heard_begin(&f.log);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    heard_end();
    unlink(f->path);
    unlink(f->other);
    unlink(f->merged);
    buf_release(&f->bytes);
    arena_release(&f->arena);
    return rmdir(f->dir);
}

/* Arrays of episode i, of i + 1 decisions. */
struct made {
    struct store_episode e;
    float state[(EPISODES + 2) * S], load[EPISODES + 1];
    int32_t delta[(EPISODES + 1) * N], attack[(EPISODES + 1) * STORE_ATTACK];
    double measure[(EPISODES + 1) * M];
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
        m->measure[k] = 1.0 / (k + 3);
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
                                  .setting = 99,
                                  .episode = (uint32_t)i,
                                  .start_s = 0.25 * i,
                                  .n_steps = i + 1,
                                  .state = m->state,
                                  .delta = m->delta,
                                  .attack = i == 1 ? m->attack : NULL,
                                  .load = m->load,
                                  .measure = m->measure,
                                  .gaps = i == 2 ? m->gaps : NULL};
}

static void put(struct store_writer *w, int i)
{
    struct made m;
    struct buf b;
    make(&m, i);
    buf_init(&b);
    OK(codec_put_episode(&b, &m.e, &header));
    OK(store_put(w, b.data, b.len));
    buf_release(&b);
}

/* A store of episodes [first, last). */
static void write_store(const char *path, const struct store_header *h, int first, int last)
{
    struct store_writer w;
    OK(store_create(&w, path, h));
    for (int i = first; i < last; i++) {
        put(&w, i);
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
    assert_int_equal(got->setting, m.e.setting);
    assert_int_equal(got->episode, m.e.episode);
    assert_true(got->start_s == m.e.start_s);
    assert_int_equal(got->n_steps, i + 1);
    assert_memory_equal(got->state, m.state, sizeof(float) * (size_t)(i + 2) * S);
    assert_memory_equal(got->delta, m.delta, sizeof(int32_t) * (size_t)(i + 1) * N);
    assert_memory_equal(got->load, m.load, sizeof(float) * (size_t)(i + 1));
    assert_memory_equal(got->measure, m.measure, sizeof(double) * (size_t)(i + 1) * M);
    assert_int_equal(got->attack != NULL, i == 1);
    assert_int_equal(got->gaps != NULL, i == 2);
    assert_int_equal(store_known(got, S, 0, 1), i != 2);
    assert_int_equal(store_known(got, S, 1, 2), i != 2);
    assert_true(store_known(got, S, 0, 0) && store_known(got, S, 1, 1));
}

static void assert_store(struct fixture *f, const char *path, int n)
{
    struct store s;
    OK(store_open(&s, &f->arena, path));
    OK(store_same_header(&s.header, "a", &header, "b"));
    assert_int_equal(s.n_episodes, n);
    for (int i = n - 1; i >= 0; i--) { /* any order */
        struct store_episode e;
        OK(store_read(&e, &s, i, &f->arena));
        assert_episode(&e, i);
        assert_int_equal(s.entries[i].n_steps, i + 1);
    }
    store_close(&s);
}

static void test_what_goes_in_comes_out(void **state)
{
    struct fixture *f = *state;
    write_store(f->path, &header, 0, EPISODES);
    assert_store(f, f->path, EPISODES);
    assert_int_equal(f->log.n, 0);
    struct store_writer w;
    assert_int_equal(store_create(&w, f->path, &header), ERR_IO); /* never over another one */
}

/* Cut anywhere, it has the whole episodes before the cut, and appending gives the same bytes. */
static void test_torn(void **state)
{
    struct fixture *f = *state;
    struct buf again;
    buf_init(&again);
    write_store(f->path, &header, 0, EPISODES);
    OK(file_read(&f->bytes, f->path, FILE_MAX));
    struct store s;
    OK(store_open(&s, &f->arena, f->path));
    for (size_t cut = s.entries[0].offset; cut < f->bytes.len; cut++) {
        int n = 0, whole = 0;
        struct store_writer w;
        while (s.entries[whole].offset + s.entries[whole].bytes <= cut) {
            whole++;
        }
        const bool torn = cut != s.entries[whole].offset;
        OK(file_write(f->other, f->bytes.data, cut));
        heard_forget(&f->log);
        assert_store(f, f->other, whole);
        assert_int_equal(f->log.n, torn ? 1 : 0);
        OK(store_append(&w, &n, f->other, &header));
        assert_int_equal(n, whole);
        for (int i = whole; i < EPISODES; i++) {
            put(&w, i);
        }
        OK(store_finish(&w));
        OK(file_read(&again, f->other, FILE_MAX));
        assert_int_equal(again.len, f->bytes.len);
        assert_memory_equal(again.data, f->bytes.data, again.len);
    }
    assert_non_null(strstr(f->log.text, "ends inside an episode"));
    store_close(&s);
    buf_release(&again);
}

static void assert_refused(struct fixture *f, enum err e, const char *words)
{
    struct store s;
    heard_forget(&f->log);
    assert_int_equal(store_open(&s, &f->arena, f->path), e);
    assert_int_equal(f->log.n, 1);
    assert_non_null(strstr(f->log.last, f->path));
    assert_non_null(strstr(f->log.last, words));
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    OK(file_write(f->path, "", 0));
    assert_refused(f, ERR_FORMAT, "is empty");
    OK(file_write(f->path, "time,service\n1,web\n", 19));
    assert_refused(f, ERR_FORMAT, "");
    OK(frame_append(&f->bytes, FRAME_WEIGHTS, 1, "abc", 3));
    OK(file_write(f->path, f->bytes.data, f->bytes.len));
    assert_refused(f, ERR_FORMAT, "no trace store");
    OK(file_remove(f->path));
    write_store(f->path, &header, 0, EPISODES);
    OK(file_read(&f->bytes, f->path, FILE_MAX));
    f->bytes.data[f->bytes.len / 2] ^= 1;
    OK(file_write(f->path, f->bytes.data, f->bytes.len));
    assert_refused(f, ERR_FORMAT, "bytes before it are intact");
    f->bytes.data[f->bytes.len / 2] ^= 1;
    OK(file_write(f->path, f->bytes.data, 30)); /* not even the header */
    assert_refused(f, ERR_FORMAT, "");
    f->bytes.len = f->bytes.len > 0 ? f->bytes.len : 0;
    OK(frame_append(&f->bytes, FRAME_WEIGHTS, 1, "abc", 3));
    OK(file_write(f->path, f->bytes.data, f->bytes.len));
    assert_refused(f, ERR_FORMAT, "does not belong there");
}

/* Values that no plant has, and shapes of another store. */
static void test_bad_episodes(void **state)
{
    struct fixture *f = *state;
    struct made m;
    for (int what = 0; what < 6; what++) {
        struct store_header h = header;
        make(&m, 2);
        m.state[3] = what == 0 ? NAN : m.state[3];
        m.load[1] = what == 1 ? -1.0F : m.load[1];
        m.measure[2] = what == 2 ? INFINITY : m.measure[2];
        m.e.start_s = what == 3 ? NAN : m.e.start_s;
        m.e.n_steps = what == 4 ? 0 : m.e.n_steps;
        h.n_services = what == 5 ? 1 : h.n_services;
        unlink(f->path);
        struct store_writer w;
        OK(store_create(&w, f->path, &header));
        f->bytes.len = 0;
        OK(codec_put_episode(&f->bytes, &m.e, &h));
        OK(store_put(&w, f->bytes.data, f->bytes.len));
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
    write_store(f->path, &header, 0, 1);
    struct store_header h = header;
    h.columns = renamed;
    assert_int_equal(store_append(&w, &n, f->path, &h), ERR_MISMATCH);
    assert_non_null(strstr(f->log.last, "columns 'web.ram' and 'web.memory'"));
    h = header;
    h.period_s = 30.0;
    assert_int_equal(store_append(&w, &n, f->path, &h), ERR_MISMATCH);
    assert_non_null(strstr(f->log.last, "periods 15 and 30"));
    h = header;
    h.licence = "CC0";
    write_store(f->other, &h, 1, 2);
    const char *const files[] = {f->path, f->other};
    assert_int_equal(store_merge(f->merged, files, 2, &f->arena), ERR_MISMATCH);
    assert_non_null(strstr(f->log.last, "licences"));
    assert_false(file_exists(f->merged));
    assert_store(f, f->path, 1); /* as it was */
}

static void test_merge(void **state)
{
    struct fixture *f = *state;
    struct buf whole;
    buf_init(&whole);
    write_store(f->path, &header, 0, 2);
    write_store(f->other, &header, 1, EPISODES); /* episode 1 is in both */
    const char *const files[] = {f->path, f->other};
    OK(store_merge(f->merged, files, 2, &f->arena));
    assert_store(f, f->merged, EPISODES);
    OK(file_read(&f->bytes, f->merged, FILE_MAX));
    unlink(f->path);
    write_store(f->path, &header, 0, EPISODES);
    OK(file_read(&whole, f->path, FILE_MAX));
    assert_int_equal(whole.len, f->bytes.len);
    assert_memory_equal(whole.data, f->bytes.data, whole.len);
    buf_release(&whole);
    /* the same episode with other contents */
    struct made m;
    struct store_writer w;
    make(&m, 1);
    m.load[0] += 1.0F;
    unlink(f->other);
    OK(store_create(&w, f->other, &header));
    f->bytes.len = 0;
    OK(codec_put_episode(&f->bytes, &m.e, &header));
    OK(store_put(&w, f->bytes.data, f->bytes.len));
    OK(store_finish(&w));
    assert_int_equal(store_merge(f->merged, files, 2, &f->arena), ERR_MISMATCH);
    assert_non_null(strstr(f->log.last, "not the same contents"));
    assert_store(f, f->merged, EPISODES); /* as it was */
}

/* The first episodes' parts as another program drew them (Philox4x32-10 in Python). */
static void test_known_parts(void **state)
{
    (void)state;
    static const char expected[] = "TVVTTVTTHTTTTTTTTHVT";
    for (int i = 0; i < (int)sizeof expected - 1; i++) {
        assert_int_equal("TVH"[store_part_of(&header, 11, (uint32_t)i)], expected[i]);
    }
}

/* Shares are kept, within four standard deviations of n draws. */
static void test_parts(void **state)
{
    (void)state;
    const int n = 20000;
    int count[STORE_PARTS] = {0};
    const double shares[STORE_PARTS] = {0.7, 0.2, 0.1};
    struct store_header other = header;
    int moved = 0;
    other.split_seed++;
    for (int i = 0; i < n; i++) {
        const enum store_part p = store_part_of(&header, 11, (uint32_t)i);
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
