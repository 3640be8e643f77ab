/* Two tables beside the results: the upper bound that none may exceed, and the separation of the
 * references.
 */
#ifndef KARMA_REPORT_SEPARATION_TABLE_H
#define KARMA_REPORT_SEPARATION_TABLE_H

#include "core/eval/separation.h"
#include "core/eval/summary.h"
#include "core/report/table.h"

/* Append a line: the mean upper bound of each scenario, and if one is above 1 a line that says why.
 * Nothing if the plant has none or no controller is shown. */
enum err separation_table_print_upper_bound(struct buf *out, const struct summary *s) WARN_UNUSED;

/* Append the inequalities with PASS and FAIL. Nothing if they are not judged (NULL).
 * at_cost_of: name of the khpa controller whose cost is used. scratch is used. */
enum err separation_table_print(struct buf *out, const struct separation *s, const char *at_cost_of,
                                enum table_style style, struct arena *scratch) WARN_UNUSED;

#endif
