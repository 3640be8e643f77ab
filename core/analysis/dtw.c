/* Dynamic programming over two rows. See dtw.h. */
#include "core/analysis/dtw.h"

#include <math.h>

static inline double least(double a, double b)
{
    return a < b ? a : b;
}

int distance_band(const struct distance_cfg *cfg, int n, int m)
{
    const int longer = n > m ? n : m, gap = n > m ? n - m : m - n;
    const int w = (int)ceil(cfg->band * longer);
    return w > gap ? w : gap;
}

/* D(i, j) = c(i, j) + min(D(i-1, j), D(i, j-1), D(i-1, j-1)). Columns are shifted by one: row[0] is
 * column -1. Invariant of the loop: `before` holds row i - 1 in its band, with infinity beside it,
 * so no path leaves the band. Every path to the end crosses every row, and costs are not negative:
 * the distance is at least the least value of any row, which is when the loop may give up. */
static double warp(const struct sequences *s, const struct distance_cfg *cfg, int a, int b,
                   double limit, double *scratch)
{
    const int n = s->length[a], m = s->length[b], w = distance_band(cfg, n, m);
    const int32_t *x = s->symbol[a], *y = s->symbol[b];
    double *before = scratch, *row = scratch + s->longest + 1;
    for (int j = 0; j <= m; j++) {
        before[j] = INFINITY;
        row[j] = INFINITY;
    }
    before[0] = 0.0;
    for (int i = 0; i < n; i++) {
        const int lo = i > w ? i - w : 0, hi = i + w < m - 1 ? i + w : m - 1;
        const double *cost = s->cost != NULL ? s->cost + (ptrdiff_t)x[i] * s->n_symbols : NULL;
        double left = INFINITY, lowest = INFINITY;
        row[lo] = INFINITY;
        for (int j = lo; j <= hi; j++) {
            const double c = cost != NULL ? cost[y[j]] : sequences_cost(s, x[i], y[j]);
            left = c + least(least(before[j], before[j + 1]), left);
            row[j + 1] = left;
            lowest = least(lowest, left);
        }
        if (hi + 2 <= m) {
            row[hi + 2] = INFINITY;
        }
        if (lowest > limit) {
            return INFINITY;
        }
        double *const swap = before;
        before = row;
        row = swap;
    }
    return before[m];
}

/* E(i, j) = min(E(i-1, j) + 1, E(i, j-1) + 1, E(i-1, j-1) + [x_i != y_j]), E(i, 0) = i and
 * E(0, j) = j, where i and j count steps. The same band and the same two rows. */
static double edits(const struct sequences *s, const struct distance_cfg *cfg, int a, int b,
                    double limit, double *scratch)
{
    const int n = s->length[a], m = s->length[b], w = distance_band(cfg, n, m);
    const int32_t *x = s->symbol[a], *y = s->symbol[b];
    double *before = scratch, *row = scratch + s->longest + 1;
    for (int j = 0; j <= m; j++) {
        before[j] = j <= w ? (double)j : INFINITY;
        row[j] = INFINITY;
    }
    for (int i = 1; i <= n; i++) {
        const int lo = i > w ? i - w : 0, hi = i + w < m ? i + w : m;
        double lowest = INFINITY;
        for (int j = lo; j <= hi; j++) {
            double v = before[j] + 1.0;
            if (j > 0) {
                v = least(v, before[j - 1] + (x[i - 1] != y[j - 1] ? 1.0 : 0.0));
                v = j > lo ? least(v, row[j - 1] + 1.0) : v;
            }
            row[j] = v;
            lowest = least(lowest, v);
        }
        if (hi + 1 <= m) {
            row[hi + 1] = INFINITY;
        }
        if (lo > 0) {
            row[lo - 1] = INFINITY;
        }
        if (lowest > limit) {
            return INFINITY;
        }
        double *const swap = before;
        before = row;
        row = swap;
    }
    return before[m];
}

