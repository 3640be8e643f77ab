/* The cluster simulator: examples worked by hand, lives of pods, measurement, and invariants under
 * random treatment. */
#include "core/cluster/share.h"
#include "tests/unit/cluster_world.h"
#include "tests/unit/heard.h"

#include <math.h>

static uint32_t draw(uint32_t i)
{
    return rng_philox(rng_key(1, RNG_TEST, RNG_TEST_SPLIT), i, 0, 0, 0).v[0];
}

/* ---- parts ---- */

static void test_agenda(void **state)
{
    (void)state;
    enum { BLOCKS = 3, N = BLOCKS * AGENDA_BLOCK };
    double at[N], least[BLOCKS];
    int32_t least_i[BLOCKS];
    struct sim_agenda a = {at, least, least_i, BLOCKS, 1};
    agenda_clear(&a);
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t v = draw(i);
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

/* Half a core. Job 0 of 1 CPU-second enters at 0, job 1 of 0.5 at 1: by then job 0 has 0.5 left, so
 * each needs 0.5 at 0.25/s: both end at 3, job 0 first. Job 2 of 0.25 enters at 2, when both have
 * 0.25 left: three at 1/6 /s end at 3.5. */
static void test_share_by_hand(void **state)
{
    (void)state;
    double tag[4];
    int32_t who[4];
    struct sim_pod p = {.tag = tag, .who = who};
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
    double tag[4];
    int32_t who[4];
    struct sim_pod p = {.tag = tag, .who = who};
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
    struct rng_block b = rng_philox(s->key_service, visit, request, s->id.episode, s->id.env);
    return rng_exponential(b.v[0]) * s->world->topology->demand_s[service];
}

/* s0 -> s1 with one slot each. Two requests at 1 s: the second waits until the first has been
 * through both services, because the first holds its slot at s0 while s1 works. */
static void test_caller_holds_its_slot(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 2, 1.0);
    w.topology_cfg.slots_per_pod = 1;
    w.plant_cfg.timeout_s = 100;
    struct sim *s = world_start(&w);
    world_request(s, 1.0);
    world_request(s, 1.0);
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
    world_close(&w);
}

/* The diamond, one request: a, then b and c side by side, each followed by its own call to d. Visit
 * numbers in pre-order: a 0, b 1, d below b 2, c 3, d below c 4. */
static void test_fan_out(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    w.plant_cfg.timeout_s = 100;
    for (int i = 0; i < 4; i++) {
        w.services[i].cpu_m = 1000;
        w.services[i].initial_replicas = i == 3 ? 2 : 1;
    }
    struct sim *s = world_start(&w);
    uint32_t request = 0;
    for (;; request++) { /* one whose calls to d go to two pods, so that they don't share a CPU */
        struct rng_block below_b = rng_philox(s->key_service, 2, request, s->id.episode, s->id.env);
        struct rng_block below_c = rng_philox(s->key_service, 4, request, s->id.episode, s->id.env);
        if (rng_below(below_b.v[1], 2) != rng_below(below_c.v[1], 2)) {
            break;
        }
    }
    s->legit.n = request;
    world_request(s, 0.0);
    sim_run(s, 50.0);
    double by_b = work_of(s, 1, request, 1) + work_of(s, 3, request, 2);
    double by_c = work_of(s, 2, request, 3) + work_of(s, 3, request, 4);
    assert_true(near(s->latency_s, work_of(s, 0, request, 0) + fmax(by_b, by_c)));
    assert_int_equal(s->hops, 5);
    assert_true(s->services[0].count.sent == 2.0 && s->services[3].count.received == 2.0);
    assert_true(s->answered == 1.0);
    world_close(&w);
}

/* One place only: the second of two requests is refused at once, and fails. */
static void test_refusal(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 1.0);
    w.topology_cfg.slots_per_pod = 1;
    w.topology_cfg.queue_per_pod = 1;
    struct sim *s = world_start(&w);
    world_request(s, 1.0);
    assert_true(s->entry_area.value == 1.0);
    world_request(s, 1.0);
    assert_true(s->entry_area.value == 0.0); /* the entry is full: not available */
    world_request(s, 1.0);
    assert_true(s->truth.failed == 1.0 && s->services[0].count.errors == 1.0);
    assert_true(s->resolved == 1.0 && s->received == 3.0);
    assert_true(sim_consistent(s));
    world_close(&w);
}

/* With a time-out of 0.1 s and calls of 1 s on average: whoever waits is dropped when its turn
 * comes, unless deadlines are not propagated. */
