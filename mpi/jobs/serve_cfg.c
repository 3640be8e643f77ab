/* The policy's sections as the first source of a configuration. See serve_cfg.h. */
#include "mpi/jobs/serve_cfg.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/transfer/stage.h"
#include "mpi/jobs/policies.h"

#include <stdio.h>
#include <string.h>

static const struct cfg_field prometheus_fields[] = {
    CFG_STRING(struct prometheus_cfg, url, "", CFG_OUTPUT, "http[s]://HOST:PORT[/PREFIX]"),
    CFG_PATH(struct prometheus_cfg, ca_file, "", CFG_OUTPUT,
             "PEM of the CAs to trust; empty = those of the system"),
    CFG_PATH(struct prometheus_cfg, token_file, "", CFG_OUTPUT, "holds a bearer token"),
    CFG_STRING(struct prometheus_cfg, user, "", CFG_OUTPUT, "basic authentication"),
    CFG_PATH(struct prometheus_cfg, password_file, "", CFG_OUTPUT, "holds the user's password"),
    CFG_DOUBLE(struct prometheus_cfg, timeout_s, "5", 0.1, 300, "s", CFG_OUTPUT,
               "of a request; then the measurements of this decision are unknown"),
    CFG_DOUBLE(struct prometheus_cfg, skew_s, "5", 0.1, 3600, "s", CFG_OUTPUT,
               "largest difference of the two clocks"),
    CFG_BOOL(struct prometheus_cfg, insecure, "false", CFG_OUTPUT, "accept any certificate"),
    CFG_END,
};

static const struct cfg_field kubernetes_fields[] = {
    CFG_PATH(struct kubernetes_cfg, kubeconfig, "", CFG_OUTPUT,
             "empty = $KUBECONFIG, the service account of the pod, ~/.kube/config"),
    CFG_STRING(struct kubernetes_cfg, context, "", CFG_OUTPUT,
               "of the kubeconfig; empty = current"),
    CFG_STRING(struct kubernetes_cfg, namespace, "", CFG_OUTPUT,
               "of the deployments; empty = that of the kubeconfig"),
    CFG_STRING(struct kubernetes_cfg, lease, "karma", CFG_OUTPUT,
               "name of the Lease: of several instances its holder acts"),
    CFG_DOUBLE(struct kubernetes_cfg, lease_s, "60", 3, 3600, "s", CFG_OUTPUT,
               "of the lease: at least three decision periods"),
    CFG_DOUBLE(struct kubernetes_cfg, timeout_s, "5", 0.1, 300, "s", CFG_OUTPUT,
               "of the requests of one decision"),
    CFG_END,
};

/* The sections that an experiment and this configuration have in common. */
#define SHARED_ROWS(S)                                                                             \
    CFG_TABLE(S, topology, topology_fields, "services and the node they share"),                   \
        CFG_TABLE(S, plant, plant_fields, "measurement, service level"),                           \
        CFG_TABLE(S, shield, shield_fields, "what no controller may do")

static const struct cfg_field shared_of_experiment[] = {SHARED_ROWS(struct experiment_cfg),
                                                        CFG_END};
static const struct cfg_field shared_of_serve[] = {SHARED_ROWS(struct serve_cfg), CFG_END};

const struct cfg_field serve_fields[] = {
    SHARED_ROWS(struct serve_cfg),
    CFG_TABLE(struct serve_cfg, metrics, metrics_fields, "what Prometheus is asked"),
    CFG_TABLE(struct serve_cfg, prometheus, prometheus_fields, "where it is asked"),
    CFG_TABLE(struct serve_cfg, kubernetes, kubernetes_fields, "where it is written"),
    CFG_ENUM(struct serve_cfg, stage, "shadow", stage_choices, CFG_OUTPUT,
             "how much of a decision is written"),
    CFG_TABLE(struct serve_cfg, fallback, fallback_fields, "when the rule khpa decides instead"),
    CFG_TABLE(struct serve_cfg, khpa, khpa_fields, "that rule"),
    CFG_PATH(struct serve_cfg, traces, "", CFG_OUTPUT,
             "store of transitions that the policy knows, for drift; empty = that of twin"),
    CFG_PATH(struct serve_cfg, twin, "", CFG_OUTPUT,
             "predicts effects and tells its disagreement; empty = none"),
    CFG_STRING(struct serve_cfg, listen, "127.0.0.1:9464", CFG_OUTPUT,
               "address of /metrics, /healthz and /readyz; empty = none"),
    CFG_END,
};

/* topology, plant and shield of the policy as YAML; *out NUL-terminated. period_s: of its
 * training. */
static enum err print_shared(struct buf *out, double *period_s, struct arena *arena,
                             const char *run)
{
    struct experiment_cfg *cfg = ARENA_NEW(arena, 1, struct experiment_cfg);
    TRY(arena_error(arena));
    TRY(policies_config(cfg, arena, run));
    *period_s = cfg->plant.period_s;
    TRY(cfg_print_resolved(out, shared_of_experiment, cfg, CFG_ALL));
    return buf_append(out, "", 1);
}

/* A policy has learned what comes of a change within one period. */
static void warn_of_period(const struct serve_cfg *cfg, double trained_s)
{
    if (cfg->plant.period_s < trained_s || cfg->plant.period_s > trained_s) {
        log_warn("plant.period_s is %g s, and the policy was trained to decide every %g s: what it "
                 "expects of a change comes at another time; drift does not see this",
                 cfg->plant.period_s, trained_s);
    }
}

