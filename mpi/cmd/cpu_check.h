/* Ends the program with a sentence where the CPU lacks what the program was built for. */
#ifndef KARMA_CMD_CPU_CHECK_H
#define KARMA_CMD_CPU_CHECK_H

/* One row for each instruction set that a build may use: the compiler's macro says that this build
 * does, the name is the compiler's and /proc/cpuinfo's. Rows a compiler does not know stay 0.
 */
#define CPU_FEATURES(X)                                                                            \
    X(SSE4_2, "sse4.2")                                                                            \
    X(POPCNT, "popcnt")                                                                            \
    X(AVX, "avx")                                                                                  \
    X(AVX2, "avx2")                                                                                \
    X(FMA, "fma")                                                                                  \
    X(BMI, "bmi")                                                                                  \
    X(BMI2, "bmi2")                                                                                \
    X(AVX512F, "avx512f")                                                                          \
    X(AVX512VL, "avx512vl")                                                                        \
    X(AVX512BW, "avx512bw")                                                                        \
    X(AVX512DQ, "avx512dq")                                                                        \
    X(AVX512CD, "avx512cd")                                                                        \
    X(AVX512VBMI, "avx512vbmi")                                                                    \
    X(AVX512VBMI2, "avx512vbmi2")                                                                  \
    X(AVX512VNNI, "avx512vnni")                                                                    \
    X(AVX512IFMA, "avx512ifma")

/* What this build uses, one byte per row above; data of a file compiled with the build's own flags,
 * so reading it executes none of those instructions.
 */
extern const unsigned char cpu_built_for[];

/* The names of the rows and their number; `cpu_supported` has a bit for each row that this CPU
 * offers. Local. */
enum { CPU_FEATURES_N = 16 };
extern const char *const cpu_feature_names[CPU_FEATURES_N];
unsigned cpu_supported(void);

/* Local. To be called first in main, before anything that the build's flags may have touched.
 * Returns when every needed instruction set is there; otherwise prints which ones are missing and
 * the remedy on stderr and ends the process with status 1.
 */
void cpu_check(void);

#endif