static void test_deadlines(void **state)
{
    (void)state;
    for (int propagate = 0; propagate < 2; propagate++) {
        struct world w;
        world_chain(&w, 2, 1.0);
        w.topology_cfg.slots_per_pod = 1;
        w.plant_cfg.timeout_s = 0.1;
        w.cluster_cfg.deadline_propagation = propagate == 1;
        struct sim *s = world_start(&w);
        for (int i = 0; i < 10; i++) {
            world_request(s, 1.0);
        }
        sim_run(s, 500.0);
        assert_int_equal(s->n_live, 0);
        assert_true(s->resolved == 10.0);
        /* Those that start before their deadline, all at 1.0, or do not look. */
        double worked = s->services[1].count.received;
        assert_true(propagate == 1 ? worked <= 1.0 : worked == 10.0);
        assert_true(s->truth.failed >= 9.0);
        world_close(&w);
    }
}

/* ---- the same episode ---- */

static void treat(struct world *w, uint32_t from, int periods)
{
    int n = w->topology.n_services * w->plant->n_env;
    for (int t = 0; t < periods; t++) {
        for (int i = 0; i < n; i++) {
            w->delta[i] = (int32_t)(draw(from + (uint32_t)(t * 64 + i)) % 7) - 3;
        }
        world_step(w);
    }
}

static void rough(struct world *w)
{
    world_rate(w, 0, WORLD_SECONDS, 180, 0);
    world_rate(w, 300, 600, 180, 500);
    world_event(w, EVENT_CRASH, -1, 100, 2000, 0.2);
    world_event(w, EVENT_SLOW, 1, 200, 300, 2.0);
    world_event(w, EVENT_NEIGHBOUR, -1, 250, 600, 0.7);
}

/* Arrivals are the same whatever the controller does. */
static void test_common_random_numbers(void **state)
{
    (void)state;
    struct world w;
    double received[2][40];
    struct plant_cohort cohort[2][WORLD_HORIZON * 3];
    world_diamond(&w);
    world_open(&w, 1);
    rough(&w);
    for (uint32_t run = 0; run < 2; run++) {
        world_reset(&w);
        for (int t = 0; t < 40; t++) {
            treat(&w, run * 100000 + (uint32_t)t, 1);
            received[run][t] = plant_truth(w.plant, 0)->received;
        }
        int n = 0;
        const struct plant_cohort *c = w.plant->ops->cohorts(w.plant, 0, &n);
        assert_int_equal(n, WORLD_HORIZON * 3);
        memcpy(cohort[run], c, sizeof cohort[run]);
    }
    double answered[2] = {0};
    for (int t = 0; t < 40; t++) {
        assert_true(received[0][t] == received[1][t]);
    }
    for (int i = 0; i < 40 * 3; i++) {
        assert_int_equal(cohort[0][i].received, cohort[1][i].received);
        assert_int_equal(cohort[0][i].received_legit, cohort[1][i].received_legit);
        answered[0] += cohort[0][i].answered;
        answered[1] += cohort[1][i].answered;
    }
    assert_true(answered[0] != answered[1]); /* the treatments did differ */
    world_close(&w);
}

/* The bits of an episode depend neither on its neighbours in the tile nor on what ran before. */
static void test_episode_is_its_identity(void **state)
{
    (void)state;
    enum { PERIODS = 22 };
    struct world alone, tile;
    world_diamond(&alone);
    world_diamond(&tile);
    world_open(&alone, 1);
    world_open(&tile, 3);
    rough(&alone);
    rough(&tile);
    world_reset(&alone);
    world_reset(&tile);
    struct episode_id other = {.seed = 9, .split = RNG_TRAIN, .env = 1, .episode = 1};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(plant_reset(tile.plant, i, &other, &tile.schedule, 100), ERR_OK);
    }
    treat(&tile, 5, 10); /* then the middle one starts anew */
    assert_int_equal(plant_reset(tile.plant, 1, &tile.id, &tile.schedule, 100), ERR_OK);
    size_t bytes = sizeof(float) * (size_t)alone.plant->n_state;
    for (int t = 0; t < PERIODS; t++) {
        assert_memory_equal(plant_state(tile.plant, 1), plant_state(alone.plant, 0), bytes);
        for (int i = 0; i < 4; i++) {
            int32_t d = (int32_t)(draw((uint32_t)(t * 4 + i)) % 7) - 3;
            alone.delta[i] = tile.delta[4 + i] = d;
            tile.delta[i] = -d;
        }
        world_step(&alone);
        world_step(&tile);
        assert_memory_equal(plant_truth(tile.plant, 1), plant_truth(alone.plant, 0),
                            sizeof(struct plant_truth));
    }
    world_close(&alone);
    world_close(&tile);
}

