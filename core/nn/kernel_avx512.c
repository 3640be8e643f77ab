/* The kernel for AVX-512: 16 lanes. The Makefile compiles this file with -march=x86-64-v4. */
#if defined(__x86_64__)
#define KERNEL kernel_avx512
#include "core/nn/kernel_body.h"
#endif
