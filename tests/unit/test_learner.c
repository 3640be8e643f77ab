/* Learners behind their interface, and rollouts, replay and messages of two teams.
 *
 * The teams have the same shapes, rows, masks and weights: what differs between them is their
 * number and what follows from it. The second one carries a state from step to step.
 */
#include "core/base/hash.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/replay_tile.h"
#include "tests/unit/framed.h"
#include "tests/unit/toy_learner.h"

#include "proto/checkpoint.h"
#include "proto/rollout_block.h"
#include "proto/weights.h"

enum { N_ENV = 5, T = 9, HORIZON = 11, TEAMS = 2, A = 3, STATE = 2 };

static int hidden[] = {16};

/* Both teams' actions count, and every second row of a team differs. */
struct pair {
    struct toy toy; /* first */
    int32_t sum[TILE];
};

static enum err pair_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    ((struct pair *)e)->sum[lid] = 0;
    return toy_reset(e, lid, gid, episode, steps);
}

static void pair_global_state(struct env *e, int lid, int team, float *global_state, uint32_t *mask)
{
    (void)team;
    toy_global_state(e, lid, 0, global_state, mask);
    global_state[0] += (float)((struct pair *)e)->sum[lid];
}

static enum err pair_step(struct env *e, const int32_t *const *action, float *const *reward,
                          uint8_t *flag)
{
    struct pair *p = (struct pair *)e;
    const int n = env_n_actions(e->spec->teams[0]);
    for (int i = 0; i < e->n_env * n; i++) {
        p->sum[i / n] += action[0][i] - 2 * action[1][i];
    }
    TRY(toy_step(e, action, reward, flag));
    for (int i = 0; i < e->n_env * A; i++) {
        reward[1][i] = -reward[0][i];
    }
    return ERR_OK;
}

static const struct env_ops pair_ops = {
    .reset = pair_reset, .global_state = pair_global_state, .step = pair_step, .stats = toy_stats};

/* ---- a player that counts its steps ---- */

/* Acts like the networks it stands for; adds 1 and the first choice to what agents carry. */
struct counter {
    struct learner base;
    struct mappo_learner *player;
};

static void counter_act(struct learner *l, int32_t *action, float *logp, float *state,
                        const struct learner_view *v)
{
    struct learner *player = &((struct counter *)l)->player->base;
    player->ops->act(player, action, logp, NULL, v);
    for (int i = 0; i < v->n * A; i++) {
        state[i * STATE] += 1.0F;
        state[i * STATE + 1] += (float)action[i * l->spec->n_factors];
    }
}

static const struct learner_ops counter_ops = {.name = "counter", .act = counter_act};

struct fixture {
    struct framed framed;
    struct team_spec specs[TEAMS];
    struct env_spec env_spec;
    struct team_cfg cfg;
    struct team teams[TEAMS];
    struct mappo_learner players[TEAMS];
    struct counter counter;
    struct learner *learners[TEAMS];
    struct pair pair;
    struct rollout *rollout;
    struct rollout_tile tile;
    struct block blocks[TEAMS];
};

static void begin(struct fixture *f)
{
    struct arena *arena = &f->framed.arena;
    memset(f, 0, sizeof *f);
    framed_begin(&f->framed);
    f->cfg = toy_team_cfg(hidden, 1, 16);
    for (int k = 0; k < TEAMS; k++) {
        f->specs[k] = toy_spec(&toy_three);
        f->specs[k].n_state = k == 1 ? STATE : 0;
    }
    f->env_spec = toy_env_spec(&f->specs[0]);
    f->env_spec.n_teams = TEAMS;
    f->env_spec.teams[1] = &f->specs[1];
    for (int k = 0; k < TEAMS; k++) {
        OK(team_init(&f->teams[k], arena, &f->cfg, &f->specs[k]));
        OK(team_init_params(&f->teams[k], 7, arena)); /* as number 0: equal weights */
        f->teams[k].number = k;
        OK(mappo_learner_init(&f->players[k], arena, &f->teams[k], NULL));
        OK(block_init(&f->blocks[k], arena, &f->env_spec, k, N_ENV, T));
    }
    f->counter = (struct counter){
        .base = {.ops = &counter_ops, .spec = &f->specs[1], .team = 1, .w = &f->teams[1].w},
        .player = &f->players[1]};
    f->learners[0] = &f->players[0].base;
    f->learners[1] = &f->counter.base;
    f->pair.toy = toy_env(&toy_three, &f->env_spec, N_ENV);
    f->pair.toy.env.ops = &pair_ops;
    f->tile = (struct rollout_tile){.env = &f->pair.toy.env, .tile = 2};
    OK(rollout_keep_actions(&f->tile, arena, &f->env_spec, HORIZON));
    OK(rollout_init(&f->rollout, arena, &f->env_spec, f->learners));
}

