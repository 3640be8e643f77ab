/* A stochastic game (stochastic_game.h) as an environment of marl: two teams of one agent each,
 * which see the state one-hot, with opposite rewards.
 *
 * Episodes begin in a uniformly drawn state and are cut by the clock after game->horizon steps, so
 * what is learned with mappo.gamma equal to the game's is the discounted game in all of its states.
 * An episode leaves behind the row player's mean reward.
 */
#ifndef KARMA_MARL_STOCHASTIC_ENV_H
#define KARMA_MARL_STOCHASTIC_ENV_H

#include "core/base/mem.h"
#include "core/marl/env.h"
#include "core/marl/stochastic_game.h"

enum { GAME_ROW, GAME_COL, GAME_TEAMS };

struct stochastic_shape {
    const struct stochastic_game *game;
    struct team_spec teams[GAME_TEAMS];
    struct env_spec spec;
};

/* `shape` must stay where it is. */
void stochastic_shape_init(struct stochastic_shape *shape, const struct stochastic_game *g);

/* A tile of n_env; draws are functions of (seed, environment, episode, step). */
enum err stochastic_env_new(struct env **out, struct arena *arena,
                            const struct stochastic_shape *shape, int n_env,
                            uint64_t seed) WARN_UNUSED;

#endif
