/* The run directory: what is made, what is refused, and that only machine.yaml knows the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/rundir.h"
#include "tests/unit/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct scene scene;
    struct rundir run;
};

static int start(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    *state = &f;
    return scene_open(&f.scene);
}

static int stop(void **state)
{
    struct fixture *f = *state;
    return scene_sweep(&f->scene);
}

static const char *contents(struct fixture *f, const char *file)
{
    const char *path = rundir_path(&f->run, &f->scene.arena, file);
    assert_int_equal(file_read(&f->scene.text, path, 1 << 20), ERR_OK);
    return (const char *)f->scene.text.data;
}

static void a_new_run_has_its_directories(void **state)
{
    struct fixture *f = *state;
    char *root = file_join(&f->scene.arena, f->scene.dir, "results/runs");
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, root, "quick-1"), ERR_OK);
    assert_string_equal(f->run.name, "quick-1");
    assert_string_equal(f->run.path, file_join(&f->scene.arena, root, "quick-1"));
    assert_true(file_is_dir(rundir_path(&f->run, &f->scene.arena, "checkpoints")));
    assert_true(file_is_dir(rundir_path(&f->run, &f->scene.arena, "policy")));
}

static void a_run_is_not_overwritten_but_can_be_resumed(void **state)
{
    struct fixture *f = *state;
    struct rundir again;
    assert_int_equal(rundir_open(&again, &f->scene.arena, f->scene.dir, "a"), ERR_USAGE);
    assert_non_null(strstr(f->scene.log.last, "there is no run 'a'"));
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, "a"), ERR_OK);
    /* It stopped before it wrote anything: nobody loses something. */
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, "a"), ERR_OK);
    assert_int_equal(rundir_put(&f->run, "run.yaml", "seed: 1\n"), ERR_OK);
    assert_int_equal(rundir_create(&again, &f->scene.arena, f->scene.dir, "a"), ERR_USAGE);
    assert_non_null(strstr(f->scene.log.last, "there is a run 'a' already"));
    assert_int_equal(rundir_open(&again, &f->scene.arena, f->scene.dir, "a"), ERR_OK);
    assert_string_equal(again.path, f->run.path);
    assert_string_equal(contents(f, "run.yaml"), "seed: 1\n");
}

static void names_that_would_leave_the_directory_are_refused(void **state)
{
    struct fixture *f = *state;
    char endless[200];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    const char *const bad[] = {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\nb", endless};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, bad[i]), ERR_USAGE);
    }
    assert_non_null(strstr(f->scene.log.last, "cannot be the name of a run"));
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, "A.b_c-9"), ERR_OK);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, "/proc/runs", "a"), ERR_IO);
    assert_non_null(strstr(f->scene.log.last, "/proc/runs"));
}

static void status_is_one_line_that_is_replaced(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, "a"), ERR_OK);
    assert_int_equal(rundir_status(&f->run, "running update %d", 12), ERR_OK);
    assert_string_equal(contents(f, "status"), "running update 12\n");
    assert_int_equal(rundir_status(&f->run, "done"), ERR_OK);
    assert_string_equal(contents(f, "status"), "done\n");
}

static void machine_yaml_names_the_machine(void **state)
{
    struct fixture *f = *state;
    char host[256] = "", line[300];
    gethostname(host, sizeof(host) - 1);
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, "a"), ERR_OK);
    assert_int_equal(rundir_put_machine(&f->run, 4, "mpi: none\n"), ERR_OK);
    const char *text = contents(f, "machine.yaml");
    snprintf(line, sizeof(line), "\nhost: \"%s\"\n", host);
    assert_non_null(strstr(text, line));
    assert_int_equal(strncmp(text, "started: \"20", 12), 0);
    assert_non_null(strstr(text, "\ncpu: \""));
    assert_non_null(strstr(text, "\nranks: 4\n"));
    assert_non_null(strstr(text, "\ncompiler: \""));
    assert_non_null(strstr(text, "\nbuild: \""));
    assert_non_null(strstr(text, "\nrevision: \""));
    assert_string_equal(text + strlen(text) - 10, "mpi: none\n");
}

static void exhausted_memory_is_passed_on(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(1);
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, "a"), ERR_MEMORY);
    mem_fail_after(0);
    arena_release(&f->scene.arena); /* it remembers the failure */
    assert_int_equal(rundir_create(&f->run, &f->scene.arena, f->scene.dir, "a"), ERR_OK);
    mem_fail_after(1);
    assert_int_equal(rundir_status(&f->run, "done"), ERR_MEMORY);
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        assert_int_equal(rundir_put_machine(&f->run, 1, ""), ERR_MEMORY);
    }
    mem_fail_after(0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_run_has_its_directories),
        TEST(a_run_is_not_overwritten_but_can_be_resumed),
        TEST(names_that_would_leave_the_directory_are_refused),
        TEST(a_place_that_cannot_be_written_is_named),
        TEST(status_is_one_line_that_is_replaced),
        TEST(machine_yaml_names_the_machine),
        TEST(exhausted_memory_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
