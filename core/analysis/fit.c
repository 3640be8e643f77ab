/* Pairs are looked at once for the fit and once for each random partition. See fit.h. */
#include "core/analysis/fit.h"

#include "core/base/rng.h"

#include <math.h>

/* Sums of distances over pairs i < j, in this order. */
struct pairs {
    double within, all;
    double n_within, n_all;
};

static double at(const struct fit_objects *o, int i, int j)
{
    return o->distance(o->ctx, i, j);
}

static struct pairs pairs_of(const struct fit_objects *o, const int *label)
{
    struct pairs p = {0};
    for (int i = 0; i < o->n; i++) {
        for (int j = i + 1; j < o->n; j++) {
            const double d = at(o, i, j);
            p.all += d;
            p.n_all += 1.0;
            if (label[i] == label[j]) {
                p.within += d;
                p.n_within += 1.0;
            }
        }
    }
    return p;
}

/* The sum over pairs that share a cluster; other distances are not asked for. */
static double within_of(const struct fit_objects *o, const int *label)
{
    double sum = 0.0;
    for (int i = 0; i < o->n; i++) {
        for (int j = i + 1; j < o->n; j++) {
            sum += label[i] == label[j] ? at(o, i, j) : 0.0;
        }
    }
    return sum;
}

/* A random partition has the same sizes, so the same number of pairs: sums are compared. The margin
 * is for partitions that are equal up to the names of clusters and sum in the same order. */
static enum err permuted_p(double *p, const struct fit_objects *o, const int *label, double within,
                           const struct fit_cfg *cfg, struct arena *scratch)
{
    const struct rng_key key = rng_key(cfg->seed, RNG_ANALYSIS, RNG_TEST_SPLIT);
    const size_t n = (size_t)o->n;
    uint32_t *order = ARENA_NEW(scratch, n, uint32_t);
    uint64_t *sorting = ARENA_NEW(scratch, n, uint64_t);
    int *shuffled = ARENA_NEW(scratch, n, int);
    TRY(arena_error(scratch));
    int hits = 0;
    for (int k = 0; k < cfg->permutations; k++) {
        rng_permutation(order, sorting, (uint32_t)o->n, key, (uint32_t)k, cfg->stream, 0);
        for (size_t i = 0; i < n; i++) {
            shuffled[i] = label[order[i]];
        }
        hits += within_of(o, shuffled) <= within * (1.0 + 1e-12);
    }
    *p = (1.0 + hits) / (1.0 + cfg->permutations);
    return ERR_OK;
}

/* Sum of distances to the medoids over all objects. total (n): sum of distances of each object to
 * its cluster. */
static double to_medoids(const struct fit_objects *o, const int *label, int k, double *total)
{
    double sum = 0.0;
    for (int i = 0; i < o->n; i++) {
        total[i] = 0.0;
        for (int j = 0; j < o->n; j++) {
            total[i] += label[j] == label[i] && j != i ? at(o, i, j) : 0.0;
        }
    }
    for (int c = 0; c < k; c++) {
        double least = INFINITY;
        for (int i = 0; i < o->n; i++) {
            least = label[i] == c && total[i] < least ? total[i] : least;
        }
        sum += isfinite(least) ? least : 0.0;
    }
    return sum;
}

static double authors_fit(double mean_distance)
{
    const double assumed_most = 10.0;
    return fmax(0.0, 1.0 - mean_distance / assumed_most);
}

static enum err measure(struct fit *out, const struct fit_objects *o, const int *label, int k,
                        const struct fit_cfg *cfg, struct arena *scratch)
{
    const struct pairs p = pairs_of(o, label);
    double *total = ARENA_NEW(scratch, o->n, double);
    TRY(arena_error(scratch));
    *out = (struct fit){.within = p.n_within > 0.0 ? p.within / p.n_within : NAN,
                        .all = p.n_all > 0.0 ? p.all / p.n_all : NAN,
                        .fit = NAN,
                        .p = NAN};
    out->authors = o->n > 0 ? authors_fit(to_medoids(o, label, k, total) / o->n) : NAN;
    if (p.n_within == 0.0) {
        return ERR_OK;
    }
    const double fit = out->all > 0.0 ? 1.0 - out->within / out->all : 0.0;
    out->fit = fmin(fmax(fit, 0.0), 1.0);
    return permuted_p(&out->p, o, label, p.within, cfg, scratch);
}

enum err fit_of(struct fit *out, const struct fit_objects *objects, const int *label, int k,
                const struct fit_cfg *cfg, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    CHECK(cfg->permutations >= 1);
    const enum err e = measure(out, objects, label, k, cfg, scratch);
    arena_rewind(scratch, mark);
    return e;
}

/* ---- points ---- */

struct cloud {
    const double *points; /* (n, d) */
    int d, step;          /* object i is point i * step */
};

static double euclid(const double *a, const double *b, int d)
{
    double sum = 0.0;
    for (int i = 0; i < d; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sqrt(sum);
}

static double cloud_distance(const void *ctx, int i, int j)
{
    const struct cloud *c = ctx;
    const ptrdiff_t row = (ptrdiff_t)c->step * c->d;
    return euclid(c->points + i * row, c->points + j * row, c->d);
}

/* Mean distance of points to the mean of their cluster; mean (k, d), size (k): scratch. */
static double to_means(const struct cloud *c, const int *label, int n, int k, double *mean,
                       int *size)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        size[label[i]]++;
        for (int j = 0; j < c->d; j++) {
            mean[(ptrdiff_t)label[i] * c->d + j] += c->points[(ptrdiff_t)i * c->step * c->d + j];
        }
    }
    for (int a = 0; a < k; a++) {
        for (int j = 0; j < c->d && size[a] > 0; j++) {
            mean[(ptrdiff_t)a * c->d + j] /= size[a];
        }
    }
    for (int i = 0; i < n; i++) {
        sum += euclid(c->points + (ptrdiff_t)i * c->step * c->d, mean + (ptrdiff_t)label[i] * c->d,
                      c->d);
    }
    return sum / n;
}

enum err fit_of_points(struct fit *out, const double *points, const int *label, int n, int d, int k,
                       const struct fit_cfg *cfg, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct cloud c = {points, d, n > 0 ? (n + FIT_POINTS - 1) / FIT_POINTS : 1};
    const int n_used = (n + c.step - 1) / c.step;
    const struct fit_objects objects = {n_used, cloud_distance, &c};
    int *used = ARENA_NEW(scratch, n_used, int);
    double *mean = ARENA_NEW(scratch, (size_t)k * (size_t)d, double);
    int *size = ARENA_NEW(scratch, k, int);
    enum err e = arena_error(scratch);
    for (int i = 0; e == ERR_OK && i < n_used; i++) {
        used[i] = label[i * c.step];
    }
    if (e == ERR_OK) {
        e = fit_of(out, &objects, used, k, cfg, scratch);
    }
    if (e == ERR_OK && n_used > 0) {
        out->authors = authors_fit(to_means(&c, used, n_used, k, mean, size));
    }
    arena_rewind(scratch, mark);
    return e;
}

double fit_organisational(double structural, double functional)
{
    return (structural + functional) / 2.0;
}
