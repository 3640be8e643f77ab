/* Gym-HPA (Santos, Wauters, Volckaert and De Turck, IEEE/IFIP NOMS 2023): one agent that adds or
 * stops pods of one deployment at each decision, trained by PPO.
 *
 *   sees     six numbers of every deployment, in their own units: replicas asked for, desired
 *            replicas by its own rule, CPU (milli-cores), memory (MiB), received and transmitted
 *            traffic (kbit/s); cut at the bounds of its observation space
 *   chooses  (deployment, move): move 0 nothing, 1..7 add so many, 8..14 stop one to seven
 *   is paid  goal cost      the number of deployments whose replicas are the desired ones,
 *                           -1 for a move that would leave the replica bounds
 *            goal latency   -(mean response time in ms), at least -latency_cap_ms, which is also
 *                           the price of a move that would leave the bounds
 *            reward karma   the reward of the defenders (core/plant/reward.h), for either goal
 *
 * Its own rule, for the targets t = floor(target * request) of CPU and memory:
 *
 *   desired = ceil(0.7 ceil(cpu / t_cpu) + 0.3 ceil(memory / t_memory)), at least 1, at most
 *             max_replicas
 *
 * A move that would leave the replica bounds is not carried out. Everything is measured; memory and
 * traffic are those that the plant models. docs/baselines.md says what was decided where the
 * publication and its code are silent.
 */
#ifndef KARMA_METHODS_GYM_HPA_H
#define KARMA_METHODS_GYM_HPA_H

#include "core/plant/topology.h"

enum {
    GYM_HPA_SEEN = 6,   /* numbers of a deployment */
    GYM_HPA_MOVES = 15, /* none, 7 to add, 7 to stop */
    GYM_HPA_MOST = 7    /* pods of a move */
};

/* Change of replicas of a move, before the bounds. */
int gym_hpa_change(int move);

/* Desired replicas of a service that uses so much CPU and memory in all. */
int gym_hpa_desired(const struct service_cfg *service, double target, double cpu_m, double ram_mib);

#endif
