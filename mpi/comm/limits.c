/* Reads limits from getrlimit, /proc and the tree of control groups. See limits.h. */
#include "mpi/comm/limits.h"

#include "core/base/number.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

static int64_t least(int64_t a, int64_t b)
{
    return b < 0 || (a >= 0 && a < b) ? a : b;
}

static int64_t ulimit(__rlimit_resource_t resource)
{
    struct rlimit r;
    if (getrlimit(resource, &r) != 0 || r.rlim_cur == RLIM_INFINITY ||
        r.rlim_cur > (rlim_t)INT64_MAX) {
        return LIMITS_NONE;
    }
    return (int64_t)r.rlim_cur;
}

/* ---- files of the kernel ---- */

/* The first line of a file, without its end. */
static bool read_line(char *line, int cap, const char *path)
{
    FILE *f = fopen(path, "r");
    const bool ok = f != NULL && fgets(line, cap, f) != NULL;
    if (f != NULL) {
        (void)fclose(f);
    }
    if (ok) {
        line[strcspn(line, "\n")] = '\0';
    }
    return ok;
}

/* "max" and whatever else is no number is no limit. */
static int64_t read_number(const char *dir, const char *file)
{
    char path[PATH_MAX + 64], line[64];
    int64_t n;
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    return read_line(line, sizeof line, path) && number_whole(&n, line, 0, INT64_MAX) ? n
                                                                                      : LIMITS_NONE;
}

/* The number behind `key` in a file of lines "key number" or "key:   number kB". */
static int64_t read_field(const char *path, const char *key)
{
    char line[256];
    const size_t n = strlen(key);
    int64_t value = LIMITS_NONE;
    FILE *f = fopen(path, "r");
    while (f != NULL && value < 0 && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, key, n) == 0 && (line[n] == ' ' || line[n] == ':')) {
            char *word = line + n + strspn(line + n, ": ");
            word[strcspn(word, " \n")] = '\0';
            (void)number_whole(&value, word, 0, INT64_MAX);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return value;
}

/* ---- control groups ---- */

struct group_files {
    const char *limit, *usage, *cache; /* `cache`: the key of memory that the kernel gives back */
};
static const struct group_files v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                      "total_inactive_file"};
static const struct group_files v2 = {"memory.max", "memory.current", "inactive_file"};

/* limit - (usage - cache): cached pages of files are counted as used, but the kernel drops them
 * when a process needs their memory. Version 1 writes about 2^63 where there is no limit. */
static int64_t memory_left(const char *dir, const struct group_files *files)
{
    char path[PATH_MAX + 64];
    const int64_t limit = read_number(dir, files->limit);
    const int64_t usage = read_number(dir, files->usage);
    if (limit < 0 || usage < 0 || limit > INT64_MAX / 2) {
        return LIMITS_NONE;
    }
    (void)snprintf(path, sizeof path, "%s/memory.stat", dir);
    const int64_t cache = read_field(path, files->cache);
    const int64_t used = usage - (cache > 0 ? cache : 0);
    return used < limit ? limit - (used > 0 ? used : 0) : 0;
}

/* Version 2: "cpu.max" holds "quota period" in microseconds, or "max period". Version 1 has a file
 * for each. */
static double cpu_quota(const char *dir)
{
    char path[PATH_MAX + 64], line[64] = "";
    int64_t quota, period;
    (void)snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (read_line(line, sizeof line, path)) {
        char *second = line + strcspn(line, " ");
        second += *second == ' ';
        const bool ok = number_whole(&period, second, 1, INT64_MAX);
        line[strcspn(line, " ")] = '\0';
        return ok && number_whole(&quota, line, 1, INT64_MAX) ? (double)quota / (double)period
                                                              : LIMITS_NONE;
    }
    quota = read_number(dir, "cpu.cfs_quota_us");
    period = read_number(dir, "cpu.cfs_period_us");
    return quota > 0 && period > 0 ? (double)quota / (double)period : LIMITS_NONE;
}

/* From the group at `path` upwards to the top of the hierarchy: each of them limits its members.
 * Inside a container the names of the outer groups may not exist; they are passed over. Each turn
 * shortens the path by one name, so the loop ends with the top itself. */
static void walk_up(struct limits *out, const char *top, char *path, const struct group_files *f)
{
    char dir[PATH_MAX];
    for (;;) {
        (void)snprintf(dir, sizeof dir, "%s%s", top, path);
        out->group_memory = least(out->group_memory, memory_left(dir, f));
        const double quota = cpu_quota(dir);
        if (quota > 0.0 && (out->cpu_quota < 0.0 || quota < out->cpu_quota)) {
            out->cpu_quota = quota;
        }
        char *slash = strrchr(path, '/');
        if (slash == NULL) {
            return;
        }
        *slash = '\0';
    }
}

static bool names(const char *controllers, const char *wanted)
{
    const size_t n = strlen(wanted);
    for (const char *at = controllers; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, wanted, n) == 0 && (at[n] == ',' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

/* Lines of /proc/self/cgroup: "ID:CONTROLLERS:PATH". Version 2 is the line without controllers. */
static void read_groups(struct limits *out, const char *root)
{
    char file[PATH_MAX], line[PATH_MAX / 2], top[PATH_MAX / 2];
    (void)snprintf(file, sizeof file, "%s/proc/self/cgroup", root);
    FILE *f = fopen(file, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        if (controllers[0] == '\0') {
            (void)snprintf(top, sizeof top, "%s/sys/fs/cgroup", root);
            walk_up(out, top, path, &v2);
        } else if (names(controllers, "memory") || names(controllers, "cpu")) {
            (void)snprintf(top, sizeof top, "%s/sys/fs/cgroup/%s", root, controllers);
            walk_up(out, top, path, &v1);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

void limits_read(struct limits *out, const char *root)
{
    char path[PATH_MAX];
    struct statvfs fs;
    *out = (struct limits){.group_memory = LIMITS_NONE, .cpu_quota = LIMITS_NONE};
    (void)snprintf(path, sizeof path, "%s/proc/meminfo", root);
    const int64_t kilobytes = read_field(path, "MemAvailable");
    out->host_memory = kilobytes < 0 ? LIMITS_NONE : 1024 * kilobytes;
    read_groups(out, root);
    (void)snprintf(path, sizeof path, "%s/dev/shm", root);
    out->shared_memory =
        statvfs(path, &fs) == 0 ? (int64_t)fs.f_bavail * (int64_t)fs.f_frsize : LIMITS_NONE;
    out->process_memory = least(ulimit(RLIMIT_AS), ulimit(RLIMIT_DATA));
    out->file_size = ulimit(RLIMIT_FSIZE);
    out->stack = ulimit(RLIMIT_STACK);
    out->cpu_s = ulimit(RLIMIT_CPU);
    out->open_files = ulimit(RLIMIT_NOFILE);
}
