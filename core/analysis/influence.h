/* Which inputs made a network prefer one choice to another: integrated gradients (M. Sundararajan,
 * A. Taly, Q. Yan, "Axiomatic attribution for deep networks", 2017).
 *
 * For a network y(x), weights c of its outputs, F(x) = sum_k c_k y_k(x), and a base x':
 *
 *   a_i = (x_i - x'_i) int_0^1 dF/dx_i (x' + s (x - x')) ds
 *
 * Completeness: sum_i a_i = F(x) - F(x'). With c = 1 for one choice and -1 for another F is the
 * difference of their logits, so the a_i share out by how much the first choice is preferred,
 * beyond what is preferred at the base. The base of a normalised observation is 0: the mean of
 * everything.
 *
 * The integral is cut in halves until each piece [s, t] is complete by itself, that is until the
 * sum of its parts is F at t minus F at s up to INFLUENCE_ERROR times its length, or a 256th. So
 * kinks of a network of rectifiers are found, too, and what is left over is known exactly. All is
 * computed in double precision.
 */
#ifndef KARMA_ANALYSIS_INFLUENCE_H
#define KARMA_ANALYSIS_INFLUENCE_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/nn/mlp.h"

#define INFLUENCE_ERROR 1e-6

struct influence {
    double at, base; /* F(x), F(x') */
    double sum;      /* of all a_i; at - base up to about INFLUENCE_ERROR */
    int n_pieces;    /* of the integral */
};

/* a (sizes[0]) of inputs x against base (sizes[0]); c (sizes[n_layers]). Scratch is rewound.
 * ERR_MEMORY; ERR_NUMERIC with a sentence if the parts do not become complete, which means numbers
 * that are not finite. */
enum err influence_of(struct influence *out, double *a, const struct mlp *mlp, const float *params,
                      const float *x, const float *base, const double *c,
                      struct arena *scratch) WARN_UNUSED;

/* y (sizes[n_layers]) = net(x) in double precision. ERR_MEMORY. */
enum err influence_forward(double *y, const struct mlp *mlp, const float *params, const double *x,
                           struct arena *scratch) WARN_UNUSED;

#endif
