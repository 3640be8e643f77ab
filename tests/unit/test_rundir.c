/* The run directory: what is made, what is refused, and that only machine.yaml knows the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/rundir.h"
#include "tests/unit/heard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scene {
    char dir[64];
    struct heard log;
    struct arena arena;
    struct buf text;
    struct rundir run;
};

static int start(void **state)
{
    static struct scene s;
    s = (struct scene){.dir = "/tmp/karma_run_XXXXXX"};
    if (mkdtemp(s.dir) == NULL) {
        return -1;
    }
    heard_begin(&s.log);
    *state = &s;
    return 0;
}

static int stop(void **state)
{
    struct scene *s = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
    buf_release(&s->text);
    arena_release(&s->arena);
    heard_end();
    return system(command);
}

static const char *contents(struct scene *s, const char *file)
{
    const char *path = rundir_path(&s->run, &s->arena, file);
    assert_int_equal(file_read(&s->text, path, 1 << 20), ERR_OK);
    return (const char *)s->text.data;
}

static void a_new_run_has_its_directories(void **state)
{
    struct scene *s = *state;
    char *root = file_join(&s->arena, s->dir, "results/runs");
    assert_int_equal(rundir_create(&s->run, &s->arena, root, "quick-1"), ERR_OK);
    assert_string_equal(s->run.name, "quick-1");
    assert_string_equal(s->run.path, file_join(&s->arena, root, "quick-1"));
    assert_true(file_is_dir(rundir_path(&s->run, &s->arena, "checkpoints")));
    assert_true(file_is_dir(rundir_path(&s->run, &s->arena, "policy")));
}

static void a_run_is_not_overwritten_but_can_be_resumed(void **state)
{
    struct scene *s = *state;
    struct rundir again;
    assert_int_equal(rundir_open(&again, &s->arena, s->dir, "a"), ERR_USAGE);
    assert_non_null(strstr(s->log.last, "there is no run 'a'"));
    assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, "a"), ERR_OK);
    /* It stopped before it wrote anything: nobody loses something. */
    assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, "a"), ERR_OK);
    assert_int_equal(rundir_put(&s->run, "run.yaml", "seed: 1\n"), ERR_OK);
    assert_int_equal(rundir_create(&again, &s->arena, s->dir, "a"), ERR_USAGE);
    assert_non_null(strstr(s->log.last, "there is a run 'a' already"));
    assert_int_equal(rundir_open(&again, &s->arena, s->dir, "a"), ERR_OK);
    assert_string_equal(again.path, s->run.path);
    assert_string_equal(contents(s, "run.yaml"), "seed: 1\n");
}

static void names_that_would_leave_the_directory_are_refused(void **state)
{
    struct scene *s = *state;
    char endless[200];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    const char *const bad[] = {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\nb", endless};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, bad[i]), ERR_USAGE);
    }
    assert_non_null(strstr(s->log.last, "cannot be the name of a run"));
    assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, "A.b_c-9"), ERR_OK);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    struct scene *s = *state;
    assert_int_equal(rundir_create(&s->run, &s->arena, "/proc/runs", "a"), ERR_IO);
    assert_non_null(strstr(s->log.last, "/proc/runs"));
}

static void status_is_one_line_that_is_replaced(void **state)
{
    struct scene *s = *state;
    assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, "a"), ERR_OK);
    assert_int_equal(rundir_status(&s->run, "running update %d", 12), ERR_OK);
    assert_string_equal(contents(s, "status"), "running update 12\n");
    assert_int_equal(rundir_status(&s->run, "done"), ERR_OK);
    assert_string_equal(contents(s, "status"), "done\n");
}

static void machine_yaml_names_the_machine(void **state)
{
    struct scene *s = *state;
    char host[256] = "", line[300];
    gethostname(host, sizeof(host) - 1);
    assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, "a"), ERR_OK);
    assert_int_equal(rundir_put_machine(&s->run, 4, "mpi: none\n"), ERR_OK);
    const char *text = contents(s, "machine.yaml");
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
    struct scene *s = *state;
    mem_fail_after(1);
    assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, "a"), ERR_MEMORY);
    mem_fail_after(0);
    assert_int_equal(rundir_create(&s->run, &s->arena, s->dir, "a"), ERR_OK);
    mem_fail_after(1);
    assert_int_equal(rundir_status(&s->run, "done"), ERR_MEMORY);
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        assert_int_equal(rundir_put_machine(&s->run, 1, ""), ERR_MEMORY);
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
