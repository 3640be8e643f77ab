/* The parameters of khpa: rows of the configuration, and what rows cannot check. See khpa.h. */
#include "core/controllers/khpa.h"

#include "core/base/log.h"

#include <math.h>

double khpa_whole_percent(const struct khpa_params *cfg)
{
    return floor(100.0 * cfg->target + 0.5);
}

static bool reads_cpu(const struct khpa_params *cfg)
{
    for (int i = 0; i < cfg->n_metrics; i++) {
        if (cfg->metrics[i].of == KHPA_CPU) {
            return true;
        }
    }
    return cfg->n_metrics == 0;
}

/* Kubernetes has whole per cents, and ceil() would turn the rounding of another into a pod. */
static enum err check_target(const char *label, const struct khpa_params *cfg,
                             const struct topology_cfg *topology)
{
    const double nearest = khpa_whole_percent(cfg);
    if (fabs(100.0 * cfg->target - nearest) > 1e-9) {
        log_error("controller '%s': target %g is not a whole per cent; round it", label,
                  cfg->target);
        return ERR_CONFIG;
    }
    if (nearest > 100.0 * topology->limit_ratio) {
        log_error("controller '%s': target %g is more than a pod can use: its limit is %g times "
                  "its request (topology.limit_ratio), so no pod would ever be added; lower the "
                  "target or raise limit_ratio",
                  label, cfg->target, topology->limit_ratio);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* An HPA without spec.behavior has none of its parts. */
static enum err check_behavior(const char *label, const struct khpa_params *cfg)
{
    const struct khpa_direction *both[] = {&cfg->up, &cfg->down};
    static const char *const names[] = {"up", "down"};
    if (cfg->behavior != KHPA_BEHAVIOR_NONE) {
        return ERR_OK;
    }
    if (cfg->up_s > 0.0) {
        log_error("controller '%s': up_s is %g s, but an HPA without spec.behavior has no window "
                  "before scaling up; set behavior: default, or up_s: 0",
                  label, cfg->up_s);
        return ERR_CONFIG;
    }
    for (int i = 0; i < 2; i++) {
        const struct khpa_direction *d = both[i];
        const char *key = d->n_policies > 0              ? "policies"
                          : d->select != KHPA_SELECT_MAX ? "select"
                          : d->tolerance >= 0.0          ? "tolerance"
                                                         : NULL;
        if (key != NULL) {
            log_error("controller '%s': %s.%s is a part of spec.behavior, which an HPA with "
                      "behavior: none does not have; set behavior: default, or leave %s.%s out",
                      label, names[i], key, names[i], key);
            return ERR_CONFIG;
        }
    }
    return ERR_OK;
}

static enum err check_metrics(const char *label, const struct khpa_params *cfg,
                              const struct topology_cfg *topology)
{
    for (int i = 0; i < cfg->n_metrics; i++) {
        const struct khpa_metric *m = &cfg->metrics[i];
        if (m->of == KHPA_CPU && m->n_average > 0) {
            log_error("controller '%s': metrics.%d is of CPU, whose target is `target`, and has an "
                      "average; leave it out",
                      label, i);
            return ERR_CONFIG;
        }
        if (m->n_average > 1 && m->n_average != topology->n_services) {
            log_error("controller '%s': metrics.%d has %d averages, the topology has %d services; "
                      "write one number for all of them, or one for each",
                      label, i, m->n_average, topology->n_services);
            return ERR_CONFIG;
        }
    }
    return ERR_OK;
}

enum err khpa_check(const char *label, const void *params, const struct topology_cfg *topology)
{
    const struct khpa_params *cfg = params;
    if (reads_cpu(cfg)) {
        TRY(check_target(label, cfg, topology));
    }
    TRY(check_behavior(label, cfg));
    return check_metrics(label, cfg, topology);
}

/* ---- rows ---- */

static const struct cfg_choice behaviors[] = {
    {"none", KHPA_BEHAVIOR_NONE,
     "no such stanza, as kubectl autoscale makes it: a decision asks for at most max(2 n, 4) pods"},
    {"default", KHPA_BEHAVIOR_DEFAULT,
     "a stanza of its default values: at most max(2 n, n + 4) pods in 15 s; up_s, down_s, up and "
     "down may differ"},
    {NULL, 0, NULL},
};

static const struct cfg_choice policy_types[] = {
    {"percent", KHPA_PERCENT, "of the pods at the start of the period"},
    {"pods", KHPA_PODS, ""},
    {NULL, 0, NULL},
};

static const struct cfg_choice selections[] = {
    {"max", KHPA_SELECT_MAX, "the policy that allows the largest change"},
    {"min", KHPA_SELECT_MIN, "the policy that allows the smallest change"},
    {"disabled", KHPA_SELECT_DISABLED, "no change in this direction"},
    {NULL, 0, NULL},
};

static const struct cfg_choice sources[] = {
    {"cpu", KHPA_CPU, "utilisation of the pods' CPU requests, whose target is `target`"},
    {"service", KHPA_SERVICE, "calls that the service receives, last 30 s"},
    {"ingress", KHPA_INGRESS, "requests at the entries, last 30 s"},
    {"ingress_10s", KHPA_INGRESS_10S, "the same, last 10 s"},
    {"ingress_5s", KHPA_INGRESS_5S, "the same, last 5 s"},
    {NULL, 0, NULL},
};

static const struct cfg_field policy_fields[] = {
    CFG_ENUM(struct khpa_policy, type, CFG_REQUIRED, policy_types, CFG_RESULT, "unit of the value"),
    CFG_INT(struct khpa_policy, value, CFG_REQUIRED, 1, 100000, "", CFG_RESULT,
            "largest change in a period"),
    CFG_INT(struct khpa_policy, period_s, CFG_REQUIRED, 1, 1800, "s", CFG_RESULT, "the period"),
    CFG_END,
};

static const struct cfg_field direction_fields[] = {
    CFG_ENUM(struct khpa_direction, select, "max", selections, CFG_RESULT | CFG_LATER,
             "which of the policies counts"),
    CFG_DOUBLE(struct khpa_direction, tolerance, "-1", -1, 100, "", CFG_RESULT | CFG_LATER,
               "deviation in this direction that is left alone; -1 = as `tolerance`"),
    CFG_LIST_LATER(struct khpa_direction, policies, n_policies, struct khpa_policy, policy_fields,
                   16, "how fast the number may change; none = the default policies"),
    CFG_END,
};

static const struct cfg_field metric_fields[] = {
    CFG_ENUM(struct khpa_metric, of, CFG_REQUIRED, sources, CFG_RESULT, "what is measured"),
    CFG_LIST_DOUBLE(struct khpa_metric, average, n_average, "[]", 0, 256, 0.001, 1e9, "1/s",
                    CFG_RESULT,
                    "target average value, for each pod: one of all services, or one of each; "
                    "none = from share"),
    CFG_DOUBLE(struct khpa_metric, share, "0.7", 0.001, 100, "", CFG_RESULT,
               "without averages: share of the capacity of a pod that is the target"),
    CFG_END,
};

const struct cfg_field khpa_fields[] = {
    CFG_ENUM(struct khpa_params, behavior, "none", behaviors, CFG_RESULT,
             "spec.behavior of the HorizontalPodAutoscaler"),
    CFG_DOUBLE(struct khpa_params, target, "0.8", 0.01, 100, "", CFG_RESULT,
               "target of CPU used / requested; whole per cents, at most limit_ratio"),
    CFG_DOUBLE(struct khpa_params, up_s, "0", 0, 3600, "s", CFG_RESULT,
               "stabilisation window before scaling up; needs behavior: default"),
    CFG_DOUBLE(struct khpa_params, down_s, "300", 0, 3600, "s", CFG_RESULT,
               "stabilisation window before scaling down"),
    CFG_DOUBLE(struct khpa_params, tolerance, "0.1", 0, 1, "", CFG_RESULT,
               "deviation of used / target that is left alone"),
    CFG_TABLE(struct khpa_params, up, direction_fields, "behavior.scaleUp"),
    CFG_TABLE(struct khpa_params, down, direction_fields, "behavior.scaleDown"),
    CFG_LIST_LATER(struct khpa_params, metrics, n_metrics, struct khpa_metric, metric_fields, 8,
                   "the largest proposal of them counts; none = CPU alone"),
    CFG_END,
};
