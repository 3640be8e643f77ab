/* Events by hand, schedules against the ranges they are drawn from, every refusal with its place.
 * Statistical checks use fixed seeds, so they cannot fail by chance. */
#include "core/base/config.h"
#include "core/base/fmath.h"
#include "core/scenario/scenario.h"
#include "core/scenario/schedule.h"
#include "tests/unit/scenario_fixture.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EVENT(kind_, service_, start, ramp, duration, magnitude_)                                  \
    {                                                                                              \
        .kind = (kind_), .service = (service_), .start_s = (start), .ramp_s = (ramp),              \
        .duration_s = (duration), .magnitude = (magnitude_)                                        \
    }

/* The first scenario of what was loaded into f->root. */
static enum err build(struct fixture *f)
{
    assert_int_equal(topology_init(&f->topology, &f->arena, &f->root.topology, NULL), ERR_OK);
    assert_int_equal(workload_init(&f->workload, &f->arena, &f->root.workload), ERR_OK);
    assert_true(f->root.n_scenarios > 0);
    return scenario_init(&f->scenario, &f->arena, &f->root.scenarios[0], &f->workload, &f->topology,
                         "scenarios.0", &f->src_locs);
}

static enum err build_text(struct fixture *f, const char *text)
{
    TRY(cfg_load_text(&f->src_locs, "s.yaml", text, NULL, 0, &f->root));
    return build(f);
}

static void build_file(struct fixture *f, const char *path)
{
    assert_int_equal(cfg_load(&f->src_locs, path, NULL, 0, &f->root), ERR_OK);
    assert_int_equal(build(f), ERR_OK);
}

static void draw(struct fixture *f, uint32_t episode)
{
    struct episode_id id = {7, RNG_TRAIN, 3, episode};
    schedule_draw(&f->schedule, &f->scenario, &id, SECONDS);
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1.0, fabs(want)))) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

/* ---- intensities, by hand ---- */

static void test_trapezoid(void **state)
{
    (void)state;
    const double t_s[] = {99.9, 100, 105, 110, 150, 200, 205, 210, 1000};
    const double share[] = {0, 0, 0.5, 1, 1, 1, 0.5, 0, 0};
    struct event e = EVENT(EVENT_CRASH, -1, 100, 10, 100, 0.2);
    for (int i = 0; i < 9; i++) {
        e.kind = EVENT_CRASH;
        e.magnitude = 0.2;
        assert_near(event_at(&e, t_s[i]), 0.2 * share[i]);
        e.kind = EVENT_SLOW; /* factors come from 1 and go back to 1 */
        e.magnitude = 3;
        assert_near(event_at(&e, t_s[i]), 1 + 2 * share[i]);
    }
}

static void test_step_without_ramp(void **state)
{
    (void)state;
    const struct event e = EVENT(EVENT_NEIGHBOUR, -1, 100, 0, 50, 0.5);
    assert_near(event_at(&e, 99.999), 0);
    assert_near(event_at(&e, 100), 0.5);
    assert_near(event_at(&e, 149.999), 0.5);
    assert_near(event_at(&e, 150), 0);
}

static void test_slowdowns_multiply(void **state)
{
    (void)state;
    const struct schedule s = {.n_events = 3,
                               .events = {EVENT(EVENT_SLOW, 1, 0, 0, 100, 2),
                                          EVENT(EVENT_SLOW, -1, 50, 0, 100, 3),
                                          EVENT(EVENT_CRASH, 1, 0, 0, 100, 0.1)}};
    assert_near(schedule_slowdown(&s, 1, 10), 2);
    assert_near(schedule_slowdown(&s, 1, 60), 6);
    assert_near(schedule_slowdown(&s, 0, 10), 1);
    assert_near(schedule_slowdown(&s, 0, 60), 3);
    assert_near(schedule_slowdown(&s, 1, 160), 1);
}

static void test_neighbours_add_up_to_a_cap(void **state)
{
    (void)state;
    const struct schedule s = {.node_cpu_m = 16000,
                               .n_events = 2,
                               .events = {EVENT(EVENT_NEIGHBOUR, -1, 0, 0, 100, 0.5),
                                          EVENT(EVENT_NEIGHBOUR, -1, 50, 20, 100, 0.6)}};
    assert_near(schedule_neighbour_m(&s, 10), 8000);
    assert_near(schedule_neighbour_m(&s, 60), 12800); /* half of 0.6 on top */
    assert_near(schedule_neighbour_m(&s, 70), 14400); /* 1.1, cut to 0.9 */
    assert_near(schedule_neighbour_m(&s, 180), 0);
}

