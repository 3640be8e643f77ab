/* The MLP: forward and backward as a walk over layers, block of rows by block of rows.
 *
 * A block passes through all layers before the next one starts, so its activations stay in the
 * cache. The order of blocks is the order of rows, and gradients continue their chains from block
 * to block; therefore the block size changes no bit (GEMM_FIXED).
 */
#include "core/nn/mlp.h"

#include "core/base/log.h"
#include "core/base/minmax.h"

#include <math.h>
#include <string.h>

enum { MLP_SIZE_MAX = 1 << 14 };

/* Leading dimension of the activations of width n: rows start at cache lines. */
static int ld(int n)
{
    return (int)mlp_pad((size_t)n);
}

/* ---- shape and table ---- */

/* The limits also bound the arithmetic: a layer has at most 2^28 weights and a network less than
 * 2^32 parameters, so counts of elements fit uint32_t, which is a coordinate of a draw. */
static int shape_ok(const struct mlp_shape *s)
{
    if (s->n_layers < 1 || s->n_layers > MLP_LAYERS_MAX) {
        return 0;
    }
    for (int l = 0; l <= s->n_layers; l++) {
        if (s->sizes[l] < 1 || s->sizes[l] > MLP_SIZE_MAX) {
            return 0;
        }
    }
    return s->act == ACT_IDENTITY || s->act == ACT_TANH || s->act == ACT_RELU;
}

/* The only place that knows the layout of a block. */
static size_t lay_out(const struct mlp_shape *s, size_t *w, size_t *b)
{
    /* Invariant: `at` is a multiple of MLP_PAD, so every array starts at a cache line if the block
     * does. */
    size_t at = 0;
    for (int l = 0; l < s->n_layers; l++) {
        const size_t n = (size_t)s->sizes[l + 1];
        w[l] = at;
        at += mlp_pad((size_t)s->sizes[l] * n);
        b[l] = at;
        at += mlp_pad(n);
    }
    return at;
}

size_t mlp_param_count(const struct mlp_shape *shape)
{
    size_t w[MLP_LAYERS_MAX], b[MLP_LAYERS_MAX];
    return shape_ok(shape) ? lay_out(shape, w, b) : 0;
}

enum err mlp_init(struct mlp *mlp, const struct mlp_shape *shape, enum gemm_kind gemm, int block)
{
    if (!shape_ok(shape)) {
        log_error("network of %d layers: 1 to %d layers of 1 to %d units are possible",
                  shape->n_layers, MLP_LAYERS_MAX, MLP_SIZE_MAX);
        return ERR_CONFIG;
    }
    struct mlp m = {.shape = *shape, .gemm = gemm, .block = block > 0 ? block : MLP_BLOCK_DEFAULT};
    m.n_params = lay_out(shape, m.w, m.b);
    *mlp = m;
    return ERR_OK;
}

/* ---- initialisation ---- */

