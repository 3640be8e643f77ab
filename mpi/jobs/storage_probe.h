/* A probe of the storage that runs are written to: it tries what a run does there.
 *
 * Rank 0 makes a directory of its own, karma-doctor-XXXXXX, in the directory that is probed, or in
 * the nearest one above it that exists. There it writes a file, replaces it (temporary file, fsync,
 * rename, fsync of the directory: core/base/file.h), reads it back, takes a lock (core/base/lock.h)
 * and looks whether a second one is refused. Then the other hosts look whether they see the file
 * and whether the lock refuses them, too. Then rank 0 removes everything.
 *
 * Quotas are not seen before they are exceeded.
 */
#ifndef KARMA_JOBS_STORAGE_PROBE_H
#define KARMA_JOBS_STORAGE_PROBE_H

#include "core/base/lock.h"

#include <stdbool.h>
#include <stdint.h>

enum { STORAGE_TEXT = 256 };

struct storage_probe {
    char dir[PATH_MAX];        /* the directory that exists: the one asked for, or one above it */
    bool exists;               /* it is the one asked for */
    char probe[PATH_MAX + 32]; /* ours in it; "": it could not be made */
    char why[STORAGE_TEXT];    /* what failed, in the system's words; "": nothing */
    char why_no_lock[STORAGE_TEXT];
    const char *type;   /* "nfs", "ext4"; NULL: another one */
    bool in_memory;     /* a tmpfs */
    double replace_s;   /* seconds that writing and replacing a small file took, the median */
    int64_t free_bytes; /* for this user; -1: the system does not say */
    int64_t free_files; /* inodes; -1: no limit */
    double ahead_lo_s;  /* the clock of the file system minus that of this host is between these */
    double ahead_hi_s;
    struct lock lock; /* held on `probe` until storage_probe_end() */
};

/* Local, on rank 0. Never fails: what went wrong is in *p. `p` stays where it is until
 * storage_probe_end(). */
void storage_probe_begin(struct storage_probe *p, const char *dir);
/* Local, on another host. `probe` as on rank 0. */
enum storage_seen { STORAGE_NOT_ASKED, STORAGE_SHARED, STORAGE_NOT_SHARED, STORAGE_LOCK_IGNORED };
enum storage_seen storage_probe_look(const char *probe);
/* Local, on rank 0. Removes what was made. */
void storage_probe_end(struct storage_probe *p);

#endif
