/* The reward of measured outcomes beside the exact one: what differs, and by how much, on the
 * simulator; which rewards a plant cannot tell; what becomes of a period whose reward is unknown,
 * or that fails. */
#include "core/eval/episode.h"
#include "core/plant/reward.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EPISODES = 12, HORIZON = 60 };

struct fixture {
    struct experiment x;
    struct episode e;
    struct controller *khpa;
};

static int setup(void **state)
{
    static struct fixture f;
    static const char *const sets[] = {"game.horizon=60", "eval.controllers=[{khpa: {}}]"};
    assert_int_equal(experiment_load(&f.x, "configs/experiments/warm_start.yaml", sets, 2), ERR_OK);
    assert_int_equal(episode_init(&f.e, &f.x.arena, &f.x.env_setup), ERR_OK);
    assert_int_equal(controller_new(&f.khpa, &f.x.arena, &f.x.cfg.eval.controllers[0],
                                    &f.x.env_setup, &f.x.rules, NULL),
                     ERR_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    experiment_release(&((struct fixture *)*state)->x);
    return 0;
}

/* ---- how far they differ ---- */

enum {
    TERM_SUCCESS,
    TERM_PODS,
    TERM_LATENCY,
    TERM_ENTRY,
    TERM_TRAFFIC,
    TERM_COST,
    TERM_ALL,
    TERMS
};
static const char *const names[TERMS] = {"success", "pods", "latency", "entry",
                                         "traffic", "cost", "reward"};

struct gaps {
    const struct fixture *f;
    double sum[TERMS], bias[TERMS], n;
    double exact, exact2, measured, measured2, both; /* of the reward */
};

static void fill(double *t, const struct reward_terms *r)
{
    const double terms[TERMS] = {r->sr, r->pod, r->latency, r->entry, r->tcr, r->cost, r->reward};
    memcpy(t, terms, sizeof terms);
}

static enum err see(void *ctx, const struct episode_step *step)
{
    struct gaps *g = ctx;
    const struct env_setup *w = &g->f->x.env_setup;
    struct plant_outcomes seen;
    struct reward_terms measured;
    double a[TERMS], b[TERMS];
    plant_outcomes(&seen, g->f->e.plant, 0);
    reward_of_outcomes(&measured, &seen, w->cfg.plant, w->cfg.topology->node_cpu_m);
    fill(a, step->reward);
    fill(b, &measured);
    for (int i = 0; i < TERMS; i++) {
        assert_true(isfinite(b[i]));
        g->sum[i] += fabs(a[i] - b[i]);
        g->bias[i] += b[i] - a[i];
    }
    g->exact += a[TERM_ALL], g->exact2 += a[TERM_ALL] * a[TERM_ALL];
    g->measured += b[TERM_ALL], g->measured2 += b[TERM_ALL] * b[TERM_ALL];
    g->both += a[TERM_ALL] * b[TERM_ALL];
    g->n += 1.0;
    return ERR_OK;
}

static double correlation(const struct gaps *g)
{
    const double a = g->exact / g->n, b = g->measured / g->n;
    return (g->both / g->n - a * b) /
           sqrt((g->exact2 / g->n - a * a) * (g->measured2 / g->n - b * b));
}

/* Period by period they differ, since the measured one looks at a window that ended before; over an
 * episode the differences nearly cancel. */
static void test_distance(void **state)
{
    struct fixture *f = *state;
    struct gaps g = {.f = f};
    const struct episode_observer observer = {.ctx = &g, .see = see};
    for (int i = 0; i < EPISODES; i++) {
        const struct episode_id id = {.seed = 3, .split = RNG_DEV, .env = (uint32_t)i};
        struct episode_metrics m;
        assert_int_equal(episode_run(&f->e, &m, f->khpa, i % f->x.cfg.n_scenarios, &id, &observer),
                         ERR_OK);
    }
    assert_true(g.n == EPISODES * HORIZON);
    print_message("measured and exact, %d periods: mean |difference|, mean difference\n",
                  EPISODES * HORIZON);
    for (int i = 0; i < TERMS; i++) {
        print_message("%-8s %.4f %+.4f\n", names[i], g.sum[i] / g.n, g.bias[i] / g.n);
    }
    print_message("correlation of the rewards: %.3f\n", correlation(&g));
    assert_true(g.sum[TERM_ALL] / g.n > 0.0 && g.sum[TERM_ALL] / g.n < 0.05);
    assert_true(fabs(g.bias[TERM_ALL] / g.n) < 0.02);
    assert_true(correlation(&g) > 0.7);
    for (int i = 0; i < TERMS; i++) {
        assert_true(g.sum[i] / g.n < 0.12);
        assert_true(fabs(g.bias[i] / g.n) < 0.04);
    }
}

/* ---- by hand ---- */

static struct plant_outcomes known_outcomes(void)
{
    struct plant_outcomes o = {.known = 0};
    outcome_set(&o, OUTCOME_RECEIVED, 100);
    outcome_set(&o, OUTCOME_SUCCESS, 0.75);
    outcome_set(&o, OUTCOME_SLO_ATTAINMENT, (double)NAN);
    outcome_set(&o, OUTCOME_LATENCY, 60);
    outcome_set(&o, OUTCOME_WAITING, 3);
    outcome_set(&o, OUTCOME_PODS, 15);
    outcome_set(&o, OUTCOME_PODS_FAILED, 3);
    outcome_set(&o, OUTCOME_ENTRY, 0.5);
    outcome_set(&o, OUTCOME_SERVICE, 1);
    outcome_set(&o, OUTCOME_REQUESTED, 8000);
    outcome_set(&o, OUTCOME_USED, 4000);
    outcome_set(&o, OUTCOME_HEADROOM, 0.9);
    return o;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12)) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