static void end(struct fixture *f)
{
    framed_end(&f->framed);
}

static void roll(struct fixture *f, uint32_t update)
{
    const struct rollout_cfg cfg = {.seed = 31};
    OK(rollout_run(f->rollout, (struct block *const[]){&f->blocks[0], &f->blocks[1]}, &f->tile,
                   &cfg, update, 0, N_ENV));
}

/* Equal rows, masks and weights: equal values, but choices of their own; opposite rewards. */
static void test_teams_draw_apart(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    roll(&f, 3);
    const struct block *a = &f.blocks[0], *b = &f.blocks[1];
    int n_apart = 0;
    assert_memory_equal(a->global_state, b->global_state, sizeof(float) * N_ENV * T * 10);
    for (int i = 0; i < N_ENV * T * A; i++) {
        n_apart += memcmp(a->action + 2 * i, b->action + 2 * i, 2 * sizeof(int32_t)) != 0;
        assert_true(a->reward[i] == -b->reward[i]);
        assert_true(b->value[i] == 0.0F); /* the counter values nothing */
    }
    assert_true(n_apart > N_ENV * T * A / 3);
    assert_int_equal(b->team, 1);
    assert_int_equal(a->n_episodes, b->n_episodes);
    end(&f);
}

/* Initial weights, too: they follow from the number. */
static void test_teams_start_apart(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(team_digest(&f.teams[0]) == team_digest(&f.teams[1]));
    OK(team_init_params(&f.teams[1], 7, &f.framed.scratch));
    assert_true(team_digest(&f.teams[0]) != team_digest(&f.teams[1]));
    end(&f);
}

/* What agents carry is counted up within an episode, starts at 0, and goes on over blocks. */
static void test_state(void **state)
{
    (void)state;
    struct fixture f;
    int n_carried = 0;
    begin(&f);
    assert_null(f.tile.state[0]);
    assert_null(f.blocks[0].state);
    for (uint32_t u = 0; u < 4; u++) {
        roll(&f, u);
        const struct block *b = &f.blocks[1];
        for (int e = 0; e < N_ENV; e++) {
            for (int i = 0; i < A; i++) {
                float steps = b->state[(e * A + i) * STATE];
                n_carried += steps > 0.0F;
                for (int t = 0; t < T; t++) {
                    steps = b->flag[e * T + t] == ENV_RUNNING ? steps + 1.0F : 0.0F;
                }
                assert_true(f.tile.state[1][(e * A + i) * STATE] == steps);
                assert_int_equal(f.tile.steps[e], (int)steps);
            }
        }
    }
    assert_true(n_carried > N_ENV);
    end(&f);
}

/* Through the messages of a checkpoint and a replay: both teams go on as if nothing had happened.
 */
static void test_going_on(void **state)
{
    (void)state;
    struct fixture f, g;
    uint32_t sums[TILE], got[TILE];
    begin(&f);
    begin(&g);
    roll(&f, 0);
    OK(replay_tile_checksums(sums, &f.tile, &f.framed.scratch));
    OK(codec_put_tile_state(&f.framed.bytes, &f.tile, sums, &f.framed.scratch));
    const struct frame frame = framed_only(&f.framed, FRAME_TILE_STATE);
    OK(codec_get_tile_state(&g.tile, got, frame.payload, frame.n, "test", &g.framed.scratch));
    OK(replay_tile(&g.tile, got, 0, N_ENV, &g.framed.scratch));
    roll(&f, 1);
    roll(&g, 1);
    for (int k = 0; k < TEAMS; k++) {
        const size_t n = N_ENV * T * A;
        assert_memory_equal(f.blocks[k].action, g.blocks[k].action, 2 * n * sizeof(int32_t));
        assert_memory_equal(f.blocks[k].reward, g.blocks[k].reward, n * sizeof(float));
        assert_memory_equal(f.blocks[k].global_state, g.blocks[k].global_state,
                            N_ENV * T * 10 * sizeof(float));
    }
    const size_t n_state = sizeof(float) * N_ENV * A * STATE;
    assert_memory_equal(f.blocks[1].state, g.blocks[1].state, n_state);
    end(&f);
    end(&g);
}

