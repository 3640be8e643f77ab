/* The table. Limits are generous on purpose: beyond them a value is wrong, not rare.
 *
 * The macros below fill in unit, factor to SI, kind and limits of the quantities that occur more
 * than once. All searches are linear: the table is short, and names are looked up once for each
 * column. */
#include "core/trace/column_def.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { PODS_MAX = 100000 };
#define MCPU_MAX    1e7  /* ten thousand cores */
#define MIB_MAX     1e8  /* 100 TiB */
#define KBIT_MAX    1e10 /* 10 Tbit/s */
#define RPS_MAX     1e9  /* a billion requests a second */
#define LATENCY_MAX 6e5  /* ten minutes: no client waits longer */
#define MIB         1048576.0
#define KBIT        125.0 /* bytes */

#define PODS(name, prometheus)                                                                     \
    {                                                                                              \
        name, "pods", prometheus, 1.0, COLUMN_PODS, 0.0, PODS_MAX, false                           \
    }
#define CPU(name, prometheus)                                                                      \
    {                                                                                              \
        name, "mcpu", prometheus, 1e-3, COLUMN_RATE, 0.0, MCPU_MAX, false                          \
    }
#define NET(name, prometheus)                                                                      \
    {                                                                                              \
        name, "kbit/s", prometheus, KBIT, COLUMN_RATE, 0.0, KBIT_MAX, false                        \
    }
#define RPS(name, prometheus)                                                                      \
    {                                                                                              \
        name, "1/s", prometheus, 1.0, COLUMN_RATE, 0.0, RPS_MAX, false                             \
    }
#define LATENCY(name, prometheus, whole)                                                           \
    {                                                                                              \
        name, "ms", prometheus, 1e-3, COLUMN_TIME, 0.0, LATENCY_MAX, whole                         \
    }
#define ENTRY(name, prometheus, min)                                                               \
    {                                                                                              \
        name, "1/s", prometheus, 1.0, COLUMN_RATE, min, RPS_MAX, true                              \
    }

/* struct plant_truth (core/plant/plant.h), as it is */
#define TRUTH(name)                                                                                \
    {                                                                                              \
        "measure." name, "", "karma_measure_" name, 1.0, COLUMN_LEVEL, 0.0, 1e15, true             \
    }

const struct column_def column_defs[] = {
    {"id", "", "karma_service_number", 1.0, COLUMN_LEVEL, 0.0, PODS_MAX, false},
    PODS("deployed", "kube_deployment_status_replicas"),
    PODS("desired", "kube_deployment_spec_replicas"),
    PODS("failed_pods", "karma_pods_failed"),
    {"queue", "requests", "karma_requests_queued", 1.0, COLUMN_LEVEL, 0.0, RPS_MAX, false},
    CPU("cpu", "container_cpu_usage_cores"),
    {"ram", "MiB", "container_memory_working_set_bytes", MIB, COLUMN_MEMORY, 0.0, MIB_MAX, false},
    NET("net_in", "container_network_receive_bytes_per_second"),
    NET("net_out", "container_network_transmit_bytes_per_second"),
    RPS("received", "http_requests_per_second"),
    RPS("succeeded", "http_requests_succeeded_per_second"),
    RPS("errors", "http_requests_failed_per_second"),
    LATENCY("latency", "http_request_duration_mean_seconds", false),
    PODS("ready", "kube_deployment_status_replicas_ready"),
    {"pod_age", "s", "karma_pod_age_seconds", 1.0, COLUMN_LEVEL, 0.0, 1e10, false},
    {"util_10s", "", "container_cpu_utilisation_10s_ratio", 1.0, COLUMN_LEVEL, 0.0, 1000, false},
    LATENCY("latency_10s", "http_request_duration_mean_10s_seconds", false),
    PODS("hpa_ready", "karma_hpa_pods_ready"),
    PODS("hpa_ignored", "karma_hpa_pods_ignored"),
    PODS("hpa_missing", "karma_hpa_pods_missing"),
    CPU("hpa_cpu", "karma_hpa_cpu_usage_cores"),
    ENTRY("entry_30s", "ingress_requests_30s_per_second", 0.0),
    ENTRY("entry_10s", "ingress_requests_10s_per_second", 0.0),
    ENTRY("entry_5s", "ingress_requests_5s_per_second", 0.0),
    ENTRY("entry_diff", "ingress_requests_difference_per_second", -RPS_MAX),
    ENTRY("entry_trend", "ingress_requests_trend_per_second", -RPS_MAX),
    {"answered", "", "ingress_answered_ratio", 1.0, COLUMN_SHARE, 0.0, 1.0, true},
    LATENCY("response", "ingress_response_mean_seconds", true),
    /* recordings */
    {"error_ratio", "", "http_requests_failed_ratio", 1.0, COLUMN_SHARE, 0.0, 1.0, false},
    LATENCY("latency_p50", "http_request_duration_p50_seconds", false),
    LATENCY("latency_p95", "http_request_duration_p95_seconds", false),
    LATENCY("latency_p99", "http_request_duration_p99_seconds", false),
    /* a table's columns that are not part of a state */
    {"delta", "pods", "karma_replicas_change", 1.0, COLUMN_LEVEL, -PODS_MAX, PODS_MAX, false},
    {"attack_entry", "", "karma_attack_entry", 1.0, COLUMN_LEVEL, 0.0, PODS_MAX, true},
    {"attack_rate", "", "karma_attack_rate_change", 1.0, COLUMN_LEVEL, -2.0, 2.0, true},
    {"attack_data", "", "karma_attack_data_change", 1.0, COLUMN_LEVEL, 0.0, 2.0, true},
    {"offered", "1/s", "karma_offered_requests_per_second", 1.0, COLUMN_LEVEL, 0.0, RPS_MAX, true},
    TRUTH("received"),
    TRUTH("answered"),
    TRUTH("compliant"),
    TRUTH("failed"),
    TRUTH("latency_sum_ms"),
    TRUTH("received_legit"),
    TRUTH("answered_legit"),
    TRUTH("inflight"),
    TRUTH("waiting_mean"),
    TRUTH("pods_deployed_mean"),
    TRUTH("pods_failed_mean"),
    TRUTH("entry_available_mean"),
    TRUTH("service_available_mean"),
    TRUTH("requested_m_mean"),
    TRUTH("used_m_mean"),
    TRUTH("retries"),
    {NULL, NULL, NULL, 0.0, COLUMN_LEVEL, 0.0, 0.0, false},
};

const struct column_def *column_def_find(const char *name)
{
    for (const struct column_def *m = column_defs; m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

const struct column_def *column_def_find_prometheus(const char *name)
{
    for (const struct column_def *m = column_defs; m->name != NULL; m++) {
        if (strcasecmp(m->prometheus, name) == 0) {
            return m;
        }
    }
    return NULL;
}