/* At rate r a pod survives a minute with probability exp(-60 r). */
static void test_crash_rates(void **state)
{
    (void)state;
    const struct schedule s = {.n_events = 2,
                               .events = {EVENT(EVENT_CRASH, 2, 0, 0, 100, 0.05),
                                          EVENT(EVENT_CRASH, -1, 50, 0, 100, 0.18)}};
    assert_near(fm_exp(-60 * schedule_crash_rate(&s, 2, 10)), 0.95);
    assert_near(fm_exp(-60 * schedule_crash_rate(&s, 0, 60)), 0.82);
    assert_near(fm_exp(-60 * schedule_crash_rate(&s, 2, 60)), 0.80); /* 0.23, cut to 0.2 */
    assert_near(schedule_crash_rate(&s, 0, 10), 0);
}

/* ---- schedules ---- */

static void test_flood_is_on_top_of_the_legitimate_load(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/ddos.yaml");
    float legit[SECONDS];
    int n_plateaus = 0;
    for (uint32_t episode = 0; episode < 50; episode++) {
        draw(f, episode);
        struct episode_id id = {7, RNG_TRAIN, 3, episode};
        workload_draw(legit, &f->workload, &id, SECONDS);
        assert_memory_equal(f->schedule.legit_rps, legit, sizeof legit);
        for (int i = 0; i < f->schedule.n_events; i++) {
            const struct event *e = &f->schedule.events[i];
            int middle = (int)(e->start_s + 0.5 * (e->ramp_s + e->duration_s));
            if (middle < SECONDS) { /* total peak = magnitude x mean */
                assert_true(
                    fabs((double)f->schedule.attack_rps[middle] - (e->magnitude - 1) * 200) < 1e-3);
                n_plateaus++;
            }
        }
    }
    assert_true(n_plateaus > 100);
}

/* A mean over whole seconds, the last one for ever after; which of it is legitimate. */
static void test_load_of_a_period(void **state)
{
    (void)state;
    float legit[6] = {10, 20, 30, 40, 50, 60}, attack[6] = {0, 0, 5, 0, 100, 20};
    const struct schedule s = {.n_seconds = 6, .legit_rps = legit, .attack_rps = attack};
    double share = -1;
    assert_near(schedule_load(&s, &share, 0, 2), 15);
    assert_true(share == 1.0);
    assert_near(schedule_load(&s, &share, 1, 2), 37.5);
    assert_near(share, 70.0 / 75);
    assert_near(schedule_load(&s, &share, 1, 4), 97.5); /* 150 + 3 x 80 */
    assert_near(share, 230.0 / 390);
    assert_near(schedule_load(&s, NULL, 9, 4), 80);
    memset(legit, 0, sizeof legit);
    assert_near(schedule_load(&s, &share, 1, 2), 2.5);
    assert_true(share == 0.0);
    memset(attack, 0, sizeof attack);
    assert_true(schedule_load(&s, &share, 1, 2) == 0.0 && share == 1.0);
}

/* Traces hold the bits of it: each second's requests are one number, seconds are added in order. */
static void test_load_has_one_order_of_sums(void **state)
{
    (void)state;
    float legit[2] = {1, 0}, attack[2] = {0x1p-53f, 0x1p-53f};
    const struct schedule s = {.n_seconds = 2, .legit_rps = legit, .attack_rps = attack};
    assert_true(schedule_load(&s, NULL, 0, 2) == 0.5); /* attack first: the next double */
}

/* The attacker sends nothing outside of events, and what he sends is the area of the trapezoids. */
static void test_attack_volume(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/ddos.yaml");
    for (uint32_t episode = 0; episode < 50; episode++) {
        draw(f, episode);
        const struct schedule *s = &f->schedule;
        double sent = 0;
        for (int t = 0; t < SECONDS; t++) {
            assert_true(s->attack_rps[t] >= 0.0f);
            sent += (double)s->attack_rps[t];
            if (t + 1 < s->onset_s) {
                assert_true(s->attack_rps[t] == 0.0f);
            }
        }
        double area = 0;
        bool is_cut = false;
        for (int i = 0; i < s->n_events; i++) {
            const struct event *e = &s->events[i];
            area += 200 * (e->magnitude - 1) * e->duration_s;
            is_cut = is_cut || e->start_s + e->duration_s + e->ramp_s > SECONDS;
        }
        assert_true(is_cut ? sent < area : fabs(sent / area - 1) < 0.002);
    }
}

