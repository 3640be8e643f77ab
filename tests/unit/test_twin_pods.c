/* The arithmetic of pods: it holds on the simulator in every episode, in the twin whatever its
 * networks and its table say, and for any numbers whatever. */
#include "core/game/env_setup.h"
#include "tests/unit/twin_cluster.h"

enum { STATIC_ALLOCATIONS = 6, WALKS = 10, SERVICES = 4 };

static struct twin_cluster fixture; /* made once: collecting takes the time */

static int open_all(void **state)
{
    *state = &fixture;
    return twin_cluster_open(&fixture);
}

static int close_all(void **state)
{
    return twin_cluster_close(*state);
}

/* ---- who decides ---- */

/* Off the diagonal, within the node and beyond it. */
static const int allocations[STATIC_ALLOCATIONS][SERVICES] = {
    {8, 7, 7, 6}, {4, 9, 9, 4}, {10, 3, 3, 8}, {1, 10, 1, 10}, {10, 10, 10, 10}, {2, 8, 5, 1}};

/* Game `g`: an allocation, then walks of any changes, far beyond the bounds now and then. */
static void decide(int32_t *delta, const float *state, int g, int t)
{
    const struct rng_key key = rng_key(11, RNG_ACTION, RNG_TRAIN);
    for (int s = 0; s < SERVICES; s++) {
        const uint32_t u = rng_philox(key, (uint32_t)s, (uint32_t)t, 0, (uint32_t)g).v[0];
        const int desired = (int)state[state_service_at(s, SF_DESIRED)];
        const int far = u % 31 == 0 ? 40 : 0;
        delta[s] = g < STATIC_ALLOCATIONS ? allocations[g][s] - desired
                   : g % 3 == 0           ? 0
                                          : (int32_t)rng_below(u, 7) - 3 + far;
    }
}

/* ---- what must hold ---- */

/* What pods are asked for, and how many were removed in the last periods that a pod may drain in.
 */
struct steps_by_source {
    int desired[SERVICES], removed[SERVICES], removed_before[SERVICES];
};

static void ask(struct steps_by_source *a, const float *before, const int32_t *delta)
{
    for (int s = 0; s < SERVICES; s++) {
        const struct service_cfg *cfg = &fixture.x.cfg.topology.services[s];
        const int now = (int)before[state_service_at(s, SF_DESIRED)], wish = now + delta[s];
        a->desired[s] = wish < cfg->min_replicas   ? cfg->min_replicas
                        : wish > cfg->max_replicas ? cfg->max_replicas
                                                   : wish;
        a->removed_before[s] = a->removed[s];
        a->removed[s] = now > a->desired[s] ? now - a->desired[s] : 0;
    }
}

/* What the pods that the autoscaler counts can use, in the whole milli-cores that it reads. */
static float most_hpa_cpu(int s, const float *f)
{
    const struct topology_cfg *cfg = &fixture.x.cfg.topology;
    return f[SF_HPA_READY] * (float)ceil(cfg->limit_ratio * cfg->services[s].cpu_m);
}

static void assert_state(const struct steps_by_source *a, const float *state)
{
    for (int s = 0; s < SERVICES; s++) {
        const float *f = state + state_service_at(s, SF_ID);
        const float partition = f[SF_HPA_READY] + f[SF_HPA_IGNORED] + f[SF_HPA_MISSING];
        const float desired = (float)a->desired[s];
        assert_true(f[SF_DESIRED] == desired);
        assert_true(f[SF_DEPLOYED] == desired);
        assert_true(f[SF_READY] >= 0.0F && f[SF_FAILED_PODS] >= 0.0F);
        assert_true(f[SF_READY] + f[SF_FAILED_PODS] <= f[SF_DEPLOYED]);
        assert_true(partition == desired);
        assert_true(f[SF_HPA_READY] >= 0.0F && f[SF_HPA_IGNORED] >= 0.0F &&
                    f[SF_HPA_MISSING] >= 0.0F);
        assert_true(f[SF_HPA_CPU] >= 0.0F && f[SF_HPA_CPU] <= most_hpa_cpu(s, f));
        for (int k = 0; k < SERVICE_FEATURES; k++) {
            const bool pods = strcmp(service_feature_info[k].unit, "pods") == 0;
            assert_true(!pods || f[k] == floorf(f[k]));
        }
    }
}

