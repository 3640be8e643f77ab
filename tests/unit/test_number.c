/* Numbers in text: all of it or nothing, and nothing is written for what is refused. */
#include "core/base/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void real_numbers(void **state)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"0", 0.0},        {"-1.5e3", -1500.0}, {"+2.", 2.0},
        {".5", 0.5},       {"1e-310", 1e-310},  {"1.7976931348623157e308", 1.7976931348623157e308},
        {"inf", INFINITY}, {"-inf", -INFINITY}, {"1e999", INFINITY}};
    static const char *const bad[] = {"",      " ",        "garbage", "1 ", " 1",
                                      "1,5",   "0x10",     "1e",      "e5", "--1",
                                      "1.2.3", "infinity", "nan(1)",  "-",  "12abc"};
    double out = 0.0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(number_real(&out, good[i].text));
        assert_true(out == good[i].value);
    }
    assert_true(number_real(&out, "nan") && isnan(out));
    assert_true(number_real(&out, "-nan") && isnan(out));
    out = 7.0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (number_real(&out, bad[i]) || out != 7.0) {
            fail_msg("'%s' was taken for a number", bad[i]);
        }
    }
}

static void whole_numbers(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "garbage",
                                      "5 ",
                                      " 5",
                                      "+5",
                                      "1.0",
                                      "0x5",
                                      "101",
                                      "-11",
                                      "1e1",
                                      "--5",
                                      "99999999999999999999"};
    int64_t out = 0;
    (void)state;
    assert_true(number_whole(&out, "-10", -10, 100) && out == -10);
    assert_true(number_whole(&out, "007", -10, 100) && out == 7);
    assert_true(number_whole(&out, "100", -10, 100) && out == 100);
    assert_true(number_whole(&out, "-9223372036854775808", INT64_MIN, INT64_MAX) &&
                out == INT64_MIN);
    out = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (number_whole(&out, bad[i], -10, 100) || out != 7) {
            fail_msg("'%s' was taken for a number", bad[i]);
        }
    }
    assert_false(number_whole(&out, "9223372036854775808", INT64_MIN, INT64_MAX));
}

static void unsigned_numbers(void **state)
{
    static const char *const bad[] = {"",   "-1",  "garbage", "5 ",  " 5",
                                      "+5", "0x5", "ff",      "101", "18446744073709551616"};
    uint64_t out = 0;
    (void)state;
    assert_true(number_unsigned(&out, "18446744073709551615", 10, UINT64_MAX) && out == UINT64_MAX);
    assert_true(number_unsigned(&out, "00fF", 16, 255) && out == 255);
    assert_false(number_unsigned(&out, "100", 16, 255));
    assert_false(number_unsigned(&out, "fg", 16, 255));
    out = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (number_unsigned(&out, bad[i], 10, 100) || out != 7) {
            fail_msg("'%s' was taken for a number", bad[i]);
        }
    }
}

static void hexadecimal_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "1",      "0x",    "0x1p+1 ", " 0x1p+1",
                                      "0x1p+-1",  "0x1.8p", "-",     "+0x1p0",  "0X1P0",
                                      "infinity", "nan(1)", "0x1p0x"};
    static const double good[] = {0.0, -0.0, 1.0 / 3.0, -1e300, 5e-324, 0.1F, INFINITY, -INFINITY};
    double out;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%a", good[i]);
        assert_true(number_hex(&out, text));
        assert_memory_equal(&out, &good[i], sizeof out);
    }
    assert_true(number_hex(&out, "nan") && isnan(out));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        out = 7.0;
        assert_false(number_hex(&out, bad[i]));
        assert_true(out == 7.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hexadecimal_numbers),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(unsigned_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
