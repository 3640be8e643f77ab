/* Guides at work: norms in time and the reward by hand (the examples of MOISE+MARL's modified
 * step), and the masks of the four KARMA roles on hand-made states of the diamond. */
#include "tests/unit/org_fixture.h"

#include "core/base/rng.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static void update(struct org_fixture *w)
{
    guides_update(&w->memory, &w->guides, w->state);
}

static struct guides_reward reward(const struct org_fixture *w, int agent, bool inside)
{
    struct guides_reward r;
    guides_reward(&r, &w->memory, &w->guides, agent, inside);
    return r;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12)) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

/* ---- norms and reward ---- */

/* Agent 0 plays `one`: obliged to m in decisions [2, 4), permitted n always. Agent 1 plays `two`,
 * which inherits from one, and is obliged to n while entry_10s > 100. kappa = 1/2. */
#define NORMS                                                                                      \
    "organisation:\n"                                                                              \
    "  hardness: 0.25\n"                                                                           \
    "  penalty: 0.1\n"                                                                             \
    "  mission_weight: 0.5\n"                                                                      \
    "  roles:\n"                                                                                   \
    "    - {name: one, rules: [{from: 1, to: 1}]}\n"                                               \
    "    - {name: two, inherits: [one]}\n"                                                         \
    "  goals:\n"                                                                                   \
    "    - {name: queue, loss: a.queue, divisor: 100}\n"                                           \
    "    - {name: calm, loss: entry_10s, divisor: 1000, achieved: entry_10s < 50, bonus: 3}\n"     \
    "  missions:\n"                                                                                \
    "    - {name: m, goals: [{goal: queue, weight: 0.75}, {goal: calm, weight: 0.25}]}\n"          \
    "    - {name: n, goals: [{goal: calm}]}\n"                                                     \
    "  norms:\n"                                                                                   \
    "    - {role: one, mission: m, steps: [2, 4]}\n"                                               \
    "    - {role: two, mission: n, when: entry_10s > 100}\n"                                       \
    "    - {role: one, mission: n, kind: permission}\n"                                            \
    "  agents: [{name: x, roles: [one]}, {name: y, roles: [two]}]\n"

/* What decision t sees: queue at a, entry_10s. */
static const double SEEN[][2] = {{10, 200}, {20, 60}, {40, 40}, {400, 40}, {-5, 60}, {0, 40}};

/* Step t is from decision t to t + 1: norms in force at t, terms of t + 1.
 *
 *   t  m     n of x  n of y  term m at t + 1              term n   became calm
 *   0  -     1/2     1       -.75 * .2 - .25 * .06        -.06     no
 *   1  -     1/2     1/2     -.75 * .4 - .25 * .04        -.04     yes
 *   2  1     1/2     1/2     -.75 * 1  - .25 * .04        -.04     no, still
 *   3  1     1/2     1/2     -.75 * 0  - .25 * .06        -.06     no
 *   4  -     1/2     1/2     0         - .25 * .04        -.04     yes, again
 */
static void test_norms_in_time(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_text(w, NORMS));
    static const double m[] = {0, 0, 1, 1, 0};
    static const double n_y[] = {1, 0.5, 0.5, 0.5, 0.5};
    static const double term_m[] = {-0.165, -0.31, -0.76, -0.015, -0.01};
    static const double term_n[] = {-0.06, -0.04, -0.04, -0.06, -0.04};
    static const double became[] = {0, 1, 0, 0, 1};
    for (int episode = 0; episode < 2; episode++) {
        guides_clear(&w->memory, &w->guides);
        for (int t = 0; t < 6; t++) {
            set_service(w, A, SF_QUEUE, SEEN[t][0]);
            set_global(w, GF_ENTRY_10S, SEEN[t][1]);
            update(w);
            if (t == 0) {
                continue;
            }
            const int k = t - 1;
            for (int agent = 0; agent < 2; agent++) {
                const double n = agent == 0 ? 0.5 : n_y[k];
                const struct guides_reward r = reward(w, agent, true);
                assert_true(fabs(r.mission - 0.5 * (m[k] * term_m[k] + n * term_n[k])) < 1e-7);
                assert_near(r.bonus, 3 * became[k] * (m[k] * 0.25 + n));
                assert_true(r.penalty == 0.0);
            }
        }
    }
}

