/* The oracle on schedules written by hand, where the right answer is known at every decision. */
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { STATE_MAX = 256, SECONDS = 600, EVENTS = 4 };

/* One service, 100 calls/s a pod of 500 m (5 ms of CPU a call), on a node of 8000 m. A period is
 * 15 s, a start 20 s, the margin 10 s, latency_max 200 ms: staffed for 70 % at 70 calls/s a pod. */
#define WORLD(parameters)                                                                          \
    "topology: {node_cpu_m: 8000, node_ram_mib: 1e8, services: [\n"                                \
    "  {name: a, cpu_m: 500, capacity_rps: 100, min_replicas: 1, initial_replicas: 3,\n"           \
    "   max_replicas: 100, entry: true}]}\n"                                                       \
    "cluster: {start_s: 20, backoff_s: 10}\n"                                                      \
    "controllers: [{oracle: {utilisation: 0.7, wait_share: 1" parameters "}}]\n"

struct fixture {
    struct game_fixture w;
    struct controller *oracle;
    struct schedule schedule;
    float rates[2 * SECONDS];
    float state[STATE_MAX];
};

/* 200 requests/s. */
static void start(struct fixture *f, const char *text)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, text);
    f->oracle = game_fixture_controller(&f->w, 0);
    f->schedule = (struct schedule){.n_seconds = SECONDS,
                                    .max_seconds = SECONDS,
                                    .legit_rps = f->rates,
                                    .attack_rps = f->rates + SECONDS,
                                    .onset_s = -1,
                                    .node_cpu_m = 8000};
    for (int t = 0; t < SECONDS; t++) {
        f->schedule.legit_rps[t] = 200;
    }
}

static void happens(struct fixture *f, enum event_kind kind, double from, double to, double size)
{
    f->schedule.events[f->schedule.n_events++] = (struct event){.kind = kind,
                                                                .service = SCENARIO_ALL,
                                                                .start_s = from,
                                                                .duration_s = to - from,
                                                                .magnitude = size};
}

static void flood(struct fixture *f, int from, int to, double rps)
{
    for (int t = from; t < to; t++) {
        f->schedule.attack_rps[t] = (float)rps;
    }
}

static int decide(struct fixture *f)
{
    int32_t delta[1];
    game_fixture_set(&f->w, f->state, 0, SF_DESIRED, 5);
    controller_act(f->oracle, delta, f->state);
    return 5 + delta[0];
}

/* Replicas of n decisions are `calm`, but `most` from decision `first` to `last`. */
static void expect(struct fixture *f, int n, int calm, int first, int last, int most)
{
    const struct episode_id id = {1, RNG_TEST_SPLIT, 0, 0};
    controller_reset(f->oracle, &id, &f->schedule);
    for (int k = 0; k < n; k++) {
        const int want = k >= first && k <= last ? most : calm;
        const int got = decide(f);
        if (got != want) {
            fail_msg("decision %d, %d s: %d replicas, %d by hand", k, 15 * k, got, want);
        }
    }
    game_fixture_close(&f->w);
}

/* 200/s need 200 / 70 = 2.9: 3 pods; 600/s in [100, 160) need 8.6: 9. A decision at t sees the
 * seconds before t + 45: 100 is first seen at 60 (decision 4), and second 159 is over at 165 (11).
 */
static void in_time_and_no_longer(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(""));
    flood(&f, 100, 160, 400);
    expect(&f, 40, 3, 4, 10, 9);
}

/* Without margin the look-ahead is 35 s: 75 is the first decision that sees second 100 (5). */
static void margin_is_time(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(", lead_s: 0"));
    flood(&f, 100, 160, 400);
    expect(&f, 40, 3, 5, 10, 9);
}

/* 30 s longer: the decision at 180 (12) still looks at 150, that at 195 at 165. */
static void holding(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(", hold_s: 30"));
    flood(&f, 100, 160, 400);
    expect(&f, 40, 3, 4, 12, 9);
}

/* Half as fast: 35 calls/s a pod at 70 %, so 200 / 35 = 5.7: 6. */
static void slow_services(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(""));
    happens(&f, EVENT_SLOW, 100, 160, 2);
    expect(&f, 40, 3, 4, 10, 6);
}

