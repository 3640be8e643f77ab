/* The kinds of events beyond flood, crash, slow-down and neighbour: intensities by hand, what is
 * drawn, who follows whom, and every refusal. */
#include "core/base/config.h"
#include "core/scenario/schedule.h"
#include "tests/unit/scenario_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The diamond at 100 requests/s with one scenario of these generators. */
static enum err build(struct fixture *f, const char *events)
{
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "include: configs/topologies/diamond.yaml\n"
                   "workload: {mean_rps: 100}\n"
                   "scenarios:\n  - name: x\n    events:\n%s",
                   events);
    TRY(cfg_load_text(&f->src_locs, "s.yaml", text, NULL, 0, &f->root));
    TRY(topology_init(&f->topology, &f->arena, &f->root.topology, NULL));
    TRY(workload_init(&f->workload, &f->arena, &f->root.workload));
    return scenario_init(&f->scenario, &f->arena, &f->root.scenarios[0], &f->workload, &f->topology,
                         "scenarios.0", &f->src_locs);
}

static void build_ok(struct fixture *f, const char *events)
{
    if (build(f, events) != ERR_OK) {
        fail_msg("%s", f->log.text);
    }
}

static const struct schedule *draw(struct fixture *f, uint32_t episode)
{
    struct episode_id id = {7, RNG_TRAIN, 3, episode};
    schedule_draw(&f->schedule, &f->scenario, &id, SECONDS);
    return &f->schedule;
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1.0, fabs(want)))) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

static struct event event_of(enum event_kind kind, int service, double start_s, double duration_s,
                             double magnitude)
{
    return (struct event){.kind = kind,
                          .service = service,
                          .callee = SCENARIO_ALL,
                          .start_s = start_s,
                          .duration_s = duration_s,
                          .magnitude = magnitude};
}

/* ---- intensities, by hand ---- */

/* Pulses of 20 s with edges of 4 s, every 50 s: tops at 100-120, 150-170, 200-220; the pulse that
 * would begin at 250 ends its top at 270 > 100 + 165. */
static void test_yoyo(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_YOYO, -1, 100, 165, 3);
    e.ramp_s = 4;
    e.on_s = 20;
    e.off_s = 30;
    static const double at[][2] = {{99, 1},    {100, 1},   {101, 1.5}, {104, 3}, {119, 3},
                                   {121, 2.5}, {124, 1},   {149, 1},   {152, 2}, {160, 3},
                                   {173, 1.5}, {219.9, 3}, {222, 2},   {230, 1}, {260, 1}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        assert_near(event_at(&e, at[i][0]), at[i][1]);
        assert_near(event_requests(&e, at[i][0]), at[i][1] - 1);
    }
}

/* Rates add; the time a slot is held is the mean over connections: (20 x 4 + 60 x 12) / 80. */
static void test_loris(void **state)
{
    (void)state;
    struct schedule s = {.mean_rps = 100, .n_events = 2};
    s.events[0] = event_of(EVENT_LORIS, -1, 0, 100, 0.2);
    s.events[0].hold_s = 4;
    s.events[1] = event_of(EVENT_LORIS, -1, 50, 100, 0.6);
    s.events[1].hold_s = 12;
    double hold_s = -1;
    assert_near(schedule_loris(&s, 10, &hold_s), 20);
    assert_near(hold_s, 4);
    assert_near(schedule_loris(&s, 60, &hold_s), 80);
    assert_near(hold_s, 10);
    assert_near(schedule_loris(&s, 500, &hold_s), 0);
    assert_near(hold_s, 10);
}

/* Requests ramp, what each of them costs does not. */
static void test_cost(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_COST, -1, 100, 100, 8);
    e.ramp_s = 10;
    e.rate = 0.2;
    assert_near(event_requests(&e, 105), 0.1);
    assert_near(event_requests(&e, 150), 0.2);
    assert_near(event_requests(&e, 250), 0);
    assert_near(event_at(&e, 105), 8);
    assert_near(event_at(&e, 99), 1);
}

static void test_slow_node(void **state)
{
    (void)state;
    struct schedule s = {.n_events = 2};
    s.events[0] = event_of(EVENT_SLOW_NODE, -1, 0, 100, 2);
    s.events[1] = event_of(EVENT_SLOW, 1, 50, 100, 3);
    assert_near(schedule_slowdown(&s, 0, 60), 2);
    assert_near(schedule_slowdown(&s, 1, 60), 6);
    assert_near(schedule_slowdown(&s, 1, 110), 3);
    assert_near(schedule_slowdown(&s, 0, 110), 1);
}

