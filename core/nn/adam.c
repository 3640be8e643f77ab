/* Adam and the gradient norm: element-wise loops, and one sum in a fixed order. */
#include "core/nn/adam.h"

#include <math.h>

/* beta^t by squaring: no libm pow, the same bits everywhere. */
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
    if (max_norm > 0.0 && norm > max_norm && isfinite(norm)) {
        const float scale = (float)(max_norm / norm);
        for (size_t i = 0; i < n; i++) {
            g[i] *= scale;
        }
    }
    return norm;
}
