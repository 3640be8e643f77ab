/* The flag that SIGUSR1 sets, and the last words of the other signals. See stop.h.
 *
 * A handler has no argument through which it could reach anything, and may call only functions that
 * are safe in a signal handler. So all that it needs is prepared here beforehand in static storage,
 * and it writes with open, write and rename.
 *
 * Who speaks, of the ranks that get the signal at the same time: of a run, on each host, the lowest
 * rank that is left, if the status still says that the run is under way; of a list of jobs, the
 * lowest one that is left on the host of rank 0. The others on that host wait until it has spoken,
 * at most PATIENCE_MS. Two may speak if one is held up: each writes a temporary file of its own and
 * renames it, so the status is whole in any case, and mpi/launch passes on one line only. */
#include "mpi/comm/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PATH_LEN = 4096,
    COMMAND_LEN = 4096,
    LINE_LEN = COMMAND_LEN + 256,
    LOOK_MS = 10,
    HEARD_MS = 300,
    PATIENCE_MS = 600, /* mpirun kills a second after it asked, or when a first rank has ended */
    LINGER_MS = 300,   /* until the signal has reached the other ranks */
};

static volatile sig_atomic_t requested;
static atomic_flag is_leaving = ATOMIC_FLAG_INIT;

enum words { WORDS_NONE, WORDS_RUN, WORDS_JOBS };

static struct {
    enum words kind;           /* of a run with a status file, or of a list of jobs */
    const struct peers *peers; /* NULL: nobody else */
    char status[PATH_LEN], temporary[PATH_LEN];
    char lock_path[PATH_LEN]; /* the run's, which rank 0 holds */
    char command[COMMAND_LEN];
    char goes_on[COMMAND_LEN]; /* of stop_command(); the handler does not read it */
    char fifo[PATH_LEN];       /* of mpi/launch, on the host where that runs; "" = there is none */
    volatile sig_atomic_t done, saved; /* saved < 0: there is no checkpoint */
    int updates;
    const struct lock *lock; /* NULL: none */
} last;

/* ---- SIGUSR1 ---- */

static void note(int signal)
{
    (void)signal;
    requested = 1;
}

/* SA_RESTART: reads and writes that the signal interrupts go on; only stop_requested() tells that
 * it came. */
void stop_listen(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    requested = 0;
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
}

/* Without SA_RESTART: a wait for a server that hangs ends, too. A SIGHUP that was ignored, as nohup
 * has it, stays so. */
void stop_listen_all(void)
{
    struct sigaction action = {.sa_handler = note}, hangup;
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
        sigaction(SIGHUP, &action, NULL);
    }
}

void stop_followed(void)
{
    requested = 0;
}

bool stop_requested(void)
{
    return requested != 0;
}

bool stop_of_jobs(void *ctx)
{
    (void)ctx;
    return stop_requested();
}

/* ---- last words ---- */

struct line {
    char text[LINE_LEN];
    size_t n;
};

/* Cut at the end of the line's room; without a NUL behind it, since its length is known. */
static void say(struct line *l, const char *text)
{
    while (*text != '\0' && l->n < LINE_LEN) {
        l->text[l->n++] = *text++;
    }
}

static void say_number(struct line *l, int number)
{
    char digits[16];
    size_t i = sizeof digits;
    digits[--i] = '\0';
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    say(l, digits + i);
}

/* "lost rank 2 after update 12 of 100" */
static void compose(struct line *l, int signal, int lost)
{
    if (lost >= 0) {
        say(l, "lost rank ");
        say_number(l, lost);
    } else {
        say(l, signal == SIGINT   ? "interrupted"
               : signal == SIGHUP ? "ended by SIGHUP"
                                  : "ended by SIGTERM");
    }
    if (last.kind == WORDS_RUN) {
        say(l, " after update ");
        say_number(l, last.done);
        say(l, " of ");
        say_number(l, last.updates);
    }
}

static void write_all(int fd, const struct line *l)
{
    for (size_t at = 0; at < l->n;) {
        const ssize_t n = write(fd, l->text + at, l->n - at);
        if (n <= 0) {
            return; /* nobody listens */
        }
        at += (size_t)n;
    }
}

static void nap(void)
{
    const struct timespec moment = {0, LOOK_MS * 1000L * 1000L};
    nanosleep(&moment, NULL);
}