static void test_worked_example(void **state)
{
    struct plant_outcomes o = known_outcomes();
    struct plant_cfg cfg = {.latency_max_ms = 200, .cost_weight = 0.2};
    int chosen[] = {REWARD_HEADROOM, REWARD_LATENCY};
    struct reward_terms r;
    (void)state;
    reward_of_outcomes(&r, &o, &cfg, 16000);
    assert_near(r.sr, 0.75);
    assert_near(r.pod, 0.8);
    assert_near(r.latency, 0.7);
    assert_near(r.entry, 0.5);
    assert_near(r.tcr, 0.75);
    assert_near(r.resilience, 0.2 * (0.75 + 0.8 + 0.7 + 0.5 + 0.75));
    assert_near(r.reward, r.resilience - 0.2 * 0.5);
    cfg.reward_terms = chosen;
    cfg.n_reward_terms = 2;
    reward_of_outcomes(&r, &o, &cfg, 16000);
    assert_near(r.reward, 0.5 * (0.7 + 0.9) - 0.2 * 0.5);
    outcome_set(&o, OUTCOME_LATENCY, 0.0); /* nothing answered, and something failed */
    reward_of_outcomes(&r, &o, &cfg, 16000);
    assert_near(r.latency, 0.0);
    outcome_set(&o, OUTCOME_SUCCESS, 1.0); /* nothing to answer */
    reward_of_outcomes(&r, &o, &cfg, 16000);
    assert_near(r.latency, 1.0);
    outcome_set(&o, OUTCOME_SUCCESS, (double)NAN); /* one or the other */
    reward_of_outcomes(&r, &o, &cfg, 16000);
    assert_true(isnan(r.latency) && isnan(r.reward));
    assert_string_equal(reward_unknown(&r, &cfg), "latency");
    outcome_set(&o, OUTCOME_LATENCY, 60); /* something was answered, so `success` is not asked */
    reward_of_outcomes(&r, &o, &cfg, 16000);
    assert_near(r.latency, 0.7);
}

