/* Episodes of the cluster under random treatment: the same ones have the same bits, whoever plays
 * beside them, and whatever is done to them, the books balance. */
#include "tests/unit/cluster_fixture.h"

#include <math.h>

static uint32_t draw(uint32_t i)
{
    return rng_philox(rng_key(1, RNG_TEST, RNG_TEST_SPLIT), i, 0, 0, 0).v[0];
}

static void treat(struct cluster_fixture *w, uint32_t from, int periods)
{
    int n = w->topology.n_services * w->plant->n_env;
    for (int t = 0; t < periods; t++) {
        for (int i = 0; i < n; i++) {
            w->delta[i] = (int32_t)(draw(from + (uint32_t)(t * 64 + i)) % 7) - 3;
        }
        fixture_step(w);
    }
}

static void rough(struct cluster_fixture *w)
{
    fixture_rate(w, 0, FIXTURE_SECONDS, 180, 0);
    fixture_rate(w, 300, 600, 180, 500);
    fixture_event(w, EVENT_CRASH, -1, 100, 2000, 0.2);
    fixture_event(w, EVENT_SLOW, 1, 200, 300, 2.0);
    fixture_event(w, EVENT_NEIGHBOUR, -1, 250, 600, 0.7);
}

/* ---- the same episode ---- */

/* Arrivals are the same whatever the controller does. */
static void test_common_random_numbers(void **state)
{
    (void)state;
    struct cluster_fixture w;
    double received[2][40];
    struct plant_cohort cohort[2][FIXTURE_HORIZON * 3];
    fixture_diamond(&w);
    fixture_open(&w, 1);
    rough(&w);
    for (uint32_t run = 0; run < 2; run++) {
        fixture_reset(&w);
        for (int t = 0; t < 40; t++) {
            treat(&w, run * 100000 + (uint32_t)t, 1);
            received[run][t] = plant_truth(w.plant, 0)->received;
        }
        int n = 0;
        const struct plant_cohort *c = plant_cohorts(w.plant, 0, &n);
        assert_int_equal(n, FIXTURE_HORIZON * 3);
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
    fixture_close(&w);
}

/* The bits of an episode depend neither on its neighbours in the tile nor on what ran before. */
static void test_episode_is_its_identity(void **state)
{
    (void)state;
    enum { PERIODS = 22 };
    struct cluster_fixture alone, tile;
    fixture_diamond(&alone);
    fixture_diamond(&tile);
    fixture_open(&alone, 1);
    fixture_open(&tile, 3);
    rough(&alone);
    rough(&tile);
    fixture_reset(&alone);
    fixture_reset(&tile);
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
        fixture_step(&alone);
        fixture_step(&tile);
        assert_memory_equal(plant_truth(tile.plant, 1), plant_truth(alone.plant, 0),
                            sizeof(struct plant_truth));
    }
    fixture_close(&alone);
    fixture_close(&tile);
}

/* Environments that are not active stand still. */
static void test_inactive(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open(&w, 2);
    fixture_rate(&w, 0, FIXTURE_SECONDS, 100, 0);
    fixture_reset(&w);
    const uint8_t active[2] = {1, 0};
    assert_int_equal(plant_step(w.plant, w.delta, NULL, active), ERR_OK);
    assert_true(plant_truth(w.plant, 0)->received > 0.0);
    assert_true(plant_truth(w.plant, 1)->received == 0.0);
    assert_true(fixture_sim(&w, 1)->now == 0.0);
    fixture_close(&w);
}

/* A zero action leaves the bits as they are without an attacker. */
static void test_idle_attacker(void **state)
{
    (void)state;
    struct cluster_fixture w;
    struct plant_truth truth[2];
    struct attack_action idle = {0};
    fixture_diamond(&w);
    fixture_open(&w, 1);
    rough(&w);
    for (int run = 0; run < 2; run++) {
        fixture_reset(&w);
        for (int t = 0; t < 25; t++) {
            assert_int_equal(plant_step(w.plant, w.delta, run == 1 ? &idle : NULL, NULL), ERR_OK);
        }
        truth[run] = *plant_truth(w.plant, 0);
    }
    assert_memory_equal(&truth[0], &truth[1], sizeof truth[0]);
    fixture_close(&w);
}

