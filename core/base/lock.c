/* Locks: taking, taking over, renewing. See lock.h.
 *
 * Taking. The complete text is written into a temporary file T, and link(T, L) gives it the lock's
 * name L. link() fails if L exists, so one of several succeeds. An answer that was lost on the way
 * from a file server is made up for by looking at T: two links mean success.
 *
 * Taking over. Let L hold the text v of an owner that is gone. Who wants L first takes the claim
 * C(v), a lock of its own whose name contains a checksum of v; then reads L again; if L still
 * holds v and v is still to be taken over, rename(T, L) replaces it; then C(v) is removed.
 *
 *   At most one process replaces v. Only the holder of C(v) does, and one process holds it at a
 *   time. If A and B hold it one after the other and A replaced v, then B takes C(v) after A
 *   removed it, that is after A's rename, and so B reads something else than v in L: no two locks
 *   have the same text, because it holds host, process, its start and the nanosecond.
 *   Somebody does. If several find v, one gets C(v), and only death keeps it from replacing v. A
 *   claim whose holder died is a lock with a gone owner and is taken over in the same way; the
 *   names get longer with each death, and NEST_MAX of them in a row are given up.
 *   A lock that is alive is not lost. Its owner renews it, which is seen when L is read under the
 *   claim; the owner would have to sleep for `stale` seconds and wake up in the microseconds
 *   between that look and the rename. lock_confirm() tells it before it writes anything.
 */
#include "core/base/lock.h"

#include "core/base/crc32c.h"
#include "core/base/file.h"
#include "core/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    NEST_MAX = 4,     /* claims on claims */
    TRIES_MAX = 1000, /* times NAP_MS: others may be in the middle of a takeover */
    NAP_MS = 20,
    SCAN_DEPTH = 8, /* of directories, in search of locks */
    STACK_BYTES = 256 * 1024,
};

const struct lock_times lock_usual_times = {.renew = 30.0, .stale = 300.0, .watch = 65.0};

/* What stands at a path. */
struct found {
    struct owner owner; /* pid 0: not readable as one */
    char text[OWNER_TEXT_MAX];
    struct stat st;
    bool there;
};

/* A lock of which only time can tell, and what is known of it so far. */
struct watched {
    ino_t ino;
    struct timespec renewed;
    bool due;  /* it is to be watched next */
    bool over; /* it was not renewed while it was watched */
};

/* What one attempt led to. AGAIN: somebody else changed something meanwhile, look anew. REFUSED:
 * the lock has an owner. FAILED: an error of the system, logged. */
enum outcome { TAKEN, AGAIN, REFUSED, FAILED };
enum verdict { TAKE_OVER, WATCH, REFUSE };

