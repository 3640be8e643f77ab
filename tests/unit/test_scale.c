/* The model of scale against cases that can be computed by hand, and its law of what goes wrong. */
#include "mpi/jobs/scale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <math.h>

static void near(double got, double want, double tolerance)
{
    assert_true(fabs(got - want) <= tolerance * fabs(want));
}

/* Everything can be shared: efficiency 1 up to the tiles. With a part that cannot, Amdahl's law. */
static void test_one_training(void **state)
{
    (void)state;
    struct arena scratch;
    struct scale_run rows[SCALE_ROWS_MAX];
    struct balance_costs c = {.n_tiles = 12, .turns = 1, .simulate_s = 2.0, .update_s = 1.0};
    int n;
    arena_init(&scratch);
    assert_int_equal(scale_runs(rows, &n, &c, 10, &scratch), ERR_OK);
    assert_int_equal(n, 5); /* 1 2 4 8 12 */
    assert_int_equal(rows[4].ranks, 12);
    near(rows[0].converged_s, 360.0, 1e-12);
    near(rows[4].converged_s, 30.0, 1e-12);
    near(rows[4].efficiency, 1.0, 1e-12);
    near(rows[3].efficiency, 0.75, 1e-12); /* 12 tiles on 8 ranks */
    c.fixed_s = 36.0;
    assert_int_equal(scale_runs(rows, &n, &c, 10, &scratch), ERR_OK);
    near(rows[0].update.update_s, 72.0, 1e-12);
    near(rows[4].update.update_s, 39.0, 1e-12);
    arena_release(&scratch);
}

static struct scale_farm last_farm(const struct scale_farm_cfg *cfg, double run_s)
{
    struct arena scratch;
    struct scale_farm rows[SCALE_ROWS_MAX];
    const struct loggp net = {0};
    int n;
    arena_init(&scratch);
    assert_int_equal(scale_farms(rows, &n, cfg, run_s, &net, &scratch), ERR_OK);
    arena_release(&scratch);
    return rows[n - 1];
}

static void test_undisturbed_farm(void **state)
{
    (void)state;
    const struct scale_farm_cfg cfg = {.ranks_each = 2, .per_place = 3, .ranks_most = 100};
    const struct scale_farm f = last_farm(&cfg, 7.0);
    assert_int_equal(f.ranks, 100);
    assert_int_equal(f.trainings, 150);
    near(f.seconds, 21.0, 1e-12);
    near(f.efficiency, 1.0, 1e-12);
    assert_true(f.preemptions == 0.0 && f.lost_share == 0.0);
}

/* One place, many trainings: their mean time is run_s exp(sigma^2 / 2). */
static void test_stragglers(void **state)
{
    (void)state;
    const struct scale_farm_cfg cfg = {
        .seed = 3, .sigma = 0.5, .ranks_each = 1, .per_place = 4000, .ranks_most = 1};
    const struct scale_farm f = last_farm(&cfg, 2.0);
    near(f.seconds / f.trainings, 2.0 * exp(0.125), 0.03);
}

/* A rate of r preemptions in the time of a training: r of them in the mean, if the work since the
 * last checkpoint is nothing. Each costs the restart. */
static void test_preemptions(void **state)
{
    (void)state;
    struct scale_farm_cfg cfg = {.seed = 4,
                                 .preempt_per_hour = 18.0,
                                 .restart_s = 10.0,
                                 .ranks_each = 2,
                                 .per_place = 2000,
                                 .ranks_most = 2};
    const struct scale_farm f = last_farm(&cfg, 100.0); /* 2 ranks x 18 / h x 100 s = 1 */
    near(f.preemptions / f.trainings, 1.0, 0.05);
    near(f.seconds / f.trainings, 110.0, 0.01);
    near(f.lost_share, 10.0 / 110.0, 0.05);
    /* half of 20 s between two checkpoints is lost, too; that work is at risk again */
    cfg.checkpoint_s = 20.0;
    const struct scale_farm g = last_farm(&cfg, 100.0);
    assert_true(g.seconds / g.trainings > 119.0 && g.seconds / g.trainings < 124.0);
}

/* The same draws whatever the number of places; another seed, others. */
static void test_draws(void **state)
{
    (void)state;
    struct scale_farm_cfg cfg = {
        .seed = 5, .sigma = 0.3, .ranks_each = 1, .per_place = 1, .ranks_most = 64};
    const struct scale_farm a = last_farm(&cfg, 1.0), again = last_farm(&cfg, 1.0);
    assert_true(a.seconds == again.seconds);
    cfg.ranks_most = 65;
    const struct scale_farm more = last_farm(&cfg, 1.0);
    assert_true(more.seconds >= a.seconds); /* the slowest of the first 64 is still there */
    cfg.seed = 6;
    assert_true(last_farm(&cfg, 1.0).seconds != more.seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_training), cmocka_unit_test(test_undisturbed_farm),
        cmocka_unit_test(test_stragglers),   cmocka_unit_test(test_preemptions),
        cmocka_unit_test(test_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