/* Periods in which the CPU requested was exact. */
static int assert_truth(const struct steps_by_source *a, const struct plant_truth *t)
{
    const struct topology_cfg *cfg = &fixture.x.cfg.topology;
    const double node = cfg->node_cpu_m, near = 1e-6 * node;
    double pods = 0.0, draining = 0.0, cpu = 0.0, gone = 0.0, ram = 0.0, most = 0.0;
    for (int s = 0; s < SERVICES; s++) {
        const struct service_cfg *service = &cfg->services[s];
        const double removed = a->removed[s] + a->removed_before[s];
        pods += a->desired[s];
        draining += removed;
        cpu += service->cpu_m * a->desired[s];
        gone += service->cpu_m * removed;
        ram += service->ram_mib * (a->desired[s] + removed);
        most = fmax(most, service->cpu_m);
    }
    assert_true(ram <= cfg->node_ram_mib); /* or the bounds below are not those */
    assert_true(fabs(t->pods_deployed_mean - pods) < 1e-6 * pods);
    assert_true(t->pods_failed_mean <= t->pods_deployed_mean + 1e-6);
    assert_true(t->requested_m_mean <= node + near);
    assert_true(t->requested_m_mean <= cpu + gone + near);
    assert_true(t->requested_m_mean >= fmin(cpu, node - most) - near);
    assert_true(t->used_m_mean <= cfg->limit_ratio * t->requested_m_mean + near);
    if (cpu + gone > node) {
        return 0;
    }
    assert_true(t->requested_m_mean >= cpu - near);
    return gone == 0.0;
}

/* Plays game `g`; returns the periods in which the CPU requested was exact. */
static int play(struct plant *p, struct schedule *schedule, int g)
{
    const struct env_setup *w = &fixture.x.env_setup;
    const struct episode_id id = {.seed = 21, .split = RNG_TRAIN, .episode = (uint32_t)g};
    struct steps_by_source a = {{0}, {0}, {0}};
    float before[256];
    int32_t delta[SERVICES];
    int exact = 0;
    assert_true(p->n_state <= 256 && w->topology.n_services == SERVICES);
    schedule_draw(schedule, &w->scenarios[g % w->cfg.n_scenarios], &id, w->n_seconds);
    OK(plant_reset(p, 0, &id, schedule, CLUSTER_HORIZON));
    for (int t = 0; t < CLUSTER_HORIZON; t++) {
        memcpy(before, plant_state(p, 0), (size_t)p->n_state * sizeof *before);
        decide(delta, before, g, t);
        ask(&a, before, delta);
        OK(plant_step(p, delta, NULL, NULL));
        assert_state(&a, plant_state(p, 0));
        exact += assert_truth(&a, plant_truth(p, 0));
    }
    return exact;
}

static void play_all(struct plant *p)
{
    struct arena arena;
    struct schedule schedule;
    int exact = 0;
    arena_init(&arena);
    OK(schedule_init(&schedule, &arena, fixture.x.env_setup.n_seconds));
    for (int g = 0; g < STATIC_ALLOCATIONS + WALKS; g++) {
        exact += play(p, &schedule, g);
    }
    assert_true(exact > 3 * CLUSTER_HORIZON); /* or nothing was shown */
    arena_release(&arena);
}

static void test_simulator(void **state)
{
    (void)state;
    struct arena arena;
    struct plant *p;
    arena_init(&arena);
    OK(env_setup_plant(&p, &arena, &fixture.x.env_setup, PLANT_KIND_CLUSTER, 1));
    play_all(p);
    arena_release(&arena);
}

/* Networks, a table whose key says nothing but how many pods are desired (so what it answers was
 * recorded in other places), the nearest transition, and standing still. */
static void test_twin(void **state)
{
    (void)state;
    static const int ways[][2] = {{LOOKUP_NONE, FALLBACK_MLP},
                                  {LOOKUP_QUANTISED, FALLBACK_MLP},
                                  {LOOKUP_QUANTISED, FALLBACK_NEAREST}};
    const struct env_setup *w = &fixture.x.env_setup;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct arena arena;
        static struct twin_model model;
        struct twin_cfg use = fixture.w.use;
        struct plant *p;
        use.lookup = ways[i][0];
        use.fallback = ways[i][1];
        arena_init(&arena);
        OK(model_load(&model, &arena, &use, fixture.w.file));
        OK(twin_check(&model, &w->topology, w->cfg.plant, "twin"));
        OK(twin_new(&p, &arena, &model, w->cfg.plant, &w->topology, 1));
        play_all(p);
        arena_release(&arena);
    }
}

