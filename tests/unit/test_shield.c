/* The shield by hand: one case for each invariant and reason, conflicts, the budget, the history,
 * words, and limits that contradict. Searches are in test_shield_fuzz.c and _exhaustive.c. */
#include "tests/unit/shield_fixture.h"

#define assert_err(want, got) assert_int_equal(want, got)
#define BIT(i)                (1U << (i))

/* One service of 100 calls/s a pod; L_max 200 ms. */
#define ONE(limits)                                                                                \
    "topology: {node_cpu_m: 16000, services: [\n"                                                  \
    "  {name: web, min_replicas: 1, max_replicas: 12, entry: true}]}\n"                            \
    "shield: {" limits "}\n"
#define TWO(limits)                                                                                \
    "topology: {node_cpu_m: 4000, services: [\n"                                                   \
    "  {name: web, max_replicas: 8, entry: true, calls: [db]},\n"                                  \
    "  {name: db, max_replicas: 8}]}\n"                                                            \
    "shield: {" limits "}\n"

static struct shield_fixture f;

static void open_with(const char *text, int desired)
{
    assert_err(shield_fixture_try(&f, text), ERR_OK);
    for (int s = 0; s < f.n; s++) {
        shield_fixture_set(&f, s, SF_DESIRED, desired);
    }
    shield_fixture_calm(&f, 50.0, 0);
}

static int tear_down(void **state)
{
    (void)state;
    shield_fixture_close(&f);
    return 0;
}

/* The decision of service 0 on the state as it stands, with the others left alone. */
static int ask(int32_t change)
{
    int32_t proposed[MONITOR_SERVICES] = {change};
    shield_fixture_decide(&f, proposed);
    return f.verdict.delta[0];
}

static void assert_decides(int32_t change, int allowed, uint32_t reasons)
{
    assert_int_equal(ask(change), allowed);
    assert_int_equal(f.verdict.reasons[0], reasons);
}

static void assert_heard(const char *sentence)
{
    if (strstr(f.log.last, sentence) == NULL) {
        fail_msg("'%s' is not part of '%s'", sentence, f.log.last);
    }
}

static void what_is_harmless_passes(void **state)
{
    (void)state;
    open_with(ONE(""), 4);
    assert_decides(2, 2, 0);
    assert_decides(-1, -1, 0);
    assert_decides(0, 0, 0);
}

static void bounds_stand_above_steps(void **state)
{
    (void)state;
    open_with(ONE("cooldown_s: 0"), 4);
    assert_decides(7, 6, BIT(SHIELD_REASON_STEP));
    shield_fixture_set(&f, 0, SF_DESIRED, 10);
    shield_fixture_calm(&f, 50.0, 1);
    assert_decides(4, 2, BIT(SHIELD_REASON_REPLICAS));
    shield_fixture_set(&f, 0, SF_DESIRED, 20);
    shield_fixture_calm(&f, 50.0, 2);
    f.now_s = 1000.0;
    assert_decides(0, -8, BIT(SHIELD_REASON_REPLICAS));
    assert_true((f.verdict.overruled[0] & BIT(SHIELD_STEP)) != 0);
}

/* Each way to be blind; nothing is written at first. */
static void blind_services_stand_still(void **state)
{
    (void)state;
    static const struct {
        float value, age;
        enum shield_reason why;
    } cases[] = {
        {NAN, 7.5F, SHIELD_REASON_MISSING},          {100.0F, INFINITY, SHIELD_REASON_MISSING},
        {100.0F, NAN, SHIELD_REASON_MISSING},        {-1.0F, 7.5F, SHIELD_REASON_IMPLAUSIBLE},
        {INFINITY, 7.5F, SHIELD_REASON_IMPLAUSIBLE}, {100.0F, 31.0F, SHIELD_REASON_STALE}};
    open_with(ONE("frozen_s: 0"), 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shield_fixture_calm(&f, 50.0, (int)i);
        f.state[state_service_at(0, SF_CPU)] = cases[i].value;
        f.age[state_service_at(0, SF_CPU)] = cases[i].age;
        assert_decides(-1, 0, BIT(cases[i].why));
        assert_decides(2, 0, BIT(cases[i].why));
    }
    shield_fixture_calm(&f, 50.0, 9);
    shield_fixture_set(&f, 0, SF_READY, 6);
    assert_decides(-1, 0, BIT(SHIELD_REASON_IMPLAUSIBLE));
}

