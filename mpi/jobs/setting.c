/* The parts as one table of their own, so that cfg_digest() sees them and nothing else. */
#include "mpi/jobs/setting.h"

#include "core/base/hash.h"

struct setting {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct cluster_cfg cluster;
    struct workload_cfg workload;
    struct game_cfg game;
    struct scenario_cfg scenario;
    struct controller_cfg controller;
    struct team_cfg team;
    struct org_cfg organisation;
    double warmup_s;
};

#define SETTING_ROWS                                                                               \
    CFG_TABLE(struct setting, topology, topology_fields, ""),                                      \
        CFG_TABLE(struct setting, plant, plant_fields, ""),                                        \
        CFG_TABLE(struct setting, cluster, cluster_fields, ""),                                    \
        CFG_TABLE(struct setting, workload, workload_fields, ""),                                  \
        CFG_TABLE(struct setting, game, game_fields, ""),                                          \
        CFG_TABLE(struct setting, scenario, scenario_fields, ""),                                  \
        CFG_TABLE(struct setting, controller, controller_fields, ""),                              \
        CFG_DOUBLE(struct setting, warmup_s, "0", 0, 86400, "s", CFG_RESULT, "")

static const struct cfg_field of_rules[] = {SETTING_ROWS, CFG_END};
static const struct cfg_field of_policies[] = {
    SETTING_ROWS, CFG_TABLE(struct setting, team, team_fields, ""), CFG_END};
static const struct cfg_field of_scripts[] = {
    SETTING_ROWS, CFG_TABLE(struct setting, organisation, org_fields, ""), CFG_END};

static const struct cfg_field *fields_of(int kind)
{
    return kind == CONTROLLER_POLICY     ? of_policies
           : kind == CONTROLLER_SCRIPTED ? of_scripts
                                         : of_rules;
}

/* What is played in a twin depends on it, and on how it is used. */
static enum err add_twin(uint64_t *digest, const struct twin_cfg *cfg)
{
    uint64_t twin;
    TRY(cfg_digest(&twin, twin_fields, cfg, experiment_hash_file, NULL));
    *digest = hash_fnv1a(*digest, &twin, sizeof twin);
    return ERR_OK;
}

enum err setting_digest(uint64_t *digest, const struct experiment_cfg *cfg, int controller,
                        int scenario)
{
    struct setting s = {.topology = cfg->topology,
                        .plant = cfg->plant,
                        .cluster = cfg->cluster,
                        .workload = cfg->workload,
                        .game = cfg->game,
                        .scenario = cfg->scenarios[scenario],
                        .controller = cfg->eval.controllers[controller],
                        .team = cfg->team,
                        .organisation = cfg->organisation,
                        .warmup_s = cfg->eval.warmup_s};
    s.scenario.name = "";
    s.controller.name = "";
    s.controller.listed = true;
    s.controller.policies = NULL;
    s.controller.n_policies = 0;
    TRY(cfg_digest(digest, fields_of(s.controller.kind), &s, experiment_hash_file, NULL));
    return cfg->eval.plant == GROUND_TWIN ? add_twin(digest, &cfg->twin) : ERR_OK;
}
