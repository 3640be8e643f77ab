/* The check at start: a small calculation whose every bit is known to the ranks beforehand. */
#include "mpi/comm/selfcheck.h"

#include "core/base/crc32c.h"
#include "core/base/fmath.h"
#include "core/base/log.h"
#include "core/base/rng.h"

#include <float.h>
#include <string.h>

/* Odd sizes, larger than a register tile in each direction: blocks and edges are both visited. */
enum { M = 13, K = 67, N = 37, N_POINTS = 131 };

struct matrices {
    float x[M * K], w[K * N], bias[N], dy[M * N];
    float y[M * N], dw[K * N], dx[M * K]; /* results */
};

/* OpenBLAS has it, a reference BLAS has not; core/nn/gemm_blas.c is the home of everything else. */
extern int openblas_get_num_threads(void) __attribute__((weak));

/* Full mantissas in (-1.5, 1.5); a function of the place alone. */
static void fill(float *out, int n, uint32_t which)
{
    struct rng_key key = {{0x6b61726d, which}};
    for (int i = 0; i < n; i++) {
        struct rng_block b = rng_philox(key, (uint32_t)i, 0, 0, 0);
        out[i] = (2.0F * rng_f32(b.v[0]) - 1.0F) * (0.5F + rng_f32(b.v[1]));
    }
}

static void fill_all(struct matrices *a)
{
    fill(a->x, M * K, 1);
    fill(a->w, K * N, 2);
    fill(a->bias, N, 3);
    fill(a->dy, M * N, 4);
    fill(a->dw, K * N, 5); /* accumulated into */
}

/* The three products of a layer: forward, gradient of the weights, gradient of the input. */
static void multiply(struct matrices *a, enum gemm_kind kind)
{
    fill_all(a);
    gemm_nn(kind, a->y, N, a->x, K, a->w, N, a->bias, M, K, N);
    gemm_tn(kind, a->dw, N, a->x, K, a->dy, N, M, K, N);
    gemm_nt(kind, a->dx, K, a->dy, N, a->w, N, false, M, K, N);
}

static void multiply_ref(struct matrices *a)
{
    fill_all(a);
    gemm_ref_nn(a->y, N, a->x, K, a->w, N, a->bias, M, K, N);
    gemm_ref_tn(a->dw, N, a->x, K, a->dy, N, M, K, N);
    gemm_ref_nt(a->dx, K, a->dy, N, a->w, N, false, M, K, N);
}

/* Both structs begin with the same inputs. All members are floats, so there is no padding, and
 * bytes are equal exactly if the results have the same bits. */
static bool kernel_is_exact(void)
{
    struct matrices fixed, ref;
    multiply(&fixed, GEMM_FIXED);
    multiply_ref(&ref);
    return memcmp(&fixed, &ref, sizeof(ref)) == 0;
}

/* ---- what a rank sees by itself; volatile, or the compiler would calculate ---- */

/* Let u be the distance of 1 to the next number, 2^-23 in float and 2^-52 in double.
 *
 *   half = u/2,  more = 3u/4
 *
 *   to nearest:   1 + u/2 = 1 (halfway, to even),  1 + 3u/4 = 1 + u,  -1 - 3u/4 = -1 - u
 *   upward:       1 + u/2 = 1 + u
 *   downward, or toward zero:   1 + 3u/4 = 1
 *
 * So each other mode fails one of the conditions. */
static bool rounds_to_nearest(void)
{
    volatile float one = 1.0F, half = 0x1p-24F, more = 0x1.8p-24F;
    volatile double one64 = 1.0, half64 = 0x1p-53, more64 = 0x1.8p-53;
    bool f32 = one + half == 1.0F && one + more > 1.0F && -one - more < -1.0F;
    return f32 && one64 + half64 == 1.0 && one64 + more64 > 1.0 && -one64 - more64 < -1.0;
}

/* Half of the least normal number is denormal; it is 0 where the CPU flushes results to zero. */
static bool makes_denormals(void)
{
    volatile float small = FLT_MIN;
    volatile double small64 = DBL_MIN;
    return small * 0.5F != 0.0F && small64 * 0.5 != 0.0;
}

/* The least denormal (2^-149, double 2^-1074) times 2^40. The product is 0 where the CPU reads
 * denormal arguments as zero. In float the product is normal, so that only the argument is tested;
 * in double the first test has shown that denormal results are made. */
static bool takes_denormals(void)
{
    volatile float tiny = FLT_TRUE_MIN;
    volatile double tiny64 = DBL_TRUE_MIN;
    return tiny * 0x1p40F != 0.0F && tiny64 * 0x1p40 != 0.0;
}

