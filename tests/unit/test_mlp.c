/* The MLP: against a double-precision network written apart, and against its own promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/fmath.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/nn/mlp.h"

enum { PARAMS_MAX = 1 << 15, ROWS_MAX = 80, WIDTH_MAX = 160 };

struct fixture {
    struct arena arena;
    float *params, *grads, *other, *x, *y, *y2, *dy, *dx, *dx2, *acts, *work;
};

static int setup(void **state)
{
    static struct fixture s;
    arena_init(&s.arena);
    s.params = ARENA_NEW(&s.arena, PARAMS_MAX, float);
    s.grads = ARENA_NEW(&s.arena, PARAMS_MAX, float);
    s.other = ARENA_NEW(&s.arena, PARAMS_MAX, float);
    float **const rows[] = {&s.x, &s.y, &s.y2, &s.dy, &s.dx, &s.dx2};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i] = ARENA_NEW(&s.arena, ROWS_MAX * WIDTH_MAX, float);
    }
    s.acts = ARENA_NEW(&s.arena, ROWS_MAX * WIDTH_MAX * 4, float);
    s.work = ARENA_NEW(&s.arena, ROWS_MAX * WIDTH_MAX * 4, float);
    *state = &s;
    return s.work == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_release(&((struct fixture *)*state)->arena);
    return 0;
}

static float draw(uint32_t stream, uint32_t i)
{
    const struct rng_key key = rng_key(5, RNG_TEST, RNG_TRAIN);
    return 2.0F * rng_f32(rng_philox(key, i, stream, 0, 0).v[0]) - 1.0F;
}

static void fill(float *p, size_t n, uint32_t stream)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = draw(stream, (uint32_t)i);
    }
}

static struct mlp make(const struct mlp_shape *shape, int block)
{
    struct mlp mlp;
    assert_int_equal(mlp_init(&mlp, shape, GEMM_FIXED, block), ERR_OK);
    assert_true(mlp.n_params <= PARAMS_MAX);
    return mlp;
}

/* Random weights of moderate size everywhere, biases included; gaps stay zero. */
static void random_params(const struct mlp *mlp, float *params)
{
    memset(params, 0, mlp->n_params * sizeof(float));
    for (int l = 0; l < mlp->shape.n_layers; l++) {
        const size_t k = (size_t)mlp->shape.sizes[l], n = (size_t)mlp->shape.sizes[l + 1];
        const float scale = 1.0F / sqrtf((float)k);
        for (size_t i = 0; i < k * n; i++) {
            params[mlp->w[l] + i] = scale * draw(20 + (uint32_t)l, (uint32_t)i);
        }
        fill(params + mlp->b[l], n, 40 + (uint32_t)l);
    }
}

/* ---- the network in double, one row, layer by layer, as the header defines it ---- */

static void net_f64(const struct mlp *mlp, double *y, const double *params, const double *x)
{
    double a[WIDTH_MAX], z[WIDTH_MAX];
    memcpy(a, x, (size_t)mlp->shape.sizes[0] * sizeof(double));
    for (int l = 0; l < mlp->shape.n_layers; l++) {
        const int k = mlp->shape.sizes[l], n = mlp->shape.sizes[l + 1];
        for (int j = 0; j < n; j++) {
            z[j] = params[mlp->b[l] + (size_t)j];
            for (int i = 0; i < k; i++) {
                z[j] += a[i] * params[mlp->w[l] + (size_t)(i * n + j)];
            }
        }
        for (int j = 0; j < n; j++) {
            const int hidden = l < mlp->shape.n_layers - 1;
            a[j] = !hidden || mlp->shape.act == ACT_IDENTITY ? z[j]
                   : mlp->shape.act == ACT_TANH              ? tanh(z[j])
                                                             : fmax(z[j], 0.0);
        }
    }
    memcpy(y, a, (size_t)mlp->shape.sizes[mlp->shape.n_layers] * sizeof(double));
}

