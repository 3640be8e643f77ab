/* Recordings: times, columns, resampling, gaps, packed files, every refusal; and, where the
 * environment variable KARMA_DATA names a directory of real recordings, those. */
#include "core/base/gzip.h"
#include "core/base/timestamp.h"
#include "core/scenario/workload.h"
#include "tests/unit/heard.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct workload_cfg cfg;
    struct workload workload;
    char path[64];
    struct heard log;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.cfg = {.time_unit_s = 1, .time_column = "", .rate_column = ""}};
    arena_init(&f.arena);
    heard_begin(&f.log);
    (void)snprintf(f.path, sizeof f.path, "/tmp/karma_recording_XXXXXX");
    int fd = mkstemp(f.path);
    *state = &f;
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    heard_end();
    arena_release(&f->arena);
    return unlink(f->path);
}

static enum err read_file_(struct fixture *f, const char *path, double mean_rps)
{
    f->cfg.file = path;
    f->cfg.mean_rps = mean_rps;
    return workload_init(&f->workload, &f->arena, &f->cfg);
}

static enum err read_bytes(struct fixture *f, const void *bytes, size_t n, double mean_rps)
{
    int fd = open(f->path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    assert_int_equal(close(fd), 0);
    return read_file_(f, f->path, mean_rps);
}

static enum err read_text(struct fixture *f, const char *text, double mean_rps)
{
    return read_bytes(f, text, strlen(text), mean_rps);
}

/* The whole recording, second by second. */
static void assert_seconds(struct fixture *f, const float *want, int n)
{
    const struct recording *r = &f->workload.recording;
    float got[64];
    assert_int_equal(r->n_seconds, n);
    recording_play(got, r, 0, 0, n, n);
    for (int t = 0; t < n; t++) {
        if (fabsf(got[t] - want[t]) > 1e-4f) {
            fail_msg("second %d: %g instead of %g", t, (double)got[t], (double)want[t]);
        }
    }
}

/* ---- times ---- */

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double want;
    } good[] = {
        {"1970-01-01", 0},
        {"1970-01-02T00:00", 86400},
        {"2000-03-01 00:00:00", 951868800},
        {"2014-04-10 00:04:00", 1397088240},
        {"2024-02-29T23:59:59.25Z", 1709251199.25},
        {"2024-02-29T23:59:59+02:00", 1709243999},
        {"2024-02-29T23:59:59-0530", 1709270999},
        {"1969-12-31 23:59:50", -10},
        {"12.5", 25}, /* numbers count units of 2 s here */
        {"-3e1", -60},
    };
    static const char *const bad[] = {"",
                                      "now",
                                      "2023-02-29",
                                      "2024-13-01",
                                      "2024-1-01",
                                      "2024-01-32",
                                      "2024-01-01 24:00",
                                      "nan",
                                      "2024-01-01x",
                                      "0x10",
                                      "2024-01-01 10",
                                      "1e999",
                                      "2024-01-01 10:00:00.",
                                      "2024-01-01 10:00+15:00"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double got = NAN;
        assert_true(timestamp_parse(&got, good[i].text, 2));
        assert_true(got == good[i].want);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double got = 7;
        if (timestamp_parse(&got, bad[i], 1) || got != 7) {
            fail_msg("'%s' was taken for a time", bad[i]);
        }
    }
}

/* ---- resampling ---- */

/* Held rates 1, 1, 1, 4, 2, 2, 6 have mean 17/7; asked for is that mean, so they stay. The sample
 * at 3.2 is overtaken by the one at 4 before a second begins: seconds hold what was known at their
 * start. */
static void test_held_at_1_hz(void **state)
{
    struct fixture *f = *state;
    const float want[] = {1, 1, 1, 4, 2, 2, 6};
    assert_int_equal(read_text(f, "t_s,rps\n10,1\n12.5,4\n13.2,9\n14,2\n16,6\n", 17.0 / 7), ERR_OK);
    assert_seconds(f, want, 7);
    assert_int_equal(f->workload.recording.n_pieces, 1);
    assert_int_equal(read_text(f, "t_s,rps\n10,1\n12.5,4\n13.2,9\n14,2\n16,6\n", 34.0 / 7), ERR_OK);
    const float twice[] = {2, 2, 2, 8, 4, 4, 12};
    assert_seconds(f, twice, 7);
}

