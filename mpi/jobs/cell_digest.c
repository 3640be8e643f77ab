/* The parts as one table of their own, so that cfg_digest() sees them and nothing else.
 *
 * cfg_digest() hashes the resolved text of the rows that are results, and the contents of files in
 * the place of their names. So the parts are copied into one struct with a table of its own; what a
 * row of the evaluation has as a column (names, seeds, policies) is emptied first. Equal digests
 * mean that a row measured before is the row that would be measured now. */
#include "mpi/jobs/cell_digest.h"

#include "core/base/hash.h"
#include "core/controllers/trained.h"

#include <string.h>

struct cell {
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
    int step_bound;
};

#define CELL_ROWS                                                                                  \
    CFG_TABLE(struct cell, topology, topology_fields, ""),                                         \
        CFG_TABLE(struct cell, plant, plant_fields, ""),                                           \
        CFG_TABLE(struct cell, cluster, cluster_fields, ""),                                       \
        CFG_TABLE(struct cell, workload, workload_fields, ""),                                     \
        CFG_TABLE(struct cell, game, game_fields, ""),                                             \
        CFG_TABLE(struct cell, scenario, scenario_fields, ""),                                     \
        CFG_TABLE(struct cell, controller, controller_fields, ""),                                 \
        CFG_DOUBLE(struct cell, warmup_s, "0", 0, 86400, "s", CFG_RESULT, ""),                     \
        CFG_INT(struct cell, step_bound, "0", 0, 1000, "pods", CFG_RESULT | CFG_LATER, "")

static const struct cfg_field of_rules[] = {CELL_ROWS, CFG_END};
static const struct cfg_field of_policies[] = {
    CELL_ROWS, CFG_TABLE(struct cell, team, team_fields, ""), CFG_END};
static const struct cfg_field of_organised[] = {
    CELL_ROWS, CFG_TABLE(struct cell, organisation, org_fields, ""), CFG_END};

/* Only what the controller uses: a change of the networks leaves the rows of rules valid. */
static const struct cfg_field *fields_of(const struct controller_cfg *cfg)
{
    return controller_needs(cfg, CONTROLLER_NEEDS_POLICY)         ? of_policies
           : controller_needs(cfg, CONTROLLER_NEEDS_ORGANISATION) ? of_organised
                                                                  : of_rules;
}

/* The controller without what the keys of a row say: its name and its policies. The parameters
 * belong to the configuration, so those of the copy are copied before they are changed. Whether
 * tables show the controller decides nothing. */
static enum err without_keys(struct controller_cfg *c, struct arena *arena)
{
    const struct trained_cfg *trained = controller_trained(c);
    c->name = "";
    c->show = true;
    if (trained == NULL) {
        return ERR_OK;
    }
    struct trained_cfg *params = arena_alloc(arena, 1, c->method.kind->size);
    TRY(arena_error(arena));
    memcpy(params, c->method.params, c->method.kind->size);
    params->policies = NULL;
    params->n_policies = 0;
    c->method.params = params;
    return ERR_OK;
}

/* What is played or planned in a twin depends on it, and on how it is used. Added to the digest
 * only there, so the digests of other rows do not depend on the section `twin`. */
static enum err add_twin(uint64_t *digest, const struct twin_cfg *cfg)
{
    uint64_t twin;
    TRY(cfg_digest(&twin, twin_fields, cfg, experiment_hash_file, NULL));
    *digest = hash_fnv1a(*digest, &twin, sizeof twin);
    return ERR_OK;
}

/* What stands between controllers and plant: the shield, and lies of the metrics. Added only where
 * there is one, so the digests of rows without stay as they were. */
static enum err add_between(uint64_t *digest, const struct experiment_cfg *cfg)
{
    uint64_t own;
    if (cfg->eval.shield) {
        TRY(cfg_digest(&own, shield_fields, &cfg->shield, NULL, NULL));
        *digest = hash_fnv1a(*digest, &own, sizeof own);
    }
    if (cfg->eval.lie.kind != LIE_NONE) {
        TRY(cfg_digest(&own, lie_fields, &cfg->eval.lie, NULL, NULL));
        *digest = hash_fnv1a(*digest, &own, sizeof own);
    }
    return ERR_OK;
}

enum err cell_digest(uint64_t *digest, const struct experiment_cfg *cfg, int controller,
                     int scenario)
{
    struct cell s = {.topology = cfg->topology,
                     .plant = cfg->plant,
                     .cluster = cfg->cluster,
                     .workload = cfg->workload,
                     .game = cfg->game,
                     .scenario = cfg->scenarios[scenario],
                     .controller = cfg->eval.controllers[controller],
                     .team = cfg->team,
                     .organisation = cfg->organisation,
                     .warmup_s = cfg->eval.warmup_s,
                     .step_bound = cfg->eval.step_bound};
    s.scenario.name = "";
    struct arena arena;
    arena_init(&arena);
    enum err e = without_keys(&s.controller, &arena);
    if (e == ERR_OK) {
        e = cfg_digest(digest, fields_of(&s.controller), &s, experiment_hash_file, NULL);
    }
    arena_release(&arena);
    TRY(e);
    TRY(add_between(digest, cfg));
    const bool twin = cfg->eval.plant == PLANT_KIND_TWIN ||
                      controller_needs(&cfg->eval.controllers[controller], CONTROLLER_NEEDS_TWIN);
    return twin ? add_twin(digest, &cfg->twin) : ERR_OK;
}
