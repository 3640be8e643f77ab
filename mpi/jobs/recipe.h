/* How an arm's policies are made: the training that eval.controllers declares for a policy.
 *
 *     - name: cloned
 *       policy:
 *         training: frontier_clone.yaml           # the configuration
 *         settings: [twin.file=runs/twin]         # and what --set adds to it
 *         seeds: [1, 2]                           # train.seed of each policy
 *         policies: [runs/clone-1, runs/clone-2]  # where they are
 *
 * From it follow the command that makes a policy which is missing, and the check that a policy
 * which is there was made so: the configuration in its file must equal the declared one in all rows
 * that decide the weights. Without `training` nothing is declared, and any policy is taken.
 */
#ifndef KARMA_JOBS_RECIPE_H
#define KARMA_JOBS_RECIPE_H

#include "mpi/jobs/experiment.h"

/* Policy `policy` of controller `controller` of x->cfg.eval. */
struct recipe {
    const struct experiment *x;
    const char *config_path; /* of x, as it was typed */
    int controller, policy;
    const char *run; /* run directory of the policy */
};

/* Local. ERR_CONFIG, with file and line, if the keys of controller `controller` contradict each
 * other. */
enum err recipe_check_keys(const struct experiment *x, int controller) WARN_UNUSED;

/* Local. Logs that the policy at `path` is missing, and the command that makes it. */
void recipe_missing(const struct recipe *r, const char *path, struct arena *arena);

/* Local. ERR_MISMATCH, with what differs and the command that makes the right one, if a policy with
 * this configuration (NULL: unreadable) and seed is not what the arm declares. For an arm without
 * `training` and `policies` a warning if the experiment's own training differs. */
enum err recipe_check(const struct recipe *r, const struct experiment_cfg *found, uint64_t seed,
                      struct arena *arena) WARN_UNUSED;

#endif
