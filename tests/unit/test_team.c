/* A team's networks: shapes, determinism of acting, configuration. */
#include "core/marl/policy.h"
#include "core/marl/team.h"
#include "tests/unit/toy_env.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static const struct toy_shape shape = {.n_agents = 3,
                                       .n_factors = 2,
                                       .n_choices = 35,
                                       .n_global_state = 20,
                                       .n_norm = 13,
                                       .n_obs = 17,
                                       .n_critic = 20,
                                       .horizon = 9};
enum { N = 24, A = 3, F = 2, WORDS = 2, R = 20 };

static int hidden[] = {24, 16};
static struct team_cfg config(void)
{
    struct team_cfg cfg = toy_team_cfg(hidden, 2, 64);
    cfg.n_critic_hidden = 1;
    return cfg;
}

struct inputs {
    float global_state[N * R];
    uint32_t mask[N * A * F * WORDS], gid[N];
};

static void make_inputs(struct inputs *in, const struct team_spec *spec)
{
    const struct env_spec env = toy_env_spec(spec);
    for (int i = 0; i < N; i++) {
        struct toy toy = toy_env(&shape, &env, 1);
        in->gid[i] = (uint32_t)(100 + i);
        OK(toy_reset(&toy.env, 0, in->gid[i], 0, 0));
        toy_global_state(&toy.env, 0, 0, in->global_state + i * R, in->mask + i * A * F * WORDS);
    }
}

struct outputs {
    int32_t action[N * A * F];
    float logp[N * A], value[N * A];
};

/* Act in pieces of `piece` rows, with scratch for `capacity`. */
static struct outputs act(const struct team_cfg *cfg, const struct team_spec *spec,
                          const struct inputs *in, int piece, int capacity, enum act_mode mode)
{
    struct arena arena;
    struct team team;
    struct team_scratch *s;
    struct outputs out;
    arena_init(&arena);
    OK(team_init(&team, &arena, cfg, spec));
    OK(team_init_params(&team, 9, &arena));
    stats_of_rows(team.w.global_state_stats, spec->n_norm, in->global_state, R, N);
    for (int c = 0; c < 3 * A; c++) {
        team.w.value_norm[c] = 1.0 + c; /* any state of the value scale */
    }
    team_refresh(&team);
    OK(team_scratch_init(&s, &arena, &team, capacity));
    struct rng_key key = rng_key(4, RNG_ACTION, RNG_TRAIN);
    for (int at = 0; at < N; at += piece) {
        team_act(&team, s, out.action + at * A * F, out.logp + at * A, in->global_state + at * R,
                 in->mask + at * A * F * WORDS, piece, mode, key, in->gid + at, 3, 5);
        team_value(&team, s, out.value + at * A, in->global_state + at * R, NULL, piece);
    }
    arena_release(&arena);
    return out;
}

static void same_bits(struct team_cfg cfg)
{
    struct team_spec spec = toy_spec(&shape);
    struct inputs in;
    make_inputs(&in, &spec);
    cfg.row_block = 64;
    struct outputs expected = act(&cfg, &spec, &in, N, N, ACT_SAMPLE);
    static const int cuts[][3] = {{1, 1, 64}, {8, 8, 16}, {8, 3, 256}, {N, 8, 7}, {12, N, 256}};
    for (int i = 0; i < 5; i++) {
        cfg.row_block = cuts[i][2];
        struct outputs out = act(&cfg, &spec, &in, cuts[i][0], cuts[i][1], ACT_SAMPLE);
        assert_memory_equal(&out, &expected, sizeof(out));
    }
}

static void test_same_bits(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct team_cfg cfg = config();
        cfg.share_actor = variant % 2 == 1;
        cfg.critic = variant / 2 == 1 ? CRITIC_LOCAL : CRITIC_CENTRAL;
        same_bits(cfg);
    }
}

/* Choices lie inside the masks, and logp is that of the choice. */
static void test_choices(void **state)
{
    (void)state;
    struct team_spec spec = toy_spec(&shape);
    struct team_cfg cfg = config();
    struct inputs in;
    make_inputs(&in, &spec);
    struct outputs drawn = act(&cfg, &spec, &in, N, N, ACT_SAMPLE);
    struct outputs best = act(&cfg, &spec, &in, N, N, ACT_ARGMAX);
    for (int i = 0; i < N * A * F; i++) {
        assert_true(mask_has(in.mask + i * WORDS, drawn.action[i]));
        assert_true(mask_has(in.mask + i * WORDS, best.action[i]));
    }
    for (int i = 0; i < N * A; i++) {
        assert_true(drawn.logp[i] <= best.logp[i] && best.logp[i] <= 0.0f);
    }
    assert_memory_not_equal(drawn.action, best.action, sizeof(best.action));
}

