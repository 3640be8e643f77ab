/* The learned attacker's account: actions by hand, budgets under random actions, and the same on
 * the simulated cluster. */
#include "core/scenario/attacker.h"
#include "tests/unit/cluster_fixture.h"

#include <math.h>

static uint32_t word(uint32_t i)
{
    return rng_philox(rng_key(4, RNG_TEST, RNG_TEST_SPLIT), i, 0, 0, 0).v[0];
}

/* 100/s for 600 s and a budget of 0.05: 3000 requests; periods of 15 s. */
static const struct plant_cfg cfg = {
    .period_s = 15, .attack_requests = 0.05, .attack_crashes = 0.2};

static struct attack_action action(int entry, int rate_change, int data_change)
{
    return (struct attack_action){
        .entry = entry, .rate_change = rate_change, .data_change = data_change};
}

/* 25/s a notch. Two periods of 50/s and one of 75/s cost 750, 750 and 1125; of the 375 left the
 * fourth, wanted at 75/s, gets 25/s, a third at both entries, and the fifth nothing. */
static void test_requests_by_hand(void **state)
{
    (void)state;
    struct attacker a;
    double extra[2], conns[2];
    const struct attack_action up_2 = action(0, 2, 0), up_1 = action(1, 1, 0);
    attacker_start(&a, extra, conns, 2, &cfg, 100, 600);
    assert_true(near(a.left.requests, 3000));
    assert_true(attacker_load(&a, &up_2, &cfg, HUGE_VAL));
    assert_true(near(extra[0], 50) && near(a.left.requests, 2250));
    assert_true(!attacker_load(&a, NULL, &cfg, HUGE_VAL));
    assert_true(near(extra[0], 50) && near(a.left.requests, 1500));
    assert_true(attacker_load(&a, &up_1, &cfg, HUGE_VAL));
    assert_true(near(extra[1], 25) && near(a.extra_total, 75) && near(a.left.requests, 375));
    assert_true(attacker_load(&a, NULL, &cfg, HUGE_VAL));
    assert_true(near(extra[0], 50.0 / 3) && near(extra[1], 25.0 / 3));
    assert_true(a.left.requests == 0.0);
    assert_true(attacker_load(&a, &up_2, &cfg, HUGE_VAL));
    assert_true(extra[0] == 0.0 && extra[1] == 0.0 && a.extra_total == 0.0);
}

/* Between 0 and 8 x nominal over all entries. */
static void test_bounds_of_the_load(void **state)
{
    (void)state;
    struct attacker a;
    double extra[2], conns[2];
    struct plant_cfg rich = cfg;
    rich.attack_requests = 1e6;
    attacker_start(&a, extra, conns, 2, &rich, 100, 600);
    const struct attack_action down = action(1, -2, 0);
    assert_true(!attacker_load(&a, &down, &rich, HUGE_VAL));
    assert_true(extra[1] == 0.0);
    for (int i = 0; i < 20; i++) {
        const struct attack_action up[] = {action(0, 2, 0), action(1, 1, 0)};
        (void)attacker_load(&a, &up[0], &rich, HUGE_VAL);
        (void)attacker_load(&a, &up[1], &rich, HUGE_VAL);
    }
    assert_true(near(a.extra_total, 800) && near(extra[0] + extra[1], 800));
}

/* The cap leaves 0.8 x 1000/s - (500 + 130)/s = 170/s to the attacker in the period from 15 s on,
 * whose busiest second offers 630/s, and nothing where the schedule alone exceeds it. */