/* Environments that are not active stand still. */
static void test_inactive(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open(&w, 2);
    world_rate(&w, 0, WORLD_SECONDS, 100, 0);
    world_reset(&w);
    const uint8_t active[2] = {1, 0};
    assert_int_equal(plant_step(w.plant, w.delta, NULL, active), ERR_OK);
    assert_true(plant_truth(w.plant, 0)->received > 0.0);
    assert_true(plant_truth(w.plant, 1)->received == 0.0);
    assert_true(world_sim(&w, 1)->now == 0.0);
    world_close(&w);
}

/* ---- invariants under random treatment ---- */

static void test_conservation(void **state)
{
    (void)state;
    for (uint32_t e = 0; e < 4; e++) {
        struct world w;
        world_diamond(&w);
        w.cluster_cfg.deadline_propagation = e % 2 == 0;
        w.topology_cfg.limit_ratio = e % 3 == 0 ? 2.0 : 1.0;
        w.topology_cfg.node_cpu_m = e % 3 == 1 ? 9000 : 16000;
        w.id.episode = e;
        world_open(&w, 1);
        rough(&w);
        world_reset(&w);
        double inflight = plant_truth(w.plant, 0)->inflight;
        for (uint32_t t = 0; t < 36; t++) {
            treat(&w, e * 10000 + t * 64, 1);
            const struct plant_truth *truth = plant_truth(w.plant, 0);
            assert_true(truth->received ==
                        truth->answered + truth->failed + truth->inflight - inflight);
            assert_true(truth->compliant <= truth->answered);
            assert_true(truth->requested_m_mean <= w.topology_cfg.node_cpu_m + 1e-6);
            assert_true(truth->pods_failed_mean <= truth->pods_deployed_mean + 1e-9);
            assert_true(truth->entry_available_mean <= 1.0 + 1e-9);
            assert_true(cluster_consistent(w.plant));
            inflight = truth->inflight;
        }
        world_close(&w);
    }
}

/* Any acyclic graph: 8 services, calls from lower to higher numbers at random, several entries. */
static void test_random_graphs(void **state)
{
    (void)state;
    static const char *const names[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};
    for (uint32_t g = 0; g < 6; g++) {
        struct world w;
        const char *calls[8][8];
        bool called[8] = {false};
        world_diamond(&w);
        w.topology_cfg.n_services = 8;
        w.topology_cfg.slots_per_pod = g % 2 == 0 ? 4 : 64;
        w.topology_cfg.queue_per_pod = g % 3 == 0 ? 0 : 10;
        for (uint32_t i = 0; i < 8; i++) {
            int n = 0;
            for (uint32_t k = i + 1; k < 8; k++) {
                if (draw(g * 64 + i * 8 + k) % 3 == 0) {
                    calls[i][n++] = names[k];
                    called[k] = true;
                }
            }
            w.services[i] = world_service(names[i], 300, 100, 100, 5, 2);
            w.services[i].entry = !called[i];
            world_calls(&w.services[i], calls[i], n);
        }
        w.id.episode = g;
        world_open(&w, 1);
        rough(&w);
        world_rate(&w, 0, 300, 40, 20);
        world_reset(&w);
        int last = w.topology.n_entries - 1;
        struct attack_action up = {.entry = last, .rate_change = 2, .data_change = 1};
        for (uint32_t t = 0; t < 30; t++) {
            treat(&w, 31337 + g * 10000 + t * 64, 1);
            assert_int_equal(plant_step(w.plant, w.delta, &up, NULL), ERR_OK);
            assert_true(cluster_consistent(w.plant));
        }
        for (int e = 0; e <= last; e++) { /* load reaches every entry */
            assert_true(world_sim(&w, 0)->services[w.topology.entries[e]].count.received > 1000.0);
        }
        world_close(&w);
    }
}

/* Every request ends up in the cohort it arrived in. */
static void test_cohorts(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open(&w, 1);
    rough(&w);
    world_reset(&w);
    double answered = 0, compliant = 0, received = 0, latency = 0;
    double carried = plant_truth(w.plant, 0)->inflight;
    for (int t = 0; t < 60; t++) {
        const struct plant_truth *truth = world_step(&w);
        received += truth->received;
        answered += truth->answered;
        compliant += truth->compliant;
        latency += truth->latency_sum_ms;
    }
    int n = 0;
    const struct plant_cohort *c = w.plant->ops->cohorts(w.plant, 0, &n);
    for (int i = 0; i < n; i++) {
        received -= c[i].received;
        answered -= c[i].answered;
        compliant -= c[i].compliant;
        latency -= (double)c[i].latency_sum_ms;
        assert_true(c[i].compliant <= c[i].answered && c[i].answered <= c[i].received);
        assert_true(c[i].answered_legit <= c[i].received_legit);
    }
    assert_true(received == 0.0); /* what the warm-up left in flight is in no cohort */
    assert_true(answered >= 0.0 && answered <= carried);
    assert_true(compliant >= 0.0 && compliant <= carried);
    assert_true(fabs(latency) < 1e-3 * 1e6);
    world_close(&w);
}

