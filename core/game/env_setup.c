/* Building what environments share: topology, workload, scenarios, in the order in which they need
 * each other. */
#include "core/game/env_setup.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/plant/reward.h"
#include "core/scenario/schedule.h"
#include "core/twin/shown.h"
#include "core/twin/twin.h"

#include <math.h>
#include <stdio.h>

/* workload_init() would find out, too, but does not know the place in the configuration. */
static enum err check_load_file(const char *path, const struct cfg *src_locs)
{
    if (path[0] == '\0' || file_exists(path)) {
        return ERR_OK;
    }
    return plant_cfg_error(src_locs, "workload.file",
                           "there is no file '%s'; a path is looked for beside the configuration "
                           "and in the working directory",
                           path);
}

/* Clients that may have to try again need memory from the start. */
static bool storms_possible(const struct env_setup_cfg *cfg)
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

static enum err init_shield(struct env_setup *w, struct arena *arena, const struct cfg *src_locs)
{
    if (w->cfg.shield == NULL) {
        return ERR_OK;
    }
    struct shield *shield = ARENA_NEW(arena, 1, struct shield);
    TRY(arena_error(arena));
    TRY(shield_init(shield, arena, w->cfg.shield, &w->topology, w->cfg.plant, src_locs));
    w->shield = shield;
    return ERR_OK;
}

/* w->cfg is a copy whose cluster points at w->cluster, which was told whether retry storms can
 * happen. Each part is checked before the next one reads it: scenarios name services and scale the
 * mean of the workload. */
enum err env_setup_init(struct env_setup *w, struct arena *arena, const struct env_setup_cfg *cfg,
                        const struct cfg *src_locs)
{
    *w = (struct env_setup){.cfg = *cfg, .cluster = *cfg->cluster};
    w->cluster.clients.storms = storms_possible(cfg);
    w->cfg.cluster = &w->cluster;
    w->n_seconds = (int)ceil(cfg->horizon * cfg->plant->period_s);
    TRY(plant_cfg_check(cfg->plant, src_locs));
    TRY(topology_init(&w->topology, arena, cfg->topology, src_locs));
    TRY(init_shield(w, arena, src_locs));
    TRY(check_load_file(cfg->workload->file, src_locs));
    TRY(workload_init(&w->workload, arena, cfg->workload));
    workload_warn_short(&w->workload, w->n_seconds);
    w->scenarios = ARENA_NEW(arena, cfg->n_scenarios, struct scenario);
    TRY(arena_error(arena));
    for (int i = 0; i < cfg->n_scenarios; i++) {
        char key[32];
        snprintf(key, sizeof key, "scenarios.%d", i);
        TRY(scenario_init(&w->scenarios[i], arena, &cfg->scenarios[i], &w->workload, &w->topology,
                          key, src_locs));
        TRY(schedule_check_length(&w->scenarios[i], w->n_seconds, key, src_locs));
    }
    return ERR_OK;
}

/* What the twin of a recording can and cannot tell. The reward may only use what it knows. A column
 * that was never measured has an infinite age; `unknown` marks it, and a
 * training gives such an input no weight (mpi/train/train_game.c). */
static enum err check_recording(struct env_setup *w, struct arena *arena,
                                const struct cfg *src_locs)
{
    struct shown shown;
    TRY(shown_init(&shown, arena, w->twin, &w->topology, w->cfg.plant));
    TRY(reward_check(w->cfg.plant, false, shown.known, "the twin of a recording", src_locs));
    uint8_t *unknown = ARENA_NEW(arena, shown.n_state, uint8_t);
    TRY(arena_error(arena));
    for (int i = 0; i < shown.n_state; i++) {
        unknown[i] = (uint8_t)(isinf(shown.age[i]) ? 1 : 0);
    }
    w->unknown = unknown;
    if (!w->twin->data.loaded) {
        log_warn("the recording of the twin %s does not hold the load: the workload and the "
                 "scenarios of the configuration have no effect in it",
                 w->cfg.twin->file);
    }
    return ERR_OK;
}

/* A twin without KPIs is one of a recording: it predicts what was measured and has no counters. */
enum err env_setup_load_twin(struct env_setup *w, struct arena *arena, const struct cfg *src_locs)
{
    const struct twin_cfg *cfg = w->cfg.twin;
    if (cfg == NULL || cfg->file[0] == '\0') {
        return ERR_OK;
    }
    if (!file_exists(cfg->file)) {
        return plant_cfg_error(src_locs, "twin.file", "there is no file '%s'", cfg->file);
    }
    w->twin = ARENA_NEW(arena, 1, struct twin_model);
    TRY(arena_error(arena));
    TRY(model_load(w->twin, arena, cfg, cfg->file));
    if (w->counted && w->twin->features.n_kpis == 0) {
        return plant_cfg_error(
            src_locs, "eval.plant",
            "the twin %s of a recording has no exact counters, so the metrics of "
            "an evaluation are unknown in it; play on the simulator (--set "
            "eval.plant=cluster)",
            cfg->file);
    }
    TRY(twin_check(w->twin, &w->topology, w->cfg.plant, cfg->file));
    return w->twin->features.n_kpis == 0 ? check_recording(w, arena, src_locs) : ERR_OK;
}

enum err env_setup_plant(struct plant **out, struct arena *arena, const struct env_setup *w,
                         enum plant_kind kind, int n_env)
{
    if (kind == PLANT_KIND_TWIN && w->twin == NULL) {
        log_error("there is no twin to play in; name one with twin.file");
        return ERR_CONFIG;
    }
    if (kind == PLANT_KIND_TWIN) {
        TRY(twin_new(out, arena, w->twin, w->cfg.plant, &w->topology, n_env));
    } else {
        TRY(cluster_new(out, arena, w->cfg.cluster, w->cfg.plant, &w->topology, n_env,
                        w->cfg.horizon));
    }
    (*out)->nominal_rps = w->cfg.workload->mean_rps;
    return ERR_OK;
}
