/* Which GEMM: a switch in front of the vector kernels (kernel.h) and gemm_blas.c. */
#include "core/nn/gemm.h"

#include "core/nn/kernel.h"

const char *gemm_kind_name(enum gemm_kind kind)
{
    return kind == GEMM_FIXED ? "fixed" : "blas";
}

const char *gemm_kernel_name(enum gemm_kind kind)
{
    return kind == GEMM_FIXED ? kernel_chosen()->name : gemm_blas_kernel_name();
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
        kernel_chosen()->nn(y, ldy, x, ldx, w, ldw, bias, m, k, n);
    } else {
        gemm_blas_nn(y, ldy, x, ldx, w, ldw, bias, m, k, n);
    }
}

void gemm_tn(enum gemm_kind kind, float *dw, int lddw, const float *x, int ldx, const float *dy,
             int lddy, int m, int k, int n)
{
    if (kind == GEMM_FIXED) {
        kernel_chosen()->tn(dw, lddw, x, ldx, dy, lddy, m, k, n);
    } else {
        gemm_blas_tn(dw, lddw, x, ldx, dy, lddy, m, k, n);
    }
}

void gemm_nt(enum gemm_kind kind, float *dx, int lddx, const float *dy, int lddy, const float *w,
             int ldw, bool add, int m, int k, int n)
{
    if (kind == GEMM_FIXED) {
        kernel_chosen()->nt(dx, lddx, dy, lddy, w, ldw, add, m, k, n);
    } else {
        gemm_blas_nt(dx, lddx, dy, lddy, w, ldw, add, m, k, n);
    }
}

void gemm_bias_grad(float *db, const float *dy, int lddy, int m, int n)
{
    kernel_chosen()->bias_grad(db, dy, lddy, m, n);
}
