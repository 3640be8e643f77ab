/* The specification of an ablation: variants x scenarios x seeds (karma ablate).
 *
 * A run trains one variant in one scenario with one seed, and evaluates the policy. Or it has no
 * training and evaluates the controllers of a configuration (rules, planners). What a run reads is
 * made of ordinary configuration files, the later ones overriding the earlier, and of settings,
 * KEY=VALUE each, which override the files:
 *
 *     training     base, variant.include, scenario.include; settings, scenario.settings,
 *                  variant.settings, train.seed
 *     evaluation   evaluation, scenario.include; evaluation_settings, scenario.settings
 *     controllers  evaluation, variant.include, scenario.include; evaluation_settings,
 *                  scenario.settings, variant.settings
 *     collection   collect, scenario.include; collect_settings, scenario.settings
 *
 * `collect` (of the spec or of a scenario) makes a twin before the trainings that use it: traces
 * are collected and a twin is fitted with the sections `fit` and `twin` of the training. Trainings
 * with the same collection and the same settings of the fit share a twin.
 *
 * The spec has a field table of its own, ablation_fields; configs/ablation.yaml is its text. Pure;
 * Local.
 */
#ifndef KARMA_EVAL_ABLATION_H
#define KARMA_EVAL_ABLATION_H

#include "core/base/config.h"

enum {
    ABLATION_VARIANTS_MAX = 256,
    ABLATION_SCENARIOS_MAX = 64,
    ABLATION_SEEDS_MAX = 1000,
    ABLATION_CLAIMS_MAX = 64,
    ABLATION_FILES_MAX = 32
};

enum ablation_kind {
    ABLATION_TRAINING,   /* trains, then plays the policy */
    ABLATION_CONTROLLERS /* plays the controllers of the configuration */
};
extern const struct cfg_choice ablation_kinds[];

struct ablation_scenario {
    const char *name;
    const char *const *include; /* (n_include) */
    int n_include;
    const char *const *settings; /* (n_settings) */
    int n_settings;
    const char *collect; /* in the place of the spec's; "" = the spec's */
    const char *const *collect_settings;
    int n_collect_settings; /* behind the spec's */
};

struct ablation_variant {
    const char *name;  /* of its directory */
    const char *label; /* in tables, and as controller in eval.csv; "" = the name */
    int kind;          /* enum ablation_kind */
    const char *const *include;
    int n_include;
    const char *const *settings;
    int n_settings;
    const uint64_t *seeds; /* (n_seeds); none = the spec's */
    int n_seeds;
    const char *const *scenarios; /* (n_scenarios) names; none = all */
    int n_scenarios;
    bool made_twin;    /* it trains in the twin that is made, if one is; else as configured */
    bool sampled;      /* the policy is played a second time, with choices drawn */
    const char *sweep; /* its policies are a point of the frontier of that name; "" = of none */
};

/* A comparison fixed beforehand, for the report: `arm` has the better `metric` of the two. */
struct ablation_claim {
    const char *name;
    const char *arm, *baseline; /* labels, or names of controllers */
    const char *scenario;       /* "" = all together */
    const char *metric;         /* core/eval/claim_metric.h */
    double level;               /* of convergence: share of the headroom; 0: as converged.h says */
    bool primary;               /* one of those that are corrected together (Holm) */
};

struct ablation_spec {
    const char *dir;
    const char *preregistered; /* digest that was published beforehand; "" = none */
    const char *const *base;
    int n_base;
    const char *const *settings;
    int n_settings;
    const char *evaluation;
    const char *const *evaluation_settings;
    int n_evaluation_settings;
    const char *collect; /* "" = no twin is made */
    const char *const *collect_settings;
    int n_collect_settings;
    double validation, held_out; /* shares of the collected episodes */
    const uint64_t *seeds;
    int n_seeds;
    struct ablation_scenario *scenarios;
    int n_scenarios;
    struct ablation_variant *variants;
    int n_variants;
    struct ablation_claim *claims;
    int n_claims;
};
extern const struct cfg_field ablation_fields[];

/* The complete text of a spec that says nothing, with a comment for each key. ERR_MEMORY. */
enum err ablation_doc(struct buf *out) WARN_UNUSED;

/* Names that are no directories or occur twice, unknown names of scenarios and metrics, seeds that
 * occur twice, `collect` for nobody. ERR_CONFIG with file and line. */
enum err ablation_check(const struct ablation_spec *spec, const struct cfg *src_locs) WARN_UNUSED;

/* In tables. */
const char *ablation_label(const struct ablation_variant *v);

/* One run of the spec. */
struct ablation_run {
    int variant, scenario;
    uint64_t seed; /* train.seed; 0: controllers */
};

/* All runs in the order in which they are taken: by the number of the seed, then scenario, then
 * variant, so that an ablation that is not done compares all variants with a few seeds. Controllers
 * come once, with the first seed. In the arena; ERR_MEMORY. */
enum err ablation_runs(struct ablation_run **runs, int *n, const struct ablation_spec *spec,
                       struct arena *arena) WARN_UNUSED;

/* The collection of a scenario: its own, or the spec's; "" if there is none. */
const char *ablation_collect(const struct ablation_spec *spec, int scenario);

/* What a configuration of a run is made of. */
enum ablation_part { ABLATION_TRAIN, ABLATION_EVALUATE, ABLATION_COLLECT };
struct ablation_sources {
    struct cfg_source *files; /* (n_files) */
    const char **sets;        /* (n_sets), the last `n_free` places are empty, for the caller */
    int n_files, n_sets;
};

/* Files and settings of one part of run `r`, with room for n_free more settings. Strings are the
 * spec's, lists are in the arena. ERR_MEMORY. */
enum err ablation_sources(struct ablation_sources *out, const struct ablation_spec *spec,
                          const struct ablation_run *r, enum ablation_part part, int n_free,
                          struct arena *arena) WARN_UNUSED;

#endif
