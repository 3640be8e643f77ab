/* K-means against the best of all partitions, silhouettes against hand-computed ones, and what
 * happens at the edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/analysis/kmeans.h"
#include "core/base/rng.h"

#include <math.h>
#include <string.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static const struct kmeans_cfg cfg = {.seed = 1, .restarts = 10, .iterations = 100};
static struct arena scratch; /* given back by every call */

static int start(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    arena_init(&scratch);
    *state = &arena;
    return 0;
}

static int stop(void **state)
{
    const int kept = scratch.bytes != 0;
    arena_release(*state);
    arena_release(&scratch);
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
    const struct rng_block b = rng_philox(rng_key(6, RNG_TEST, RNG_DEV), i, stream, 0, 0);
    return rng_normal(b.v[0], b.v[1]);
}

/* ---- the exhaustive optimum ---- */

enum { FEW = 9, WIDE = 2 };

static double sse_of(const double *x, const int *label, int k)
{
    double sum = 0.0;
    for (int c = 0; c < k; c++) {
        double mean[WIDE] = {0};
        int n = 0;
        for (int i = 0; i < FEW; i++) {
            for (int j = 0; j < WIDE && label[i] == c; j++) {
                mean[j] += x[i * WIDE + j];
            }
            n += label[i] == c;
        }
        for (int i = 0; i < FEW; i++) {
            for (int j = 0; j < WIDE && label[i] == c; j++) {
                const double d = x[i * WIDE + j] - mean[j] / n;
                sum += d * d;
            }
        }
    }
    return sum;
}

/* Over all k^9 labellings. */
static double least_sse(const double *x, int k)
{
    int label[FEW] = {0};
    double least = INFINITY;
    for (;;) {
        const double sse = sse_of(x, label, k);
        least = sse < least ? sse : least;
        int i = 0;
        while (i < FEW && ++label[i] == k) {
            label[i++] = 0;
        }
        if (i == FEW) {
            return least;
        }
    }
}

/* 40 sets of 9 points without structure, k = 2 and 3. A local optimum can trap ten restarts, but
 * seldom; of two hundred one finds the optimum. No result is better than the optimum. */
static void the_optimum_of_small_sets_is_found(void **state)
{
    struct kmeans_cfg many = cfg;
    int n_found = 0;
    many.restarts = 200;
    for (uint32_t set = 0; set < 40; set++) {
        double x[FEW * WIDE];
        for (uint32_t i = 0; i < FEW * WIDE; i++) {
            x[i] = noise(i, set);
        }
        for (int k = 2; k <= 3; k++) {
            struct kmeans m;
            const double least = least_sse(x, k);
            OK(kmeans_fit(&m, *state, x, FEW, WIDE, k, &cfg, &scratch));
            assert_near(m.sse, sse_of(x, m.label, k), 1e-12);
            assert_true(m.sse > least - 1e-12);
            n_found += m.sse < least + 1e-12;
            OK(kmeans_fit(&m, *state, x, FEW, WIDE, k, &many, &scratch));
            assert_near(m.sse, least, 1e-12);
        }
    }
    print_message("# ten restarts found the optimum of %d sets of 80\n", n_found);
    assert_true(n_found >= 78);
}

/* ---- number of clusters ---- */

/* 0 1 | 5 6: a = 1, b = 5.5 and 4.5 for the outer and the inner points. Mean silhouette
 * ((4.5 / 5.5) + (3.5 / 4.5)) / 2 = 0.797979797979798 at k = 2. */
static void silhouette_of_a_worked_example(void **state)
{
    const double x[4] = {0, 1, 5, 6};
    double silhouettes[3];
    struct kmeans m;
    OK(kmeans_choose(&m, silhouettes, *state, x, 4, 1, 2, 4, &cfg, &scratch));
    assert_int_equal(m.k, 2);
    assert_near(m.silhouette, 0.797979797979798, 1e-14);
    assert_near(silhouettes[0], m.silhouette, 0.0);
    assert_near(silhouettes[2], 0.0, 0.0); /* each point alone */
    assert_near(m.sse, 1.0, 1e-15);
    assert_true(m.label[0] == m.label[1] && m.label[2] == m.label[3] && m.label[0] != m.label[2]);
    assert_near(m.centre[m.label[0]], 0.5, 0.0);
    assert_int_equal(kmeans_nearest(&m, &(double){2.0}), m.label[0]);
}

/* Three clouds of 500 in three dimensions, more than the silhouette looks at. */
static void the_number_of_clouds_is_found(void **state)
{
    enum { N = 1500, D = 3 };
    static double x[N * D];
    struct kmeans m;
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = 0; j < D; j++) {
            x[i * D + j] = noise(i * D + j, 99) + (i % 3 == j ? 8.0 : 0.0);
        }
    }
    OK(kmeans_choose(&m, NULL, *state, x, N, D, 2, 8, &cfg, &scratch));
    assert_int_equal(m.k, 3);
    for (int i = 3; i < N; i++) {
        assert_int_equal(m.label[i], m.label[i % 3]);
    }
    assert_int_equal(m.size[0] + m.size[1] + m.size[2], N);
}

/* ---- edges ---- */

static void equal_points_and_too_few(void **state)
{
    const double x[6] = {2, 2, 2, 2, 2, 7};
    struct kmeans m;
    OK(kmeans_fit(&m, *state, x, 6, 1, 3, &cfg, &scratch));
    assert_near(m.sse, 0.0, 0.0);
    assert_true(m.label[5] != m.label[0] && m.label[1] == m.label[0]);
    OK(kmeans_choose(&m, NULL, *state, x, 6, 1, 2, 8, &cfg, &scratch));
    assert_int_equal(m.k, 2);
    assert_int_equal(kmeans_choose(&m, NULL, *state, x, 1, 1, 2, 8, &cfg, &scratch), ERR_CONFIG);
}

static void columns_are_standardised(void **state)
{
    double x[6] = {1, 4, 3, 4, 5, 4}, mean[2], sd[2];
    (void)state;
    kmeans_standardise(x, mean, sd, 3, 2);
    assert_near(mean[0], 3.0, 0.0);
    assert_near(sd[0], sqrt(8.0 / 3.0), 1e-15);
    assert_near(x[0], -sqrt(1.5), 1e-15);
    assert_true(sd[1] == 0.0 && x[1] == 0.0 && x[5] == 0.0 && mean[1] == 4.0);
}

static void memory_that_runs_out_is_said(void **state)
{
    const double x[4] = {0, 1, 5, 6};
    struct kmeans m;
    int failed = 0;
    for (uint64_t n = 1; n < 40; n++) {
        mem_fail_piece(n);
        const enum err e = kmeans_choose(&m, NULL, *state, x, 4, 1, 2, 3, &cfg, &scratch);
        mem_fail_piece(0);
        assert_true(e == ERR_OK || e == ERR_MEMORY);
        failed += e == ERR_MEMORY;
        arena_release(*state);
        arena_init(*state);
    }
    assert_true(failed >= 10 && failed < 39);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_optimum_of_small_sets_is_found), TEST(silhouette_of_a_worked_example),
        TEST(the_number_of_clouds_is_found),      TEST(equal_points_and_too_few),
        TEST(columns_are_standardised),           TEST(memory_that_runs_out_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