static void test_penalty_is_what_hardness_leaves(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_text(w, NORMS));
    update(w);
    update(w);
    assert_near(reward(w, 0, false).penalty, -0.75 * 0.1);
    assert_true(guides_binds(&w->guides, 0, 0.0) && guides_binds(&w->guides, 0, 0.2499));
    assert_true(!guides_binds(&w->guides, 0, 0.25) && !guides_binds(&w->guides, 0, 0.9999));
}

/* ch = 1 always binds and never costs, ch = 0 the reverse. */
static void test_hard_and_soft(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_file(w, "configs/organisations/hard.yaml"));
    update(w);
    assert_true(guides_binds(&w->guides, 2, 0.99999999));
    assert_true(reward(w, 2, false).penalty == 0.0);
    OK(org_fixture_file(w, "configs/organisations/soft.yaml"));
    update(w);
    assert_true(!guides_binds(&w->guides, 2, 0.0));
    assert_near(reward(w, 2, false).penalty, -0.1);
    OK(org_fixture_file(w, "configs/organisations/none.yaml"));
    update(w);
    update(w);
    assert_true(!guides_binds(&w->guides, 2, 0.0));
    const struct guides_reward r = reward(w, 2, false);
    assert_true(r.penalty == 0.0 && r.mission == 0.0 && r.bonus == 0.0);
}

/* ---- the masks of KARMA ---- */

enum { BOTTLENECK, DDOS, FAILURE, RESOURCE };

/* A quiet diamond: 200 requests/s, initial replicas, half used. */
static void quiet(struct org_fixture *w)
{
    for (int s = 0; s < N_SERVICES; s++) {
        const struct service_cfg *c = &w->root.topology.services[s];
        set_service(w, s, SF_DEPLOYED, c->initial_replicas);
        set_service(w, s, SF_DESIRED, c->initial_replicas);
        set_service(w, s, SF_READY, c->initial_replicas);
        set_service(w, s, SF_UTIL_10S, 0.5);
        set_service(w, s, SF_CPU, 0.3 * c->initial_replicas * c->cpu_m); /* not fragile */
        set_service(w, s, SF_RAM, 0.5 * c->initial_replicas * c->ram_mib);
        set_service(w, s, SF_RECEIVED, 200.0 * w->topology.visits[s]);
        set_service(w, s, SF_QUEUE, 0);
        set_service(w, s, SF_FAILED_PODS, 0);
    }
    set_global(w, GF_ENTRY_10S, 200);
    set_global(w, GF_ENTRY_30S, 200);
    set_global(w, GF_ANSWERED, 1);
    set_global(w, GF_RESPONSE, 50);
}

/* Expected sets, one word a service: the allowed changes, "-3..3"; "" = no change only. */
static void assert_mask(const struct org_fixture *w, int agent, const char *const want[N_SERVICES])
{
    for (int s = 0; s < N_SERVICES; s++) {
        int from = 0, to = 0;
        if (want[s][0] != '\0') {
            assert_int_equal(sscanf(want[s], "%d..%d", &from, &to), 2);
        }
        for (int d = -5; d <= 5; d++) {
            const bool allowed = d == 0 || (d >= from && d <= to && want[s][0] != '\0');
            if (guides_permits(&w->memory, &w->guides, agent, s, d) != allowed) {
                fail_msg("agent %d: change %d of service %d is %s", agent, d, s,
                         allowed ? "forbidden" : "allowed");
            }
        }
    }
}

#define MASK(agent, ...) assert_mask(w, agent, (const char *const[N_SERVICES]){__VA_ARGS__})

static struct org_fixture *karma(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_file(w, "configs/organisations/karma.yaml"));
    quiet(w);
    return w;
}

