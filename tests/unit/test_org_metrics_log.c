/* Parts of org_metrics.csv that are merged: what they repeat must be the same. */
#include "mpi/jobs/org_metrics_log.h"

#include "core/base/file.h"
#include "core/game/org_metric_values.h"
#include "tests/unit/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static struct scene scene;

static int setup(void **state)
{
    (void)state;
    return scene_open(&scene);
}

static int teardown(void **state)
{
    (void)state;
    return scene_sweep(&scene);
}

/* A part in DIR with one row, whose metrics are all `value`; returns the path of its eval.csv. */
static const char *make_part(const char *dir, const char *value)
{
    struct buf b;
    const char *eval = file_join(&scene.arena, file_join(&scene.arena, scene.dir, dir), "eval.csv");
    const char *path =
        file_join(&scene.arena, file_join(&scene.arena, scene.dir, dir), "org_metrics.csv");
    buf_init(&b);
    OK(buf_printf(&b,
                  "controller,policy,train_seed,scenario,split,seed,episode,cell_digest,agent"));
    for (int i = 0; i < ORG_METRIC_COUNT; i++) {
        OK(buf_printf(&b, ",%s", org_metric_info[i].name));
    }
    OK(buf_printf(&b, "\nff,,,calm,test,1,0,0123456789abcdef,web"));
    for (int i = 0; i < ORG_METRIC_COUNT; i++) {
        OK(buf_printf(&b, ",%s", value));
    }
    OK(buf_printf(&b, "\n"));
    OK(file_make_parents(path));
    OK(file_write(path, b.data, b.len));
    buf_release(&b);
    return eval;
}

/* Nobody is to be measured here, so the merged file has no rows. */
static void test_contradiction(void **state)
{
    (void)state;
    const char *const files[] = {make_part("a", "0.5"), make_part("b", "0.5"),
                                 make_part("c", "0.25")};
    struct org_metrics_log l = {.arena = &scene.arena,
                                .path = file_join(&scene.arena, scene.dir, "org_metrics.csv"),
                                .csv = {.fd = -1},
                                .on = true};
    OK(org_metrics_log_merge(&l, files, 2));
    org_metrics_log_close(&l);
    assert_true(file_exists(l.path));
    l.path = file_join(&scene.arena, scene.dir, "other.csv");
    assert_int_equal(org_metrics_log_merge(&l, files, 3), ERR_MISMATCH);
    assert_non_null(strstr(scene.log.last, "org_metrics.csv:2"));
    assert_non_null(strstr(scene.log.last, "both of ff, calm, episode 0, agent web"));
    assert_false(file_exists(l.path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contradiction, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
