/* The run directory: results/runs/NAME and what everybody may expect there.
 *
 *   run.yaml       resolved config, seed, revision: what made the results   rundir_put
 *   machine.yaml   host, CPU, compiler, build, start time                   rundir_put_machine
 *   status         one line: "running update 12", "done", "failed: ..."     rundir_status
 *   metrics.csv    results, one row per update                              csv_*
 *   timing.csv     seconds; the other file that may differ between equal runs
 *   checkpoints/   policy/
 *
 * Results are byte-identical when made again; times and hosts stand in machine.yaml and timing.csv
 * only. Files are replaced as a whole, rows are appended as a whole. Local: rank 0 calls this.
 */
#ifndef KARMA_BASE_RUNDIR_H
#define KARMA_BASE_RUNDIR_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

struct rundir {
    const char *path; /* "results/runs/NAME", in the arena */
    const char *name;
};

/* Make root/name with its sub-directories and check that they can be written. `name`: letters,
 * digits, '.', '_', '-', not starting with '.'; else ERR_USAGE. ERR_USAGE, too, if a run of that
 * name is there already (it has a run.yaml): nothing is ever overwritten silently. */
enum err rundir_create(struct rundir *r, struct arena *arena, const char *root,
                       const char *name) WARN_UNUSED;

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

/* ---- CSV (RFC 4180, line ends are \n) ---- */

enum { CSV_KEEP_ALL = -1 };

struct csv {
    int fd;
    const char *path; /* in the arena */
    int n_columns, column;
    enum err failed; /* first failure inside the row */
    struct buf row;  /* owned */
};

/* A new file with its header; an old one of that name is replaced. */
enum err csv_create(struct csv *c, struct arena *arena, const char *path,
                    const char *const *columns, int n_columns) WARN_UNUSED;

/* Continue a file. Its header must be these columns, else ERR_MISMATCH. It is cut after `keep` rows
 * (what a resumed run will write again), CSV_KEEP_ALL: all that are complete; fewer rows than
 * `keep` are ERR_MISMATCH. */
enum err csv_resume(struct csv *c, struct arena *arena, const char *path,
                    const char *const *columns, int n_columns, int64_t keep) WARN_UNUSED;

/* One cell after the other. Numbers are printed with 9 digits, enough to read the same float back;
 * NaN and infinities as nan, inf, -inf. */
void csv_text(struct csv *c, const char *s);
void csv_int(struct csv *c, int64_t v);
void csv_num(struct csv *c, double v);

/* Write the row, which must have all its cells, in one piece. */
enum err csv_end_row(struct csv *c) WARN_UNUSED;

void csv_close(struct csv *c);

#endif
