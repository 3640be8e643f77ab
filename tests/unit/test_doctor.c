/* Findings of karma doctor: from records of healthy ranks, in which each test breaks one thing, the
 * report has that finding and no other one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mpi/jobs/doctor_findings.h"
#include "mpi/jobs/doctor_host_findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 4 }; /* ranks 0 and 1 on host a, 2 and 3 on host b */

static const char *const cpu_names[] = {"avx", "avx2", "avx512f"};

struct fixture {
    struct doctor_record ranks[N];
    struct storage_probe storage;
    struct doctor_facts facts;
    struct doctor_report report;
    struct arena arena;
};

static void fill_rank(struct doctor_record *r, int i)
{
    memset(r, 0, sizeof *r);
    (void)snprintf(r->host, sizeof r->host, "%c", i < 2 ? 'a' : 'b');
    r->machine = i < 2 ? 1 : 2;
    (void)snprintf(r->library, sizeof r->library, "Open MPI v4.1.4, package: Debian OpenMPI");
    r->start_s = 0.3;
    r->cpu = 3;
    (void)snprintf(r->kernel, sizeof r->kernel, "avx2+fma");
    (void)snprintf(r->blas, sizeof r->blas, "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH");
    (void)snprintf(r->blas_kernel, sizeof r->blas_kernel, "Haswell");
    r->blas_threads_before = r->blas_threads = 1;
    r->crc_fixed = 0xabc;
    r->cores_known = true;
    r->n_cpus = 4;
    r->cores.bits[0] = 0xf;
    r->limits = (struct limits){.host_memory = INT64_C(8) << 30,
                                .group_memory = LIMITS_NONE,
                                .process_memory = LIMITS_NONE,
                                .shared_memory = 1 << 30,
                                .file_size = LIMITS_NONE,
                                .stack = 8 << 20,
                                .cpu_s = LIMITS_NONE,
                                .open_files = 1024,
                                .cpu_quota = LIMITS_NONE};
    (void)snprintf(r->name, sizeof r->name, "%c", i < 2 ? 'a' : 'b');
    (void)snprintf(r->address, sizeof r->address, "10.0.0.%d", i < 2 ? 1 : 2);
    r->name_state = NAME_OURS;
    r->seen = i == 2 ? STORAGE_SHARED : STORAGE_NOT_ASKED;
    for (int k = 0; k < SKEW_ROUNDS; k++) {
        r->clock.entered[k] = 100.0 + k;
        r->clock.left[k] = 100.001 + k;
    }
}

static void release(struct fixture *f)
{
    doctor_report_release(&f->report);
    arena_release(&f->arena);
    memset(f, 0, sizeof *f);
}

/* Healthy ranks; also within a test, for the next finding. */
static int start(void **state)
{
    static struct fixture f;
    release(&f);
    arena_init(&f.arena);
    for (int i = 0; i < N; i++) {
        fill_rank(&f.ranks[i], i);
    }
    f.storage = (struct storage_probe){.dir = "runs",
                                       .exists = true,
                                       .probe = "runs/karma-doctor-1",
                                       .type = "nfs",
                                       .replace_s = 0.01,
                                       .free_bytes = INT64_C(4) << 30,
                                       .free_files = 100000,
                                       .ahead_lo_s = -0.01,
                                       .ahead_hi_s = 2.0};
    f.facts = (struct doctor_facts){.ranks = f.ranks,
                                    .n = N,
                                    .launched = {.by = LAUNCHER_OPENMPI, .size = N, .rank = 0},
                                    .library = "Open MPI 4.1.4",
                                    .threads = {"multiple", "funneled", true},
                                    .agreement_s = 4e-5,
                                    .cpu_names = cpu_names,
                                    .n_cpu_names = 3,
                                    .cpu_built = 3,
                                    .memory_bytes = INT64_C(1) << 30,
                                    .space_bytes = INT64_C(1) << 30,
                                    .dir = "runs",
                                    .storage = &f.storage,
                                    .arena = &f.arena};
    setenv("PATH", "/usr/bin:/bin", 1);
    *state = &f;
    return 0;
}

static int stop(void **state)
{
    release(*state);
    return 0;
}

/* Everything but the programs, which depend on this machine. The report is text, NUL at the end. */
static const char *judged(struct fixture *f)
{
    doctor_report_release(&f->report);
    doctor_report_init(&f->report);
    doctor_judge_mpi(&f->report, &f->facts);
    doctor_judge_arithmetic(&f->report, &f->facts);
    doctor_judge_cores(&f->report, &f->facts);
    doctor_judge_memory(&f->report, &f->facts);
    doctor_judge_limits(&f->report, &f->facts);
    doctor_judge_storage(&f->report, &f->facts);
    doctor_judge_clocks(&f->report, &f->facts);
    doctor_judge_names(&f->report, &f->facts);
    assert_int_equal(f->report.failed, ERR_OK);
    assert_int_equal(buf_append(&f->report.text, "", 1), ERR_OK);
    return (const char *)f->report.text.data;
}

