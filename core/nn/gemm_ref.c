/* The definition of the fixed-order GEMM: scalar loops over fmaf, one chain for each output.
 *
 * Kept for ever: tests compare the vector kernels with it bit by bit, benchmarks do so before they
 * time. */
#include "core/nn/gemm.h"

#include <math.h>
#include <stddef.h>

void gemm_ref_nn(float *y, int ldy, const float *x, int ldx, const float *w, int ldw,
                 const float *bias, int m, int k, int n)
{
    for (ptrdiff_t i = 0; i < m; i++) {
        for (ptrdiff_t j = 0; j < n; j++) {
            /* The order of the loops over outputs is free, since no chain reads another. The order
             * within a chain is the definition. */
            float chain = bias == NULL ? 0.0F : bias[j];
            for (ptrdiff_t l = 0; l < k; l++) {
                chain = fmaf(x[i * ldx + l], w[l * ldw + j], chain);
            }
            y[i * ldy + j] = chain;
        }
    }
}

void gemm_ref_tn(float *dw, int lddw, const float *x, int ldx, const float *dy, int lddy, int m,
                 int k, int n)
{
    for (ptrdiff_t l = 0; l < k; l++) {
        for (ptrdiff_t j = 0; j < n; j++) {
            float chain = dw[l * lddw + j];
            for (ptrdiff_t i = 0; i < m; i++) {
                chain = fmaf(x[i * ldx + l], dy[i * lddy + j], chain);
            }
            dw[l * lddw + j] = chain;
        }
    }
}

void gemm_ref_nt(float *dx, int lddx, const float *dy, int lddy, const float *w, int ldw, bool add,
                 int m, int k, int n)
{
    for (ptrdiff_t i = 0; i < m; i++) {
        for (ptrdiff_t l = 0; l < k; l++) {
            float chain = add ? dx[i * lddx + l] : 0.0F;
            for (ptrdiff_t j = 0; j < n; j++) {
                chain = fmaf(dy[i * lddy + j], w[l * ldw + j], chain);
            }
            dx[i * lddx + l] = chain;
        }
    }
}

void gemm_ref_bias_grad(float *db, const float *dy, int lddy, int m, int n)
{
    for (ptrdiff_t j = 0; j < n; j++) {
        float chain = db[j];
        for (ptrdiff_t i = 0; i < m; i++) {
            chain += dy[i * lddy + j];
        }
        db[j] = chain;
    }
}
