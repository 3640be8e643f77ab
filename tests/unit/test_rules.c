/* Rules of the game: heads, masks, what actions do, imitation, what agents see. By hand and, for
 * every combination of head and operations, on random states. */
#include "core/plant/metrics.h"
#include "tests/unit/game_world.h"

enum {
    SERVICES = 4,
    AGENTS_MAX = 6,
    FACTORS_MAX = SERVICES,
    STATE_MAX = 256,
    MASK_MAX = 64,
    CASES = 1500
};

/* Bounds of all sorts: a is free, b has a floor, c is narrow, d has one choice only. alpha 3. */
#define SERVICE_TEXT                                                                               \
    "topology: {node_cpu_m: 1e6, services: [\n"                                                    \
    "  {name: a, max_replicas: 10, initial_replicas: 4, entry: true, calls: [b, c, d]},\n"         \
    "  {name: b, min_replicas: 2, max_replicas: 9, initial_replicas: 3},\n"                        \
    "  {name: c, min_replicas: 4, max_replicas: 5, initial_replicas: 4},\n"                        \
    "  {name: d, min_replicas: 3, max_replicas: 3, initial_replicas: 3}]}\n"
static const int LEAST[SERVICES] = {1, 2, 4, 3}, MOST[SERVICES] = {10, 9, 5, 3};
enum { ALPHA = 3 };

struct variant {
    const char *text;
    enum action_head head;
    bool all;
    int n_agents;
};
#define VARIANT_(head, operations, agents)                                                         \
    SERVICE_TEXT "game: {action: {head: " #head ", operations: " #operations "}, agents: " agents  \
                 "}\n"
static const struct variant VARIANTS[] = {
    {VARIANT_(level, one, "[p, q, r, s]"), HEAD_LEVEL, false, 4},
    {VARIANT_(delta, one, "[p, q, r, s]"), HEAD_DELTA, false, 4},
    {VARIANT_(level, all, "[p]"), HEAD_LEVEL, true, 1},
    {VARIANT_(delta, all, "[p]"), HEAD_DELTA, true, 1},
    {VARIANT_(level, one, "[p]"), HEAD_LEVEL, false, 1},
    {VARIANT_(delta, one, "[p, q]"), HEAD_DELTA, false, 2},
    {VARIANT_(level, one, "[p, q, r, s, t, u]"), HEAD_LEVEL, false, 6},
    {VARIANT_(delta, one, "[p, q, r, s, t, u]"), HEAD_DELTA, false, 6},
    {VARIANT_(level, all, "[p, q, r]"), HEAD_LEVEL, true, 3},
    {VARIANT_(delta, all, "[p, q, r, s, t, u]"), HEAD_DELTA, true, 6},
};
enum { N_VARIANTS = sizeof VARIANTS / sizeof *VARIANTS };

struct fixture {
    struct game_world w;
    const struct rules *r;
    struct rules_memory memory;
    float state[STATE_MAX];
    float row[STATE_MAX];
    uint32_t mask[MASK_MAX];
    int32_t action[AGENTS_MAX * FACTORS_MAX];
    int32_t delta[SERVICES];
    bool conflict;
};

static void start(struct fixture *f, const char *text)
{
    memset(f, 0, sizeof *f);
    game_world_open(&f->w, text);
    f->r = &f->w.rules;
    assert_true(f->r->spec.n_row <= STATE_MAX);
    assert_int_equal(rules_memory_init(&f->memory, &f->w.arena, f->r), ERR_OK);
}

static void stop(struct fixture *f)
{
    game_world_close(&f->w);
}

static void set_desired(struct fixture *f, int a, int b, int c, int d)
{
    const int desired[SERVICES] = {a, b, c, d};
    for (int s = 0; s < SERVICES; s++) {
        game_world_set(&f->w, f->state, s, SF_DESIRED, desired[s]);
    }
}

static int desired_of(const struct fixture *f, int s)
{
    return (int)f->state[state_service_at(s, SF_DESIRED)];
}

static void look(struct fixture *f)
{
    rules_row(f->row, f->mask, f->r, &f->memory, f->state);
}

