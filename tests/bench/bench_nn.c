/* Speed of the matrix products: fixed-order kernel against OpenBLAS against the FMA peak.
 *
 * Each shape is first compared with gemm_ref.c (fixed: bit by bit; blas: within rounding); a kernel
 * that is wrong gets no number. Then the contestants are timed in turns, and the median is printed,
 * so a disturbance hits all of them. The peak is a loop of FMAs on registers in the same run with
 * the same instruction set: compare ratios within one run, not GF/s between machines.
 *
 * Usage: bench_nn [filter], where filter is nn, tn, nt or net (whole networks).
 */
#include "core/nn/gemm.h"
#include "core/nn/mlp.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

enum { SIZE_MAX_M = 256, SIZE_MAX_KN = 160, ROUNDS = 7 };
static const double SECONDS_PER_ROUND = 1e-3;

enum form { FORM_NN, FORM_TN, FORM_NT, FORM_COUNT };
static const char *const form_name[FORM_COUNT] = {"nn", "tn", "nt"};

enum contestant { FIXED, BLAS, REF };

struct matrices {
    _Alignas(64) float x[SIZE_MAX_M * SIZE_MAX_KN], y[SIZE_MAX_M * SIZE_MAX_KN];
    _Alignas(64) float w[SIZE_MAX_KN * SIZE_MAX_KN], b[SIZE_MAX_KN];
    _Alignas(64) float out[3][SIZE_MAX_M * SIZE_MAX_KN];
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve independent chains of the widest FMA this build may use; GF/s. */
static double fma_round(double *sink)
{
    const long n = 200000;
    /* Unknown to the compiler, or it folds chains that never change. */
    const volatile float hidden[2] = {0.999F, 1e-3F};
    const float factor = hidden[0], addend = hidden[1];
    const double t0 = now_s();
#if defined(__AVX512F__)
    const double flop = 12.0 * 32.0;
    __m512 acc[12];
    const __m512 a = _mm512_set1_ps(factor), b = _mm512_set1_ps(addend);
    for (int j = 0; j < 12; j++) {
        acc[j] = _mm512_set1_ps((float)j);
    }
    for (long i = 0; i < n; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) {
            acc[j] = _mm512_fmadd_ps(acc[j], a, b);
        }
    }
    for (int j = 0; j < 12; j++) {
        *sink += (double)acc[j][0];
    }
#elif defined(__AVX2__) && defined(__FMA__)
    const double flop = 12.0 * 16.0;
    __m256 acc[12];
    const __m256 a = _mm256_set1_ps(factor), b = _mm256_set1_ps(addend);
    for (int j = 0; j < 12; j++) {
        acc[j] = _mm256_set1_ps((float)j);
    }
    for (long i = 0; i < n; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) {
            acc[j] = _mm256_fmadd_ps(acc[j], a, b);
        }
    }
    for (int j = 0; j < 12; j++) {
        *sink += (double)acc[j][0];
    }
#else
    const double flop = 2.0;
    float acc = 1.0F;
    for (long i = 0; i < n; i++) {
        acc = fmaf(acc, factor, addend);
    }
    *sink += (double)acc;
#endif
    return flop * (double)n / (now_s() - t0) * 1e-9;
}

static double fma_peak(void)
{
    double best = 0.0, sink = 0.0;
    for (int i = 0; i < 20; i++) {
        const double gf = fma_round(&sink);
        best = gf > best ? gf : best;
    }
    return sink > -1.0 ? best : 0.0; /* the sums are positive: sink only keeps the loop alive */
}

static void run(enum contestant who, enum form f, struct matrices *s, int m, int k, int n)
{
    float *out = s->out[who];
    const enum gemm_kind kind = who == FIXED ? GEMM_FIXED : GEMM_BLAS;
    if (f == FORM_NN) {
        if (who == REF) {
            gemm_ref_nn(out, n, s->x, k, s->w, n, s->b, m, k, n);
        } else {
            gemm_nn(kind, out, n, s->x, k, s->w, n, s->b, m, k, n);
        }
    } else if (f == FORM_TN) {
        if (who == REF) {
            gemm_ref_tn(out, n, s->x, k, s->y, n, m, k, n);
        } else {
            gemm_tn(kind, out, n, s->x, k, s->y, n, m, k, n);
        }
    } else {
        if (who == REF) {
            gemm_ref_nt(out, k, s->y, n, s->w, n, false, m, k, n);
        } else {
            gemm_nt(kind, out, k, s->y, n, s->w, n, false, m, k, n);
        }
    }
}