static void test_idle_services_may_shrink(void **state)
{
    struct org_fixture *w = karma(state);
    set_service(w, C, SF_UTIL_10S, 0.39);
    set_service(w, D, SF_UTIL_10S, 0.39);
    set_service(w, D, SF_QUEUE, 1);
    update(w);
    for (int agent = 0; agent < 4; agent++) {
        MASK(agent, "", "", "-3..-1", "");
    }
    assert_int_equal(guides_mask_size(&w->memory, &w->guides, DDOS), 4);
}

/* Congested b: itself, its caller a and its callee d, not its sibling c. */
static void test_bottleneck(void **state)
{
    struct org_fixture *w = karma(state);
    update(w);
    MASK(BOTTLENECK, "", "", "", "");
    set_service(w, B, SF_QUEUE, 31);
    update(w);
    MASK(BOTTLENECK, "-3..3", "-3..3", "", "-3..3");
    MASK(RESOURCE, "", "", "", "");
    assert_int_equal(guides_mask_size(&w->memory, &w->guides, BOTTLENECK), 1 + 3 * 6);
    set_service(w, B, SF_QUEUE, 30);
    update(w);
    MASK(BOTTLENECK, "", "", "", "");
    set_service(w, D, SF_UTIL_10S, 0.61);
    update(w);
    MASK(BOTTLENECK, "-3..3", "-3..3", "-3..3", "-3..3");
}

/* 231 is just above 1.15 x 200. Four decisions are 60 s, for the latch and for calm. */
static void test_ddos(void **state)
{
    struct org_fixture *w = karma(state);
    for (int t = 0; t < 3; t++) {
        update(w);
        MASK(DDOS, "", "", "", "");
    }
    update(w);
    MASK(DDOS, "-3..-1", "-3..-1", "-3..-1", "-3..-1"); /* calm for 60 s */
    set_global(w, GF_ENTRY_10S, 229);                   /* not above */
    update(w);
    MASK(DDOS, "-3..-1", "-3..-1", "-3..-1", "-3..-1");
    set_global(w, GF_ENTRY_10S, 231);
    set_global(w, GF_ENTRY_30S, 225); /* calm no more: above 1.1 x mean */
    update(w);
    MASK(DDOS, "1..3", "1..3", "1..3", "1..3");
    MASK(BOTTLENECK, "", "", "", "");
    MASK(RESOURCE, "1..3", "1..3", "1..3", "1..3");
    MASK(FAILURE, "", "", "", "");
    quiet(w);
    for (int t = 0; t < 3; t++) {
        update(w);
        MASK(DDOS, "1..3", "1..3", "1..3", "1..3"); /* latched */
    }
    update(w); /* the fourth after the surge, and 60 s of calm */
    assert_true(guides_permits(&w->memory, &w->guides, DDOS, A, 3));
    assert_true(guides_permits(&w->memory, &w->guides, DDOS, A, -1));
    update(w);
    MASK(DDOS, "-3..-1", "-3..-1", "-3..-1", "-3..-1");
}

/* The rate of one entry alone is enough. */
static void test_ddos_at_one_entry(void **state)
{
    struct org_fixture *w = karma(state);
    update(w);
    set_service(w, A, SF_RECEIVED, 231);
    update(w);
    MASK(DDOS, "1..3", "1..3", "1..3", "1..3");
}

/* Two entries, x -> z and y -> z: a flood at y leaves x alone. */
static void test_ddos_follows_paths(void **state)
{
    struct org_fixture *w = *state;
    OK(org_fixture_text(w, "include: [configs/organisations/karma.yaml]\n"
                           "topology:\n"
                           "  services:\n"
                           "    - {name: x, entry: true, calls: [z]}\n"
                           "    - {name: y, entry: true, calls: [w, z]}\n"
                           "    - {name: z}\n"
                           "    - {name: w}\n"));
    for (int s = 0; s < 4; s++) {
        set_service(w, s, SF_RECEIVED, 100);
        set_service(w, s, SF_UTIL_10S, 0.5);
    }
    update(w);
    set_service(w, 1, SF_RECEIVED, 130);
    update(w);
    MASK(DDOS, "", "1..3", "1..3", "1..3");
}

