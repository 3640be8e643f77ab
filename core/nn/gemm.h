/* Matrix products of an MLP, with bits that do not depend on how the work is cut.
 *
 * GEMM_FIXED: every output element is ONE chain of fused multiply-adds (each rounded once), in
 * ascending order of the summed index, starting from the bias, from zero, or from what is already
 * in the output. Hence
 *   - a row's bits do not depend on the other rows of the call, nor on their number;
 *   - the accumulating forms may be split at any row and continued: same bits;
 *   - neither the instruction set, nor the compiler, nor its flags can change a bit (the payload of
 *     a NaN excepted).
 * gemm_ref.c says the same in scalar loops; tests and benchmarks compare bit by bit.
 *
 * GEMM_BLAS: cblas_sgemm. Bits depend on the library's kernel, on the number of rows and on a row's
 * place among them; use fixed row blocks.
 *
 * Matrices are row-major float with a leading dimension (elements from row to row, >= columns).
 * M, K, N below are the sizes of the layer: X(M,K) inputs, W(K,N) weights, Y(M,N) outputs, whatever
 * is summed over. Any size >= 0 is allowed; outputs may not overlap inputs. No allocation, at most
 * 48 KiB of stack. Single-threaded; fully reentrant. Alignment of 64 bytes is faster, not required.
 */
#ifndef KARMA_NN_GEMM_H
#define KARMA_NN_GEMM_H

#include <stdbool.h>

enum gemm_kind { GEMM_FIXED, GEMM_BLAS };

/* "fixed", "blas": the words of the config. Static storage. */
const char *gemm_kind_name(enum gemm_kind kind);

/* Which instructions carry the kernel: "avx512", "avx2+fma", "scalar fmaf", or the name OpenBLAS
 * gives its kernel. For machine.yaml and benchmarks. Static storage. */
const char *gemm_kernel_name(enum gemm_kind kind);

/* One BLAS thread per process, whatever the environment says: parallelism is the ranks' business.
 * Nothing to do for GEMM_FIXED. */
void gemm_init(enum gemm_kind kind);

/* Forward.  y(M,N) = bias(N) + x(M,K) w(K,N); chain over k ascending from the bias.
 * bias == NULL: from zero. */
void gemm_nn(enum gemm_kind kind, float *y, int ldy, const float *x, int ldx, const float *w,
             int ldw, const float *bias, int m, int k, int n);

/* Weight gradient.  dw(K,N) += x(M,K)^T dy(M,N); chain over the rows m ascending, continued from
 * dw: calls for rows [0,a) and then [a,M) give the bits of one call for [0,M). */
void gemm_tn(enum gemm_kind kind, float *dw, int lddw, const float *x, int ldx, const float *dy,
             int lddy, int m, int k, int n);

/* Input gradient.  dx(M,K) = dy(M,N) w(K,N)^T; chain over n ascending from zero, or, when
 * `add`, continued from dx (two heads on one trunk). */
void gemm_nt(enum gemm_kind kind, float *dx, int lddx, const float *dy, int lddy, const float *w,
             int ldw, bool add, int m, int k, int n);

/* Bias gradient.  db(N) += sum over rows m ascending of dy(M,N), continued from db. */
void gemm_bias_grad(float *db, const float *dy, int lddy, int m, int n);

/* OpenBLAS, and the oracle; call the functions above. The fixed-order kernels: kernel.h. */
void gemm_blas_nn(float *y, int ldy, const float *x, int ldx, const float *w, int ldw,
                  const float *bias, int m, int k, int n);
void gemm_blas_tn(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy, int m,
                  int k, int n);
void gemm_blas_nt(float *dx, int lddx, const float *dy, int lddy, const float *w, int ldw, bool add,
                  int m, int k, int n);
const char *gemm_blas_kernel_name(void);
void gemm_blas_init(void);

/* The BLAS library as it names itself, "OpenBLAS 0.3.21 ..." or "cblas", and its threads in this
 * process; 0: it does not say. Static storage. */
const char *gemm_blas_library(void);
int gemm_blas_threads(void);

/* Scalar fmaf loops: what GEMM_FIXED must equal bit by bit. Slow; never used by a run. */
void gemm_ref_nn(float *y, int ldy, const float *x, int ldx, const float *w, int ldw,
                 const float *bias, int m, int k, int n);
void gemm_ref_tn(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy, int m,
                 int k, int n);
void gemm_ref_nt(float *dx, int lddx, const float *dy, int lddy, const float *w, int ldw, bool add,
                 int m, int k, int n);
void gemm_ref_bias_grad(float *db, const float *dy, int lddy, int m, int n);

#endif
