/* A rehearsal: how much memory a training will take, from a few of its tiles.
 *
 * `train --dry-run` carves everything but the tiles and rollout blocks without touching it, a few
 * tiles (trainer.h) for real, plays them for one rollout, and multiplies. So it takes the memory of
 * those tiles and the time of one rollout of them, whatever train.envs is.
 *
 * Two sums come of it. Reserved is every byte that is carved. Resident is what is expected to be in
 * memory: of the simulator's queues only what a rollout touched, of everything else all, and the
 * program with its libraries. Long runs touch more of the queues; messages between ranks come on
 * top.
 */
#ifndef KARMA_MPI_REHEARSAL_H
#define KARMA_MPI_REHEARSAL_H

#include "mpi/trainer.h"

/* Local. Plays the carved tiles of a trainer whose options say dry_run and prints the table of rank
 * 0. The trainer is good for nothing afterwards. */
enum err rehearsal_run(struct trainer *t) WARN_UNUSED;

#endif
