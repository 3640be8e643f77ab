/* The body of a vector kernel: matrix products in a fixed order, bias gradient, tanh.
 *
 * Included by kernel_avx512.c, kernel_avx2.c and kernel_plain.c, each of which is compiled for its
 * own instruction set (see the Makefile) and names its struct in KERNEL.
 *
 * The three forms of gemm.h are one product  c(m,n) = start + sum_k a(:,k) b(k,:)  with different
 * strides. A tile of MR rows x NV vectors of c lives in registers while k runs upwards once; each
 * step loads NV vectors of b and broadcasts MR elements of a. Rows and vectors only decide WHICH
 * outputs are computed together; the chain of an output is the same in every tile, so the bits are
 * those of gemm_ref.c. Where the sum is cut for the cache the chain goes on from the stored c:
 * storing a float is exact.
 *
 * The FMA is an intrinsic, not a contraction of a*b+c: gcc contracts nothing at -O0, and then the
 * bits would depend on the optimisation level. Without hardware FMA the lanes call fmaf: the same
 * bits, some fifty times slower.
 */
#include "core/base/fmath.h"
#include "core/nn/kernel.h"

#include <stddef.h>
#include <string.h>

/* Registers: MR x NV accumulators, NV vectors of b, one broadcast. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define KERNEL_NAME "avx512"
enum { LANES = 16, NV_MAX = 4 };
static const int mr_max[NV_MAX + 1] = {0, 12, 12, 8, 6};
typedef __mmask16 mask;
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define KERNEL_NAME "avx2+fma"
enum { LANES = 8, NV_MAX = 3 };
static const int mr_max[NV_MAX + 1] = {0, 8, 6, 4};
typedef __m256i mask;
#else
#define KERNEL_NAME "scalar fmaf"
enum { LANES = 4, NV_MAX = 3 };
static const int mr_max[NV_MAX + 1] = {0, 4, 4, 4};
typedef int mask;
#endif
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef float vec_u __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* What is instantiated below; every mr_max stays within. */
enum { MR_LIMIT = 12, NV_LIMIT = 4 };

/* Columns and steps of a copied panel of b. */
enum { PANEL_DEPTH = 128, PANEL_WIDTH = NV_MAX * LANES };

/* From this many rows of c on, copying b into a contiguous panel pays for itself. */
enum { PACK_MIN_ROWS = 128 };

/* Weight gradients of so few outputs are computed transposed. */
enum { SWAP_MAX_N = 12, SWAP_STRIP = 192 };

#define INLINE static inline __attribute__((always_inline))

/* Loops over the tile must vanish, or the accumulators live in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* c(m,n) = start(m,n) + a(m,depth) b(depth,n); element (i,k) of a is a[i * a_row + k * a_step],
 * element (k,j) of b is b[k * b_step + j * b_col]. start == NULL: zeros; start may be c. */
struct product {
    float *c;
    ptrdiff_t c_row;
    const float *start;
    ptrdiff_t start_row; /* 0: the same row (a bias) under every row of c */
    const float *a;
    ptrdiff_t a_row, a_step;
    const float *b;
    ptrdiff_t b_step, b_col;
    int m, depth, n;
};

INLINE vec vec_fma(vec a, vec b, vec c)
{
#if defined(__AVX512F__)
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    vec r;
    for (int l = 0; l < LANES; l++) {
        r[l] = __builtin_fmaf(a[l], b[l], c[l]);
    }
    return r;
#endif
}

INLINE vec vec_set(float x)
{
#if defined(__AVX512F__)
    return (vec)_mm512_set1_ps(x);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_set1_ps(x);
#else
    return (vec){x, x, x, x};
#endif
}

INLINE vec vec_load(const float *p)
{
    return (vec) * (const vec_u *)p;
}

INLINE void vec_store(float *p, vec v)
{
    *(vec_u *)p = (vec_u)v;
}

/* The first `lanes` lanes, 1 .. LANES. Memory behind them is neither read nor written. */
INLINE mask mask_first(int lanes)
{
#if defined(__AVX512F__)
    return (mask)(0xffffU >> (LANES - lanes));
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
#else
    return lanes;
#endif
}

