/* The organisational metrics, and their observer, against counts by hand. */
#include "core/game/org_metrics.h"

#include "core/eval/org_observer.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { A, B, C, D, S };

/* One may enlarge what has a queue by 1 or 2, and is paid for a's queue; two may do nothing before
 * a's latency rises, and is paid for nothing. */
static const char WORLD[] = "game: {agents: [one, two, three], action: {head: delta}}\n"
                            "organisation:\n"
                            "  hardness: 0\n"
                            "  penalty: 0.5\n"
                            "  mission_weight: 0.25\n"
                            "  roles:\n"
                            "    - {name: r, rules: [{on: service.queue > 0, from: 1, to: 2}]}\n"
                            "    - {name: q, rules: [{when: a.latency > 0, from: -3, to: 3}]}\n"
                            "  goals: [{name: g, loss: a.queue, divisor: 100}]\n"
                            "  missions: [{name: m, goals: [{goal: g}]}]\n"
                            "  norms: [{role: r, mission: m}]\n"
                            "  agents:\n"
                            "    - {name: three, roles: [q]}\n" /* another order than the game's */
                            "    - {name: one, roles: [r]}\n"
                            "    - {name: two, roles: [q]}\n";

struct fixture {
    struct game_fixture w;
    struct guides_memory guides;
    struct org_metrics org_metrics;
    float state[S * SERVICE_FEATURES + GLOBAL_FEATURES];
};

static void open_world(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, WORLD);
    const struct guides *g = f->w.rules.guides;
    assert_int_equal(guides_memory_init(&f->guides, &f->w.arena, g), ERR_OK);
    assert_int_equal(org_metrics_init(&f->org_metrics, &f->w.arena, g), ERR_OK);
    for (int s = 0; s < S; s++) {
        game_fixture_set(&f->w, f->state, s, SF_DESIRED, 5);
    }
}

static void decide(struct fixture *f, double queue)
{
    game_fixture_set(&f->w, f->state, A, SF_QUEUE, queue);
    guides_update(&f->guides, f->w.rules.guides, f->state);
    org_metrics_decide(&f->org_metrics, &f->w.rules, &f->guides, f->state);
}

static void test_shares(void **state)
{
    (void)state;
    static struct fixture f;
    struct org_metric_values v[3];
    open_world(&f);
    decide(&f, 10); /* one may enlarge a by 1 or 2 */
    org_metrics_choice(&f.org_metrics, 1, true, false);
    decide(&f, 0); /* nobody may do anything */
    org_metrics_choice(&f.org_metrics, 1, false, false);
    game_fixture_set(&f.w, f.state, B, SF_QUEUE, 1);
    game_fixture_set(&f.w, f.state, A, SF_DESIRED, 9); /* 10 is the most */
    decide(&f, 10);
    org_metrics_choice(&f.org_metrics, 1, false, true);
    decide(&f, 10);
    org_metrics_choice(&f.org_metrics, 1, true, true);
    org_metrics_reward(&f.org_metrics, 1, &(struct guides_reward){-0.4, 0.2, -0.8});
    org_metrics_finish(v, &f.org_metrics);
    assert_true(v[1].can_act == 0.75 && v[1].compliant == 0.5 && v[1].violation == 0.5);
    assert_true(v[1].compliant_unmasked == 0.5);
    /* a +1, +2; nothing; a +1, b +1, +2 twice: and no change each time */
    assert_true(v[1].mask_size == (3 + 1 + 4 + 4) / 4.0);
    /* of 4 services by -3..3; a has +1 only afterwards */
    assert_true(fabs(v[1].chance_compliant - (3.0 / 25 + 0 + 4.0 / 23 + 4.0 / 23) / 4) < 1e-12);
    assert_true(v[1].mission == -0.1 && v[1].bonus == 0.05 && v[1].penalty == -0.2);
    assert_true(v[0].can_act == 0.0 && v[0].mask_size == 1.0 && v[0].chance_compliant == 0.0);
    org_metrics_clear(&f.org_metrics);
    decide(&f, 0);
    org_metrics_finish(v, &f.org_metrics);
    assert_true(v[1].mission == 0.0 && v[1].violation == 0.0);
    game_fixture_close(&f.w);
}

/* Queues of a, decision by decision -> windows, improved. */
static void assert_windows(const double *queue, int n, int windows, int improved)
{
    static struct fixture f;
    struct org_metric_values v[3];
    open_world(&f);
    for (int i = 0; i < n; i++) {
        decide(&f, queue[i]);
    }
    org_metrics_finish(v, &f.org_metrics);
    assert_true(v[1].mission_windows == windows && v[1].mission_improved == improved);
    assert_true(v[0].mission_windows == 0.0 &&
                v[2].mission_windows == 0.0); /* no mission, never below 0 */
    game_fixture_close(&f.w);
}