/* sum over rows and outputs of dy * y: its gradient is what mlp_backward gets from dy. */
static double loss_f64(const struct mlp *mlp, const double *params, const double *x,
                       const float *dy, int rows)
{
    const int d = mlp->shape.sizes[0], n = mlp->shape.sizes[mlp->shape.n_layers];
    double loss = 0.0, y[WIDTH_MAX];
    for (int r = 0; r < rows; r++) {
        net_f64(mlp, y, params, x + r * d);
        for (int j = 0; j < n; j++) {
            loss += (double)dy[r * n + j] * y[j];
        }
    }
    return loss;
}

static void to_f64(double *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (double)in[i];
    }
}

static const struct mlp_shape small_shapes[] = {
    {.n_layers = 3, .sizes = {5, 7, 6, 3}, .act = ACT_TANH},
    {.n_layers = 3, .sizes = {5, 16, 6, 1}, .act = ACT_RELU},
    {.n_layers = 2, .sizes = {3, 4, 2}, .act = ACT_IDENTITY},
    {.n_layers = 1, .sizes = {6, 4}, .act = ACT_TANH},
    {.n_layers = 4, .sizes = {2, 3, 17, 5, 2}, .act = ACT_TANH},
};
enum { N_SMALL = sizeof(small_shapes) / sizeof(small_shapes[0]) };

/* Every parameter and every input: central differences of the double network. */
static void test_finite_differences(void **state)
{
    struct fixture *s = *state;
    enum { ROWS = 6, BLOCK = 4 };
    static double params[4096], x[ROWS * 8];
    const double h = 1e-5;
    for (size_t c = 0; c < N_SMALL; c++) {
        const struct mlp mlp = make(&small_shapes[c], BLOCK);
        const int d = mlp.shape.sizes[0], n = mlp.shape.sizes[mlp.shape.n_layers];
        random_params(&mlp, s->params);
        fill(s->x, (size_t)(ROWS * d), 1);
        fill(s->dy, (size_t)(ROWS * n), 2);
        memset(s->grads, 0, mlp.n_params * sizeof(float));
        mlp_forward(&mlp, s->y, n, s->acts, s->params, s->x, d, ROWS);
        mlp_backward(&mlp, s->grads, s->dx, d, s->params, s->x, d, s->acts, s->dy, n, ROWS,
                     s->work);
        to_f64(params, s->params, mlp.n_params);
        to_f64(x, s->x, (size_t)(ROWS * d));
        for (size_t i = 0; i < mlp.n_params + (size_t)(ROWS * d); i++) {
            double *at = i < mlp.n_params ? &params[i] : &x[i - mlp.n_params];
            const double got = (double)(i < mlp.n_params ? s->grads[i] : s->dx[i - mlp.n_params]);
            const double keep = *at;
            *at = keep + h;
            const double above = loss_f64(&mlp, params, x, s->dy, ROWS);
            *at = keep - h;
            const double below = loss_f64(&mlp, params, x, s->dy, ROWS);
            *at = keep;
            const double want = (above - below) / (2.0 * h);
            if (!(fabs(got - want) <= 5e-6 * (1.0 + fabs(want)))) {
                fail_msg("shape %zu, element %zu: %g, differences say %g", c, i, got, want);
            }
        }
    }
}

static void test_forward_agrees_with_double(void **state)
{
    struct fixture *s = *state;
    static double params[PARAMS_MAX], x[WIDTH_MAX], y[WIDTH_MAX];
    const struct mlp_shape shape = {.n_layers = 3, .sizes = {110, 64, 64, 40}, .act = ACT_TANH};
    const struct mlp mlp = make(&shape, 16);
    random_params(&mlp, s->params);
    fill(s->x, 40 * 110, 1);
    mlp_forward(&mlp, s->y, 40, s->acts, s->params, s->x, 110, 40);
    to_f64(params, s->params, mlp.n_params);
    for (size_t r = 0; r < 40; r++) {
        to_f64(x, s->x + r * 110, 110);
        net_f64(&mlp, y, params, x);
        for (size_t j = 0; j < 40; j++) {
            assert_true(fabs((double)s->y[r * 40 + j] - y[j]) < 2e-6);
        }
    }
}

