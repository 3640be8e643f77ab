/* Claims and fronts of rows whose statistics are known beforehand. */
#include "core/eval/pareto.h"
#include "core/report/comparison.h"
#include "tests/unit/eval_rows.h"

/* A small number that changes sign from episode to episode and from seed to seed. */
static double ripple(const struct eval_row *r)
{
    return 0.001 *
           ((int)(r->episode * 7 + (uint32_t)r->train * 5 + (uint32_t)r->controller * 3) % 11 - 5);
}

/* Compliance by controller: 0 and 3 are 0.5, 1 is 0.6, 2 is 0.505 and depends on the seed. */
static double levels(const struct eval_row *r, int metric)
{
    static const double level[] = {0.5, 0.6, 0.505, 0.5};
    static const double cost[] = {2, 3, 4, 2}, flips[] = {0, 9, 5, 0};
    if (metric == METRIC_OF(slo_attainment)) {
        return level[r->controller] + 0.02 * (r->episode % 5) + ripple(r);
    }
    if (metric == METRIC_OF(vcpu_h)) {
        return cost[r->controller];
    }
    return metric == METRIC_OF(flips) ? flips[r->controller] : 0;
}

static void claim(struct fixture *x, int better, int than)
{
    x->claim_cfgs[x->f.cfg.n_claims++] =
        (struct claim_cfg){.arm_index = better, .baseline_index = than};
}

/* nothing, ff (a rule each), policy with n_train seeds, and nothing again. */
static void four(struct fixture *x, int n_train)
{
    fake_eval_init(&x->f, 2, 40);
    fake_eval_add(&x->f, "nothing", &controller_nothing, true, 1);
    fake_eval_add(&x->f, "ff", &controller_ff, true, 1);
    fake_eval_add(&x->f, "policy", &controller_policy, true, n_train);
    fake_eval_add(&x->f, "twin", &controller_nothing, true, 1);
    x->f.cfg.claims = x->claim_cfgs;
    x->f.cfg.effect_min = 0.02;
    fake_eval_fill(&x->f, levels);
}

static void summarise(struct fixture *x)
{
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(claims_init(&x->claims, &x->arena, &x->s, &x->scratch), ERR_OK);
    assert_int_equal(x->scratch.bytes, 0);
}

static void verdicts_of_known_rows(void **state)
{
    struct fixture *x = *state;
    four(x, 10);
    claim(x, 1, 0); /* 0.1 better in every episode */
    claim(x, 0, 1); /* the opposite */
    claim(x, 2, 0); /* 0.005 better: no effect of interest */
    summarise(x);
    const struct claim *c = x->claims.items;
    assert_int_equal(c[0].verdict, VERDICT_SUPPORTED);
    assert_int_equal(c[1].verdict, VERDICT_REFUTED);
    assert_int_equal(c[2].verdict, VERDICT_EQUIVALENT);
    assert_near(c[0].diff.value, 0.1, 0.002);
    assert_near(c[0].share.value, 1.0, 0.0);
    assert_near(c[1].share.value, 0.0, 0.0);
    assert_int_equal(c[0].n_units, 40); /* two rules: episodes */
    assert_int_equal(c[2].n_units, 10); /* a policy: training seeds */
    assert_near(x->claims.level, 1.0 - 0.05 / 3, 1e-12);
    for (int i = 0; i < 3; i++) {
        assert_true(c[i].p_holm >= c[i].p);
    }
    assert_true(c[0].p_holm >= 2 * c[0].p); /* of three, at most one is smaller */
}

/* However large the difference: 5 units never reach 0.05. */
static void five_training_seeds_do_not_decide(void **state)
{
    struct fixture *x = *state;
    four(x, 5);
    for (int i = 0; i < x->f.n_rows; i++) {
        x->f.rows[i].m.slo_attainment += x->f.rows[i].controller == 2 ? 0.3 : 0.0;
    }
    claim(x, 2, 0);
    summarise(x);
    assert_near(x->claims.items[0].p, 0.0625, 0.0);
    assert_int_equal(x->claims.items[0].verdict, VERDICT_UNDECIDED);
}

/* Not even a difference that each episode shows says anything about another training. */
static void one_training_is_undecided(void **state)
{
    struct fixture *x = *state;
    four(x, 1);
    claim(x, 2, 0); /* equivalent with ten trainings */
    claim(x, 2, 1); /* refuted with ten */
    claim(x, 1, 0); /* of rules: decided as before */
    summarise(x);
    for (int i = 0; i < 2; i++) {
        const struct claim *c = &x->claims.items[i];
        assert_true(isfinite(c->diff.value) && isnan(c->diff.lo) && isnan(c->diff.hi));
        assert_near(c->p, 1.0, 0.0);
        assert_int_equal(c->verdict, VERDICT_UNDECIDED);
    }
    assert_int_equal(x->claims.items[2].verdict, VERDICT_SUPPORTED);
}