/* 20 % a minute are 0.00372/s; a crash costs 10 s back-off and 20 s start: 2.86 x 1.112 = 3.2: 4.
 */
static void pods_that_crash(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(""));
    happens(&f, EVENT_CRASH, 100, 160, 0.2);
    expect(&f, 40, 3, 4, 10, 4);
}

/* 600/s throughout. Others take 7200 of 8000 m from 100 to 160: the 800 left compute 160/s, worth
 * 160 / 70 = 2.3: 3 pods. But a decision may drop only what its whole look-ahead does without: 9 as
 * long as a second before 100 or after 160 is in sight, that is for 45 s more than there are. */
static void a_node_that_others_use(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(""));
    flood(&f, 0, SECONDS, 400);
    happens(&f, EVENT_NEIGHBOUR, 100, 160, 0.9);
    expect(&f, 40, 9, 7, 7, 3); /* 105 s: seconds 105 to 149 */
}

/* 16 pods fill the node; 5,000/s would need 72. */
static void what_fits_the_node(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(""));
    flood(&f, 100, 160, 4800);
    expect(&f, 40, 3, 4, 10, 16);
}

/* The last second goes on: it does not save pods on the end of the episode. */
static void the_end_is_no_reason_to_stop(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(""));
    flood(&f, 500, SECONDS, 400);
    expect(&f, 40, 3, 31, 39, 9); /* 465 s sees 500 to 509; the episode ends at 600 */
}

/* A flood from 100 to 160 s with ramps of 20 s, known after 15 s: the decision at 120 (8) is the
 * first that knows it. 200/s + 1.9 x 200/s of the workload's mean are 580 and need 9. From 160 to
 * 180 the attack falls: the most that the decision at 165 (11) sees is 200 + 380 x 14.5 / 20 = 475:
 * 7. */
static void informed_late(void **state)
{
    (void)state;
    static const int by_hand[] = {3, 3, 3, 3, 3, 3, 3, 3, 9, 9, 9, 7, 3};
    struct fixture f;
    start(&f, WORLD(", informed_s: 15"));
    const struct episode_id id = {1, RNG_TEST_SPLIT, 0, 0};
    flood(&f, 0, SECONDS, 5000); /* the sum of seconds is not read */
    happens(&f, EVENT_DDOS, 100, 160, 2.9);
    f.schedule.events[0].ramp_s = 20;
    f.schedule.mean_rps = 200;
    controller_reset(f.oracle, &id, &f.schedule);
    for (size_t k = 0; k < sizeof by_hand / sizeof *by_hand; k++) {
        assert_int_equal(decide(&f), by_hand[k]);
    }
    game_fixture_close(&f.w);
}

/* It expects the rate and the faults of the moment, not those to come: 600/s from 100 on is seen by
 * the decision at 105 (7), half as fast pods from 300 by that at 300 (20). */
static void informed_of_the_moment(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, WORLD(", informed_s: 0"));
    const struct episode_id id = {1, RNG_TEST_SPLIT, 0, 0};
    for (int t = 100; t < SECONDS; t++) {
        f.schedule.legit_rps[t] = 600;
    }
    happens(&f, EVENT_SLOW, 300, 360, 1.5);
    controller_reset(f.oracle, &id, &f.schedule);
    for (int k = 0; k < 30; k++) { /* 600 / 46.7 = 12.9 */
        assert_int_equal(decide(&f), k < 7 ? 3 : k >= 20 && k < 24 ? 13 : 9);
    }
    game_fixture_close(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_time_and_no_longer),
        cmocka_unit_test(margin_is_time),
        cmocka_unit_test(holding),
        cmocka_unit_test(slow_services),
        cmocka_unit_test(pods_that_crash),
        cmocka_unit_test(a_node_that_others_use),
        cmocka_unit_test(what_fits_the_node),
        cmocka_unit_test(the_end_is_no_reason_to_stop),
        cmocka_unit_test(informed_late),
        cmocka_unit_test(informed_of_the_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
