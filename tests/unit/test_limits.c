/* Limits: control groups of both versions, read from trees of files that the tests make, and the
 * limits of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "mpi/comm/limits.h"
#include "tests/unit/scene.h"

#include <sys/resource.h>

static int start(void **state)
{
    static struct scene s;
    *state = &s;
    return scene_open(&s);
}

static int stop(void **state)
{
    return scene_sweep(*state);
}

static void put(struct scene *s, const char *path, const char *text)
{
    const char *file = arena_printf(&s->arena, "%s/%s", s->dir, path);
    assert_int_equal(file_make_parents(file), ERR_OK);
    assert_int_equal(file_write(file, text, strlen(text)), ERR_OK);
}

static void nothing_is_said(void **state)
{
    struct scene *s = *state;
    struct limits l;
    limits_read(&l, s->dir);
    assert_int_equal(l.host_memory, LIMITS_NONE);
    assert_int_equal(l.group_memory, LIMITS_NONE);
    assert_int_equal(l.shared_memory, LIMITS_NONE);
    assert_true(l.cpu_quota < 0.0);
}

/* The group above has the smaller limit, and pages of files count as free. */
static void version_two(void **state)
{
    struct scene *s = *state;
    struct limits l;
    put(s, "proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:   8000 kB\n");
    put(s, "proc/self/cgroup", "0::/job_7/step_0\n");
    put(s, "sys/fs/cgroup/job_7/step_0/memory.max", "max\n");
    put(s, "sys/fs/cgroup/job_7/step_0/memory.current", "100\n");
    put(s, "sys/fs/cgroup/job_7/step_0/cpu.max", "max 100000\n");
    put(s, "sys/fs/cgroup/job_7/memory.max", "5000\n");
    put(s, "sys/fs/cgroup/job_7/memory.current", "3000\n");
    put(s, "sys/fs/cgroup/job_7/memory.stat", "anon 2000\ninactive_file 1000\n");
    put(s, "sys/fs/cgroup/job_7/cpu.max", "150000 100000\n");
    limits_read(&l, s->dir);
    assert_int_equal(l.host_memory, 8000 * 1024);
    assert_int_equal(l.group_memory, 3000);
    assert_true(l.cpu_quota == 1.5);
    put(s, "sys/fs/cgroup/job_7/memory.current", "9000\n");
    limits_read(&l, s->dir);
    assert_int_equal(l.group_memory, 0);
}

/* As in a container: the group's own path does not exist here, the top has the limits. */
static void version_one(void **state)
{
    struct scene *s = *state;
    struct limits l;
    put(s, "proc/self/cgroup", "4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n1:name=systemd:/\n");
    put(s, "sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n");
    put(s, "sys/fs/cgroup/memory/memory.usage_in_bytes", "2500\n");
    put(s, "sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n");
    put(s, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
    put(s, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    limits_read(&l, s->dir);
    assert_int_equal(l.group_memory, 5000);
    assert_true(l.cpu_quota == 2.0);
    put(s, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(s, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    limits_read(&l, s->dir);
    assert_int_equal(l.group_memory, LIMITS_NONE);
    assert_true(l.cpu_quota < 0.0);
}

static void garbage_is_no_limit(void **state)
{
    struct scene *s = *state;
    struct limits l;
    put(s, "proc/meminfo", "MemAvailable: lots\n");
    put(s, "proc/self/cgroup", "no colon\n0:\n0::/\n\n");
    put(s, "sys/fs/cgroup/memory.max", "-5\n");
    put(s, "sys/fs/cgroup/memory.current", "x\n");
    put(s, "sys/fs/cgroup/cpu.max", "12\n");
    limits_read(&l, s->dir);
    assert_int_equal(l.host_memory, LIMITS_NONE);
    assert_int_equal(l.group_memory, LIMITS_NONE);
    assert_true(l.cpu_quota < 0.0);
}

static void ulimits(void **state)
{
    struct scene *s = *state;
    struct limits l;
    struct rlimit before, small = {.rlim_cur = 1 << 20};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    limits_read(&l, s->dir);
    assert_int_equal(l.file_size, 1 << 20);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_said),     TEST(version_two), TEST(version_one),
        TEST(garbage_is_no_limit), TEST(ulimits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
