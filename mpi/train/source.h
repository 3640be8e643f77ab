/* Sources: what is trained and who learns it. The trainer asks one for environments and one for
 * each team's learner; it knows neither the game nor MAPPO.
 *
 * First of their kind: train_game.h. All parts are borrowed; a source outlives the training.
 */
#ifndef KARMA_TRAIN_SOURCE_H
#define KARMA_TRAIN_SOURCE_H

#include "core/base/mem.h"
#include "core/marl/env.h"
#include "core/marl/learner.h"

enum { SOURCE_TEXT = 32 };

struct env_source {
    const struct env_spec *spec;
    int horizon; /* steps of an episode at most */
    void *ctx;
    /* Local. A tile of n_env environments, the same function of (gid, episode, actions) on every
     * rank. They demonstrate if train.init asks for it. */
    enum err (*make)(void *ctx, struct env **out, struct arena *arena, int n_env);
    /* A few words for the progress line, "" if there is nothing to say. episodes (n_stats): sums
     * over the episodes that ended in an update and have the number. NULL: nothing ever. */
    void (*tell)(const void *ctx, char text[SOURCE_TEXT], const float *episodes);
};

struct learner_source {
    const void *ctx;
    /* Local. A learner for team number `team`, with the weights it starts from: the same on every
     * rank. scratch is rewound. */
    enum err (*make)(const void *ctx, struct learner **out, struct arena *arena,
                     const struct team_spec *spec, int team, uint64_t seed, struct arena *scratch);
};

#endif
