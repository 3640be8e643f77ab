/* The game against its parts: a second loop over a plant, the rules and the account, step by step,
 * must see the same rows, rewards and metrics, bit by bit. */
#include "core/base/hash.h"
#include "core/plant/episode_metrics.h"
#include "core/plant/reward.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { N_ENV = 3, HORIZON = 6, GLOBAL_STATE_MAX = 256, MASK_MAX = 16, ACTION_MAX = 8, AGENTS = 4 };
static const uint64_t SEED = 17;

/* Episodes of 90 s; whatever is drawn, an attack or a fault begins within them. */
static const char WORLD[] =
    "workload: {mean_rps: 30}\n"
    "scenarios:\n"
    "  - {name: quiet}\n"
    "  - {name: ddos, events: [{kind: ddos, quiet_s: {lo: 10, hi: 20}, ramp_s: {lo: 0, hi: 5},\n"
    "     duration_s: {lo: 20, hi: 40}, magnitude: {lo: 3, hi: 4}}]}\n"
    "  - {name: crash, events: [{kind: crash, service: any, quiet_s: {lo: 10, hi: 20},\n"
    "     ramp_s: {lo: 0, hi: 5}, duration_s: {lo: 20, hi: 40}, magnitude: {lo: 0.2, hi: 0.2}}]}\n"
    "game: {horizon: 6}\n";

/* A rule that always wants two replicas of everything, and keeps what it was told. */
struct witness {
    struct episode_id id[N_ENV];
    int n_resets, n_targets, lid;
    float state[GLOBAL_STATE_MAX];
    int n_state;
};

static void witness_reset(void *ctx, int lid, const struct episode_id *id)
{
    struct witness *w = ctx;
    w->id[lid] = *id;
    w->n_resets++;
}

static void witness_target(void *ctx, int lid, int32_t *target, const float *state)
{
    struct witness *w = ctx;
    w->n_targets++;
    w->lid = lid;
    memcpy(w->state, state, (size_t)w->n_state * sizeof *state);
    for (int s = 0; s < 4; s++) {
        target[s] = 2;
    }
}

struct fixture {
    struct game_fixture w;
    struct env *env;
    struct witness witness;
    struct demonstrator demo;
    float global_state[GLOBAL_STATE_MAX];
    uint32_t mask[MASK_MAX];
    int32_t action[N_ENV * ACTION_MAX];
    float reward[N_ENV * AGENTS];
    uint8_t flag[N_ENV];
};

static struct env *new_game(struct fixture *f, uint64_t seed, bool demonstrated)
{
    struct env *env = NULL;
    assert_int_equal(
        game_new(&env, &f->w.arena, &f->w.rules, N_ENV, seed, demonstrated ? &f->demo : NULL),
        ERR_OK);
    return env;
}

static void start(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, WORLD);
    f->witness.n_state = f->w.rules.n_state;
    f->demo = (struct demonstrator){&f->witness, witness_reset, witness_target};
    f->env = new_game(f, SEED, false);
    assert_true(f->env->spec->teams[0]->n_global_state <= GLOBAL_STATE_MAX &&
                f->env->spec->teams[0]->n_agents == AGENTS);
}

static void stop(struct fixture *f)
{
    game_fixture_close(&f->w);
}

static void reset(struct env *env, int lid, uint32_t gid, uint32_t episode, int steps)
{
    assert_int_equal(env->ops->reset(env, lid, gid, episode, steps), ERR_OK);
}

/* What agent `a` of environment gid chooses: any target that lies inside the bounds 1 to 10. */
static int32_t choice(uint32_t gid, uint32_t episode, uint32_t step, uint32_t a)
{
    return (int32_t)rng_below(
        rng_philox(rng_key(2, RNG_TEST, RNG_TEST_SPLIT), a, step, episode, gid).v[0], 40);
}

static void choose(struct fixture *f, int lid, uint32_t gid, uint32_t episode, uint32_t step)
{
    for (uint32_t a = 0; a < AGENTS; a++) {
        f->action[lid * AGENTS + (int)a] = choice(gid, episode, step, a);
    }
}

