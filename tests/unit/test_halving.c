/* Successive halving: the plan of rungs by hand, and who goes on. */
#include "core/eval/halving.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants these first */
#include <cmocka.h>

static void assert_rung(const struct halving_rung *r, int n_trials, int budget)
{
    assert_int_equal(r->n_trials, n_trials);
    assert_int_equal(r->budget, budget);
}

/* n_k = floor(64 / 3^k) = 64, 21, 7; r_k = ceil(60 / 3^(2 - k)) = 7, 20, 60. */
static void plans(void **state)
{
    (void)state;
    struct halving_rung r[4];
    halving_plan(r, 3, 3, 64, 60);
    assert_rung(&r[0], 64, 7);
    assert_rung(&r[1], 21, 20);
    assert_rung(&r[2], 7, 60);
    halving_plan(r, 1, 3, 64, 60);
    assert_rung(&r[0], 64, 60);
    halving_plan(r, 4, 2, 8, 8); /* powers of two: the same work in each rung */
    for (int k = 0; k < 4; k++) {
        assert_rung(&r[k], 8 >> k, 1 << k);
    }
    halving_plan(r, 3, 16, 10, 1); /* nobody is left before the end, and nothing is 0 */
    assert_rung(&r[1], 1, 1);
    assert_rung(&r[2], 1, 1);
}

static void the_best_go_on(void **state)
{
    (void)state;
    const int trials[] = {1, 2, 5, 7, 9};
    const double objective[] = {0.2, 0.5, NAN, 0.5, 0.1};
    int kept[5];
    halving_keep(kept, 1, trials, objective, 5);
    assert_int_equal(kept[0], 2); /* of two alike the lower number */
    halving_keep(kept, 3, trials, objective, 5);
    assert_int_equal(kept[0], 1);
    assert_int_equal(kept[1], 2);
    assert_int_equal(kept[2], 7);
    halving_keep(kept, 4, trials, objective, 5);
    assert_int_equal(kept[3], 9); /* NaN is the worst */
    halving_keep(kept, 5, trials, objective, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(kept[i], trials[i]);
    }
    int same[] = {1, 2, 5, 7, 9};
    halving_keep(same, 2, same, objective, 5); /* in place */
    assert_int_equal(same[0], 2);
    assert_int_equal(same[1], 7);
}

static void an_order(void **state)
{
    (void)state;
    assert_true(halving_better(1, 0.5, 2, 0.5));
    assert_false(halving_better(2, 0.5, 1, 0.5));
    assert_true(halving_better(2, 0.6, 1, 0.5));
    assert_false(halving_better(1, NAN, 2, -1e9));
    assert_true(halving_better(2, -1e9, 1, NAN));
    assert_true(halving_better(1, NAN, 2, NAN));
}

/* Every trial has a quality, and a budget b shows it with an error of at most 1 / b. A rung's
 * winner is then never dropped for one that is worse by more than twice the error. */
static void finds_the_best_of_a_known_law(void **state)
{
    (void)state;
    enum { N = 27 };
    struct halving_rung r[3];
    int alive[N], n = N;
    halving_plan(r, 3, 3, N, 90);
    for (int i = 0; i < N; i++) {
        alive[i] = i + 1;
    }
    for (int k = 0; k < 3; k++) {
        double seen[N];
        assert_int_equal(n, r[k].n_trials);
        for (int i = 0; i < n; i++) { /* quality: 1 for trial 14, less with the distance from it */
            const double quality = 1.0 - 0.05 * abs(alive[i] - 14);
            seen[i] = quality + (alive[i] % 2 == 0 ? -0.2 : 0.2) / r[k].budget;
        }
        n = k < 2 ? r[k + 1].n_trials : 1;
        halving_keep(alive, n, alive, seen, r[k].n_trials);
    }
    assert_int_equal(alive[0], 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans),
        cmocka_unit_test(the_best_go_on),
        cmocka_unit_test(an_order),
        cmocka_unit_test(finds_the_best_of_a_known_law),
    };
    return cmocka_run_group_tests_name("halving", tests, NULL, NULL);
}
