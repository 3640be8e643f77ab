/* What was found about roles, as tables, files and figures.
 *
 *   DIR/roles.txt, roles.md       the tables of a team
 *   DIR/clusters.csv              every linkage and number of clusters
 *   DIR/trajectories.csv          the cluster of every trajectory
 *   DIR/inferred.yaml             the organisation at the level 0.95; inferred_90.yaml and
 *                                 inferred_80.yaml at the others
 *   DIR/figures/dendrogram.*, silhouette.*   data and scripts
 */
#ifndef KARMA_ANALYSIS_ROLE_REPORT_H
#define KARMA_ANALYSIS_ROLE_REPORT_H

#include "core/analysis/role_rules.h"
#include "core/analysis/roles.h"
#include "core/report/table.h"

struct role_report {
    const struct roles *roles;
    const struct role_rules *rules; /* (n_rules) of each cluster, or one of all trajectories */
    int n_rules;
    const int *role_of;        /* (n_agents) number of the rules of an agent */
    struct role_spared spared; /* of what was not clustered */
    double sof, fof;           /* structural and functional fit; the caller's, for the summary */
};

/* Learns the rules of each cluster; of all trajectories together if no roles were found. */
enum err role_report_init(struct role_report *out, struct arena *arena, const struct roles *r,
                          const struct role_spared *spared, struct arena *scratch) WARN_UNUSED;

/* Append the tables. */
enum err role_report_print(struct buf *out, const struct role_report *p, enum table_style style,
                           struct arena *scratch) WARN_UNUSED;

/* All files, into a directory that exists. */
enum err role_report_write(const struct role_report *p, const char *dir,
                           struct arena *scratch) WARN_UNUSED;

#endif
