/* Files. The order of the steps in file_write(): the new bytes are on the disk before the name
 * points to them, and the directory is on the disk before success is reported.
 *
 * So after a crash at any moment the name leads to the old file or to the complete new one. What
 * can be left over is a temporary file, which file_remove_temporaries() recognises by its name.
 * rename() replaces in one step only within a file system, therefore the temporary file stands
 * beside the target. */
#include "core/base/file.h"

#include "core/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_FIRST = 64 * 1024, TREE_DEPTH_MAX = 16, LOCK_OLD_S = 600 };

/* Between a file's name and six characters of mkostemp() in the name of its temporary file. */
static const char temporary_mark[] = ".tmp-";

static enum err failed(const char *verb, const char *path)
{
    log_error("cannot %s '%s': %s", verb, path, strerror(errno));
    return ERR_IO;
}

/* ---- reading ---- */

static enum err too_long(const char *path, size_t max)
{
    log_error("cannot read '%s': it has more than the %zu bytes allowed here", path, max);
    return ERR_IO;
}

static enum err read_all(struct buf *out, int fd, const char *path, size_t max)
{
    for (;;) {
        /* Room for one byte and the NUL at least. The buffer doubles, so a file is copied less than
         * twice; a size from fstat() would be wrong for pipes and files of /proc. */
        if (out->cap - out->len < 2) {
            TRY(buf_reserve(out, out->cap < READ_FIRST ? READ_FIRST : 2 * out->cap));
        }
        ssize_t got = read(fd, out->data + out->len, out->cap - out->len - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failed("read", path);
        }
        if (got == 0) {
            out->data[out->len] = '\0';
            return ERR_OK;
        }
        out->len += (size_t)got;
        if (out->len > max) {
            return too_long(path, max);
        }
    }
}

enum err file_read(struct buf *out, const char *path, size_t max)
{
    out->len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed("open", path);
    }
    struct stat st;
    enum err e = ERR_OK;
    /* The size of a regular file is known before it is read. It may still grow meanwhile, and other
     * kinds of files have none, so read_all() counts, too. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size > max) {
        e = too_long(path, max); /* before anything is read */
    } else {
        e = read_all(out, fd, path, max);
    }
    if (e != ERR_OK) {
        out->len = 0;
    }
    close(fd);
    return e;
}

/* ---- writing ---- */

static ssize_t write_some(int fd, const unsigned char *bytes, size_t n)
{
    /* Linux writes at most 0x7ffff000 bytes in one call, and tells how many it wrote. */
    size_t piece = n < (size_t)INT_MAX ? n : (size_t)INT_MAX;
    ssize_t wrote;
    do {
        wrote = write(fd, bytes, piece);
    } while (wrote < 0 && errno == EINTR);
    return wrote;
}

enum err file_write_fd(int fd, const char *path, const void *bytes, size_t n)
{
    /* With the signal ignored, write() beyond the limit returns EFBIG, which is an error like any
     * other. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGXFSZ, &ignore, &before);
    enum err e = ERR_OK;
    for (size_t done = 0; e == ERR_OK && done < n;) {
        ssize_t wrote = write_some(fd, (const unsigned char *)bytes + done, n - done);
        if (wrote <= 0) {
            /* write() of more than 0 bytes returns 0 on no sane device; going on would loop for
             * ever. */
            errno = wrote == 0 ? EIO : errno;
            e = failed("write", path);
        } else {
            done += (size_t)wrote;
        }
    }
    sigaction(SIGXFSZ, &before, NULL);
    return e;
}

/* What cannot be synced (a pipe, some network file systems) has no copy to wait for. */
static enum err sync_fd(int fd, const char *path)
{
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP) {
        return failed("flush", path);
    }
    return ERR_OK;
}

/* Closes in any case and returns the first error. Close tells of errors, too: on NFS it is the
 * place where a full disk shows. */
static enum err close_fd(int fd, const char *path, enum err so_far)
{
    if (close(fd) != 0 && so_far == ERR_OK) {
        return failed("close", path);
    }
    return so_far;
}

/* "dir" of "dir/file"; "." or "/" where there is none. */
static enum err parent_of(char out[PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return failed("use", path);
    }
    memcpy(out, n > 0 ? path : ".", n > 0 ? n : 1);
    out[n > 0 ? n : 1] = '\0';
    return ERR_OK;
}

static enum err sync_parent(const char *path)
{
    char dir[PATH_MAX];
    TRY(parent_of(dir, path));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed("open", dir);
    }
    enum err e = sync_fd(fd, dir);
    close(fd);
    return e;
}