/* Two lossy stretches: 1 - (1 - 0.5)(1 - 0.2) = 0.6; other links and directions are whole. */
static void test_loss(void **state)
{
    (void)state;
    struct schedule s = {.n_events = 2};
    s.events[0] = event_of(EVENT_NET_LOSS, 1, 0, 100, 0.5);
    s.events[0].callee = 3;
    s.events[1] = event_of(EVENT_NET_LOSS, -1, 50, 100, 0.2);
    assert_near(schedule_loss(&s, 1, 3, 10), 0.5);
    assert_near(schedule_loss(&s, 1, 3, 60), 0.6);
    assert_near(schedule_loss(&s, 1, 2, 10), 0);
    assert_near(schedule_loss(&s, 3, 1, 10), 0);
    assert_near(schedule_loss(&s, 3, 1, 60), 0.2);
    assert_near(schedule_loss(&s, 1, 3, 160), 0);
}

static void test_outage_and_retries(void **state)
{
    (void)state;
    struct schedule s = {.n_events = 4};
    s.events[0] = event_of(EVENT_METRIC_OUTAGE, -1, 10, 40, 1);
    s.events[1] = event_of(EVENT_METRIC_OUTAGE, -1, 60, 40, 0.5);
    s.events[2] = event_of(EVENT_RETRY_STORM, -1, 10, 90, 2);
    s.events[2].ramp_s = 10;
    s.events[3] = event_of(EVENT_RETRY_STORM, -1, 50, 90, 3);
    assert_near(schedule_outage(&s, 9.99), 0);
    assert_near(schedule_outage(&s, 10), 1);
    assert_near(schedule_outage(&s, 49.99), 1);
    assert_near(schedule_outage(&s, 50), 0);
    assert_near(schedule_outage(&s, 70), 0.5);
    assert_near(schedule_retries(&s, 15), 1);
    assert_near(schedule_retries(&s, 49), 2);
    assert_near(schedule_retries(&s, 60), 5);
    assert_near(schedule_retries(&s, 130), 3);
}

/* An instant belongs to exactly one of the intervals that it may end or begin. */
static void test_crash_share(void **state)
{
    (void)state;
    struct schedule s = {.n_events = 2};
    s.events[0] = event_of(EVENT_CRASH_ALL, 2, 10, 1, 0.5);
    s.events[1] = event_of(EVENT_CRASH_ALL, -1, 10, 1, 0.4);
    assert_near(schedule_crash_share(&s, 2, 9.9, 10), 0.7);
    assert_near(schedule_crash_share(&s, 2, 10, 10.1), 0);
    assert_near(schedule_crash_share(&s, 0, 9.9, 10), 0.4);
    assert_near(schedule_crash_share(&s, 0, 9.8, 9.9), 0);
}

/* ---- the attacker's requests ---- */

/* A flood of 3 x and costly requests at 0.5 x that need 5 x: of 250/s, 50 cost 4 more each. */
static void test_excess_is_the_mean(void **state)
{
    struct fixture *f = *state;
    build_ok(f, "      - {kind: ddos, quiet_s: {lo: 1, hi: 2}, ramp_s: {lo: 0, hi: 0},\n"
                "         duration_s: {lo: 9000, hi: 9000}, magnitude: {lo: 3, hi: 3}}\n"
                "      - {kind: cost, quiet_s: {lo: 900, hi: 901}, ramp_s: {lo: 0, hi: 0},\n"
                "         duration_s: {lo: 9000, hi: 9000}, magnitude: {lo: 5, hi: 5},\n"
                "         rate: {lo: 0.5, hi: 0.5}}\n");
    const struct schedule *s = draw(f, 0);
    assert_int_equal(s->n_events, 2);
    int costly = (int)s->events[1].start_s;
    assert_near((double)s->attack_rps[costly - 1], 200);
    assert_true(s->attack_excess[costly - 1] == 0.0f);
    assert_near((double)s->attack_rps[SECONDS - 1], 250);
    assert_true(fabs((double)s->attack_excess[SECONDS - 1] - 50.0 * 4 / 250) < 1e-6);
}

/* ---- draws ---- */