/* Chosen terms of exact counters, in any order: the default five are the paper's, bit by bit. */
static void test_chosen_exact(void **state)
{
    const struct plant_truth t = {.received = 3000,
                                  .answered = 1437,
                                  .failed = 511,
                                  .latency_sum_ms = 9e4,
                                  .received_legit = 2900,
                                  .answered_legit = 1200,
                                  .pods_deployed_mean = 15,
                                  .pods_failed_mean = 3.7,
                                  .entry_available_mean = 0.9,
                                  .requested_m_mean = 7913};
    int five[] = {REWARD_TRAFFIC, REWARD_LATENCY, REWARD_SUCCESS, REWARD_ENTRY, REWARD_PODS};
    struct plant_cfg cfg = {.latency_max_ms = 200, .cost_weight = 0.2};
    struct reward_terms plain, chosen;
    (void)state;
    reward_of(&plain, &t, &cfg, 16000, 200);
    const double resilience = 0.2 * plain.sr + 0.2 * plain.pod + 0.2 * plain.latency +
                              0.2 * plain.entry + 0.2 * plain.tcr;
    assert_true(plain.resilience == resilience);
    assert_true(plain.reward == resilience - 0.2 * plain.cost);
    cfg.reward_terms = five;
    cfg.n_reward_terms = 5;
    reward_of(&chosen, &t, &cfg, 16000, 200);
    assert_true(chosen.reward == plain.reward);
    cfg.n_reward_terms = 2;
    reward_of(&chosen, &t, &cfg, 16000, 200);
    assert_near(chosen.resilience, 0.5 * (plain.tcr + plain.latency));
}

/* ---- what a plant cannot tell ---- */

static void test_check(void **state)
{
    static const struct {
        enum reward_term term;
        unsigned lacks;
        const char *term_name, *outcome;
    } rows[] = {{REWARD_SUCCESS, 1U << OUTCOME_SUCCESS, "'success'", "'success'"},
                {REWARD_PODS, 1U << OUTCOME_PODS_FAILED, "'pods'", "'pods_failed'"},
                {REWARD_LATENCY, 1U << OUTCOME_LATENCY, "'latency'", "'latency'"},
                {REWARD_ENTRY, 1U << OUTCOME_ENTRY, "'entry'", "'entry'"},
                {REWARD_TRAFFIC, 1U << OUTCOME_SUCCESS, "'traffic'", "'success'"},
                {REWARD_HEADROOM, 1U << OUTCOME_HEADROOM, "'headroom'", "'headroom'"}};
    static struct heard heard;
    const unsigned all = (1U << OUTCOMES) - 1U;
    struct plant_cfg cfg = {.reward_from = REWARD_MEASURED, .cost_weight = 0.2};
    struct reward_terms r;
    int term;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plant_outcomes o = known_outcomes();
        term = (int)rows[i].term;
        cfg.reward_terms = &term;
        cfg.n_reward_terms = 1;
        assert_int_equal(reward_check(&cfg, false, all, "the twin", NULL), ERR_OK);
        heard_begin(&heard);
        assert_int_equal(reward_check(&cfg, false, all & ~rows[i].lacks, "the twin", NULL),
                         ERR_CONFIG);
        heard_end();
        assert_non_null(strstr(heard.last, rows[i].term_name));
        assert_non_null(strstr(heard.last, rows[i].outcome));
        assert_non_null(strstr(heard.last, "the twin"));
        for (int k = 0; k < OUTCOMES; k++) {
            outcome_set(&o, (enum plant_outcome)k,
                        (rows[i].lacks >> k & 1U) != 0 ? (double)NAN : o.value[k]);
        }
        reward_of_outcomes(&r, &o, &cfg, 16000);
        assert_true(isnan(r.reward));
        assert_non_null(strstr(rows[i].term_name, reward_unknown(&r, &cfg)));
    }
    heard_begin(&heard);
    term = REWARD_LATENCY;
    assert_int_equal(reward_check(&cfg, true, all & ~(1U << OUTCOME_REQUESTED), "it", NULL),
                     ERR_CONFIG);
    assert_non_null(strstr(heard.last, "plant.cost_weight"));
    cfg.cost_weight = 0.0;
    assert_int_equal(reward_check(&cfg, true, all & ~(1U << OUTCOME_REQUESTED), "it", NULL),
                     ERR_OK);
    cfg.reward_from = REWARD_EXACT;
    assert_int_equal(reward_check(&cfg, true, 0, "it", NULL), ERR_OK);
    assert_int_equal(reward_check(&cfg, false, all, "it", NULL), ERR_CONFIG);
    assert_non_null(strstr(heard.last, "no exact counters"));
    heard_end();
}

