/* Environments with their rules for tests of games and controllers, read from a text as an
 * experiment is.
 */
#ifndef KARMA_TESTS_GAME_FIXTURE_H
#define KARMA_TESTS_GAME_FIXTURE_H

#include "core/base/log.h"
#include "core/controllers/controller.h"
#include "core/game/game.h"
#include "core/plant/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct game_root {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct workload_cfg workload;
    struct cluster_cfg cluster;
    struct scenario_cfg *scenarios;
    int n_scenarios;
    struct game_cfg game;
    struct org_cfg organisation;
    struct controller_cfg *controllers;
    int n_controllers;
};
static const struct cfg_field GAME_ROOT[] = {
    CFG_TABLE(struct game_root, topology, topology_fields, "services and node"),
    CFG_TABLE(struct game_root, plant, plant_fields, "periods and limits"),
    CFG_TABLE(struct game_root, workload, workload_fields, "load"),
    CFG_TABLE(struct game_root, cluster, cluster_fields, "the simulator"),
    CFG_LIST(struct game_root, scenarios, n_scenarios, struct scenario_cfg, scenario_fields,
             "[{name: quiet}]", 0, 8, "scenarios"),
    CFG_TABLE(struct game_root, game, game_fields, "the game"),
    CFG_TABLE(struct game_root, organisation, org_fields, "who may do what"),
    CFG_LIST(struct game_root, controllers, n_controllers, struct controller_cfg, controller_fields,
             "[]", 0, 8, "controllers"),
    CFG_END,
};

struct game_fixture {
    struct arena arena;
    struct cfg places;
    struct game_root root;
    struct env_setup env_setup;
    struct rules rules;
    char log[2048]; /* the last line */
};

static inline void game_fixture_line(void *ctx, enum log_level level, const char *line)
{
    struct game_fixture *w = ctx;
    (void)level;
    (void)snprintf(w->log, sizeof w->log, "%s", line);
}

static inline void game_fixture_close(struct game_fixture *w)
{
    mem_fail_after(0);
    log_set_sink(NULL, NULL);
    arena_release(&w->arena);
}

/* After a failure, too, the world must be closed. */
static inline enum err game_fixture_try(struct game_fixture *w, const char *text)
{
    *w = (struct game_fixture){0};
    arena_init(&w->arena);
    cfg_init(&w->places, GAME_ROOT, sizeof(struct game_root), &w->arena);
    log_set_sink(game_fixture_line, w);
    TRY(cfg_load_text(&w->places, "world.yaml", text, NULL, 0, &w->root));
    const struct env_setup_cfg parts = {
        .topology = &w->root.topology,
        .plant = &w->root.plant,
        .workload = &w->root.workload,
        .cluster = &w->root.cluster,
        .scenarios = w->root.scenarios,
        .n_scenarios = w->root.n_scenarios,
        .horizon = w->root.game.horizon,
    };
    TRY(env_setup_init(&w->env_setup, &w->arena, &parts, &w->places));
    return rules_init_organised(&w->rules, &w->arena, &w->root.game, &w->env_setup,
                                &w->root.organisation, &w->places);
}

static inline void game_fixture_open(struct game_fixture *w, const char *text)
{
    if (game_fixture_try(w, text) != ERR_OK) {
        fail_msg("the world cannot be made: %s", w->log);
    }
}

static inline void game_fixture_set(const struct game_fixture *w, float *state, int service,
                                    enum service_feature f, double value)
{
    (void)w;
    state[state_service_at(service, f)] = (float)value;
}

static inline void game_fixture_set_global(const struct game_fixture *w, float *state,
                                           enum global_feature f, double value)
{
    state[state_global_at(w->env_setup.topology.n_services, f)] = (float)value;
}

/* A controller of row i of `controllers`. */
static inline struct controller *game_fixture_controller(struct game_fixture *w, int i)
{
    struct controller *c = NULL;
    if (controller_new(&c, &w->arena, &w->root.controllers[i], &w->env_setup, &w->rules, NULL) !=
        ERR_OK) {
        fail_msg("no controller: %s", w->log);
    }
    const struct episode_id id = {1, RNG_TEST_SPLIT, 0, 0};
    controller_reset(c, &id, NULL);
    return c;
}

#endif
