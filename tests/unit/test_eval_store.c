/* The evaluation store: rows come back to the bit, find their job by their names, and nothing else
 * gets in.
 */
#include "core/eval/eval_store.h"

#include "core/base/file.h"
#include "mpi/jobs/cell_digest.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/heard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { JOBS = 3 * 2 * 2 }; /* a rule and a policy of two seeds, 2 scenarios, episodes 5 and 6 */

static const uint64_t digests[2] = {17, 18};
static const struct grid_arm arms[3] = {
    {.name = "khpa, tuned", .controller = 0, .cell_digest = digests},
    {.name = "policy",
     .controller = 1,
     .learned = true,
     .policy = 255,
     .seed = 1,
     .cell_digest = digests},
    {.name = "policy",
     .controller = 1,
     .train = 1,
     .learned = true,
     .policy = 256,
     .seed = 2,
     .cell_digest = digests},
};
static const char *const scenarios[2] = {"quiet", "flood"};
static const struct eval_grid grid = {.arms = arms,
                                      .scenarios = scenarios,
                                      .split = "dev",
                                      .seed = 9,
                                      .n_arms = 3,
                                      .n_scenarios = 2,
                                      .first = 5,
                                      .n_episodes = 2};

struct scene {
    char dir[64], path[96];
    struct arena arena;
    struct eval_store l;
    struct eval_row rows[JOBS];
    struct heard heard;
};

static int setup(void **state)
{
    static struct scene s;
    s = (struct scene){.dir = "/tmp/karma_eval_store_XXXXXX"};
    arena_init(&s.arena);
    *state = &s;
    if (mkdtemp(s.dir) == NULL) {
        return -1;
    }
    snprintf(s.path, sizeof s.path, "%s/eval.csv", s.dir);
    for (int i = 0; i < JOBS; i++) {
        double values[METRIC_COUNT];
        for (int m = 0; m < METRIC_COUNT; m++) {
            values[m] = (i + 1) / (m + 3.0);
        }
        memcpy(&s.rows[i].m, values, sizeof values);
        s.rows[i].m.recovery = i % 3 == 0 ? (double)NAN : 1.0 / 3.0;
        s.rows[i].controller = arms[i / 4].controller;
        s.rows[i].train = arms[i / 4].train;
        s.rows[i].scenario = i / 2 % 2;
        s.rows[i].episode = (uint32_t)(5 + i % 2);
    }
    heard_begin(&s.heard);
    return eval_store_init(&s.l, &s.arena, &grid) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    heard_end();
    unlink(s->path);
    arena_release(&s->arena);
    return rmdir(s->dir);
}

/* The rows of the jobs [from, to), in steps of `by`. */
static void write_rows(struct scene *s, int from, int to, int by)
{
    struct csv csv;
    assert_int_equal(eval_store_create(&csv, &s->l, s->path), ERR_OK);
    for (int i = from; i != to; i += by) {
        assert_int_equal(eval_store_put(&csv, &s->l, i, &s->rows[i]), ERR_OK);
    }
    csv_close(&csv);
}

static void rows_come_back_to_the_bit(void **state)
{
    struct scene *s = *state;
    write_rows(s, 0, JOBS, 1);
    assert_int_equal(eval_store_read(&s->l, s->path), ERR_OK);
    assert_int_equal(s->l.n_known, JOBS);
    assert_int_equal(s->l.n_in_order, JOBS);
    assert_int_equal(eval_store_check_complete(&s->l), ERR_OK);
    for (int i = 0; i < JOBS; i++) {
        const struct eval_row *got = &s->l.rows[i];
        assert_true(got->controller == s->rows[i].controller && got->train == s->rows[i].train);
        assert_true(got->scenario == s->rows[i].scenario && got->episode == s->rows[i].episode);
        assert_int_equal(eval_store_compare(&s->l, i, &s->rows[i]), ERR_OK);
        assert_true(got->m.success == s->rows[i].m.success);
        assert_true(isnan(got->m.recovery) == isnan(s->rows[i].m.recovery));
        assert_int_equal(s->l.sources[i].line, i + 2);
    }
    s->rows[4].m.flips = nextafter(s->rows[4].m.flips, 1e9); /* the last bit */
    assert_int_equal(eval_store_compare(&s->l, 4, &s->rows[4]), ERR_MISMATCH);
    assert_non_null(strstr(s->heard.last, "eval.csv:6: this program measures flips"));
}

