/* Organisational fit: worked examples, independence of units, and random partitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/analysis/fit.h"
#include "core/base/rng.h"

#include <math.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static const struct fit_cfg cfg = {.seed = 1, .permutations = 199};

static int start(void **state)
{
    static struct arena scratch;
    arena_init(&scratch);
    *state = &scratch;
    return 0;
}

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

static double line(const void *ctx, int i, int j)
{
    const double *x = ctx;
    return fabs(x[i] - x[j]);
}

/* 0 1 | 5 6: pairs 1 5 6 4 5 1, mean 22 / 6; inside 1 and 1. Fit 1 - 6 / 22 = 0.727272727272727. Of
 * the three partitions into two and two one is this one: p is about 1/3. Medoids are 0 and 5 with
 * distances 0 1 0 1, so 1 - 0.5 / 10; means are at 0.5 and 5.5. */
static void a_worked_example(void **state)
{
    const double x[4] = {0, 1, 5, 6};
    const int label[4] = {0, 0, 1, 1};
    const struct fit_objects o = {4, line, x};
    struct fit f;
    OK(fit_of(&f, &o, label, 2, &cfg, *state));
    assert_near(f.within, 1.0, 1e-15);
    assert_near(f.all, 22.0 / 6.0, 1e-15);
    assert_near(f.fit, 0.727272727272727, 1e-14);
    assert_near(f.p, 1.0 / 3.0, 0.1);
    assert_near(f.authors, 0.95, 1e-15);
    OK(fit_of_points(&f, x, label, 4, 1, 2, &cfg, *state));
    assert_near(f.fit, 0.727272727272727, 1e-14);
    assert_near(f.authors, 0.95, 1e-15);
    assert_near(fit_organisational(0.4, 0.8), 0.6, 1e-15);
    assert_true(isnan(fit_organisational(NAN, 1.0)));
}

/* In other units the fit stays and the authors' one does not. */
static void units_do_not_matter(void **state)
{
    const double x[4] = {0, 1, 5, 6}, longer[4] = {0, 50, 250, 300};
    const int label[4] = {0, 0, 1, 1};
    struct fit f, g;
    OK(fit_of_points(&f, x, label, 4, 1, 2, &cfg, *state));
    OK(fit_of_points(&g, longer, label, 4, 1, 2, &cfg, *state));
    assert_near(f.fit, g.fit, 1e-15);
    assert_near(g.authors, 0.0, 0.0);
}

/* Labels that have nothing to do with the points: the fit is about 0, its p-value is uniform; 60
 * times at 0.1, more than 13 have a probability of 0.003. The clusters of two clouds are found. */
static void random_labels_do_not_fit(void **state)
{
    enum { N = 60, TIMES = 60 };
    double x[N];
    int label[N], clouds[N], hits = 0;
    struct fit f;
    for (uint32_t time = 0; time < TIMES; time++) {
        for (uint32_t i = 0; i < N; i++) {
            const struct rng_block b = rng_philox(rng_key(3, RNG_TEST, RNG_DEV), i, time, 0, 0);
            x[i] = rng_normal(b.v[0], b.v[1]) + (i % 2 ? 6.0 : 0.0);
            label[i] = (int)rng_below(b.v[2], 3);
            clouds[i] = (int)i % 2;
        }
        OK(fit_of_points(&f, x, label, N, 1, 3, &cfg, *state));
        assert_true(f.fit < 0.2);
        hits += f.p <= 0.1;
        OK(fit_of_points(&f, x, clouds, N, 1, 2, &cfg, *state));
        assert_true(f.fit > 0.5 && f.p == 1.0 / 200.0);
    }
    print_message("# p <= 0.1 in %d of %d\n", hits, TIMES);
    assert_true(hits <= 13);
}

static void what_is_not_defined_is_nan(void **state)
{
    const double x[3] = {1, 1, 1};
    const int apart[3] = {0, 1, 2}, together[3] = {0, 0, 0};
    struct fit f;
    OK(fit_of_points(&f, x, apart, 3, 1, 3, &cfg, *state));
    assert_true(isnan(f.within) && isnan(f.fit) && isnan(f.p) && f.all == 0.0);
    OK(fit_of_points(&f, x, together, 3, 1, 1, &cfg, *state));
    assert_true(f.fit == 0.0 && f.p == 1.0 && f.authors == 1.0);
    OK(fit_of_points(&f, x, together, 0, 1, 1, &cfg, *state));
    assert_true(isnan(f.all) && isnan(f.fit) && isnan(f.authors));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_worked_example),
        TEST(units_do_not_matter),
        TEST(random_labels_do_not_fit),
        TEST(what_is_not_defined_is_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
