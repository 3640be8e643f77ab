/* Commands that run on ranks: the library is started and ended here, and nowhere else in cmd/. */
#ifndef KARMA_CMD_RANKS_H
#define KARMA_CMD_RANKS_H

#include "mpi/cmd/commands.h"
#include "mpi/cmd/input.h"
#include "mpi/comm/comm.h"

/* Collective. Runs the command on the ranks that the launcher has started: `run` may use `comm`
 * until it returns. */
enum err ranks_run(const struct call *c,
                   enum err (*run)(struct comm *comm, const struct call *c)) WARN_UNUSED;

/* Local. On ranks other than 0: from now on no line is logged (on), or lines are logged again
 * (off). For work that all ranks do alike, so that its errors are logged once, by rank 0. */
void ranks_mute(const struct comm *comm, bool on);

/* Collective. input_load() on every rank, of which only rank 0 logs errors; then `check` (NULL:
 * none), which is Local; then the self-check. On failure nothing is held on any rank. */
enum err ranks_load(struct experiment *x, struct comm *comm, const struct input *in,
                    enum err (*check)(struct experiment *x, const struct comm *comm)) WARN_UNUSED;

#endif
