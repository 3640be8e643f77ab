/* Tables on their way into a store: what is not a table of measurements is refused by name, rows
 * become samples, samples become episodes, holes become gaps. A trial tells the same beforehand. */
#include "core/twin/trial.h"
#include "tests/unit/trace_scene.h"

/* ---- tables that are none ---- */

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "is empty"},
        {"5,6\n1,2\n", ":1: this line holds numbers, '5', '6', where a header"},
        {"a,b\n1,2\n", "no known CSV format; columns found: 'a', 'b'; missing: tidy"},
        {"time,service,load\n1,web,2\n", "needs 'http_requests_per_second' or another metric"},
        {"Time,http_requests_per_second\n1,2\n", "needs 'service'"},
        {"date,web_cpu_usage\n", "no rows"},
        {"date,web_cpu_usage\n2024-01-01,many\n", ":2: 'many'"},
        {"date,web_cpu_usage\nyesterday,1\n", "is no time"},
        {"date,web_cpu_usage\n2024-01-01,1,2\n", ":2:"},
        {"date,web_cpu_usage\n2024-01-01,\"1\n", "never closed"},
        {"date,\"web_cpu_usage\n", "never closed"},
        {"date,web_cpu_usage,web_CPU_usage\n2024-01-01,1,2\n", "2 'web_cpu_usage' and 3"},
        {"time,service,kube_deployment_spec_replicas,kube_deployment_spec_replicas\n1,web,2,3\n",
         ":1: columns 3 'kube_deployment_spec_replicas' and 4"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        heard_forget(&f->scene.log);
        OK(file_write(f->path, bad[i].text, strlen(bad[i].text)));
        assert_int_equal(metrics_table_read(&f->parsed, &f->scene.arena, f->path), ERR_FORMAT);
        assert_int_equal(f->scene.log.n, 1);
        assert_non_null(strstr(f->scene.log.last, bad[i].words));
    }
}

/* ---- import ---- */

/* Services together whatever the order of rows; a missing row and a missing value are gaps; a hole
 * of more than gap_periods ends the episode; a row that stands alone is left out. */
static void test_import(void **state)
{
    static const char text[] =
        "timestamp,service,request_rate_rps,error_rate_pct,p50_latency_ms,p95_latency_ms,"
        "p99_latency_ms,cpu_usage_pct,memory_usage_mb\n"
        "0,web,10,50,1,2,3,100,200\n30.01,web,20,0,1,2,3,200,200\n120,web,30,0,1,2,3,300,200\n"
        "600,web,40,0,1,2,3,1,200\n630,web,40,0,1,2,3,1,200\n660,web,40,0,1,2,3,1,200\n690,web,40,"
        "0,1,2,3,1,200\n2000,web,1,0,1,2,3,1,200\n"
        "0,db,5,0,nan,nan,nan,10,90\n30.01,db,6,0,1,2,3,20,90\n120,db,7,0,1,2,3,30,90\n"
        "600,db,8,0,1,2,3,1,0\n630,db,8,0,1,2,3,1,90\n660,db,8,0,1,2,3,1,90\n690,db,8,0,1,2,3,1,"
        "90\n2000,db,1,0,1,2,3,1,90\n";
    struct fixture *f = *state;
    struct import_result r;
    struct store s;
    struct store_episode e;
    OK(file_write(f->path, text, sizeof text - 1));
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->path));
    OK(import_table(&r, f->store, &f->parsed, &import_cfg, &f->scene.arena));
    assert_int_equal(r.n_episodes, 2);
    assert_int_equal(r.n_left_out, 1);
    assert_true(r.period_s == 30.0);
    OK(store_open(&s, &f->scene.arena, f->store));
    assert_int_equal(s.header.n_services, 2);
    assert_string_equal(s.header.services[0], "db");
    assert_string_equal(s.header.columns[7], "web.received");
    OK(store_read(&e, &s, 0, &f->scene.arena));
    assert_int_equal(e.n_steps, 4);
    assert_true(e.state[7] == 10.0F && e.state[14 + 7] == 20.0F); /* (row, column) */
    assert_true(e.state[8] == 0.5F && e.state[12] == 1000.0F);    /* a share, milli-cores */
    assert_true(e.load[0] == 10.0F && e.load[1] == 20.0F);        /* of the busiest */
    for (int row = 0; row <= 4; row++) {
        assert_int_equal(store_known(&e, 14, row, 7), row != 2 && row != 3);
    }
    assert_false(store_known(&e, 14, 0, 2));
    assert_true(store_known(&e, 14, 1, 2));
    OK(store_read(&e, &s, 1, &f->scene.arena));
    assert_true(e.start_s == 600.0 && e.n_steps == 3);
    assert_false(store_known(&e, 14, 0, 6)); /* memory of 0 */
    assert_true(store_known(&e, 14, 1, 6));
    store_close(&s);
}

