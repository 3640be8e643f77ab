/* The reward worked out by hand, and what each term is when there was nothing to count. */
#include "core/plant/reward.h"
#include "tests/unit/reward_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const double NODE_M = 16000, NOMINAL_RPS = 200;

/* A period without trouble: 3000 requests, 50 ms each, 15 pods. */
static struct plant_truth healthy(void)
{
    return (struct plant_truth){
        .received = 3000,
        .answered = 3000,
        .compliant = 3000,
        .latency_sum_ms = 3000 * 50.0,
        .received_legit = 3000,
        .answered_legit = 3000,
        .pods_deployed_mean = 15,
        .entry_available_mean = 1,
        .service_available_mean = 1,
        .requested_m_mean = 7900,
    };
}

static struct reward_terms terms_of(const struct plant_truth *t, const struct plant_cfg *cfg)
{
    struct reward_terms r;
    reward_of(&r, t, cfg, NODE_M, NOMINAL_RPS);
    return r;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12)) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

static void test_worked_example(void **state)
{
    (void)state;
    struct plant_truth t = healthy();
    t.answered = 1500;       /* of 2000 resolved: sr = 0.75 */
    t.failed = 500;          /* */
    t.latency_sum_ms = 9e4;  /* mean 60 ms: lr = 0.3 */
    t.answered_legit = 1200; /* of 3000: tcr = 0.4 */
    t.pods_failed_mean = 3;  /* of 15: pfr = 0.2 */
    t.entry_available_mean = 0.9;
    struct reward_terms r = terms_of(&t, &CFG);
    assert_near(r.sr, 0.75);
    assert_near(r.pod, 0.8);
    assert_near(r.latency, 0.7);
    assert_near(r.entry, 0.9);
    assert_near(r.tcr, 0.4);
    assert_near(r.resilience, 0.71); /* (0.75 + 0.8 + 0.7 + 0.9 + 0.4) / 5 */
    assert_near(r.cost, 0.49375);    /* 7900 / 16000 */
    assert_near(r.reward, 0.61125);  /* 0.71 - 0.2 x 0.49375 */
}

/* The cost is the whole difference to the paper's reward. */
static void test_weight_zero_is_the_papers_reward(void **state)
{
    (void)state;
    struct plant_truth t = healthy();
    struct plant_cfg free_of_cost = CFG;
    free_of_cost.cost_weight = 0;
    struct reward_terms r = terms_of(&t, &free_of_cost);
    assert_near(r.reward, r.resilience);
    assert_near(r.resilience, 0.95); /* all 1 but latency, 1 - 50 / 200 */
}

static void test_nothing_happened(void **state)
{
    (void)state;
    struct plant_truth t = {.pods_deployed_mean = 4, .entry_available_mean = 1};
    struct reward_terms r = terms_of(&t, &CFG);
    assert_near(r.sr, 1);
    assert_near(r.latency, 1);
    assert_near(r.tcr, 1);
    assert_near(r.resilience, 1);
    assert_near(r.reward, 1);
}

static void test_everything_failed(void **state)
{
    (void)state;
    struct plant_truth t = {.received = 100, .failed = 100, .received_legit = 100};
    struct reward_terms r = terms_of(&t, &CFG);
    assert_near(r.sr, 0);
    assert_near(r.latency, 0); /* nothing was answered: as slow as can be */
    assert_near(r.tcr, 0);
    assert_near(r.pod, 0); /* no pod exists */
    assert_near(r.resilience, 0);
}

/* Requests of the period before may be answered in this one; slow answers count as L_max. */
static void test_terms_stay_in_their_range(void **state)
{
    (void)state;
    struct plant_truth t = healthy();
    t.received_legit = 100;
    t.answered_legit = 140;
    t.latency_sum_ms = t.answered * 1900;
    struct reward_terms r = terms_of(&t, &CFG);
    assert_near(r.tcr, 1);
    assert_near(r.latency, 0);
}

