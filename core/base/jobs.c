/* The job list as a plain loop: what every other way of running it must reproduce. */
#include "core/base/jobs.h"

#include "core/base/progress.h"

static enum err run_all(const struct job_list *jobs, struct buf *record, struct progress *progress)
{
    for (int i = 0; i < jobs->n; i++) {
        if (jobs->stop != NULL && jobs->stop(jobs->ctx)) {
            return ERR_STOPPED;
        }
        /* One buffer for all records: it keeps its capacity, so it soon stops allocating. */
        record->len = 0;
        TRY(jobs->run(jobs->ctx, i, record));
        TRY(jobs->take(jobs->ctx, i, record->data, record->len));
        progress_at(progress, (uint64_t)i + 1, "%s", "");
    }
    return ERR_OK;
}

enum err jobs_run(const struct job_list *jobs)
{
    CHECK(jobs->n >= 0);
    struct progress progress;
    struct buf record;
    buf_init(&record);
    progress_begin(&progress, jobs->what, 0, (uint64_t)jobs->n);
    enum err e = run_all(jobs, &record, &progress);
    progress_end(&progress);
    buf_release(&record);
    return e;
}