/* Columns are found by name, whatever separates them, quoted or not, whatever stands around. */
static void test_columns(void **state)
{
    struct fixture *f = *state;
    static const char *const same[] = {
        "Time,Rate\n0,1\n2,3\n4,2\n",
        "# made by hand\n\nrate;host;time\r\n1;x;0\r\n3;x;2\r\n2;x;4",
        "\"timestamp\",\"value\"\n\"2024-01-01 00:00:00\",\"1\"\n"
        "2024-01-01T00:00:02,3\n2024-01-01T00:00:04Z,2\n",
        "\xef\xbb\xbf"
        "a, \"b \"\"quoted\"\", with comma\" ,date ,rps\n,x,1970-01-01,1\n"
        ",x,1970-01-01 00:00:02,3\n,x,1970-01-01 00:00:04,2\n",
        "time\tother\trate\n0\t\t1\n1\t\tNaN\n2\t\t3\n3\t\t\n4\t\t2\n", /* samples are missing */
    };
    const float want[] = {1, 1, 3, 3, 2};
    f->cfg.gap_s = 10;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (read_text(f, same[i], 2) != ERR_OK) {
            fail_msg("%s: %s", same[i], f->log.last);
        }
        assert_seconds(f, want, 5);
    }
    f->cfg.time_column = "#1";
    f->cfg.rate_column = "load";
    f->cfg.time_unit_s = 2;
    assert_int_equal(read_text(f, ",time,load\n0,x,1\n1,x,3\n2,x,2\n", 2), ERR_OK);
    assert_seconds(f, want, 5);
}

/* ---- gaps ---- */

/* Spacings 2, 2, 9, 2, 2: the median is 2, so 9 > 6 is a gap. Its first row holds for one second,
 * as the last one does: seconds 1 1 2 2 3 | 4 4 5 5 6. */
static void test_gap_is_cut_out(void **state)
{
    struct fixture *f = *state;
    const char *const text = "t,rate\n0,1\n2,2\n4,3\n13,4\n15,5\n17,6\n";
    const float want[] = {1, 1, 2, 2, 3, 4, 4, 5, 5, 6};
    assert_int_equal(read_text(f, text, 3.3), ERR_OK);
    assert_seconds(f, want, 10);
    assert_int_equal(f->workload.recording.n_pieces, 2);
    assert_int_equal(f->workload.recording.pieces[1], 5);
    assert_int_equal(f->workload.recording.pieces[2], 10);
    f->cfg.gap_s = 9; /* not longer than 9 s: held */
    const float held[] = {1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 6};
    assert_int_equal(read_text(f, text, 57.0 / 18), ERR_OK);
    assert_seconds(f, held, 18);
}

/* 1 Hz, second i has rate i + 1, with gaps behind seconds 19, 49 and 79 of 100. */
static void read_with_gaps(struct fixture *f)
{
    char text[2048] = "time,rate\n";
    size_t len = strlen(text);
    for (int i = 0; i < 100; i++) {
        int missed = i < 20 ? 0 : i < 50 ? 1000 : i < 80 ? 3000 : 3100;
        len += (size_t)snprintf(text + len, sizeof text - len, "%d,%d\n", i + missed, i + 1);
    }
    assert_int_equal(read_text(f, text, 50.5), ERR_OK);
    assert_int_equal(f->workload.recording.n_seconds, 100);
}

/* Episodes of n seconds of a split: all within one of the pieces given by their last seconds, each
 * second one later than the one before, every possible start reached. */
