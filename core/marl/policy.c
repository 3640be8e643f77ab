/* The masked softmax, eight choices at a time.
 *
 * Sums are kept as one partial sum per lane and added as a fixed tree, so the vectors of the CPU
 * cannot change a bit. A forbidden choice, and what pads the last block, is a lane that is not
 * kept: its log-probability is -inf, and exp never sees it (exp of -inf is 0 by way of denormals,
 * which cost a hundred cycles each).
 */
#include "core/marl/policy.h"

#define FM_LANES 8
#include "core/base/fmath_vec.h"
#include "core/marl/env.h"

#include <math.h>
#include <string.h>

enum { LANES = FM_LANES };
typedef fm_vec lanes_f;
typedef int32_t lanes_i __attribute__((vector_size(LANES * sizeof(float)))); /* masks: -1 or 0 */

static inline lanes_f splat(float x)
{
    return (lanes_f){x, x, x, x, x, x, x, x};
}

static inline lanes_f pick(lanes_i keep, lanes_f yes, lanes_f no)
{
    return (lanes_f)(((lanes_i)yes & keep) | ((lanes_i)no & ~keep));
}

/* The allowed ones of the eight choices from `at`, a multiple of LANES; none from n_choices on. */
static inline lanes_i allowed(const uint32_t *mask, int at, int n_choices)
{
    const lanes_i lane = {1, 2, 4, 8, 16, 32, 64, 128};
    const int n = n_choices - at;
    const uint32_t there = n < LANES ? (1U << n) - 1U : 0xffU;
    const int32_t bits = (int32_t)((mask[at / 32] >> (at % 32)) & there);
    const lanes_i all = {bits, bits, bits, bits, bits, bits, bits, bits};
    return (all & lane) == lane;
}

static inline lanes_f load(const float *x)
{
    lanes_f z;
    memcpy(&z, x, sizeof(z));
    return z;
}

static inline void store(float *out, lanes_f z)
{
    memcpy(out, &z, sizeof(z));
}

/* x, or the least number whose exp is not 0: fit for products with exp(x), even if x is -inf. */
static inline lanes_f lift(lanes_f x)
{
    const lanes_f low = splat(-104.0f);
    return pick(x > low, x, low);
}