static void test_draws_of_kinds(void **state)
{
    struct fixture *f = *state;
    build_ok(f, "      - {kind: yoyo, magnitude: {lo: 2, hi: 3}, ramp_s: {lo: 5, hi: 9},\n"
                "         on_s: {lo: 20, hi: 40}, off_s: {lo: 50, hi: 90}}\n"
                "      - {kind: loris, magnitude: {lo: 0.1, hi: 0.2}, hold_s: {lo: 3, hi: 6}}\n"
                "      - {kind: cost, magnitude: {lo: 5, hi: 9}, rate: {lo: 0.1, hi: 0.2}}\n"
                "      - {kind: crash_all, magnitude: {lo: 0.2, hi: 0.5}, service: d}\n");
    double least[3] = {99, 99, 99}, most[3] = {0, 0, 0};
    for (uint32_t episode = 0; episode < 300; episode++) {
        const struct schedule *s = draw(f, episode);
        for (int i = 0; i < s->n_events; i++) {
            const struct event *e = &s->events[i];
            int k = e->kind == EVENT_YOYO ? 0 : e->kind == EVENT_LORIS ? 1 : 2;
            double x = k == 0 ? e->on_s : k == 1 ? e->hold_s : e->rate;
            if (e->kind == EVENT_CRASH_ALL) {
                assert_true(e->ramp_s == 0 && e->duration_s == EVENT_INSTANT_S && e->service == 3);
                continue;
            }
            assert_true(e->kind != EVENT_YOYO || (e->off_s >= 50 && e->off_s <= 90));
            least[k] = fmin(least[k], x);
            most[k] = fmax(most[k], x);
        }
    }
    static const double lo[] = {20, 3, 0.1}, hi[] = {40, 6, 0.2};
    for (int k = 0; k < 3; k++) { /* inside the range, and up to 5 % of its ends */
        double edge = 0.05 * (hi[k] - lo[k]);
        assert_true(least[k] >= lo[k] && least[k] < lo[k] + edge);
        assert_true(most[k] <= hi[k] && most[k] > hi[k] - edge);
    }
}

/* Links of the diamond: a-b, a-c, b-d, c-d. */
static void test_links(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *target;
        const char *links; /* all that may be drawn */
    } rows[] = {{"service: any, callee: any", "01 02 13 23"},
                {"service: a, callee: any", "01 02"},
                {"service: any, callee: d", "13 23"},
                {"service: b, callee: d", "13"},
                {"service: all, callee: d", "*3"},
                {"service: all, callee: all", "**"},
                {"service: a, callee: all", "0*"},
                {"callee: all", "0* 1* 2*"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "      - {kind: net_loss, magnitude: {lo: 0.1, hi: 0.2}, %s}\n",
                       rows[i].target);
        build_ok(f, text);
        size_t n_links = (strlen(rows[i].links) + 1) / 3, n_seen = 0;
        char seen[8][3];
        for (uint32_t episode = 0; episode < 200; episode++) {
            const struct schedule *s = draw(f, episode);
            for (int k = 0; k < s->n_events; k++) {
                const struct event *e = &s->events[k];
                char link[3] = {e->service < 0 ? '*' : (char)('0' + e->service),
                                e->callee < 0 ? '*' : (char)('0' + e->callee), '\0'};
                assert_non_null(strstr(rows[i].links, link));
                bool known = false;
                for (size_t j = 0; j < n_seen; j++) {
                    known = known || strcmp(seen[j], link) == 0;
                }
                if (!known) {
                    memcpy(seen[n_seen++], link, sizeof link);
                }
            }
        }
        assert_int_equal(n_seen, n_links);
    }
}

/* ---- cascades ---- */

static const char *const CASCADE =
    "      - {kind: ddos, name: flood, magnitude: {lo: 2, hi: 3}}\n"
    "      - {kind: slow, magnitude: {lo: 2, hi: 3}}\n"
    "      - {kind: crash, name: crashes, follow: flood, delay_s: {lo: 20, hi: 40},\n"
    "         probability: 0.7, service: all, ramp_s: {lo: 0, hi: 5},\n"
    "         magnitude: {lo: 0.1, hi: 0.2}}\n"
    "      - {kind: neighbour, follow: '2', delay_s: {lo: 10, hi: 30},\n"
    "         ramp_s: {lo: 0, hi: 5}, magnitude: {lo: 0.3, hi: 0.4}}\n";

/* Each crash belongs to the flood of its number, each neighbour to the crash of its number, in
 * their delays; 70 % of the floods are followed, all of the crashes. */
