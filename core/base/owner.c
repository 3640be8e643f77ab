/* Who holds a lock: identity, its text, and whether that process still exists. See owner.h. */
#include "core/base/owner.h"

#include "core/base/crc32c.h"
#include "core/base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- this process ---- */

static uint32_t add_text(uint32_t crc, const char *text, long n)
{
    return n > 0 ? crc32c(crc, text, (size_t)n) : crc;
}

uint32_t owner_machine(void)
{
    /* Host name, boot and process namespace in one checksum. Containers on one host have namespaces
     * of their own. A source that the system does not offer adds nothing. */
    char text[256];
    uint32_t crc = 0;
    if (gethostname(text, sizeof text) == 0) {
        text[sizeof text - 1] = '\0';
        crc = add_text(crc, text, (long)strlen(text));
    }
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        crc = add_text(crc, text, read(fd, text, sizeof text));
        close(fd);
    }
    return add_text(crc, text, readlink("/proc/self/ns/pid", text, sizeof text));
}

/* Line breaks would end the field. */
static void copy_word(char out[OWNER_NAME_MAX], const char *text)
{
    size_t n = 0;
    for (; text != NULL && text[n] != '\0' && n + 1 < OWNER_NAME_MAX; n++) {
        out[n] = text[n] < ' ' ? '_' : text[n];
    }
    out[n] = '\0';
}

/* What the system says of a process: its state and when it started. False: there is nothing. */
static bool read_stat(char *state, uint64_t *started, int pid)
{
    enum { STATE = 3, STARTED = 22 }; /* fields, counted from 1; proc(5) */
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const long n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strrchr(text, ')'); /* the name in front may hold anything */
    if (at == NULL || at[1] == '\0') {
        return false;
    }
    *state = at[2];
    /* `at` is the ')' two bytes before field 3 at first, and then the blank before the field number
     * `field`. A field has one byte at least, so the next blank is at at + 2 or behind it in both
     * cases. */
    for (int field = STATE; at != NULL && field < STARTED; field++) {
        at = strchr(at + 2, ' ');
    }
    *started = at != NULL ? strtoull(at + 1, NULL, 10) : 0;
    return true;
}

static uint64_t process_start(int pid)
{
    char state;
    uint64_t started = 0;
    return read_stat(&state, &started, pid) ? started : 0;
}

void owner_identify(struct owner *me, const char *command)
{
    char host[256] = "", since[CLOCK_ISO_BYTES];
    struct timespec now;
    *me = (struct owner){.machine = owner_machine(), .pid = (int)getpid()};
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') {
        (void)snprintf(host, sizeof host, "unknown");
    }
    clock_iso(since);
    clock_gettime(CLOCK_REALTIME, &now);
    copy_word(me->host, host);
    copy_word(me->since, since);
    copy_word(me->command, command);
    copy_word(me->job, getenv("SLURM_JOB_ID"));
    copy_word(me->task, getenv("SLURM_ARRAY_TASK_ID"));
    const char *restarts = getenv("SLURM_RESTART_COUNT");
    int64_t n = 0;
    me->restarts = restarts != NULL && number_whole(&n, restarts, 0, INT_MAX) ? (int)n : 0;
    me->process_start = process_start(me->pid);
    /* Nanoseconds are below 2^30, so two different times give two numbers. */
    me->instance = (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
}

/* ---- text ---- */

void owner_print(char out[OWNER_TEXT_MAX], const struct owner *o)
{
    (void)snprintf(out, OWNER_TEXT_MAX,
                   "host: %s\nmachine: %08" PRIx32 "\npid: %d\nprocess_start: %" PRIu64
                   "\njob: %s\ntask: %s\nrestarts: %d\nsince: %s\ninstance: %016" PRIx64
                   "\ncommand: %s\n",
                   o->host, o->machine, o->pid, o->process_start, o->job, o->task, o->restarts,
                   o->since, o->instance, o->command);
}