static void step(struct fixture *f, struct env *env)
{
    assert_int_equal(env->ops->step(env, (const int32_t *const[]){f->action},
                                    (float *const[]){f->reward}, f->flag),
                     ERR_OK);
}

/* ---- the second loop ---- */

struct mirror {
    const struct env_setup *env_setup;
    const struct rules *rules;
    struct plant *plant; /* one environment */
    struct schedule schedule;
    struct rules_memory memory;
    struct episode_account account;
    struct episode_metrics metrics;
    int32_t delta[4];
    double reward;
    int scenario;
};

static void mirror_start(struct mirror *m, struct fixture *f, uint32_t gid, uint32_t episode)
{
    struct arena *arena = &f->w.arena;
    const struct episode_id id = {SEED, RNG_TRAIN, gid, episode};
    *m = (struct mirror){.env_setup = &f->w.env_setup, .rules = &f->w.rules};
    m->scenario = (int)((gid + episode) % 3);
    assert_int_equal(env_setup_plant(&m->plant, arena, m->env_setup, PLANT_KIND_CLUSTER, 1),
                     ERR_OK);
    assert_int_equal(schedule_init(&m->schedule, arena, HORIZON * 15), ERR_OK);
    assert_int_equal(rules_memory_init(&m->memory, arena, m->rules), ERR_OK);
    assert_int_equal(episode_account_init(&m->account, arena, 4), ERR_OK);
    schedule_draw(&m->schedule, &m->env_setup->scenarios[m->scenario], &id, HORIZON * 15);
    assert_int_equal(plant_reset(m->plant, 0, &id, &m->schedule, HORIZON), ERR_OK);
}

static void mirror_step(struct mirror *m, const int32_t *action)
{
    bool conflict = false;
    struct reward_terms terms;
    rules_apply(m->delta, &conflict, &m->memory, m->rules, plant_state(m->plant, 0), action);
    assert_int_equal(plant_step(m->plant, m->delta, NULL, NULL), ERR_OK);
    reward_of(&terms, plant_truth(m->plant, 0), m->env_setup->cfg.plant,
              m->env_setup->cfg.topology->node_cpu_m, m->env_setup->cfg.workload->mean_rps);
    episode_account_step(&m->account, plant_truth(m->plant, 0), &terms, m->delta, conflict);
    m->reward = terms.reward;
}

static void mirror_finish(struct mirror *m)
{
    int n = 0;
    const struct plant_cohort *cohorts = plant_cohorts(m->plant, 0, &n);
    episode_metrics_finish(&m->metrics, &m->account, cohorts, n, m->schedule.onset_s,
                           m->env_setup->cfg.plant);
}

static void assert_same_view(struct fixture *f, int lid, const struct mirror *m)
{
    float global_state[GLOBAL_STATE_MAX];
    uint32_t mask[MASK_MAX];
    const struct team_spec *spec = f->env->spec->teams[0];
    f->env->ops->global_state(f->env, lid, 0, f->global_state, f->mask);
    rules_global_state(global_state, mask, m->rules, &m->memory, plant_state(m->plant, 0));
    assert_memory_equal(f->global_state, global_state,
                        (size_t)spec->n_global_state * sizeof *global_state);
    assert_memory_equal(f->mask, mask, (size_t)(AGENTS * env_mask_words(spec)) * sizeof *mask);
}