static double dot(const double *a, const double *b, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Modified Gram-Schmidt on the rows of q (n_vectors, length): vector i loses its components along
 * vectors 0 .. i-1, which are orthonormal already.
 *
 * One pass leaves components of the order of (condition number) x (rounding error). A second pass
 * over the same vectors removes them to the level of rounding, unless the vectors are numerically
 * dependent (Giraud, Langou, Rozloznik 2005). The inner loop makes both passes: j runs over 2 i
 * steps, and j % i names the vector.
 *
 * n_vectors <= length, and the vectors are normal draws, so they are independent with probability 1
 * and norm > 0. */
static void orthonormalise(double *q, int n_vectors, int length)
{
    for (int i = 0; i < n_vectors; i++) {
        double *v = q + (ptrdiff_t)i * length;
        for (int j = 0; j < 2 * i; j++) {
            const double *u = q + (ptrdiff_t)(j % i) * length;
            const double along = dot(u, v, length);
            for (int k = 0; k < length; k++) {
                v[k] -= along * u[k];
            }
        }
        const double norm = sqrt(dot(v, v, length));
        CHECK(norm > 0.0);
        for (int k = 0; k < length; k++) {
            v[k] /= norm;
        }
    }
}

/* One layer: w(k, n) from q, whose vectors are the columns of w if k >= n, else its rows. */
static void init_layer(float *w, int k, int n, double gain, struct rng_key key, uint32_t layer,
                       uint32_t net, double *q)
{
    const int n_vectors = k < n ? k : n, length = k < n ? n : k;
    const uint32_t count = (uint32_t)k * (uint32_t)n;
    for (uint32_t i = 0; i < count; i++) {
        const struct rng_block r = rng_philox(key, i, layer, 0, net);
        /* Element i is a function of (key, i, layer, net). The values of a layer do not depend on
         * the shapes of other layers. The rows of a Gaussian matrix, orthonormalised, are uniformly
         * distributed over all orthonormal systems. */
        q[i] = rng_normal(r.v[0], r.v[1]);
    }
    orthonormalise(q, n_vectors, length);
    for (ptrdiff_t i = 0; i < k; i++) {
        for (ptrdiff_t j = 0; j < n; j++) {
            w[i * n + j] = (float)(gain * (k < n ? q[i * length + j] : q[j * length + i]));
        }
    }
}

enum err mlp_init_params(const struct mlp *mlp, float *params, double gain_hidden,
                         double gain_output, struct rng_key key, uint32_t net,
                         struct arena *scratch)
{
    const struct mlp_shape *s = &mlp->shape;
    size_t largest = 0;
    for (int l = 0; l < s->n_layers; l++) {
        const size_t n = (size_t)s->sizes[l] * (size_t)s->sizes[l + 1];
        largest = n > largest ? n : largest;
    }
    const struct arena_mark mark = arena_mark(scratch);
    double *q = ARENA_NEW(scratch, largest, double);
    TRY(arena_error(scratch));
    /* Biases are zero. The gaps have to be zero, too: they take part in digests and in sums over
     * blocks. */
    memset(params, 0, mlp->n_params * sizeof(float));
    for (int l = 0; l < s->n_layers; l++) {
        const double gain = l < s->n_layers - 1 ? gain_hidden : gain_output;
        init_layer(params + mlp->w[l], s->sizes[l], s->sizes[l + 1], gain, key, (uint32_t)l, net,
                   q);
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* ---- work space ---- */

static size_t widest_hidden(const struct mlp *mlp)
{
    size_t widest = 0;
    for (int l = 1; l < mlp->shape.n_layers; l++) {
        const size_t n = mlp_pad((size_t)mlp->shape.sizes[l]);
        widest = n > widest ? n : widest;
    }
    return widest;
}

/* acts holds a_1, ..., a_{L-1} one after the other, each (rows, ld(sizes[l])). The activation
 * functions have derivatives that are functions of their value (tanh' = 1 - a^2; relu' = 1 if
 * a > 0), so the inputs of the activations are not kept. */
size_t mlp_acts_floats(const struct mlp *mlp, int rows)
{
    size_t width = 0;
    for (int l = 1; l < mlp->shape.n_layers; l++) {
        width += mlp_pad((size_t)mlp->shape.sizes[l]);
    }
    return width * (size_t)rows;
}

size_t mlp_infer_work_floats(const struct mlp *mlp)
{
    return 2 * (size_t)mlp->block * widest_hidden(mlp);
}

size_t mlp_backward_work_floats(const struct mlp *mlp)
{
    return 2 * (size_t)mlp->block * widest_hidden(mlp);
}

/* Where a_l of all rows starts in acts, 1 <= l < n_layers. */
static size_t acts_at(const struct mlp *mlp, int l, int rows)
{
    size_t width = 0;
    for (int i = 1; i < l; i++) {
        width += mlp_pad((size_t)mlp->shape.sizes[i]);
    }
    return width * (size_t)rows;
}

/* ---- forward ---- */

/* a(rows, n) through the activation, in place; the gap behind a row stays untouched. */
static void activate(enum activation act, float *a, int lda, int rows, int n)
{
    if (lda == n) {
        act_forward(act, a, a, (size_t)rows * (size_t)n);
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        act_forward(act, a + i * lda, a + i * lda, (size_t)n);
    }
}

/* out = layer l of in, for one block of rows. */
static void layer_forward(const struct mlp *mlp, int l, float *out, int ldo, const float *params,
                          const float *in, int ldi, int rows)
{
    const int k = mlp->shape.sizes[l], n = mlp->shape.sizes[l + 1];
    gemm_nn(mlp->gemm, out, ldo, in, ldi, params + mlp->w[l], n, params + mlp->b[l], rows, k, n);
    if (l < mlp->shape.n_layers - 1) {
        activate(mlp->shape.act, out, ldo, rows, n);
    }
}

void mlp_forward(const struct mlp *mlp, float *y, int ldy, float *acts, const float *params,
                 const float *x, int ldx, int rows)
{
    const int last = mlp->shape.n_layers - 1;
    for (int r = 0; r < rows; r += mlp->block) {
        const int n = int_min(mlp->block, rows - r);
        /* `in` is a_l of these rows and the layer writes a_{l+1} to its place in acts. A row of the
         * output depends on its row of the input only, hence any block size gives the same bits
         * (GEMM_FIXED). */
        const float *in = x + (ptrdiff_t)r * ldx;
        int ldi = ldx;
        for (int l = 0; l < last; l++) {
            const int ldo = ld(mlp->shape.sizes[l + 1]);
            float *out = acts + acts_at(mlp, l + 1, rows) + (ptrdiff_t)r * ldo;
            layer_forward(mlp, l, out, ldo, params, in, ldi, n);
            in = out;
            ldi = ldo;
        }
        layer_forward(mlp, last, y + (ptrdiff_t)r * ldy, ldy, params, in, ldi, n);
    }
}

const float *mlp_last_hidden(const struct mlp *mlp, const float *acts, int rows, int *ld_hidden)
{
    const int last = mlp->shape.n_layers - 1;
    *ld_hidden = ld(mlp->shape.sizes[last]);
    return acts + acts_at(mlp, last, rows);
}

void mlp_infer(const struct mlp *mlp, float *y, int ldy, const float *params, const float *x,
               int ldx, int rows, float *work)
{
    const int last = mlp->shape.n_layers - 1;
    float *out = work, *other = work + (size_t)mlp->block * widest_hidden(mlp);
    for (int r = 0; r < rows; r += mlp->block) {
        const int n = int_min(mlp->block, rows - r);
        const float *in = x + (ptrdiff_t)r * ldx;
        int ldi = ldx;
        for (int l = 0; l < last; l++) {
            const int ldo = ld(mlp->shape.sizes[l + 1]);
            layer_forward(mlp, l, out, ldo, params, in, ldi, n);
            /* Two arrays suffice: a layer reads the one that the layer before has filled and fills
             * the other. */
            float *const filled = out;
            out = other;
            other = filled;
            in = filled;
            ldi = ldo;
        }
        layer_forward(mlp, last, y + (ptrdiff_t)r * ldy, ldy, params, in, ldi, n);
    }
}

/* ---- backward ---- */

/* d(rows, n) *= act'(a), both with leading dimension ldd. */
static void deactivate(enum activation act, float *d, const float *a, int ldd, int rows, int n)
{
    if (ldd == n) {
        act_backward(act, d, d, a, (size_t)rows * (size_t)n);
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        act_backward(act, d + i * ldd, d + i * ldd, a + i * ldd, (size_t)n);
    }
}

/* Gradients of W_l and b_l from the layer's input and the gradient of its (linear) output. */
static void layer_grads(const struct mlp *mlp, int l, float *grads, const float *in, int ldi,
                        const float *d, int ldd, int rows)
{
    const int k = mlp->shape.sizes[l], n = mlp->shape.sizes[l + 1];
    gemm_tn(mlp->gemm, grads + mlp->w[l], n, in, ldi, d, ldd, rows, k, n);
    gemm_bias_grad(grads + mlp->b[l], d, ldd, rows, n);
}

/* Gradient of the layer's input. */
static void layer_dx(const struct mlp *mlp, int l, float *dx, int lddx, const float *params,
                     const float *d, int ldd, int rows)
{
    const int k = mlp->shape.sizes[l], n = mlp->shape.sizes[l + 1];
    gemm_nt(mlp->gemm, dx, lddx, d, ldd, params + mlp->w[l], n, false, rows, k, n);
}

void mlp_backward(const struct mlp *mlp, float *grads, float *dx, int lddx, const float *params,
                  const float *x, int ldx, const float *acts, const float *dy, int lddy, int rows,
                  float *work)
{
    /* Backpropagation. Let d_l be the gradient with respect to z_l = a_l W_l + b_l, the output of
     * layer l before its activation. The last layer has no activation, so d_{L-1} = dy, and then
     *
     *     dW_l += a_l^T d_l,    db_l += sum over rows of d_l,    d_{l-1} = (d_l W_l^T) act'(a_l)
     *
     * with the product by act' taken element by element. Layer 0 has no layer below it: dx = d_0
     * W_0^T.
     *
     * d_{l-1} is written to the half of `work` that d_l does not use; dy is in neither half. The
     * gradients of one block are added row by row before those of the next block, so each is one
     * chain over all rows in ascending order, whatever the block size. */
    float *const half = work + (size_t)mlp->block * widest_hidden(mlp);
    for (int r = 0; r < rows; r += mlp->block) {
        const int n = int_min(mlp->block, rows - r);
        const float *d = dy + (ptrdiff_t)r * lddy;
        int ldd = lddy;
        for (int l = mlp->shape.n_layers - 1; l > 0; l--) {
            const int ldi = ld(mlp->shape.sizes[l]);
            const float *in = acts + acts_at(mlp, l, rows) + (ptrdiff_t)r * ldi;
            float *below = d == work ? half : work;
            layer_grads(mlp, l, grads, in, ldi, d, ldd, n);
            layer_dx(mlp, l, below, ldi, params, d, ldd, n);
            deactivate(mlp->shape.act, below, in, ldi, n, mlp->shape.sizes[l]);
            d = below;
            ldd = ldi;
        }
        layer_grads(mlp, 0, grads, x + (ptrdiff_t)r * ldx, ldx, d, ldd, n);
        if (dx != NULL) {
            layer_dx(mlp, 0, dx + (ptrdiff_t)r * lddx, lddx, params, d, ldd, n);
        }
    }
}