/* ---- a plant of measurements, played like any other ---- */

struct hiding {
    struct plant plant, *real;
    float age[256];
    int fails_at, n_steps; /* acts of which the last fails; < 0: none */
};

static enum err hiding_reset(struct plant *p, int lid, const struct episode_id *id,
                             const struct schedule *schedule, int horizon)
{
    struct hiding *h = (struct hiding *)p;
    h->n_steps = 0;
    return plant_reset(h->real, lid, id, schedule, horizon);
}

static enum err hiding_act(struct plant *p, const int32_t *delta,
                           const struct attack_action *attack, const uint8_t *active)
{
    struct hiding *h = (struct hiding *)p;
    (void)delta, (void)attack, (void)active;
    return h->n_steps++ == h->fails_at ? ERR_IO : ERR_OK;
}

static enum err hiding_pass(struct plant *p, const int32_t *delta,
                            const struct attack_action *attack, const uint8_t *active)
{
    return plant_step(((struct hiding *)p)->real, delta, attack, active);
}

static const float *hiding_state(const struct plant *p, int lid)
{
    return plant_state(((const struct hiding *)p)->real, lid);
}

static const float *hiding_age(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct hiding *)p)->age;
}

static double hiding_clock_s(const struct plant *p, int lid)
{
    return plant_clock_s(((const struct hiding *)p)->real, lid);
}

static const struct plant_ops hiding_ops = {.kind = "measured",
                                            .reset = hiding_reset,
                                            .act = hiding_act,
                                            .pass = hiding_pass,
                                            .state = hiding_state,
                                            .age = hiding_age,
                                            .clock_s = hiding_clock_s};

static void hide(struct hiding *h, struct fixture *f)
{
    *h = (struct hiding){.plant = *f->e.plant, .real = f->e.plant, .fails_at = -1};
    h->plant.ops = &hiding_ops;
    h->plant.can = PLANT_DRIVEN;
    assert_true(h->plant.n_state <= 256);
    f->e.plant = &h->plant;
}

/* Metrics are what is known: no answers in time, no recovery; what was measured is there. */
static void test_episode_without_counters(void **state)
{
    struct fixture *f = *state;
    const struct episode_id id = {.seed = 3, .split = RNG_DEV, .env = 1};
    struct hiding h;
    struct episode_metrics exact, seen;
    assert_int_equal(episode_run(&f->e, &exact, f->khpa, 0, &id, NULL), ERR_OK);
    hide(&h, f);
    assert_int_equal(episode_run(&f->e, &seen, f->khpa, 0, &id, NULL), ERR_OK);
    assert_true(isnan(seen.slo_attainment) && isnan(seen.recovery) && isnan(seen.upper_bound));
    assert_true(fabs(seen.reward - exact.reward) < 0.03);
    assert_true(fabs(seen.success - exact.success) < 0.05);
    assert_true(fabs(seen.vcpu - exact.vcpu) < 0.6);
    assert_true(seen.scalings == exact.scalings);
    h.age[state_service_at(0, SF_CPU)] = INFINITY; /* no term of OR */
    h.age[state_service_at(1, SF_DEPLOYED)] = INFINITY;
    assert_int_equal(episode_run(&f->e, &seen, f->khpa, 0, &id, NULL), ERR_OK);
    assert_true(isnan(seen.reward) && isnan(seen.vcpu) && isnan(seen.or_pods));
    assert_true(fabs(seen.or_success - exact.or_success) < 0.05);
    f->e.plant = h.real;
}

static void test_failing_decision(void **state)
{
    struct fixture *f = *state;
    const struct episode_id id = {.seed = 3, .split = RNG_DEV, .env = 1};
    struct hiding h;
    struct episode_metrics m;
    hide(&h, f);
    h.fails_at = 7;
    assert_int_equal(episode_run(&f->e, &m, f->khpa, 0, &id, NULL), ERR_IO);
    assert_int_equal(h.n_steps, 8);
    f->e.plant = h.real;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_worked_example),
        cmocka_unit_test(test_chosen_exact),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_episode_without_counters),
        cmocka_unit_test(test_failing_decision),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
