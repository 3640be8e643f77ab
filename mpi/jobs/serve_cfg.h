/* The configuration of `karma serve`: a policy beside a cluster.
 *
 * It is a root of its own. Its sections topology, plant and shield are those that the policy was
 * trained with, read from the policy's file; a configuration or --set changes single keys of them,
 * such as max_replicas. What a cluster looks like and what the policy may do there is no part of a
 * training.
 */
#ifndef KARMA_JOBS_SERVE_CFG_H
#define KARMA_JOBS_SERVE_CFG_H

#include "core/controllers/khpa.h"
#include "core/shield/shield.h"
#include "core/transfer/drift.h"
#include "core/transfer/http.h"
#include "core/transfer/queries.h"
#include "mpi/jobs/experiment.h"

struct prometheus_cfg {
    const char *url, *ca_file, *token_file, *user, *password_file;
    double timeout_s; /* of a request */
    double skew_s;    /* of the clocks */
    bool insecure;
};

/* For the stages that write. */
struct kubernetes_cfg {
    const char *kubeconfig, *context; /* "": see kube_access_find() */
    const char *namespace;            /* "": that of the access */
    const char *lease;
    double lease_s;   /* at least three decision periods */
    double timeout_s; /* of the requests of one decision */
};

struct serve_cfg {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct shield_cfg shield;
    struct metrics_cfg metrics;
    struct prometheus_cfg prometheus;
    struct kubernetes_cfg kubernetes;
    int stage; /* enum stage */
    struct fallback_cfg fallback;
    struct khpa_params khpa; /* the rule of the fallback */
    const char *traces; /* store of transitions: what the policy knows; "" = that of the twin */
    const char *twin;   /* "" = none */
    const char *listen; /* "" = nowhere */
};
extern const struct cfg_field serve_fields[];

/* What was typed. */
struct serve_typed {
    const char *run;         /* directory of the policy's run */
    const char *config;      /* NULL: none */
    const char *metrics;     /* pack; NULL: none */
    const char *const *sets; /* (n_sets) */
    int n_sets;
    const char *recorded; /* NULL, or a complete configuration that replaces all of the above but
                             the run */
};

/* The configuration: the policy's sections, then the pack, then the file, then the sets. `reader`
 * keeps the places for messages. ERR_CONFIG, ERR_IO, ERR_FORMAT with the sentence; ERR_VERSION for
 * a policy whose configuration this program does not read. Everything in the arena. */
enum err serve_cfg_load(struct serve_cfg *cfg, struct cfg *reader, struct arena *arena,
                        const struct serve_typed *typed) WARN_UNUSED;

/* The experiment that plays the policy with these sections: `eval.controllers` is the policy alone.
 * On failure nothing is held. */
enum err serve_experiment(struct experiment *x, const struct serve_cfg *cfg,
                          const struct serve_typed *typed) WARN_UNUSED;

/* The complete configuration as YAML, NUL-terminated, appended: what `recorded` takes. */
enum err serve_cfg_print(struct buf *out, const struct serve_cfg *cfg) WARN_UNUSED;

#endif
