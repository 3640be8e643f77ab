/* organisation.csv as a table: how each agent of each controller kept to its roles.
 *
 * Means over all episodes, scenarios and training seeds; shares are ratios of sums. There are no
 * intervals: it says what teams do, results are in the other tables.
 */
#ifndef KARMA_REPORT_CONDUCT_TABLE_H
#define KARMA_REPORT_CONDUCT_TABLE_H

#include "core/eval/eval.h"
#include "core/game/conduct.h"
#include "core/report/table.h"

/* The file's columns: keys, then those of game/conduct.h. */
enum {
    CONDUCT_KEY_CONTROLLER = 0,
    CONDUCT_KEY_AGENT = 8,
    CONDUCT_KEYS = 9,
    CONDUCT_COLUMNS = CONDUCT_KEYS + CONDUCT_COUNT
};

/* Append the table of the file at `path`, controllers and agents in its order, without controllers
 * of `cfg` that are not listed. scratch is used. */
enum err conduct_table(struct buf *out, const char *path, const struct eval_cfg *cfg,
                       enum table_style style, struct arena *scratch) WARN_UNUSED;

#endif
