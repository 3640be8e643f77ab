/* The fluid network against closed forms: M/M/1 processor sharing, stationary and not, conservation
 * of calls, overload, start-up; moments of sums and maxima; the same bits in any tile. */
#include "core/base/hash.h"
#include "core/plant/schema.h"
#include "core/twin/fluid.h"
#include "core/twin/queueing_plant.h"
#include "tests/unit/cluster_fixture.h"

#define OK(call) assert_int_equal((call), ERR_OK)

enum { CLOSED_FORM_PERIODS = 8, SERVICES_MAX = 8 };

/* A network of the services of a cluster_fixture, whose parameters are its true ones. */
struct scene {
    struct cluster_fixture w;
    const char *names[SERVICES_MAX];
    struct queueing q;
    struct fluid_cfg cfg;
    struct fluid_net net;
    struct fluid fluid;
    struct fluid_load load[64];
};

static void set(struct scene *s, int i, double value)
{
    s->q.params[i] = (struct queueing_param){value, value, value};
}

static void set_params(struct scene *s)
{
    const int n = s->w.topology.n_services;
    for (int i = 0; i < n; i++) {
        s->names[i] = s->w.services[i].name;
    }
    OK(queueing_init(&s->q, &s->w.arena, s->names, n));
    for (int i = 0; i < n; i++) {
        set(s, queueing_at_service(i, QUEUEING_DEMAND), s->w.topology.demand_s[i]);
        set(s, queueing_at_service(i, QUEUEING_VISITS), s->w.topology.visits[i]);
        set(s, queueing_at_service(i, QUEUEING_USABLE), 1.0);
    }
    set(s, queueing_at_whole(n, QUEUEING_START), 20.0);
    set(s, queueing_at_whole(n, QUEUEING_START_SD), 0.0);
    set(s, queueing_at_whole(n, QUEUEING_LAG), 7.5);
    set(s, queueing_at_whole(n, QUEUEING_SERVERS), 1.0);
    set(s, queueing_at_whole(n, QUEUEING_JOIN), 1.0);
    set(s, queueing_at_whole(n, QUEUEING_TAIL), 1.0);
    set(s, queueing_at_whole(n, QUEUEING_POD_MIB), 100.0);
    set(s, queueing_at_whole(n, QUEUEING_CALL_MIB), 1.0);
    set(s, queueing_at_whole(n, QUEUEING_CALL_KBIT), 16.0);
}

static void open_net(struct scene *s)
{
    OK(fluid_net_init(&s->net, &s->w.arena, &s->q, &s->w.topology, &s->w.plant_cfg, &s->cfg));
    OK(fluid_init(&s->fluid, &s->w.arena, &s->net));
}

static void begin(struct scene *s, double rps)
{
    fluid_begin(&s->fluid, &s->w.id, rps);
}

static void play(struct scene *s, double rps, const int32_t *delta)
{
    for (int i = 0; i < s->net.n_steps; i++) {
        s->load[i] = (struct fluid_load){rps, 1.0};
    }
    fluid_period(&s->fluid, delta, s->load);
}

static void open_chain(struct scene *s, int n, double rate)
{
    memset(s, 0, sizeof *s);
    fixture_chain(&s->w, n, rate);
    s->w.plant_cfg.timeout_s = 20.0;
    fixture_open(&s->w, 1);
    set_params(s);
    open_net(s);
}

static void open_diamond(struct scene *s)
{
    memset(s, 0, sizeof *s);
    fixture_diamond(&s->w);
    s->w.plant_cfg.timeout_s = 8.0;
    fixture_open(&s->w, 1);
    set_params(s);
}