/* The table of n bytes is read, and import refuses it with a sentence that contains `why`. */
static void assert_refused(struct fixture *f, const char *text, size_t n, const char *why)
{
    struct import_result r;
    OK(file_write(f->path, text, n));
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->path));
    assert_int_equal(import_table(&r, f->store, &f->parsed, &import_cfg, &f->scene.arena),
                     ERR_FORMAT);
    assert_non_null(strstr(f->scene.log.last, why));
}

/* Changes of replicas are the desired ones'; without times nothing is imported. */
static void test_import_wide(void **state)
{
    static const char text[] = "date,web_num_pods,web_desired_replicas,web_cpu_usage\n"
                               "0,1,1,100\n15,1,3,110\n30,3,2,90\n";
    static const char untimed[] = "seen,web_cpu_usage\n1,2\n1,3\n";
    struct fixture *f = *state;
    struct import_result r;
    struct store s;
    struct store_episode e;
    OK(file_write(f->path, text, sizeof text - 1));
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->path));
    OK(import_table(&r, f->store, &f->parsed, &import_cfg, &f->scene.arena));
    assert_non_null(strstr(f->scene.log.last, "offered load is unknown"));
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(store_read(&e, &s, 0, &f->scene.arena));
    assert_int_equal(e.delta[0], 2);
    assert_int_equal(e.delta[1], -1);
    store_close(&s);
    assert_refused(f, untimed, sizeof untimed - 1, "no times");
}

/* ---- recordings as they come ---- */

/* One recording says neither who played nor with which seed. */
static void test_single_recording(void **state)
{
    static const char text[] =
        "time,service,http_requests_per_second\n0,web,1\n15,web,2\n30,web,3\n";
    static const char bad[] = "time,service,seed,http_requests_per_second\n0,web,x,1\n15,web,x,2\n";
    struct fixture *f = *state;
    struct import_result r;
    struct store s;
    struct store_episode e;
    import_text(f, text, &r);
    assert_int_equal(r.n_episodes, 1);
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(store_read(&e, &s, 0, &f->scene.arena));
    assert_string_equal(e.controller, "recording");
    assert_string_equal(e.scenario, f->path);
    assert_int_equal(e.n_steps, 2);
    store_close(&s);
    unlink(f->store);
    OK(file_write(f->path, bad, sizeof bad - 1));
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->path));
    assert_int_equal(import_table(&r, f->store, &f->parsed, &import_cfg, &f->scene.arena),
                     ERR_FORMAT);
    assert_non_null(strstr(f->scene.log.last, "'x' in column seed"));
    assert_non_null(strstr(f->scene.log.last, "controller, scenario, seed and episode"));
}

/* Controller, seed and number of episode i. */
static struct store_episode episode_at(struct fixture *f, int i)
{
    struct store s;
    struct store_episode e;
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(store_read(&e, &s, i, &f->scene.arena));
    store_close(&s);
    return e;
}

/* The second piece of a table's episode 0 is not the table's episode 1, in no store. */
static void test_pieces_of_numbered_episodes(void **state)
{
    static const char text[] = "time,service,seed,episode,http_requests_per_second\n"
                               "0,web,7,0,1\n15,web,7,0,2\n30,web,7,0,3\n900,web,7,0,4\n"
                               "915,web,7,0,5\n930,web,7,0,6\n0,web,7,1,1\n15,web,7,1,2\n";
    static const char big[] = "time,service,seed,episode,http_requests_per_second\n"
                              "0,web,7,4294967296,1\n15,web,7,4294967296,2\n";
    struct fixture *f = *state;
    struct import_result r;
    import_text(f, text, &r);
    assert_int_equal(r.n_episodes, 3);
    const struct store_episode first = episode_at(f, 0), later = episode_at(f, 1),
                               other = episode_at(f, 2);
    assert_true(first.seed == 7 && first.episode == 0);
    assert_true(later.seed != 7 && later.episode == 1);
    assert_true(other.seed == 7 && other.episode == 1);
    const char *const from[] = {f->store};
    OK(store_merge(scene_file(&f->scene, "merged"), from, 1, &f->scene.arena));
    assert_refused(f, big, sizeof big - 1, "a whole number, 0 to 4294967295, was expected");
}

