/* The gated recurrent unit: against equations written apart in double precision, its gradient
 * against finite differences of those, and against its own promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/nn/gru.h"
#include "core/nn/mlp.h"
#include "tests/unit/heard.h"

enum { HIDDEN_MAX = 32, BATCH_MAX = 8, STEPS_MAX = 8 };

static const struct gru_shape shapes[] = {
    {.n_in = 1, .n_hidden = 1, .n_layers = 1, .directions = 1},
    {.n_in = 3, .n_hidden = 5, .n_layers = 1, .directions = 2},
    {.n_in = 4, .n_hidden = 3, .n_layers = 2, .directions = 1},
    {.n_in = 5, .n_hidden = 4, .n_layers = 2, .directions = 2},
    {.n_in = 2, .n_hidden = 17, .n_layers = 3, .directions = 2},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static float draw(uint32_t stream, uint32_t i)
{
    const struct rng_key key = rng_key(11, RNG_TEST, RNG_TRAIN);
    return 2.0F * rng_f32(rng_philox(key, i, stream, 0, 0).v[0]) - 1.0F;
}

static float *drawn(struct arena *arena, size_t n, uint32_t stream)
{
    float *p = ARENA_NEW(arena, n + 1, float);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        p[i] = draw(stream, (uint32_t)i);
    }
    return p;
}

/* ---- the same in double, one sequence at a time, straight from the equations ---- */

struct sequence {
    const struct gru *g;
    const double *params;
    const float *x; /* (T, B, I) */
    int n_steps, n, b;
};

static double sigmoid(double a)
{
    return 1.0 / (1.0 + exp(-a));
}

/* x W + b, or h V + c, of gate column j. */
static double product(const double *params, size_t w, size_t b, const double *in, int n_in, int h,
                      int j)
{
    double sum = params[b + (size_t)j];
    for (int i = 0; i < n_in; i++) {
        sum += in[i] * params[w + (size_t)i * 3 * (size_t)h + (size_t)j];
    }
    return sum;
}

static void reference_cell(const struct gru *g, const double *p, const struct gru_cell *c,
                           double in[STEPS_MAX][2 * HIDDEN_MAX],
                           double out[STEPS_MAX][2 * HIDDEN_MAX], int out_at, int n_steps,
                           double *final)
{
    const int h = g->shape.n_hidden;
    double state[HIDDEN_MAX] = {0};
    for (int i = 0; i < n_steps; i++) {
        const int t = c->backwards ? n_steps - 1 - i : i;
        double next[HIDDEN_MAX];
        for (int k = 0; k < h; k++) {
            double x[3], v[3];
            for (int gate = 0; gate < 3; gate++) {
                x[gate] = product(p, c->w, c->b, in[t], c->n_in, h, gate * h + k);
                v[gate] = product(p, c->v, c->c, state, h, h, gate * h + k);
            }
            const double r = sigmoid(x[0] + v[0]), z = sigmoid(x[1] + v[1]);
            next[k] = (1.0 - z) * tanh(x[2] + r * v[2]) + z * state[k];
        }
        memcpy(state, next, sizeof state);
        memcpy(out[t] + out_at, state, (size_t)h * sizeof(double));
    }
    memcpy(final, state, (size_t)h * sizeof(double));
}

/* Final states of one sequence (n_cells, H). */
static void reference(double final[GRU_CELLS_MAX][HIDDEN_MAX], const struct sequence *s)
{
    static double in[STEPS_MAX][2 * HIDDEN_MAX], out[STEPS_MAX][2 * HIDDEN_MAX];
    const int n_in = s->g->shape.n_in, dirs = s->g->shape.directions;
    for (int t = 0; t < s->n_steps; t++) {
        for (int i = 0; i < n_in; i++) {
            in[t][i] =
                (double)s->x[((size_t)t * (size_t)s->n + (size_t)s->b) * (size_t)n_in + (size_t)i];
        }
    }
    for (int cell = 0; cell < s->g->n_cells; cell++) {
        reference_cell(s->g, s->params, &s->g->cells[cell], in, out,
                       cell % dirs * s->g->shape.n_hidden, s->n_steps, final[cell]);
        if (cell % dirs == dirs - 1) {
            memcpy(in, out, sizeof in);
        }
    }
}

