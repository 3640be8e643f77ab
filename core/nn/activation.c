/* Activations: one loop each, without branches, so they vectorise; tanh is a vector kernel's. */
#include "core/nn/activation.h"

#include "core/nn/kernel.h"

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
        kernel_chosen()->tanh(y, x, n);
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
        kernel_chosen()->tanh_back(dx, dy, y, n);
        break;
    case ACT_RELU:
        for (size_t i = 0; i < n; i++) {
            dx[i] = y[i] > 0.0F ? dy[i] : 0.0F;
        }
        break;
    }
}