/* An adapter that repeats its last value with a fresh age. */
static void frozen_values_are_not_believed(void **state)
{
    (void)state;
    open_with(ONE(""), 4);
    for (int k = 0; k < 3; k++, f.now_s += 15.0) {
        assert_decides(-1, -1, 0);
    }
    assert_decides(-1, 0, BIT(SHIELD_REASON_FROZEN));
    shield_fixture_calm(&f, 50.0, 1);
    assert_decides(-1, -1, 0);
}

/* Nothing for hold_s, then one step a decision up to the floor, and back to normal by itself. */
static void outage_ends_on_the_floor(void **state)
{
    (void)state;
    open_with(ONE("hold_s: 30, floor_load: 0.5, utilisation: 1"), 4);
    assert_int_equal(f.shield.floor[0], 6); /* half of 12 pods */
    const int expected[] = {0, 0, 1, 1, 0, 0};
    for (int k = 0; k < 6; k++) {
        shield_fixture_calm(&f, 50.0, k);
        f.age[state_global_at(f.n, GF_ENTRY_10S)] = 300.0F;
        assert_int_equal(ask(-2), expected[k]);
        assert_int_equal(f.verdict.reasons[0],
                         BIT(expected[k] > 0 ? SHIELD_REASON_FLOOR : SHIELD_REASON_STALE));
        shield_fixture_execute(&f);
    }
    shield_fixture_calm(&f, 50.0, 9);
    assert_decides(-1, -1, 0);
}

/* Not even the floor, if nobody knows how many there are. */
static void unknown_replicas_are_not_written(void **state)
{
    (void)state;
    open_with(ONE("hold_s: 0"), 1);
    for (int k = 0; k < 4; k++, f.now_s += 60.0) {
        shield_fixture_set(&f, 0, SF_DESIRED, 1);
        shield_fixture_calm(&f, 50.0, k);
        shield_fixture_set(&f, 0, SF_DESIRED, k % 2 == 0 ? (double)NAN : 1.5);
        assert_decides(3, 0, BIT(k % 2 == 0 ? SHIELD_REASON_MISSING : SHIELD_REASON_IMPLAUSIBLE));
        assert_decides(0, 0, 0);
    }
}

static void incomplete_metrics_forbid_decreases_only(void **state)
{
    (void)state;
    open_with(ONE(""), 4);
    shield_fixture_set(&f, 0, SF_HPA_MISSING, 1);
    assert_decides(-1, 0, BIT(SHIELD_REASON_PARTIAL));
    assert_decides(1, 1, 0);
    shield_fixture_set(&f, 0, SF_HPA_MISSING, 0);
    shield_fixture_set(&f, 0, SF_READY, 3);
    assert_decides(-1, 0, BIT(SHIELD_REASON_UNREADY));
    assert_decides(1, 1, 0);
}

/* 380 calls/s need 4 pods of 100 and with the bound at 95 % 5. What lies about one of the two
 * measurements does not help. */