static void test_no_allocation(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open(&w, 2);
    rough(&w);
    uint64_t before = mem_calls();
    world_reset(&w);
    treat(&w, 77, 22);
    assert_int_equal(mem_calls(), before);
    world_close(&w);
}

/* 20 times the capacity: every pod is full, nothing grows beyond its pool. */
static void test_flood(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open_under(&w, 200, 0);
    world_rate(&w, 30, WORLD_SECONDS, 200, 8000);
    world_reset(&w);
    double calm = world_step(&w)->inflight;
    world_step(&w);
    const struct plant_truth *t = world_step(&w);
    const struct sim *s = world_sim(&w, 0);
    assert_true(t->inflight > 10.0 * (calm + 1.0));
    assert_true(t->inflight <= 4.0 * 164.0); /* four pods at the entry */
    assert_true(s->n_touched <= 15 * 164);
    assert_true(t->entry_available_mean < 1.0);
    assert_true(t->failed > 0.9 * t->received);
    assert_true(t->received_legit < 0.05 * t->received);
    assert_true(cluster_consistent(w.plant));
    world_close(&w);
}

/* ---- lives of pods ---- */

static int count_state(const struct sim *s, int service, enum sim_pod_state state)
{
    int n = 0;
    for (int i = 0; i < s->world->n_pods; i++) {
        n += s->pods[i].state == state && s->pods[i].service == service;
    }
    return n;
}

/* start_sd_s 0: a pod asked for at 0 is ready at exactly start_s. */
static void test_start_up(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = world_start(&w);
    sim_scale(s, 0, 3);
    sim_settle(s);
    assert_int_equal(count_state(s, 0, POD_STARTING), 2);
    assert_true(s->node_cpu_m == 3000.0);
    sim_run(s, 19.999);
    assert_int_equal(s->services[0].n_ready, 1);
    sim_run(s, 20.0);
    assert_int_equal(s->services[0].n_ready, 3);
    assert_true(sim_consistent(s));
    world_close(&w);
}

/* Delays are normal(20, 6), at least 1 s: mean and spread over many pods. */
static void test_start_up_is_normal(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 100.0);
    w.services[0].max_replicas = 500;
    w.services[0].cpu_m = w.services[0].ram_mib = 1;
    struct sim *s = world_start(&w);
    sim_scale(s, 0, 401);
    sim_settle(s);
    double sum = 0, square = 0, least = 100;
    for (int i = 1; i <= 400; i++) {
        double d = s->pods[i].life_s;
        sum += d;
        square += d * d;
        least = d < least ? d : least;
    }
    double mean = sum / 400, sd = sqrt(square / 400 - mean * mean);
    assert_true(fabs(mean - 20.0) < 4.0 * 6.0 / sqrt(400.0));
    assert_true(fabs(sd - 6.0) < 4.0 * 6.0 / sqrt(800.0));
    assert_true(least >= 1.0);
    world_close(&w);
}

/* The node has room for 5 of 8 pods; the rest wait until one goes. */
static void test_pending(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 100.0);
    w.topology_cfg.node_cpu_m = 5500;
    struct sim *s = world_start(&w);
    sim_scale(s, 0, 8);
    sim_settle(s);
    assert_int_equal(count_state(s, 0, POD_PENDING), 3);
    sim_run(s, 60.0);
    assert_int_equal(s->services[0].n_ready, 5);
    assert_true(s->requested_area.value == 5000.0);
    sim_scale(s, 0, 7); /* takes a pending one */
    assert_int_equal(count_state(s, 0, POD_PENDING), 2);
    assert_int_equal(s->services[0].n_ready, 5);
    sim_pod_crash(s, 0); /* a crashed pod keeps its place */
    sim_run(s, 61.0);
    assert_int_equal(count_state(s, 0, POD_PENDING), 2);
    sim_scale(s, 0, 4); /* two pending ones, then the crashed one */
    sim_settle(s);
    assert_int_equal(count_state(s, 0, POD_PENDING), 0);
    assert_int_equal(count_state(s, 0, POD_CRASHED), 0);
    assert_int_equal(s->services[0].n_ready, 4);
    assert_true(s->node_cpu_m == 4000.0);
    world_close(&w);
}

/* Starting ones go first, then the youngest ready one. */
static void test_scale_down_order(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = world_start(&w);
    sim_scale(s, 0, 2);
    sim_settle(s);
    sim_run(s, 30.0); /* pod 1 became ready at 20 */
    sim_scale(s, 0, 3);
    sim_settle(s);
    sim_scale(s, 0, 2);
    assert_int_equal(s->services[0].n_ready, 2);
    assert_int_equal(count_state(s, 0, POD_STARTING), 0);
    sim_scale(s, 0, 1);
    assert_int_equal(s->services[0].n_ready, 1);
    assert_int_equal(s->services[0].ready[0], 0);
    world_close(&w);
}

