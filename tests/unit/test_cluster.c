/* The cluster simulator: its parts and single requests worked by hand, the whole under nominal load
 * and under too much, and what it refuses. */
#include "core/cluster/share.h"
#include "tests/unit/cluster_fixture.h"
#include "tests/unit/heard.h"

#include <math.h>

/* ---- parts ---- */

static void test_agenda(void **state)
{
    (void)state;
    enum { BLOCKS = 3, N = BLOCKS * AGENDA_BLOCK };
    double at[N], least[BLOCKS];
    int32_t least_i[BLOCKS];
    struct sim_agenda a = {at, least, least_i, BLOCKS, 1};
    const struct rng_key key = rng_key(1, RNG_TEST, RNG_TEST_SPLIT);
    agenda_clear(&a);
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t v = rng_philox(key, i, 0, 0, 0).v[0];
        /* Few different times, so that ties abound. */
        agenda_set(&a, (int)(v % N), (v >> 16) % 5 == 0 ? SIM_NEVER : (double)((v >> 20) % 37));
        double first = 0.0;
        int expected = 0;
        for (int k = 1; k < N; k++) {
            expected = at[k] < at[expected] ? k : expected;
        }
        if (v % 3 == 0) {
            assert_int_equal(agenda_first(&a, &first), expected);
            assert_true(first == at[expected]);
        }
    }
}

/* What acts is taken off first; others may be set before it is set again. */
static void test_agenda_take(void **state)
{
    (void)state;
    enum { BLOCKS = 2, N = BLOCKS * AGENDA_BLOCK };
    double at[N], least[BLOCKS];
    int32_t least_i[BLOCKS];
    struct sim_agenda a = {at, least, least_i, BLOCKS, 1};
    const struct rng_key key = rng_key(2, RNG_TEST, RNG_TEST_SPLIT);
    agenda_clear(&a);
    agenda_set(&a, 3, 0.0);
    for (uint32_t i = 0; i < 20000; i++) {
        struct rng_block draw = rng_philox(key, i, 0, 0, 0);
        double now = 0.0, next;
        const int slot = agenda_first(&a, &now);
        agenda_take(&a, slot);
        assert_true(at[slot] == SIM_NEVER);
        for (uint32_t k = 0; k < draw.v[0] % 3; k++) {
            agenda_set(&a, (int)(draw.v[1 + k] % N), now + (double)(draw.v[1 + k] >> 28));
        }
        agenda_set(&a, slot, now + (double)(draw.v[3] % 5));
        int expected = 0;
        for (int k = 1; k < N; k++) {
            expected = at[k] < at[expected] ? k : expected;
        }
        assert_int_equal(agenda_first(&a, &next), expected);
        assert_true(next == at[expected]);
    }
}

enum { TAGS = 40 };
struct tags {
    double tag[SHARE_STEP + TAGS];
    int32_t who[SHARE_STEP + TAGS];
};

static struct sim_pod idle_pod(struct tags *tags)
{
    *tags = (struct tags){0};
    for (int k = 0; k < SHARE_STEP; k++) {
        tags->tag[k] = SIM_NEVER;
    }
    return (struct sim_pod){.tag = tags->tag + SHARE_STEP, .who = tags->who + SHARE_STEP};
}

/* Calls that enter and leave at random, few different amounts of work so that ties abound, against
 * a list that is searched for the first of the least tags. With 2^-k as work and a rate of 1, all
 * sums are exact. */
static void test_share_against_a_list(void **state)
{
    (void)state;
    const struct rng_key key = rng_key(3, RNG_TEST, RNG_TEST_SPLIT);
    double left[TAGS], now = 0.0;
    int32_t who[TAGS], n = 0;
    struct tags tags;
    struct sim_pod p = idle_pod(&tags);
    share_set_cores(&p, TAGS, now);
    for (uint32_t i = 0; i < 50000; i++) {
        struct rng_block draw = rng_philox(key, i, 0, 0, 0);
        const uint32_t rising =
            i / 1000 % 2 == 0 ? 5 : 3; /* of 8: up to many calls, down to none */
        if (n == 0 || (n < TAGS - 1 && draw.v[0] % 8 < rising)) {
            who[n] = (int32_t)i;
            left[n++] = (double)(1 + draw.v[1] % 6) * 0x1p-4;
            share_enter(&p, (int32_t)i, left[n - 1], now);
        } else {
            int first = 0;
            for (int k = 1; k < n; k++) {
                first = left[k] < left[first] ? k : first;
            }
            const double passed = left[first];
            const int32_t expected = who[first];
            n--;
            for (int k = 0; k < n; k++) {
                left[k] = left[k + (k >= first)] - passed;
                who[k] = who[k + (k >= first)];
            }
            assert_true(share_next(&p) == now + passed);
            now += passed;
            assert_int_equal(share_leave(&p, now), expected);
        }
        assert_int_equal(p.computing, n);
        assert_true(n > 0 || (p.virtual_s == 0.0 && share_next(&p) == SIM_NEVER));
    }
}

