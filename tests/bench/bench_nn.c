/* Speed of the matrix products: fixed-order kernel against OpenBLAS against the FMA peak.
 *
 * Each shape is first compared with gemm_ref.c (fixed: bit by bit; blas: within rounding); a kernel
 * that is wrong gets no number. Then the contestants are timed in turns, and the median is taken,
 * so a disturbance hits all of them. The peak is a loop of FMAs on registers in the same run with
 * the same instruction set: compare ratios within one run, not GF/s between machines.
 *
 * The summary has geometric means over 40 shapes for each form and over all of them (the price of
 * equal bits, a speed relative to OpenBLAS); -v prints every shape and block.
 */
#include "core/nn/gemm.h"
#include "core/nn/mlp.h"
#include "tests/bench/bench.h"

#include <stdint.h>
#include <unistd.h>

enum { SIZE_MAX_M = 256, SIZE_MAX_KN = 160, ROUNDS = 7 };

enum form { FORM_NN, FORM_TN, FORM_NT, FORM_COUNT };
static const char *const form_name[FORM_COUNT] = {"nn", "tn", "nt"};

enum contestant { FIXED, BLAS, REF };

struct matrices {
    _Alignas(64) float x[SIZE_MAX_M * SIZE_MAX_KN], y[SIZE_MAX_M * SIZE_MAX_KN];
    _Alignas(64) float w[SIZE_MAX_KN * SIZE_MAX_KN], b[SIZE_MAX_KN];
    _Alignas(64) float out[3][SIZE_MAX_M * SIZE_MAX_KN];
};

/* How long to look, and against what. */
struct effort {
    struct bench_options options;
    int rounds;
    double seconds_per_round, peak;
};

/* The price of equal bits: logarithms of the speed relative to OpenBLAS, summed over n shapes; one
 * sum for each round. */
struct price {
    double log_ratio[ROUNDS];
    int n;
};

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

/* GF/s of both, each the median of the rounds, in turns. */
static void measure(double gf[2], struct price *price, const struct effort *effort, enum form f,
                    struct matrices *s, int m, int k, int n)
{
    const double flop = 2.0 * m * k * n;
    const int reps = (int)fmax(1.0, effort->seconds_per_round * 80e9 / flop);
    double t[2][ROUNDS];
    for (int r = 0; r < effort->rounds; r++) {
        for (int who = FIXED; who <= BLAS; who++) {
            memset(s->out[who], 0, sizeof(s->out[who]));
            const double start = bench_cpu_s();
            for (int i = 0; i < reps; i++) {
                run((enum contestant)who, f, s, m, k, n);
            }
            t[who][r] = bench_cpu_s() - start;
        }
        price->log_ratio[r] += log(t[BLAS][r] / t[FIXED][r]);
    }
    price->n++;
    for (int who = FIXED; who <= BLAS; who++) {
        gf[who] = flop * reps / bench_median(t[who], effort->rounds) * 1e-9;
    }
}

/* Rows per second of both, each the median of the rounds, in turns. */
static void net_measure(double rows_per_s[2], const struct effort *effort, struct net *s)
{
    double t[2][ROUNDS];
    for (int r = 0; r < effort->rounds; r++) {
        for (int who = FIXED; who <= BLAS; who++) {
            memset(s->grads, 0, sizeof(s->grads));
            const double start = bench_cpu_s();
            net_pass(s, (enum contestant)who);
            net_pass(s, (enum contestant)who);
            t[who][r] = bench_cpu_s() - start;
        }
    }
    for (int who = FIXED; who <= BLAS; who++) {
        rows_per_s[who] = 2.0 * NET_ROWS / bench_median(t[who], effort->rounds);
    }
}

static void fill(float *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525U + 1013904223U;
        p[i] = (float)(int32_t)seed * 0x1p-31F;
    }
}

/* ---- the forms ---- */

static const int row_counts[] = {8, 16, 32, 64, 256};
static const int layers[][2] = {{110, 64}, {150, 64}, {64, 64},   {64, 40},
                                {64, 4},   {80, 128}, {128, 128}, {64, 9}};