/* A removed pod finishes what it has, keeps its CPU until then, and takes no new calls. */
static void test_drain(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 1.0);
    w.services[0].initial_replicas = 2;
    w.plant_cfg.timeout_s = 100;
    struct sim *s = world_start(&w);
    for (int i = 0; i < 12; i++) {
        world_request(s, 0.0);
    }
    int held = s->pods[1].held;
    assert_true(held > 0);
    sim_scale(s, 0, 1);
    assert_int_equal(s->pods[1].state, POD_DRAINING);
    assert_int_equal(s->services[0].n_pods, 1);
    assert_true(s->requested_area.value == 2000.0);
    for (int i = 0; i < 12; i++) {
        world_request(s, 0.0);
    }
    assert_int_equal(s->pods[1].held, held);
    double used = 0;
    for (int i = 0; i < held; i++) {
        used += s->pods[1].tag[i]; /* entered at virtual time 0 */
    }
    sim_run(s, w.cluster_cfg.grace_s - 0.1);
    assert_int_equal(s->pods[1].state, POD_FREE);
    assert_true(near(s->services[0].count.used_s, used));
    assert_true(s->requested_area.value == 1000.0);
    assert_true(s->truth.failed == 0.0);
    world_close(&w);
}

/* After the grace period what is left is lost, and fails. */
static void test_drain_out_of_grace(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 0.01); /* 100 s a call */
    w.services[0].initial_replicas = 2;
    w.plant_cfg.timeout_s = 600;
    struct sim *s = world_start(&w);
    for (int i = 0; i < 40; i++) {
        world_request(s, 0.0);
    }
    sim_scale(s, 0, 1);
    sim_run(s, w.cluster_cfg.grace_s - 0.1);
    int held = s->pods[1].held;
    double failed = s->truth.failed;
    assert_true(held > 5);
    sim_run(s, w.cluster_cfg.grace_s);
    assert_int_equal(s->pods[1].state, POD_FREE);
    assert_true(s->truth.failed == failed + held);
    assert_true(sim_consistent(s));
    world_close(&w);
}

/* A crash loses the pod's calls: callers waiting above fail, callees below go on as orphans. */
static void test_crash_in_the_middle(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 3, 1.0);
    w.plant_cfg.timeout_s = 100;
    struct sim *s = world_start(&w);
    for (int i = 0; i < 30; i++) {
        world_request(s, 0.0);
    }
    while (s->services[2].count.received < 3.0 || s->pods[1].computing < 2) {
        sim_run(s, s->now + 0.05);
    }
    int middle = s->pods[1].held, waiting = middle - s->pods[1].computing;
    assert_true(waiting > 0);
    double failed = s->truth.failed;
    sim_pod_crash(s, 1);
    assert_true(s->truth.failed == failed + middle);
    assert_true(sim_consistent(s));
    int orphans = 0;
    for (int i = 0; i < s->n_touched; i++) {
        orphans += s->calls[i].state != CALL_FREE && s->calls[i].parent == SIM_ORPHAN;
    }
    assert_int_equal(orphans, waiting);
    double up = s->services[1].up_area.value;
    assert_true(up == 0.0);
    sim_run(s, 400.0);
    assert_int_equal(s->n_live, 0);
    assert_true(sim_consistent(s));
    world_close(&w);
}

/* 10, 20, 40 ... 300 s, and 10 again after ten minutes of running. */
static void test_back_off(void **state)
{
    (void)state;
    static const double expected[] = {10, 20, 40, 80, 160, 300, 300};
    struct world w;
    world_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = world_start(&w);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        double at = s->now;
        sim_pod_crash(s, 0);
        assert_int_equal(s->services[0].n_failed, 1);
        assert_true(near(s->pods[0].life_s, at + expected[i]));
        sim_run(s, at + expected[i]);
        assert_int_equal(s->pods[0].state, POD_STARTING);
        assert_int_equal(s->services[0].n_failed, 0);
        sim_run(s, at + expected[i] + 20.0);
        assert_int_equal(s->pods[0].state, POD_READY);
    }
    sim_run(s, s->now + 600.0);
    double at = s->now;
    sim_pod_crash(s, 0);
    assert_true(near(s->pods[0].life_s, at + 10.0));
    world_close(&w);
}

