/* A job list whose records are arrays of doubles, kept in a file: an interrupted list goes on where
 * it stopped, on any number of ranks.
 *
 * The file is a sequence of frames (proto/numbers.h), one for each job, in the order of jobs. Those
 * that are there are taken back if they have the list's digest; a torn or foreign frame ends that,
 * and what stands behind it is computed anew.
 */
#ifndef KARMA_JOBS_NUMBER_JOBS_H
#define KARMA_JOBS_NUMBER_JOBS_H

#include "core/base/lock.h"
#include "mpi/comm/comm.h"

struct number_jobs {
    const char *path; /* of the file */
    uint64_t digest;  /* of everything that decides a result */
    int n;
    const char *what;  /* for the progress line */
    bool restart;      /* what is there is dropped */
    struct lock *lock; /* of the directory: confirmed before each write; NULL: none */
    void *ctx;
    /* On any rank: the values of job i, appended as doubles. Pure in i: may use ctx as scratch. */
    enum err (*run)(void *ctx, int i, struct buf *out);
    /* On rank 0, in the order of i. */
    enum err (*take)(void *ctx, int i, const double *values, size_t n);
};

/* Collective. SIGUSR1 ends it after the jobs that run: ERR_STOPPED, the file has what was done. */
enum err number_jobs_run(struct comm *comm, const struct number_jobs *jobs) WARN_UNUSED;

#endif