static void test_cap(void **state)
{
    (void)state;
    struct attacker a;
    struct plant_cfg capped = cfg;
    float legit[45], attack[45], excess[45] = {0};
    double extra[2], conns[2];
    const struct topology topology = {.critical_rps = 1000};
    struct schedule s = {
        .n_seconds = 45, .legit_rps = legit, .attack_rps = attack, .attack_excess = excess};
    for (int t = 0; t < 45; t++) {
        legit[t] = t < 15 ? 100 : t < 30 ? 500 : 900;
        attack[t] = t == 22 ? 130 : 0;
    }
    assert_true(near(attacker_nominal(&s), 500));
    assert_true(attacker_room(&s, &capped, &topology, 1) == HUGE_VAL);
    capped.attack_cap = 0.8;
    capped.attack_requests = 1e6;
    assert_true(near(attacker_room(&s, &capped, &topology, 0), 700));
    assert_true(near(attacker_room(&s, &capped, &topology, 1), 170));
    assert_true(attacker_room(&s, &capped, &topology, 2) == 0.0);
    assert_true(attacker_room(&s, &capped, &topology, 7) == 0.0); /* the last second goes on */
    attacker_start(&a, extra, conns, 2, &capped, 500, 45);
    const struct attack_action up[] = {action(0, 2, 0), action(1, 1, 0)};
    assert_true(attacker_load(&a, &up[0], &capped, 700) && near(extra[0], 250));
    assert_true(attacker_load(&a, &up[1], &capped, 170));
    assert_true(near(extra[0], 170 * 2.0 / 3) && near(extra[1], 170 / 3.0));
    assert_true(near(a.left.requests, 1e6 * 500 * 45 - 15 * (250 + 170)));
    assert_true(attacker_load(&a, NULL, &capped, 0) && a.extra_total == 0.0);
}

/* 0.1 a minute that halves every 30 s are 0.1 x 0.5 min / log 2 = 0.0721 crashes. 0.2 pays for 0.2
 * (the most at once) from 0.03 on and, when that has decayed to 0.05, for 0.107 of the 0.15 up to
 * 0.2. */
static void test_crashes_by_hand(void **state)
{
    (void)state;
    struct attacker a;
    double extra[1], conns[1];
    attacker_start(&a, extra, conns, 1, &cfg, 100, 600);
    const struct attack_action high = action(0, 0, 2), none = action(0, 0, 0);
    double minute = 0.5 / log(2.0);
    assert_true(attacker_crash(&a, &none, 0.03) == 0.03);
    double p = attacker_crash(&a, &high, 0.03); /* 0.23, cut */
    assert_true(p == ATTACK_CRASH_MAX);
    assert_true(near(a.left.crashes, 0.2 - 0.17 * minute));
    p = attacker_crash(&a, &high, 0.05);
    assert_true(near(p, 0.05 + (0.2 - 0.17 * minute) / minute));
    assert_true(a.left.crashes == 0.0);
    assert_true(attacker_crash(&a, &high, 0.05) == 0.05);
}

/* 50/s for 15 s at a factor of 2 are 750 requests and the CPU of 750 in addition, 1500 of the 2400
 * that the budget has. At 4 the next period would cost 2250 more; what is left pays for 1 + 900 /
 * 750. A room of 80/s leaves a factor of 1.6, and without requests nothing is paid. */
static void test_costs_by_hand(void **state)
{
    (void)state;
    struct attacker a;
    double extra[1], conns[1];
    struct plant_cfg own = cfg;
    const struct attack_action up = action(0, 2, 0), none = action(0, 0, 0);
    const struct attack_action dearer = {.cost_change = 1}, cheaper = {.cost_change = -1};
    own.attack_requests = 1;
    own.attack_work = 0.04; /* x 60,000 */
    attacker_start(&a, extra, conns, 1, &own, 100, 600);
    assert_true(near(a.left.work, 2400) && a.cost == 1.0);
    assert_true(attacker_cost(&a, &dearer, &own, HUGE_VAL) && a.cost == 2.0);
    assert_true(near(a.left.work, 2400)); /* nothing is sent */
    assert_true(attacker_load(&a, &up, &own, HUGE_VAL) && near(extra[0], 50));
    assert_true(!attacker_cost(&a, &none, &own, HUGE_VAL) && near(a.left.work, 2400 - 750));
    assert_true(attacker_cost(&a, NULL, &own, 80) && near(a.cost, 1.6));
    assert_true(near(a.left.work, 1650 - 450));
    assert_true(attacker_cost(&a, &dearer, &own, HUGE_VAL) && near(a.cost, 1 + 1200.0 / 750));
    assert_true(a.left.work == 0.0);
    assert_true(attacker_cost(&a, &dearer, &own, HUGE_VAL) && a.cost == 1.0);
    assert_true(!attacker_cost(&a, &cheaper, &own, HUGE_VAL) && a.cost == 1.0);
    own.attack_work = 1e6;
    attacker_start(&a, extra, conns, 1, &own, 100, 600);
    for (int i = 0; i < 5; i++) {
        (void)attacker_cost(&a, &dearer, &own, HUGE_VAL);
    }
    assert_true(a.cost == ATTACK_COST_MAX);
}

