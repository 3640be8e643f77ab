/* MAPPO learns two small cooperative games whose optimum is known.
 *
 * Matrix: one step; two agents with two choices each; a context turns the payoffs, a masked choice
 * must never be taken.
 *
 * Meeting: two agents on a line; walls are masks; both are paid when they meet and pay for time.
 */
#include "core/base/rng.h"
#include "tests/unit/toy_learner.h"

#include <string.h>

enum { AGENTS = 2, SEED = 5 };

/* ---- the matrix game ---- */

/* Row c of the table is turned by the context: the best pair is (3 - c) % 3 twice. The mean over a
 * uniform partner is greatest for the best row, so the optimum can be climbed to; next to it stand
 * penalties. */
static const float payoff[3][3] = {{11, -1, 0}, {-1, 7, 2}, {0, 0, 5}};
enum { MATRIX_STATE = 2, MATRIX_FACTORS = 2, MATRIX_CHOICES = 4 };
static const double MATRIX_BEST = 11 + 2;

struct matrix {
    struct env env;
    int context[TILE];
};

static void matrix_see(const void *ctx, float *out, const float *global_state)
{
    (void)ctx;
    memcpy(out, global_state, MATRIX_STATE * sizeof(float));
}

static void matrix_obs(const void *ctx, float *obs, int agent, const float *global_state)
{
    (void)agent;
    matrix_see(ctx, obs, global_state);
}

static enum err matrix_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    (void)steps;
    struct rng_key key = rng_key(SEED, RNG_TEST, RNG_TRAIN);
    ((struct matrix *)e)->context[lid] = (int)(rng_philox(key, 0, 0, episode, gid).v[0] % 2);
    return ERR_OK;
}

static void matrix_global_state(struct env *e, int lid, int team, float *global_state,
                                uint32_t *mask)
{
    (void)team;
    global_state[0] = (float)((struct matrix *)e)->context[lid];
    global_state[1] = 1.0f - global_state[0];
    for (int agent = 0; agent < AGENTS; agent++) {
        mask[agent * MATRIX_FACTORS] = 0x7; /* choice 3 is forbidden */
        mask[agent * MATRIX_FACTORS + 1] = 0x3;
    }
}

static double matrix_payoff(int context, const int32_t *action)
{
    double reward = (double)payoff[(action[0] + context) % 3][(action[2] + context) % 3];
    return reward + (action[1] == context ? 1.0 : 0.0) + (action[3] == context ? 1.0 : 0.0);
}

static enum err matrix_step(struct env *e, const int32_t *const *actions, float *const *rewards,
                            uint8_t *flag)
{
    const int32_t *action = actions[0];
    float *reward = rewards[0];
    const struct matrix *m = (struct matrix *)e;
    for (int lid = 0; lid < e->n_env; lid++) {
        const int32_t *a = action + lid * AGENTS * MATRIX_FACTORS;
        assert_true(a[0] < 3 && a[2] < 3 && a[1] < 2 && a[3] < 2);
        reward[lid * AGENTS] = (float)matrix_payoff(m->context[lid], a);
        reward[lid * AGENTS + 1] = reward[lid * AGENTS];
        flag[lid] = ENV_TERMINATED;
    }
    return ERR_OK;
}

static const struct env_ops matrix_ops = {
    .reset = matrix_reset, .global_state = matrix_global_state, .step = matrix_step};
static const struct team_spec matrix_team = {.name = "matrix",
                                             .n_agents = AGENTS,
                                             .n_global_state = MATRIX_STATE,
                                             .n_norm = MATRIX_STATE,
                                             .n_obs = MATRIX_STATE,
                                             .n_critic = MATRIX_STATE,
                                             .n_factors = MATRIX_FACTORS,
                                             .n_choices = MATRIX_CHOICES,
                                             .obs = matrix_obs,
                                             .critic = matrix_see};

static const struct env_spec matrix_spec = {
    .name = "matrix", .n_teams = 1, .teams = {&matrix_team}};

