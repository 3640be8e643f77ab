/* Coordinates: what is measured goes into them and comes back; whatever a network says, the account
 * of a period balances and shares are shares. And the transitions of a store, in these. */
#include "core/twin/feature_rows.h"
#include "tests/unit/twin_fixture.h"

#include <float.h>

enum { STEPS = 12, EPISODES = 9 };

/* ---- the account ---- */

static double word(uint32_t i, uint32_t k)
{
    return rng_open_f64(rng_philox(rng_key(3, RNG_SCENARIO, RNG_TRAIN), k, i, 0, 0).v[0]);
}

/* A period that can be: everything received before is resolved, or in flight. */
static struct plant_truth any_truth(uint32_t i, double before)
{
    const double received = floor(5000.0 * word(i, 0));
    const double inflight = floor((before + received) * word(i, 1));
    const double resolved = before + received - inflight;
    const double answered = i % 7 == 0 ? 0.0 : floor(resolved * word(i, 2));
    const double legit = i % 5 == 0 ? 0.0 : floor(received * word(i, 3));
    return (struct plant_truth){
        .received = received,
        .answered = answered,
        .compliant = floor(answered * word(i, 4)),
        .failed = resolved - answered,
        .latency_sum_ms = answered * 1000.0 * word(i, 5),
        .received_legit = legit,
        .answered_legit = fmin(answered, floor(legit * word(i, 6))),
        .inflight = inflight,
        .waiting_mean = 300.0 * word(i, 7),
        .pods_deployed_mean = 40.0 * word(i, 8),
        .pods_failed_mean = 4.0 * word(i, 9),
        .entry_available_mean = word(i, 10),
        .service_available_mean = word(i, 11),
        .requested_m_mean = 16000.0 * word(i, 12),
        .used_m_mean = 16000.0 * word(i, 13),
        .retries = floor(900.0 * word(i, 14)),
    };
}

/* Up to the rounding of floats; in flight are counted in thousands of a request, and where few are
 * resolved that is what everything made of them is off by. */
static void assert_close(double got, double want, double resolved, const char *what)
{
    if (!(fabs(got - want) <= (1e-5 + 2e-3 / (1.0 + resolved)) * fabs(want) + 2e-3)) {
        fail_msg("%s: %.9g, expected %.9g", what, got, want);
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3000; i++) {
        const double before = floor(400.0 * word(i, 20)), load = 300.0 * word(i, 21);
        const struct plant_truth t = any_truth(i, before);
        float in[FEATURES_KPIS];
        struct plant_truth got;
        features_kpis(in, &t, load, LINEAR_PERIOD_S);
        features_truth(&got, in, before, load, t.received > 0 ? t.received_legit / t.received : 0.0,
                       LINEAR_PERIOD_S);
        double a[PLANT_TRUTHS], b[PLANT_TRUTHS];
        memcpy(a, &got, sizeof a);
        memcpy(b, &t, sizeof b);
        for (int k = 0; k < PLANT_TRUTHS; k++) {
            assert_close(a[k], b[k], t.answered + t.failed, plant_truth_names[k]);
        }
    }
}

/* Shares, counts, nothing that is no number. */
static void assert_sound(const struct plant_truth *t, double before)
{
    double all[PLANT_TRUTHS];
    memcpy(all, t, sizeof all);
    for (int k = 0; k < PLANT_TRUTHS; k++) {
        if (!isfinite(all[k]) || (all[k] < 0.0 && k != 4)) {
            fail_msg("%s: %g", plant_truth_names[k], all[k]);
        }
    }
    const double resolved = t->answered + t->failed, change = t->inflight - before;
    assert_true(fabs(t->received - resolved - change) <= 1e-12 * (t->received + before));
    assert_true(t->compliant <= t->answered);
    assert_true(t->answered_legit <= t->answered);
    assert_true(t->received_legit <= t->received);
    assert_true(t->entry_available_mean <= 1.0 && t->service_available_mean <= 1.0);
}

static void test_whatever_is_said(void **state)
{
    (void)state;
    static const float odd[] = {0.0F, -0.0F, 1.0F, -1.0F, 1e6F, -1e6F, 1e15F, -1e15F, 1e-30F};
    for (uint32_t i = 0; i < 20000; i++) {
        const double before = i % 3 == 0 ? 0.0 : 500.0 * word(i, 20);
        const double load = i % 4 == 0 ? 0.0 : 300.0 * word(i, 21);
        float in[FEATURES_KPIS];
        struct plant_truth t;
        for (uint32_t k = 0; k < FEATURES_KPIS; k++) {
            const double u = word(i, k);
            in[k] = i % 2 == 0 ? odd[(int)(u * 8.99)] : (float)(6.0 * (u - 0.5));
        }
        features_truth(&t, in, before, load, word(i, 22), LINEAR_PERIOD_S);
        assert_sound(&t, before);
    }
}