static enum err open_temporary(int *fd, char temporary[PATH_MAX], const char *path)
{
    int n = snprintf(temporary, PATH_MAX, "%s%sXXXXXX", path, temporary_mark);
    if (n < 0 || n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return failed("create", path);
    }
    *fd = mkostemp(temporary, O_CLOEXEC);
    if (*fd < 0) {
        return failed("create a file beside", path);
    }
    if (fchmod(*fd, 0644) != 0) { /* mkostemp gives 0600 */
        log_debug("'%s' keeps mode 0600: %s", temporary, strerror(errno));
    }
    return ERR_OK;
}

enum err file_writer_open(struct file_writer *w, const char *path)
{
    const size_t n = strlen(path);
    w->fd = -1;
    if (n >= sizeof w->path) {
        errno = ENAMETOOLONG;
        return failed("create", path);
    }
    memcpy(w->path, path, n + 1);
    return open_temporary(&w->fd, w->temporary, path);
}

void file_writer_abandon(struct file_writer *w)
{
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temporary);
    }
    w->fd = -1;
}

enum err file_writer_put(struct file_writer *w, const void *bytes, size_t n)
{
    const enum err e = file_write_fd(w->fd, w->path, bytes, n);
    if (e != ERR_OK) {
        file_writer_abandon(w);
    }
    return e;
}

enum err file_writer_commit(struct file_writer *w)
{
    /* From here on the descriptor is closed, whatever happens, and the writer holds nothing. */
    enum err e = close_fd(w->fd, w->path, sync_fd(w->fd, w->path));
    w->fd = -1;
    if (e == ERR_OK && rename(w->temporary, w->path) != 0) {
        e = failed("replace", w->path);
    }
    if (e != ERR_OK) {
        unlink(w->temporary);
        return e;
    }
    return sync_parent(w->path);
}

static enum err replace(const char *path, const void *bytes, size_t n)
{
    struct file_writer w;
    TRY(file_writer_open(&w, path));
    TRY(file_writer_put(&w, bytes, n));
    return file_writer_commit(&w);
}

static enum err write_special(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed("open", path);
    }
    enum err e = file_write_fd(fd, path, bytes, n);
    if (e == ERR_OK) {
        e = sync_fd(fd, path);
    }
    return close_fd(fd, path, e);
}

enum err file_write(const char *path, const void *bytes, size_t n)
{
    struct stat st;
    /* A rename over /dev/stdout would replace the device by a file. */
    bool special = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    return special ? write_special(path, bytes, n) : replace(path, bytes, n);
}

enum err file_append(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return failed("open", path);
    }
    /* After an error the file gets its old length back, so a half-written record does not stay in
     * the middle once others follow. This assumes one writer at a time. */
    off_t old_length = lseek(fd, 0, SEEK_END);
    enum err e = file_write_fd(fd, path, bytes, n);
    if (e == ERR_OK) {
        e = sync_fd(fd, path);
    }
    if (e != ERR_OK && old_length >= 0 && ftruncate(fd, old_length) != 0) {
        log_warn("'%s' may end in half a record: %s", path, strerror(errno));
    }
    return close_fd(fd, path, e);
}

/* ---- names ---- */

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

bool file_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static enum err no_dir(const char *verb, const char *path)
{
    log_error("cannot %s '%s': %s; choose a directory that can be written", verb, path,
              strerror(errno));
    return ERR_IO;
}

/* Whatever the system says, a directory that is there is fine: read-only and automounted parents do
 * not always answer EEXIST. */
static enum err make_dir(const char *path)
{
    if (mkdir(path, 0755) == 0) {
        return ERR_OK;
    }
    int why = errno;
    if (file_is_dir(path)) {
        return ERR_OK;
    }
    /* EEXIST without a directory: something else has the name. */
    errno = why == EEXIST ? ENOTDIR : why;
    return no_dir("create the directory", path);
}

enum err file_make_dirs(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= PATH_MAX) {
        errno = n == 0 ? ENOENT : ENAMETOOLONG;
        return no_dir("create the directory", path);
    }
    /* Directories from the outside in: at each slash that ends a part. i begins at 1, so the root
     * of an absolute path is not made. */
    for (size_t i = 1; i < n; i++) {
        if (path[i] != '/' || path[i - 1] == '/') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        TRY(make_dir(part));
    }
    return make_dir(path);
}

