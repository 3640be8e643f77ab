/* The gated recurrent unit: cell by cell forwards through time, and back. See gru.h.
 *
 * Of each cell a forward pass keeps, for every step t and sequence,
 *
 *   gates (T, B, 4H): r | z | n | m       m = h_{t-1} V_n + c_n, the part that r multiplies
 *   states (T, B, H): h_t
 *
 * in acts, one cell after the other; behind them scratch for the products of one cell, and the
 * inputs of the layers above the first. From gates and states the backward pass computes all
 * derivatives without another product by V.
 */
#include "core/nn/gru.h"

#include "core/base/log.h"
#include "core/nn/activation.h"
#include "core/nn/mlp.h"

#include <math.h>
#include <string.h>

enum { GRU_SIZE_MAX = 4096 };

/* ---- shape and table ---- */

static bool shape_ok(const struct gru_shape *s)
{
    return s->n_in >= 1 && s->n_in <= GRU_SIZE_MAX && s->n_hidden >= 1 &&
           s->n_hidden <= GRU_SIZE_MAX && s->n_layers >= 1 && s->n_layers <= GRU_LAYERS_MAX &&
           (s->directions == 1 || s->directions == 2);
}

/* Columns of the input of a layer. */
static int layer_inputs(const struct gru_shape *s, int layer)
{
    return layer == 0 ? s->n_in : s->directions * s->n_hidden;
}

enum err gru_init(struct gru *g, const struct gru_shape *shape, enum gemm_kind gemm)
{
    if (!shape_ok(shape)) {
        log_error("recurrent network of %d inputs, %d units, %d layers: 1 to %d of the first two, "
                  "1 to %d layers are possible",
                  shape->n_in, shape->n_hidden, shape->n_layers, GRU_SIZE_MAX, GRU_LAYERS_MAX);
        return ERR_CONFIG;
    }
    struct gru made = {
        .shape = *shape, .gemm = gemm, .n_cells = shape->n_layers * shape->directions};
    const size_t h = (size_t)shape->n_hidden;
    size_t at = 0;
    for (int i = 0; i < made.n_cells; i++) {
        struct gru_cell *c = &made.cells[i];
        c->n_in = layer_inputs(shape, i / shape->directions);
        c->backwards = i % shape->directions == 1;
        c->w = at;
        c->b = c->w + mlp_pad((size_t)c->n_in * 3 * h);
        c->v = c->b + mlp_pad(3 * h);
        c->c = c->v + mlp_pad(h * 3 * h);
        at = c->c + mlp_pad(3 * h);
    }
    made.n_params = at;
    *g = made;
    return ERR_OK;
}

static void draw_uniform(float *out, size_t n, size_t at, double bound, struct rng_key key,
                         uint32_t cell, uint32_t net)
{
    for (size_t i = 0; i < n; i++) {
        const struct rng_block r = rng_philox(key, (uint32_t)(at + i), cell, 1, net);
        out[at + i] = (float)(bound * (2.0 * (double)rng_f32(r.v[0]) - 1.0));
    }
}

void gru_init_params(const struct gru *g, float *params, struct rng_key key, uint32_t net)
{
    const size_t h = (size_t)g->shape.n_hidden;
    const double bound = 1.0 / sqrt((double)g->shape.n_hidden);
    memset(params, 0, g->n_params * sizeof *params);
    for (int i = 0; i < g->n_cells; i++) {
        const struct gru_cell *c = &g->cells[i];
        draw_uniform(params, (size_t)c->n_in * 3 * h, c->w, bound, key, (uint32_t)i, net);
        draw_uniform(params, 3 * h, c->b, bound, key, (uint32_t)i, net);
        draw_uniform(params, h * 3 * h, c->v, bound, key, (uint32_t)i, net);
        draw_uniform(params, 3 * h, c->c, bound, key, (uint32_t)i, net);
    }
}

/* ---- memory ---- */

/* Sizes of one call. rows = T B. */
struct sizes {
    int n_steps, n, h, in_above; /* in_above: columns of the input of a layer above the first */
    size_t rows;
};