static void nap_ms(int ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

static double seconds(struct timespec t)
{
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum err cannot(const char *verb, const char *path)
{
    log_error("cannot %s '%s': %s; a lock there keeps two processes from writing the same files",
              verb, path, strerror(errno));
    return ERR_IO;
}

static enum outcome give_up(const char *verb, const char *path)
{
    (void)!cannot(verb, path);
    return FAILED;
}

/* ---- reading and judging ---- */

/* The text of an open lock, and whose it is. */
static bool read_text(struct found *f, int fd)
{
    const long n = read(fd, f->text, sizeof f->text - 1);
    f->text[n > 0 ? n : 0] = '\0';
    (void)owner_parse(&f->owner, f->text);
    return n >= 0;
}

/* Reads what stands at the path; f->there false if nothing does. A text that is no owner's leaves
 * pid 0: it may be half written, or of another program, and only its age counts. */
static enum err look(struct found *f, const char *path)
{
    *f = (struct found){.there = false};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    /* ESTALE: the file was replaced on an NFS server between look-up and open. */
    if (fd < 0 && (errno == ENOENT || errno == ESTALE)) {
        return ERR_OK;
    }
    if (fd < 0 || fstat(fd, &f->st) != 0) {
        const enum err e = cannot("read", path);
        if (fd >= 0) {
            close(fd);
        }
        return e;
    }
    (void)read_text(f, fd);
    close(fd);
    f->there = true;
    return ERR_OK;
}

/* May the lock be taken over? `now`: a time of the same file system.
 *
 * In this order: an owner that is known to be gone, or a lock that is too old, may be; an owner
 * that is alive, or one of another job, keeps the lock. What is left is an owner of our own Slurm
 * job on another machine. If it started before a requeue, Slurm has ended it. With the same number
 * of restarts it may be a sibling that lives, so the lock is watched: a living owner renews it
 * within `renew` seconds, and `watch` is longer than that. */
static enum verdict judge(const struct found *f, const struct lock *l, struct timespec now,
                          const struct watched *w)
{
    const enum owner_life life = f->owner.pid > 0 ? owner_life(&f->owner, &l->me) : OWNER_UNKNOWN;
    if (life == OWNER_GONE || seconds(now) - seconds(f->st.st_mtim) > l->times.stale) {
        return TAKE_OVER;
    }
    if (life == OWNER_ALIVE || !owner_same_job(&f->owner, &l->me)) {
        return REFUSE;
    }
    if (l->me.restarts > f->owner.restarts) {
        return TAKE_OVER; /* Slurm ends a job before it starts it again */
    }
    const bool same = w->ino == f->st.st_ino && seconds(w->renewed) == seconds(f->st.st_mtim);
    return same && w->over ? TAKE_OVER : WATCH;
}

static void tell_refusal(const struct lock *l, const struct found *f, struct timespec now)
{
    char who[OWNER_TEXT_MAX];
    owner_describe(who, &f->owner);
    log_error(
        "'%s' is in use by %s; nothing was changed. Wait for it to end%s%s. If that process is "
        "gone, remove '%s', or try again later: a lock that is not renewed for %.0f s is taken "
        "over (last renewal %.0f s ago)",
        l->what, who, l->elsewhere != NULL ? ", or choose another place with " : "",
        l->elsewhere != NULL ? l->elsewhere : "", l->path, l->times.stale,
        seconds(now) - seconds(f->st.st_mtim));
}

/* ---- writing ---- */

/* Our text in a new file beside the lock; its times are the file system's now. */
static enum err write_mine(char temporary[PATH_MAX], struct stat *st, const struct lock *l)
{
    char text[OWNER_TEXT_MAX];
    const int n = snprintf(temporary, PATH_MAX, "%s.tmp-XXXXXX", l->path);
    if (n < 0 || n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return cannot("create", l->path);
    }
    const int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return cannot("create a file beside", l->path);
    }
    owner_print(text, &l->me);
    enum err e = file_write_fd(fd, temporary, text, strlen(text));
    if (e == ERR_OK && (fchmod(fd, 0644) != 0 || fsync(fd) != 0 || futimens(fd, NULL) != 0 ||
                        fstat(fd, st) != 0)) {
        log_debug("'%s': %s", temporary, strerror(errno));
        /* A failure of mode, flush or time is no error: the lock works without them. Only *st is
         * needed. */
        e = fstat(fd, st) == 0 ? ERR_OK : cannot("look at", temporary);
    }
    if (close(fd) != 0 && e == ERR_OK) {
        e = cannot("close", temporary);
    }
    if (e != ERR_OK) {
        unlink(temporary);
    }
    return e;
}

/* The file at l->path, if it is the one that `st` describes, becomes ours. */
static enum outcome hold(struct lock *l, const struct stat *st)
{
    struct stat now;
    const int fd = open(l->path, O_RDWR | O_CLOEXEC);
    /* Between link() or rename() and this open() another process may have taken over a lock that it
     * judged stale. The inode shows it. */
    if (fd < 0 || fstat(fd, &now) != 0 || now.st_ino != st->st_ino || now.st_dev != st->st_dev) {
        if (fd >= 0) {
            close(fd);
        }
        return AGAIN;
    }
    l->fd = fd;
    l->dev = now.st_dev;
    l->ino = now.st_ino;
    l->held = true;
    return TAKEN;
}

/* For file systems without links: a reader may see an incomplete text for a moment, and waits. */
static enum outcome create_directly(struct lock *l)
{
    char text[OWNER_TEXT_MAX];
    struct stat st;
    const int fd = open(l->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return errno == EEXIST ? AGAIN : give_up("create", l->path);
    }
    owner_print(text, &l->me);
    const bool written =
        file_write_fd(fd, l->path, text, strlen(text)) == ERR_OK && fstat(fd, &st) == 0;
    close(fd);
    if (!written) {
        unlink(l->path);
        return FAILED;
    }
    return hold(l, &st);
}

/* ---- taking ---- */

static enum outcome acquire(struct lock *l, int depth);

static void drop(struct lock *l)
{
    struct stat st;
    if (!l->held) {
        return;
    }
    (void)futimens(l->fd, NULL); /* nobody takes it over between the next two lines */
    if (stat(l->path, &st) == 0 && st.st_ino == l->ino && st.st_dev == l->dev) {
        unlink(l->path);
    }
    close(l->fd);
    l->fd = -1;
    l->held = false;
}

/* Under the claim: is it still the same, and still to be taken over? */
static enum outcome replace(struct lock *l, const struct found *old, const char *temporary,
                            const struct stat *mine, const struct watched *w)
{
    struct found now;
    if (look(&now, l->path) != ERR_OK) {
        return FAILED;
    }
    if (!now.there || now.st.st_ino != old->st.st_ino || strcmp(now.text, old->text) != 0 ||
        judge(&now, l, mine->st_mtim, w) != TAKE_OVER) {
        return AGAIN;
    }
    if (rename(temporary, l->path) != 0) {
        return errno == ENOENT ? AGAIN : give_up("replace", l->path);
    }
    return hold(l, mine);
}

static enum outcome take_over(struct lock *l, const struct found *old, const char *temporary,
                              const struct stat *mine, const struct watched *w, int depth)
{
    struct lock claim = {.me = l->me, .times = l->times, .fd = -1};
    const uint32_t sum =
        crc32c(crc32c(0, old->text, strlen(old->text)), &old->st.st_ino, sizeof old->st.st_ino);
    const int n = snprintf(claim.path, sizeof claim.path, "%s.claim-%08" PRIx32, l->path, sum);
    /* The inode in the checksum gives two locks with one text different claims. If two texts share
     * a checksum, their claims exclude each other needlessly, and nothing else happens. */
    if (n < 0 || (size_t)n >= sizeof claim.path || depth == NEST_MAX) {
        return REFUSED;
    }
    const enum outcome claimed = acquire(&claim, depth + 1);
    if (claimed != TAKEN) {
        return claimed == FAILED ? FAILED : AGAIN;
    }
    const enum outcome replaced = replace(l, old, temporary, mine, w);
    drop(&claim);
    if (replaced == TAKEN && depth == 0) {
        char who[OWNER_TEXT_MAX];
        owner_describe(who, &old->owner);
        log_info("'%s' was left locked by %s; this process goes on in its place", l->what, who);
    }
    return replaced;
}

/* One look and what follows from it. */
static enum outcome attempt(struct lock *l, const char *temporary, const struct stat *mine,
                            struct watched *w, int depth)
{
    struct found f;
    struct stat st;
    /* The reply to link() can get lost and the request be repeated; the second one fails with
     * EEXIST though the first succeeded. nlink == 2 proves that our file has both names. */
    const bool linked = link(temporary, l->path) == 0;
    const int why = errno;
    if (linked || (stat(temporary, &st) == 0 && st.st_nlink == 2)) {
        return hold(l, mine);
    }
    /* ENOENT: our temporary file was cleaned away; the next attempt writes a new one. */
    if (why != EEXIST && why != ENOENT) {
        return create_directly(l);
    }
    if (look(&f, l->path) != ERR_OK) {
        return FAILED;
    }
    if (!f.there) {
        return AGAIN;
    }
    const enum verdict v = judge(&f, l, mine->st_mtim, w);
    if (v == TAKE_OVER) {
        return take_over(l, &f, temporary, mine, w, depth);
    }
    /* A lock is watched once. If it was renewed meanwhile, w->ino is the same, w->over is false,
     * and the verdict WATCH ends in a refusal below. Another inode is another lock and is watched
     * anew. Claims are not watched: they are held for moments. */
    if (v == WATCH && depth == 0 && w->ino != f.st.st_ino) {
        *w = (struct watched){.ino = f.st.st_ino, .renewed = f.st.st_mtim, .due = true};
        return AGAIN;
    }
    if (depth == 0) {
        tell_refusal(l, &f, mine->st_mtim);
    }
    return REFUSED;
}

/* Until the lock is renewed, replaced or gone, or was watched for long enough. */
static void watch(struct watched *w, const struct lock *l)
{
    struct stat st;
    const double until = clock_s() + l->times.watch;
    w->due = false;
    log_info("'%s' is locked from another host by the same Slurm job; watching for up to %.0f s "
             "whether that process still renews the lock",
             l->what, l->times.watch);
    while (clock_s() < until) {
        const int fd = open(l->path, O_RDONLY | O_CLOEXEC); /* NFS: asks the server */
        const bool there = fd >= 0 && fstat(fd, &st) == 0;
        if (fd >= 0) {
            close(fd);
        }
        if (!there || st.st_ino != w->ino || seconds(st.st_mtim) != seconds(w->renewed)) {
            return;
        }
        nap_ms(10 * NAP_MS);
    }
    w->over = true;
}

static enum outcome acquire(struct lock *l, int depth)
{
    /* Each round writes a new temporary file: its time is the file system's present, which judge()
     * compares with the lock's. It is unlinked in any case; after success the lock's own name keeps
     * the file. Rounds are bounded, so two processes that hinder each other for ever end with a
     * message. */
    struct watched w = {.ino = 0};
    for (int i = 0; i < TRIES_MAX; i++) {
        char temporary[PATH_MAX];
        struct stat mine;
        if (w.due) {
            watch(&w, l);
        }
        if (write_mine(temporary, &mine, l) != ERR_OK) {
            return FAILED;
        }
        const enum outcome o = attempt(l, temporary, &mine, &w, depth);
        unlink(temporary);
        if (o != AGAIN) {
            return o;
        }
        if (!w.due) {
            nap_ms(NAP_MS);
        }
    }
    if (depth == 0) {
        log_error("'%s': its lock '%s' changes hands all the time; try again, or remove it",
                  l->what, l->path);
    }
    return REFUSED;
}

/* ---- renewing ---- */

static void *renew(void *lock)
{
    struct lock *l = lock;
    pthread_mutex_lock(&l->mutex);
    while (!l->ending) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        /* A wake-up by end_renewing() or by nothing at all is no time-out: the loop asks `ending`
         * again. The mutex is held but while waiting, so no signal of the end is missed. */
        const double at = seconds(until) + l->times.renew;
        until.tv_sec = (time_t)at;
        until.tv_nsec = (long)((at - (double)until.tv_sec) * 1e9);
        if (pthread_cond_timedwait(&l->wake, &l->mutex, &until) == ETIMEDOUT) {
            (void)futimens(l->fd, NULL); /* failed: lock_confirm() says so */
        }
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static enum err start_renewing(struct lock *l)
{
    sigset_t all, before;
    pthread_attr_t small;
    pthread_condattr_t monotonic;
    l->ending = false;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    /* A new thread inherits the mask, so there is no moment in which it takes a signal. */
    sigfillset(&all); /* signals are for the thread that computes */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&l->thread, &small, renew, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&small);
    l->renewing = error == 0;
    if (error != 0) {
        log_error("the thread that renews '%s' could not be started: %s", l->path, strerror(error));
        return ERR_FAILED;
    }
    return ERR_OK;
}

static void end_renewing(struct lock *l)
{
    if (!l->renewing) {
        return;
    }
    pthread_mutex_lock(&l->mutex);
    l->ending = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->mutex);
    l->renewing = false;
}

