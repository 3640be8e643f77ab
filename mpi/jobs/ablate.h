/* An ablation: its stages, then its runs, each by a group of ranks (karma ablate).
 *
 * Every run has a directory, and who works on it holds the lock of that directory. This is how runs
 * are shared out: a group looks for the first run that is waiting, takes its lock, looks again, and
 * makes it. So groups of one MPI job, tasks of a Slurm array and processes that know nothing of
 * each other work on one ablation together, and no run is made twice. A lock whose owner is gone is
 * taken over, and the run goes on from what it has.
 *
 * Stages are made first, by all ranks together; a process whose stage another one makes waits for
 * it. core/eval/ablation_results.h describes the directory.
 */
#ifndef KARMA_JOBS_ABLATE_H
#define KARMA_JOBS_ABLATE_H

#include "mpi/comm/comm.h"
#include "mpi/jobs/ablate_plan.h"

struct ablate_order {
    int group;         /* ranks of a group, at least; 1 .. size */
    const char *lines; /* "3,7,9-12": only these; NULL: all */
    bool stages_only;
    bool retry;   /* failed runs, too */
    bool restart; /* runs of another configuration are moved aside and made again */
};

/* Collective. Makes what is missing. ERR_STOPPED after SIGUSR1: runs under way have checkpoints.
 * ERR_FAILED, after all that could be made, if runs have failed, with a sentence. ERR_CONFIG if
 * there are results of another configuration, or TEST episodes without a digest that was published
 * before. */
enum err ablate_all(struct comm *comm, const struct ablate_plan *plan,
                    const struct ablate_order *order) WARN_UNUSED;

/* Local. "3,7,9-12" into wanted (n), which is cleared first. ERR_USAGE with a sentence. */
enum err ablate_read_lines(bool *wanted, int n, const char *text) WARN_UNUSED;

/* Local. May this spec play its episodes? ERR_CONFIG with a sentence if it plays TEST episodes and
 * does not carry its own digest. */
enum err ablate_check_test(const struct ablate_plan *plan) WARN_UNUSED;

#endif
