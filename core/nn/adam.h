/* Adam (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1) and gradient clipping on flat blocks.
 *
 * Element-wise IEEE operations in float, never contracted: the same bits on every machine.
 */
#ifndef KARMA_NN_ADAM_H
#define KARMA_NN_ADAM_H

#include <stddef.h>
#include <stdint.h>

struct adam_config {
    double lr;    /* step size of this step (schedules are the caller's) */
    double beta1; /* 0.9 */
    double beta2; /* 0.999 */
    double eps;   /* 1e-8 in the paper, 1e-5 customary for PPO; outside the root */
};

/* One step. params, m, v (n) are updated from grads (n); m and v start as zeros.
 *   m = beta1 m + (1-beta1) g;   v = beta2 v + (1-beta2) g^2
 *   params -= lr / (1-beta1^t) * m / (sqrt(v) / sqrt(1-beta2^t) + eps)
 * t: number of this step, 1, 2, ... The arrays may not overlap. */
void adam_step(float *params, float *m, float *v, const float *grads, size_t n,
               const struct adam_config *cfg, uint64_t t);

/* Euclidean norm of g[0..n), in double: sixteen partial sums by index modulo 16, each ascending,
 * then added as a binary tree (0+8, 1+9, ...; 0+4, ...; 0+2, ...; 0+1). NaN and infinity come
 * through. */
double grad_norm(const float *g, size_t n);

/* Scale g to norm max_norm if it is longer; returns the norm before. max_norm <= 0: never scale.
 * When the norm is not finite g is left alone: the caller must test isfinite() and stop. */
double grad_clip(float *g, size_t n, double max_norm);

#endif
