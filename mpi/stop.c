/* The flag and the last words that signal handlers may write. See stop.h.
 *
 * A handler has no argument through which it could reach anything, and may call very little: all
 * that it needs is prepared here beforehand, and written with open, write and rename.
 */
#include "mpi/stop.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PATH_LEN = 4096,
    LINE_LEN = 256,
    LOOK_MS = 10,
    PATIENCE_MS = 600, /* mpirun kills a second after it asked */
};

static volatile sig_atomic_t requested;

static struct {
    const struct peers *peers; /* NULL: there is nothing to say */
    char status[PATH_LEN], temporary[PATH_LEN];
    volatile sig_atomic_t done;
    int updates;
    const struct lock *lock; /* NULL: none */
} last;

/* ---- SIGUSR1 ---- */

static void note(int signal)
{
    (void)signal;
    requested = 1;
}

void stop_listen(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
}

bool stop_requested(void)
{
    return requested != 0;
}

/* ---- last words ---- */

struct line {
    char text[LINE_LEN];
    size_t n;
};

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

static void compose(struct line *l, int signal, int lost)
{
    if (lost >= 0) {
        say(l, "lost rank ");
        say_number(l, lost);
    } else {
        say(l, signal == SIGINT ? "interrupted" : "ended by SIGTERM");
    }
    say(l, " after update ");
    say_number(l, last.done);
    say(l, " of ");
    say_number(l, last.updates);
    say(l, "\n");
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

static void write_status(const struct line *l)
{
    const int fd = open(last.temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return;
    }
    const bool whole = write(fd, l->text, l->n) == (ssize_t)l->n;
    close(fd);
    if (!whole || rename(last.temporary, last.status) != 0) {
        unlink(last.temporary);
    }
}

/* Until somebody has written, or PATIENCE_MS are over. */
static void await_words(void)
{
    const struct timespec moment = {0, LOOK_MS * 1000L * 1000L};
    for (int waited = 0; waited < PATIENCE_MS && is_under_way(); waited += LOOK_MS) {
        nanosleep(&moment, NULL);
    }
}

/* The signal reaches all ranks at once. Who is not the one to write stays until it is written: gone
 * earlier, it would be taken for the rank that was lost. A writer who is held up, by a slow disk
 * say, finds that another has written for it. */
static void leave(int signal)
{
    struct line line = {.n = 0};
    if (last.peers != NULL && !peers_lowest(last.peers)) {
        await_words();
    }
    if (last.peers != NULL && is_under_way()) {
        compose(&line, signal, peers_lost(last.peers));
        write_status(&line);
    }
    if (last.lock != NULL) {
        lock_abandon(last.lock);
    }
    raise(signal); /* SA_RESETHAND: the default action, once this handler returns */
}

static void on_leaving(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

void stop_last_words(const struct peers *peers, const char *status, int updates)
{
    const int n = snprintf(last.temporary, PATH_LEN, "%s.tmp-last-words-%d", status, peers->me);
    if (n < 0 || n >= PATH_LEN) {
        return; /* no file has such a name */
    }
    snprintf(last.status, PATH_LEN, "%s", status);
    last.updates = updates;
    last.done = 0;
    last.peers = peers;
    on_leaving(leave);
}

void stop_at(int done)
{
    last.done = done;
}

void stop_lost(int rank)
{
    struct line line = {.n = 0};
    if (last.peers != NULL && is_under_way()) {
        compose(&line, 0, rank);
        write_status(&line);
    }
}

void stop_forget(void)
{
    last.peers = NULL;
    on_leaving(last.lock != NULL ? leave : SIG_DFL);
}

void stop_lock(const struct lock *l)
{
    last.lock = l;
    on_leaving(l != NULL || last.peers != NULL ? leave : SIG_DFL);
}
