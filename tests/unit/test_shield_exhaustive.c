/* Small bounds, searched completely: at most 4 replicas, a flap window of 3 decisions. Every number
 * of replicas from 0 to 6, every condition of the metrics, every history of three decisions, levels
 * of the load, and every proposal from -6 to 6: the monitor finds no violation.
 *
 * One service always. Two services share a load and a budget, all pairs: with EXHAUSTIVE=1
 * (`make proof-shield`), else a part of them. A history is made by decisions that happened, so only
 * histories that can occur are tried. */
#include "tests/unit/shield_fixture.h"

enum { PAST = 3, HISTORIES = 27, FEW_HISTORIES = 3, D_MAX = 6, LOADS = 5, PILES = 3, PROPOSED = 6 };
enum mode { CALM, UNREADY, PARTIAL, STALE, BLIND, FOREIGN, UNKNOWN, MODES };

#define WORLD(limits)                                                                              \
    "topology: {node_cpu_m: 4000, services: [\n"                                                   \
    "  {name: a, max_replicas: 4, initial_replicas: 1, entry: true, calls: [b]},\n"                \
    "  {name: b, max_replicas: 4, initial_replicas: 1, cpu_m: 700}]}\n"                            \
    "shield: {flips_max: 2, flap_window_s: 45, hold_s: 30, cooldown_s: 60, " limits "}\n"
static const char *const ONE =
    "topology: {node_cpu_m: 4000, services: [\n"
    "  {name: a, min_replicas: 1, max_replicas: 4, initial_replicas: 1, entry: true}]}\n"
    "shield: {flips_max: 2, flap_window_s: 45, hold_s: 30, cooldown_s: 60}\n";
static const double LOAD[LOADS] = {0.0, 0.3, 0.6, 0.9, 1.5};

/* Signs of the own changes three, two and one decisions ago. */
static void signs_of(int *signs, int history)
{
    for (int k = 0; k < PAST; k++, history /= 3) {
        signs[k] = history % 3 - 1;
    }
}

/* What is seen of all services at a decision: load, queue and growth by their levels. */
static void show(struct shield_fixture *f, double load, int pile, int tick)
{
    const double rate = f->topology.critical_rps * load;
    shield_fixture_calm(f, rate, tick);
    for (int s = 0; s < f->n; s++) {
        shield_fixture_set(f, s, SF_QUEUE, pile == 1 ? 500.0 : 0.0);
    }
    shield_fixture_global(f, GF_ENTRY_DIFF, (pile == 2 ? 0.6 * rate : 0.0) + 1e-3 * tick);
}

static void spoil(struct shield_fixture *f, enum mode mode)
{
    for (int s = 0; s < f->n; s++) {
        const double d = (double)f->state[state_service_at(s, SF_DESIRED)];
        if (mode == UNREADY) {
            shield_fixture_set(f, s, SF_READY, d > 0.0 ? d - 1.0 : 0.0);
            shield_fixture_set(f, s, SF_FAILED_PODS, d > 0.0 ? 1.0 : 0.0);
        } else if (mode == PARTIAL) {
            shield_fixture_set(f, s, SF_HPA_MISSING, 1.0);
        } else if (mode == STALE || mode == BLIND) {
            f->age[state_service_at(s, SF_CPU)] = 90.0F;
        } else if (mode == UNKNOWN) {
            shield_fixture_set(f, s, SF_DESIRED, (double)NAN);
        }
    }
}

/* Shield and monitor look at the present state. */
static void look(struct shield_fixture *f, struct monitor *m)
{
    const struct shield_view v = shield_fixture_view(f);
    shield_observe(&f->history, &f->shield, &v);
    monitor_look(m, f->state, f->age, f->now_s);
}

/* All services go through one history that ends at d replicas, and are looked at. false: there is
 * no such history, since a service cannot have fewer than 0. */
static bool arrive(struct shield_fixture *f, struct monitor *m, int d, enum mode mode, int history,
                   double load, int pile)
{
    int signs[PAST];
    int at = d;
    signs_of(signs, history);
    for (int k = 0; k < PAST; k++) {
        at -= signs[k];
        if (at < 0) {
            return false;
        }
    }
    shield_history_clear(&f->history, f->n);
    monitor_begin(m);
    f->now_s = 0.0;
    for (int k = 0; k < PAST; k++, f->now_s += 15.0) {
        int32_t delta[MONITOR_SERVICES];
        for (int s = 0; s < f->n; s++) {
            shield_fixture_set(f, s, SF_DESIRED, at);
            delta[s] = signs[k];
        }
        show(f, 0.3, 0, k);
        if (mode == BLIND && k > 0) {
            spoil(f, BLIND);
        }
        look(f, m);
        shield_executed(&f->history, &f->shield, delta);
        monitor_done(m, delta);
        at += signs[k];
    }
    for (int s = 0; s < f->n; s++) {
        shield_fixture_set(f, s, SF_DESIRED, mode == FOREIGN ? d + 3 : d);
    }
    show(f, load, pile, PAST);
    spoil(f, mode);
    look(f, m);
    return true;
}