/* Two notches are 30 connections a second, of which 600 can be paid: 450 in the first period, 150
 * in the second. The cap: of 1000/s 500 are free, and 4 pods of 60 slots hold 120 at a time at
 * most, or 8 new ones a second. */
static void test_connections_by_hand(void **state)
{
    (void)state;
    struct attacker a;
    double extra[2], conns[2];
    struct plant_cfg own = cfg;
    struct service_cfg services[] = {{.max_replicas = 4}, {.max_replicas = 4}};
    const struct topology_cfg wide = {.services = services, .slots_per_pod = 60};
    int entries[] = {0, 1};
    const struct topology t = {.cfg = &wide, .critical_rps = 1000, .entries = entries};
    const struct attack_action up = {.entry = 1, .conn_change = 2};
    own.attack_connections = 0.01;
    attacker_start(&a, extra, conns, 2, &own, 100, 600);
    assert_true(near(a.left.connections, 600));
    assert_true(attacker_connections(&a, &up, &own, HUGE_VAL, &t));
    assert_true(conns[0] == 0.0 && near(conns[1], 30) && near(a.left.connections, 150));
    assert_true(attacker_connections(&a, NULL, &own, HUGE_VAL, &t));
    assert_true(near(conns[1], 10) && a.left.connections == 0.0);
    assert_true(attacker_connections(&a, &up, &own, HUGE_VAL, &t));
    assert_true(conns[1] == 0.0 && a.conn_total == 0.0);
    assert_true(!attacker_connections(&a, &up, &own, HUGE_VAL, &t) || a.conn_total == 0.0);
    own.attack_connections = 1e6;
    attacker_start(&a, extra, conns, 2, &own, 100, 600);
    assert_true(attacker_connections(&a, &up, &own, 500, &t) && near(conns[1], 8));
    assert_true(attacker_connections(&a, NULL, &own, 0, &t) && a.conn_total == 0.0);
    for (int i = 0; i < 20; i++) {
        (void)attacker_connections(&a, &up, &own, HUGE_VAL, &t);
    }
    assert_true(near(a.conn_total, ATTACK_CONN_MAX * 100));
}

/* Whatever it does: never more than the budget, and every action that can be paid is executed to
 * the bit as without a budget. */
static void test_budget_holds_under_random_actions(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 200; run++) {
        struct attacker a, free_;
        double extra[3], free_extra[3], conns[3], requests = 0.0, crashes = 0.0, p = 0.0;
        struct plant_cfg own = cfg, rich = cfg;
        own.attack_requests = 0.001 * (double)(word(run) % 4000);
        own.attack_crashes = 0.001 * (double)(word(run + 1000) % 2000);
        rich.attack_requests = rich.attack_crashes = 1e9;
        attacker_start(&a, extra, conns, 3, &own, 100, 600);
        attacker_start(&free_, free_extra, conns, 3, &rich, 100, 600);
        bool paid = true;
        for (uint32_t t = 0; t < 40; t++) {
            uint32_t w = word(run * 64 + t + 5000);
            const struct attack_action act =
                action((int)(w % 3), (int)(w / 3 % 5) - 2, (int)(w / 15 % 3));
            (void)attacker_load(&a, &act, &own, HUGE_VAL);
            (void)attacker_load(&free_, &act, &rich, HUGE_VAL);
            requests += (extra[0] + extra[1] + extra[2]) * own.period_s;
            paid = paid && free_.extra_total * own.period_s * (1 + 1e-12) <
                               a.left.requests + a.extra_total * own.period_s;
            if (paid) {
                assert_memory_equal(extra, free_extra, sizeof extra);
            }
            double before = p;
            p = attacker_crash(&a, &act, p);
            assert_true(p >= before && p <= ATTACK_CRASH_MAX);
            crashes += (p - before) * 0.5 / log(2.0);
            p *= 0.7071; /* a period later */
            assert_true(a.left.requests >= 0.0 && a.left.crashes >= 0.0);
            for (int e = 0; e < 3; e++) {
                assert_true(extra[e] >= 0.0);
            }
        }
        double budget = own.attack_requests * 100 * 600;
        assert_true(requests <= budget * (1 + 1e-12));
        assert_true(near(requests + a.left.requests, budget));
        assert_true(near(crashes + a.left.crashes, own.attack_crashes));
    }
}

