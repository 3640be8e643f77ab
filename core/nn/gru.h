/* A gated recurrent unit over batches of sequences of equal length (Cho et al. 2014, arXiv
 * 1406.1078, in the variant of cuDNN, whose reset gate acts behind the recurrent product).
 *
 * For each layer and direction, with the input x_t (B, I) and the state h_{t-1} (B, H):
 *
 *   r = sigmoid(x W_r + b_r + h V_r + c_r)
 *   z = sigmoid(x W_z + b_z + h V_z + c_z)
 *   n = tanh   (x W_n + b_n + r * (h V_n + c_n))
 *   h_t = (1 - z) * n + z * h_{t-1},    the state before the first step is 0
 *
 * The forward direction reads t = 0 .. T-1, the backward direction T-1 .. 0. The input of layer
 * l + 1 at step t is the states of both directions of layer l at t, side by side. The output is the
 * final state of every layer and direction: after T-1 forwards, after 0 backwards.
 *
 * Sequences lie step by step: x (T, B, I), so that one step is B contiguous rows. Parameters and
 * gradients are flat blocks of gru.n_params floats; for each layer, forwards before backwards,
 *
 *   W (I, 3H) | b (3H) | V (H, 3H) | c (3H)        gates in the order r, z, n
 *
 * each padded to a cache line (mlp_pad()), with gaps that stay zero under Adam and sums.
 *
 * Every sum is a chain in a fixed order (gemm.h): ascending over inputs and units, over the rows of
 * a step in their order. Gradients sum over steps, W from T B rows in ascending order, V from the
 * last step that was read to the first. With GEMM_FIXED neither the CPU nor the number of ranks can
 * change a bit, and the outputs of a sequence do not depend on the others of the call.
 *
 * Nothing here allocates. Two calls may run at once if their output and work arrays differ.
 */
#ifndef KARMA_NN_GRU_H
#define KARMA_NN_GRU_H

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/nn/gemm.h"

#include <stddef.h>
#include <stdint.h>

enum { GRU_LAYERS_MAX = 4, GRU_CELLS_MAX = 2 * GRU_LAYERS_MAX };

struct gru_shape {
    int n_in;       /* I of the first layer */
    int n_hidden;   /* H */
    int n_layers;   /* 1 .. GRU_LAYERS_MAX */
    int directions; /* 1: forwards; 2: both */
};

/* One layer in one direction: offsets in the block of parameters, in floats. */
struct gru_cell {
    int n_in;
    bool backwards;
    size_t w, b, v, c;
};

struct gru {
    struct gru_shape shape;
    enum gemm_kind gemm;
    int n_cells;                          /* layers * directions */
    struct gru_cell cells[GRU_CELLS_MAX]; /* layer by layer, forwards first */
    size_t n_params;
};

/* Fill the table. ERR_CONFIG (logged) for a shape that is not allowed. */
enum err gru_init(struct gru *g, const struct gru_shape *shape, enum gemm_kind gemm) WARN_UNUSED;

/* Uniform in +- 1 / sqrt(H), weights and biases, as the customary libraries begin; gaps zero. Draws
 * use `key` with counter (element, cell, 1, net). */
void gru_init_params(const struct gru *g, float *params, struct rng_key key, uint32_t net);

/* Floats of what a forward pass keeps for the backward pass, and of the scratch of a backward pass,
 * for n_steps steps of n sequences. */
size_t gru_acts_floats(const struct gru *g, int n_steps, int n);
size_t gru_work_floats(const struct gru *g, int n_steps, int n);

/* final (n_cells, n, H) from x (n_steps, n, I). acts: gru_acts_floats(). */
void gru_forward(const struct gru *g, float *final, float *acts, const float *params,
                 const float *x, int n_steps, int n);

/* grads += d loss / d params, given d_final (n_cells, n, H) = d loss / d final, for the same
 * arguments as the gru_forward() that filled acts. dx (n_steps, n, I): d loss / d x, NULL = not
 * wanted. work: gru_work_floats(). */
void gru_backward(const struct gru *g, float *grads, float *dx, const float *params, const float *x,
                  const float *acts, const float *d_final, int n_steps, int n, float *work);

#endif
