/* Hulls and what is read from them, by hand; differences on rows without chance. */
#include "core/controllers/trained.h"
#include "tests/unit/eval_rows.h"

static void compare(struct fixture *x)
{
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(frontiers_init(&x->fr, &x->arena, &x->s, &x->scratch), ERR_OK);
}

static void corners_rise_and_bend(void **state)
{
    (void)state;
    /* (2, .5) lies below the line from (1, .4) to (3, .7); (4, .6) costs more for less; (5, .8)
     * rises more slowly than before. */
    struct frontier_point p[] = {{4, 0.6, 0}, {1, 0.4, 1}, {5, 0.8, 2}, {3, 0.7, 3}, {2, 0.5, 4}};
    const int n = frontier_hull(p, 5);
    assert_int_equal(n, 3);
    assert_int_equal(p[0].arm, 1);
    assert_int_equal(p[1].arm, 3);
    assert_int_equal(p[2].arm, 2);
    assert_true(isnan(frontier_at(p, n, 0.99)));
    assert_near(frontier_at(p, n, 1), 0.4, 1e-15);
    assert_near(frontier_at(p, n, 2), 0.55, 1e-15); /* half of the episodes each */
    assert_near(frontier_at(p, n, 4), 0.75, 1e-15);
    assert_near(frontier_at(p, n, 5), 0.8, 1e-15);
    assert_near(frontier_at(p, n, 50), 0.8, 1e-15); /* need not be spent */
}

static void ties_and_single_points(void **state)
{
    (void)state;
    struct frontier_point one[] = {{2, 0.5, 0}};
    assert_int_equal(frontier_hull(one, 1), 1);
    assert_true(isnan(frontier_at(one, 1, 1)));
    assert_near(frontier_at(one, 1, 3), 0.5, 0);
    /* equal costs: the better one; equal points: the first */
    struct frontier_point same[] = {{2, 0.5, 0}, {2, 0.6, 1}, {2, 0.6, 2}, {3, 0.6, 3}};
    assert_int_equal(frontier_hull(same, 4), 1);
    assert_int_equal(same[0].arm, 1);
    /* three on a line: the middle one is no corner */
    struct frontier_point line[] = {{0, 0, 0}, {1, 0.5, 1}, {2, 1, 2}};
    assert_int_equal(frontier_hull(line, 3), 2);
    /* the dearest is the worst: one corner */
    struct frontier_point falling[] = {{1, 0.9, 0}, {2, 0.5, 1}, {3, 0.1, 2}};
    assert_int_equal(frontier_hull(falling, 3), 1);
}

/* khpa arms (2, .5), (4, .7); ff arms (2, .6), (3, .9); nothing (1, .4); the policy costs 3 and
 * reaches .8 with training seed 0, .9 with seed 1. */
static double fixed_points(const struct eval_row *r, int metric)
{
    static const double cost[] = {1, 2, 4, 2, 3, 3};
    static const double value[] = {0.4, 0.5, 0.7, 0.6, 0.9, 0.8};
    if (metric == METRIC_OF(vcpu_h)) {
        return cost[r->controller];
    }
    if (metric == METRIC_OF(slo_attainment) || metric == METRIC_OF(resilience)) {
        return value[r->controller] + 0.1 * r->train;
    }
    return 0;
}

static void arms(struct fixture *x, int n_train)
{
    fake_eval_init(&x->f, 1, 6);
    fake_eval_add(&x->f, "nothing", &controller_nothing, true, 1);
    fake_eval_add(&x->f, "khpa 1", &controller_khpa, true, 1);
    fake_eval_add(&x->f, "khpa 2", &controller_khpa, false, 1);
    fake_eval_add(&x->f, "ff 1", &controller_ff, false, 1);
    fake_eval_add(&x->f, "ff 2", &controller_ff, false, 1);
    fake_eval_add(&x->f, "policy", &controller_policy, true, n_train);
    fake_eval_fill(&x->f, fixed_points);
}

