/* Statistics: worked examples, published examples, and the coverage of the intervals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/base/rng.h"
#include "core/base/stats.h"

#include <math.h>

static int start(void **state)
{
    static struct arena scratch;
    arena_init(&scratch);
    log_set_sink(log_discard, NULL);
    *state = &scratch;
    return 0;
}

/* Every function gives its scratch back. */
static int stop(void **state)
{
    struct arena *scratch = *state;
    int kept = scratch->bytes != 0;
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
    struct rng_block b = rng_philox(rng_key(99, RNG_TEST, RNG_DEV), i, stream, 0, 0);
    return rng_normal(b.v[0], b.v[1]);
}

/* 2 4 4 4 5 5 7 9: mean 5, squared deviations 32. */
static void running_moments_of_a_worked_example(void **state)
{
    (void)state;
    const double x[8] = {2, 4, 4, 4, 5, 5, 7, 9};
    struct running r = {0};
    assert_true(isnan(running_variance(&r)));
    for (int i = 0; i < 8; i++) {
        running_add(&r, x[i]);
    }
    assert_int_equal(r.n, 8);
    assert_near(r.mean, 5.0, 1e-15);
    assert_near(r.m2, 32.0, 1e-13);
    assert_near(running_variance(&r), 32.0 / 7.0, 1e-14);
    assert_near(stat_mean(x, 8), 5.0, 0.0);
    assert_near(stat_variance(x, 8), 32.0 / 7.0, 1e-15);
    assert_true(isnan(stat_variance(x, 1)));
}

static void merged_parts_are_the_whole(void **state)
{
    (void)state;
    for (uint32_t cut = 0; cut <= 50; cut += 5) {
        struct running a = {0}, b = {0}, whole = {0};
        for (uint32_t i = 0; i < 50; i++) {
            double x = 1e6 + noise(i, 0); /* naive sums of squares would lose everything */
            running_add(i < cut ? &a : &b, x);
            running_add(&whole, x);
        }
        running_merge(&a, &b);
        assert_int_equal(a.n, whole.n);
        assert_near(a.mean, whole.mean, 1e-8);
        assert_near(a.m2, whole.m2, 1e-6);
    }
}

/* Type 7 by its formula: position q (n - 1) between the order statistics. */
static void quantiles_of_a_worked_example(void **state)
{
    (void)state;
    const double x[4] = {40, 10, 30, 20};
    uint32_t order[4];
    assert_near(stat_quantile(x, 4, 0.0, order), 10, 0);
    assert_near(stat_quantile(x, 4, 1.0, order), 40, 0);
    assert_near(stat_quantile(x, 4, 0.5, order), 25, 0);
    assert_near(stat_quantile(x, 4, 0.25, order), 17.5, 0); /* R: quantile(c(40,10,30,20), .25) */
    assert_near(stat_quantile(x, 4, 0.9, order), 37, 1e-14);
    assert_near(stat_quantile(x, 1, 0.3, order), 40, 0);
}

static void equal_values_are_ordered_by_index(void **state)
{
    (void)state;
    const double x[6] = {2, 1, 2, 1, 2, 0};
    const uint32_t want[6] = {5, 1, 3, 0, 2, 4};
    uint32_t order[6];
    stat_order(order, x, 6);
    assert_memory_equal(order, want, sizeof(want));
}

/* scipy.stats.trim_mean(x, 0.25), which rliable uses, cuts int(n / 4) on either side. */
static void interquartile_mean_of_worked_examples(void **state)
{
    (void)state;
    const double x[10] = {100, 1, 2, 3, 4, 5, 6, 7, 8, -50};
    uint32_t order[10];
    assert_near(stat_iqm(x, 10, order), 4.5, 1e-15); /* 2 .. 7 */
    assert_near(stat_iqm(x, 3, order), 103.0 / 3.0, 1e-13);
    assert_near(stat_iqm(x, 4, order), 2.5, 1e-15); /* 1 2 3 100 */
}

/* All 27 resamples of (0, 0, 3) have means 0 (8), 1 (12), 2 (6), 3 (1): with 8/27 below 1, the 90 %
 * interval must be 0 .. 2 and the mean of the resampled means is 1. */
static void bootstrap_of_three_values(void **state)
{
    const double x[3] = {0, 0, 3};
    struct stat_cfg cfg = {.seed = 1, .resamples = 20000, .level = 0.9};
    struct stat_interval out;
    assert_int_equal(stat_bootstrap(&out, x, 3, STAT_MEAN, &cfg, *state), ERR_OK);
    assert_near(out.value, 1.0, 1e-15);
    assert_near(out.lo, 0.0, 1e-15);
    assert_near(out.hi, 2.0, 1e-15);
    cfg.level = 1.0 - 2.0 * 0.03; /* 3 has probability 1/27 = 0.037 */
    assert_int_equal(stat_bootstrap(&out, x, 3, STAT_MEAN, &cfg, *state), ERR_OK);
    assert_near(out.hi, 3.0, 1e-15);
}