static void test_floods_add(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        build_text(f,
                   "workload: {mean_rps: 100}\n"
                   "scenarios:\n"
                   "  - name: two\n"
                   "    events:\n"
                   "      - {kind: ddos, quiet_s: {lo: 1, hi: 2}, ramp_s: {lo: 0, hi: 0},\n"
                   "         duration_s: {lo: 5000, hi: 5000}, magnitude: {lo: 2, hi: 2}}\n"
                   "      - {kind: ddos, quiet_s: {lo: 1, hi: 2}, ramp_s: {lo: 0, hi: 0},\n"
                   "         duration_s: {lo: 5000, hi: 5000}, magnitude: {lo: 3.5, hi: 3.5}}\n"),
        ERR_OK);
    draw(f, 0);
    assert_int_equal(f->schedule.n_events, 2);
    assert_true(fabs((double)f->schedule.attack_rps[1000] - 350) < 1e-3);
}

static bool is_within(double x, const struct range_cfg *r)
{
    return x >= r->lo && x <= r->hi;
}

/* Sorted; each kind's events follow each other after a quiet time; draws stay in their ranges. */
static void test_events_obey_their_generators(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/mixed.yaml");
    int n_overlaps = 0;
    for (uint32_t episode = 0; episode < 100; episode++) {
        draw(f, episode);
        const struct schedule *s = &f->schedule;
        double free_from[EVENT_KINDS] = {0};
        assert_true(s->onset_s == (s->n_events > 0 ? s->events[0].start_s : -1));
        for (int i = 0; i < s->n_events; i++) {
            const struct event *e = &s->events[i];
            const struct event_cfg *cfg = &f->root.scenarios[0].events[e->kind];
            assert_int_equal(cfg->kind, (int)e->kind);
            assert_true(e->start_s < SECONDS);
            assert_true(i == 0 || e->start_s >= s->events[i - 1].start_s);
            double quiet_s = e->start_s - free_from[e->kind];
            assert_true(quiet_s <= cfg->quiet_s.hi + 1e-9);
            assert_true(free_from[e->kind] == 0 || quiet_s >= cfg->quiet_s.lo - 1e-9);
            assert_true(is_within(e->ramp_s, &cfg->ramp_s));
            assert_true(is_within(e->duration_s, &cfg->duration_s));
            assert_true(is_within(e->magnitude, &cfg->magnitude));
            assert_true(e->kind == EVENT_SLOW ? e->service >= 0 && e->service < 4
                                              : e->service == SCENARIO_ALL);
            free_from[e->kind] = e->start_s + e->duration_s + e->ramp_s;
            for (int k = 0; k < EVENT_KINDS; k++) {
                n_overlaps += k != (int)e->kind && free_from[k] > e->start_s ? 1 : 0;
            }
        }
    }
    assert_true(n_overlaps > 50);
}

/* First quiet time = U(0, 1) x U(300, 900): mean 300, variance E[u^2] E[q^2] - 300^2 = 40000. */
static void test_first_quiet_time_is_cut(void **state)
{
    struct fixture *f = *state;
    enum { N = 1000 };
    build_file(f, "configs/scenarios/slow.yaml");
    double sum = 0;
    double sum_magnitude = 0;
    int hits[4] = {0};
    for (uint32_t episode = 0; episode < N; episode++) {
        draw(f, episode);
        assert_true(f->schedule.n_events > 0);
        const struct event *e = &f->schedule.events[0];
        sum += e->start_s;
        sum_magnitude += e->magnitude;
        hits[e->service]++;
    }
    assert_true(fabs(sum / N - 300) < 4 * 200 / sqrt(N));
    assert_true(fabs(sum_magnitude / N - 2.25) < 4 * 1.5 / sqrt(12.0 * N));
    for (int s = 0; s < 4; s++) { /* "any": binomial, standard deviation 13.7 */
        assert_true(abs(hits[s] - N / 4) < 55);
    }
}

