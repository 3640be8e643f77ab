/* A rehearsal: how much memory a training will take, estimated from a few of its tiles.
 *
 * `train --dry-run` allocates a few tiles (trainer.h), plays them for two rollouts, and multiplies
 * by the number of tiles. Everything else is reserved but not touched. So a dry run takes the
 * memory of those tiles and the time of two rollouts of them, whatever train.envs is.
 *
 * It prints two sums. Reserved is every byte that is allocated. Resident is what is expected to be
 * in memory: the part of the simulator's queues that a rollout touches, all of everything else, and
 * the program with its libraries. Long runs touch more of the queues. Messages between ranks are
 * not included.
 */
#ifndef KARMA_TRAIN_REHEARSAL_H
#define KARMA_TRAIN_REHEARSAL_H

#include "mpi/train/trainer.h"

/* Local. Plays the allocated tiles of a trainer whose options say dry_run and prints the table of
 * rank 0. The trainer cannot be used afterwards. */
enum err rehearsal_run(struct trainer *t) WARN_UNUSED;

#endif
