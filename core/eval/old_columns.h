/* Columns that earlier versions wrote under another name. Files with these are not read as if the
 * numbers were missing: whoever looks for a column says what it was called, and what to do.
 */
#ifndef KARMA_EVAL_OLD_COLUMNS_H
#define KARMA_EVAL_OLD_COLUMNS_H

#include <stddef.h>
#include <string.h>

struct old_column {
    const char *old, *now;
};

/* What the column `now` of eval.csv or metrics.csv was called before; NULL: always like this. */
static inline const char *old_column_name(const char *now)
{
    static const struct old_column columns[] = {
        {"compliance", "slo_attainment"}, {"bound", "upper_bound"}, {"setting", "cell_digest"}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        if (strcmp(columns[i].now, now) == 0) {
            return columns[i].old;
        }
    }
    return NULL;
}

#endif
