/* The masked softmax, eight choices at a time.
 *
 * Sums are kept as one partial sum per lane and added as a fixed tree, so the vectors of the CPU
 * cannot change a bit. A forbidden choice, and what pads the last block, is a lane that is not
 * kept: its log-probability is -inf, and exp never sees it (exp of -inf is 0 by way of denormals,
 * which cost a hundred cycles each).
 */
#include "core/marl/policy.h"

#include "core/base/fmath.h"
#include "core/marl/env.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };
typedef float lanes_f __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lanes_i __attribute__((vector_size(LANES * sizeof(float)))); /* masks: -1 or 0 */

static inline lanes_f splat(float x)
{
    return (lanes_f){x, x, x, x, x, x, x, x};
}

static inline lanes_f pick(lanes_i keep, lanes_f yes, lanes_f no)
{
    return (lanes_f)(((lanes_i)yes & keep) | ((lanes_i)no & ~keep));
}

static inline int block_width(int n_choices, int at)
{
    return n_choices - at < LANES ? n_choices - at : LANES;
}

/* The allowed ones of the n choices from `at`, a multiple of LANES. */
static inline lanes_i allowed(const uint32_t *mask, int at, int n)
{
    const lanes_i lane = {1, 2, 4, 8, 16, 32, 64, 128};
    int32_t bits = (int32_t)((mask[at / 32] >> (at % 32)) & ((1U << n) - 1U));
    lanes_i all = {bits, bits, bits, bits, bits, bits, bits, bits};
    return (all & lane) == lane;
}

static inline lanes_f load(const float *x, int n)
{
    lanes_f z = splat(0.0f);
    if (n == LANES) {
        memcpy(&z, x, sizeof(z));
    } else {
        memcpy(&z, x, (size_t)n * sizeof(float));
    }
    return z;
}

static inline void store(float *out, lanes_f z, int n)
{
    if (n == LANES) {
        memcpy(out, &z, sizeof(z));
    } else {
        memcpy(out, &z, (size_t)n * sizeof(float));
    }
}

/* exp where kept, else 0. */
static inline lanes_f exp_kept(lanes_i keep, lanes_f x)
{
    float in[LANES], out[LANES];
    lanes_f y = pick(keep, x, splat(0.0f));
    memcpy(in, &y, sizeof(in));
    for (int j = 0; j < LANES; j++) {
        out[j] = fm_expf(in[j]);
    }
    memcpy(&y, out, sizeof(y));
    return pick(keep, y, splat(0.0f));
}

/* x where it is finite and kept, else a number whose exp is 0: fit for products with exp(x). */
static inline lanes_f lift(lanes_i keep, lanes_f x)
{
    const lanes_f low = splat(-104.0f);
    return pick(keep & (x > low), x, low);
}

/* ((0+4)+(2+6)) + ((1+5)+(3+7)) */
static inline float lane_sum(lanes_f x)
{
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

static float largest_allowed(const float *x, const uint32_t *mask, int n_choices)
{
    lanes_f top = splat(-HUGE_VALF);
    for (int at = 0; at < n_choices; at += LANES) {
        int n = block_width(n_choices, at);
        lanes_f z = load(x + at, n);
        top = pick(allowed(mask, at, n) & (z > top), z, top);
    }
    float all = top[0];
    for (int j = 1; j < LANES; j++) {
        all = top[j] > all ? top[j] : all;
    }
    return all;
}

float policy_log_softmax(float *logp, const float *logits, const uint32_t *mask, int n_choices)
{
    float top = largest_allowed(logits, mask, n_choices);
    lanes_f sums = splat(0.0f), moments = splat(0.0f); /* of exp(d) and d exp(d), d = z - top */
    for (int at = 0; at < n_choices; at += LANES) {
        int n = block_width(n_choices, at);
        lanes_i keep = allowed(mask, at, n);
        lanes_f d = load(logits + at, n) - splat(top);
        lanes_f e = exp_kept(keep, d);
        sums += e;
        moments += e * lift(keep, d);
        store(logp + at, pick(keep, d, splat(-HUGE_VALF)), n);
    }
    float sum = lane_sum(sums);
    float log_sum = fm_logf(sum);
    for (int at = 0; at < n_choices; at += LANES) {
        int n = block_width(n_choices, at);
        store(logp + at, load(logp + at, n) - splat(log_sum), n);
    }
    return log_sum - lane_sum(moments) / sum;
}

int policy_sample(const float *logp, const uint32_t *mask, int n_choices, float u)
{
    int last = -1; /* rounding may leave the sum below u: then the last possible choice */
    float cumulative = 0.0f;
    for (int at = 0; at < n_choices; at += LANES) {
        int n = block_width(n_choices, at);
        lanes_f p = exp_kept(allowed(mask, at, n), load(logp + at, n));
        for (int j = 0; j < n; j++) {
            last = p[j] > 0.0f ? at + j : last;
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
    for (int at = 0; at < n_choices; at += LANES) {
        int n = block_width(n_choices, at);
        lanes_i keep = allowed(mask, at, n);
        lanes_f l = load(logp + at, n);
        lanes_f by_logp = splat(a) + splat(b) * (lift(keep, l) + splat(entropy));
        store(grad + at, splat(0.0f) - exp_kept(keep, l) * by_logp, n);
    }
    grad[choice] += a;
}
