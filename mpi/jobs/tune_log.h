/* DIR/trials.csv and DIR/seconds.csv of a tuning; rank 0's.
 *
 * trials.csv has one line for each trial in each rung, in the order of rungs and trials. It is a
 * pure function of the episodes' rows, so it is written anew whenever the tuning starts, and has
 * the same bytes for any number of ranks and interruptions. Times stand in seconds.csv, where each
 * start of the command appends what it has played itself.
 */
#ifndef KARMA_JOBS_TUNE_LOG_H
#define KARMA_JOBS_TUNE_LOG_H

#include "core/base/csv.h"
#include "core/report/trials_table.h"
#include "mpi/jobs/tune_trials.h"

struct tune_log {
    const struct tune_trials *trials;
    struct arena *arena; /* borrowed */
    const char *dir;
    struct csv rows, seconds; /* opened with the first line: who is refused before leaves the old */
};

/* What a trial took in one rung, of that what was not done before. */
struct tune_seconds {
    int trial, rung, n_episodes; /* that were played */
    double cpu_s;                /* of these */
    double train_s;              /* of its trainings; NaN: a controller */
};

/* Local. By reference; writes nothing. */
void tune_log_init(struct tune_log *l, struct arena *arena, const struct tune_trials *trials,
                   const char *dir);
enum err tune_log_put(struct tune_log *l, const struct trial_result *r) WARN_UNUSED;
enum err tune_log_put_seconds(struct tune_log *l, const struct tune_seconds *s) WARN_UNUSED;
/* The lines so far are on the disk. */
enum err tune_log_sync(struct tune_log *l) WARN_UNUSED;
/* Also of a log whose files are -1. */
void tune_log_close(struct tune_log *l);

#endif
