/* Training: the script of phases, and one update from rollout to broadcast.
 *
 *   for each tile I simulate:  T steps -> block ── to the rank that learns the tile
 *   learners:                  blocks -> learner->learn() (sums along the tile tree)
 *   rank 0:                    weights ── broadcast ── everybody
 *
 * Phases: warm-up (row statistics) or cloning of a rule (demonstrations, then cross-entropy, then
 * value-only updates), then PPO updates. Same config and seed: same weights, bit by bit, for any
 * number of ranks and learners, and whether or not the run was interrupted and resumed.
 *
 * Environments may have several teams (core/marl/env.h), each with a learner of its own: all act in
 * every step of a rollout, then one learner after the other makes its update. Cloning is for team
 * 0.
 */
#ifndef KARMA_MPI_TRAIN_H
#define KARMA_MPI_TRAIN_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/lock.h"
#include "core/controllers/controller.h"
#include "core/game/rules.h"
#include "mpi/comm.h"
#include "mpi/source.h"

enum train_init { INIT_SCRATCH, INIT_CLONE_FF, INIT_CLONE_KHPA };

struct clone_cfg {
    int samples;                /* decisions of one environment to learn from */
    double random_share;        /* of executed actions replaced by random ones */
    int passes;                 /* over the samples */
    double lr;                  /* Adam step size at the start */
    int value_updates;          /* value-only updates afterwards */
    struct controller_cfg rule; /* parameters of the rule that is imitated */
};
/* Evaluations during training; mpi/convergence.h. */
struct evaluate_cfg {
    int every;    /* updates; 0 = none */
    int episodes; /* of each scenario */
    uint64_t seed;
};
struct train_cfg {
    uint64_t seed;
    int updates;  /* of PPO */
    int envs;     /* environments in all */
    int steps;    /* T, decisions of a rollout */
    int learners; /* ranks that learn; 0 = every rank does both */
    int pipeline; /* 1: the next rollout runs while this one is learned from, with older weights */
    int init;     /* enum train_init */
    struct clone_cfg clone;
    bool stagger;         /* first episodes of different length */
    int checkpoint_every; /* updates; 0 = only on request */
    int checkpoint_keep;  /* that many */
    struct evaluate_cfg evaluate;
};
extern const struct cfg_field train_fields[];

/* What is trained; borrowed. */
struct train_setup {
    const struct train_cfg *train;
    const struct env_source *envs;
    const struct learner_source *learners; /* (envs->spec->n_teams) */
    const struct rules *rules;             /* by which train.evaluate plays; NULL: it must be off */
    const char *run_dir;                   /* results/runs/NAME */
    const char *config;                    /* resolved, YAML: goes into the run and the policy */
    uint64_t config_digest;      /* of what decides the weights: a checkpoint is of one only */
    const char *const *features; /* names of the columns of team 0's rows, for its policy file */
    struct lock *lock;           /* of run_dir, rank 0's; NULL: nobody else can be there */
};

struct train_options {
    int dump_update; /* write this PPO update (from 1) as one message, see mpi/dump.h; 0 = none */
    const char *dump_file; /* there */
    bool resume;  /* go on from the newest checkpoint in run_dir; else a run there moves aside */
    bool dry_run; /* print how much memory it will take (mpi/rehearsal.h), train nothing */
};

/* Local. Can `size` ranks share this training? If not, a sentence and ERR_CONFIG. */
enum err train_check(const struct train_cfg *cfg, int size) WARN_UNUSED;

/* Collective. *digest: of the final weights of all teams, equal on all ranks. ERR_STOPPED: ended on
 * request with a checkpoint. */
enum err train_run(struct comm *comm, uint64_t *digest, const struct train_setup *setup,
                   const struct train_options *opt) WARN_UNUSED;

#endif
