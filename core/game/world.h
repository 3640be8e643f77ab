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
#include "core/twin/model.h"

/* The parts of the configuration a world is built from; borrowed. */
struct world_cfg {
    const struct topology_cfg *topology;
    const struct plant_cfg *plant;
    const struct workload_cfg *workload;
    const struct cluster_cfg *cluster;
    const struct twin_cfg *twin; /* NULL: there is none */
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
    struct twin_model *twin;    /* NULL: none is configured, or world_load_twin() was not called */
    bool counted;               /* an evaluation: a twin without exact counters is of no use */
    const uint8_t *unknown; /* (state_size) 1: the twin of a recording does not have this column;
                               NULL: all are known */
    int n_seconds;          /* of an episode */
};

/* `w` must stay where it is: its parts point at each other. */
enum err world_init(struct world *w, struct arena *arena, const struct world_cfg *cfg,
                    const struct cfg *src_locs) WARN_UNUSED;

/* Reads cfg.twin->file, if one is named, and checks that it is a twin of this world and can tell
 * the configured reward. What trains or plays in it calls this; what is measured on the cluster
 * needs no twin. */
enum err world_load_twin(struct world *w, struct arena *arena,
                         const struct cfg *src_locs) WARN_UNUSED;

/* Where something is played. Learned and chosen is where the configuration says; measured is on the
 * cluster, unless it is the twin itself that is measured. */
enum world_ground { GROUND_CLUSTER, GROUND_TWIN };

/* The twin if one is configured. */
static inline enum world_ground world_training_ground(const struct world *w)
{
    return w->cfg.twin != NULL && w->cfg.twin->file[0] != '\0' ? GROUND_TWIN : GROUND_CLUSTER;
}

/* A tile of n_env plants. GROUND_TWIN without a twin that was loaded is ERR_CONFIG, with a
 * sentence.
 */
enum err world_plant(struct plant **out, struct arena *arena, const struct world *w,
                     enum world_ground ground, int n_env) WARN_UNUSED;

#endif
