/* organisation.csv of an evaluation: how each agent kept to its organisation, episode by episode.
 *
 * A file of its own and not columns of eval.csv: eval.csv has a row for each episode, this file one
 * for each agent of each episode, and how many agents there are depends on who plays. Rows stand in
 * the order of jobs. An evaluation that goes on keeps those that are there from the start of the
 * file; the episodes behind them are played again.
 */
#ifndef KARMA_JOBS_CONDUCTLOG_H
#define KARMA_JOBS_CONDUCTLOG_H

#include "core/base/csv.h"
#include "core/eval/ledger.h"

struct conductlog {
    const struct eval *eval;
    const struct ledger_cfg *plan;
    struct arena *arena; /* borrowed */
    const char *path;
    struct csv csv;
    int n_jobs;
    int n_kept; /* jobs whose rows were there; n_jobs if nobody is measured */
    bool on;    /* somebody is */
};

/* Local. By reference. */
enum err conductlog_init(struct conductlog *l, struct arena *arena, const struct eval *eval,
                         const struct ledger_cfg *plan, const char *dir) WARN_UNUSED;

/* Local, rank 0. Opens the file; what is there is kept if `keep`, as far as it can be used. */
enum err conductlog_open(struct conductlog *l, bool keep) WARN_UNUSED;

/* Local, rank 0. The file from those beside `files` (n), each the eval.csv of a part, all of whose
 * rows together must be there: if not, none is written, and a sentence says what was missing. */
enum err conductlog_merge(struct conductlog *l, const char *const *files, int n) WARN_UNUSED;

/* Local, rank 0. The rows of job i, which was taken last, unless they are there. */
enum err conductlog_take(struct conductlog *l, int i) WARN_UNUSED;

/* Local. Also of a zeroed one whose csv.fd is -1. */
void conductlog_close(struct conductlog *l);

#endif
