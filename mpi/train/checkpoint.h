/* A checkpoint: everything a training is between two updates, in one file (proto/checkpoint.proto).
 *
 *   rank 0     of each team: weights, what its learner remembers; counters
 *   rank r     for each tile it simulates: episode numbers and the joint actions so far
 *
 * Rank 0 writes and reads; what it holds at a time are some tiles, never the file. The bytes depend
 * neither on the number of ranks nor on who owns what, so any number of ranks can go on. No
 * environment is serialised: the ranks replay their tiles and compare checksums.
 */
#ifndef KARMA_TRAIN_CHECKPOINT_H
#define KARMA_TRAIN_CHECKPOINT_H

#include "core/marl/learner.h"
#include "core/marl/rollout.h"
#include "mpi/comm/comm.h"
#include "mpi/comm/owners.h"

/* The parts of a training that a checkpoint is about; all borrowed. */
struct checkpoint {
    struct comm *comm;
    const struct owners *owners;
    const struct env_spec *spec;
    struct learner *const *learners; /* (spec->n_teams) */
    bool learns;                     /* this rank, so that learners have their parts; rank 0 does */
    struct rollout_tile *tiles; /* (n_sim) those I simulate, ascending, keeping their actions */
    int n_sim;
    struct arena *scratch;
    int n_envs, horizon;
    /* A rollout that runs ahead (train.pipeline) is not stored: what it is made of is. Not ahead:
     * none does, the tiles stand where the weights were made. */
    bool ahead;
    struct weights *acting[ENV_TEAMS_MAX]; /* it acts with these, one update older */
    const uint32_t (*sums)[TILE]; /* (n_sim) checksums of `tiles`, histories from before it */
    int stagger;                  /* as in rollout_run() */
    uint64_t config;              /* digest of what decides the training */
    /* Collective. Makes the environments in which the tiles stand after update u. A checkpoint is
     * replayed in them. */
    enum err (*enter)(void *ctx, int u);
    void *ctx;
};

/* How far a training is. */
struct checkpoint_progress {
    int update;        /* PPO updates done */
    uint32_t rollouts; /* of all phases */
};

/* Collective. Replaces `path` (rank 0's) as a whole, or leaves it as it was and everybody gets the
 * error. */
enum err checkpoint_write(const struct checkpoint *c, const char *path,
                          struct checkpoint_progress at) WARN_UNUSED;

/* Local (rank 0). Reads all of the file. Damaged or cut off: *whole = false, with a warning. Made
 * by another training or by a newer program: an error with a sentence. */
enum err checkpoint_check(const struct checkpoint *c, bool *whole, const char *path) WARN_UNUSED;

/* Collective. Takes over what `path` (rank 0's) holds: weights, learners, environments. On an error
 * the parts are in no state to go on with. */
enum err checkpoint_read(const struct checkpoint *c, struct checkpoint_progress *at,
                         const char *path) WARN_UNUSED;

#endif
