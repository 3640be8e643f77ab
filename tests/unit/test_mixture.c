/* Members of a population: how often each is drawn, and what a draw depends on. */
#include "core/game/mixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { DRAWS = 20000 };

/* Shares of the draws of many episodes. */
static void count(double *share, const struct mixture *m, uint64_t seed)
{
    for (int i = 0; i < m->n; i++) {
        share[i] = 0.0;
    }
    for (uint32_t k = 0; k < DRAWS; k++) {
        const struct episode_id id = {seed, RNG_TRAIN, k % 50, k / 50};
        const int member = mixture_member(m, &id);
        assert_in_range(member, 0, m->n - 1);
        share[member] += 1.0 / DRAWS;
    }
}

/* Five standard errors of a share p of DRAWS independent draws. */
static void assert_share(double got, double p)
{
    const double within = 5.0 * sqrt(p * (1.0 - p) / DRAWS);
    if (!(fabs(got - p) <= within)) {
        fail_msg("share %.5f, expected %.5f +- %.5f", got, p, within);
    }
}

static void test_shares(void **state)
{
    static const double shares[] = {0.5, 0.0, 1.5, 2.0, 0.0};
    const struct mixture m = {.shares = shares, .n = 5};
    double got[5];
    (void)state;
    count(got, &m, 7);
    for (int i = 0; i < 5; i++) {
        assert_share(got[i], shares[i] / 4.0);
    }
    assert_true(got[1] == 0.0 && got[4] == 0.0);
}

static void test_alike(void **state)
{
    const struct mixture m = {.n = 3};
    double got[3];
    (void)state;
    count(got, &m, 8);
    for (int i = 0; i < 3; i++) {
        assert_share(got[i], 1.0 / 3.0);
    }
}

/* A function of seed, domain, environment and number of the episode: each of them matters. */
static void test_identity(void **state)
{
    const struct mixture m = {.n = 1000};
    const struct episode_id a = {1, RNG_TRAIN, 2, 3};
    const struct episode_id others[] = {
        {2, RNG_TRAIN, 2, 3}, {1, RNG_DEV, 2, 3}, {1, RNG_TRAIN, 3, 3}, {1, RNG_TRAIN, 2, 4}};
    (void)state;
    assert_int_equal(mixture_member(&m, &a), mixture_member(&m, &a));
    for (int i = 0; i < 4; i++) {
        assert_int_not_equal(mixture_member(&m, &a), mixture_member(&m, &others[i]));
    }
}

/* Shares whose sum overflows no member: rounding never leaves the list, and never finds a zero. */
static void test_ends(void **state)
{
    static const double shares[] = {1e-300, 1e300, 0.0};
    const struct mixture m = {.shares = shares, .n = 3};
    (void)state;
    for (uint32_t k = 0; k < 1000; k++) {
        const struct episode_id id = {k, RNG_DEV, k, 0};
        assert_int_equal(mixture_member(&m, &id), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