INLINE vec vec_load_first(const float *p, mask first)
{
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps(first, p);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_maskload_ps(p, first);
#else
    vec v = {0};
    memcpy(&v, p, (size_t)first * sizeof(float));
    return v;
#endif
}

INLINE void vec_store_first(float *p, vec v, mask first)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, first, (__m512)v);
#elif defined(__AVX2__) && defined(__FMA__)
    _mm256_maskstore_ps(p, first, (__m256)v);
#else
    memcpy(p, &v, (size_t)first * sizeof(float));
#endif
}

/* One tile: mr rows, nv vectors, the last with p->n - (nv-1) LANES live lanes. mr and nv are
 * constants wherever this is inlined. */
INLINE void tile(const struct product *p, int mr, int nv)
{
    const mask first = mask_first(p->n - (nv - 1) * LANES);
    const float *const start = p->start;
    float *const c = p->c;
    const ptrdiff_t start_row = p->start_row, c_row = p->c_row;
    /* Lane l of acc[i][j] is the chain of output (i, j LANES + l). It starts from `start` and takes
     * one FMA for each k, in ascending order; no lane is ever added to another. In the last vector
     * the lanes behind p->n are loaded as zeros and are not stored. */
    vec acc[MR_LIMIT][NV_LIMIT];
    UNROLL
    for (int i = 0; i < mr; i++) {
        UNROLL
        for (int j = 0; j < nv; j++) {
            acc[i][j] = vec_set(0.0F);
            if (start != NULL) {
                const float *s = start + i * start_row + j * LANES;
                acc[i][j] = j < nv - 1 ? vec_load(s) : vec_load_first(s, first);
            }
        }
    }
    const float *a = p->a, *b = p->b;
    const ptrdiff_t a_row = p->a_row, a_step = p->a_step, b_step = p->b_step;
    /* Invariant: before the step that `a` and `b` point at, every chain holds start plus the
     * products of all earlier steps. mr and nv do not occur in a chain, therefore they change no
     * bit of it. */
    for (int k = p->depth; k > 0; k--) {
        vec bv[NV_LIMIT];
        UNROLL
        for (int j = 0; j < nv; j++) {
            bv[j] = j < nv - 1 ? vec_load(b + j * LANES) : vec_load_first(b + j * LANES, first);
        }
        UNROLL
        for (int i = 0; i < mr; i++) {
            const vec av = vec_set(a[i * a_row]);
            UNROLL
            for (int j = 0; j < nv; j++) {
                acc[i][j] = vec_fma(av, bv[j], acc[i][j]);
            }
        }
        a += a_step;
        b += b_step;
    }
    UNROLL
    for (int i = 0; i < mr; i++) {
        UNROLL
        for (int j = 0; j < nv; j++) {
            float *to = c + i * c_row + j * LANES;
            if (j < nv - 1) {
                vec_store(to, acc[i][j]);
            } else {
                vec_store_first(to, acc[i][j], first);
            }
        }
    }
}

#define TILE(mr, nv)                                                                               \
    static void tile_##mr##x##nv(const struct product *p)                                          \
    {                                                                                              \
        tile(p, mr, nv);                                                                           \
    }
#define TILES_2(mr) TILE(mr, 1) TILE(mr, 2)
#define TILES_3(mr) TILES_2(mr) TILE(mr, 3)
#define TILES_4(mr) TILES_3(mr) TILE(mr, 4)
// clang-format off
TILES_4(1) TILES_4(2) TILES_4(3) TILES_4(4) TILES_4(5) TILES_4(6)
TILES_3(7) TILES_3(8)
TILES_2(9) TILES_2(10) TILES_2(11) TILES_2(12)

