/* The load model against its moments, recordings against their splits, refusals of a plain file.
 * Statistical checks use fixed seeds, so they cannot fail by chance. */
#include "core/base/config.h"
#include "core/base/fmath.h"
#include "core/scenario/workload.h"
#include "tests/unit/heard.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY_S = 86400 };

struct root {
    struct workload_cfg workload;
};
static const struct cfg_field ROOT[] = {
    CFG_TABLE(struct root, workload, workload_fields, "load"),
    CFG_END,
};

struct fixture {
    struct arena arena;
    struct cfg places;
    struct root root;
    struct workload workload;
    char path[64]; /* of a recording, removed at the end */
    struct heard log;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    arena_init(&f.arena);
    cfg_init(&f.places, ROOT, sizeof(struct root), &f.arena);
    heard_begin(&f.log);
    (void)snprintf(f.path, sizeof f.path, "/tmp/karma_workload_XXXXXX");
    int fd = mkstemp(f.path);
    *state = &f;
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(0);
    heard_end();
    arena_release(&f->arena);
    return unlink(f->path);
}

static void load(struct fixture *f, const char *text)
{
    assert_int_equal(cfg_load_text(&f->places, "w.yaml", text, NULL, 0, &f->root), ERR_OK);
    assert_int_equal(workload_init(&f->workload, &f->arena, &f->root.workload), ERR_OK);
}

static struct episode_id train(uint32_t episode)
{
    return (struct episode_id){7, RNG_TRAIN, 3, episode};
}

/* ---- the model ---- */

/* Checks the mean over episodes of (time mean / mean_rps): 1 within four standard errors, which may
 * not exceed `se_max`. */
static void assert_mean(struct fixture *f, const char *text, int n_episodes, double se_max)
{
    enum { SECONDS = 600 };
    float rps[SECONDS];
    load(f, text);
    double sum = 0;
    double sum2 = 0;
    for (int e = 0; e < n_episodes; e++) {
        struct episode_id id = train((uint32_t)e);
        workload_draw(rps, &f->workload, &id, SECONDS);
        double mean = 0;
        for (int t = 0; t < SECONDS; t++) {
            mean += (double)rps[t];
        }
        mean /= SECONDS * f->root.workload.mean_rps;
        sum += mean;
        sum2 += mean * mean;
    }
    double mean = sum / n_episodes;
    double se = sqrt((sum2 / n_episodes - mean * mean) / n_episodes);
    print_message("%s: mean %.5f, standard error %.5f\n", text, mean, se);
    assert_true(fabs(mean - 1) < 4 * se);
    assert_true(se < se_max);
}

static void test_time_mean_is_the_configured_one(void **state)
{
    struct fixture *f = *state;
    assert_mean(f, "workload: {mean_rps: 50}", 20000, 0.0012);
    assert_mean(f, "workload: {daily: 0, noise: 0.3, noise_s: 20, burst_per_h: 0}", 5000, 0.002);
    assert_mean(f, "workload: {daily: 0, noise: 0, burst_per_h: 30, burst_factor: 3, burst_s: 20}",
                5000, 0.002);
    assert_mean(f, "workload: {daily: 0.4, weekly: 0.4, noise: 0, burst_per_h: 0}", 5000, 0.006);
}

static void test_nothing_on_is_constant(void **state)
{
    struct fixture *f = *state;
    float rps[100];
    struct episode_id id = train(0);
    load(f, "workload: {mean_rps: 123, daily: 0, noise: 0, burst_per_h: 0}");
    workload_draw(rps, &f->workload, &id, 100);
    for (int t = 0; t < 100; t++) {
        assert_true(rps[t] == 123.0f);
    }
}

static void test_daily_sine(void **state)
{
    struct fixture *f = *state;
    load(f, "workload: {mean_rps: 100, daily: 0.2, noise: 0, burst_per_h: 0}");
    float *rps = ARENA_NEW(&f->arena, DAY_S, float);
    double first[2];
    for (uint32_t e = 0; e < 2; e++) {
        struct episode_id id = train(e);
        workload_draw(rps, &f->workload, &id, DAY_S);
        double least = HUGE_VAL;
        double most = 0;
        double sum = 0;
        for (int t = 0; t < DAY_S; t++) {
            least = fmin(least, (double)rps[t]);
            most = fmax(most, (double)rps[t]);
            sum += (double)rps[t];
        }
        assert_true(fabs(least - 80) < 1e-3 && fabs(most - 120) < 1e-3);
        assert_true(fabs(sum / DAY_S - 100) < 1e-4);
        /* half a day later the sine is upside down */
        assert_true(fabs((double)rps[DAY_S / 2] + (double)rps[0] - 200) < 1e-3);
        first[e] = (double)rps[0];
    }
    assert_true(fabs(first[0] - first[1]) > 0.01); /* phases differ */
}

