/* Draws of calls, in rows and alone. */
#include "core/cluster/draws.h"

#include <string.h>

void draws_clear(struct sim_draws *d, struct rng_key key, uint32_t episode, uint32_t env)
{
    d->key = key;
    d->episode = episode;
    d->env = env;
    memset(d->kept, 0, sizeof d->kept);
}

static void row_make(const struct sim_draws *d, struct draws_row *row, uint32_t first,
                     uint32_t visit)
{
    uint32_t visits[RNG_LANES], requests[RNG_LANES];
    for (uint32_t i = 0; i < RNG_LANES; i++) {
        visits[i] = visit;
        requests[i] = first + i;
    }
    rng_philox_lanes(row->word, d->key, visits, requests, d->episode, d->env);
    rng_exponential_lanes(row->exponential, row->word[0]);
}

/* Requests of one half of the rows have the same top bit, so their order is that of their numbers.
 * A row of later requests is not given up for an earlier one: it will be asked for more often. */
struct draw draws_make_(struct sim_draws *d, uint32_t request, uint32_t visit)
{
    uint32_t lane = request % RNG_LANES;
    if (visit < d->n_visits) {
        uint32_t first = request - lane, place = draws_place_(request);
        struct draws_row *rows = d->rows + place * (size_t)d->n_visits;
        uint32_t begin = visit > 0, end = visit > 0 ? d->n_visits : 1;
        if (d->kept[place][begin] <= first) {
            for (uint32_t v = begin; v < end; v++) {
                row_make(d, &rows[v], first, v);
            }
            d->kept[place][begin] = first + 1;
            return (struct draw){&rows[visit], lane};
        }
    }
    struct rng_block block = rng_philox(d->key, visit, request, d->episode, d->env);
    for (int w = 0; w < 4; w++) {
        d->alone.word[w][0] = block.v[w];
    }
    d->alone.exponential[0] = rng_exponential(block.v[0]);
    return (struct draw){&d->alone, 0};
}
