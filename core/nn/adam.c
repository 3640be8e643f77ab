/* Adam and the gradient norm: element-wise loops, and one sum in a fixed order. */
#include "core/nn/adam.h"

#include <math.h>

/* beta^t by squaring: no libm pow, the same bits everywhere. Invariant: beta^(t at
 * entry) = result x square^t. The loop ends after at most 64 steps, and square may underflow to 0,
 * the right limit. */
static double power(double beta, uint64_t t)
{
    double result = 1.0;
    for (double square = beta; t > 0; t >>= 1, square *= square) {
        if (t & 1) {
            result *= square;
        }
    }
    return result;
}

void adam_step(float *restrict params, float *restrict m, float *restrict v,
               const float *restrict grads, size_t n, const struct adam_config *cfg, uint64_t t)
{
    const float beta1 = (float)cfg->beta1, one_minus_beta1 = (float)(1.0 - cfg->beta1);
    const float beta2 = (float)cfg->beta2, one_minus_beta2 = (float)(1.0 - cfg->beta2);
    /* m and v start at 0, so after t steps they hold the fractions 1 - beta1^t and 1 - beta2^t
     * of a full average (bias correction, section 3 of the paper). Both corrections are the same
     * for all elements and are computed once in double. The one of v is taken out of the root:
     *
     *     sqrt(v / (1 - beta2^t)) = sqrt(v) / sqrt(1 - beta2^t)
     *
     * A gap of the block has g = m = v = 0, so its parameter moves by 0 / eps = 0 and stays
     * zero. */
    const float step = (float)(cfg->lr / (1.0 - power(cfg->beta1, t)));
    const float v_scale = (float)(1.0 / sqrt(1.0 - power(cfg->beta2, t)));
    const float eps = (float)cfg->eps;
    for (size_t i = 0; i < n; i++) {
        const float g = grads[i];
        m[i] = beta1 * m[i] + one_minus_beta1 * g;
        v[i] = beta2 * v[i] + one_minus_beta2 * (g * g);
        params[i] -= step * m[i] / (sqrtf(v[i]) * v_scale + eps);
    }
}

enum { NORM_LANES = 16 };

double grad_norm(const float *g, size_t n)
{
    /* The order of additions is fixed by n alone: element i goes to sum[i % NORM_LANES], and the
     * lanes are added as a binary tree. A compiler may keep the lanes in vectors of any width: each
     * lane is a chain of its own, so the width changes no bit. The square of a float is exact in
     * double (48 bits) and cannot overflow. */
    double sum[NORM_LANES] = {0};
    const size_t whole = n / NORM_LANES * NORM_LANES;
    for (size_t i = 0; i < whole; i += NORM_LANES) {
        for (size_t j = 0; j < NORM_LANES; j++) {
            sum[j] += (double)g[i + j] * (double)g[i + j];
        }
    }
    for (size_t j = 0; j < n - whole; j++) {
        sum[j] += (double)g[whole + j] * (double)g[whole + j];
    }
    for (size_t half = NORM_LANES / 2; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++) {
            sum[j] += sum[j + half];
        }
    }
    return sqrt(sum[0]);
}

double grad_clip(float *g, size_t n, double max_norm)
{
    const double norm = grad_norm(g, n);
    /* A norm that is not finite would scale all of g to 0 or NaN and hide which elements were
     * bad. */
    if (max_norm > 0.0 && norm > max_norm && isfinite(norm)) {
        const float scale = (float)(max_norm / norm);
        for (size_t i = 0; i < n; i++) {
            g[i] *= scale;
        }
    }
    return norm;
}