static const uint32_t *mask_of(const struct fixture *f, int agent, int factor)
{
    const struct env_spec *spec = &f->r->spec;
    return f->mask + (agent * spec->n_factors + factor) * env_mask_words(spec);
}

static void act(struct fixture *f)
{
    rules_apply(f->delta, &f->conflict, &f->memory, f->r, f->state, f->action);
}

static uint32_t word(uint32_t v, uint32_t i, uint32_t k)
{
    return rng_philox(rng_key(5, RNG_TEST, RNG_TEST_SPLIT), k, i, v, 0).v[0];
}

static void draw_state(struct fixture *f, uint32_t v, uint32_t i)
{
    for (int k = 0; k < f->r->n_state; k++) {
        f->state[k] = 100.0F * rng_f32(word(v, i, 100 + (uint32_t)k));
    }
    for (int s = 0; s < SERVICES; s++) {
        const uint32_t n = (uint32_t)(MOST[s] - LEAST[s] + 1);
        game_world_set(&f->w, f->state, s, SF_DESIRED,
                       LEAST[s] + (int)rng_below(word(v, i, (uint32_t)s), n));
    }
}

static int32_t nth_allowed(const uint32_t *mask, int n_choices, uint32_t v)
{
    int n = 0;
    for (int k = 0; k < n_choices; k++) {
        n += mask_has(mask, k);
    }
    assert_true(n > 0);
    int skip = (int)rng_below(v, (uint32_t)n);
    int32_t k = 0;
    while (!mask_has(mask, k) || skip-- > 0) {
        k++;
    }
    return k;
}

/* A uniform choice inside the masks for every agent and factor. */
static void draw_action(struct fixture *f, uint32_t v, uint32_t i)
{
    const struct env_spec *spec = &f->r->spec;
    for (int a = 0; a < spec->n_agents; a++) {
        for (int k = 0; k < spec->n_factors; k++) {
            const int at = a * spec->n_factors + k;
            f->action[at] =
                nth_allowed(mask_of(f, a, k), spec->n_choices, word(v, i, 1000 + (uint32_t)at));
        }
    }
}

/* ---- what a choice means, decoded a second time ---- */

struct meaning {
    int service, target; /* target: as chosen, before clipping */
    bool none;           /* the delta head's no-op */
};

static struct meaning meaning_of(const struct fixture *f, const struct variant *v, int factor,
                                 int k)
{
    struct meaning m = {.service = factor};
    if (v->head == HEAD_LEVEL) {
        for (m.service = v->all ? factor : 0; !v->all && k >= MOST[m.service]; m.service++) {
            k -= MOST[m.service];
        }
        m.target = k + 1;
        return m;
    }
    int change = k - ALPHA;
    if (!v->all) {
        static const int changes[] = {-3, -2, -1, 1, 2, 3};
        m.none = k == 0;
        m.service = m.none ? 0 : (k - 1) / 6;
        change = m.none ? 0 : changes[(k - 1) % 6];
    }
    m.target = desired_of(f, m.service) + change;
    return m;
}