enum {
    N_ROW_COUNTS = sizeof(row_counts) / sizeof(row_counts[0]),
    N_LAYERS = sizeof(layers) / sizeof(layers[0]),
    N_SHAPES = N_ROW_COUNTS * N_LAYERS
};

static int bench_shape(double log_gf[2], struct price *price, const struct effort *effort,
                       enum form f, struct matrices *s, int m, int k, int n)
{
    double gf[2];
    if (!valid(f, s, m, k, n)) {
        return 1;
    }
    measure(gf, price, effort, f, s, m, k, n);
    log_gf[FIXED] += log(gf[FIXED]);
    log_gf[BLAS] += log(gf[BLAS]);
    if (effort->options.all) {
        printf("  %-4s %5d %5d %5d %9.1f %9.1f %8.2f %8.0f\n", form_name[f], m, k, n, gf[FIXED],
               gf[BLAS], gf[FIXED] / gf[BLAS], 100.0 * gf[FIXED] / effort->peak);
    }
    return 0;
}

/* Outputs that fill half a vector or less. */
static int is_narrow(int layer)
{
    return layers[layer][1] < 16;
}

static void form_row(const struct effort *effort, const char *name, const double log_gf[2], int n,
                     const char *what)
{
    const double fixed = exp(log_gf[FIXED] / n), blas = exp(log_gf[BLAS] / n);
    bench_row(name, fixed, "GF/s", "%.0f %% of peak, %.2f x OpenBLAS; geometric mean, %d shapes%s",
              100.0 * fixed / effort->peak, fixed / blas, n, what);
}

static int bench_form(struct price *price, const struct effort *effort, enum form f,
                      struct matrices *s)
{
    static const char *const names[FORM_COUNT] = {"forward (nn), fixed order",
                                                  "weight gradient (tn), fixed order",
                                                  "input gradient (nt), fixed order"};
    double wide[2] = {0, 0}, all[2] = {0, 0};
    int n_wide = 0;
    if (effort->options.all) {
        printf("  %-4s %5s %5s %5s %9s %9s %8s %8s\n", "form", "M", "K", "N", "fixed", "blas",
               "ratio", "% peak");
    }
    for (int j = 0; j < N_LAYERS; j++) {
        double log_gf[2] = {0, 0};
        for (int i = 0; i < N_ROW_COUNTS; i++) {
            if (bench_shape(log_gf, price, effort, f, s, row_counts[i], layers[j][0],
                            layers[j][1])) {
                return 1;
            }
        }
        n_wide += is_narrow(j) ? 0 : N_ROW_COUNTS;
        for (int who = FIXED; who <= BLAS; who++) {
            wide[who] += is_narrow(j) ? 0.0 : log_gf[who];
            all[who] += log_gf[who];
        }
    }
    form_row(effort, names[f], all, N_SHAPES, "");
    form_row(effort, "", wide, n_wide, " of 16 outputs or more");
    return 0;
}

static void price_row(const struct effort *effort, const struct price *price)
{
    double ratio[ROUNDS];
    for (int r = 0; r < effort->rounds; r++) {
        ratio[r] = exp(price->log_ratio[r] / price->n);
    }
    const struct bench_range range = bench_range(ratio, effort->rounds);
    bench_row("price of equal bits", range.median, "x OpenBLAS",
              "%.2f to %.2f; geometric mean, %d shapes and forms; OpenBLAS's kernel: %s",
              range.least, range.most, price->n, gemm_kernel_name(GEMM_BLAS));
}

/* ---- whole networks ---- */

struct net_case {
    const char *name;
    struct mlp_shape shape;
};

