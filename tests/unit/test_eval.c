/* The job list of an evaluation, on short episodes of the cluster simulator. */
#include "core/eval/eval.h"

#include "core/base/log.h"
#include "core/eval/episode.h"
#include "core/eval/outcomes.h"
#include "mpi/jobs/experiment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char config[] = "configs/experiments/warm_start.yaml";
static const char *const sets[] = {"game.horizon=6", "eval.episodes=3",
                                   "scenarios=[{name: quiet}, {name: calm}]",
                                   "eval.controllers=[nothing, khpa, ff, {name: again, khpa: {}}]"};
enum { SETS = sizeof sets / sizeof *sets };

static struct eval *make(struct experiment *x, const char *const *with, int n)
{
    struct eval *e = NULL;
    assert_int_equal(experiment_load(x, config, with, n), ERR_OK);
    struct eval_teams *teams = ARENA_NEW(&x->arena, x->cfg.eval.n_controllers, struct eval_teams);
    assert_int_equal(eval_new(&e, &x->arena, &x->cfg.eval, &x->env_setup, &x->rules, teams),
                     ERR_OK);
    return e;
}

static void rows_come_in_order(void **state)
{
    (void)state;
    struct experiment x;
    struct outcomes o;
    int n;
    struct eval *e = make(&x, sets, SETS);
    const struct job_list jobs = eval_jobs(e);
    assert_int_equal(jobs.n, 4 * 2 * 3);
    assert_int_equal(jobs_run(&jobs), ERR_OK);
    const struct eval_row *rows = eval_rows(e, &n);
    assert_int_equal(n, jobs.n);
    assert_int_equal(outcomes_init(&o, &x.arena, rows, n, 4, 2, 3), ERR_OK);
    /* the same settings under another name do the same, episode by episode */
    for (int i = 0; i < 6; i++) {
        assert_memory_equal(&rows[6 + i].m, &rows[18 + i].m, sizeof rows->m);
    }
    assert_true(memcmp(&rows[0].m, &rows[1].m, sizeof rows->m) != 0); /* another episode */
    experiment_release(&x);
}

/* A row is what the episode of its identity gives, whoever ran before: any rank may run any job. */
static void jobs_are_pure(void **state)
{
    (void)state;
    struct experiment x;
    struct buf first;
    struct buf second;
    struct eval *e = make(&x, sets, SETS);
    const struct job_list jobs = eval_jobs(e);
    buf_init(&first);
    buf_init(&second);
    assert_int_equal(jobs.run(jobs.ctx, 13, &first), ERR_OK);
    assert_int_equal(jobs.run(jobs.ctx, 2, &second), ERR_OK);
    second.len = 0;
    assert_int_equal(jobs.run(jobs.ctx, 13, &second), ERR_OK);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    buf_release(&first);
    buf_release(&second);
    experiment_release(&x);
}

struct heard {
    char line[1024];
    int n;
};

static void hear(void *ctx, enum log_level level, const char *line)
{
    struct heard *h = ctx;
    (void)level;
    snprintf(h->line, sizeof h->line, "%s", line);
    h->n++;
}

static void names_are_unique(void **state)
{
    static const char *const twice[] = {"eval.controllers=[khpa, nothing, {khpa: {target: 0.5}}]"};
    (void)state;
    struct experiment x;
    struct heard heard = {.n = 0};
    struct eval *e;
    struct eval_teams teams[3] = {{NULL, 0}};
    assert_int_equal(experiment_load(&x, config, twice, 1), ERR_OK);
    log_set_sink(hear, &heard);
    assert_int_equal(eval_new(&e, &x.arena, &x.cfg.eval, &x.env_setup, &x.rules, teams),
                     ERR_CONFIG);
    log_set_sink(NULL, NULL);
    assert_int_equal(heard.n, 1);
    assert_non_null(
        strstr(heard.line, "eval.controllers.0 and eval.controllers.2 are both called 'khpa'"));
    experiment_release(&x);
}

