/* Tables of others: every spelling gives the same cells; what is none is refused by name. Times:
 * what the numbers of a column count. Sizes: what is plausible. */
#include "core/base/file.h"
#include "core/base/plausible.h"
#include "core/base/tabular.h"
#include "core/base/timecolumn.h"
#include "core/base/timestamp.h"
#include "tests/unit/scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static int close_scene(void **state)
{
    return scene_close(*state);
}

static enum err open_text(struct tabular *t, struct scene *s, const char *text, size_t n)
{
    OK(file_write(s->path, text, n));
    return tabular_open(t, &s->arena, s->path, 1 << 20);
}

/* ---- spellings ---- */

static const char *const spellings[] = {
    "Time,Value\n1,40\n2,80\n",
    "\xef\xbb\xbfTime,Value\n1,40\n2,80\n",
    "Time,Value\r\n1,40\r\n2,80\r\n",
    "Time,Value\r1,40\r2,80\r",
    "Time;Value\n1;40\n2;80\n",
    "Time\tValue\n1\t40\n2\t80",
    "sep=,\r\n\"Time\",\"Value\"\r\n\"1\",\"40\"\r\n2,80\r\n",
    "\"sep=;\"\nTime;Value\n1;40\n2;80\n",
    "SEP=\t\nTime\tValue\n1\t40\n2\t80\n",
    "# a comment, with commas\n\n  # another\nTime , \"Value\" \n1 ,40\n\n2, 80\n,\n",
    "\"Time\";\"Value\"\n1;40\n2;80\n",
};

static void test_spellings(void **state)
{
    struct scene *s = *state;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        static const char *const want[2][2] = {{"1", "40"}, {"2", "80"}};
        struct tabular t;
        bool more;
        OK(open_text(&t, s, spellings[i], strlen(spellings[i])));
        assert_int_equal(t.n_columns, 2);
        assert_string_equal(t.header[0], "Time");
        assert_string_equal(t.header[1], "Value");
        for (int row = 0; row < 2; row++) {
            OK(tabular_next(&t, &more));
            assert_true(more);
            assert_string_equal(t.cells[0], want[row][0]);
            assert_string_equal(t.cells[1], want[row][1]);
        }
        OK(tabular_next(&t, &more));
        assert_false(more);
        assert_int_equal(tabular_find(&t, "vALUE"), 1);
        assert_int_equal(tabular_find(&t, "#2"), 1);
        assert_int_equal(tabular_find(&t, "#3"), -1);
        assert_int_equal(tabular_find_any(&t, tabular_time_names), 0);
        tabular_close(&t);
    }
}

/* A separator inside of quotes is none, nor is one that only the header has. */
static void test_separator(void **state)
{
    struct scene *s = *state;
    static const struct {
        const char *text;
        char separator;
        int n;
    } all[] = {
        {"\"a,b\";c\n1;2\n", ';', 2},
        {"time;rate, requests/s\n1;2\n", ';', 2},
        {"time;load, in;x\n1;2,5;3\n", ';', 3},
        {"a,b;c\n1,2\n", ',', 2},
        {"a\tb,c\n1\t2\n", '\t', 2},
        {"12.5\n13\n", '\0', 1},
        {"a,b\n", ',', 2},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct tabular t;
        OK(open_text(&t, s, all[i].text, strlen(all[i].text)));
        assert_int_equal(t.separator, all[i].separator);
        assert_int_equal(t.n_columns, all[i].n);
        tabular_close(&t);
    }
}

/* Quotes: doubled ones, separators, line ends, blanks and # inside; lines are counted. */
static void test_quotes(void **state)
{
    struct scene *s = *state;
    const char text[] = "a,b\n\"x \"\"y\"\"\",\" two\nlines, \"\n\"#1\",\"\"\n3,4\n";
    struct tabular t;
    bool more;
    OK(open_text(&t, s, text, sizeof text - 1));
    OK(tabular_next(&t, &more));
    assert_string_equal(t.cells[0], "x \"y\"");
    assert_string_equal(t.cells[1], " two\nlines, ");
    assert_int_equal(t.line, 2);
    OK(tabular_next(&t, &more));
    assert_string_equal(t.cells[0], "#1");
    assert_string_equal(t.cells[1], "");
    assert_int_equal(t.line, 4);
    OK(tabular_next(&t, &more));
    assert_int_equal(t.line, 5);
    tabular_close(&t);
}