static int clipped(int x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static int change_of(const struct fixture *f, const struct meaning *m)
{
    return clipped(m->target - desired_of(f, m->service), -ALPHA, ALPHA);
}

/* ---- shapes ---- */

static void test_sizes(void **state)
{
    (void)state;
    static const int choices[N_VARIANTS] = {27, 25, 10, 7, 27, 25, 27, 25, 10, 7};
    int n_seen = 0;
    for (int i = 0; i < SERVICE_FEATURES; i++) {
        n_seen += SERVICES * service_feature_info[i].obs;
    }
    for (int i = 0; i < GLOBAL_FEATURES; i++) {
        n_seen += global_feature_info[i].obs;
    }
    for (int v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        start(&f, VARIANTS[v].text);
        const struct env_spec *spec = &f.r->spec;
        const int n_agents = VARIANTS[v].n_agents;
        const int last = VARIANTS[v].all ? SERVICES : 2;
        const int last_seen = VARIANTS[v].all ? SERVICES : SERVICES + 1;
        assert_int_equal(spec->n_agents, n_agents);
        assert_int_equal(spec->n_choices, choices[v]);
        assert_int_equal(spec->n_factors, VARIANTS[v].all ? SERVICES : 1);
        assert_int_equal(spec->n_norm, state_size(SERVICES));
        assert_int_equal(spec->n_row, state_size(SERVICES) + SERVICES + n_agents * last);
        assert_int_equal(spec->n_obs, n_seen + SERVICES + last_seen);
        assert_int_equal(spec->n_critic, n_seen + SERVICES + n_agents * last_seen);
        assert_int_equal(spec->n_stats, RULES_CONDUCT);
        assert_string_equal(spec->stat_names[0], "compliance");
        assert_string_equal(spec->stat_names[METRIC_TRAINED - 1], "conflicts");
        assert_string_equal(spec->stat_names[RULES_REWARD_SQUARED], "reward_squared");
        assert_int_equal(spec->agent_names[n_agents - 1][0], "pqrstu"[n_agents - 1]);
        stop(&f);
    }
}

static void test_too_many_choices(void **state)
{
    (void)state;
    struct game_world w;
    assert_int_equal(game_world_try(&w,
                                    "topology: {services: [{name: a, entry: true, calls: [b, c]}, "
                                    "{name: b}, {name: c}]}\n"
                                    "plant: {alpha: 700}\ngame: {action: {head: delta}}\n"),
                     ERR_CONFIG); /* 1 + 3 x 1400 */
    assert_non_null(strstr(w.log, "4201 choices"));
    game_world_close(&w);
    assert_int_equal(
        game_world_try(&w, "topology: {services: [{name: a, entry: true, calls: [b, c]}, "
                           "{name: b}, {name: c}]}\n"
                           "plant: {alpha: 700}\ngame: {action: {head: delta, operations: all}}\n"),
        ERR_OK);
    assert_int_equal(w.rules.spec.n_choices, 1401);
    game_world_close(&w);
}

/* A period that is no multiple of the scrape interval never becomes a world. */
static void test_world_checks_the_plant(void **state)
{
    (void)state;
    struct game_world w;
    assert_int_equal(game_world_try(&w, "plant: {period_s: 12}\n"), ERR_CONFIG);
    assert_non_null(strstr(w.log, "world.yaml:1"));
    assert_non_null(strstr(w.log, "period_s"));
    game_world_close(&w);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    struct game_world w;
    struct rules r;
    struct rules_memory m;
    struct arena arena;
    game_world_open(&w, VARIANTS[0].text);
    arena_init(&arena);
    mem_fail_after(1);
    assert_int_equal(rules_init(&r, &arena, &w.root.game, &w.world), ERR_MEMORY);
    mem_fail_after(1);
    assert_int_equal(rules_memory_init(&m, &arena, &w.rules), ERR_MEMORY);
    arena_release(&arena);
    game_world_close(&w);
}

/* ---- masks ---- */

/* Every mask against the meaning of its choices; a choice that changes nothing always stands open.
 */
static void test_masks(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        start(&f, VARIANTS[v].text);
        const struct env_spec *spec = &f.r->spec;
        for (uint32_t i = 0; i < CASES / 5; i++) {
            draw_state(&f, v, i);
            look(&f);
            for (int j = 0; j < spec->n_factors; j++) {
                const uint32_t *mask = mask_of(&f, 0, j);
                bool idle = false;
                for (int k = 0; k < 32 * env_mask_words(spec); k++) {
                    if (k >= spec->n_choices ||
                        (VARIANTS[v].head == HEAD_LEVEL && VARIANTS[v].all && k >= MOST[j])) {
                        assert_false(mask_has(mask, k));
                        continue;
                    }
                    const struct meaning m = meaning_of(&f, &VARIANTS[v], j, k);
                    const bool inside = m.target >= LEAST[m.service] && m.target <= MOST[m.service];
                    assert_int_equal(mask_has(mask, k), m.none || inside);
                    idle = idle || (mask_has(mask, k) && change_of(&f, &m) == 0);
                }
                assert_true(idle);
            }
            for (int a = 1; a < spec->n_agents; a++) {
                assert_memory_equal(mask_of(&f, a, 0), mask_of(&f, 0, 0),
                                    (size_t)(spec->n_factors * env_mask_words(spec)) * 4);
            }
        }
        stop(&f);
    }
}

