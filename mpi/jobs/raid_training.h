/* One training of an attacker against controllers that play as they are: a run directory, which is
 * resumed, or taken as it is if it is done. One that was made with another configuration, or
 * against other controllers, is refused.
 */
#ifndef KARMA_JOBS_RAID_TRAINING_H
#define KARMA_JOBS_RAID_TRAINING_H

#include "mpi/jobs/attack_world.h"
#include "mpi/train/train_exploit.h"

struct raid_training {
    const struct attack_world *world;
    const struct defended *defended; /* (mixture.n) whom it meets */
    const uint64_t *digests;         /* (mixture.n) of the weights of policies; 0 of rules */
    struct mixture mixture;
    uint64_t seed;
    const char *dir;               /* of the run */
    const char *about;             /* for the log: "attacker 2 of 5: seed 2 against 'khpa'" */
    const char *text;              /* all that decides its weights; raid_training_describe() */
    struct attacker_source source; /* of its networks, and */
    struct team attacker;          /* they: raid_training_load() */
};

/* Local. Fills in `text`. The rest of *t is there. */
enum err raid_training_describe(struct raid_training *t, struct arena *arena) WARN_UNUSED;

/* Collective. restart: whatever is there, train anew. scratch grows. */
enum err raid_training_run(struct comm *comm, const struct raid_training *t, bool restart,
                           struct arena *scratch) WARN_UNUSED;

/* Local. The weights of a run that is done. `t` must stay where it is. */
enum err raid_training_load(struct raid_training *t, struct arena *arena) WARN_UNUSED;

#endif
