/* The rollout against a plain loop, and what must not change it. */
#include "core/base/log.h"
#include "core/marl/rollout.h"
#include "tests/unit/toy_env.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static const struct toy_shape shape = {.n_agents = 2,
                                       .n_factors = 2,
                                       .n_choices = 5,
                                       .n_global_state = 9,
                                       .n_norm = 4,
                                       .n_obs = 7,
                                       .n_critic = 9,
                                       .horizon = 6};
enum { A = 2, F = 2, R = 9, N_ENV = 11, T = 15 };

static int hidden[] = {16};
static const struct rollout_cfg policy = {.seed = 31};

struct fixture {
    struct arena arena;
    struct team_spec spec;
    struct env_spec env;
    struct team_cfg cfg;
    struct toy_run run;
};

static void setup(struct fixture *f)
{
    arena_init(&f->arena);
    f->spec = toy_spec(&shape);
    f->env = toy_env_spec(&f->spec);
    f->cfg = toy_team_cfg(hidden, 1, 16);
    OK(toy_run_init(&f->run, &f->arena, &f->cfg, &shape, &f->env, N_ENV, T));
}

/* One environment, step by step, without any of the rollout's code. */
static void plain_loop(struct fixture *f, struct block *b, uint32_t gid, uint32_t update)
{
    struct toy toy = toy_env(&shape, &f->env, 1);
    struct team_scratch *s;
    struct rng_key key = rng_key(policy.seed, RNG_ACTION, RNG_TRAIN);
    uint32_t episode = 0, mask[A * F];
    float global_state[R];
    OK(team_scratch_init(&s, &f->arena, &f->run.team, 1));
    OK(toy_reset(&toy.env, 0, gid, 0, 0));
    for (int t = 0; t < T; t++) {
        toy_global_state(&toy.env, 0, 0, b->global_state + t * R, b->mask + t * A * F);
        team_act(&f->run.team, s, b->action + t * A * F, b->logp + t * A, b->global_state + t * R,
                 b->mask + t * A * F, 1, ACT_SAMPLE, key, &gid, update, (uint32_t)t);
        team_value(&f->run.team, s, b->value + t * A, b->global_state + t * R, NULL, 1);
        const int32_t *action[] = {b->action + t * A * F};
        float *reward[] = {b->reward + t * A};
        OK(toy_step(&toy.env, action, reward, b->flag + t));
        toy_global_state(&toy.env, 0, 0, global_state, mask);
        if (b->flag[t] == ENV_TRUNCATED) {
            team_value(&f->run.team, s, b->bootstrap_value + t * A, global_state, NULL, 1);
        }
        if (b->flag[t] != ENV_RUNNING) {
            double stats[2];
            toy_stats(&toy.env, 0, stats);
            b->stats[0] += stats[0];
            b->stats[1] += stats[1];
            b->n_episodes++;
            OK(toy_reset(&toy.env, 0, gid, ++episode, 0));
            toy_global_state(&toy.env, 0, 0, global_state, mask);
        }
    }
    team_value(&f->run.team, s, b->last_value, global_state, NULL, 1);
}

static void test_plain_loop(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    OK(toy_run_rollout(&f.run, &policy, 12));
    double steps = 0.0, sum = 0.0;
    uint32_t n_episodes = 0;
    int n_bootstrap_value = 0;
    for (int gid = 0; gid < N_ENV; gid++) {
        struct block one;
        const struct block *b = &f.run.block[gid / TILE];
        int e = gid % TILE, first = e * T;
        OK(block_init(&one, &f.arena, &f.env, 0, 1, T));
        plain_loop(&f, &one, (uint32_t)gid, 12);
        assert_memory_equal(b->global_state + first * R, one.global_state, T * R * sizeof(float));
        assert_memory_equal(b->mask + first * A * F, one.mask, T * A * F * sizeof(uint32_t));
        assert_memory_equal(b->action + first * A * F, one.action, T * A * F * sizeof(int32_t));
        assert_memory_equal(b->logp + first * A, one.logp, T * A * sizeof(float));
        assert_memory_equal(b->value + first * A, one.value, T * A * sizeof(float));
        assert_memory_equal(b->reward + first * A, one.reward, T * A * sizeof(float));
        assert_memory_equal(b->bootstrap_value + first * A, one.bootstrap_value,
                            T * A * sizeof(float));
        assert_memory_equal(b->flag + first, one.flag, T);
        assert_memory_equal(b->last_value + e * A, one.last_value, A * sizeof(float));
        steps += one.stats[0];
        sum += one.stats[1];
        n_episodes += one.n_episodes;
        for (int t = 0; t < T; t++) {
            n_bootstrap_value += one.flag[t] == ENV_TRUNCATED;
        }
    }
    assert_true(n_bootstrap_value > 5); /* it was there to be tested */
    assert_int_equal(f.run.block[0].n_episodes + f.run.block[1].n_episodes, n_episodes);
    assert_true(f.run.block[0].stats[0] + f.run.block[1].stats[0] == steps);
    for (int i = 2; i < 4; i++) { /* each episode has both numbers */
        assert_true(f.run.block[0].stats[i] + f.run.block[1].stats[i] == n_episodes);
    }
    double got = f.run.block[0].stats[1] + f.run.block[1].stats[1];
    assert_true(got - sum < 1e-9 && sum - got < 1e-9);
    assert_int_equal(f.run.block[1].tile, 1);
    assert_int_equal(f.run.block[1].n_env, 3);
    assert_int_equal(f.run.block[1].update, 12);
    arena_release(&f.arena);
}

