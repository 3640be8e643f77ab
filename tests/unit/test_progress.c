/* The progress line: its text as a pure function, and what reaches a log, a pipe or a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/progress.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static void durations(void **state)
{
    (void)state;
    char s[32];
    assert_string_equal(progress_duration(s, sizeof(s), 0.0), "0s");
    assert_string_equal(progress_duration(s, sizeof(s), 59.4), "59s");
    assert_string_equal(progress_duration(s, sizeof(s), 59.6), "1m00s");
    assert_string_equal(progress_duration(s, sizeof(s), 185.0), "3m05s");
    assert_string_equal(progress_duration(s, sizeof(s), 2 * 3600 + 7 * 60 + 20), "2h07m");
    assert_string_equal(progress_duration(s, sizeof(s), 3 * 86400 + 4 * 3600), "3d04h");
    assert_string_equal(progress_duration(s, sizeof(s), -1.0), "?");
    assert_string_equal(progress_duration(s, sizeof(s), (double)NAN), "?");
    assert_string_equal(progress_duration(s, sizeof(s), (double)INFINITY), "?");
}

static void counts(void **state)
{
    (void)state;
    char s[32];
    assert_string_equal(progress_count(s, sizeof(s), 0), "0");
    assert_string_equal(progress_count(s, sizeof(s), 999), "999");
    assert_string_equal(progress_count(s, sizeof(s), 1000), "1,000");
    assert_string_equal(progress_count(s, sizeof(s), 1234567), "1,234,567");
    assert_string_equal(progress_count(s, sizeof(s), UINT64_MAX), "18,446,744,073,709,551,615");
}

/* 12 of 100 took 24 s, so 88 more take 176 s. */
static void the_line_tells_what_is_left(void **state)
{
    (void)state;
    char s[128];
    progress_line(s, sizeof(s), "train", 12, 100, 0, 24.0, "1,234 steps/s");
    assert_string_equal(s, "train  12/100   12%  eta 2m56s  1,234 steps/s");
    /* Resumed at 50: 10 took 5 s, so 40 more take 20 s. */
    progress_line(s, sizeof(s), "train", 60, 100, 50, 5.0, "");
    assert_string_equal(s, "train  60/100   60%  eta 20s");
    progress_line(s, sizeof(s), "collect", 1500, 0, 0, 5.0, "");
    assert_string_equal(s, "collect  1,500");
    progress_line(s, sizeof(s), "train", 0, 100, 0, 0.0, "");
    assert_string_equal(s, "train  0/100    0%  eta ?");
    progress_line(s, 10, "train", 12, 100, 0, 24.0, "");
    assert_string_equal(s, "train  12");
}

/* All that arrives until nothing does for a while: a terminal hands bytes over in its own time. */
static size_t read_all(int reader, char *got, size_t cap)
{
    struct pollfd ready = {.fd = reader, .events = POLLIN};
    size_t n = 0;
    while (n < cap - 1 && poll(&ready, 1, 200) > 0) {
        ssize_t more = read(reader, got + n, cap - 1 - n);
        if (more <= 0) {
            break;
        }
        n += (size_t)more;
    }
    got[n] = '\0';
    return n;
}

/* What comes out of `reader` when standard error is `writer`; returns the bytes. */
static size_t three_steps(int writer, int reader, char *got, size_t cap, double *seconds)
{
    int saved = dup(STDERR_FILENO);
    double start = clock_s();
    struct progress p;
    dup2(writer, STDERR_FILENO);
    progress_begin(&p, "test", 0, 3);
    for (uint64_t i = 1; i <= 3; i++) {
        progress_at(&p, i, "step %d", (int)i);
    }
    progress_end(&p);
    dup2(saved, STDERR_FILENO);
    close(saved);
    *seconds = clock_s() - start;
    return read_all(reader, got, cap);
}

static void a_pipe_sees_nothing_of_a_short_run(void **state)
{
    (void)state;
    int ends[2];
    double seconds;
    char got[512];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(three_steps(ends[1], ends[0], got, sizeof(got), &seconds), 0);
    close(ends[0]);
    close(ends[1]);
}

static int open_terminal(int *terminal)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        return -1;
    }
    *terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    return *terminal < 0 ? -1 : master;
}

/* The first step and the last are drawn, the one between comes too soon; the end erases. */
static void a_terminal_sees_the_line_and_its_end(void **state)
{
    (void)state;
    int terminal = -1, master = open_terminal(&terminal);
    double seconds;
    char got[512];
    if (master < 0) {
        print_message("skipped: no pseudo terminal here\n");
        skip();
    }
    setenv("TERM", "xterm", 1);
    log_init(-1);
    assert_true(three_steps(terminal, master, got, sizeof(got), &seconds) > 0);
    assert_non_null(strstr(got, "\033[Ktest  1/3"));
    if (seconds < 0.1) { /* on a busy machine the second step may be due, too */
        assert_null(strstr(got, "step 2"));
    }
    assert_non_null(strstr(got, "test  3/3  100%  eta 0s  step 3\r\033[K"));
    log_init(1); /* another rank stays quiet */
    assert_int_equal(three_steps(terminal, master, got, sizeof(got), &seconds), 0);
    log_init(0);
    setenv("TERM", "dumb", 1); /* cannot erase a line: a log */
    assert_int_equal(three_steps(terminal, master, got, sizeof(got), &seconds), 0);
    close(terminal);
    close(master);
}