/* log(rate / mean) is Gaussian with standard deviation s = sqrt(log(1 + noise^2)), mean -s^2 / 2
 * and correlation exp(-lag / noise_s); 2000 episodes give these within 5 %. */
/* The day drawn and the time of the day that the daily sine begins at make one time of the week: a
 * week holds one period, its mean is 1, its days go on from midnight to midnight, and all seven
 * days are drawn. */
static void test_weekly_sine(void **state)
{
    struct fixture *f = *state;
    enum { WEEK_S = 7 * DAY_S };
    float *rps = ARENA_NEW(&f->arena, WEEK_S, float);
    bool began[7] = {0};
    load(f, "workload: {mean_rps: 1000, daily: 0, weekly: 0.5, noise: 0, burst_per_h: 0}");
    for (uint32_t e = 0; e < 40; e++) {
        struct episode_id id = train(e);
        workload_draw(rps, &f->workload, &id, WEEK_S);
        double sum = 0;
        double sum_cos = 0;
        double sum_sin = 0;
        for (int t = 0; t < WEEK_S; t++) {
            sum += (double)rps[t];
            sum_cos += (double)rps[t] * fm_cos(2 * M_PI * t / WEEK_S);
            sum_sin += (double)rps[t] * fm_sin(2 * M_PI * t / WEEK_S);
        }
        assert_true(fabs(sum / WEEK_S - 1000) < 0.01);
        double amplitude = 2 * sqrt(sum_cos * sum_cos + sum_sin * sum_sin) / WEEK_S;
        assert_true(fabs(amplitude - 500) < 0.01);
        int peak = 0;
        for (int t = 0; t < WEEK_S; t++) {
            peak = rps[t] > rps[peak] ? t : peak;
        }
        began[(WEEK_S - 1 - peak) / DAY_S] = true; /* the week's turn 0 is its peak */
    }
    for (int day = 0; day < 7; day++) {
        assert_true(began[day]);
    }
}

/* From 1 - 0.6/2 to 1 + 0.6/2 of the mean, which the episode keeps. */
static void test_trend(void **state)
{
    struct fixture *f = *state;
    float rps[600];
    struct episode_id id = train(0);
    load(f, "workload: {mean_rps: 100, daily: 0, trend: 0.6, noise: 0, burst_per_h: 0}");
    workload_draw(rps, &f->workload, &id, 600);
    double sum = 0;
    for (int t = 0; t < 600; t++) {
        assert_true(fabs((double)rps[t] - (70 + 60 * (t + 0.5) / 600)) < 1e-4);
        sum += (double)rps[t];
    }
    assert_true(fabs(sum / 600 - 100) < 1e-4);
}

static void test_slow_noise(void **state)
{
    struct fixture *f = *state;
    enum { N = 2000, LAG_S = 60 };
    float rps[LAG_S + 1];
    load(f, "workload: {mean_rps: 100, daily: 0, noise: 0.3, noise_s: 60, burst_per_h: 0}");
    double sum = 0;
    double sum2 = 0;
    double product = 0;
    for (uint32_t e = 0; e < N; e++) {
        struct episode_id id = train(e);
        workload_draw(rps, &f->workload, &id, LAG_S + 1);
        double x = fm_log((double)rps[0] / 100);
        double y = fm_log((double)rps[LAG_S] / 100);
        sum += x;
        sum2 += x * x;
        product += x * y;
    }
    double s2 = fm_log(1 + 0.3 * 0.3);
    double mean = sum / N;
    double variance = sum2 / N - mean * mean;
    assert_true(fabs(mean + 0.5 * s2) < 4 * sqrt(s2 / N));
    assert_true(fabs(variance / s2 - 1) < 0.1); /* standard error 3 % */
    double correlation = (product / N - mean * mean) / variance;
    assert_true(fabs(correlation - fm_exp(-1)) < 0.08); /* standard error 2 % */
}

/* Between bursts the load is the base; edges take a quarter of a burst of 30 to 90 s, so the load
 * moves by at most 0.5 / 7.5 of the base in a second. */
