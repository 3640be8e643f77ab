/* The twin as a plant: what an environment does depends on nobody beside it, stays within what was
 * seen, and is the same again; what was recorded comes back as it was. */
#include "core/base/fmath.h"
#include "core/base/hash.h"
#include "core/twin/accuracy.h"
#include "tests/unit/twin_cluster.h"

enum { ENVS = 16, STEPS = 14 };

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

/* ---- playing ---- */

/* Everything an environment showed, step by step. */
struct shown {
    uint64_t hash[ENVS];
    int64_t steps_by_source[TWIN_SOURCES];
};

static struct episode_id id_of(int env)
{
    return (struct episode_id){
        .seed = 4, .split = RNG_TRAIN, .env = (uint32_t)env, .episode = env % 3 == 0 ? 7 : 5};
}

/* Changes of environment `env` in step t: none three times of four, far beyond the bounds now and
 * then. */
static void choose(int32_t *delta, int n, int env, int t)
{
    const struct rng_key key = rng_key(2, RNG_ACTION, RNG_TRAIN);
    const bool change = rng_philox(key, 99, (uint32_t)t, 0, (uint32_t)env).v[0] % 4 == 0;
    for (int s = 0; s < n; s++) {
        const uint32_t u = rng_philox(key, (uint32_t)s, (uint32_t)t, 0, (uint32_t)env).v[0];
        const int32_t far = u % 31 == 0 ? 50 : u % 31 == 1 ? -50 : 0;
        delta[s] = change ? (int32_t)rng_below(u, 3) - 1 + far : 0;
    }
}

static void look(struct shown *out, struct plant *p, int lid, int env)
{
    uint64_t *h = &out->hash[env];
    *h = hash_fnv1a(*h, plant_state(p, lid), (size_t)p->n_state * sizeof(float));
    *h = hash_fnv1a(*h, plant_truth(p, lid), sizeof(struct plant_truth));
}

struct tile {
    struct arena arena;
    struct twin_model model;
    struct plant *plant;
    struct schedule schedule[ENVS];
    int32_t *delta;
    int first, n;
};

static void reset(struct tile *t)
{
    const struct env_setup *w = &fixture.x.env_setup;
    for (int i = 0; i < t->n; i++) {
        const struct episode_id id = id_of(t->first + i);
        schedule_draw(&t->schedule[i], &w->scenarios[(t->first + i) % 2], &id, w->n_seconds);
        OK(plant_reset(t->plant, i, &id, &t->schedule[i], CLUSTER_HORIZON));
    }
}

/* Environments first .. first + n - 1 in one plant. */
static void tile_open(struct tile *t, const struct twin_cfg *use, int first, int n)
{
    const struct env_setup *w = &fixture.x.env_setup;
    *t = (struct tile){.first = first, .n = n};
    arena_init(&t->arena);
    OK(model_load(&t->model, &t->arena, use, fixture.w.file));
    OK(twin_check(&t->model, &w->topology, w->cfg.plant, "twin"));
    OK(twin_new(&t->plant, &t->arena, &t->model, w->cfg.plant, &w->topology, n));
    t->delta = ARENA_NEW(&t->arena, n * w->topology.n_services, int32_t);
    for (int i = 0; i < n; i++) {
        OK(schedule_init(&t->schedule[i], &t->arena, w->n_seconds));
    }
    reset(t);
}

static void step(struct tile *t, int at, const uint8_t *active)
{
    const int n = fixture.x.env_setup.topology.n_services;
    for (int i = 0; i < t->n; i++) {
        choose(t->delta + (ptrdiff_t)i * n, n, t->first + i, at);
    }
    OK(plant_step(t->plant, t->delta, NULL, active));
}

static void play(struct shown *out, struct tile *t)
{
    for (int i = 0; i < t->n; i++) {
        look(out, t->plant, i, t->first + i);
    }
    for (int at = 0; at < STEPS; at++) {
        step(t, at, NULL);
        for (int i = 0; i < t->n; i++) {
            look(out, t->plant, i, t->first + i);
        }
    }
}

