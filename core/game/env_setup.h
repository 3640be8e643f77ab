/* The setup of the environments: everything immutable that plants, controllers and games share,
 * built once from the configuration.
 */
#ifndef KARMA_GAME_ENV_SETUP_H
#define KARMA_GAME_ENV_SETUP_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/cluster/cluster.h"
#include "core/plant/plant.h"
#include "core/plant/topology.h"
#include "core/scenario/scenario.h"
#include "core/scenario/workload.h"
#include "core/shield/shield.h"
#include "core/twin/model.h"

/* The parts of the configuration it is built from; borrowed. */
struct env_setup_cfg {
    const struct topology_cfg *topology;
    const struct plant_cfg *plant;
    const struct workload_cfg *workload;
    const struct cluster_cfg *cluster;
    const struct twin_cfg *twin;     /* NULL: there is none */
    const struct shield_cfg *shield; /* NULL: there is none */
    const struct scenario_cfg *scenarios;
    int n_scenarios;
    int horizon; /* decisions of an episode */
};

struct env_setup {
    struct env_setup_cfg cfg;
    struct cluster_cfg cluster; /* the given one, told of its scenarios; cfg.cluster is this */
    struct topology topology;
    struct workload workload;
    struct scenario *scenarios;  /* (cfg.n_scenarios) */
    const struct shield *shield; /* NULL: none is configured; whether it is used is not said here */
    struct twin_model *twin; /* NULL: none is configured, or env_setup_load_twin() was not called */
    bool counted;            /* an evaluation: a twin without exact counters is of no use */
    const uint8_t *unknown;  /* (state_size) 1: the twin of a recording does not have this column;
                               NULL: all are known */
    int n_seconds;           /* of an episode */
};

/* `w` must stay where it is: its parts point at each other. */
enum err env_setup_init(struct env_setup *w, struct arena *arena, const struct env_setup_cfg *cfg,
                        const struct cfg *src_locs) WARN_UNUSED;

/* Reads cfg.twin->file, if one is named, and checks that it is a twin of this topology and plant
 * and can tell the configured reward. What trains or plays in it calls this; what is measured on
 * the cluster needs no twin. */
enum err env_setup_load_twin(struct env_setup *w, struct arena *arena,
                             const struct cfg *src_locs) WARN_UNUSED;

/* Which plant an episode is played on. Training uses the one that the configuration names;
 * evaluation uses the simulator, unless it is the twin that is evaluated. */
enum plant_kind { PLANT_KIND_CLUSTER, PLANT_KIND_TWIN };

/* The twin if one is configured. */
static inline enum plant_kind env_setup_training_plant(const struct env_setup *w)
{
    return w->cfg.twin != NULL && w->cfg.twin->file[0] != '\0' ? PLANT_KIND_TWIN
                                                               : PLANT_KIND_CLUSTER;
}

/* A tile of n_env plants. PLANT_KIND_TWIN without a twin that was loaded is ERR_CONFIG, with a
 * sentence.
 */
enum err env_setup_plant(struct plant **out, struct arena *arena, const struct env_setup *w,
                         enum plant_kind kind, int n_env) WARN_UNUSED;

#endif
