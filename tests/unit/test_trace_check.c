/* Verdicts on tables: each fault is found in a table that has it and not in one that has not; and,
 * when the environment variable KARMA_DATA names a directory of real recordings, in those. */
#include "core/plant/schema.h"
#include "tests/unit/trace_scene.h"

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
        assert_int_equal(check_of(&c, "traffic_in", "unit"), CHECK_WARN); /* known of the format */
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
        assert_string_equal(column_defs[i].name, info->name);
        assert_string_equal(column_defs[i].unit, info->unit);
        assert_int_equal(column_defs[i].whole, whole);
    }
    for (const struct column_def *m = column_defs; m->name != NULL; m++) {
        assert_ptr_equal(column_def_find(m->name), m); /* names are unique, both of them */
        assert_ptr_equal(column_def_find_prometheus(m->prometheus), m);
        assert_true(m->si > 0.0 && m->min < m->max);
    }
    for (const struct csv_format *l = csv_formats; l->name != NULL; l++) {
        for (const struct csv_format_column *k = l->columns; k != NULL && k->header != NULL; k++) {
            assert_non_null(column_def_find(k->def_name));
        }
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_(test_metrics_are_the_schema),
        TEST_(test_faults),
        TEST_(test_units),
        TEST_(test_real_recordings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
