/* GEMM by cblas_sgemm; the only file that includes cblas.h. The bias is written into the output
 * first and added by beta = 1. */
#include "core/nn/gemm.h"

#include <cblas.h>
#include <stddef.h>
#include <string.h>

/* A reference CBLAS would do as well; only OpenBLAS has threads to switch off and kernels to name.
 */
#ifdef OPENBLAS_VERSION
#define HAVE_OPENBLAS 1
#else
#define HAVE_OPENBLAS 0
#endif

void gemm_blas_init(void)
{
#if HAVE_OPENBLAS
    openblas_set_num_threads(1);
#endif
}

const char *gemm_blas_kernel_name(void)
{
#if HAVE_OPENBLAS
    return openblas_get_corename();
#else
    return "cblas";
#endif
}

const char *gemm_blas_library(void)
{
#if HAVE_OPENBLAS
    return openblas_get_config();
#else
    return "cblas";
#endif
}

int gemm_blas_threads(void)
{
#if HAVE_OPENBLAS
    return openblas_get_num_threads();
#else
    return 0;
#endif
}

void gemm_blas_nn(float *y, int ldy, const float *x, int ldx, const float *w, int ldw,
                  const float *bias, int m, int k, int n)
{
    if (bias != NULL) {
        for (ptrdiff_t i = 0; i < m; i++) {
            memcpy(y + i * ldy, bias, (size_t)n * sizeof(float));
        }
    }
    /* beta = 0 must overwrite y without reading it (BLAS standard), so y may hold NaN before. */
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, x, ldx, w, ldw,
                bias != NULL ? 1.0F : 0.0F, y, ldy);
}

void gemm_blas_tn(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy, int m,
                  int k, int n)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, n, m, 1.0F, x, ldx, dy, lddy, 1.0F, dw,
                lddw);
}

void gemm_blas_nt(float *dx, int lddx, const float *dy, int lddy, const float *w, int ldw, bool add,
                  int m, int k, int n)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, k, n, 1.0F, dy, lddy, w, ldw,
                add ? 1.0F : 0.0F, dx, lddx);
}
