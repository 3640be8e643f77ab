/* The farm: a job list (core/base/jobs.h) mapped on ranks.
 *
 * Rank 0 hands out indices one by one (longest jobs first is the caller's business), collects the
 * records and calls take() in the order of the index, so the outcome is the same bytes as the plain
 * loop's. With one rank it is the plain loop. Rank 0 also works when size == 1 only; with more
 * ranks it serves and sleeps.
 *
 * An error in a job ends the farm on all ranks with that error and one message: the worker's
 * error lines are held back while the job runs and travel to rank 0, which says which job failed on
 * which rank and why. No new jobs are handed out after that; jobs that run are not interrupted.
 */
#ifndef KARMA_COMM_FARM_H
#define KARMA_COMM_FARM_H

#include "core/base/jobs.h"
#include "mpi/comm/comm.h"

/* Collective. jobs->run is called on ranks other than 0, jobs->take on rank 0 only (on one rank:
 * both). All ranks pass the same list; only rank 0 asks jobs->stop. While a job runs the log
 * writes to a sink of the farm's. */
enum err farm_run(struct comm *c, const struct job_list *jobs) WARN_UNUSED;

#endif
