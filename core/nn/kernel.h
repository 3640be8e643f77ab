/* The vector kernels of the networks, and the choice between them at run time.
 *
 * kernel_body.h is compiled three times, for AVX-512, for AVX2 with FMA, and for the instructions
 * of the build alone. Each time it makes one `struct kernel`. kernel_chosen() takes the widest that
 * this CPU has. One program therefore runs at full speed on every node of a mixed cluster.
 *
 * All kernels give the same bits: a lane holds one output element, and every output is the same
 * chain of roundings whatever the number of lanes (core/nn/gemm.h, core/base/fmath.h).
 */
#ifndef KARMA_NN_KERNEL_H
#define KARMA_NN_KERNEL_H

#include <stddef.h>

struct kernel {
    const char *name; /* of the instructions: "avx512", "avx2+fma", "scalar fmaf" */

    /* The three forms of core/nn/gemm.h. */
    void (*nn)(float *y, int ldy, const float *x, int ldx, const float *w, int ldw,
               const float *bias, int m, int k, int n);
    void (*tn)(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy, int m,
               int k, int n);
    void (*nt)(float *dx, int lddx, const float *dy, int lddy, const float *w, int ldw, int add,
               int m, int k, int n);
    /* gemm_bias_grad. */
    void (*bias_grad)(float *db, const float *dy, int lddy, int m, int n);
    /* y = tanh(x), n elements; y may be x. */
    void (*tanh)(float *y, const float *x, size_t n);
    /* dx = dy (1 - y^2), n elements; dx may be dy. */
    void (*tanh_back)(float *dx, const float *dy, const float *y, size_t n);
};

/* One for each instruction set. A kernel may be called only where kernel_list() has it. */
extern const struct kernel kernel_avx512, kernel_avx2, kernel_plain;

/* The kernels of this program that this CPU can run, widest first; at least one. *n: how many.
 * Static storage. Tests and benchmarks compare them. */
const struct kernel *const *kernel_list(int *n);

/* The first of that list, or the one that the environment variable KARMA_KERNEL names (with a
 * warning if there is none of that name). Constant for the life of the process; any thread may
 * ask. */
const struct kernel *kernel_chosen(void);

#endif
