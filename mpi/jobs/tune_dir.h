/* The directory of a tuning: whose it is, how far it is, and what is written at the end. Rank 0's.
 */
#ifndef KARMA_JOBS_TUNE_DIR_H
#define KARMA_JOBS_TUNE_DIR_H

#include "core/base/lock.h"
#include "mpi/jobs/tune_rung.h"

/* Local. Takes the locked directory for this tuning: an empty one, or one of the same
 * configuration, which may have had fewer trials of a random search. Another one is refused with
 * the keys that differ (ERR_CONFIG); restart: it moves aside first. */
enum err tune_dir_take(const struct tune_trials *trials, const char *dir, struct lock *lock,
                       bool restart, struct arena *scratch) WARN_UNUSED;

/* Local. Prints how far a tuning is; takes no lock and writes nothing. */
enum err tune_dir_status(const struct tune_trials *trials, const char *dir,
                         struct arena *scratch) WARN_UNUSED;

/* Local. Tables to standard output and files, the figure, best.yaml. */
enum err tune_dir_report(const struct tune_play *p) WARN_UNUSED;

#endif