/* mpi/launch passes the first line on and removes the FIFO: then it has reached the user. A FIFO
 * that is gone means that another rank has spoken. O_NONBLOCK makes open() fail at once where
 * nobody reads the FIFO; the line goes to standard error then. After writing, the rank waits until
 * the FIFO is gone, which shows that the line was read, or until HEARD_MS are over. */
static void hand_over(const struct line *l)
{
    const int fd = open(last.fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT) {
            write_all(STDERR_FILENO, l);
        }
        return;
    }
    write_all(fd, l);
    close(fd);
    for (int waited = 0; waited < HEARD_MS && access(last.fifo, F_OK) == 0; waited += LOOK_MS) {
        nap();
    }
}

/* The line and what to do next. */
static void tell(const struct line *what)
{
    struct line l = *what;
    if (last.kind == WORDS_JOBS) {
        say(&l, "; to go on: ");
    } else if (last.saved >= 0) {
        say(&l, "; to go on from the checkpoint of update ");
        say_number(&l, last.saved);
        say(&l, ": ");
    } else {
        say(&l, "; there is no checkpoint; to start anew: ");
    }
    say(&l, last.command);
    say(&l, "\n");
    if (last.fifo[0] != '\0') {
        hand_over(&l);
    } else {
        write_all(STDERR_FILENO, &l);
    }
}

/* Somebody else on this host may have been quicker: a run that is not under way has its words. */
static bool is_under_way(void)
{
    char text[16] = "";
    const int fd = open(last.status, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const long n = read(fd, text, sizeof text - 1);
    close(fd);
    return n >= 8 && (memcmp(text, "running ", 8) == 0 || memcmp(text, "starting", 8) == 0);
}

/* Readers find the old status or the new one, because rename() is atomic. If the disk is full, the
 * old one stays. */
static void write_status(struct line *l)
{
    const int fd = open(last.temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return;
    }
    say(l, "\n");
    const bool whole = write(fd, l->text, l->n) == (ssize_t)l->n;
    close(fd);
    if (!whole || rename(last.temporary, last.status) != 0) {
        unlink(last.temporary);
    }
}

/* Until somebody has written and the lock is gone, or PATIENCE_MS are over. Both loops count the
 * same time, so PATIENCE_MS is the limit of both together. */
static void await_words(void)
{
    int waited = 0;
    for (; waited < PATIENCE_MS && is_under_way(); waited += LOOK_MS) {
        nap();
    }
    for (; waited < PATIENCE_MS && access(last.lock_path, F_OK) == 0; waited += LOOK_MS) {
        nap();
    }
}

/* The order matters: once the status is written the other ranks leave, and with the first process
 * that ends mpirun kills all that are left. */
static void speak_for_run(int signal, int lost)
{
    struct line line = {.n = 0};
    compose(&line, signal, lost);
    tell(&line);
    write_status(&line);
}

/* Of the ranks on the host of rank 0 the lowest that is left. */
static bool speaks_for_jobs(void)
{
    const struct peers *p = last.peers;
    if (p == NULL || p->me == 0) {
        return true;
    }
    return p->n_here > 0 && p->here[0].rank == 0 && peers_lowest(p);
}

/* The rank that speaks has spoken when it is gone. One that is held up for long has not, and then
 * this one speaks; should both, mpi/launch passes on the first. */
static bool speaker_is_held_up(void)
{
    const struct peers *p = last.peers;
    if (p->n_here == 0 || p->here[0].rank != 0) {
        return false; /* it is on another host */
    }
    for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
        if (peers_lowest(p)) {
            return false;
        }
        nap();
    }
    return true;
}

static void leave_jobs(int signal)
{
    const struct timespec linger = {0, LINGER_MS * 1000L * 1000L};
    struct line line = {.n = 0};
    if (!speaks_for_jobs() && !speaker_is_held_up()) {
        return;
    }
    compose(&line, signal, last.peers != NULL ? peers_lost(last.peers) : -1);
    tell(&line);
    nanosleep(&linger, NULL); /* gone earlier, this rank would count as lost */
}

/* The signal reaches all ranks at once. A rank that is not to write stays until the words are
 * written: if it ended earlier, the writer would take it for the rank that was lost. A writer that
 * was held up, for example by a slow disk, finds that another rank has written in its place. */
