/* The inverse of the distribution function at one uniform number. See mixture.h. */
#include "core/game/mixture.h"

#include "core/base/rng.h"

static double share(const struct mixture *m, int i)
{
    return m->shares != NULL ? m->shares[i] : 1.0;
}

/* u is uniform in [0, sum). Member i is chosen if S_(i-1) <= u < S_i, S_i being the sum of the
 * first i shares: an interval as long as its share, and none if its share is 0. Rounding may leave
 * u at or above the last sum; then the last member with a share is chosen. */
int mixture_member(const struct mixture *m, const struct episode_id *id)
{
    const struct rng_key key = rng_key(id->seed, RNG_MEMBER, id->split);
    const struct rng_block b = rng_philox(key, 0, 0, id->episode, id->env);
    double sum = 0.0, reached = 0.0;
    int last = 0;
    for (int i = 0; i < m->n; i++) {
        sum += share(m, i);
    }
    const double u = rng_f64(b.v[0], b.v[1]) * sum;
    for (int i = 0; i < m->n; i++) {
        reached += share(m, i);
        last = share(m, i) > 0.0 ? i : last;
        if (u < reached) {
            return i;
        }
    }
    return last;
}