/* M/M/1: mean number rho / (1 - rho), mean response 1 / (mu - lambda), at any number of pods. */
static void test_stationary(void **state)
{
    static const int32_t more[1] = {3}, none[1] = {0};
    static struct scene s;
    (void)state;
    open_chain(&s, 1, 50.0);
    for (int k = 1; k <= 9; k++) {
        const double rho = 0.1 * k;
        for (int pods = 1; pods <= 4; pods += 3) {
            begin(&s, 50.0 * rho);
            play(&s, 50.0 * rho * pods, pods > 1 ? more : none);
            for (int t = 0; t < CLOSED_FORM_PERIODS; t++) {
                play(&s, 50.0 * rho * pods, none);
            }
            int ready = 0;
            for (int i = 0; i < s.net.first_pod[1]; i++) {
                const struct fluid_pod *p = &s.fluid.pods[i];
                if (p->state == FLUID_READY) {
                    assert_true(fabs(p->x - rho / (1.0 - rho)) < 0.02 * (1.0 + p->x));
                    ready++;
                }
            }
            assert_int_equal(ready, pods);
            const double mean = s.fluid.services[0].whole.mean;
            assert_true(fabs(mean * (50.0 - 50.0 * rho) - 1.0) < 0.02);
        }
    }
    fixture_close(&s.w);
}

/* The mean number of calls of M/M/1 with room for 164, from the equations of its probabilities. */
static double exact_after(double *p, double arrive, double rate, double seconds)
{
    enum { MOST = 164, STEPS = 4000 };
    const double h = seconds / STEPS;
    double mean = 0.0;
    for (int step = 0; step < STEPS; step++) {
        double up = 0.0; /* flow from the state below */
        for (int k = 0; k <= MOST; k++) {
            const double on = k < MOST ? arrive * p[k] : 0.0;
            const double down = k < MOST ? rate * p[k + 1] : 0.0;
            p[k] += h * (up + down - on - (k > 0 ? rate * p[k] : 0.0));
            up = on;
        }
    }
    for (int k = 0; k <= MOST; k++) {
        mean += k * p[k];
    }
    return mean;
}

/* A load that rises from 0.4 to 0.9 or beyond what a pod answers, and falls again: the mean follows
 * the exact one, where that of a stationary queue would be up to 6 % too large. */
static void test_growth(void **state)
{
    static const int32_t none[1] = {0};
    static const double of[] = {0.5, 0.65, 0.8, 0.9, 0.9, 0.9, 0.7, 0.5, 0.4};
    static struct scene s;
    static double p[165 + 1];
    (void)state;
    open_chain(&s, 1, 12.5);
    begin(&s, 12.5 * 0.4);
    p[0] = 1.0;
    (void)exact_after(p, 12.5 * 0.4, 12.5, 60.0);
    for (int t = 0; t < 9; t++) {
        const double exact = exact_after(p, 12.5 * of[t], 12.5, s.w.plant_cfg.period_s);
        play(&s, 12.5 * of[t], none);
        assert_true(fabs(s.fluid.pods[0].x / exact - 1.0) < 0.03);
    }
    fixture_close(&s.w);
}

/* Its diffusion leaves the mean number of calls within 3 % of that of a steady state. */
static void test_noise(void **state)
{
    static const int32_t none[1] = {0};
    static struct scene s;
    (void)state;
    open_chain(&s, 1, 12.5);
    s.cfg.noise = 0.3;
    open_net(&s);
    for (int k = 5; k <= 9; k += 2) {
        const double rho = 0.1 * k;
        double sum = 0.0;
        begin(&s, 12.5 * rho);
        for (int t = 0; t < 2000; t++) {
            play(&s, 12.5 * rho, none);
            sum += s.fluid.pods[0].x / 2000.0;
        }
        assert_true(fabs(sum / (rho / (1.0 - rho)) - 1.0) < 0.035);
    }
    fixture_close(&s.w);
}

/* received = answered + failed + change of requests in flight, and of a service
 * arrivals = departures + refused + change of x, whatever is decided. */