/* A row of eval.frontier is named as such, although it stands behind the controllers by then. */
static void names_are_unique_across_lists(void **state)
{
    static const char *const twice[] = {"eval.controllers=[nothing, khpa]",
                                        "eval.frontier=[{name: f, ff: {}}, {khpa: {target: 0.5}}]"};
    (void)state;
    struct experiment x;
    struct heard heard = {.n = 0};
    struct eval *e;
    struct eval_teams teams[4] = {{NULL, 0}};
    assert_int_equal(experiment_load(&x, config, twice, 2), ERR_OK);
    log_set_sink(hear, &heard);
    assert_int_equal(eval_new(&e, &x.arena, &x.cfg.eval, &x.env_setup, &x.rules, teams),
                     ERR_CONFIG);
    log_set_sink(NULL, NULL);
    assert_non_null(strstr(heard.line, "eval.controllers.1 and eval.frontier.1 are both called"));
    assert_string_equal(eval_key_of(&x.cfg.eval, 0).text, "eval.controllers.0");
    assert_string_equal(eval_key_of(&x.cfg.eval, 2).text, "eval.frontier.0");
    experiment_release(&x);
}

/* Rows of eval.frontier stand behind the controllers and in no table; the resolved configuration
 * holds them once. */
static void frontiers_are_appended(void **state)
{
    static const char *const grid[] = {
        "eval.controllers=[nothing, {name: a, khpa: {}, show: false}]",
        "eval.frontier=[{name: b, ff: {growth: 5}}, {name: c, khpa: {target: 0.3}}]"};
    (void)state;
    struct experiment x;
    assert_int_equal(experiment_load(&x, config, grid, 2), ERR_OK);
    const struct eval_cfg *e = &x.cfg.eval;
    assert_int_equal(e->n_controllers, 4);
    assert_int_equal(e->n_frontier, 0);
    assert_true(e->controllers[0].show && !e->controllers[1].show);
    assert_true(!e->controllers[2].show && !e->controllers[3].show);
    assert_string_equal(e->controllers[2].name, "b");
    assert_string_equal(controller_kind(&e->controllers[3])->cfg.name, "khpa");
    assert_non_null(strstr((const char *)x.resolved.data, "  frontier: []"));
    experiment_release(&x);
}

/* An ff that asks for several pods at once gets one a decision; doing nothing stays what it is. */
static void the_step_bound_reaches_episodes(void **state)
{
    static const char *const both[] = {
        "game.horizon=6", "eval.episodes=1", "scenarios=[{name: quiet}]",
        "eval.controllers=[nothing, {ff: {utilisation: 0.2}}]", "eval.step_bound=1"};
    (void)state;
    struct experiment x, y;
    int n;
    struct eval *unbounded = make(&x, both, 4), *bounded = make(&y, both, 5);
    const struct job_list a = eval_jobs(unbounded), b = eval_jobs(bounded);
    assert_int_equal(jobs_run(&a), ERR_OK);
    assert_int_equal(jobs_run(&b), ERR_OK);
    const struct eval_row *p = eval_rows(unbounded, &n), *q = eval_rows(bounded, &n);
    assert_memory_equal(&p[0].m, &q[0].m, sizeof p->m);
    assert_true(q[1].m.vcpu < p[1].m.vcpu);
    experiment_release(&x);
    experiment_release(&y);
}

/* The training domain has no name, so no configuration can evaluate on it. */
static void training_episodes_cannot_be_evaluated(void **state)
{
    static const char *const train[] = {"eval.split=train"};
    (void)state;
    struct experiment x;
    struct heard heard = {.n = 0};
    log_set_sink(hear, &heard);
    assert_int_equal(experiment_load(&x, config, train, 1), ERR_CONFIG);
    log_set_sink(NULL, NULL);
    assert_non_null(strstr(heard.line, "eval.split"));
}

