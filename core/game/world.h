/* The world: everything immutable that plants, controllers and games share, built once from config.
 */
#ifndef KARMA_GAME_WORLD_H
#define KARMA_GAME_WORLD_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/cluster/cluster.h"
#include "core/plant/plant.h"
#include "core/plant/topology.h"
#include "core/scenario/scenario.h"
#include "core/scenario/workload.h"

/* The parts of the configuration a world is built from; borrowed. */
struct world_cfg {
    const struct topology_cfg *topology;
    const struct plant_cfg *plant;
    const struct workload_cfg *workload;
    const struct cluster_cfg *cluster;
    const struct scenario_cfg *scenarios;
    int n_scenarios;
    int horizon; /* decisions of an episode */
};

struct world {
    struct world_cfg cfg;
    struct cluster_cfg cluster; /* the given one, told of its scenarios; cfg.cluster is this */
    struct topology topology;
    struct workload workload;
    struct scenario *scenarios; /* (cfg.n_scenarios) */
    int n_seconds;              /* of an episode */
};

/* `w` must stay where it is: its parts point at each other. */
enum err world_init(struct world *w, struct arena *arena, const struct world_cfg *cfg,
                    const struct cfg *places) WARN_UNUSED;

/* A tile of n_env plants of the configured kind. */
enum err world_plant(struct plant **out, struct arena *arena, const struct world *w,
                     int n_env) WARN_UNUSED;

#endif