/* By hand: x = (1, 2), W_0 = (1 -1; 0.5 0.25), b_0 = (0.5, 0), so z = (2.5, -0.5);
 * relu gives (2.5, 0); W_1 = (2; 4), b_1 = -1: y = 4. With dy = 3: dW_1 = (7.5, 0), db_1 = 3,
 * d z = (6, 0), dW_0 = (6 0; 12 0), db_0 = (6, 0), dx = (6, 3). */
static void test_worked_example(void **state)
{
    struct fixture *s = *state;
    const struct mlp_shape shape = {.n_layers = 2, .sizes = {2, 2, 1}, .act = ACT_RELU};
    const struct mlp mlp = make(&shape, 0);
    const float x[2] = {1.0F, 2.0F}, dy[1] = {3.0F};
    const float w0[4] = {1.0F, -1.0F, 0.5F, 0.25F}, w1[2] = {2.0F, 4.0F};
    const float dw0[4] = {6.0F, 0.0F, 12.0F, 0.0F};
    memset(s->params, 0, mlp.n_params * sizeof(float));
    memset(s->grads, 0, mlp.n_params * sizeof(float));
    memcpy(s->params + mlp.w[0], w0, sizeof(w0));
    memcpy(s->params + mlp.w[1], w1, sizeof(w1));
    s->params[mlp.b[0]] = 0.5F;
    s->params[mlp.b[1]] = -1.0F;
    mlp_forward(&mlp, s->y, 1, s->acts, s->params, x, 2, 1);
    assert_true(s->y[0] == 4.0F);
    for (int pass = 1; pass <= 2; pass++) { /* the second call adds the same again */
        const float f = (float)pass;
        mlp_backward(&mlp, s->grads, s->dx, 2, s->params, x, 2, s->acts, dy, 1, 1, s->work);
        for (size_t i = 0; i < 4; i++) {
            assert_true(s->grads[mlp.w[0] + i] == f * dw0[i]);
        }
        assert_true(s->grads[mlp.w[1]] == f * 7.5F && s->grads[mlp.w[1] + 1] == 0.0F);
        assert_true(s->grads[mlp.b[0]] == f * 6.0F && s->grads[mlp.b[0] + 1] == 0.0F);
        assert_true(s->grads[mlp.b[1]] == f * 3.0F);
        assert_true(s->dx[0] == 6.0F && s->dx[1] == 3.0F);
    }
}

/* The block size, the split of the rows into calls, and the wish for dx change no bit. */
static void test_blocks_and_slices(void **state)
{
    static const int blocks[] = {1, 2, 7, 8, 32, 64, 100};
    struct fixture *s = *state;
    enum { ROWS = 75, D = 30, N = 9, LDX = 33, LDY = 16 };
    const struct mlp_shape shape = {.n_layers = 3, .sizes = {D, 40, 24, N}, .act = ACT_TANH};
    const struct mlp ref = make(&shape, ROWS);
    random_params(&ref, s->params);
    fill(s->x, ROWS * LDX, 1);
    fill(s->dy, ROWS * LDY, 2);
    memset(s->y, 0, ROWS * LDY * sizeof(float));
    memset(s->grads, 0, ref.n_params * sizeof(float));
    mlp_forward(&ref, s->y, LDY, s->acts, s->params, s->x, LDX, ROWS);
    mlp_backward(&ref, s->grads, s->dx, D, s->params, s->x, LDX, s->acts, s->dy, LDY, ROWS,
                 s->work);
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        const struct mlp mlp = make(&shape, blocks[i]);
        const int cut = 11 * (int)i; /* two calls: [0, cut), [cut, ROWS) */
        memset(s->other, 0, mlp.n_params * sizeof(float));
        memset(s->y2, 0, ROWS * LDY * sizeof(float));
        for (int part = 0; part < 2; part++) {
            const int r = part ? cut : 0, rows = part ? ROWS - cut : cut;
            mlp_forward(&mlp, s->y2 + r * LDY, LDY, s->acts, s->params, s->x + r * LDX, LDX, rows);
            mlp_backward(&mlp, s->other, i % 2 ? s->dx2 + r * D : NULL, D, s->params,
                         s->x + r * LDX, LDX, s->acts, s->dy + r * LDY, LDY, rows, s->work);
        }
        assert_memory_equal(s->y, s->y2, ROWS * LDY * sizeof(float));
        assert_memory_equal(s->grads, s->other, mlp.n_params * sizeof(float));
        if (i % 2) {
            assert_memory_equal(s->dx, s->dx2, ROWS * D * sizeof(float));
        }
        memset(s->y2, 0, ROWS * LDY * sizeof(float));
        mlp_infer(&mlp, s->y2, LDY, s->params, s->x, LDX, ROWS, s->work);
        assert_memory_equal(s->y, s->y2, ROWS * LDY * sizeof(float));
    }
}

