/* Rankings of two evaluations: tau by hand, files that agree, differ, or cannot be compared. */
#include "core/eval/rank_agreement.h"

#include "core/base/file.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants these first */
#include <cmocka.h>

static const struct stat_cfg stat = {.seed = 1, .resamples = 500, .level = 0.95};
static const char first[] = "/tmp/karma_rank_agreement_a.csv",
                  second[] = "/tmp/karma_rank_agreement_b.csv";

struct room {
    struct arena arena;
    struct heard log;
};

static int setup(void **state)
{
    static struct room r;
    arena_init(&r.arena);
    heard_begin(&r.log);
    *state = &r;
    return 0;
}

static int teardown(void **state)
{
    struct room *r = *state;
    heard_end();
    arena_release(&r->arena);
    (void)unlink(first);
    (void)unlink(second);
    return 0;
}

static void test_tau(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 4, 5}, b[] = {3, 4, 1, 2, 5}, back[] = {5, 4, 3, 2, 1};
    const double tied[] = {1, 2, 2, 3}, apart[] = {1, 3, 2, 4}, flat[] = {1, 1, 1, 1};
    assert_true(kendall_tau(a, a, 5) == 1.0);
    assert_true(kendall_tau(a, back, 5) == -1.0);
    assert_true(fabs(kendall_tau(a, b, 5) - 0.2) < 1e-15); /* 6 pairs agree, 4 differ */
    assert_true(fabs(kendall_tau(tied, apart, 4) - 5.0 / sqrt(6.0 * 5.0)) < 1e-15);
    assert_true(isnan(kendall_tau(flat, apart, 4)));
}

/* Controllers c0 .. c(n-1), episodes 0 .. 7: value(c, e), rows in that order. */
static void write_rows(const char *path, int n, int from, double (*value)(int c, int e))
{
    struct buf b;
    buf_init(&b);
    assert_int_equal(buf_printf(&b, "controller,scenario,episode,slo_attainment\n"), ERR_OK);
    for (int c = 0; c < n; c++) {
        for (int e = from; e < from + 8; e++) {
            assert_int_equal(buf_printf(&b, "c%d,ddos,%d,%.17g\n", c, e, value(c, e)), ERR_OK);
        }
    }
    assert_int_equal(file_write(path, b.data, b.len), ERR_OK);
    buf_release(&b);
}

static double rising(int c, int e)
{
    return 0.1 * c + 0.001 * e;
}
static double swapped(int c, int e) /* the last two change places */
{
    return rising(c == 3 ? 4 : c == 4 ? 3 : c, e);
}

static void test_files(void **state)
{
    struct room *r = *state;
    struct rank_agreement g;
    write_rows(first, 5, 0, rising);
    write_rows(second, 5, 2, rising); /* six episodes are common */
    assert_int_equal(rank_agreement_read(&g, &r->arena, first, second, "slo_attainment", &stat),
                     ERR_OK);
    assert_int_equal(g.n_controllers, 5);
    assert_int_equal(g.n_episodes, 6);
    assert_true(g.tau.value == 1.0 && g.tau.lo == 1.0 && g.halves == 1.0);
    assert_true(fabs(g.a[2] - (0.2 + 0.001 * 4.5)) < 1e-12);
    write_rows(second, 5, 0, swapped);
    assert_int_equal(rank_agreement_read(&g, &r->arena, first, second, "slo_attainment", &stat),
                     ERR_OK);
    assert_true(fabs(g.tau.value - 0.8) < 1e-12); /* one of ten pairs */
}

/* As earlier versions wrote it. */
#define OLD_FILE "controller,scenario,episode,compliance\nff,ddos,0,0.9\n"