/* ---- the locks of others, above and below ---- */

static bool is_lock_name(const char *name)
{
    const size_t n = strlen(name), tail = strlen(".lock");
    return strcmp(name, "lock") == 0 || (n > tail && strcmp(name + n - tail, ".lock") == 0);
}

/* Is this somebody else's lock, and valid? Then l->what cannot be `done` to: "used", "written". */
static enum err check_lock(const char *path, const struct lock *l, const char *done,
                           struct timespec now)
{
    struct found f;
    const struct watched nothing = {.ino = 0};
    TRY(look(&f, path));
    /* Passed over: what is no lock of this program, our own lock, and a lock that could be taken
     * over. WATCH counts as valid here, since nothing waits in this check. */
    if (!f.there || f.owner.pid == 0 || (f.st.st_ino == l->ino && f.st.st_dev == l->dev) ||
        judge(&f, l, now, &nothing) == TAKE_OVER) {
        return ERR_OK;
    }
    char who[OWNER_TEXT_MAX];
    owner_describe(who, &f.owner);
    log_error("'%s' cannot be %s: %s holds '%s', and a directory is locked with all that is in it. "
              "Wait for it to end%s%s",
              l->what, done, who, path,
              l->elsewhere != NULL ? ", or choose another place with " : "",
              l->elsewhere != NULL ? l->elsewhere : "");
    return ERR_BUSY;
}

