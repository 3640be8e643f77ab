/* An interval follows from the names of its number. Its bits are the same whoever else is shown,
 * whatever other scenarios there are, in which order they stand and how many metrics there are. */
#include "core/base/rng.h"
#include "tests/unit/eval_rows.h"

#include <stdlib.h>

/* All controllers and scenarios of the evaluations below. */
enum { NOTHING, KHPA, KHPA_50, FF, POLICY, SAMPLED, CONTROLLERS };
enum { QUIET, FLOOD, CRASH, SCENARIOS };
static const char *const controller_names[CONTROLLERS] = {"nothing", "khpa",   "khpa 50",
                                                          "ff",      "policy", "sampled"};
static const char *const scenario_names[SCENARIOS] = {"quiet", "flood", "crash"};
static const struct controller_kind *const kinds[CONTROLLERS] = {
    &controller_nothing, &controller_khpa,   &controller_khpa,
    &controller_ff,      &controller_policy, &controller_policy};

/* The controllers and scenarios of one evaluation, in its order. */
struct selection {
    int n_controllers, n_scenarios;
    int controllers[CONTROLLERS], scenarios[SCENARIOS];
};
static const struct selection all = {
    6, 3, {NOTHING, KHPA, KHPA_50, FF, POLICY, SAMPLED}, {QUIET, FLOOD, CRASH}};
/* One policy fewer, everything in another order. */
static const struct selection some = {5, 2, {POLICY, FF, KHPA_50, KHPA, NOTHING}, {CRASH, FLOOD}};

static int index_of(const int *list, int n, int who)
{
    int i = 0;
    while (i < n && list[i] != who) {
        i++;
    }
    assert_true(i < n);
    return i;
}

static const struct selection *current; /* for noisy(), which has no argument for it */

/* A value of the names, the training seed and the episode. Rules cost less than policies, which
 * makes frontiers defined, and nothing is worse than ff, which leaves headroom. The upper bound
 * does not know controllers. */
static double noisy(const struct eval_row *r, int metric)
{
    const bool bound = metric == METRIC_OF(upper_bound);
    const int who = bound ? 0 : current->controllers[r->controller];
    const uint32_t row = (uint32_t)(who * 16 + (bound ? 0 : r->train));
    const uint32_t scenario = (uint32_t)current->scenarios[r->scenario];
    const struct rng_block b =
        rng_philox(rng_key(5, RNG_TEST, RNG_DEV), row, scenario, r->episode, (uint32_t)metric);
    const double level = metric == METRIC_OF(vcpu_h) ? who : who == NOTHING ? 0.0 : 1.0;
    return level + rng_f64(b.v[0], b.v[1]);
}

static void claim(struct fixture *x, int arm, int baseline)
{
    const struct selection *c = current;
    x->claim_cfgs[x->f.cfg.n_claims++] =
        (struct claim_cfg){.arm_index = index_of(c->controllers, c->n_controllers, arm),
                           .baseline_index = index_of(c->controllers, c->n_controllers, baseline)};
}

static void evaluate(struct fixture *x, const struct selection *selected)
{
    current = selected;
    fake_eval_init(&x->f, selected->n_scenarios, 30);
    for (int s = 0; s < selected->n_scenarios; s++) {
        x->f.scenarios[s].name = scenario_names[selected->scenarios[s]];
    }
    for (int c = 0; c < selected->n_controllers; c++) {
        const int who = selected->controllers[c];
        fake_eval_add(&x->f, controller_names[who], kinds[who], who != KHPA_50,
                      kinds[who] == kinds[POLICY] ? 3 : 1);
    }
    x->f.cfg.claims = x->claim_cfgs;
    x->f.cfg.effect_min = 0.02;
    fake_eval_fill(&x->f, noisy);
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(frontiers_init(&x->fr, &x->arena, &x->s, &x->scratch), ERR_OK);
}

/* Number of a controller among those that are shown. */
static int shown_at(const struct fixture *x, const struct selection *selected, int who)
{
    return index_of(x->s.shown, x->s.n_shown,
                    index_of(selected->controllers, selected->n_controllers, who));
}

static int policy(const struct fixture *x, const struct selection *selected, int who)
{
    return index_of(x->fr.policies, x->fr.n_policies,
                    index_of(selected->controllers, selected->n_controllers, who));
}

static int scenario_index(const struct selection *selected, int which)
{
    return index_of(selected->scenarios, selected->n_scenarios, which);
}

