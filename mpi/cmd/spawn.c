/* Starts another program and waits for it. */
#include "mpi/cmd/spawn.h"

#include "core/base/log.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

/* glibc's posix_spawnp() returns the error of the child's chdir or exec, so a program that is not
 * installed is known here as ENOENT. A directory that does not exist would look the same; callers
 * have read or written files in it. A signal that this process handles only interrupts waitpid(),
 * which is called again. */
enum err spawn_run(char *const argv[], const char *dir, const char *package, const char *stays,
                   const char *on)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawn_file_actions_addchdir_np(&actions, dir);
        error = error != 0 ? error : posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (error == ENOENT) {
        log_error("%s is not installed (Debian: apt-get install %s); %s", argv[0], package, stays);
        return ERR_FAILED;
    }
    if (error != 0) {
        log_error("%s could not be started: %s", argv[0], strerror(error));
        return ERR_FAILED;
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            log_error("%s: %s", argv[0], strerror(errno));
            return ERR_FAILED;
        }
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        log_error("%s failed on %s; its own words stand above", argv[0], on);
        return ERR_FAILED;
    }
    return ERR_OK;
}