/* A comma is a decimal mark where it does not separate columns. */
static void test_numbers(void **state)
{
    struct scene *s = *state;
    static const char *const bad[] = {"1.234,5", "1,2,3", "0x10", "40 ms", "", "1'000", "inf"};
    struct tabular t;
    double v = 0.0;
    OK(open_text(&t, s, "a;b\n", 4));
    assert_true(tabular_number(&t, &v, "-12,5") && v == -12.5);
    assert_true(tabular_number(&t, &v, "1e3") && v == 1000.0);
    assert_int_equal(t.n_decimal_commas, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tabular_number(&t, &v, bad[i]));
    }
    assert_non_null(strstr(tabular_why_no_number(&t, "1.234,5"), "thousands"));
    assert_non_null(strstr(tabular_why_no_number(&t, "40 ms"), "without its unit"));
    tabular_close(&t);
    OK(open_text(&t, s, "a,b\n", 4));
    assert_false(tabular_number(&t, &v, "12,5"));
    tabular_close(&t);
    assert_true(tabular_missing("") && tabular_missing("NaN") && tabular_missing("n/a") &&
                tabular_missing("NULL") && tabular_missing("None") && !tabular_missing("0"));
}

static void test_refusals(void **state)
{
    struct scene *s = *state;
    static const struct {
        const char *text;
        size_t n; /* 0: strlen */
        const char *says;
    } bad[] = {
        {"", 0, "is empty"},
        {"\n# nothing\n\n", 0, "is empty"},
        {"sep=;\n", 0, "is empty"},
        {"\xff\xfe"
         "a\0,\0",
         6, "UTF-16"},
        {"PK\x03\x04zip", 0, "workbook"},
        {"a,b\n1,\0\n", 8, ":2: not a text file"},
        {"a,b\n1,2,3\n", 0, ":2: the row has 3 cells, the header in line 1 has 2"},
        {"# x\na,b\n\n1\n", 0, ":4: the row has 1 cells, the header in line 2 has 2"},
        {"a,b\n1,\"2\n3,4\n", 0, ":2: a quote is never closed"},
        {"a,\"b\n", 0, ":1: a quote is never closed"},
        {"a,b\n1,2\"3\n", 0, ":2: a quote in the middle"},
        {"a,b\n1,\"2\"3\n", 0, ":2: a quote in the middle"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tabular t;
        bool more = true;
        enum err e = open_text(&t, s, bad[i].text, bad[i].n > 0 ? bad[i].n : strlen(bad[i].text));
        if (e == ERR_OK) {
            while (e == ERR_OK && more) {
                e = tabular_next(&t, &more);
            }
            tabular_close(&t);
        }
        assert_int_equal(e, ERR_FORMAT);
        if (strstr(s->log.last, bad[i].says) == NULL || strstr(s->log.last, s->path) == NULL) {
            fail_msg("'%s' is missing in: %s", bad[i].says, s->log.last);
        }
    }
}

/* ---- times ---- */

static void test_timescales(void **state)
{
    (void)state;
    static const struct {
        double numbers[3];
        enum timescale_unit unit;
        double first_s;
    } all[] = {
        {{0, 15, 30}, TIMESCALE_SECONDS, 0},
        {{1614949200, 1614949215, 1614949230}, TIMESCALE_SECONDS, 1614949200},
        {{1614949200000, 1614949215000, 1614949230000}, TIMESCALE_MILLI, 1614949200},
        {{1614949200e6, 1614949215e6, 1614949230e6}, TIMESCALE_MICRO, 1614949200},
        {{1614949200e9, 1614949215e9, 1614949230e9}, TIMESCALE_NANO, 1614949200},
        {{20160101, 20160102, 20160131}, TIMESCALE_DAY, 1451606400},
        {{20160101, 20160102, 20160132}, TIMESCALE_SECONDS, 20160101},
        {{2016010121, 2016010122, 2016010200}, TIMESCALE_HOUR, 1451606400 + 21 * 3600},
        {{2016010121, 2016010122, 2016010124}, TIMESCALE_SECONDS, 2016010121},
        {{201601012130, 201601012131, 201601012200}, TIMESCALE_MINUTE, 1451606400 + 77400},
        {{20160101213059, 20160101213100, 20160101213101}, TIMESCALE_SECOND, 1451606400 + 77459},
        {{-60, 0, 60}, TIMESCALE_SECONDS, -60},
        {{1e11, 2e11, 3e11}, TIMESCALE_NONE, 0}, /* milliseconds of 1973 to 1979? */
        {{0, 15000, 1614949230000}, TIMESCALE_NONE, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct timescale t = {0};
        for (int k = 0; k < 3; k++) {
            timescale_look(&t, all[i].numbers[k]);
        }
        assert_int_equal(timescale_unit(&t), all[i].unit);
        if (all[i].unit != TIMESCALE_NONE) {
            const double got = timescale_seconds(all[i].unit, all[i].numbers[0]);
            assert_true(fabs(got - all[i].first_s) < 1e-3);
        }
    }
}

/* A whole column: numbers or dates, and what is neither is refused where it stands. */
static void test_time_column(void **state)
{
    struct scene *s = *state;
    static const struct {
        const char *text, *name; /* name NULL: refused */
        const char *says;
    } all[] = {
        {"time,rate\n60,1\n120,2\n", "seconds", ""},
        {"time,rate\n1614949200000,1\n1614949215000,2\n", "milliseconds since 1970", ""},
        {"time,rate\n2021-03-05,1\n2021-03-06T12:00Z,2\n", "dates", ""},
        {"time,rate\n60,1\nlater,2\n", NULL, ":3: 'later' is no time; give seconds, or a date"},
        {"time,rate\n60,1\n2021-03-05,2\n", NULL,
         ":3: '2021-03-05' is a date and the rows before have numbers"},
        {"time,rate\n2021-03-05,1\n60,2\n", NULL,
         ":3: '60' is a number and the rows before have dates"},
        {"time,rate\n1e11,1\n2e11,2\n", NULL,
         "the times 100000000000 to 200000000000 are "
         "neither seconds, nor milli-, micro- or nanoseconds"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct timecolumn c = {.column = 0};
        struct tabular t;
        bool more = true;
        double at;
        enum timescale_unit unit;
        OK(open_text(&t, s, all[i].text, strlen(all[i].text)));
        enum err e = tabular_next(&t, &more);
        while (e == ERR_OK && more) {
            e = timecolumn_read(&at, &c, &t);
            e = e == ERR_OK ? tabular_next(&t, &more) : e;
        }
        e = e == ERR_OK ? timecolumn_unit(&unit, &c, &t, "write seconds") : e;
        tabular_close(&t);
        assert_int_equal(e, all[i].name != NULL ? ERR_OK : ERR_FORMAT);
        if (e == ERR_OK) {
            assert_string_equal(timecolumn_name(&c, unit), all[i].name);
        } else {
            assert_non_null(strstr(s->log.last, all[i].says));
        }
    }
}

/* Printing is the inverse of parsing. */
static void test_printed_times(void **state)
{
    (void)state;
    for (double s = -62135596800.0; s < 253402300800.0; s += 86400.0 * 373 + 12345) {
        char text[TIMESTAMP_BYTES];
        double back = NAN;
        timestamp_print(text, s);
        if (fabs(s) < 1e8) {
            assert_null(strchr(text, ':'));
            continue;
        }
        if (!timestamp_parse(&back, text, 1.0) || back != s) {
            fail_msg("%.0f was printed as %s", s, text);
        }
    }
}

/* ---- sizes ---- */

static void test_medians(void **state)
{
    (void)state;
    static const struct {
        enum unit unit;
        double median;
        enum plausible_level level;
        const char *likely;
    } all[] = {
        {UNIT_DURATION, 0.06, PLAUSIBLE_OK, ""},
        {UNIT_DURATION, 60.0, PLAUSIBLE_FAIL, "milliseconds"},
        {UNIT_DURATION, 5.0, PLAUSIBLE_WARN, "milliseconds"},
        {UNIT_DURATION, 6e-6, PLAUSIBLE_WARN, "seconds under"},
        {UNIT_MEMORY, 200.0 * 1048576, PLAUSIBLE_OK, ""},
        {UNIT_MEMORY, 200.0, PLAUSIBLE_FAIL, "MiB"},
        {UNIT_MEMORY, 300.0 * 1024, PLAUSIBLE_WARN, "KiB"},
        {UNIT_MEMORY, 200.0 * 1048576 * 1048576, PLAUSIBLE_FAIL, "bytes under"},
        {UNIT_CPU, 0.4, PLAUSIBLE_OK, ""},
        {UNIT_CPU, 400.0, PLAUSIBLE_FAIL, "milli-cores"},
        {UNIT_REQUESTS, 100.0, PLAUSIBLE_OK, ""},
        {UNIT_REQUESTS, 1e9, PLAUSIBLE_FAIL, "counter"},
        {UNIT_TRAFFIC, 1e14, PLAUSIBLE_FAIL, "counter"},
        {UNIT_NONE, 1e30, PLAUSIBLE_OK, ""},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *likely = NULL;
        assert_int_equal(plausible_median(&likely, all[i].unit, all[i].median), all[i].level);
        assert_non_null(strstr(likely, all[i].likely));
        assert_true(all[i].likely[0] != '\0' || likely[0] == '\0');
    }
    for (int u = 0; u < UNITS; u++) {
        assert_true(unit_table[u].fail_below <= unit_table[u].warn_below &&
                    unit_table[u].warn_below < unit_table[u].warn_above &&
                    unit_table[u].warn_above <= unit_table[u].fail_above);
    }
}

/* A counter grows by what comes, a load goes up and down, a ramp that somebody made has equal
 * steps, unless its name is a counter's. */
static void test_counters(void **state)
{
    (void)state;
    double counter[100], load[100], ramp[100], saw[100], growth[100];
    int n_resets;
    for (int i = 0; i < 100; i++) {
        const double rate = 50 + 10 * ((i * 37) % 11);
        counter[i] = i == 60 ? 0 : (i > 0 ? counter[i - 1] : 1500) + 15 * rate;
        growth[i] = (i > 0 ? growth[i - 1] : 1500) + 15 * rate;
        load[i] = rate;
        ramp[i] = 10 * i;
        saw[i] = 10 * (i % 50);
    }
    assert_int_equal(plausible_rate(&n_resets, "rate", counter, 100), PLAUSIBLE_FAIL);
    assert_int_equal(n_resets, 1);
    assert_int_equal(plausible_rate(&n_resets, "rate", growth, 100), PLAUSIBLE_WARN);
    assert_int_equal(plausible_rate(&n_resets, "rate", load, 100), PLAUSIBLE_OK);
    assert_int_equal(plausible_rate(&n_resets, "rate", ramp, 100), PLAUSIBLE_OK);
    assert_int_equal(plausible_rate(&n_resets, "rate", saw, 100), PLAUSIBLE_OK);
    assert_int_equal(plausible_rate(&n_resets, "rate", counter, 19), PLAUSIBLE_OK);
    assert_int_equal(plausible_rate(&n_resets, "rate", counter, 0), PLAUSIBLE_OK);

    /* A counter's name decides where the values do not contradict it. */
    assert_int_equal(plausible_rate(&n_resets, "http_requests_total", ramp, 100), PLAUSIBLE_FAIL);
    assert_int_equal(plausible_rate(&n_resets, "Hits_Count", ramp, 5), PLAUSIBLE_FAIL);
    assert_int_equal(plausible_rate(&n_resets, "x_total{job=\"a_b\"}", saw, 100), PLAUSIBLE_FAIL);
    assert_int_equal(plausible_rate(&n_resets, "x_total", growth, 100), PLAUSIBLE_FAIL);
    assert_int_equal(plausible_rate(&n_resets, "x_total", ramp, 4), PLAUSIBLE_OK);
    assert_int_equal(plausible_rate(&n_resets, "x_total", load, 100), PLAUSIBLE_OK);
    assert_false(plausible_counter_name("total") || plausible_counter_name("x_totals") ||
                 plausible_counter_name("rate(x_total[1m])") || plausible_counter_name(""));
}

static void test_spacings(void **state)
{
    (void)state;
    static const double usual[] = {0.1, 1, 15, 30.004, 60, 300, 900, 1800, 3600.2, 86400, 604800};
    static const double odd[] = {1000, 15000, 60000, 300000};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        assert_int_equal(plausible_spacing(usual[i]), PLAUSIBLE_OK);
    }
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_int_equal(plausible_spacing(odd[i]), PLAUSIBLE_WARN);
    }
    assert_int_equal(plausible_spacing(3600e3), PLAUSIBLE_FAIL);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, scene_setup, close_scene)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_spellings),     TEST_(test_separator),   TEST_(test_quotes),
        TEST_(test_numbers),       TEST_(test_refusals),    TEST_(test_timescales),
        TEST_(test_printed_times), TEST_(test_medians),     TEST_(test_counters),
        TEST_(test_spacings),      TEST_(test_time_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
