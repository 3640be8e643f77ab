/* What a decision costs: DIR/decision_cpu.csv, one row for each controller of an evaluation.
 *
 * The CPU time of act(), what a controller computes between a measured state and its change, summed
 * over all decisions that were played and divided by their number. It is a measurement of the
 * machine and no result: it differs from run to run, so no table and no other file has it. An
 * evaluation that goes on adds to the rows that are there.
 */
#ifndef KARMA_JOBS_DECISION_CPU_H
#define KARMA_JOBS_DECISION_CPU_H

#include "core/eval/eval.h"
#include "mpi/comm/comm.h"

/* Collective. What the ranks have played since the evaluation was made; rank 0 writes the file, and
 * logs the largest mean. adds: to the rows of a file that is there (same on all ranks). */
enum err decision_cpu_report(struct comm *comm, const struct eval *eval, const struct eval_cfg *cfg,
                             const char *dir, bool adds, struct arena *arena) WARN_UNUSED;

#endif