static void capacity_is_added_for_the_measured_load(void **state)
{
    (void)state;
    open_with(ONE(""), 4);
    shield_fixture_calm(&f, 380.0, 0);
    assert_decides(0, 1, BIT(SHIELD_REASON_LOAD));
    assert_decides(-3, 1, BIT(SHIELD_REASON_LOAD));
    shield_fixture_global(&f, GF_ENTRY_30S, 1.0);
    shield_fixture_global(&f, GF_ENTRY_10S, 1.0);
    assert_decides(-1, 1, BIT(SHIELD_REASON_LOAD));
    shield_fixture_calm(&f, 380.0, 1);
    shield_fixture_set(&f, 0, SF_RECEIVED, 1.0);
    shield_fixture_set(&f, 0, SF_CPU, 1.0);
    assert_decides(-1, 1, BIT(SHIELD_REASON_LOAD));
}

/* A call that is seen to need three times the CPU counts three times. */
static void told_capacity_is_refuted_by_data(void **state)
{
    (void)state;
    open_with(ONE("step_out: 12"), 4);
    shield_fixture_calm(&f, 150.0, 0);
    assert_decides(0, 0, 0);
    const double cpu = (double)f.state[state_service_at(0, SF_CPU)];
    shield_fixture_set(&f, 0, SF_CPU, 3.0 * cpu);
    assert_decides(0, 2, BIT(SHIELD_REASON_LOAD));
}

static void decreases_look_over_the_lag(void **state)
{
    (void)state;
    open_with(ONE(""), 5);
    shield_fixture_calm(&f, 150.0, 0);
    assert_decides(-2, -2, 0);
    shield_fixture_global(&f, GF_ENTRY_DIFF, 60.0); /* 60 more every 10 s */
    assert_decides(-2, 0, BIT(SHIELD_REASON_LAG));
    shield_fixture_calm(&f, 150.0, 1);
    shield_fixture_set(&f, 0, SF_QUEUE, 4000.0);
    assert_decides(-2, 0, BIT(SHIELD_REASON_BACKLOG));
}

/* Two reversals an hour: the decrease keeps one for the increase that may have to follow it. */
static void flaps_have_a_budget(void **state)
{
    (void)state;
    open_with(ONE("flips_max: 3, flap_window_s: 600"), 4);
    const int asks[] = {1, -1, 1, -1, 1, -1}, expected[] = {1, -1, 1, 0, 1, 0};
    for (int k = 0; k < 6; k++) {
        shield_fixture_calm(&f, 50.0, k);
        assert_int_equal(ask(asks[k]), expected[k]);
        assert_int_equal(f.verdict.reasons[0],
                         expected[k] == asks[k] ? 0 : BIT(SHIELD_REASON_FLAPS));
        shield_fixture_execute(&f);
    }
    f.now_s += 600.0;
    shield_fixture_calm(&f, 50.0, 9);
    assert_decides(-1, -1, 0);
}

/* A refused write is no foreign change; a number nobody here asked for is. */
static void foreign_changes_are_left_alone(void **state)
{
    (void)state;
    open_with(ONE("cooldown_s: 60"), 4);
    assert_decides(1, 1, 0);
    shield_executed(&f.history, &f.shield, f.verdict.delta); /* and refused: desired stays 4 */
    f.now_s += 15.0;
    shield_fixture_calm(&f, 50.0, 1);
    assert_decides(1, 1, 0);
    shield_fixture_set(&f, 0, SF_DESIRED, 7);
    for (int k = 0; k < 5; k++, f.now_s += 15.0) {
        shield_fixture_calm(&f, 50.0, 2 + k);
        assert_decides(-1, k < 4 ? 0 : -1, k < 4 ? BIT(SHIELD_REASON_FOREIGN) : 0);
    }
}

static void disruptions_have_a_budget(void **state)
{
    (void)state;
    open_with(ONE("disruption: 0.25"), 5);
    assert_decides(-3, -2, BIT(SHIELD_REASON_DISRUPTION)); /* a quarter of 5, rounded up */
}

