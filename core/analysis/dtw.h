/* Distances between sequences (sequences.h): dynamic time warping and its lower bounds.
 *
 *   dtw      min over warping paths P of   sum_((i, j) in P) ||a_i - b_j||_2
 *            paths lead from (0, 0) to (n - 1, m - 1) by (1, 0), (0, 1), (1, 1) inside the band
 *            |i - j| <= w = max(ceil(band max(n, m)), |n - m|)   (H. Sakoe and S. Chiba, 1978)
 *   edit     fewest insertions, deletions and substitutions of steps (V. Levenshtein, 1966), inside
 *            the same band
 *   euclid   sqrt(sum_i ||a_i - b_i||_2^2); the shorter sequence goes on with its last step
 *
 * A *relative* distance is divided by the activity of both sequences,
 *
 *     d(a, b) / (|a| + |b|),   |a| = sum_i ||a_i||_2   (euclid: the root of the sum of squares;
 *                                                       edit: the length; 0 / 0 = 0)
 *
 * It lies between 0 and 1, since steps can be paired as they stand. Without it two agents that do
 * little are near each other whatever they do, and one that does the same in a long flood and in a
 * short one is far from itself.
 *
 * A path meets every i at least once, at a j of the band. So the distance of a_i to the smallest
 * box that holds b_j for all these j, summed over i, is a lower bound of dtw (E. Keogh and C. A.
 * Ratanamahatana, "Exact indexing of dynamic time warping", 2005, for squared costs). The costs of
 * the first and the last step are another one, in constant time.
 */
#ifndef KARMA_ANALYSIS_DTW_H
#define KARMA_ANALYSIS_DTW_H

#include "core/analysis/sequences.h"

enum distance_kind { DISTANCE_DTW, DISTANCE_EDIT, DISTANCE_EUCLID };

struct distance_cfg {
    int kind;      /* enum distance_kind */
    bool relative; /* divided by the activity of both; see above */
    double band;   /* share of the length, 0 .. 1 */
};

/* Doubles of scratch that a distance takes. */
static inline size_t distance_scratch(const struct sequences *s)
{
    return 2 * ((size_t)s->longest + 1);
}

/* Distance of the distinct sequences a and b; INFINITY as soon as it is known to exceed `limit`
 * (dtw and edit). scratch: distance_scratch(). */
double distance_of_pair(const struct sequences *s, const struct distance_cfg *cfg, int a, int b,
                        double limit, double *scratch);

/* What a distance of a and b is divided by: 1, or their activity. */
double distance_scale(const struct sequences *s, const struct distance_cfg *cfg, int a, int b);

/* Half-width w of the band for lengths n and m. */
int distance_band(const struct distance_cfg *cfg, int n, int m);

/* The box of a distinct sequence for sequences of length n: lo, hi (n, n_dims). */
void dtw_envelope(float *lo, float *hi, const struct sequences *s, const struct distance_cfg *cfg,
                  int of, int n);
/* The lower bound of dtw between sequence a and the one that the envelope (for a's length) is of.
 */
double dtw_bound_box(const struct sequences *s, int a, const float *lo, const float *hi);
/* The lower bound from the ends. */
double dtw_bound_ends(const struct sequences *s, int a, int b);

#endif
