/* Hostile states and random proposals against the shield; the monitor finds no violation.
 *
 *   STATES=10000000 build/default/tests/unit/test_shield_fuzz    more than the usual 100,000
 *   EXHAUSTIVE=1 ...     two services, too, in the search of all states and proposals
 *
 * `make proof-shield` does both. Every reason is reached, and a shield with an invariant switched
 * off is caught by the monitor: otherwise the monitor would prove nothing. */
#include "core/base/rng.h"
#include "tests/unit/shield_fixture.h"

enum { USUAL = 100000, LENGTH = 24, WORLDS = 6, MUTANT_STATES = 15000 };

#define DIAMOND(limits, max)                                                                       \
    "topology: {node_cpu_m: 16000, services: [\n"                                                  \
    "  {name: a, max_replicas: " max ", initial_replicas: 2, entry: true, calls: [b, c]},\n"       \
    "  {name: b, max_replicas: " max ", cpu_m: 400, capacity_rps: 80, calls: [d]},\n"              \
    "  {name: c, min_replicas: 2, initial_replicas: 2, max_replicas: " max                         \
    ", cpu_m: 600, calls: [d]},\n"                                                                 \
    "  {name: d, max_replicas: " max ", cpu_m: 700, capacity_rps: 60}]}\n"                         \
    "shield: {" limits "}\n"
#define SMALL(limits)                                                                              \
    "topology: {node_cpu_m: 4000, services: [\n"                                                   \
    "  {name: a, max_replicas: 4, entry: true, calls: [b]},\n"                                     \
    "  {name: b, max_replicas: 4, cpu_m: 700}]}\n"                                                 \
    "shield: {" limits "}\n"
static const char *const WORLD[WORLDS] = {
    DIAMOND("", "10"),
    DIAMOND("quota_pods: 12, flips_max: 2, flap_window_s: 120", "10"),
    DIAMOND("quota_cpu_m: 5000, quota_ram_mib: 4000, step_out: 1, step_in: 1, hold_s: 0", "6"),
    DIAMOND("frozen_s: 0, cooldown_s: 0, disruption: 0.1, confidence: 0.5, arrival_scv: 4", "12"),
    SMALL("flips_max: 3, flap_window_s: 60, hold_s: 30, floor_load: 1"),
    SMALL("scale_in_utilisation: 0.5, service_scv: 0, arrival_scv: 0, stale_s: 7.5"),
};

/* ---- drawing ---- */

struct dice {
    uint64_t episode;
    uint32_t n;
};

static uint32_t word(struct dice *d)
{
    const struct rng_key key = rng_key(16, RNG_TEST, RNG_DEV);
    return rng_philox(key, d->n++, (uint32_t)d->episode, (uint32_t)(d->episode >> 32), 0).v[0];
}

static uint32_t below(struct dice *d, uint32_t n)
{
    return rng_below(word(d), n);
}

static bool chance(struct dice *d, uint32_t permille)
{
    return below(d, 1000) < permille;
}

static float hostile(struct dice *d)
{
    static const float values[] = {NAN,    INFINITY, -INFINITY, -1.0F, -0.0F,  0.0F,  0.5F, 1e-38F,
                                   1e-45F, 1e6F,     1e7F,      3e12F, -1e30F, 3e38F, 7.0F, 1e9F};
    return values[below(d, sizeof values / sizeof *values)];
}

/* How an episode is spoilt: rates per thousand. */
struct spoil {
    uint32_t value, age, clock, stand_still, refuse, foreign, jump, unready, partial;
    double load;
};

static struct spoil draw_spoil(struct dice *d)
{
    static const uint32_t often[] = {0, 0, 2, 20, 300, 1000};
    struct spoil s = {.value = often[below(d, 6)],
                      .age = often[below(d, 6)],
                      .clock = below(d, 4) == 0 ? 200 : 0,
                      .stand_still = below(d, 3) == 0 ? 700 : 0,
                      .refuse = below(d, 3) == 0 ? 200 : 0,
                      .foreign = below(d, 3) == 0 ? 150 : 0,
                      .jump = below(d, 4) == 0 ? 200 : 0,
                      .unready = below(d, 3) == 0 ? 300 : 0,
                      .partial = below(d, 3) == 0 ? 300 : 0};
    s.load = below(d, 1001) / 1000.0 * (chance(d, 100) ? 50.0 : 1.3);
    return s;
}

