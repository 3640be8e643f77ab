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

#endif