/* Gaps of a gradient block stay zero, whatever lies in the gaps of the work arrays. */
static void test_gaps_stay_zero(void **state)
{
    struct fixture *s = *state;
    const struct mlp mlp = make(&small_shapes[0], 4);
    random_params(&mlp, s->params);
    fill(s->x, 10 * 5, 1);
    fill(s->dy, 10 * 3, 2);
    for (size_t i = 0; i < mlp_acts_floats(&mlp, 10); i++) {
        s->acts[i] = NAN;
    }
    for (size_t i = 0; i < mlp_backward_work_floats(&mlp); i++) {
        s->work[i] = NAN;
    }
    memset(s->grads, 0, mlp.n_params * sizeof(float));
    mlp_forward(&mlp, s->y, 3, s->acts, s->params, s->x, 5, 10);
    mlp_backward(&mlp, s->grads, NULL, 0, s->params, s->x, 5, s->acts, s->dy, 3, 10, s->work);
    size_t used = 0;
    for (int l = 0; l < 3; l++) {
        const size_t k = (size_t)mlp.shape.sizes[l], n = (size_t)mlp.shape.sizes[l + 1];
        assert_true(mlp.w[l] % MLP_PAD == 0 && mlp.b[l] % MLP_PAD == 0);
        for (size_t i = 0; i < k * n; i++) {
            assert_true(isfinite(s->grads[mlp.w[l] + i]));
        }
        for (size_t i = mlp.w[l] + k * n; i < mlp.b[l]; i++) {
            assert_true(s->grads[i] == 0.0F);
        }
        for (size_t i = mlp.b[l] + n; i < (l < 2 ? mlp.w[l + 1] : mlp.n_params); i++) {
            assert_true(s->grads[i] == 0.0F);
        }
        used += k * n + n;
    }
    assert_true(used <= mlp.n_params && mlp.n_params == mlp_param_count(&small_shapes[0]));
}

/* W^T W = gain^2 I (or W W^T, for wide layers); biases and gaps zero. */
static void assert_orthogonal(const float *w, int k, int n, double gain)
{
    const int vectors = k < n ? k : n, length = k < n ? n : k;
    const int step_v = k < n ? n : 1, step_i = k < n ? 1 : n;
    for (int a = 0; a < vectors; a++) {
        for (int b = 0; b <= a; b++) {
            double sum = 0.0;
            for (int i = 0; i < length; i++) {
                sum += (double)w[a * step_v + i * step_i] * (double)w[b * step_v + i * step_i];
            }
            assert_true(fabs(sum / (gain * gain) - (a == b)) < 1e-6);
        }
    }
}

