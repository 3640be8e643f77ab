/* Training: the script of phases, and one update from rollout to broadcast.
 *
 *   for each tile I simulate:  T steps -> block ── to the rank that learns the tile
 *   learners:                  blocks -> mappo_update (gradients summed along the tile tree)
 *   rank 0:                    weights ── broadcast ── everybody
 *
 * Phases: warm-up (row statistics) or cloning of a rule (demonstrations, then cross-entropy, then
 * value-only updates), then PPO updates. Same config and seed: same weights, bit by bit, for any
 * number of ranks and learners.
 */
#ifndef KARMA_MPI_TRAIN_H
#define KARMA_MPI_TRAIN_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/controllers/controller.h"
#include "core/game/rules.h"
#include "core/marl/mappo.h"
#include "core/marl/team.h"
#include "mpi/comm.h"

enum train_init { INIT_SCRATCH, INIT_CLONE_FF, INIT_CLONE_KHPA };

struct clone_cfg {
    int samples;         /* decisions of one environment to learn from */
    double random_share; /* of executed actions replaced by random ones */
    int passes;          /* over the samples */
    int value_updates;   /* value-only updates afterwards */
    double lr;
    struct controller_cfg rule; /* parameters of the rule that is imitated */
};
struct train_cfg {
    uint64_t seed;
    int updates;  /* of PPO */
    int envs;     /* environments in all */
    int steps;    /* T, decisions of a rollout */
    int learners; /* ranks that learn; 0 = every rank does both */
    int init;     /* enum train_init */
    struct clone_cfg clone;
    bool stagger; /* first episodes of different length */
};
extern const struct cfg_field train_fields[];

struct train_options {
    const char *run_dir; /* results/runs/NAME, created if missing */
    const char *config;  /* resolved configuration, YAML: goes into the run and the policy */
    int dump_update;     /* 0 = none */
    const char *dump_file;
    bool quiet;
    bool dry_run; /* carve everything, print the memory table, do nothing */
};

/* Collective. *digest: of the final weights, equal on all ranks. */
enum err train_run(struct comm *comm, uint64_t *digest, const struct train_cfg *cfg,
                   const struct mappo_cfg *mappo, const struct team_cfg *team_cfg,
                   const struct rules *rules, const struct train_options *opt) WARN_UNUSED;

#endif
