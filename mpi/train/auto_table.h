/* train.learners: auto: the owner tables are chosen from the times of the first update.
 *
 * The first update runs with provisional tables: every rank does both, or, with fewer tiles than
 * ranks, one rank learns. Its times, the network's constants (loggp.h) and the time to encode a
 * block give the costs of balance.h. Then a checkpoint is written, the trainer is released, and
 * another one with the chosen tables resumes. So moving tiles to other ranks needs no code of its
 * own, and the bits are those of any resumed training.
 *
 * CPU time is measured, not wall-clock time, so that other programs on the machine have little
 * influence. A resumed training measures and chooses again: it may have other ranks, and other
 * machines.
 */
#ifndef KARMA_TRAIN_AUTO_TABLE_H
#define KARMA_TRAIN_AUTO_TABLE_H

#include "mpi/train/trainer.h"

/* Local. train.learners where it is measured. */
int auto_table_provisional(const struct train_cfg *cfg, int size);

/* What was spent before the updates that are measured. */
struct auto_table_start {
    struct phase_row row;
    double totals[ENV_TEAMS_MAX * LEARNER_SUMS_MAX + 1]; /* of each sum, the episodes' last */
};
/* Local. */
void auto_table_begin(struct auto_table_start *start, struct trainer *t);

/* Collective. After n updates: t->costs and t->measured, those of one, the same on all ranks. */
enum err auto_table_measure(struct trainer *t, const struct auto_table_start *start,
                            int n) WARN_UNUSED;

/* Local. The best table by these costs, the same on all ranks; `tells`: this one logs it. */
enum err auto_table_choose(struct balance_table *out, const struct balance_costs *costs,
                           bool tells) WARN_UNUSED;

#endif
