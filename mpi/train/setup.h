/* What a training is given: its settings (section `train` of a configuration), the environments and
 * learners it trains, and the options of the command. Every file of this folder may read them.
 */
#ifndef KARMA_TRAIN_SETUP_H
#define KARMA_TRAIN_SETUP_H

#include "core/base/config.h"
#include "core/base/lock.h"
#include "core/controllers/rule.h"
#include "core/game/rules.h"
#include "mpi/train/source.h"

struct comm;

enum { LEARNERS_AUTO = -1 }; /* chosen from measured times: mpi/train/auto_table.h */
enum train_init { INIT_SCRATCH, INIT_CLONE };
enum train_shield { TRAIN_SHIELD_NONE, TRAIN_SHIELD_MASK };
/* Whom the defenders meet: the scripted attacks of the scenarios alone, or a learned attacker, too
 * (mpi/train/train_attacker.h). */
enum train_opponent {
    OPPONENT_SCRIPTED,
    OPPONENT_FIXED,
    OPPONENT_TOGETHER,
    OPPONENT_ALTERNATING,
    OPPONENT_POPULATION
};

struct clone_cfg {
    int samples;                 /* decisions of one environment to learn from */
    double random_share;         /* of executed actions replaced by random ones */
    int passes;                  /* over the samples */
    double lr;                   /* Adam step size at the start */
    int value_updates;           /* value-only updates afterwards */
    struct controller_rule rule; /* that is imitated */
};
/* Evaluations during training; mpi/train/convergence.h. */
struct evaluate_cfg {
    int every;    /* updates; 0 = none */
    int episodes; /* of each scenario */
    uint64_t seed;
};
struct train_cfg {
    uint64_t seed;
    int updates;           /* of PPO */
    int envs;              /* environments in all */
    int steps;             /* T, decisions of a rollout */
    int group;             /* environments that play the same episodes; see core/marl/gae.h */
    int learners;          /* ranks that learn; 0 = every rank does both; LEARNERS_AUTO */
    int learners_simulate; /* tiles that these ranks simulate, in all, if others simulate, too */
    int pipeline; /* 1: the next rollout runs while this one is learned from, with older weights */
    int init;     /* enum train_init */
    struct clone_cfg clone;
    int shield;           /* enum train_shield: what the rules of the game are given */
    bool stagger;         /* first episodes of different length */
    int checkpoint_every; /* updates; 0 = only on request */
    int checkpoint_keep;  /* that many */
    struct evaluate_cfg evaluate;
    int rounds;         /* of training in the twin, which is refitted before each but the first */
    int round_episodes; /* of each scenario, that the team plays on the simulator for a refit */
    int finish;         /* last updates, made on the simulator */
    int cost;           /* enum cost_kind */
    double cost_start;  /* annealed: weight at the start */
    double cost_share;  /* annealed: share of the updates until plant.cost_weight */
    double *cost_range; /* (2) conditioned: least and greatest */
    int n_cost_range;
    int opponent;         /* enum train_opponent */
    int opponent_updates; /* alternating: of one team until it is the other's turn */
};
extern const struct cfg_field train_fields[];

/* Rollouts of demonstrations that are kept for cloning, 0 without it. */
int train_clone_rollouts(const struct train_cfg *cfg);
/* Rollouts of all phases. */
int train_rollouts(const struct train_cfg *cfg);

/* A stage of a training: the updates after update `after` are made on these environments. Their
 * spec and their horizon are equal to those of the first stage. */
struct train_stage {
    int after;
    const struct env_source *envs;
    const char *where; /* for the log: "on the simulator" */
    /* Collective. Called before the environments are made, also by a run that is resumed in this
     * stage. learners: as they are after update `after`, unless it is resumed. NULL: nothing is to
     * do. */
    enum err (*begin)(void *ctx, struct comm *comm, struct learner *const *learners);
    void *ctx;
};

/* What is trained; borrowed. */
struct train_setup {
    const struct train_cfg *train;
    const struct env_source *envs;   /* of the first stage */
    const struct train_stage *later; /* (n_later) the other stages, `after` ascending */
    int n_later;
    const struct learner_source *learners; /* (envs->spec->n_teams) */
    /* For train.evaluate, which must be off where they are NULL: how team 0 meets the plant, and
     * the rules of the references. */
    const struct interface *interface;
    const struct rules *rules;
    const char *run_dir;    /* results/runs/NAME */
    const char *config;     /* resolved, YAML: goes into the run and the policy */
    uint64_t config_digest; /* of what decides the weights: a checkpoint is of one only */
    /* Names of the columns of a team's rows that are normalised, for its policy file. NULL for a
     * further team: they are numbered. */
    const char *const *features;
    const char *const *further_features[ENV_TEAMS_MAX];
    struct lock *lock; /* of run_dir, rank 0's; NULL: nobody else can be there */
};

struct train_options {
    int dump_update; /* write this PPO update (from 1) as one message, see mpi/train/dump.h; 0 =
                        none */
    const char *dump_file; /* there */
    bool resume;  /* go on from the newest checkpoint in run_dir; else a run there moves aside */
    bool dry_run; /* print how much memory it will take (mpi/train/rehearsal.h), train nothing */
};

#endif