static int bench_net(const struct effort *effort, const struct net_case *what, struct net *s,
                     int block)
{
    double flop = 0.0, rows_per_s[2];
    for (int l = 0; l < what->shape.n_layers; l++) {
        flop += (l == 0 ? 4.0 : 6.0) * what->shape.sizes[l] * what->shape.sizes[l + 1];
    }
    if (mlp_init(&s->mlp, &what->shape, GEMM_FIXED, block) != ERR_OK) {
        return 1;
    }
    fill(s->params, s->mlp.n_params, 3);
    for (size_t p = 0; p < s->mlp.n_params; p++) {
        s->params[p] *= 0.1F;
    }
    if (!net_valid(s)) {
        return 1;
    }
    net_measure(rows_per_s, effort, s);
    bench_row(what->name, rows_per_s[FIXED], "rows/s",
              "%.0f %% of peak, %.2f x OpenBLAS; both ways, %d rows at a time",
              rows_per_s[FIXED] * flop * 1e-7 / effort->peak, rows_per_s[FIXED] / rows_per_s[BLAS],
              block);
    return 0;
}

static int bench_nets(const struct effort *effort)
{
    static const struct net_case cases[] = {
        {"actor 110-64-64-40", {.n_layers = 3, .sizes = {110, 64, 64, 40}, .act = ACT_TANH}},
        {"critic 150-64-64-4", {.n_layers = 3, .sizes = {150, 64, 64, 4}, .act = ACT_TANH}},
        {"MLP 80-128-128-128-80",
         {.n_layers = 4, .sizes = {80, 128, 128, 128, 80}, .act = ACT_RELU}},
    };
    static const int blocks[] = {8, 32, 64, 128, 256};
    static struct net s;
    fill(s.x, NET_ROWS * SIZE_MAX_KN, 1);
    fill(s.dy, NET_ROWS * SIZE_MAX_KN, 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t b = 0; b < sizeof(blocks) / sizeof(blocks[0]); b++) {
            if (!effort->options.all && blocks[b] != MLP_BLOCK_DEFAULT) {
                continue;
            }
            if (bench_net(effort, &cases[i], &s, blocks[b])) {
                return 1;
            }
        }
    }
    return 0;
}

/* OpenBLAS 0.3.21 takes its Haswell kernels on CPUs it does not know, even where AVX-512 is there.
 * Then the comparison would flatter us: the program starts again and names a kernel for AVX-512. */
static void blas_at_its_best(char **argv)
{
    const char *name = gemm_kernel_name(GEMM_BLAS);
    int n;
    if (kernel_list(&n)[0] != &kernel_avx512 ||
        strstr("SkylakeX Cooperlake SapphireRapids", name) != NULL ||
        getenv("OPENBLAS_CORETYPE") != NULL) {
        return;
    }
    printf("  OpenBLAS takes '%s' on this CPU, which has AVX-512; compared with SkylakeX instead\n",
           name);
    fflush(stdout);
    setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    static struct matrices s;
    blas_at_its_best(argv);
    struct effort effort = {bench_options(argc, argv), ROUNDS, 1e-3, bench_fma_peak()};
    if (effort.options.quick) {
        effort.rounds = 1;
        effort.seconds_per_round = 1e-6;
    }
    fill(s.x, SIZE_MAX_M * SIZE_MAX_KN, 1);
    fill(s.y, SIZE_MAX_M * SIZE_MAX_KN, 2);
    fill(s.w, SIZE_MAX_KN * SIZE_MAX_KN, 3);
    fill(s.b, SIZE_MAX_KN, 4);
    gemm_init(GEMM_BLAS);
    bench_title("Matrix products and networks, one core");
    bench_row("FMA peak of the kernel", effort.peak, "GF/s", "%s; best of 20 loops on registers",
              kernel_chosen()->name);
    struct price price = {.n = 0};
    for (int f = 0; f < FORM_COUNT; f++) {
        if (bench_form(&price, &effort, (enum form)f, &s)) {
            return 1;
        }
    }
    price_row(&effort, &price);
    if (bench_nets(&effort)) {
        return 1;
    }
    bench_checked("%s = gemm_ref bit by bit; %s within rounding; medians of %d, CPU time",
                  gemm_kernel_name(GEMM_FIXED), gemm_kernel_name(GEMM_BLAS), effort.rounds);
    return 0;
}