/* Just one line is not ok: it begins with level and topic, holds `words`, and has a remedy. */
static void finds(struct fixture *f, enum doctor_level level, const char *topic, const char *words)
{
    const char *text = judged(f);
    char begin[64];
    (void)snprintf(begin, sizeof begin, "%-8s %-17s ", level == DOCTOR_ERROR ? "error" : "warning",
                   topic);
    const char *line = strstr(text, begin);
    if (line == NULL || f->report.n[DOCTOR_WARNING] + f->report.n[DOCTOR_ERROR] != 1) {
        fail_msg("expected '%s...' alone in\n%s", begin, text);
    }
    char one[4200];
    (void)snprintf(one, sizeof one, "%.*s", (int)strcspn(line, "\n"), line);
    if (strstr(one, words) == NULL || strstr(one, "Remedy") == NULL) {
        fail_msg("expected '%s' and a remedy in\n%s", words, one);
    }
}

static void all_is_well(void **state)
{
    struct fixture *f = *state;
    const char *text = judged(f);
    if (f->report.n[DOCTOR_WARNING] != 0 || f->report.n[DOCTOR_ERROR] != 0) {
        fail_msg("%s", text);
    }
    assert_null(strstr(text, "Remedy"));
    assert_non_null(strstr(text, "mpirun of Open MPI: 4 ranks on 2 hosts\n"));
    assert_non_null(strstr(text, "OpenBLAS 0.3.21, kernel Haswell, one thread"));
    assert_non_null(strstr(text, "a second lock is refused, on other hosts, too"));
}

static void mpi(void **state)
{
    struct fixture *f = *state;
    f->facts.threads = (struct comm_threads){"single", "funneled", false};
    finds(f, DOCTOR_ERROR, "MPI", "provides the thread level 'single'");
    (void)start(state);
    (void)snprintf(f->ranks[2].library, DOCTOR_TEXT, "Open MPI v4.1.6, package: x");
    finds(f, DOCTOR_ERROR, "MPI", "different libraries");
    (void)start(state);
    for (int i = 0; i < N; i++) {
        (void)snprintf(f->ranks[i].library, DOCTOR_TEXT, "Open MPI v5.0.1, package: x");
    }
    finds(f, DOCTOR_ERROR, "MPI", "built with Open MPI 4.1.4, but 'Open MPI v5.0.1");
    for (int i = 0; i < N; i++) {
        (void)snprintf(f->ranks[i].library, DOCTOR_TEXT, "MPICH Version: 4.0.2");
    }
    finds(f, DOCTOR_ERROR, "MPI", "'MPICH Version: 4.0.2' was loaded");
    for (int i = 0; i < N; i++) { /* another release with the same binary interface */
        (void)snprintf(f->ranks[i].library, DOCTOR_TEXT, "Open MPI v4.0.9, package: x");
    }
    (void)judged(f);
    assert_int_equal(f->report.n[DOCTOR_ERROR], 0);
    (void)start(state);
    f->ranks[1].start_s = 6.0;
    finds(f, DOCTOR_WARNING, "start of MPI", "6.0 s on a");
    (void)start(state);
    f->facts.agreement_s = 0.008;
    finds(f, DOCTOR_WARNING, "messages", "takes 8.0 ms");
}

static void launchers(void **state)
{
    struct fixture *f = *state;
    f->facts.launched =
        (struct launched){.by = LAUNCHER_OPENMPI, .size = N, .job = "12", .tasks = 8, .nodes = 2};
    finds(f, DOCTOR_WARNING, "launcher", "the Slurm job 12 has 8 tasks, but 4 ranks run");
    f->facts.launched.tasks = 2;
    finds(f, DOCTOR_WARNING, "launcher", "4 ranks run, but the Slurm job 12 has 2 tasks");
    f->facts.launched.tasks = 4;
    f->facts.launched.nodes = 3;
    finds(f, DOCTOR_WARNING, "launcher", "has 3 nodes, but ranks run on 2");
    f->facts.launched.nodes = 2;
    (void)judged(f);
    assert_int_equal(f->report.n[DOCTOR_WARNING], 0);
    f->facts.n = 1;
    f->facts.launched = (struct launched){.by = LAUNCHER_PMI, .size = 4, .rank = 0};
    finds(f, DOCTOR_ERROR, "launcher",
          "started 4 processes, but each of them is a job of one rank");
}

static const char *judged_start(struct fixture *f)
{
    doctor_report_release(&f->report);
    doctor_report_init(&f->report);
    doctor_judge_start(&f->report, &f->facts);
    assert_int_equal(buf_append(&f->report.text, "", 1), ERR_OK);
    return (const char *)f->report.text.data;
}