/* Episodes of an odd length have nothing to tell. */
static void odd_stats(struct env *e, int lid, double *out)
{
    toy_stats(e, lid, out);
    const bool odd = (int)out[0] % 2 == 1;
    for (int i = 0; odd && i < e->spec->n_stats; i++) {
        out[i] = (double)NAN;
    }
}

static void test_episodes_without_numbers(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t n[2] = {0};
    for (int odd = 0; odd < 2; odd++) {
        struct env_ops ops = toy_ops;
        setup(&f);
        ops.stats = odd == 1 ? odd_stats : toy_stats;
        for (int i = 0; i < f.run.n_tiles; i++) {
            f.run.env[i].env.ops = &ops;
        }
        OK(toy_run_rollout(&f.run, &policy, 12));
        for (int i = 0; i < f.run.n_tiles; i++) {
            n[odd] += f.run.block[i].n_episodes;
            assert_true(isfinite(f.run.block[i].stats[0]) && isfinite(f.run.block[i].stats[1]));
        }
        arena_release(&f.arena);
    }
    assert_true(n[1] > 0 && n[1] < n[0]); /* of both lengths there are some */
}

/* One number that is unknown is no reason to leave an episode out. */
static void unknown_stats(struct env *e, int lid, double *out)
{
    toy_stats(e, lid, out);
    out[0] = (double)NAN;
}

static void test_episodes_with_an_unknown_number(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t n[2] = {0};
    for (int half = 0; half < 2; half++) {
        struct env_ops ops = toy_ops;
        setup(&f);
        ops.stats = half == 1 ? unknown_stats : toy_stats;
        for (int i = 0; i < f.run.n_tiles; i++) {
            f.run.env[i].env.ops = &ops;
        }
        OK(toy_run_rollout(&f.run, &policy, 12));
        for (int i = 0; i < f.run.n_tiles; i++) {
            n[half] += f.run.block[i].n_episodes;
            assert_true(half == 0 || f.run.block[i].stats[2] == 0.0F);
            assert_true(f.run.block[i].stats[3] == (float)f.run.block[i].n_episodes);
        }
        arena_release(&f.arena);
    }
    assert_true(n[1] > 0 && n[1] == n[0]);
}

/* The second block goes on where the first one ended. */
static void test_continues(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    OK(toy_run_rollout(&f.run, &policy, 0));
    uint32_t at_start[3], after[3];
    memcpy(at_start, f.run.block[1].episode, sizeof(at_start));
    memcpy(after, f.run.tile[1].episode, sizeof(after));
    float last[A];
    memcpy(last, f.run.block[1].last_value, sizeof(last));
    OK(toy_run_rollout(&f.run, &policy, 1));
    assert_memory_equal(f.run.block[1].episode, after, sizeof(after));
    assert_memory_equal(f.run.block[1].value, last, sizeof(last)); /* same weights, same state */
    assert_true(at_start[0] == 0 && at_start[2] == 0 && after[0] > 0);
    arena_release(&f.arena);
}

/* The first episodes are cut to 1 + g horizon / n steps, the next ones have their own horizon. */
static void test_stagger(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    int n_cut = 0;
    for (int i = 0; i < 2; i++) {
        OK(toy_run_tile(&f.run, i, &policy, 0, shape.horizon));
        for (int e = 0; e < f.run.block[i].n_env; e++) {
            const uint8_t *flag = f.run.block[i].flag + e * T;
            int t = 0;
            while (flag[t] == ENV_RUNNING) {
                t++;
            }
            int gid = i * TILE + e, cut = 1 + gid * shape.horizon / N_ENV;
            assert_true(t + 1 <= cut);
            if (flag[t] == ENV_TRUNCATED) {
                assert_int_equal(t + 1, cut);
                n_cut++;
            }
        }
    }
    assert_true(n_cut >= 6);
    arena_release(&f.arena);
}