static void test_orthogonal_init(void **state)
{
    struct fixture *s = *state;
    const struct mlp_shape shape = {.n_layers = 3, .sizes = {110, 64, 80, 9}, .act = ACT_TANH};
    const struct mlp mlp = make(&shape, 0);
    const struct rng_key key = rng_key(1, RNG_PARAM_INIT, RNG_TRAIN);
    fill(s->params, mlp.n_params, 3); /* must be overwritten, gaps too */
    assert_int_equal(mlp_init_params(&mlp, s->params, sqrt(2.0), 0.01, key, 0, &s->arena), ERR_OK);
    for (int l = 0; l < 3; l++) {
        const int k = shape.sizes[l], n = shape.sizes[l + 1];
        const size_t end = l < 2 ? mlp.w[l + 1] : mlp.n_params;
        assert_orthogonal(s->params + mlp.w[l], k, n, l < 2 ? sqrt(2.0) : 0.01);
        for (size_t i = mlp.w[l] + (size_t)(k * n); i < end; i++) {
            assert_true(s->params[i] == 0.0F);
        }
    }
    assert_int_equal(mlp_init_params(&mlp, s->other, sqrt(2.0), 0.01, key, 0, &s->arena), ERR_OK);
    assert_memory_equal(s->params, s->other, mlp.n_params * sizeof(float));
    assert_int_equal(mlp_init_params(&mlp, s->other, sqrt(2.0), 0.01, key, 1, &s->arena), ERR_OK);
    assert_true(s->params[0] != s->other[0]);
}

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)line;
    *(int *)ctx += level == LOG_ERROR;
}

static void test_bad_shapes(void **state)
{
    (void)state;
    static const struct mlp_shape bad[] = {
        {.n_layers = 0, .sizes = {3}, .act = ACT_TANH},
        {.n_layers = MLP_LAYERS_MAX + 1, .sizes = {1, 1, 1, 1, 1, 1, 1, 1, 1}, .act = ACT_TANH},
        {.n_layers = 2, .sizes = {3, 0, 1}, .act = ACT_TANH},
        {.n_layers = 2, .sizes = {3, 1 << 20, 1}, .act = ACT_TANH},
        {.n_layers = 1, .sizes = {-3, 2}, .act = ACT_TANH},
        {.n_layers = 1, .sizes = {3, 2}, .act = (enum activation)9},
    };
    int n_errors = 0;
    struct mlp mlp = {.block = 77};
    log_set_sink(swallow, &n_errors);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(mlp_init(&mlp, &bad[i], GEMM_FIXED, 0), ERR_CONFIG);
        assert_int_equal(mlp_param_count(&bad[i]), 0);
    }
    log_set_sink(NULL, NULL);
    assert_int_equal(n_errors, sizeof(bad) / sizeof(bad[0]));
    assert_int_equal(mlp.block, 77); /* outputs only on success */
}

static void test_no_memory(void **state)
{
    struct fixture *s = *state;
    const struct mlp mlp = make(&small_shapes[0], 0);
    struct arena scratch;
    int n_errors = 0;
    arena_init(&scratch);
    fill(s->params, mlp.n_params, 3);
    memcpy(s->other, s->params, mlp.n_params * sizeof(float));
    log_set_sink(swallow, &n_errors);
    mem_fail_after(1);
    assert_int_equal(mlp_init_params(&mlp, s->params, 1.0, 1.0,
                                     rng_key(1, RNG_PARAM_INIT, RNG_TRAIN), 0, &scratch),
                     ERR_MEMORY);
    mem_fail_after(0);
    log_set_sink(NULL, NULL);
    assert_int_equal(n_errors, 1);
    assert_memory_equal(s->params, s->other, mlp.n_params * sizeof(float));
    arena_release(&scratch);
}

/* Hot functions allocate nothing. */
static void test_no_allocation(void **state)
{
    struct fixture *s = *state;
    const struct mlp mlp = make(&small_shapes[0], 4);
    const uint64_t before = mem_calls();
    mlp_forward(&mlp, s->y, 3, s->acts, s->params, s->x, 5, 20);
    mlp_backward(&mlp, s->grads, s->dx, 5, s->params, s->x, 5, s->acts, s->dy, 3, 20, s->work);
    mlp_infer(&mlp, s->y, 3, s->params, s->x, 5, 20, s->work);
    assert_true(mem_calls() == before);
}