static void test_named_service(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        build_text(f, "scenarios: [{name: x, events: [{kind: slow, service: c, "
                      "magnitude: {lo: 2, hi: 2}}, {kind: crash, magnitude: {lo: 0.1, hi: 0.1}, "
                      "service: all}]}]"),
        ERR_OK);
    draw(f, 0);
    for (int i = 0; i < f->schedule.n_events; i++) {
        const struct event *e = &f->schedule.events[i];
        assert_int_equal(e->service, e->kind == EVENT_SLOW ? 2 : SCENARIO_ALL);
    }
}

static void test_quiet_scenario(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/quiet.yaml");
    draw(f, 0);
    assert_int_equal(f->schedule.n_events, 0);
    assert_true(f->schedule.onset_s == -1);
    for (int t = 0; t < SECONDS; t++) {
        assert_true(f->schedule.attack_rps[t] == 0.0f);
    }
}

/* What must hold for every event of every shipped scenario. */
static void check_episode(struct fixture *f, const char *path)
{
    const struct schedule *s = &f->schedule;
    for (int i = 0; i < s->n_events; i++) {
        const struct event *e = &s->events[i];
        const struct event_cfg *cfg = &f->scenario.cfg->events[e->generator];
        bool fine = e->start_s >= 0 && e->start_s < SECONDS && (int)e->kind == cfg->kind &&
                    (i == 0 || e->start_s >= s->events[i - 1].start_s) &&
                    e->service < f->topology.n_services && is_within(e->magnitude, &cfg->magnitude);
        if (!fine) {
            fail_msg("%s: event %d of a kind %s at %g s", path, i, event_kind_info[e->kind].name,
                     e->start_s);
        }
    }
    for (int t = 0; t < SECONDS; t++) {
        assert_true(s->legit_rps[t] > 0.0f && s->attack_rps[t] >= 0.0f);
        assert_true(s->attack_excess[t] >= 0.0f);
    }
}

/* Every file loads, fits its schedule, and draws 100 episodes with something in them; unseen faults
 * are named so, because tests/cmd/test_unseen.sh looks for that name. */
static void test_shipped_scenarios(void **state)
{
    struct fixture *f = *state;
    DIR *dir = opendir("configs/scenarios");
    int n_files = 0;
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[300];
        if (strstr(entry->d_name, ".yaml") == NULL) {
            continue;
        }
        (void)snprintf(path, sizeof path, "configs/scenarios/%s", entry->d_name);
        build_file(f, path);
        assert_int_equal(schedule_check_length(&f->scenario, SECONDS, "scenarios.0", NULL), ERR_OK);
        bool unseen = strncmp(entry->d_name, "unseen_", 7) == 0;
        assert_true(unseen == (strncmp(f->scenario.cfg->name, "unseen ", 7) == 0));
        int n_events = 0;
        for (uint32_t episode = 0; episode < 100; episode++) {
            draw(f, episode);
            check_episode(f, path);
            n_events += f->schedule.n_events;
        }
        assert_true((n_events > 200) == (f->scenario.cfg->n_events > 0));
        n_files++;
    }
    assert_int_equal(closedir(dir), 0);
    assert_true(n_files >= 17);
}

/* The compared range: floods of 0.62 to 0.87 of what the diamond bears, stress of 1 and 1.5. */
static void test_peaks_in_shares_of_capacity(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        double lo, hi;
    } rows[] = {{"ddos", 0.625, 0.875},
                {"yoyo", 0.625, 0.875},
                {"cascade", 0.625, 0.875},
                {"stress_full", 1, 1},
                {"stress_over", 1.5, 1.5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "configs/scenarios/%s.yaml", rows[i].path);
        build_file(f, path);
        const struct range_cfg *m = &f->root.scenarios[0].events[0].magnitude;
        double nominal = f->root.workload.mean_rps / f->topology.critical_rps;
        assert_near(m->lo * nominal, rows[i].lo);
        assert_near(m->hi * nominal, rows[i].hi);
    }
}

/* At the nominal load the diamond uses 3.7 of 16 vCPU: the worst neighbour leaves enough, just. */
static void test_contention_is_within_reach(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/neighbour.yaml");
    double used_m = 0;
    double requested_m = 0;
    for (int s = 0; s < 4; s++) {
        const struct service_cfg *c = &f->root.topology.services[s];
        used_m += 1000 * 200 * f->topology.visits[s] * f->topology.demand_s[s];
        requested_m += c->initial_replicas * c->cpu_m;
    }
    const struct range_cfg *share = &f->root.scenarios[0].events[0].magnitude;
    assert_true(requested_m < 16000 * (1 - share->lo) && requested_m > 16000 * (1 - share->hi));
    assert_true(used_m < 16000 * (1 - share->hi) && used_m > 0.9 * 16000 * (1 - share->hi));
}

