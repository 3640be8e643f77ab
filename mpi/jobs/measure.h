/* Measuring: the rows of an evaluation, taken from files as far as they are there, else played.
 *
 * Rank 0 reads DIR/eval.csv, which may be unfinished, and the files to be merged; the jobs that are
 * left go through the farm, and each row is appended as soon as its turn comes. So a run that was
 * killed or stopped goes on, on any number of ranks, and the file ends as the same bytes. Of each
 * arm and file one row is played again and compared: a program that measures something else does
 * not go on. See core/eval/ledger.h.
 */
#ifndef KARMA_JOBS_MEASURE_H
#define KARMA_JOBS_MEASURE_H

#include "core/base/lock.h"
#include "core/eval/ledger.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/conductlog.h"
#include "mpi/jobs/experiment.h"
#include "mpi/jobs/policies.h"
#include "mpi/jobs/trajectories.h"

struct measure_options {
    bool restart; /* old rows in DIR count for nothing */
    const char *const
        *files; /* (n_files) merge these, play nothing else: missing rows are errors */
    int n_files;
    struct lock *lock; /* of DIR, rank 0's; NULL: nobody else can be there */
};

struct measure {
    struct comm *comm;
    struct experiment *x;
    const char *dir, *csv_path;
    struct arena *arena; /* borrowed */
    struct policies policies;
    struct eval *eval;
    struct job_list inner; /* of the evaluation */
    struct ledger_cfg plan;
    struct ledger ledger;              /* rank 0 */
    struct csv csv;                    /* rank 0 */
    struct trajectories *trajectories; /* NULL: not wanted */
    struct conductlog conduct;
    int *todo; /* (n_todo) jobs, ascending */
    int n_todo;
    struct lock *lock; /* borrowed */
};

/* Local. Loads policies, builds controllers. config_path: for messages. Everything by reference. */
enum err measure_init(struct measure *m, struct arena *arena, struct comm *comm,
                      struct experiment *x, const char *config_path, const char *dir) WARN_UNUSED;

/* Collective. Then rank 0 has all rows (eval_rows(m->eval)) and DIR/eval.csv holds them in the
 * order of jobs. ERR_STOPPED after SIGUSR1 (mpi/comm/stop.h); what was measured stays in the file.
 */
enum err measure_run(struct measure *m, const struct measure_options *o) WARN_UNUSED;

/* Local. Also after an error, and for a zeroed `m` whose csv.fd is -1. */
void measure_release(struct measure *m);

#endif