/* ---- any numbers ---- */

static float any_number(uint32_t i, uint32_t k)
{
    static const float odd[] = {0.0F, -1.0F, 3.0F, 1e6F, -1e6F, NAN, 12.0F, 0.5F};
    const uint32_t u = rng_philox(rng_key(5, RNG_SCENARIO, RNG_TRAIN), k, i, 0, 0).v[0];
    return u % 3 == 0 ? odd[(u >> 8) % (sizeof odd / sizeof *odd)] : (float)((u >> 8) % 12);
}

static void test_whatever_is_said(void **state)
{
    (void)state;
    struct arena arena;
    struct pods pods;
    arena_init(&arena);
    OK(pods_init(&pods, &arena, &fixture.header));
    for (uint32_t i = 0; i < 3000; i++) {
        float states[2][256], next[256], mean[4];
        int32_t delta[SERVICES];
        struct steps_by_source a = {{0}, {0}, {0}};
        const float *history[2] = {states[0], states[1]};
        const struct pods_decision d = {.states = history, .history = 2, .delta = delta};
        for (uint32_t k = 0; k < 256; k++) {
            next[k] = states[0][k] = states[1][k] = any_number(i, k);
        }
        for (int s = 0; s < SERVICES; s++) { /* what is asked for is sound: the plant sees to it */
            const uint32_t u =
                rng_philox(rng_key(6, RNG_SCENARIO, RNG_TRAIN), i, 0, 0, (uint32_t)s).v[0];
            const int at = state_service_at(s, SF_DESIRED);
            const int now = 1 + (int)(u % 10), was = 1 + (int)(u / 16 % 10);
            a.desired[s] = 1 + (int)(u / 256 % 10);
            states[0][at] = (float)now, states[1][at] = (float)was;
            delta[s] = a.desired[s] - now;
            a.removed[s] =
                (now > a.desired[s] ? now - a.desired[s] : 0) + (was > now ? was - now : 0);
        }
        for (uint32_t k = 0; k < 4; k++) {
            mean[k] = any_number(i, 300 + k) * 100.0F;
        }
        if (i % 2 == 0) {
            pods_answer(next, &pods, &d);
        } else {
            memcpy(next, states[0], sizeof next);
            pods_hold(next, &pods, &d);
        }
        const struct pods_means means = {&mean[0], &mean[1], &mean[2], &mean[3]};
        pods_bound(next, &means, &pods, &d);
        const struct pods_base base = pods_base_of(&pods, next);
        double sum = 0.0, removed = 0.0;
        for (int s = 0; s < SERVICES; s++) {
            const float *f = next + state_service_at(s, SF_ID);
            const float room = (float)(a.desired[s] + a.removed[s]);
            assert_true(f[SF_DESIRED] == (float)a.desired[s]);
            assert_true(f[SF_DEPLOYED] >= 0.0F && f[SF_READY] >= 0.0F && f[SF_FAILED_PODS] >= 0.0F);
            assert_true(f[SF_DEPLOYED] <= room);
            assert_true(f[SF_READY] + f[SF_FAILED_PODS] <= f[SF_DEPLOYED]);
            assert_true(f[SF_HPA_READY] >= 0.0F && f[SF_HPA_IGNORED] >= 0.0F &&
                        f[SF_HPA_MISSING] >= 0.0F);
            assert_true(f[SF_HPA_READY] + f[SF_HPA_IGNORED] + f[SF_HPA_MISSING] <= room);
            assert_true(f[SF_HPA_CPU] >= 0.0F && f[SF_HPA_CPU] <= most_hpa_cpu(s, f));
            sum += (double)f[SF_DESIRED];
            removed += a.removed[s];
        }
        assert_true(base.pods == sum);
        assert_true((double)mean[0] <= removed && (double)mean[0] >= -sum);
        assert_true(mean[1] >= 0.0F && (double)mean[1] <= sum + (double)mean[0] + 1e-4);
        assert_true(base.requested_m + (double)mean[2] <= pods.node_cpu_m);
        assert_true(mean[3] >= 0.0F && (double)mean[3] <= pods.node_cpu_m);
    }
    arena_release(&arena);
}