#define ROW_2(mr) {NULL, tile_##mr##x1, tile_##mr##x2, NULL, NULL}
#define ROW_3(mr) {NULL, tile_##mr##x1, tile_##mr##x2, tile_##mr##x3, NULL}
#define ROW_4(mr) {NULL, tile_##mr##x1, tile_##mr##x2, tile_##mr##x3, tile_##mr##x4}
static void (*const tiles[MR_LIMIT + 1][NV_LIMIT + 1])(const struct product *) = {
    {NULL},   ROW_4(1), ROW_4(2), ROW_4(3), ROW_4(4),  ROW_4(5),  ROW_4(6),
    ROW_3(7), ROW_3(8), ROW_2(9), ROW_2(10), ROW_2(11), ROW_2(12),
};
// clang-format on

/* All rows of a panel of at most NV_MAX vectors. The rows are dealt evenly: 8 rows in tiles of at
 * most 6 are 4 + 4, not 6 + 2, since a low tile cannot fill the FMA pipeline. */
static void panel_rows(const struct product *panel, int nv)
{
    struct product t = *panel;
    /* With n tiles to come for `rows` rows, rows <= n mr_max. The next tile takes
     * mr = ceil(rows / n) <= mr_max, and the rest rows - mr <= rows (n - 1) / n <= (n - 1) mr_max,
     * so the bound holds again and the last tile (n = 1) takes what is left. n is the least
     * possible, so mr >= 1. */
    int n_tiles = (panel->m + mr_max[nv] - 1) / mr_max[nv];
    for (int rows = panel->m; n_tiles > 0; n_tiles--) {
        const int mr = (rows + n_tiles - 1) / n_tiles;
        tiles[mr][nv](&t);
        rows -= mr;
        t.a += mr * t.a_row;
        t.c += mr * t.c_row;
        if (t.start != NULL) {
            t.start += mr * t.start_row;
        }
    }
}

/* Four rows of w become four columns: out[c][r] = w[r][c]. */
INLINE void transpose_4x4(float *out, ptrdiff_t out_row, const float *w, ptrdiff_t w_row)
{
    typedef float quad __attribute__((vector_size(16)));
    typedef float quad_u __attribute__((vector_size(16), aligned(4), may_alias));
    const quad r0 = (quad) * (const quad_u *)w;
    const quad r1 = (quad) * (const quad_u *)(w + w_row);
    const quad r2 = (quad) * (const quad_u *)(w + 2 * w_row);
    const quad r3 = (quad) * (const quad_u *)(w + 3 * w_row);
    const quad lo01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
    const quad lo23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
    const quad hi01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    const quad hi23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    *(quad_u *)out = (quad_u)__builtin_shufflevector(lo01, lo23, 0, 1, 4, 5);
    *(quad_u *)(out + out_row) = (quad_u)__builtin_shufflevector(lo01, lo23, 2, 3, 6, 7);
    *(quad_u *)(out + 2 * out_row) = (quad_u)__builtin_shufflevector(hi01, hi23, 0, 1, 4, 5);
    *(quad_u *)(out + 3 * out_row) = (quad_u)__builtin_shufflevector(hi01, hi23, 2, 3, 6, 7);
}

/* out(cols, rows) = w(rows, cols)^T. */
static void transpose(float *restrict out, ptrdiff_t out_row, const float *restrict w,
                      ptrdiff_t w_row, int rows, int cols)
{
    /* The 4 x 4 blocks cover rows [0, rows4) x columns [0, cols4). The second loop copies the rest:
     * the columns from cols4 on in the covered rows, and every column in the rows below them. */
    const int rows4 = rows & ~3, cols4 = cols & ~3;
    for (int r = 0; r < rows4; r += 4) {
        for (int c = 0; c < cols4; c += 4) {
            transpose_4x4(out + c * out_row + r, out_row, w + r * w_row + c, w_row);
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int c = r < rows4 ? cols4 : 0; c < cols; c++) {
            out[c * out_row + r] = w[r * w_row + c];
        }
    }
}

/* b(depth, n) into a contiguous panel with rows of `width` floats; the gap to the right of n is
 * never read. */