static void check_pieces(struct fixture *f, enum rng_split split, int n, const int *first,
                         const int *last, int n_pieces)
{
    float rps[64];
    bool started[101] = {0};
    for (uint32_t e = 0; e < 2000; e++) {
        struct episode_id id = {1, split, 0, e};
        workload_draw(rps, &f->workload, &id, n);
        int from = (int)lrintf(rps[0]), in = -1;
        for (int i = 0; i < n_pieces; i++) {
            in = from >= first[i] && from + n - 1 <= last[i] ? i : in;
        }
        assert_true(in >= 0);
        started[from] = true;
        for (int t = 1; t < n; t++) {
            assert_int_equal(lrintf(rps[t]), from + t);
        }
    }
    for (int i = 0; i < n_pieces; i++) {
        for (int s = first[i]; s + n - 1 <= last[i]; s++) {
            assert_true(started[s]);
        }
    }
}

static void test_episodes_cross_no_gap(void **state)
{
    struct fixture *f = *state;
    read_with_gaps(f);
    const int first[] = {1, 21, 51}, last[] = {20, 50, 60};
    check_pieces(f, RNG_TRAIN, 10, first, last, 3);
    check_pieces(f, RNG_TRAIN, 11, first, last, 2);
    check_pieces(f, RNG_TRAIN, 30, &first[1], &last[1], 1);
    const int dev_first[] = {61}, dev_last[] = {80};
    check_pieces(f, RNG_DEV, 5, dev_first, dev_last, 1);
    float rps[64]; /* longer than any piece: round and round in the longest */
    for (uint32_t e = 0; e < 100; e++) {
        struct episode_id id = {1, RNG_TRAIN, 0, e};
        workload_draw(rps, &f->workload, &id, 64);
        for (int t = 0; t < 64; t++) {
            int rate = (int)lrintf(rps[t]), before = t > 0 ? (int)lrintf(rps[t - 1]) : 0;
            assert_true(rate >= 21 && rate <= 50);
            assert_true(t == 0 || rate == (before < 50 ? before + 1 : 21));
        }
    }
}

/* ---- packed files ---- */

static size_t pack(unsigned char *out, size_t room, const char *text)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    unsigned char in[4096];
    z.avail_in = (unsigned)strlen(text);
    memcpy(in, text, z.avail_in);
    z.next_in = in;
    z.next_out = out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return n;
}

static void test_packed(void **state)
{
    struct fixture *f = *state;
    unsigned char bytes[512];
    const float want[] = {1, 2, 3, 4, 5, 6};
    size_t n = pack(bytes, sizeof bytes, "1\n2\n3\n");
    n += pack(bytes + n, sizeof bytes - n, "4\n5\n6\n"); /* two members */
    assert_int_equal(read_bytes(f, bytes, n, 3.5), ERR_OK);
    assert_seconds(f, want, 6);
    for (size_t cut = 2; cut < n; cut++) { /* torn anywhere but between the members */
        enum err e = read_bytes(f, bytes, cut, 3.5);
        assert_true(e == ERR_FORMAT);
    }
    assert_int_equal(read_bytes(f, bytes, n - 1, 3.5), ERR_FORMAT);
    assert_non_null(strstr(f->log.last, "end in the middle"));
    bytes[n - 6] ^= 0x40; /* of the checksum */
    assert_int_equal(read_bytes(f, bytes, n, 3.5), ERR_FORMAT);
    assert_non_null(strstr(f->log.last, f->path));
}