/* Half a core. Job 0 of 1 CPU-second enters at 0, job 1 of 0.5 at 1: by then job 0 has 0.5 left, so
 * each needs 0.5 at 0.25/s: both end at 3, job 0 first. Job 2 of 0.25 enters at 2, when both have
 * 0.25 left: three at 1/6 /s end at 3.5. */
static void test_share_by_hand(void **state)
{
    (void)state;
    struct tags tags;
    struct sim_pod p = idle_pod(&tags);
    share_set_cores(&p, 0.5, 0.0);
    assert_true(share_next(&p) == SIM_NEVER);
    share_enter(&p, 0, 1.0, 0.0);
    assert_true(near(share_next(&p), 2.0));
    share_enter(&p, 1, 0.5, 1.0);
    assert_true(near(share_next(&p), 3.0));
    share_enter(&p, 2, 0.25, 2.0);
    assert_true(near(share_next(&p), 3.5));
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(share_leave(&p, share_next(&p)), i);
    }
    assert_true(near(p.since_s, 3.5));
    assert_true(near(p.used_s, 1.75));
    assert_true(p.virtual_s == 0.0 && p.computing == 0);
}

/* 1.5 cores: one call gets one core, two get 0.75 each; throttled to 0.5 cores they get 0.25. */
static void test_share_of_more_than_a_core(void **state)
{
    (void)state;
    struct tags tags;
    struct sim_pod p = idle_pod(&tags);
    share_set_cores(&p, 1.5, 10.0);
    share_enter(&p, 5, 2.0, 10.0);
    assert_true(near(share_next(&p), 12.0));
    share_enter(&p, 6, 0.75, 11.0);
    assert_true(near(share_next(&p), 12.0));
    share_set_cores(&p, 0.5, 11.5); /* 6 has 0.375 left, 5 has 0.625 */
    assert_true(near(share_next(&p), 13.0));
    assert_int_equal(share_leave(&p, share_next(&p)), 6);
    assert_true(near(share_next(&p), 13.5)); /* 0.25 left at half a core */
    assert_true(near(p.used_s, 1.0 + 0.75 + 0.75));
}

/* ---- calls worked by hand ---- */

/* CPU-seconds of a call, from the generator itself. */
static double work_of(const struct sim *s, int service, uint32_t request, uint32_t visit)
{
    struct rng_block b = rng_philox(s->draws.key, visit, request, s->id.episode, s->id.env);
    return rng_exponential(b.v[0]) * s->shared->topology->demand_s[service];
}

/* s0 -> s1 with one slot each. Two requests at 1 s: the second waits until the first has been
 * through both services, because the first holds its slot at s0 while s1 works. */
static void test_caller_holds_its_slot(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 2, 1.0);
    w.topology_cfg.slots_per_pod = 1;
    w.plant_cfg.timeout_s = 100;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 1.0);
    fixture_request(s, 1.0);
    double first_own = 1.0 + work_of(s, 0, 0, 0), first = first_own + work_of(s, 1, 0, 1);
    double second = first + work_of(s, 0, 1, 0) + work_of(s, 1, 1, 1);
    sim_run(s, 0.5 * (first_own + first));
    assert_int_equal(s->pods[0].computing, 0);
    assert_int_equal(s->pods[0].held, 1);
    assert_int_equal(s->pods[0].queued, 1);
    assert_int_equal(s->pods[1].computing, 1);
    assert_true(s->waiting.value == 1.0);
    sim_run(s, second + 1e-6);
    assert_true(near(s->latency_s, first - 1.0 + second - 1.0));
    assert_true(near(s->services[0].count.latency_s, s->latency_s));
    assert_true(near(sim_area_at(&s->waiting, s->now), first - 1.0));
    assert_int_equal(s->n_live, 0);
    fixture_close(&w);
}

/* The diamond, one request: a, then b and c side by side, each followed by its own call to d. Visit
 * numbers in pre-order: a 0, b 1, d below b 2, c 3, d below c 4. */
static void test_fan_out(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    w.plant_cfg.timeout_s = 100;
    for (int i = 0; i < 4; i++) {
        w.services[i].cpu_m = 1000;
        w.services[i].initial_replicas = i == 3 ? 2 : 1;
    }
    struct sim *s = fixture_start(&w);
    uint32_t request = 0;
    for (;; request++) { /* one whose calls to d go to two pods, so that they don't share a CPU */
        struct rng_block below_b = rng_philox(s->draws.key, 2, request, s->id.episode, s->id.env);
        struct rng_block below_c = rng_philox(s->draws.key, 4, request, s->id.episode, s->id.env);
        if (rng_below(below_b.v[1], 2) != rng_below(below_c.v[1], 2)) {
            break;
        }
    }
    s->legit.n = request;
    fixture_request(s, 0.0);
    sim_run(s, 50.0);
    double by_b = work_of(s, 1, request, 1) + work_of(s, 3, request, 2);
    double by_c = work_of(s, 2, request, 3) + work_of(s, 3, request, 4);
    assert_true(near(s->latency_s, work_of(s, 0, request, 0) + fmax(by_b, by_c)));
    assert_int_equal(s->hops, 5);
    assert_true(s->services[0].count.sent == 2.0 && s->services[3].count.received == 2.0);
    assert_true(s->answered == 1.0);
    fixture_close(&w);
}

