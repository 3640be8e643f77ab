/* What a plant can do, and what is asked of it first: the simulator beside a plant that has only
 * what is measured, as a live cluster does. It starts without a schedule, its clock is its own, its
 * writes may fail, and some of its values are unknown. */
#include "core/plant/outcomes.h"

#include "core/plant/schema.h"
#include "tests/unit/cluster_fixture.h"
#include "tests/unit/heard.h"

#include <math.h>

/* ---- a plant of measurements ---- */

enum { COLUMNS_MAX = 256, PLAYED = 3 };

struct measured {
    struct plant plant;
    float state[COLUMNS_MAX], age[COLUMNS_MAX];
    double clock_s;
    int n_acted, n_passed;
    enum err act_fails, pass_fails; /* what the next one returns */
};

static enum err measured_reset(struct plant *p, int lid, const struct episode_id *episode,
                               const struct schedule *schedule, int horizon)
{
    (void)lid, (void)episode, (void)horizon;
    assert_null(schedule);
    ((struct measured *)p)->clock_s = 0.0;
    return ERR_OK;
}

static enum err measured_act(struct plant *p, const int32_t *delta,
                             const struct attack_action *attack, const uint8_t *active)
{
    struct measured *m = (struct measured *)p;
    (void)delta, (void)active;
    assert_null(attack);
    m->n_acted += m->act_fails == ERR_OK;
    return m->act_fails;
}

static enum err measured_pass(struct plant *p, const int32_t *delta,
                              const struct attack_action *attack, const uint8_t *active)
{
    struct measured *m = (struct measured *)p;
    (void)delta, (void)attack, (void)active;
    m->n_passed += m->pass_fails == ERR_OK;
    m->clock_s += m->pass_fails == ERR_OK ? 15.3 : 0.0;
    return m->pass_fails;
}

static const float *measured_state(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct measured *)p)->state;
}

static const float *measured_age(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct measured *)p)->age;
}

static double measured_clock_s(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct measured *)p)->clock_s;
}

static const struct plant_ops measured_ops = {.kind = "measured",
                                              .reset = measured_reset,
                                              .act = measured_act,
                                              .pass = measured_pass,
                                              .state = measured_state,
                                              .age = measured_age,
                                              .clock_s = measured_clock_s};

/* Of the simulator's topology, with the simulator's present state, all of it known. */
static void measured_init(struct measured *m, const struct cluster_fixture *w)
{
    *m = (struct measured){.plant = *w->plant};
    assert_true(w->plant->n_state <= COLUMNS_MAX);
    m->plant.ops = &measured_ops;
    m->plant.can = PLANT_REAL_TIME;
    memcpy(m->state, plant_state(w->plant, 0), (size_t)w->plant->n_state * sizeof(float));
}

static void forget(struct measured *m, int column)
{
    m->state[column] = 0.0F;
    m->age[column] = INFINITY;
}

/* The diamond under a steady load, three periods into an episode. */
static void play(struct cluster_fixture *w)
{
    fixture_diamond(w);
    w->plant_cfg.headroom_target = 0.7;
    fixture_open_under(w, 100, 0);
    fixture_reset(w);
    for (int i = 0; i < PLAYED; i++) {
        fixture_step(w);
    }
}

/* ---- capabilities ---- */

static void test_what_it_has_not(void **state)
{
    struct cluster_fixture w;
    struct measured m;
    int n = 7;
    (void)state;
    play(&w);
    measured_init(&m, &w);
    assert_null(plant_truth(&m.plant, 0));
    assert_null(plant_cohorts(&m.plant, 0, &n));
    assert_int_equal(n, 0);
    assert_true(plant_attack_left(&m.plant, 0).requests == 0.0);
    assert_non_null(plant_truth(w.plant, 0));
    assert_non_null(plant_cohorts(w.plant, 0, &n));
    assert_true(n > 0);
    fixture_close(&w);
}

