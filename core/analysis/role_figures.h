/* Figures of what was found about roles: scripts of gnuplot beside their data.
 *
 *   DIR/dendrogram.csv, .gp   the tree of average linkage, coloured by cluster; of more than 40
 *                             points the lowest merges are drawn as one branch
 *   DIR/silhouette.csv, .gp   silhouette over the number of clusters, beside the shuffles
 */
#ifndef KARMA_ANALYSIS_ROLE_FIGURES_H
#define KARMA_ANALYSIS_ROLE_FIGURES_H

#include "core/analysis/roles.h"

/* Into a directory that exists. At least two points were clustered. */
enum err role_figures_write(const struct roles *r, const char *dir,
                            struct arena *scratch) WARN_UNUSED;

#endif