/* Crash events: at p = 0.2 a minute, 400 pods crash like 400 (1 - 0.8^m) within m minutes. */
static void test_crash_hazard(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 100.0);
    w.services[0].max_replicas = w.services[0].initial_replicas = 400;
    w.services[0].cpu_m = w.services[0].ram_mib = 1;
    w.cluster_cfg.backoff_s = w.cluster_cfg.backoff_max_s = 10000;
    world_open(&w, 1);
    world_event(&w, EVENT_CRASH, 0, 0, 2000, 0.2);
    struct sim *s = world_reset(&w);
    sim_run(s, 120.0);
    double expected = 400 * (1 - 0.8 * 0.8), sd = sqrt(400 * 0.36 * 0.64);
    assert_true(fabs(s->services[0].n_failed - expected) < 4 * sd);
    world_close(&w);
}

/* ---- weather ---- */

/* No load, no events: no ticks. */
static void test_calm_has_no_ticks(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open_under(&w, 10, 0);
    world_event(&w, EVENT_SLOW, 2, 33.33, 10, 3.0);
    struct sim *s = world_reset(&w);
    assert_true(near(s->tick_s, 33.3));
    sim_run(s, 40.0);
    assert_true(s->services[2].slowdown == 3.0 && s->services[1].slowdown == 1.0);
    assert_true(near(s->tick_s, 40.1));
    sim_run(s, 50.0);
    assert_true(s->services[2].slowdown == 1.0);
    assert_true(s->tick_s == SIM_NEVER);
    world_close(&w);
}

/* 2 pods of weight 1000 and one of 500 want 1 + 1 + 0.5 cores of a node whose neighbour leaves 2:
 * in proportion to requests 0.8, 0.8, 0.4. With one pod of weight 1000 idle there is enough. */
static void test_contention(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 3, 0.01);
    w.services[2].cpu_m = 500;
    w.services[1].calls = NULL;
    w.services[1].n_calls = 0;
    w.services[1].entry = w.services[2].entry = true;
    w.services[0].n_calls = 0;
    w.topology_cfg.node_cpu_m = 4000;
    w.plant_cfg.timeout_s = 600;
    world_open(&w, 1);
    world_event(&w, EVENT_NEIGHBOUR, -1, 10, 100, 0.5);
    struct sim *s = world_reset(&w);
    for (int i = 0; i < 30; i++) {
        world_request(s, 9.0);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(s->pods[i].computing > 1);
        assert_true(s->pods[i].cores == s->services[i].cores);
    }
    sim_run(s, 11.0);
    assert_true(near(s->pods[0].cores, 0.8) && near(s->pods[1].cores, 0.8));
    assert_true(near(s->pods[2].cores, 0.4));
    assert_true(s->throttled);
    sim_run(s, 11.02); /* not at ticks only */
    sim_lose_calls(s, 0);
    share_announce(s, 0);
    sim_run(s, 11.03);
    assert_true(s->pods[1].cores == 1.0 && s->pods[2].cores == 0.5);
    assert_true(!s->throttled);
    for (int i = 0; s->pods[0].computing == 0; i++) {
        assert_in_range(i, 0, 30);
        world_request(s, 11.04);
    }
    sim_run(s, 11.04);
    assert_true(near(s->pods[0].cores + s->pods[1].cores + s->pods[2].cores, 2.0));
    assert_true(near(s->pods[0].cores, 0.8) && s->throttled);
    sim_run(s, 120.0);
    assert_true(s->tick_s == SIM_NEVER);
    world_close(&w);
}

/* ---- measurement ---- */

/* At the first decision the windows are full of the first second's load. */
static void test_first_state(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open_under(&w, 200, 0);
    world_reset(&w);
    assert_true(fabs(world_global(&w, GF_ENTRY_30S) - 200.0) < 4.0 * sqrt(200.0 / 30.0));
    assert_true(fabs(world_global(&w, GF_ENTRY_5S) - 200.0) < 4.0 * sqrt(200.0 / 5.0));
    assert_true(world_global(&w, GF_ANSWERED) > 0.99);
    assert_true(world_global(&w, GF_RESPONSE) > 40.0 && world_global(&w, GF_RESPONSE) < 80.0);
    /* CPU: 200/s x 5 ms; twice as many calls at d; 10 s utilisation near 1/2 at a. */
    assert_true(fabs(world_feature(&w, 0, SF_CPU) - 1000.0) < 100.0);
    assert_true(fabs(world_feature(&w, 3, SF_RECEIVED) - 400.0) < 40.0);
    assert_true(fabs(world_feature(&w, 0, SF_UTIL_10S) - 0.5) < 0.1);
    assert_true(world_feature(&w, 0, SF_DEPLOYED) == 4.0 && world_feature(&w, 1, SF_READY) == 5.0);
    assert_true(world_feature(&w, 2, SF_HPA_READY) == 3.0 && world_feature(&w, 3, SF_ID) == 3.0);
    assert_true(near(world_feature(&w, 2, SF_HPA_CPU) / world_feature(&w, 2, SF_CPU), 1.0) ||
                fabs(world_feature(&w, 2, SF_HPA_CPU) / world_feature(&w, 2, SF_CPU) - 1) < 1e-6);
    /* Traffic of d: 400 calls/s of 1000 bytes. */
    assert_true(fabs(world_feature(&w, 3, SF_NET_IN) - 3200.0) < 320.0);
    assert_true(plant_truth(w.plant, 0)->received == 0.0);
    world_close(&w);
}

