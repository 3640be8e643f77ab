/* Activations, element by element; the backward pass needs the outputs only.
 *
 * tanh is base/fmath.h's: same bits on every machine.
 */
#ifndef KARMA_NN_ACTIVATION_H
#define KARMA_NN_ACTIVATION_H

#include <stddef.h>

enum activation { ACT_IDENTITY, ACT_TANH, ACT_RELU };

/* "identity", "tanh", "relu". Static storage. */
const char *act_name(enum activation act);

/* y = act(x). y == x is allowed. */
void act_forward(enum activation act, float *y, const float *x, size_t n);

/* dx = dy * act'(x), with y = act(x): tanh' = 1 - y^2, relu' = (y > 0). dx == dy is allowed. */
void act_backward(enum activation act, float *dx, const float *dy, const float *y, size_t n);

#endif
