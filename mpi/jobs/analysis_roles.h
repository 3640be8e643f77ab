/* The roles of a team: distances and shuffles as job lists, then what follows from them
 * (core/analysis/roles.h).
 *
 *   DIR/TEAM/roles.bin   distances and shuffles that were computed (mpi/jobs/number_jobs.h)
 *   DIR/TEAM/rest.bin    nearest medoids of what was not clustered
 */
#ifndef KARMA_JOBS_ANALYSIS_ROLES_H
#define KARMA_JOBS_ANALYSIS_ROLES_H

#include "core/analysis/role_report.h"
#include "core/analysis/roles.h"
#include "core/base/lock.h"
#include "mpi/comm/comm.h"

/* One team. By reference. */
struct role_order {
    const struct trajectory_set *set;
    const struct role_cfg *cfg;
    const char *dir; /* DIR/TEAM */
    bool restart;
    struct lock *lock; /* of DIR; rank 0's */
};

/* Local. ERR_USAGE with a sentence if roles cannot be looked for: one agent, or fewer than five
 * episodes of different loads. */
enum err analysis_roles_check(const struct trajectory_set *set, struct arena *scratch) WARN_UNUSED;

/* Collective. out: on rank 0 only; everything in `arena`. ERR_STOPPED after SIGUSR1. */
enum err analysis_roles_run(struct role_report *out, struct arena *arena, struct comm *comm,
                            const struct role_order *order) WARN_UNUSED;

/* Bytes that a rank takes for n trajectories of n_steps decisions, beside the trajectories. */
size_t analysis_roles_bytes(const struct role_cfg *cfg, int n, int n_steps, int n_services);

#endif
