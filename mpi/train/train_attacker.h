/* A training with an attacker beside the defenders: tiles of the game that both teams play, and the
 * learner of the second one (train.opponent).
 *
 *   fixed        the attacker plays a policy from a file and never learns
 *   together     both learn from the same rollouts, in every update
 *   alternating  one learns while the other plays as it is, by turns of train.opponent_updates
 *
 * (An attacker of train.opponent: population is no team: train_population.h.) Which turn it is is
 * the trainer's business (train.c); to the sources the last two are the same.
 */
#ifndef KARMA_TRAIN_TRAIN_ATTACKER_H
#define KARMA_TRAIN_TRAIN_ATTACKER_H

#include "core/game/attacker_interface.h"
#include "mpi/train/train_game.h"

/* The learner of an attacker. */
struct attacker_source {
    struct team_cfg team;   /* that of the defenders, with the attacker's layers */
    struct mappo_cfg mappo; /* likewise, with its step sizes and entropy */
    struct mappo_source source;
    const char *policy;         /* it starts from this file; "": from random weights */
    const char *const *columns; /* (spec.n_norm) names, as in such a file */
};

/* learns: false, it plays as it is. columns: attacker_interface_columns(). By reference. */
struct learner_source attacker_source_learner(struct attacker_source *s,
                                              const struct attacker_cfg *cfg,
                                              const struct team_cfg *team,
                                              const struct mappo_cfg *mappo, bool learns,
                                              const char *const *columns);

/* Local. The team of s->policy, which plays: number 1 of its environment. */
enum err attacker_team_load(struct team *t, struct arena *arena, const struct attacker_source *s,
                            const struct team_spec *spec) WARN_UNUSED;

/* Tiles of a game in which an attacker plays beside the defenders of `game`. */
struct attacked_source {
    struct env_source defended; /* the same without an attacker */
    const struct game_source *game;
    const struct interface *interfaces[2];
    struct env_spec spec;
};

/* *envs, made by game_source_envs(g), becomes the environments of both teams. `s` must stay where
 * it is; the rest is borrowed. */
enum err attacked_source_envs(struct env_source *envs, struct attacked_source *s,
                              struct arena *arena, const struct game_source *g,
                              const struct attacker_interface *attacker) WARN_UNUSED;

#endif
