/* Values of trials: a pure function of (tune.seed, name of the key, number of the trial).
 *
 * So a key that is added, or a trial, changes no other value, and neither do ranks or
 * interruptions. Draws are Philox in the domain RNG_TUNE at coordinates (draw, 0, stream of the
 * key's name, trial).
 *
 *     real      from + u (to - from), or in the logarithm; 4 significant digits, within the range
 *     integer   each of from .. to alike; in the logarithm x has weight log((x + 1/2) / (x - 1/2))
 *     step      from + k step, each k alike; in the logarithm the nearest to a real number
 *     choices   each alike
 */
#ifndef KARMA_EVAL_SEARCH_SPACE_H
#define KARMA_EVAL_SEARCH_SPACE_H

#include "core/base/mem.h"
#include "core/eval/tuning.h"

/* Local. The value of `key` in trial `trial` >= 1 as YAML flow text, in the arena; NULL when out of
 * memory. The key has passed tune_check(), and for an integer its ends are integers. */
const char *search_space_draw(struct arena *arena, const struct tune_key *key, bool integer,
                              uint64_t seed, int trial);

#endif
