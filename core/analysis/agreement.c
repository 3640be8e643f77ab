/* Contingency tables and mean distances. See agreement.h. */
#include "core/analysis/agreement.h"
#include "core/analysis/linkage.h"

#include "core/base/fmath.h"

#include <math.h>

static double pairs_of(double n)
{
    return n * (n - 1.0) / 2.0;
}

/* p log p of a share, 0 at 0. */
static double plogp(double p)
{
    return p > 0.0 ? p * fm_log(p) : 0.0;
}

/* I = H_a + H_b - H_ab. Entropies of single clusters are exactly 0, so I is not negative by more
 * than rounding, which is cut off. */
static void compute(struct agreement *out, const double *table, const double *a, int k_a,
                    const double *b, int k_b, double n)
{
    double most = 0.0, same = 0.0, in_a = 0.0, in_b = 0.0, h_a = 0.0, h_b = 0.0, h_ab = 0.0;
    for (int i = 0; i < k_a; i++) {
        double largest = 0.0;
        for (int j = 0; j < k_b; j++) {
            const double v = table[i * k_b + j];
            largest = v > largest ? v : largest;
            same += pairs_of(v);
            h_ab -= plogp(v / n);
        }
        most += largest;
        in_a += pairs_of(a[i]);
        h_a -= plogp(a[i] / n);
    }
    for (int j = 0; j < k_b; j++) {
        in_b += pairs_of(b[j]);
        h_b -= plogp(b[j] / n);
    }
    const double expected = n > 1.0 ? in_a * in_b / pairs_of(n) : 0.0;
    const double information = h_a + h_b - h_ab;
    const double range = (in_a + in_b) / 2.0 - expected;
    out->purity = most / n;
    out->ari = range != 0.0 ? (same - expected) / range : 1.0;
    out->information = information > 0.0 ? information : 0.0;
    out->entropy = (h_a + h_b) / 2.0;
    out->nmi = h_a + h_b > 0.0 ? out->information / ((h_a + h_b) / 2.0) : 1.0;
}

enum err agreement_of(struct agreement *out, const int *a, int k_a, const int *b, int k_b, int n,
                      struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    double *table = ARENA_NEW(scratch, k_a * k_b, double);
    double *in_a = ARENA_NEW(scratch, k_a, double), *in_b = ARENA_NEW(scratch, k_b, double);
    TRY(arena_error(scratch));
    for (int i = 0; i < n; i++) {
        table[a[i] * k_b + b[i]] += 1.0;
        in_a[a[i]] += 1.0;
        in_b[b[i]] += 1.0;
    }
    compute(out, table, in_a, k_a, in_b, k_b, n);
    arena_rewind(scratch, mark);
    return ERR_OK;
}

/* sum (n, k): weighted sums of the distances of each point to each cluster. */
static double *sums_of(const double *d, const int *label, const double *weight, int n, int k,
                       struct arena *scratch)
{
    double *sum = ARENA_NEW(scratch, (size_t)n * (size_t)k, double);
    for (int i = 0; sum != NULL && i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            const double v = d[pair_index(n, i, j)];
            sum[(ptrdiff_t)i * k + label[j]] += weight[j] * v;
            sum[(ptrdiff_t)j * k + label[i]] += weight[i] * v;
        }
    }
    return sum;
}

/* Points in one place belong to one cluster, so a point of weight w has w - 1 others at distance 0.
 */
static double silhouette(const double *sum, const double *size, int own, int k)
{
    double b = INFINITY;
    for (int c = 0; c < k; c++) {
        if (c != own && size[c] > 0.0 && sum[c] / size[c] < b) {
            b = sum[c] / size[c];
        }
    }
    if (size[own] <= 1.0 || isinf(b)) {
        return 0.0;
    }
    const double a = sum[own] / (size[own] - 1.0);
    const double larger = a > b ? a : b;
    return larger > 0.0 ? (b - a) / larger : 0.0;
}

enum err silhouette_of(double *mean, double *each, const double *d, const int *label,
                       const double *weight, int n, int k, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    double *size = ARENA_NEW(scratch, k, double);
    const double *sum = sums_of(d, label, weight, n, k, scratch);
    double total = 0.0, all = 0.0;
    TRY(arena_error(scratch));
    for (int i = 0; i < n; i++) {
        size[label[i]] += weight[i];
    }
    for (int i = 0; i < n; i++) {
        const double s = silhouette(sum + (ptrdiff_t)i * k, size, label[i], k);
        if (each != NULL) {
            each[i] = s;
        }
        total += weight[i] * s;
        all += weight[i];
    }
    *mean = total / all;
    arena_rewind(scratch, mark);
    return ERR_OK;
}

enum err medoids_of(int *medoid, const double *d, const int *label, const double *weight, int n,
                    int k, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const double *sum = sums_of(d, label, weight, n, k, scratch);
    TRY(arena_error(scratch));
    for (int c = 0; c < k; c++) {
        medoid[c] = -1;
    }
    for (int i = 0; i < n; i++) {
        int *best = &medoid[label[i]];
        const double own = sum[(ptrdiff_t)i * k + label[i]];
        if (*best < 0 || own < sum[(ptrdiff_t)*best * k + label[i]]) {
            *best = i;
        }
    }
    arena_rewind(scratch, mark);
    return ERR_OK;
}