static void test_cascade(void **state)
{
    struct fixture *f = *state;
    int n[4] = {0}, n_expected = 0;
    build_ok(f, CASCADE);
    for (uint32_t episode = 0; episode < 500; episode++) {
        const struct schedule *s = draw(f, episode);
        double start[4][SCHEDULE_EVENTS_MAX];
        for (int i = 0; i < 4 * SCHEDULE_EVENTS_MAX; i++) {
            start[i / SCHEDULE_EVENTS_MAX][i % SCHEDULE_EVENTS_MAX] = -1;
        }
        for (int i = 0; i < s->n_events; i++) {
            const struct event *e = &s->events[i];
            assert_int_equal((int)e->kind, f->root.scenarios[0].events[e->generator].kind);
            assert_true(i == 0 || s->events[i - 1].start_s <= e->start_s);
            start[e->generator][e->number] = e->start_s;
        }
        for (int k = 0; k < SCHEDULE_EVENTS_MAX; k++) {
            double flood = start[0][k], crash = start[2][k], neighbour = start[3][k];
            bool early = flood >= 0 && flood < SECONDS - 80;
            n[0] += early;
            n[2] += early && crash >= 0;
            assert_true(crash < 0 || (crash >= flood + 20 && crash <= flood + 40 && flood >= 0));
            assert_true(neighbour < 0 ||
                        (neighbour >= crash + 10 && neighbour <= crash + 30 && crash >= 0));
            n_expected += crash >= 0 && crash < SECONDS - 30;
            n[3] += neighbour >= 0 && crash < SECONDS - 30;
        }
    }
    assert_int_equal(n[3], n_expected);
    double sd = sqrt(0.7 * 0.3 / n[0]);
    assert_true(n[0] > 1000 && fabs((double)n[2] / n[0] - 0.7) < 4 * sd);
}

/* A follower takes nothing from the draws of the others. */
static void test_followers_leave_leaders_alone(void **state)
{
    struct fixture *f = *state;
    struct event alone[SCHEDULE_EVENTS_MAX];
    build_ok(f, "      - {kind: ddos, name: flood, magnitude: {lo: 2, hi: 3}}\n");
    int n_alone = draw(f, 4)->n_events, n = 0;
    memcpy(alone, f->schedule.events, sizeof alone);
    build_ok(f, CASCADE);
    const struct schedule *s = draw(f, 4);
    for (int i = 0; i < s->n_events; i++) {
        if (s->events[i].kind == EVENT_DDOS) {
            assert_memory_equal(&s->events[i], &alone[n], sizeof alone[n]);
            n++;
        }
    }
    assert_int_equal(n, n_alone);
    assert_true(s->n_events > n);
}

/* A full list keeps the events that start first. Here they are the leaders: every follower begins
 * after the last of them. */