/* Six trainings against six that need 100 episodes more each, against a rule, and alone. */
static void numbers_of_trainings(void **state)
{
    struct fixture *x = *state;
    const double soon[] = {310, 290, 305, 295, 320, 280}, late[] = {410, 390, 405, 395, 420, 380};
    const double rule[] = {400};
    const struct claim_values a = {soon, 6, true}, b = {late, 6, true}, r = {rule, 1, false};
    const struct claim_values one = {soon, 1, true}, none = {soon, 0, true};
    const struct stat_cfg cfg = {.resamples = 2000, .level = 0.95};
    struct claim c;
    assert_int_equal(claims_compare_trainings(&c, &a, &b, &cfg, &x->scratch), ERR_OK);
    assert_near(c.diff.value, -100.0, 1e-9);
    /* The standard error of a mean of six is sqrt(210 / 6) = 5.9, t with 10 degrees 2.23. */
    assert_near(c.diff.hi - c.diff.value, 2.23 * sqrt(2.0 * 210.0 / 6.0), 2.0);
    assert_int_equal(c.n_units, 6);
    assert_near(c.p, 0.03125, 0.0);
    assert_int_equal(claims_compare_trainings(&c, &a, &r, &cfg, &x->scratch), ERR_OK);
    assert_near(c.diff.value, -100.0, 1e-9);
    assert_near(c.p, 0.03125, 0.0);
    assert_true(c.diff.hi < 0.0);
    assert_int_equal(claims_compare_trainings(&c, &r, &a, &cfg, &x->scratch), ERR_OK);
    assert_near(c.diff.value, 100.0, 1e-9);
    assert_int_equal(c.n_units, 6);
    assert_int_equal(claims_compare_trainings(&c, &one, &b, &cfg, &x->scratch), ERR_OK);
    assert_true(isfinite(c.diff.value) && isnan(c.diff.lo) && c.p == 1.0);
    assert_int_equal(claims_compare_trainings(&c, &none, &b, &cfg, &x->scratch), ERR_OK);
    assert_true(isnan(c.diff.value));
    assert_int_equal(x->scratch.bytes, 0);
}

/* An episode that received nothing has no slo_attainment: the claim rests on the others. */
static void unscored_episodes_are_left_out(void **state)
{
    struct fixture *x = *state;
    four(x, 10);
    claim(x, 1, 0);
    summarise(x);
    const double whole = x->claims.items[0].diff.value;
    for (int i = 0; i < x->f.n_rows; i++) {
        if (x->f.rows[i].episode < 4) {
            x->f.rows[i].m.slo_attainment = (double)NAN;
        }
    }
    summarise(x);
    assert_near(x->claims.items[0].diff.value, whole, 0.01);
    assert_int_equal(x->claims.items[0].n_units, x->f.cfg.episodes - 4);
    assert_int_equal(x->s.n_empty[0], 4);
    for (int i = 0; i < x->f.n_rows; i++) {
        x->f.rows[i].m.slo_attainment = (double)NAN;
    }
    summarise(x);
    assert_true(isnan(x->claims.items[0].diff.value));
    assert_near(x->claims.items[0].p, 1, 0);
    assert_int_equal(x->claims.items[0].verdict, VERDICT_UNDECIDED);
    assert_int_equal(x->s.n_empty[0], x->f.cfg.episodes);
}