static void test_failure(void **state)
{
    struct org_fixture *w = karma(state);
    set_service(w, B, SF_READY, 3); /* pods that start are not failed */
    set_service(w, B, SF_CPU, 0);   /* nor is a pod missing */
    update(w);
    MASK(FAILURE, "", "", "", "");
    set_service(w, B, SF_FAILED_PODS, 1);
    update(w);
    MASK(FAILURE, "", "1..2", "", "");
    set_service(w, B, SF_FAILED_PODS, 0);
    for (int t = 0; t < 20; t++) { /* 300 s to take the replacement back */
        update(w);
        MASK(FAILURE, "", "-1..-1", "", "");
    }
    update(w);
    MASK(FAILURE, "", "", "", "");
}

/* Fragile b: the others of its pods would be used to more than 60 % if one failed. */
static void test_reserve(void **state)
{
    struct org_fixture *w = karma(state);
    const struct service_cfg *b = &w->root.topology.services[B];
    const double brink_m = 0.6 * b->cpu_m * (b->initial_replicas - 1);
    set_service(w, B, SF_CPU, brink_m);
    update(w);
    MASK(FAILURE, "", "", "", "");
    set_service(w, B, SF_CPU, brink_m + 1);
    update(w);
    MASK(FAILURE, "", "1..3", "", "");
    MASK(BOTTLENECK, "", "", "", "");
    set_service(w, B, SF_READY, b->initial_replicas + 1); /* the reserve has come */
    update(w);
    MASK(FAILURE, "", "", "", "");
}

/* Critical are a (the entry) and d (called twice a request). The node has 16000 m. */
static void test_resource(void **state)
{
    struct org_fixture *w = karma(state);
    update(w);
    MASK(RESOURCE, "", "", "", "");
    /* 5000 + 4000 + 3600 + 2100 = 14700 of 16000 m requested: above 90 % */
    set_service(w, A, SF_DESIRED, 10);
    set_service(w, B, SF_DESIRED, 10);
    set_service(w, C, SF_DESIRED, 6);
    update(w);
    MASK(RESOURCE, "0..1", "-2..-1", "-2..-1", "0..1");
    MASK(FAILURE, "", "", "", "");
    set_service(w, C, SF_DESIRED, 5); /* 14100: below */
    update(w);
    MASK(RESOURCE, "", "", "", "");
    set_service(w, A, SF_CPU, 14000); /* and others use some, too */
    update(w);
    MASK(RESOURCE, "0..1", "-2..-1", "-2..-1", "0..1");
}

/* One full queue a service, nothing answered, all late, all failed, all used: each term is -1. */
static void test_mission_terms(void **state)
{
    struct org_fixture *w = karma(state);
    const struct org_cfg *c = &w->root.organisation;
    update(w);
    assert_near(w->memory.term[org_find_goal(c, "short_queues")], 0);
    assert_near(w->memory.term[org_find_goal(c, "quick")], -0.25);
    assert_near(w->memory.term[org_find_goal(c, "headroom")], -0.5);
    set_service(w, A, SF_QUEUE, 100);
    set_service(w, B, SF_FAILED_PODS, 5);
    set_global(w, GF_ANSWERED, 0.5);
    set_global(w, GF_RESPONSE, 1000);
    update(w);
    assert_near(w->memory.term[org_find_goal(c, "short_queues")], -0.25);
    assert_near(w->memory.term[org_find_goal(c, "pods_alive")], -0.25);
    assert_near(w->memory.term[org_find_goal(c, "quick")], -1);
    const struct guides_reward r = reward(w, DDOS, true);
    assert_near(r.mission, 0.25 * (0.7 * -0.5 + 0.3 * -1));
    assert_near(reward(w, BOTTLENECK, true).mission, 0.25 * -0.25);
}

/* ---- columns that an agent reads ---- */