static void test_conservation(void **state)
{
    static struct scene s;
    (void)state;
    open_diamond(&s);
    s.cfg.noise = 1.0;
    open_net(&s);
    begin(&s, 200.0);
    for (uint32_t t = 0; t < 60; t++) {
        const struct rng_block u = rng_philox(rng_key(3, RNG_TEST, RNG_TRAIN), t, 0, 0, 0);
        int32_t delta[4];
        for (int i = 0; i < 4; i++) {
            delta[i] = (int32_t)rng_below(u.v[i], 7) - 3;
        }
        const double before = s.fluid.inflight;
        play(&s, 100.0 + (double)(u.v[0] % 900), delta);
        const struct plant_truth *truth = &s.fluid.truth;
        assert_true(fabs(before + truth->received - truth->answered - truth->failed -
                         truth->inflight) < 1e-6 * (1.0 + truth->received));
        assert_true(truth->compliant <= truth->answered &&
                    truth->answered_legit <= truth->answered);
        for (int i = 0; i < s.net.first_pod[4]; i++) {
            assert_true(s.fluid.pods[i].x >= 0.0 && s.fluid.pods[i].x <= 164.0 + 1e-9);
        }
        for (int i = 0; i < state_size(4); i++) {
            assert_true(isfinite(s.fluid.state[i]));
        }
    }
    fixture_close(&s.w);
}

/* Twice what a pod answers: half is answered, at full CPU, and the queue is full. */
static void test_overload(void **state)
{
    static const int32_t none[1] = {0};
    static struct scene s;
    (void)state;
    open_chain(&s, 1, 50.0);
    begin(&s, 10.0);
    for (int t = 0; t < 10; t++) {
        play(&s, 100.0, none);
    }
    assert_true(fabs(s.fluid.services[0].out - 50.0) < 0.5);
    assert_true(fabs(s.fluid.truth.used_m_mean - 1000.0) < 15.0);
    assert_true(fabs(s.fluid.pods[0].x - 164.0) < 1.0);
    assert_true(fabs(s.fluid.truth.answered / (s.fluid.truth.answered + s.fluid.truth.failed) -
                     0.5) < 0.03);
    assert_true(fabsf(s.fluid.state[SF_QUEUE] - 100.0F) < 1.0F);
    fixture_close(&s.w);
}

/* A service whose callee is too slow keeps its calls: its slots fill, and it computes less. */
static void test_back_pressure(void **state)
{
    static const int32_t none[2] = {0, 0};
    static struct scene s;
    (void)state;
    open_chain(&s, 2, 200.0);
    set(&s, queueing_at_service(1, QUEUEING_DEMAND), 0.1);
    open_net(&s);
    begin(&s, 1.0);
    for (int t = 0; t < 10; t++) {
        play(&s, 60.0, none);
    }
    assert_true(s.fluid.services[0].waiting > 50.0);
    assert_true(s.fluid.pods[0].x > 50.0);
    assert_true(s.fluid.services[0].out < 30.0);
    fixture_close(&s.w);
}

/* Without spread a pod is ready 20 s after it was added; the state shows it 7.5 s later. */
static void test_start(void **state)
{
    static const int32_t more[1] = {2}, none[1] = {0};
    static struct scene s;
    static const float seen[] = {1, 3, 3, 3};
    (void)state;
    open_chain(&s, 1, 50.0);
    begin(&s, 10.0);
    play(&s, 10.0, more);
    for (int t = 0; t < 4; t++) {
        assert_true(s.fluid.state[SF_READY] == seen[t]);
        assert_true(s.fluid.state[SF_DESIRED] == 3.0F);
        play(&s, 10.0, none);
    }
    fixture_close(&s.w);
}

/* The node has room for 16 pods of one core; the others wait, and the request stops there. */
static void test_room(void **state)
{
    static const int32_t most[1] = {9};
    static struct scene s;
    (void)state;
    memset(&s, 0, sizeof s);
    fixture_chain(&s.w, 1, 50.0);
    s.w.topology_cfg.node_cpu_m = 4500.0;
    fixture_open(&s.w, 1);
    set_params(&s);
    open_net(&s);
    begin(&s, 10.0);
    for (int t = 0; t < 4; t++) {
        play(&s, 10.0, most);
    }
    assert_true(s.fluid.state[SF_DEPLOYED] == 10.0F && s.fluid.state[SF_READY] == 4.0F);
    assert_true(fabs(s.fluid.truth.requested_m_mean - 4000.0) < 1e-6);
    fixture_close(&s.w);
}

