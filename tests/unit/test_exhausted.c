/* Whichever piece of memory is refused, a constructor returns ERR_MEMORY, says so once, leaks
 * nothing and reads or writes nothing that it did not get: k = 1, 2, ... until nothing fails. */
#include "core/eval/separation.h"
#include "core/game/game.h"
#include "core/trace/check.h"
#include "core/trace/import.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/eval_rows.h"
#include "tests/unit/twin_fixture.h"

static const char warm_start[] = "configs/experiments/warm_start.yaml";

/* Makes something in the arena. What it holds beside the arena it releases, on failure, too. */
typedef enum err builder(void *ctx, struct arena *arena);

static int times_said(const struct heard *log, const char *text)
{
    int n = 0;
    for (const char *at = strstr(log->text, text); at != NULL; at = strstr(at + 1, text)) {
        n++;
    }
    return n;
}

/* Returns the number of pieces that the constructor asks for. */
static int refuse_each(builder *build, void *ctx)
{
    static struct heard log;
    enum err e = ERR_MEMORY;
    int k = 0;
    while (e != ERR_OK) {
        struct arena arena;
        arena_init(&arena);
        heard_begin(&log);
        mem_fail_piece((uint64_t)++k);
        e = build(ctx, &arena);
        mem_fail_piece(0);
        if (e != ERR_OK && (e != ERR_MEMORY || times_said(&log, "out of memory") != 1)) {
            fail_msg("piece %d was refused: %s, and the log says: %s", k, err_name(e), log.text);
        }
        arena_release(&arena);
    }
    heard_end();
    return k - 1;
}

/* ---- an experiment, its game and its evaluation ---- */

static enum err build_experiment(void *ctx, struct arena *arena)
{
    struct experiment x;
    (void)ctx;
    (void)arena; /* it has its own */
    const enum err e = experiment_load(&x, warm_start, NULL, 0);
    if (e == ERR_OK) {
        experiment_release(&x);
    }
    return e;
}

static void an_experiment(void **state)
{
    (void)state;
    assert_true(refuse_each(build_experiment, NULL) > 100);
}

static enum err build_game(void *ctx, struct arena *arena)
{
    const struct experiment *x = ctx;
    struct env *env;
    return game_new(&env, arena, &x->rules, 4, 1, NULL);
}

static enum err build_eval(void *ctx, struct arena *arena)
{
    const struct experiment *x = ctx;
    struct eval *e;
    struct eval_teams *teams = ARENA_NEW(arena, x->cfg.eval.n_controllers, struct eval_teams);
    TRY(arena_error(arena));
    return eval_new(&e, arena, &x->cfg.eval, &x->env_setup, &x->rules, teams);
}

static void a_game_and_an_evaluation(void **state)
{
    static const char *const sets[] = {"game.obs.stack=2", "twin.file=\"\"",
                                       "eval.controllers=[nothing, khpa, ff, oracle]"};
    struct experiment x;
    (void)state;
    OK(experiment_load(&x, warm_start, sets, 3));
    assert_true(refuse_each(build_game, &x) > 50);
    assert_true(refuse_each(build_eval, &x) > 20);
    experiment_release(&x);
}

/* ---- what is made of the rows of an evaluation ---- */

static double any_value(const struct eval_row *row, int metric)
{
    return 1.0 + row->controller + 0.1 * row->train + 0.01 * metric + 0.001 * row->episode;
}

static enum err build_tables(void *ctx, struct arena *arena)
{
    struct fixture *x = ctx;
    struct arena scratch;
    arena_init(&scratch);
    enum err e = summary_init(&x->s, arena, &x->f.cfg, x->f.scenarios, x->f.n_scenarios, x->f.rows,
                              x->f.n_rows, &scratch);
    if (e == ERR_OK) {
        e = claims_init(&x->claims, arena, &x->s, &scratch);
    }
    if (e == ERR_OK) {
        e = frontiers_init(&x->fr, arena, &x->s, &scratch);
    }
    if (e == ERR_OK) {
        e = separation_init(&x->separation, arena, &x->s, &scratch);
    }
    arena_release(&scratch);
    return e;
}