/* Mean payoff of the arg-max policy over the contexts. */
static double matrix_score(const struct team *team, struct team_scratch *s)
{
    double sum = 0.0;
    for (int context = 0; context < 2; context++) {
        struct matrix m = {.env = {.n_env = 1}, .context = {context}};
        float global_state[MATRIX_STATE], logp[AGENTS];
        uint32_t mask[AGENTS * MATRIX_FACTORS];
        int32_t action[AGENTS * MATRIX_FACTORS];
        matrix_global_state(&m.env, 0, 0, global_state, mask);
        team_act(team, s, action, logp, global_state, mask, 1, ACT_ARGMAX, (struct rng_key){{0}},
                 NULL, 0, 0);
        sum += matrix_payoff(context, action);
    }
    return sum / 2;
}

/* ---- the meeting game ---- */

enum { LINE = 7, LINE_STATE = 2 + 2 * LINE, LINE_HORIZON = 12, LEFT = 0, STAY = 1, RIGHT = 2 };

struct meeting {
    struct env env;
    int at[TILE][AGENTS], left[TILE];
};

static void line_see(const void *ctx, float *out, const float *global_state)
{
    (void)ctx;
    memcpy(out, global_state, LINE_STATE * sizeof(float));
}

static void line_obs(const void *ctx, float *obs, int agent, const float *global_state)
{
    (void)agent;
    line_see(ctx, obs, global_state);
}

static enum err line_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    struct meeting *m = (struct meeting *)e;
    struct rng_block b = rng_philox(rng_key(SEED, RNG_TEST, RNG_TRAIN), 1, 0, episode, gid);
    m->at[lid][0] = (int)rng_below(b.v[0], LINE);
    m->at[lid][1] = (m->at[lid][0] + 1 + (int)rng_below(b.v[1], LINE - 1)) % LINE;
    m->left[lid] = steps > 0 && steps < LINE_HORIZON ? steps : LINE_HORIZON;
    return ERR_OK;
}

static void line_global_state(struct env *e, int lid, int team, float *global_state, uint32_t *mask)
{
    (void)team;
    const struct meeting *m = (struct meeting *)e;
    memset(global_state, 0, LINE_STATE * sizeof(float));
    for (int agent = 0; agent < AGENTS; agent++) {
        int at = m->at[lid][agent];
        global_state[agent] = (float)at;
        global_state[2 + agent * LINE + at] = 1.0f;
        mask[agent] = (at > 0 ? 1U << LEFT : 0U) | 1U << STAY | (at < LINE - 1 ? 1U << RIGHT : 0U);
    }
}

static enum err line_step(struct env *e, const int32_t *const *actions, float *const *rewards,
                          uint8_t *flag)
{
    const int32_t *action = actions[0];
    float *reward = rewards[0];
    struct meeting *m = (struct meeting *)e;
    for (int lid = 0; lid < e->n_env; lid++) {
        int *at = m->at[lid];
        for (int agent = 0; agent < AGENTS; agent++) {
            at[agent] += action[lid * AGENTS + agent] - STAY;
            assert_true(at[agent] >= 0 && at[agent] < LINE);
        }
        bool met = at[0] == at[1];
        reward[lid * AGENTS] = met ? 1.0f : -0.1f;
        reward[lid * AGENTS + 1] = reward[lid * AGENTS];
        m->left[lid]--;
        flag[lid] = met ? ENV_TERMINATED : m->left[lid] == 0 ? ENV_TRUNCATED : ENV_RUNNING;
    }
    return ERR_OK;
}

/* Walk towards each other; at distance 1 only the first one walks. */
static void line_demonstrate(struct env *e, int lid, int team, int32_t *action)
{
    (void)team;
    const int *at = ((struct meeting *)e)->at[lid];
    int gap = at[1] - at[0];
    action[0] = gap > 0 ? RIGHT : LEFT;
    action[1] = gap == 1 || gap == -1 ? STAY : gap > 0 ? LEFT : RIGHT;
}

static const struct env_ops line_ops = {.reset = line_reset,
                                        .global_state = line_global_state,
                                        .step = line_step,
                                        .demonstrate = line_demonstrate};
static const struct team_spec line_team = {.name = "meeting",
                                           .n_agents = AGENTS,
                                           .n_global_state = LINE_STATE,
                                           .n_norm = 2,
                                           .n_obs = LINE_STATE,
                                           .n_critic = LINE_STATE,
                                           .n_factors = 1,
                                           .n_choices = 3,
                                           .obs = line_obs,
                                           .critic = line_see};

static const struct env_spec line_spec = {.name = "meeting", .n_teams = 1, .teams = {&line_team}};