/* The bootstrap's standard error of a mean is s sqrt((n-1)/n) / sqrt(n), so for normal data the
 * interval is mean +- 1.96 of it. */
static void bootstrap_width_is_that_of_the_normal_theory(void **state)
{
    enum { N = 400 };
    static double x[N];
    for (uint32_t i = 0; i < N; i++) {
        x[i] = 10.0 + noise(i, 1);
    }
    struct stat_cfg cfg = {.seed = 5, .resamples = 10000, .level = 0.95};
    struct stat_interval out;
    assert_int_equal(stat_bootstrap(&out, x, N, STAT_MEAN, &cfg, *state), ERR_OK);
    double se = sqrt(stat_variance(x, N) * (N - 1) / N / N);
    assert_near(out.lo, out.value - 1.96 * se, 0.1 * se);
    assert_near(out.hi, out.value + 1.96 * se, 0.1 * se);
}

static void intervals_are_reproducible_and_streams_differ(void **state)
{
    double x[30];
    for (uint32_t i = 0; i < 30; i++) {
        x[i] = noise(i, 2);
    }
    struct stat_cfg cfg = {.seed = 5, .resamples = 500, .level = 0.95};
    struct stat_interval a, b;
    assert_int_equal(stat_bootstrap(&a, x, 30, STAT_IQM, &cfg, *state), ERR_OK);
    assert_int_equal(stat_bootstrap(&b, x, 30, STAT_IQM, &cfg, *state), ERR_OK);
    assert_memory_equal(&a, &b, sizeof(a));
    cfg.stream = 1;
    assert_int_equal(stat_bootstrap(&b, x, 30, STAT_IQM, &cfg, *state), ERR_OK);
    assert_true(a.lo != b.lo && a.hi != b.hi && a.value == b.value);
}

/* A pair is one thing: a constant difference has an interval of width 0, however noisy the arms. */
static void pairs_are_not_torn_apart(void **state)
{
    double a[40], b[40];
    for (uint32_t i = 0; i < 40; i++) {
        b[i] = 4.0 * (double)(i * 37 % 11);
        a[i] = b[i] + 0.5;
    }
    struct stat_cfg cfg = {.seed = 1, .resamples = 300, .level = 0.95};
    struct stat_interval out;
    assert_int_equal(stat_bootstrap_paired(&out, a, b, 40, &cfg, *state), ERR_OK);
    assert_near(out.value, 0.5, 0.0);
    assert_near(out.lo, 0.5, 0.0);
    assert_near(out.hi, 0.5, 0.0);
}

enum { N_TRAIN = 6, N_EVAL = 8 };

/* value(i, j) = by_train * i + by_eval * j. */
static void fill(double *x, double by_train, double by_eval)
{
    for (int i = 0; i < N_TRAIN; i++) {
        for (int j = 0; j < N_EVAL; j++) {
            x[i * N_EVAL + j] = by_train * i + by_eval * j;
        }
    }
}

static struct stat_interval nested(const struct stat_arm *a, const struct stat_arm *b,
                                   struct arena *scratch)
{
    struct stat_cfg cfg = {.seed = 3, .resamples = 8000, .level = 0.95};
    struct stat_interval out;
    assert_int_equal(stat_bootstrap_nested(&out, a, b, N_EVAL, &cfg, scratch), ERR_OK);
    return out;
}

/* If only training seeds matter, 8 evaluations of each add nothing: the width is that of 6 values.
 */
static void nested_width_counts_training_seeds_once(void **state)
{
    double x[N_TRAIN * N_EVAL], one_each[N_TRAIN] = {0, 1, 2, 3, 4, 5};
    struct stat_cfg cfg = {.seed = 3, .resamples = 8000, .level = 0.95};
    struct stat_interval flat;
    fill(x, 1.0, 0.0);
    struct stat_interval out = nested(&(struct stat_arm){x, N_TRAIN}, NULL, *state);
    assert_int_equal(stat_bootstrap(&flat, one_each, N_TRAIN, STAT_MEAN, &cfg, *state), ERR_OK);
    assert_near(out.value, 2.5, 1e-12);
    assert_near(out.lo, flat.lo, 0.17); /* one step of the lattice of means */
    assert_near(out.hi, flat.hi, 0.17);
    assert_true(out.hi - out.lo > 2.0);
}