/* What MPI itself would not survive. */
static void the_start(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(judged_start(f), "");
    f->facts.launched = (struct launched){.by = LAUNCHER_SRUN, .size = 4, .step = true};
    assert_non_null(strstr(judged_start(f), "Remedy: srun --mpi=pmix"));
    assert_int_equal(f->report.n[DOCTOR_ERROR], 1);
    (void)start(state);
    f->facts.n = 1;
    f->ranks[0].limits.file_size = 1024;
    (void)snprintf(f->ranks[0].temporary, DOCTOR_TEXT, "/nowhere: No such file or directory");
    const char *text = judged_start(f);
    assert_non_null(strstr(text, "a: files may have 1 KiB only"));
    assert_non_null(strstr(text, "/nowhere: No such file"));
    assert_int_equal(f->report.n[DOCTOR_ERROR], 2);
    (void)start(state);
    setenv("PATH", "/nowhere", 1);
    assert_string_equal(judged_start(f), "");
    f->facts.launched = (struct launched){.by = LAUNCHER_NONE};
    assert_non_null(strstr(judged_start(f), "orted, with which Open MPI 4.1.4 starts"));
    f->facts.library = "Open MPI 5.0.1";
    assert_string_equal(judged_start(f), "");
}

static void arithmetic(void **state)
{
    struct fixture *f = *state;
    f->ranks[3].cpu = 1;
    finds(f, DOCTOR_ERROR, "CPU", "b lacks avx2");
    (void)start(state);
    (void)snprintf(f->ranks[1].complaint, DOCTOR_TEXT, "denormal numbers are flushed");
    finds(f, DOCTOR_ERROR, "arithmetic", "rank 1 on a cannot give reproducible results");
    (void)start(state);
    f->ranks[2].crc_fixed = 5;
    finds(f, DOCTOR_ERROR, "arithmetic", "rank 2 on b calculates otherwise");
    (void)start(state);
    (void)snprintf(f->ranks[3].blas_kernel, DOCTOR_NAME, "Zen");
    finds(f, DOCTOR_WARNING, "BLAS", "kernel Zen on rank 3 (b), Haswell on rank 0 (a)");
    (void)start(state);
    f->ranks[1].crc_blas = 9;
    finds(f, DOCTOR_WARNING, "BLAS", "with 'gemm: blas' results would differ");
    (void)start(state);
    f->ranks[1].blas_threads = 8;
    finds(f, DOCTOR_WARNING, "BLAS", "8 threads on rank 1");
    (void)start(state);
    f->ranks[0].blas_threads_before = 8;
    (void)snprintf(f->ranks[2].kernel, DOCTOR_NAME, "avx512");
    const char *text = judged(f);
    assert_non_null(strstr(text, "it had started 8"));
    assert_non_null(strstr(text, "another one elsewhere, with the same results"));
    assert_int_equal(f->report.n[DOCTOR_WARNING], 0);
}

static void cores(void **state)
{
    struct fixture *f = *state;
    f->ranks[0].cores.bits[0] = f->ranks[1].cores.bits[0] = 4;
    finds(f, DOCTOR_WARNING, "cores", "a: 2 ranks share 1 core");
    (void)start(state);
    for (int i = 0; i < N; i++) { /* all on one host: 0 to 2 on cores 0 and 1, rank 3 anywhere */
        f->ranks[i].machine = 1;
        f->ranks[i].cores.bits[0] = i < 3 ? 3 : 15;
        f->ranks[i].seen = STORAGE_NOT_ASKED;
    }
    finds(f, DOCTOR_WARNING, "cores", "are bound to the same core");
    (void)start(state);
    f->ranks[2].limits.cpu_quota = f->ranks[3].limits.cpu_quota = 1.5;
    finds(f, DOCTOR_WARNING, "cores", "b: the control group grants 1.5 CPUs to 2 ranks");
}

static void memory(void **state)
{
    struct fixture *f = *state;
    f->ranks[0].limits.host_memory = 1 << 30;
    finds(f, DOCTOR_ERROR, "memory", "1024 MiB are left on a (this host), but 2 ranks need 2048");
    (void)start(state);
    f->ranks[2].limits.group_memory = 1 << 30;
    finds(f, DOCTOR_ERROR, "memory", "the control group of this job or container");
    (void)start(state);
    f->ranks[2].limits.process_memory = 512 << 20;
    finds(f, DOCTOR_ERROR, "memory", "1024 MiB are left on b (ulimit -v or -d)");
    (void)start(state);
    f->ranks[0].limits.shared_memory = 4 << 20;
    finds(f, DOCTOR_WARNING, "shared memory", "4 MiB are free in /dev/shm on a");
}