enum err file_make_parents(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return ERR_OK;
    }
    if (slash - path >= PATH_MAX) {
        log_error("the path '%.40s...' is too long", path);
        return ERR_IO;
    }
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = '\0';
    return file_make_dirs(dir);
}

/* The probe has a temporary file's name, so file_remove_temporaries() removes one that was left. */
enum err file_check_writable(const char *dir)
{
    char probe[PATH_MAX];
    int n = snprintf(probe, sizeof(probe), "%s/.writable.tmp-XXXXXX", dir);
    if (n < 0 || n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return no_dir("write into", dir);
    }
    int fd = mkostemp(probe, O_CLOEXEC);
    if (fd < 0) {
        return no_dir("write into", dir);
    }
    enum err e = file_write_fd(fd, probe, "probe", 5);
    close(fd);
    unlink(probe);
    return e;
}

enum err file_remove(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        return failed("remove", path);
    }
    return ERR_OK;
}

static bool is_temporary(const char *name)
{
    /* "NAME.tmp-" and six characters; the name itself has one at least. */
    const size_t n = strlen(name), tail = strlen(temporary_mark) + 6;
    return n > tail && strncmp(name + n - tail, temporary_mark, strlen(temporary_mark)) == 0;
}

/* "lock.tmp-XXXXXX", "FILE.lock.tmp-XXXXXX": made by whoever asks for a lock that somebody has, so
 * one may be in use in a directory that nobody else writes. */
static bool is_of_lock(const char *name)
{
    static const char lock[] = "lock";
    const size_t before = strlen(name) - strlen(temporary_mark) - 6, n = sizeof lock - 1;
    return before >= n && strncmp(name + before - n, lock, n) == 0;
}

/* A clock that is behind the file's makes it young: it stays. */
static bool is_old(int dir, const char *name, int old_s)
{
    struct stat st;
    old_s = is_of_lock(name) && old_s < LOCK_OLD_S ? LOCK_OLD_S : old_s;
    return old_s <= 0 || (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                          difftime(time(NULL), st.st_mtime) >= old_s);
}

enum err file_remove_temporaries(const char *dir, int old_s)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return failed("list", dir);
    }
    enum err e = ERR_OK;
    for (struct dirent *entry; e == ERR_OK && (entry = readdir(d)) != NULL;) {
        if (is_temporary(entry->d_name) && is_old(dirfd(d), entry->d_name, old_s) &&
            unlinkat(dirfd(d), entry->d_name, 0) != 0 && errno != ENOENT) {
            e = failed("remove a temporary file of", dir);
        }
    }
    closedir(d);
    return e;
}

/* What is in the open directory `fd`, which is closed. A tree that is deeper than any of this
 * program's is not one of them. */
static bool empty_dir(int fd, int depth)
{
    DIR *d = depth < TREE_DEPTH_MAX ? fdopendir(fd) : NULL;
    if (d == NULL) {
        close(fd);
        return false;
    }
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(d)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(dirfd(d), name, 0) == 0) {
            continue;
        }
        const int below = openat(dirfd(d), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        good = below >= 0 && empty_dir(below, depth + 1) &&
               unlinkat(dirfd(d), name, AT_REMOVEDIR) == 0;
    }
    closedir(d);
    return good;
}

enum err file_remove_tree(const char *dir)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || !empty_dir(fd, 0) || rmdir(dir) != 0) {
        return failed("remove", dir);
    }
    return ERR_OK;
}

const char *file_installed(struct arena *arena, const char *path)
{
    char program[PATH_MAX];
    if (path[0] == '/' || path[0] == '\0' || file_exists(path)) {
        return path;
    }
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    /* Empty if the system does not tell the program's path; then no slash is found below. */
    program[n > 0 ? n : 0] = '\0';
    for (int up = 0; up < 2; up++) { /* to PREFIX/bin, to PREFIX */
        char *slash = strrchr(program, '/');
        if (slash == NULL) {
            return path;
        }
        *slash = '\0';
    }
    const char *installed = arena_printf(arena, "%s/share/karma/%s", program, path);
    return installed == NULL || file_exists(installed) ? installed : path;
}

char *file_join(struct arena *arena, const char *a, const char *b)
{
    if (a[0] == '\0' || b[0] == '/') {
        return arena_strdup(arena, b);
    }
    bool has_slash = a[strlen(a) - 1] == '/';
    return arena_printf(arena, "%s%s%s", a, has_slash ? "" : "/", b);
}