/* The load steps at 30 s from 100 to 300. At 45 the newest scrape is of 37.5 s: 7.5 of the last
 * 10 s lie behind the step, 7.5 of the last 30 s. */
static void test_lag_and_windows(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 1, 1000.0);
    world_open(&w, 1);
    world_rate(&w, 0, 30, 100, 0);
    world_rate(&w, 30, WORLD_SECONDS, 300, 0);
    world_reset(&w);
    world_step(&w);
    world_step(&w);
    world_step(&w);
    double sd = sqrt(300.0);
    assert_true(fabs(world_global(&w, GF_ENTRY_5S) - 300.0) < 4.0 * sd / sqrt(5.0));
    assert_true(fabs(world_global(&w, GF_ENTRY_10S) - 250.0) < 4.0 * sd / sqrt(10.0));
    assert_true(fabs(world_global(&w, GF_ENTRY_30S) - 150.0) < 4.0 * sd / sqrt(30.0));
    assert_true(near(world_global(&w, GF_ENTRY_TREND),
                     world_global(&w, GF_ENTRY_10S) - world_global(&w, GF_ENTRY_30S)));
    assert_true(fabs(world_global(&w, GF_ENTRY_DIFF) - 150.0) < 4.0 * sd / sqrt(5.0));
    world_close(&w);
}

/* Scaled from 1 to 3 at 0, ready at 20. Decisions and newest scrapes:
 *   15: 7.5   starting                             -> set aside
 *   30: 22.5  one scrape since readiness           -> missing
 *   45: 37.5  sample before 20 + 30, pod < 5 min   -> set aside
 *   60: 52.5  whole window after readiness         -> ready
 */
