/* One run, or one stage, of an ablation on the ranks of a group: from its locked directory to its
 * record.
 *
 * What stands in the directory already is used as far as it is of the same configuration: a
 * training goes on from its checkpoint, an evaluation behind its last row, a collection behind its
 * last episode. Parts of another configuration move aside first, to NAME.1 or the next free number.
 * The record is written last, and as a whole, so a run that was killed has none.
 */
#ifndef KARMA_JOBS_ABLATE_RUN_H
#define KARMA_JOBS_ABLATE_RUN_H

#include "core/base/lock.h"
#include "mpi/comm/comm.h"
#include "mpi/jobs/ablate_plan.h"

struct ablate_result {
    bool failed;      /* and the record says why */
    char reason[512]; /* rank 0; else "" */
    double seconds;   /* wall clock */
};

/* Collective. Run i of the plan, or a stage. `lock` is rank 0's, of the directory of the run or
 * stage; the caller ends it. A run that cannot be made is no error here: its record says so. Errors
 * leave no record: ERR_STOPPED after SIGUSR1, and what says nothing about the run (ERR_IO,
 * ERR_MEMORY, ERR_PEER, ERR_BUSY). A training takes the last words of the process (mpi/comm/stop.h)
 * for itself and leaves none. */
enum err ablate_run(struct ablate_result *out, struct comm *comm, const struct ablate_plan *plan,
                    int i, struct lock *lock) WARN_UNUSED;
enum err ablate_make_stage(struct ablate_result *out, struct comm *comm,
                           const struct ablate_plan *plan, int stage,
                           struct lock *lock) WARN_UNUSED;

#endif