/* Labels are the demonstrator's; what is done differs in about the share asked for. */
static void test_demonstrate(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct rollout_cfg cfg = {.seed = 31, .mode = ROLLOUT_DEMONSTRATE};
    int n_random = 0, n_all = 0;
    OK(toy_run_rollout(&f.run, &cfg, 0));
    struct block first = f.run.block[0];
    float *reward = ARENA_NEW(&f.arena, TILE * T * A, float);
    memcpy(reward, first.reward, TILE * T * A * sizeof(float));
    struct fixture g;
    setup(&g);
    cfg.random_share = 0.3;
    OK(toy_run_rollout(&g.run, &cfg, 0));
    for (int i = 0; i < TILE * T * A; i++) {
        for (int j = 0; j < F; j++) { /* the lowest allowed choice */
            uint32_t m = g.run.block[0].mask[i * F + j];
            assert_int_equal(g.run.block[0].action[i * F + j], __builtin_ctz(m));
        }
        assert_true(g.run.block[0].logp[i] == 0.0f);
        n_all++;
        n_random += g.run.block[0].reward[i] != reward[i]; /* rewards follow what is done */
    }
    /* 30 %, less those that drew the label itself or had no choice */
    assert_true(n_random > n_all / 20 && n_random < n_all * 3 / 10);
    arena_release(&f.arena);
    arena_release(&g.arena);
}

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)level;
    (void)line;
    ++*(int *)ctx;
}

static void test_no_demonstrator(void **state)
{
    (void)state;
    struct fixture f;
    int n_lines = 0;
    struct rollout_cfg cfg = {.mode = ROLLOUT_DEMONSTRATE};
    struct env_ops ops = toy_ops;
    setup(&f);
    ops.demonstrate = NULL;
    f.run.env[0].env.ops = &ops;
    log_set_sink(swallow, &n_lines);
    assert_int_equal(toy_run_rollout(&f.run, &cfg, 0), ERR_MISMATCH);
    log_set_sink(NULL, NULL);
    assert_int_equal(n_lines, 1);
    arena_release(&f.arena);
}

static void count(void *ctx)
{
    ++*(int *)ctx;
}

static void test_polls_and_allocates_nothing(void **state)
{
    (void)state;
    struct fixture f;
    int n_polls = 0;
    struct rollout_cfg cfg = {.seed = 31, .poll = count, .poll_ctx = &n_polls};
    setup(&f);
    uint64_t calls = mem_calls();
    OK(toy_run_rollout(&f.run, &cfg, 0));
    assert_true(mem_calls() == calls);
    assert_int_equal(n_polls, 2 * T);
    arena_release(&f.arena);
}

/* Episodes of an odd length have no second number. */
static void half_stats(struct env *e, int lid, double *out)
{
    toy_stats(e, lid, out);
    out[1] = (int)out[0] % 2 == 1 ? (double)NAN : out[1];
}

static void test_numbers_that_some_episodes_lack(void **state)
{
    (void)state;
    struct fixture f;
    struct env_ops ops = toy_ops;
    double n = 0.0, with = 0.0;
    setup(&f);
    ops.stats = half_stats;
    for (int i = 0; i < f.run.n_tiles; i++) {
        f.run.env[i].env.ops = &ops;
    }
    OK(toy_run_rollout(&f.run, &policy, 12));
    for (int i = 0; i < f.run.n_tiles; i++) {
        const struct block *b = &f.run.block[i];
        assert_true(isfinite(b->stats[0]) && isfinite(b->stats[1]));
        assert_true(b->stats[2] == b->n_episodes);
        n += b->stats[2];
        with += b->stats[3];
    }
    assert_true(with > 0.0 && with < n); /* of both lengths there are some */
    arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_loop),
        cmocka_unit_test(test_continues),
        cmocka_unit_test(test_episodes_without_numbers),
        cmocka_unit_test(test_numbers_that_some_episodes_lack),
        cmocka_unit_test(test_episodes_with_an_unknown_number),
        cmocka_unit_test(test_stagger),
        cmocka_unit_test(test_demonstrate),
        cmocka_unit_test(test_no_demonstrator),
        cmocka_unit_test(test_polls_and_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
