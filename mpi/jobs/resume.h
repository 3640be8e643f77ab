/* Resuming: what `karma train` finds in its run directory, and what follows from it.
 *
 *   nothing, or a run without a checkpoint   FRESH: train; what is there moves aside
 *   a run with a checkpoint                  CONTINUE it
 *   a run that is done                       DONE: its digest is known
 *
 * The last two only if the run has the same configuration, as far as that decides the weights.
 */
#ifndef KARMA_JOBS_RESUME_H
#define KARMA_JOBS_RESUME_H

#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"

enum resume { RESUME_FRESH, RESUME_CONTINUE, RESUME_DONE };

/* Collective; rank 0 looks, everybody gets the answer. *digest: of the weights, where DONE; else
 * untouched. restart: whatever is there, FRESH. ERR_CONFIG with a sentence that names the keys that
 * differ if the directory holds a run of another configuration. */
enum err resume_decide(enum resume *what, uint64_t *digest, struct comm *comm,
                       const struct experiment *x, bool restart) WARN_UNUSED;

/* Local. Is the training in that run directory done? A directory without a run: no. */
enum err resume_is_done(bool *done, struct arena *arena, const char *run_dir) WARN_UNUSED;

#endif
