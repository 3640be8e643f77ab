/* Stop on request: SIGUSR1 asks for an orderly end (Slurm sends it before a time limit, and mpirun
 * hands it to every rank). The run ends after the current update with ERR_STOPPED on all ranks. */
#ifndef KARMA_MPI_STOP_H
#define KARMA_MPI_STOP_H

#include <stdbool.h>

/* Local. From now on SIGUSR1 is noted instead of ending the process. */
void stop_listen(void);

/* Local. Ranks must agree before they act on it: the signal reaches them at different moments. */
bool stop_requested(void);

#endif