static void test_bursts_have_linear_edges(void **state)
{
    struct fixture *f = *state;
    enum { SECONDS = 36000 };
    load(f, "workload: {mean_rps: 100, daily: 0, noise: 0, burst_per_h: 1}");
    float *rps = ARENA_NEW(&f->arena, SECONDS, float);
    double base = 100 / (1 + 1.0 / 3600 * 0.25 * 60);
    int n_base = 0;
    int n_bursts = 0;
    for (uint32_t e = 0; e < 10; e++) {
        struct episode_id id = train(e);
        workload_draw(rps, &f->workload, &id, SECONDS);
        for (int t = 1; t < SECONDS; t++) {
            double share = (double)rps[t] / base - 1;
            double before = (double)rps[t - 1] / base - 1;
            bool is_base = share < 1e-6;
            n_base += is_base ? 1 : 0;
            n_bursts += !is_base && before < 1e-6 ? 1 : 0;
            assert_true(share > -1e-6 && share < 2 * 0.5);
            assert_true(fabs(share - before) < 2 * 0.5 / 7.5);
        }
    }
    assert_true(n_bursts > 70 && n_bursts < 130); /* Poisson with mean 100 */
    assert_true(n_base > 340000);                 /* of 360000 less 100 x 75 s */
}

static void test_never_below_the_floor(void **state)
{
    struct fixture *f = *state;
    enum { SECONDS = 3000 };
    float rps[SECONDS];
    bool reached = false;
    load(f, "workload: {mean_rps: 100, daily: 0.8, noise: 0.5, noise_s: 30, burst_factor: 50}");
    for (uint32_t e = 0; e < 20; e++) {
        struct episode_id id = train(e);
        workload_draw(rps, &f->workload, &id, SECONDS);
        for (int t = 0; t < SECONDS; t++) {
            assert_true(rps[t] >= 5.0f);
            reached = reached || rps[t] == 5.0f;
        }
    }
    assert_true(reached);
}

static void test_pure_function_of_the_identity(void **state)
{
    struct fixture *f = *state;
    enum { SECONDS = 400 };
    float rps[SECONDS];
    float again[SECONDS];
    const struct episode_id id = {7, RNG_TRAIN, 3, 11};
    const struct episode_id others[] = {
        {8, RNG_TRAIN, 3, 11}, {7, RNG_DEV, 3, 11}, {7, RNG_TRAIN, 4, 11}, {7, RNG_TRAIN, 3, 12}};
    load(f, "workload: {burst_per_h: 60}");
    workload_draw(rps, &f->workload, &id, SECONDS);
    for (int i = 0; i < 4; i++) {
        workload_draw(again, &f->workload, &others[i], SECONDS);
        assert_memory_not_equal(rps, again, sizeof rps);
    }
    workload_draw(again, &f->workload, &id, SECONDS / 2); /* a shorter episode is a beginning */
    assert_memory_equal(rps, again, sizeof rps / 2);
    workload_draw(again, &f->workload, &id, SECONDS);
    assert_memory_equal(rps, again, sizeof rps);
}

/* From an independent transcription of the header's formulas into Python (its math module, rounded
 * to float): compilers, flags and machines may not change a bit. */
static void test_known_bits(void **state)
{
    struct fixture *f = *state;
    enum { SECONDS = 3000 };
    float rps[SECONDS];
    const struct episode_id id = {2025, RNG_TEST_SPLIT, 1, 2};
    load(f, "");
    workload_draw(rps, &f->workload, &id, SECONDS);
    /* the rise, top and fall of a burst among them */
    const int seconds[] = {0, 1, 1000, 2223, 2246, 2287, 2999};
    const float known[] = {0x1.3a0bd2p+7f, 0x1.4340c6p+7f, 0x1.84a586p+7f, 0x1.6236b4p+7f,
                           0x1.a3b9d6p+7f, 0x1.4e0a04p+7f, 0x1.3f5facp+7f};
    for (int i = 0; i < 7; i++) {
        assert_true(rps[seconds[i]] == known[i]);
    }
}

/* ---- recordings ---- */

