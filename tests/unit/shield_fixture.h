/* A shield read from a text as an experiment is, and states for it set by hand. */
#ifndef KARMA_TESTS_SHIELD_FIXTURE_H
#define KARMA_TESTS_SHIELD_FIXTURE_H

#include "core/base/log.h"
#include "core/shield/shield.h"
#include "tests/unit/heard.h"
#include "tests/unit/shield_monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct shield_root {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct shield_cfg shield;
};
static const struct cfg_field SHIELD_ROOT[] = {
    CFG_TABLE(struct shield_root, topology, topology_fields, "services and node"),
    CFG_TABLE(struct shield_root, plant, plant_fields, "periods and limits"),
    CFG_TABLE(struct shield_root, shield, shield_fields, "the shield"),
    CFG_END,
};

enum { SHIELD_STATE_MAX = MONITOR_SERVICES * SERVICE_FEATURES + GLOBAL_FEATURES };

struct shield_fixture {
    struct arena arena;
    struct cfg places;
    struct heard log;
    struct shield_root root;
    struct topology topology;
    struct shield shield;
    struct shield_history history;
    struct shield_verdict verdict;
    float state[SHIELD_STATE_MAX], age[SHIELD_STATE_MAX];
    double now_s;
    int n;
};

/* After a failure, too, the fixture must be closed. */
static inline enum err shield_fixture_try(struct shield_fixture *f, const char *text)
{
    memset(f, 0, sizeof *f);
    arena_init(&f->arena);
    heard_begin(&f->log);
    cfg_init(&f->places, SHIELD_ROOT, sizeof f->root, &f->arena);
    TRY(cfg_load_text(&f->places, "shield.yaml", text, NULL, 0, &f->root));
    TRY(topology_init(&f->topology, &f->arena, &f->root.topology, &f->places));
    f->n = f->topology.n_services;
    TRY(shield_history_init(&f->history, &f->arena, f->n));
    TRY(shield_verdict_init(&f->verdict, &f->arena, f->n));
    return shield_init(&f->shield, &f->arena, &f->root.shield, &f->topology, &f->root.plant,
                       &f->places);
}

static inline void shield_fixture_close(struct shield_fixture *f)
{
    mem_fail_after(0);
    heard_end();
    arena_release(&f->arena);
}

static inline void shield_fixture_set(struct shield_fixture *f, int service,
                                      enum service_feature feature, double value)
{
    f->state[state_service_at(service, feature)] = (float)value;
}

static inline void shield_fixture_global(struct shield_fixture *f, enum global_feature feature,
                                         double value)
{
    f->state[state_global_at(f->n, feature)] = (float)value;
}

/* Every pod up and fresh, an entry rate of `rate` that all services see. `tick` tells one
 * decision's values from the next one's, so that nothing stands still. */
static inline void shield_fixture_calm(struct shield_fixture *f, double rate, int tick)
{
    const double seen = rate * (1.0 + 1e-6 * tick);
    for (int s = 0; s < f->n; s++) {
        const double d = (double)f->state[state_service_at(s, SF_DESIRED)];
        const double calls = seen * f->topology.visits[s];
        shield_fixture_set(f, s, SF_DEPLOYED, d);
        shield_fixture_set(f, s, SF_READY, d);
        shield_fixture_set(f, s, SF_FAILED_PODS, 0.0);
        shield_fixture_set(f, s, SF_HPA_MISSING, 0.0);
        shield_fixture_set(f, s, SF_QUEUE, 0.0);
        shield_fixture_set(f, s, SF_RECEIVED, calls);
        shield_fixture_set(f, s, SF_CPU, 1000.0 * calls * f->topology.demand_s[s]);
    }
    shield_fixture_global(f, GF_ENTRY_30S, seen);
    shield_fixture_global(f, GF_ENTRY_10S, seen);
    shield_fixture_global(f, GF_ENTRY_DIFF, 0.0);
    for (int i = 0; i < state_size(f->n); i++) {
        f->age[i] = 7.5F;
    }
}

static inline struct shield_view shield_fixture_view(const struct shield_fixture *f)
{
    return (struct shield_view){.state = f->state, .age = f->age, .now_s = f->now_s};
}

/* The next decision: the state as it stands now is observed and a change is asked for. */
static inline void shield_fixture_decide(struct shield_fixture *f, const int32_t *proposed)
{
    const struct shield_view v = shield_fixture_view(f);
    shield_observe(&f->history, &f->shield, &v);
    shield_decide(&f->verdict, &f->shield, &f->history, &v, proposed);
}

/* Written, and a period passes: desired becomes what was allowed. */
static inline void shield_fixture_execute(struct shield_fixture *f)
{
    shield_executed(&f->history, &f->shield, f->verdict.delta);
    for (int s = 0; s < f->n; s++) {
        f->state[state_service_at(s, SF_DESIRED)] += (float)f->verdict.delta[s];
    }
    f->now_s += f->root.plant.period_s;
}

#endif