static void tables_of_an_evaluation(void **state)
{
    struct fixture *x;
    setup(state);
    x = *state;
    fake_eval_init(&x->f, 2, 3);
    x->f.cfg.resamples = 10;
    x->f.cfg.separation = "khpa";
    x->claim_cfgs[0] = (struct claim_cfg){.arm = "policy", .baseline = "khpa"};
    x->f.cfg.claims = x->claim_cfgs;
    x->f.cfg.n_claims = 1;
    fake_eval_add(&x->f, "nothing", &controller_nothing, true, 1);
    fake_eval_add(&x->f, "khpa", &controller_khpa, true, 1);
    fake_eval_add(&x->f, "ff", &controller_ff, true, 1);
    fake_eval_add(&x->f, "oracle", &controller_oracle, true, 1);
    fake_eval_add(&x->f, "policy", &controller_policy, true, 2);
    fake_eval_fill(&x->f, any_value);
    assert_true(refuse_each(build_tables, x) > 100);
    teardown(state);
}

/* ---- a twin ---- */

static enum err fit(struct twin_fixture *w, struct arena *arena, struct arena *scratch)
{
    TRY(model_begin(&w->model, arena, w->traces, &w->fit, NULL, scratch));
    for (int i = 0; i < w->fit.members; i++) {
        TRY(learn_member(&w->model.ensemble, i, &w->model.data, &w->fit, false, NULL, scratch));
    }
    return model_calibrate(&w->model, arena, w->fit.noise_rows, scratch);
}

static enum err build_fit(void *ctx, struct arena *arena)
{
    struct arena scratch;
    arena_init(&scratch);
    const enum err e = fit(ctx, arena, &scratch);
    arena_release(&scratch);
    return e;
}

static enum err build_twin(void *ctx, struct arena *arena)
{
    struct twin_fixture *w = ctx;
    struct twin_batch batch;
    TRY(model_load(&w->model, arena, &w->use, w->file));
    return twin_batch_init(&batch, arena, &w->model, 4);
}

static void a_twin_and_its_fit(void **state)
{
    static struct twin_fixture w;
    (void)state;
    assert_int_equal(twin_fixture_open(&w), 0);
    w.hidden[0] = w.hidden[1] = 8;
    w.fit.epochs = 1;
    w.fit.noise_rows = 16;
    linear_store(w.traces, 0, 12, 6, NULL);
    twin_fixture_save(&w);
    assert_true(refuse_each(build_fit, &w) > 100);
    assert_true(refuse_each(build_twin, &w) > 50);
    assert_int_equal(twin_fixture_close(&w), 0);
}

/* ---- a table of measurements ---- */

struct table_files {
    const char *table, *store;
};

static enum err build_check(void *ctx, struct arena *arena)
{
    const struct table_files *f = ctx;
    struct metrics_table table;
    struct check check;
    TRY(metrics_table_read(&table, arena, f->table));
    const enum err e = check_table(&check, arena, &table);
    check_release(&check);
    return e;
}

static enum err build_import(void *ctx, struct arena *arena)
{
    static const struct import_cfg cfg = {.origin = "a test", .licence = "CC0", .gap_periods = 2};
    const struct table_files *f = ctx;
    struct import_result r;
    struct metrics_table table;
    (void)unlink(f->store);
    TRY(metrics_table_read(&table, arena, f->table));
    return import_table(&r, f->store, &table, &cfg, arena);
}

static void a_table_that_is_checked_and_imported(void **state)
{
    struct scene s;
    struct table_files f;
    (void)state;
    assert_int_equal(scene_open(&s), 0);
    f.table = scene_file(&s, "in.csv");
    f.store = scene_file(&s, "store");
    OK(buf_printf(&s.text, "timestamp,service,request_rate_rps,error_rate_pct,p50_latency_ms,"
                           "p95_latency_ms,p99_latency_ms,cpu_usage_pct,memory_usage_mb\n"));
    for (int i = 0; i < 80; i++) {
        OK(buf_printf(&s.text, "%d,%s,%d,%d,%d,%d,%d,%d,%d\n", 30 * (i / 2),
                      i % 2 == 0 ? "web" : "db", 90 + i * 5 % 13, i % 3, 10 + i % 5, 20 + i % 7,
                      30 + i % 11, 40 + i * 7 % 31, 200 + i % 17));
    }
    OK(file_write(f.table, s.text.data, s.text.len));
    assert_true(refuse_each(build_check, &f) > 20);
    assert_true(refuse_each(build_import, &f) > 20);
    assert_int_equal(scene_close(&s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_experiment),
        cmocka_unit_test(a_game_and_an_evaluation),
        cmocka_unit_test(tables_of_an_evaluation),
        cmocka_unit_test(a_twin_and_its_fit),
        cmocka_unit_test(a_table_that_is_checked_and_imported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
