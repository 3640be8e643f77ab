/* The sources of a training that an experiment describes: the defenders alone, or an attacker
 * beside them (train.opponent).
 */
#ifndef KARMA_JOBS_ATTACKED_H
#define KARMA_JOBS_ATTACKED_H

#include "mpi/jobs/experiment.h"
#include "mpi/train/train_attacker.h"
#include "mpi/train/train_game.h"

struct attacked {
    struct train_game game;
    struct learner_source learners[2];
    struct attacked_source source;
    struct attacker_source attacker;
};

/* Local. Fills in environments, learners, rules and the names of columns of *setup; x->cfg.train is
 * its `train`. `a` must stay where it is; the rest is borrowed. */
enum err attacked_setup(struct train_setup *setup, struct attacked *a,
                        struct experiment *x) WARN_UNUSED;

#endif
