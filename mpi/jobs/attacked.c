/* One team or two, or a population beside one, as train.opponent says. See attacked.h. */
#include "mpi/jobs/attacked.h"

static bool is_population(const struct experiment *x)
{
    return x->cfg.train.opponent == OPPONENT_POPULATION;
}

enum err attacked_envs(struct env_source *envs, struct attacked_envs *a, struct experiment *x,
                       const struct game_source *g, const struct population *p)
{
    if (!is_population(x)) {
        return attacked_source_envs(envs, &a->second_team, &x->arena, g, x->attacker);
    }
    population_source_envs(envs, &a->population, g, x->attacker, p);
    return ERR_OK;
}

/* The learner of the second team, whose columns stand behind those of the first one. */
static enum err add_team(struct train_setup *setup, struct attacked *a, struct experiment *x)
{
    const struct experiment_cfg *c = &x->cfg;
    const char *const *columns = attacker_interface_columns(x->attacker, &x->arena);
    TRY(columns == NULL ? ERR_MEMORY : ERR_OK);
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
    if (x->attacker == NULL) {
        return ERR_OK;
    }
    TRY(is_population(x) ? population_load(&a->population, &x->arena, &c->attacker, &c->team,
                                           &c->mappo, x->attacker)
                         : add_team(setup, a, x));
    return attacked_envs(&a->game.envs, &a->envs, x, &a->game.game, &a->population);
}
