/* Verdicts on tables: each fault is found in a table that has it and not in one that has not; and,
 * when the environment variable KARMA_DATA names a directory of real recordings, in those. */
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/plant/schema.h"
#include "core/trace/check.h"
#include "core/trace/export.h"
#include "core/trace/import.h"
#include "core/twin/trial.h"
#include "tests/store_fixture.h"
#include "tests/unit/scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

struct fixture {
    struct scene scene;
    struct sheet sheet;
    const char *path, *store, *table;
};

static int setup(void **state)
{
    static struct fixture f;
    const int e = scene_open(&f.scene);
    f.path = scene_file(&f.scene, "in.csv");
    f.store = scene_file(&f.scene, "store");
    f.table = scene_file(&f.scene, "out.csv");
    *state = &f;
    return e;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    return scene_close(&f->scene);
}

/* ---- tables ---- */

enum fault {
    NO_FAULT,
    CONSTANT,
    MISSING,
    TOO_LARGE,
    NEGATIVE,
    HALF_PODS,
    GAUGE_RATE,
    SHRINKING,
    GLOBAL_AVERAGE,
    CENSORED,
    BACK,
    STILL,
    IRREGULAR,
    RESAMPLED,
    ZERO_BLOCK,
    FAULTS
};
enum { ROWS = 300 };

/* A number that looks random, 0 .. 1: the same in every run. */
static double noise(int i, int k)
{
    const struct rng_key key = rng_key(5, RNG_TEST, RNG_TRAIN);
    return (double)rng_f32(rng_philox(key, (uint32_t)i, (uint32_t)k, 0, 0).v[0]);
}

struct sample {
    double t, pods, cpu, mem, in, out, ms;
};

/* What a sound exporter would have written of service k at row i; then the fault. */
static struct sample sample_of(enum fault fault, int i, int k)
{
    const int from = fault == RESAMPLED ? (i * 7) % 40 : i;
    const double load = 50 + 40 * noise(from / 10, 0) + 5 * noise(from, 1);
    struct sample s = {.t = 1000 + 15.0 * i,
                       .pods = 1 + (i / 20 + k) % 4,
                       .cpu = floor(load * (k + 2) + 10 * noise(from, 2 + k)),
                       .mem = floor(200 + 20 * k + 30 * noise(from / 5, 4 + k)),
                       .in = floor(load * 3 + 9 * noise(from, 6 + k)),
                       .out = floor(load * 9 + 9 * noise(from, 8 + k)),
                       .ms = 5 + load / 10 + (k + 1) * noise(from, 10 + k)};
    switch (fault) {
    case CONSTANT:
        s.ms = 0;
        break;
    case TOO_LARGE:
        s.ms = i == 100 ? 9004164.74 : s.ms;
        break;
    case NEGATIVE:
        s.cpu = i == 100 ? -1 : s.cpu;
        break;
    case HALF_PODS:
        s.pods += i == 100 ? 0.5 : 0;
        break;
    case GAUGE_RATE:
        s.mem = floor(3 * noise(i, 20 + k));
        break;
    case SHRINKING: /* the mean of all windows so far */
        s.ms = 0;
        for (int j = 0; j <= i; j++) {
            s.ms += (20 + 10 * noise(j, 30 + k)) / (i + 1);
        }
        break;
    case GLOBAL_AVERAGE:
        s.ms = 1000 + 50 * noise(i, 40);
        break;
    case CENSORED:
        s.ms = s.ms < 13 ? 4.75 : s.ms;
        break;
    case BACK:
        s.t = i < 150 ? s.t : s.t - 2000;
        break;
    case STILL:
        s.t = 1000 + 15.0 * (i / 3);
        break;
    case IRREGULAR:
        s.t += 30 * (i / 10);
        break;
    case ZERO_BLOCK:
        if (i >= 200 && i < 220) {
            s.cpu = s.mem = s.in = s.out = s.ms = 0;
        }
        break;
    default:
        break;
    }
    return s;
}

static void put_row(struct buf *b, enum fault fault, int i)
{
    OK(buf_printf(b, "%.9g", sample_of(fault, i, 0).t));
    for (int k = 0; k < 2; k++) {
        const struct sample s = sample_of(fault, i, k);
        OK(buf_printf(b, ",%g,%g,%g,%g,%g,%g,", s.pods, floor(s.pods), s.cpu, s.mem, s.in, s.out));
        if (fault != MISSING || i % 2 == 0) {
            OK(buf_printf(b, "%.9g", s.ms));
        }
    }
    OK(buf_printf(b, "\n"));
}

