/* Locks: one process at a time writes a directory or a file.
 *
 * A lock is a file whose text names its owner (core/base/owner.h): DIR/lock for a directory,
 * FILE.lock for a file. The owner holds it from before its first write until its end and renews its
 * time of modification every 30 s, from a thread of its own that takes no signals. Everybody else
 * is refused with ERR_BUSY and a sentence that names the owner, unless
 *
 *   the owner was a process of this machine and does not exist any more, or
 *   the lock is of our own Slurm job (and array task) from before a requeue, on whatever node, or
 *   it was not renewed for 5 minutes by the clock of the file system, that is, compared with a file
 *   written now into the same directory. No host's clock is looked at.
 *
 * Then it is taken over; of several that try at once exactly one succeeds. It works where link() or
 * open(O_EXCL) is atomic, as on NFS; flock() is not used. A process that was suspended for so long
 * that it lost its lock finds out with lock_confirm(). Local.
 */
#ifndef KARMA_BASE_LOCK_H
#define KARMA_BASE_LOCK_H

#include "core/base/err.h"
#include "core/base/owner.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Seconds. Tests use other ones. */
struct lock_times {
    double renew; /* from one renewal to the next */
    double stale; /* a lock not renewed for longer belongs to nobody */
    double watch; /* how long a lock is watched that may be of a process from before a requeue */
};
extern const struct lock_times lock_usual_times; /* 30, 300, 65 */

struct lock {
    char path[PATH_MAX];   /* of the lock file */
    char what[PATH_MAX];   /* that it protects, for messages */
    const char *elsewhere; /* the option that chooses another place; NULL: there is none */
    struct owner me;
    struct lock_times times;
    bool guest; /* it may be in a directory that another process has locked */
    bool held;
    int n_made; /* directories made for the lock; they go with it if they are empty */
    int fd;     /* our file, whatever stands at `path` by now; -1 */
    dev_t dev;
    ino_t ino;
    bool renewing, ending; /* the thread; `ending` under `mutex` */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

/* The lock file of a directory, which is made if it is missing, or of a file, whose directory is
 * made. Names with symbolic links lead to one lock. `l` must stay where it is until
 * lock_release(). `elsewhere` (by reference): the option that chooses another place, for messages,
 * as in "--out DIR"; NULL if there is none. After an error nothing is held. ERR_BUSY: somebody else
 * is the owner, or has locked a directory above; or, for a directory, anything below it. */
enum err lock_dir(struct lock *l, const char *dir, const struct owner *me, const char *elsewhere,
                  const struct lock_times *times) WARN_UNUSED;
enum err lock_file(struct lock *l, const char *file, const struct owner *me, const char *elsewhere,
                   const struct lock_times *times) WARN_UNUSED;

/* The same for what may be in a directory that another process has locked, because that process
 * does not write it. */
enum err lock_guest_dir(struct lock *l, const char *dir, const struct owner *me,
                        const char *elsewhere, const struct lock_times *times) WARN_UNUSED;
enum err lock_guest_file(struct lock *l, const char *file, const struct owner *me,
                         const char *elsewhere, const struct lock_times *times) WARN_UNUSED;

/* Renews the lock and looks whether it is still ours: ERR_BUSY with a sentence if not. Due before
 * something is written that a new owner would not expect. Fine if nothing is held. */
enum err lock_confirm(struct lock *l) WARN_UNUSED;

/* A locked directory gets the name `aside`, and an empty one with its own lock takes its place.
 * ERR_BUSY, and nothing is moved, if a process works on something below the directory; or if
 * somebody was quicker to take the new directory. */
enum err lock_move_aside(struct lock *l, const char *dir, const char *aside) WARN_UNUSED;

/* Is a directory locked, as far as can be seen without taking the lock? *who: its owner (NULL: not
 * wanted). Writes nothing, logs nothing, does not wait, and takes this host's clock for that of the
 * file system; so it is an answer for people, and for choosing what to try to lock. A lock that
 * lock_dir() would watch before it takes it over counts as held. */
bool lock_look(struct owner *who, const char *dir, const struct owner *me,
               const struct lock_times *times);

/* Removes the lock if it is ours. Fine if nothing is held (a zeroed `l`), and twice. */
void lock_release(struct lock *l);

/* For a signal handler: removes the file if it is ours, nothing else. */
void lock_abandon(const struct lock *l);

#endif
