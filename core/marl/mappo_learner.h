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
    const char *section;         /* where lr and entropy stand there, for advice */
    struct mappo *mappo;         /* NULL before prepare() */
    struct mappo_stats stats;    /* of the last update */
    struct reduce_shape grad, batch;
};

/* For a team that stands already, number `number` of its environment. cfg NULL: it only plays.
 * `m`, team and cfg must stay where they are. */
enum err mappo_learner_init(struct mappo_learner *m, struct arena *arena, struct team *team,
                            const struct mappo_cfg *cfg) WARN_UNUSED;

/* What a team is made of, together with its learner. */
struct mappo_plan {
    const struct team_cfg *team;
    const struct mappo_cfg *mappo; /* NULL: it only plays */
    const struct team_spec *spec;
    int number;          /* of the team in its environment */
    const char *section; /* of the configuration, where lr and entropy stand; NULL: mappo */
};

/* A new team with random parameters from `seed`, and its learner. By reference, but for *plan.
 * scratch is rewound. */
enum err mappo_learner_new(struct mappo_learner **out, struct arena *arena,
                           const struct mappo_plan *plan, uint64_t seed,
                           struct arena *scratch) WARN_UNUSED;

/* The MAPPO behind a learner, NULL if it is another one. */
struct mappo_learner *mappo_of(struct learner *l);

/* The networks of a learner that learns or plays as above, NULL if it is another one. */
const struct team *mappo_team_of(const struct learner *l);

#endif