static void write_wide(struct fixture *f, enum fault fault)
{
    f->scene.text.len = 0;
    OK(buf_printf(&f->scene.text, "date"));
    for (int k = 0; k < 2; k++) {
        const char *s = k == 0 ? "web" : "db";
        OK(buf_printf(&f->scene.text,
                      ",%s_num_pods,%s_desired_replicas,%s_cpu_usage,%s_mem_usage,%s_traffic_in,"
                      "%s_traffic_out,%s_latency",
                      s, s, s, s, s, s, s));
    }
    OK(buf_printf(&f->scene.text, "\n"));
    for (int i = 0; i < ROWS; i++) {
        put_row(&f->scene.text, fault, i);
    }
    OK(file_write(f->path, f->scene.text.data, f->scene.text.len));
}

static void check_path(struct check *c, struct fixture *f, const char *path)
{
    arena_release(&f->scene.arena);
    arena_init(&f->scene.arena);
    OK(sheet_read(&f->sheet, &f->scene.arena, path));
    OK(check_sheet(c, &f->scene.arena, &f->sheet));
}

static void check_text(struct check *c, struct fixture *f, const char *text)
{
    OK(file_write(f->path, text, strlen(text)));
    check_path(c, f, f->path);
}

/* Every fault is found, and in the sound table none is. */
static void test_faults(void **state)
{
    static const struct {
        const char *column, *fault;
        enum check_verdict verdict;
    } expected[FAULTS] = {
        [CONSTANT] = {"latency", "constant", CHECK_FAIL},
        [MISSING] = {"latency", "missing", CHECK_WARN},
        [TOO_LARGE] = {"latency", "limits", CHECK_FAIL},
        [NEGATIVE] = {"cpu_usage", "limits", CHECK_FAIL},
        [HALF_PODS] = {"num_pods", "limits", CHECK_FAIL},
        [GAUGE_RATE] = {"mem_usage", "gauge rate", CHECK_FAIL},
        [SHRINKING] = {"latency", "average", CHECK_FAIL},
        [GLOBAL_AVERAGE] = {"latency", "average", CHECK_FAIL},
        [CENSORED] = {"latency", "censored", CHECK_WARN},
        [BACK] = {"(time)", "time", CHECK_FAIL},
        [STILL] = {"(time)", "time", CHECK_FAIL},
        [IRREGULAR] = {"(time)", "time", CHECK_WARN},
        [RESAMPLED] = {"(rows)", "repeated", CHECK_FAIL},
        [ZERO_BLOCK] = {"(rows)", "zero block", CHECK_FAIL},
    };
    struct fixture *f = *state;
    for (int fault = NO_FAULT; fault < FAULTS; fault++) {
        struct check c;
        write_wide(f, (enum fault)fault);
        check_path(&c, f, f->path);
        for (int other = NO_FAULT + 1; other < FAULTS; other++) {
            const enum check_verdict found =
                check_of(&c, expected[other].column, expected[other].fault);
            if (other == fault && found != expected[other].verdict) {
                fail_msg("fault %d: '%s' is %s", fault, expected[other].fault,
                         check_verdict_name(found));
            } else if (fault == NO_FAULT && found != CHECK_PASS) {
                fail_msg("no fault, but '%s' is %s", expected[other].fault,
                         check_verdict_name(found));
            }
        }
        assert_int_equal(check_of(&c, "traffic_in", "unit"), CHECK_WARN); /* known of the layout */
        assert_true(fault != NO_FAULT || c.worst == CHECK_WARN);
        check_release(&c);
    }
}