/* Three environments, three episodes each, so every environment meets every scenario. */
static void test_against_its_parts(void **state)
{
    (void)state;
    struct fixture f;
    struct mirror m[N_ENV];
    double stats[METRIC_COUNT];
    int n_conflicts = 0;
    start(&f);
    for (uint32_t episode = 0; episode < 3; episode++) {
        for (int e = 0; e < N_ENV; e++) {
            mirror_start(&m[e], &f, 40 + (uint32_t)e, episode);
            reset(f.env, e, 40 + (uint32_t)e, episode, 0);
        }
        for (uint32_t t = 0; t < HORIZON; t++) {
            for (int e = 0; e < N_ENV; e++) {
                assert_same_view(&f, e, &m[e]);
                choose(&f, e, 40 + (uint32_t)e, episode, t);
                mirror_step(&m[e], f.action + e * AGENTS);
            }
            step(&f, f.env);
            for (int e = 0; e < N_ENV; e++) {
                for (int a = 0; a < AGENTS; a++) {
                    assert_true(f.reward[e * AGENTS + a] == (float)m[e].reward);
                }
                assert_int_equal(f.flag[e], t == HORIZON - 1 ? ENV_TRUNCATED : ENV_RUNNING);
            }
        }
        for (int e = 0; e < N_ENV; e++) {
            mirror_finish(&m[e]);
            f.env->ops->stats(f.env, e, stats);
            assert_memory_equal(stats, &m[e].metrics, METRIC_TRAINED * sizeof *stats);
            assert_true(stats[EPISODE_REWARD_SQUARED] == m[e].metrics.reward * m[e].metrics.reward);
            /* Only the quiet one has nothing to recover from. */
            assert_true(isnan(m[e].metrics.recovery) == (m[e].scenario == 0));
            n_conflicts += m[e].metrics.conflicts > 0;
        }
    }
    assert_true(n_conflicts > 0);
    stop(&f);
}

/* ---- length of an episode ---- */

static int steps_until_cut(struct fixture *f, int lid)
{
    for (int n = 1; n <= 2 * HORIZON; n++) {
        step(f, f->env);
        if (f->flag[lid] == ENV_TRUNCATED) {
            return n;
        }
        assert_int_equal(f->flag[lid], ENV_RUNNING);
    }
    return -1;
}

/* A first episode may be shorter: its metrics are those of the steps it had. One that asks for more
 * than the horizon ends there. */
static void test_staggered_start(void **state)
{
    (void)state;
    struct fixture f;
    struct episode_metrics metrics;
    start(&f);
    reset(f.env, 1, 1, 0, 0);
    reset(f.env, 2, 2, 0, 0);
    reset(f.env, 0, 0, 0, 2);
    assert_int_equal(steps_until_cut(&f, 0), 2);
    double stats[METRIC_COUNT];
    f.env->ops->stats(f.env, 0, stats);
    memcpy(&metrics, stats, sizeof metrics);
    assert_true(metrics.vcpu > 0 && metrics.vcpu_h == metrics.vcpu * (2 * 15 / 3600.0));
    reset(f.env, 0, 0, 1, 0);
    assert_int_equal(steps_until_cut(&f, 0), HORIZON);
    reset(f.env, 0, 0, 2, 99);
    assert_int_equal(steps_until_cut(&f, 0), HORIZON);
    reset(f.env, 0, 0, 3, 1);
    assert_int_equal(steps_until_cut(&f, 0), 1);
    stop(&f);
}

/* ---- what an episode depends on ---- */

/* Rows and rewards of one episode of environment gid in slot lid, as one number. */
static uint64_t trace(struct fixture *f, struct env *env, int lid, uint32_t gid, uint32_t episode)
{
    uint64_t hash = 1469598103934665603u;
    for (int e = 0; e < N_ENV; e++) {
        reset(env, e, e == lid ? gid : 900 + (uint32_t)(lid * N_ENV + e), episode, 0);
    }
    for (uint32_t t = 0; t < HORIZON; t++) {
        choose(f, lid, gid, episode, t);
        step(f, env);
        env->ops->global_state(env, lid, 0, f->global_state, f->mask);
        f->global_state[env->spec->teams[0]->n_global_state] = f->reward[lid * AGENTS];
        hash = hash_fnv1a(hash, f->global_state,
                          (size_t)(env->spec->teams[0]->n_global_state + 1) * sizeof(float));
    }
    return hash;
}

