/* The trainer: what one rank has to train with, carved once before the run. Inside of train.c,
 * which is the script; saving.c stores it and brings it back.
 */
#ifndef KARMA_MPI_TRAINER_H
#define KARMA_MPI_TRAINER_H

#include "core/marl/mappo.h"
#include "core/marl/rollout.h"
#include "core/marl/team.h"
#include "mpi/convergence.h"
#include "mpi/demonstrate.h"
#include "mpi/exchange.h"
#include "mpi/owners.h"
#include "mpi/peers.h"
#include "mpi/train.h"
#include "mpi/trainlog.h"
#include "mpi/treesum.h"

enum { REHEARSED = 4 }; /* tiles that a dry run carves and plays */
enum { TREES = 3 };     /* sums over tiles: gradients, batch statistics, episodes */

struct tree_sum {
    struct treesum *tree;
    struct comm *comm;
};

struct trainer {
    struct comm *comm;
    const struct train_setup *setup;
    const struct train_options *opt;
    struct arena arena, scratch;
    struct arena sample;    /* a dry run: the tiles that it carves */
    struct block one_block; /* a dry run: of a tile, in an arena of its own */
    struct arena one_block_arena;
    struct owners owners;
    struct peers peers;
    struct team team;
    struct mappo_cfg mappo_cfg; /* the phases have step sizes of their own */
    struct mappo *mappo;        /* NULL on ranks that do not learn */
    struct exchange exchange;

    struct rollout *rollout;
    struct rollout_tile *tiles; /* (n_sim) those I simulate, ascending */
    struct controller_cfg rule; /* that is imitated */
    struct demonstrations *demos;
    int n_sim, n_carved; /* n_carved: n_sim, but for a dry run */

    /* train.pipeline: what the rollout that runs ahead started from. */
    struct weights acting;       /* it acts with these */
    struct rollout_tile *before; /* (n_sim) histories; NULL without a pipeline */
    uint32_t (*sums)[TILE];      /* (n_sim) their checksums, as replay_checksums() makes them */
    uint32_t update_before;      /* rollouts done before it */

    struct block *blocks; /* (n_sets, n_learn) tiles I learn, ascending, for each set kept */
    struct block spare;   /* for a tile that leaves */
    int n_learn, n_sets;

    struct reduce_shape shapes[TREES];
    struct tree_op ops[TREES];
    struct treesum *trees[TREES];
    struct tree_sum bound[TREES];
    struct reducer reducers[TREES];
    void *total; /* a record of the largest tree */
    struct trainlog log;
    struct convergence convergence;
    uint32_t update; /* rollouts done, all phases: a coordinate of every draw */
};

/* Local. Everything is carved here, nothing later. On an error trainer_release() is still due. */
enum err trainer_init(struct trainer *t) WARN_UNUSED;
void trainer_release(struct trainer *t);

int trainer_count_tiles(const struct train_cfg *cfg);

/* Rollouts of demonstrations that are kept for cloning, 0 without it. */
int trainer_clone_rollouts(const struct train_cfg *cfg);

/* As rollout_run() wants it: the horizon if first episodes are staggered, else 0. */
int trainer_stagger(const struct trainer *t);

/* Local. train.pipeline: weights, histories and counter as they are become those that a rollout
 * which runs ahead starts from. */
enum err trainer_remember(struct trainer *t) WARN_UNUSED;

/* The block of `tile` in `set`, NULL if this rank does not learn it. */
struct block *trainer_block(const struct trainer *t, int set, int tile);

#endif
