/* A trainer into a checkpoint and back: which parts of it are stored. */
#ifndef KARMA_TRAIN_TRAINER_CHECKPOINT_H
#define KARMA_TRAIN_TRAINER_CHECKPOINT_H

#include "mpi/train/trainer.h"

/* Collective. A checkpoint of the run as it is after update u; old checkpoints go. */
enum err trainer_save(struct trainer *t, int u) WARN_UNUSED;

/* Collective. The newest checkpoint of the run directory; *done: updates it has behind it. */
enum err trainer_load(struct trainer *t, int *done) WARN_UNUSED;

#endif
