/* An event's time 0 is the start of the measured episode: before it the cluster is quiet, whatever
 * is scheduled, and from it on the event acts. For every kind of event, and for monitoring with and
 * without a lag. */
#include "tests/unit/game_fixture.h"

#include "core/plant/plant.h"

enum { STEPS = 8 };

/* A scenario for each kind, from 0 on; the text ends each of them. Legitimate calls that are lost
 * are what a retry storm needs to show. */
static const char *const kinds[EVENT_KINDS] = {
    [EVENT_DDOS] = "magnitude: {lo: 3, hi: 3}",
    [EVENT_CRASH] = "service: any, magnitude: {lo: 0.2, hi: 0.2}",
    [EVENT_SLOW] = "service: any, magnitude: {lo: 3, hi: 3}",
    [EVENT_NEIGHBOUR] = "magnitude: {lo: 0.9, hi: 0.9}",
    [EVENT_YOYO] = "on_s: {lo: 60, hi: 60}, off_s: {lo: 10, hi: 10}, magnitude: {lo: 3, hi: 3}",
    [EVENT_LORIS] = "hold_s: {lo: 5, hi: 5}, magnitude: {lo: 2, hi: 2}",
    [EVENT_COST] = "rate: {lo: 0.5, hi: 0.5}, magnitude: {lo: 5, hi: 5}",
    [EVENT_SLOW_NODE] = "magnitude: {lo: 3, hi: 3}",
    [EVENT_NET_LOSS] = "service: any, callee: any, magnitude: {lo: 0.5, hi: 0.5}",
    [EVENT_METRIC_OUTAGE] = "magnitude: {lo: 1, hi: 1}",
    [EVENT_CRASH_ALL] = "service: any, magnitude: {lo: 1, hi: 1}",
    [EVENT_RETRY_STORM] = "magnitude: {lo: 3, hi: 3}",
};

/* What can be seen of a plant in the first periods, from the start on. */
struct seen {
    float state[STEPS + 1][256];
    struct plant_truth truth[STEPS + 1];
    size_t n;
};

static void put_event(struct buf *text, int kind)
{
    assert_int_equal(buf_printf(text,
                                "      - {kind: %s, %s, quiet_s: {lo: 1, hi: 1}, "
                                "ramp_s: {lo: 0, hi: 0}, duration_s: {lo: 300, hi: 300}}\n",
                                event_kind_info[kind].name, kinds[kind]),
                     ERR_OK);
}

/* Two scenarios: quiet, and the event. A storm has few slots to be refused at, in both. */
static void put_world(struct buf *text, int kind, double lag_s)
{
    assert_int_equal(buf_printf(text,
                                "topology: {services: [{name: a, cpu_m: 500, capacity_rps: 100, "
                                "initial_replicas: 2, entry: true, calls: [b]}, {name: b, "
                                "cpu_m: 500, capacity_rps: 100, initial_replicas: 2}]%s}\n"
                                "plant: {lag_s: %g}\n"
                                "workload: {mean_rps: 120, burst_per_h: 0}\n"
                                "game: {horizon: 8}\n"
                                "scenarios:\n  - name: quiet\n  - name: loud\n    events:\n",
                                kind == EVENT_RETRY_STORM
                                    ? ", slots_per_pod: 1, queue_per_pod: 1, node_cpu_m: 2000"
                                    : ", node_cpu_m: 2000",
                                lag_s),
                     ERR_OK);
    put_event(text, kind);
    assert_int_equal(buf_append(text, "", 1), ERR_OK);
}

static void see(struct seen *out, struct plant *p, int step)
{
    memcpy(out->state[step], plant_state(p, 0), out->n * sizeof(float));
    out->truth[step] = *plant_truth(p, 0);
}

/* The event starts within the first half second; a start of exactly 0 is drawn once in 2^32. */
static void draw(struct schedule *s, struct game_fixture *w, int scenario,
                 const struct episode_id *id)
{
    assert_int_equal(schedule_init(s, &w->arena, w->env_setup.n_seconds), ERR_OK);
    schedule_draw(s, &w->env_setup.scenarios[scenario], id, w->env_setup.n_seconds);
    if (s->n_events > 0) {
        assert_true(s->events[0].start_s < 0.5);
        s->events[0].start_s = s->onset_s = 0.0;
    }
}