static void a_policy_at_its_own_cost(void **state)
{
    struct fixture *x = *state;
    arms(x, 1);
    compare(x);
    assert_int_equal(x->fr.n_policies, 1);
    assert_int_equal(frontiers_gap(&x->fr, 0, 0, 0)->n_arms, 1); /* doing nothing */
    assert_near(frontiers_gap(&x->fr, 0, 0, 0)->diff.value, 0.4, 1e-12);
    assert_int_equal(frontiers_gap(&x->fr, 0, 3, 0)->n_arms, 0); /* no oracle */
    const struct frontier_gap *khpa = frontiers_gap(&x->fr, 0, 1, 0);
    assert_int_equal(khpa->n_arms, 2);
    assert_near(khpa->cost, 3, 1e-12);
    assert_near(khpa->value, 0.6, 1e-12); /* half of each arm */
    assert_near(khpa->diff.value, 0.2, 1e-12);
    assert_near(khpa->diff.lo, 0.2, 1e-12); /* no chance, no width */
    assert_near(khpa->diff.hi, 0.2, 1e-12);
    assert_int_equal(khpa->undefined, 0);
    const struct frontier_gap *ff = frontiers_gap(&x->fr, 0, 2, 0);
    assert_near(ff->diff.value, -0.1, 1e-12);
    /* (.8 - .4) / (.9 - .4) */
    assert_near(frontiers_headroom(&x->fr, 0, 0)->slo_attainment.value, 0.8, 1e-12);
    assert_near(frontiers_headroom(&x->fr, 0, 0)->resilience.value, 0.8, 1e-12);
}

/* Two training seeds 0.1 apart: both, one or the other is drawn. */
static void training_seeds_are_resampled(void **state)
{
    struct fixture *x = *state;
    arms(x, 2);
    compare(x);
    const struct frontier_gap *khpa = frontiers_gap(&x->fr, 0, 1, 0);
    assert_near(khpa->diff.value, 0.25, 1e-12);
    assert_near(khpa->diff.lo, 0.2, 1e-12);
    assert_near(khpa->diff.hi, 0.3, 1e-12);
}

/* Nobody received anything in episode 0, and one arm lacks episode 1. */
static double with_gaps(const struct eval_row *r, int metric)
{
    const bool gap = r->episode == 0 || (r->episode == 1 && r->controller == 1);
    return gap ? (double)NAN : fixed_points(r, metric);
}

static double nothing_at_all(const struct eval_row *r, int metric)
{
    (void)r;
    (void)metric;
    return (double)NAN;
}

static void episodes_without_a_value_are_left_out(void **state)
{
    struct fixture *x = *state;
    arms(x, 2);
    compare(x);
    const struct frontier_gap whole = *frontiers_gap(&x->fr, 0, 1, 0);
    const struct headroom room = *frontiers_headroom(&x->fr, 0, 0);
    fake_eval_fill(&x->f, with_gaps);
    compare(x);
    const struct frontier_gap *khpa = frontiers_gap(&x->fr, 0, 1, 0);
    assert_near(khpa->cost, whole.cost, 1e-12); /* every episode is the same */
    assert_near(khpa->value, whole.value, 1e-12);
    assert_near(khpa->diff.value, whole.diff.value, 1e-12);
    assert_near(khpa->diff.hi, whole.diff.hi, 1e-12);
    assert_int_equal(khpa->undefined, 0);
    assert_near(frontiers_headroom(&x->fr, 0, 0)->slo_attainment.value, room.slo_attainment.value,
                1e-12);
    fake_eval_fill(&x->f, nothing_at_all);
    compare(x);
    khpa = frontiers_gap(&x->fr, 0, 1, 0);
    assert_true(isnan(khpa->cost) && isnan(khpa->value) && isnan(khpa->diff.value));
    assert_int_equal(khpa->undefined, x->f.cfg.resamples);
    assert_true(isnan(frontiers_headroom(&x->fr, 0, 0)->slo_attainment.value));
}

static double cheap_policy(const struct eval_row *r, int metric)
{
    if (r->controller == 5 && metric == METRIC_OF(vcpu_h)) {
        return 1.5;
    }
    return fixed_points(r, metric);
}

/* In episode 0 the policy costs less than any khpa arm, in the others as much as the first: whether
 * the frontier is defined depends on the draw. */
static double cheap_at_times(const struct eval_row *r, int metric)
{
    if (r->controller == 5 && metric == METRIC_OF(vcpu_h)) {
        return r->episode == 0 ? 1.9 : 2.03;
    }
    return fixed_points(r, metric);
}

