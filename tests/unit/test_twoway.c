/* Two-way bootstrap: worked examples, published critical values, and what flips may share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/base/twoway.h"
#include "tests/unit/heard.h"

#include <math.h>

static int start(void **state)
{
    static struct arena scratch;
    arena_init(&scratch);
    *state = &scratch;
    return 0;
}

/* Every function gives its scratch back. */
static int stop(void **state)
{
    struct arena *scratch = *state;
    const int kept = scratch->bytes != 0;
    arena_release(scratch);
    return kept;
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

static double noise(uint32_t i, uint32_t stream)
{
    const struct rng_block b = rng_philox(rng_key(77, RNG_TEST, RNG_DEV), i, stream, 0, 0);
    return rng_normal(b.v[0], b.v[1]);
}

static const struct stat_cfg cfg = {.seed = 1, .resamples = 2000, .level = 0.95};

static struct stat_interval bootstrap(const struct stat_arm *a, const struct stat_arm *b,
                                      uint32_t n, enum twoway_statistic statistic,
                                      struct arena *scratch)
{
    struct stat_interval out;
    assert_int_equal(twoway_bootstrap(&out, a, b, n, statistic, &cfg, scratch), ERR_OK);
    return out;
}

/* 1 .. 8 in two rows: 3 4 5 6 are left, mean 4.5; the mean itself is pulled by the 80. */
static void iqm_of_a_worked_example(void **state)
{
    const double x[8] = {80, 1, 6, 3, 4, 5, 2, 7};
    const struct stat_arm arm = {x, 2};
    const struct stat_interval v = bootstrap(&arm, NULL, 4, TWOWAY_IQM, *state);
    assert_near(v.value, 4.5, 0.0);
    assert_true(v.lo <= v.value && v.value <= v.hi && v.hi < 80);
}

/* Multiplicities are a way to count, not another estimator: copies made and sorted give the same.
 */
static void iqm_resamples_are_those_of_copies(void **state)
{
    enum { N = 5, M = 7 };
    struct arena *scratch = *state;
    double x[N * M], copy[N * M], estimates[200];
    uint32_t rows[N], columns[M], order[N * M];
    const struct stat_cfg few = {.seed = 3, .stream = 2, .resamples = 200, .level = 0.9};
    const struct stat_arm arm = {x, N};
    struct stat_interval got, want;
    for (uint32_t i = 0; i < N * M; i++) {
        x[i] = noise(i, 0);
    }
    for (uint32_t r = 0; r < 200; r++) {
        stat_draw(columns, M, &few, r, STAT_ROLE_EVAL);
        stat_draw(rows, N, &few, r, STAT_ROLE_TRAIN_A);
        for (uint32_t i = 0; i < N * M; i++) {
            copy[i] = x[rows[i / M] * M + columns[i % M]];
        }
        estimates[r] = stat_iqm(copy, N * M, order);
    }
    const struct arena_mark mark = arena_mark(scratch);
    assert_int_equal(stat_percentiles(&want, stat_iqm(x, N * M, order), estimates, &few, scratch),
                     ERR_OK);
    arena_rewind(scratch, mark);
    assert_int_equal(twoway_bootstrap(&got, &arm, NULL, M, TWOWAY_IQM, &few, scratch), ERR_OK);
    assert_near(got.value, want.value, 1e-15);
    assert_near(got.lo, want.lo, 1e-12);
    assert_near(got.hi, want.hi, 1e-12);
}

/* Episode 0: 3 and 1 against 2: one win of two. Episode 1: 5 and 4 against 4: a win and a tie.
 * (1 + 0 + 1 + 1/2) / 4. Values of different episodes are never compared. */
static void probability_of_improvement_of_a_worked_example(void **state)
{
    const double x[4] = {3, 5, 1, 4}, y[2] = {2, 4};
    const struct stat_arm a = {x, 2}, b = {y, 1};
    assert_near(bootstrap(&a, &b, 2, TWOWAY_IMPROVEMENT, *state).value, 0.625, 0.0);
    assert_near(bootstrap(&b, &a, 2, TWOWAY_IMPROVEMENT, *state).value, 0.375, 0.0);
    const struct stat_interval self = bootstrap(&b, &b, 2, TWOWAY_IMPROVEMENT, *state);
    assert_near(self.lo, 0.5, 0.0); /* all ties, in every resample */
    assert_near(self.hi, 0.5, 0.0);
}

/* a is better by a hair in each episode, however different episodes are. */
static void improvement_is_paired_by_episode(void **state)
{
    double x[20], y[20];
    for (uint32_t e = 0; e < 20; e++) {
        y[e] = 100.0 * noise(e, 1);
        x[e] = y[e] + 0.01;
    }
    const struct stat_arm a = {x, 1}, b = {y, 1};
    const struct stat_interval v = bootstrap(&a, &b, 20, TWOWAY_IMPROVEMENT, *state);
    assert_near(v.lo, 1.0, 0.0);
}

/* Table of W. S. Gosset's distribution, e.g. R. A. Fisher and F. Yates, 1938, to its three digits;
 * df = 1 and 2 have closed forms: tan(pi p / 2) and sqrt(2 p^2 / (1 - p^2)). */
static void critical_values_are_the_published_ones(void **state)
{
    (void)state;
    static const struct {
        double df, level, t;
    } table[] = {{3, 0.95, 3.182},  {4, 0.95, 2.776},  {9, 0.95, 2.262},   {19, 0.95, 2.093},
                 {30, 0.95, 2.042}, {60, 0.95, 2.000}, {120, 0.95, 1.980}, {4, 0.99, 4.604},
                 {9, 0.90, 1.833},  {19, 0.99, 2.861}, {5, 0.998, 5.893}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_near(stat_t_critical(table[i].level, table[i].df), table[i].t, 5.1e-4);
    }
    assert_near(stat_t_critical(0.95, 1), 12.706204736174698, 2e-5);
    assert_near(stat_t_critical(0.95, 2), sqrt(2 * 0.95 * 0.95 / (1 - 0.95 * 0.95)), 1e-6);
    assert_near(stat_t_critical(0.95, HUGE_VAL), 1.959964, 3e-4);
    assert_true(stat_t_critical(0.95, 4.5) < stat_t_critical(0.95, 4) &&
                stat_t_critical(0.95, 4.5) > stat_t_critical(0.95, 5));
}

/* Only training varies: the factor is Student's with n - 1, and the bootstrap's missing n / (n -
 * 1).
 */
static void widening_is_students_where_training_decides(void **state)
{
    (void)state;
    double x[5 * 8];
    for (int i = 0; i < 40; i++) {
        x[i] = i / 8; /* 0 .. 4, the same in all episodes */
    }
    const struct stat_arm arm = {x, 5};
    const double want = 2.776445 / 1.960201 * sqrt(5.0 / 4.0); /* df 4; df 1e4 */
    assert_near(twoway_satterthwaite(&arm, NULL, 8, 0.95), want, 1e-4);
    const struct stat_interval plain = {.value = 1, .lo = 0, .hi = 3};
    const struct stat_interval wide = twoway_ci_widen(&plain, 1.5);
    assert_true(wide.value == 1 && wide.lo == -0.5 && wide.hi == 4);
}

static void widening_is_near_one_where_episodes_decide(void **state)
{
    (void)state;
    double x[3 * 400], same[6] = {2, 2, 2, 2, 2, 2};
    for (uint32_t i = 0; i < 1200; i++) {
        x[i] = 10 * noise(i % 400, 2) + 0.001 * noise(i, 3);
    }
    const struct stat_arm arm = {x, 3}, constant = {same, 2}, one = {same, 1};
    const double factor = twoway_satterthwaite(&arm, NULL, 400, 0.95);
    assert_true(factor >= 1.0 && factor < 1.005);
    assert_near(twoway_satterthwaite(&constant, NULL, 3, 0.95), 1.0, 0.0);
    assert_near(twoway_satterthwaite(&one, NULL, 1, 0.95), 1.0, 0.0);
}

static void the_mean_of_few(void **state)
{
    struct arena *scratch = *state;
    const double x[5] = {1, 2, 4, 8, 16};
    const struct stat_cfg cfg = {.seed = 1, .stream = 2, .resamples = 1999, .level = 0.95};
    const double factor = 2.776445 / 1.960201 * sqrt(5.0 / 4.0);
    struct stat_interval plain, wide, one;
    assert_int_equal(stat_bootstrap(&plain, x, 5, STAT_MEAN, &cfg, scratch), ERR_OK);
    assert_int_equal(stat_bootstrap_corrected(&wide, x, 5, &cfg, scratch), ERR_OK);
    assert_near(wide.value, 6.2, 1e-12);
    assert_near(wide.value - wide.lo, factor * (plain.value - plain.lo), 1e-4);
    assert_near(wide.hi - wide.value, factor * (plain.hi - plain.value), 1e-4);
    assert_int_equal(stat_bootstrap_corrected(&one, x, 1, &cfg, scratch), ERR_OK);
    assert_true(one.value == 1 && isnan(one.lo) && isnan(one.hi));
}

/* If the value of a pair is the mean of those of its two members, the mean over pairs is the mean
 * over members, and each pseudo-value is that of its member: the interval is the same. */
static void pairs_of_members(void **state)
{
    enum { N = 6 };
    struct arena *scratch = *state;
    const double x[N] = {0.1, 0.9, 0.4, 0.3, 0.8, 0.2};
    const struct stat_cfg cfg = {.seed = 3, .stream = 1, .resamples = 999, .level = 0.95};
    double pairs[N * N];
    struct stat_interval of_members, of_pairs;
    for (int i = 0; i < N * N; i++) {
        pairs[i] = (x[i / N] + x[i % N]) / 2.0;
    }
    assert_int_equal(stat_bootstrap_corrected(&of_members, x, N, &cfg, scratch), ERR_OK);
    assert_int_equal(stat_pairs_corrected(&of_pairs, pairs, N, &cfg, scratch), ERR_OK);
    assert_near(of_pairs.value, of_members.value, 1e-12);
    assert_near(of_pairs.lo, of_members.lo, 1e-12);
    assert_near(of_pairs.hi, of_members.hi, 1e-12);
    const double two[4] = {NAN, 0.5, 0.5, NAN}, none[4] = {1, NAN, NAN, 1};
    assert_int_equal(stat_pairs_corrected(&of_pairs, two, 2, &cfg, scratch), ERR_OK);
    assert_true(of_pairs.value == 0.5 && isnan(of_pairs.lo) && isnan(of_pairs.hi));
    assert_int_equal(stat_pairs_corrected(&of_pairs, none, 2, &cfg, scratch), ERR_OK);
    assert_true(isnan(of_pairs.value));
    assert_int_equal(scratch->bytes, 0);
}

static void units_of_worked_examples(void **state)
{
    (void)state;
    const double x[8] = {1, 2, 3, 4, 10, 20, 30, 40}, y[4] = {0, 1, 0, 1};
    const struct stat_arm two = {x, 2}, rule = {y, 1}, other = {x + 4, 1};
    double diff[8];
    assert_int_equal(twoway_units(diff, &other, &rule, 4), 4); /* episodes */
    assert_near(diff[1], 19, 0);
    assert_int_equal(twoway_units(diff, &two, &rule, 4), 2);
    assert_near(diff[0], 2, 0);  /* seed 0 in episodes 0 and 2: (1 - 0 + 3 - 0) / 2 */
    assert_near(diff[1], 29, 0); /* seed 1 in episodes 1 and 3: (20 - 1 + 40 - 1) / 2 */
    assert_int_equal(twoway_units(diff, &rule, &two, 4), 2);
    assert_near(diff[1], -29, 0);
    assert_int_equal(twoway_units(diff, &two, &two, 4), 2);
    assert_near(diff[0], 0, 0);
    const struct stat_arm four = {x, 4}; /* (4, 2): more seeds than episodes */
    assert_int_equal(twoway_units(diff, &four, &rule, 2), 2);
}

/* The mean of a unit uses no episode of another unit: change one, and one unit changes. */
static void units_share_nothing(void **state)
{
    (void)state;
    enum { N = 4, M = 11 };
    double x[N * M], y[M], before[M], after[M];
    const struct stat_arm a = {x, N}, b = {y, 1};
    for (uint32_t i = 0; i < N * M; i++) {
        x[i] = noise(i, 4);
    }
    for (uint32_t e = 0; e < M; e++) {
        y[e] = noise(e, 5);
    }
    assert_int_equal(twoway_units(before, &a, &b, M), N);
    for (uint32_t e = 0; e < M; e++) {
        const double kept = y[e];
        y[e] += 1.0;
        twoway_units(after, &a, &b, M);
        int n_changed = 0;
        for (int i = 0; i < N; i++) {
            n_changed += before[i] != after[i];
        }
        assert_int_equal(n_changed, 1);
        y[e] = kept;
    }
}

static void nan_and_exhausted_memory_are_errors(void **state)
{
    const double bad[4] = {1, NAN, 2, 3}, good[4] = {1, 2, 3, 4};
    const struct stat_arm a = {good, 1}, b = {bad, 1};
    struct stat_interval out = {7, 7, 7};
    struct heard heard;
    heard_begin(&heard);
    assert_int_equal(twoway_bootstrap(&out, &b, NULL, 4, TWOWAY_IQM, &cfg, *state), ERR_NUMERIC);
    assert_int_equal(twoway_bootstrap(&out, &a, &b, 4, TWOWAY_IMPROVEMENT, &cfg, *state),
                     ERR_NUMERIC);
    mem_fail_after(1);
    assert_int_equal(twoway_bootstrap(&out, &a, &a, 4, TWOWAY_IMPROVEMENT, &cfg, *state),
                     ERR_MEMORY);
    mem_fail_after(0);
    heard_end();
    assert_true(out.value == 7 && out.lo == 7);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(iqm_of_a_worked_example),
        TEST(iqm_resamples_are_those_of_copies),
        TEST(probability_of_improvement_of_a_worked_example),
        TEST(improvement_is_paired_by_episode),
        TEST(critical_values_are_the_published_ones),
        TEST(widening_is_students_where_training_decides),
        TEST(widening_is_near_one_where_episodes_decide),
        TEST(the_mean_of_few),
        TEST(pairs_of_members),
        TEST(units_of_worked_examples),
        TEST(units_share_nothing),
        TEST(nan_and_exhausted_memory_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