static int valid(enum form f, struct matrices *s, int m, int k, int n)
{
    const size_t count = (size_t)(f == FORM_NN ? m * n : f == FORM_TN ? k * n : m * k);
    memset(s->out, 0, sizeof(s->out));
    for (int who = FIXED; who <= REF; who++) {
        run((enum contestant)who, f, s, m, k, n);
    }
    if (memcmp(s->out[FIXED], s->out[REF], count * sizeof(float)) != 0) {
        fprintf(stderr, "%s %dx%dx%d: the fixed kernel differs from gemm_ref\n", form_name[f], m, k,
                n);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(s->out[BLAS][i] - s->out[REF][i]) <= 1e-3F)) {
            fprintf(stderr, "%s %dx%dx%d: blas is wrong at %zu\n", form_name[f], m, k, n, i);
            return 0;
        }
    }
    return 1;
}

/* ---- a whole network: forward, then backward without dx ---- */

enum { NET_ROWS = 512, NET_FLOATS = 1 << 17 };

struct net {
    struct mlp mlp;
    _Alignas(64) float params[NET_FLOATS], grads[2][NET_FLOATS];
    _Alignas(64) float x[NET_ROWS * SIZE_MAX_KN], y[NET_ROWS * SIZE_MAX_KN];
    _Alignas(64) float dy[NET_ROWS * SIZE_MAX_KN];
    _Alignas(64) float acts[NET_ROWS * 2 * SIZE_MAX_KN], work[NET_ROWS * 2 * SIZE_MAX_KN];
};

static void net_pass(struct net *s, enum contestant who)
{
    const int d = s->mlp.shape.sizes[0], n = s->mlp.shape.sizes[s->mlp.shape.n_layers];
    s->mlp.gemm = who == FIXED ? GEMM_FIXED : GEMM_BLAS;
    mlp_forward(&s->mlp, s->y, n, s->acts, s->params, s->x, d, NET_ROWS);
    mlp_backward(&s->mlp, s->grads[who], NULL, 0, s->params, s->x, d, s->acts, s->dy, n, NET_ROWS,
                 s->work);
}

/* Both kinds must find the same gradients, to rounding. */
static int net_valid(struct net *s)
{
    memset(s->grads, 0, sizeof(s->grads));
    net_pass(s, FIXED);
    net_pass(s, BLAS);
    for (size_t i = 0; i < s->mlp.n_params; i++) {
        if (!(fabsf(s->grads[FIXED][i] - s->grads[BLAS][i]) <= 1e-2F)) {
            fprintf(stderr, "network: gradient %zu is %g or %g\n", i, (double)s->grads[FIXED][i],
                    (double)s->grads[BLAS][i]);
            return 0;
        }
    }
    return 1;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* GF/s of both, each the median of ROUNDS rounds in turns. */
static void measure(double gf[2], enum form f, struct matrices *s, int m, int k, int n)
{
    const double flop = 2.0 * m * k * n;
    const int reps = (int)fmax(1.0, SECONDS_PER_ROUND * 80e9 / flop);
    double t[2][ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        for (int who = FIXED; who <= BLAS; who++) {
            memset(s->out[who], 0, sizeof(s->out[who]));
            const double t0 = now_s();
            for (int i = 0; i < reps; i++) {
                run((enum contestant)who, f, s, m, k, n);
            }
            t[who][r] = now_s() - t0;
        }
    }
    for (int who = FIXED; who <= BLAS; who++) {
        qsort(t[who], ROUNDS, sizeof(double), by_value);
        gf[who] = flop * reps / t[who][ROUNDS / 2] * 1e-9;
    }
}

/* Rows per second of both, each the median of ROUNDS rounds in turns. */
static void net_measure(double rows_per_s[2], struct net *s)
{
    double t[2][ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        for (int who = FIXED; who <= BLAS; who++) {
            memset(s->grads, 0, sizeof(s->grads));
            const double t0 = now_s();
            net_pass(s, (enum contestant)who);
            net_pass(s, (enum contestant)who);
            t[who][r] = now_s() - t0;
        }
    }
    for (int who = FIXED; who <= BLAS; who++) {
        qsort(t[who], ROUNDS, sizeof(double), by_value);
        rows_per_s[who] = 2.0 * NET_ROWS / t[who][ROUNDS / 2];
    }
}

static void fill(float *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525U + 1013904223U;
        p[i] = (float)(int32_t)seed * 0x1p-31F;
    }
}

