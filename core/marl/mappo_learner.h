/* MAPPO as a learner: a team of networks that acts, and the update that improves it.
 *
 * Thin: acting is team.h, learning is mappo.h.
 */
#ifndef KARMA_MARL_MAPPO_LEARNER_H
#define KARMA_MARL_MAPPO_LEARNER_H

#include "core/marl/learner.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"

struct mappo_learner {
    struct learner base; /* first */
    struct team *team;
    struct team_scratch *act, *value;
    struct mappo_cfg cfg;        /* phases have step sizes of their own */
    const struct mappo_cfg *own; /* those of the configuration */
    struct mappo *mappo;         /* NULL before prepare() */
    struct mappo_stats stats;    /* of the last update */
    struct reduce_shape grad, batch;
};

/* For a team that stands already, number `number` of its environment. cfg NULL: it only plays.
 * `m`, team and cfg must stay where they are. */
enum err mappo_learner_init(struct mappo_learner *m, struct arena *arena, struct team *team,
                            const struct mappo_cfg *cfg) WARN_UNUSED;

/* The MAPPO behind a learner, NULL if it is another one. */
struct mappo_learner *mappo_of(struct learner *l);

#endif
