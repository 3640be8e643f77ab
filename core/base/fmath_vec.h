/* fm_expf() and fm_tanhf() (fmath.h) of several vectors side by side, with the same bits.
 *
 * Each function is a chain of some thirty operations that wait for each other. A CPU that gets one
 * vector after the other looks ahead too little to fill the waiting times, so every operation is
 * written for n vectors in turn. n is a constant wherever these functions are inlined.
 *
 * Who includes this file defines FM_LANES before, the floats of a vector: 16 with AVX-512, 8 with
 * AVX, else 4.
 */
#ifndef KARMA_BASE_FMATH_VEC_H
#define KARMA_BASE_FMATH_VEC_H

#include "core/base/fmath.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef float fm_vec __attribute__((vector_size(FM_LANES * sizeof(float))));
typedef uint32_t fm_vec_bits __attribute__((vector_size(FM_LANES * sizeof(uint32_t))));

enum { FM_VECS_MAX = 4 };

#define FM_INLINE_ static inline __attribute__((always_inline))

/* A loop over vectors, for includers, too. It must vanish, or the vectors live in memory. Builds
 * that verify are not timed, and clang needs minutes to instrument the unrolled loops. */
#if defined(__clang__) && defined(KARMA_VERIFY)
#define FM_EACH_VEC(j, n) for (int j = 0; j < (n); j++)
#elif defined(__clang__)
#define FM_EACH_VEC(j, n) _Pragma("clang loop unroll(full)") for (int j = 0; j < (n); j++)
#else
#define FM_EACH_VEC(j, n) _Pragma("GCC unroll 4") for (int j = 0; j < (n); j++)
#endif

/* The smaller one of `limit` and x; a NaN in x passes. */
FM_INLINE_ fm_vec fm_vec_min_(float limit, fm_vec x)
{
#if defined(__AVX512F__) && FM_LANES == 16
    return (fm_vec)_mm512_min_ps(_mm512_set1_ps(limit), (__m512)x);
#elif defined(__AVX__) && FM_LANES == 8
    return (fm_vec)_mm256_min_ps(_mm256_set1_ps(limit), (__m256)x);
#else
    for (int l = 0; l < FM_LANES; l++) {
        x[l] = limit < x[l] ? limit : x[l];
    }
    return x;
#endif
}

/* x becomes r and count becomes n of fm_split_f32_(). */
FM_INLINE_ void fm_vec_split_(fm_vec_bits *count, fm_vec *x, int n)
{
    fm_vec whole[FM_VECS_MAX];
    FM_EACH_VEC(j, n)
    {
        whole[j] = x[j] * FM_LOG2_E_ + FM_ROUND_;
    }
    FM_EACH_VEC(j, n)
    {
        count[j] = (fm_vec_bits)whole[j] - FM_ROUND_BITS_;
        whole[j] = whole[j] - FM_ROUND_;
    }
    FM_EACH_VEC(j, n)
    {
        x[j] = (x[j] - whole[j] * FM_LOG_2_HI_) - whole[j] * FM_LOG_2_LO_;
    }
}

/* One step of Horner's scheme. */
FM_INLINE_ void fm_vec_horner_(fm_vec *q, const fm_vec *r, float coefficient, int n)
{
    FM_EACH_VEC(j, n)
    {
        q[j] = q[j] * r[j] + coefficient;
    }
}

/* r becomes fm_expm1_poly_f32_(r). */
FM_INLINE_ void fm_vec_expm1_poly_(fm_vec *r, int n)
{
    fm_vec q[FM_VECS_MAX];
    FM_EACH_VEC(j, n)
    {
        q[j] = FM_EXP_C7_ * r[j] + FM_EXP_C6_;
    }
    fm_vec_horner_(q, r, FM_EXP_C5_, n);
    fm_vec_horner_(q, r, FM_EXP_C4_, n);
    fm_vec_horner_(q, r, FM_EXP_C3_, n);
    fm_vec_horner_(q, r, FM_EXP_C2_, n);
    FM_EACH_VEC(j, n)
    {
        r[j] = r[j] + (r[j] * r[j]) * q[j];
    }
}

