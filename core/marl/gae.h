/* Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438).
 *
 *   delta_t = r_t + gamma v'_t - v_t
 *   A_t     = delta_t + gamma lambda A_{t+1}     A_{t+1} = 0 where the episode ends at t
 *   target  = A_t + v_t
 *
 *   v'_t    = v_{t+1} within an episode
 *             0 where it terminated
 *             the bootstrap value where it was truncated
 */
#ifndef KARMA_MARL_GAE_H
#define KARMA_MARL_GAE_H

#include "core/marl/block.h"

/* Fills block->advantage and block->target. */
void gae_block(struct block *b, int n_agents, double gamma, double lambda);

/* Where environments form groups (env_spec.group): from each advantage the mean over the members at
 * the same (step, agent) is subtracted, targets stay. Members meet the same load and faults, so the
 * mean is what the episode brought, whoever acted; what is left is what the own choices brought.
 *
 *   A'_e = A_e - (1 / G) sum over the members i of A_i
 *
 * A member's own advantage is in the mean, which scales its expectation by (G - 1) / G for all
 * alike; the normalisation that follows cancels a common factor. Step and agent compare like with
 * like only while all members stand at the same step of the same episode, so they must end
 * together: where one has a flag that another has not, this is a CHECK. group 1: nothing to do. */
void gae_centre_groups(struct block *b, int n_agents, int group);

#endif
