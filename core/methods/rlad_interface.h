/* How the agents of Rlad-core (rlad_table.h) meet the plant: one for each service, as in the
 * publication.
 *
 * An agent measures the replicas that its service was asked to have (state column `desired`), the
 * utilisation of its CPU (`util_10s`), and its response time R (`latency_10s`). It chooses to
 * remove a replica, to do nothing, or to add one, within the bounds of the topology. Its cost, of
 * which the reward is the negative, is for k replicas
 *
 *   own     resources k / k_max + lateness [R > R_max]
 *   karma   cost_weight k cpu_m / node_cpu_m + 1 - achieved
 *
 * with `achieved` and cost_weight of the plant's reward (core/plant/reward.h). The first term is
 * known before the decision, the second is what has to be learned. In `karma` the reward that
 * stands in logs is the common one, which has the price of all services.
 *
 * The publication has one service, whose response time is bounded by R_max. Here the response time
 * of a service contains that of the services it calls and waits for. So of the response time that a
 * request may take, each service on the longest chain of calls gets the same part:
 *
 *   R_max = latency_max levels / depth
 *
 * `levels` counts the services of the longest chain from this one on, itself included, and `depth`
 * those of the longest chain of the topology. A service that was called and answered nobody counts
 * as too slow.
 *
 * The global state has RLAD_COLUMNS columns for each service: where it is, where it was at the
 * decision before, what was chosen there, and the unknown cost that was measured since. So every
 * row is a whole transition, whatever the rollout's length; at the first decision of an episode
 * RLAD_REPLICAS_BEFORE is 0, and there is none. The transition into the last state of an episode is
 * in no row. An agent sees the first two columns. Where a policy is played nobody measures costs,
 * and that column is 0.
 */
#ifndef KARMA_METHODS_RLAD_INTERFACE_H
#define KARMA_METHODS_RLAD_INTERFACE_H

#include "core/game/env_setup.h"
#include "core/game/interface.h"
#include "core/methods/rlad_table.h"

enum rlad_column {
    RLAD_REPLICAS,
    RLAD_BIN, /* of the utilisation */
    RLAD_REPLICAS_BEFORE,
    RLAD_BIN_BEFORE,
    RLAD_CHOICE,
    RLAD_UNKNOWN_COST,
    RLAD_COLUMNS
};

struct rlad_interface {
    struct interface interface; /* first */
    struct team_spec spec;
    const struct rlad_cfg *cfg;
    const struct env_setup *env_setup;
    const struct rlad_service *services; /* (n_services) bounds and known costs */
    const double *response_max_ms;       /* (n_services) */
    const char *const *columns;          /* (n_global_state) "a.replicas of 1 to 10", ... */
    int n_services;
};

/* `r` must stay where it is. By reference. */
enum err rlad_interface_init(struct rlad_interface *r, struct arena *arena,
                             const struct rlad_cfg *cfg,
                             const struct env_setup *env_setup) WARN_UNUSED;

/* columns (state_size) = 1 for the measured ones that are looked at; the others stay. */
void rlad_interface_reads(uint8_t *columns, const struct rlad_interface *r);

#endif