/* A caller that fills the struct itself gets no further. */
static void the_training_domain_is_refused_below_the_configuration(void **state)
{
    (void)state;
    struct experiment x;
    struct heard heard = {.n = 0};
    struct eval *e;
    struct eval_teams teams[4] = {{NULL, 0}};
    assert_int_equal(experiment_load(&x, config, sets, SETS), ERR_OK);
    x.cfg.eval.split = RNG_TRAIN;
    log_set_sink(hear, &heard);
    assert_int_equal(eval_new(&e, &x.arena, &x.cfg.eval, &x.env_setup, &x.rules, teams),
                     ERR_CONFIG);
    log_set_sink(NULL, NULL);
    assert_non_null(strstr(heard.line, "never from those that policies were trained on"));
    experiment_release(&x);
}

/* The same numbers in another domain are another episode: nothing measured on DEV or TEST is what a
 * training with that seed has met. */
static void domains_share_no_episode(void **state)
{
    (void)state;
    struct experiment x;
    struct episode e;
    struct controller *c;
    struct episode_metrics m[3];
    static const enum rng_split splits[3] = {RNG_TRAIN, RNG_DEV, RNG_TEST_SPLIT};
    assert_int_equal(experiment_load(&x, config, sets, SETS), ERR_OK);
    assert_int_equal(episode_init(&e, &x.arena, &x.env_setup), ERR_OK);
    assert_int_equal(
        controller_new(&c, &x.arena, &x.cfg.eval.controllers[0], &x.env_setup, &x.rules, NULL),
        ERR_OK);
    for (int i = 0; i < 3; i++) {
        const struct episode_id id = {.seed = 1, .split = splits[i], .env = 2};
        assert_int_equal(episode_run(&e, &m[i], c, 0, &id, NULL), ERR_OK);
    }
    assert_true(m[0].latency != m[1].latency && m[0].latency != m[2].latency &&
                m[1].latency != m[2].latency);
    experiment_release(&x);
}

/* eval.first shifts the numbers: episode 2 is the same episode in both lists. */
static void episodes_keep_their_numbers(void **state)
{
    static const char *const later[] = {"game.horizon=6", "eval.episodes=1", "eval.first=2",
                                        "scenarios=[{name: quiet}]", "eval.controllers=[nothing]"};
    (void)state;
    struct experiment x, y;
    int n;
    struct eval *a = make(&x, sets, SETS);
    struct eval *b = make(&y, later, 5);
    const struct job_list jobs_a = eval_jobs(a), jobs_b = eval_jobs(b);
    assert_int_equal(jobs_run(&jobs_a), ERR_OK);
    assert_int_equal(jobs_run(&jobs_b), ERR_OK);
    const struct eval_row *row = eval_rows(b, &n);
    assert_int_equal(n, 1);
    assert_int_equal(row->episode, 2);
    assert_memory_equal(&row->m, &eval_rows(a, &n)[2].m, sizeof row->m);
    experiment_release(&x);
    experiment_release(&y);
}

static void damaged_records_are_refused(void **state)
{
    (void)state;
    struct experiment x;
    struct heard heard = {.n = 0};
    struct buf record;
    int n;
    struct eval *e = make(&x, sets, SETS);
    const struct job_list jobs = eval_jobs(e);
    buf_init(&record);
    assert_int_equal(jobs.run(jobs.ctx, 0, &record), ERR_OK);
    record.data[record.len - 1] ^= 1;
    log_set_sink(hear, &heard);
    assert_int_not_equal(jobs.take(jobs.ctx, 0, record.data, record.len), ERR_OK);
    assert_int_not_equal(jobs.take(jobs.ctx, 0, record.data, record.len / 2), ERR_OK);
    log_set_sink(NULL, NULL);
    eval_rows(e, &n);
    assert_int_equal(n, 0);
    buf_release(&record);
    experiment_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_order),
        cmocka_unit_test(jobs_are_pure),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(names_are_unique_across_lists),
        cmocka_unit_test(frontiers_are_appended),
        cmocka_unit_test(the_step_bound_reaches_episodes),
        cmocka_unit_test(training_episodes_cannot_be_evaluated),
        cmocka_unit_test(the_training_domain_is_refused_below_the_configuration),
        cmocka_unit_test(domains_share_no_episode),
        cmocka_unit_test(episodes_keep_their_numbers),
        cmocka_unit_test(damaged_records_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