/* Evaluation seeds are shared: what they add to both arms cancels. */
static void nested_difference_cancels_what_the_arms_share(void **state)
{
    double a[N_TRAIN * N_EVAL], b[N_EVAL];
    fill(a, 0.0, 10.0);
    for (int j = 0; j < N_EVAL; j++) {
        b[j] = 10.0 * j - 1.0;
    }
    struct stat_arm arm_a = {a, N_TRAIN}, arm_b = {b, 1};
    struct stat_interval one = nested(&arm_a, NULL, *state);
    struct stat_interval difference = nested(&arm_a, &arm_b, *state);
    assert_true(one.hi - one.lo > 20.0);
    assert_near(difference.value, 1.0, 1e-12);
    assert_near(difference.lo, 1.0, 1e-12);
    assert_near(difference.hi, 1.0, 1e-12);
}

/* Training seeds are not shared: equal arms still differ by the luck of training. */
static void nested_difference_keeps_the_luck_of_training(void **state)
{
    double a[N_TRAIN * N_EVAL];
    fill(a, 1.0, 0.0);
    struct stat_arm arm = {a, N_TRAIN};
    struct stat_interval out = nested(&arm, &arm, *state);
    assert_near(out.value, 0.0, 0.0);
    /* Each mean has variance 35/12/6, their difference twice that: sd 0.986. */
    assert_near(out.lo, -1.96 * 0.986, 0.2);
    assert_near(out.hi, 1.96 * 0.986, 0.2);
}

/* Published: FNV-1a, 64 bits, of "foobar" and a zero is 34531ca7168b8f38 (vectors of Landon Curt
 * Noll's test_fnv.c). */
static void streams_of_names(void **state)
{
    (void)state;
    assert_int_equal(STAT_STREAM("foobar"), 0x34531ca7U ^ 0x168b8f38U);
    assert_int_equal(STAT_STREAM("a", "bc"), STAT_STREAM("a", "bc"));
    assert_true(STAT_STREAM("a", "bc") != STAT_STREAM("ab", "c"));
    assert_true(STAT_STREAM("a", "b") != STAT_STREAM("b", "a")); /* a - b is not b - a */
    assert_true(STAT_STREAM("a", "") != STAT_STREAM("a"));
}

/* Darwin's 15 pairs of maize, R. A. Fisher, "The design of experiments", 1935, section 21: 1726 of
 * the 32,768 sign patterns reach the sum of 314 in absolute value. */
static void sign_flip_of_darwins_maize(void **state)
{
    (void)state;
    const double diff[15] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
    struct stat_cfg cfg = {.seed = 1, .resamples = 1000, .level = 0.95};
    double p;
    assert_int_equal(stat_sign_flip(&p, diff, 15, &cfg), ERR_OK);
    assert_near(p, 1726.0 / 32768.0, 1e-15);
}

/* Five pairs can never reach 0.05: 2 of 32 patterns are as extreme. */
static void sign_flip_bounds(void **state)
{
    (void)state;
    const double same_sign[5] = {0.1, 0.2, 0.3, 0.1, 0.7}, none[3] = {0, 0, 0}, one = -3;
    struct stat_cfg cfg = {.seed = 1, .resamples = 1000, .level = 0.95};
    double p;
    assert_int_equal(stat_sign_flip(&p, same_sign, 5, &cfg), ERR_OK);
    assert_near(p, 0.0625, 0.0);
    assert_int_equal(stat_sign_flip(&p, none, 3, &cfg), ERR_OK);
    assert_near(p, 1.0, 0.0);
    assert_int_equal(stat_sign_flip(&p, &one, 1, &cfg), ERR_OK);
    assert_near(p, 1.0, 0.0);
}

/* Darwin's pairs with ten zeros behind them have the same exact p, but are sampled. */
static void sampled_sign_flip_agrees_with_the_exact_one(void **state)
{
    (void)state;
    double diff[25] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
    struct stat_cfg cfg = {.seed = 1, .resamples = 40000, .level = 0.95};
    double p;
    assert_int_equal(stat_sign_flip(&p, diff, 25, &cfg), ERR_OK);
    double exact = 1726.0 / 32768.0;
    assert_near(p, exact, 3.3 * sqrt(exact * (1 - exact) / 40000));
}

/* 0.01, 0.04, 0.03, 0.005: sorted times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; then the running
 * maximum. R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") = 0.03 0.06 0.06 0.02. */
