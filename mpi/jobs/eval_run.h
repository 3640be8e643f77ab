/* Running an evaluation: its rows are taken from files as far as they are there, else played.
 *
 * Rank 0 reads DIR/eval.csv, which may be unfinished, and the files to be merged; the jobs that are
 * left go through the farm, and each row is appended as soon as its turn comes. So a run that was
 * killed or stopped goes on, on any number of ranks, and the file ends as the same bytes. Of each
 * arm and file one row is played again and compared: a program that measures something else does
 * not go on. See core/eval/eval_store.h.
 */
#ifndef KARMA_JOBS_EVAL_RUN_H
#define KARMA_JOBS_EVAL_RUN_H

#include "core/base/lock.h"
#include "core/eval/eval_store.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"
#include "mpi/jobs/org_metrics_log.h"
#include "mpi/jobs/policies.h"
#include "mpi/jobs/trajectories.h"

/* Who wants to know each row as soon as it is there: rank 0, in the order of jobs, those first that
 * were measured before (seconds 0). seconds: CPU time of the episode on the rank that played it. */
struct eval_run_watch {
    void *ctx;
    enum err (*row)(void *ctx, int job, double seconds); /* NULL: nobody */
};

struct eval_run_options {
    bool restart; /* old rows in DIR count for nothing */
    const char *const
        *files; /* (n_files) merge these, play nothing else: missing rows are errors */
    int n_files;
    struct lock *lock;           /* of DIR, rank 0's; NULL: nobody else can be there */
    struct eval_run_watch watch; /* all ranks: the same answer to whether there is one */
    const char *config; /* kept as DIR/config.yaml (mpi/jobs/eval_config.h); NULL: none is */
};

struct eval_run {
    struct comm *comm;
    struct experiment *x;
    const char *dir, *csv_path;
    struct arena *arena; /* borrowed */
    struct policies policies;
    struct eval *eval;
    struct job_list inner; /* of the evaluation */
    struct eval_grid grid;
    struct eval_store store;           /* rank 0 */
    struct csv csv;                    /* rank 0 */
    struct trajectories *trajectories; /* NULL: not wanted */
    struct org_metrics_log org_metrics;
    int *todo; /* (n_todo) jobs, ascending */
    int n_todo;
    struct lock *lock; /* borrowed */
    struct eval_run_watch watch;
};

/* Local. Loads policies, builds controllers. config_path: for messages. Everything by reference. */
enum err eval_run_init(struct eval_run *m, struct arena *arena, struct comm *comm,
                       struct experiment *x, const char *config_path, const char *dir) WARN_UNUSED;

/* Collective. Then rank 0 has all rows (eval_rows(m->eval)) and DIR/eval.csv holds them in the
 * order of jobs. ERR_STOPPED after SIGUSR1 (mpi/comm/stop.h); what was measured stays in the file.
 */
enum err eval_run_execute(struct eval_run *m, const struct eval_run_options *o) WARN_UNUSED;

/* Local. Also after an error, and for a zeroed `m` whose csv.fd is -1. */
void eval_run_release(struct eval_run *m);

#endif
