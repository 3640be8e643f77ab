/* Means, intervals and differences of rows whose statistics are known beforehand. */
#include "core/base/log.h"
#include "tests/unit/eval_rows.h"

#include <stdio.h>

static void ignore_line(void *ctx, enum log_level level, const char *line)
{
    (void)level;
    (void)line;
    ++*(int *)ctx;
}

/* Compliance: 0.5 + scenario / 10 + episode / 100 for rules, + 0.2 + training seed / 10 for the
 * policy. Recovery: not defined in scenario 0, and in episodes 0 and 1 of scenario 1. */
static double graded(const struct eval_row *r, int metric)
{
    if (metric == METRIC_OF(slo_attainment)) {
        const double base = 0.5 + r->scenario / 10.0 + r->episode / 100.0;
        return r->controller == 0 ? base : base + 0.2 + r->train / 10.0;
    }
    if (metric == METRIC_OF(vcpu_h)) {
        return r->controller == 0 ? 2 : 3;
    }
    if (metric == METRIC_OF(recovery)) {
        return r->scenario == 0 || r->episode < 2 ? (double)NAN : 10.0 + r->episode;
    }
    return 0;
}

static void two_controllers(struct fixture *x, int n_train)
{
    fake_eval_init(&x->f, 2, 10);
    fake_eval_add(&x->f, "nothing", &controller_nothing, true, 1);
    fake_eval_add(&x->f, "policy", &controller_policy, true, n_train);
    fake_eval_fill(&x->f, graded);
}

static void means_of_every_view(void **state)
{
    struct fixture *x = *state;
    two_controllers(x, 2);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(x->s.n_views, 3);
    assert_int_equal(summary_scenario(&x->s, 2), OUTCOMES_POOLED);
    /* mean of episode / 100 over 0..9 is 0.045; of train / 10 over 0, 1 it is 0.05 */
    const double expected[2][3] = {{0.545, 0.645, 0.595}, {0.795, 0.895, 0.845}};
    for (int c = 0; c < 2; c++) {
        for (int v = 0; v < 3; v++) {
            const struct summary_cell *cell = summary_cell(&x->s, c, v, METRIC_OF(slo_attainment));
            assert_near(cell->value.value, expected[c][v], 1e-12);
            assert_int_equal(cell->n, 10);
            assert_int_equal(cell->skipped, 0);
            assert_true(cell->value.lo < expected[c][v] && expected[c][v] < cell->value.hi);
        }
    }
}

/* With two training seeds 0.1 apart one resample in four has the same seed twice: the interval of
 * the policy reaches over both, that of a rule rests on episodes alone. */
static void training_seeds_widen_the_interval(void **state)
{
    struct fixture *x = *state;
    two_controllers(x, 2);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    const struct stat_interval *rule = &summary_cell(&x->s, 0, 0, METRIC_OF(slo_attainment))->value;
    const struct stat_interval *policy =
        &summary_cell(&x->s, 1, 0, METRIC_OF(slo_attainment))->value;
    assert_true(rule->hi - rule->lo < 0.05);
    assert_true(policy->hi - policy->lo > 0.1);
}

/* Both arms meet the same episodes, so what an episode adds to both cancels: the difference is
 * exact. Unpaired it would have the width of the rows above. */
static void differences_are_paired(void **state)
{
    struct fixture *x = *state;
    two_controllers(x, 1);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(x->s.n_references, 1);
    assert_int_equal(x->s.references[0], 1);
    for (int v = 0; v < 3; v++) {
        const struct summary_gap *g = summary_gap(&x->s, 0, 0, v);
        assert_near(g->slo_attainment.value.value, 0.2, 1e-12);
        assert_near(g->slo_attainment.value.lo, 0.2, 1e-12);
        assert_near(g->slo_attainment.value.hi, 0.2, 1e-12);
        assert_near(g->vcpu_h.value.value, 1.0, 1e-12);
    }
}

