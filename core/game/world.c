/* Building the world: topology, workload, scenarios, in the order in which they need each other. */
#include "core/game/world.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/scenario/schedule.h"
#include "core/twin/twin.h"

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
        TRY(schedule_check_length(&w->scenarios[i], w->n_seconds, key, places));
    }
    return ERR_OK;
}

enum err world_load_twin(struct world *w, struct arena *arena, const struct cfg *places)
{
    const struct twin_cfg *cfg = w->cfg.twin;
    if (cfg == NULL || cfg->file[0] == '\0') {
        return ERR_OK;
    }
    if (!file_exists(cfg->file)) {
        return plant_cfg_error(places, "twin.file", "there is no file '%s'", cfg->file);
    }
    w->twin = ARENA_NEW(arena, 1, struct twin_model);
    if (w->twin == NULL) {
        return ERR_MEMORY;
    }
    TRY(model_load(w->twin, arena, cfg, cfg->file));
    return twin_check(w->twin, &w->topology, w->cfg.plant, cfg->file);
}

enum err world_plant(struct plant **out, struct arena *arena, const struct world *w,
                     enum world_ground ground, int n_env)
{
    if (ground == GROUND_TWIN && w->twin == NULL) {
        log_error("there is no twin to play in; name one with twin.file");
        return ERR_CONFIG;
    }
    if (ground == GROUND_TWIN) {
        return twin_new(out, arena, w->twin, w->cfg.plant, &w->topology, n_env);
    }
    return cluster_new(out, arena, w->cfg.cluster, w->cfg.plant, &w->topology, n_env,
                       w->cfg.horizon);
}