static enum err check_tree(const char *dir, const struct lock *l, const char *done,
                           struct timespec now, int depth)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return ERR_OK; /* it went away meanwhile, or is not ours to look at */
    }
    enum err e = ERR_OK;
    for (const struct dirent *entry; e == ERR_OK && (entry = readdir(d)) != NULL;) {
        char path[PATH_MAX];
        struct stat st;
        const int n = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || n < 0 ||
            (size_t)n >= sizeof path || lstat(path, &st) != 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode) && depth < SCAN_DEPTH) {
            e = check_tree(path, l, done, now, depth + 1);
        } else if (S_ISREG(st.st_mode) && is_lock_name(entry->d_name)) {
            e = check_lock(path, l, done, now);
        }
    }
    closedir(d);
    return e;
}

/* Nobody has locked the directory of our lock file or one above it. The lock of a directory stands
 * in that directory and is ours: check_lock() passes it over. */
static enum err check_above(const struct lock *l, const char *done, struct timespec now)
{
    /* l->path is absolute and without symbolic links (realpath), so cutting it at each slash gives
     * exactly the directories above. The loop ends at the root, where no slash is left. */
    char dir[PATH_MAX], above[PATH_MAX + sizeof "/lock"];
    (void)snprintf(dir, sizeof dir, "%s", l->path);
    for (char *slash; !l->guest && (slash = strrchr(dir, '/')) != NULL;) {
        *slash = '\0';
        (void)snprintf(above, sizeof above, "%s/lock", dir);
        TRY(check_lock(above, l, done, now));
    }
    return ERR_OK;
}

