/* The game and MAPPO as sources of a training: tiles of core/game/game.h, one team that plays by
 * the rules, and, where train.init clones, the rule it imitates.
 */
#ifndef KARMA_TRAIN_TRAIN_GAME_H
#define KARMA_TRAIN_TRAIN_GAME_H

#include "core/game/rules.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"
#include "mpi/train/setup.h"
#include "mpi/train/source.h"

/* A team of networks that MAPPO improves. */
struct mappo_source {
    const struct team_cfg *team;
    const struct mappo_cfg *mappo;
    const struct rules *rules; /* that the team plays by; NULL: all of its inputs are known */
};
struct learner_source mappo_source_learner(const struct mappo_source *s);

/* Tiles of the game by these rules: on the plant that a training on rules->env_setup uses. */
struct game_source {
    const struct rules *rules;
    const struct train_cfg *train;
    struct controller_cfg rule; /* that is imitated, if one is */
};

struct train_game {
    struct game_source game;
    struct mappo_source mappo;
    struct env_source envs;
    struct learner_source learners[1];
};

/* `g` must stay where it is; the rest is borrowed. */
void train_game_init(struct train_game *g, const struct train_cfg *train, const struct rules *rules,
                     const struct team_cfg *team, const struct mappo_cfg *mappo);

/* Tiles of the game alone, for another stage of a training. `g` is filled in; it must stay where it
 * is, and the rest is borrowed. */
struct env_source game_source_envs(struct game_source *g, const struct train_cfg *train,
                                   const struct rules *rules);

#endif