/* The numbers of one agent by hand: inputs, network, distribution, scale of values. */
static void test_against_parts(void **state)
{
    (void)state;
    struct team_spec spec = toy_spec(&shape);
    struct team_cfg cfg = config();
    struct arena arena;
    struct team t;
    struct inputs in;
    make_inputs(&in, &spec);
    struct outputs out = act(&cfg, &spec, &in, N, N, ACT_ARGMAX);
    arena_init(&arena);
    OK(team_init(&t, &arena, &cfg, &spec));
    OK(team_init_params(&t, 9, &arena));
    stats_of_rows(t.w.global_state_stats, spec.n_norm, in.global_state, R, N);
    float global_state[R], obs[17], logits[F * 35 + POLICY_SLACK], value[A], joint = 0.0f;
    float logp[35 + POLICY_SLACK], prob[35 + POLICY_SLACK];
    float *work = ARENA_NEW(&arena, mlp_infer_work_floats(&t.actor), float);
    const int agent = 2, e = 6;
    for (int c = 0; c < R; c++) {
        double sd = sqrt(stats_var(t.w.global_state_stats, spec.n_norm, c % spec.n_norm) + 1e-6);
        double z = ((double)in.global_state[e * R + c] -
                    t.w.global_state_stats[spec.n_norm + c % spec.n_norm]) /
                   sd;
        global_state[c] = c < spec.n_norm ? (float)z : in.global_state[e * R + c];
    }
    toy_obs(&shape, obs, agent, global_state);
    mlp_infer(&t.actor, logits, F * 35, t.w.params + t.actor_at[agent], obs, 17, 1, work);
    for (int f = 0; f < F; f++) {
        const uint32_t *mask = in.mask + ((e * A + agent) * F + f) * WORDS;
        policy_softmax(logp, prob, logits + f * 35, mask, 35);
        joint += logp[policy_argmax(logp, mask, 35)];
    }
    assert_true(fabsf(joint - out.logp[e * A + agent]) < 1e-5f);
    mlp_infer(&t.critic, value, A, t.w.params + t.critic_at[0], global_state, R, 1, work);
    double sigma = sqrt(1.0 + 2 * A + agent), mean = 1.0 + A + agent; /* as set in act() */
    assert_true(fabs((double)value[agent] * sigma + mean - (double)out.value[e * A + agent]) <
                1e-4);
    arena_release(&arena);
}

static void test_agents_differ(void **state)
{
    (void)state;
    struct team_spec spec = toy_spec(&shape);
    struct team_cfg cfg = config();
    struct arena arena;
    struct team t;
    arena_init(&arena);
    OK(team_init(&t, &arena, &cfg, &spec));
    OK(team_init_params(&t, 9, &arena));
    assert_int_equal(t.n_actors, A);
    assert_int_equal(t.w.n_params, A * t.actor.n_params + t.critic.n_params);
    assert_memory_not_equal(t.w.params, t.w.params + t.actor_at[1], 64);
    uint64_t digest = team_digest(&t);
    assert_true(digest == team_digest(&t));
    t.w.params[5] = nextafterf(t.w.params[5], 2.0f);
    assert_true(digest != team_digest(&t));
    OK(team_init_params(&t, 9, &arena));
    assert_true(digest == team_digest(&t));
    t.w.global_state_stats[0] = 1.0;
    assert_true(digest != team_digest(&t));
    OK(team_init_params(&t, 10, &arena));
    assert_true(digest != team_digest(&t));
    arena_release(&arena);
}

/* A shared actor and a local critic see who they work for. */
static void test_one_hot(void **state)
{
    (void)state;
    struct team_spec spec = toy_spec(&shape);
    struct team_cfg cfg = config();
    struct arena arena;
    struct team t;
    struct inputs in;
    make_inputs(&in, &spec);
    cfg.share_actor = true;
    cfg.critic = CRITIC_LOCAL;
    arena_init(&arena);
    OK(team_init(&t, &arena, &cfg, &spec));
    OK(team_init_params(&t, 9, &arena));
    assert_int_equal(t.n_actors, 1);
    assert_int_equal(t.actor.shape.sizes[0], 17 + A);
    assert_int_equal(t.critic.shape.sizes[0], 17 + A);
    assert_int_equal(t.critic.shape.sizes[2], 1);
    float global_state[R], *obs = ARENA_NEW(&arena, A * 2 * t.obs_ld, float);
    team_inputs(&t, obs, NULL, global_state, in.global_state, NULL, 2);
    for (int i = 0; i < A * 2; i++) {
        for (int c = 0; c < A; c++) {
            assert_true(obs[i * t.obs_ld + 17 + c] == (c == i / 2 ? 1.0f : 0.0f));
        }
    }
    arena_release(&arena);
}

static void test_defaults(void **state)
{
    (void)state;
    struct arena arena;
    struct cfg c;
    struct team_cfg cfg;
    arena_init(&arena);
    cfg_init(&c, team_fields, sizeof(cfg), &arena);
    OK(cfg_load(&c, NULL, NULL, 0, &cfg));
    assert_int_equal(cfg.n_actor_hidden, 2);
    assert_int_equal(cfg.actor_hidden[0], 64);
    assert_int_equal(cfg.critic_hidden[1], 64);
    assert_int_equal(cfg.activation, ACT_TANH);
    assert_int_equal(cfg.critic, CRITIC_CENTRAL);
    assert_int_equal(cfg.gemm, GEMM_FIXED);
    assert_false(cfg.share_actor);
    const char *sets[] = {"critic=local", "gemm=blas", "actor_hidden=[128,128]"};
    OK(cfg_load(&c, NULL, sets, 3, &cfg));
    assert_int_equal(cfg.critic, CRITIC_LOCAL);
    assert_int_equal(cfg.gemm, GEMM_BLAS);
    assert_int_equal(cfg.actor_hidden[1], 128);
    arena_release(&arena);
}

static void test_memory(void **state)
{
    (void)state;
    struct team_spec spec = toy_spec(&shape);
    struct team_cfg cfg = config();
    struct team t = {.n_actors = 42};
    struct arena arena;
    arena_init(&arena);
    mem_fail_after(1);
    assert_int_equal(team_init(&t, &arena, &cfg, &spec), ERR_MEMORY);
    assert_int_equal(t.n_actors, 42);
    mem_fail_after(0);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),     cmocka_unit_test(test_choices),
        cmocka_unit_test(test_against_parts), cmocka_unit_test(test_agents_differ),
        cmocka_unit_test(test_one_hot),       cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
