/* Launched: the variables that launchers set, one set for each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mpi/comm/launched.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
    "PMI_SIZE",
    "SLURM_JOB_ID",
    "SLURM_STEP_ID",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "SLURM_JOB_NUM_NODES",
    "SLURM_CPUS_PER_TASK",
};

/* Words "NAME=VALUE", separated by blanks, and nothing else of these names. */
static struct launched under(const char *environment)
{
    char words[512], *rest = NULL;
    struct launched l;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsetenv(names[i]);
    }
    assert_true(strlen(environment) < sizeof words);
    memcpy(words, environment, strlen(environment) + 1);
    for (char *w = strtok_r(words, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(w, '=');
        *value++ = '\0';
        setenv(w, value, 1);
    }
    launched_read(&l);
    return l;
}

#define JOB "SLURM_JOB_ID=12 SLURM_NTASKS=4 SLURM_JOB_NUM_NODES=2 SLURM_PROCID=1 "

static void launchers(void **state)
{
    (void)state;
    struct launched l = under("");
    assert_int_equal(l.by, LAUNCHER_NONE);
    assert_true(l.size == 0 && l.rank == -1 && l.job == NULL && !l.step);
    l = under("OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=2");
    assert_true(l.by == LAUNCHER_OPENMPI && l.size == 3 && l.rank == 2);
    l = under("PMI_SIZE=5 PMI_RANK=4");
    assert_true(l.by == LAUNCHER_PMI && l.size == 5 && l.rank == 4);
    assert_string_equal(launched_by(&l), "mpiexec of MPICH or Intel MPI");
    l = under(JOB "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 PMIX_RANK=1");
    assert_true(l.by == LAUNCHER_PMIX && l.size == 4 && l.rank == 1 && l.tasks == 4 &&
                l.nodes == 2);
    l = under(JOB "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 PMI_RANK=1");
    assert_string_equal(launched_by(&l), "srun --mpi=pmi2");
    assert_true(launched_with_old_pmi(&l, "Open MPI 4.1.4"));
    assert_false(launched_with_old_pmi(&l, "MPICH 4.0.2"));
    assert_false(launched_without_pmix(&l, "Open MPI 4.1.4"));
}

/* The daemons of mpirun are a step of srun, too. */
static void mpirun_within_slurm(void **state)
{
    (void)state;
    struct launched l = under(JOB "SLURM_STEP_ID=0 OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_RANK=0");
    assert_true(l.by == LAUNCHER_OPENMPI && l.step);
    assert_false(launched_without_pmix(&l, "Open MPI 4.1.4"));
}

static void srun_alone(void **state)
{
    (void)state;
    struct launched l = under(JOB "SLURM_STEP_ID=3 SLURM_STEP_NUM_TASKS=4");
    assert_true(launched_without_pmix(&l, "Open MPI 4.1.4"));
    assert_false(launched_without_pmix(&l, "serial"));
    assert_false(launched_without_pmix(&l, "MPICH 4.0.2"));
    l = under(JOB "SLURM_STEP_ID=3 SLURM_STEP_NUM_TASKS=4 PMIX_RANK=1");
    assert_false(launched_without_pmix(&l, "Open MPI 4.1.4"));
}

/* A batch script and a shell of salloc are no steps of srun. */
static void shells_of_a_job(void **state)
{
    (void)state;
    struct launched l = under(JOB);
    assert_true(l.by == LAUNCHER_NONE && strcmp(l.job, "12") == 0);
    l = under(JOB "SLURM_STEP_ID=4294967290");
    assert_int_equal(l.by, LAUNCHER_NONE);
    assert_false(launched_without_pmix(&l, "Open MPI 4.1.4"));
}

static void garbage(void **state)
{
    (void)state;
    struct launched l = under("OMPI_COMM_WORLD_SIZE=many OMPI_COMM_WORLD_RANK=-3");
    assert_true(l.by == LAUNCHER_OPENMPI && l.size == 0 && l.rank == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launchers),  cmocka_unit_test(mpirun_within_slurm),
        cmocka_unit_test(srun_alone), cmocka_unit_test(shells_of_a_job),
        cmocka_unit_test(garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
