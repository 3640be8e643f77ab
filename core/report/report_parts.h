/* What the sections of a report share: the page under way, and trainings put together as arms. Of
 * report*.c alone.
 */
#ifndef KARMA_REPORT_REPORT_PARTS_H
#define KARMA_REPORT_REPORT_PARTS_H

#include "core/eval/claim_metric.h"
#include "core/eval/claims.h"
#include "core/report/page.h"
#include "core/report/report.h"

/* The page under way, and what its sections read. */
struct report {
    struct page *page;
    struct results *results;
    const struct report_cfg *cfg;
    const struct panel *panels; /* (n_panels) */
    int n_panels;
    struct arena *arena, *scratch; /* scratch: of one section, rewound behind it */
};

/* A table, figure or section that is left out, and why. */
void report_lacks(struct report *f, const char *what, const char *why);

/* "DEV episodes 0 to 59 of seed 1, on the simulator"; in the arena. */
const char *report_episodes(const struct report *f, const struct panel *p);

/* Ids of the i-th panel: "NAME" for the first, "NAME-2" for the second; in the arena. */
const char *report_id(const struct report *f, const char *name, int panel);

/* report_compare.c: results of a panel: means, differences, claims, frontiers, fronts, profiles. */
enum err report_compare(struct report *f, int panel) WARN_UNUSED;
enum err report_claims(struct report *f) WARN_UNUSED;
/* report_claim_values.c: what a claim compares that is about a number that each training has. */
struct claim_arm {
    struct claim_values values; /* n = 0: there are none */
    int n_reached;              /* of convergence: trainings that reach the level */
};
enum err report_claim_values(struct claim_arm *arm, struct claim_arm *baseline,
                             const struct report *f, const struct ablation_claim *claim,
                             const struct claim_metric *metric, struct arena *arena) WARN_UNUSED;
/* report_paper.c: Tables II to VII of the paper, the last one by report_behaviour.c. */
enum err report_paper(struct report *f) WARN_UNUSED;
enum err report_behaviour(struct report *f) WARN_UNUSED;
extern const char report_caption_end[]; /* behind captions that name the paper */
/* report_alignment.c: roles and missions in each scenario. */
enum err report_alignment(struct report *f) WARN_UNUSED;
/* report_train.c: learning curves; configurations and seeds; what trainings took. */
enum err report_curves(struct report *f) WARN_UNUSED;
enum err report_configs(struct report *f) WARN_UNUSED;
enum err report_costs(struct report *f) WARN_UNUSED;

/* ---- trainings of one configuration with several seeds ---- */

struct training_group {
    const char *name; /* "multi hard, ddos"; trainings of another configuration get " (2)" */
    const char *arm;  /* without the scenario, as evaluations call it */
    const struct result_training **trainings; /* (n), by seed */
    int n;
};

/* In the order of the results. In the arena. */
enum err training_groups(struct training_group **groups, int *n, const struct report *f,
                         struct arena *arena) WARN_UNUSED;

/* Mean of those of x (n) that are defined, one for each training seed, with the interval of the
 * bootstrap over seeds; NaN if there is none, and no interval with a single one. `name` and `what`
 * name the stream of the draws. */
enum err report_mean(struct stat_interval *out, const struct report *f, const char *name,
                     const char *what, const double *x, int n) WARN_UNUSED;

/* The same of the trainings of a group. */
enum err training_mean(struct stat_interval *out, const struct report *f,
                       const struct training_group *g, const char *what,
                       const double *x) WARN_UNUSED;

#endif
