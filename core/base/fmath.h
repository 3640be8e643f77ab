/* Elementary functions of our own: the same bits on every x86-64 CPU, compiler and optimisation.
 *
 * libm's exp, log and tanh differ between versions and change with FMA, so nothing that reaches a
 * result may call them. These use + - * / on IEEE numbers in a fixed order and integer operations
 * on their bits; they assume round-to-nearest and -ffp-contract=off, and no fast-math.
 *
 *   function    domain                     largest error found      special values
 *   fm_expf     all                        0.96 ulp  [1]            as libm, denormal results too
 *   fm_logf     all                        0.86 ulp  [1]            log(0) = -inf, log(x < 0) = NaN
 *   fm_tanhf    all                        2.43 ulp  [1]            +-0, denormals, NaN pass
 *   fm_exp      all                        0.75 ulp  [2]            as libm
 *   fm_log      all                        0.52 ulp  [2]            as fm_logf
 *   fm_sin/cos  |x| <= 2^20, NaN beyond    0.78 ulp  [2]
 *   fm_pow      x >= 0, NaN below          2 |y log x| + 1 ulp [2]  x^0 = 1, 0^y = 0 or inf
 *
 *   [1] over all 2^32 arguments; [2] over dense samples; tests/unit/test_fmath.c guards both.
 *
 * The float functions are free of branches so that loops over arrays vectorise; fm_*_f32 are those
 * loops and give the bits of the scalar functions in every lane.
 */
#ifndef KARMA_BASE_FMATH_H
#define KARMA_BASE_FMATH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Before a loop over arrays: out[i] depends on in[i] only, and out may be in. The compiler is told,
 * because the check of clang at run time takes out == in for an overlap and falls back to a scalar
 * loop. */
#if defined(__clang__)
#define FM_EACH_ALONE _Pragma("clang loop vectorize(assume_safety)")
#else
#define FM_EACH_ALONE _Pragma("GCC ivdep")
#endif

/* b < a ? b : a; b > a ? b : a; and a < b as a mask, all ones or zero. Compilers turn conditions
 * into branches now and then. These functions have none: they are for comparisons that are as good
 * as random, where every second branch would be predicted wrongly. */
#if defined(__AVX__)
static inline double fm_min(double a, double b)
{
    double least;
    __asm__("vminsd %2, %1, %0" : "=x"(least) : "x"(b), "xm"(a));
    return least;
}
static inline double fm_max(double a, double b)
{
    double most;
    __asm__("vmaxsd %2, %1, %0" : "=x"(most) : "x"(b), "xm"(a));
    return most;
}
#else
static inline double fm_min(double a, double b)
{
    return b < a ? b : a;
}
static inline double fm_max(double a, double b)
{
    return b > a ? b : a;
}
#endif
static inline int fm_less(double a, double b)
{
    int less = a < b;
    __asm__("" : "+r"(less)); /* the compiler no longer knows that it is a condition */
    return -less;
}

/* out[i] = f(in[i]), i < n; out may be in (no other overlap). */
void fm_exp_f32(float *out, const float *in, size_t n);
void fm_log_f32(float *out, const float *in, size_t n);
void fm_tanh_f32(float *out, const float *in, size_t n);

double fm_exp(double x);
double fm_pow(double x, double y); /* exp(y log x): relative error grows with |y log x| */
double fm_sin(double x);
double fm_cos(double x);
/* cos(2 pi turn / 2^32), 1.8 ulp: the angle arrives as an integer, so its reduction is exact. */
double fm_cos_turn(uint32_t turn);

/* ---- bits ---- */

static inline uint32_t fm_bits_f32_(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof(u));
    return u;
}
static inline float fm_from_bits_f32_(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof(x));
    return x;
}
static inline uint64_t fm_bits_f64_(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof(u));
    return u;
}
static inline double fm_from_bits_f64_(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof(x));
    return x;
}

/* ---- float ---- */

/* `yes` or `no`, by a mask: gcc leaves a choice that hangs on a float comparison, or that lets it
 * skip float arithmetic, as a jump, and then does not vectorise the loop. */
static inline uint32_t fm_pick_(int cond, uint32_t yes, uint32_t no)
{
    uint32_t mask = 0u - (uint32_t)(cond != 0);
    return (yes & mask) | (no & ~mask);
}