/* A small file that unpacks to more than is allowed. */
static void test_bomb(void **state)
{
    struct fixture *f = *state;
    char text[4000];
    unsigned char bytes[512];
    struct buf out;
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    size_t n = pack(bytes, sizeof bytes, text);
    assert_int_equal(read_bytes(f, bytes, n, 1), ERR_FORMAT); /* one long number, out of range */
    buf_init(&out);
    assert_int_equal(gzip_read(&out, f->path, 3998), ERR_FORMAT);
    assert_non_null(strstr(f->log.last, "more than 3998 bytes"));
    assert_int_equal(out.len, 0);
    assert_int_equal(gzip_read(&out, f->path, 3999), ERR_OK);
    assert_int_equal(out.len, 3999);
    assert_int_equal(out.data[3999], 0);
    buf_release(&out);
    for (uint64_t i = 1; i < 5; i++) {
        mem_fail_after(i);
        enum err e = gzip_read(&out, f->path, 3999);
        mem_fail_after(0);
        assert_true(e == ERR_MEMORY || (e == ERR_OK && i > 3));
        buf_release(&out);
    }
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"time,rate\n0,1\n2,x\n", ":3: 'x' is not a number"},
        {"time,rate\n0,1\n2,-1\n", ":3: the rate -1 is not from 0"},
        {"time,rate\n0,1\nlater,2\n", ":3: 'later' is no time"},
        {"time,rate\n0,1\n0,2\n", ":3: '0' is not after the time of the row before"},
        {"time,rate\n5,1\n\n# x\n4,2\n", ":5: '4' is not after"},
        {"time,rate\n0,1\n1\n", ":3: the row has 1 cells, the header in line 1 has 2"},
        {"time,rate\n0,1\n1,\"2\n", ":3: a quote is never closed"},
        {"when,rate,x\n0,1,2\n", ":1: no column for the time; columns found: 'when', 'rate', 'x'"},
        {"time,a,b\n0,1,2\n", "no column for the rate; columns found: 'time', 'a', 'b'; expected"},
        {"time,a,b\n0,1,2\n", "workload.rate_column"},
        {"time,rate,Rate\n0,1,2\n",
         ":1: columns 2 and 3 are both called 'rate'; remove one, or read the first of them with "
         "--set 'workload.rate_column=#2'"},
        {"0,10\n60,20\n", ":1: this line holds numbers, '0', '10', where a header"},
        {"time,rate,TIME\n0,1,2\n", ":1: columns 1 and 3 are both called 'time'"},
        {"time,rate\n", "0 rates; a recording needs at least 5"},
        {"time,rate\n0,1\n2,1\n", "3 rates; a recording needs"},
        {"time,rate\n0,0\n9,0\n", "every rate is 0"},
        {"time,rate\n0,1e-320\n9,1e-320\n", "every rate is 0 or as good as that"},
        {"rate\n1\n", ":1: 'rate' is not a number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->workload.recording.n_seconds = -7;
        assert_int_equal(read_text(f, bad[i].text, 1), ERR_FORMAT);
        assert_int_equal(f->workload.recording.n_seconds, -7);
        if (strstr(f->log.last, bad[i].says) == NULL || strstr(f->log.last, f->path) == NULL) {
            fail_msg("'%s' is missing in: %s", bad[i].says, f->log.last);
        }
    }
    f->cfg.gap_s = 1;
    assert_int_equal(read_text(f, "time,rate\n0,1\n9,1\n20,3\n", 1), ERR_FORMAT);
    assert_non_null(strstr(f->log.last, "nothing but gaps"));
    f->cfg.rate_column = "rte";
    assert_int_equal(read_text(f, "time,rate\n0,1\n9,1\n", 1), ERR_FORMAT);
    assert_non_null(
        strstr(f->log.last, "no column 'rte' for the rate; columns found: 'time', 'rate'"));
    f->cfg.rate_column = "#3";
    assert_int_equal(read_text(f, "time,rate,rate\n0,1,2\n1,1,2\n2,1,2\n3,1,2\n4,1,2\n", 2),
                     ERR_OK);
    f->cfg.rate_column = "#1";
    assert_int_equal(read_text(f, "time,rate\n0,1\n9,1\n", 1), ERR_FORMAT);
    assert_non_null(strstr(f->log.last, "is the column of the time and of the rate"));
}

/* Finite as they stand, infinite in seconds: their differences are not defined. */
static void test_times_too_large(void **state)
{
    struct fixture *f = *state;
    f->cfg.time_unit_s = 1e6;
    assert_int_equal(
        read_text(f, "time,rate\n1e305,1\n2e305,1\n3e305,1\n4e305,1\n5e305,1\n6e305,1\n", 1),
        ERR_FORMAT);
    assert_non_null(strstr(f->log.last, "the time 1e+305, in units of 1e+06 s"));
    assert_non_null(strstr(f->log.last, "correct workload.time_unit_s"));
}

