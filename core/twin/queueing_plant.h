/* The queueing twin and the residual twin as plants: fluid networks (fluid.h), driven by schedules,
 * of the latter with what corrects them (correction.h). As with a twin of networks, one member of
 * the ensemble is drawn for each tile and episode.
 *
 * Like the twin of networks it is told what a cluster would be seen to be offered: requests at the
 * entries, all of them together. Crashes, slow-downs and neighbours of the schedule have no effect.
 * Requests of a learned attacker are a part of it; its crashes have no effect, so it has none left.
 * It keeps no cohorts. An episode begins as the simulator's does: with initial_replicas at the
 * legitimate load of its first second.
 */
#ifndef KARMA_TWIN_QUEUEING_PLANT_H
#define KARMA_TWIN_QUEUEING_PLANT_H

#include "core/twin/correction.h"

/* A tile of n_env in a model that has queues. All arguments are kept by reference. */
enum err queueing_plant_new(struct plant **out, struct arena *arena, const struct twin_model *model,
                            const struct plant_cfg *cfg, const struct topology *topology,
                            int n_env) WARN_UNUSED;

#endif