/* The loss of the gradient check: final states times fixed weights. */
static double reference_loss(const struct gru *g, const double *params, const float *x,
                             const float *d_final, int n_steps, int n)
{
    double loss = 0.0;
    for (int b = 0; b < n; b++) {
        double final[GRU_CELLS_MAX][HIDDEN_MAX];
        const struct sequence s = {g, params, x, n_steps, n, b};
        reference(final, &s);
        for (int cell = 0; cell < g->n_cells; cell++) {
            for (int k = 0; k < g->shape.n_hidden; k++) {
                loss += final[cell][k] * (double)d_final[(cell * n + b) * g->shape.n_hidden + k];
            }
        }
    }
    return loss;
}

/* ---- a network with everything it needs ---- */

struct net {
    struct arena arena;
    struct gru g;
    int n_steps, n;
    float *params, *grads, *x, *dx, *final, *d_final, *acts, *work;
    double *exact; /* params in double */
};

static void net_init(struct net *w, const struct gru_shape *shape, int n_steps, int n)
{
    arena_init(&w->arena);
    assert_int_equal(gru_init(&w->g, shape, GEMM_FIXED), ERR_OK);
    w->n_steps = n_steps;
    w->n = n;
    const size_t n_x = (size_t)n_steps * (size_t)n * (size_t)shape->n_in;
    const size_t n_final = (size_t)w->g.n_cells * (size_t)n * (size_t)shape->n_hidden;
    w->params = ARENA_NEW(&w->arena, w->g.n_params, float);
    w->grads = ARENA_NEW(&w->arena, w->g.n_params, float);
    w->exact = ARENA_NEW(&w->arena, w->g.n_params, double);
    w->x = drawn(&w->arena, n_x, 1);
    w->dx = ARENA_NEW(&w->arena, n_x, float);
    w->final = ARENA_NEW(&w->arena, n_final, float);
    w->d_final = drawn(&w->arena, n_final, 2);
    w->acts = ARENA_NEW(&w->arena, gru_acts_floats(&w->g, n_steps, n), float);
    w->work = ARENA_NEW(&w->arena, gru_work_floats(&w->g, n_steps, n), float);
    assert_int_equal(arena_error(&w->arena), ERR_OK);
    gru_init_params(&w->g, w->params, rng_key(3, RNG_PARAM_INIT, RNG_TRAIN), 7);
    for (size_t i = 0; i < w->g.n_params; i++) {
        w->exact[i] = (double)w->params[i];
    }
}

static void net_forward(struct net *w)
{
    gru_forward(&w->g, w->final, w->acts, w->params, w->x, w->n_steps, w->n);
}

static void net_backward(struct net *w)
{
    memset(w->grads, 0, w->g.n_params * sizeof(float));
    gru_backward(&w->g, w->grads, w->dx, w->params, w->x, w->acts, w->d_final, w->n_steps, w->n,
                 w->work);
}

/* ---- tests ---- */

static void test_equations(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        static struct net w;
        net_init(&w, &shapes[i], 6, 3);
        net_forward(&w);
        for (int b = 0; b < w.n; b++) {
            double final[GRU_CELLS_MAX][HIDDEN_MAX];
            const struct sequence s = {&w.g, w.exact, w.x, w.n_steps, w.n, b};
            reference(final, &s);
            for (int cell = 0; cell < w.g.n_cells; cell++) {
                for (int k = 0; k < w.g.shape.n_hidden; k++) {
                    const float got = w.final[(cell * w.n + b) * w.g.shape.n_hidden + k];
                    assert_true(fabs((double)got - final[cell][k]) < 2e-6);
                }
            }
        }
        arena_release(&w.arena);
    }
}

/* (L(p + e) - L(p - e)) / 2 e in double against the backward pass in float, for every parameter. */
static void test_gradient(void **state)
{
    (void)state;
    const double e = 1e-5;
    for (int i = 0; i < SHAPES; i++) {
        static struct net w;
        double worst = 0.0;
        net_init(&w, &shapes[i], 5, 3);
        net_forward(&w);
        net_backward(&w);
        for (size_t k = 0; k < w.g.n_params; k++) {
            const double at = w.exact[k];
            w.exact[k] = at + e;
            const double above = reference_loss(&w.g, w.exact, w.x, w.d_final, w.n_steps, w.n);
            w.exact[k] = at - e;
            const double below = reference_loss(&w.g, w.exact, w.x, w.d_final, w.n_steps, w.n);
            w.exact[k] = at;
            const double slope = (above - below) / (2.0 * e);
            worst = fmax(worst, fabs((double)w.grads[k] - slope) / (1.0 + fabs(slope)));
        }
        print_message("%d inputs, %d units, %d layers, %d directions: gradients within %.1e\n",
                      shapes[i].n_in, shapes[i].n_hidden, shapes[i].n_layers, shapes[i].directions,
                      worst);
        assert_true(worst < 1e-5);
        arena_release(&w.arena);
    }
}

