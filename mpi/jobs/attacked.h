/* The sources of a training that an experiment describes: the defenders alone, or with an attacker
 * (train.opponent).
 */
#ifndef KARMA_JOBS_ATTACKED_H
#define KARMA_JOBS_ATTACKED_H

#include "mpi/jobs/experiment.h"
#include "mpi/train/train_attacker.h"
#include "mpi/train/train_game.h"
#include "mpi/train/train_population.h"

/* Environments with an attacker, of a training or of one of its stages. */
struct attacked_envs {
    struct attacked_source second_team;
    struct population_source population;
};

/* *envs, made by game_source_envs(g), gets the attacker of x, which has one. `a` must stay where it
 * is; the rest is borrowed. */
enum err attacked_envs(struct env_source *envs, struct attacked_envs *a, struct experiment *x,
                       const struct game_source *g, const struct population *p) WARN_UNUSED;

struct attacked {
    struct train_game game;
    struct learner_source learners[2];
    struct attacked_envs envs;
    struct attacker_source attacker;
    struct population population; /* of train.opponent: population */
};

/* Local. Fills in environments, learners, rules and the names of columns of *setup; x->cfg.train is
 * its `train`. `a` must stay where it is; the rest is borrowed. */
enum err attacked_setup(struct train_setup *setup, struct attacked *a,
                        struct experiment *x) WARN_UNUSED;

#endif
