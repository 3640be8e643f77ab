/* Files: whole reads, and writes that either happen completely or leave the old file as it was.
 *
 * Every failure is logged as a sentence that names the file and what the system said. Paths are
 * bytes that end in NUL; "" is never valid. Local.
 */
#ifndef KARMA_BASE_FILE_H
#define KARMA_BASE_FILE_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Replace the contents of `out` (initialised) by those of the file. More than `max` bytes: ERR_IO.
 * The buffer grows with what is really there, never with a size that somebody claims. A NUL stands
 * behind the last byte (not counted), so text can be used as a string. On an error `out` is empty.
 */
enum err file_read(struct buf *out, const char *path, size_t max) WARN_UNUSED;

/* Write a temporary file in the same directory, fsync, rename, fsync the directory. On an error the
 * old file is intact and the temporary one is gone. What is not a regular file (/dev/stdout, a
 * pipe) is written directly. */
enum err file_write(const char *path, const void *bytes, size_t n) WARN_UNUSED;

/* The same piece by piece, for what does not fit into memory: open, put ..., then commit (fsync,
 * rename, fsync the directory) or abandon. Until commit the old file is intact; whoever gets an
 * error need not abandon, the temporary file is gone. */
struct file_writer {
    int fd; /* -1: nothing is open */
    char path[PATH_MAX], temporary[PATH_MAX];
};
enum err file_writer_open(struct file_writer *w, const char *path) WARN_UNUSED;
enum err file_writer_put(struct file_writer *w, const void *bytes, size_t n) WARN_UNUSED;
enum err file_writer_commit(struct file_writer *w) WARN_UNUSED;
void file_writer_abandon(struct file_writer *w);

/* Remove from a directory what a process that was killed while it wrote there left behind: the
 * temporary files of the two above. old_s: only those that were not written for so many seconds, by
 * this host's clock; 0: all, for a directory that nobody else writes. Those of locks are always
 * left to be old: others may be asking for one. */
enum err file_remove_temporaries(const char *dir, int old_s) WARN_UNUSED;

/* Remove a directory with all that is in it. Links are removed and not followed. */
enum err file_remove_tree(const char *dir) WARN_UNUSED;

/* Append and fsync; creates the file. On an error the file has its old length. */
enum err file_append(const char *path, const void *bytes, size_t n) WARN_UNUSED;

/* All n bytes or ERR_IO; `path` is for the message. A limit on the file size is an error here, not
 * the signal SIGXFSZ. */
enum err file_write_fd(int fd, const char *path, const void *bytes, size_t n) WARN_UNUSED;

bool file_exists(const char *path); /* anything of that name */
bool file_is_dir(const char *path);
/* There, and neither a regular file nor a directory: a device, a pipe. */
bool file_is_special(const char *path);
/* Both are there and are one file, by whatever names or links. */
bool file_same(const char *a, const char *b);

/* The directory and its parents; fine if they exist. */
enum err file_make_dirs(const char *path) WARN_UNUSED;

/* The directories above a file that is to be written. */
enum err file_make_parents(const char *path) WARN_UNUSED;

/* ERR_IO with a sentence if no file can be created there. Tries it, because permission bits say
 * little about network file systems and full disks. */
enum err file_check_writable(const char *dir) WARN_UNUSED;

/* Fine if it does not exist. */
enum err file_remove(const char *path) WARN_UNUSED;

/* The path itself if it is absolute or something is there; else the file of that name that was
 * installed with the program that runs, PREFIX/share/karma/PATH for PREFIX/bin/PROGRAM; the path if
 * there is none. `path`, or in the arena; NULL when out of memory. */
const char *file_installed(struct arena *arena, const char *path);

/* "a/b"; `b` if it is absolute or if a is "". NULL when out of memory. */
char *file_join(struct arena *arena, const char *a, const char *b);

#endif