/* ---- columns ---- */

static void open_linear(struct twin_fixture *w, struct features *features, struct dataset *d,
                        int history, void (*change)(struct linear_episode *m, int number))
{
    struct store store;
    linear_store(w->traces, 0, EPISODES, STEPS, change);
    OK(store_open(&store, &w->scene.arena, w->traces));
    OK(features_init(features, &w->scene.arena, &store.header, history));
    OK(dataset_read(d, &w->scene.arena, &store, features));
    store_close(&store);
}

static void test_columns(void **state)
{
    struct twin_fixture *w = *state;
    struct features s;
    struct dataset d;
    open_linear(w, &s, &d, 2, NULL);
    assert_int_equal(s.n_learned, 4);
    assert_int_equal(s.n_target, 4 + FEATURES_KPIS);
    assert_int_equal(s.n_in, 2 * LINEAR_S + LINEAR_N + STORE_ATTACK + 3);
    assert_int_equal(s.desired_at[0], WEB_DESIRED);
    assert_int_equal(s.desired_at[1], DB_DESIRED);
    assert_true(s.columns[WEB_DESIRED].whole && !s.columns[WEB_DESIRED].learned);
    const struct features_column level = {
        .root = true, .lo = 0.0F, .least = 0.0F, .most = 900.0F, .hi = 900.0F};
    const struct features_column pods = {
        .whole = true, .lo = 1.0F, .least = 1.0F, .most = 6.0F, .hi = 6.0F};
    const struct features_column part = {.lo = 0.0F, .least = 0.1F, .most = 0.8F, .hi = 1.0F};
    assert_true(features_decode(&level, features_encode(&level, 400.0F)) == 400.0F);
    assert_true(features_decode(&level, 31.0F) == 900.0F);
    assert_true(features_decode(&level, -3.0F) == 0.0F);
    assert_true(features_encode(&level, -3.0F) == 0.0F);
    assert_true(features_decode(&pods, 2.49F) == 2.0F && features_decode(&pods, 2.5F) == 3.0F);
    assert_true(features_decode(&level, NAN) == 0.0F && features_decode(&pods, NAN) == 1.0F);
    assert_true(features_decode(&pods, -9.0F) == 1.0F && features_decode(&pods, 99.0F) == 6.0F);
    assert_true(features_clamp(&part, 0.1F) == 0.0F && features_clamp(&part, 0.8F) == 1.0F);
    assert_true(features_clamp(&part, 0.11F) == 0.11F && features_clamp(&part, 0.79F) == 0.79F);
}

static void test_unknown_column(void **state)
{
    struct twin_fixture *w = *state;
    static const char *const columns[LINEAR_S] = {"web.desired", "web.cpu", "db.desired",
                                                  "db.mood",     "a",       "b"};
    struct store_header h = linear_header();
    struct features s;
    h.columns = columns;
    assert_int_equal(features_init(&s, &w->scene.arena, &h, 1), ERR_FORMAT);
    assert_non_null(strstr(w->scene.log.last, "'db.mood'"));
}

/* A recording has other counters than plant_truth, or none: a twin of states. */
static void test_other_truths(void **state)
{
    struct twin_fixture *w = *state;
    static const char *const kpis[1] = {"received"};
    struct store_header h = linear_header();
    struct features s;
    h.truths = kpis;
    h.n_truths = 1;
    OK(features_init(&s, &w->scene.arena, &h, 1));
    assert_int_equal(s.n_kpis, 0);
    assert_int_equal(s.n_target, s.n_learned);
}