/* One place only: the second of two requests is refused at once, and fails. */
static void test_refusal(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_chain(&w, 1, 1.0);
    w.topology_cfg.slots_per_pod = 1;
    w.topology_cfg.queue_per_pod = 1;
    struct sim *s = fixture_start(&w);
    fixture_request(s, 1.0);
    assert_true(s->entry_area.value == 1.0);
    fixture_request(s, 1.0);
    assert_true(s->entry_area.value == 0.0); /* the entry is full: not available */
    fixture_request(s, 1.0);
    assert_true(s->truth.failed == 1.0 && s->services[0].count.errors == 1.0);
    assert_true(s->resolved == 1.0 && s->received == 3.0);
    assert_true(sim_consistent(s));
    fixture_close(&w);
}

/* With a time-out of 0.1 s and calls of 1 s on average: whoever waits is dropped when its turn
 * comes, unless deadlines are not propagated. */
static void test_deadlines(void **state)
{
    (void)state;
    for (int propagate = 0; propagate < 2; propagate++) {
        struct cluster_fixture w;
        fixture_chain(&w, 2, 1.0);
        w.topology_cfg.slots_per_pod = 1;
        w.plant_cfg.timeout_s = 0.1;
        w.cluster_cfg.deadline_propagation = propagate == 1;
        struct sim *s = fixture_start(&w);
        for (int i = 0; i < 10; i++) {
            fixture_request(s, 1.0);
        }
        sim_run(s, 500.0);
        assert_int_equal(s->n_live, 0);
        assert_true(s->resolved == 10.0);
        /* Those that start before their deadline, all at 1.0, or do not look. */
        double worked = s->services[1].count.received;
        assert_true(propagate == 1 ? worked <= 1.0 : worked == 10.0);
        assert_true(s->truth.failed >= 9.0);
        fixture_close(&w);
    }
}

/* ---- expectations of the whole ---- */

/* Nominal load is answered; three times nominal is not, and static peak allocation bears it. */
static void test_nominal_and_overload(void **state)
{
    (void)state;
    static const struct {
        int replicas[4];
        double rps, least, most;
    } cases[] = {
        {{4, 5, 3, 3}, 200, 0.98, 1.0},
        {{4, 5, 3, 3}, 600, 0.0, 0.02},
        {{8, 10, 6, 6}, 600, 0.8, 0.95},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        for (int i = 0; i < 4; i++) {
            w.services[i].initial_replicas = cases[k].replicas[i];
        }
        fixture_open_under(&w, cases[k].rps, 0);
        fixture_reset(&w);
        double received = 0, compliant = 0;
        for (int t = 0; t < 10; t++) {
            const struct plant_truth *truth = fixture_step(&w);
            received += truth->received;
            compliant += truth->compliant;
        }
        print_message("%g/s: slo_attainment %.4f\n", cases[k].rps, compliant / received);
        assert_true(compliant / received > cases[k].least - 1e-12);
        assert_true(compliant / received <= cases[k].most);
        fixture_close(&w);
    }
}

/* ---- errors ---- */

static void test_errors(void **state)
{
    (void)state;
    struct cluster_fixture w;
    struct heard heard;
    fixture_diamond(&w);
    fixture_open(&w, 1);
    heard_begin(&heard);
    assert_int_equal(plant_reset(w.plant, 0, &w.id, &w.schedule, FIXTURE_HORIZON + 1),
                     ERR_MISMATCH);
    assert_non_null(strstr(heard.last, "201 periods"));
    struct plant *other = NULL;
    w.topology_cfg.queue_per_pod = 100000000;
    assert_int_equal(
        cluster_new(&other, &w.arena, &w.cluster_cfg, &w.plant_cfg, &w.topology, 1, 10),
        ERR_CONFIG);
    assert_non_null(strstr(heard.last, "queue_per_pod"));
    w.topology_cfg.queue_per_pod = 100000;
    mem_fail_after(1);
    assert_int_equal(
        cluster_new(&other, &w.arena, &w.cluster_cfg, &w.plant_cfg, &w.topology, 8, 10),
        ERR_MEMORY);
    mem_fail_after(0);
    assert_null(other);
    heard_end();
    fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agenda),
        cmocka_unit_test(test_agenda_take),
        cmocka_unit_test(test_share_against_a_list),
        cmocka_unit_test(test_share_by_hand),
        cmocka_unit_test(test_share_of_more_than_a_core),
        cmocka_unit_test(test_caller_holds_its_slot),
        cmocka_unit_test(test_fan_out),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_nominal_and_overload),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
