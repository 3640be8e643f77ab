/* A multilayer perceptron: a shape, a table of offsets, and one flat block of parameters.
 *
 *   a_0 = x;  a_{l+1} = act(a_l W_l + b_l);  the last layer has no activation.
 *
 * Parameters, gradients and Adam moments are blocks of mlp.n_params floats with the same layout:
 *   W_0 (sizes[0], sizes[1]) row-major, b_0 (sizes[1]), W_1, b_1, ...
 * Every array starts at a multiple of 16 floats (one cache line); the gaps are zero and stay zero
 * under Adam, PopArt and sums. Several networks may share one block: give each an aligned offset
 * and pass `params + offset`. The caller owns every block; 64-byte alignment is faster, not needed.
 *
 * Work is done in blocks of `block` rows, so activations stay in the cache. With GEMM_FIXED the
 * block changes no bit of the outputs or of the gradients; with GEMM_BLAS it may.
 * Nothing here allocates. Two calls may run at once if their output and work arrays differ.
 */
#ifndef KARMA_NN_MLP_H
#define KARMA_NN_MLP_H

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/nn/activation.h"
#include "core/nn/gemm.h"

#include <stddef.h>
#include <stdint.h>

enum { MLP_LAYERS_MAX = 8, MLP_BLOCK_DEFAULT = 64, MLP_PAD = 16 };

/* n floats rounded up to whole cache lines: the distance of rows, and of parts of a block. */
static inline size_t mlp_pad(size_t n)
{
    return (n + MLP_PAD - 1) / MLP_PAD * MLP_PAD;
}

struct mlp_shape {
    int n_layers;                  /* weight matrices, 1 .. MLP_LAYERS_MAX */
    int sizes[MLP_LAYERS_MAX + 1]; /* inputs, hidden ..., outputs; each >= 1 */
    enum activation act;           /* of the hidden layers */
};

struct mlp {
    struct mlp_shape shape;
    enum gemm_kind gemm;
    int block;                /* rows processed at a time */
    size_t w[MLP_LAYERS_MAX]; /* offset of W_l (sizes[l], sizes[l+1]) in floats */
    size_t b[MLP_LAYERS_MAX]; /* offset of b_l (sizes[l+1]) */
    size_t n_params;          /* floats of a block, gaps included; a multiple of MLP_PAD */
};

/* Floats of a parameter block; 0 when the shape is not allowed. */
size_t mlp_param_count(const struct mlp_shape *shape);

/* Fill the table. block <= 0: MLP_BLOCK_DEFAULT. ERR_CONFIG (logged) for a shape that is not
 * allowed. */
enum err mlp_init(struct mlp *mlp, const struct mlp_shape *shape, enum gemm_kind gemm,
                  int block) WARN_UNUSED;

/* Orthogonal weights times a gain (Saxe et al. 2014, arXiv 1312.6120), biases zero, gaps zero.
 * The rows (or columns, whichever are fewer) of each W_l are orthonormal times the gain; Gram-
 * Schmidt in double over Philox normals. Customary gains: sqrt(2) hidden, 0.01 policy, 1 value.
 * Draws use `key` with counter (element, layer, 0, net): `net` tells networks under one key apart.
 * scratch: 8 * max(sizes[l] * sizes[l+1]) bytes, given back. ERR_MEMORY: params unchanged. */
enum err mlp_init_params(const struct mlp *mlp, float *params, double gain_hidden,
                         double gain_output, struct rng_key key, uint32_t net,
                         struct arena *scratch) WARN_UNUSED;

/* Floats of the arrays below. */
size_t mlp_acts_floats(const struct mlp *mlp, int rows);
size_t mlp_infer_work_floats(const struct mlp *mlp);
size_t mlp_backward_work_floats(const struct mlp *mlp);

/* y(rows, sizes[n_layers]) = net(x(rows, sizes[0])); leading dimensions ldy, ldx.
 * acts: mlp_acts_floats(mlp, rows), receives the hidden activations that mlp_backward needs. */
void mlp_forward(const struct mlp *mlp, float *y, int ldy, float *acts, const float *params,
                 const float *x, int ldx, int rows);

/* What the last layer saw in that forward: (rows, *ld_hidden) in acts. Two layers at least. */
const float *mlp_last_hidden(const struct mlp *mlp, const float *acts, int rows, int *ld_hidden);

/* The same bits of y without keeping activations. work: mlp_infer_work_floats(mlp). */
void mlp_infer(const struct mlp *mlp, float *y, int ldy, const float *params, const float *x,
               int ldx, int rows, float *work);

/* grads += d loss / d params, given dy = d loss / d y, for the same params, x, rows as the
 * mlp_forward that filled acts. Sums over rows are chains in ascending order continued from
 * grads (see gemm.h). dx (rows, sizes[0]) = d loss / d x; NULL: not wanted, and cheaper.
 * work: mlp_backward_work_floats(mlp). */
void mlp_backward(const struct mlp *mlp, float *grads, float *dx, int lddx, const float *params,
                  const float *x, int ldx, const float *acts, const float *dy, int lddy, int rows,
                  float *work);

#endif