/* |x| > limit -> limit with the sign of x; NaN passes. For positive floats the order of the bits is
 * the order of the numbers, and NaN stands above infinity. The addend moves infinity to the largest
 * int32_t, so a NaN wraps around to a negative number, and the smaller of two integers (a single
 * instruction for a whole vector) is the limit for numbers only. */
static inline float fm_clamp_f32_(float x, float limit)
{
    const uint32_t addend = 0x7fffffffu - 0x7f800000u;
    uint32_t u = fm_bits_f32_(x);
    int32_t a = (int32_t)((u & 0x7fffffffu) + addend);
    int32_t top = (int32_t)(fm_bits_f32_(limit) + addend);
    uint32_t clamped = (uint32_t)(a < top ? a : top) - addend;
    return fm_from_bits_f32_(clamped | (u & 0x80000000u));
}

/* The constants of exp, here and in fmath_vec.h. Adding 1.5 * 2^23 leaves the nearest integer in
 * the low bits of the sum. The upper part of log 2 has 16 bits. The coefficients are a Chebyshev
 * fit of (exp(r) - 1 - r) / r^2 for |r| <= 0.347, highest power first. */
#define FM_LOG2_E_     0x1.715476p0f
#define FM_LOG_2_HI_   0x1.62e4p-1f
#define FM_LOG_2_LO_   0x1.7f7d1cp-20f
#define FM_ROUND_      0x1.8p23f
#define FM_ROUND_BITS_ 0x4b400000u
#define FM_EXP_C7_     0x1.a1258cp-13f
#define FM_EXP_C6_     0x1.6d43d2p-10f
#define FM_EXP_C5_     0x1.1110ep-7f
#define FM_EXP_C4_     0x1.5554e8p-5f
#define FM_EXP_C3_     0x1.555556p-3f
#define FM_EXP_C2_     0.5f

/* Argument reduction of exp: x = n log 2 + r, |r| <= 0.347. */
struct fm_split_f32_ {
    uint32_t n; /* two's complement */
    float r;
};

/* Needs |x| <= 104: then n < 2^8, and n times the upper part of log 2 is exact. */
static inline struct fm_split_f32_ fm_split_f32_(float x)
{
    float t = x * FM_LOG2_E_ + FM_ROUND_;
    float n = t - FM_ROUND_;
    float r = (x - n * FM_LOG_2_HI_) - n * FM_LOG_2_LO_;
    return (struct fm_split_f32_){fm_bits_f32_(t) - FM_ROUND_BITS_, r};
}

/* exp(r) - 1 for |r| <= 0.347. */
static inline float fm_expm1_poly_f32_(float r)
{
    float q = FM_EXP_C7_;
    q = q * r + FM_EXP_C6_;
    q = q * r + FM_EXP_C5_;
    q = q * r + FM_EXP_C4_;
    q = q * r + FM_EXP_C3_;
    q = q * r + FM_EXP_C2_;
    return r + (r * r) * q;
}

/* 2^n, -126 <= n <= 127. */
static inline float fm_pow2_f32_(uint32_t n)
{
    return fm_from_bits_f32_((n + 127u) << 23);
}

static inline float fm_expf(float x)
{
    /* exp(-104) is less than half of the least denormal, exp(104) overflows below. */
    struct fm_split_f32_ s = fm_split_f32_(fm_clamp_f32_(x, 104.0f));
    float y = 1.0f + fm_expm1_poly_f32_(s.r);
    /* In two halves, so that only the last product can round (to a denormal) or overflow. */
    uint32_t half = (uint32_t)((int32_t)s.n >> 1);
    return (y * fm_pow2_f32_(half)) * fm_pow2_f32_(s.n - half);
}

/* tanh|x| = t / (t + 2) with t = exp(2|x|) - 1, which keeps its relative precision near 0. */
static inline float fm_tanhf(float x)
{
    uint32_t sign = fm_bits_f32_(x) & 0x80000000u;
    float x_abs = fm_from_bits_f32_(fm_bits_f32_(x) & 0x7fffffffu);
    struct fm_split_f32_ s = fm_split_f32_(2.0f * fm_clamp_f32_(x_abs, 10.0f)); /* tanh(10) is 1 */
    float two_n = fm_pow2_f32_(s.n);
    float t = fm_expm1_poly_f32_(s.r) * two_n + (two_n - 1.0f);
    float tanh_abs = t / (t + 2.0f);
    return fm_from_bits_f32_(fm_bits_f32_(tanh_abs) | sign);
}

