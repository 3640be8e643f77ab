/* An organisation read from text, compiled for the diamond (a -> b, c -> d), and a hand-made state.
 */
#ifndef KARMA_TESTS_ORG_FIXTURE_H
#define KARMA_TESTS_ORG_FIXTURE_H

#include "core/org/guides.h"
#include "core/plant/schema.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

enum { A, B, C, D, N_SERVICES };

struct org_root {
    struct org_cfg organisation;
    struct topology_cfg topology;
    struct plant_cfg plant;
};
static const struct cfg_field ORG_ROOT[] = {
    CFG_TABLE(struct org_root, organisation, org_fields, "who may do what"),
    CFG_TABLE(struct org_root, topology, topology_fields, "services and node"),
    CFG_TABLE(struct org_root, plant, plant_fields, "periods and limits"),
    CFG_END,
};

struct org_fixture {
    struct arena arena;
    struct cfg places;
    struct org_root root;
    struct topology topology;
    struct guides guides;
    struct guides_memory memory;
    float state[N_SERVICES * SERVICE_FEATURES + GLOBAL_FEATURES];
    struct heard log;
};

static int org_fixture_setup(void **state)
{
    static struct org_fixture w;
    memset(&w, 0, sizeof w);
    arena_init(&w.arena);
    cfg_init(&w.places, ORG_ROOT, sizeof(struct org_root), &w.arena);
    heard_begin(&w.log);
    *state = &w;
    return 0;
}

static int org_fixture_teardown(void **state)
{
    struct org_fixture *w = *state;
    heard_end();
    arena_release(&w->arena);
    return 0;
}

static inline enum err org_fixture_compile(struct org_fixture *w)
{
    TRY(topology_init(&w->topology, &w->arena, &w->root.topology, &w->places));
    TRY(guides_init(&w->guides, &w->arena, &w->root.organisation, &w->topology, &w->root.plant,
                    &w->places, "organisation"));
    return guides_memory_init(&w->memory, &w->arena, &w->guides);
}

static inline enum err org_fixture_text(struct org_fixture *w, const char *text)
{
    TRY(cfg_load_text(&w->places, "t.yaml", text, NULL, 0, &w->root));
    return org_fixture_compile(w);
}

static inline enum err org_fixture_file(struct org_fixture *w, const char *path)
{
    TRY(cfg_load(&w->places, path, NULL, 0, &w->root));
    return org_fixture_compile(w);
}

static inline void set_service(struct org_fixture *w, int service, enum service_feature f, double v)
{
    w->state[state_service_at(service, f)] = (float)v;
}

static inline void set_global(struct org_fixture *w, enum global_feature f, double v)
{
    w->state[state_global_at(N_SERVICES, f)] = (float)v;
}

#define OK(call)   assert_int_equal((call), ERR_OK)
#define TEST(name) cmocka_unit_test_setup_teardown(name, org_fixture_setup, org_fixture_teardown)

#endif
