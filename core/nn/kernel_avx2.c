/* The kernel for AVX2 with FMA: 8 lanes. The Makefile compiles this file with -march=x86-64-v3. */
#if defined(__x86_64__)
#define KERNEL kernel_avx2
#include "core/nn/kernel_body.h"
#endif