/* All environments, `group` to a plant. */
static struct shown play_in_groups(const struct twin_cfg *use, int group)
{
    struct shown s = {.hash = {0}};
    for (int first = 0; first < ENVS; first += group) {
        static struct tile t;
        tile_open(&t, use, first, group);
        play(&s, &t);
        arena_release(&t.arena);
    }
    return s;
}

/* The ways to use a twin; what is drawn in them differs. */
enum { USES = 4 };
static struct twin_cfg use_of(int i)
{
    struct twin_cfg use = fixture.w.use;
    use.lookup = i == 0 ? LOOKUP_QUANTISED : i == 1 ? LOOKUP_NONE : LOOKUP_EXACT;
    use.fallback = i == 3 ? FALLBACK_NEAREST : FALLBACK_MLP;
    if (i == 3) { /* fine, and near: trajectories hold, too, some from their first step on */
        use.quantum = 0.5;
        use.radius = 2.0;
    }
    return use;
}

static void test_grouping(void **state)
{
    (void)state;
    struct shown first[USES];
    for (int u = 0; u < USES; u++) {
        const struct twin_cfg use = use_of(u);
        first[u] = play_in_groups(&use, 1);
        for (int group = 2; group <= ENVS; group *= 2) {
            const struct shown other = play_in_groups(&use, group);
            assert_memory_equal(first[u].hash, other.hash, sizeof other.hash);
        }
        for (int i = 0; i < ENVS; i++) { /* and no two are the same */
            for (int k = 0; k < i; k++) {
                assert_true(first[u].hash[i] != first[u].hash[k]);
            }
        }
    }
    assert_memory_not_equal(first[0].hash, first[1].hash, sizeof first[0].hash);
    assert_memory_not_equal(first[1].hash, first[3].hash, sizeof first[0].hash);
}

/* Offered in the first period of a schedule; `quiet`: what was offered before it, where nobody
 * attacked. */
static double first_load(const struct schedule *s, double period_s, double *quiet)
{
    double sum = 0.0, legit = 0.0;
    for (int u = 0; u < (int)period_s; u++) {
        sum += (double)s->legit_rps[u] + (double)s->attack_rps[u];
        legit += (double)s->legit_rps[u];
    }
    *quiet = sum / period_s * (legit / sum);
    return sum / period_s;
}

/* After one step of a trajectory that begins at `row`, as environment `env` of the tile and with
 * `member`: is it where the tile's environment is? */
static bool goes_along(struct twin_batch *w, const struct tile *t, int env, int row, int member,
                       bool settled)
{
    const struct episode_id id = id_of(env);
    const struct twin_batch_id same = {rng_key(id.seed, RNG_TWIN, id.split), id.env, id.episode,
                                       member};
    double quiet;
    const float load = (float)first_load(&t->schedule[env], fixture.x.cfg.plant.period_s, &quiet);
    const int32_t still[16] = {0};
    twin_batch_begin(w, 0, &same, &t->model.data, row);
    if (settled) {
        twin_batch_set_load(w, 0, (float)quiet);
    }
    twin_batch_step(w, still, NULL, &load, NULL);
    return memcmp(twin_batch_state(w, 0), plant_state(t->plant, env),
                  (size_t)t->model.features.n_state * sizeof(float)) == 0;
}

/* Is there a recorded beginning with that state, and a member, with which a trajectory goes along?
 */
static bool explained(struct twin_batch *w, const struct tile *t, int env, const float *first,
                      bool settled)
{
    const struct twin_model *m = &t->model;
    const size_t n = (size_t)m->features.n_state;
    bool found = false;
    for (int s = 0; s < m->n_starts; s++) {
        const float *start = m->data.state + (size_t)m->starts[s] * n;
        for (int k = 0; k < m->ensemble.n_members; k++) {
            found = found || (memcmp(first, start, n * sizeof *first) == 0 &&
                              goes_along(w, t, env, m->starts[s], k, settled));
        }
    }
    return found;
}