static void test_a_schedule(void **state)
{
    struct cluster_fixture w;
    struct measured m;
    static struct heard heard;
    (void)state;
    play(&w);
    measured_init(&m, &w);
    assert_int_equal(plant_reset(&m.plant, 0, &w.id, NULL, 4), ERR_OK);
    heard_begin(&heard);
    assert_int_equal(plant_reset(w.plant, 0, &w.id, NULL, 4), ERR_CONFIG);
    heard_end();
    assert_non_null(strstr(heard.last, "without a schedule"));
    fixture_close(&w);
}

static void test_an_attacker(void **state)
{
    struct cluster_fixture w;
    struct measured m;
    static struct heard heard;
    const struct attack_action none = {0};
    (void)state;
    play(&w);
    measured_init(&m, &w);
    heard_begin(&heard);
    assert_int_equal(plant_step(&m.plant, w.delta, &none, NULL), ERR_CONFIG);
    heard_end();
    assert_non_null(strstr(heard.last, "attacker"));
    assert_int_equal(m.n_acted + m.n_passed, 0);
    assert_int_equal(plant_step(w.plant, w.delta, &none, NULL), ERR_OK);
    fixture_close(&w);
}

static void test_clocks(void **state)
{
    struct cluster_fixture w;
    struct measured m;
    (void)state;
    play(&w);
    measured_init(&m, &w);
    assert_true(plant_clock_s(w.plant, 0) == PLAYED * w.plant->cfg->period_s);
    fixture_reset(&w);
    assert_true(plant_clock_s(w.plant, 0) == 0.0);
    assert_int_equal(plant_step(&m.plant, w.delta, NULL, NULL), ERR_OK);
    assert_true(plant_clock_s(&m.plant, 0) == 15.3);
    fixture_close(&w);
}

/* ---- failures ---- */

static void test_acting_fails(void **state)
{
    struct cluster_fixture w;
    struct measured m;
    (void)state;
    play(&w);
    measured_init(&m, &w);
    m.act_fails = ERR_IO;
    assert_int_equal(plant_step(&m.plant, w.delta, NULL, NULL), ERR_IO);
    assert_int_equal(m.n_passed, 0); /* nobody waits for what was not carried out */
    assert_int_equal(plant_pass(&m.plant, w.delta, NULL, NULL), ERR_OK); /* but may */
    m.act_fails = ERR_OK;
    m.pass_fails = ERR_PEER;
    assert_int_equal(plant_step(&m.plant, w.delta, NULL, NULL), ERR_PEER);
    assert_int_equal(m.n_acted, 1);
    fixture_close(&w);
}

/* ---- ages and outcomes ---- */

static void test_ages(void **state)
{
    struct cluster_fixture w;
    struct measured m;
    (void)state;
    play(&w);
    const int cpu = state_service_at(0, SF_CPU), desired = state_service_at(0, SF_DESIRED);
    const double age_s = plant_age_s(w.plant, 0, cpu);
    assert_true(age_s >= w.plant->cfg->lag_s &&
                age_s < w.plant->cfg->lag_s + w.plant->cfg->scrape_s);
    assert_true(plant_age_s(w.plant, 0, desired) == 0.0);
    measured_init(&m, &w);
    forget(&m, cpu);
    assert_true(isinf(plant_age_s(&m.plant, 0, cpu)));
    fixture_close(&w);
}

/* Without scrapes what was seen grows old; what was asked for does not. */
static void test_ages_in_an_outage(void **state)
{
    struct cluster_fixture w;
    (void)state;
    play(&w);
    fixture_event(&w, EVENT_METRIC_OUTAGE, -1, 20.0, 600.0, 1.0);
    fixture_reset(&w);
    const int cpu = state_service_at(0, SF_CPU), desired = state_service_at(0, SF_DESIRED);
    for (int i = 1; i <= 6; i++) {
        fixture_step(&w);
        const double since_s = i * w.plant_cfg.period_s - 20.0;
        assert_true(plant_age_s(w.plant, 0, cpu) >= fmax(since_s, w.plant_cfg.lag_s));
        assert_true(plant_age_s(w.plant, 0, cpu) <= fmax(since_s, 0.0) + 15.0);
        assert_true(plant_age_s(w.plant, 0, desired) == 0.0);
    }
    fixture_close(&w);
}

