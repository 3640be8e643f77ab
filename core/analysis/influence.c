/* A perceptron in double precision, forward and backward for one row, and an adaptive integral
 * along the straight line from the base to the input. See influence.h. */
#include "core/analysis/influence.h"

#include "core/base/fmath.h"
#include "core/base/log.h"

#include <math.h>
#include <string.h>

/* ---- the network ---- */

struct pass {
    const struct mlp *mlp;
    const float *params;
    const double *c;
    double *a[MLP_LAYERS_MAX + 1]; /* (sizes[l]) what layer l receives; the last one: outputs */
    double *d[MLP_LAYERS_MAX + 1]; /* dF / da */
    double *at;                    /* (sizes[0]) a point of the line */
    double *gradient;              /* (sizes[0]) integral of dF / dx over a piece */
};

static enum err pass_init(struct pass *p, struct arena *arena, const struct mlp *mlp,
                          const float *params, const double *c)
{
    *p = (struct pass){.mlp = mlp, .params = params, .c = c};
    for (int l = 0; l <= mlp->shape.n_layers; l++) {
        p->a[l] = ARENA_NEW(arena, mlp->shape.sizes[l], double);
        p->d[l] = ARENA_NEW(arena, mlp->shape.sizes[l], double);
    }
    p->at = ARENA_NEW(arena, mlp->shape.sizes[0], double);
    p->gradient = ARENA_NEW(arena, mlp->shape.sizes[0], double);
    return arena_error(arena);
}

/* tanh z = 1 - 2 / (e^2z + 1); for z beyond +-20 it is +-1 in double precision. */
static double activate(enum activation act, double z)
{
    if (act == ACT_RELU) {
        return z > 0.0 ? z : 0.0;
    }
    return z > 20.0 ? 1.0 : z < -20.0 ? -1.0 : 1.0 - 2.0 / (fm_exp(2.0 * z) + 1.0);
}

/* As a function of the activation itself. */
static double slope(enum activation act, double a)
{
    return act == ACT_RELU ? (a > 0.0 ? 1.0 : 0.0) : 1.0 - a * a;
}

static void forward(const struct pass *p, const double *x)
{
    const struct mlp_shape *shape = &p->mlp->shape;
    memcpy(p->a[0], x, (size_t)shape->sizes[0] * sizeof *x);
    for (int l = 0; l < shape->n_layers; l++) {
        const float *w = p->params + p->mlp->w[l], *b = p->params + p->mlp->b[l];
        const int n_in = shape->sizes[l], n_out = shape->sizes[l + 1];
        for (int j = 0; j < n_out; j++) {
            double z = b[j];
            for (int i = 0; i < n_in; i++) {
                z += p->a[l][i] * (double)w[(ptrdiff_t)i * n_out + j];
            }
            p->a[l + 1][j] = l + 1 < shape->n_layers ? activate(shape->act, z) : z;
        }
    }
}

/* After forward(): d[0] = dF / dx. */
static void backward(const struct pass *p)
{
    const struct mlp_shape *shape = &p->mlp->shape;
    const int last = shape->n_layers;
    memcpy(p->d[last], p->c, (size_t)shape->sizes[last] * sizeof *p->c);
    for (int l = last - 1; l >= 0; l--) {
        const float *w = p->params + p->mlp->w[l];
        const int n_in = shape->sizes[l], n_out = shape->sizes[l + 1];
        for (int i = 0; i < n_in; i++) {
            double sum = 0.0;
            for (int j = 0; j < n_out; j++) {
                sum += p->d[l + 1][j] * (double)w[(ptrdiff_t)i * n_out + j];
            }
            p->d[l][i] = l > 0 ? sum * slope(shape->act, p->a[l][i]) : sum;
        }
    }
}

/* F after forward(). */
static double value(const struct pass *p)
{
    const int last = p->mlp->shape.n_layers;
    double sum = 0.0;
    for (int k = 0; k < p->mlp->shape.sizes[last]; k++) {
        sum += p->c[k] * p->a[last][k];
    }
    return sum;
}