/* An episode begins where a recorded one began, but the load before it is the schedule's first
 * legitimate one, as
 * recorded episodes have it, not what was offered in the recorded one. */
static void test_beginning(void **state)
{
    (void)state;
    static struct tile t;
    static float first[ENVS][256];
    struct twin_batch w;
    const struct twin_cfg use = use_of(1);
    int as_recorded = 0;
    tile_open(&t, &use, 0, ENVS);
    OK(twin_batch_init(&w, &t.arena, &t.model, 1));
    assert_true(t.model.features.n_state <= 256);
    for (int i = 0; i < ENVS; i++) {
        memcpy(first[i], plant_state(t.plant, i), (size_t)t.model.features.n_state * sizeof(float));
    }
    OK(plant_step(t.plant, t.delta, NULL, NULL));
    for (int i = 0; i < ENVS; i++) {
        assert_true(explained(&w, &t, i, first[i], true));
        as_recorded += explained(&w, &t, i, first[i], false);
    }
    assert_true(as_recorded < ENVS); /* or this test shows nothing */
    arena_release(&t.arena);
}

/* A plant that has played before is as a new one. */
static void test_reset(void **state)
{
    (void)state;
    for (int u = 0; u < USES; u++) {
        static struct tile t;
        struct shown once = {.hash = {0}}, again = {.hash = {0}};
        const struct twin_cfg use = use_of(u);
        tile_open(&t, &use, 0, 8);
        play(&once, &t);
        for (int i = 0; i < 3; i++) {
            step(&t, 40 + i, NULL);
        }
        reset(&t);
        play(&again, &t);
        assert_memory_equal(once.hash, again.hash, sizeof once.hash);
        arena_release(&t.arena);
    }
}

static void test_identity(void **state)
{
    (void)state;
    static struct tile t;
    const struct twin_cfg use = use_of(1);
    const struct env_setup *w = &fixture.x.env_setup;
    struct shown s = {.hash = {0}};
    const struct episode_id ids[4] = {
        {1, RNG_TRAIN, 0, 0}, {1, RNG_TRAIN, 0, 1}, {2, RNG_TRAIN, 0, 0}, {1, RNG_DEV, 0, 0}};
    tile_open(&t, &use, 0, 4);
    for (int i = 0; i < 4; i++) { /* one schedule: what is left is what the twin draws */
        OK(plant_reset(t.plant, i, &ids[i], &t.schedule[0], CLUSTER_HORIZON));
    }
    for (int at = 0; at < STEPS; at++) {
        memset(t.delta, 0, 4 * (size_t)w->topology.n_services * sizeof *t.delta);
        OK(plant_step(t.plant, t.delta, NULL, NULL));
        for (int i = 0; i < 4; i++) {
            look(&s, t.plant, i, i);
        }
    }
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < i; k++) {
            assert_true(s.hash[i] != s.hash[k]);
        }
    }
    arena_release(&t.arena);
}

static void test_no_allocation(void **state)
{
    (void)state;
    for (int u = 0; u < USES; u++) {
        static struct tile t;
        const struct twin_cfg use = use_of(u);
        struct shown s = {.hash = {0}};
        tile_open(&t, &use, 0, 8);
        const uint64_t calls = mem_calls();
        reset(&t);
        play(&s, &t);
        assert_int_equal(mem_calls(), calls);
        arena_release(&t.arena);
    }
}

/* ---- what a state may be ---- */

/* Is column i the hpa_cpu of a service that is all that its hpa_ready pods may use? Then it may be
 * less than was ever seen: fewer pods may be counted in the twin than in any trace. */
