/* Activations: one loop each, without branches, so they vectorise. */
#include "core/nn/activation.h"

#include "core/base/fmath.h"

#include <string.h>

const char *act_name(enum activation act)
{
    static const char *const names[] = {"identity", "tanh", "relu"};
    return names[act];
}

static void identity(float *y, const float *x, size_t n)
{
    if (y != x) {
        memcpy(y, x, n * sizeof(float));
    }
}

void act_forward(enum activation act, float *y, const float *x, size_t n)
{
    switch (act) {
    case ACT_IDENTITY:
        identity(y, x, n);
        break;
    case ACT_TANH:
        fm_tanh_f32(y, x, n);
        break;
    case ACT_RELU:
        for (size_t i = 0; i < n; i++) {
            y[i] = x[i] < 0.0F ? 0.0F : x[i]; /* NaN passes */
        }
        break;
    }
}

void act_backward(enum activation act, float *dx, const float *dy, const float *y, size_t n)
{
    switch (act) {
    case ACT_IDENTITY:
        identity(dx, dy, n);
        break;
    case ACT_TANH:
        for (size_t i = 0; i < n; i++) {
            dx[i] = dy[i] * (1.0F - y[i] * y[i]);
        }
        break;
    case ACT_RELU:
        for (size_t i = 0; i < n; i++) {
            dx[i] = y[i] > 0.0F ? dy[i] : 0.0F;
        }
        break;
    }
}
