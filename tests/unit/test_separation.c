/* The verdicts of the separation on rows without chance, and what it refuses. */
#include "core/report/separation_table.h"
#include "tests/unit/eval_rows.h"
#include "tests/unit/heard.h"

/* nothing (1, .4), khpa (2, .6), ff (2, .65), oracle (1.5, .7): in scenario 1 ff has .61. */
static double fixed_points(const struct eval_row *r, int metric)
{
    static const double cost[] = {1, 2, 2, 1.5};
    static const double value[] = {0.4, 0.6, 0.65, 0.7};
    if (metric == METRIC_OF(vcpu_h)) {
        return cost[r->controller];
    }
    return metric != METRIC_OF(slo_attainment)      ? 0
           : r->controller == 2 && r->scenario == 1 ? 0.61
                                                    : value[r->controller];
}

/* khpa is ahead of ff in one episode of eight: better on average, but nobody can be sure. */
static double doubtful(const struct eval_row *r, int metric)
{
    if (r->controller == 2 && metric == METRIC_OF(slo_attainment)) {
        return r->episode == 0 ? 0.5 : 0.65;
    }
    return fixed_points(r, metric);
}

static void decide(struct fixture *x, int n_scenarios, fake_value *value)
{
    fake_eval_init(&x->f, n_scenarios, 8);
    fake_eval_add(&x->f, "nothing", &controller_nothing, true, 1);
    fake_eval_add(&x->f, "tuned", &controller_khpa, true, 1);
    fake_eval_add(&x->f, "ff", &controller_ff, true, 1);
    fake_eval_add(&x->f, "oracle", &controller_oracle, true, 1);
    x->f.cfg.separation = "tuned";
    fake_eval_fill(&x->f, value);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(separation_init(&x->separation, &x->arena, &x->s, &x->scratch), ERR_OK);
}

static const struct separation_row *row_of(const struct separation *g, int scenario,
                                           const struct controller_kind *better,
                                           const struct controller_kind *worse)
{
    for (int i = 0; i < g->n_rows; i++) {
        const struct separation_row *r = &g->rows[i];
        if (r->scenario == scenario && r->better == better && r->worse == worse) {
            return r;
        }
    }
    fail_msg("no such inequality");
    return NULL;
}

static void all_pass(void **state)
{
    struct fixture *x = *state;
    decide(x, 1, fixed_points);
    assert_int_equal(x->separation.n_judged, 4);
    assert_int_equal(x->separation.n_failed, 0);
    assert_int_equal(separation_verdict(&x->separation), ERR_OK);
    const struct separation_row *r =
        row_of(&x->separation, 0, &controller_oracle, &controller_khpa);
    assert_near(r->pair.cost, 2, 1e-12);
    assert_near(r->pair.diff.value, 0.1, 1e-12);
    /* Doing nothing is the only fixed allocation: shown, not judged. */
    r = row_of(&x->separation, 0, &controller_khpa, &controller_static);
    assert_true(isnan(r->least));
    assert_near(r->pair.diff.value, 0.2, 1e-12);
}

/* .61 - .6 is not 2 points. The other scenario passes. */
static void too_small_a_difference_fails(void **state)
{
    struct fixture *x = *state;
    struct heard heard;
    decide(x, 2, fixed_points);
    assert_int_equal(x->separation.n_judged, 8);
    assert_int_equal(x->separation.n_failed, 1);
    assert_true(row_of(&x->separation, 0, &controller_ff, &controller_khpa)->passes);
    assert_false(row_of(&x->separation, 1, &controller_ff, &controller_khpa)->passes);
    heard_begin(&heard);
    assert_int_equal(separation_verdict(&x->separation), ERR_FAILED);
    heard_end();
    assert_non_null(strstr(heard.text, "1 of 8 inequalities"));
}

/* (7 x .65 + .5) / 8 = .631 is more than 2 points above .6, but the interval reaches below. */
static void the_interval_decides(void **state)
{
    struct fixture *x = *state;
    decide(x, 1, doubtful);
    const struct separation_row *r = row_of(&x->separation, 0, &controller_ff, &controller_khpa);
    assert_true(r->pair.diff.value > r->least);
    assert_true(r->pair.diff.lo < r->least);
    assert_false(r->passes);
}

static void without_an_anchor(void **state)
{
    struct fixture *x = *state;
    struct heard heard;
    decide(x, 1, fixed_points);
    x->f.cfg.separation = "";
    assert_int_equal(separation_init(&x->separation, &x->arena, &x->s, &x->scratch), ERR_OK);
    assert_int_equal(x->separation.n_rows, 0);
    assert_int_equal(separation_verdict(&x->separation), ERR_OK);
    x->f.cfg.separation = "ff"; /* there is one, but it is no khpa */
    heard_begin(&heard);
    assert_int_equal(separation_init(&x->separation, &x->arena, &x->s, &x->scratch), ERR_CONFIG);
    heard_end();
    assert_non_null(strstr(heard.text, "eval.separation is 'ff'"));
}

/* The bound is that of the first shown controller, so without one there is no cell to read. */
static void the_bound_needs_a_shown_controller(void **state)
{
    struct fixture *x = *state;
    for (int shown = 0; shown < 2; shown++) {
        struct buf out;
        buf_init(&out);
        fake_eval_init(&x->f, 1, 8);
        fake_eval_add(&x->f, "nothing", &controller_nothing, shown == 1, 1);
        fake_eval_fill(&x->f, fixed_points);
        assert_int_equal(fixture_summarise(x), ERR_OK);
        assert_int_equal(x->s.n_shown, shown);
        x->s.cells = shown == 1 ? x->s.cells : NULL;
        assert_int_equal(separation_table_print_upper_bound(&out, &x->s), ERR_OK);
        assert_true((out.len > 0) == (shown == 1));
        buf_release(&out);
    }
}

static double bound_one(const struct eval_row *r, int metric)
{
    return metric == METRIC_OF(upper_bound) ? 1.0004 : fixed_points(r, metric);
}

static double bound_above(const struct eval_row *r, int metric)
{
    return metric == METRIC_OF(upper_bound) ? 1.017 : fixed_points(r, metric);
}

/* A bound above 1 is no mistake: the line says where it comes from. One that is printed as 1.000
 * needs no explanation. */
static void a_bound_above_one_is_explained(void **state)
{
    struct fixture *x = *state;
    for (int above = 0; above < 2; above++) {
        struct buf out;
        buf_init(&out);
        decide(x, 1, above == 1 ? bound_above : bound_one);
        assert_int_equal(separation_table_print_upper_bound(&out, &x->s), ERR_OK);
        const char *text = (const char *)out.data;
        assert_non_null(strstr(text, above == 1 ? " 1.017 [1.017, 1.017]" : " 1.000 [1.000"));
        assert_true((strstr(text, "above 1: requests in flight") != NULL) == (above == 1));
        buf_release(&out);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_pass),
        TEST(too_small_a_difference_fails),
        TEST(the_interval_decides),
        TEST(without_an_anchor),
        TEST(the_bound_needs_a_shown_controller),
        TEST(a_bound_above_one_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