/* Sums of exponential times are gamma distributed; the longer of two exponential times has the mean
 * a + b - ab / (a + b). */
static void test_sojourn(void **state)
{
    const struct sojourn one = {1.0, 1.0, 0.0}, two = {2.0, 4.0, 0.0};
    (void)state;
    assert_true(fabs(sojourn_within(one, 1.0) - (1.0 - exp(-1.0))) < 0.01);
    assert_true(fabs(sojourn_within(one, 3.0) - (1.0 - exp(-3.0))) < 0.01);
    const struct sojourn sum = sojourn_sum(one, one);
    assert_true(fabs(sojourn_within(sum, 2.0) - (1.0 - 3.0 * exp(-2.0))) < 0.005);
    const struct sojourn last = sojourn_last(one, two);
    assert_true(fabs(last.mean - (3.0 - 2.0 / 3.0)) < 1e-12);
    assert_true(fabs(last.var - (2.0 * (5.0 - 4.0 / 9.0) - last.mean * last.mean)) < 1e-12);
    const struct sojourn far = sojourn_last((struct sojourn){100.0, 1.0, 0.0}, one);
    assert_true(fabs(far.mean - 100.0) < 1e-9 && fabs(far.var - 1.0) < 1e-9);
    /* E(T | T <= 1) of an exponential time: 1 - exp(-1) / (1 - exp(-1)) */
    assert_true(fabs(sojourn_mean_within(one, 1.0) - (1.0 - exp(-1.0) / (1.0 - exp(-1.0)))) < 0.02);
    assert_true(fabs(sojourn_normal(1.96) - 0.9750021) < 1e-6);
    assert_true(sojourn_within((struct sojourn){0.5, 0.0, 0.0}, 1.0) == 1.0);
    /* A log-normal time of mean 1 and variance e - 1 has the median exp(-1/2). */
    const struct sojourn mixed = {1.0, exp(1.0) - 1.0, exp(1.0) - 1.0};
    assert_true(fabs(sojourn_within(mixed, exp(-0.5)) - 0.5) < 1e-6);
}

/* Several servers: less waits at the same utilisation, and u(x) is the inverse of x(u). */
static void test_closure(void **state)
{
    static struct scene s;
    (void)state;
    open_chain(&s, 1, 50.0);
    set(&s, queueing_at_whole(1, QUEUEING_SERVERS), 4.0);
    open_net(&s);
    for (int k = 1; k < 20; k++) {
        double slope, ahead;
        const double u = 0.05 * k, x = fluid_calls_at(u, 4.0);
        assert_true(fabs(fluid_utilisation(&s.net, x, &slope) - u) < 0.005);
        const double next = fluid_utilisation(&s.net, x + 1e-4, &ahead);
        assert_true(fabs((next - fluid_utilisation(&s.net, x, &ahead)) / 1e-4 - slope) < 0.05);
    }
    fixture_close(&s.w);
}

/* ---- as a plant ---- */

enum { ENVS = 16, STEPS = 12 };

static uint64_t hash_of(const struct plant *p, int lid)
{
    const uint64_t h =
        hash_fnv1a(HASH_START, plant_state(p, lid), (size_t)p->n_state * sizeof(float));
    return hash_fnv1a(h, plant_truth(p, lid), sizeof(struct plant_truth));
}

/* Environments first .. first + n - 1 of a training episode, in one plant: a hash of each. */
static void play_tile(uint64_t *out, struct scene *s, int first, int n)
{
    struct plant *p;
    int32_t delta[ENVS * 4];
    const struct twin_cfg use = {.kind = TWIN_QUEUEING,
                                 .noise = s->cfg.noise,
                                 .draw = s->cfg.draw,
                                 .demand_sd = s->cfg.demand_sd,
                                 .load_sd = s->cfg.load_sd};
    const struct twin_model model = {.cfg = &use, .queueing = &s->q};
    OK(queueing_plant_new(&p, &s->w.arena, &model, &s->w.plant_cfg, &s->w.topology, n));
    for (int i = 0; i < n; i++) {
        const struct episode_id id = {.seed = 4, .split = RNG_TRAIN, .env = (uint32_t)(first + i)};
        OK(plant_reset(p, i, &id, &s->w.schedule, STEPS));
        out[first + i] = HASH_START;
    }
    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < n * 4; i++) {
            delta[i] = (first * 4 + i + t) % 5 == 0 ? (t % 3) - 1 : 0;
        }
        OK(plant_step(p, delta, NULL, NULL));
        for (int i = 0; i < n; i++) {
            out[first + i] = out[first + i] * 31 + hash_of(p, i);
        }
    }
}