/* ((0+4)+(2+6)) + ((1+5)+(3+7)) */
static inline float lane_sum(lanes_f x)
{
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/* `apart` lanes away: the larger one of each pair in both of its lanes. */
#define LANES_MAX(x, ...)                                                                          \
    do {                                                                                           \
        const lanes_f other = __builtin_shufflevector(x, x, __VA_ARGS__);                          \
        x = pick(other > (x), other, x);                                                           \
    } while (0)

static inline float lane_max(lanes_f x)
{
    LANES_MAX(x, 4, 5, 6, 7, 0, 1, 2, 3);
    LANES_MAX(x, 2, 3, 0, 1, 6, 7, 4, 5);
    LANES_MAX(x, 1, 0, 3, 2, 5, 4, 7, 6);
    return x[0];
}

static inline float largest_allowed(const float *x, const uint32_t *mask, int n_choices)
{
    lanes_f top = splat(-HUGE_VALF);
    for (int at = 0; at < n_choices; at += LANES) {
        lanes_f z = load(x + at);
        top = pick(allowed(mask, at, n_choices) & (z > top), z, top);
    }
    return lane_max(top);
}

/* Sums of e = exp(d) and of e d, d = z - max, over the choices so far: one for each lane. */
struct sums {
    lanes_f e, moment;
};

/* d into logp and e into prob, for n blocks of choices from `at` on. n is a constant wherever this
 * is inlined. */
static inline __attribute__((always_inline)) void
softmax_blocks(struct sums *sums, float *logp, float *prob, const float *logits,
               const uint32_t *mask, int n_choices, float top, int at, int n)
{
    lanes_i keep[FM_VECS_MAX];
    lanes_f d[FM_VECS_MAX], e[FM_VECS_MAX];
    FM_EACH_VEC(j, n)
    {
        keep[j] = allowed(mask, at + j * LANES, n_choices);
        d[j] = pick(keep[j], load(logits + at + j * LANES) - splat(top), splat(-HUGE_VALF));
        e[j] = pick(keep[j], d[j], splat(0.0f));
    }
    fm_vec_exp(e, n);
    FM_EACH_VEC(j, n)
    {
        e[j] = pick(keep[j], e[j], splat(0.0f));
        sums->e += e[j];
        sums->moment += e[j] * lift(d[j]);
        store(logp + at + j * LANES, d[j]);
        store(prob + at + j * LANES, e[j]);
    }
}

/* The same for all choices. The blocks are dealt evenly: 5 blocks are 3 + 2 side by side, not
 * 4 + 1. */
static struct sums softmax_sums(float *logp, float *prob, const float *logits, const uint32_t *mask,
                                int n_choices, float top)
{
    struct sums sums = {splat(0.0f), splat(0.0f)};
    int left = (n_choices + LANES - 1) / LANES;
    int n_parts = (left + FM_VECS_MAX - 1) / FM_VECS_MAX;
    for (int at = 0; n_parts > 0; n_parts--) {
        const int n = (left + n_parts - 1) / n_parts;
        switch (n) {
        case 1:
            softmax_blocks(&sums, logp, prob, logits, mask, n_choices, top, at, 1);
            break;
        case 2:
            softmax_blocks(&sums, logp, prob, logits, mask, n_choices, top, at, 2);
            break;
        case 3:
            softmax_blocks(&sums, logp, prob, logits, mask, n_choices, top, at, 3);
            break;
        default:
            softmax_blocks(&sums, logp, prob, logits, mask, n_choices, top, at, 4);
            break;
        }
        left -= n;
        at += n * LANES;
    }
    return sums;
}

/* With s = sum of e:  log p = d - log s,  p = e / s, and
 * H = - sum of p log p = log s - (sum of e d) / s. */
float policy_softmax(float *logp, float *prob, const float *logits, const uint32_t *mask,
                     int n_choices)
{
    const float top = largest_allowed(logits, mask, n_choices);
    const struct sums sums = softmax_sums(logp, prob, logits, mask, n_choices, top);
    const float sum = lane_sum(sums.e), log_sum = fm_logf(sum), scale = 1.0f / sum;
    for (int at = 0; at < n_choices; at += LANES) {
        store(logp + at, load(logp + at) - splat(log_sum));
        store(prob + at, load(prob + at) * splat(scale));
    }
    return log_sum - lane_sum(sums.moment) * scale;
}

/* x moved up by n lanes; zeros come in below. */
#define LANES_UP_1(x) __builtin_shufflevector(x, splat(0.0f), 8, 0, 1, 2, 3, 4, 5, 6)
#define LANES_UP_2(x) __builtin_shufflevector(x, splat(0.0f), 8, 9, 0, 1, 2, 3, 4, 5)
#define LANES_UP_4(x) __builtin_shufflevector(x, splat(0.0f), 8, 9, 10, 11, 0, 1, 2, 3)

/* The first lane that is set; LANES if there is none. */
static inline int first_lane(lanes_i set)
{
#if defined(__AVX__)
    return __builtin_ctz((unsigned)_mm256_movemask_ps((__m256)set) | 1U << LANES);
#else
    int first = LANES;
    for (int j = LANES - 1; j >= 0; j--) {
        first = set[j] != 0 ? j : first;
    }
    return first;
#endif
}

/* Cumulative sums of eight probabilities in three steps: after the step by n every lane holds the
 * sum of 2 n lanes that end with it. */
static inline lanes_f prefix_sums(lanes_f x)
{
    x += LANES_UP_1(x);
    x += LANES_UP_2(x);
    return x + LANES_UP_4(x);
}

int policy_sample(const float *prob, const uint32_t *mask, int n_choices, float u)
{
    float before = 0.0f;
    for (int at = 0; at < n_choices; at += LANES) {
        const lanes_f p = load(prob + at);
        const lanes_i possible = allowed(mask, at, n_choices) & (p > splat(0.0f));
        const lanes_f cumulative = prefix_sums(pick(possible, p, splat(0.0f))) + splat(before);
        const int first = first_lane(possible & (cumulative > splat(u)));
        if (first < LANES) {
            return at + first;
        }
        before = cumulative[LANES - 1];
    }
    /* Rounding left the sum at u or below: the last possible choice. */
    for (int k = n_choices - 1; k >= 0; k--) {
        if (mask_has(mask, k) && prob[k] > 0.0f) {
            return k;
        }
    }
    return policy_argmax(prob, mask, n_choices);
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

/* d log p_c / d z_k = [k = c] - p_k and d H / d z_k = - p_k (log p_k + H). */
void policy_gradient(float *grad, const float *logp, const float *prob, int n_choices, int choice,
                     float a, float b, float entropy)
{
    for (int at = 0; at < n_choices; at += LANES) {
        lanes_f by_logp = splat(a) + splat(b) * (lift(load(logp + at)) + splat(entropy));
        store(grad + at, splat(0.0f) - load(prob + at) * by_logp);
    }
    grad[choice] += a;
}