/* Nobody works in a directory above ours or on anything below it. Called with our own lock taken:
 * of two that start at once, each writes its lock first and looks afterwards, so the one that looks
 * later sees the lock of the other. Both may see each other and refuse; that neither sees the other
 * cannot happen. */
static enum err check_neighbours(const struct lock *l, bool is_dir)
{
    char dir[PATH_MAX];
    struct stat mine;
    if (fstat(l->fd, &mine) != 0) {
        return cannot("look at", l->path);
    }
    if (is_dir) {
        (void)snprintf(dir, sizeof dir, "%s", l->path);
        *strrchr(dir, '/') = '\0';
        TRY(check_tree(dir, l, "used", mine.st_mtim, 0));
    }
    return check_above(l, is_dir ? "used" : "written", mine.st_mtim);
}

/* ---- directories and files ---- */

static enum err take(struct lock *l)
{
    const enum outcome o = acquire(l, 0);
    if (o != TAKEN) {
        return o == REFUSED ? ERR_BUSY : ERR_IO;
    }
    const enum err e = start_renewing(l);
    if (e != ERR_OK) {
        drop(l);
    }
    return e;
}

static void begin(struct lock *l, const char *what, const struct owner *me, const char *elsewhere,
                  const struct lock_times *times)
{
    *l = (struct lock){.elsewhere = elsewhere, .me = *me, .times = *times, .fd = -1};
    (void)snprintf(l->what, sizeof l->what, "%s", what);
}

