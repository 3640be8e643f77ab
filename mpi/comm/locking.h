/* Locks of a command: what it writes belongs to it, from before its first write to its end.
 *
 * Rank 0 takes the lock (core/base/lock.h) and all ranks leave together if it is refused. SIGTERM,
 * SIGINT and SIGHUP remove it too (mpi/comm/stop.h); what SIGKILL leaves behind is taken over by
 * the next process.
 */
#ifndef KARMA_COMM_LOCKING_H
#define KARMA_COMM_LOCKING_H

#include "core/base/lock.h"
#include "mpi/comm/comm.h"

/* Collective; comm NULL: a command without ranks. The lock of a directory, which is made, or of a
 * file. For messages: `command`, as in "karma train", and `elsewhere`, the option that chooses
 * another place, as in "--out DIR"; NULL if there is none. `l` is rank 0's and stays where it is
 * until locking_end(); on other ranks it is empty. ERR_BUSY: another process is the owner. */
enum err locking_dir(struct lock *l, struct comm *comm, const char *dir, const char *command,
                     const char *elsewhere) WARN_UNUSED;
/* It may be in a directory that another process has locked. */
enum err locking_guest_dir(struct lock *l, struct comm *comm, const char *dir, const char *command,
                           const char *elsewhere) WARN_UNUSED;
enum err locking_guest_file(struct lock *l, struct comm *comm, const char *file,
                            const char *command, const char *elsewhere) WARN_UNUSED;
/* What is there and not a regular file (/dev/stdout, a pipe) needs no lock. */
enum err locking_file(struct lock *l, struct comm *comm, const char *file, const char *command,
                      const char *elsewhere) WARN_UNUSED;

/* Local. Also for an empty `l`, and twice. */
void locking_end(struct lock *l);

#endif
