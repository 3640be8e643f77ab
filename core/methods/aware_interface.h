/* How AWARE meets the plant: an agent for each service.
 *
 * An agent observes eleven values of its service, as the publication has them, as far as the plant
 * measures them. Each is cut at 10.
 *
 *   cpu_util              CPU used / CPU requested by ready pods, 30 s
 *   memory_util           memory used / memory requested by the pods that exist
 *   disk_io               0: services of this plant use no disk
 *   file_discovery_rate   the rate at which work reaches the application: requests at the entries,
 *                         30 s, in units of the workload's mean
 *   rate                  1 / (1 + lag), lag: requests that wait, for each ready pod
 *   processing_rate       calls answered, in the same unit
 *   ingestion_rate        calls received, in the same unit
 *   latency               of answered calls, in units of the service's objective
 *   num_replicas          desired / max_replicas
 *   cpu_limit             of a pod / 2048 m        (constant: replicas are all that changes)
 *   memory_limit          of a pod / 3072 MiB
 *
 * The objective of a service's latency is its part of plant.latency_max_ms: levels of calls from
 * the service down to a leaf, itself included, over those of the deepest entry.
 *
 * Choices: 0 nothing, 1 one replica more, 2 one less; masks keep replicas in their bounds.
 *
 * Own reward of a service, of the state that a choice led to (w: aware.utilisation_weight):
 *
 *   w RU + (1 - w) (DP + SLO) - reversal_penalty [the choice takes back the one before]
 *   RU  = cpu_util + memory_util / 2, each at most 1
 *   DP  = calls answered / received, at most 1; 1 if none came
 *   SLO = objective / latency, at most 1; DP if no call was answered, so there is no latency
 *
 * Global state: (A, 11) observations, then (A) choices of the heuristic for bootstrapping: towards
 * what it wants, as far as one replica goes; 0 without one. Nothing is normalised.
 */
#ifndef KARMA_METHODS_AWARE_INTERFACE_H
#define KARMA_METHODS_AWARE_INTERFACE_H

#include "core/controllers/rule.h"
#include "core/game/interface.h"
#include "core/methods/aware_cfg.h"

enum aware_choice { AWARE_STAY, AWARE_OUT, AWARE_IN, AWARE_CHOICES };

enum aware_value {
    AWARE_CPU_UTIL,
    AWARE_MEMORY_UTIL,
    AWARE_DISK_IO,
    AWARE_FILE_DISCOVERY_RATE,
    AWARE_RATE,
    AWARE_PROCESSING_RATE,
    AWARE_INGESTION_RATE,
    AWARE_LATENCY,
    AWARE_NUM_REPLICAS,
    AWARE_CPU_LIMIT,
    AWARE_MEMORY_LIMIT,
    AWARE_VALUES
};

struct aware_interface {
    struct interface base; /* first */
    const struct aware_cfg *cfg;
    const struct env_setup *env_setup;
    const struct rules *rules; /* for the heuristic's setup */
    struct team_spec spec;
    double nominal_rps;
    double *objective_ms; /* (n_services) */
};

/* `i` must stay where it is; by reference. */
enum err aware_interface_init(struct aware_interface *i, struct arena *arena,
                              const struct aware_cfg *cfg, const struct env_setup *env_setup,
                              const struct rules *rules) WARN_UNUSED;

/* First column of the heuristic's choices in the global state. */
static inline int aware_heuristic_at(const struct aware_interface *i)
{
    return i->spec.n_agents * AWARE_VALUES;
}

/* out (AWARE_VALUES) of one service. */
void aware_observe(float *out, const struct aware_interface *i, const float *state, int service);

/* Own reward of a service; reversed: its choice took back the one before. */
double aware_own_reward(const struct aware_interface *i, const float *state, int service,
                        bool reversed);

/* columns (state_size) = 1 for those that observations and own rewards read. */
void aware_reads(uint8_t *columns, const struct topology *topology);

#endif
