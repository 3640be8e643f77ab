/* What calls draw: made in vectors, for neighbouring requests of a stream at once.
 *
 * A draw is a function of (episode, request, visit), so it does not matter when it is made. The
 * requests of a stream are numbered as they arrive, and RNG_LANES neighbours are a batch. The first
 * of them that arrives makes the draws of the batch for visit 0. The first that calls a callee
 * makes those for all further visits, because many requests of an overloaded cluster never get
 * there. Draws are kept until a later batch needs their place; a request that comes too late makes
 * its draw alone. The bits are the same in both cases.
 */
#ifndef KARMA_CLUSTER_DRAWS_H
#define KARMA_CLUSTER_DRAWS_H

#include "core/base/rng.h"

#include <stddef.h>
#include <stdint.h>

enum {
    DRAWS_BATCHES = 32,    /* places for the batches of a stream; a power of two */
    DRAWS_STREAMS = 2,     /* told apart by the top bit of the request number, SIM_ATTACK_BIT */
    DRAWS_VISITS_MAX = 16, /* visits beyond draw alone */
};

/* RNG_LANES requests at one visit: word[w][lane] is word w of the Philox block, and
 * exponential[lane] the standard exponential of word 0. */
struct draws_row {
    double exponential[RNG_LANES];
    uint32_t word[4][RNG_LANES];
};

/* One draw: a lane of a row. Valid until the next draw is asked for. */
struct draw {
    const struct draws_row *row;
    uint32_t lane;
};

struct sim_draws {
    struct rng_key key;
    uint32_t episode, env;
    uint32_t n_visits;      /* with rows; 0: all draws are made alone */
    struct draws_row *rows; /* (DRAWS_STREAMS, DRAWS_BATCHES, n_visits); owned by the arena */
    /* First request of the batch in each place, plus 1, for visit 0 and for the others; 0: none. */
    uint32_t kept[DRAWS_STREAMS * DRAWS_BATCHES][2];
    struct draws_row alone; /* lane 0 holds the last draw that was made alone */
};

/* Rows kept at once for n_visits. */
static inline size_t draws_n_rows(uint32_t n_visits)
{
    return (size_t)DRAWS_STREAMS * DRAWS_BATCHES * n_visits;
}

/* An episode begins: all rows are empty. */
void draws_clear(struct sim_draws *d, struct rng_key key, uint32_t episode, uint32_t env);

/* draws_get() for a draw that is not there yet. */
struct draw draws_make_(struct sim_draws *d, uint32_t request, uint32_t visit);

static inline uint32_t draws_place_(uint32_t request)
{
    return (request >> 31) * DRAWS_BATCHES + (request / RNG_LANES) % DRAWS_BATCHES;
}

static inline struct draw draws_get(struct sim_draws *d, uint32_t request, uint32_t visit)
{
    if (visit < d->n_visits) {
        uint32_t place = draws_place_(request);
        if (d->kept[place][visit > 0] == request - request % RNG_LANES + 1) {
            const struct draws_row *rows = d->rows + place * (size_t)d->n_visits;
            return (struct draw){rows + visit, request % RNG_LANES};
        }
    }
    return draws_make_(d, request, visit);
}

#endif