static bool at_limit(const float *now, int i)
{
    const struct topology_cfg *cfg = &fixture.x.cfg.topology;
    bool is = false;
    for (int k = 0; k < cfg->n_services; k++) {
        const float most = (float)ceil(cfg->limit_ratio * cfg->services[k].cpu_m);
        is = is || (i == state_service_at(k, SF_HPA_CPU) &&
                    now[i] == most * now[state_service_at(k, SF_HPA_READY)]);
    }
    return is;
}

static void assert_state(const struct tile *t, int lid, const float *before, const int32_t *delta)
{
    const struct features *s = &t->model.features;
    const float *now = plant_state(t->plant, lid);
    for (int i = 0; i < s->n_state; i++) {
        const struct features_column *c = &s->columns[i];
        const float value =
            features_value(s, i, now); /* of pods: test_twin_pods.c says what they can be */
        if (c->learned && !c->whole && !(value >= c->lo && value <= c->hi) && !at_limit(now, i)) {
            fail_msg("%s: %g, seen were %g .. %g", s->header.columns[i], (double)value,
                     (double)c->lo, (double)c->hi);
        }
        assert_true(!c->whole || now[i] == floorf(now[i]));
    }
    for (int k = 0; k < s->n_services; k++) {
        const struct service_cfg *cfg = &fixture.x.cfg.topology.services[k];
        const int at = state_service_at(k, SF_DESIRED);
        const int wish = (int)before[at] + delta[k];
        const int want = wish < cfg->min_replicas   ? cfg->min_replicas
                         : wish > cfg->max_replicas ? cfg->max_replicas
                                                    : wish;
        assert_true(now[at] == (float)want);
        assert_true(now[state_service_at(k, SF_ID)] == before[state_service_at(k, SF_ID)]);
    }
}

static void test_states(void **state)
{
    (void)state;
    const int n = fixture.x.env_setup.topology.n_services;
    float before[8][256];
    assert_true(state_size(n) <= 256);
    for (int u = 0; u < 2; u++) {
        static struct tile t;
        const struct twin_cfg use = use_of(u);
        double in_flight[8] = {0.0}, moved = 0.0;
        tile_open(&t, &use, 8, 8);
        for (int at = 0; at < STEPS; at++) {
            for (int i = 0; i < 8; i++) {
                memcpy(before[i], plant_state(t.plant, i), (size_t)state_size(n) * sizeof(float));
            }
            step(&t, at, NULL);
            for (int i = 0; i < 8; i++) {
                const struct plant_truth *truth = plant_truth(t.plant, i);
                const double change = truth->inflight - in_flight[i];
                assert_state(&t, i, before[i], t.delta + (ptrdiff_t)i * n);
                assert_true(fabs(truth->received - truth->answered - truth->failed - change) <
                            1e-9 * (1.0 + truth->received));
                in_flight[i] = truth->inflight;
                moved += truth->answered;
            }
        }
        assert_true(moved > 0.0);
        arena_release(&t.arena);
    }
}

/* Who rests shows what it showed, and goes on as if nobody had waited. */
static void test_rest(void **state)
{
    (void)state;
    static struct tile t;
    const struct twin_cfg use = use_of(0);
    const uint8_t odd[8] = {0, 1, 0, 1, 0, 1, 0, 1}, even[8] = {1, 0, 1, 0, 1, 0, 1, 0};
    struct shown together = {.hash = {0}}, apart = {.hash = {0}}, kept, now;
    tile_open(&t, &use, 0, 8);
    for (int at = 0; at < STEPS; at++) {
        step(&t, at, NULL);
        for (int i = 0; i < 8; i++) {
            look(&together, t.plant, i, i);
        }
    }
    reset(&t);
    for (int at = 0; at < 2 * STEPS; at++) {
        const bool turn = at % 2 == 0;
        kept = now = (struct shown){.hash = {0}};
        for (int i = 0; i < 8; i++) {
            look(&kept, t.plant, i, i);
        }
        step(&t, at / 2, turn ? odd : even);
        for (int i = 0; i < 8; i++) {
            const bool active = (turn ? odd : even)[i] != 0;
            look(&now, t.plant, i, i);
            assert_true(active || now.hash[i] == kept.hash[i]);
            if (active) {
                look(&apart, t.plant, i, i);
            }
        }
    }
    assert_memory_equal(together.hash, apart.hash, sizeof apart.hash);
    arena_release(&t.arena);
}