static void write_file(struct fixture *f, const char *bytes, size_t n)
{
    int fd = open(f->path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_true(write(fd, bytes, n) == (ssize_t)n);
    assert_int_equal(close(fd), 0);
}

static enum err init_from(struct fixture *f, const char *bytes, size_t n)
{
    write_file(f, bytes, n);
    f->root.workload = (struct workload_cfg){.mean_rps = 50.5, .file = f->path};
    return workload_init(&f->workload, &f->arena, &f->root.workload);
}

/* Second i of the recording has rate i + 1, i < 100; their mean, 50.5, is asked for. */
static void record_numbers(struct fixture *f)
{
    char text[1024] = "";
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%d\n", i + 1);
    }
    assert_int_equal(init_from(f, text, len), ERR_OK);
    assert_int_equal(f->workload.recording.n_seconds, 100);
}

/* Plays `n_seconds` of 300 episodes and checks that they stay inside [first, last], go on second by
 * second, start again at `first` after `last`, and that both ends are played. */
static void check_split(struct fixture *f, enum rng_split split, int n_seconds, int first, int last)
{
    float rps[64];
    bool played_first = false;
    bool played_last = false;
    for (uint32_t e = 0; e < 300; e++) {
        struct episode_id id = {1, split, 0, e};
        workload_draw(rps, &f->workload, &id, n_seconds);
        for (int t = 0; t < n_seconds; t++) {
            int rate = (int)lrintf(rps[t]);
            assert_true(rate >= first && rate <= last);
            if (t > 0) {
                int before = (int)lrintf(rps[t - 1]);
                assert_int_equal(rate, before < last ? before + 1 : first);
            }
            played_first = played_first || rate == first;
            played_last = played_last || rate == last;
        }
        bool fits = n_seconds <= last - first + 1;
        assert_true(!fits || rps[n_seconds - 1] > rps[0] || n_seconds == 1); /* no wrap */
    }
    assert_true(played_first && played_last);
}

static void test_splits_share_no_second(void **state)
{
    struct fixture *f = *state;
    record_numbers(f);
    check_split(f, RNG_TRAIN, 50, 1, 60);
    check_split(f, RNG_TRAIN, 60, 1, 60);
    check_split(f, RNG_DEV, 10, 61, 80);
    check_split(f, RNG_TEST_SPLIT, 20, 81, 100);
    check_split(f, RNG_TEST_SPLIT, 1, 81, 100);
}

static void test_short_splits_repeat(void **state)
{
    struct fixture *f = *state;
    record_numbers(f);
    check_split(f, RNG_DEV, 21, 61, 80);
    check_split(f, RNG_TEST_SPLIT, 64, 81, 100);
}

static void test_short_splits_are_told(void **state)
{
    struct fixture *f = *state;
    record_numbers(f); /* 100 s: 60, 20 and 20 */
    heard_forget(&f->log);
    workload_warn_short(&f->workload, 20);
    assert_string_equal(f->log.last, "");
    workload_warn_short(&f->workload, 21);
    assert_non_null(strstr(f->log.last, "100 samples over 100 s; an episode lasts 21 s"));
    assert_non_null(
        strstr(f->log.last, "is 20 s for DEV, 20 s for TEST: episodes there repeat it"));
    workload_warn_short(&f->workload, 61);
    assert_non_null(strstr(f->log.last, "60 s for TRAIN, 20 s for DEV"));
}

static void test_scaled_to_the_mean(void **state)
{
    struct fixture *f = *state;
    const char text[] = "# a comment\n1\r\n  2.5\t\n\n-0\n3e0\n   # another\n+8.5";
    assert_int_equal(init_from(f, text, strlen(text)), ERR_OK);
    const float want[] = {1 / 3.0f * 50.5f, 2.5f / 3 * 50.5f, 0, 50.5f, 8.5f / 3 * 50.5f};
    assert_int_equal(f->workload.recording.n_seconds, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(fabsf(f->workload.recording.samples[i].rps - want[i]) < 1e-4f);
    }
}

struct refusal {
    const char *text, *says;
    enum err e;
};

static const struct refusal REFUSALS[] = {
    {"1\n2\nfast\n4\n5\n", ":3: 'fast' is not a number", ERR_FORMAT},
    {"1 2\n", ":1: '1 2' is not a number", ERR_FORMAT},
    {"1\n0x10\n", ":2: '0x10' is not a number", ERR_FORMAT},
    {"nan\n", ":1: 'nan' is not a number", ERR_FORMAT},
    {"1\n\n1,5\n", ":3: '1,5' is not a number", ERR_FORMAT},
    {"1\n-2\n", ":2: the rate -2 is not from 0", ERR_FORMAT},
    {"1\n2\n1e999\n", ":3: the rate 1e999 is not from 0", ERR_FORMAT},
    {"e\n", ":1: 'e' is not a number", ERR_FORMAT},
    {"", "is empty", ERR_FORMAT},
    {"# nothing\n\n1\n2\n3\n4\n", "4 rates; a recording needs at least 5", ERR_FORMAT},
    {"0\n0\n0\n0\n0\n", "every rate is 0", ERR_FORMAT},
};

