/* The one flag that a signal handler may set. */
#include "mpi/stop.h"

#include <signal.h>
#include <stddef.h>

/* A handler has no argument through which it could reach anything else. */
static volatile sig_atomic_t requested;

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
