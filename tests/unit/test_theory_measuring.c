/* The measuring of theory.h, on series whose error is known: a comparison is worth what its
 * standard errors are.
 */
#include "tests/unit/theory.h"

enum { PERIODS = 32768 }; /* 128 batches of 256 */

/* x_t = phi x_(t-1) + z_t in hundredths around 1, weighed by answers that vary on their own: a
 * ratio of mean 1. */
static struct series autoregressive(uint32_t run, double phi)
{
    struct series s = {0};
    struct rng_key key = rng_key(11, RNG_TEST, RNG_TEST_SPLIT);
    double x = 0.0;
    for (uint32_t t = 0; t < 200 + PERIODS; t++) {
        struct rng_block draw = rng_philox(key, t, run, 0, 0);
        x = phi * x + rng_normal(draw.v[0], draw.v[1]);
        if (t >= 200) {
            double n = 50.0 + 10.0 * rng_normal(draw.v[2], draw.v[3]);
            series_add(&s, n * (1.0 + 0.01 * x), n);
        }
    }
    return s;
}

/* The variance of the mean is (0.01 / (1 - phi))^2 / periods. Independent periods would have
 * suggested less by (1 + phi) / (1 - phi), here 19. */
static void test_errors_of_correlated_series(void **state)
{
    (void)state;
    enum { RUNS = 500 };
    const double phi = 0.9;
    double exact = 0.01 / (1.0 - phi) / sqrt(PERIODS);
    double sum = 0.0, square = 0.0, errors = 0.0;
    int covered = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        struct series s = autoregressive(run, phi);
        struct estimate e = series_estimate(&s);
        assert_int_equal(s.full, THEORY_BATCHES);
        sum += e.mean - 1.0;
        square += (e.mean - 1.0) * (e.mean - 1.0);
        errors += e.error * e.error;
        covered += fabs(e.mean - 1.0) < 1.96 * e.error;
    }
    print_message("error %.4g, of the means %.4g, estimated %.4g; 95 %% intervals cover %.1f %%\n",
                  exact, sqrt(square / RUNS), sqrt(errors / RUNS), covered * 100.0 / RUNS);
    assert_true(fabs(sum / RUNS) < 4.0 * exact / sqrt(RUNS));
    assert_true(fabs(sqrt(square / RUNS) / exact - 1.0) < 0.126); /* 4 errors */
    assert_true(fabs(sqrt(errors / RUNS) / exact - 1.0) < 0.04);
    assert_true(covered > RUNS * 0.91 && covered < RUNS * 0.99);
}

/* Sums do not depend on how periods were merged. */
static void test_batches_merge(void **state)
{
    (void)state;
    struct series s = {0};
    for (int t = 1; t <= 3 * THEORY_BATCHES; t++) {
        series_add(&s, t, 2.0);
        assert_true(s.full <= THEORY_BATCHES && (t < THEORY_BATCHES || s.full >= 64));
    }
    assert_int_equal(s.length, 4);
    assert_int_equal(s.full, 3 * THEORY_BATCHES / 4);
    assert_true(s.y[0] == 1 + 2 + 3 + 4 && s.n[0] == 8.0);
    assert_true(series_estimate(&s).mean == (3 * THEORY_BATCHES + 1) / 4.0);
}

/* Seeds with the given means and one relative error for all. */
static enum theory_verdict verdict(const double mean[THEORY_SEEDS], double error)
{
    struct theory_seed seeds[THEORY_SEEDS] = {0};
    struct comparison c;
    double step = error * sqrt(THEORY_BATCHES - 1.0);
    for (int i = 0; i < THEORY_SEEDS; i++) {
        for (int t = 0; t < THEORY_BATCHES; t++) {
            series_add(&seeds[i].series, mean[i] + (t % 2 == 0 ? step : -step), 1.0);
        }
    }
    theory_compare(&c, seeds, 1.0);
    return c.verdict;
}

static void test_rule(void **state)
{
    (void)state;
    const double good[] = {1.003, 0.998, 1.001, 0.999, 1.002};
    const double far[] = {1.013, 1.008, 1.011, 1.009, 1.012};
    const double odd[] = {1.003, 0.998, 1.007, 0.999, 1.002};
    const double high[] = {1.003, 1.002, 1.004, 1.002, 1.004};
    const double lost[] = {1.043, 1.038, 1.041, 1.039, 1.042};
    assert_int_equal(verdict(good, 0.002), THEORY_AGREES);
    assert_int_equal(verdict(good, 0.012), THEORY_IMPRECISE);
    assert_int_equal(verdict(far, 0.005), THEORY_MEAN_OFF);
    assert_int_equal(verdict(odd, 0.0024), THEORY_AGREES);
    assert_int_equal(verdict(odd, 0.0023), THEORY_DEVIATES);
    assert_int_equal(verdict(high, 0.0023), THEORY_AGREES); /* 2.9 errors of the mean */
    assert_int_equal(verdict(high, 0.0022), THEORY_DEVIATES);
    assert_int_equal(verdict(lost, 0.008), THEORY_HOPELESS);
    assert_int_equal(verdict(lost, 0.012), THEORY_IMPRECISE);
}

static struct comparisons busy_server(double expected)
{
    struct cluster_fixture w;
    const struct theory t = {"a server to measure", THEORY_USED, 0.1, 0.1 * THEORY_MS, expected};
    theory_world(&w, 1, THEORY_ROOM, 0);
    return theory_run(&w, &t);
}

/* A fault of 0.8 %, which the 1 % would let pass, is there again when the seeds run on. */
static void test_again_does_not_forgive_faults(void **state)
{
    (void)state;
    struct comparisons honest = busy_server(0.1), fault = busy_server(0.1 / 1.008);
    assert_int_equal(honest.n, 1);
    assert_int_equal(honest.made[0].verdict, THEORY_AGREES);
    assert_int_equal(fault.n, 2);
    assert_int_equal(fault.made[0].verdict, THEORY_DEVIATES);
    assert_int_equal(fault.made[1].verdict, THEORY_DEVIATES);
    assert_true(fabs(fault.made[1].off) < 0.01);
    assert_true(fabs(fault.made[1].requests / fault.made[0].requests / THEORY_AGAIN - 1.0) < 0.01);
    assert_true(fault.made[1].all.error < 0.6 * fault.made[0].all.error);
    assert_true(fault.made[0].all.mean != fault.made[1].all.mean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_of_correlated_series),
        cmocka_unit_test(test_batches_merge),
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_again_does_not_forgive_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
