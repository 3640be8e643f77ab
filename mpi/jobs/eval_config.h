/* DIR/config.yaml: the complete configuration of the rows in DIR/eval.csv.
 *
 * It is YAML that karma reads, with every key. Paths stand in it as the evaluation was given them,
 * but for policies that a run of an ablation has trained: they are relative to DIR, so the run can
 * be moved. Nothing of the machine is in it. The first line says who wrote the file; a file of that
 * name without this line is somebody else's and is never replaced. Local, rank 0.
 */
#ifndef KARMA_JOBS_EVAL_CONFIG_H
#define KARMA_JOBS_EVAL_CONFIG_H

#include "mpi/jobs/experiment.h"

/* Is there a configuration that an evaluation has written? In the arena; NULL when out of memory.
 */
const char *eval_config_path(struct arena *arena, const char *dir);
bool eval_config_exists(const char *dir);

/* Writes it. yaml: the resolved configuration. Writes nothing if the same stands there. ERR_USAGE
 * with a sentence if the file is somebody else's; eval_config_check() says so before anything is
 * done. */
enum err eval_config_write(const char *dir, const char *yaml) WARN_UNUSED;
enum err eval_config_check(const char *dir) WARN_UNUSED;

/* Rows of the file `csv` are of another evaluation than `x`, as was said: logs the settings that
 * differ, from the configuration beside the file. Nothing if there is none that can be read. */
enum err eval_config_tell_difference(const char *csv, const struct experiment *x) WARN_UNUSED;

#endif