/* ---- applying ---- */

/* Level: agents aim at 10 of a from 4 (+3), at 1 (-3), at 5 (+1), at 2 of b from 5 (-3): a +1 with
 * a conflict, b -3. */
static void test_level_by_hand(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[0].text);
    set_desired(&f, 4, 5, 4, 3);
    const int32_t action[] = {9, 0, 4, 10 + 1};
    memcpy(f.action, action, sizeof action);
    act(&f);
    assert_int_equal(f.delta[0], 1);
    assert_int_equal(f.delta[1], -3);
    assert_int_equal(f.delta[2], 0);
    assert_int_equal(f.delta[3], 0);
    assert_true(f.conflict);
    /* Same sign: +3 +3 +3 is cut to alpha; from 8 to the bound. */
    const int32_t together[] = {9, 9, 9, 10 + 4};
    memcpy(f.action, together, sizeof together);
    act(&f);
    assert_int_equal(f.delta[0], 3);
    assert_int_equal(f.delta[1], 0);
    assert_false(f.conflict);
    set_desired(&f, 8, 5, 4, 3);
    act(&f);
    assert_int_equal(f.delta[0], 2);
    stop(&f);
}

/* Delta, one: choice 1 + 6 s + {0..5} = {-3 .. -1, 1 .. 3} of service s. b from 4: -1 -1 to 2; a
 * -2 +2 cancel, which is a conflict too. */
static void test_delta_by_hand(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[1].text);
    set_desired(&f, 5, 4, 4, 3);
    const int32_t action[] = {1 + 6 + 2, 1 + 6 + 2, 0, 1 + 12 + 3};
    memcpy(f.action, action, sizeof action);
    act(&f);
    assert_int_equal(f.delta[0], 0);
    assert_int_equal(f.delta[1], -2);
    assert_int_equal(f.delta[2], 1);
    assert_false(f.conflict);
    const int32_t against[] = {1 + 1, 1 + 4, 0, 0};
    memcpy(f.action, against, sizeof against);
    act(&f);
    assert_int_equal(f.delta[0], 0);
    assert_true(f.conflict);
    stop(&f);
}

/* Sums, cuts and conflicts once more, from meanings. */
static void test_apply_on_random_states(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        int n_conflicts = 0;
        start(&f, VARIANTS[v].text);
        const struct env_spec *spec = &f.r->spec;
        for (uint32_t i = 0; i < CASES; i++) {
            int sum[SERVICES] = {0}, up[SERVICES] = {0}, down[SERVICES] = {0};
            bool conflict = false;
            draw_state(&f, v, i);
            look(&f);
            draw_action(&f, v, i);
            for (int j = 0; j < spec->n_agents * spec->n_factors; j++) {
                const struct meaning m =
                    meaning_of(&f, &VARIANTS[v], j % spec->n_factors, f.action[j]);
                const int change = m.none ? 0 : change_of(&f, &m);
                sum[m.service] += change;
                up[m.service] += change > 0;
                down[m.service] += change < 0;
            }
            act(&f);
            for (int s = 0; s < SERVICES; s++) {
                const int target = desired_of(&f, s) + clipped(sum[s], -ALPHA, ALPHA);
                assert_int_equal(desired_of(&f, s) + f.delta[s],
                                 clipped(target, LEAST[s], MOST[s]));
                conflict = conflict || (up[s] > 0 && down[s] > 0);
            }
            assert_int_equal(f.conflict, conflict);
            n_conflicts += conflict;
        }
        assert_true(VARIANTS[v].n_agents == 1 ? n_conflicts == 0 : n_conflicts > 0);
        stop(&f);
    }
}

/* One agent inside its mask gets exactly what it chose. */
static void test_choice_inside_the_mask_is_executed(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[4].text);
    for (uint32_t i = 0; i < CASES; i++) {
        draw_state(&f, 77, i);
        look(&f);
        draw_action(&f, 77, i);
        const struct meaning m = meaning_of(&f, &VARIANTS[4], 0, f.action[0]);
        act(&f);
        for (int s = 0; s < SERVICES; s++) {
            assert_int_equal(f.delta[s], s == m.service ? change_of(&f, &m) : 0);
        }
    }
    stop(&f);
}

