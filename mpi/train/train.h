/* Training: the script of phases, and one update from rollout to broadcast.
 *
 *   for each tile I simulate:  T steps -> block ── to the rank that learns the tile
 *   learners:                  blocks -> learner->learn() (sums along the tile tree)
 *   rank 0:                    weights ── broadcast ── everybody
 *
 * Phases: warm-up (row statistics) or cloning of a rule (demonstrations, then cross-entropy, then
 * value-only updates), then PPO updates. Same config and seed: same weights, bit by bit, for any
 * number of ranks and learners, and whether or not the run was interrupted and resumed.
 *
 * Environments may have several teams (core/marl/env.h), each with a learner of its own: all act in
 * every step of a rollout, then one learner after the other makes its update. Cloning is for team
 * 0.
 */
#ifndef KARMA_TRAIN_TRAIN_H
#define KARMA_TRAIN_TRAIN_H

#include "core/base/err.h"
#include "mpi/comm/comm.h"
#include "mpi/train/balance.h"
#include "mpi/train/setup.h"

/* Local. Can `size` ranks share this training? If not, a sentence and ERR_CONFIG. */
enum err train_check(const struct train_cfg *cfg, int size) WARN_UNUSED;

/* Collective. *digest: of the final weights of all teams, equal on all ranks. ERR_STOPPED: ended on
 * request with a checkpoint. */
enum err train_run(struct comm *comm, uint64_t *digest, const struct train_setup *setup,
                   const struct train_options *opt) WARN_UNUSED;

/* What a short training measured, for one update; the same on all ranks. */
struct train_measured {
    struct balance_costs costs;
    struct balance_forecast update; /* as it was: nothing in it is predicted */
};

/* Collective. Makes setup->train->updates - 1 updates in run_dir and stops: it trains nothing that
 * anybody wants. At least 2 updates; learners not LEARNERS_AUTO. */
enum err train_measure(struct comm *comm, struct train_measured *out,
                       const struct train_setup *setup) WARN_UNUSED;

#endif
