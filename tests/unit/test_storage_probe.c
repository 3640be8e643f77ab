/* The probe of the storage: what it finds, and that it leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "mpi/comm/skew.h"
#include "mpi/jobs/storage_probe.h"
#include "tests/unit/scene.h"

#include <sys/resource.h>
#include <sys/stat.h>

static int start(void **state)
{
    static struct scene s;
    *state = &s;
    return scene_open(&s);
}

/* Fails if the directory is not empty. */
static int stop(void **state)
{
    return scene_close(*state);
}

static void a_directory_that_works(void **state)
{
    struct scene *s = *state;
    static struct storage_probe p;
    storage_probe_begin(&p, s->dir);
    assert_string_equal(p.why, "");
    assert_string_equal(p.why_no_lock, "");
    assert_true(p.exists && p.replace_s > 0.0 && p.free_bytes > 0);
    assert_true(p.ahead_lo_s < 1.0 && p.ahead_hi_s > -1.0 && p.ahead_lo_s <= p.ahead_hi_s);
    assert_int_equal(storage_probe_look(p.probe), STORAGE_SHARED);
    lock_release(&p.lock); /* as if nobody kept it */
    assert_int_equal(storage_probe_look(p.probe), STORAGE_LOCK_IGNORED);
    storage_probe_end(&p);
    storage_probe_end(&p);
    assert_int_equal(s->log.n, 0);
}

/* A run would make the directories; the probe does not. */
static void a_directory_that_is_missing(void **state)
{
    struct scene *s = *state;
    static struct storage_probe p;
    storage_probe_begin(&p, arena_printf(&s->arena, "%s/a/b", s->dir));
    assert_false(p.exists);
    assert_string_equal(p.dir, s->dir);
    assert_string_equal(p.why, "");
    assert_int_equal(storage_probe_look(arena_printf(&s->arena, "%s/none", s->dir)),
                     STORAGE_NOT_SHARED);
    storage_probe_end(&p);
}

static void a_file_in_its_place(void **state)
{
    struct scene *s = *state;
    static struct storage_probe p;
    const char *file = scene_file(s, "file");
    assert_int_equal(file_write(file, "x", 1), ERR_OK);
    storage_probe_begin(&p, file);
    assert_non_null(strstr(p.why, "nothing can be made there: Not a directory"));
    assert_string_equal(p.probe, "");
    storage_probe_end(&p);
}

static void a_directory_that_is_read_only(void **state)
{
    static struct storage_probe p;
    (void)state;
    storage_probe_begin(&p, "/proc/self");
    assert_non_null(strstr(p.why, "nothing can be made there"));
    storage_probe_end(&p);
}

/* A full disk looks like this: files can be made, but not written. */
static void a_file_cannot_be_written(void **state)
{
    struct scene *s = *state;
    static struct storage_probe p;
    struct rlimit before, small = {.rlim_cur = 4096};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    storage_probe_begin(&p, s->dir);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(p.why, "File too large"));
    storage_probe_end(&p);
    assert_int_equal(s->log.n, 0);
}

/* A path as long as the system allows has no room for the probe. */
static void a_path_that_is_too_long(void **state)
{
    struct scene *s = *state;
    static struct storage_probe p;
    static char path[PATH_MAX];
    memset(path, 'a', sizeof path - 1);
    memcpy(path, s->dir, strlen(s->dir));
    path[strlen(s->dir)] = '/';
    storage_probe_begin(&p, path);
    assert_string_equal(p.dir, s->dir);
    storage_probe_end(&p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_directory_that_works),   TEST(a_directory_that_is_missing),
        TEST(a_file_in_its_place),      TEST(a_directory_that_is_read_only),
        TEST(a_file_cannot_be_written), TEST(a_path_that_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
