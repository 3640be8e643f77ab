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
#include "core/nn/kernel.h"

#include <stddef.h>
#include <string.h>

/* Registers of a tile: MR x NV accumulators, NV vectors of b, one broadcast. MR_MAX_n is the height
 * of a tile of n vectors; GROUPS_MAX_n is that of a tile of n quads (see there). 0: not used. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define KERNEL_NAME "avx512"
#define FM_LANES    16
enum { MR_MAX_1 = 12, MR_MAX_2 = 12, MR_MAX_3 = 8, MR_MAX_4 = 6, NV_MAX = 4 };
enum { GROUPS_MAX_1 = 8, GROUPS_MAX_2 = 6, GROUPS_MAX_3 = 5, QUADS_MAX = 3 };
typedef __mmask16 mask;
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define KERNEL_NAME "avx2+fma"
#define FM_LANES    8
enum { MR_MAX_1 = 8, MR_MAX_2 = 6, MR_MAX_3 = 4, MR_MAX_4 = 0, NV_MAX = 3 };
enum { GROUPS_MAX_1 = 7, GROUPS_MAX_2 = 0, GROUPS_MAX_3 = 0, QUADS_MAX = 1 };
typedef __m256i mask;
#else
#define KERNEL_NAME "scalar fmaf"
#define FM_LANES    4
enum { MR_MAX_1 = 4, MR_MAX_2 = 4, MR_MAX_3 = 4, MR_MAX_4 = 0, NV_MAX = 3 };
enum { GROUPS_MAX_1 = 0, GROUPS_MAX_2 = 0, GROUPS_MAX_3 = 0, QUADS_MAX = 0 };
typedef int mask;
#endif
#include "core/base/fmath_vec.h"
enum { LANES = FM_LANES };
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef float vec_u __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef float quad __attribute__((vector_size(16)));
typedef float quad_u __attribute__((vector_size(16), aligned(4), may_alias));

/* What is instantiated below; all of the above stay within. */
enum { MR_LIMIT = 12, NV_LIMIT = 4, GROUPS_LIMIT = 8, QUADS_LIMIT = 3 };
static const int mr_max[NV_LIMIT + 1] = {0, MR_MAX_1, MR_MAX_2, MR_MAX_3, MR_MAX_4};
static const int groups_max[QUADS_LIMIT + 1] = {0, GROUPS_MAX_1, GROUPS_MAX_2, GROUPS_MAX_3};

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

/* One tile: mr rows, nv vectors, the last with p->n - (nv-1) LANES live lanes; `whole`: all LANES.
 * mr, nv and `whole` are constants wherever this is inlined. A whole vector needs no mask: the
 * mask would take one of the 16 registers of AVX2, and storing through it is slow on AMD. */
INLINE void tile(const struct product *p, int mr, int nv, int whole)
{
    const mask first = mask_first(whole ? LANES : p->n - (nv - 1) * LANES);
    const int n_whole = whole ? nv : nv - 1;
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
                acc[i][j] = j < n_whole ? vec_load(s) : vec_load_first(s, first);
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
            bv[j] = j < n_whole ? vec_load(b + j * LANES) : vec_load_first(b + j * LANES, first);
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
            if (j < n_whole) {
                vec_store(to, acc[i][j]);
            } else {
                vec_store_first(to, acc[i][j], first);
            }
        }
    }
}

/* Each size twice: with a cut last vector, and with whole vectors. Sizes that this instruction set
 * does not use are empty. */
#define TILE(mr, nv)                                                                               \
    static void tile_##mr##x##nv(const struct product *p)                                          \
    {                                                                                              \
        if (mr <= MR_MAX_##nv) {                                                                   \
            tile(p, mr, nv, 0);                                                                    \
        }                                                                                          \
    }                                                                                              \
    static void whole_##mr##x##nv(const struct product *p)                                         \
    {                                                                                              \
        if (mr <= MR_MAX_##nv) {                                                                   \
            tile(p, mr, nv, 1);                                                                    \
        }                                                                                          \
    }
#define TILES_2(mr) TILE(mr, 1) TILE(mr, 2)
#define TILES_3(mr) TILES_2(mr) TILE(mr, 3)
#define TILES_4(mr) TILES_3(mr) TILE(mr, 4)
// clang-format off
TILES_4(1) TILES_4(2) TILES_4(3) TILES_4(4) TILES_4(5) TILES_4(6)
TILES_3(7) TILES_3(8)
TILES_2(9) TILES_2(10) TILES_2(11) TILES_2(12)

