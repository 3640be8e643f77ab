/* Who is where, and who is gone. See peers.h. */
#include "mpi/comm/peers.h"

#include "core/base/log.h"
#include "core/base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* What a rank tells all the others. */
struct process {
    uint32_t host; /* checksum of what makes a host the same host */
    int32_t pid;
};

/* One gather, whatever the number of ranks. Going through the processes in the order of the ranks
 * leaves `here` ascending. */
enum err peers_init(struct peers *p, struct arena *arena, struct comm *comm)
{
    const struct process mine = {owner_machine(), (int32_t)getpid()};
    *p = (struct peers){
        .me = comm->rank, .lost = -1, .here = ARENA_NEW(arena, comm->size, struct peer)};
    struct process *all = ARENA_NEW(arena, comm->size, struct process);
    TRY(comm_agree(comm, arena_error(arena)));
    TRY(comm_gather_all(comm, all, &mine, sizeof mine));
    for (int r = 0; r < comm->size; r++) {
        if (r != comm->rank && all[r].host == mine.host) {
            p->here[p->n_here++] = (struct peer){r, all[r].pid};
        }
    }
    return ERR_OK;
}

/* ---- who is gone? ---- */

/* "123 (name) Z ...": the state stands behind the last parenthesis. The name in the parentheses may
 * itself contain parentheses and spaces, so the last one is looked for from the end. stat[n + 1] is
 * inside the array: is_gone() reads two bytes less than it has room for, and zeroed the rest. */
static bool is_zombie(const char *stat, long n)
{
    while (n > 0 && stat[n - 1] != ')') {
        n--;
    }
    return n > 0 && (stat[n + 1] == 'Z' || stat[n + 1] == 'X');
}

/* In decimal digits, with the functions that a handler may call: none. Digits come out lowest first
 * and are turned round. A pid has at most 10 digits, so the path has 22 bytes with its NUL; the
 * caller has 32. */
static void path_of_stat(char *path, int pid)
{
    char digits[16];
    int n = 0;
    memcpy(path, "/proc/", 6);
    path += 6;
    do {
        digits[n++] = (char)('0' + pid % 10);
        pid /= 10;
    } while (pid > 0);
    while (n > 0) {
        *path++ = digits[--n];
    }
    memcpy(path, "/stat", 6);
}

/* Signal 0 is not sent; kill() only says whether the process exists. A process that was killed but
 * not yet waited for by its parent (mpirun) still exists as a zombie, so its state is read as
 * well. Where /proc cannot be read, a zombie counts as alive. errno belongs to the code that a
 * signal handler interrupts. */
static bool is_gone(int pid)
{
    char path[32], stat[512] = "";
    const int saved = errno;
    bool gone = kill(pid, 0) != 0 && errno == ESRCH;
    path_of_stat(path, pid);
    const int fd = gone ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        const long n = read(fd, stat, sizeof stat - 2);
        gone = is_zombie(stat, n);
        close(fd);
    }
    errno = saved;
    return gone;
}

int peers_lost(const struct peers *p)
{
    for (int i = 0; i < p->n_here; i++) {
        if (is_gone(p->here[i].pid)) {
            return p->here[i].rank;
        }
    }
    return -1;
}

/* `here` ascends, so the loop visits the ranks below mine and no others. */
bool peers_lowest(const struct peers *p)
{
    for (int i = 0; i < p->n_here && p->here[i].rank < p->me; i++) {
        if (!is_gone(p->here[i].pid)) {
            return false;
        }
    }
    return true;
}

enum err peers_watch(void *peers)
{
    struct peers *p = peers;
    const int lost = p->lost = peers_lost(p);
    if (lost < 0) {
        return ERR_OK;
    }
    log_error("rank %d, on this host, is gone: killed from outside (out of memory?) or crashed; "
              "its own messages and the kernel's log say more",
              lost);
    return ERR_PEER;
}