static void test_tiles(void **state)
{
    static struct scene s;
    uint64_t whole[ENVS], parts[ENVS];
    (void)state;
    open_diamond(&s);
    s.cfg = (struct fluid_cfg){.noise = 0.3, .draw = 1.0, .demand_sd = 0.05, .load_sd = 0.05};
    for (int i = 0; i < s.q.n; i++) {
        s.q.params[i].hi *= 1.1;
    }
    fixture_rate(&s.w, 0, FIXTURE_SECONDS, 200.0, 50.0);
    play_tile(whole, &s, 0, ENVS);
    for (int first = 0; first < ENVS; first += 4) {
        play_tile(parts, &s, first, 4);
    }
    assert_memory_equal(whole, parts, sizeof whole);
    for (int i = 1; i < ENVS; i++) {
        assert_true(whole[i] != whole[0]);
    }
    play_tile(parts, &s, 0, ENVS);
    assert_memory_equal(whole, parts, sizeof whole);
    fixture_close(&s.w);
}

/* A learned attacker that does nothing changes nothing; what another one pays for is received, and
 * its load ends with its budget, so that the episode ends with the legitimate load alone. */
static void test_attacker(void **state)
{
    static struct scene s;
    const struct twin_cfg use = {.kind = TWIN_QUEUEING};
    const struct twin_model model = {.cfg = &use, .queueing = &s.q};
    struct plant *p[3];
    double paid = 0.0, came = 0.0;
    const int32_t delta[4] = {0};
    const struct attack_action none = {.data_change = 2}, up = {.rate_change = 1};
    const struct attack_action *const attack[] = {NULL, &none, &up};
    (void)state;
    open_diamond(&s);
    fixture_rate(&s.w, 0, FIXTURE_SECONDS, 200.0, 0.0);
    s.w.plant_cfg.attack_requests = 5000.0 / (200.0 * FIXTURE_SECONDS);
    for (int k = 0; k < 3; k++) {
        const struct episode_id id = {.seed = 4, .split = RNG_DEV};
        OK(queueing_plant_new(&p[k], &s.w.arena, &model, &s.w.plant_cfg, &s.w.topology, 1));
        OK(plant_reset(p[k], 0, &id, &s.w.schedule, STEPS));
        assert_true(plant_attack_left(p[k], 0).crashes == 0.0);
    }
    for (int t = 0; t < STEPS; t++) {
        const double before = plant_attack_left(p[2], 0).requests;
        for (int k = 0; k < 3; k++) {
            OK(plant_step(p[k], delta, attack[k], NULL));
        }
        assert_true(hash_of(p[0], 0) == hash_of(p[1], 0));
        paid += before - plant_attack_left(p[2], 0).requests;
        came += plant_truth(p[2], 0)->received - plant_truth(p[0], 0)->received;
    }
    assert_true(near(paid, 5000.0) && plant_attack_left(p[2], 0).requests == 0.0);
    assert_true(fabs(came - paid) < 5.0 * sqrt(2.0 * STEPS * 15 * 200)); /* counts are noisy */
    assert_true(plant_truth(p[2], 0)->received == plant_truth(p[2], 0)->received_legit);
    fixture_close(&s.w);
}

