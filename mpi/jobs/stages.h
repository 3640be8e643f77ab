/* The stages of a training behind the first one (mpi/train/setup.h): rounds in a twin that is
 * refitted, and the last updates on the simulator.
 *
 *   round 1    updates in the twin that twin.file names
 *   round r    the team plays train.round_episodes episodes of each scenario on the simulator; the
 *              twin of round r - 1 is refitted to all transitions; updates in the new twin
 *   finish     the last train.finish updates, on the simulator
 *
 * The idea is dataset aggregation (Ross, Gordon and Bagnell, AISTATS 2011, who aggregate labels of
 * an expert): a twin is fitted to the states that earlier controllers have visited, and a team that
 * learns in it visits others. RUN/rounds/R keeps what round R was made with: the policy, the store
 * of transitions, the twin. A resumed run uses the files that are complete there and makes the
 * others. All of them are functions of the weights and the configuration alone, so the weights
 * depend neither on the number of ranks nor on interruptions.
 */
#ifndef KARMA_JOBS_STAGES_H
#define KARMA_JOBS_STAGES_H

#include "mpi/jobs/attacked.h"

struct round;
struct stages {
    struct experiment *x;
    struct train_setup *setup;
    struct round *rounds;     /* (train.rounds - 1) those behind the first */
    struct train_stage *list; /* all, as setup->later */
    /* of train.finish: */
    struct env_setup simulator; /* without a twin */
    struct rules rules;
    struct method method;
    struct game_source game;
    struct attacked_envs attacked; /* with an attacker */
    const struct population *population;
    struct env_source envs;
};

/* Local. Adds the stages that x->cfg.train asks for to `setup`, whose other parts attacked_setup()
 * has filled in from `a`. `s` and what it is given stay where they are. */
enum err stages_init(struct stages *s, struct train_setup *setup, const struct attacked *a,
                     struct experiment *x) WARN_UNUSED;

#endif