static void test_nothing_to_compare(void **state)
{
    struct room *r = *state;
    struct rank_agreement g;
    write_rows(first, 5, 0, rising);
    write_rows(second, 2, 0, rising);
    assert_int_equal(rank_agreement_read(&g, &r->arena, first, second, "slo_attainment", &stat),
                     ERR_MISMATCH);
    assert_non_null(strstr(r->log.text, "have 2 controllers"));
    write_rows(second, 5, 100, rising);
    assert_int_equal(rank_agreement_read(&g, &r->arena, first, second, "slo_attainment", &stat),
                     ERR_MISMATCH);
    assert_non_null(strstr(r->log.text, "0 episodes in common"));
    assert_int_equal(rank_agreement_read(&g, &r->arena, first, second, "beauty", &stat),
                     ERR_FORMAT);
    assert_non_null(strstr(r->log.text, "beauty"));
    assert_int_equal(file_write(second, OLD_FILE, strlen(OLD_FILE)), ERR_OK);
    assert_int_equal(rank_agreement_read(&g, &r->arena, first, second, "slo_attainment", &stat),
                     ERR_FORMAT);
    assert_non_null(
        strstr(r->log.last, "the column 'compliance' is called 'slo_attainment' now; write"));
    assert_int_equal(file_write(second, "no table", 8), ERR_OK);
    assert_int_not_equal(rank_agreement_read(&g, &r->arena, first, second, "slo_attainment", &stat),
                         ERR_OK);
}

/* A cell that is no number is refused with its place, in either file. */
static void test_no_number(void **state)
{
    struct room *r = *state;
    static const char *const cells[] = {"garbage", "", "0.5x", "1,5"};
    struct rank_agreement g;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        struct buf b;
        buf_init(&b);
        assert_int_equal(buf_printf(&b,
                                    "controller,scenario,episode,slo_attainment\n"
                                    "c0,ddos,0,0.5\nc1,ddos,0,\"%s\"\nc2,ddos,0,0.5\n",
                                    cells[i]),
                         ERR_OK);
        write_rows(first, 5, 0, rising);
        assert_int_equal(file_write(second, b.data, b.len), ERR_OK);
        buf_release(&b);
        for (int swap = 0; swap < 2; swap++) {
            r->log.text[0] = '\0';
            assert_int_equal(rank_agreement_read(&g, &r->arena, swap ? second : first,
                                                 swap ? first : second, "slo_attainment", &stat),
                             ERR_FORMAT);
            assert_non_null(strstr(r->log.last, "_b.csv:3: "));
            assert_non_null(strstr(r->log.last, "column slo_attainment"));
        }
    }
}

/* Groups are first words; the mean and the worst of each. */
static void test_gaps(void **state)
{
    (void)state;
    const char *names[] = {"static 1-1", "off 8-1", "static 2-2", "static", "offside"};
    double a[] = {0.5, 0.5, 0.5, 0.5, 0.5}, b[] = {0.6, 0.2, 0.5, 0.3, 0.5};
    const struct rank_agreement g = {.controllers = names, .a = a, .b = b, .n_controllers = 5};
    struct rank_agreement_gap gaps[6];
    assert_int_equal(rank_agreement_gaps(gaps, &g), 4);
    assert_null(gaps[0].group);
    assert_int_equal(gaps[0].n, 5);
    assert_true(fabs(gaps[0].mean - 0.12) < 1e-12 && fabs(gaps[0].worst - 0.3) < 1e-12);
    assert_string_equal(gaps[0].worst_of, "off 8-1");
    assert_int_equal(gaps[1].n, 3);
    assert_true(fabs(gaps[1].mean - 0.1) < 1e-12 && fabs(gaps[1].worst - 0.2) < 1e-12);
    assert_string_equal(gaps[1].worst_of, "static");
    assert_int_equal(gaps[2].n, 1);
    assert_int_equal(gaps[3].n, 1);
    assert_true(gaps[3].worst == 0.0);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_tau),       TEST_(test_files), TEST_(test_nothing_to_compare),
        TEST_(test_no_number), TEST_(test_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