/* d60 reads the queue of every service along 2^60 paths, but only through 60 steps. */
static void test_reads_steps_once(void **state)
{
    struct org_fixture *w = *state;
    enum { DEFINITIONS = 60 };
    char text[DEFINITIONS * 40 + 400] = "organisation:\n  define:\n"
                                        "    - {name: d0, is: service.queue}\n";
    size_t n = strlen(text);
    for (int i = 1; i <= DEFINITIONS; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "    - {name: d%d, is: d%d + d%d}\n", i,
                              i - 1, i - 1);
    }
    (void)snprintf(text + n, sizeof text - n,
                   "  roles: [{name: one, rules: [{on: d%d > 0, from: 1, to: 1}]}]\n"
                   "  agents: [{name: x, roles: [one]}]\n",
                   DEFINITIONS);
    OK(org_fixture_text(w, text));
    uint8_t columns[N_SERVICES * SERVICE_FEATURES + GLOBAL_FEATURES] = {0};
    guides_reads(columns, &w->guides, 0);
    for (int s = 0; s < N_SERVICES; s++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            assert_int_equal(columns[state_service_at(s, (enum service_feature)f)], f == SF_QUEUE);
        }
    }
}

/* ---- memory and cost ---- */

static void random_state(struct org_fixture *w, uint32_t t)
{
    const struct rng_key key = rng_key(42, RNG_TEST, RNG_TRAIN);
    const int n = state_size(N_SERVICES);
    for (int i = 0; i < n; i++) {
        const uint32_t v = rng_philox(key, (uint32_t)i, t, 0, 0).v[0];
        w->state[i] = (float)(v >> 20); /* 0 .. 4095 */
    }
}

static void test_updates_allocate_nothing(void **state)
{
    struct org_fixture *w = karma(state);
    const uint64_t before = mem_calls();
    for (uint32_t t = 0; t < 300; t++) {
        random_state(w, t);
        update(w);
        for (int agent = 0; agent < 4; agent++) {
            (void)reward(w, agent, t % 2 == 0);
        }
    }
    guides_clear(&w->memory, &w->guides);
    assert_true(mem_calls() == before);
}

/* Another environment, and the same after guides_clear(), get the same masks and rewards. */
static void test_replayed(void **state)
{
    struct org_fixture *w = karma(state);
    struct guides_memory other;
    OK(guides_memory_init(&other, &w->arena, &w->guides));
    for (uint32_t t = 0; t < 50; t++) {
        random_state(w, 1000 + t);
        update(w);
    }
    guides_clear(&w->memory, &w->guides);
    for (uint32_t t = 0; t < 100; t++) {
        random_state(w, t);
        update(w);
        guides_update(&other, &w->guides, w->state);
        assert_memory_equal(other.allowed, w->memory.allowed, 4 * N_SERVICES * sizeof(uint32_t));
        for (int agent = 0; agent < 4; agent++) {
            struct guides_reward a, b;
            guides_reward(&a, &w->memory, &w->guides, agent, false);
            guides_reward(&b, &other, &w->guides, agent, false);
            assert_memory_equal(&a, &b, sizeof a);
        }
    }
}

/* Printed, not judged: the machine may be busy. */
static void test_cost(void **state)
{
    struct org_fixture *w = karma(state);
    enum { N = 20000 };
    struct timespec from, to;
    for (uint32_t t = 0; t < 100; t++) {
        random_state(w, t);
        update(w);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int t = 0; t < N; t++) {
        update(w);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    const double ns = 1e9 * (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec);
    print_message("# karma on the diamond: %d steps, %d values, %d remembered, %.2f us an update\n",
                  w->guides.program.n_code, w->guides.program.n_values, w->guides.program.n_memory,
                  1e-3 * ns / N);
    assert_true(ns > 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_norms_in_time),
        TEST(test_penalty_is_what_hardness_leaves),
        TEST(test_hard_and_soft),
        TEST(test_idle_services_may_shrink),
        TEST(test_bottleneck),
        TEST(test_ddos),
        TEST(test_ddos_at_one_entry),
        TEST(test_ddos_follows_paths),
        TEST(test_failure),
        TEST(test_reserve),
        TEST(test_resource),
        TEST(test_mission_terms),
        TEST(test_updates_allocate_nothing),
        TEST(test_replayed),
        TEST(test_cost),
        TEST(test_reads_steps_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