/* Every column that an outcome is made of makes it unknown, and no other outcome. */
static void test_unknown(void **state)
{
    static const struct {
        enum service_feature column; /* of the entry service */
        unsigned outcomes;           /* that need it */
    } needs[] = {
        {SF_QUEUE, 1U << OUTCOME_WAITING},
        {SF_FAILED_PODS, 1U << OUTCOME_PODS_FAILED},
        {SF_READY, 1U << OUTCOME_ENTRY | 1U << OUTCOME_SERVICE},
        {SF_ERRORS, 1U << OUTCOME_SERVICE},
        {SF_CPU, 1U << OUTCOME_USED | 1U << OUTCOME_HEADROOM},
        {SF_DEPLOYED, 1U << OUTCOME_PODS | 1U << OUTCOME_REQUESTED | 1U << OUTCOME_HEADROOM},
        {SF_RAM, 0}};
    struct cluster_fixture w;
    struct measured m;
    struct plant_outcomes all, some;
    (void)state;
    play(&w);
    plant_outcomes(&all, w.plant, 0);
    assert_int_equal(all.known, (1U << OUTCOMES) - 1U - (1U << OUTCOME_SLO_ATTAINMENT));
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        measured_init(&m, &w);
        forget(&m, state_service_at(w.topology.entries[0], needs[i].column));
        plant_outcomes(&some, &m.plant, 0);
        assert_int_equal(some.known, all.known & ~needs[i].outcomes);
        for (int k = 0; k < OUTCOMES; k++) {
            const bool known = outcome_known(&some, (enum plant_outcome)k);
            assert_true(known ? some.value[k] == all.value[k] : isnan(some.value[k]));
        }
    }
    fixture_close(&w);
}

/* The entry services stand in for the front, and without either nothing is known. */
static void test_entries_stand_in(void **state)
{
    struct cluster_fixture w;
    struct measured m;
    struct plant_outcomes o;
    (void)state;
    play(&w);
    measured_init(&m, &w);
    const int n = w.topology.n_services, entry = w.topology.entries[0];
    forget(&m, state_global_at(n, GF_ANSWERED));
    forget(&m, state_global_at(n, GF_RESPONSE));
    for (int i = 0; i < w.topology.n_entries; i++) {
        m.state[state_service_at(w.topology.entries[i], SF_SUCCEEDED)] = 30.0F;
        m.state[state_service_at(w.topology.entries[i], SF_ERRORS)] = 10.0F;
        m.state[state_service_at(w.topology.entries[i], SF_LATENCY)] = 120.0F;
    }
    plant_outcomes(&o, &m.plant, 0);
    assert_true(o.value[OUTCOME_SUCCESS] == 0.75);
    assert_true(o.value[OUTCOME_LATENCY] == 120.0);
    forget(&m, state_service_at(entry, SF_ERRORS));
    forget(&m, state_service_at(entry, SF_LATENCY));
    plant_outcomes(&o, &m.plant, 0);
    assert_false(outcome_known(&o, OUTCOME_SUCCESS));
    assert_false(outcome_known(&o, OUTCOME_LATENCY));
    fixture_close(&w);
}

/* Counters of a measured period: unknown where the outcomes are. */
static void test_counters(void **state)
{
    struct plant_outcomes o = {.known = 0};
    struct plant_truth t;
    (void)state;
    for (int i = 0; i < OUTCOMES; i++) {
        outcome_set(&o, (enum plant_outcome)i, (double)NAN);
    }
    outcome_set(&o, OUTCOME_RECEIVED, 20.0);
    outcome_set(&o, OUTCOME_SUCCESS, 0.75);
    outcome_set(&o, OUTCOME_REQUESTED, 4000.0);
    outcomes_counters(&t, &o, 15.0);
    assert_true(t.received == 300.0 && t.answered == 225.0 && t.failed == 75.0);
    assert_true(t.requested_m_mean == 4000.0);
    assert_true(isnan(t.compliant) && isnan(t.latency_sum_ms) && isnan(t.waiting_mean));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_has_not),   cmocka_unit_test(test_a_schedule),
        cmocka_unit_test(test_an_attacker),       cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_acting_fails),      cmocka_unit_test(test_ages),
        cmocka_unit_test(test_ages_in_an_outage), cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_entries_stand_in),  cmocka_unit_test(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
