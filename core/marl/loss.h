/* The losses of MAPPO, with their gradients by the network's outputs: sums over rows, not means.
 *
 * Who divides knows the weight of the whole minibatch, over all tiles; here are only rows. Sums run
 * over the rows in order, in double, so cutting the rows anywhere and going on gives the same bits.
 * Shared by the learners of this folder and of core/methods.
 */
#ifndef KARMA_MARL_LOSS_H
#define KARMA_MARL_LOSS_H

#include "core/marl/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* n samples of one agent; strides are elements from one sample to the next. */
struct policy_rows {
    int n, n_factors, n_choices;
    const float *logits; /* (n, F, K), stride logit_ld */
    int logit_ld;
    const uint32_t *mask; /* (n, F, words) */
    int mask_stride;
    const int32_t *action; /* (n, F) */
    int action_stride;
    const float *logp, *advantage; /* (n) when acted; raw */
    int sample_stride;
    float adv_mean, adv_scale; /* normalised: (advantage - adv_mean) * adv_scale */
};

struct policy_sums {
    double weight; /* samples in which there was a choice; the others count nowhere */
    double loss, entropy, kl, clipped;
    float ratio_dev; /* greatest |rho - 1| */
};

/* Floats of `work` below. */
static inline int loss_work_floats(int n_factors, int n_choices)
{
    return 2 * (n_factors * n_choices + POLICY_SLACK) + n_factors;
}

/* Is there a factor with more than one allowed choice? mask (F, words). */
bool loss_has_choice(const uint32_t *mask, int n_factors, int n_choices);

/* Behind the last row of dlogits there are POLICY_SLACK floats (policy.h).
 *
 * PPO: loss = -min(rho A, clip(rho, 1-clip, 1+clip) A), and dlogits (n, F, K; stride logit_ld) of
 * loss - entropy_coef * H, H summed over the factors. Adds to *sums. */
void loss_ppo(struct policy_sums *sums, float *dlogits, float *work, const struct policy_rows *rows,
              float clip, float entropy_coef);

/* Cloning: loss = -log p(action). logp and advantage of the rows are not read. */
void loss_clone(struct policy_sums *sums, float *dlogits, float *work,
                const struct policy_rows *rows);

/* The clipped Huber loss of values v (n, d; stride ld_v) against targets y (n, d; stride ld_y),
 * both normalised: max(huber(v - y), huber(v_old + clip(v - v_old, +-value_clip) - y)). dv: stride
 * ld_v. Adds to *sum. */
void loss_value(double *sum, float *dv, const float *v, int ld_v, const float *v_old,
                const float *y, int ld_y, int n, int d, float value_clip, float huber_delta);

#endif