/* ---- invariants under random treatment ---- */

static void test_conservation(void **state)
{
    (void)state;
    for (uint32_t e = 0; e < 4; e++) {
        struct cluster_fixture w;
        fixture_diamond(&w);
        w.cluster_cfg.deadline_propagation = e % 2 == 0;
        w.topology_cfg.limit_ratio = e % 3 == 0 ? 2.0 : 1.0;
        w.topology_cfg.node_cpu_m = e % 3 == 1 ? 9000 : 16000;
        w.id.episode = e;
        fixture_open(&w, 1);
        rough(&w);
        fixture_reset(&w);
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
        fixture_close(&w);
    }
}

/* Any acyclic graph: 8 services, calls from lower to higher numbers at random, several entries. */
static void test_random_graphs(void **state)
{
    (void)state;
    static const char *const names[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};
    for (uint32_t g = 0; g < 6; g++) {
        struct cluster_fixture w;
        const char *calls[8][8];
        bool called[8] = {false};
        fixture_diamond(&w);
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
            w.services[i] = fixture_service(names[i], 300, 100, 100, 5, 2);
            w.services[i].entry = !called[i];
            fixture_calls(&w.services[i], calls[i], n);
        }
        w.id.episode = g;
        fixture_open(&w, 1);
        rough(&w);
        fixture_rate(&w, 0, 300, 40, 20);
        fixture_reset(&w);
        int last = w.topology.n_entries - 1;
        struct attack_action up = {.entry = last, .rate_change = 2, .data_change = 1};
        for (uint32_t t = 0; t < 30; t++) {
            treat(&w, 31337 + g * 10000 + t * 64, 1);
            assert_int_equal(plant_step(w.plant, w.delta, &up, NULL), ERR_OK);
            assert_true(cluster_consistent(w.plant));
        }
        for (int e = 0; e <= last; e++) { /* load reaches every entry */
            assert_true(fixture_sim(&w, 0)->services[w.topology.entries[e]].count.received >
                        1000.0);
        }
        fixture_close(&w);
    }
}

/* Every request ends up in the cohort it arrived in. */
static void test_cohorts(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open(&w, 1);
    rough(&w);
    fixture_reset(&w);
    double answered = 0, compliant = 0, received = 0, latency = 0;
    double carried = plant_truth(w.plant, 0)->inflight;
    for (int t = 0; t < 60; t++) {
        const struct plant_truth *truth = fixture_step(&w);
        received += truth->received;
        answered += truth->answered;
        compliant += truth->compliant;
        latency += truth->latency_sum_ms;
    }
    int n = 0;
    const struct plant_cohort *c = plant_cohorts(w.plant, 0, &n);
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
    fixture_close(&w);
}

static void test_no_allocation(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open(&w, 2);
    rough(&w);
    uint64_t before = mem_calls();
    fixture_reset(&w);
    treat(&w, 77, 22);
    assert_int_equal(mem_calls(), before);
    fixture_close(&w);
}

/* 20 times the capacity: every pod is full, nothing grows beyond its pool. */
static void test_flood(void **state)
{
    (void)state;
    struct cluster_fixture w;
    fixture_diamond(&w);
    fixture_open_under(&w, 200, 0);
    fixture_rate(&w, 30, FIXTURE_SECONDS, 200, 8000);
    fixture_reset(&w);
    double calm = fixture_step(&w)->inflight;
    fixture_step(&w);
    const struct plant_truth *t = fixture_step(&w);
    const struct sim *s = fixture_sim(&w, 0);
    assert_true(t->inflight > 10.0 * (calm + 1.0));
    assert_true(t->inflight <= 4.0 * 164.0); /* four pods at the entry */
    assert_true(s->n_touched <= 15 * 164);
    assert_true(t->entry_available_mean < 1.0);
    assert_true(t->failed > 0.9 * t->received);
    assert_true(t->received_legit < 0.05 * t->received);
    assert_true(cluster_consistent(w.plant));
    fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_random_numbers),
        cmocka_unit_test(test_episode_is_its_identity),
        cmocka_unit_test(test_inactive),
        cmocka_unit_test(test_idle_attacker),
        cmocka_unit_test(test_conservation),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_cohorts),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
