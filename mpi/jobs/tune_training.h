/* The trainings of a rung: one job of the farm for each trial and seed, each on one rank.
 *
 * A training is an ordinary run in DIR/rung-K/trial-N-seed-S, and every training keeps its
 * checkpoints. So a tuning that was killed goes on with those that were under way and keeps those
 * that are done, on any number of ranks. Weights do not depend on the rank.
 */
#ifndef KARMA_JOBS_TUNE_TRAINING_H
#define KARMA_JOBS_TUNE_TRAINING_H

#include "mpi/jobs/tune_rung.h"

/* Collective. Trains the entries (n) of rung `rung`. A training whose weights are no numbers any
 * more makes its trial `failed`; if all trials have failed: ERR_NUMERIC. train_s is set on rank 0.
 * ERR_STOPPED after SIGUSR1: trainings under way have written checkpoints. */
enum err tune_train(struct tune_play *p, int rung, struct tune_entry *entries, int n) WARN_UNUSED;

#endif