static void draw_service(struct shield_fixture *f, struct dice *d, const struct spoil *s, int i,
                         double rate)
{
    const double desired = (double)f->state[state_service_at(i, SF_DESIRED)];
    const double ready = chance(d, s->unready) ? below(d, 8) : desired;
    const double calls = rate * f->topology.visits[i] * (0.5 + below(d, 1000) / 1000.0);
    const double dear = below(d, 8) == 0 ? 3.0 : 1.0;
    shield_fixture_set(f, i, SF_DEPLOYED, fmax(desired, ready));
    shield_fixture_set(f, i, SF_READY, ready);
    shield_fixture_set(f, i, SF_FAILED_PODS, chance(d, s->unready / 2) ? 1.0 : 0.0);
    shield_fixture_set(f, i, SF_HPA_MISSING, chance(d, s->partial) ? 1.0 : 0.0);
    shield_fixture_set(f, i, SF_QUEUE, below(d, 4) == 0 ? below(d, 2000) : 0.0);
    shield_fixture_set(f, i, SF_RECEIVED, calls);
    shield_fixture_set(f, i, SF_CPU, 1000.0 * calls * f->topology.demand_s[i] * dear);
}

/* desired stays, but where it is spoilt. */
static void draw_state(struct shield_fixture *f, struct dice *d, const struct spoil *s)
{
    const double rate = f->topology.critical_rps * s->load * (0.2 + below(d, 1000) / 1000.0);
    if (!chance(d, s->stand_still)) {
        for (int i = 0; i < f->n; i++) {
            draw_service(f, d, s, i, rate);
        }
        shield_fixture_global(f, GF_ENTRY_30S, rate);
        shield_fixture_global(f, GF_ENTRY_10S, rate * (0.7 + below(d, 600) / 1000.0));
        shield_fixture_global(f, GF_ENTRY_DIFF, rate * (below(d, 1000) / 1000.0 - 0.5));
        for (int k = 0; k < state_size(f->n) && s->value > 0; k++) {
            if (chance(d, s->value) && k % SERVICE_FEATURES != SF_DESIRED) {
                f->state[k] = hostile(d);
            }
        }
    }
    for (int k = 0; k < state_size(f->n); k++) {
        f->age[k] =
            chance(d, s->age) ? (below(d, 2) == 0 ? hostile(d) : (float)below(d, 90)) : 7.5F;
    }
}

static int32_t draw_proposal(struct dice *d)
{
    static const int32_t extreme[] = {INT32_MIN, INT32_MAX, 1000000, -1000000, 64, -64};
    return chance(d, 30) ? extreme[below(d, 6)] : (int32_t)below(d, 13) - 6;
}

/* What the plant makes of it: refused, done, or somebody else's number. */
static void draw_next(struct shield_fixture *f, struct dice *d, const struct spoil *s,
                      const float *honest)
{
    for (int i = 0; i < f->n; i++) {
        float *desired = &f->state[state_service_at(i, SF_DESIRED)];
        *desired = honest[i];
        if (!chance(d, s->refuse)) {
            *desired += (float)f->verdict.delta[i];
        }
        if (chance(d, s->foreign)) {
            *desired = (float)below(d, 14);
        }
    }
    f->now_s += chance(d, s->jump) ? (double)below(d, 4000) - 100.0 : 15.0;
}

/* ---- one hostile episode ---- */

struct tally {
    uint32_t reasons, overruled;
    long states;
};

/* A change of one service passes if and only if it lies within its limits. Not said where the
 * shield requires a change of another service, which shares the budget. */
static void check_limits(struct shield_fixture *f, const struct shield_view *v)
{
    int32_t least[MONITOR_SERVICES], most[MONITOR_SERVICES];
    shield_limits(least, most, &f->verdict, &f->shield, &f->history, v);
    for (int i = 0; i < f->n; i++) {
        const int32_t tried[] = {least[i] - 1, least[i], most[i], most[i] + 1, 0, -20, 20};
        assert_true(least[i] <= most[i]);
        for (size_t k = 0; k < sizeof tried / sizeof *tried; k++) {
            int32_t proposed[MONITOR_SERVICES] = {0};
            bool others = false;
            proposed[i] = tried[k];
            shield_decide(&f->verdict, &f->shield, &f->history, v, proposed);
            for (int j = 0; j < f->n; j++) {
                others =
                    others || (j != i && (f->verdict.reasons[j] | f->verdict.overruled[j]) != 0);
            }
            if (!others) {
                assert_int_equal(f->verdict.delta[i] == tried[k],
                                 tried[k] >= least[i] && tried[k] <= most[i]);
            }
        }
    }
}

/* Twice the same function of the same inputs; what is allowed is allowed again. */
static void check_purity(struct shield_fixture *f, const int32_t *proposed)
{
    const struct shield_view v = shield_fixture_view(f);
    const size_t bytes = (size_t)f->n * sizeof(int32_t);
    const size_t past = (size_t)shield_history_size(f->n) * sizeof(double);
    int32_t first[MONITOR_SERVICES];
    static double before[4096];
    memcpy(first, f->verdict.delta, bytes);
    memcpy(before, f->history.values, past);
    shield_decide(&f->verdict, &f->shield, &f->history, &v, first);
    assert_memory_equal(first, f->verdict.delta, bytes);
    check_limits(f, &v);
    shield_decide(&f->verdict, &f->shield, &f->history, &v, proposed);
    assert_memory_equal(first, f->verdict.delta, bytes);
    assert_memory_equal(before, f->history.values, past);
}

