/* Writes, replaces, locks and times small files where runs will be written. See storage_probe.h. */
#include "mpi/jobs/storage_probe.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/owner.h"
#include "mpi/comm/skew.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PROBES = 5, PROBE_BYTES = 64 * 1024 };

/* ---- errors of core/base as text ---- */

/* A sink that keeps the first line: the functions that are tried log what failed and why. */
static void keep(void *ctx, enum log_level level, const char *line)
{
    char *text = ctx;
    if (level == LOG_ERROR && text[0] == '\0') {
        (void)snprintf(text, STORAGE_TEXT, "%s", line);
    }
}

/* ---- the place ---- */

/* The longest part of the path that exists. Each turn cuts off the last name, so the loop ends at
 * "." or "/", which exist. */
static void find_existing(struct storage_probe *p, const char *dir)
{
    (void)snprintf(p->dir, sizeof p->dir, "%s", dir[0] != '\0' ? dir : ".");
    p->exists = file_exists(p->dir);
    while (!file_exists(p->dir)) {
        char *slash = strrchr(p->dir, '/');
        if (slash == NULL) {
            (void)snprintf(p->dir, sizeof p->dir, ".");
        } else {
            slash[slash == p->dir] = '\0';
        }
    }
}

static const char *type_of(const char *dir, bool *in_memory)
{
    static const struct {
        unsigned magic;
        const char *name;
    } types[] = {
        /* statfs(2) and the headers of the file systems */
        {0x6969, "nfs"},        {0x0bd00bd0, "lustre"}, {0x47504653, "gpfs"},
        {0x19830326, "beegfs"}, {0x00c36400, "ceph"},   {0x65735546, "fuse"},
        {0xff534d42, "cifs"},   {0xef53, "ext4"},       {0x58465342, "xfs"},
        {0x9123683e, "btrfs"},  {0x2fc12fc1, "zfs"},    {0x794c7630, "overlay"},
        {0x01021994, "tmpfs"},  {0x858458f6, "ramfs"},
    };
    struct statfs fs;
    *in_memory = false;
    if (statfs(dir, &fs) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if ((unsigned)fs.f_type == types[i].magic) {
            *in_memory = types[i].magic == 0x01021994 || types[i].magic == 0x858458f6;
            return types[i].name;
        }
    }
    return NULL;
}

/* A file system without a fixed number of inodes says 0 of them in all. */
static void measure_space(struct storage_probe *p)
{
    struct statvfs fs;
    p->free_bytes = p->free_files = -1;
    if (statvfs(p->dir, &fs) == 0) {
        p->free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
        p->free_files = fs.f_files > 0 ? (int64_t)fs.f_favail : -1;
    }
}

/* ---- what a run does ---- */

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The time of modification is read by the clock of the file system between two readings of the
 * host's clock, b before and a after:
 *
 *   mtime - a <= file system's clock - host's clock <= mtime - b
 *
 * A file system may round the time down, by up to 2 s (FAT); that is added to the upper bound. */
static enum err read_clock(struct storage_probe *p, const char *path, const char *bytes)
{
    enum { ROUNDED_S = 2 };
    struct stat st;
    const double before = skew_now();
    TRY(file_write(path, bytes, PROBE_BYTES));
    const double after = skew_now();
    if (stat(path, &st) == 0) {
        const double at = (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec;
        p->ahead_lo_s = at - after;
        p->ahead_hi_s = at - before + ROUNDED_S;
    }
    return ERR_OK;
}

static enum err replace_and_read(struct storage_probe *p)
{
    char bytes[PROBE_BYTES] = "";
    char path[PATH_MAX + 64];
    double took_s[PROBES];
    struct buf back;
    (void)snprintf(path, sizeof path, "%s/data", p->probe);
    TRY(read_clock(p, path, bytes));
    for (int i = 0; i < PROBES; i++) {
        const double start_s = clock_s();
        memset(bytes, 'a' + i, sizeof bytes);
        TRY(file_write(path, bytes, sizeof bytes));
        took_s[i] = clock_s() - start_s;
    }
    qsort(took_s, PROBES, sizeof took_s[0], compare_doubles);
    p->replace_s = took_s[PROBES / 2];
    buf_init(&back);
    enum err e = file_read(&back, path, PROBE_BYTES);
    if (e == ERR_OK && (back.len != sizeof bytes || memcmp(back.data, bytes, back.len) != 0)) {
        log_error("%s holds other bytes than were written", path);
        e = ERR_IO;
    }
    buf_release(&back);
    return e;
}

/* As a guest: the directory that is probed may belong to a run that is in progress. */
static enum err take_lock(struct lock *l, const char *dir)
{
    struct owner me;
    owner_identify(&me, "karma doctor");
    return lock_guest_dir(l, dir, &me, NULL, &lock_usual_times);
}

/* One lock, and a second one, which must be refused. */
static void try_locks(struct storage_probe *p)
{
    struct lock second = {.fd = -1};
    const struct log_sink before = log_sink_now();
    log_set_sink(keep, p->why_no_lock);
    if (take_lock(&p->lock, p->probe) == ERR_OK) {
        log_set_sink(log_discard, NULL);
        if (take_lock(&second, p->probe) == ERR_OK) {
            (void)snprintf(p->why_no_lock, sizeof p->why_no_lock,
                           "two locks of one directory were granted");
        }
        lock_release(&second);
    }
    log_set_sink(before.sink, before.ctx);
}

void storage_probe_begin(struct storage_probe *p, const char *dir)
{
    *p = (struct storage_probe){.lock = {.fd = -1}};
    find_existing(p, dir);
    p->type = type_of(p->dir, &p->in_memory);
    measure_space(p);
    (void)snprintf(p->probe, sizeof p->probe, "%s/karma-doctor-XXXXXX", p->dir);
    if (mkdtemp(p->probe) == NULL) {
        (void)snprintf(p->why, sizeof p->why, "nothing can be made there: %s", strerror(errno));
        p->probe[0] = '\0';
        return;
    }
    const struct log_sink before = log_sink_now();
    log_set_sink(keep, p->why);
    const enum err e = replace_and_read(p);
    log_set_sink(before.sink, before.ctx);
    if (e == ERR_OK) {
        try_locks(p);
    }
}

enum storage_seen storage_probe_look(const char *probe)
{
    char path[PATH_MAX + 64];
    struct lock l = {.fd = -1};
    (void)snprintf(path, sizeof path, "%s/data", probe);
    if (!file_exists(path)) {
        return STORAGE_NOT_SHARED;
    }
    const struct log_sink before = log_sink_now();
    log_set_sink(log_discard, NULL);
    const enum err e = take_lock(&l, probe);
    lock_release(&l);
    log_set_sink(before.sink, before.ctx);
    return e == ERR_OK ? STORAGE_LOCK_IGNORED : STORAGE_SHARED;
}

void storage_probe_end(struct storage_probe *p)
{
    char path[PATH_MAX + 64];
    lock_release(&p->lock);
    if (p->probe[0] != '\0') {
        (void)snprintf(path, sizeof path, "%s/data", p->probe);
        (void)unlink(path);
        (void)rmdir(p->probe);
        p->probe[0] = '\0';
    }
}