/* A value is as old as the interval when the next one comes, and twice that if one scrape fails. */
static void warn_of_scrapes(const struct serve_cfg *cfg)
{
    const double need_s = 2.0 * queries_scrape_s(&cfg->metrics, &cfg->plant);
    if (cfg->shield.stale_s < need_s) {
        log_warn("Prometheus scrapes every %g s, and values older than %g s count as unknown; set "
                 "shield.stale_s to %g or more",
                 need_s / 2.0, cfg->shield.stale_s, need_s);
    }
    if (cfg->shield.frozen_s > 0.0 && cfg->shield.frozen_s < need_s) {
        log_warn("Prometheus scrapes every %g s, and values that do not change for %g s count as "
                 "unknown; set shield.frozen_s to %g or more",
                 need_s / 2.0, cfg->shield.frozen_s, need_s);
    }
}

/* The node's quota and the topology are checked where they are built. */
static enum err check(const struct serve_cfg *cfg, const struct cfg *reader)
{
    if (cfg->prometheus.url[0] == '\0') {
        return cfg_error(reader, "prometheus.url",
                         "is empty; give it with --prometheus http://HOST:PORT");
    }
    if ((cfg->prometheus.user[0] != '\0') != (cfg->prometheus.password_file[0] != '\0')) {
        return cfg_error(reader,
                         cfg->prometheus.user[0] != '\0' ? "prometheus.user"
                                                         : "prometheus.password_file",
                         "stands alone; basic authentication needs prometheus.user and "
                         "prometheus.password_file");
    }
    if (cfg->metrics.n_sources == 0) {
        return cfg_error(reader, "metrics.sources",
                         "is empty, so nothing would be measured; choose a pack with --metrics, "
                         "such as --metrics configs/metrics/kubernetes.yaml");
    }
    if (cfg->kubernetes.lease_s < 3.0 * cfg->plant.period_s) {
        return cfg_error(reader, "kubernetes.lease_s",
                         "is %g s, and the lease is renewed at each decision, every %g s "
                         "(plant.period_s); set it to %g or more",
                         cfg->kubernetes.lease_s, cfg->plant.period_s, 3.0 * cfg->plant.period_s);
    }
    TRY(plant_cfg_check(&cfg->plant, reader));
    return khpa_check("khpa", &cfg->khpa, &cfg->topology);
}

enum err serve_cfg_load(struct serve_cfg *cfg, struct cfg *reader, struct arena *arena,
                        const struct serve_typed *typed)
{
    struct cfg_source sources[3];
    int n = 0;
    double trained_s = 0.0;
    struct buf shared;
    cfg_init(reader, serve_fields, sizeof *cfg, arena);
    if (typed->recorded != NULL) {
        TRY(cfg_load_text(reader, "recorded configuration", typed->recorded, NULL, 0, cfg));
        return check(cfg, reader);
    }
    buf_init(&shared);
    enum err e = print_shared(&shared, &trained_s, arena, typed->run);
    if (e == ERR_OK) {
        sources[n++] = (struct cfg_source){.path = arena_printf(arena, "%s/policy", typed->run),
                                           .text = arena_strdup(arena, (const char *)shared.data)};
        e = arena_error(arena);
    }
    buf_release(&shared);
    TRY(e);
    if (typed->metrics != NULL) {
        sources[n++] = (struct cfg_source){.path = file_installed(arena, typed->metrics)};
    }
    if (typed->config != NULL) {
        sources[n++] = (struct cfg_source){.path = file_installed(arena, typed->config)};
    }
    TRY(arena_error(arena));
    TRY(cfg_load_sources(reader, sources, n, typed->sets, typed->n_sets, cfg));
    TRY(check(cfg, reader));
    warn_of_period(cfg, trained_s);
    warn_of_scrapes(cfg);
    return ERR_OK;
}

enum err serve_cfg_print(struct buf *out, const struct serve_cfg *cfg)
{
    TRY(cfg_print_resolved(out, serve_fields, cfg, CFG_ALL));
    return buf_append(out, "", 1);
}

/* In double quotes, as YAML reads it. NULL: out of memory. */
static const char *quote(struct arena *arena, const char *text)
{
    char *out = ARENA_NEW(arena, 2 * strlen(text) + 3, char);
    if (out == NULL) {
        return NULL;
    }
    size_t n = 0;
    out[n++] = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            out[n++] = '\\';
        }
        out[n++] = *text;
    }
    out[n++] = '"';
    return out;
}

enum err serve_experiment(struct experiment *x, const struct serve_cfg *cfg,
                          const struct serve_typed *typed)
{
    struct arena arena;
    struct buf text;
    arena_init(&arena);
    buf_init(&text);
    enum err e = cfg_print_resolved(&text, shared_of_serve, cfg, CFG_ALL);
    const char *run = quote(&arena, typed->run);
    if (e == ERR_OK && run == NULL) {
        e = ERR_MEMORY;
    }
    if (e == ERR_OK) {
        e = buf_printf(&text,
                       "\neval:\n  shield: true\n  controllers:\n"
                       "    - {name: policy, policy: {policies: [%s]}}\n",
                       run);
    }
    if (e == ERR_OK) {
        e = buf_append(&text, "", 1);
    }
    if (e == ERR_OK) {
        e = experiment_load_text(x, typed->run, (const char *)text.data);
    }
    buf_release(&text);
    arena_release(&arena);
    return e;
}
