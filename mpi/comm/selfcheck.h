/* The check at start: do all ranks calculate alike, and as the sources say?
 *
 * The same bits everywhere rest on a few properties of the process that foreign code can take away:
 * a library built with -ffast-math switches denormals off for everybody when it is loaded, a
 * debugger or a plugin may leave another rounding mode, OpenBLAS picks a kernel by CPU. Each rank
 * looks at these, then all compare one CRC over matrix products, exp, log, tanh and denormals.
 */
#ifndef KARMA_COMM_SELFCHECK_H
#define KARMA_COMM_SELFCHECK_H

#include "core/base/err.h"
#include "core/nn/gemm.h"
#include "mpi/comm/comm.h"

#include <stdint.h>

/* Collective; well below a millisecond. Calls gemm_init(kind) first. ERR_MISMATCH on all ranks,
 * after a sentence by the rank that noticed, when a rank rounds otherwise than to nearest, flushes
 * denormals, has a GEMM_FIXED kernel that differs from gemm_ref, runs OpenBLAS (GEMM_BLAS only) on
 * several threads, or when the ranks' CRCs differ. */
enum err selfcheck(struct comm *c, enum gemm_kind kind) WARN_UNUSED;

/* ---- the parts, for tests and machine.yaml ---- */

/* Local. What this process does wrong by itself, a static sentence; NULL = nothing. */
const char *selfcheck_complaint(enum gemm_kind kind);

/* Local. The CRC-32C that the ranks compare. With GEMM_FIXED a constant of the program. */
uint32_t selfcheck_crc(enum gemm_kind kind);

#endif
