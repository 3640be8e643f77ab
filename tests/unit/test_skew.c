/* Skew: the bounds hold the true difference of two clocks, whatever the messages take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "mpi/comm/skew.h"

/* Rank 0 and another one whose clock is `ahead` seconds later. Each arrives at a barrier at a time
 * of its own and leaves some time after both have arrived. */
static void play(struct skew_sample *zero, struct skew_sample *mine, double ahead, uint32_t trial)
{
    const struct rng_key key = {{3, trial}};
    double at[2] = {1.7e9, 1.7e9};
    for (uint32_t i = 0; i < SKEW_ROUNDS; i++) {
        const struct rng_block b = rng_philox(key, i, 0, 0, 0);
        for (int k = 0; k < 2; k++) {
            at[k] += 1e-3 * (double)rng_f32(b.v[k]);
        }
        zero->entered[i] = at[0];
        mine->entered[i] = at[1] + ahead;
        const double both = at[0] > at[1] ? at[0] : at[1];
        for (int k = 0; k < 2; k++) {
            at[k] = both + 1e-4 + 5e-3 * (double)rng_f32(b.v[2 + k]);
        }
        zero->left[i] = at[0];
        mine->left[i] = at[1] + ahead;
    }
}

static void bounds_hold_the_truth(void **state)
{
    (void)state;
    static const double truths[] = {0.0, 1e-3, -0.4, 3.0, -3600.0};
    for (uint32_t t = 0; t < 200; t++) {
        const double truth = truths[t % 5];
        struct skew_sample zero, mine;
        double lo, hi;
        play(&zero, &mine, truth, t);
        assert_true(skew_bounds(&lo, &hi, &zero, &mine));
        assert_true(lo <= truth + 1e-6 && truth <= hi + 1e-6);
        assert_true(hi - lo < 0.02);
    }
}

static void a_clock_that_was_set(void **state)
{
    (void)state;
    struct skew_sample zero, mine;
    double lo, hi;
    play(&zero, &mine, 0.0, 1);
    mine.entered[SKEW_ROUNDS - 1] += 60.0;
    mine.left[SKEW_ROUNDS - 1] += 60.0;
    assert_false(skew_bounds(&lo, &hi, &zero, &mine));
}

static void one_rank_agrees_with_itself(void **state)
{
    (void)state;
    struct comm comm;
    struct skew_sample s;
    double lo, hi;
    assert_int_equal(comm_init(&comm, NULL, NULL), ERR_OK);
    assert_int_equal(skew_sample(&s, &comm), ERR_OK);
    assert_true(skew_bounds(&lo, &hi, &s, &s));
    assert_true(lo <= 0.0 && 0.0 <= hi);
    comm_finalize(&comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_the_truth),
        cmocka_unit_test(a_clock_that_was_set),
        cmocka_unit_test(one_rank_agrees_with_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