static void the_clock_goes_forward_and_the_date_is_iso(void **state)
{
    (void)state;
    double before = clock_s();
    usleep(2000);
    double passed = clock_s() - before;
    assert_true(passed >= 0.002 && passed < 5.0);
    char now[CLOCK_ISO_BYTES];
    clock_iso(now);
    assert_int_equal(strlen(now), 20);
    assert_true(now[4] == '-' && now[10] == 'T' && now[13] == ':' && now[19] == 'Z');
}

/* ---- a log: lines by a clock that the test moves ---- */

enum { HEARD_MAX = 64 };

static double now_s;

static double test_clock(void)
{
    return now_s;
}

struct heard_lines {
    char line[HEARD_MAX][160];
    double at_s[HEARD_MAX];
    int n, n_warn;
};

static void hear(void *ctx, enum log_level level, const char *line)
{
    struct heard_lines *h = ctx;
    if (level == LOG_WARN) {
        h->n_warn++;
        return;
    }
    assert_true(h->n < HEARD_MAX);
    snprintf(h->line[h->n], sizeof h->line[h->n], "%s", line);
    h->at_s[h->n++] = now_s;
}

/* The steps from `first` to `n`, of `step_s` seconds each, on the test's clock. */
static void resume_steps(struct heard_lines *h, int first, int n, double step_s)
{
    struct progress p;
    *h = (struct heard_lines){.n = 0};
    log_set_sink(hear, h);
    progress_begin(&p, "train", (uint64_t)first, (uint64_t)n);
    now_s = 1000.0;
    p.clock = test_clock;
    p.started_s = p.drawn_s = now_s;
    progress_at(&p, (uint64_t)first, "%s", "");
    for (int i = first + 1; i <= n; i++) {
        now_s += step_s;
        progress_at(&p, (uint64_t)i, "reward %d", i);
    }
    progress_end(&p);
    log_set_sink(NULL, NULL);
}

static void run_steps(struct heard_lines *h, int n, double step_s)
{
    resume_steps(h, 0, n, step_s);
}

/* What was done before took none of the time that is reckoned with. */
static void a_resumed_run_reckons_with_its_own_steps(void **state)
{
    (void)state;
    struct heard_lines h;
    resume_steps(&h, 40, 44, 70.0);
    assert_int_equal(h.n, 4);
    assert_string_equal(h.line[0], "train  41/44   93%  eta 3m30s  reward 41");
    assert_string_equal(h.line[1], "train  42/44   95%  eta 2m20s  reward 42");
}

static void a_log_gets_a_line_a_minute(void **state)
{
    (void)state;
    struct heard_lines h;
    run_steps(&h, 100, 7.0); /* 63 s are the first time that is due */
    assert_int_equal(h.n, 700 / 63);
    assert_string_equal(h.line[0], "train  9/100    9%  eta 10m37s  reward 9");
    for (int i = 0; i < h.n; i++) {
        assert_true(h.at_s[i] == 1000.0 + 63.0 * (i + 1));
        assert_null(strchr(h.line[i], '\033'));
    }
    run_steps(&h, 100, 0.5); /* 50 s in all: a short run writes none */
    assert_int_equal(h.n, 0);
    run_steps(&h, 5, 600.0); /* long steps: a line for each */
    assert_int_equal(h.n, 5);
    log_set_level(LOG_WARN);
    run_steps(&h, 100, 7.0);
    assert_int_equal(h.n, 0);
    log_set_level(LOG_INFO);
    log_init(1); /* another rank stays quiet */
    run_steps(&h, 100, 7.0);
    assert_int_equal(h.n, 0);
    log_init(0);
}

static void the_period_can_be_chosen(void **state)
{
    (void)state;
    struct heard_lines h;
    setenv("KARMA_PROGRESS_S", "10", 1);
    run_steps(&h, 100, 1.0);
    assert_int_equal(h.n, 10);
    setenv("KARMA_PROGRESS_S", "0", 1);
    run_steps(&h, 100, 1000.0);
    assert_int_equal(h.n, 0);
    static const char *const bad[] = {"often", "-1", "5 s", "nan"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("KARMA_PROGRESS_S", bad[i], 1);
        run_steps(&h, 61, 1.0);
        assert_int_equal(h.n_warn, 1);
        assert_int_equal(h.n, 1);
    }
    unsetenv("KARMA_PROGRESS_S");
}

/* A line is there at once, not when the program ends or a buffer is full. */
static void a_pipe_sees_a_line_at_once(void **state)
{
    (void)state;
    int ends[2];
    char got[512];
    struct progress p;
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    progress_begin(&p, "train", 0, 3);
    p.period_s = 1e-9;
    usleep(1000);
    progress_at(&p, 1, "%s", "");
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    const bool there = poll(&ready, 1, 0) > 0;
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(there);
    assert_true(read_all(ends[0], got, sizeof got) > 0);
    assert_memory_equal(got, "train  1/3   33%  eta ", 22);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    unsetenv("KARMA_LOG");
    unsetenv("KARMA_PROGRESS_S");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(counts),
        cmocka_unit_test(the_line_tells_what_is_left),
        cmocka_unit_test(a_pipe_sees_nothing_of_a_short_run),
        cmocka_unit_test(a_pipe_sees_a_line_at_once),
        cmocka_unit_test(a_log_gets_a_line_a_minute),
        cmocka_unit_test(a_resumed_run_reckons_with_its_own_steps),
        cmocka_unit_test(the_period_can_be_chosen),
        cmocka_unit_test(a_terminal_sees_the_line_and_its_end),
        cmocka_unit_test(the_clock_goes_forward_and_the_date_is_iso),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