static void test_pure_function_of_the_identity(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/mixed.yaml");
    struct schedule other;
    assert_int_equal(schedule_init(&other, &f->arena, SECONDS), ERR_OK);
    struct episode_id id = {7, RNG_TRAIN, 3, 0};
    draw(f, 1);
    draw(f, 0);
    schedule_draw(&other, &f->scenario, &id, SECONDS);
    assert_int_equal(other.n_events, f->schedule.n_events);
    assert_memory_equal(other.events, f->schedule.events,
                        (size_t)other.n_events * sizeof other.events[0]);
    assert_memory_equal(other.attack_rps, f->schedule.attack_rps, SECONDS * sizeof(float));
    const struct episode_id ids[] = {
        {8, RNG_TRAIN, 3, 0}, {7, RNG_DEV, 3, 0}, {7, RNG_TRAIN, 4, 0}, {7, RNG_TRAIN, 3, 1}};
    for (int i = 0; i < 4; i++) {
        schedule_draw(&other, &f->scenario, &ids[i], SECONDS);
        assert_true(other.onset_s != f->schedule.onset_s);
    }
    uint64_t before = mem_calls();
    schedule_draw(&other, &f->scenario, &id, SECONDS);
    assert_true(mem_calls() == before);
}

/* From an independent transcription of the header's formulas into Python. */
static void test_known_bits(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/ddos.yaml");
    const struct episode_id id = {2025, RNG_TEST_SPLIT, 1, 2};
    schedule_draw(&f->schedule, &f->scenario, &id, SECONDS);
    static const double known[4][4] = {
        {0x1.013e4c1fe21adp+9, 0x1.3306fd07c0000p+6, 0x1.03e019c1b8000p+7, 0x1.b4d03f9000000p+1},
        {0x1.28bd6f099c0d6p+10, 0x1.326969a680000p+5, 0x1.3656a23d38000p+7, 0x1.431fece600000p+1},
        {0x1.000ddcdca686bp+11, 0x1.1f45409d80000p+6, 0x1.19533c48e0000p+7, 0x1.b034ba7d80000p+1},
        {0x1.750a6ad1a286bp+11, 0x1.b541a9c8e0000p+5, 0x1.2291a15c20000p+7, 0x1.4f1d972700000p+1}};
    assert_int_equal(f->schedule.n_events, 4);
    for (int i = 0; i < 4; i++) {
        const struct event *e = &f->schedule.events[i];
        assert_true(e->start_s == known[i][0] && e->ramp_s == known[i][1]);
        assert_true(e->duration_s == known[i][2] && e->magnitude == known[i][3]);
    }
}

/* A full list keeps the earliest events, and the check says so beforehand. */
static void test_too_many_events(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        build_text(f, "scenarios: [{name: x, events: [{kind: crash, quiet_s: {lo: 1, hi: 9}, "
                      "ramp_s: {lo: 0, hi: 0}, duration_s: {lo: 1, hi: 9}, "
                      "magnitude: {lo: 0.1, hi: 0.1}}]}]"),
        ERR_OK);
    assert_int_equal(schedule_check_length(&f->scenario, 126, "scenarios.0", &f->src_locs), ERR_OK);
    assert_int_equal(schedule_check_length(&f->scenario, 128, "scenarios.0", &f->src_locs),
                     ERR_CONFIG);
    assert_non_null(strstr(f->log.last, "s.yaml:1:"));
    assert_non_null(strstr(f->log.last, "at most 64"));
    draw(f, 0);
    assert_int_equal(f->schedule.n_events, SCHEDULE_EVENTS_MAX);
    assert_true(f->schedule.events[SCHEDULE_EVENTS_MAX - 1].start_s < 64 * 18);
}

/* ---- refusals ---- */

struct refusal {
    const char *event; /* in flow style, without braces */
    const char *says[2];
};