/* An environment that was never reset may stand beside others. */
static void test_never_reset(void **state)
{
    (void)state;
    static struct tile t;
    const struct twin_cfg use = use_of(0);
    const struct env_setup *w = &fixture.x.env_setup;
    const uint8_t active[2] = {1, 0};
    struct plant *p;
    tile_open(&t, &use, 0, 2);
    OK(twin_new(&p, &t.arena, &t.model, w->cfg.plant, &w->topology, 2));
    const struct episode_id id = id_of(0);
    OK(plant_reset(p, 0, &id, &t.schedule[0], CLUSTER_HORIZON));
    OK(plant_step(p, t.delta, NULL, active));
    arena_release(&t.arena);
}

/* ---- what was recorded ---- */

/* In the table, the same decisions lead along the same states; a network leads elsewhere. */
static void test_recorded(void **state)
{
    (void)state;
    struct arena arena;
    struct twin_model m;
    struct twin_batch w;
    const struct twin_cfg use = use_of(2);
    arena_init(&arena);
    OK(model_load(&m, &arena, &use, fixture.w.file));
    OK(twin_batch_init(&w, &arena, &m, 1));
    const struct dataset *d = &m.data;
    int played = 0;
    for (int e = 0; e < d->n_episodes; e++) {
        const struct dataset_episode *ep = &d->episodes[e];
        const struct twin_batch_id id = {rng_key(1, RNG_TWIN, RNG_TRAIN), (uint32_t)e, 0, 0};
        if (ep->part != STORE_TRAIN) {
            continue;
        }
        twin_batch_begin(&w, 0, &id, &m.data, ep->first_row);
        for (int t = 0; t < ep->n_steps; t++, played++) {
            const int row = ep->first_row + t;
            twin_batch_step(&w, d->delta + (ptrdiff_t)row * m.features.n_services, NULL,
                            d->load + row, NULL);
            assert_int_equal(w.source[0], FROM_TABLE);
            assert_memory_equal(twin_batch_state(&w, 0),
                                d->state + (ptrdiff_t)(row + 1) * m.features.n_state,
                                (size_t)m.features.n_state * sizeof(float));
            assert_memory_equal(w.kpi, d->kpi + (ptrdiff_t)row * FEATURES_KPIS,
                                FEATURES_KPIS * sizeof(float));
        }
    }
    assert_int_equal(w.steps_by_source[FROM_TABLE], played);
    assert_true(played > 100);
    const float other = d->load[0] + 1.0F;
    const int32_t still[16] = {0};
    twin_batch_step(&w, still, NULL, &other, NULL);
    assert_int_equal(w.source[0], FROM_NETWORK);
    arena_release(&arena);
}

/* Nothing near: the state stays, and the KPIs are those before its own beginning, or the means
 * where there are none: not of whoever had the place before, nor those that followed there. */