/* The shortest way to meet takes ceil(distance / 2) steps, all but the last cost 0.1. */
static double line_best(void)
{
    double sum = 0.0;
    for (int a = 0; a < LINE; a++) {
        for (int b = 0; b < LINE; b++) {
            int distance = a > b ? a - b : b - a;
            sum += distance > 0 ? 1.0 - 0.1 * ((distance + 1) / 2 - 1) : 0.0;
        }
    }
    return sum / (LINE * (LINE - 1));
}

static double line_return(const struct team *team, struct team_scratch *s, int a, int b)
{
    struct meeting m = {.env = {.n_env = 1}, .at = {{a, b}}, .left = {LINE_HORIZON}};
    double sum = 0.0;
    uint8_t flag = ENV_RUNNING;
    while (flag == ENV_RUNNING) {
        float global_state[LINE_STATE], logp[AGENTS], reward[AGENTS];
        uint32_t mask[AGENTS];
        int32_t action[AGENTS];
        line_global_state(&m.env, 0, 0, global_state, mask);
        team_act(team, s, action, logp, global_state, mask, 1, ACT_ARGMAX, (struct rng_key){{0}},
                 NULL, 0, 0);
        OK(line_step(&m.env, (const int32_t *const[]){action}, (float *const[]){reward}, &flag));
        sum += (double)reward[0];
    }
    return sum;
}

/* Mean return of the arg-max policy over all starts. */
static double line_score(const struct team *team, struct team_scratch *s)
{
    double sum = 0.0;
    for (int a = 0; a < LINE; a++) {
        for (int b = 0; b < LINE; b++) {
            sum += a != b ? line_return(team, s, a, b) : 0.0;
        }
    }
    return sum / (LINE * (LINE - 1));
}

/* ---- learning ---- */

enum { N_ENV = 32, N_TILES = N_ENV / TILE, N_STEPS = 16 };

static int hidden[] = {32};
static struct mappo_cfg mappo_cfg(void)
{
    struct mappo_cfg cfg = toy_mappo_cfg();
    cfg.entropy = 0.01;
    cfg.lr = 5e-3;
    cfg.lr_end = 5e-4;
    cfg.epochs = 4;
    cfg.minibatches = 2;
    return cfg;
}

struct learning {
    struct arena arena;
    struct team_cfg team_cfg;
    struct mappo_cfg cfg;
    struct team team;
    struct team_scratch *scratch;
    struct mappo_learner player;
    struct rollout *rollout;
    struct rollout_tile tile[N_TILES];
    struct block block[N_TILES];
    struct mappo *mappo;
    struct rollout_cfg rollout_cfg;
};

static void learning_init(struct learning *l, const struct env_spec *spec, struct env *const *envs)
{
    struct reduce_shape grad_shape, batch_shape;
    struct reducer grad, batch;
    struct arena *arena = &l->arena;
    arena_init(arena);
    l->rollout_cfg = (struct rollout_cfg){.seed = SEED};
    OK(team_init(&l->team, arena, &l->team_cfg, spec->teams[0]));
    OK(team_init_params(&l->team, SEED, arena));
    OK(team_scratch_init(&l->scratch, arena, &l->team, 1));
    OK(mappo_learner_init(&l->player, arena, &l->team, NULL));
    OK(rollout_init(&l->rollout, arena, spec, (struct learner *const[]){&l->player.base}));
    mappo_shapes(&l->team, &grad_shape, &batch_shape);
    OK(reduce_serial(&grad, arena, &grad_shape, N_TILES));
    OK(reduce_serial(&batch, arena, &batch_shape, N_TILES));
    OK(mappo_init(&l->mappo, arena, &l->cfg, &l->team, SEED, N_ENV, N_STEPS, N_TILES, &grad,
                  &batch));
    for (int i = 0; i < N_TILES; i++) {
        l->tile[i] = (struct rollout_tile){.env = envs[i], .tile = i};
        OK(block_init(&l->block[i], arena, spec, 0, TILE, N_STEPS));
    }
}

