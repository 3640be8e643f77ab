/* One process that learns in toy environments: shapes, hyper-parameters, and what an update needs.
 */
#ifndef KARMA_TESTS_TOY_LEARNER_H
#define KARMA_TESTS_TOY_LEARNER_H

#include "core/marl/mappo.h"
#include "tests/unit/toy_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static const struct toy_shape toy_three = {.n_agents = 3,
                                           .n_factors = 2,
                                           .n_choices = 5,
                                           .n_global_state = 10,
                                           .n_norm = 6,
                                           .n_obs = 9,
                                           .n_critic = 10,
                                           .horizon = 11};
static const struct toy_shape toy_alone = {.n_agents = 1, /* two words of mask */
                                           .n_factors = 1,
                                           .n_choices = 34,
                                           .n_global_state = 10,
                                           .n_norm = 6,
                                           .n_obs = 9,
                                           .n_critic = 10,
                                           .horizon = 11};

static inline struct mappo_cfg toy_mappo_cfg(void)
{
    return (struct mappo_cfg){.gamma = 0.95,
                              .lambda = 0.95,
                              .clip = 0.2,
                              .value_clip = 0.2,
                              .huber_delta = 10,
                              .entropy = 0.003,
                              .lr = 3e-3,
                              .lr_end = 3e-4,
                              .epochs = 2,
                              .minibatches = 4,
                              .grad_norm = 0.5,
                              .adam_beta1 = 0.9,
                              .adam_beta2 = 0.999,
                              .adam_eps = 1e-5,
                              .value_beta = 0.9};
}

struct toy_learner {
    struct arena arena;
    struct team_spec spec;
    struct env_spec env;
    struct team_cfg team_cfg;
    struct mappo_cfg cfg;
    struct toy_run run;
    struct mappo *mappo;
};

/* With the arena, team_cfg and cfg that the caller has set; seed 17. */
static inline void toy_learner_init(struct toy_learner *l, const struct toy_shape *shape, int n_env,
                                    int n_steps)
{
    struct reduce_shape grad_shape, batch_shape;
    struct reducer grad, batch;
    l->spec = toy_spec(shape);
    l->env = toy_env_spec(&l->spec);
    OK(toy_run_init(&l->run, &l->arena, &l->team_cfg, shape, &l->env, n_env, n_steps));
    mappo_shapes(&l->run.team, &grad_shape, &batch_shape);
    OK(reduce_serial(&grad, &l->arena, &grad_shape, l->run.n_tiles));
    OK(reduce_serial(&batch, &l->arena, &batch_shape, l->run.n_tiles));
    OK(mappo_init(&l->mappo, &l->arena, &l->cfg, &l->run.team, 17, n_env, n_steps, l->run.n_tiles,
                  &grad, &batch));
}

#endif
