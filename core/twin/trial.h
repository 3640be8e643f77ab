/* A trial of import and fit, for `karma trace check`: the table is imported into a temporary store,
 * and that store is read as `karma twin fit` reads it. So a table that passes the check is not
 * refused by the next steps.
 *
 * Findings are added to a check under "(import)" and "(fit)". What import refuses is a fail. What
 * fit lacks in the store of one table is a warning, because other tables may have it.
 */
#ifndef KARMA_TWIN_TRIAL_H
#define KARMA_TWIN_TRIAL_H

#include "core/trace/check.h"
#include "core/trace/import.h"

#include <limits.h>

struct trial {
    char dir[PATH_MAX]; /* of the stores, one for each table that import took; "" = none */
    int n_stores;
};

/* Makes a directory in $TMPDIR, else in /tmp. ERR_IO. */
enum err trial_begin(struct trial *t) WARN_UNUSED;

/* Imports the table that `c` checked and reads the store as fit does (history: fit.history). Only
 * what is no fault of the table (ERR_MEMORY, ERR_IO) is returned. */
enum err trial_table(struct trial *t, struct check *c, const struct import_cfg *cfg,
                     int history) WARN_UNUSED;

/* Merges the stores of all tables so far as `import` of all of them would make one, and reads it as
 * fit does; *why: the sentence of the refusal, "" if there is none. In the arena. */
enum err trial_together(const char **why, struct trial *t, struct arena *arena,
                        int history) WARN_UNUSED;

/* Removes the stores and their directory. */
void trial_end(struct trial *t);

#endif