static void test_late_followers_do_not_replace_leaders(void **state)
{
    struct fixture *f = *state;
    struct event alone[SCHEDULE_EVENTS_MAX];
    static const char leader[] = "      - {kind: crash, name: one, quiet_s: {lo: 1, hi: 2},\n"
                                 "         ramp_s: {lo: 0, hi: 0}, duration_s: {lo: 1, hi: 2},\n"
                                 "         magnitude: {lo: 0.1, hi: 0.1}}\n";
    char both[600];
    build_ok(f, leader);
    assert_int_equal(draw(f, 4)->n_events, SCHEDULE_EVENTS_MAX);
    memcpy(alone, f->schedule.events, sizeof alone);
    (void)snprintf(both, sizeof both, "%s%s", leader,
                   "      - {kind: slow, follow: one, delay_s: {lo: 300, hi: 310},\n"
                   "         magnitude: {lo: 2, hi: 3}}\n");
    build_ok(f, both);
    const struct schedule *s = draw(f, 4);
    assert_true(alone[SCHEDULE_EVENTS_MAX - 1].start_s < 300 && SECONDS > 610);
    assert_int_equal(s->n_events, SCHEDULE_EVENTS_MAX);
    assert_memory_equal(s->events, alone, sizeof alone);
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *events, *key, *says;
    } bad[] = {
        {"{kind: yoyo, magnitude: {lo: 2, hi: 2}, ramp_s: {lo: 0, hi: 61}}", "events.0.ramp_s",
         "exceeds the shortest on_s (60 s)"},
        {"{kind: yoyo, magnitude: {lo: 2, hi: 2}, ramp_s: {lo: 0, hi: 9}, off_s: {lo: 8}}",
         "events.0.ramp_s", "exceeds the shortest off_s (8 s)"},
        {"{kind: yoyo, magnitude: {lo: 2, hi: 2}, ramp_s: {lo: 0, hi: 9}, on_s: {hi: 121}}",
         "events.0.on_s", "exceeds the shortest duration (120 s)"},
        {"{kind: loris, magnitude: {lo: 0, hi: 1}, hold_s: {lo: 16}}", "events.0.hold_s", "swap"},
        {"{kind: cost, magnitude: {lo: 2, hi: 3}, rate: {lo: 1}}", "events.0.rate", "swap"},
        {"{kind: cost, magnitude: {lo: 0.5, hi: 3}}", "events.0.magnitude", "from 1 to 100"},
        {"{kind: net_loss, magnitude: {lo: 0, hi: 2}}", "events.0.magnitude", "from 0 to 1"},
        {"{kind: net_loss, magnitude: {lo: 0, hi: 1}, service: a, callee: d}", "events.0.callee",
         "a does not call d"},
        {"{kind: net_loss, magnitude: {lo: 0, hi: 1}, callee: e}", "events.0.callee",
         "is no service"},
        {"{kind: slow, magnitude: {lo: 1, hi: 2}, callee: b}", "events.0.callee",
         "it hits the service; remove"},
        {"{kind: slow_node, magnitude: {lo: 1, hi: 2}, service: b}", "events.0.service",
         "it hits the node; remove"},
        {"{kind: metric_outage, magnitude: {lo: 1, hi: 1}, service: b}", "events.0.service",
         "it hits the monitoring system; remove"},
        {"{kind: retry_storm, magnitude: {lo: 1, hi: 11}}", "events.0.magnitude", "from 0 to 10"},
        {"{kind: crash_all, magnitude: {lo: 0, hi: 2}}", "events.0.magnitude", "from 0 to 1"},
        {"{kind: slow, magnitude: {lo: 1, hi: 2}, follow: '0'}", "events.0.follow",
         "stand before their followers"},
        {"{kind: slow, name: one, magnitude: {lo: 1, hi: 2}}\n      - "
         "{kind: slow, magnitude: {lo: 1, hi: 2}, follow: on}",
         "events.1.follow", "did you mean 'one'?"},
        {"{kind: slow, magnitude: {lo: 1, hi: 2}, probability: 1.5}", "events.0.probability", "1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "      - %s\n", bad[i].events);
        heard_forget(&f->log);
        assert_int_equal(build(f, text), ERR_CONFIG);
        bool all = strstr(f->log.last, bad[i].key) != NULL &&
                   strstr(f->log.last, bad[i].says) != NULL &&
                   strstr(f->log.last, "s.yaml:") != NULL;
        if (!all) {
            fail_msg("'%s', '%s' or the place is missing in: %s", bad[i].key, bad[i].says,
                     f->log.last);
        }
    }
}

/* A follower has as many events as its leader, so four generators of 16 fill a schedule. */
static void test_length_counts_followers(void **state)
{
    struct fixture *f = *state;
    build_ok(f, "      - {kind: ddos, magnitude: {lo: 2, hi: 3}, quiet_s: {lo: 50, hi: 60},\n"
                "         duration_s: {lo: 50, hi: 60}, ramp_s: {lo: 0, hi: 1}}\n"
                "      - {kind: slow, magnitude: {lo: 2, hi: 3}, follow: '0'}\n"
                "      - {kind: slow, magnitude: {lo: 2, hi: 3}, follow: '1'}\n"
                "      - {kind: slow, magnitude: {lo: 2, hi: 3}, follow: '0'}\n");
    assert_int_equal(schedule_check_length(&f->scenario, 1599, "scenarios.0", NULL), ERR_OK);
    assert_int_equal(schedule_check_length(&f->scenario, 1600, "scenarios.0", NULL), ERR_CONFIG);
    assert_non_null(strstr(f->log.last, "68 events"));
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_yoyo),
        TEST_(test_loris),
        TEST_(test_cost),
        TEST_(test_slow_node),
        TEST_(test_loss),
        TEST_(test_outage_and_retries),
        TEST_(test_crash_share),
        TEST_(test_excess_is_the_mean),
        TEST_(test_draws_of_kinds),
        TEST_(test_links),
        TEST_(test_cascade),
        TEST_(test_followers_leave_leaders_alone),
        TEST_(test_late_followers_do_not_replace_leaders),
        TEST_(test_refusals),
        TEST_(test_length_counts_followers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