/* 0.07 * 100 is above 7 in binary; Kubernetes computes 7 % of 100 pods in whole numbers. */
static void a_whole_share_is_not_rounded_up(void **state)
{
    (void)state;
    open_with("topology: {node_cpu_m: 160000, node_ram_mib: 1e6, services: [\n"
              "  {name: web, min_replicas: 1, max_replicas: 200, entry: true}]}\n"
              "shield: {disruption: 0.07, step_in: 100}\n",
              100);
    assert_decides(-20, -7, BIT(SHIELD_REASON_DISRUPTION));
}

/* A clock that fails does not end what lasts, and without any time every service is blind. */
static void a_clock_that_fails_forgets_nothing(void **state)
{
    (void)state;
    open_with(ONE("hold_s: 60, cooldown_s: 60"), 4);
    f.now_s = (double)INFINITY;
    assert_decides(-1, 0, BIT(SHIELD_REASON_MISSING));
    f.now_s = (double)NAN;
    shield_fixture_calm(&f, 50.0, 1);
    assert_decides(-1, 0, BIT(SHIELD_REASON_MISSING));
    f.now_s = 100.0;
    shield_fixture_calm(&f, 50.0, 2);
    assert_decides(-1, -1, 0);
    shield_fixture_set(&f, 0, SF_DESIRED, 7);
    shield_fixture_calm(&f, 50.0, 3);
    assert_decides(-1, 0, BIT(SHIELD_REASON_FOREIGN));
    f.now_s = (double)INFINITY;
    shield_fixture_calm(&f, 50.0, 4);
    assert_decides(-1, 0, BIT(SHIELD_REASON_FOREIGN));
    f.now_s = 160.0;
    shield_fixture_calm(&f, 50.0, 5);
    assert_decides(-1, -1, 0);
}

/* 8 pods of 500 m fit. The increase that is needed comes before the one that is wished. */
static void budget_is_shared_by_need(void **state)
{
    (void)state;
    open_with(TWO(""), 3);
    const int32_t both[] = {4, 4};
    shield_fixture_decide(&f, both);
    assert_int_equal(f.verdict.delta[0], 1);
    assert_int_equal(f.verdict.delta[1], 1);
    assert_int_equal(f.verdict.reasons[0], BIT(SHIELD_REASON_NODE));
    const float busy = 420.0F;
    f.state[state_service_at(1, SF_RECEIVED)] = busy;
    f.state[state_service_at(1, SF_CPU)] = busy * 1000.0F * (float)f.topology.demand_s[1];
    shield_fixture_decide(&f, both);
    assert_int_equal(f.verdict.delta[0], 0);
    assert_int_equal(f.verdict.delta[1], 2);
    const int32_t swap[] = {-2, 4};
    shield_fixture_decide(&f, swap);
    assert_int_equal(f.verdict.delta[0], -2);
    assert_int_equal(f.verdict.delta[1], 4);
}

static void quota_wins_over_capacity_and_says_so(void **state)
{
    (void)state;
    open_with(TWO("quota_pods: 6"), 3);
    shield_fixture_calm(&f, 380.0, 0);
    assert_decides(2, 0, BIT(SHIELD_REASON_QUOTA));
    assert_true((f.verdict.overruled[0] & BIT(SHIELD_CAPACITY)) != 0);
    struct buf text;
    const int32_t proposed[] = {2, 0};
    buf_init(&text);
    shield_fixture_decide(&f, proposed);
    assert_err(shield_explain(&text, &f.shield, &f.verdict, proposed), ERR_OK);
    assert_non_null(strstr((const char *)text.data, "web: +2 asked, +0 allowed: quota"));
    assert_non_null(strstr((const char *)text.data, "overruled: capacity"));
    buf_release(&text);
}