static void test_hold(void **state)
{
    (void)state;
    struct arena arena;
    struct twin_model m;
    struct twin_batch w;
    const int32_t far[16] = {40};
    const float load = 1.0F;
    struct twin_cfg use = use_of(3);
    use.radius = 0.0;
    arena_init(&arena);
    OK(model_load(&m, &arena, &use, fixture.w.file));
    OK(twin_batch_init(&w, &arena, &m, 1));
    for (int i = 0; i < 2 * m.n_starts; i++) {
        const struct twin_batch_id id = {rng_key(1, RNG_TWIN, RNG_TRAIN), 0, (uint32_t)i, 0};
        const int row = m.starts[i / 2] + 3 * (i % 2);
        twin_batch_begin(&w, 0, &id, &m.data, row);
        twin_batch_step(&w, far, NULL, &load, NULL);
        assert_int_equal(w.source[0], FROM_HOLD);
        const float *held = i % 2 == 0 ? m.ensemble.out_mean + m.features.n_learned
                                       : m.data.kpi + (ptrdiff_t)(row - 1) * FEATURES_KPIS;
        for (int k = 0; k < FEATURES_KPIS; k++) { /* forty pods more: their CPU is not held */
            const bool of_pods =
                k == KPI_DEPLOYED || k == KPI_FAILED || k == KPI_REQUESTED || k == KPI_USED;
            assert_true(of_pods || w.kpi[k] == held[k]);
        }
        const float *before = m.data.state + (ptrdiff_t)row * m.features.n_state;
        for (int k = 0; k < m.features.n_state; k++) { /* the pods asked for exist, and start */
            const struct pods_columns *c = &m.features.pods.at[0];
            const bool more = k == c->desired || k == c->deployed || k == c->hpa_ignored;
            assert_true(twin_batch_state(&w, 0)[k] == before[k] + (more ? 40.0F : 0.0F));
        }
    }
    arena_release(&arena);
}

/* A step of one trajectory against its definition, column by column: features_input(), the network,
 * a row of the pool, features_decode(), features_clamp(), the arithmetic of pods. Bit by bit,
 * though the step works on whole rows. */
static void assert_by_definition(const struct twin_batch *w,
                                 const struct features_decision *steps_by_source,
                                 struct arena *arena)
{
    const struct twin_model *m = w->model;
    const struct ensemble *e = &m->ensemble;
    const struct features *s = &m->features;
    const struct residual_pool *pool = &e->members[w->id[0].member].residuals;
    float *in = ARENA_NEW(arena, s->n_in, float), *y = ARENA_NEW(arena, 2 * s->n_target, float);
    float *work = ARENA_NEW(arena, ensemble_work_floats(e, 1), float);
    features_input(in, s, steps_by_source);
    assert_memory_equal(w->in, in, (size_t)s->n_in * sizeof *in);
    ensemble_predict(e, w->id[0].member, y, in, 1, work);
    double level = 0.0;
    const struct pods_decision pods = {
        .states = steps_by_source->states, .history = s->history, .delta = steps_by_source->delta};
    float *next = ARENA_NEW(arena, s->n_state, float), kpi[FEATURES_KPIS];
    memcpy(next, steps_by_source->states[0], (size_t)s->n_state * sizeof *next);
    for (int k = 0; k < s->n_exact; k++) {
        next[s->exact_at[k]] = 0.0F;
    }
    for (int i = 0; i < s->n_target; i++) {
        const float z = pool->z[(ptrdiff_t)w->residual_at[0] * s->n_target + i];
        const float scale = ensemble_log_scale(y[s->n_target + i]);
        const float residuals = fm_expf(scale) * z;
        const float base = i < s->n_learned ? in[s->learned_at[i]] : 0.0F;
        const float target = base + e->out_mean[i] + e->out_std[i] * (y[i] + residuals);
        level += (double)scale;
        if (i < s->n_learned) {
            const int column = s->learned_at[i];
            next[column] = features_decode(&s->columns[column], target);
        } else {
            const int k = i - s->n_learned;
            kpi[k] = features_clamp(&s->columns[s->n_state + k], target);
        }
    }
    const struct pods_means means = {.deployed = kpi + KPI_DEPLOYED,
                                     .failed = kpi + KPI_FAILED,
                                     .requested = kpi + KPI_REQUESTED,
                                     .used = kpi + KPI_USED};
    pods_answer(next, &s->pods, &pods);
    pods_bound(next, &means, &s->pods, &pods);
    assert_memory_equal(twin_batch_state(w, 0), next, (size_t)s->n_state * sizeof *next);
    assert_memory_equal(w->kpi, kpi, sizeof kpi);
    assert_true(fabs((double)ensemble_level(e, y) - level / s->n_target) < 1e-5);
}

