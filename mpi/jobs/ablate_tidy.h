/* What killed processes leave in the directory of a run, and nobody needs: files half written, and
 * trainings without a checkpoint (`training`, and `training.N`, to which one moves aside when the
 * next begins). A training that is done or has a checkpoint stays, whatever it is of.
 *
 * Local, for the process that holds the lock of the directory: a directory is not locked while
 * somebody holds a lock below it (core/base/lock.h), so nobody owns what is found there.
 */
#ifndef KARMA_JOBS_ABLATE_TIDY_H
#define KARMA_JOBS_ABLATE_TIDY_H

#include "core/base/err.h"
#include "core/base/mem.h"

enum err ablate_tidy_run(const char *dir, struct arena *scratch) WARN_UNUSED;

/* The directory of the ablation, which several processes write at the same time: temporary files
 * that are too old to be somebody's. */
enum err ablate_tidy_all(const char *dir, struct arena *scratch) WARN_UNUSED;

#endif
