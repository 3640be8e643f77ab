/* Building the world: topology, workload, scenarios, in the order in which they need each other. */
#include "core/game/world.h"

#include "core/base/file.h"

#include <math.h>
#include <stdio.h>

/* workload_init() would find out, too, but does not know the place in the configuration. */
static enum err check_load_file(const char *path, const struct cfg *places)
{
    if (path[0] == '\0' || file_exists(path)) {
        return ERR_OK;
    }
    return plant_cfg_error(places, "workload.file",
                           "there is no file '%s'; a path is looked for beside the configuration "
                           "and in the working directory",
                           path);
}

/* Clients that may have to try again need memory from the start. */
static bool storms_possible(const struct world_cfg *cfg)
{
    for (int i = 0; i < cfg->n_scenarios; i++) {
        for (int k = 0; k < cfg->scenarios[i].n_events; k++) {
            if (cfg->scenarios[i].events[k].kind == EVENT_RETRY_STORM) {
                return true;
            }
        }
    }
    return false;
}

enum err world_init(struct world *w, struct arena *arena, const struct world_cfg *cfg,
                    const struct cfg *places)
{
    *w = (struct world){.cfg = *cfg, .cluster = *cfg->cluster};
    w->cluster.clients.storms = storms_possible(cfg);
    w->cfg.cluster = &w->cluster;
    w->n_seconds = (int)ceil(cfg->horizon * cfg->plant->period_s);
    TRY(plant_cfg_check(cfg->plant, places));
    TRY(topology_init(&w->topology, arena, cfg->topology, places));
    TRY(check_load_file(cfg->workload->file, places));
    TRY(workload_init(&w->workload, arena, cfg->workload));
    w->scenarios = ARENA_NEW(arena, cfg->n_scenarios, struct scenario);
    if (w->scenarios == NULL) {
        return ERR_MEMORY;
    }
    for (int i = 0; i < cfg->n_scenarios; i++) {
        char key[32];
        snprintf(key, sizeof key, "scenarios.%d", i);
        TRY(scenario_init(&w->scenarios[i], arena, &cfg->scenarios[i], &w->workload, &w->topology,
                          key, places));
        TRY(scenario_check_length(&w->scenarios[i], w->n_seconds, key, places));
    }
    return ERR_OK;
}

enum err world_plant(struct plant **out, struct arena *arena, const struct world *w, int n_env)
{
    return cluster_new(out, arena, w->cfg.cluster, w->cfg.plant, &w->topology, n_env,
                       w->cfg.horizon);
}
