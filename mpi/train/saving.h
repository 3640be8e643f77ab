/* A trainer onto the shelf and back: which parts of it a checkpoint is about. */
#ifndef KARMA_TRAIN_SAVING_H
#define KARMA_TRAIN_SAVING_H

#include "mpi/train/trainer.h"

/* Collective. The run as it is after update u, onto the shelf; old checkpoints go. */
enum err trainer_save(struct trainer *t, int u) WARN_UNUSED;

/* Collective. The newest checkpoint of the run directory; *done: updates it has behind it. */
enum err trainer_load(struct trainer *t, int *done) WARN_UNUSED;

#endif