static void test_hpa_partition(void **state)
{
    (void)state;
    static const double expected[][3] = {{1, 2, 0}, {1, 0, 2}, {1, 2, 0}, {3, 0, 0}};
    struct world w;
    world_chain(&w, 1, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    world_open_under(&w, 60, 0);
    world_reset(&w);
    w.delta[0] = 2;
    for (int t = 0; t < 4; t++) {
        world_step(&w);
        assert_true(world_feature(&w, 0, SF_HPA_READY) == expected[t][0]);
        assert_true(world_feature(&w, 0, SF_HPA_IGNORED) == expected[t][1]);
        assert_true(world_feature(&w, 0, SF_HPA_MISSING) == expected[t][2]);
    }
    assert_true(fabs(world_feature(&w, 0, SF_HPA_CPU) - 600.0) < 100.0);
    assert_true(world_feature(&w, 0, SF_DESIRED) == 3.0);
    world_close(&w);
}

/* Desired replicas are clipped to the service's range; the present wish is shown. */
static void test_clipping(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open(&w, 1);
    world_reset(&w);
    w.delta[0] = 100;
    w.delta[1] = -100;
    w.delta[2] = INT32_MAX;
    world_step(&w);
    assert_true(world_feature(&w, 0, SF_DESIRED) == 10.0);
    assert_true(world_feature(&w, 1, SF_DESIRED) == 1.0);
    assert_true(world_feature(&w, 2, SF_DESIRED) == 10.0);
    world_close(&w);
}

/* Truth of a quiet period: exact means. */
static void test_truth_means(void **state)
{
    (void)state;
    struct world w;
    world_chain(&w, 2, 100.0);
    w.cluster_cfg.start_sd_s = 0;
    struct sim *s = world_start(&w);
    w.delta[0] = 2;
    const struct plant_truth *t = world_step(&w);
    assert_true(near(t->pods_deployed_mean, 4.0));
    assert_true(near(t->requested_m_mean, 4000.0));
    assert_true(near(t->entry_available_mean, 1.0) && near(t->service_available_mean, 1.0));
    sim_pod_crash(s, 1); /* s1 is away for 10 + 20 s */
    t = world_step(&w);
    assert_true(near(t->pods_failed_mean, 10.0 / 15.0));
    assert_true(near(t->service_available_mean, 0.5));
    assert_true(near(t->entry_available_mean, 1.0));
    world_close(&w);
}

/* ---- the learned attacker ---- */

static void test_attack_action(void **state)
{
    (void)state;
    struct world w;
    world_diamond(&w);
    world_open_under(&w, 200, 0);
    struct sim *s = world_reset(&w);
    struct attack_action up = {.entry = 0, .rate_change = 2, .data_change = 2};
    double legit[2];
    for (int t = 0; t < 2; t++) { /* each time 2 x 0.25 x 200 = 100/s more */
        assert_int_equal(plant_step(w.plant, w.delta, &up, NULL), ERR_OK);
        const struct plant_truth *truth = plant_truth(w.plant, 0);
        double attack = truth->received - truth->received_legit, mean = 1500.0 * (t + 1);
        assert_true(fabs(attack - mean) < 4.0 * sqrt(mean));
        legit[t] = truth->received_legit;
    }
    /* 0.2 a minute at most, halved every 30 s. */
    assert_true(s->services[0].attacked_p < 0.2 && s->services[0].attacked_p > 0.13);
    assert_true(s->services[1].attacked_p == 0.0);
    struct attack_action down = {.entry = 0, .rate_change = -2, .data_change = 0};
    for (int t = 0; t < 3; t++) {
        assert_int_equal(plant_step(w.plant, w.delta, &down, NULL), ERR_OK);
    }
    assert_true(s->extra_total == 0.0); /* never below nothing: legitimate load stays */
    assert_true(plant_truth(w.plant, 0)->received == plant_truth(w.plant, 0)->received_legit);
    for (int t = 0; t < 17; t++) {
        assert_int_equal(plant_step(w.plant, w.delta, &up, NULL), ERR_OK);
    }
    assert_true(near(s->extra_total, 8.0 * 200.0));
    assert_true(cluster_consistent(w.plant));
    world_reset(&w);
    for (int t = 0; t < 2; t++) {
        assert_true(world_step(&w)->received_legit == legit[t]);
    }
    world_close(&w);
}

/* A zero action leaves the bits as they are without an attacker. */
static void test_idle_attacker(void **state)
{
    (void)state;
    struct world w;
    struct plant_truth truth[2];
    struct attack_action idle = {0};
    world_diamond(&w);
    world_open(&w, 1);
    rough(&w);
    for (int run = 0; run < 2; run++) {
        world_reset(&w);
        for (int t = 0; t < 25; t++) {
            assert_int_equal(plant_step(w.plant, w.delta, run == 1 ? &idle : NULL, NULL), ERR_OK);
        }
        truth[run] = *plant_truth(w.plant, 0);
    }
    assert_memory_equal(&truth[0], &truth[1], sizeof truth[0]);
    world_close(&w);
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
        struct world w;
        world_diamond(&w);
        for (int i = 0; i < 4; i++) {
            w.services[i].initial_replicas = cases[k].replicas[i];
        }
        world_open_under(&w, cases[k].rps, 0);
        world_reset(&w);
        double received = 0, compliant = 0;
        for (int t = 0; t < 10; t++) {
            const struct plant_truth *truth = world_step(&w);
            received += truth->received;
            compliant += truth->compliant;
        }
        print_message("%g/s: compliance %.4f\n", cases[k].rps, compliant / received);
        assert_true(compliant / received > cases[k].least - 1e-12);
        assert_true(compliant / received <= cases[k].most);
        world_close(&w);
    }
}

/* ---- errors ---- */

static void test_errors(void **state)
{
    (void)state;
    struct world w;
    struct heard heard;
    world_diamond(&w);
    world_open(&w, 1);
    heard_begin(&heard);
    assert_int_equal(plant_reset(w.plant, 0, &w.id, &w.schedule, WORLD_HORIZON + 1), ERR_MISMATCH);
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
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agenda),
        cmocka_unit_test(test_share_by_hand),
        cmocka_unit_test(test_share_of_more_than_a_core),
        cmocka_unit_test(test_caller_holds_its_slot),
        cmocka_unit_test(test_fan_out),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_common_random_numbers),
        cmocka_unit_test(test_episode_is_its_identity),
        cmocka_unit_test(test_inactive),
        cmocka_unit_test(test_conservation),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_cohorts),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_start_up),
        cmocka_unit_test(test_start_up_is_normal),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_scale_down_order),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_out_of_grace),
        cmocka_unit_test(test_crash_in_the_middle),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_crash_hazard),
        cmocka_unit_test(test_calm_has_no_ticks),
        cmocka_unit_test(test_contention),
        cmocka_unit_test(test_first_state),
        cmocka_unit_test(test_lag_and_windows),
        cmocka_unit_test(test_hpa_partition),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_truth_means),
        cmocka_unit_test(test_attack_action),
        cmocka_unit_test(test_idle_attacker),
        cmocka_unit_test(test_nominal_and_overload),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
