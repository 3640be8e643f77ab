/* Signals: how a run ends when somebody wants it to.
 *
 *   SIGUSR1          an orderly end: noted, and asked for between steps. Slurm sends it before a
 *                    time limit, and mpirun hands it to every rank
 *   SIGTERM, SIGINT, SIGHUP
 *                    leave at once: the last words go into the run's status, then the process dies
 *                    of the signal. mpirun sends SIGTERM to all ranks when one was lost, and
 *                    SIGKILL a second later. SIGHUP comes when a terminal is closed; where it was
 *                    ignored before, as nohup has it, it is ignored
 *
 * Last words say how far the run was and, if a rank of this host is gone, which one. They are
 * written by the lowest rank of the host that is left, so a lost rank 0 is told of, too; if that
 * one is held up for long, by another. The same rank says how to go on. It writes that into the
 * FIFO of mpi/launch, whose name stands in the environment variable KARMA_LAST_WORDS, because Open
 * MPI drops what a rank writes to standard error then; without a FIFO, to standard error. After
 * them, or without any, a lock that this process holds is removed.
 */
#ifndef KARMA_COMM_STOP_H
#define KARMA_COMM_STOP_H

#include "core/base/lock.h"
#include "mpi/comm/peers.h"

#include <stdbool.h>

/* Local. From now on SIGUSR1 is noted instead of ending the process. main() calls it before all
 * else, so that a signal that comes while the configuration is read, or in MPI_Init, is noted. What
 * was noted before is forgotten. */
void stop_listen(void);

/* Local. Ranks must agree before they act on it: the signal reaches them at different moments. */
bool stop_requested(void);
/* Local. From now on SIGTERM, SIGINT and SIGHUP are noted, too: for a process that serves and has
 * no ranks, whose end must be orderly. */
void stop_listen_all(void);
/* Local. The request is being followed and no longer asked for, so that what ends the work in order
 * (a lease that is given up) is not cut short by it. A further signal is noted again. */
void stop_followed(void);
/* The same as the `stop` of a job_list. */
bool stop_of_jobs(void *ctx);

/* Local. From now on SIGTERM, SIGINT and SIGHUP leave last words in the file `status` (copied),
 * until stop_forget(). `peers` by reference. */
void stop_last_words(const struct peers *peers, const char *status, int updates);
/* Local. How far the run is: "after update `done` of `updates`". */
void stop_at(int done);
/* Local. Update `done` is in a checkpoint: a run that is ended goes on after it. */
void stop_saved(int done);

/* Local. From now on SIGTERM, SIGINT and SIGHUP say on standard error how to go on, until
 * stop_forget(). For work without a status file that keeps what it has and goes on where it was.
 * `peers` by reference; of several ranks the lowest one that is left on the host of rank 0 speaks.
 * NULL: this process is alone. */
void stop_resumable(const struct peers *peers);

/* Local. The command that goes on: the environment variable KARMA_COMMAND, which mpi/launch and
 * slurm/job.sh set, without the word --restart; else "the same command, without --restart". Static
 * storage. */
const char *stop_command(void);
/* Local. Says the same of a rank that was found gone, before this one ends the job. */
void stop_lost(int rank);
/* Local. No more last words. */
void stop_forget(void);
/* Local. From now on SIGTERM, SIGINT and SIGHUP remove this lock (by reference); NULL: none any
 * more. */
void stop_lock(const struct lock *l);

#endif
