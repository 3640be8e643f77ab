/* Recording one PPO update for `karma train --dump-update N FILE`: what was there before, what the
 * update read, what came out. The message is proto/update_dump.proto; docs/training.md explains it.
 *
 * The whole batch must be on one rank, so there must be one learner.
 */
#ifndef KARMA_TRAIN_DUMP_H
#define KARMA_TRAIN_DUMP_H

#include "core/marl/mappo_learner.h"
#include "mpi/train/setup.h"

/* Local; nothing to do if no dump was asked for. ERR_USAGE with a sentence if this run cannot make
 * it: more than one rank learns, `learner` (of team 0) is not MAPPO, or the run has no such update.
 * ERR_IO if FILE could not be written at the end. Makes FILE's directory, but not for a dry run. */
enum err dump_check(const struct train_options *opt, const struct train_cfg *cfg,
                    struct learner *learner, int n_learners) WARN_UNUSED;

/* What an update will overwrite. */
struct dump {
    struct arena arena; /* holds the copies */
    struct weights before;
    float *adam_m, *adam_v; /* (n_params) */
    uint64_t adam_t;        /* as mappo_optimiser() tells it */
};

/* Local, on the learner, right before mappo_update(). Initialises *d; on failure it holds nothing.
 */
enum err dump_begin(struct dump *d, const struct mappo_learner *m) WARN_UNUSED;
void dump_release(struct dump *d);

/* What the update was made of; borrowed. */
struct dump_parts {
    const struct mappo_learner *learner; /* of team 0 */
    const struct block *blocks;          /* (n_blocks), all tiles, ascending */
    int n_blocks, n_env, n_stats;
    uint64_t seed;
};

/* Local, right after the update: writes opt->dump_file. */
enum err dump_end(struct dump *d, const struct dump_parts *u,
                  const struct train_options *opt) WARN_UNUSED;

#endif