static void judge(struct shield_fixture *f, struct monitor *m, const int32_t *proposed,
                  uint32_t *reasons)
{
    const struct shield_view v = shield_fixture_view(f);
    shield_decide(&f->verdict, &f->shield, &f->history, &v, proposed);
    monitor_judge(m, proposed, f->verdict.delta, f->state);
    if (monitor_total(m) > 0) {
        fail_msg("%s", m->first);
    }
    for (int s = 0; s < f->n; s++) {
        *reasons |= f->verdict.reasons[s];
    }
}

static void open_world(struct shield_fixture *f, struct monitor *m, const char *text)
{
    if (shield_fixture_try(f, text) != ERR_OK) {
        fail_msg("the world cannot be made");
    }
    monitor_init(m, &f->root.shield, &f->topology, &f->root.plant);
}

static void one_service(void **state)
{
    (void)state;
    static struct shield_fixture f;
    static struct monitor m;
    uint32_t reasons = 0;
    open_world(&f, &m, ONE);
    for (int code = 0; code < (D_MAX + 1) * MODES * HISTORIES * LOADS * PILES; code++) {
        const int d = code % (D_MAX + 1), rest = code / (D_MAX + 1);
        const enum mode mode = (enum mode)(rest % MODES);
        const int history = rest / MODES % HISTORIES, other = rest / MODES / HISTORIES;
        if (!arrive(&f, &m, d, mode, history, LOAD[other % LOADS], other / LOADS)) {
            continue;
        }
        for (int32_t p = -PROPOSED; p <= PROPOSED; p++) {
            judge(&f, &m, &p, &reasons);
        }
    }
    print_message("one service: %ld states and proposals, no violation\n", m.judged);
    assert_int_equal(m.ambiguous, 0);
    assert_true(m.judged > 100000);
    shield_fixture_close(&f);
}

/* ---- two services ---- */

/* One service at a decision, after a history. */
struct situation {
    float features[SERVICE_FEATURES], ages[SERVICE_FEATURES];
    struct shield_service_past past;
    struct monitor_service seen;
};
enum { SITUATIONS = (D_MAX + 1) * MODES * FEW_HISTORIES };
struct album {
    struct situation of[2][SITUATIONS];
    int n;
};

/* Histories that differ in what the flap budget allows: none, up after reversals, down after them.
 * */
static const int few[FEW_HISTORIES] = {13, 2 + 3 * 0 + 9 * 2, 0 + 3 * 2 + 9 * 0};

static void keep(struct situation *to, const struct shield_fixture *f, const struct monitor *m,
                 int s)
{
    memcpy(to->features, f->state + state_service_at(s, SF_ID), sizeof to->features);
    memcpy(to->ages, f->age + state_service_at(s, SF_ID), sizeof to->ages);
    to->past = *shield_service_past(&f->history, s);
    to->seen = m->service[s];
}

static void put(struct shield_fixture *f, struct monitor *m, const struct situation *from, int s)
{
    memcpy(f->state + state_service_at(s, SF_ID), from->features, sizeof from->features);
    memcpy(f->age + state_service_at(s, SF_ID), from->ages, sizeof from->ages);
    *shield_service_past(&f->history, s) = from->past;
    m->service[s] = from->seen;
}

static void fill(struct album *a, struct shield_fixture *f, struct monitor *m, double load)
{
    a->n = 0;
    for (int code = 0; code < SITUATIONS; code++) {
        const int d = code % (D_MAX + 1), rest = code / (D_MAX + 1);
        if (arrive(f, m, d, (enum mode)(rest % MODES), few[rest / MODES], load, 0)) {
            keep(&a->of[0][a->n], f, m, 0);
            keep(&a->of[1][a->n], f, m, 1);
            a->n++;
        }
    }
}

static void pairs(struct shield_fixture *f, struct monitor *m, struct album *a, int stride,
                  uint32_t *reasons)
{
    int skip = 0;
    for (int x = 0; x < a->n; x++) {
        for (int y = 0; y < a->n; y++) {
            if (skip++ % stride != 0) {
                continue;
            }
            put(f, m, &a->of[0][x], 0);
            put(f, m, &a->of[1][y], 1);
            for (int code = 0; code < 81; code++) {
                const int32_t proposed[2] = {code % 9 - 4, code / 9 - 4};
                judge(f, m, proposed, reasons);
            }
        }
    }
}

static void two_services(void **state)
{
    (void)state;
    static const char *const worlds[] = {WORLD("floor_load: 1"), WORLD("quota_pods: 5"),
                                         WORLD("quota_cpu_m: 2500, step_out: 2")};
    static struct shield_fixture f;
    static struct monitor m;
    static struct album a;
    uint32_t reasons = 0;
    long judged = 0;
    const int stride = getenv("EXHAUSTIVE") != NULL ? 1 : 101;
    for (int w = 0; w < 3; w++) {
        open_world(&f, &m, worlds[w]);
        for (int l = 1; l < LOADS; l++) {
            fill(&a, &f, &m, LOAD[l]);
            pairs(&f, &m, &a, stride, &reasons);
        }
        judged += m.judged;
        assert_int_equal(m.ambiguous, 0);
        shield_fixture_close(&f);
    }
    print_message("two services: %ld states and proposals, no violation%s\n", judged,
                  stride > 1 ? " (a part of all; EXHAUSTIVE=1 tries all)" : "");
    assert_true((reasons >> SHIELD_REASON_QUOTA & 1U) != 0 &&
                (reasons >> SHIELD_REASON_NODE & 1U) != 0);
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_service),
                                       cmocka_unit_test(two_services)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