static void limits(void **state)
{
    struct fixture *f = *state;
    f->ranks[3].limits.file_size = 1024;
    finds(f, DOCTOR_ERROR, "limits", "b: files may have 1 KiB only");
    (void)start(state);
    f->ranks[3].limits.stack = 65536;
    finds(f, DOCTOR_WARNING, "limits", "the stack has 64 KiB only");
    (void)start(state);
    f->ranks[3].limits.open_files = 20;
    finds(f, DOCTOR_WARNING, "limits", "may open 20 files only");
    (void)start(state);
    f->ranks[3].limits.cpu_s = 600;
    finds(f, DOCTOR_WARNING, "limits", "killed after 600 s of CPU time");
}

static void storage(void **state)
{
    struct fixture *f = *state;
    f->storage.probe[0] = '\0';
    (void)snprintf(f->storage.why, STORAGE_TEXT, "nothing can be made there: Permission denied");
    finds(f, DOCTOR_ERROR, "output directory", "runs: nothing can be made there: Permission");
    (void)start(state);
    f->storage.replace_s = 1.5;
    finds(f, DOCTOR_WARNING, "output directory", "takes 1.5 s");
    (void)start(state);
    f->storage.in_memory = true;
    finds(f, DOCTOR_WARNING, "output directory", "lies in memory");
    (void)start(state);
    f->storage.free_bytes = 1 << 20;
    finds(f, DOCTOR_ERROR, "free space", "1 MiB in runs, but 1024 are asked for");
    (void)start(state);
    f->storage.free_files = 10;
    finds(f, DOCTOR_ERROR, "free space", "10 files (inodes)");
    (void)start(state);
    (void)snprintf(f->storage.why_no_lock, STORAGE_TEXT, "two locks were granted");
    finds(f, DOCTOR_ERROR, "locks", "two locks were granted");
    (void)start(state);
    f->ranks[2].seen = STORAGE_LOCK_IGNORED;
    finds(f, DOCTOR_ERROR, "locks", "did not keep b out");
    (void)start(state);
    f->ranks[2].seen = STORAGE_NOT_SHARED;
    finds(f, DOCTOR_WARNING, "shared storage", "b does not see what a writes");
}

static void clocks(void **state)
{
    struct fixture *f = *state;
    for (int k = 0; k < SKEW_ROUNDS; k++) {
        f->ranks[2].clock.entered[k] += 30.0;
        f->ranks[2].clock.left[k] += 30.0;
    }
    finds(f, DOCTOR_WARNING, "clock", "b is later than a by 30.0 s or more");
    (void)start(state);
    f->ranks[2].clock.entered[3] -= 60.0;
    f->ranks[2].clock.left[3] -= 60.0;
    finds(f, DOCTOR_WARNING, "clock", "was set meanwhile");
    (void)start(state);
    f->storage.ahead_lo_s = -3700.0;
    f->storage.ahead_hi_s = -3600.0;
    finds(f, DOCTOR_WARNING, "clock", "the file system of runs is earlier than a by 3600 s");
}

static void names(void **state)
{
    struct fixture *f = *state;
    f->ranks[2].name_state = NAME_UNKNOWN;
    f->ranks[2].name_s = 5.0;
    (void)snprintf(f->ranks[2].name_error, DOCTOR_NAME, "Name or service not known");
    finds(f, DOCTOR_WARNING, "host name", "'b' cannot be resolved on b (Name or service not known");
    (void)start(state);
    f->ranks[2].name_state = NAME_ELSEWHERE;
    finds(f, DOCTOR_WARNING, "host name", "'b' leads to 10.0.0.2, which is no address of b");
    (void)start(state);
    f->ranks[0].name_s = 3.0;
    finds(f, DOCTOR_WARNING, "host name", "took 3.0 s");
    (void)start(state);
    (void)snprintf(f->ranks[1].temporary, DOCTOR_TEXT, "/nowhere: No such file or directory");
    finds(f, DOCTOR_ERROR, "temporary files", "/nowhere: No such file");
}

static void programs(void **state)
{
    struct fixture *f = *state;
    setenv("PATH", "/nowhere::/neither", 1);
    doctor_report_init(&f->report);
    doctor_judge_tools(&f->report, &f->facts);
    assert_int_equal(f->report.n[DOCTOR_WARNING], 3);
    f->facts.library = "serial";
    doctor_judge_tools(&f->report, &f->facts);
    assert_int_equal(f->report.n[DOCTOR_WARNING], 5);
    assert_int_equal(f->report.n[DOCTOR_OK], 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_well), TEST(mpi),    TEST(launchers), TEST(the_start),
        TEST(arithmetic),  TEST(cores),  TEST(memory),    TEST(limits),
        TEST(storage),     TEST(clocks), TEST(names),     TEST(programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
