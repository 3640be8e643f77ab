/* A job list: everything parallel but a training.
 *
 * job(i) is a pure function of its index that returns one record (bytes). Evaluation, cloning,
 * trace collection and ablations differ only in the job. jobs_run() is the plain loop;
 * mpi/comm/farm.h maps the same list on ranks. Both deliver the records in the order of the index,
 * so the outcome is the same bytes.
 */
#ifndef KARMA_BASE_JOBS_H
#define KARMA_BASE_JOBS_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>

struct job_list {
    int n;
    void *ctx;
    const char *what; /* for the progress line: "evaluate" */
    /* Compute job i and append its record to `out`. Pure in i: may use ctx as scratch. */
    enum err (*run)(void *ctx, int i, struct buf *out);
    /* Take record i; called in the order of i, on the root only. */
    enum err (*take)(void *ctx, int i, const void *record, size_t bytes);
    /* Asked on the root between jobs; true: no further job begins, those that run are taken, and
     * the list ends with ERR_STOPPED if that is not all of them. NULL: never. */
    bool (*stop)(void *ctx);
};

/* Local. Stops at the first error and returns it. */
enum err jobs_run(const struct job_list *jobs) WARN_UNUSED;

#endif
