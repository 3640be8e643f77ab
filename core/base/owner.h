/* Owner: the process that holds a lock (core/base/lock.h), as text in the lock file.
 *
 *   host: n17                      name of the host
 *   machine: 1c291ca3              checksum of host name, boot and process table
 *   pid: 4711
 *   process_start: 1894432         clock ticks after boot at which that process started
 *   job: 90210                     SLURM_JOB_ID, empty outside of Slurm
 *   task: 3                        SLURM_ARRAY_TASK_ID, empty outside of an array
 *   restarts: 1                    SLURM_RESTART_COUNT: how often the job was requeued
 *   since: 2026-11-30T08:30:00Z    when the lock was taken, clock of that host
 *   instance: 17a3bc00d1e4f5a6     differs between any two locks of one process
 *   command: karma train
 *
 * A process number means something on its own machine only: same host name, same boot, same table
 * of processes (containers have tables of their own). Local.
 */
#ifndef KARMA_BASE_OWNER_H
#define KARMA_BASE_OWNER_H

#include "core/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum { OWNER_TEXT_MAX = 1024, OWNER_NAME_MAX = 128 };

struct owner {
    char host[OWNER_NAME_MAX], job[OWNER_NAME_MAX], task[OWNER_NAME_MAX];
    char since[OWNER_NAME_MAX], command[OWNER_NAME_MAX];
    uint32_t machine;
    int pid, restarts;
    uint64_t process_start; /* 0: the system does not say */
    uint64_t instance;
};

/* This process. `command`: for messages, e.g. "karma train". */
void owner_identify(struct owner *me, const char *command);

/* Checksum of what makes two processes share one table of processes. */
uint32_t owner_machine(void);

/* The text of a lock file, NUL-terminated. */
void owner_print(char out[OWNER_TEXT_MAX], const struct owner *o);

/* False if the text is not complete; then *o is empty (pid 0). */
bool owner_parse(struct owner *o, const char *text);

/* Does the owner's process still exist? UNKNOWN: it is a process of another machine. A number that
 * another process has by now is told apart by its start; a zombie does not exist. */
enum owner_life { OWNER_GONE, OWNER_ALIVE, OWNER_UNKNOWN };
enum owner_life owner_life(const struct owner *o, const struct owner *me);

/* Both are of the same Slurm job, and of the same task of an array. */
bool owner_same_job(const struct owner *o, const struct owner *me);

/* "process 4711 on host n17, Slurm job 90210, array task 3 (karma train), since 2026-..." */
void owner_describe(char out[OWNER_TEXT_MAX], const struct owner *o);

#endif