/* `deployed` was measured too rarely: it stays 0, and `ready` is counted from `desired`. */
static void test_count_not_held(void **state)
{
    struct twin_fixture *w = *state;
    static const char *const columns[LINEAR_S] = {"web.desired", "web.deployed", "web.ready",
                                                  "db.desired",  "db.ready",     "entry_30s"};
    uint8_t held[LINEAR_S] = {1, 0, 1, 0, 1, 1};
    struct store_header h = linear_header();
    struct features s;
    h.columns = columns;
    h.n_truths = 0;
    OK(features_init(&s, &w->scene.arena, &h, 1));
    assert_int_equal(s.columns[1].gap, PODS_DEPLOYED);
    const struct dataset d = {.features = &s, .held = held};
    dataset_mark_exact(&s, &d);
    assert_int_equal(s.columns[1].gap, PODS_PLAIN);
    assert_int_equal(s.columns[2].gap, PODS_READY);
    assert_int_equal(s.columns[4].gap, PODS_PLAIN); /* nothing is left to count from */
    assert_true(s.columns[4].lo == 0.0F);
    assert_int_equal(s.n_learned, 3);
    float now[LINEAR_S] = {5, 0, 3, 0, 2, 10};
    assert_true(features_value(&s, 2, now) == 2.0F);
    for (int t = 0; t < 3; t++) {
        const int32_t delta[LINEAR_N] = {1, 1};
        const float *states[1] = {now};
        float next[LINEAR_S];
        const struct pods_decision decision = {.states = states, .history = 1, .delta = delta};
        memcpy(next, now, sizeof next);
        next[2] = 1.0F; /* its gap */
        pods_answer(next, &s.pods, &decision);
        pods_bound(next, NULL, &s.pods, &decision);
        assert_true(next[0] == now[0] + 1.0F && next[1] == 0.0F && next[2] == next[0] - 1.0F);
        assert_true(next[3] == 0.0F && next[4] == 2.0F);
        memcpy(now, next, sizeof now);
    }
}

/* ---- transitions ---- */

static void test_transitions(void **state)
{
    struct twin_fixture *w = *state;
    struct features s;
    struct dataset d;
    static struct linear_episode m;
    open_linear(w, &s, &d, 3, NULL);
    assert_int_equal(d.n_rows, EPISODES * (STEPS + 1));
    int total = 0;
    for (int p = 0; p < STORE_PARTS; p++) {
        total += d.n_at[p];
        for (int k = 0; k < d.n_at[p]; k++) {
            const int row = d.at[p][k], number = d.episode[row];
            const int t = row - d.episodes[number].first_row;
            const float *states[FEATURES_HISTORY_MAX];
            float loads[FEATURES_HISTORY_MAX + 1], target[4 + FEATURES_KPIS];
            linear_play(&m, number, STEPS);
            assert_int_equal(d.episodes[number].part, p);
            assert_true(t < STEPS);
            dataset_history(states, loads, &d, row);
            for (int back = 0; back < 3; back++) {
                const int at = t - back > 0 ? t - back : 0;
                assert_memory_equal(states[back], m.state + (ptrdiff_t)at * LINEAR_S,
                                    LINEAR_S * sizeof(float));
                assert_true(loads[back] == m.load[at]);
            }
            dataset_target(target, &d, row);
            assert_true(target[0] == m.state[(t + 1) * LINEAR_S + WEB_CPU]);
            assert_true(target[3] == m.state[(t + 1) * LINEAR_S + ENTRY_DIFF]);
            assert_true(target[4 + KPI_LATENCY] == sqrtf(50.0F + m.load[t]) ||
                        fabsf(target[4 + KPI_LATENCY] - sqrtf(50.0F + m.load[t])) < 1e-5F);
            assert_memory_equal(d.delta + (ptrdiff_t)row * LINEAR_N, m.delta + t * LINEAR_N,
                                sizeof(int32_t) * LINEAR_N);
        }
    }
    assert_int_equal(total, EPISODES * STEPS);
    assert_true(d.n_at[STORE_TRAIN] > 0 && d.n_at[STORE_VALIDATION] > 0);
}

/* ---- whole rows ---- */

/* What loops that vectorise might do otherwise: signs of zero, halves, ends of the whole numbers.
 */
static const float odd[] = {0.0F,    -0.0F,       0.3F,       0.5F,       -0.5F,       -0.7F,
                            1.5F,    2.4999998F,  2.5F,       8388606.5F, 8388607.5F,  8388608.0F,
                            8388609, 16777216.0F, 4194304.5F, 3.0e9F,     -8388607.5F, 1.0e30F,
                            -1e30F,  INFINITY,    -INFINITY,  NAN};

