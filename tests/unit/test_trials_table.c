/* What is shown of a tuning: the order of trials, the best of the last rung, the configured one;
 * and the rows from which the figure is drawn. */
#include "core/report/trials_table.h"

#include "core/base/csv_read.h"
#include "core/base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static struct trial_result result(int trial, int rung, double objective, double vcpu)
{
    return (struct trial_result){
        .trial = trial,
        .rung = rung,
        .budget = 4 * rung,
        .n_episodes = 4 * rung,
        .score = {.objective = {objective, objective - 0.1, objective + 0.1},
                  .slo_attainment = {0.5 + 0.1 * vcpu / 10, 0.4, 0.9},
                  .vcpu = {vcpu, vcpu - 1, vcpu + 1}}};
}

static const char *const values[] = {"0.7", "0.25", "0.9", "1"};
static struct tune_key keys[] = {{.key = "utilisation", .from = 0.4, .to = 1}};
static const struct tune_cfg cfg = {.keys = keys,
                                    .n_keys = 1,
                                    .trials = 4,
                                    .search = TUNE_HALVING,
                                    .reference = "static",
                                    .metric = "slo_attainment"};

/* Trial 2 was the best of rung 1 and is not the best of rung 2; trial 4 has no objective. */
static int fill(struct trial_result *r)
{
    int n = 0;
    r[n++] = result(1, 1, 0.1, 5);
    r[n++] = result(2, 1, 0.4, 6);
    r[n++] = result(3, 1, 0.3, 7);
    r[n++] = result(4, 1, (double)NAN, 8);
    r[n++] = result(2, 2, 0.2, 6);
    r[n++] = result(3, 2, 0.25, 7);
    return n;
}

static struct trials_report report(struct trial_result *r)
{
    static const char *const notes[] = {"a note"};
    return (struct trials_report){.cfg = &cfg,
                                  .values = values,
                                  .results = r,
                                  .n_results = fill(r),
                                  .n_rungs = 2,
                                  .notes = notes,
                                  .n_notes = 1};
}

static void the_best(void **state)
{
    (void)state;
    struct trial_result r[8];
    struct trials_report all = report(r);
    assert_int_equal(trials_best(&all)->trial, 3);
    assert_int_equal(trials_last(&all, 2)->rung, 2);
    assert_int_equal(trials_last(&all, 4)->rung, 1);
    assert_null(trials_last(&all, 7));
    r[4].score.objective.value = r[5].score.objective.value = (double)NAN;
    assert_null(trials_best(&all)); /* and none of an earlier rung in its place */
    r[4].score.objective.value = 0.2;
    r[5] = result(3, 2, 0.9, 7);
    r[5].failed = true;
    assert_int_equal(trials_best(&all)->trial, 2);
}

/* Best first; the configured one below, though it was dropped. */
static void the_table(void **state)
{
    (void)state;
    struct trial_result r[8];
    const struct trials_report all = report(r);
    struct arena scratch;
    struct buf b;
    arena_init(&scratch);
    buf_init(&b);
    assert_int_equal(trials_print(&b, &all, TABLE_TEXT, &scratch), ERR_OK);
    assert_int_equal(buf_append(&b, "", 1), ERR_OK);
    const char *text = (const char *)b.data;
    const char *third = strstr(text, "\n3 "), *second = strstr(text, "\n2 ");
    const char *configured = strstr(text, "\n1 (configured)");
    assert_memory_equal(text, "  a note\n", 9);
    assert_non_null(strstr(text, "utilisation"));
    assert_true(third != NULL && second > third && configured > second);
    assert_null(strstr(text, "\n4 "));
    assert_non_null(strstr(third, "+0.2500 [+0.1500, +0.3500]"));
    buf_release(&b);
    arena_release(&scratch);
}

static int count_role(const char *path, const char *role)
{
    enum { COLUMNS = 12 };
    const char *cells[COLUMNS];
    struct csv_reader r;
    enum csv_status status = CSV_ROW;
    int n = 0;
    assert_int_equal(csv_reader_open(&r, path), ERR_OK);
    while (status == CSV_ROW) {
        assert_int_equal(csv_reader_next(&r, cells, COLUMNS, &status), ERR_OK);
        n += status == CSV_ROW && strcmp(cells[0], role) == 0;
    }
    csv_reader_close(&r);
    return n;
}

/* Each trial once, by its last rung; the frontier of the last rung, and of the reference, both on
 * to the right edge. */
static void the_figure(void **state)
{
    (void)state;
    struct trial_result r[8];
    struct trials_report all = report(r);
    const struct frontier_point reference[] = {{4, 0.4, 0}, {5, 0.5, 1}};
    char dir[] = "/tmp/karma-trials-XXXXXX", path[64], script[64];
    struct buf text = {0};
    struct arena scratch;
    arena_init(&scratch);
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/trials.csv", dir);
    (void)snprintf(script, sizeof script, "%s/trials.gp", dir);
    all.reference = reference;
    all.n_reference = 2;
    assert_int_equal(trials_figure(dir, &all, &scratch), ERR_OK);
    assert_int_equal(count_role(path, "best"), 1);
    assert_int_equal(count_role(path, "trial"), 1);
    assert_int_equal(count_role(path, "dropped"), 1);
    assert_int_equal(count_role(path, "configured"), 1);
    assert_int_equal(count_role(path, "reference"), 3);
    assert_int_equal(count_role(path, "frontier"), 3); /* 6 and 7 vCPU, the edge at 8 */
    assert_int_equal(file_read(&text, script, 1 << 16), ERR_OK);
    assert_int_equal(buf_append(&text, "", 1), ERR_OK);
    assert_non_null(strstr((const char *)text.data, "set xrange [GPVAL_X_MIN:GPVAL_X_MAX]"));
    buf_release(&text);
    assert_int_equal(file_remove(path), ERR_OK);
    assert_int_equal(file_remove(script), ERR_OK);
    assert_int_equal(remove(dir), 0);
    arena_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best),
        cmocka_unit_test(the_table),
        cmocka_unit_test(the_figure),
    };
    return cmocka_run_group_tests_name("trials table", tests, NULL, NULL);
}