/* ---- memory ---- */

static void test_since(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[1].text);
    set_desired(&f, 5, 4, 4, 3);
    look(&f);
    const float *since = f.row + f.r->n_state;
    assert_true(since[0] == 600 && since[3] == 600);
    f.action[0] = 1 + 3; /* a + 1 */
    act(&f);
    look(&f);
    assert_true(since[0] == 15 && since[1] == 600);
    memset(f.action, 0, sizeof f.action);
    for (int i = 2; i < 60; i++) {
        act(&f);
        look(&f);
        assert_true(since[0] == (float)(15 * i < 600 ? 15 * i : 600));
    }
    f.action[0] = 1 + 12 + 2; /* c - 1 at its floor: nothing happens */
    act(&f);
    look(&f);
    assert_true(since[2] == 600);
    rules_memory_clear(&f.memory, f.r);
    look(&f);
    assert_true(since[0] == 600);
    stop(&f);
}

/* What was asked for, before sums and bounds; nothing = service -1. */
static void test_previous_action_of_one(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[0].text);
    set_desired(&f, 4, 5, 4, 3);
    look(&f);
    const float *last = f.row + f.r->n_state + SERVICES;
    assert_true(last[0] == -1 && last[1] == 0 && last[6] == -1);
    const int32_t action[] = {9, 10 + 3, 10 + 4, 10 + 9 + 4}; /* a to 10, b to 4, b to 5, c to 5 */
    memcpy(f.action, action, sizeof action);
    act(&f);
    look(&f);
    const float expected[] = {0, 1, 1, -1.0F / 3, -1, 0, 2, 1.0F / 3};
    assert_memory_equal(last, expected, sizeof expected);
    float obs[STATE_MAX];
    const int at = f.r->spec.n_obs - SERVICES - 1;
    f.r->spec.obs(f.r, obs, 1, f.row);
    const float seen[] = {0, 1, 0, 0, -1.0F / 3};
    assert_memory_equal(obs + at, seen, sizeof seen);
    f.r->spec.obs(f.r, obs, 2, f.row);
    const float nothing[] = {0, 0, 0, 0, 0};
    assert_memory_equal(obs + at, nothing, sizeof nothing);
    stop(&f);
}

static void test_previous_action_of_all(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, VARIANTS[3].text);
    set_desired(&f, 4, 5, 4, 3);
    const int32_t action[] = {ALPHA + 3, ALPHA - 1, ALPHA + 1, ALPHA};
    memcpy(f.action, action, sizeof action);
    act(&f);
    look(&f);
    const float expected[] = {1, -1.0F / 3, 1.0F / 3, 0};
    assert_memory_equal(f.row + f.r->n_state + SERVICES, expected, sizeof expected);
    float obs[STATE_MAX];
    f.r->spec.obs(f.r, obs, 0, f.row);
    assert_memory_equal(obs + f.r->spec.n_obs - SERVICES, expected, sizeof expected);
    stop(&f);
}

/* ---- observations ---- */

/* A row whose columns are their numbers: what stands where. */
static void test_observation_columns(void **state)
{
    (void)state;
    struct fixture f;
    float obs[STATE_MAX], critic[STATE_MAX], again[STATE_MAX];
    start(&f, VARIANTS[0].text);
    const struct env_spec *spec = &f.r->spec;
    for (int i = 0; i < spec->n_row; i++) {
        f.row[i] = (float)(1000 + i);
    }
    f.row[f.r->n_state + SERVICES + 2 * 3] = 2; /* the last agent: service c */
    spec->obs(f.r, obs, 3, f.row);
    spec->critic(f.r, critic, f.row);
    int n = 0;
    for (int s = 0; s < SERVICES; s++) {
        for (int i = 0; i < SERVICE_FEATURES; i++) {
            if (service_feature_info[i].obs) {
                assert_true(obs[n++] == (float)(1000 + s * SERVICE_FEATURES + i));
            }
        }
    }
    for (int i = 0; i < GLOBAL_FEATURES; i++) {
        if (global_feature_info[i].obs) {
            assert_true(obs[n++] == (float)(1000 + SERVICES * SERVICE_FEATURES + i));
        }
    }
    for (int s = 0; s < SERVICES; s++) {
        assert_true(obs[n++] == (float)(1000 + f.r->n_state + s) / 600.0F);
    }
    assert_memory_equal(obs, critic, (size_t)n * sizeof *obs);
    assert_true(obs[n] == 0 && obs[n + 1] == 0 && obs[n + 2] == 1 && obs[n + 3] == 0);
    assert_true(obs[n + 4] == (float)(1000 + f.r->n_state + SERVICES + 7));
    assert_int_equal(n + 5, spec->n_obs);
    for (int a = 0; a < 4; a++) { /* the critic sees what each agent did */
        spec->obs(f.r, again, a, f.row);
        assert_memory_equal(critic + n + 5 * a, again + n, 5 * sizeof *again);
    }
    assert_int_equal(n + 5 * 4, spec->n_critic);
    stop(&f);
}