/* Columns of every kind in turn, with narrow limits, wide ones and none to speak of. */
static void test_rows_are_columns(void **state)
{
    enum { KINDS = 2, LIMITS = 3, N_ODD = sizeof odd / sizeof *odd };
    static const float ends[LIMITS][4] = {{1.0F, 1.2F, 5.8F, 6.0F},
                                          {-20.0F, -19.5F, 8388607.5F, 9.0e6F},
                                          {-FLT_MAX, -FLT_MAX, FLT_MAX, FLT_MAX}};
    struct twin_fixture *w = *state;
    struct store_header h = linear_header();
    struct features s;
    OK(features_init(&s, &w->scene.arena, &h, 1));
    for (int v = 0; v < KINDS * KINDS * LIMITS; v++) {
        struct feature_rows r;
        float target[4 + FEATURES_KPIS], out[4 + FEATURES_KPIS];
        for (int i = 0; i < s.n_state + s.n_kpis; i++) {
            const float *end = ends[(v / 4 + i) % LIMITS];
            s.columns[i].whole = (v + i) % 2 == 0;
            s.columns[i].root = i < s.n_state && (v / 2 + i) % 2 == 0;
            const float floor = s.columns[i].root ? 0.0F : -FLT_MAX; /* of roots: none is below 0 */
            s.columns[i].lo = fmaxf(end[0], floor), s.columns[i].least = fmaxf(end[1], floor);
            s.columns[i].most = end[2], s.columns[i].hi = end[3];
        }
        OK(feature_rows_init(&r, &w->scene.arena, &s));
        for (int o = 0; o < N_ODD; o++) {
            for (int k = 0; k < s.n_target; k++) {
                target[k] = odd[(o + k) % N_ODD];
            }
            feature_rows_decode(out, &r, target);
            for (int k = 0; k < s.n_target; k++) {
                const bool learned = k < s.n_learned;
                const struct features_column *c =
                    &s.columns[learned ? s.learned_at[k] : s.n_state + k - s.n_learned];
                const float one =
                    learned ? features_decode(c, target[k]) : features_clamp(c, target[k]);
                assert_memory_equal(&out[k], &one, sizeof one);
            }
        }
    }
}

/* In episode 0, column 1 of row 5 was not measured. */
static void hole(struct linear_episode *m, int number)
{
    const int bit = 5 * LINEAR_S + 1;
    if (number == 0) {
        m->gaps[bit / 8] = (uint8_t)(1 << bit % 8);
        m->e.gaps = m->gaps;
    }
}

/* The row keeps the value before the gap, the target of the transition that ends there is none, and
 * nothing else is lost: three of four columns were measured. */
static void test_gaps(void **state)
{
    struct twin_fixture *w = *state;
    struct features s;
    struct dataset d;
    float target[4 + FEATURES_KPIS];
    for (int history = 1; history <= 3; history++) {
        open_linear(w, &s, &d, history, hole);
        int n = 0;
        for (int p = 0; p < STORE_PARTS; p++) {
            n += d.n_at[p];
        }
        assert_int_equal(n, EPISODES * STEPS);
        for (int row = 0; row < STEPS; row++) {
            dataset_target(target, &d, row);
            for (int i = 0; i < s.n_learned; i++) {
                const int column = s.learned_at[i];
                assert_int_equal(isnan(target[i]), row == 4 && column == 1);
                assert_int_equal(dataset_known(&d, row + 1, column), !(row == 4 && column == 1));
            }
        }
        assert_true(d.state[5 * LINEAR_S + 1] == d.state[4 * LINEAR_S + 1]);
    }
}

/* In episode 0 nothing but column 1 was measured in row 5, and column 1 nowhere else. */
static void holes(struct linear_episode *m, int number)
{
    for (int bit = 0; number == 0 && bit < (STEPS + 1) * LINEAR_S; bit++) {
        const bool known = (bit / LINEAR_S == 5) == (bit % LINEAR_S == 1);
        m->gaps[bit / 8] = (uint8_t)(m->gaps[bit / 8] | (known ? 0 : 1) << bit % 8);
        m->e.gaps = m->gaps;
    }
}

/* What was known once holds before and after; transitions of which too little was measured go. */
static void test_many_gaps(void **state)
{
    struct twin_fixture *w = *state;
    struct features s;
    struct dataset d;
    open_linear(w, &s, &d, 1, holes);
    for (int row = 0; row <= STEPS; row++) {
        assert_true(d.state[row * LINEAR_S + 1] == d.state[5 * LINEAR_S + 1]);
        assert_int_equal(d.whole[row], row < STEPS && row != 4 && row != 5);
    }
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, twin_fixture_setup, twin_fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_there_and_back), TEST_(test_whatever_is_said),
        TEST_(test_columns),        TEST_(test_unknown_column),
        TEST_(test_other_truths),   TEST_(test_count_not_held),
        TEST_(test_transitions),    TEST_(test_gaps),
        TEST_(test_many_gaps),      TEST_(test_rows_are_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