/* On the cluster: 0.1 x the legitimate 200/s x 3000 s = 60,000 requests are all that ever come from
 * an attacker who always wants more, within four standard deviations of the Poisson number; then
 * nothing; and the legitimate arrivals are those of the same episode without him. */
static void test_plant_enforces_the_budget(void **state)
{
    (void)state;
    double legit[2][60], attack = 0.0, late = 0.0;
    const struct attack_action up = action(0, 2, 2);
    for (int run = 0; run < 2; run++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        w.plant_cfg.attack_requests = 0.1;
        w.plant_cfg.attack_crashes = 0.3;
        fixture_open_under(&w, 200, 0);
        fixture_reset(&w);
        for (int t = 0; t < 60; t++) {
            assert_int_equal(plant_step(w.plant, w.delta, run == 1 ? &up : NULL, NULL), ERR_OK);
            const struct plant_truth *truth = plant_truth(w.plant, 0);
            legit[run][t] = truth->received_legit;
            attack += truth->received - truth->received_legit;
            late += t >= 50 ? truth->received - truth->received_legit : 0.0;
        }
        struct attack_budget left = plant_attack_left(w.plant, 0);
        assert_true(near(left.requests, run == 1 ? 0.0 : 60000.0));
        assert_true(near(left.crashes, run == 1 ? 0.0 : 0.3));
        assert_true(cluster_consistent(w.plant));
        fixture_close(&w);
    }
    assert_memory_equal(legit[0], legit[1], sizeof legit[0]);
    print_message("attack requests %g, budget 60000\n", attack);
    assert_true(fabs(attack - 60000) < 4 * sqrt(60000.0));
    assert_true(late == 0.0);
}

/* On the cluster: connections are a Poisson number with the mean that was paid, each holds its slot
 * for ATTACK_HOLD_S, and legitimate arrivals do not change. */
static void test_plant_holds_connections(void **state)
{
    (void)state;
    double legit[2][30];
    const struct attack_action up = {.entry = 0, .conn_change = 1}, stop = {.conn_change = -2};
    for (int run = 0; run < 2; run++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        w.plant_cfg.attack_connections = 0.05; /* x 20/s x 3000 s */
        fixture_open_under(&w, 20, 0);
        struct sim *s = fixture_reset(&w);
        double held = 0.0;
        for (int t = 0; t < 30; t++) {
            const struct attack_action *a = t == 0 ? &up : t == 20 ? &stop : NULL;
            assert_int_equal(plant_step(w.plant, w.delta, run == 1 ? a : NULL, NULL), ERR_OK);
            legit[run][t] = plant_truth(w.plant, 0)->received_legit;
            held += t < 20 ? s->n_held_conns / 20.0 : 0.0;
        }
        if (run == 1) { /* 3/s, each for 15 s: at the ends of 20 periods the mean is near 45 */
            print_message("held connections %.1f, expected 45\n", held);
            assert_true(fabs(held - 45) < 4.0 * sqrt(45.0 / 20));
        }
        const double paid = 3000.0 - plant_attack_left(w.plant, 0).connections;
        assert_true(near(paid, run == 1 ? 3 * 300 : 0));
        assert_true(fabs(s->n_loris_arrived - paid) <= 4.0 * sqrt(paid));
        assert_int_equal(s->n_held_conns, 0);
        assert_true(cluster_consistent(w.plant));
        fixture_close(&w);
    }
    assert_memory_equal(legit[0], legit[1], sizeof legit[0]);
}

