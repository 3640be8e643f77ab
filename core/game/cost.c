/* The laws by which an episode gets its cost weight. See cost.h. */
#include "core/game/cost.h"

#include "core/base/fmath.h"

#include <math.h>

/* lo (hi / lo)^u. */
static double draw_weight(const struct cost_law *c, const struct episode_id *id)
{
    const struct rng_key key = rng_key(id->seed, RNG_COST, id->split);
    const struct rng_block b = rng_philox(key, 0, 0, id->episode, id->env);
    const double u = rng_f64(b.v[0], b.v[1]);
    return fm_exp(fm_log(c->lo) + u * (fm_log(c->hi) - fm_log(c->lo)));
}

double cost_law_weight(const struct cost_law *c, const struct episode_id *id)
{
    switch (c->kind) {
    case COST_FIXED:
        break;
    case COST_ANNEALED:
        return (double)id->episode < c->episodes
                   ? c->start + (c->weight - c->start) * ((double)id->episode / c->episodes)
                   : c->weight;
    case COST_CONDITIONED:
        return draw_weight(c, id);
    }
    return c->weight;
}

float cost_law_input(const struct cost_law *c, double weight)
{
    const double lo = fm_log(c->lo), hi = fm_log(c->hi);
    return (float)(2.0 * (fm_log(weight) - lo) / (hi - lo) - 1.0);
}

bool cost_law_covers(const struct cost_law *c, double weight)
{
    return weight >= c->lo && weight <= c->hi;
}