static enum err set_path(struct lock *l, const char *dir, const char *slash, const char *name)
{
    const int n = snprintf(l->path, sizeof l->path, "%s%s%s", dir, slash, name);
    if (n < 0 || (size_t)n >= sizeof l->path) {
        errno = ENAMETOOLONG;
        return cannot("create a lock in", dir);
    }
    return ERR_OK;
}

/* How many directories of this path are missing; those before a ".." are not counted. */
static int count_missing(const char *dir)
{
    char path[PATH_MAX];
    int n = 0;
    (void)snprintf(path, sizeof path, "%s", dir);
    /* Each round cuts the last part off, so the loop ends. A part that is empty or "." names no
     * directory of its own. */
    while (path[0] != '\0' && !file_exists(path)) {
        char *slash = strrchr(path, '/');
        const char *name = slash != NULL ? slash + 1 : path;
        if (strcmp(name, "..") == 0) {
            break;
        }
        n += *name != '\0' && strcmp(name, ".") != 0;
        *(slash != NULL ? slash : path) = '\0';
    }
    return n;
}

/* The directories that were made for the lock only, as far as they are empty. */
static void unmake_dirs(const struct lock *l)
{
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s", l->path);
    /* rmdir() refuses a directory that is not empty, so nothing of anybody is lost. */
    for (int i = 0; i < l->n_made; i++) {
        char *slash = strrchr(dir, '/');
        if (slash == NULL || slash == dir) {
            return;
        }
        *slash = '\0';
        if (rmdir(dir) != 0) {
            return;
        }
    }
}

/* The lock at l->path, unless somebody works above or below it; without it nothing is left. */
static enum err take_checked(struct lock *l, bool is_dir)
{
    enum err e = take(l);
    if (e == ERR_OK) {
        e = check_neighbours(l, is_dir);
    }
    if (e != ERR_OK) {
        end_renewing(l);
        drop(l);
        unmake_dirs(l);
    }
    return e;
}

static enum err take_dir(struct lock *l, const char *dir)
{
    char real[PATH_MAX];
    /* Another process may make some of these directories at the same moment; n_made then counts too
     * many. That is harmless: rmdir() takes empty directories only. */
    l->n_made = count_missing(dir);
    TRY(file_make_dirs(dir));
    TRY(file_check_writable(dir));
    if (realpath(dir, real) == NULL) {
        return cannot("find", dir);
    }
    TRY(set_path(l, real, "/", "lock"));
    return take_checked(l, true);
}

enum err lock_dir(struct lock *l, const char *dir, const struct owner *me, const char *elsewhere,
                  const struct lock_times *times)
{
    begin(l, dir, me, elsewhere, times);
    return take_dir(l, dir);
}

enum err lock_guest_dir(struct lock *l, const char *dir, const struct owner *me,
                        const char *elsewhere, const struct lock_times *times)
{
    begin(l, dir, me, elsewhere, times);
    l->guest = true;
    return take_dir(l, dir);
}

/* A lock that cannot be read is one that somebody replaces at this moment, or of another user. */
bool lock_look(struct owner *who, const char *dir, const struct owner *me,
               const struct lock_times *times)
{
    const struct watched none = {.over = false};
    struct lock l = {.me = *me, .times = *times, .fd = -1};
    struct found f = {.there = false};
    struct timespec now;
    const int n = snprintf(l.path, sizeof l.path, "%s/lock", dir);
    const int fd = n > 0 && n < (int)sizeof l.path ? open(l.path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return errno != ENOENT && errno != ENOTDIR && errno != ESTALE;
    }
    const bool read_all = fstat(fd, &f.st) == 0 && read_text(&f, fd);
    close(fd);
    clock_gettime(CLOCK_REALTIME, &now);
    if (who != NULL) {
        *who = f.owner;
    }
    return !read_all || judge(&f, &l, now, &none) != TAKE_OVER;
}

