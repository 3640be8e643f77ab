/* org_metrics.csv of an evaluation: the organisational metrics of each agent, episode by episode.
 *
 * A file of its own and not columns of eval.csv: eval.csv has a row for each episode, this file one
 * for each agent of each episode, and how many agents there are depends on who plays. Rows stand in
 * the order of jobs. An evaluation that goes on keeps those that are there from the start of the
 * file; the episodes behind them are played again.
 */
#ifndef KARMA_JOBS_ORG_METRICS_LOG_H
#define KARMA_JOBS_ORG_METRICS_LOG_H

#include "core/base/csv.h"
#include "core/eval/eval_store.h"

struct org_metrics_log {
    const struct eval *eval;
    const struct eval_grid *grid;
    struct arena *arena; /* borrowed */
    const char *path;
    struct csv csv;
    int n_jobs;
    int n_kept; /* jobs whose rows were there; n_jobs if nobody is measured */
    bool on;    /* somebody is */
};

/* Local. By reference. */
enum err org_metrics_log_init(struct org_metrics_log *l, struct arena *arena,
                              const struct eval *eval, const struct eval_grid *grid,
                              const char *dir) WARN_UNUSED;

/* Local, rank 0. Opens the file; what is there is kept if `keep`, as far as it can be used. */
enum err org_metrics_log_open(struct org_metrics_log *l, bool keep) WARN_UNUSED;

/* Local, rank 0. The file from those beside `files` (n), each the eval.csv of a part, all of whose
 * rows together must be there: if not, none is written, and a sentence says what was missing. Two
 * parts may have the same row; ERR_MISMATCH if they have different values in it. */
enum err org_metrics_log_merge(struct org_metrics_log *l, const char *const *files,
                               int n) WARN_UNUSED;

/* Local, rank 0. The rows of job i, which was taken last, unless they are there. */
enum err org_metrics_log_take(struct org_metrics_log *l, int i) WARN_UNUSED;

/* Local. Also of a zeroed one whose csv.fd is -1. */
void org_metrics_log_close(struct org_metrics_log *l);

#endif