/* Units that contradict each other or their size. */
static void test_units(void **state)
{
    static const char head[] = "controller,scenario,seed,episode,time,service,";
    static const struct {
        const char *columns, *row; /* printed with the time and the row */
        const char *fault_in;
    } tables[] = {
        {"http_request_duration_p50_seconds,http_request_duration_p95_seconds", "%d,0.002%d",
         "http_request_duration_p95_seconds"},
        {"http_requests_failed_ratio,container_cpu_usage_cores", "3%d,0.%d",
         "http_requests_failed_ratio"},
        {"container_memory_working_set_bytes,container_cpu_usage_cores", "3%d0000000000000000,0.%d",
         "container_memory_working_set_bytes"},
        {"http_requests_per_second,http_requests_succeeded_per_second", "1%d,100%d0",
         "http_requests_per_second"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct check c;
        f->scene.text.len = 0;
        OK(buf_printf(&f->scene.text, "%s%s\n", head, tables[i].columns));
        for (int t = 0; t < 30; t++) {
            char row[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)snprintf(row, sizeof row, tables[i].row, t % 9 + 1, t % 9 + 1);
#pragma GCC diagnostic pop
            OK(buf_printf(&f->scene.text, "a,b,1,0,%d,web,%s\n", 15 * t, row));
        }
        check_text(&c, f, (const char *)f->scene.text.data);
        assert_int_equal(check_of(&c, tables[i].fault_in, "unit"), CHECK_FAIL);
        check_release(&c);
    }
}

/* ---- the words ---- */

/* The first metrics are the state schema, unit by unit. */
static void test_metrics_are_the_schema(void **state)
{
    (void)state;
    for (int i = 0; i < SERVICE_FEATURES + GLOBAL_FEATURES; i++) {
        const bool whole = i >= SERVICE_FEATURES;
        const struct feature_info *info =
            whole ? &global_feature_info[i - SERVICE_FEATURES] : &service_feature_info[i];
        assert_string_equal(metrics[i].name, info->name);
        assert_string_equal(metrics[i].unit, info->unit);
        assert_int_equal(metrics[i].whole, whole);
    }
    for (const struct metric *m = metrics; m->name != NULL; m++) {
        assert_ptr_equal(metric_find(m->name), m); /* names are unique, both of them */
        assert_ptr_equal(metric_find_prometheus(m->prometheus), m);
        assert_true(m->si > 0.0 && m->min < m->max);
    }
    for (const struct layout *l = layouts; l->name != NULL; l++) {
        for (const struct layout_column *k = l->columns; k != NULL && k->header != NULL; k++) {
            assert_non_null(metric_find(k->metric));
        }
    }
}

/* ---- tables that are none ---- */

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "is empty"},
        {"a,b\n1,2\n", "no layout that is known; columns found: 'a', 'b'; missing: tidy"},
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
        assert_int_equal(sheet_read(&f->sheet, &f->scene.arena, f->path), ERR_FORMAT);
        assert_int_equal(f->scene.log.n, 1);
        assert_non_null(strstr(f->scene.log.last, bad[i].words));
    }
}

/* ---- import, export ---- */

static const struct import_cfg import_cfg = {.origin = "a test",
                                             .licence = "CC0",
                                             .split_seed = 1,
                                             .validation = 0.1,
                                             .held_out = 0.1,
                                             .gap_periods = 2};

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
    OK(sheet_read(&f->sheet, &f->scene.arena, f->path));
    OK(import_sheet(&r, f->store, &f->sheet, &import_cfg, &f->scene.arena));
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

/* ---- recordings as they come ---- */

static void import_text(struct fixture *f, const char *text, struct import_result *r)
{
    OK(file_write(f->path, text, strlen(text)));
    OK(sheet_read(&f->sheet, &f->scene.arena, f->path));
    OK(import_sheet(r, f->store, &f->sheet, &import_cfg, &f->scene.arena));
}

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
    OK(sheet_read(&f->sheet, &f->scene.arena, f->path));
    assert_int_equal(import_sheet(&r, f->store, &f->sheet, &import_cfg, &f->scene.arena),
                     ERR_FORMAT);
    assert_non_null(strstr(f->scene.log.last, "'x' in column seed"));
    assert_non_null(strstr(f->scene.log.last, "controller, scenario, seed and episode"));
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
    OK(sheet_read(&f->sheet, &f->scene.arena, f->path));
    assert_int_equal(f->sheet.n_rows, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(f->sheet.time_s[i] == times[i]);
    }
    for (int k = 0; k < 3; k++) {
        assert_true(sheet_at(&f->sheet, 1, k, 0) == 4 + k);
    }
    assert_true(isnan(sheet_at(&f->sheet, 2, 1, 0)) && sheet_at(&f->sheet, 3, 1, 0) == 8);
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
    OK(sheet_read(&f->sheet, &f->scene.arena, f->path));
    OK(import_sheet(&r, f->store, &f->sheet, &import_cfg, &f->scene.arena));
    assert_non_null(strstr(f->scene.log.last, "offered load is unknown"));
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(store_read(&e, &s, 0, &f->scene.arena));
    assert_int_equal(e.delta[0], 2);
    assert_int_equal(e.delta[1], -1);
    store_close(&s);
    OK(file_write(f->path, untimed, sizeof untimed - 1));
    OK(sheet_read(&f->sheet, &f->scene.arena, f->path));
    assert_int_equal(import_sheet(&r, f->store, &f->sheet, &import_cfg, &f->scene.arena),
                     ERR_FORMAT);
    assert_non_null(strstr(f->scene.log.last, "no times"));
}

