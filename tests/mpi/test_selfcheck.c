/* The check at start: a known CRC, and every disturbance of one rank ends all of them.
 * RUN: np=1,2,3
 */
#include "tests/mpi/ranks.h"

#include "mpi/comm/selfcheck.h"

#include <fenv.h>

/* Made by this program: gcc 12 and clang 14, -O0, -O1 and -O3, x86-64, x86-64-v3 and AVX-512. */
static const uint32_t golden_crc = 0xe4dddd03;

static void test_golden(struct ranks *r)
{
    EXPECT(r, selfcheck_complaint(GEMM_FIXED) == NULL);
    EXPECT(r, selfcheck_crc(GEMM_FIXED) == golden_crc);
    if (selfcheck_crc(GEMM_FIXED) != golden_crc) {
        fprintf(stderr, "crc 0x%08x\n", selfcheck_crc(GEMM_FIXED));
    }
}

static void test_all_well(struct ranks *r)
{
    EXPECT(r, selfcheck(&r->c, GEMM_FIXED) == ERR_OK);
    EXPECT(r, selfcheck(&r->c, GEMM_BLAS) == ERR_OK);
    EXPECT(r, r->n_logged == 0);
}

static void test_rounding(struct ranks *r)
{
    int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    bool odd = r->c.rank == r->c.size - 1;
    for (int i = 0; i < 3; i++) {
        r->n_logged = 0;
        fesetround(odd ? modes[i] : FE_TONEAREST);
        enum err e = selfcheck(&r->c, GEMM_FIXED);
        uint32_t crc = selfcheck_crc(GEMM_FIXED);
        fesetround(FE_TONEAREST);
        EXPECT(r, e == ERR_MISMATCH);
        EXPECT(r, odd == (crc != golden_crc));
        EXPECT(r, r->n_logged == (odd ? 1 : 0));
        EXPECT(r, !odd || strstr(r->logged, "rounding mode") != NULL);
    }
}

#ifdef __SSE2__
#include <immintrin.h>

/* Bits of MXCSR: results flushed, arguments taken as zero. */
static void test_denormals(struct ranks *r)
{
    const unsigned bits[] = {0x8000, 0x0040};
    bool odd = r->c.rank == 0;
    for (int i = 0; i < 2; i++) {
        r->n_logged = 0;
        unsigned before = _mm_getcsr();
        _mm_setcsr(odd ? before | bits[i] : before);
        enum err e = selfcheck(&r->c, GEMM_FIXED);
        uint32_t crc = selfcheck_crc(GEMM_FIXED);
        _mm_setcsr(before);
        EXPECT(r, e == ERR_MISMATCH);
        EXPECT(r, odd == (crc != golden_crc));
        EXPECT(r, r->n_logged == (odd ? 1 : 0));
        EXPECT(r, !odd || strstr(r->logged, "-ffast-math") != NULL);
    }
}
#else
static void test_denormals(struct ranks *r)
{
    fprintf(stderr, "rank %d: no MXCSR here, nothing to disturb\n", r->c.rank);
}
#endif

int main(int argc, char **argv)
{
    static const struct ranks_test tests[] = {
        {"golden CRC", test_golden},
        {"all well", test_all_well},
        {"rounding mode", test_rounding},
        {"denormals", test_denormals},
    };
    return ranks_main(argc, argv, tests, (int)(sizeof(tests) / sizeof(tests[0])));
}