/* The value of "key: value" at the beginning of *at, which moves behind the line. */
static bool take_line(char out[OWNER_NAME_MAX], const char **at, const char *key)
{
    const size_t n = strlen(key);
    const char *end = strchr(*at, '\n');
    if (end == NULL || strncmp(*at, key, n) != 0 || strncmp(*at + n, ": ", 2) != 0) {
        return false;
    }
    const char *value = *at + n + 2;
    const size_t length = (size_t)(end - value);
    if (value > end || length >= OWNER_NAME_MAX) {
        return false;
    }
    memcpy(out, value, length);
    out[length] = '\0';
    *at = end + 1;
    return true;
}

bool owner_parse(struct owner *o, const char *text)
{
    struct owner p = {.pid = 0};
    char machine[OWNER_NAME_MAX], pid[OWNER_NAME_MAX], start[OWNER_NAME_MAX];
    char restarts[OWNER_NAME_MAX], instance[OWNER_NAME_MAX];
    const char *at = text;
    *o = p;
    if (!take_line(p.host, &at, "host") || !take_line(machine, &at, "machine") ||
        !take_line(pid, &at, "pid") || !take_line(start, &at, "process_start") ||
        !take_line(p.job, &at, "job") || !take_line(p.task, &at, "task") ||
        !take_line(restarts, &at, "restarts") || !take_line(p.since, &at, "since") ||
        !take_line(instance, &at, "instance") || !take_line(p.command, &at, "command")) {
        return false;
    }
    uint64_t machine_at;
    int64_t pid_at, restarts_at;
    if (!number_unsigned(&machine_at, machine, 16, UINT32_MAX) ||
        !number_whole(&pid_at, pid, 1, INT_MAX) ||
        !number_unsigned(&p.process_start, start, 10, UINT64_MAX) ||
        !number_whole(&restarts_at, restarts, 0, INT_MAX) ||
        !number_unsigned(&p.instance, instance, 16, UINT64_MAX)) {
        return false;
    }
    p.machine = (uint32_t)machine_at;
    p.pid = (int)pid_at;
    p.restarts = (int)restarts_at;
    *o = p;
    return true;
}

/* ---- judging ---- */

enum owner_life owner_life(const struct owner *o, const struct owner *me)
{
    char state = 'R';
    uint64_t started = 0;
    if (o->machine != me->machine || strcmp(o->host, me->host) != 0) {
        return OWNER_UNKNOWN;
    }
    /* Signal 0 is never delivered, only checked. EPERM means that the process exists and belongs to
     * another user. */
    if (kill(o->pid, 0) != 0 && errno == ESRCH) {
        return OWNER_GONE;
    }
    if (!read_stat(&state, &started, o->pid)) {
        return OWNER_ALIVE; /* hidden from us, but it takes signals */
    }
    /* A process number is used again after its process has ended; the start time in clock ticks
     * after boot tells the two apart. */
    const bool dead = state == 'Z' || state == 'X';
    const bool other = o->process_start != 0 && started != 0 && started != o->process_start;
    return dead || other ? OWNER_GONE : OWNER_ALIVE;
}

bool owner_same_job(const struct owner *o, const struct owner *me)
{
    return o->job[0] != '\0' && strcmp(o->job, me->job) == 0 && strcmp(o->task, me->task) == 0;
}

void owner_describe(char out[OWNER_TEXT_MAX], const struct owner *o)
{
    if (o->pid == 0) {
        (void)snprintf(out, OWNER_TEXT_MAX, "a process whose lock cannot be read");
        return;
    }
    (void)snprintf(out, OWNER_TEXT_MAX, "process %d on host %s%s%s%s%s (%s), since %s", o->pid,
                   o->host, o->job[0] != '\0' ? ", Slurm job " : "", o->job,
                   o->task[0] != '\0' ? ", array task " : "", o->task, o->command, o->since);
}
