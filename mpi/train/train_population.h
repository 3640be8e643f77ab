/* A training against a population of attackers (train.opponent: population): for each episode one
 * attacker is drawn, which plays as it is and never learns.
 *
 * Unlike the attacker of `fixed`, which is a second team of the training, these are part of the
 * environment: each acts in the environments where it was drawn. Their choices are drawn from their
 * policies, by the identity of the episode.
 */
#ifndef KARMA_TRAIN_TRAIN_POPULATION_H
#define KARMA_TRAIN_TRAIN_POPULATION_H

#include "core/game/mixture.h"
#include "mpi/train/train_attacker.h"

struct population {
    struct attacker_source source;
    struct team **members; /* (mixture.n) NULL: nobody attacks */
    struct mixture mixture;
};

/* Local. The members cfg->members, with cfg->shares. By reference. */
enum err population_load(struct population *p, struct arena *arena, const struct attacker_cfg *cfg,
                         const struct team_cfg *team, const struct mappo_cfg *mappo,
                         const struct attacker_interface *attacker) WARN_UNUSED;

/* Tiles of a game in which one member plays against the defenders of `game`. */
struct population_source {
    const struct game_source *game;
    const struct attacker_interface *attacker;
    const struct population *population;
};

/* *envs, made by game_source_envs(g), becomes environments with an attacker. `s` must stay where it
 * is; the rest is borrowed. */
void population_source_envs(struct env_source *envs, struct population_source *s,
                            const struct game_source *g, const struct attacker_interface *attacker,
                            const struct population *population);

#endif
