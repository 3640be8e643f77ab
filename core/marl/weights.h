/* Weights: what a learner has learned, as numbers. They travel from the learner to everybody who
 * acts, into checkpoints and into policy files, without anybody there knowing what they mean.
 *
 * Three arrays, whose lengths the learner chooses. Their names are those of MAPPO: parameters of
 * the networks, statistics of the rows, scale of the values; a table of action values goes into the
 * first, numbers of visits into the second.
 */
#ifndef KARMA_MARL_WEIGHTS_H
#define KARMA_MARL_WEIGHTS_H

#include "core/base/mem.h"

#include <stdbool.h>

struct weights {
    uint32_t version; /* updates done */
    size_t n_params, n_global_state_stats, n_value_norm;
    float *params; /* (n_params) MAPPO: actors, then critic */
    double *
        global_state_stats; /* (n_global_state_stats) MAPPO: of the rows' columns, frozen during an update */
    double *value_norm; /* (n_value_norm) MAPPO: PopArt */
};

/* Zeroed arrays of the lengths that *w says. */
enum err weights_init(struct weights *w, struct arena *arena) WARN_UNUSED;

/* Between weights of the same lengths. */
void weights_copy(struct weights *to, const struct weights *from);

/* Are all parameters numbers? */
bool weights_finite(const struct weights *w);

/* FNV-1a, 64 bits, over the bytes of the three arrays, going on from `hash`: HASH_START
 * (core/base/hash.h) for one team, the hash of the teams before for the next. */
uint64_t weights_hash(uint64_t hash, const struct weights *w);

#endif