static void undefined_values_are_left_out_and_counted(void **state)
{
    struct fixture *x = *state;
    two_controllers(x, 2);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    const struct summary_cell *none = summary_cell(&x->s, 0, 0, METRIC_OF(recovery));
    assert_int_equal(none->n, 0);
    assert_int_equal(none->skipped, 10);
    assert_true(isnan(none->value.value) && isnan(none->value.lo) && isnan(none->value.hi));
    const struct summary_cell *some = summary_cell(&x->s, 1, 1, METRIC_OF(recovery));
    assert_int_equal(some->n, 8);
    assert_int_equal(some->skipped, 2);
    assert_near(some->value.value, 15.5, 1e-12); /* 12 .. 19 */
    const struct summary_cell *pooled = summary_cell(&x->s, 1, 2, METRIC_OF(recovery));
    assert_int_equal(pooled->n, 8);
    assert_near(pooled->value.value, 15.5, 1e-12);
}

/* A column goes when one of two training seeds has no value there. */
static void columns_go_together(void **state)
{
    (void)state;
    double a[6] = {1, NAN, 3, 4, 5, 6}; /* (2, 3) */
    double b[3] = {7, 8, INFINITY};
    assert_int_equal(outcomes_defined(a, 2, b, 1, 3), 1);
    assert_near(a[0], 1, 0);
    assert_near(a[1], 4, 0);
    assert_near(b[0], 7, 0);
    double c[4] = {1, 2, 3, 4};
    assert_int_equal(outcomes_defined(c, 2, NULL, 0, 2), 2);
    assert_near(c[3], 4, 0);
}

static void hidden_controllers_have_no_cells(void **state)
{
    struct fixture *x = *state;
    fake_eval_init(&x->f, 1, 4);
    fake_eval_add(&x->f, "khpa 50", &controller_khpa, false, 1);
    fake_eval_add(&x->f, "khpa", &controller_khpa, true, 1);
    fake_eval_add(&x->f, "cloned", &controller_policy, true, 1);
    fake_eval_add(&x->f, "scratch", &controller_policy, true, 1);
    fake_eval_fill(&x->f, graded);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(x->s.n_shown, 3);
    assert_int_equal(x->s.shown[0], 1);
    assert_int_equal(x->s.n_views, 1);
    /* no controller is called policy: both of that kind are references */
    assert_int_equal(x->s.n_references, 2);
    assert_int_equal(x->s.references[0], 1);
    assert_int_equal(x->s.references[1], 2);
    x->f.cfg.reference = "khpa"; /* the name goes before the kind */
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(x->s.n_references, 1);
    assert_int_equal(x->s.references[0], 0);
    x->f.cfg.reference = "oracle"; /* unknown: the first shown one */
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(x->s.n_references, 1);
    assert_int_equal(x->s.references[0], 0);
}

static void same_rows_same_bits(void **state)
{
    struct fixture *x = *state;
    two_controllers(x, 2);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    const struct summary first = x->s;
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_memory_equal(first.cells, x->s.cells, 2 * 3 * METRIC_COUNT * sizeof *first.cells);
}

static void wrong_rows_are_refused(void **state)
{
    struct fixture *x = *state;
    int n_lines = 0;
    log_set_sink(ignore_line, &n_lines);
    two_controllers(x, 1);
    x->f.n_rows--; /* one is missing */
    assert_int_equal(fixture_summarise(x), ERR_MISMATCH);
    two_controllers(x, 1);
    x->f.rows[7].episode = 6; /* twice */
    assert_int_equal(fixture_summarise(x), ERR_MISMATCH);
    two_controllers(x, 1);
    x->f.rows[0].controller = 5;
    assert_int_equal(fixture_summarise(x), ERR_MISMATCH);
    two_controllers(x, 1);
    x->f.n_rows = 20; /* a whole controller is missing */
    assert_int_equal(fixture_summarise(x), ERR_MISMATCH);
    log_set_sink(NULL, NULL);
    assert_int_equal(n_lines, 4);
}

static void no_memory_is_an_error(void **state)
{
    struct fixture *x = *state;
    int n_lines = 0;
    two_controllers(x, 1);
    log_set_sink(ignore_line, &n_lines);
    mem_fail_after(1);
    assert_int_equal(fixture_summarise(x), ERR_MEMORY);
    mem_fail_after(0);
    log_set_sink(NULL, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(means_of_every_view),    TEST(training_seeds_widen_the_interval),
        TEST(differences_are_paired), TEST(undefined_values_are_left_out_and_counted),
        TEST(columns_go_together),    TEST(hidden_controllers_have_no_cells),
        TEST(same_rows_same_bits),    TEST(wrong_rows_are_refused),
        TEST(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