/* "FILE.lock" beside a file that need not be there yet. */
static enum err set_file_path(struct lock *l, const char *file)
{
    char real[PATH_MAX], parent[PATH_MAX];
    const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
    /* A file that is there is resolved as a whole, a missing one through its directory. So two
     * names of one file, over a symbolic link, lead to one lock. */
    if (realpath(file, real) != NULL) {
        return set_path(l, real, "", ".lock");
    }
    const int n = snprintf(parent, sizeof parent, "%.*s", slash != NULL ? (int)(name - file) : 1,
                           slash != NULL ? file : ".");
    if (n < 0 || (size_t)n >= sizeof parent || realpath(parent, real) == NULL) {
        return cannot("find the directory of", file);
    }
    TRY(set_path(l, real, "/", name));
    const size_t length = strlen(l->path);
    if (length + sizeof ".lock" > sizeof l->path) {
        errno = ENAMETOOLONG;
        return cannot("create a lock beside", file);
    }
    memcpy(l->path + length, ".lock", sizeof ".lock");
    return ERR_OK;
}

static enum err take_file(struct lock *l, const char *file)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(file, '/');
    (void)snprintf(parent, sizeof parent, "%.*s", slash != NULL ? (int)(slash - file) : 0, file);
    l->n_made = count_missing(parent);
    TRY(file_make_parents(file));
    TRY(set_file_path(l, file));
    return take_checked(l, false);
}

enum err lock_file(struct lock *l, const char *file, const struct owner *me, const char *elsewhere,
                   const struct lock_times *times)
{
    begin(l, file, me, elsewhere, times);
    return take_file(l, file);
}

enum err lock_guest_file(struct lock *l, const char *file, const struct owner *me,
                         const char *elsewhere, const struct lock_times *times)
{
    begin(l, file, me, elsewhere, times);
    l->guest = true;
    return take_file(l, file);
}

enum err lock_confirm(struct lock *l)
{
    struct found f;
    char who[OWNER_TEXT_MAX];
    if (!l->held) {
        return ERR_OK;
    }
    (void)futimens(l->fd, NULL);
    TRY(look(&f, l->path));
    /* The file at the path is compared with the one that we hold open, not with its text. */
    if (f.there && f.st.st_ino == l->ino && f.st.st_dev == l->dev) {
        return ERR_OK;
    }
    owner_describe(who, &f.owner);
    log_error("'%s' is not this process's any more: its lock '%s' %s%s. It was removed, or this "
              "process was suspended for more than %.0f s; it ends without writing there",
              l->what, l->path, f.there ? "is now held by " : "is gone", f.there ? who : "",
              l->times.stale);
    return ERR_BUSY;
}

void lock_release(struct lock *l)
{
    end_renewing(l);
    if (l->held) {
        drop(l);
        unmake_dirs(l);
    }
}

void lock_abandon(const struct lock *l)
{
    struct stat st;
    /* stat() and unlink() are async-signal-safe; the thread, mutex and memory are left alone. */
    if (l->held && stat(l->path, &st) == 0 && st.st_ino == l->ino && st.st_dev == l->dev) {
        unlink(l->path);
    }
}

/* ---- moving a directory aside ---- */

/* The old lock moves with its directory and keeps it ours until the new one stands. */
enum err lock_move_aside(struct lock *l, const char *dir, const char *aside)
{
    char temporary[PATH_MAX], old[PATH_MAX];
    struct stat now;
    TRY(lock_confirm(l));
    TRY(write_mine(temporary, &now, l));
    unlink(temporary);
    TRY(check_tree(dir, l, "moved aside", now.st_mtim, 0));
    end_renewing(l);
    if (rename(dir, aside) != 0) {
        log_error("%s: cannot be moved to %s: %s", dir, aside, strerror(errno));
        /* The lock is still held. If no thread can renew it, lock_confirm() does. */
        (void)!start_renewing(l);
        return ERR_IO;
    }
    /* `before` is the old lock under its new name. It stays locked until take_dir() has ended, so
     * nobody can take the moved directory meanwhile. The next instance number makes the text of the
     * new lock differ from that of the old one. */
    struct lock before = *l;
    (void)snprintf(old, sizeof old, "%s/lock", aside);
    memcpy(before.path, old, sizeof old);
    l->held = false;
    l->fd = -1;
    l->me.instance++;
    const enum err e = take_dir(l, dir);
    drop(&before);
    return e;
}