static struct sizes sizes_of(const struct gru *g, int n_steps, int n)
{
    return (struct sizes){.n_steps = n_steps,
                          .n = n,
                          .h = g->shape.n_hidden,
                          .in_above = g->shape.directions * g->shape.n_hidden,
                          .rows = (size_t)n_steps * (size_t)n};
}

/* Gates and states of a cell. */
static size_t cell_floats(const struct sizes *s)
{
    return s->rows * 5 * (size_t)s->h;
}

size_t gru_acts_floats(const struct gru *g, int n_steps, int n)
{
    const struct sizes s = sizes_of(g, n_steps, n);
    const size_t products = (s.rows + (size_t)n) * 3 * (size_t)s.h + (size_t)n * (size_t)s.h;
    return (size_t)g->n_cells * cell_floats(&s) +
           (size_t)(g->shape.n_layers - 1) * s.rows * (size_t)s.in_above + products;
}

size_t gru_work_floats(const struct gru *g, int n_steps, int n)
{
    const struct sizes s = sizes_of(g, n_steps, n);
    return 2 * s.rows * (size_t)s.in_above + s.rows * 3 * (size_t)s.h + /* d_in, d_above; dx W */
           (size_t)n * 3 * (size_t)s.h + 3 * (size_t)n * (size_t)s.h;
}

static float *gates_of(const struct sizes *s, const float *acts, int cell)
{
    return (float *)(uintptr_t)acts + (size_t)cell * cell_floats(s);
}

static float *states_of(const struct sizes *s, const float *acts, int cell)
{
    return gates_of(s, acts, cell) + s->rows * 4 * (size_t)s->h;
}

/* The input of layer l (T, B, in_above), l >= 1. */
static float *inputs_of(const struct gru *g, const struct sizes *s, const float *acts, int layer)
{
    return (float *)(uintptr_t)acts + (size_t)g->n_cells * cell_floats(s) +
           (size_t)(layer - 1) * s->rows * (size_t)s->in_above;
}

/* ---- forwards ---- */

/* The i-th step that a cell reads. */
static int step_of(const struct gru_cell *c, const struct sizes *s, int i)
{
    return c->backwards ? s->n_steps - 1 - i : i;
}

/* Gates r and z of one step as tanh of half their argument: sigmoid(a) = (1 + tanh(a / 2)) / 2, so
 * that all three gates are tanh, whose vector kernel gives the same bits everywhere.
 * px, ph (B, 3H): products with W and V; out (B, 4H). */
static void compute_gates(float *out, const float *px, const float *ph, int n, int h)
{
    for (ptrdiff_t b = 0; b < n; b++) {
        const float *x = px + b * 3 * h, *v = ph + b * 3 * h;
        float *o = out + b * 4 * h;
        for (int k = 0; k < 2 * h; k++) {
            o[k] = 0.5f * (x[k] + v[k]);
        }
        act_forward(ACT_TANH, o, o, 2 * (size_t)h);
        for (int k = 0; k < 2 * h; k++) {
            o[k] = 0.5f + 0.5f * o[k];
        }
        for (int k = 0; k < h; k++) {
            o[3 * h + k] = v[2 * h + k];
            o[2 * h + k] = x[2 * h + k] + o[k] * v[2 * h + k];
        }
        act_forward(ACT_TANH, o + 2 * h, o + 2 * h, (size_t)h);
    }
}

/* h_t (B, H) = n + z (h_{t-1} - n). */
static void compute_state(float *state, const float *before, const float *gates, int n, int h)
{
    for (ptrdiff_t b = 0; b < n; b++) {
        const float *z = gates + b * 4 * h + h, *cand = gates + b * 4 * h + 2 * h;
        for (int k = 0; k < h; k++) {
            state[b * h + k] = cand[k] + z[k] * (before[b * h + k] - cand[k]);
        }
    }
}

