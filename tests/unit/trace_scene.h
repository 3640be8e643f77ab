/* What the tests of tables of measurements share: a scene with a table, a store and an exported
 * table in it, and the steps from one to the other. */
#ifndef KARMA_TESTS_TRACE_SCENE_H
#define KARMA_TESTS_TRACE_SCENE_H

#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/trace/check.h"
#include "core/trace/import.h"
#include "tests/unit/scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

struct fixture {
    struct scene scene;
    struct metrics_table parsed;
    const char *path, *store, *table;
};

static inline int setup(void **state)
{
    static struct fixture f;
    const int e = scene_open(&f.scene);
    f.path = scene_file(&f.scene, "in.csv");
    f.store = scene_file(&f.scene, "store");
    f.table = scene_file(&f.scene, "out.csv");
    *state = &f;
    return e;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    return scene_close(&f->scene);
}

/* A number that looks random, 0 .. 1: the same in every run. */
static inline double noise(int i, int k)
{
    const struct rng_key key = rng_key(5, RNG_TEST, RNG_TRAIN);
    return (double)rng_f32(rng_philox(key, (uint32_t)i, (uint32_t)k, 0, 0).v[0]);
}

static inline void check_path(struct check *c, struct fixture *f, const char *path)
{
    arena_release(&f->scene.arena);
    arena_init(&f->scene.arena);
    OK(metrics_table_read(&f->parsed, &f->scene.arena, path));
    OK(check_table(c, &f->scene.arena, &f->parsed));
}

static inline void check_text(struct check *c, struct fixture *f, const char *text)
{
    OK(file_write(f->path, text, strlen(text)));
    check_path(c, f, f->path);
}

/* How tables are imported here. */
static const struct import_cfg import_cfg = {.origin = "a test",
                                             .licence = "CC0",
                                             .split_seed = 1,
                                             .validation = 0.1,
                                             .held_out = 0.1,
                                             .gap_periods = 2};

static inline void import_text(struct fixture *f, const char *text, struct import_result *r)
{
    OK(file_write(f->path, text, strlen(text)));
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->path));
    OK(import_table(r, f->store, &f->parsed, &import_cfg, &f->scene.arena));
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