/* Any order is read; only the order of jobs counts as such. The second reading is of rows that are
 * known. */
static void rows_find_their_jobs(void **state)
{
    struct scene *s = *state;
    write_rows(s, JOBS - 1, -1, -1);
    assert_int_equal(eval_store_read(&s->l, s->path), ERR_OK);
    assert_int_equal(s->l.n_known, JOBS);
    assert_int_equal(s->l.n_in_order, 0);
    assert_int_equal(eval_store_read(&s->l, s->path), ERR_OK);
    assert_int_equal(s->l.n_known, JOBS);
    assert_int_equal(eval_store_rewrite(&s->l, s->path, s->l.rows), ERR_OK);
    struct eval_store again;
    assert_int_equal(eval_store_init(&again, &s->arena, &grid), ERR_OK);
    assert_int_equal(eval_store_read(&again, s->path), ERR_OK);
    assert_int_equal(again.n_in_order, JOBS);
}

/* A complete file in order that has one row twice, in the middle or at the end, has a row more than
 * an evaluation. */
static void a_row_that_stands_twice_is_out_of_order(void **state)
{
    struct scene *s = *state;
    for (int twice = 3; twice < JOBS; twice += JOBS - 4) {
        struct eval_store l;
        struct csv csv;
        assert_int_equal(eval_store_create(&csv, &s->l, s->path), ERR_OK);
        for (int i = 0; i < JOBS; i++) {
            for (int times = i == twice ? 2 : 1; times > 0; times--) {
                assert_int_equal(eval_store_put(&csv, &s->l, i, &s->rows[i]), ERR_OK);
            }
        }
        csv_close(&csv);
        assert_int_equal(eval_store_init(&l, &s->arena, &grid), ERR_OK);
        assert_int_equal(eval_store_read(&l, s->path), ERR_OK);
        assert_int_equal(l.n_known, JOBS);
        assert_false(eval_store_in_order(&l));
        assert_int_equal(eval_store_rewrite(&l, s->path, l.rows), ERR_OK);
        assert_int_equal(eval_store_init(&l, &s->arena, &grid), ERR_OK);
        assert_int_equal(eval_store_read(&l, s->path), ERR_OK);
        assert_true(eval_store_in_order(&l));
    }
}

static void a_row_of_each_arm_and_file_is_measured_again(void **state)
{
    struct scene *s = *state;
    bool again[JOBS] = {false};
    write_rows(s, 1, 6, 1);
    assert_int_equal(eval_store_read(&s->l, s->path), ERR_OK);
    eval_store_choose_rechecks(again, &s->l);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(again[i], i == 1 || i == 4);
    }
    assert_int_equal(eval_store_check_complete(&s->l), ERR_MISMATCH);
    assert_non_null(strstr(s->heard.last,
                           "7 of 12 rows are in none of the files; the first that is "
                           "missing: controller 'khpa, tuned', scenario 'quiet', "
                           "episode 5"));
}

/* In the text of the file, `from` becomes `to` where it stands first. */
static void edit(struct scene *s, const char *from, const char *to)
{
    struct buf text, edited;
    buf_init(&text);
    buf_init(&edited);
    write_rows(s, 0, JOBS, 1);
    assert_int_equal(file_read(&text, s->path, 1 << 20), ERR_OK);
    const char *all = (const char *)text.data, *at = strstr(all, from);
    assert_non_null(at);
    assert_int_equal(buf_printf(&edited, "%.*s%s%s", (int)(at - all), all, to, at + strlen(from)),
                     ERR_OK);
    assert_int_equal(file_write(s->path, edited.data, edited.len), ERR_OK);
    buf_release(&text);
    buf_release(&edited);
}

