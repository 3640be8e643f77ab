/* Rank 0 takes a lock for all ranks. See locking.h. */
#include "mpi/comm/locking.h"

#include "core/base/file.h"
#include "mpi/comm/stop.h"

typedef enum err take_lock(struct lock *l, const char *path, const struct owner *me,
                           const char *elsewhere, const struct lock_times *times);

/* Only rank 0 can fail, so the agreement either lets all ranks go on with the lock held or makes
 * all of them leave without it. From stop_lock() on a signal removes the lock file. */
static enum err take(struct lock *l, take_lock *how, struct comm *comm, const char *path,
                     const char *command, const char *elsewhere)
{
    struct owner me;
    enum err e = ERR_OK;
    *l = (struct lock){.fd = -1};
    if (comm == NULL || comm->rank == 0) {
        owner_identify(&me, command);
        e = how(l, path, &me, elsewhere, &lock_usual_times);
        if (e == ERR_OK) {
            stop_lock(l);
        }
    }
    return comm != NULL ? comm_agree(comm, e) : e;
}

enum err locking_dir(struct lock *l, struct comm *comm, const char *dir, const char *command,
                     const char *elsewhere)
{
    return take(l, lock_dir, comm, dir, command, elsewhere);
}

enum err locking_guest_dir(struct lock *l, struct comm *comm, const char *dir, const char *command,
                           const char *elsewhere)
{
    return take(l, lock_guest_dir, comm, dir, command, elsewhere);
}

static enum err lock_regular(struct lock *l, const char *file, const struct owner *me,
                             const char *elsewhere, const struct lock_times *times)
{
    return file_is_special(file) ? ERR_OK : lock_file(l, file, me, elsewhere, times);
}

enum err locking_file(struct lock *l, struct comm *comm, const char *file, const char *command,
                      const char *elsewhere)
{
    return take(l, lock_regular, comm, file, command, elsewhere);
}

enum err locking_guest_file(struct lock *l, struct comm *comm, const char *file,
                            const char *command, const char *elsewhere)
{
    return take(l, lock_guest_file, comm, file, command, elsewhere);
}

void locking_end(struct lock *l)
{
    if (l->held) {
        stop_lock(NULL);
    }
    lock_release(l);
}
