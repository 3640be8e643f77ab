/* From clusters of trajectories to roles of agents: which clusters are one role, and does a cluster
 * say anything about agents?
 *
 * A role belongs to an agent, but a cluster holds trajectories: those of one agent in long and in
 * short floods may be two clusters. So clusters are merged as long as this tells agents apart
 * better:
 *
 *     A = sum_p n_p I_p(role; agent) / sum_p n_p (H_p(role) + H_p(agent)) / 2
 *
 * over policies p with n_p trajectories, in nats: the normalised mutual information within a
 * policy. Merging two clusters never raises I. It loses nothing if the same agents are in both in
 * the same proportions, and it always lowers H(role). So clusters of one agent, or of agents that
 * are in both alike, become one role, and clusters of different agents do not. Of all pairs the one
 * that raises A most is merged first (N. Slonim and N. Tishby, "Agglomerative information
 * bottleneck", 1999, with the normalisation in the place of their trade-off); the end is where no
 * pair raises A.
 *
 * The *attribution* test deals the agents of each episode out anew and repeats all of it, with
 * every number of clusters, so the merges cannot make a role out of nothing.
 */
#ifndef KARMA_ANALYSIS_ROLE_ATTRIBUTION_H
#define KARMA_ANALYSIS_ROLE_ATTRIBUTION_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

/* Trajectories, those of an episode side by side. Borrowed. */
struct attributed {
    int n, n_policies, n_agents;
    const int *policy;  /* (n) below n_policies */
    const int *episode; /* (n) */
    const int *agent;   /* (n) below n_agents */
};

/* label (n) below k: A after all merges, and which role, from 0, each cluster belongs to: role_of
 * (k), numbered in the order of their first clusters; may be NULL. Returns the number of roles in
 * *n_roles; may be NULL. Pairs that are equally good: the first one. */
enum err attribution_merge(double *a, int *n_roles, int *role_of, const struct attributed *t,
                           const int *label, int k, struct arena *scratch) WARN_UNUSED;

/* p of the largest A over the clusterings label (n_labels, n), of k (n_labels) clusters each. */
enum err attribution_test(double *p, const struct attributed *t, const int *label, const int *k,
                          int n_labels, int draws, uint64_t seed,
                          struct arena *scratch) WARN_UNUSED;

#endif
