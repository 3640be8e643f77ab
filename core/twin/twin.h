/* The digital twin as a plant: where policies train. A queueing twin and a residual twin are
 * another plant (queueing_plant.h), which twin_new() makes; this page is about twins of networks.
 *
 * It is driven by the same schedules as the simulator, but sees of them what a cluster would be
 * seen to be offered: requests at the entries, all of them together. Crashes, slow-downs and
 * neighbours are not told to it; they are part of the noise it learned. It keeps no cohorts, so
 * recovery times are not known in it. Requests of a learned attacker are a part of the load; its
 * crashes have no effect, so it has none left.
 *
 * A twin of a recording shows what was recorded (shown.h). It has no exact counters. If the
 * recording does not hold the load either, no schedule drives it: how the load moves is part of
 * what it learned, and an episode begins in any recorded first state.
 *
 * An episode begins in a recorded first state, one of the START_NEAREST whose load is nearest to
 * the schedule's, as if that load had been offered before, too, and follows one member of the
 * ensemble, the same for all environments of a tile (as long as they play episodes of the same
 * number), so that a tile's step is one product of matrices. Requests in flight when it begins are
 * unknown and taken as 0.
 */
#ifndef KARMA_TWIN_TWIN_H
#define KARMA_TWIN_TWIN_H

#include "core/plant/plant.h"
#include "core/plant/topology.h"
#include "core/twin/model.h"

/* Was the twin fitted to this system: the same services, requests of their pods, node, columns of a
 * state, decision period? ERR_MISMATCH with the sentence; `file` names the twin.
 *
 * A twin of a recording, which has no exact counters, may lack columns and have its services in
 * another order. It is refused, by the service, if a service that may be scaled was never scaled in
 * the recording; a warning says of which services the topology allows other numbers of replicas
 * than were recorded. */
enum err twin_check(const struct twin_model *model, const struct topology *topology,
                    const struct plant_cfg *cfg, const char *file) WARN_UNUSED;

/* A tile of n_env twins. All arguments are kept by reference. */
enum err twin_new(struct plant **out, struct arena *arena, const struct twin_model *model,
                  const struct plant_cfg *cfg, const struct topology *topology,
                  int n_env) WARN_UNUSED;

/* (TWIN_SOURCES, twin_batch.h) steps since the twin was made, by their source. */
const int64_t *twin_steps_by_source(const struct plant *p);

#endif