enum { T = 40, C = 2 * SERVICE_FEATURES + GLOBAL_FEATURES };

/* An episode of the whole schema, and its header. */
struct trip {
    struct store_header h;
    struct store_episode e;
    const char *columns[C], *units[C];
    float values[(T + 1) * C], load[T];
    int32_t delta[T * 2], attack[T * STORE_ATTACK];
    double measure[T * 2];
    uint8_t gaps[((T + 1) * C + 7) / 8];
};

static void name_trip(struct trip *trip, struct arena *arena)
{
    static const char *const services[] = {"web", "a.b"};
    static const char *const measures[] = {"received", "used_m_mean"};
    for (int i = 0; i < C; i++) {
        const int feature = i < 2 * SERVICE_FEATURES ? i % SERVICE_FEATURES : i - SERVICE_FEATURES;
        const struct metric *m = &metrics[feature];
        trip->columns[i] =
            m->whole ? m->name
                     : arena_printf(arena, "%s.%s", services[i / SERVICE_FEATURES], m->name);
        trip->units[i] = m->unit;
    }
    trip->h = store_fixture_header(services, 2, trip->columns, trip->units, C, measures, 2);
    trip->h.plant = "cluster";
}

static void make_trip(struct trip *trip, struct arena *arena)
{
    memset(trip, 0, sizeof *trip);
    name_trip(trip, arena);
    for (int i = 0; i < (T + 1) * C; i++) {
        trip->values[i] = (float)(1e3 * noise(i, 50));
    }
    trip->gaps[1] = 0x11;
    trip->values[8] = trip->values[12] = 0.0F;
    for (int t = 0; t < T; t++) {
        trip->load[t] = (float)(100 * noise(t, 51));
        trip->attack[t * STORE_ATTACK + 1] = t % 5 - 2;
        trip->delta[2 * t] = t % 7 - 3;
        trip->measure[2 * t] = t;
        trip->measure[2 * t + 1] = noise(t, 52) / 3;
    }
    trip->e = (struct store_episode){.controller = "#khpa, \"tuned\" ",
                                     .scenario = "ddos",
                                     .seed = 18446744073709551615U,
                                     .episode = 12,
                                     .n_steps = T,
                                     .state = trip->values,
                                     .delta = trip->delta,
                                     .attack = trip->attack,
                                     .load = trip->load,
                                     .measure = trip->measure,
                                     .gaps = trip->gaps};
}

static void assert_trip(struct fixture *f, const struct trip *trip)
{
    struct store s;
    struct store_episode got;
    OK(store_open(&s, &f->scene.arena, f->store));
    assert_int_equal(s.header.n_columns, C);
    assert_int_equal(s.header.n_measures, 2);
    for (int i = 0; i < C; i++) {
        assert_string_equal(s.header.columns[i], trip->columns[i]);
        assert_string_equal(s.header.units[i], trip->units[i]);
    }
    OK(store_read(&got, &s, 0, &f->scene.arena));
    assert_int_equal(got.n_steps, T);
    assert_true(got.seed == trip->e.seed);
    assert_int_equal(got.episode, 12);
    assert_string_equal(got.controller, trip->e.controller);
    assert_memory_equal(got.state, trip->values, sizeof trip->values);
    assert_memory_equal(got.delta, trip->delta, sizeof trip->delta);
    assert_memory_equal(got.attack, trip->attack, sizeof trip->attack);
    assert_memory_equal(got.load, trip->load, sizeof trip->load);
    assert_memory_equal(got.measure, trip->measure, sizeof trip->measure);
    assert_memory_equal(got.gaps, trip->gaps, sizeof trip->gaps);
    store_close(&s);
}

/* Store -> table -> store: the same arrays, bit by bit. */
static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    static struct trip trip;
    struct store s;
    struct import_result r;
    make_trip(&trip, &f->scene.arena);
    OK(store_fixture_write(f->store, &trip.h, &trip.e));
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(export_table(f->table, &s, &f->scene.arena));
    store_close(&s);
    unlink(f->store);
    OK(sheet_read(&f->sheet, &f->scene.arena, f->table));
    assert_string_equal(f->sheet.layout->name, "tidy");
    assert_true(f->sheet.exported && sheet_services(&f->sheet) == 2);
    OK(import_sheet(&r, f->store, &f->sheet, &import_cfg, &f->scene.arena));
    assert_trip(f, &trip);
}