/* Services that are asked one after the other are one sample; the same service again is another. */
static void test_staggered_services(void **state)
{
    static const char text[] =
        "time,service,http_requests_per_second\n0,web,1\n0.003,db,2\n3.5,cache,3\n"
        "15,web,4\n15.003,db,5\n18.5,cache,6\n30,web,7\n34,db,8\n45,web,9\n45.5,web,10\n";
    static const double times[] = {0, 15, 30, 34, 45, 45.5};
    struct fixture *f = *state;
    OK(file_write(f->path, text, sizeof text - 1));
    OK(metrics_table_read(&f->parsed, &f->scene.arena, f->path));
    assert_int_equal(f->parsed.n_rows, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(f->parsed.time_s[i] == times[i]);
    }
    for (int k = 0; k < 3; k++) {
        assert_true(metrics_table_at(&f->parsed, 1, k, 0) == 4 + k);
    }
    assert_true(isnan(metrics_table_at(&f->parsed, 2, 1, 0)) &&
                metrics_table_at(&f->parsed, 3, 1, 0) == 8);
}

/* An hour in which nothing was received is said, and is a gap: the episode ends there. */
static void test_empty_hour(void **state)
{
    struct fixture *f = *state;
    struct import_result r;
    struct check c;
    f->scene.text.len = 0;
    OK(buf_printf(&f->scene.text, "time,service,http_requests_per_second\n"));
    for (int i = 0; i < 400; i++) {
        OK(buf_printf(&f->scene.text, "%d,web,%g\n%d,db,%d\n", 15 * i,
                      i >= 100 && i < 340 ? 0.0 : 50 + 9 * noise(i, 60), 15 * i,
                      i >= 90 && i < 350 ? 0 : 50 + i % 7));
    }
    OK(buf_append(&f->scene.text, "", 1));
    check_text(&c, f, (const char *)f->scene.text.data);
    assert_int_equal(check_of(&c, "(rows)", "empty"), CHECK_WARN);
    assert_int_equal(c.worst, CHECK_WARN);
    check_release(&c);
    import_text(f, (const char *)f->scene.text.data, &r);
    assert_int_equal(r.n_empty, 240);
    assert_int_equal(r.n_episodes, 2);
    assert_int_equal(r.n_steps, 99 + 59);
}

/* The check says what the next steps would: nothing but a trial can know. */
static void test_trial(void **state)
{
    static const char untimed[] = "seen,web_cpu_usage\n1,2\n1,3\n";
    static const char alone[] = "time,service,http_requests_per_second\n0,web,1\n15,web,2\n";
    static const char seed[] =
        "time,service,seed,http_requests_per_second\n0,web,x,1\n15,web,x,2\n";
    struct fixture *f = *state;
    const char *const texts[] = {untimed, seed, alone};
    struct trial t;
    OK(trial_begin(&t));
    for (int i = 0; i < 3; i++) {
        struct check c;
        check_text(&c, f, texts[i]);
        OK(trial_table(&t, &c, &import_cfg, 2));
        assert_int_equal(check_of(&c, "(import)", "import"), i < 2 ? CHECK_FAIL : CHECK_PASS);
        assert_int_equal(check_of(&c, "(fit)", "fit"), i < 2 ? CHECK_PASS : CHECK_WARN);
        check_release(&c);
    }
    assert_int_equal(t.n_stores, 1);
    const char *why = NULL;
    OK(trial_together(&why, &t, &f->scene.arena, 2));
    assert_non_null(strstr(why, "no transition for"));
    trial_end(&t);
    assert_false(file_exists(t.dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_refusals),
        TEST_(test_import),
        TEST_(test_import_wide),
        TEST_(test_single_recording),
        TEST_(test_pieces_of_numbered_episodes),
        TEST_(test_staggered_services),
        TEST_(test_empty_hour),
        TEST_(test_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
