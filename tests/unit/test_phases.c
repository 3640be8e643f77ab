/* The stopwatch: every second belongs to one phase, waits are taken out; the file and the table. */
#include "core/base/log.h"
#include "mpi/train/phases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void nap(long ms)
{
    const struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

/* 20 ms of simulating with 15 ms of networks, 20 ms of waiting in an update, a broadcast that waits
 * and keeps its wait. Naps may take longer than they should, never shorter. */
static void test_stopwatch(void **state)
{
    (void)state;
    struct comm comm = {.rank = 0, .size = 1};
    struct phases p;
    struct phase_row row;
    phases_begin(&p, &comm);
    assert_int_equal(phases_enter(&p, PHASE_SIMULATE), PHASE_OTHER);
    nap(20);
    p.infer_s += 0.015;
    assert_int_equal(phases_enter(&p, PHASE_UPDATE), PHASE_SIMULATE);
    nap(20);
    comm.wait_seconds += 0.02;
    phases_enter(&p, PHASE_BROADCAST);
    nap(10);
    comm.wait_seconds += 0.01;
    comm.bytes_sent = 77;
    comm.n_sent = 3;
    phases_enter(&p, PHASE_OTHER);
    phases_times(&p, &row);
    assert_true(row.spent[PHASE_SIMULATE].s >= 0.005);
    assert_true(row.spent[PHASE_INFER].s == 0.015);
    assert_true(row.spent[PHASE_SIMULATE].cpu_s < row.spent[PHASE_INFER].cpu_s);
    assert_true(row.spent[PHASE_WAIT].s > 0.0199 && row.spent[PHASE_WAIT].s < 0.0201);
    assert_true(row.spent[PHASE_UPDATE].s >= 0.0);
    assert_true(row.spent[PHASE_BROADCAST].s >= 0.01);
    assert_true(row.spent[PHASE_SEND].s == 0.0);
    assert_true(row.bytes == 77 && row.messages == 3);
}

static void fill(struct phase_row *rows, int n)
{
    memset(rows, 0, (size_t)n * sizeof *rows);
    for (int r = 0; r < n; r++) {
        for (int k = 0; k < N_PHASES; k++) {
            rows[r].spent[k] = (struct phase_time){r + 0.25 * k, 0.5 * r};
        }
        rows[r].bytes = (uint64_t)r * 1000;
        rows[r].memory = (uint64_t)r * 4096;
    }
}

static void test_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/karma-phases-XXXXXX", path[64];
    struct phase_row rows[3];
    struct arena arena;
    char line[1024] = "";
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/ranks.csv", dir);
    arena_init(&arena);
    fill(rows, 3);
    assert_int_equal(phases_write(rows, 3, &arena, path), ERR_OK);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_non_null(strstr(line, "rank,simulate_s,simulate_cpu_s,infer_s,"));
    while (fgets(line, sizeof line, f) != NULL) {
    }
    fclose(f);
    assert_string_equal(line, "2,2,1,2.25,1,2.5,1,2.75,1,3,1,3.25,1,3.5,1,2000,0,8192\n");
    unlink(path);
    rmdir(dir);
    arena_release(&arena);
}

static char logged[8192];

static void keep(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    const size_t n = strlen(logged);
    snprintf(logged + n, sizeof logged - n, "%s\n", line);
}

static int count_lines(void)
{
    int n = 0;
    for (const char *c = logged; *c != '\0'; c++) {
        n += *c == '\n';
    }
    return n;
}

static void show(int n)
{
    struct arena arena;
    arena_init(&arena);
    struct phase_row *rows = ARENA_NEW(&arena, n, struct phase_row);
    fill(rows, n);
    logged[0] = '\0';
    log_set_sink(keep, NULL);
    assert_int_equal(phases_show(rows, n, &arena), ERR_OK);
    log_set_sink(NULL, NULL);
    arena_release(&arena);
}

/* A headline, names, a rule; then ranks, or five quantiles. */
static void test_table(void **state)
{
    (void)state;
    show(PHASES_RANKS_SHOWN);
    assert_int_equal(count_lines(), 3 + PHASES_RANKS_SHOWN);
    assert_non_null(strstr(logged, "rank  simulate"));
    show(PHASES_RANKS_SHOWN + 1);
    assert_int_equal(count_lines(), 3 + 5);
    assert_non_null(strstr(logged, "of ranks  simulate"));
    const char *median = strstr(logged, "median");
    assert_non_null(median);
    assert_true(strtod(median + strlen("median"), NULL) == PHASES_RANKS_SHOWN / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopwatch),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
