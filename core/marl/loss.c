/* Row by row: distribution, ratio, loss, and what the loss is by each logit. */
#include "core/marl/loss.h"

#include "core/base/fmath.h"
#include "core/marl/policy.h"

#include <math.h>
#include <string.h>

static int mask_words(int n_choices)
{
    return (n_choices + 31) / 32;
}

bool loss_has_choice(const uint32_t *mask, int n_factors, int n_choices)
{
    int n_words = mask_words(n_choices);
    for (int f = 0; f < n_factors; f++) {
        int n = 0;
        for (int w = 0; w < n_words; w++) {
            n += __builtin_popcount(mask[f * n_words + w]);
        }
        if (n > 1) {
            return true;
        }
    }
    return false;
}

/* ---- the policy ---- */

/* Distributions of one sample. */
struct sample {
    const uint32_t *mask; /* (F, words) */
    const int32_t *action;
    float *logp, *prob; /* (F, K) */
    float *entropy;     /* (F) */
    float joint_logp, joint_entropy;
};

/* Given what an agent observes, its factors are drawn independently:
 *
 *     log p(action) = sum_f log p_f(action_f)        H = sum_f H_f
 */
static struct sample evaluate(const struct policy_rows *rows, int i, float *work)
{
    int n_factors = rows->n_factors, n_choices = rows->n_choices;
    int n = n_factors * n_choices + POLICY_SLACK;
    struct sample s = {.mask = rows->mask + (long)i * rows->mask_stride,
                       .action = rows->action + (long)i * rows->action_stride,
                       .logp = work,
                       .prob = work + n,
                       .entropy = work + 2 * n};
    const float *logits = rows->logits + (long)i * rows->logit_ld;
    for (int f = 0; f < n_factors; f++) {
        float *logp = s.logp + f * n_choices;
        s.entropy[f] = policy_softmax(logp, s.prob + f * n_choices, logits + f * n_choices,
                                      s.mask + f * mask_words(n_choices), n_choices);
        s.joint_logp += logp[s.action[f]];
        s.joint_entropy += s.entropy[f];
    }
    return s;
}

/* dlogits of a L + b H; L is the joint log-probability of the action, H the joint entropy. The
 * logits z of a factor enter only its own terms of the two sums, so each factor is treated alone.
 * With its action k and probabilities p = softmax(z),
 *
 *     d L / d z_j = [j = k] - p_j        d H / d z_j = -p_j (log p_j + H_f)
 */
static void backward(float *dlogits, const struct policy_rows *rows, const struct sample *s,
                     float a, float b)
{
    int n_choices = rows->n_choices;
    for (int f = 0; f < rows->n_factors; f++) {
        policy_gradient(dlogits + f * n_choices, s->logp + f * n_choices, s->prob + f * n_choices,
                        n_choices, s->action[f], a, b, s->entropy[f]);
    }
}

/* A single allowed choice has probability 1 whatever the weights are. Its gradient is 0, and it is
 * left out of the means: they are over decisions in which the agent had a choice. */
static bool skip(const struct policy_rows *rows, int i, float *dlogits)
{
    const uint32_t *mask = rows->mask + (long)i * rows->mask_stride;
    if (loss_has_choice(mask, rows->n_factors, rows->n_choices)) {
        return false;
    }
    memset(dlogits, 0, (size_t)(rows->n_factors * rows->n_choices) * sizeof(float));
    return true;
}

/* Adds one sample's PPO loss to *sums; returns d loss / d L, L the joint log-probability.
 *
 *     loss = -min(rho A, clip(rho) A)        rho = exp(L - L_old),    d rho / d L = rho
 *
 * Where rho A is the smaller one, the derivative is -rho A. Where clip(rho) A is, rho lies outside
 * of the range, clip(rho) is constant and the derivative is 0. Inside the range both are equal.
 *
 * rho - 1 - log rho is at least 0, and its mean under the old policy is KL(old || new), since the
 * mean of rho is 1 there (J. Schulman, Approximating KL Divergence, 2020). */
static float ppo_sample(struct policy_sums *sums, const struct sample *s, float logp_old,
                        float advantage, float clip)
{
    float log_ratio = s->joint_logp - logp_old;
    float ratio = fm_expf(log_ratio);
    float low = 1.0f - clip, high = 1.0f + clip;
    float clipped = ratio < low ? low : ratio > high ? high : ratio;
    float gain = ratio * advantage, gain_clipped = clipped * advantage;
    bool active = !(gain > gain_clipped); /* NaN must reach the gradient, where it is noticed */
    float dev = fabsf(ratio - 1.0f);
    sums->weight += 1.0;
    sums->loss -= (double)(active ? gain : gain_clipped);
    sums->entropy += (double)s->joint_entropy;
    sums->kl += ((double)ratio - 1.0) - (double)log_ratio;
    sums->clipped += dev > clip ? 1.0 : 0.0;
    sums->ratio_dev = dev > sums->ratio_dev ? dev : sums->ratio_dev;
    return active ? -gain : 0.0f;
}

void loss_ppo(struct policy_sums *sums, float *dlogits, float *work, const struct policy_rows *rows,
              float clip, float entropy_coef)
{
    for (int i = 0; i < rows->n; i++) {
        float *d = dlogits + (long)i * rows->logit_ld;
        if (skip(rows, i, d)) {
            continue;
        }
        struct sample s = evaluate(rows, i, work);
        long at = (long)i * rows->sample_stride;
        float advantage = (rows->advantage[at] - rows->adv_mean) * rows->adv_scale;
        float a = ppo_sample(sums, &s, rows->logp[at], advantage, clip);
        backward(d, rows, &s, a, -entropy_coef);
    }
}

void loss_clone(struct policy_sums *sums, float *dlogits, float *work,
                const struct policy_rows *rows)
{
    for (int i = 0; i < rows->n; i++) {
        float *d = dlogits + (long)i * rows->logit_ld;
        if (skip(rows, i, d)) {
            continue;
        }
        struct sample s = evaluate(rows, i, work);
        sums->weight += 1.0;
        sums->loss -= (double)s.joint_logp;
        sums->entropy += (double)s.joint_entropy;
        backward(d, rows, &s, -1.0f, 0.0f);
    }
}

/* ---- the value ---- */

static float clamp(float x, float limit)
{
    return x < -limit ? -limit : x > limit ? limit : x;
}

static float huber(float x, float delta)
{
    float size = fabsf(x);
    return size <= delta ? 0.5f * x * x : delta * (size - 0.5f * delta);
}

/* The larger of two Huber losses counts: of v, and of v kept within +-value_clip of v_old. With
 * d huber(x) / d x = clamp(x, delta) the gradient by v is
 *
 *     clamp(v - y, delta)    where the loss of v is the larger one, or nothing was clipped
 *     0                      else: the clipped value does not move with v
 */
void loss_value(double *sum, float *dv, const float *v, int ld_v, const float *v_old,
                const float *y, int ld_y, int n, int d, float value_clip, float huber_delta)
{
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < d; c++) {
            long in = (long)i * ld_v + c, at = (long)i * ld_y + c;
            float moved = v[in] - v_old[at];
            float error = v[in] - y[at];
            float error_clipped = v_old[at] + clamp(moved, value_clip) - y[at];
            float loss = huber(error, huber_delta);
            float loss_clipped = huber(error_clipped, huber_delta);
            bool active = !(loss < loss_clipped) || fabsf(moved) <= value_clip;
            *sum += (double)(loss >= loss_clipped ? loss : loss_clipped);
            dv[in] = active ? clamp(error, huber_delta) : 0.0f;
        }
    }
}
