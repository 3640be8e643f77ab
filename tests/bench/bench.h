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
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/nn/kernel.h"

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

/* The median with its spread; x is sorted. */
struct bench_range {
    double least, median, most;
};

static inline struct bench_range bench_range(double *x, int n)
{
    const double median = bench_median(x, n);
    return (struct bench_range){x[0], median, x[n - 1]};
}

/* ---- the peak: independent chains of the kernel's FMA on registers ---- */

enum { BENCH_CHAINS = 12, BENCH_FMA_STEPS = 200000 };

/* One round: `vector` accumulators, `spread` and `fma` of that vector. Unknown to the compiler are
 * the factors, or it would fold chains that never change. */
#define BENCH_PEAK_ROUND(vector, spread, fma)                                                      \
    const volatile float hidden[2] = {0.999F, 1e-3F};                                              \
    const vector a = spread(hidden[0]), b = spread(hidden[1]);                                     \
    vector acc[BENCH_CHAINS];                                                                      \
    for (int j = 0; j < BENCH_CHAINS; j++) {                                                       \
        acc[j] = spread((float)j);                                                                 \
    }                                                                                              \
    const double start = bench_cpu_s();                                                            \
    for (int i = 0; i < BENCH_FMA_STEPS; i++) {                                                    \
        _Pragma("GCC unroll 12") for (int j = 0; j < BENCH_CHAINS; j++)                            \
        {                                                                                          \
            acc[j] = fma(acc[j], a, b);                                                            \
        }                                                                                          \
    }                                                                                              \
    const double took_s = bench_cpu_s() - start;                                                   \
    for (int j = 0; j < BENCH_CHAINS; j++) {                                                       \
        *sink += (double)((const float *)&acc[j])[0];                                              \
    }                                                                                              \
    return 2e-9 * BENCH_CHAINS * (sizeof(vector) / sizeof(float)) * BENCH_FMA_STEPS / took_s

#define BENCH_SAME(x) (x)
static inline double bench_fma_round_1(double *sink)
{
    BENCH_PEAK_ROUND(float, BENCH_SAME, fmaf);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static inline double bench_fma_round_8(double *sink)
{
    BENCH_PEAK_ROUND(__m256, _mm256_set1_ps, _mm256_fmadd_ps);
}

__attribute__((target("avx512f"))) static inline double bench_fma_round_16(double *sink)
{
    BENCH_PEAK_ROUND(__m512, _mm512_set1_ps, _mm512_fmadd_ps);
}
#endif

/* With the vectors of the kernel that kernel_chosen() gives (core/nn/kernel.h). */
static inline double bench_fma_round(double *sink)
{
#if defined(__x86_64__)
    if (kernel_chosen() == &kernel_avx512) {
        return bench_fma_round_16(sink);
    }
    if (kernel_chosen() == &kernel_avx2) {
        return bench_fma_round_8(sink);
    }
#endif
    return bench_fma_round_1(sink);
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

/* For programs: if the environment variable BENCH_ROWS names a file, a line is appended to it for
 * each title (`# ` and the title) and for each row: name, value with all digits, unit, separated by
 * tabs. As in the report, a row without a name has that of the row above. */
static inline FILE *bench_rows(void)
{
    const char *path = getenv("BENCH_ROWS");
    return path != NULL && path[0] != '\0' ? fopen(path, "ae") : NULL;
}

static inline void bench_title(const char *title)
{
    FILE *rows = bench_rows();
    printf("\n%s\n", title);
    if (rows != NULL) {
        fprintf(rows, "# %s\n", title);
        (void)fclose(rows);
    }
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
    FILE *rows = bench_rows();
    if (rows != NULL) {
        fprintf(rows, "%s\t%.17g\t%s\n", what, value, unit);
        (void)fclose(rows);
    }
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
