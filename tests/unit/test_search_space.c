/* Values of trials: within their range, spread as they should be, and functions of their
 * coordinates. Values in the last test were drawn once; a change of them would make every committed
 * tuning another one. */
#include "core/base/number.h"
#include "core/eval/search_space.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static int set_up(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int tear_down(void **state)
{
    arena_release(*state);
    return 0;
}

static double draw(void **state, const struct tune_key *key, bool integer, int trial)
{
    const char *text = search_space_draw(*state, key, integer, 7, trial);
    double x = 0.0;
    assert_non_null(text);
    assert_true(number_real(&x, text));
    return x;
}

enum { N = 4000 };

/* Share of the draws that are below x. */
static double share_below(void **state, const struct tune_key *key, bool integer, double x)
{
    int n = 0;
    for (int t = 1; t <= N; t++) {
        const double v = draw(state, key, integer, t);
        assert_true(v >= key->from && v <= key->to);
        n += v < x;
    }
    return (double)n / N;
}

/* The share of N draws below a point that has probability p, within four standard deviations. */
static void assert_share(double share, double p)
{
    assert_true(fabs(share - p) <= 4 * sqrt(p * (1 - p) / N));
}

static void ranges(void **state)
{
    const struct tune_key linear = {.key = "a", .from = 0.4, .to = 0.95};
    const struct tune_key log = {.key = "b", .from = 1e-4, .to = 1e-1, .log = true};
    assert_share(share_below(state, &linear, false, 0.4 + 0.55 / 4), 0.25);
    assert_share(share_below(state, &log, false, 1e-3), 1.0 / 3.0);
    assert_share(share_below(state, &log, false, 1e-2), 2.0 / 3.0);
}

/* Each of 1 .. 4 is as probable; in the logarithm 1 has log(1.5 / 0.5) of log(4.5 / 0.5): half. */
static void integers(void **state)
{
    const struct tune_key linear = {.key = "a", .from = 1, .to = 4};
    const struct tune_key log = {.key = "a", .from = 1, .to = 4, .log = true};
    for (int x = 2; x <= 4; x++) {
        assert_share(share_below(state, &linear, true, x), (x - 1) / 4.0);
    }
    assert_share(share_below(state, &log, true, 2), 0.5);
    for (int t = 1; t <= N; t++) {
        const double v = draw(state, &linear, true, t);
        assert_true(v == floor(v));
    }
    const struct tune_key negative = {.key = "c", .from = -3, .to = -2};
    assert_share(share_below(state, &negative, true, -2), 0.5);
}

/* 30 % to 80 % in whole per cents, as a target must be: no digits too many, the ends as often as
 * the others. */
static void steps(void **state)
{
    const struct tune_key linear = {.key = "a", .from = 0.3, .to = 0.8, .step = 0.01};
    const struct tune_key coarse = {.key = "a", .from = 1, .to = 8, .step = 3};
    const struct tune_key log = {.key = "a", .from = 1, .to = 100, .step = 1, .log = true};
    for (int t = 1; t <= N; t++) {
        const char *text = search_space_draw(*state, &linear, false, 7, t);
        const double v = draw(state, &coarse, true, t);
        assert_true(strlen(text) <= strlen("0.35"));
        assert_true(v == 1 || v == 4 || v == 7);
    }
    assert_share(share_below(state, &linear, false, 0.305), 1.0 / 51);
    assert_share(share_below(state, &linear, false, 0.795), 50.0 / 51);
    assert_share(share_below(state, &coarse, true, 2), 1.0 / 3);
    assert_share(share_below(state, &log, false, 9.5), log10(9.5) / 2);
}

static void choices(void **state)
{
    const char *words[] = {"told", "measured", "[1, 2]"};
    const struct tune_key key = {.key = "a", .choices = words, .n_choices = 3};
    int n[3] = {0};
    for (int t = 1; t <= N; t++) {
        const char *text = search_space_draw(*state, &key, false, 7, t);
        for (int i = 0; i < 3; i++) {
            n[i] += strcmp(text, words[i]) == 0;
        }
    }
    assert_int_equal(n[0] + n[1] + n[2], N);
    for (int i = 0; i < 3; i++) {
        assert_share((double)n[i] / N, 1.0 / 3.0);
    }
}

/* A range that is narrower than four digits can tell: its ends, and nothing beyond them. */
static void digits(void **state)
{
    const struct tune_key narrow = {.key = "a", .from = 0.999991, .to = 0.999999};
    for (int t = 1; t <= 100; t++) {
        const double v = draw(state, &narrow, false, t);
        assert_true(v >= narrow.from && v <= narrow.to);
    }
    const struct tune_key wide = {.key = "a", .from = 0, .to = 1};
    for (int t = 1; t <= 100; t++) {
        assert_true(strlen(search_space_draw(*state, &wide, false, 7, t)) <= strlen("1.234e-05"));
    }
}

static void coordinates(void **state)
{
    const struct tune_key a = {.key = "a", .from = 0, .to = 1},
                          b = {.key = "b", .from = 0, .to = 1};
    double sum = 0, sum_ab = 0;
    for (int t = 1; t <= N; t++) {
        const double x = draw(state, &a, false, t), y = draw(state, &b, false, t);
        assert_true(x == draw(state, &a, false, t));
        sum += x == y;
        sum_ab += (x - 0.5) * (y - 0.5);
    }
    assert_true(sum < 10); /* two keys draw apart */
    assert_true(fabs(12 * sum_ab / N) < 4 / sqrt(N));
    assert_string_not_equal(search_space_draw(*state, &a, false, 1, 2),
                            search_space_draw(*state, &a, false, 2, 2));
}

static void known_answers(void **state)
{
    const struct tune_key real = {.key = "utilisation", .from = 0.4, .to = 0.98};
    const struct tune_key log = {.key = "growth", .from = 0.5, .to = 8, .log = true};
    const struct tune_key whole = {.key = "epochs", .from = 1, .to = 10};
    assert_string_equal(search_space_draw(*state, &real, false, 1, 2), "0.541");
    assert_string_equal(search_space_draw(*state, &log, false, 1, 2), "0.9717");
    assert_string_equal(search_space_draw(*state, &whole, true, 1, 2), "8");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ranges), TEST(integers),    TEST(choices),       TEST(steps),
        TEST(digits), TEST(coordinates), TEST(known_answers),
    };
    return cmocka_run_group_tests_name("search space", tests, NULL, NULL);
}