static void assert_same(const struct stat_interval *a, const struct stat_interval *b)
{
    assert_true(isfinite(a->lo) && isfinite(a->hi));
    assert_memory_equal(a, b, sizeof *a);
}

static void two_evaluations(struct fixture *a, struct fixture *b)
{
    evaluate(a, &all);
    memset(b, 0, sizeof *b);
    arena_init(&b->arena);
    arena_init(&b->scratch);
    evaluate(b, &some);
}

static struct fixture other; /* the second evaluation */

static int setup_two(void **state)
{
    (void)setup(state);
    two_evaluations(*state, &other);
    return 0;
}

static int teardown_two(void **state)
{
    void *second = &other;
    (void)teardown(&second);
    return teardown(state);
}

static void means_do_not_move(void **state)
{
    static const int both[] = {NOTHING, KHPA, FF, POLICY};
    const struct fixture *x = *state;
    for (int i = 0; i < 4 * 2; i++) {
        const int a = shown_at(x, &all, both[i / 2]), b = shown_at(&other, &some, both[i / 2]);
        const int u = scenario_index(&all, FLOOD + i % 2), v = scenario_index(&some, FLOOD + i % 2);
        for (int m = 0; m < METRIC_COUNT; m++) {
            assert_same(&summary_cell(&x->s, a, u, m)->value,
                        &summary_cell(&other.s, b, v, m)->value);
        }
        assert_same(&summary_iqm(&x->s, a, u)->value, &summary_iqm(&other.s, b, v)->value);
    }
}

/* A table shows the upper bound of the controller that is shown first, whoever that is. */
static void the_upper_bound_is_the_same_for_all(void **state)
{
    const struct fixture *x = *state;
    for (int i = 1; i < x->s.n_shown; i++) {
        assert_same(&summary_cell(&x->s, i, 0, METRIC_OF(upper_bound))->value,
                    &summary_cell(&x->s, 0, 0, METRIC_OF(upper_bound))->value);
    }
}

static void differences_do_not_move(void **state)
{
    static const int both[] = {NOTHING, KHPA, FF};
    const struct fixture *x = *state;
    for (int i = 0; i < 3 * 2; i++) {
        const struct summary_gap *a = summary_gap(&x->s, 0, shown_at(x, &all, both[i / 2]),
                                                  scenario_index(&all, FLOOD + i % 2));
        const struct summary_gap *b = summary_gap(&other.s, 0, shown_at(&other, &some, both[i / 2]),
                                                  scenario_index(&some, FLOOD + i % 2));
        assert_same(&a->slo_attainment.value, &b->slo_attainment.value);
        assert_same(&a->vcpu_h.value, &b->vcpu_h.value);
        assert_same(&a->better.value, &b->better.value);
    }
}

static void frontiers_do_not_move(void **state)
{
    const struct fixture *x = *state;
    const int p = policy(x, &all, POLICY), q = policy(&other, &some, POLICY);
    for (int i = 0; i < 2; i++) {
        const int u = scenario_index(&all, FLOOD + i), v = scenario_index(&some, FLOOD + i);
        for (int k = 0; k < x->fr.n_kinds; k++) {
            const struct frontier_gap *a = frontiers_gap(&x->fr, p, k, u);
            const struct frontier_gap *b = frontiers_gap(&other.fr, q, k, v);
            assert_int_equal(a->n_arms, b->n_arms);
            if (a->n_arms > 0) {
                assert_same(&a->diff, &b->diff);
            }
        }
        assert_same(&frontiers_headroom(&x->fr, p, u)->slo_attainment,
                    &frontiers_headroom(&other.fr, q, v)->slo_attainment);
        assert_same(&frontiers_headroom(&x->fr, p, u)->resilience,
                    &frontiers_headroom(&other.fr, q, v)->resilience);
    }
}

static void separations_do_not_move(void **state)
{
    struct fixture *x = *state;
    struct frontier_pair a, b;
    assert_int_equal(frontiers_pair(&a, &x->s, &controller_ff, &controller_khpa,
                                    index_of(all.controllers, 6, POLICY),
                                    scenario_index(&all, FLOOD), &x->scratch),
                     ERR_OK);
    assert_int_equal(frontiers_pair(&b, &other.s, &controller_ff, &controller_khpa,
                                    index_of(some.controllers, 5, POLICY),
                                    scenario_index(&some, FLOOD), &other.scratch),
                     ERR_OK);
    assert_same(&a.diff, &b.diff);
}

/* The claims of one scenario, in two orders. Rules have 30 units, more than are counted exactly, so
 * the p-value is drawn, too. */
