/* The masked factored categorical policy.
 *
 * For each factor: p_k = exp(z_k - max) / sum over allowed k; forbidden choices have probability
 * exactly 0, and log-probability, entropy and gradient are those of the masked distribution.
 * Sums are eight partial sums by k modulo 8, each ascending, then a tree. Bits of a mask beyond the
 * last choice are ignored.
 */
#ifndef KARMA_MARL_POLICY_H
#define KARMA_MARL_POLICY_H

#include <stdint.h>

/* logp (K): log-probabilities, -inf where forbidden. Returns the entropy. */
float policy_log_softmax(float *logp, const float *logits, const uint32_t *mask, int n_choices);

/* Inverse of the cumulative distribution at u in [0, 1); never a forbidden choice. */
int policy_sample(const float *logp, const uint32_t *mask, int n_choices, float u);

/* The most probable choice, the lowest index among equals. */
int policy_argmax(const float *logp, const uint32_t *mask, int n_choices);

/* d (a * logp[choice] + b * entropy) / d logits into grad (K); 0 where forbidden. */
void policy_gradient(float *grad, const float *logp, const uint32_t *mask, int n_choices,
                     int choice, float a, float b, float entropy);

#endif
