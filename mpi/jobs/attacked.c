/* One team or two, as train.opponent says. See attacked.h. */
#include "mpi/jobs/attacked.h"

/* The second team beside that of the game: its environments and its learner. */
static enum err add_attacker(struct train_setup *setup, struct attacked *a, struct experiment *x)
{
    const struct experiment_cfg *c = &x->cfg;
    const char *const *columns = attacker_interface_columns(x->attacker, &x->arena);
    TRY(columns == NULL ? ERR_MEMORY : ERR_OK);
    TRY(attacked_source_envs(&a->game.envs, &a->source, &x->arena, &a->game.game, x->attacker));
    a->learners[0] = a->game.learners[0];
    a->learners[1] = attacker_source_learner(&a->attacker, &c->attacker, &c->team, &c->mappo,
                                             c->train.opponent != OPPONENT_FIXED, columns);
    setup->learners = a->learners;
    setup->further_features[1] = columns;
    return ERR_OK;
}

enum err attacked_setup(struct train_setup *setup, struct attacked *a, struct experiment *x)
{
    const struct experiment_cfg *c = &x->cfg;
    train_game_init(&a->game, &c->train, &x->method);
    setup->train = &c->train;
    setup->envs = &a->game.envs;
    setup->learners = a->game.learners;
    setup->interface = x->method.interface;
    setup->rules = &x->rules;
    setup->features = x->method.columns;
    return x->attacker != NULL ? add_attacker(setup, a, x) : ERR_OK;
}
