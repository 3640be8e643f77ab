/* The run directory: results/runs/NAME and what everybody may expect there.
 *
 *   run.yaml       resolved config, seed, revision: what made the results   rundir_put
 *   machine.yaml   host, CPU, compiler, build, start time                   rundir_put_machine
 *   status         one line: "running update 12", "done", "failed: ..."     rundir_status
 *   lock           while a process writes here: whose it is                 core/base/lock.h
 *   metrics.csv    results, one row per update                              csv_*
 *   timing.csv     seconds; may differ between equal runs, like machine.yaml and ranks.csv
 *   ranks.csv      seconds of each rank in each phase, at the end of a training
 *   checkpoints/   policy/
 *
 * Results are byte-identical when made again; times and hosts stand in the three files just named
 * only. Files are replaced as a whole, rows are appended as a whole. Local: rank 0 calls this.
 */
#ifndef KARMA_BASE_RUNDIR_H
#define KARMA_BASE_RUNDIR_H

#include "core/base/csv.h"
#include "core/base/err.h"
#include "core/base/mem.h"

struct rundir {
    const char *path; /* "results/runs/NAME", in the arena */
    const char *name;
};

/* Make root/name with its sub-directories and check that they can be written. `name`: letters,
 * digits, '.', '_', '-', not starting with '.'; else ERR_USAGE. ERR_USAGE, too, if a run of that
 * name is there already (it has a run.yaml): nothing is ever overwritten silently. */
enum err rundir_create(struct rundir *r, struct arena *arena, const char *root,
                       const char *name) WARN_UNUSED;

/* ERR_USAGE with a sentence if the last part of the path cannot be the name of a run. */
enum err rundir_check_name(const char *path) WARN_UNUSED;

/* A run that exists, to resume it. ERR_USAGE if there is none. */
enum err rundir_open(struct rundir *r, struct arena *arena, const char *root,
                     const char *name) WARN_UNUSED;

/* path/file; NULL when out of memory. */
char *rundir_path(const struct rundir *r, struct arena *arena, const char *file);

/* Replace a small text file. */
enum err rundir_put(const struct rundir *r, const char *file, const char *text) WARN_UNUSED;

enum err rundir_status(const struct rundir *r, const char *fmt, ...) WARN_UNUSED
    __attribute__((format(printf, 2, 3)));

/* machine.yaml. `more`: further lines of YAML ("mpi: Open MPI 4.1.4\n"), "" = none. */
enum err rundir_put_machine(const struct rundir *r, int ranks, const char *more) WARN_UNUSED;

/* What this binary was made from: -DKARMA_REVISION and -DKARMA_BUILD_INFO, else "unknown". */
const char *rundir_revision(void);
const char *rundir_build_info(void);

#endif