static void cheaper_than_every_arm_is_undefined(void **state)
{
    struct fixture *x = *state;
    arms(x, 1);
    fake_eval_fill(&x->f, cheap_policy);
    compare(x);
    const struct frontier_gap *khpa = frontiers_gap(&x->fr, 0, 1, 0);
    assert_true(isnan(khpa->value) && isnan(khpa->diff.value) && isnan(khpa->diff.lo));
    assert_int_equal(khpa->undefined, x->f.cfg.resamples);
    fake_eval_fill(&x->f, cheap_at_times);
    compare(x);
    khpa = frontiers_gap(&x->fr, 0, 1, 0);
    /* k of 6 draws of episode 0 give 2.03 - 0.13 k / 6, below 2 if k > 1, in a share
     * 1 - (5/6)^6 - (5/6)^5 = 0.263 of the resamples */
    assert_true(khpa->undefined > 0.2 * x->f.cfg.resamples);
    assert_true(khpa->undefined < 0.33 * x->f.cfg.resamples);
    assert_true(isfinite(khpa->diff.lo) && isfinite(khpa->diff.hi));
}

static void no_rules_no_frontier(void **state)
{
    struct fixture *x = *state;
    fake_eval_init(&x->f, 2, 4);
    fake_eval_add(&x->f, "policy", &controller_policy, true, 1);
    fake_eval_fill(&x->f, fixed_points);
    compare(x);
    assert_int_equal(x->s.n_views, 3);
    for (int v = 0; v < 3; v++) {
        assert_int_equal(frontiers_gap(&x->fr, 0, 2, v)->n_arms, 0);
        assert_true(isnan(frontiers_headroom(&x->fr, 0, v)->slo_attainment.value));
    }
}

static void hull_of_outcomes(void **state)
{
    struct fixture *x = *state;
    struct frontier_point points[ROWS_CONTROLLERS_MAX];
    arms(x, 1);
    compare(x);
    assert_int_equal(frontiers_hull(points, &x->s.outcomes, &x->f.cfg, &controller_khpa, 0), 2);
    assert_int_equal(points[1].arm, 2);
    assert_int_equal(frontiers_hull(points, &x->s.outcomes, &x->f.cfg, &controller_oracle, 0), 0);
}

static double cheap_anchor(const struct eval_row *r, int metric)
{
    return r->controller == 1 && metric == METRIC_OF(vcpu_h) ? 1.5 : fixed_points(r, metric);
}

static void two_kinds_at_one_cost(void **state)
{
    struct fixture *x = *state;
    struct frontier_pair p;
    arms(x, 1);
    compare(x);
    /* At 4, the cost of the dearest khpa arm: ff stays at .9, which is .2 above its .7. */
    assert_int_equal(frontiers_pair(&p, &x->s, &controller_ff, &controller_khpa, 2, 0, &x->scratch),
                     ERR_OK);
    assert_int_equal(p.n_a, 2);
    assert_int_equal(p.n_b, 2);
    assert_near(p.cost, 4, 1e-12);
    assert_near(p.value_a, 0.9, 1e-12);
    assert_near(p.value_b, 0.7, 1e-12);
    assert_near(p.diff.value, 0.2, 1e-12);
    assert_near(p.diff.lo, 0.2, 1e-12);
    assert_int_equal(p.undefined, 0);
    /* The other way round, and at 2. */
    assert_int_equal(frontiers_pair(&p, &x->s, &controller_khpa, &controller_ff, 1, 0, &x->scratch),
                     ERR_OK);
    assert_near(p.diff.value, 0.5 - 0.6, 1e-12);
    assert_int_equal(
        frontiers_pair(&p, &x->s, &controller_oracle, &controller_ff, 1, 0, &x->scratch), ERR_OK);
    assert_int_equal(p.n_a, 0);
    assert_true(isnan(p.diff.value));
    /* Cheaper than every ff arm. */
    fake_eval_fill(&x->f, cheap_anchor);
    compare(x);
    assert_int_equal(frontiers_pair(&p, &x->s, &controller_khpa, &controller_ff, 1, 0, &x->scratch),
                     ERR_OK);
    assert_true(isnan(p.diff.value));
    assert_int_equal(p.undefined, x->f.cfg.resamples);
}

