/* Fills the residual pools of an ensemble whose members are fitted (residual_pool.h). */
#ifndef KARMA_TWIN_RESIDUAL_POOL_FILL_H
#define KARMA_TWIN_RESIDUAL_POOL_FILL_H

#include "core/twin/dataset.h"
#include "core/twin/ensemble.h"

/* From transitions of the validation part: all of them, or, where there are more than `most`,
 * pieces spread evenly over them, each of transitions that followed each other. Also sets the ends
 * of the columns (`least`, `most`) where the truth is at an end in 5 % of them or more: there
 * predictions reach it equally often. Pools are allocated from the arena; scratch is another one,
 * rewound. */
enum err residual_pool_fill(struct ensemble *e, struct features *s, const struct dataset *d,
                            int most, struct arena *arena, struct arena *scratch) WARN_UNUSED;

#endif