#define PAIR(mr, nv) {tile_##mr##x##nv, whole_##mr##x##nv}
#define ROW_2(mr) {{NULL}, PAIR(mr, 1), PAIR(mr, 2)}
#define ROW_3(mr) {{NULL}, PAIR(mr, 1), PAIR(mr, 2), PAIR(mr, 3)}
#define ROW_4(mr) {{NULL}, PAIR(mr, 1), PAIR(mr, 2), PAIR(mr, 3), PAIR(mr, 4)}
static void (*const tiles[MR_LIMIT + 1][NV_LIMIT + 1][2])(const struct product *) = {
    {{NULL}}, ROW_4(1), ROW_4(2), ROW_4(3), ROW_4(4),  ROW_4(5),  ROW_4(6),
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
    const int whole = panel->n == nv * LANES;
    for (int rows = panel->m; n_tiles > 0; n_tiles--) {
        const int mr = (rows + n_tiles - 1) / n_tiles;
        tiles[mr][nv][whole](&t);
        rows -= mr;
        t.a += mr * t.a_row;
        t.c += mr * t.c_row;
        if (t.start != NULL) {
            t.start += mr * t.start_row;
        }
    }
}

/* ---- a few columns: several rows in one vector ---- */

/* A product of few columns leaves most lanes of a vector empty. Here a vector holds QUAD columns of
 * a group of GROUP rows: a quad for each row. In a step all rows take the same quad of b, and each
 * row its own element of a. Four steps share one load of a, whose element s is then spread over the
 * quad. The chain of an output is that of tile(). */
enum { QUAD = 4, GROUP = LANES / QUAD };

/* The first n floats of p, 1 .. QUAD, the others zero. */
INLINE quad quad_load_first(const float *p, int n)
{
#if defined(__AVX2__) && defined(__FMA__)
    const __m128i lane = _mm_setr_epi32(0, 1, 2, 3);
    return (quad)_mm_maskload_ps(p, _mm_cmpgt_epi32(_mm_set1_epi32(n), lane));
#else
    quad q = {0};
    memcpy(&q, p, (size_t)n * sizeof(float));
    return q;
#endif
}

INLINE quad quad_load(const float *p, int n)
{
    return n == QUAD ? (quad) * (const quad_u *)p : quad_load_first(p, n);
}

/* row (GROUP): a quad for each row. */
INLINE vec vec_of_quads(const quad *row)
{
#if defined(__AVX512F__)
    const __m512 first = _mm512_castps128_ps512((__m128)row[0]);
    const __m512 half = _mm512_insertf32x4(first, (__m128)row[1], 1);
    return (vec)_mm512_insertf32x4(_mm512_insertf32x4(half, (__m128)row[2], 2), (__m128)row[3], 3);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_insertf128_ps(_mm256_castps128_ps256((__m128)row[0]), (__m128)row[1], 1);
#else
    return (vec)row[0];
#endif
}

/* The same quad for every row. */
INLINE vec vec_of_quad(quad q)
{
#if defined(__AVX512F__)
    return (vec)_mm512_broadcast_f32x4((__m128)q);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_broadcast_ps((const __m128 *)&q);
#else
    return (vec)q;
#endif
}

/* Element s of every quad in all lanes of the quad. */
INLINE vec quads_spread(vec v, int s)
{
#if defined(__AVX512F__)
#define SPREAD(s)                                                                                  \
    __builtin_shufflevector(v, v, s, s, s, s, 4 + s, 4 + s, 4 + s, 4 + s, 8 + s, 8 + s, 8 + s,     \
                            8 + s, 12 + s, 12 + s, 12 + s, 12 + s)
#elif defined(__AVX2__) && defined(__FMA__)
#define SPREAD(s) __builtin_shufflevector(v, v, s, s, s, s, 4 + s, 4 + s, 4 + s, 4 + s)
#else
#define SPREAD(s) __builtin_shufflevector(v, v, s, s, s, s)
#endif
    return s == 0 ? SPREAD(0) : s == 1 ? SPREAD(1) : s == 2 ? SPREAD(2) : SPREAD(3);
#undef SPREAD
}

/* A tile of quads: groups x n_quads vectors. Rows of the last group that p does not have are copies
 * of its last row: they are computed and not stored. */
struct quads {
    const struct product *p;
    int groups, n_quads, n_last; /* n_last: live columns of the last quad, 1 .. QUAD */
};

INLINE int quads_columns(const struct quads *t, int q)
{
    return q < t->n_quads - 1 ? QUAD : t->n_last;
}

INLINE ptrdiff_t quads_row(const struct quads *t, int row)
{
    return row < t->p->m ? row : t->p->m - 1;
}