static void claims_do_not_move(void **state)
{
    static const struct selection one = {4, 1, {NOTHING, KHPA, FF, POLICY}, {FLOOD}};
    static const struct selection another = {5, 1, {POLICY, FF, SAMPLED, KHPA, NOTHING}, {FLOOD}};
    struct fixture *x = *state;
    evaluate(x, &one);
    claim(x, FF, KHPA);
    claim(x, POLICY, FF);
    assert_int_equal(claims_init(&x->claims, &x->arena, &x->s, &x->scratch), ERR_OK);
    evaluate(&other, &another);
    claim(&other, POLICY, FF);
    claim(&other, FF, KHPA);
    assert_int_equal(claims_init(&other.claims, &other.arena, &other.s, &other.scratch), ERR_OK);
    for (int i = 0; i < 2; i++) {
        const struct claim *a = &x->claims.items[i], *b = &other.claims.items[1 - i];
        assert_same(&a->diff, &b->diff);
        assert_same(&a->share, &b->share);
        assert_near(a->p, b->p, 0.0);
        assert_near(a->p_holm, b->p_holm, 0.0);
    }
    assert_int_equal(x->claims.items[0].n_units, 30);
    assert_true(x->claims.items[0].p > 0.001 && x->claims.items[0].p < 1.0);
    /* The table of differences has the second claim as well: the same number, the same interval. */
    assert_same(&x->claims.items[1].share,
                &summary_gap(&x->s, 0, shown_at(x, &one, FF), 0)->better.value);
}

/* Neither the number of metrics nor their order is in a stream: it can be had from names alone. */
static void names_are_all_that_is_needed(void **state)
{
    const struct fixture *x = *state;
    double khpa[30], ours[3 * 30];
    const int c = index_of(all.controllers, 6, KHPA), p = index_of(all.controllers, 6, POLICY);
    const int scenario = scenario_index(&all, FLOOD);
    const struct stat_arm a = {ours, 3}, b = {khpa, 1};
    struct stat_interval want;
    struct arena scratch;
    arena_init(&scratch);
    outcomes_gather(khpa, &x->s.outcomes, c, scenario, METRIC_OF(vcpu_h));
    outcomes_gather(ours, &x->s.outcomes, p, scenario, METRIC_OF(vcpu_h));
    struct stat_cfg cfg = {.seed = 5,
                           .stream = STAT_STREAM("mean", "khpa", "flood", "vcpu_h"),
                           .resamples = 500,
                           .level = 0.95};
    assert_int_equal(twoway_bootstrap(&want, &b, NULL, 30, TWOWAY_MEAN, &cfg, &scratch), ERR_OK);
    assert_same(&summary_cell(&x->s, shown_at(x, &all, KHPA), scenario, METRIC_OF(vcpu_h))->value,
                &want);
    cfg.stream = STAT_STREAM("mean", "policy", "khpa", "flood", "vcpu_h");
    assert_int_equal(twoway_bootstrap(&want, &a, &b, 30, TWOWAY_MEAN, &cfg, &scratch), ERR_OK);
    assert_same(&summary_gap(&x->s, 0, shown_at(x, &all, KHPA), scenario)->vcpu_h.value, &want);
    arena_release(&scratch);
}

/* All intervals of an evaluation have streams of their own. */
static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void numbers_of_a_table_have_different_streams(void **state)
{
    static uint32_t streams[CONTROLLERS * (CONTROLLERS + 1) * 4 * METRIC_COUNT];
    const struct fixture *x = *state;
    int n = 0;
    for (int a = 0; a < CONTROLLERS; a++) {
        for (int b = SUMMARY_NONE; b < CONTROLLERS; b++) {
            for (int v = 0; v < x->s.n_views; v++) {
                for (int m = 0; m < METRIC_COUNT; m++) {
                    streams[n++] =
                        summary_stream(&x->s, "mean", a, b, summary_scenario(&x->s, v), m);
                }
            }
        }
    }
    assert_int_equal(n, sizeof streams / sizeof *streams);
    qsort(streams, (size_t)n, sizeof *streams, by_number);
    for (int i = 1; i < n; i++) {
        assert_true(streams[i - 1] != streams[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_two, teardown_two)
    const struct CMUnitTest tests[] = {
        TEST(means_do_not_move),
        TEST(the_upper_bound_is_the_same_for_all),
        TEST(differences_do_not_move),
        TEST(frontiers_do_not_move),
        TEST(separations_do_not_move),
        TEST(claims_do_not_move),
        TEST(names_are_all_that_is_needed),
        TEST(numbers_of_a_table_have_different_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