/* A block is taken by the team it is of, with what agents carried. */
static void test_block_message(void **state)
{
    (void)state;
    struct fixture f, g;
    struct block *got = NULL;
    begin(&f);
    begin(&g);
    roll(&f, 0);
    roll(&f, 1);
    g.blocks[0].tile = g.blocks[1].tile = 2;
    OK(codec_put_block(&f.framed.bytes, &f.blocks[1], &f.env_spec, &f.framed.scratch));
    const struct frame frame = framed_only(&f.framed, FRAME_ROLLOUT_BLOCK);
    OK(codec_get_block(&got, g.blocks, TEAMS, &g.env_spec, frame.payload, frame.n, "rank 3",
                       &g.framed.scratch));
    assert_ptr_equal(got, &g.blocks[1]);
    assert_memory_equal(got->state, f.blocks[1].state, sizeof(float) * N_ENV * A * STATE);
    assert_int_equal(codec_get_block(&got, g.blocks, 1, &g.env_spec, frame.payload, frame.n,
                                     "rank 3", &g.framed.scratch),
                     ERR_FORMAT);
    assert_non_null(strstr(g.framed.log.last, "tile 2 of team 1 is not one of those expected"));
    end(&f);
    end(&g);
}

static void test_weights_of_another_team(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct weights *w = f.learners[1]->w;
    const uint64_t before = weights_hash(HASH_START, w);
    OK(codec_put_weights(&f.framed.bytes, w, 1));
    const struct frame frame = framed_only(&f.framed, FRAME_WEIGHTS);
    memset(w->params, 0, w->n_params * sizeof *w->params);
    assert_int_equal(codec_get_weights(w, 0, frame.payload, frame.n, "test", &f.framed.scratch),
                     ERR_FORMAT);
    assert_non_null(strstr(f.framed.log.last, "team 1 stand where those of team 0"));
    OK(codec_get_weights(w, 1, frame.payload, frame.n, "test", &f.framed.scratch));
    assert_true(weights_hash(HASH_START, w) == before);
    end(&f);
}

/* The interface and the update behind it do the same. */
static void test_mappo_behind_the_interface(void **state)
{
    (void)state;
    struct toy_learner plain = {.team_cfg = toy_team_cfg(hidden, 1, 64), .cfg = toy_mappo_cfg()};
    struct toy_learner other = plain;
    struct mappo_learner m;
    struct reducer sums[2];
    struct mappo_stats stats;
    struct learn_stats told;
    const struct rollout_cfg cfg = {.seed = 3};
    arena_init(&plain.arena);
    arena_init(&other.arena);
    toy_learner_init(&plain, &toy_three, 13, T);
    toy_learner_init(&other, &toy_three, 13, T);
    OK(mappo_learner_init(&m, &other.arena, &other.run.team, &other.cfg));
    struct learner *l = &m.base;
    assert_ptr_equal(mappo_of(l), &m);
    assert_int_equal(l->n_sums, 2);
    for (int i = 0; i < 2; i++) {
        const struct reduce_shape *shape = l->sums[i].ctx;
        OK(reduce_serial(&sums[i], &other.arena, shape, other.run.n_tiles));
        assert_true(sums[i].bytes == l->sums[i].bytes);
    }
    const struct learner_batch batch = {17, 13, T, 1, other.run.n_tiles, sums};
    OK(l->ops->prepare(l, &other.arena, &batch));
    static const enum mappo_phase phases[] = {MAPPO_WARMUP, MAPPO_VALUE, MAPPO_PPO};
    static const enum learn_phase asked[] = {LEARN_WARMUP, LEARN_VALUE, LEARN_ALL};
    for (uint32_t u = 0; u < 3; u++) {
        const struct learn_args args = {asked[u], 0.25, -1.0, -1.0};
        OK(toy_run_rollout(&plain.run, &cfg, u));
        OK(toy_run_rollout(&other.run, &cfg, u));
        OK(mappo_update(plain.mappo, plain.run.block, phases[u], 0.25, &stats));
        OK(l->ops->learn(l, other.run.block, &args, &told));
        assert_true(told.reward == stats.reward && told.columns[8] == stats.lr);
    }
    assert_true(team_digest(&plain.run.team) == team_digest(&other.run.team));
    assert_true(*l->counter == ((UINT64_C(8) << 32) | 16));
    assert_int_equal(l->w->version, 3);
    arena_release(&plain.arena);
    arena_release(&other.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_teams_draw_apart),
        cmocka_unit_test(test_teams_start_apart),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_going_on),
        cmocka_unit_test(test_block_message),
        cmocka_unit_test(test_weights_of_another_team),
        cmocka_unit_test(test_mappo_behind_the_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