/* Any controller against a kind: a rule, which is no arm of its own frontier. */
static void a_rule_against_a_frontier(void **state)
{
    struct fixture *x = *state;
    struct frontier_gap g;
    arms(x, 1);
    compare(x);
    assert_int_equal(frontiers_against(&g, &x->s, 5, &controller_khpa, 0, &x->scratch), ERR_OK);
    assert_near(g.diff.value, frontiers_gap(&x->fr, 0, 1, 0)->diff.value, 0);
    assert_near(g.diff.lo, frontiers_gap(&x->fr, 0, 1, 0)->diff.lo, 0);
    /* ff 2 costs 3: khpa reaches .6 there, and ff without it .6. */
    assert_int_equal(frontiers_against(&g, &x->s, 4, &controller_khpa, 0, &x->scratch), ERR_OK);
    assert_int_equal(g.n_arms, 2);
    assert_near(g.diff.value, 0.3, 1e-12);
    assert_int_equal(frontiers_against(&g, &x->s, 4, &controller_ff, 0, &x->scratch), ERR_OK);
    assert_int_equal(g.n_arms, 1);
    assert_near(g.diff.value, 0.3, 1e-12);
    /* ff 1 is cheaper than the only other arm. */
    assert_int_equal(frontiers_against(&g, &x->s, 3, &controller_ff, 0, &x->scratch), ERR_OK);
    assert_true(isnan(g.diff.value));
}

/* Policies 1 (2, .5) and 2 (4, .7) of a sweep, and policy 3 (3, .8) of none; each has .1 more with
 * training seed 1. */
static double sweep_points(const struct eval_row *r, int metric)
{
    static const double cost[] = {1, 2, 4, 3};
    static const double value[] = {0.4, 0.5, 0.7, 0.8};
    return metric == METRIC_OF(vcpu_h)           ? cost[r->controller]
           : metric == METRIC_OF(slo_attainment) ? value[r->controller] + 0.1 * r->train
                                                 : 0;
}

/* A sweep of policies is a frontier: its points are means over training seeds. A resample draws the
 * seeds of the frontier independently of those of the policy, so the difference .2 becomes .1 where
 * the policy has seed 0 alone and the arms seed 1 alone, with a probability of 1/16, and .3. */
static void policies_form_a_frontier(void **state)
{
    static const struct trained_cfg lean = {.sweep = "lean to rich"}, alone = {.sweep = ""};
    struct fixture *x = *state;
    struct frontier_point points[4];
    fake_eval_init(&x->f, 1, 6);
    fake_eval_add(&x->f, "nothing", &controller_nothing, true, 1);
    fake_eval_add(&x->f, "p 1", &controller_policy, true, 2);
    fake_eval_add(&x->f, "p 2", &controller_policy, true, 2);
    fake_eval_add(&x->f, "other", &controller_policy, true, 2);
    x->f.controllers[1].method.params = x->f.controllers[2].method.params = (void *)&lean;
    x->f.controllers[3].method.params = (void *)&alone;
    fake_eval_fill(&x->f, sweep_points);
    compare(x);
    const struct frontiers *f = &x->fr;
    assert_int_equal(f->n_policies, 3);
    assert_int_equal(f->n_sweeps, 1);
    assert_string_equal(frontiers_name(f, f->n_kinds), "lean to rich");
    assert_int_equal(frontiers_corners(points, f, f->n_kinds, 0), 2);
    assert_true(points[0].arm == 1 && points[1].arm == 2);
    assert_near(points[1].value, 0.75, 1e-12);
    const struct frontier_gap *g = frontiers_gap(f, 2, f->n_kinds, 0);
    assert_int_equal(g->n_arms, 2);
    assert_near(g->cost, 3, 1e-12);
    assert_near(g->value, 0.65, 1e-12);
    assert_near(g->diff.value, 0.2, 1e-12);
    assert_near(g->diff.lo, 0.1, 1e-12);
    assert_near(g->diff.hi, 0.3, 1e-12);
    assert_int_equal(g->undefined, 0);
    assert_int_equal(frontiers_gap(f, 0, f->n_kinds, 0)->n_arms, 0); /* its own */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(corners_rise_and_bend),
        TEST(ties_and_single_points),
        TEST(a_policy_at_its_own_cost),
        TEST(training_seeds_are_resampled),
        TEST(cheaper_than_every_arm_is_undefined),
        TEST(episodes_without_a_value_are_left_out),
        TEST(no_rules_no_frontier),
        TEST(hull_of_outcomes),
        TEST(two_kinds_at_one_cost),
        TEST(a_rule_against_a_frontier),
        TEST(policies_form_a_frontier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
