/* How far an ablation is, and what it consists of: text on standard output. Local; write nothing.
 */
#ifndef KARMA_JOBS_ABLATE_STATUS_H
#define KARMA_JOBS_ABLATE_STATUS_H

#include "mpi/jobs/ablate_plan.h"

/* A table of states for each variant and scenario, twins that are not there, runs under way, failed
 * runs with their reasons, and the time that is left. Reads the manifest and one or two small files
 * for each run, no configuration. ERR_CONFIG if DIR has no manifest. */
enum err ablate_status(const char *dir, const char *spec_path) WARN_UNUSED;

/* The stages and the runs with their digests; lines: as --lines, NULL = all. */
enum err ablate_list(const struct ablate_plan *plan, const char *lines) WARN_UNUSED;

#endif
