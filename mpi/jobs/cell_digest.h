/* The digest of a cell: of all that decides a row of an evaluation, beyond the keys that stand in
 * it.
 *
 * It covers the topology, the plant, the simulator, the load, the game, the warm-up that is not
 * counted, one scenario and the parameters of one controller; for a policy the networks'
 * configuration as well (its weights have a digest of their own, and its file says by which rules
 * it plays), for a scripted team the organisation. Names, the list of controllers and the number of
 * episodes are not in it: what was measured stays valid when they change.
 */
#ifndef KARMA_JOBS_CELL_DIGEST_H
#define KARMA_JOBS_CELL_DIGEST_H

#include "mpi/jobs/experiment.h"

/* Local. Of controller and scenario, by index. Logs errors of files that the configuration names.
 */
enum err cell_digest(uint64_t *digest, const struct experiment_cfg *cfg, int controller,
                     int scenario) WARN_UNUSED;

#endif