static const struct refusal REFUSALS[] = {
    {"kind: ddos, magnitude: {lo: 3.5, hi: 2.5}", {"events.0.magnitude", "lo (3.5) is above hi"}},
    {"kind: ddos, magnitude: {lo: 0.5, hi: 2}", {"events.0.magnitude", "from 1 to 100"}},
    {"kind: crash, magnitude: {lo: 0.1, hi: 0.3}", {"events.0.magnitude", "from 0 to 0.2"}},
    {"kind: slow, magnitude: {lo: 0.9, hi: 2}", {"events.0.magnitude", "from 1 to 100"}},
    {"kind: neighbour, magnitude: {lo: 0.5, hi: 1}", {"events.0.magnitude", "from 0 to 0.9"}},
    {"kind: ddos, magnitude: {lo: 2, hi: 2}, quiet_s: {lo: 901}", {"events.0.quiet_s", "swap"}},
    {"kind: ddos, magnitude: {lo: 2, hi: 2}, ramp_s: {lo: 91}", {"events.0.ramp_s", "swap"}},
    {"kind: ddos, magnitude: {lo: 2, hi: 2}, duration_s: {lo: 301}",
     {"events.0.duration_s", "swap"}},
    {"kind: ddos, magnitude: {lo: 2, hi: 2}, ramp_s: {hi: 121}",
     {"events.0.ramp_s", "the longest rise (121 s) exceeds the shortest duration (120 s)"}},
    {"kind: slow, magnitude: {lo: 2, hi: 2}, service: e", {"events.0.service", "is no service"}},
    {"kind: slow, magnitude: {lo: 2, hi: 2}, service: al", {"service", "did you mean 'all'?"}},
    {"kind: ddos, magnitude: {lo: 2, hi: 2}, service: a", {"service", "it hits the entries"}},
    {"kind: neighbour, magnitude: {lo: 0, hi: 0}, service: a", {"service", "it hits the node"}},
    {"kind: ddos", {"magnitude", ""}},
    {"kind: dos, magnitude: {lo: 2, hi: 2}", {"kind", "ddos"}},
};

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(REFUSALS) / sizeof(REFUSALS[0]); i++) {
        const struct refusal *r = &REFUSALS[i];
        char text[512];
        (void)snprintf(text, sizeof text, "scenarios:\n  - {name: x, events: [{%s}]}\n", r->event);
        heard_forget(&f->log);
        f->scenario.cfg = NULL;
        assert_int_equal(build_text(f, text), ERR_CONFIG);
        assert_null(f->scenario.cfg);
        bool says_all =
            strstr(f->log.last, r->says[0]) != NULL && strstr(f->log.last, r->says[1]) != NULL;
        if (!says_all || strstr(f->log.last, "s.yaml:2:") == NULL) {
            fail_msg("'%s', '%s' or the place is missing in: %s", r->says[0], r->says[1],
                     f->log.last);
        }
    }
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    build_file(f, "configs/scenarios/mixed.yaml");
    struct arena fresh;
    arena_init(&fresh);
    struct scenario s = {0};
    struct schedule schedule = {.n_seconds = -7};
    mem_fail_after(1);
    assert_int_equal(scenario_init(&s, &fresh, &f->root.scenarios[0], &f->workload, &f->topology,
                                   "scenarios.0", NULL),
                     ERR_MEMORY);
    assert_null(s.cfg);
    mem_fail_after(1);
    assert_int_equal(schedule_init(&schedule, &fresh, SECONDS), ERR_MEMORY);
    assert_int_equal(schedule.n_seconds, -7);
    arena_release(&fresh);
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_trapezoid),
        TEST_(test_step_without_ramp),
        TEST_(test_slowdowns_multiply),
        TEST_(test_neighbours_add_up_to_a_cap),
        TEST_(test_crash_rates),
        TEST_(test_flood_is_on_top_of_the_legitimate_load),
        TEST_(test_load_of_a_period),
        TEST_(test_load_has_one_order_of_sums),
        TEST_(test_attack_volume),
        TEST_(test_floods_add),
        TEST_(test_events_obey_their_generators),
        TEST_(test_first_quiet_time_is_cut),
        TEST_(test_named_service),
        TEST_(test_quiet_scenario),
        TEST_(test_shipped_scenarios),
        TEST_(test_peaks_in_shares_of_capacity),
        TEST_(test_contention_is_within_reach),
        TEST_(test_pure_function_of_the_identity),
        TEST_(test_known_bits),
        TEST_(test_too_many_events),
        TEST_(test_refusals),
        TEST_(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
