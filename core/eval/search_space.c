/* One draw of 53 bits for each value. See search_space.h. */
#include "core/eval/search_space.h"

#include "core/base/fmath.h"
#include "core/base/number.h"
#include "core/base/rng.h"
#include "core/base/stats.h"

#include <math.h>

static struct rng_block draw(const struct tune_key *key, uint64_t seed, int trial)
{
    const struct rng_key stream = rng_key(seed, RNG_TUNE, RNG_DEV);
    return rng_philox(stream, 0, 0, STAT_STREAM(key->key), (uint32_t)trial);
}

static double within(double x, double from, double to)
{
    return fmin(fmax(x, from), to);
}

/* u in [0, 1) along the range lo .. hi. */
static double along(double u, double lo, double hi, bool log)
{
    return log ? fm_exp(fm_log(lo) + u * (fm_log(hi) - fm_log(lo))) : lo + u * (hi - lo);
}

/* Half a step beyond both ends, so that rounding gives each integer its share. */
static const char *integer_text(struct arena *arena, const struct tune_key *key, double u)
{
    const double x = along(u, key->from - 0.5, key->to + 0.5, key->log);
    return arena_printf(arena, "%.0f", within(floor(x + 0.5), key->from, key->to));
}

/* The text is the value: a winner is read, typed and played with these digits. Rounding may lead
 * out of the range; then the end of the range is meant. */
static const char *real_text(struct arena *arena, const struct tune_key *key, double u)
{
    const char *text = arena_printf(arena, "%.4g", along(u, key->from, key->to, key->log));
    if (text == NULL) {
        return NULL;
    }
    double x = 0.0;
    CHECK(number_real(&x, text));
    return x < key->from || x > key->to
               ? arena_printf(arena, "%.17g", within(x, key->from, key->to))
               : text;
}

/* Ten digits leave out what the product of k and the step has too much. Without a logarithm half a
 * step beyond both ends gives the first and the last value their share. */
static const char *step_text(struct arena *arena, const struct tune_key *key, double u)
{
    const double last = floor((key->to - key->from) / key->step + 1e-9);
    const double k = key->log ? (along(u, key->from, key->to, true) - key->from) / key->step
                              : along(u, -0.5, last + 0.5, false);
    return arena_printf(arena, "%.10g", key->from + key->step * within(floor(k + 0.5), 0.0, last));
}

const char *search_space_draw(struct arena *arena, const struct tune_key *key, bool integer,
                              uint64_t seed, int trial)
{
    const struct rng_block b = draw(key, seed, trial);
    const double u = rng_f64(b.v[0], b.v[1]);
    if (key->n_choices > 0) {
        return key->choices[rng_below(b.v[0], (uint32_t)key->n_choices)];
    }
    if (key->step > 0.0) {
        return step_text(arena, key, u);
    }
    return integer ? integer_text(arena, key, u) : real_text(arena, key, u);
}