/* Not on the slot, the neighbours, or what was played before; but on seed, gid and episode. */
static void test_what_an_episode_depends_on(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    const uint64_t first = trace(&f, f.env, 0, 7, 1);
    assert_true(trace(&f, f.env, 2, 7, 1) == first);
    assert_true(trace(&f, new_game(&f, SEED, true), 1, 7, 1) == first);
    assert_true(trace(&f, f.env, 0, 10, 1) != first); /* the same scenario */
    assert_true(trace(&f, f.env, 0, 7, 4) != first);
    assert_true(trace(&f, new_game(&f, SEED + 1, false), 0, 7, 1) != first);
    stop(&f);
}

/* ---- demonstrations ---- */

static void test_demonstrator(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    assert_null(f.env->ops->demonstrate);
    struct env *env = new_game(&f, SEED, true);
    const int32_t two[4] = {2, 2, 2, 2};
    int32_t expected[AGENTS];
    for (int e = 0; e < N_ENV; e++) {
        reset(env, e, 20 + (uint32_t)e, 4, 0);
        const struct episode_id *id = &f.witness.id[e];
        assert_true(id->seed == SEED && id->split == RNG_TRAIN);
        assert_true(id->env == 20 + (uint32_t)e && id->episode == 4);
    }
    assert_int_equal(f.witness.n_resets, N_ENV);
    for (int t = 0; t < HORIZON; t++) {
        for (int e = 0; e < N_ENV; e++) {
            env->ops->global_state(env, e, 0, f.global_state, f.mask);
            env->ops->demonstrate(env, e, 0, f.action + e * AGENTS);
            assert_int_equal(f.witness.lid, e);
            assert_memory_equal(f.witness.state, f.global_state,
                                (size_t)f.witness.n_state * sizeof(float));
            rules_imitate(expected, &f.w.rules, NULL, f.global_state, two);
            assert_memory_equal(f.action + e * AGENTS, expected, sizeof expected);
        }
        step(&f, env);
    }
    assert_int_equal(f.witness.n_targets, HORIZON * N_ENV);
    for (int s = 0; s < 4; s++) { /* four agents, four services: the wish came true */
        assert_true(f.global_state[state_service_at(s, SF_DESIRED)] == 2);
    }
    stop(&f);
}

/* ---- memory ---- */

static void test_no_allocation(void **state)
{
    (void)state;
    struct fixture f;
    double stats[METRIC_COUNT];
    start(&f);
    struct env *env = new_game(&f, SEED, true);
    const uint64_t before = mem_calls();
    for (uint32_t episode = 0; episode < 3; episode++) {
        for (int e = 0; e < N_ENV; e++) {
            reset(env, e, (uint32_t)e, episode, 0);
        }
        for (uint32_t t = 0; t < HORIZON; t++) {
            for (int e = 0; e < N_ENV; e++) {
                env->ops->global_state(env, e, 0, f.global_state, f.mask);
                env->ops->demonstrate(env, e, 0, f.action + e * AGENTS);
                choose(&f, e, (uint32_t)e, episode, t);
            }
            step(&f, env);
        }
        env->ops->stats(env, 0, stats);
    }
    assert_int_equal(mem_calls(), before);
    stop(&f);
}

/* Whichever allocation fails, the error comes back and nothing leaks. */
static void test_failing_allocations(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    enum err e = ERR_MEMORY;
    uint64_t n = 0;
    while (e == ERR_MEMORY) {
        struct arena arena;
        struct env *env = NULL;
        arena_init(&arena);
        mem_fail_after(++n);
        e = game_new(&env, &arena, &f.w.rules, 32, SEED, NULL);
        mem_fail_after(0);
        assert_true(e == ERR_OK || env == NULL);
        arena_release(&arena);
    }
    assert_int_equal(e, ERR_OK);
    assert_true(n > 1);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_its_parts),
        cmocka_unit_test(test_staggered_start),
        cmocka_unit_test(test_what_an_episode_depends_on),
        cmocka_unit_test(test_demonstrator),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