static void pack(float *restrict panel, ptrdiff_t width, const struct product *p)
{
    /* b_step == 1 says that b is stored column by column (gemm_nt). Copying a float is exact. If
     * both strides are 1, n or depth is 1 and the transposition is the same copy. */
    if (p->b_step == 1) {
        transpose(panel, width, p->b, p->b_col, p->n, p->depth);
        return;
    }
    for (int k = 0; k < p->depth; k++) {
        memcpy(panel + k * width, p->b + k * p->b_step, (size_t)p->n * sizeof(float));
    }
}

/* A panel whose b is copied first: it is transposed, or there are enough rows to pay for it. */
static void panel_packed(const struct product *panel, int nv)
{
    _Alignas(64) float packed[PANEL_DEPTH * PANEL_WIDTH];
    struct product part = *panel;
    /* Each pass continues the chains over the next PANEL_DEPTH steps at most. After the first pass
     * the chains continue from c, where the pass has stored them. The second condition makes one
     * pass for depth 0, which copies `start` to c; after it start == c, so the loop ends. */
    for (int left = panel->depth; left > 0 || part.start != part.c; left -= part.depth) {
        part.depth = left < PANEL_DEPTH ? left : PANEL_DEPTH;
        pack(packed, (ptrdiff_t)nv * LANES, &part);
        struct product t = part;
        t.b = packed;
        t.b_step = (ptrdiff_t)nv * LANES;
        panel_rows(&t, nv);
        part.a += part.depth * part.a_step;
        part.b += part.depth * part.b_step;
        part.start = part.c;
        part.start_row = part.c_row;
    }
}

/* Panels of columns; vectors are dealt evenly as rows are. */
static void product_run(const struct product *p)
{
    struct product panel = *p;
    int vectors = (p->n + LANES - 1) / LANES;
    /* As in panel_rows(), nv <= NV_MAX in each panel. Only the last vector of all may be partly
     * filled, so every panel has (nv - 1) LANES < panel.n <= nv LANES, which tile() needs for its
     * mask. */
    int n_panels = (vectors + NV_MAX - 1) / NV_MAX;
    for (int left = p->n; left > 0; left -= panel.n) {
        const int nv = (vectors + n_panels - 1) / n_panels;
        panel.n = left < nv * LANES ? left : nv * LANES;
        if (p->b_col != 1 || p->m >= PACK_MIN_ROWS) {
            panel_packed(&panel, nv);
        } else {
            panel_rows(&panel, nv);
        }
        panel.c += panel.n;
        panel.b += panel.n * p->b_col;
        if (panel.start != NULL) {
            panel.start += panel.n;
        }
        vectors -= nv;
        n_panels--;
    }
}

static void nn(float *y, int ldy, const float *x, int ldx, const float *w, int ldw,
               const float *bias, int m, int k, int n)
{
#if defined(__AVX512F__)
    /* Half a vector of outputs or less: some CPUs issue twice as many short FMAs. */
    if (n <= LANES / 2) {
        kernel_avx2.nn(y, ldy, x, ldx, w, ldw, bias, m, k, n);
        return;
    }
#endif
    const struct product p = {.c = y,
                              .c_row = ldy,
                              .start = bias,
                              .start_row = 0,
                              .a = x,
                              .a_row = ldx,
                              .a_step = 1,
                              .b = w,
                              .b_step = ldw,
                              .b_col = 1,
                              .m = m,
                              .depth = k,
                              .n = n};
    product_run(&p);
}

static void tn_run(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy, int m,
                   int k, int n)
{
    const struct product p = {.c = dw,
                              .c_row = lddw,
                              .start = dw,
                              .start_row = lddw,
                              .a = x,
                              .a_row = 1,
                              .a_step = ldx,
                              .b = dy,
                              .b_step = lddy,
                              .b_col = 1,
                              .m = k,
                              .depth = m,
                              .n = n};
    product_run(&p);
}

/* Few outputs fill a vector badly, so dw^T += dy^T x is computed instead, in strips of K: the same
 * chains (a product of two floats commutes), with vectors along K. */