static void foreign_rows_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"khpa, tuned\"", "khpa", ":2: the controller 'khpa' is not"},
        {"00000000000000ff,1,", "00000000000000fe,1,", ":6: the policy with weights"},
        {"00000000000000ff,1,", "00000000000000ff,2,", ":6: the policy with weights"},
        {",quiet,", ",calm,", ":2: the scenario 'calm'"},
        {",dev,", ",train,", ":2: the domain 'train'"},
        {",dev,9,", ",dev,8,", ":2: the seed '8'"},
        {",9,5,", ",9,7,", ":2: the episode '7'"},
        {",9,5,", ",9,4,", ":2: the episode '4'"},
        {",9,5,", ",9,-1,", ":2: the episode '-1'"},
        {",9,5,", ",9,5x,", ":2: the episode '5x'"},
        {",0000000000000011\n", ",0000000000000012\n", ":2: controller 'khpa, tuned' in scenario"},
        {",nan,", ",none,", ":2: recovery is 'none', which is no number"},
        {"controller,", "controllers,", "has the column 'controllers' where"},
        {"slo_attainment,", "compliance,",
         "has the column 'compliance' where this program writes 'slo_attainment'"},
        {",cell_digest\n", ",setting\n",
         "has the column 'setting' where this program writes 'cell_digest'"},
        {",cell_digest\n", "\n", "has other columns"},
    };
    struct scene *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edit(s, cases[i].from, cases[i].to);
        assert_int_equal(eval_store_init(&s->l, &s->arena, &grid), ERR_OK);
        assert_int_not_equal(eval_store_read(&s->l, s->path), ERR_OK);
        if (strstr(s->heard.last, cases[i].says) == NULL) {
            fail_msg("'%s' does not say '%s'", s->heard.last, cases[i].says);
        }
    }
}

/* Names and lists do not decide what is measured; whatever else stands in a cell does. */
static void cell_digests_change_with_what_decides(void **state)
{
    static const char *const same[] = {"scenarios=[{name: calm}]", "eval.episodes=7",
                                       "eval.resamples=500", "train.seed=5",
                                       "eval.controllers=[{name: other, khpa: {}, show: false}]"};
    static const char *const other[] = {
        "cluster.start_s=21",
        "plant.period_s=30",
        "workload.mean_rps=51",
        "game.horizon=9",
        "scenarios=[{name: calm, events: [{kind: ddos, magnitude: {lo: 2, hi: 3}}]}]",
        "eval.controllers=[{khpa: {target: 0.7}}]",
        "eval.controllers=[nothing]"};
    const char *sets[3] = {"scenarios=[{name: quiet}]", "eval.controllers=[khpa]", NULL};
    struct experiment x;
    uint64_t want, got;
    (void)state;
    for (int k = -1; k < 12; k++) {
        const bool equal = k < 5;
        sets[2] = k < 0 ? "eval.episodes=30" : equal ? same[k] : other[k - 5];
        assert_int_equal(experiment_load(&x, "configs/experiments/warm_start.yaml", sets, 3),
                         ERR_OK);
        assert_int_equal(cell_digest(k < 0 ? &want : &got, &x.cfg, 0, 0), ERR_OK);
        experiment_release(&x);
        if (k >= 0 && (got == want) != equal) {
            fail_msg("%s", sets[2]);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_come_back_to_the_bit),
        TEST(rows_find_their_jobs),
        TEST(a_row_that_stands_twice_is_out_of_order),
        TEST(a_row_of_each_arm_and_file_is_measured_again),
        TEST(foreign_rows_are_refused),
        TEST(cell_digests_change_with_what_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