/* One cell over all steps. scratch: (T B + B) 3H + B H floats. */
static void cell_forward(const struct gru *g, int cell, float *acts, const float *params,
                         const float *x, const struct sizes *s, float *scratch)
{
    const struct gru_cell *c = &g->cells[cell];
    const int h = s->h, n = s->n;
    float *px = scratch, *ph = px + s->rows * 3 * (size_t)h, *zero = ph + (size_t)n * 3 * (size_t)h;
    float *gates = gates_of(s, acts, cell), *states = states_of(s, acts, cell);
    const float *before = zero;
    memset(zero, 0, (size_t)n * (size_t)h * sizeof *zero);
    gemm_nn(g->gemm, px, 3 * h, x, c->n_in, params + c->w, 3 * h, params + c->b, (int)s->rows,
            c->n_in, 3 * h);
    for (int i = 0; i < s->n_steps; i++) {
        const size_t at = (size_t)step_of(c, s, i) * (size_t)n;
        float *state = states + at * (size_t)h;
        gemm_nn(g->gemm, ph, 3 * h, before, h, params + c->v, 3 * h, params + c->c, n, h, 3 * h);
        compute_gates(gates + at * 4 * (size_t)h, px + at * 3 * (size_t)h, ph, n, h);
        compute_state(state, before, gates + at * 4 * (size_t)h, n, h);
        before = state;
    }
}

/* The states of one cell as columns of the input above. */
static void pass_up(float *out, int ld, const float *states, const struct sizes *s)
{
    for (size_t i = 0; i < s->rows; i++) {
        memcpy(out + i * (size_t)ld, states + i * (size_t)s->h, (size_t)s->h * sizeof *out);
    }
}

void gru_forward(const struct gru *g, float *final, float *acts, const float *params,
                 const float *x, int n_steps, int n)
{
    const struct sizes s = sizes_of(g, n_steps, n);
    const int dirs = g->shape.directions;
    const size_t n_state = (size_t)n * (size_t)s.h;
    float *scratch = inputs_of(g, &s, acts, g->shape.n_layers);
    for (int cell = 0; cell < g->n_cells; cell++) {
        const int layer = cell / dirs;
        const float *states = states_of(&s, acts, cell);
        cell_forward(g, cell, acts, params, layer == 0 ? x : inputs_of(g, &s, acts, layer), &s,
                     scratch);
        if (layer + 1 < g->shape.n_layers) {
            pass_up(inputs_of(g, &s, acts, layer + 1) + (ptrdiff_t)(cell % dirs) * s.h, s.in_above,
                    states, &s);
        }
        const int last = step_of(&g->cells[cell], &s, n_steps - 1);
        memcpy(final + (size_t)cell * n_state, states + (size_t)last * n_state,
               n_state * sizeof *final);
    }
}

/* ---- backwards ---- */

/* Derivatives of one step. With d = d loss / d h_t:
 *
 *   d n = d (1 - z),   d z = d (h_{t-1} - n),   d h_{t-1} = d z           (the direct part)
 *   a_n = d n (1 - n^2),   a_z = d z z (1 - z),   a_r = a_n m r (1 - r)
 *   by x W + b:  a_r | a_z | a_n          by h V + c:  a_r | a_z | a_n r
 *
 * da_x, da_v (B, 3H); d_before (B, H) is written. */
static void step_backward(float *da_x, float *da_v, float *d_before, const float *d,
                          const float *gates, const float *before, int n, int h)
{
    for (ptrdiff_t b = 0; b < n; b++) {
        const float *r = gates + b * 4 * h, *z = r + h, *cand = z + h, *m = cand + h;
        float *ax = da_x + b * 3 * h, *av = da_v + b * 3 * h;
        for (int k = 0; k < h; k++) {
            const float dk = d[b * h + k];
            const float a_n = dk * (1.0f - z[k]) * (1.0f - cand[k] * cand[k]);
            const float a_z = dk * (before[b * h + k] - cand[k]) * (z[k] * (1.0f - z[k]));
            const float a_r = a_n * m[k] * (r[k] * (1.0f - r[k]));
            ax[k] = av[k] = a_r;
            ax[h + k] = av[h + k] = a_z;
            ax[2 * h + k] = a_n;
            av[2 * h + k] = a_n * r[k];
            d_before[b * h + k] = dk * z[k];
        }
    }
}