static void learn(struct learning *l, enum mappo_phase phase, int n_updates)
{
    struct mappo_stats stats;
    for (int u = 0; u < n_updates; u++) {
        for (int i = 0; i < N_TILES; i++) {
            OK(rollout_run(l->rollout, (struct block *const[]){&l->block[i]}, &l->tile[i],
                           &l->rollout_cfg, l->team.w.version, LINE_HORIZON, N_ENV));
        }
        OK(mappo_update(l->mappo, l->block, phase, (double)u / n_updates, &stats));
        assert_true(phase != MAPPO_PPO || stats.ratio_max_dev == 0.0);
    }
}

static void learn_matrix(bool share_actor, enum critic_kind critic)
{
    struct matrix m[N_TILES];
    struct env *envs[N_TILES];
    struct learning l = {.team_cfg = toy_team_cfg(hidden, 1, 64), .cfg = mappo_cfg()};
    for (int i = 0; i < N_TILES; i++) {
        m[i] = (struct matrix){.env = {.ops = &matrix_ops, .spec = &matrix_spec, .n_env = TILE}};
        envs[i] = &m[i].env;
    }
    l.team_cfg.share_actor = share_actor;
    l.team_cfg.critic = (int)critic;
    learning_init(&l, &matrix_spec, envs);
    double before = matrix_score(&l.team, l.scratch);
    learn(&l, MAPPO_WARMUP, 1);
    learn(&l, MAPPO_PPO, 40);
    double after = matrix_score(&l.team, l.scratch);
    print_message("matrix, %s actor: %.3f -> %.3f, optimum %.3f\n",
                  share_actor ? "shared" : "separate", before, after, MATRIX_BEST);
    assert_true(before < 0.8 * MATRIX_BEST); /* nothing is given away by the start */
    assert_true(after >= 0.95 * MATRIX_BEST);
    arena_release(&l.arena);
}

static void test_matrix(void **state)
{
    (void)state;
    learn_matrix(false, CRITIC_CENTRAL);
}

static void test_matrix_shared_and_local(void **state)
{
    (void)state;
    learn_matrix(true, CRITIC_LOCAL);
}

static void meeting_init(struct learning *l, struct meeting *m)
{
    struct env *envs[N_TILES];
    *l = (struct learning){.team_cfg = toy_team_cfg(hidden, 1, 64), .cfg = mappo_cfg()};
    for (int i = 0; i < N_TILES; i++) {
        m[i] = (struct meeting){.env = {.ops = &line_ops, .spec = &line_spec, .n_env = TILE}};
        envs[i] = &m[i].env;
    }
    learning_init(l, &line_spec, envs);
}

static void test_meeting(void **state)
{
    (void)state;
    struct meeting m[N_TILES];
    struct learning l;
    meeting_init(&l, m);
    double best = line_best(), before = line_score(&l.team, l.scratch);
    learn(&l, MAPPO_WARMUP, 1);
    learn(&l, MAPPO_PPO, 80);
    double after = line_score(&l.team, l.scratch);
    print_message("meeting: %.3f -> %.3f, optimum %.3f\n", before, after, best);
    assert_true(before < 0.5 * best);
    assert_true(after >= 0.95 * best && after <= best + 1e-9);
    arena_release(&l.arena);
}

/* Cloning reaches the demonstrator, which is optimal; then only the critic learns, and the policy
 * stays what it was. */
static void test_cloning(void **state)
{
    (void)state;
    struct meeting m[N_TILES];
    struct learning l;
    meeting_init(&l, m);
    l.rollout_cfg.mode = ROLLOUT_DEMONSTRATE;
    l.rollout_cfg.random_share = 0.3;
    learn(&l, MAPPO_WARMUP, 1);
    learn(&l, MAPPO_CLONE, 30);
    double cloned = line_score(&l.team, l.scratch), best = line_best();
    print_message("meeting, cloned: %.3f, optimum %.3f\n", cloned, best);
    assert_true(cloned >= 0.98 * best);

    size_t n_actors = l.team.critic_at[0];
    float *before = ARENA_NEW(&l.arena, n_actors, float);
    memcpy(before, l.team.w.params, n_actors * sizeof(float));
    l.rollout_cfg.mode = ROLLOUT_POLICY;
    learn(&l, MAPPO_VALUE, 3);
    assert_memory_equal(before, l.team.w.params, n_actors * sizeof(float));
    arena_release(&l.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_matrix_shared_and_local),
        cmocka_unit_test(test_meeting),
        cmocka_unit_test(test_cloning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