/* A flood of attack requests that all fail does not touch tcr, which looks at legitimate ones. */
static void test_attack_traffic_is_not_expected_traffic(void **state)
{
    (void)state;
    struct plant_truth t = healthy();
    t.received = 9000;
    t.failed = 6000;
    struct reward_terms r = terms_of(&t, &CFG);
    assert_near(r.tcr, 1);
    assert_near(r.sr, 1.0 / 3);
}

/* 1 - (3000 - 2100) / (200 x 15) by hand; OR is what it was. */
static void test_slo_by_hand(void **state)
{
    (void)state;
    struct plant_truth t = healthy();
    struct plant_cfg slo = CFG;
    t.compliant = 2100;
    t.latency_sum_ms = 3000 * 60.0;
    slo.reward = REWARD_SLO;
    const struct reward_terms r = terms_of(&t, &slo), or = terms_of(&t, &CFG);
    assert_near(r.slo, 0.7);
    assert_near(r.reward, 0.7 - 0.2 * 0.49375);
    assert_true(r.resilience == or.resilience);
    t.compliant = 3000;
    assert_near(terms_of(&t, &slo).slo, 1);
}

/* A request that is not answered in time costs the same under a flood as in a quiet period: three
 * times the nominal load unanswered are -2. */
static void test_slo_of_a_flood(void **state)
{
    (void)state;
    struct plant_truth t = healthy();
    struct plant_cfg slo = CFG;
    slo.reward = REWARD_SLO;
    t.received = 9000;
    t.compliant = 0;
    assert_near(terms_of(&t, &slo).slo, -2);
    t.compliant = 1;
    assert_near(terms_of(&t, &slo).slo, -2 + 1.0 / 3000);
}

/* Over an episode: mean slo = 1 - (1 - attainment) x received / (n x nominal). */
static void test_slo_is_the_endpoint(void **state)
{
    static const double received[] = {3000, 9000, 2500}, compliant[] = {3000, 4000, 2400};
    double slo = 0.0, all = 0.0, in_time = 0.0;
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct plant_truth t = healthy();
        t.received = received[i];
        t.compliant = compliant[i];
        slo += terms_of(&t, &CFG).slo / 3;
        all += received[i];
        in_time += compliant[i];
    }
    assert_near(slo, 1 - (1 - in_time / all) * all / (3 * 3000.0));
}

/* Another weight than that of the configuration; the configured one gives the reward, to the bit.
 */
static void test_reward_at_another_weight(void **state)
{
    (void)state;
    struct plant_truth t = healthy();
    struct plant_cfg slo = CFG;
    slo.reward = REWARD_SLO;
    t.compliant = 2100;
    const struct reward_terms r = terms_of(&t, &slo), or = terms_of(&t, &CFG);
    assert_near(reward_at(&r, &slo, 0.6), 0.7 - 0.6 * 0.49375);
    assert_near(reward_at(& or, &CFG, 0.0), or.resilience);
    assert_true(reward_at(&r, &slo, 0.2) == r.reward);
    assert_true(reward_at(& or, &CFG, 0.2) == or.reward);
}

static void test_slo_needs_exact_counters(void **state)
{
    (void)state;
    struct plant_cfg cfg = CFG;
    cfg.reward = REWARD_SLO;
    assert_int_equal(plant_cfg_check(&cfg, NULL), ERR_OK);
    cfg.reward_from = REWARD_MEASURED;
    assert_int_equal(plant_cfg_check(&cfg, NULL), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_example),
        cmocka_unit_test(test_weight_zero_is_the_papers_reward),
        cmocka_unit_test(test_nothing_happened),
        cmocka_unit_test(test_everything_failed),
        cmocka_unit_test(test_terms_stay_in_their_range),
        cmocka_unit_test(test_attack_traffic_is_not_expected_traffic),
        cmocka_unit_test(test_slo_by_hand),
        cmocka_unit_test(test_slo_of_a_flood),
        cmocka_unit_test(test_slo_is_the_endpoint),
        cmocka_unit_test(test_reward_at_another_weight),
        cmocka_unit_test(test_slo_needs_exact_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
