/* A scenario read from text, with the system it is drawn for: fixture of the tests of schedules. */
#ifndef KARMA_TESTS_SCENARIO_FIXTURE_H
#define KARMA_TESTS_SCENARIO_FIXTURE_H

#include "core/base/config.h"
#include "core/plant/plant.h"
#include "core/scenario/scenario.h"
#include "core/scenario/schedule.h"
#include "tests/unit/heard.h"

enum { SECONDS = 3000 };

struct root {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct workload_cfg workload;
    struct scenario_cfg *scenarios;
    int n_scenarios;
};
static const struct cfg_field ROOT[] = {
    CFG_TABLE(struct root, topology, topology_fields, "services and node"),
    CFG_TABLE(struct root, plant, plant_fields, "periods and limits"),
    CFG_TABLE(struct root, workload, workload_fields, "load"),
    CFG_LIST(struct root, scenarios, n_scenarios, struct scenario_cfg, scenario_fields, "[]", 0, 8,
             "scenarios"),
    CFG_END,
};

struct fixture {
    struct arena arena;
    struct cfg src_locs;
    struct root root;
    struct topology topology;
    struct workload workload;
    struct scenario scenario;
    struct schedule schedule;
    struct heard log;
};

static inline int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    arena_init(&f.arena);
    cfg_init(&f.src_locs, ROOT, sizeof(struct root), &f.arena);
    heard_begin(&f.log);
    *state = &f;
    return schedule_init(&f.schedule, &f.arena, SECONDS) == ERR_OK ? 0 : -1;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(0);
    heard_end();
    arena_release(&f->arena);
    return 0;
}

#endif
