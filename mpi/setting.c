/* The parts as one table of their own, so that cfg_digest() sees them and nothing else. */
#include "mpi/setting.h"

struct setting {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct cluster_cfg cluster;
    struct workload_cfg workload;
    struct game_cfg game;
    struct scenario_cfg scenario;
    struct controller_cfg controller;
    struct team_cfg team;
    struct twin_cfg twin;
};

#define SETTING_ROWS                                                                               \
    CFG_TABLE(struct setting, topology, topology_fields, ""),                                      \
        CFG_TABLE(struct setting, plant, plant_fields, ""),                                        \
        CFG_TABLE(struct setting, cluster, cluster_fields, ""),                                    \
        CFG_TABLE(struct setting, workload, workload_fields, ""),                                  \
        CFG_TABLE(struct setting, game, game_fields, ""),                                          \
        CFG_TABLE(struct setting, scenario, scenario_fields, ""),                                  \
        CFG_TABLE(struct setting, controller, controller_fields, "")

static const struct cfg_field of_rules[] = {SETTING_ROWS, CFG_END};
#define POLICY_ROWS SETTING_ROWS, CFG_TABLE(struct setting, team, team_fields, "")
#define TWIN_ROW    CFG_TABLE(struct setting, twin, twin_fields, "")
static const struct cfg_field of_policies[] = {POLICY_ROWS, CFG_END};
/* The same where they are played in a twin. */
static const struct cfg_field of_rules_in_twin[] = {SETTING_ROWS, TWIN_ROW, CFG_END};
static const struct cfg_field of_policies_in_twin[] = {POLICY_ROWS, TWIN_ROW, CFG_END};

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
                        .twin = cfg->twin};
    const bool learned = s.controller.kind == CONTROLLER_POLICY;
    const bool in_twin = cfg->eval.plant == GROUND_TWIN;
    const struct cfg_field *rows = in_twin ? (learned ? of_policies_in_twin : of_rules_in_twin)
                                           : (learned ? of_policies : of_rules);
    s.scenario.name = "";
    s.controller.name = "";
    s.controller.listed = true;
    s.controller.policies = NULL;
    s.controller.n_policies = 0;
    return cfg_digest(digest, rows, &s, experiment_hash_file, NULL);
}