static int bench_form(enum form f, struct matrices *s, double peak, double *log_sum, int *count)
{
    static const int ms[] = {8, 16, 32, 64, 256};
    static const int kn[][2] = {{110, 64}, {150, 64}, {64, 64},   {64, 40},
                                {64, 4},   {80, 128}, {128, 128}, {64, 9}};
    for (size_t j = 0; j < sizeof(kn) / sizeof(kn[0]); j++) {
        for (size_t i = 0; i < sizeof(ms) / sizeof(ms[0]); i++) {
            const int m = ms[i], k = kn[j][0], n = kn[j][1];
            double gf[2];
            if (!valid(f, s, m, k, n)) {
                return 1;
            }
            measure(gf, f, s, m, k, n);
            printf("%-4s %5d %5d %5d %9.1f %9.1f %8.2f %8.0f\n", form_name[f], m, k, n, gf[FIXED],
                   gf[BLAS], gf[FIXED] / gf[BLAS], 100.0 * gf[FIXED] / peak);
            *log_sum += log(gf[FIXED] / gf[BLAS]);
            *count += 1;
        }
    }
    return 0;
}

static int bench_nets(double peak)
{
    static const struct mlp_shape shapes[] = {
        {.n_layers = 3, .sizes = {110, 64, 64, 40}, .act = ACT_TANH},
        {.n_layers = 3, .sizes = {150, 64, 64, 4}, .act = ACT_TANH},
        {.n_layers = 4, .sizes = {80, 128, 128, 128, 80}, .act = ACT_RELU},
    };
    static const char *const names[] = {"actor 110-64-64-40", "critic 150-64-64-4",
                                        "twin 80-128-128-128-80"};
    static const int blocks[] = {8, 32, 64, 128, 256};
    static struct net s;
    fill(s.x, NET_ROWS * SIZE_MAX_KN, 1);
    fill(s.dy, NET_ROWS * SIZE_MAX_KN, 2);
    printf("%-24s %5s %12s %12s %8s %8s\n", "forward + backward", "block", "fixed", "blas rows/s",
           "ratio", "% peak");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        double flop = 0.0;
        for (int l = 0; l < shapes[i].n_layers; l++) {
            flop += (l == 0 ? 4.0 : 6.0) * shapes[i].sizes[l] * shapes[i].sizes[l + 1];
        }
        for (size_t b = 0; b < sizeof(blocks) / sizeof(blocks[0]); b++) {
            double rows_per_s[2];
            if (mlp_init(&s.mlp, &shapes[i], GEMM_FIXED, blocks[b]) != ERR_OK) {
                return 1;
            }
            fill(s.params, s.mlp.n_params, 3);
            for (size_t p = 0; p < s.mlp.n_params; p++) {
                s.params[p] *= 0.1F;
            }
            if (!net_valid(&s)) {
                return 1;
            }
            net_measure(rows_per_s, &s);
            printf("%-24s %5d %12.0f %12.0f %8.2f %8.0f\n", names[i], blocks[b], rows_per_s[FIXED],
                   rows_per_s[BLAS], rows_per_s[FIXED] / rows_per_s[BLAS],
                   rows_per_s[FIXED] * flop * 1e-7 / peak);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct matrices s;
    fill(s.x, SIZE_MAX_M * SIZE_MAX_KN, 1);
    fill(s.y, SIZE_MAX_M * SIZE_MAX_KN, 2);
    fill(s.w, SIZE_MAX_KN * SIZE_MAX_KN, 3);
    fill(s.b, SIZE_MAX_KN, 4);
    gemm_init(GEMM_BLAS);
    const double peak = fma_peak();
    printf("fixed: %s   blas: %s   FMA peak of this build: %.1f GF/s\n",
           gemm_kernel_name(GEMM_FIXED), gemm_kernel_name(GEMM_BLAS), peak);
    printf("%-4s %5s %5s %5s %9s %9s %8s %8s\n", "form", "M", "K", "N", "fixed", "blas", "ratio",
           "% peak");
    for (int f = 0; f < FORM_COUNT; f++) {
        double log_sum = 0.0;
        int count = 0;
        if (argc > 1 && strcmp(argv[1], form_name[f]) != 0) {
            continue;
        }
        if (bench_form((enum form)f, &s, peak, &log_sum, &count)) {
            return 1;
        }
        printf("%s: geometric mean of fixed / blas = %.2f\n", form_name[f], exp(log_sum / count));
    }
    if (argc == 1 || strcmp(argv[1], "net") == 0) {
        return bench_nets(peak);
    }
    return 0;
}
