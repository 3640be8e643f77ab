/* The game and a method of training as sources: tiles of core/game/game.h, the method's one team,
 * and, where train.init clones, the rule it imitates.
 */
#ifndef KARMA_TRAIN_TRAIN_GAME_H
#define KARMA_TRAIN_TRAIN_GAME_H

#include "core/game/game.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"
#include "core/methods/method.h"
#include "mpi/train/setup.h"
#include "mpi/train/source.h"

/* A team of networks that MAPPO improves, whatever its environment. */
struct mappo_source {
    const struct team_cfg *team;
    const struct mappo_cfg *mappo;
};
struct learner_source mappo_source_learner(const struct mappo_source *s);

/* Tiles of the game by the interface of this method: on the plant that a training on its env_setup
 * uses. */
struct game_source {
    const struct method *method;
    const struct train_cfg *train;
    struct controller_cfg rule; /* that is imitated, if one is */
};

/* Local. What the first team of a tile imitates; NULL: nothing. */
enum err game_source_demonstrator(const struct demonstrator **out, struct arena *arena,
                                  const struct game_source *g) WARN_UNUSED;

struct train_game {
    struct game_source game;
    struct env_source envs;
    struct learner_source learners[1];
};

/* `g` must stay where it is; the rest is borrowed. */
void train_game_init(struct train_game *g, const struct train_cfg *train,
                     const struct method *method);

/* Tiles of the game alone, for another stage of a training. `g` is filled in; it must stay where it
 * is, and the rest is borrowed. */
struct env_source game_source_envs(struct game_source *g, const struct train_cfg *train,
                                   const struct method *method);

#endif