/* hpa_* columns, which only the Kubernetes rule may read, do not move an observation. */
static void test_hidden_columns(void **state)
{
    (void)state;
    struct fixture f;
    float a[STATE_MAX], b[STATE_MAX];
    start(&f, VARIANTS[2].text);
    draw_state(&f, 1, 1);
    look(&f);
    f.r->spec.obs(f.r, a, 0, f.row);
    for (int s = 0; s < SERVICES; s++) {
        for (int i = SF_HPA_READY; i <= SF_HPA_CPU; i++) {
            f.state[state_service_at(s, (enum service_feature)i)] += 7;
        }
    }
    look(&f);
    f.r->spec.obs(f.r, b, 0, f.row);
    assert_memory_equal(a, b, (size_t)f.r->spec.n_obs * sizeof *a);
    stop(&f);
}

/* Rows, masks, changes and observations are functions of state, memory and action alone, and
 * nothing outside their shapes is written. */
static void test_purity(void **state)
{
    (void)state;
    struct fixture f, g;
    float obs_f[STATE_MAX], obs_g[STATE_MAX];
    start(&f, VARIANTS[0].text);
    start(&g, VARIANTS[0].text);
    const size_t n_obs = (size_t)f.r->spec.n_obs;
    for (uint32_t i = 0; i < 200; i++) {
        draw_state(&f, 9, i);
        memcpy(g.state, f.state, sizeof f.state);
        memset(g.row, (int)i, sizeof g.row);
        memset(g.mask, (int)i, sizeof g.mask);
        memset(g.delta, (int)i, sizeof g.delta);
        memset(obs_g, (int)i, sizeof obs_g);
        look(&f);
        look(&g);
        const size_t n_row = (size_t)f.r->spec.n_row;
        assert_memory_equal(f.row, g.row, n_row * sizeof *f.row);
        assert_memory_equal(f.mask, g.mask,
                            (size_t)(4 * env_mask_words(&f.r->spec)) * sizeof *f.mask);
        assert_memory_equal((unsigned char *)&g.row[n_row], &(unsigned char){(unsigned char)i}, 1);
        f.r->spec.obs(f.r, obs_f, 2, f.row);
        g.r->spec.obs(g.r, obs_g, 2, g.row);
        assert_memory_equal(obs_f, obs_g, n_obs * sizeof *obs_f);
        assert_memory_equal((unsigned char *)&obs_g[n_obs], &(unsigned char){(unsigned char)i}, 1);
        draw_action(&f, 9, i);
        memcpy(g.action, f.action, sizeof f.action);
        act(&f);
        act(&g);
        assert_memory_equal(f.delta, g.delta, sizeof f.delta);
    }
    stop(&f);
    stop(&g);
}

/* ---- imitation ---- */

/* Of services s with s % A == agent the one furthest from its target, the first among equals. */
static bool is_moved(const struct fixture *f, const struct variant *v, const int32_t *target, int s)
{
    if (v->all) {
        return true;
    }
    for (int other = s % v->n_agents; other < SERVICES; other += v->n_agents) {
        const int gap = abs(target[s] - desired_of(f, s));
        const int other_gap = abs(target[other] - desired_of(f, other));
        if (other_gap > gap || (other_gap == gap && other < s)) {
            return false;
        }
    }
    return true;
}