static void holm_of_a_worked_example(void **state)
{
    (void)state;
    const double p[4] = {0.01, 0.04, 0.03, 0.005}, large[3] = {0.9, 0.5, 0.8};
    double adjusted[4];
    uint32_t order[4];
    stat_holm(adjusted, p, 4, order);
    assert_near(adjusted[0], 0.03, 1e-15);
    assert_near(adjusted[1], 0.06, 1e-15);
    assert_near(adjusted[2], 0.06, 1e-15);
    assert_near(adjusted[3], 0.02, 1e-15);
    stat_holm(adjusted, large, 3, order);
    assert_near(adjusted[0], 1.0, 0.0);
    assert_near(adjusted[1], 1.0, 0.0);
}

/* The 15 p-values of Benjamini and Hochberg 1995, section 3.2: at q = 0.05 the four smallest are
 * rejected, where Bonferroni's procedure rejects three. The adjusted value of the fourth is
 * 0.0095 x 15 / 4 = 0.035625, of the sixth 0.0298 x 15 / 7, which the seventh lends it. Here they
 * stand in reverse order. */
static void benjamini_hochberg_of_the_published_example(void **state)
{
    (void)state;
    enum { N = 15 };
    const double p[N] = {1.0000, 0.7590, 0.6528, 0.5719, 0.4262, 0.3240, 0.0459, 0.0344,
                         0.0298, 0.0278, 0.0201, 0.0095, 0.0019, 0.0004, 0.0001};
    double adjusted[N];
    uint32_t order[N];
    int rejected = 0;
    stat_benjamini_hochberg(adjusted, p, N, order);
    for (int i = 0; i < N; i++) {
        rejected += adjusted[i] <= 0.05;
        assert_true(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
    }
    assert_int_equal(rejected, 4);
    assert_near(adjusted[11], 0.035625, 1e-15);
    assert_near(adjusted[10], 0.060300, 1e-15);
    assert_near(adjusted[9], 0.0638571428571428, 1e-15);
    assert_near(adjusted[8], 0.0638571428571428, 1e-15);
    assert_near(adjusted[7], 0.0645, 1e-15);
    assert_near(adjusted[14], 0.0015, 1e-15);
    stat_benjamini_hochberg(adjusted, p, 0, order);
}

static void nan_is_an_error_and_so_is_exhausted_memory(void **state)
{
    const double bad[3] = {1, (double)NAN, 2}, good[3] = {1, 2, 4};
    struct stat_cfg cfg = {.seed = 1, .resamples = 100, .level = 0.95};
    struct stat_interval out = {7, 7, 7};
    double p = 7;
    struct stat_arm arm = {good, 1}, bad_arm = {bad, 1};
    assert_int_equal(stat_bootstrap(&out, bad, 3, STAT_MEAN, &cfg, *state), ERR_NUMERIC);
    assert_int_equal(stat_bootstrap_paired(&out, good, bad, 3, &cfg, *state), ERR_NUMERIC);
    assert_int_equal(stat_bootstrap_nested(&out, &arm, &bad_arm, 3, &cfg, *state), ERR_NUMERIC);
    assert_int_equal(stat_sign_flip(&p, bad, 3, &cfg), ERR_NUMERIC);
    mem_fail_after(1);
    assert_int_equal(stat_bootstrap(&out, good, 3, STAT_MEAN, &cfg, *state), ERR_MEMORY);
    arena_release(*state);
    mem_fail_after(1);
    assert_int_equal(stat_bootstrap_paired(&out, good, good, 3, &cfg, *state), ERR_MEMORY);
    arena_release(*state);
    mem_fail_after(1);
    assert_int_equal(stat_bootstrap_nested(&out, &arm, NULL, 3, &cfg, *state), ERR_MEMORY);
    mem_fail_after(0);
    assert_true(out.value == 7 && out.lo == 7 && p == 7); /* untouched */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(running_moments_of_a_worked_example),
        TEST(merged_parts_are_the_whole),
        TEST(quantiles_of_a_worked_example),
        TEST(equal_values_are_ordered_by_index),
        TEST(interquartile_mean_of_worked_examples),
        TEST(bootstrap_of_three_values),
        TEST(bootstrap_width_is_that_of_the_normal_theory),
        TEST(intervals_are_reproducible_and_streams_differ),
        TEST(streams_of_names),
        TEST(pairs_are_not_torn_apart),
        TEST(nested_width_counts_training_seeds_once),
        TEST(nested_difference_cancels_what_the_arms_share),
        TEST(nested_difference_keeps_the_luck_of_training),
        TEST(sign_flip_of_darwins_maize),
        TEST(sign_flip_bounds),
        TEST(sampled_sign_flip_agrees_with_the_exact_one),
        TEST(holm_of_a_worked_example),
        TEST(benjamini_hochberg_of_the_published_example),
        TEST(nan_is_an_error_and_so_is_exhausted_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