static double euclid(const struct sequences *s, int a, int b)
{
    const int n = s->length[a], m = s->length[b];
    double sum = 0.0;
    for (int i = 0; i < n || i < m; i++) {
        const double c =
            sequences_cost(s, s->symbol[a][i < n ? i : n - 1], s->symbol[b][i < m ? i : m - 1]);
        sum += c * c;
    }
    return sqrt(sum);
}

double distance_scale(const struct sequences *s, const struct distance_cfg *cfg, int a, int b)
{
    if (!cfg->relative) {
        return 1.0;
    }
    switch ((enum distance_kind)cfg->kind) {
    case DISTANCE_EDIT:
        return s->length[a] + s->length[b];
    case DISTANCE_EUCLID:
        return s->norm[a] + s->norm[b];
    case DISTANCE_DTW:
        break;
    }
    return s->activity[a] + s->activity[b];
}

double distance_of_pair(const struct sequences *s, const struct distance_cfg *cfg, int a, int b,
                        double limit, double *scratch)
{
    if (a == b) {
        return 0.0;
    }
    const double scale = distance_scale(s, cfg, a, b);
    if (scale == 0.0) {
        return 0.0; /* neither does anything */
    }
    switch ((enum distance_kind)cfg->kind) {
    case DISTANCE_EDIT:
        return edits(s, cfg, a, b, limit * scale, scratch) / scale;
    case DISTANCE_EUCLID:
        return euclid(s, a, b) / scale;
    case DISTANCE_DTW:
        break;
    }
    return warp(s, cfg, a, b, limit * scale, scratch) / scale;
}

/* ---- lower bounds ---- */

/* Windows of neighbouring rows differ in two steps at most; the plain double loop is fast enough,
 * since envelopes are made for a few medoids only. */
void dtw_envelope(float *lo, float *hi, const struct sequences *s, const struct distance_cfg *cfg,
                  int of, int n)
{
    const int m = s->length[of], w = distance_band(cfg, n, m), dims = s->n_dims;
    for (int i = 0; i < n; i++) {
        float *low = lo + (ptrdiff_t)i * dims, *high = hi + (ptrdiff_t)i * dims;
        const int begin = i > w ? i - w : 0, end = i + w < m - 1 ? i + w : m - 1;
        for (int j = begin; j <= end; j++) {
            const float *v = s->vector + (ptrdiff_t)s->symbol[of][j] * dims;
            for (int d = 0; d < dims; d++) {
                low[d] = j == begin || v[d] < low[d] ? v[d] : low[d];
                high[d] = j == begin || v[d] > high[d] ? v[d] : high[d];
            }
        }
    }
}

/* Distance of each step to its box: 0 inside, else to the nearest face in each dimension. */
double dtw_bound_box(const struct sequences *s, int a, const float *lo, const float *hi)
{
    double sum = 0.0;
    for (int i = 0; i < s->length[a]; i++) {
        const float *v = s->vector + (ptrdiff_t)s->symbol[a][i] * s->n_dims;
        double squares = 0.0;
        for (int d = 0; d < s->n_dims; d++) {
            const ptrdiff_t at = (ptrdiff_t)i * s->n_dims + d;
            const double below = (double)lo[at] - (double)v[d];
            const double above = (double)v[d] - (double)hi[at];
            const double out = below > 0.0 ? below : above > 0.0 ? above : 0.0;
            squares += out * out;
        }
        sum += sqrt(squares);
    }
    return sum;
}

/* One step has both ends in one cell. */
double dtw_bound_ends(const struct sequences *s, int a, int b)
{
    const int n = s->length[a], m = s->length[b];
    const double first = sequences_cost(s, s->symbol[a][0], s->symbol[b][0]);
    const double last = sequences_cost(s, s->symbol[a][n - 1], s->symbol[b][m - 1]);
    return n == 1 && m == 1 ? first : first + last;
}
