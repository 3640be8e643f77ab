/* Parameters of khpa, the Kubernetes horizontal pod autoscaler. What they do: khpa.c. */
#ifndef KARMA_CONTROLLERS_KHPA_H
#define KARMA_CONTROLLERS_KHPA_H

#include "core/base/config.h"
#include "core/plant/topology.h"

/* spec.behavior of a HorizontalPodAutoscaler: without it, or with it. */
enum khpa_behavior { KHPA_BEHAVIOR_NONE, KHPA_BEHAVIOR_DEFAULT };

/* selectPolicy: the policy that allows the largest change, the smallest one, or no change. */
enum khpa_select { KHPA_SELECT_MAX, KHPA_SELECT_MIN, KHPA_SELECT_DISABLED };

/* How far a number of replicas may move in a period. */
enum khpa_policy_type { KHPA_PERCENT, KHPA_PODS };
struct khpa_policy {
    int type; /* enum khpa_policy_type */
    int value;
    int period_s;
};

/* behavior.scaleUp or behavior.scaleDown; its stabilisation window is up_s or down_s. */
struct khpa_direction {
    int select;                   /* enum khpa_select */
    double tolerance;             /* KHPA_TOLERANCE_OF_BOTH */
    struct khpa_policy *policies; /* none: the default ones */
    int n_policies;
};
enum { KHPA_TOLERANCE_OF_BOTH = -1 }; /* as `tolerance` */

/* What a metric is of. All but CPU have an average value as their target. */
enum khpa_source {
    KHPA_CPU,         /* utilisation of the pods' CPU requests, against `target` */
    KHPA_SERVICE,     /* calls that the service receives */
    KHPA_INGRESS,     /* requests at the entries, last 30 s */
    KHPA_INGRESS_10S, /* last 10 s, last 5 s */
    KHPA_INGRESS_5S,
};
struct khpa_metric {
    int of;          /* enum khpa_source */
    double *average; /* (n_average) target, 1/s for each pod: of all services or one of each */
    int n_average;
    double share; /* no averages: this share of what a pod is told to be able to do */
};

struct khpa_params {
    int behavior;  /* enum khpa_behavior */
    double target; /* utilisation: CPU used / requested */
    double up_s;   /* stabilisation windows */
    double down_s;
    double tolerance;
    struct khpa_direction up, down;
    struct khpa_metric *metrics; /* none: CPU alone */
    int n_metrics;
};
extern const struct cfg_field khpa_fields[];

/* A controller_kind's check(). */
enum err khpa_check(const char *label, const void *params,
                    const struct topology_cfg *topology) WARN_UNUSED;

/* 100 x target, to the nearest whole per cent. */
double khpa_whole_percent(const struct khpa_params *cfg);

#endif