const char *selfcheck_complaint(enum gemm_kind kind)
{
    if (!rounds_to_nearest()) {
        return "the rounding mode is not \"to nearest\": something that was loaded before changed "
               "it";
    }
    if (!makes_denormals() || !takes_denormals()) {
        return "denormal numbers are flushed to zero: a library that was loaded (LD_PRELOAD, a "
               "plugin of MPI or BLAS) was built with -ffast-math; run without it";
    }
    if (!kernel_is_exact()) {
        return "the matrix kernel does not give the bits of its definition: rebuild without "
               "-ffast-math and the like in CFLAGS";
    }
    bool several = openblas_get_num_threads != NULL && openblas_get_num_threads() != 1;
    if (kind == GEMM_BLAS && several) {
        return "OpenBLAS runs several threads and will not be told otherwise; set "
               "OPENBLAS_NUM_THREADS=1, or gemm: fixed";
    }
    return NULL;
}

/* ---- what the ranks compare ---- */

static uint32_t crc_of_products(uint32_t crc, enum gemm_kind kind)
{
    struct matrices a;
    multiply(&a, kind);
    crc = crc32c(crc, a.y, sizeof(a.y));
    crc = crc32c(crc, a.dw, sizeof(a.dw));
    return crc32c(crc, a.dx, sizeof(a.dx));
}

/* Arguments from -100 to 100, so that exp reaches denormals on one side and infinity on the other;
 * logarithms of their squares. The double functions get 7 times the argument, up to 700, which is
 * about as far as exp stays finite. */
static uint32_t crc_of_functions(uint32_t crc)
{
    float x[N_POINTS], square[N_POINTS], y[N_POINTS];
    for (int i = 0; i < N_POINTS; i++) {
        x[i] = ((float)i - 65.0F) * 1.5384F;
        square[i] = x[i] * x[i];
    }
    fm_exp_f32(y, x, N_POINTS);
    crc = crc32c(crc, y, sizeof(y));
    fm_tanh_f32(y, x, N_POINTS);
    crc = crc32c(crc, y, sizeof(y));
    fm_log_f32(y, square, N_POINTS);
    crc = crc32c(crc, y, sizeof(y));
    for (int i = 0; i < N_POINTS; i++) {
        double z[2] = {fm_exp(7.0 * (double)x[i]), fm_log((double)square[i])};
        crc = crc32c(crc, z, sizeof(z));
    }
    return crc;
}

/* The product of about 2^-140 (double: 2^-1060) is denormal and has lost bits, by the rounding of
 * denormals. Raised by 2^60 it is an argument, and the result is a normal number that shows which
 * bits are left. */
static uint32_t crc_of_denormals(uint32_t crc)
{
    volatile float small = 0x1.9p-120F, factor = 0x1.3p-20F, up = 0x1p60F;
    volatile double small64 = 0x1.9p-1000, factor64 = 0x1.3p-60, up64 = 0x1p60;
    volatile float product = small * factor, raised = product * up;
    volatile double product64 = small64 * factor64, raised64 = product64 * up64;
    float f32[] = {product, raised};
    double f64[] = {product64, raised64};
    return crc32c(crc32c(crc, f32, sizeof(f32)), f64, sizeof(f64));
}

/* The fixed kernel is part of every CRC, so ranks with different builds of it are found whatever
 * kernel the run uses. */
uint32_t selfcheck_crc(enum gemm_kind kind)
{
    uint32_t crc = crc_of_products(0, GEMM_FIXED);
    if (kind == GEMM_BLAS) {
        crc = crc_of_products(crc, GEMM_BLAS);
    }
    return crc_of_denormals(crc_of_functions(crc));
}

/* The agreement comes before the comparison: a rank that has complained would give another CRC as
 * well, and its own sentence says more. */
enum err selfcheck(struct comm *c, enum gemm_kind kind)
{
    gemm_init(kind);
    const char *complaint = selfcheck_complaint(kind);
    if (complaint != NULL) {
        log_error("this process cannot give reproducible results: %s", complaint);
    }
    TRY(comm_agree(c, complaint != NULL ? ERR_MISMATCH : ERR_OK));
    const char *what = kind == GEMM_FIXED
                           ? "the CRC of a test calculation (matrix products, exp, "
                             "log, tanh, denormals)"
                           : "the CRC of a test calculation with gemm: blas (CPUs of "
                             "one kind are needed, or gemm: fixed)";
    return comm_same_u64(c, what, selfcheck_crc(kind));
}