static void test_bad_files(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(REFUSALS) / sizeof(REFUSALS[0]); i++) {
        const struct refusal *r = &REFUSALS[i];
        heard_forget(&f->log);
        f->workload.recording.n_seconds = -7;
        assert_int_equal(init_from(f, r->text, strlen(r->text)), r->e);
        assert_int_equal(f->workload.recording.n_seconds, -7);
        if (strstr(f->log.last, r->says) == NULL || strstr(f->log.last, f->path) == NULL) {
            fail_msg("'%s' is missing in: %s", r->says, f->log.last);
        }
    }
    assert_int_equal(init_from(f, "1\n2\0\n3\n4\n5\n", 11), ERR_FORMAT);
    assert_non_null(strstr(f->log.last, ":2: not a text file"));
}

static void test_missing_file(void **state)
{
    struct fixture *f = *state;
    f->root.workload = (struct workload_cfg){.mean_rps = 1, .file = "/nowhere/load.txt"};
    assert_int_equal(workload_init(&f->workload, &f->arena, &f->root.workload), ERR_IO);
    assert_non_null(strstr(f->log.last, "/nowhere/load.txt"));
    f->root.workload.file = "/tmp"; /* a directory */
    assert_int_equal(workload_init(&f->workload, &f->arena, &f->root.workload), ERR_IO);
    assert_non_null(strstr(f->log.last, "/tmp"));
}

/* Every allocation on the way fails once. */
static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    const char text[] = "1\n2\n3\n4\n5\n";
    int n_failures = 0;
    enum err e = ERR_MEMORY;
    for (uint64_t n = 1; e != ERR_OK && n < 20; n++) {
        arena_release(&f->arena);
        mem_fail_after(n);
        e = init_from(f, text, strlen(text));
        assert_true(e == ERR_OK || e == ERR_MEMORY);
        n_failures += e == ERR_MEMORY ? 1 : 0;
    }
    mem_fail_after(0);
    assert_int_equal(e, ERR_OK);
    assert_true(n_failures >= 3); /* text, rates, recording */
}

static void test_shipped_files(void **state)
{
    struct fixture *f = *state;
    const char *const model = "configs/workloads/model.yaml";
    assert_int_equal(cfg_load(&f->places, model, NULL, 0, &f->root), ERR_OK);
    struct root defaults;
    assert_int_equal(cfg_load(&f->places, NULL, NULL, 0, &defaults), ERR_OK);
    struct buf difference;
    int n_differ = -1;
    buf_init(&difference);
    assert_int_equal(cfg_diff(&difference, &n_differ, ROOT, &f->root, &defaults), ERR_OK);
    assert_int_equal(n_differ, 0);
    buf_release(&difference);
    const char *const recorded = "configs/workloads/recorded.yaml";
    assert_int_equal(cfg_load(&f->places, recorded, NULL, 0, &f->root), ERR_OK);
    assert_int_equal(workload_init(&f->workload, &f->arena, &f->root.workload), ERR_OK);
    assert_int_equal(f->workload.recording.n_seconds, 15000);
    double sum = 0;
    for (int t = 0; t < 15000; t++) {
        sum += (double)f->workload.recording.samples[t].rps;
    }
    assert_true(fabs(sum / 15000 - 200) < 1e-4);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_time_mean_is_the_configured_one),
        TEST_(test_nothing_on_is_constant),
        TEST_(test_daily_sine),
        TEST_(test_weekly_sine),
        TEST_(test_trend),
        TEST_(test_slow_noise),
        TEST_(test_bursts_have_linear_edges),
        TEST_(test_never_below_the_floor),
        TEST_(test_pure_function_of_the_identity),
        TEST_(test_known_bits),
        TEST_(test_splits_share_no_second),
        TEST_(test_short_splits_repeat),
        TEST_(test_short_splits_are_told),
        TEST_(test_scaled_to_the_mean),
        TEST_(test_bad_files),
        TEST_(test_missing_file),
        TEST_(test_out_of_memory),
        TEST_(test_shipped_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
