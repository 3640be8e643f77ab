/* The trainer: what one rank has to train with, allocated once before the run. Inside of train.c,
 * which is the script; trainer_checkpoint.c stores it and brings it back.
 */
#ifndef KARMA_TRAIN_TRAINER_H
#define KARMA_TRAIN_TRAINER_H

#include "core/marl/learner.h"
#include "core/marl/rollout.h"
#include "mpi/comm/exchange.h"
#include "mpi/comm/owners.h"
#include "mpi/comm/peers.h"
#include "mpi/comm/treesum.h"
#include "mpi/train/balance.h"
#include "mpi/train/convergence.h"
#include "mpi/train/phases.h"
#include "mpi/train/setup.h"
#include "mpi/train/trainlog.h"

enum { REHEARSED = 4 }; /* tiles that a dry run allocates and plays */

/* A sum over tiles as a learner asks for it. */
struct tree_sum {
    struct tree_op op;
    struct treesum *tree;
    struct comm *comm;
    double n_totals; /* made so far */
};

/* What is there for each team. */
struct trainer_team {
    struct tree_sum sums[LEARNER_SUMS_MAX];
    struct reducer reducers[LEARNER_SUMS_MAX];
    struct block spare;    /* for a tile that leaves */
    struct weights acting; /* train.pipeline: the rollout that runs ahead acts with these */
};

struct trainer {
    struct comm *comm;
    const struct train_setup *setup;
    const struct train_options *opt;
    struct arena arena, scratch;
    struct arena plants;          /* environments of the stage; a dry run: all of its tiles */
    struct arena one_block_arena; /* a dry run: the blocks of one tile */
    struct owners owners;
    struct peers peers;
    const struct env_spec *spec;
    struct learner *learners[ENV_TEAMS_MAX]; /* (spec->n_teams) */
    struct trainer_team teams[ENV_TEAMS_MAX];
    struct exchange exchange;

    struct rollout *rollout;
    struct rollout_tile *tiles; /* (n_sim) those I simulate, ascending */
    int n_sim, n_allocated;     /* n_allocated: n_sim, but for a dry run */
    int stage;                  /* of the environments in use; 0 = the first one */

    /* train.pipeline: what the rollout that runs ahead started from. */
    struct rollout_tile *before; /* (n_sim) histories; NULL without a pipeline */
    uint32_t (*sums)[TILE]; /* (n_sim) their checksums, as replay_tile_checksums() makes them */
    uint32_t update_before; /* rollouts done before it */

    struct block
        *blocks; /* (n_sets, n_teams, n_learn) tiles I learn, ascending, for each set kept */
    int n_learn, n_sets;

    struct reduce_shape episode_shape;
    struct tree_sum episode_sum; /* numbers that episodes leave behind */
    struct reducer episodes;
    void *total; /* a record of it */
    struct trainlog log;
    struct phases phases; /* where this rank's time goes */
    struct convergence convergence;
    int measures; /* updates after which this trainer ends, and costs are known; 0: it goes on */
    struct balance_costs costs;
    struct balance_forecast measured; /* one of these updates as it was */
    int learning;                     /* number of the update that is made, from 1 */
    uint32_t update;                  /* rollouts done, all phases: a coordinate of every draw */
};

/* Local. Allocates everything; nothing is allocated later. On an error, too, trainer_release() is
 * due. */
enum err trainer_init(struct trainer *t) WARN_UNUSED;
void trainer_release(struct trainer *t);

int trainer_count_tiles(const struct train_cfg *cfg);

/* Collective. The environments become those of the stage that update u belongs to: episodes start
 * anew where it is another stage than before. Update 0 belongs to the first stage. */
enum err trainer_enter(struct trainer *t, int u) WARN_UNUSED;

/* Local. Update u is the last one of its stage, and not of the training. */
bool trainer_ends_stage(const struct trainer *t, int u);

/* As rollout_run() wants it: the horizon if first episodes are staggered, else 0. */
int trainer_stagger(const struct trainer *t);

/* Local. train.pipeline: weights, histories and counter as they are become those that a rollout
 * which runs ahead starts from. */
enum err trainer_remember(struct trainer *t) WARN_UNUSED;

/* The blocks of a team in `set`, in the order of the tiles this rank learns. */
struct block *trainer_blocks(const struct trainer *t, int set, int team);

/* The one of `tile`, NULL if this rank does not learn it. */
struct block *trainer_block(const struct trainer *t, int set, int team, int tile);

/* Of the weights of all teams. */
uint64_t trainer_digest(const struct trainer *t);

#endif
