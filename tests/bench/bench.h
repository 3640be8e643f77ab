/* What all benches share: CPU time, medians, the FMA peak, and the layout of the report.
 *
 * One line per number: what, value, unit, how it was taken. Programs on one core are timed by the
 * CPU time of the process, which other programs on the machine disturb least; programs on several
 * ranks by the clock on the wall, because there waiting counts.
 */
#ifndef KARMA_TESTS_BENCH_H
#define KARMA_TESTS_BENCH_H

#include "core/base/order.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#endif

/* -v: every shape and size, not only the summary. -q: check everything, hardly time anything: the
 * numbers are worth nothing, for tests of the bench itself. */
struct bench_options {
    bool all, quick;
};

static inline struct bench_options bench_options(int argc, char **argv)
{
    struct bench_options o = {false, false};
    for (int i = 1; i < argc; i++) {
        o.all = o.all || strcmp(argv[i], "-v") == 0;
        o.quick = o.quick || strcmp(argv[i], "-q") == 0;
    }
    return o;
}

/* ---- time ---- */

/* Seconds this process has computed, all threads. */
static inline double bench_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The upper one of an even number; x is sorted. */
static inline double bench_median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof(double), order_doubles);
    return x[n / 2];
}

/* ---- the peak: independent chains of the widest FMA this build may use, on registers ---- */

#if defined(__AVX512F__)
#define BENCH_VECTOR       __m512
#define BENCH_SPREAD(x)    _mm512_set1_ps(x)
#define BENCH_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define BENCH_FIRST(v)     ((double)(v)[0])
#elif defined(__AVX2__) && defined(__FMA__)
#define BENCH_VECTOR       __m256
#define BENCH_SPREAD(x)    _mm256_set1_ps(x)
#define BENCH_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define BENCH_FIRST(v)     ((double)(v)[0])
#else
#define BENCH_VECTOR       float
#define BENCH_SPREAD(x)    (x)
#define BENCH_FMA(a, b, c) fmaf(a, b, c)
#define BENCH_FIRST(v)     ((double)(v))
#endif

enum { BENCH_CHAINS = 12 };

static inline double bench_fma_round(double *sink)
{
    const int n = 200000;
    /* Unknown to the compiler, or it folds chains that never change. */
    const volatile float hidden[2] = {0.999F, 1e-3F};
    const BENCH_VECTOR a = BENCH_SPREAD(hidden[0]), b = BENCH_SPREAD(hidden[1]);
    BENCH_VECTOR acc[BENCH_CHAINS];
    for (int j = 0; j < BENCH_CHAINS; j++) {
        acc[j] = BENCH_SPREAD((float)j);
    }
    const double start = bench_cpu_s();
    for (int i = 0; i < n; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < BENCH_CHAINS; j++) {
            acc[j] = BENCH_FMA(acc[j], a, b);
        }
    }
    const double took_s = bench_cpu_s() - start;
    for (int j = 0; j < BENCH_CHAINS; j++) {
        *sink += BENCH_FIRST(acc[j]);
    }
    return 2.0 * BENCH_CHAINS * (double)(sizeof(BENCH_VECTOR) / sizeof(float)) * n / took_s * 1e-9;
}

/* GF/s of one core, best of 20 rounds of about a millisecond. */
static inline double bench_fma_peak(void)
{
    double best = 0.0, sink = 0.0;
    for (int i = 0; i < 20; i++) {
        best = fmax(best, bench_fma_round(&sink));
    }
    return sink > -1.0 ? best : 0.0; /* the sums are positive: sink only keeps the loop alive */
}

/* ---- the report ---- */

static inline void bench_title(const char *title)
{
    printf("\n%s\n", title);
}

/* Three or four significant digits, thousands apart: 1 329 000 is easier to read than 1.329e+06. */
static inline void bench_number(char out[32], double value)
{
    char digits[32];
    const double size = fabs(value);
    const double unit = size >= 1e4 ? pow(10.0, floor(log10(size)) - 3.0) : 1.0;
    const int decimals = size >= 100 ? 0 : size >= 10 ? 1 : 2;
    const int n = snprintf(digits, sizeof digits, "%.*f", decimals,
                           size >= 1e4 ? unit * round(value / unit) : value);
    int at = 0;
    for (int i = 0; i < n && at < 30; i++) {
        if (decimals == 0 && i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-') {
            out[at++] = ' ';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static inline void bench_row(const char *what, double value, const char *unit, const char *how, ...)
    __attribute__((format(printf, 4, 5)));
static inline void bench_row(const char *what, double value, const char *unit, const char *how, ...)
{
    char number[32], text[160];
    va_list args;
    va_start(args, how);
    vsnprintf(text, sizeof text, how, args);
    va_end(args);
    bench_number(number, value);
    printf("  %-36s %11s %-18s %s\n", what, number, unit, text);
}

/* What was compared before anything was timed. */
static inline void bench_checked(const char *how, ...) __attribute__((format(printf, 1, 2)));
static inline void bench_checked(const char *how, ...)
{
    va_list args;
    va_start(args, how);
    printf("  checked: ");
    vprintf(how, args);
    printf("\n");
    va_end(args);
}

#endif
