/* A small team with one tile of toy environments: the shapes that fuzzed messages must have. */
#ifndef KARMA_TESTS_FUZZ_TOY_H
#define KARMA_TESTS_FUZZ_TOY_H

#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/toy_env.h"

enum {
    TOY_ENVS = 3,
    TOY_STEPS = 6,
    TOY_HORIZON = 4,
    /* What unpacking may take of an arena may take four times that of the system: chunks double,
     * and a piece that does not fit leaves the rest of its chunk empty. */
    TOY_FIXED = 4 * WIRE_BYTES_FIXED + 64 * 1024,
    TOY_EACH = 4 * WIRE_BYTES_EACH
};

/* Two words of mask; actions of two bytes as varints. */
static const struct toy_shape toy_small = {.n_agents = 2,
                                           .n_factors = 2,
                                           .n_choices = 40,
                                           .n_global_state = 4,
                                           .n_norm = 2,
                                           .n_obs = 3,
                                           .n_critic = 4,
                                           .horizon = TOY_HORIZON};

struct toy_team {
    struct team_spec spec;
    struct env_spec env;
    struct team_cfg cfg;
    int hidden[1];
    struct toy_run run;
};

/* The tile has done variant + 1 rollouts. */
static inline enum err toy_team_begin(struct toy_team *t, struct arena *arena, int variant)
{
    const struct rollout_cfg policy = {.seed = 31};
    t->hidden[0] = 2;
    t->spec = toy_spec(&toy_small);
    t->env = toy_env_spec(&t->spec);
    t->cfg = toy_team_cfg(t->hidden, 1, 16);
    t->cfg.share_actor = true;
    TRY(toy_run_init(&t->run, arena, &t->cfg, &toy_small, &t->env, TOY_ENVS, TOY_STEPS));
    TRY(rollout_keep_actions(&t->run.tile[0], arena, &t->env, TOY_HORIZON));
    for (int i = 0; i <= variant; i++) {
        TRY(toy_run_rollout(&t->run, &policy, (uint32_t)i));
    }
    return ERR_OK;
}

#endif
