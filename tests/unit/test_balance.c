/* The model of an update: known cases by hand, and that the choice is the best of all tables. */
#include "mpi/comm/owners.h"
#include "mpi/train/balance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <math.h>

/* A network that costs nothing, unless a test says otherwise. */
static struct balance_costs costs(int n_tiles, int size, double simulate_s, double update_s)
{
    return (struct balance_costs){.n_tiles = n_tiles,
                                  .size = size,
                                  .turns = 1,
                                  .simulate_s = simulate_s,
                                  .update_s = update_s,
                                  .processors = size};
}

static double predict(const struct balance_costs *c, int learners, int simulated)
{
    struct arena scratch;
    struct balance_forecast f = {.update_s = -1.0};
    arena_init(&scratch);
    assert_int_equal(balance_predict(&f, c, learners, simulated, &scratch), ERR_OK);
    arena_release(&scratch);
    return f.update_s;
}

static struct balance_table choose(const struct balance_costs *c)
{
    struct arena scratch;
    struct balance_table t;
    arena_init(&scratch);
    assert_int_equal(balance_choose(&t, c, &scratch), ERR_OK);
    arena_release(&scratch);
    return t;
}

static void near(double got, double want)
{
    assert_true(fabs(got - want) <= 1e-12 + 1e-9 * fabs(want));
}

static void test_by_hand(void **state)
{
    (void)state;
    struct balance_costs c = costs(8, 2, 3.0, 1.0);
    near(predict(&c, 0, 0), 4 * 3.0 + 4 * 1.0);
    near(predict(&c, 1, 0), 8 * 3.0 + 8 * 1.0);
    near(predict(&c, 1, 4), 4 * 3.0 + 8 * 1.0);
    c.block_s = 0.5;
    near(predict(&c, 1, 4), 4 * 3.0 + 4 * 0.5 + 8 * 1.0);
    c.pipeline = 1; /* the learner: 3 tiles, 5 blocks, 8 updates; the other one 5 tiles */
    near(predict(&c, 1, 3), 9.0 + 2.5 + 8.0);
    near(predict(&c, 1, 0), 24.0);
    c.turns = 3; /* 4 tiles in 3 turns: 2 at most in each */
    c.pipeline = 0;
    near(predict(&c, 0, 0), 12.0 + 6.0);
    c.processors = 1.0; /* two ranks on one core */
    near(predict(&c, 0, 0), 24.0 + 8.0);
}

/* Two learners of 1000 bytes: they exchange them, and both add. */
static void test_sums(void **state)
{
    (void)state;
    struct balance_costs c = costs(8, 2, 1.0, 1.0);
    c.net = (struct loggp){.latency_s = 5e-3, .overhead_s = 1e-3, .gap_s = 2e-3, .byte_s = 1e-6};
    c.sums[0] = (struct balance_sum){10, 1000, true};
    c.n_sums = 1;
    /* o + 999 G + L + o, then 1000 bytes are added */
    near(predict(&c, 0, 0), 8.0 + 10 * (2e-3 + 999e-6 + 5e-3 + 1000e-6));
    near(predict(&c, 1, 0), 16.0);
}

/* Simulating dominates: a learner with nothing else to do is a waste, unless it shares the work. */
static void test_choices(void **state)
{
    (void)state;
    struct balance_costs c = costs(8, 2, 3.0, 1.0);
    assert_int_equal(choose(&c).learners, 0);
    c.net = (struct loggp){.latency_s = 1.0}; /* sums that take for ever */
    c.sums[0] = (struct balance_sum){16, 1, true};
    c.n_sums = 1;
    assert_int_equal(choose(&c).learners, 1);
    assert_int_equal(choose(&c).simulated, 4);
    c.pipeline = 1; /* 3 s + 8 = 3 (8 - s): s = 2.67 */
    assert_int_equal(choose(&c).learners, 1);
    assert_int_equal(choose(&c).simulated, 3);
    c = costs(2, 4, 3.0, 1.0); /* fewer tiles than ranks */
    assert_in_range(choose(&c).learners, 1, 2);
}

/* No table is better than the chosen one by more than the candidates that are left out allow. */
static void test_best_of_all(void **state)
{
    (void)state;
    for (int i = 0; i < 24; i++) {
        struct balance_costs c = costs(1 + 5 * (i % 7), 2 + i % 5, 0.1 + i % 3, 0.1 + i % 4);
        c.pipeline = i % 2;
        c.block_s = 0.05 * (i % 2);
        const struct balance_table t = choose(&c);
        for (int learners = 1; learners < c.size && learners <= c.n_tiles; learners++) {
            for (int simulated = 0; simulated <= c.n_tiles; simulated++) {
                assert_true(t.update_s <= 1.1 * predict(&c, learners, simulated));
            }
        }
        if (c.n_tiles >= c.size) {
            assert_true(t.update_s <= predict(&c, 0, 0));
        }
    }
}

static void test_bcast(void **state)
{
    (void)state;
    const struct loggp net = {1.0, 0.5, 0.7, 0.01};
    near(loggp_bcast_s(&net, 101, 1), 0.0);
    near(loggp_bcast_s(&net, 101, 2), 3.0);
    near(loggp_bcast_s(&net, 101, 5), 9.0);
}

/* Adding takes as long as sending: with many ranks a sum of slices takes a few records' time, one
 * of whole records log2 P times a record's. */
static void test_many_ranks(void **state)
{
    (void)state;
    enum { P = 64, BYTES = 1 << 20 };
    struct arena scratch;
    struct owners o;
    struct loggp_sum cut, whole;
    const struct loggp net = {.byte_s = 1e-9};
    arena_init(&scratch);
    assert_int_equal(owners_init(&o, &scratch, P, P, 0), ERR_OK);
    assert_int_equal(loggp_sum(&cut, &net, BYTES, true, 1e-9, P, o.learn, P, &scratch), ERR_OK);
    assert_int_equal(loggp_sum(&whole, &net, BYTES, false, 1e-9, P, o.learn, P, &scratch), ERR_OK);
    const double record_s = BYTES * 1e-9;
    assert_true(cut.seconds < 4.0 * record_s);
    assert_true(whole.seconds > 11.0 * record_s);
    assert_true(cut.messages == P * 11.0);
    arena_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_choices), cmocka_unit_test(test_best_of_all),
        cmocka_unit_test(test_bcast),   cmocka_unit_test(test_many_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
