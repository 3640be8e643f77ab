/* Groups of environments: members meet the same episodes and end together; actions and coins are
 * their own; the explained variance is that of the critic, not of the group. */
#include "core/marl/mappo_learner.h"
#include "core/marl/reduce.h"
#include "core/marl/rollout.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { HORIZON = 6, N_ENV = 8, GROUP = 4, T = 15, TILES = 1 };
static const uint64_t SEED = 29;

#define WORLD                                                                                      \
    "workload: {mean_rps: 30}\n"                                                                   \
    "scenarios:\n"                                                                                 \
    "  - {name: quiet}\n"                                                                          \
    "  - {name: ddos, events: [{kind: ddos, quiet_s: {lo: 10, hi: 20}, ramp_s: {lo: 0, hi: 5},\n"  \
    "     duration_s: {lo: 20, hi: 40}, magnitude: {lo: 3, hi: 4}}]}\n"                            \
    "game: {horizon: 6}\n"
static const char ORGANISED[] = "include: [configs/organisations/half.yaml]\n" WORLD;

static int hidden[] = {16};
static const struct team_cfg TEAM = {.actor_hidden = hidden,
                                     .n_actor_hidden = 1,
                                     .critic_hidden = hidden,
                                     .n_critic_hidden = 1,
                                     .activation = ACT_TANH,
                                     .critic = CRITIC_CENTRAL,
                                     .obs_clip = 5.0,
                                     .row_block = 16,
                                     .gemm = GEMM_FIXED};

struct played {
    struct team team;
    struct mappo_learner player;
    struct rollout *rollout;
    struct rollout_tile tile;
    struct block block;
};

/* T decisions of n environments in the groups of `w`. */
static void play(struct played *p, struct game_fixture *w, int n)
{
    struct arena *arena = &w->arena;
    const struct rollout_cfg how = {.seed = SEED, .mode = ROLLOUT_POLICY};
    struct env *env;
    assert_int_equal(game_new(&env, arena, &w->rules, n, SEED, NULL), ERR_OK);
    assert_int_equal(team_init(&p->team, arena, &TEAM, &w->rules.spec), ERR_OK);
    assert_int_equal(team_init_params(&p->team, 5, arena), ERR_OK);
    assert_int_equal(mappo_learner_init(&p->player, arena, &p->team, NULL), ERR_OK);
    assert_int_equal(
        rollout_init(&p->rollout, arena, &w->rules.env, (struct learner *const[]){&p->player.base}),
        ERR_OK);
    assert_int_equal(block_init(&p->block, arena, &w->rules.env, 0, n, T), ERR_OK);
    p->tile = (struct rollout_tile){.env = env};
    assert_int_equal(
        rollout_run(p->rollout, (struct block *const[]){&p->block}, &p->tile, &how, 0, HORIZON, n),
        ERR_OK);
}

static const float *row_of(const struct played *p, int e, int t)
{
    return p->block.global_state + (size_t)(e * T + t) * (size_t)p->team.spec->n_global_state;
}

static bool same_row(const struct played *a, int e, const struct played *b, int f, int t)
{
    return memcmp(row_of(a, e, t), row_of(b, f, t),
                  (size_t)a->team.spec->n_global_state * sizeof(float)) == 0;
}

static bool same_actions(const struct played *p, int e, int f)
{
    const size_t n = T * (size_t)env_n_actions(p->team.spec);
    return memcmp(p->block.action + (size_t)e * n, p->block.action + (size_t)f * n,
                  n * sizeof(int32_t)) == 0;
}

/* Members begin in the same state, choose on their own, and end with the same step; two groups do
 * not. Group g begins where environment g of a run without groups begins. */
static void test_members_share_the_episode(void **state)
{
    static struct played grouped, alone;
    struct game_fixture w, plain;
    (void)state;
    game_fixture_open(&w, WORLD);
    game_fixture_open(&plain, WORLD);
    w.rules.env.group = GROUP;
    play(&grouped, &w, N_ENV);
    play(&alone, &plain, N_ENV / GROUP);
    for (int e = 0; e < N_ENV; e++) {
        const int group = e / GROUP;
        assert_true(same_row(&grouped, e, &alone, group, 0));
        assert_memory_equal(grouped.block.flag + e * T, alone.block.flag + group * T, T);
        assert_true(e % GROUP == 0 || !same_actions(&grouped, e, e - 1));
    }
    assert_false(same_row(&grouped, 0, &grouped, GROUP, 0));
    assert_memory_not_equal(grouped.block.flag, grouped.block.flag + GROUP * T, T);
    game_fixture_close(&plain);
    game_fixture_close(&w);
}