static void test_imitation(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        int32_t target[SERVICES];
        int n_moved = 0;
        start(&f, VARIANTS[v].text);
        const struct env_spec *spec = &f.r->spec;
        for (uint32_t i = 0; i < CASES; i++) {
            draw_state(&f, v, i);
            look(&f);
            for (uint32_t s = 0; s < SERVICES; s++) { /* beyond the bounds, too */
                target[s] = (int32_t)rng_below(word(v, i, 2000 + s), 14);
            }
            rules_imitate(f.action, f.r, &f.memory, f.state, target);
            for (int j = 0; j < spec->n_agents * spec->n_factors; j++) {
                const int k = f.action[j];
                assert_true(k >= 0 && k < spec->n_choices);
                assert_true(mask_has(mask_of(&f, j / spec->n_factors, j % spec->n_factors), k));
            }
            act(&f);
            assert_false(f.conflict);
            for (int s = 0; s < SERVICES; s++) {
                const int wish = clipped(target[s], LEAST[s], MOST[s]) - desired_of(&f, s);
                const int moved = is_moved(&f, &VARIANTS[v], target, s);
                assert_int_equal(f.delta[s], moved ? clipped(wish, -ALPHA, ALPHA) : 0);
                n_moved += f.delta[s] != 0;
            }
        }
        assert_true(n_moved > CASES / 2);
        stop(&f);
    }
}

/* As many agents as services, or all operations: the whole wish is executed, and in a few steps
 * the rule's target is reached. */
static void test_imitation_arrives(void **state)
{
    (void)state;
    static const int32_t target[SERVICES] = {10, 2, 5, 3};
    for (int v = 0; v < N_VARIANTS; v++) {
        struct fixture f;
        start(&f, VARIANTS[v].text);
        set_desired(&f, 1, 9, 4, 3);
        for (int i = 0; i < 8; i++) {
            rules_imitate(f.action, f.r, &f.memory, f.state, target);
            act(&f);
            set_desired(&f, desired_of(&f, 0) + f.delta[0], desired_of(&f, 1) + f.delta[1],
                        desired_of(&f, 2) + f.delta[2], desired_of(&f, 3) + f.delta[3]);
            if (i == 2 && (VARIANTS[v].all || VARIANTS[v].n_agents >= SERVICES)) {
                assert_int_equal(desired_of(&f, 0), 10);
                assert_int_equal(desired_of(&f, 1), 2);
            }
        }
        for (int s = 0; s < SERVICES; s++) {
            assert_int_equal(desired_of(&f, s), target[s]);
        }
        stop(&f);
    }
}

/* One service: operations all and one are the same game. */
static void test_one_service(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "topology: {services: [{name: a, entry: true, max_replicas: 6}]}\n"
        "game: {agents: [p], action: {operations: one}}\n",
        "topology: {services: [{name: a, entry: true, max_replicas: 6}]}\n"
        "game: {agents: [p], action: {operations: all}}\n",
    };
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        const int32_t target[] = {5};
        start(&f, texts[i]);
        game_world_set(&f.w, f.state, 0, SF_DESIRED, 1);
        look(&f);
        assert_int_equal(f.r->spec.n_factors, 1);
        assert_int_equal(f.mask[0], 63);
        rules_imitate(f.action, f.r, &f.memory, f.state, target);
        assert_int_equal(f.action[0], 4);
        act(&f);
        assert_int_equal(f.delta[0], 3);
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_too_many_choices),
        cmocka_unit_test(test_world_checks_the_plant),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_level_by_hand),
        cmocka_unit_test(test_delta_by_hand),
        cmocka_unit_test(test_apply_on_random_states),
        cmocka_unit_test(test_choice_inside_the_mask_is_executed),
        cmocka_unit_test(test_since),
        cmocka_unit_test(test_previous_action_of_one),
        cmocka_unit_test(test_previous_action_of_all),
        cmocka_unit_test(test_observation_columns),
        cmocka_unit_test(test_hidden_columns),
        cmocka_unit_test(test_purity),
        cmocka_unit_test(test_imitation),
        cmocka_unit_test(test_imitation_arrives),
        cmocka_unit_test(test_one_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
