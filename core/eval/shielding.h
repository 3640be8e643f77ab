/* A controller behind the shield (core/shield/shield.h) in an episode: what is asked for, what is
 * allowed, and how often they differ, by reason.
 */
#ifndef KARMA_EVAL_SHIELDING_H
#define KARMA_EVAL_SHIELDING_H

#include "core/base/mem.h"
#include "core/shield/shield.h"

/* Columns of an episode:
 *   shield_altered      share of decisions in which a change was altered
 *   shield_overrides    1/h, changes altered, summed over services
 *   shield_overruled    1/h, services and decisions in which an invariant gave way to a higher one
 *   shield_REASON       1/h, changes altered for this reason; one may have several
 */
enum { SHIELDING_ALTERED, SHIELDING_OVERRIDES, SHIELDING_OVERRULED, SHIELDING_REASON };
enum { SHIELDING_COLUMNS = SHIELDING_REASON + SHIELD_REASONS };
extern const struct shielding_column {
    const char *name, *unit, *doc;
} shielding_columns[SHIELDING_COLUMNS];

struct shielding {
    const struct shield *shield;
    struct shield_history history;
    struct shield_verdict verdict;
    int32_t *proposed; /* (n_services) by the controller, at the last decision; see wanted */
    double period_s;
    double decisions;
    double counts[SHIELDING_COLUMNS];
};

enum err shielding_init(struct shielding *g, struct arena *arena, const struct shield *shield,
                        double period_s) WARN_UNUSED;

/* An episode starts: the history is forgotten. */
void shielding_begin(struct shielding *g);

/* delta (n_services): what the controller asks for, then what is allowed. wanted: what it asked for
 * before a shield of its own had altered it, which is what the columns count; NULL: delta. counted:
 * part of the columns, which leave a warm-up out. */
void shielding_act(struct shielding *g, int32_t *delta, const int32_t *wanted,
                   const struct shield_view *v, bool counted);

/* out (SHIELDING_COLUMNS) of the episode; NaN if no decision was counted. */
void shielding_finish(double *out, const struct shielding *g);

#endif