static void play(struct shield_fixture *f, struct monitor *m, struct tally *t, uint64_t episode)
{
    static const double unreal[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    struct dice d = {.episode = episode};
    const struct spoil s = draw_spoil(&d);
    float honest[MONITOR_SERVICES];
    int32_t proposed[MONITOR_SERVICES];
    shield_history_clear(&f->history, f->n);
    monitor_begin(m);
    f->now_s = below(&d, 2) == 0 ? 0.0 : 1e6;
    for (int i = 0; i < f->n; i++) {
        shield_fixture_set(f, i, SF_DESIRED, below(&d, 14));
    }
    for (int k = 0; k < LENGTH; k++, t->states++) {
        draw_state(f, &d, &s);
        for (int i = 0; i < f->n; i++) {
            honest[i] = f->state[state_service_at(i, SF_DESIRED)];
            proposed[i] = draw_proposal(&d);
            if (chance(&d, s.value / 4)) {
                shield_fixture_set(f, i, SF_DESIRED, (double)hostile(&d));
            }
        }
        const bool aged = below(&d, 8) != 0;
        const double now_s = chance(&d, s.clock) ? unreal[below(&d, 3)] : f->now_s;
        const struct shield_view v = {f->state, aged ? f->age : NULL, now_s};
        shield_observe(&f->history, &f->shield, &v);
        shield_decide(&f->verdict, &f->shield, &f->history, &v, proposed);
        monitor_look(m, f->state, aged ? f->age : NULL, now_s);
        monitor_judge(m, proposed, f->verdict.delta, f->state);
        for (int i = 0; i < f->n; i++) {
            t->reasons |= f->verdict.reasons[i];
            t->overruled |= f->verdict.overruled[i];
            assert_int_equal(f->verdict.reasons[i] == 0, f->verdict.delta[i] == proposed[i]);
        }
        if (aged && episode % 16 == 0) {
            check_purity(f, proposed);
        }
        shield_executed(&f->history, &f->shield, f->verdict.delta);
        monitor_done(m, f->verdict.delta);
        draw_next(f, &d, &s, honest);
    }
}

static long number_from(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtol(text, NULL, 10) : otherwise;
}

static void no_violation(void **state)
{
    (void)state;
    static struct shield_fixture f;
    static struct monitor m;
    struct tally t = {0};
    const long n = number_from("STATES", USUAL);
    long ambiguous = 0;
    for (int w = 0; w < WORLDS; w++) {
        assert_int_equal(shield_fixture_try(&f, WORLD[w]), ERR_OK);
        monitor_init(&m, &f.root.shield, &f.topology, &f.root.plant);
        const long until = n / WORLDS * (w + 1);
        for (uint64_t e = (uint64_t)w << 32; t.states < until; e++) {
            play(&f, &m, &t, e);
            if (monitor_total(&m) > 0) {
                fail_msg("world %d, episode %llu: %s", w, (unsigned long long)e, m.first);
            }
        }
        ambiguous += m.ambiguous;
        shield_fixture_close(&f);
    }
    assert_int_equal(t.reasons, (1U << SHIELD_REASONS) - 1);
    assert_true(ambiguous < t.states / 5);
    print_message("%ld hostile states, no violation; %ld of them too near a rounding or too many "
                  "pods to judge exactly; every reason reached\n",
                  t.states, ambiguous);
}

/* ---- mutants ---- */

static void every_mutant_is_caught(void **state)
{
    (void)state;
    for (int i = 0; i < SHIELD_INVARIANTS; i++) {
        static struct shield_fixture f;
        static struct monitor m;
        struct tally t = {0};
        long caught = 0;
        for (int w = 0; w < WORLDS; w++) {
            assert_int_equal(shield_fixture_try(&f, WORLD[w]), ERR_OK);
            f.shield.switched_off = 1U << i;
            monitor_init(&m, &f.root.shield, &f.topology, &f.root.plant);
            for (uint64_t e = 0; e < MUTANT_STATES / LENGTH / WORLDS; e++) {
                play(&f, &m, &t, (uint64_t)w << 32 | e);
            }
            caught += m.violations[i];
            shield_fixture_close(&f);
        }
        print_message("without %-10s %6ld violations of it in %ld states\n",
                      shield_invariant_names[i], caught, t.states);
        assert_true(caught > 0);
    }
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_violation),
                                       cmocka_unit_test(every_mutant_is_caught)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
