/* The score of a trial by hand: at equal cost, at a price, in several scenarios. */
#include "core/eval/trial_score.h"
#include "tests/unit/eval_rows.h"

/* Arms of static (1, .4) and (3, .8), trial 2 vCPU-hours, .7 with training seed 0, .1 more with
 * seed 1; mean vCPU is four times the vCPU-hours. Scenario s1 is .1 worse for the trial. */
static double fixed_points(const struct eval_row *r, int metric)
{
    static const double cost[] = {1, 3, 2};
    static const double value[] = {0.4, 0.8, 0.7};
    if (metric == METRIC_OF(vcpu_h)) {
        return cost[r->controller];
    }
    if (metric == METRIC_OF(vcpu)) {
        return 4 * cost[r->controller];
    }
    return value[r->controller] + 0.1 * r->train -
           (r->controller == 2 && r->scenario == 1 ? 0.1 : 0.0);
}

static void fill(struct fixture *x, int n_scenarios, int n_train, fake_value *value)
{
    fake_eval_init(&x->f, n_scenarios, 5);
    fake_eval_add(&x->f, "few", &controller_static, false, 1);
    fake_eval_add(&x->f, "many", &controller_static, false, 1);
    fake_eval_add(&x->f, "trial", &controller_ff, true, n_train);
    fake_eval_fill(&x->f, value);
}

static struct trial_score score(struct fixture *x, const struct tune_cfg *tune)
{
    struct trial_score s;
    assert_int_equal(trial_score(&s, tune, &x->f.cfg, x->f.scenarios, x->f.n_scenarios, x->f.rows,
                                 x->f.n_rows, &x->scratch),
                     ERR_OK);
    return s;
}

static const struct tune_cfg equal_cost = {.objective = TUNE_EQUAL_COST, .reference = "static"};

static void at_equal_cost(void **state)
{
    struct fixture *x = *state;
    fill(x, 1, 1, fixed_points);
    struct trial_score s = score(x, &equal_cost);
    assert_near(s.objective.value, 0.7 - 0.6, 1e-12); /* half of each arm */
    assert_near(s.objective.lo, 0.1, 1e-12);          /* no chance, no width */
    assert_near(s.slo_attainment.value, 0.7, 1e-12);
    assert_near(s.vcpu.value, 8, 1e-12);
    fill(x, 1, 2, fixed_points); /* training seeds are resampled */
    s = score(x, &equal_cost);
    assert_near(s.objective.value, 0.15, 1e-12);
    assert_near(s.objective.lo, 0.1, 1e-12);
    assert_near(s.objective.hi, 0.2, 1e-12);
    fill(x, 2, 1, fixed_points); /* the same weight for each scenario */
    s = score(x, &equal_cost);
    assert_near(s.objective.value, 0.05, 1e-12);
    assert_near(s.slo_attainment.value, 0.65, 1e-12);
}

static void at_a_price(void **state)
{
    struct fixture *x = *state;
    const struct tune_cfg priced = {.objective = TUNE_PRICED, .metric = "success", .price = 0.05};
    fill(x, 1, 1, fixed_points);
    const struct trial_score s = score(x, &priced);
    assert_near(s.objective.value, 0.7 - 0.05 * 8, 1e-12);
    assert_near(s.slo_attainment.value, 0.7, 1e-12);
}

static double cheap(const struct eval_row *r, int metric)
{
    return r->controller == 2 && metric == METRIC_OF(vcpu_h) ? 0.5 : fixed_points(r, metric);
}

static double empty(const struct eval_row *r, int metric)
{
    return r->episode < 5 && r->controller >= 0 && metric >= 0 ? (double)NAN : 0.0;
}

static void without_a_score(void **state)
{
    struct fixture *x = *state;
    fill(x, 1, 1, cheap); /* cheaper than every arm of the reference */
    struct trial_score s = score(x, &equal_cost);
    assert_true(isnan(s.objective.value));
    assert_near(s.slo_attainment.value, 0.7, 1e-12);
    fill(x, 1, 1, empty); /* nobody received a request */
    s = score(x, &equal_cost);
    assert_true(isnan(s.objective.value) && isnan(s.slo_attainment.value));
}

/* Episodes differ. Two trials that differ by a constant have intervals that differ by it, because
 * they resample the same episodes. */
static double chance(const struct eval_row *r, int metric)
{
    return fixed_points(r, metric) + (metric == METRIC_OF(slo_attainment) ? 0.02 * r->episode : 0);
}

static double chance_and_more(const struct eval_row *r, int metric)
{
    return chance(r, metric) +
           (r->controller == 2 && metric == METRIC_OF(slo_attainment) ? 0.05 : 0);
}

static void common_resamples(void **state)
{
    struct fixture *x = *state;
    fill(x, 1, 1, chance);
    const struct trial_score a = score(x, &equal_cost);
    fill(x, 1, 1, chance_and_more);
    const struct trial_score b = score(x, &equal_cost);
    assert_true(a.slo_attainment.hi > a.slo_attainment.lo);
    assert_near(b.slo_attainment.lo - a.slo_attainment.lo, 0.05, 1e-12);
    assert_near(b.slo_attainment.hi - a.slo_attainment.hi, 0.05, 1e-12);
    assert_near(b.objective.hi - a.objective.hi, 0.05, 1e-12);
}

static void references(void **state)
{
    (void)state;
    assert_ptr_equal(trial_reference("khpa"), &controller_khpa);
    assert_null(trial_reference("nothing"));
    assert_null(trial_reference("policy"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(at_equal_cost),    TEST(at_a_price), TEST(without_a_score),
        TEST(common_resamples), TEST(references),
    };
    return cmocka_run_group_tests_name("trial score", tests, NULL, NULL);
}