static void add_floats(float *into, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        into[i] += from[i];
    }
}

/* One cell over all steps, from the last one it read to the first.
 * d_out: d loss / d its states (T, B, ld_out), NULL: only the final state is used. d_in (T, B,
 * n_in): NULL = not wanted; `add`: continued from what is there. scratch: T B 3H + B 3H + 3 B H. */
static void cell_backward(const struct gru *g, int cell, float *grads, float *d_in, bool add,
                          const float *params, const float *x, const float *acts,
                          const float *d_final, const float *d_out, const struct sizes *s,
                          float *scratch)
{
    const struct gru_cell *c = &g->cells[cell];
    const int h = s->h, n = s->n;
    const size_t n_state = (size_t)n * (size_t)h;
    float *da_x = scratch, *da_v = da_x + s->rows * 3 * (size_t)h, *d = da_v + 3 * n_state;
    float *d_before = d + n_state, *zero = d_before + n_state;
    const float *gates = gates_of(s, acts, cell), *states = states_of(s, acts, cell);
    memset(zero, 0, n_state * sizeof *zero);
    memcpy(d, d_final, n_state * sizeof *d);
    for (int i = s->n_steps - 1; i >= 0; i--) {
        const size_t t = (size_t)step_of(c, s, i);
        const float *before = i == 0 ? zero : states + (size_t)step_of(c, s, i - 1) * n_state;
        for (size_t b = 0; d_out != NULL && b < (size_t)n; b++) {
            add_floats(d + b * (size_t)h, d_out + (t * (size_t)n + b) * (size_t)s->in_above,
                       (size_t)h);
        }
        step_backward(da_x + t * 3 * n_state, da_v, d_before, d, gates + t * 4 * n_state, before, n,
                      h);
        gemm_tn(g->gemm, grads + c->v, 3 * h, before, h, da_v, 3 * h, n, h, 3 * h);
        gemm_bias_grad(grads + c->c, da_v, 3 * h, n, 3 * h);
        gemm_nt(g->gemm, d_before, h, da_v, 3 * h, params + c->v, 3 * h, true, n, h, 3 * h);
        memcpy(d, d_before, n_state * sizeof *d);
    }
    gemm_tn(g->gemm, grads + c->w, 3 * h, x, c->n_in, da_x, 3 * h, (int)s->rows, c->n_in, 3 * h);
    gemm_bias_grad(grads + c->b, da_x, 3 * h, (int)s->rows, 3 * h);
    if (d_in != NULL) {
        gemm_nt(g->gemm, d_in, c->n_in, da_x, 3 * h, params + c->w, 3 * h, add, (int)s->rows,
                c->n_in, 3 * h);
    }
}

void gru_backward(const struct gru *g, float *grads, float *dx, const float *params, const float *x,
                  const float *acts, const float *d_final, int n_steps, int n, float *work)
{
    const struct sizes s = sizes_of(g, n_steps, n);
    const int dirs = g->shape.directions;
    const size_t n_state = (size_t)n * (size_t)s.h, n_above = s.rows * (size_t)s.in_above;
    /* The derivative by the input of layer l is the one by the states of layer l - 1. Two arrays
     * take turns: a layer reads the one that the layer above has filled. */
    float *halves[] = {work, work + n_above}, *scratch = work + 2 * n_above;
    const float *d_out = NULL;
    for (int layer = g->shape.n_layers - 1; layer >= 0; layer--) {
        const float *in = layer == 0 ? x : inputs_of(g, &s, acts, layer);
        float *d_in = layer == 0 ? dx : halves[layer % 2];
        for (int dir = 0; dir < dirs; dir++) {
            const int cell = layer * dirs + dir;
            cell_backward(g, cell, grads, d_in, dir > 0, params, in, acts,
                          d_final + (size_t)cell * n_state,
                          d_out == NULL ? NULL : d_out + (ptrdiff_t)dir * s.h, &s, scratch);
        }
        d_out = d_in;
    }
}
