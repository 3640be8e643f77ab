/* Which GEMM: a switch in front of gemm_fixed.c and gemm_blas.c, and the bias gradient both share.
 */
#include "core/nn/gemm.h"

#include <stddef.h>

const char *gemm_kind_name(enum gemm_kind kind)
{
    return kind == GEMM_FIXED ? "fixed" : "blas";
}

const char *gemm_kernel_name(enum gemm_kind kind)
{
    return kind == GEMM_FIXED ? gemm_fixed_kernel_name() : gemm_blas_kernel_name();
}

void gemm_init(enum gemm_kind kind)
{
    if (kind == GEMM_BLAS) {
        gemm_blas_init();
    }
}

void gemm_nn(enum gemm_kind kind, float *y, int ldy, const float *x, int ldx, const float *w,
             int ldw, const float *bias, int m, int k, int n)
{
    if (kind == GEMM_FIXED) {
        gemm_fixed_nn(y, ldy, x, ldx, w, ldw, bias, m, k, n);
    } else {
        gemm_blas_nn(y, ldy, x, ldx, w, ldw, bias, m, k, n);
    }
}

void gemm_tn(enum gemm_kind kind, float *dw, int lddw, const float *x, int ldx, const float *dy,
             int lddy, int m, int k, int n)
{
    if (kind == GEMM_FIXED) {
        gemm_fixed_tn(dw, lddw, x, ldx, dy, lddy, m, k, n);
    } else {
        gemm_blas_tn(dw, lddw, x, ldx, dy, lddy, m, k, n);
    }
}

void gemm_nt(enum gemm_kind kind, float *dx, int lddx, const float *dy, int lddy, const float *w,
             int ldw, bool add, int m, int k, int n)
{
    if (kind == GEMM_FIXED) {
        gemm_fixed_nt(dx, lddx, dy, lddy, w, ldw, add, m, k, n);
    } else {
        gemm_blas_nt(dx, lddx, dy, lddy, w, ldw, add, m, k, n);
    }
}

/* Columns side by side, each a chain of additions: vectorises without changing a bit. */
void gemm_bias_grad(float *restrict db, const float *restrict dy, int lddy, int m, int n)
{
    for (ptrdiff_t i = 0; i < m; i++) {
        for (ptrdiff_t j = 0; j < n; j++) {
            db[j] += dy[i * lddy + j];
        }
    }
}
