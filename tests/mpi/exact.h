/* Trainings of the exact games (core/marl/stochastic_game.h) by MAPPO, and what came of them: the
 * strategy that a player's networks have in each state.
 */
#ifndef KARMA_TESTS_MPI_EXACT_H
#define KARMA_TESTS_MPI_EXACT_H

#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/policy.h"
#include "core/marl/stochastic_env.h"
#include "mpi/train/train.h"
#include "mpi/train/train_game.h"
#include "proto/weights.h"
#include "tests/mpi/ranks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_UNITS = 32 };

/* One training, of both players or of one. */
struct exact_run {
    const struct stochastic_game *game;
    const double *fixed[GAME_TEAMS]; /* (n_states, actions) a player that never learns plays this
                                        strategy; NULL: it learns */
    uint64_t seed;
    int updates, alternate; /* alternate > 0: updates of a turn (train.opponent: alternating) */
    double entropy, lr, lr_end;

    /* the rest is made by exact_train() */
    struct stochastic_shape shape;
    uint64_t digest;
    char dir[512];
};

/* ---- a player with a given strategy ---- */

struct exact_player {
    struct learner base;
    struct weights w;
    const struct stochastic_game *game;
    const double *strategy;
    int n_actions;
};

/* The state is one-hot. The draw is the one that a team of networks would make. */
static inline void exact_act(struct learner *l, int32_t *action, float *logp, float *state,
                             const struct learner_view *v)
{
    const struct exact_player *p = (const struct exact_player *)(const void *)l;
    const int n = p->game->n_states;
    (void)state;
    for (int i = 0; i < v->n; i++) {
        int s = 0;
        while (v->global_state[i * n + s] != 1.0F) {
            s++;
        }
        const uint32_t w =
            rng_philox(v->key, env_draw(l->team), v->step, v->update, v->gid[i]).v[0];
        double u = (double)w * 0x1p-32;
        int a = 0;
        while (a + 1 < p->n_actions &&
               (u >= p->strategy[s * p->n_actions + a] || !mask_has(&v->mask[i], a))) {
            u -= p->strategy[s * p->n_actions + a++];
        }
        action[i] = a;
        logp[i] = 0.0F;
    }
}

static inline enum err exact_player_make(const void *ctx, struct learner **out, struct arena *arena,
                                         const struct team_spec *spec, int team, uint64_t seed,
                                         struct arena *scratch)
{
    static const struct learner_ops ops = {.name = "given strategy", .act = exact_act};
    const struct exact_run *r = ctx;
    struct exact_player *p = ARENA_NEW(arena, 1, struct exact_player);
    (void)seed;
    (void)scratch;
    TRY(arena_error(arena));
    *p = (struct exact_player){.base = {.ops = &ops, .spec = spec, .team = team, .w = &p->w},
                               .w = {.n_params = 1},
                               .game = r->game,
                               .strategy = r->fixed[team],
                               .n_actions = spec->n_choices};
    TRY(weights_init(&p->w, arena));
    *out = &p->base;
    return ERR_OK;
}

/* ---- training ---- */

static inline enum err exact_make_env(void *ctx, struct env **out, struct arena *arena, int n_env)
{
    const struct exact_run *r = ctx;
    return stochastic_env_new(out, arena, &r->shape, n_env, r->seed);
}

static inline struct mappo_cfg exact_mappo(const struct exact_run *r)
{
    return (struct mappo_cfg){.gamma = r->game->gamma,
                              .lambda = 0.9,
                              .clip = 0.2,
                              .value_clip = 0.2,
                              .huber_delta = 10,
                              .entropy = r->entropy,
                              .lr = r->lr,
                              .lr_end = r->lr_end,
                              .epochs = 4,
                              .minibatches = 2,
                              .grad_norm = 0.5,
                              .adam_beta1 = 0.9,
                              .adam_beta2 = 0.999,
                              .adam_eps = 1e-5,
                              .value_beta = 0.99};
}

static inline struct team_cfg exact_team(void)
{
    static int hidden[] = {EXACT_UNITS};
    return (struct team_cfg){.actor_hidden = hidden,
                             .n_actor_hidden = 1,
                             .critic_hidden = hidden,
                             .n_critic_hidden = 1,
                             .obs_clip = 10,
                             .row_block = 64};
}

static inline void exact_remove(const struct ranks *r, const char *dir)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (r->c.rank == 0 && system(command) != 0) {
        fprintf(stderr, "%s: failed\n", command);
    }
}