/* ---- real recordings ---- */

struct real {
    const char *name;
    double unit_s, rows, span_s; /* rows: lines of data; span_s: seconds of first to last row */
};

static void check_real(struct fixture *f, const char *dir, const struct real *real)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", dir, real->name);
    f->cfg.time_unit_s = real->unit_s;
    f->cfg.time_column = real->unit_s == 3600 ? "#1" : "";
    if (read_file_(f, path, 200) != ERR_OK) {
        fail_msg("%s: %s", path, f->log.last);
    }
    const struct recording *r = &f->workload.recording;
    print_message("%s: %d samples, %d s in %d pieces\n", real->name, r->n_samples, r->n_seconds,
                  r->n_pieces);
    assert_true(r->n_samples == real->rows);
    assert_true(r->n_seconds <= real->span_s + 1);
    assert_true(r->n_pieces > 1 || r->n_seconds == real->span_s + 1);
    double sum = 0;
    for (int i = 0; i < r->n_samples; i++) {
        int end = i + 1 < r->n_samples ? r->samples[i + 1].from : r->n_seconds;
        assert_true(end > r->samples[i].from);
        sum += (double)r->samples[i].rps * (end - r->samples[i].from);
    }
    assert_true(fabs(sum / r->n_seconds / 200 - 1) < 1e-6);
}

static void test_real_recordings(void **state)
{
    struct fixture *f = *state;
    static const struct real all[] = {
        {"autothrottle/diurnal.txt", 1, 3600, 3599},
        {"autothrottle/bursty.txt", 1, 3600, 3599},
        {"nab/elb_request_count_8c0756.csv.gz", 1, 4032, 1211700},
        {"nab/Twitter_volume_AAPL.csv.gz", 1, 15874, 4770300}, /* and 28 of two empty stretches */
        {"nab/nyc_taxi.csv.gz", 1, 10320, 18574200},
        {"nab/grok_asg_anomaly.csv.gz", 1, 4411, 1386000}, /* and 210 of 99 empty stretches */
        {"dc-hourly/Alibaba_CPU_Data_Hourly_1.csv.gz", 3600, 8904, 8903 * 3600.0},
        {"wikipedia/example_wp_log_peyton_manning.csv", 1, 2905, 256003200},
    };
    static const struct {
        const char *name, *says;
    } bad[] = {
        {"azure-functions/example_invocations.csv",
         "no column for the time; columns found: 'HashO"},
        {"azure-functions/example_Azure2021_Azure2021_30.csv", "'end_timestamp', 'duration'"},
        {"sockshop-gke/mixed/metrics.csv", "no column for the rate; columns found: 'timestamp'"},
        {"nab/ec2_request_latency_system_failure.csv.gz",
         ":559: '2014-03-09 03:00:00' is not after"},
    };
    const char *dir = getenv("KARMA_DATA");
    if (dir == NULL || dir[0] == '\0') {
        print_message("KARMA_DATA names no directory of recordings\n");
        skip();
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        check_real(f, dir, &all[i]);
    }
    f->cfg.time_unit_s = 1;
    f->cfg.time_column = "";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, bad[i].name);
        assert_int_equal(read_file_(f, path, 200), ERR_FORMAT);
        if (strstr(f->log.last, bad[i].says) == NULL) {
            fail_msg("'%s' is missing in: %s", bad[i].says, f->log.last);
        }
    }
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_times),
        TEST_(test_held_at_1_hz),
        TEST_(test_columns),
        TEST_(test_gap_is_cut_out),
        TEST_(test_episodes_cross_no_gap),
        TEST_(test_packed),
        TEST_(test_bomb),
        TEST_(test_refusals),
        TEST_(test_times_too_large),
        TEST_(test_real_recordings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