INLINE void quads_start(vec acc[GROUPS_LIMIT][QUADS_LIMIT], const struct quads *t)
{
    const struct product *p = t->p;
    UNROLL
    for (int g = 0; g < t->groups; g++) {
        UNROLL
        for (int q = 0; q < t->n_quads; q++) {
            acc[g][q] = vec_set(0.0F);
            if (p->start != NULL) {
                quad row[GROUP];
                UNROLL
                for (int r = 0; r < GROUP; r++) {
                    const ptrdiff_t at = quads_row(t, g * GROUP + r) * p->start_row + q * QUAD;
                    row[r] = quad_load(p->start + at, quads_columns(t, q));
                }
                acc[g][q] = vec_of_quads(row);
            }
        }
    }
}

/* The steps k .. k + n_steps - 1, at most QUAD, of all chains. a: the rows. */
INLINE void quads_steps(vec acc[GROUPS_LIMIT][QUADS_LIMIT], const struct quads *t,
                        const float *const *a, int k, int n_steps)
{
    vec av[GROUPS_LIMIT];
    UNROLL
    for (int g = 0; g < t->groups; g++) {
        quad row[GROUP];
        UNROLL
        for (int r = 0; r < GROUP; r++) {
            row[r] = quad_load(a[g * GROUP + r] + k, n_steps);
        }
        av[g] = vec_of_quads(row);
    }
    UNROLL
    for (int s = 0; s < QUAD; s++) {
        if (s == n_steps) {
            break;
        }
        const float *b = t->p->b + (k + s) * t->p->b_step;
        vec bv[QUADS_LIMIT];
        UNROLL
        for (int q = 0; q < t->n_quads; q++) {
            bv[q] = vec_of_quad(quad_load(b + q * QUAD, quads_columns(t, q)));
        }
        UNROLL
        for (int g = 0; g < t->groups; g++) {
            UNROLL
            for (int q = 0; q < t->n_quads; q++) {
                acc[g][q] = vec_fma(quads_spread(av[g], s), bv[q], acc[g][q]);
            }
        }
    }
}

INLINE void quads_store(const struct quads *t, vec acc[GROUPS_LIMIT][QUADS_LIMIT])
{
    const struct product *p = t->p;
    float out[GROUP][QUAD];
    UNROLL
    for (int g = 0; g < t->groups; g++) {
        UNROLL
        for (int q = 0; q < t->n_quads; q++) {
            vec_store(&out[0][0], acc[g][q]);
            for (int r = 0; r < GROUP && g * GROUP + r < p->m; r++) {
                float *to = p->c + (g * GROUP + r) * p->c_row + q * QUAD;
                for (int l = 0; l < quads_columns(t, q); l++) {
                    to[l] = out[r][l];
                }
            }
        }
    }
}

/* p->a_step == 1; (groups - 1) GROUP < p->m <= groups GROUP. groups, n_quads and `whole` (the last
 * quad, too, has QUAD live columns) are constants wherever this is inlined. */
INLINE void quads(const struct product *p, int groups, int n_quads, int whole)
{
    const int n_last = whole ? QUAD : p->n - (n_quads - 1) * QUAD;
    const struct quads t = {.p = p, .groups = groups, .n_quads = n_quads, .n_last = n_last};
    const float *a[GROUPS_LIMIT * GROUP];
    vec acc[GROUPS_LIMIT][QUADS_LIMIT];
    for (int i = 0; i < groups * GROUP; i++) {
        a[i] = p->a + quads_row(&t, i) * p->a_row;
    }
    quads_start(acc, &t);
    int k = 0;
    for (; k + QUAD <= p->depth; k += QUAD) {
        quads_steps(acc, &t, a, k, QUAD);
    }
    if (k < p->depth) {
        quads_steps(acc, &t, a, k, p->depth - k);
    }
    quads_store(&t, acc);
}

#define QUADS(groups, few)                                                                         \
    static void quads_##groups##x##few(const struct product *p)                                    \
    {                                                                                              \
        if (groups <= GROUPS_MAX_##few && p->n == few * QUAD) {                                    \
            quads(p, groups, few, 1);                                                              \
        } else if (groups <= GROUPS_MAX_##few) {                                                   \
            quads(p, groups, few, 0);                                                              \
        }                                                                                          \
    }
// clang-format off
QUADS(1, 1) QUADS(2, 1) QUADS(3, 1) QUADS(4, 1) QUADS(5, 1) QUADS(6, 1) QUADS(7, 1) QUADS(8, 1)
QUADS(1, 2) QUADS(2, 2) QUADS(3, 2) QUADS(4, 2) QUADS(5, 2) QUADS(6, 2)
QUADS(1, 3) QUADS(2, 3) QUADS(3, 3) QUADS(4, 3) QUADS(5, 3)