/* Collective. */
static inline enum err exact_train(struct ranks *r, struct exact_run *run)
{
    const struct mappo_cfg mappo = exact_mappo(run);
    const struct team_cfg team = exact_team();
    const struct mappo_source networks = {.team = &team, .mappo = &mappo};
    struct learner_source learners[GAME_TEAMS];
    for (int k = 0; k < GAME_TEAMS; k++) {
        learners[k] = run->fixed[k] != NULL
                          ? (struct learner_source){.ctx = run, .make = exact_player_make}
                          : mappo_source_learner(&networks);
    }
    stochastic_shape_init(&run->shape, run->game);
    const struct env_source envs = {.spec = &run->shape.spec,
                                    .horizon = run->game->horizon,
                                    .ctx = run,
                                    .make = exact_make_env};
    const struct train_cfg train = {.seed = run->seed,
                                    .updates = run->updates,
                                    .envs = 64,
                                    .steps = 16,
                                    .stagger = true,
                                    .opponent = run->alternate > 0 ? OPPONENT_ALTERNATING
                                                                   : OPPONENT_TOGETHER,
                                    .opponent_updates = run->alternate};
    static const char *const none[] = {""};
    const struct train_setup setup = {.train = &train,
                                      .envs = &envs,
                                      .learners = learners,
                                      .run_dir = run->dir,
                                      .config = "{}\n",
                                      .config_digest = 7,
                                      .features = none};
    const struct train_options opt = {0};
    snprintf(run->dir, sizeof run->dir, "%s.np%d", program_invocation_name, r->c.size);
    exact_remove(r, run->dir);
    return train_run(&r->c, &run->digest, &setup, &opt);
}

/* ---- what was learned ---- */

static inline enum err exact_read(struct team *t, struct arena *arena, const struct exact_run *run,
                                  int player)
{
    char path[600];
    struct policy_meta meta = {0};
    struct frame_reader reader;
    struct frame f;
    struct buf bytes;
    snprintf(path, sizeof path, "%s/policy/%s.bin", run->dir,
             player == GAME_ROW ? "weights" : run->shape.teams[player].name);
    buf_init(&bytes);
    enum err e = file_read(&bytes, path, FRAME_BYTES_MAX);
    if (e == ERR_OK) {
        frame_reader_init(&reader, bytes.data, bytes.len, path);
        e = frame_expect(&reader, &f, FRAME_POLICY, CODEC_POLICY_VERSION);
    }
    if (e == ERR_OK) {
        e = codec_get_policy(&t->w, t->spec, &meta, f.payload, f.n, path, arena);
    }
    buf_release(&bytes);
    team_refresh(t);
    return e;
}

/* strategy (n_states, actions of the player), from the policy file of the training. */
static inline enum err exact_strategy(double *strategy, struct arena *arena,
                                      const struct exact_run *run, int player)
{
    const struct stochastic_game *g = run->game;
    const struct team_cfg cfg = exact_team();
    const int n = player == GAME_ROW ? g->n_row : g->n_col;
    float logp[GAME_ACTIONS_MAX + POLICY_SLACK], prob[GAME_ACTIONS_MAX + POLICY_SLACK];
    struct team t;
    TRY(team_init(&t, arena, &cfg, &run->shape.teams[player]));
    TRY(exact_read(&t, arena, run, player));
    float *obs = ARENA_NEW(arena, t.obs_ld, float), *seen = ARENA_NEW(arena, g->n_states, float);
    float *row = ARENA_NEW(arena, g->n_states, float);
    float *logits = ARENA_NEW(arena, t.logit_ld + POLICY_SLACK, float);
    float *work = ARENA_NEW(arena, mlp_infer_work_floats(&t.actor), float);
    TRY(arena_error(arena));
    for (int s = 0; s < g->n_states; s++) {
        const uint32_t mask = player == GAME_ROW ? g->may_row[s] : g->may_col[s];
        memset(row, 0, sizeof *row * (size_t)g->n_states);
        row[s] = 1.0F;
        team_inputs(&t, obs, NULL, seen, row, NULL, 1);
        team_logits(&t, logits, obs, 1, work);
        policy_softmax(logp, prob, logits, &mask, n);
        for (int a = 0; a < n; a++) {
            strategy[s * n + a] = (double)prob[a];
        }
    }
    return ERR_OK;
}

#endif