static void test_activations(void **state)
{
    (void)state;
    const float x[5] = {-2.0F, -0.0F, 0.0F, 0.5F, 30.0F};
    const float relu[5] = {0.0F, 0.0F, 0.0F, 0.5F, 30.0F}, ones[5] = {1, 1, 1, 1, 1};
    float y[5], dx[5], nan = NAN;
    act_forward(ACT_RELU, y, x, 5);
    act_backward(ACT_RELU, dx, ones, y, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(y[i] == relu[i] && dx[i] == (float)(x[i] > 0.0F));
    }
    act_forward(ACT_TANH, y, x, 5);
    act_backward(ACT_TANH, dx, ones, y, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(fabs((double)y[i] - tanh((double)x[i])) < 2e-7);
        assert_true(fabs((double)dx[i] - (1.0 - pow(tanh((double)x[i]), 2.0))) < 4e-7);
    }
    act_forward(ACT_IDENTITY, y, x, 5);
    assert_memory_equal(x, y, sizeof(x));
    act_backward(ACT_IDENTITY, y, y, x, 5);
    assert_memory_equal(x, y, sizeof(x));
    act_forward(ACT_RELU, &nan, &nan, 1);
    assert_true(isnan(nan)); /* trouble is not hidden */
    assert_string_equal(act_name(ACT_TANH), "tanh");
    assert_string_equal(act_name(ACT_RELU), "relu");
    assert_string_equal(act_name(ACT_IDENTITY), "identity");
}

/* With BLAS the numbers agree to rounding. */
static void test_blas_network(void **state)
{
    struct fixture *s = *state;
    struct mlp mlp = make(&small_shapes[0], 8), blas;
    assert_int_equal(mlp_init(&blas, &small_shapes[0], GEMM_BLAS, 8), ERR_OK);
    gemm_init(GEMM_BLAS);
    random_params(&mlp, s->params);
    fill(s->x, 20 * 5, 1);
    fill(s->dy, 20 * 3, 2);
    memset(s->grads, 0, mlp.n_params * sizeof(float));
    memset(s->other, 0, mlp.n_params * sizeof(float));
    mlp_forward(&mlp, s->y, 3, s->acts, s->params, s->x, 5, 20);
    mlp_backward(&mlp, s->grads, NULL, 0, s->params, s->x, 5, s->acts, s->dy, 3, 20, s->work);
    mlp_forward(&blas, s->y2, 3, s->acts, s->params, s->x, 5, 20);
    mlp_backward(&blas, s->other, NULL, 0, s->params, s->x, 5, s->acts, s->dy, 3, 20, s->work);
    for (size_t i = 0; i < 60; i++) {
        assert_true(fabsf(s->y[i] - s->y2[i]) < 1e-5F);
    }
    for (size_t i = 0; i < mlp.n_params; i++) {
        assert_true(fabsf(s->grads[i] - s->other[i]) < 1e-4F);
    }
}

/* FNV-1a over initial weights, outputs and gradients: the same in every build. */
static void test_digest(void **state)
{
    struct fixture *s = *state;
    const struct mlp mlp = make(&small_shapes[0], 8);
    uint64_t h = HASH_START;
    assert_int_equal(mlp_init_params(&mlp, s->params, sqrt(2.0), 1.0,
                                     rng_key(1, RNG_PARAM_INIT, RNG_TRAIN), 3, &s->arena),
                     ERR_OK);
    fill(s->x, 20 * 5, 1);
    fill(s->dy, 20 * 3, 2);
    memset(s->grads, 0, mlp.n_params * sizeof(float));
    mlp_forward(&mlp, s->y, 3, s->acts, s->params, s->x, 5, 20);
    mlp_backward(&mlp, s->grads, NULL, 0, s->params, s->x, 5, s->acts, s->dy, 3, 20, s->work);
    const float *const parts[] = {s->params, s->y, s->grads};
    const size_t sizes[] = {mlp.n_params, 60, mlp.n_params};
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < sizes[p]; i++) {
            uint32_t bits;
            memcpy(&bits, &parts[p][i], sizeof(bits));
            h = hash_word(h, bits);
        }
    }
    print_message("digest %016llx\n", (unsigned long long)h);
    assert_true(h == 0xa024228b519aab79U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_forward_agrees_with_double),
        cmocka_unit_test(test_worked_example),
        cmocka_unit_test(test_blocks_and_slices),
        cmocka_unit_test(test_gaps_stay_zero),
        cmocka_unit_test(test_orthogonal_init),
        cmocka_unit_test(test_bad_shapes),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_blas_network),
        cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