static void (*const quad_tiles[QUADS_LIMIT + 1][GROUPS_LIMIT + 1])(const struct product *) = {
    {NULL},
    {NULL, quads_1x1, quads_2x1, quads_3x1, quads_4x1, quads_5x1, quads_6x1, quads_7x1, quads_8x1},
    {NULL, quads_1x2, quads_2x2, quads_3x2, quads_4x2, quads_5x2, quads_6x2},
    {NULL, quads_1x3, quads_2x3, quads_3x3, quads_4x3, quads_5x3},
};
// clang-format on

/* Columns at the right end of c that are computed as quads, since they fill a vector badly. With
 * few rows there are too few quads to fill the FMA pipeline. */
static int quad_columns(const struct product *p)
{
    const int cut = p->n % LANES;
    const int enough = p->m >= 2 * GROUP || p->n < LANES;
    return p->a_step == 1 && enough && cut <= QUADS_MAX * QUAD ? cut : 0;
}

/* All rows of a panel of at most QUADS_MAX quads; groups of rows are dealt evenly as in
 * panel_rows(). */
static void panel_quads(const struct product *panel)
{
    struct product t = *panel;
    const int n_quads = (panel->n + QUAD - 1) / QUAD, most = groups_max[n_quads];
    int groups = (panel->m + GROUP - 1) / GROUP;
    int n_tiles = (groups + most - 1) / most;
    for (int rows = panel->m; n_tiles > 0; n_tiles--) {
        const int some = (groups + n_tiles - 1) / n_tiles;
        t.m = rows < some * GROUP ? rows : some * GROUP;
        quad_tiles[n_quads][some](&t);
        groups -= some;
        rows -= t.m;
        t.a += t.m * t.a_row;
        t.c += t.m * t.c_row;
        if (t.start != NULL) {
            t.start += t.m * t.start_row;
        }
    }
}

/* Four rows of w become four columns: out[c][r] = w[r][c]. */
INLINE void transpose_4x4(float *out, ptrdiff_t out_row, const float *w, ptrdiff_t w_row)
{
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

/* A panel of nv vectors; 0: of quads. */
static void panel_in_place(const struct product *panel, int nv)
{
    if (nv > 0) {
        panel_rows(panel, nv);
    } else {
        panel_quads(panel);
    }
}

/* A panel whose b is copied first: it is transposed, or there are enough rows to pay for it. */
static void panel_packed(const struct product *panel, int nv)
{
    _Alignas(64) float packed[PANEL_DEPTH * PANEL_WIDTH];
    const ptrdiff_t width = (nv > 0 ? nv : 1) * LANES;
    struct product part = *panel;
    /* Each pass continues the chains over the next PANEL_DEPTH steps at most. After the first pass
     * the chains continue from c, where the pass has stored them. The second condition makes one
     * pass for depth 0, which copies `start` to c; after it start == c, so the loop ends. */
    for (int left = panel->depth; left > 0 || part.start != part.c; left -= part.depth) {
        part.depth = left < PANEL_DEPTH ? left : PANEL_DEPTH;
        pack(packed, width, &part);
        struct product t = part;
        t.b = packed;
        t.b_step = width;
        panel_in_place(&t, nv);
        part.a += part.depth * part.a_step;
        part.b += part.depth * part.b_step;
        part.start = part.c;
        part.start_row = part.c_row;
    }
}

static void panel_run(const struct product *panel, int nv)
{
    if (panel->b_col != 1 || panel->m >= PACK_MIN_ROWS) {
        panel_packed(panel, nv);
    } else {
        panel_in_place(panel, nv);
    }
}

/* Panels of columns; vectors are dealt evenly as rows are. The last columns may be quads. */
static void product_run(const struct product *p)
{
    struct product panel = *p;
    const int tail = quad_columns(p);
    int left = p->n - tail, vectors = (left + LANES - 1) / LANES;
    /* As in panel_rows(), nv <= NV_MAX in each panel. Only the last vector of all may be partly
     * filled, so every panel has (nv - 1) LANES < panel.n <= nv LANES, which tile() needs for its
     * mask. When no vector is left, the panel of quads remains. */
    int n_panels = (vectors + NV_MAX - 1) / NV_MAX;
    while (left > 0 || (left == 0 && tail > 0)) {
        const int nv = left > 0 ? (vectors + n_panels - 1) / n_panels : 0;
        panel.n = left == 0 ? tail : left < nv * LANES ? left : nv * LANES;
        panel_run(&panel, nv);
        panel.c += panel.n;
        panel.b += panel.n * p->b_col;
        if (panel.start != NULL) {
            panel.start += panel.n;
        }
        vectors -= nv;
        n_panels--;
        left -= panel.n;
    }
}

static void nn(float *y, int ldy, const float *x, int ldx, const float *w, int ldw,
               const float *bias, int m, int k, int n)
{
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
    fm_vec_array(y, x, n, FM_VEC_TANH);
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