/* Parameters are drawn in training alone, within their intervals. */
static void test_draws(void **state)
{
    static struct scene s;
    double lo = INFINITY, hi = 0.0;
    (void)state;
    open_chain(&s, 1, 50.0);
    s.q.params[queueing_at_service(0, QUEUEING_DEMAND)] =
        (struct queueing_param){0.02, 0.018, 0.03};
    s.cfg.draw = 1.0;
    open_net(&s);
    for (uint32_t i = 0; i < 200; i++) {
        const struct episode_id id = {.seed = 1, .split = RNG_TRAIN, .env = i};
        fluid_begin(&s.fluid, &id, 10.0);
        lo = fmin(lo, s.fluid.services[0].demand_s);
        hi = fmax(hi, s.fluid.services[0].demand_s);
    }
    assert_true(lo >= 0.018 && lo < 0.0185 && hi <= 0.03 && hi > 0.029);
    const struct episode_id dev = {.seed = 1, .split = RNG_DEV};
    fluid_begin(&s.fluid, &dev, 10.0);
    assert_true(s.fluid.services[0].demand_s == 0.02);
    fixture_close(&s.w);
}

/* A copy goes on as the original does, but for its draws. */
static void test_copy(void **state)
{
    static const int32_t none[4] = {0};
    static struct scene s;
    struct fluid copy;
    (void)state;
    open_diamond(&s);
    s.cfg.noise = 0.3;
    open_net(&s);
    OK(fluid_init(&copy, &s.w.arena, &s.net));
    begin(&s, 200.0);
    play(&s, 300.0, none);
    fluid_copy(&copy, &s.fluid, s.w.id.env);
    assert_memory_equal(copy.state, s.fluid.state, (size_t)state_size(4) * sizeof(float));
    play(&s, 300.0, none);
    fluid_period(&copy, none, s.load);
    assert_memory_equal(copy.state, s.fluid.state, (size_t)state_size(4) * sizeof(float));
    fixture_close(&s.w);
}

/* Pods that start become ready as told: none too many, none too few, in their order. */
static void test_meet(void **state)
{
    static const int32_t more[1] = {6}, none[1] = {0};
    (void)state;
    for (int ready = 1; ready <= 7; ready++) {
        static struct scene s;
        open_chain(&s, 1, 50.0);
        for (int i = 0; i < s.q.n; i++) {
            s.q.params[i].lo = s.q.params[i].hi = s.q.params[i].value;
        }
        begin(&s, 10.0);
        play(&s, 10.0, more);
        assert_int_equal(s.fluid.services[0].n_ready, 1);
        const double at_s = s.fluid.now + 7.5;
        fluid_meet(&s.fluid, 0, ready, at_s);
        while (s.fluid.now < at_s - 0.5 * s.net.dt) {
            fluid_pods_step(&s.fluid);
            s.fluid.now += s.net.dt;
        }
        assert_int_equal(s.fluid.services[0].n_ready, ready);
        for (int i = 0; i < 8; i++) {
            play(&s, 10.0, none);
        }
        assert_int_equal(s.fluid.services[0].n_ready, 7);
        fixture_close(&s.w);
    }
}

/* Without noise the counts of an episode are those of its load, to the last bit of a sum. */
static void test_still(void **state)
{
    static const int32_t none[4] = {0};
    static struct scene s;
    (void)state;
    open_diamond(&s);
    s.cfg.still = true;
    open_net(&s);
    begin(&s, 200.0);
    play(&s, 200.0, none);
    const double received = 200.0 * s.w.plant_cfg.period_s;
    assert_true(fabs(s.fluid.truth.received - received) < 1e-9 * received);
    assert_true(fabs(s.fluid.state[state_global_at(4, GF_ENTRY_5S)] - 200.0F) < 1e-2F);
    fixture_close(&s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stationary), cmocka_unit_test(test_growth),
        cmocka_unit_test(test_noise),      cmocka_unit_test(test_conservation),
        cmocka_unit_test(test_overload),   cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_start),      cmocka_unit_test(test_room),
        cmocka_unit_test(test_sojourn),    cmocka_unit_test(test_closure),
        cmocka_unit_test(test_tiles),      cmocka_unit_test(test_draws),
        cmocka_unit_test(test_attacker),   cmocka_unit_test(test_copy),
        cmocka_unit_test(test_meet),       cmocka_unit_test(test_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
