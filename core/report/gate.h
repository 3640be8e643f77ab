/* What stands around results: the bound that none may exceed, and the separation of the references.
 */
#ifndef KARMA_REPORT_GATE_H
#define KARMA_REPORT_GATE_H

#include "core/report/comparison.h"

/* Append a line: the mean bound of each scenario. Nothing if the plant has none. */
enum err gate_print_bound(struct buf *out, const struct comparison *c) WARN_UNUSED;

/* Append the inequalities with PASS and FAIL. Nothing if they are not judged. scratch is used. */
enum err gate_print(struct buf *out, const struct comparison *c, enum table_style style,
                    struct arena *scratch) WARN_UNUSED;

#endif
