/* Episodes of an evaluation, played again from its configuration: for what needs more than their
 * record, such as what would have happened after another choice.
 *
 * Each play is compared with the record, choice by choice. Where they differ, the configuration,
 * the policy or the program is not the one that made the record.
 */
#ifndef KARMA_JOBS_REPLAY_EPISODES_H
#define KARMA_JOBS_REPLAY_EPISODES_H

#include "core/analysis/counterfactual.h"
#include "core/analysis/trajectories.h"
#include "mpi/jobs/policies.h"

/* One trained team. */
struct replay_team {
    uint64_t train_seed, digest;
    const struct trained_team *trained;
    struct counterfactual c;
    struct controller *controller;
    struct counterfactual_play play;
};

struct replay {
    const struct experiment *x;
    const struct trajectory_set *set;
    struct policies policies;
    struct episode episode;
    struct replay_team *teams; /* (n_teams) */
    int n_teams;
};

/* Local. The evaluation that `x` describes, with the policies of the set's controller. ERR_USAGE
 * with a sentence if it has no such controller, or one that was not trained. By reference; `r` must
 * stay where it is. */
enum err replay_open(struct replay *r, struct arena *arena, const struct trajectory_set *set,
                     const struct experiment *x) WARN_UNUSED;

/* Local. The index of the scenario and the identity of a recorded episode. ERR_MISMATCH with a
 * sentence if the configuration has no such scenario. */
enum err replay_identity(int *scenario, struct episode_id *id, const struct replay *r,
                         const struct analysed_episode *e) WARN_UNUSED;

/* Local. Plays a recorded episode; *team is the one that played it. ERR_MISMATCH with a sentence if
 * no policy has its seed and digest, or the play differs from the record. */
enum err replay_first(struct replay_team **team, struct replay *r,
                      const struct analysed_episode *e) WARN_UNUSED;

#endif
