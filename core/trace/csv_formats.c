/* One table for each format. See csv_formats.h. */
#include "core/trace/csv_formats.h"

#include "core/base/tabular.h"
#include "core/trace/column_def.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define CSV_FORMAT_END                                                                             \
    {                                                                                              \
        NULL, NULL, 0.0, NULL                                                                      \
    }

static const char bytes_as_kbit[] =
    "labelled kbit/s, but the exporter of gym-hpa divides bytes/s by 1000: read as kB/s, times 8";

/* jpedro1992/gym-hpa and what was derived from it: observations of the deployments. */
static const struct csv_format_column gym_hpa[] = {
    {"_num_pods", "deployed", 1.0, NULL},
    {"_desired_replicas", "desired", 1.0, NULL},
    {"_cpu_usage", "cpu", 1.0, NULL},
    {"_mem_usage", "ram", 1.0, NULL},
    {"_traffic_in", "net_in", 8.0, bytes_as_kbit},
    {"_traffic_out", "net_out", 8.0, bytes_as_kbit},
    {"_latency", "latency", 1.0, NULL},
    CSV_FORMAT_END,
};

/* PHCA-Systems/proactive-microservices-autoscaler: metrics.csv. A per cent of CPU is one of a core.
 */
static const struct csv_format_column sock_shop[] = {
    {"request_rate_rps", "received", 1.0, NULL},  {"error_rate_pct", "error_ratio", 0.01, NULL},
    {"p50_latency_ms", "latency_p50", 1.0, NULL}, {"p95_latency_ms", "latency_p95", 1.0, NULL},
    {"p99_latency_ms", "latency_p99", 1.0, NULL}, {"cpu_usage_pct", "cpu", 10.0, NULL},
    {"memory_usage_mb", "ram", 1.0, NULL},        CSV_FORMAT_END,
};

/* The same project, its comparison of autoscalers: all runs in one table. */
static const struct csv_format_column sock_shop_runs[] = {
    {"replicas", "deployed", 1.0, NULL},  {"rps", "received", 1.0, NULL},
    {"p95_ms", "latency_p95", 1.0, NULL}, {"p99_ms", "latency_p99", 1.0, NULL},
    {"cpu_pct", "cpu", 10.0, NULL},       CSV_FORMAT_END,
};

const struct csv_format csv_formats[] = {
    {.name = "tidy",
     .doc = "what `karma trace export` writes: SI units, Prometheus' names",
     .time = "time",
     .service = "service",
     .runs = {"controller", "scenario", "seed", "episode"},
     .must = NULL},
    {.name = "sock-shop",
     .doc = "metrics.csv of the Sock Shop recordings",
     .time = "timestamp",
     .service = "service",
     .must = "request_rate_rps",
     .columns = sock_shop},
    {.name = "sock-shop-runs",
     .doc = "all runs of the Sock Shop autoscaler comparison",
     .time = "timestamp",
     .service = "service",
     .runs = {"file"},
     .must = "p95_ms",
     .columns = sock_shop_runs},
    {.name = "gym-hpa",
     .doc = "observations of gym-hpa, one row for all deployments",
     .wide = true,
     .time = "date",
     .must = "_cpu_usage",
     .columns = gym_hpa},
    {.name = NULL},
};

int csv_format_stem(const char *header, const char *suffix)
{
    const size_t n = strlen(header), m = strlen(suffix);
    return n > m && strcasecmp(header + n - m, suffix) == 0 ? (int)(n - m) : 0;
}

static bool has(const char *const *header, int n, const char *name)
{
    for (int i = 0; i < n; i++) {
        if (strcasecmp(header[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_suffix(const char *const *header, int n, const char *suffix)
{
    for (int i = 0; i < n; i++) {
        if (csv_format_stem(header[i], suffix) > 0) {
            return true;
        }
    }
    return false;
}

static bool has_time(const char *const *header, int n)
{
    for (int i = 0; tabular_time_names[i] != NULL; i++) {
        if (has(header, n, tabular_time_names[i])) {
            return true;
        }
    }
    return false;
}

static bool has_prometheus(const char *const *header, int n)
{
    for (int i = 0; i < n; i++) {
        if (column_def_find_prometheus(header[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Does the header have the column that no other format has? For the tidy table that is any metric
 * by its name in Prometheus. */
static bool has_must(const struct csv_format *l, const char *const *header, int n)
{
    return l->must == NULL ? has_prometheus(header, n)
           : l->wide       ? has_suffix(header, n, l->must)
                           : has(header, n, l->must);
}

const char *csv_format_missing(const struct csv_format *l, struct arena *arena,
                               const char *const *header, int n)
{
    const char *list = "";
    if (!l->wide && !has_time(header, n)) {
        list = arena_printf(arena, "'%s'", l->time);
    }
    if (list != NULL && !l->wide && !has(header, n, l->service)) {
        list = arena_printf(arena, "%s%s'%s'", list, list[0] != '\0' ? ", " : "", l->service);
    }
    if (list != NULL && !has_must(l, header, n)) {
        list = arena_printf(arena, "%s%s'%s%s'%s", list, list[0] != '\0' ? ", " : "",
                            l->wide ? "SERVICE" : "",
                            l->must != NULL ? l->must : "http_requests_per_second",
                            l->must != NULL ? "" : " or another metric of docs/traces.md");
    }
    return list;
}

/* The first format that fits. A wide one needs no time: a table without times can be checked,
 * though not imported. */
const struct csv_format *csv_format_of(const char *const *header, int n)
{
    for (const struct csv_format *l = csv_formats; l->name != NULL; l++) {
        if (has_must(l, header, n) &&
            (l->wide || (has_time(header, n) && has(header, n, l->service)))) {
            return l;
        }
    }
    return NULL;
}