/* log x = k log 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt 2), and with s = f / (2 + f)
 * log(1 + f) = f - f^2/2 + s (f^2/2 + R), R = 2 s^2/3 + 2 s^4/5 + ...: the series of atanh. */
static inline float fm_logf(float x)
{
    const uint32_t one = 0x3f800000u, two_25 = 0x4c000000u, inf = 0x7f800000u,
                   sqrt_half = 0x3f3504f3u;
    uint32_t bits = fm_bits_f32_(x);
    uint32_t denormal = 0u - (uint32_t)(bits < 0x00800000u); /* all ones or all zeros */
    float scaled = x * fm_from_bits_f32_(one + (denormal & (two_25 - one)));
    uint32_t u = fm_bits_f32_(scaled) - sqrt_half;
    float k = (float)(((int32_t)u >> 23) - (int32_t)(denormal & 25u));
    float f = fm_from_bits_f32_((u & 0x007fffffu) + sqrt_half) - 1.0f;
    float s = f / (2.0f + f);
    float z = s * s;
    float r =
        z * (0x1.555556p-1f + z * (0x1.99999ap-2f + z * (0x1.24924ap-2f + z * 0x1.c71c72p-3f)));
    float hfsq = (0.5f * f) * f;
    float lo = s * (hfsq + r) + k * 0x1.7f7d1cp-20f;
    float y = k * 0x1.62e4p-1f - ((hfsq - lo) - f);
    /* Infinity and NaN pass as x; below zero the answer is NaN, at zero -inf. */
    uint32_t special = fm_pick_((bits & 0x7fffffffu) == 0, inf | 0x80000000u, 0x7fc00000u);
    special = fm_pick_((bits & 0x7fffffffu) > inf, bits, fm_pick_(bits == inf, bits, special));
    return fm_from_bits_f32_(fm_pick_(bits - 1u < inf - 1u, fm_bits_f32_(y), special));
}

/* ---- double ---- */

/* One row for each of 128 intervals of [0.6855, 1.371): inv = 12 bits near 1/c, c the middle, and
 * log_hi + log_lo = -log(inv), log_hi a multiple of 2^-42. The interval around 1 has inv = 1. */
struct fm_log_row {
    double inv, log_hi, log_lo;
};
extern const struct fm_log_row fm_log_table[128];

/* x outside the positive normal numbers. */
double fm_log_special_(double x);

/* log x = k log 2 - log(inv) + log(1 + r), r = z inv - 1, |r| < 2^-7.9.
 * Exact: k times the 42 high bits of log 2, its sum with log_hi, and r_hi, because z_hi has 41
 * bits. So one rounding of the sum remains, and what it loses is carried in lo. */
static inline double fm_log_core_(uint64_t u, double k_extra)
{
    uint64_t t = u - 0x3fe5f00000000000u; /* 1 lies in the middle of an interval */
    const struct fm_log_row *row = &fm_log_table[(t >> 45) & 127];
    double k = (double)(int32_t)((int64_t)t >> 52) + k_extra;
    uint64_t z_bits = u - (t & 0xfff0000000000000u);
    double z_hi = fm_from_bits_f64_(z_bits & ~(uint64_t)0xfff);
    double z_lo = fm_from_bits_f64_(z_bits) - z_hi;
    double r_hi = z_hi * row->inv - 1.0;
    double r_lo = z_lo * row->inv;
    double r = r_hi + r_lo;
    double r2 = r * r;
    double w = k * 0x1.62e42fefa38p-1 + row->log_hi;
    double hi = w + r_hi;
    double lo = ((w - hi) + r_hi) + ((k * 0x1.ef35793c7673p-45 + row->log_lo) + r_lo);
    double p = (0x1.5555555555555p-2 - 0.25 * r) +
               r2 * ((0x1.999999999999ap-3 - 0x1.5555555555555p-3 * r) + r2 * 0x1.2492492492492p-3);
    return hi + (lo + r2 * (p * r - 0.5));
}

static inline double fm_log(double x)
{
    uint64_t u = fm_bits_f64_(x);
    if (__builtin_expect(u - 0x0010000000000000u >= 0x7fe0000000000000u, 0)) {
        return fm_log_special_(x);
    }
    return fm_log_core_(u, 0.0);
}

#endif