static void test_windows(void **state)
{
    (void)state;
    const double better[] = {0, 50, 60, 70, 80, 40}; /* begins at 1, ends at 5 */
    assert_windows(better, 6, 1, 1);
    assert_windows(better, 5, 0, 0); /* cut */
    const double same[] = {50, 0, 0, 0, 50};
    assert_windows(same, 5, 1, 0);
    const double twice[] = {50, 50, 50, 50, 40, 90, 90, 90, 30}; /* the end begins the next */
    assert_windows(twice, 9, 2, 2);
    const double worse[] = {50, 50, 50, 50, 60, 60, 60, 60, 60};
    assert_windows(worse, 9, 2, 0);
    const double idle[] = {0, 0, 0, 0, 0, 0};
    assert_windows(idle, 6, 0, 0);
    const double beyond[] = {300, 300, 300, 300, 200}; /* both are -1 */
    assert_windows(beyond, 5, 1, 0);
}

/* ---- the observer ---- */

static void show(const struct episode_observer *o, struct fixture *f, double queue,
                 const struct rules *rules, const int32_t *action, const int32_t *free)
{
    game_fixture_set(&f->w, f->state, A, SF_QUEUE, queue);
    const struct episode_step step = {.state = f->state,
                                      .spec = rules != NULL ? &rules->spec : NULL,
                                      .action = action,
                                      .free_action = free};
    assert_int_equal(o->see(o->ctx, &step), ERR_OK);
}

/* Agents of the game are one, two, three; delta head: 0 nothing, 1 + 6 s + ..: +1 of a is 4. */
enum { NOTHING = 0, A_PLUS_1 = 4, A_MINUS_1 = 3, A_PLUS_3 = 6 };

static void test_org_observer(void **state)
{
    (void)state;
    static struct fixture f;
    struct org_observer j;
    struct org_metric_values v[3];
    const int32_t compliant[] = {A_PLUS_1, NOTHING, NOTHING};
    const int32_t outside[] = {A_PLUS_3, A_MINUS_1, NOTHING};
    open_world(&f);
    const struct rules *r = &f.w.rules;
    assert_int_equal(org_observer_init(&j, &f.w.arena, r, r), ERR_OK);
    assert_int_equal(org_observer_n_agents(&j), 3);
    assert_string_equal(org_observer_agent_name(&j, 1), "one");
    const struct episode_observer o = org_observer_callbacks(&j);
    for (int episode = 0; episode < 2; episode++) { /* the second knows nothing of the first */
        game_fixture_set(&f.w, f.state, A, SF_QUEUE, 40);
        o.begin(o.ctx, f.state);
        show(&o, &f, 20, r, compliant, outside);
        show(&o, &f, 0, r, outside, compliant);
        org_observer_finish(v, &j);
        assert_true(v[1].can_act == 1.0 && v[1].compliant == 0.5 && v[1].violation == 0.5);
        assert_true(v[1].compliant_unmasked == 0.5);
        /* terms of the states that were led to: -0.2, then 0 */
        assert_true(fabs(v[1].mission + 0.25 * 0.2 / 2) < 1e-12);
        assert_true(v[1].penalty == -0.25);
        assert_true(v[2].violation == 0.5 && v[2].can_act == 0.0 && v[0].violation == 0.0);
    }
    /* a rule: only what its agents would have had */
    assert_int_equal(org_observer_init(&j, &f.w.arena, NULL, r), ERR_OK);
    game_fixture_set(&f.w, f.state, A, SF_QUEUE, 40);
    o.begin(o.ctx, f.state);
    show(&o, &f, 20, NULL, NULL, NULL);
    org_observer_finish(v, &j);
    assert_true(v[1].can_act == 1.0 && isnan(v[1].compliant) && isnan(v[1].violation));
    assert_true(isnan(v[1].penalty) && isnan(v[1].compliant_unmasked));
    assert_true(fabs(v[1].mission + 0.25 * 0.2) < 1e-12);
    game_fixture_close(&f.w);
}

/* A team without roles, with other agents and another order of them. */
static void test_observer_of_a_free_team(void **state)
{
    (void)state;
    static struct fixture f;
    static struct rules plain;
    struct org_observer j;
    struct org_metric_values v[3];
    const char *agents[] = {"stranger", "one"};
    struct game_cfg cfg;
    const int32_t action[] = {A_PLUS_3, A_PLUS_1};
    open_world(&f);
    cfg = f.w.root.game;
    cfg.agents = agents;
    cfg.n_agents = 2;
    assert_int_equal(rules_init(&plain, &f.w.arena, &cfg, &f.w.env_setup), ERR_OK);
    assert_int_equal(org_observer_init(&j, &f.w.arena, &plain, &f.w.rules), ERR_OK);
    const struct episode_observer o = org_observer_callbacks(&j);
    game_fixture_set(&f.w, f.state, A, SF_QUEUE, 40);
    o.begin(o.ctx, f.state);
    show(&o, &f, 20, &plain, action, action);
    org_observer_finish(v, &j);
    assert_true(v[1].compliant == 1.0 && v[1].violation == 0.0 && v[1].compliant_unmasked == 1.0);
    assert_true(isnan(v[0].violation) && isnan(v[2].violation)); /* it has no such agents */
    /* and without any organisation there is nothing to measure */
    assert_int_equal(org_observer_init(&j, &f.w.arena, &plain, &plain), ERR_OK);
    assert_int_equal(org_observer_n_agents(&j), 0);
    game_fixture_close(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_org_observer),
        cmocka_unit_test(test_observer_of_a_free_team),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
