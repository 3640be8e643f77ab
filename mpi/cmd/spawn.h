/* Other programs, for drawing: gnuplot and dot. Only for commands without ranks, because a process
 * of MPI must not fork. */
#ifndef KARMA_CMD_SPAWN_H
#define KARMA_CMD_SPAWN_H

#include "core/base/err.h"

/* Runs argv (NULL at the end), looked for in PATH, in directory `dir` and waits. `package` is what
 * Debian calls it, `stays` says what is there all the same, `on` what it works on: for sentences.
 * ERR_FAILED if it is not installed or fails; its own words are on standard error by then. */
enum err spawn_run(char *const argv[], const char *dir, const char *package, const char *stays,
                   const char *on) WARN_UNUSED;

#endif