/* For each service, what passes alone is what shield_limits() says. */
static void limits_are_what_passes_alone(void **state)
{
    (void)state;
    open_with(TWO("step_out: 2, disruption: 0.3"), 3);
    const struct shield_view v = shield_fixture_view(&f);
    int32_t least[2], most[2];
    shield_observe(&f.history, &f.shield, &v);
    shield_limits(least, most, &f.verdict, &f.shield, &f.history, &v);
    for (int s = 0; s < 2; s++) {
        for (int32_t d = -5; d <= 5; d++) {
            int32_t proposed[2] = {0};
            proposed[s] = d;
            shield_decide(&f.verdict, &f.shield, &f.history, &v, proposed);
            assert_int_equal(f.verdict.delta[s] == d, d >= least[s] && d <= most[s]);
        }
    }
    assert_int_equal(most[0], 2);
    assert_int_equal(least[0], -1);
}

/* The history is one block: a copy of it decides the same. */
static void history_is_one_block_of_doubles(void **state)
{
    (void)state;
    open_with(ONE("flips_max: 2"), 4);
    for (int k = 0; k < 4; k++) {
        shield_fixture_calm(&f, 50.0, k);
        (void)ask(k % 2 == 0 ? 1 : -1);
        shield_fixture_execute(&f);
    }
    struct shield_history copy;
    assert_err(shield_history_init(&copy, &f.arena, f.n), ERR_OK);
    memcpy(copy.values, f.history.values, (size_t)shield_history_size(f.n) * sizeof(double));
    shield_history_clear(&f.history, f.n);
    f.history = copy;
    shield_fixture_calm(&f, 50.0, 9);
    assert_decides(-1, 0, BIT(SHIELD_REASON_FLAPS));
}

static void limits_that_contradict_are_refused(void **state)
{
    (void)state;
    assert_err(shield_fixture_try(&f, ONE("stale_s: 5")), ERR_CONFIG);
    assert_heard("shield.yaml:3:19: shield.stale_s: 5 s: every value is older than that");
    shield_fixture_close(&f);
    assert_err(shield_fixture_try(&f, ONE("utilisation: 0.8")), ERR_CONFIG);
    assert_heard("0.9 is above shield.utilisation (0.8)");
    shield_fixture_close(&f);
    assert_err(shield_fixture_try(&f, ONE("flips_max: 1")), ERR_CONFIG);
    shield_fixture_close(&f);
    assert_err(shield_fixture_try(&f, TWO("quota_pods: 1")), ERR_CONFIG);
    assert_heard("shield.quota_pods: 1 is less than min_replicas of all services ask for (2)");
    shield_fixture_close(&f);
    assert_err(shield_fixture_try(&f, TWO("quota_cpu_m: 900")), ERR_CONFIG);
    assert_heard("shield.quota_cpu_m: 900 is less than");
}

static void nothing_is_allocated_at_a_decision(void **state)
{
    (void)state;
    open_with(TWO(""), 3);
    (void)ask(1);
    const uint64_t calls = mem_calls();
    for (int k = 0; k < 10; k++) {
        (void)ask(k - 5);
        shield_fixture_execute(&f);
    }
    assert_true(mem_calls() == calls);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_harmless_passes),
        CASE(bounds_stand_above_steps),
        CASE(blind_services_stand_still),
        CASE(frozen_values_are_not_believed),
        CASE(outage_ends_on_the_floor),
        CASE(unknown_replicas_are_not_written),
        CASE(incomplete_metrics_forbid_decreases_only),
        CASE(capacity_is_added_for_the_measured_load),
        CASE(told_capacity_is_refuted_by_data),
        CASE(decreases_look_over_the_lag),
        CASE(flaps_have_a_budget),
        CASE(foreign_changes_are_left_alone),
        CASE(disruptions_have_a_budget),
        CASE(a_whole_share_is_not_rounded_up),
        CASE(a_clock_that_fails_forgets_nothing),
        CASE(budget_is_shared_by_need),
        CASE(quota_wins_over_capacity_and_says_so),
        CASE(limits_are_what_passes_alone),
        CASE(history_is_one_block_of_doubles),
        CASE(limits_that_contradict_are_refused),
        CASE(nothing_is_allocated_at_a_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