static void tn_swapped(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy,
                       int m, int k, int n)
{
    _Alignas(64) float strip[SWAP_MAX_N * SWAP_STRIP];
    for (int l = 0; l < k; l += SWAP_STRIP) {
        const int width = k - l < SWAP_STRIP ? k - l : SWAP_STRIP;
        float *part = dw + (ptrdiff_t)l * lddw;
        /* The strip holds dw^T: it is copied out, the chains continue in it, and it is copied back.
         * Its columns from `width` on are neither written nor read. */
        transpose(strip, SWAP_STRIP, part, lddw, width, n);
        tn_run(strip, SWAP_STRIP, dy, lddy, x + l, ldx, m, n, width);
        transpose(part, lddw, strip, SWAP_STRIP, n, width);
    }
}

static void tn(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy, int m,
               int k, int n)
{
    /* fma(a, b, c) = fma(b, a, c) and both forms add the rows m in ascending order, so the choice
     * is one of speed. */
    if (n <= SWAP_MAX_N && k > n) {
        tn_swapped(dw, lddw, x, ldx, dy, lddy, m, k, n);
    } else {
        tn_run(dw, lddw, x, ldx, dy, lddy, m, k, n);
    }
}

static void nt(float *dx, int lddx, const float *dy, int lddy, const float *w, int ldw, int add,
               int m, int k, int n)
{
    const struct product p = {
        .c = dx,
        .c_row = lddx,
        .start = add ? dx : NULL,
        .start_row = lddx,
        .a = dy,
        .a_row = lddy,
        .a_step = 1,
        .b = w,
        .b_step = 1,
        .b_col = ldw,
        .m = m,
        .depth = n,
        .n = k,
    };
    product_run(&p);
}

/* db(N) += rows of dy, in chains ascending over the rows. The sums of up to four vectors stay in
 * registers while the rows pass: in memory each row would wait for the store of the one before. */
INLINE void bias_columns(float *db, const float *dy, ptrdiff_t lddy, int m, int n, int nv)
{
    const mask first = mask_first(n - (nv - 1) * LANES);
    vec acc[NV_LIMIT];
    UNROLL
    for (int j = 0; j < nv; j++) {
        acc[j] = j < nv - 1 ? vec_load(db + j * LANES) : vec_load_first(db + j * LANES, first);
    }
    for (int i = 0; i < m; i++, dy += lddy) {
        UNROLL
        for (int j = 0; j < nv; j++) {
            acc[j] += j < nv - 1 ? vec_load(dy + j * LANES) : vec_load_first(dy + j * LANES, first);
        }
    }
    UNROLL
    for (int j = 0; j < nv - 1; j++) {
        vec_store(db + j * LANES, acc[j]);
    }
    vec_store_first(db + (nv - 1) * LANES, acc[nv - 1], first);
}

static void bias_grad(float *db, const float *dy, int lddy, int m, int n)
{
    for (; n > 4 * LANES; n -= 4 * LANES, db += 4 * LANES, dy += 4 * LANES) {
        bias_columns(db, dy, lddy, m, 4 * LANES, 4);
    }
    switch ((n + LANES - 1) / LANES) {
    case 4:
        bias_columns(db, dy, lddy, m, n, 4);
        break;
    case 3:
        bias_columns(db, dy, lddy, m, n, 3);
        break;
    case 2:
        bias_columns(db, dy, lddy, m, n, 2);
        break;
    case 1:
        bias_columns(db, dy, lddy, m, n, 1);
        break;
    default: /* no columns */
        break;
    }
}

static void tanh_each(float *y, const float *x, size_t n)
{
    FM_EACH_ALONE
    for (size_t i = 0; i < n; i++) {
        y[i] = fm_tanhf(x[i]);
    }
}

static void tanh_back(float *dx, const float *dy, const float *y, size_t n)
{
    FM_EACH_ALONE
    for (size_t i = 0; i < n; i++) {
        dx[i] = dy[i] * (1.0F - y[i] * y[i]);
    }
}

const struct kernel KERNEL = {
    .name = KERNEL_NAME,
    .nn = nn,
    .tn = tn,
    .nt = nt,
    .bias_grad = bias_grad,
    .tanh = tanh_each,
    .tanh_back = tanh_back,
};
