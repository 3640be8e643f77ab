/* Who answers in a twin while a controller plays in it: its table, its networks, or what stands in
 * for them. The recorded transitions matter to a controller as far as the table answers its steps.
 */
#ifndef KARMA_EVAL_ANSWERS_H
#define KARMA_EVAL_ANSWERS_H

#include "core/eval/eval.h"
#include "core/twin/twin_batch.h"

/* Steps of one controller, by source. */
struct answers {
    int64_t asked[TWIN_SOURCES];
    int64_t steps; /* sum of these */
};

/* Plays what an evaluation in the twin would (scenarios x episodes of `cfg`; the first team of a
 * policy) on one core, and counts. out (cfg->n_controllers); env_setup: with its twin loaded;
 * rules, teams: as for eval_new(). */
enum err answers_count(struct answers *out, struct arena *arena, const struct eval_cfg *cfg,
                       const struct env_setup *env_setup, const struct rules *rules,
                       const struct eval_teams *teams) WARN_UNUSED;

#endif
