/* Work laws: every one has mean 1, and the spread its table promises. */
#include "core/plant/work_law.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { N = 400000 };

struct moments {
    double mean, cv, log_mean, log_sd;
};

static struct moments moments_of(const struct work_law *law)
{
    struct rng_key key = rng_key(11, RNG_TEST, RNG_TRAIN);
    double sum = 0.0, square = 0.0, log_sum = 0.0, log_square = 0.0;
    for (uint32_t i = 0; i < N; i++) {
        struct rng_block b = rng_philox(key, i, 0, 0, 0);
        double x = work_law_draw(law, b.v[0], b.v[3]);
        assert_true(x >= 0.0);
        sum += x;
        square += x * x;
        log_sum += log(x);
        log_square += log(x) * log(x);
    }
    double mean = sum / N, log_mean = log_sum / N;
    return (struct moments){mean, sqrt(square / N - mean * mean) / mean, log_mean,
                            sqrt(log_square / N - log_mean * log_mean)};
}

static void made(struct work_law *law, struct arena *arena, enum work_kind kind, double cv,
                 const double *samples, int n)
{
    arena_init(arena);
    assert_int_equal(work_law_init(law, arena, kind, cv, samples, n), ERR_OK);
}

static void test_exponential(void **state)
{
    (void)state;
    struct arena arena;
    struct work_law law;
    made(&law, &arena, WORK_EXPONENTIAL, 1, NULL, 0);
    struct moments m = moments_of(&law);
    assert_true(fabs(m.mean - 1.0) < 4.0 / sqrt(N));
    assert_true(fabs(m.cv - 1.0) < 0.01);
    assert_true(work_law_draw(&law, 12345, 1) == rng_exponential(12345));
    arena_release(&arena);
}

static void test_deterministic(void **state)
{
    (void)state;
    struct arena arena;
    struct work_law law;
    made(&law, &arena, WORK_DETERMINISTIC, 3, NULL, 0);
    assert_true(work_law_draw(&law, 0, 0) == 1.0 && work_law_draw(&law, UINT32_MAX, 7) == 1.0);
    arena_release(&arena);
}

/* The logarithm is normal with variance log(1 + cv^2) and mean minus half of it. */
static void test_lognormal(void **state)
{
    (void)state;
    static const double cvs[] = {0.0, 0.3, 1.0, 2.0};
    for (int i = 0; i < 4; i++) {
        struct arena arena;
        struct work_law law;
        double variance = log(1.0 + cvs[i] * cvs[i]);
        made(&law, &arena, WORK_LOGNORMAL, cvs[i], NULL, 0);
        struct moments m = moments_of(&law);
        assert_true(fabs(m.log_mean + 0.5 * variance) <= 4.0 * sqrt(variance / N) + 1e-12);
        assert_true(fabs(m.log_sd - sqrt(variance)) <= 4.0 * sqrt(0.5 * variance / N) + 1e-6);
        assert_true(fabs(m.mean - 1.0) <= 4.0 * cvs[i] / sqrt(N) + 1e-12);
        arena_release(&arena);
    }
}

/* Samples 1, 2, 3, 10 of mean 4: a quarter each of 1/4, 1/2, 3/4, 5/2, whatever their unit. */
static void test_empirical(void **state)
{
    (void)state;
    static const double samples[] = {3e6, 1e6, 1e7, 2e6}, ratios[] = {0.75, 0.25, 2.5, 0.5};
    struct arena arena;
    struct work_law law;
    made(&law, &arena, WORK_EMPIRICAL, 1, samples, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(fabs(work_law_draw(&law, i << 30, 5) - ratios[i]) < 1e-15);
        assert_true(fabs(work_law_draw(&law, (i << 30) | 0x3fffffffu, 6) - ratios[i]) < 1e-15);
    }
    assert_true(fabs(moments_of(&law).mean - 1.0) < 4.0 * 0.9 / sqrt(N));
    arena_release(&arena);
}

/* The pace against the hazard of the law, counted: of the draws of at least x, those that end
 * before x + dx, over dx. It may not be exceeded, but for chance, and for exponential work it is
 * reached. */
static void test_pace(void **state)
{
    (void)state;
    static const double cvs[] = {0.0, 0.2, 0.5, 1.0, 3.0}, some[] = {2, 1, 3}, none[] = {0, 1};
    static double draws[N];
    struct rng_key key = rng_key(12, RNG_TEST, RNG_TRAIN);
    for (int i = 0; i < 6; i++) {
        struct arena arena;
        struct work_law law;
        made(&law, &arena, i < 5 ? WORK_LOGNORMAL : WORK_EXPONENTIAL, i < 5 ? cvs[i] : 1, NULL, 0);
        double pace = work_law_pace(&law), most = 0.0, least = 1.0;
        for (uint32_t k = 0; k < N; k++) {
            struct rng_block b = rng_philox(key, k, 0, 0, 0);
            draws[k] = work_law_draw(&law, b.v[0], b.v[3]);
            least = fmin(least, draws[k]);
        }
        for (double x = 0.0, dx = 0.02; x < 3.0 && i > 0; x += dx) {
            double beyond = 0.0, end = 0.0;
            for (int k = 0; k < N; k++) {
                beyond += draws[k] >= x;
                end += draws[k] >= x && draws[k] < x + dx;
            }
            /* Four standard errors off, and what ends early within dx left out of the time. */
            double hazard = (end - 4.0 * sqrt(end)) / (beyond * dx);
            most = beyond > 1000.0 && hazard > most ? hazard : most;
        }
        print_message("# pace %.3f, 1 / least draw %.3f, hazard up to %.3f\n", pace, 1.0 / least,
                      most);
        assert_true(1.0 / least <= pace + 1e-12 || most <= pace);
        assert_true(i < 5 || (pace == 1.0 && most > 0.95));
        assert_true(i > 0 || fabs(pace - 1.0) < 1e-12);
        arena_release(&arena);
    }
    struct arena arena;
    struct work_law law;
    made(&law, &arena, WORK_EMPIRICAL, 1, some, 3);
    assert_true(fabs(work_law_pace(&law) - 2.0) < 1e-12);
    arena_release(&arena);
    made(&law, &arena, WORK_EMPIRICAL, 1, none, 2);
    assert_true(work_law_pace(&law) == HUGE_VAL);
    arena_release(&arena);
    made(&law, &arena, WORK_DETERMINISTIC, 1, NULL, 0);
    assert_true(work_law_pace(&law) == 1.0);
    arena_release(&arena);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static const double samples[] = {1, 2};
    struct arena arena;
    struct work_law law;
    arena_init(&arena);
    mem_fail_after(1);
    assert_int_equal(work_law_init(&law, &arena, WORK_EMPIRICAL, 1, samples, 2), ERR_MEMORY);
    mem_fail_after(0);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponential), cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_lognormal),   cmocka_unit_test(test_empirical),
        cmocka_unit_test(test_pace),        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