/* Two policies of one name that played the same episode stay two in the table. */
static void test_policies_of_one_name(void **state)
{
    struct fixture *f = *state;
    static struct trip trip;
    struct store s;
    struct import_result r;
    struct store_writer w;
    make_trip(&trip, &f->scene.arena);
    OK(store_create(&w, f->store, &trip.h));
    for (uint64_t policy = 1; policy <= 2; policy++) {
        struct buf b;
        buf_init(&b);
        trip.e.policy = policy;
        OK(codec_put_episode(&b, &trip.e, &trip.h));
        OK(store_put(&w, b.data, b.len));
        buf_release(&b);
    }
    OK(store_finish(&w));
    OK(store_open(&s, &f->scene.arena, f->store));
    OK(export_table(f->table, &s, &f->scene.arena));
    store_close(&s);
    unlink(f->store);
    OK(sheet_read(&f->sheet, &f->scene.arena, f->table));
    assert_int_equal(f->sheet.n_still + f->sheet.n_back, 0);
    OK(import_sheet(&r, f->store, &f->sheet, &import_cfg, &f->scene.arena));
    assert_int_equal(r.n_episodes, 2);
    assert_int_equal(r.n_steps, 2 * T);
}

/* ---- real ones ---- */

struct real {
    const char *file, *column, *fault;
    enum check_verdict verdict;
};
#define GYM  "gym-hpa-derived/"
#define SHOP "sockshop-gke/"
static const struct real real[] = {
    {GYM "karma_real_cluster_rows.csv", "latency", "constant", CHECK_FAIL},
    {GYM "pangjian_redis_gym_observation.csv.gz", "(rows)", "repeated", CHECK_FAIL},
    {GYM "pangjian_redis_gym_observation.csv.gz", "(time)", "time", CHECK_FAIL},
    {GYM "pangjian_redis_gym_observation.csv.gz", "(rows)", "zero block", CHECK_FAIL},
    {GYM "online_boutique_unique_measured_states.csv.gz", "(time)", "time", CHECK_FAIL},
    {GYM "online_boutique_unique_measured_states.csv.gz", "latency", "average", CHECK_FAIL},
    {GYM "online_boutique_unique_measured_states.csv.gz", "mem_usage", "gauge rate", CHECK_FAIL},
    {GYM "online_boutique_unique_measured_states.csv.gz", "traffic_in", "unit", CHECK_WARN},
    {GYM "redis_unique_measured_states.csv.gz", "(time)", "time", CHECK_FAIL},
    {GYM "redis_unique_measured_states.csv.gz", "latency", "limits", CHECK_FAIL},
    {SHOP "mixed/metrics.csv", "p95_latency_ms", "censored", CHECK_WARN},
    {SHOP "mixed/metrics.csv", "p95_latency_ms", "missing", CHECK_WARN},
    {SHOP "mixed/metrics.csv", "(time)", "time", CHECK_PASS},
    {SHOP "experiments/step/run_1/metrics.csv", "memory_usage_mb", "gauge rate", CHECK_PASS},
    {SHOP "experiments/step/run_1/metrics.csv", "(rows)", "repeated", CHECK_PASS},
    {SHOP "hpa_vs_proactive_flat.csv.gz", "p95_ms", "censored", CHECK_WARN},
};

static void test_real_recordings(void **state)
{
    struct fixture *f = *state;
    const char *dir = getenv("KARMA_DATA");
    if (dir == NULL || dir[0] == '\0') {
        print_message("KARMA_DATA names no directory of recordings\n");
        skip();
    }
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        struct check c;
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, real[i].file);
        if (!file_exists(path)) {
            print_message("%s is not there\n", path);
            continue;
        }
        check_path(&c, f, path);
        if (check_of(&c, real[i].column, real[i].fault) != real[i].verdict) {
            fail_msg("%s, %s: %s is %s", path, real[i].column, real[i].fault,
                     check_verdict_name(check_of(&c, real[i].column, real[i].fault)));
        }
        check_release(&c);
    }
}

#define TEST_(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_metrics_are_the_schema),
        TEST_(test_faults),
        TEST_(test_units),
        TEST_(test_refusals),
        TEST_(test_import),
        TEST_(test_import_wide),
        TEST_(test_single_recording),
        TEST_(test_staggered_services),
        TEST_(test_empty_hour),
        TEST_(test_trial),
        TEST_(test_round_trip),
        TEST_(test_policies_of_one_name),
        TEST_(test_real_recordings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
