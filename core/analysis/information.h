/* How much one sequence of symbols tells about another: mutual information and transfer entropy.
 *
 * Plug-in estimates from counts, in bits (C. E. Shannon 1948):
 *
 *   I(X; Y | Z) = sum_xyz p(x,y,z) log2( p(x,y,z) p(z) / (p(x,z) p(y,z)) )
 *
 * With a constant Z this is mutual information; with Z = the stratum it is mutual information
 * inside strata, so that what the stratum explains is not counted. Transfer entropy (T. Schreiber,
 * "Measuring information transfer", 2000) is the same quantity for other columns:
 *
 *   TE(X -> Y) = I(Y_t; X_t-lag | Y_t-1, stratum_t)
 *
 * and synchrony, the information that two processes share in the same moment beyond what their own
 * pasts explain, is (B. Pompe, J. Runge, "Momentary information transfer as a coupling measure of
 * time series", 2011, at lag 0)
 *
 *   SY(X, Y) = I(X_t; Y_t | X_t-1, Y_t-1, stratum_t)
 *
 * Without the pasts two independent processes that each stay in a state for long would seem to be
 * coupled: a permutation test takes moments for exchangeable.
 *
 * Bias. A plug-in estimate is too large by about
 *
 *   sum_z (K_xy|z - K_x|z - K_y|z + 1) / (2 N ln 2)
 *
 * where the K count the symbols, and pairs of symbols, that occur in the cell z (G. A. Miller 1955;
 * S. Panzeri, A. Treves 1996). It is reported, not subtracted; the test needs no correction, since
 * permuted data have the same bias.
 *
 * Pure functions of their arguments and of a seed; nothing is allocated but scratch.
 */
#ifndef KARMA_ANALYSIS_INFORMATION_H
#define KARMA_ANALYSIS_INFORMATION_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

/* Rows (x, y, z), each a symbol from 0 on, below kx, ky, kz. Owned by an arena. */
struct info_rows {
    int n;
    int kx, ky, kz;
    int *x, *y, *z; /* (n) */
};

/* Sequences that do not overlap: moments begin[s] .. end[s] - 1 are sequence s. Borrowed. */
struct info_sequences {
    int n_sequences;
    const int *begin, *end; /* (n_sequences) */
    const int *stratum;     /* of each moment, below n_strata */
    int n_strata;
};
/* Moments of all sequences. */
int info_moments(const struct info_sequences *s);

/* Rows of TE(X -> Y) at a lag of 1 or more, of SY(X, Y), and of the reaction of X to a value V,
 * which has no will of its own:
 *
 *   RE(V, X) = I(V_t; X_t | X_t-1, stratum_t)
 *
 * x, y, v: symbols of all moments, of agents below k, of values below kv. No row reaches from one
 * sequence into another. ERR_MEMORY. */
enum err info_rows_transfer(struct info_rows *out, struct arena *arena, const int *x, const int *y,
                            int k, int lag, const struct info_sequences *s) WARN_UNUSED;
enum err info_rows_reaction(struct info_rows *out, struct arena *arena, const int *v, int kv,
                            const int *x, int k, const struct info_sequences *s) WARN_UNUSED;
enum err info_rows_synchrony(struct info_rows *out, struct arena *arena, const int *x, const int *y,
                             int k, const struct info_sequences *s) WARN_UNUSED;

struct info_value {
    double bits; /* plug-in estimate, >= 0; NaN without rows */
    double bias; /* by which it is too large on average, to first order */
};

/* Allocates from scratch and rewinds it. ERR_MEMORY. */
enum err info_conditional(struct info_value *out, const struct info_rows *rows,
                          struct arena *scratch) WARN_UNUSED;

struct info_test_cfg {
    uint64_t seed;
    uint32_t stream;  /* of this test: other tests of the same analysis have other ones */
    int permutations; /* at least 1; 999 is customary */
};

struct info_test {
    struct info_value value;
    double null_mean; /* mean estimate of the permuted rows */
    /* (1 + permuted rows with at least the estimate) / (1 + permutations): that X and Y are
     * independent given Z. 1 without rows. */
    double p;
};

/* Permutation test: x is shuffled among the rows with the same z. Deterministic in cfg. */
enum err info_test(struct info_test *out, const struct info_rows *rows,
                   const struct info_test_cfg *cfg, struct arena *scratch) WARN_UNUSED;

#endif
