/* The tables of an evaluation: controllers x scenarios, claims, differences, frontiers, headroom.
 *
 * Text for the terminal and Markdown for files come from the same cells. Every number has its
 * interval; what was left out of a mean is said below the table. Numbers are functions of the rows
 * only, so the text is the same bytes on any number of ranks.
 */
#ifndef KARMA_REPORT_COMPARISON_H
#define KARMA_REPORT_COMPARISON_H

#include "core/eval/claims.h"
#include "core/eval/frontier.h"
#include "core/eval/separation.h"
#include "core/eval/summary.h"
#include "core/report/table.h"

struct comparison {
    const struct summary *summary;
    const struct frontiers *frontiers;
    const struct claims *claims;
    const struct separation *separation; /* NULL: not judged */
    const char *const *notes;            /* (n_notes) sentences that stand above the tables */
    int n_notes;
    bool complete; /* the tables of terms and of operation as well */
};

/* Append. scratch is rewound. */
enum err comparison_print(struct buf *out, const struct comparison *c, enum table_style style,
                          struct arena *scratch) WARN_UNUSED;

#endif