/* As many requests of an attack as legitimate ones, at a factor of 4, use five times the CPU of the
 * legitimate ones alone; and its own requests' experience is counted apart. */
static void test_plant_serves_costly_requests(void **state)
{
    (void)state;
    double used[3], legit[3];
    for (int run = 0; run < 3; run++) { /* nobody, ordinary requests, costly ones */
        struct cluster_fixture w;
        fixture_diamond(&w);
        w.plant_cfg.attack_work = 100;
        fixture_open_under(&w, 20, 0);
        fixture_reset(&w);
        used[run] = legit[run] = 0.0;
        for (int t = 0; t < 40; t++) {
            const struct attack_action a = {.rate_change = run > 0 && t < 2 ? 2 : 0,
                                            .cost_change = run == 2 && t < 2 ? 1 : 0};
            assert_int_equal(plant_step(w.plant, w.delta, &a, NULL), ERR_OK);
            const struct plant_truth *truth = plant_truth(w.plant, 0);
            const struct attack_answers own = plant_attack_answers(w.plant, 0);
            used[run] += t >= 2 ? truth->used_m_mean : 0.0;
            legit[run] += truth->received_legit;
            assert_true(own.answered == truth->answered - truth->answered_legit);
            assert_true(own.failed <= truth->failed && own.latency_sum_ms <= truth->latency_sum_ms);
            assert_true((own.answered > 0.0) == (run > 0));
        }
        fixture_close(&w);
    }
    print_message("CPU %.1f m, with ordinary requests x %.3f, with costly ones x %.3f\n",
                  used[0] / 38, used[1] / used[0], used[2] / used[0]);
    assert_true(legit[0] == legit[1] && legit[0] == legit[2]);
    assert_true(fabs(used[1] / used[0] - 2.0) < 0.05);
    assert_true(fabs(used[2] / used[0] - 5.0) < 0.15);
}

static void test_attack_action(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open_under(&w, 200, 0);
    struct sim *s = fixture_reset(&w);
    struct attack_action up = {.entry = 0, .rate_change = 2, .data_change = 2};
    double legit[2];
    for (int t = 0; t < 2; t++) { /* each time 2 x 0.25 x 200 = 100/s more */
        assert_int_equal(plant_step(w.plant, w.delta, &up, NULL), ERR_OK);
        const struct plant_truth *truth = plant_truth(w.plant, 0);
        double attack = truth->received - truth->received_legit, mean = 1500.0 * (t + 1);
        assert_true(fabs(attack - mean) < 4.0 * sqrt(mean));
        legit[t] = truth->received_legit;
    }
    /* 0.2 a minute at most, halved every 30 s. */
    assert_true(s->services[0].attacked_p < 0.2 && s->services[0].attacked_p > 0.13);
    assert_true(s->services[1].attacked_p == 0.0);
    struct attack_action down = {.entry = 0, .rate_change = -2, .data_change = 0};
    for (int t = 0; t < 3; t++) {
        assert_int_equal(plant_step(w.plant, w.delta, &down, NULL), ERR_OK);
    }
    assert_true(s->extra_total == 0.0); /* never below nothing: legitimate load stays */
    assert_true(plant_truth(w.plant, 0)->received == plant_truth(w.plant, 0)->received_legit);
    for (int t = 0; t < 17; t++) {
        assert_int_equal(plant_step(w.plant, w.delta, &up, NULL), ERR_OK);
    }
    assert_true(near(s->extra_total, 8.0 * 200.0));
    assert_true(cluster_consistent(w.plant));
    fixture_reset(&w);
    for (int t = 0; t < 2; t++) {
        assert_true(fixture_step(&w)->received_legit == legit[t]);
    }
    fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_by_hand),
        cmocka_unit_test(test_bounds_of_the_load),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_crashes_by_hand),
        cmocka_unit_test(test_costs_by_hand),
        cmocka_unit_test(test_connections_by_hand),
        cmocka_unit_test(test_budget_holds_under_random_actions),
        cmocka_unit_test(test_plant_enforces_the_budget),
        cmocka_unit_test(test_plant_holds_connections),
        cmocka_unit_test(test_plant_serves_costly_requests),
        cmocka_unit_test(test_attack_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
