/* The masked softmax, word by word of the mask.
 *
 * Element-wise work (exp, differences) stands in loops over at most 32 choices that vectorise; sums
 * are separate scalar chains over k ascending, so lanes and compilers cannot change a bit. A
 * forbidden choice travels as log-probability -inf, whose exp is exactly 0; where -inf would meet a
 * product it is first lifted to LOGP_MIN, whose exp is 0 as well.
 */
#include "core/marl/policy.h"

#include "core/base/fmath.h"
#include "core/marl/env.h"

#include <math.h>

enum { WORD = 32 };

/* fm_expf(LOGP_MIN) == 0: what lies below contributes nothing and may be replaced by it. */
static const float LOGP_MIN = -104.0f;

static inline int word_width(int n_choices, int at)
{
    return n_choices - at < WORD ? n_choices - at : WORD;
}

static inline float lift(float x)
{
    return x > LOGP_MIN ? x : LOGP_MIN;
}

/* out[j] = x[j] where bit j of `word` is set, else `other`. */
static inline void select_allowed(float *out, const float *x, uint32_t word, int n, float other)
{
    uint32_t fill = fm_bits_f32_(other);
    for (int j = 0; j < n; j++) {
        uint32_t bit = (word >> j) & 1U;
        out[j] = fm_from_bits_f32_(fm_pick_(bit != 0, fm_bits_f32_(x[j]), fill));
    }
}

static float largest(const float *x, int n)
{
    float top = -HUGE_VALF;
    for (int k = 0; k < n; k++) {
        top = x[k] > top ? x[k] : top;
    }
    return top;
}

float policy_log_softmax(float *logp, const float *logits, const uint32_t *mask, int n_choices)
{
    for (int at = 0; at < n_choices; at += WORD) {
        select_allowed(logp + at, logits + at, mask[at / WORD], word_width(n_choices, at),
                       -HUGE_VALF);
    }
    float top = largest(logp, n_choices);
    float sum = 0.0f, moment = 0.0f; /* of exp(d) and of d exp(d), d = z - top */
    for (int at = 0; at < n_choices; at += WORD) {
        float *d = logp + at;
        float e[WORD], de[WORD];
        int n = word_width(n_choices, at);
        for (int j = 0; j < n; j++) {
            d[j] -= top;
            e[j] = fm_expf(d[j]);
            de[j] = e[j] * lift(d[j]);
        }
        for (int j = 0; j < n; j++) {
            sum += e[j];
            moment += de[j];
        }
    }
    float log_sum = fm_logf(sum);
    for (int k = 0; k < n_choices; k++) {
        logp[k] -= log_sum;
    }
    return log_sum - moment / sum;
}

int policy_sample(const float *logp, const uint32_t *mask, int n_choices, float u)
{
    int last = -1; /* rounding may leave the sum below u: then the last possible choice */
    float cumulative = 0.0f;
    for (int at = 0; at < n_choices; at += WORD) {
        float p[WORD];
        int n = word_width(n_choices, at);
        uint32_t word = mask[at / WORD];
        fm_exp_f32(p, logp + at, (size_t)n);
        for (int j = 0; j < n; j++) {
            if (((word >> j) & 1U) == 0 || !(p[j] > 0.0f)) {
                continue;
            }
            last = at + j;
            cumulative += p[j];
            if (u < cumulative) {
                return last;
            }
        }
    }
    return last >= 0 ? last : policy_argmax(logp, mask, n_choices);
}

int policy_argmax(const float *logp, const uint32_t *mask, int n_choices)
{
    int best = -1;
    for (int k = 0; k < n_choices; k++) {
        if (mask_has(mask, k) && (best < 0 || logp[k] > logp[best])) {
            best = k;
        }
    }
    return best;
}

void policy_gradient(float *grad, const float *logp, const uint32_t *mask, int n_choices,
                     int choice, float a, float b, float entropy)
{
    for (int at = 0; at < n_choices; at += WORD) {
        const float *l = logp + at;
        float g[WORD];
        int n = word_width(n_choices, at);
        for (int j = 0; j < n; j++) {
            g[j] = -fm_expf(l[j]) * (a + b * (lift(l[j]) + entropy));
        }
        select_allowed(grad + at, g, mask[at / WORD], n, 0.0f);
    }
    grad[choice] += a;
}