/* The same by every input. */
static void test_input_gradient(void **state)
{
    (void)state;
    const float e = 0x1p-12F;
    for (int i = 0; i < SHAPES; i++) {
        static struct net w;
        net_init(&w, &shapes[i], 5, 3);
        net_forward(&w);
        net_backward(&w);
        for (int k = 0; k < w.n_steps * w.n * shapes[i].n_in; k++) {
            const float at = w.x[k], hi = at + e, lo = at - e;
            w.x[k] = hi;
            const double above = reference_loss(&w.g, w.exact, w.x, w.d_final, w.n_steps, w.n);
            w.x[k] = lo;
            const double below = reference_loss(&w.g, w.exact, w.x, w.d_final, w.n_steps, w.n);
            w.x[k] = at;
            const double slope = (above - below) / ((double)hi - (double)lo);
            assert_true(fabs((double)w.dx[k] - slope) < 1e-5 * (1.0 + fabs(slope)));
        }
        arena_release(&w.arena);
    }
}

/* Gradients are added to what is there; gaps between the arrays of parameters stay zero. */
static void test_adds_and_keeps_gaps(void **state)
{
    (void)state;
    static struct net w;
    net_init(&w, &shapes[3], 5, 3);
    net_forward(&w);
    net_backward(&w);
    float *once = ARENA_NEW(&w.arena, w.g.n_params, float);
    memcpy(once, w.grads, w.g.n_params * sizeof(float));
    gru_backward(&w.g, w.grads, NULL, w.params, w.x, w.acts, w.d_final, w.n_steps, w.n, w.work);
    for (size_t i = 0; i < w.g.n_params; i++) {
        assert_true(fabs((double)w.grads[i] - 2.0 * (double)once[i]) <
                    1e-5 * (1.0 + fabs((double)once[i])));
    }
    const struct gru_cell *c = &w.g.cells[0];
    for (size_t i = c->b + 3 * 4; i < c->v; i++) {
        assert_true(w.params[i] == 0.0F && w.grads[i] == 0.0F);
    }
    arena_release(&w.arena);
}

/* What a sequence gives does not depend on the others. */
static void test_batch_changes_no_bit(void **state)
{
    (void)state;
    static struct net w, one;
    net_init(&w, &shapes[4], 6, BATCH_MAX);
    net_init(&one, &shapes[4], 6, 1);
    net_forward(&w);
    for (int b = 0; b < w.n; b++) {
        for (int t = 0; t < w.n_steps; t++) {
            memcpy(one.x + t * w.g.shape.n_in, w.x + (t * w.n + b) * w.g.shape.n_in,
                   (size_t)w.g.shape.n_in * sizeof(float));
        }
        net_forward(&one);
        for (int cell = 0; cell < w.g.n_cells; cell++) {
            const size_t h = (size_t)w.g.shape.n_hidden;
            assert_memory_equal(one.final + (size_t)cell * h,
                                w.final + (size_t)(cell * w.n + b) * h, h * sizeof(float));
        }
    }
    arena_release(&w.arena);
    arena_release(&one.arena);
}

static void test_nothing_is_allocated(void **state)
{
    (void)state;
    static struct net w;
    net_init(&w, &shapes[3], 5, 3);
    const uint64_t before = mem_calls();
    net_forward(&w);
    net_backward(&w);
    assert_int_equal(mem_calls(), before);
    arena_release(&w.arena);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct gru_shape bad[] = {
        {.n_in = 0, .n_hidden = 4, .n_layers = 1, .directions = 1},
        {.n_in = 3, .n_hidden = 0, .n_layers = 1, .directions = 1},
        {.n_in = 3, .n_hidden = 5000, .n_layers = 1, .directions = 1},
        {.n_in = 3, .n_hidden = 4, .n_layers = 5, .directions = 1},
        {.n_in = 3, .n_hidden = 4, .n_layers = 1, .directions = 3},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gru g = {.n_cells = 77};
        static struct heard heard;
        heard_begin(&heard);
        assert_int_equal(gru_init(&g, &bad[i], GEMM_FIXED), ERR_CONFIG);
        heard_end();
        assert_non_null(strstr(heard.last, "recurrent network"));
        assert_int_equal(g.n_cells, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equations),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_input_gradient),
        cmocka_unit_test(test_adds_and_keeps_gaps),
        cmocka_unit_test(test_batch_changes_no_bit),
        cmocka_unit_test(test_nothing_is_allocated),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