static void play(struct seen *out, struct game_fixture *w, int scenario)
{
    const struct episode_id id = {7, RNG_TEST_SPLIT, 3, 0};
    int32_t delta[2] = {0};
    struct schedule schedule;
    struct plant *p;
    draw(&schedule, w, scenario, &id);
    assert_int_equal(env_setup_plant(&p, &w->arena, &w->env_setup, PLANT_KIND_CLUSTER, 1), ERR_OK);
    assert_int_equal(plant_reset(p, 0, &id, &schedule, STEPS), ERR_OK);
    *out = (struct seen){.n = (size_t)p->n_state};
    assert_true(out->n <= 256);
    see(out, p, 0);
    for (int step = 1; step <= STEPS; step++) {
        assert_int_equal(plant_step(p, delta, NULL, NULL), ERR_OK);
        see(out, p, step);
    }
}

static void check_kind(int kind, double lag_s)
{
    struct game_fixture w;
    static struct seen quiet, loud;
    struct buf text;
    buf_init(&text);
    put_world(&text, kind, lag_s);
    game_fixture_open(&w, (const char *)text.data);
    play(&quiet, &w, 0);
    play(&loud, &w, 1);
    const char *name = event_kind_info[kind].name;
    if (memcmp(&loud.truth[0], &quiet.truth[0], sizeof quiet.truth[0]) != 0) {
        fail_msg("%s, lag %g s: in flight at the start %g, when quiet %g", name, lag_s,
                 loud.truth[0].inflight, quiet.truth[0].inflight);
    }
    if (memcmp(loud.state[0], quiet.state[0], quiet.n * sizeof(float)) != 0) {
        fail_msg("%s, lag %g s: the first state shows it", name, lag_s);
    }
    if (memcmp(&loud.truth[1], &quiet.truth[1], STEPS * sizeof quiet.truth[0]) == 0 &&
        memcmp(loud.state[1], quiet.state[1], STEPS * sizeof loud.state[0]) == 0) {
        fail_msg("%s, lag %g s: it does not happen at all", name, lag_s);
    }
    game_fixture_close(&w);
    buf_release(&text);
}

static void test_every_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < EVENT_KINDS; kind++) {
        assert_non_null(kinds[kind]); /* a new kind needs a row */
        check_kind(kind, 7.5);
        check_kind(kind, 0);
    }
}

/* An environment does not remember its last episode: the same episode after another one. */
static void test_no_memory_of_the_last_episode(void **state)
{
    (void)state;
    struct game_fixture w;
    struct schedule schedule[2];
    struct plant *p;
    static float first[256];
    const struct episode_id id = {7, RNG_TEST_SPLIT, 3, 0}, other = {7, RNG_TEST_SPLIT, 3, 1};
    int32_t delta[2] = {1, 1};
    struct buf text;
    buf_init(&text);
    put_world(&text, EVENT_METRIC_OUTAGE, 0);
    game_fixture_open(&w, (const char *)text.data);
    for (int i = 0; i < 2; i++) {
        draw(&schedule[i], &w, 1, i == 0 ? &id : &other);
    }
    assert_int_equal(env_setup_plant(&p, &w.arena, &w.env_setup, PLANT_KIND_CLUSTER, 1), ERR_OK);
    assert_int_equal(plant_reset(p, 0, &id, &schedule[0], STEPS), ERR_OK);
    memcpy(first, plant_state(p, 0), (size_t)p->n_state * sizeof *first);
    assert_int_equal(plant_reset(p, 0, &other, &schedule[1], STEPS), ERR_OK);
    assert_int_equal(plant_step(p, delta, NULL, NULL), ERR_OK);
    assert_int_equal(plant_reset(p, 0, &id, &schedule[0], STEPS), ERR_OK);
    assert_memory_equal(first, plant_state(p, 0), (size_t)p->n_state * sizeof *first);
    game_fixture_close(&w);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_no_memory_of_the_last_episode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