static void test_by_definition(void **state)
{
    (void)state;
    static struct tile t;
    struct twin_batch w;
    const struct twin_cfg use = use_of(1);
    tile_open(&t, &use, 0, 1);
    const struct features *s = &t.model.features;
    OK(twin_batch_init(&w, &t.arena, &t.model, 1));
    int32_t *delta = ARENA_NEW(&t.arena, s->n_services, int32_t);
    float *before = ARENA_NEW(&t.arena, s->history * s->n_state, float);
    assert_int_equal(s->history, 2);
    for (int e = 0; e < 12; e++) {
        const struct twin_batch_id id = {rng_key(1, RNG_TWIN, RNG_TRAIN), (uint32_t)e, 0, e % 3};
        twin_batch_begin(&w, 0, &id, &t.model.data, t.model.starts[e % t.model.n_starts]);
        for (int at = 0; at < STEPS; at++) {
            const float load = 2.0F + (float)(at % 7);
            const float loads[3] = {load, w.load[0], w.load[1]};
            memcpy(before, w.state, (size_t)(s->history * s->n_state) * sizeof *before);
            const float *states[2] = {before, before + s->n_state};
            const struct features_decision steps_by_source = {
                .states = states, .delta = delta, .loads = loads};
            delta[1] = (at + e) % 3 - 1;
            twin_batch_step(&w, delta, NULL, &load, NULL);
            assert_by_definition(&w, &steps_by_source, &t.arena);
        }
    }
    arena_release(&t.arena);
}

/* With a coarse key both answer; asked counts them. */
static void test_sources(void **state)
{
    (void)state;
    static struct tile t;
    struct twin_batch w;
    const struct twin_cfg use = use_of(0);
    tile_open(&t, &use, 0, 1);
    OK(twin_batch_init(&w, &t.arena, &t.model, ENVS));
    const struct dataset *d = &t.model.data;
    int32_t *delta = ARENA_NEW(&t.arena, ENVS * t.model.features.n_services, int32_t);
    float load[ENVS];
    for (int i = 0; i < ENVS; i++) {
        const struct twin_batch_id id = {rng_key(1, RNG_TWIN, RNG_TRAIN), (uint32_t)i, 0, i % 3};
        twin_batch_begin(&w, i, &id, d, t.model.starts[i % t.model.n_starts]);
        load[i] = d->load[t.model.starts[i % t.model.n_starts]];
    }
    for (int at = 0; at < 30; at++) {
        for (int i = 0; i < ENVS;
             i++) { /* every other trajectory goes where nothing was recorded */
            delta[(ptrdiff_t)i * t.model.features.n_services] = i % 2 == 1 && at > 10;
        }
        twin_batch_step(&w, delta, NULL, load, NULL);
    }
    assert_int_equal(w.steps_by_source[FROM_TABLE] + w.steps_by_source[FROM_NETWORK], 30 * ENVS);
    assert_true(w.steps_by_source[FROM_TABLE] > 0 && w.steps_by_source[FROM_NETWORK] > 0);
    arena_release(&t.arena);
}

/* ---- its report ---- */