/* Whose mask is active is drawn for each member. */
static void test_members_have_their_own_coins(void **state)
{
    static struct played p;
    struct game_fixture w;
    int n_differ = 0;
    (void)state;
    game_fixture_open(&w, ORGANISED);
    w.rules.env.group = GROUP;
    play(&p, &w, N_ENV);
    const size_t n_mask = (size_t)(env_n_actions(p.team.spec) * env_mask_words(p.team.spec));
    for (int e = 1; e < GROUP; e++) { /* the first states are the same but for what was drawn */
        const uint32_t *mask = p.block.mask + (size_t)e * T * n_mask;
        n_differ +=
            memcmp(mask, p.block.mask, n_mask * sizeof *mask) != 0 || !same_row(&p, 0, &p, e, 0);
    }
    assert_true(n_differ > 0);
    game_fixture_close(&w);
}

/* One group of one is no group: the same bits as without the key. */
static void test_group_of_one(void **state)
{
    static struct played one, none;
    struct game_fixture w;
    (void)state;
    game_fixture_open(&w, WORLD);
    play(&none, &w, N_ENV);
    w.rules.env.group = 1;
    play(&one, &w, N_ENV);
    assert_memory_equal(one.block.global_state, none.block.global_state,
                        (size_t)N_ENV * T * (size_t)w.rules.spec.n_global_state * sizeof(float));
    game_fixture_close(&w);
}

/* ---- an update ---- */

static double explained(struct played *p, struct game_fixture *w, int group)
{
    struct reduce_shape grad_shape, batch_shape;
    struct reducer grad, batch;
    struct mappo *m;
    struct mappo_stats stats;
    static const struct mappo_cfg cfg = {.gamma = 0.9,
                                         .lambda = 0.95,
                                         .clip = 0.2,
                                         .value_clip = 0.2,
                                         .huber_delta = 10,
                                         .entropy = 0.003,
                                         .lr = 1e-3,
                                         .lr_end = 1e-4,
                                         .epochs = 1,
                                         .minibatches = 1,
                                         .grad_norm = 0.5,
                                         .adam_beta1 = 0.9,
                                         .adam_beta2 = 0.999,
                                         .adam_eps = 1e-5,
                                         .value_beta = 0.9};
    mappo_shapes(&p->team, &grad_shape, &batch_shape);
    assert_int_equal(reduce_serial(&grad, &w->arena, &grad_shape, TILES), ERR_OK);
    assert_int_equal(reduce_serial(&batch, &w->arena, &batch_shape, TILES), ERR_OK);
    assert_int_equal(
        mappo_init(&m, &w->arena, &cfg, &p->team, SEED, N_ENV, T, TILES, &grad, &batch), ERR_OK);
    mappo_set_group(m, group);
    assert_int_equal(mappo_update(m, &p->block, MAPPO_PPO, 0.0, &stats), ERR_OK);
    return stats.explained_variance;
}

/* The update subtracts the group's mean from the advantages and leaves the targets, and with them
 * what the critic explains. */
static void test_update(void **state)
{
    static struct played p, q;
    struct game_fixture w;
    (void)state;
    game_fixture_open(&w, WORLD);
    w.rules.env.group = GROUP;
    play(&p, &w, N_ENV);
    play(&q, &w, N_ENV);
    const double centred = explained(&p, &w, GROUP), as_is = explained(&q, &w, 1);
    const int agents = w.rules.spec.n_agents, n = T * agents;
    assert_true(centred == as_is);
    assert_memory_equal(p.block.target, q.block.target, (size_t)(N_ENV * n) * sizeof(float));
    for (int i = 0; i < N_ENV * n; i++) {
        const int first = i / n - i / n % GROUP;
        double mean = 0.0;
        for (int e = first; e < first + GROUP; e++) {
            mean += (double)q.block.advantage[e * n + i % n] / GROUP;
        }
        assert_true(fabs((double)p.block.advantage[i] + mean - (double)q.block.advantage[i]) <
                    1e-5);
    }
    assert_memory_not_equal(p.block.advantage, q.block.advantage,
                            (size_t)(N_ENV * n) * sizeof(float));
    game_fixture_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_share_the_episode),
        cmocka_unit_test(test_members_have_their_own_coins),
        cmocka_unit_test(test_group_of_one),
        cmocka_unit_test(test_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
