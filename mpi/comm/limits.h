/* Limits: what the system grants this process: memory, CPU time, files, and its control group.
 *
 * A control group (cgroup) limits the processes of a container or of a Slurm job together. Version
 * 1 and version 2 are read. The limits of every group above this process count, too: the least one
 * binds. Local.
 */
#ifndef KARMA_COMM_LIMITS_H
#define KARMA_COMM_LIMITS_H

#include <stdint.h>

enum { LIMITS_NONE = -1 }; /* there is no limit, or the system does not say */

struct limits {
    /* Bytes. */
    int64_t host_memory;    /* that processes of this host can still get */
    int64_t group_memory;   /* that the control group can still get */
    int64_t process_memory; /* the least of `ulimit -v` and `ulimit -d` */
    int64_t shared_memory;  /* free in /dev/shm */
    int64_t file_size;      /* ulimit -f */
    int64_t stack;          /* ulimit -s */
    int64_t cpu_s;          /* ulimit -t */
    int64_t open_files;     /* ulimit -n */
    double cpu_quota;       /* CPUs that the control group may use together; LIMITS_NONE */
};

/* `root` is put before every path of /proc, /sys and /dev: "" but in tests. */
void limits_read(struct limits *out, const char *root);

#endif