/* Latency and queue of each service stand beside those of all: together they are the pool. */
static void test_report_by_service(void **state)
{
    (void)state;
    static const char *const metrics[] = {"latency", "queue"};
    const int n = fixture.x.env_setup.topology.n_services;
    const struct twin_cfg use = use_of(1);
    struct arena arena;
    struct arena scratch;
    struct twin_model model;
    struct accuracy a;
    arena_init(&arena);
    arena_init(&scratch);
    OK(model_load(&model, &arena, &use, fixture.w.file));
    const struct accuracy_cfg cfg = {
        .data = &model.data, .part = STORE_VALIDATION, .horizon = 3, .stride = 8, .seed = 1};
    OK(accuracy_measure(&a, &arena, &model, fixture.x.env_setup.cfg.plant, &cfg, &scratch));
    assert_int_equal(accuracy_find(&a, "deployed"), -1); /* exact */
    for (int m = 0; m < 2; m++) {
        const int pool = accuracy_find(&a, metrics[m]);
        double gap = 0.0;
        assert_true(pool >= 0 && !a.groups[pool].of_service && a.groups[pool].n == n);
        for (int s = 0; s < n; s++) {
            const char *name = arena_printf(&scratch, "%s.%s",
                                            fixture.x.cfg.topology.services[s].name, metrics[m]);
            const int one = accuracy_find(&a, name);
            assert_true(one > pool && a.groups[one].of_service && a.groups[one].n == 1);
            gap += accuracy_gap(&a, PREDICTOR_TWIN, one, 2, WINDOW_ALL) / n;
        }
        const double all = accuracy_gap(&a, PREDICTOR_TWIN, pool, 2, WINDOW_ALL);
        assert_true(all > 0.0 && fabs(gap - all) < 1e-9 * all);
    }
    arena_release(&scratch);
    arena_release(&arena);
}

/* ---- whose twin is it? ---- */

static void test_other_systems(void **state)
{
    (void)state;
    static struct tile t;
    const struct twin_cfg use = use_of(0);
    struct env_setup *w = &fixture.x.env_setup;
    struct plant_cfg plant = *w->cfg.plant;
    tile_open(&t, &use, 0, 1);
    plant.period_s = 30.0;
    assert_int_equal(twin_check(&t.model, &w->topology, &plant, "my/twin"), ERR_MISMATCH);
    assert_non_null(strstr(fixture.w.scene.log.last, "my/twin"));
    assert_non_null(strstr(fixture.w.scene.log.last, "decision period"));
    struct topology topology = w->topology;
    struct topology_cfg cfg = *topology.cfg;
    struct service_cfg services[16];
    memcpy(services, cfg.services, (size_t)cfg.n_services * sizeof *services);
    const char *topology_name = services[1].name;
    services[1].name = "other";
    cfg.services = services;
    cfg.node_cpu_m *= 2.0;
    topology.cfg = &cfg;
    assert_int_equal(twin_check(&t.model, &topology, w->cfg.plant, "twin"), ERR_MISMATCH);
    assert_non_null(strstr(fixture.w.scene.log.last, "other names"));
    services[1].name = topology_name;
    assert_int_equal(twin_check(&t.model, &topology, w->cfg.plant, "twin"), ERR_MISMATCH);
    assert_non_null(strstr(fixture.w.scene.log.last, "other CPU"));
    cfg.node_cpu_m /= 2.0;
    OK(twin_check(&t.model, &topology, w->cfg.plant, "twin"));
    services[2].cpu_m += 1.0;
    assert_int_equal(twin_check(&t.model, &topology, w->cfg.plant, "twin"), ERR_MISMATCH);
    assert_non_null(strstr(fixture.w.scene.log.last, "other CPU"));
    topology.n_services--;
    assert_int_equal(twin_check(&t.model, &topology, w->cfg.plant, "twin"), ERR_MISMATCH);
    t.model.n_starts = 0;
    assert_int_equal(twin_check(&t.model, &w->topology, w->cfg.plant, "twin"), ERR_MISMATCH);
    assert_non_null(strstr(fixture.w.scene.log.last, "beginning"));
    arena_release(&t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grouping),      cmocka_unit_test(test_reset),
        cmocka_unit_test(test_identity),      cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_states),        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_never_reset),   cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_beginning),     cmocka_unit_test(test_by_definition),
        cmocka_unit_test(test_hold),          cmocka_unit_test(test_sources),
        cmocka_unit_test(test_other_systems), cmocka_unit_test(test_report_by_service),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
