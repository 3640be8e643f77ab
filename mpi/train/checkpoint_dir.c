/* Names and numbers of checkpoint files. See checkpoint_dir.h. */
#include "mpi/train/checkpoint_dir.h"

#include "core/base/file.h"
#include "core/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char folder[] = "checkpoints";

char *checkpoint_dir_path(struct arena *arena, const char *run_dir, int update)
{
    return arena_printf(arena, "%s/%s/update-%d.ckpt", run_dir, folder, update);
}

/* N of "update-N.ckpt" as checkpoint_dir_path() writes it, else -1. Writing the name again refuses
 * what sscanf() lets pass: signs, leading zeros, and text behind ".ckpt" as in the name of a
 * temporary file. Nine digits hold the largest train.updates. */
static int update_of(const char *name)
{
    char again[64];
    int update = -1;
    if (sscanf(name, "update-%9d.ckpt", &update) != 1) {
        return -1;
    }
    snprintf(again, sizeof again, "update-%d.ckpt", update);
    return strcmp(name, again) == 0 ? update : -1;
}

/* By comparison: a difference of two ints might not fit into an int. */
static int descending(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x < y) - (x > y);
}

/* Appends the numbers of the directory's checkpoints to `list` (ints). */
static enum err read_names(struct buf *list, DIR *d)
{
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        const int update = update_of(entry->d_name);
        if (update >= 0) {
            TRY(buf_append(list, &update, sizeof update));
        }
    }
    return ERR_OK;
}

/* The numbers, newest first; `list` (initialised) holds *n ints. errno is set beforehand for a path
 * that is too long, which opendir() never sees. */
static enum err list_updates(struct buf *list, int *n, const char *run_dir)
{
    char dir[PATH_MAX];
    const int len = snprintf(dir, sizeof dir, "%s/%s", run_dir, folder);
    errno = ENAMETOOLONG;
    DIR *d = len > 0 && (size_t)len < sizeof dir ? opendir(dir) : NULL;
    *n = 0;
    if (d == NULL && (errno == ENOENT || errno == ENOTDIR)) {
        return ERR_OK; /* whether a run can be made there is found out when it is made */
    }
    if (d == NULL) {
        log_error("cannot list '%s': %s", dir, strerror(errno));
        return ERR_IO;
    }
    const enum err e = read_names(list, d);
    closedir(d);
    if (e == ERR_OK && list->len > 0) {
        *n = (int)(list->len / sizeof(int));
        qsort(list->data, (size_t)*n, sizeof(int), descending);
    }
    return e;
}

/* By memcpy, since the bytes of a buffer are not an array of int. */
static int nth(const struct buf *list, int i)
{
    int update;
    memcpy(&update, list->data + (size_t)i * sizeof update, sizeof update);
    return update;
}

enum err checkpoint_dir_look(bool *any, const char *run_dir)
{
    struct buf list;
    int n = 0;
    buf_init(&list);
    const enum err e = list_updates(&list, &n, run_dir);
    buf_release(&list);
    *any = n > 0;
    return e;
}

/* From the newest to the oldest, up to the first that is whole. An error ends the search: a
 * checkpoint of another training or a newer program is no reason to go back to an older one. */
static enum err find_whole(char **path, struct arena *arena, const struct checkpoint *c,
                           const char *run_dir, const struct buf *list, int n)
{
    for (int i = 0; i < n; i++) {
        bool whole = false;
        char *candidate = checkpoint_dir_path(arena, run_dir, nth(list, i));
        TRY(arena_error(arena));
        TRY(checkpoint_check(c, &whole, candidate));
        if (whole) {
            *path = candidate;
            return ERR_OK;
        }
        if (i + 1 < n) {
            log_warn("%s is damaged; the checkpoint before it is used: nothing is lost, some "
                     "updates are done again",
                     candidate);
        }
    }
    log_error("%s/%s: no checkpoint there is whole; train anew with --restart (the run is moved "
              "aside, not removed)",
              run_dir, folder);
    return ERR_FORMAT;
}

enum err checkpoint_dir_newest(char **path, struct arena *arena, const struct checkpoint *c,
                               const char *run_dir)
{
    struct buf list;
    int n = 0;
    buf_init(&list);
    enum err e = list_updates(&list, &n, run_dir);
    if (e == ERR_OK) {
        e = find_whole(path, arena, c, run_dir, &list, n);
    }
    buf_release(&list);
    return e;
}

/* `list` is in descending order. n_kept counts checkpoints up to `newest`, so that the first `keep`
 * of these stay, `newest` itself among them. Whoever is killed here leaves more files than needed;
 * the next call removes them. */
static enum err remove_old(const char *run_dir, int newest, int keep, const struct buf *list, int n)
{
    struct arena scratch;
    enum err e = ERR_OK;
    int n_kept = 0;
    arena_init(&scratch);
    for (int i = 0; e == ERR_OK && i < n; i++) {
        const int update = nth(list, i);
        if (update <= newest && n_kept < keep) {
            n_kept++;
            continue;
        }
        const char *path = checkpoint_dir_path(&scratch, run_dir, update);
        e = path == NULL ? ERR_MEMORY : file_remove(path);
    }
    arena_release(&scratch);
    return e;
}

enum err checkpoint_dir_prune(const char *run_dir, int newest, int keep)
{
    struct buf list;
    int n = 0;
    buf_init(&list);
    enum err e = list_updates(&list, &n, run_dir);
    if (e == ERR_OK) {
        e = remove_old(run_dir, newest, keep, &list, n);
    }
    buf_release(&list);
    return e;
}