FM_INLINE_ fm_vec fm_vec_pow2_(fm_vec_bits n)
{
    return (fm_vec)((n + 127u) << 23);
}

/* x[j] = exp(x[j]), j < n <= FM_VECS_MAX. */
FM_INLINE_ void fm_vec_exp(fm_vec *x, int n)
{
    typedef int32_t integers __attribute__((vector_size(FM_LANES * sizeof(int32_t))));
    fm_vec_bits count[FM_VECS_MAX];
    FM_EACH_VEC(j, n)
    {
        /* Changing a sign twice is exact: -min(limit, -x) = max(-limit, x). */
        x[j] = -fm_vec_min_(104.0f, -fm_vec_min_(104.0f, x[j]));
    }
    fm_vec_split_(count, x, n);
    fm_vec_expm1_poly_(x, n);
    FM_EACH_VEC(j, n)
    {
        const fm_vec_bits half = (fm_vec_bits)((integers)count[j] >> 1);
        x[j] = ((1.0f + x[j]) * fm_vec_pow2_(half)) * fm_vec_pow2_(count[j] - half);
    }
}

/* x[j] = tanh(x[j]), j < n <= FM_VECS_MAX. */
FM_INLINE_ void fm_vec_tanh(fm_vec *x, int n)
{
    fm_vec_bits sign[FM_VECS_MAX], count[FM_VECS_MAX];
    FM_EACH_VEC(j, n)
    {
        const fm_vec_bits bits = (fm_vec_bits)x[j];
        sign[j] = bits & 0x80000000u;
        x[j] = 2.0f * fm_vec_min_(10.0f, (fm_vec)(bits & 0x7fffffffu));
    }
    fm_vec_split_(count, x, n);
    fm_vec_expm1_poly_(x, n);
    FM_EACH_VEC(j, n)
    {
        const fm_vec two_n = fm_vec_pow2_(count[j]);
        x[j] = x[j] * two_n + (two_n - 1.0f);
    }
    FM_EACH_VEC(j, n)
    {
        x[j] = (fm_vec)((fm_vec_bits)(x[j] / (x[j] + 2.0f)) | sign[j]);
    }
}

/* ---- arrays ---- */

enum fm_vec_function { FM_VEC_EXP, FM_VEC_TANH };

/* out[j LANES ..] = f(in[j LANES ..]), n vectors; n and f are constants where this is inlined. */
FM_INLINE_ void fm_vec_step_(float *out, const float *in, int n, enum fm_vec_function f)
{
    fm_vec x[FM_VECS_MAX];
    FM_EACH_VEC(j, n)
    {
        memcpy(&x[j], in + j * FM_LANES, sizeof(x[j]));
    }
    if (f == FM_VEC_EXP) {
        fm_vec_exp(x, n);
    } else {
        fm_vec_tanh(x, n);
    }
    FM_EACH_VEC(j, n)
    {
        memcpy(out + j * FM_LANES, &x[j], sizeof(x[j]));
    }
}

/* out[i] = f(in[i]), i < n; out may be in (no other overlap). f is a constant. */
FM_INLINE_ void fm_vec_array(float *out, const float *in, size_t n, enum fm_vec_function f)
{
    enum { STEP = FM_VECS_MAX * FM_LANES };
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        fm_vec_step_(out + i, in + i, FM_VECS_MAX, f);
    }
    if (i < n) {
        float rest[STEP] = {0.0f};
        memcpy(rest, in + i, (n - i) * sizeof(float));
        fm_vec_step_(rest, rest, FM_VECS_MAX, f);
        memcpy(out + i, rest, (n - i) * sizeof(float));
    }
}

#endif
