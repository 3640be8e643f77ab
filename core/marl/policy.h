/* The masked factored categorical policy.
 *
 * For each factor: p_k = exp(z_k - max) / sum over allowed k; forbidden choices have probability
 * exactly 0, and log-probability, entropy and gradient are those of the masked distribution.
 * Sums are eight partial sums by k modulo 8, each ascending, then a tree. Bits of a mask beyond the
 * last choice are ignored.
 *
 * A row of K floats is read and written up to the next multiple of 8, because a vector that is cut
 * costs more than one that is whole. What stands behind a row is ignored and overwritten. So rows
 * of several factors are worked on in ascending order, and the last row of an array is followed by
 * POLICY_SLACK floats that belong to the array.
 */
#ifndef KARMA_MARL_POLICY_H
#define KARMA_MARL_POLICY_H

#include <stdint.h>

enum { POLICY_SLACK = 7 };

/* logp (K): log-probabilities, -inf where forbidden; prob (K): probabilities. Returns entropy. */
float policy_softmax(float *logp, float *prob, const float *logits, const uint32_t *mask,
                     int n_choices);

/* Inverse of the cumulative distribution prob (K) at u in [0, 1); never a forbidden choice. */
int policy_sample(const float *prob, const uint32_t *mask, int n_choices, float u);

/* The most probable choice, the lowest index among equals; of logits, log-probabilities or
 * probabilities. */
int policy_argmax(const float *logp, const uint32_t *mask, int n_choices);

/* d (a * logp[choice] + b * entropy) / d logits into grad (K); 0 where forbidden. logp, prob,
 * entropy: of policy_softmax. */
void policy_gradient(float *grad, const float *logp, const float *prob, int n_choices, int choice,
                     float a, float b, float entropy);

#endif
