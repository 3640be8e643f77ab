/* org_metrics.csv as a table: how far each agent of each controller complied with its roles.
 *
 * Means over all episodes, scenarios and training seeds; shares are ratios of sums. There are no
 * intervals: it says what teams do, results are in the other tables.
 */
#ifndef KARMA_REPORT_ORG_METRICS_TABLE_H
#define KARMA_REPORT_ORG_METRICS_TABLE_H

#include "core/eval/eval.h"
#include "core/game/org_metrics.h"
#include "core/report/table.h"

/* The file's columns: keys, then those of game/org_metrics.h. */
enum {
    ORG_METRICS_KEY_CONTROLLER = 0,
    ORG_METRICS_KEY_AGENT = 8,
    ORG_METRICS_KEYS = 9,
    ORG_METRICS_COLUMNS = ORG_METRICS_KEYS + ORG_METRIC_COUNT
};

/* Append the table of the file at `path`, controllers and agents in its order, without controllers
 * of `cfg` that are not shown. scratch is used. */
enum err org_metrics_table(struct buf *out, const char *path, const struct eval_cfg *cfg,
                           enum table_style style, struct arena *scratch) WARN_UNUSED;

#endif