static void verdicts_at_their_bounds(void **state)
{
    (void)state;
    static const struct {
        struct stat_interval diff;
        double p;
        enum verdict want;
    } cases[] = {
        {{0.03, 0.01, 0.05}, 0.05, VERDICT_SUPPORTED},
        {{0.03, 0.01, 0.05}, 0.051, VERDICT_UNDECIDED},
        {{0.02, 0.01, 0.05}, 0.01, VERDICT_SUPPORTED},
        {{0.019, 0.01, 0.05}, 0.01, VERDICT_UNDECIDED}, /* sure, but too small to matter */
        {{0.01, 0.005, 0.019}, 0.01, VERDICT_EQUIVALENT},
        {{0.0, -0.02, 0.01}, 0.9, VERDICT_REFUTED}, /* on the bound is not inside */
        {{0.0, -0.01, 0.02}, 0.9, VERDICT_UNDECIDED},
        {{-0.1, -0.2, -0.05}, 0.01, VERDICT_REFUTED},
        {{0.03, -0.01, 0.07}, 0.04, VERDICT_UNDECIDED}, /* p and interval must agree */
        {{0.0, -0.1, 0.1}, 1.0, VERDICT_UNDECIDED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(claims_verdict(&cases[i].diff, cases[i].p, 0.05, 0.02), cases[i].want);
    }
}

/* (0.5, 2) (0.6, 3) (0.55, 4): the last is beaten by the second; the twin of the first is not
 * beaten by it; a point worse in one count only stays. */
static void front_of_a_worked_example(void **state)
{
    (void)state;
    const double value[6] = {0.5, 0.6, 0.55, 0.5, 0.6, NAN}, cost[6] = {2, 3, 4, 2, 3.5, 1};
    const bool want[6] = {true, true, false, true, false, false};
    bool front[6];
    pareto_front(front, value, cost, 6);
    assert_memory_equal(front, want, sizeof want);
}

static void fronts_of_rows(void **state)
{
    struct fixture *x = *state;
    bool front[4];
    four(x, 2);
    summarise(x);
    x->f.cfg.controllers[0].show = false; /* who is not shown still beats others */
    assert_int_equal(
        pareto_of(front, &x->s.outcomes, OUTCOMES_POOLED, METRIC_OF(vcpu_h), &x->scratch), ERR_OK);
    assert_true(front[1] && !front[2]);
    assert_int_equal(pareto_of(front, &x->s.outcomes, 0, METRIC_OF(flips), &x->scratch), ERR_OK);
    assert_true(front[1] && front[2]); /* few flips are worth something */
}

/* A summary's probability and interquartile mean. */
static void summaries_have_them_too(void **state)
{
    struct fixture *x = *state;
    four(x, 2);
    x->f.cfg.reference = "ff";
    summarise(x);
    for (int view = 0; view < 3; view++) {
        assert_near(summary_gap(&x->s, 0, 0, view)->better.value.value, 1.0, 0.0);
        assert_true(summary_gap(&x->s, 0, 0, view)->better.value.hi <= 1.0);
        assert_near(summary_iqm(&x->s, 1, view)->value.value, 0.64, 0.003);
    }
}

static void corrected_intervals_are_wider_where_training_decides(void **state)
{
    struct fixture *x = *state;
    four(x, 3);
    for (int i = 0; i < x->f.n_rows; i++) {
        x->f.rows[i].m.slo_attainment +=
            x->f.rows[i].controller == 2 ? 0.1 * x->f.rows[i].train : 0.0;
    }
    summarise(x);
    const struct stat_interval plain = summary_cell(&x->s, 2, 2, METRIC_OF(slo_attainment))->value;
    x->f.cfg.interval = EVAL_PERCENTILE_CORRECTED;
    summarise(x);
    const struct stat_interval wide = summary_cell(&x->s, 2, 2, METRIC_OF(slo_attainment))->value;
    assert_near(wide.value, plain.value, 0.0);
    /* Student's t with 2 degrees of freedom is 2.195 times the normal quantile, and sqrt(3 / 2). */
    assert_near((wide.hi - wide.lo) / (plain.hi - plain.lo), 2.195 * 1.2247, 0.06);
}

/* All lines of a table are equally long, and short enough for a screen. */
static void tables_fit(void **state)
{
    struct fixture *x = *state;
    struct frontiers frontiers;
    struct buf b;
    four(x, 10);
    x->f.scenarios[0].name = "quiet";
    x->f.scenarios[1].name = "neighbour";
    claim(x, 1, 0);
    claim(x, 2, 1);
    summarise(x);
    assert_int_equal(frontiers_init(&frontiers, &x->arena, &x->s, &x->scratch), ERR_OK);
    const struct comparison c = {
        .summary = &x->s, .frontiers = &frontiers, .claims = &x->claims, .complete = true};
    buf_init(&b);
    assert_int_equal(comparison_print(&b, &c, TABLE_TEXT, &x->scratch), ERR_OK);
    assert_int_equal(buf_append(&b, "", 1), ERR_OK);
    const char *text = (const char *)b.data;
    assert_non_null(strstr(text, "ff > nothing  supported"));
    assert_non_null(strstr(text, "policy > ff   refuted"));
    for (const char *line = text; *line != '\0';) {
        const size_t n = strcspn(line, "\n");
        assert_true(n <= 155);
        line += n + 1;
    }
    buf_release(&b);
}

static void no_memory_is_an_error(void **state)
{
    struct fixture *x = *state;
    four(x, 2);
    claim(x, 1, 0);
    summarise(x);
    arena_release(&x->scratch);
    mem_fail_after(1);
    assert_int_equal(claims_init(&x->claims, &x->arena, &x->s, &x->scratch), ERR_MEMORY);
    mem_fail_after(0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(verdicts_of_known_rows),
        TEST(five_training_seeds_do_not_decide),
        TEST(one_training_is_undecided),
        TEST(numbers_of_trainings),
        TEST(unscored_episodes_are_left_out),
        TEST(verdicts_at_their_bounds),
        TEST(front_of_a_worked_example),
        TEST(fronts_of_rows),
        TEST(summaries_have_them_too),
        TEST(corrected_intervals_are_wider_where_training_decides),
        TEST(tables_fit),
        TEST(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
