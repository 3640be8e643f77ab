/* What stands around results: the bound that none may exceed, and the separation of the references.
 */
#ifndef KARMA_REPORT_GATE_H
#define KARMA_REPORT_GATE_H

#include "core/eval/separation.h"
#include "core/eval/summary.h"
#include "core/report/table.h"

/* Append a line: the mean bound of each scenario. Nothing if the plant has none. */
enum err gate_print_bound(struct buf *out, const struct summary *s) WARN_UNUSED;

/* Append the inequalities with PASS and FAIL. Nothing if they are not judged (NULL).
 * gate: name of the run that is judged. scratch is used. */
enum err gate_print(struct buf *out, const struct separation *s, const char *gate,
                    enum table_style style, struct arena *scratch) WARN_UNUSED;

#endif
