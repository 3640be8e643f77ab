/* Recorded episodes, played again by the queues of a residual twin: what its networks see, and what
 * they are to correct.
 *
 * Queues play an episode from its first decision with the recorded actions and loads. Nothing in
 * them is random but the start-up of pods, and there is no reason why a pod should start as fast as
 * the recorded one did. A network that learned from such pairs would learn to answer means over
 * start-up delays. So pods become ready when the recorded ones did, as far as the number of ready
 * pods shows it (fluid_meet()); in the twin itself, delays are drawn. */
#ifndef KARMA_TWIN_PLAYED_H
#define KARMA_TWIN_PLAYED_H

#include "core/twin/dataset.h"
#include "core/twin/fluid.h"

/* Fills d->played and d->answer, in the arena. The state is that of the whole schema
 * (queueing_fit()); the features have an answer. scratch is rewound. */
enum err played_fill(struct dataset *d, struct arena *arena, const struct fluid_net *net,
                     struct arena *scratch) WARN_UNUSED;

#endif