static void leave(int signal)
{
    if (atomic_flag_test_and_set(&is_leaving)) {
        return; /* a second signal, before the first one was blocked */
    }
    if (last.kind == WORDS_RUN) {
        if (!peers_lowest(last.peers)) {
            await_words();
        }
        if (is_under_way()) {
            speak_for_run(signal, peers_lost(last.peers));
        }
    } else if (last.kind == WORDS_JOBS) {
        leave_jobs(signal);
    }
    if (last.lock != NULL) {
        lock_abandon(last.lock);
    }
    const struct sigaction fatal = {.sa_handler = SIG_DFL};
    sigaction(signal, &fatal, NULL);
    raise(signal); /* the default action, once this handler returns */
}

/* While the handler runs the three signals are blocked. The default action comes back only at the
 * end of the handler, and not with SA_RESETHAND at its start: the kernel resets the action when it
 * takes the signal, and blocks further ones a moment later, when the frame of the handler stands. A
 * second signal in between would meet the default action and end the process before its last
 * words. SIGHUP stays ignored where it was ignored before, as under nohup. */
static void on_leaving(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, hangup;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGHUP);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
        sigaction(SIGHUP, &action, NULL);
    }
}

/* Without the word --restart, with which the command would begin anew instead of going on. */
static void drop_restart(char *to, const char *command)
{
    static const char word[] = " --restart";
    size_t n = 0;
    while (*command != '\0') {
        const char behind =
            strncmp(command, word, sizeof word - 1) == 0 ? command[sizeof word - 1] : 'x';
        if (behind == ' ' || behind == '\0') {
            command += sizeof word - 1;
        } else {
            to[n++] = *command++;
        }
    }
    to[n] = '\0';
}

const char *stop_command(void)
{
    const char *command = getenv("KARMA_COMMAND");
    if (command == NULL || command[0] == '\0' || strlen(command) >= COMMAND_LEN) {
        return "the same command, without --restart";
    }
    drop_restart(last.goes_on, command);
    return last.goes_on;
}

/* `kind` is set after all that it makes the handler read: where a lock is held, the handler is in
 * place already. A FIFO that does not exist on this host is mpi/launch's on another one. */
static void arm(enum words kind, const struct peers *peers)
{
    const char *fifo = getenv("KARMA_LAST_WORDS");
    snprintf(last.command, sizeof last.command, "%s", stop_command());
    snprintf(last.fifo, sizeof last.fifo, "%s",
             fifo != NULL && access(fifo, F_OK) == 0 ? fifo : "");
    last.done = 0;
    last.saved = -1;
    last.peers = peers;
    last.kind = kind;
    on_leaving(leave);
}

/* The lock of a run lies beside its status. The temporary name contains the rank, so ranks that
 * write at the same time do not write one file. */
void stop_last_words(const struct peers *peers, const char *status, int updates)
{
    const int n = snprintf(last.temporary, PATH_LEN, "%s.tmp-last-words-%d", status, peers->me);
    if (n < 0 || n >= PATH_LEN) {
        return; /* no file has such a name */
    }
    snprintf(last.status, PATH_LEN, "%s", status);
    const char *slash = strrchr(status, '/');
    snprintf(last.lock_path, PATH_LEN, "%.*slock", slash != NULL ? (int)(slash + 1 - status) : 0,
             status);
    last.updates = updates;
    arm(WORDS_RUN, peers);
}

void stop_resumable(const struct peers *peers)
{
    arm(WORDS_JOBS, peers);
}

void stop_at(int done)
{
    last.done = done;
}

void stop_saved(int done)
{
    last.saved = done;
}

void stop_lost(int rank)
{
    if (last.kind == WORDS_RUN && is_under_way()) {
        speak_for_run(0, rank);
    }
}

/* A lock that is still held keeps the handler, which removes it; without one the
 * default actions return. */
void stop_forget(void)
{
    last.kind = WORDS_NONE;
    last.peers = NULL;
    on_leaving(last.lock != NULL ? leave : SIG_DFL);
}

void stop_lock(const struct lock *l)
{
    last.lock = l;
    on_leaving(l != NULL || last.kind != WORDS_NONE ? leave : SIG_DFL);
}