/* Gaps and back: a state that can be is what it was. */
static void test_there_and_back(void **state)
{
    (void)state;
    struct arena arena;
    struct pods pods;
    arena_init(&arena);
    OK(pods_init(&pods, &arena, &fixture.header));
    for (uint32_t i = 0; i < 500; i++) {
        float now[256], gaps[256];
        const int32_t delta[SERVICES] = {0};
        for (uint32_t k = 0; k < 256; k++) {
            now[k] = (float)(rng_philox(rng_key(7, RNG_SCENARIO, RNG_TRAIN), k, i, 0, 0).v[0] % 9);
        }
        const float *history[1] = {now};
        const struct pods_decision d = {.states = history, .history = 1, .delta = delta};
        memcpy(gaps, now, sizeof gaps);
        pods_encode(gaps, &pods, gaps);
        const struct pods_columns *c = &pods.at[2];
        assert_true(gaps[c->deployed] == now[c->desired] - now[c->deployed]);
        assert_true(gaps[c->ready] == now[c->deployed] - now[c->ready]);
        pods_answer(gaps, &pods, &d);
        assert_memory_equal(gaps, now, sizeof now);
    }
    arena_release(&arena);
}

/* A recorded successor of another allocation keeps its gaps. */
static void test_follow(void **state)
{
    (void)state;
    struct arena arena;
    struct pods pods;
    float now[256] = {0}, next[256] = {0};
    const int32_t delta[SERVICES] = {2, 0, 0, 0};
    const float *history[1] = {now};
    const struct pods_decision d = {.states = history, .history = 1, .delta = delta};
    arena_init(&arena);
    OK(pods_init(&pods, &arena, &fixture.header));
    const struct pods_columns *c = &pods.at[0];
    now[c->desired] = 5.0F;
    next[c->desired] = 4.0F, next[c->deployed] = 4.0F, next[c->ready] = 3.0F;
    next[c->hpa_ready] = 2.0F, next[c->hpa_ignored] = 2.0F;
    pods_follow(next, &pods, &d);
    assert_true(next[c->desired] == 7.0F && next[c->deployed] == 7.0F && next[c->ready] == 6.0F);
    assert_true(next[c->hpa_ready] == 5.0F && next[c->hpa_ignored] == 2.0F);
    arena_release(&arena);
}

/* Recordings have some of the columns, or other ones; a topology may be unknown, or nonsense. */
static void test_other_headers(void **state)
{
    (void)state;
    static const char *const services[1] = {"web"};
    static const char *const columns[3] = {"web.desired", "web.ready", "web.cpu"};
    struct store_header h = fixture.header;
    struct arena arena;
    struct pods pods;
    arena_init(&arena);
    h.services = services, h.n_services = 1;
    h.columns = columns, h.n_columns = 3;
    h.topology = "";
    OK(pods_init(&pods, &arena, &h));
    assert_null(pods.cpu_m);
    assert_int_equal(pods.at[0].exist, 0);
    assert_int_equal(pods_kind(&pods, 0, "ready"), PODS_READY);
    assert_int_equal(pods_kind(&pods, 0, "cpu"), PODS_PLAIN);
    h.columns = columns + 1, h.n_columns = 2;
    OK(pods_init(&pods, &arena, &h));
    assert_int_equal(pods_kind(&pods, 0, "ready"), PODS_PLAIN);
    h.topology = "services: nonsense\n";
    assert_int_equal(pods_init(&pods, &arena, &h), ERR_FORMAT);
    assert_non_null(strstr(fixture.w.scene.log.last, "topology cannot be read"));
    h.topology = fixture.header.topology; /* without a service called web */
    assert_int_equal(pods_init(&pods, &arena, &h), ERR_FORMAT);
    assert_non_null(strstr(fixture.w.scene.log.last, "'web'"));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simulator),        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_whatever_is_said), cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_follow),           cmocka_unit_test(test_other_headers),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