enum err influence_forward(double *y, const struct mlp *mlp, const float *params, const double *x,
                           struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct pass p;
    const enum err e = pass_init(&p, scratch, mlp, params, NULL);
    if (e == ERR_OK) {
        forward(&p, x);
        memcpy(y, p.a[mlp->shape.n_layers],
               (size_t)mlp->shape.sizes[mlp->shape.n_layers] * sizeof *y);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- the integral ---- */

struct line {
    struct pass pass;
    const float *x, *base;
    double *a; /* (sizes[0]) sum of the pieces so far */
    int n_pieces;
};

static double value_at(const struct line *l, double s)
{
    for (int i = 0; i < l->pass.mlp->shape.sizes[0]; i++) {
        l->pass.at[i] = (double)l->base[i] + s * ((double)l->x[i] - (double)l->base[i]);
    }
    forward(&l->pass, l->pass.at);
    return value(&l->pass);
}

/* Gauss-Legendre with three nodes: exact for polynomials of degree 5. Leaves the integrals of the
 * piece in pass.gradient; returns the sum of its parts. */
static double integrate(struct line *l, double from, double to)
{
    static const double node[3] = {-0.774596669241483377, 0.0, 0.774596669241483377};
    static const double weight[3] = {5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0};
    const int n = l->pass.mlp->shape.sizes[0];
    double sum = 0.0;
    memset(l->pass.gradient, 0, (size_t)n * sizeof *l->pass.gradient);
    for (int k = 0; k < 3; k++) {
        (void)value_at(l, (from + to + node[k] * (to - from)) / 2.0);
        backward(&l->pass);
        for (int i = 0; i < n; i++) {
            l->pass.gradient[i] += weight[k] * (to - from) * l->pass.d[0][i];
        }
    }
    for (int i = 0; i < n; i++) {
        l->pass.gradient[i] *= (double)l->x[i] - (double)l->base[i];
        sum += l->pass.gradient[i];
    }
    return sum;
}

enum { DEPTH_MAX = 36 };

/* What a piece may leave over: its share of the error, but no less than rounding allows. Of a
 * network of rectifiers the piece around each kink needs that much. */
static double allowed(double length)
{
    const double shortest = 1.0 / 256.0;
    return INFLUENCE_ERROR * fm_max(length, shortest);
}

/* Pieces left to do, from left to right: a stack of right ends, whose top is the piece under way. A
 * piece of the smallest length is taken as it is: its error is bounded by its length. */
static void add_pieces(struct line *l, double at_base, double at_x)
{
    double end[DEPTH_MAX + 1] = {1.0}, at_end[DEPTH_MAX + 1] = {at_x};
    double begin = 0.0, at_begin = at_base;
    int top = 0;
    while (top >= 0) {
        const double length = end[top] - begin;
        const double sum = integrate(l, begin, end[top]);
        const double left_over = fabs(sum - (at_end[top] - at_begin));
        if (left_over > allowed(length) && top < DEPTH_MAX) {
            const double middle = begin + length / 2.0;
            at_end[top + 1] = value_at(l, middle);
            end[++top] = middle;
            continue;
        }
        for (int i = 0; i < l->pass.mlp->shape.sizes[0]; i++) {
            l->a[i] += l->pass.gradient[i];
        }
        begin = end[top];
        at_begin = at_end[top--];
        l->n_pieces++;
    }
}

static enum err attribute(struct influence *out, struct line *l, int n)
{
    *out = (struct influence){.base = value_at(l, 0.0), .at = value_at(l, 1.0)};
    if (!isfinite(out->at) || !isfinite(out->base)) {
        log_error("a network gives numbers that are not finite, so its inputs have no influence");
        return ERR_NUMERIC;
    }
    add_pieces(l, out->base, out->at);
    for (int i = 0; i < n; i++) {
        out->sum += l->a[i];
    }
    out->n_pieces = l->n_pieces;
    if (!(fabs(out->sum - (out->at - out->base)) <= 10.0 * INFLUENCE_ERROR)) {
        log_error("the influences of the inputs sum to %.9g instead of %.9g", out->sum,
                  out->at - out->base);
        return ERR_NUMERIC;
    }
    return ERR_OK;
}

enum err influence_of(struct influence *out, double *a, const struct mlp *mlp, const float *params,
                      const float *x, const float *base, const double *c, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct line l = {.x = x, .base = base, .a = a};
    struct influence found;
    memset(a, 0, (size_t)mlp->shape.sizes[0] * sizeof *a);
    enum err e = pass_init(&l.pass, scratch, mlp, params, c);
    if (e == ERR_OK) {
        e = attribute(&found, &l, mlp->shape.sizes[0]);
    }
    if (e == ERR_OK) {
        *out = found;
    }
    arena_rewind(scratch, mark);
    return e;
}
