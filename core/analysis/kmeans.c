/* Lloyd's iteration over all points in their order, then moves of single points. See kmeans.h. */
#include "core/analysis/kmeans.h"
#include "core/analysis/agreement.h"
#include "core/analysis/linkage.h"

#include "core/base/log.h"
#include "core/base/rng.h"

#include <math.h>
#include <string.h>

static double distance2(const double *a, const double *b, int d)
{
    double sum = 0.0;
    for (int i = 0; i < d; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

static const double *row(const double *points, int i, int d)
{
    return points + (ptrdiff_t)i * d;
}

int kmeans_nearest(const struct kmeans *m, const double *point)
{
    int best = 0;
    double least = INFINITY;
    for (int c = 0; c < m->k; c++) {
        const double d2 = distance2(point, row(m->centre, c, m->d), m->d);
        if (d2 < least) {
            least = d2;
            best = c;
        }
    }
    return best;
}

void kmeans_standardise(double *points, double *mean, double *sd, int n, int d)
{
    for (int j = 0; j < d; j++) {
        double sum = 0.0, squares = 0.0;
        for (int i = 0; i < n; i++) {
            sum += points[(ptrdiff_t)i * d + j];
        }
        mean[j] = n > 0 ? sum / n : 0.0;
        for (int i = 0; i < n; i++) {
            const double x = points[(ptrdiff_t)i * d + j] - mean[j];
            squares += x * x;
        }
        sd[j] = n > 0 ? sqrt(squares / n) : 0.0;
        for (int i = 0; i < n; i++) {
            double *x = &points[(ptrdiff_t)i * d + j];
            *x = sd[j] > 0.0 ? (*x - mean[j]) / sd[j] : 0.0;
        }
    }
}

/* ---- seeding ---- */

/* Coordinates of a draw: (number of the centre, restart, stream, k). */
static double draw(const struct kmeans_cfg *cfg, int centre, int restart, int k)
{
    const struct rng_key key = rng_key(cfg->seed, RNG_ANALYSIS, RNG_TRAIN);
    const struct rng_block b =
        rng_philox(key, (uint32_t)centre, (uint32_t)restart, cfg->stream, (uint32_t)k);
    return rng_f64(b.v[0], b.v[1]);
}

/* The first i whose weights up to i exceed u times their sum; weights of 0 are never chosen unless
 * all are 0. */
static int weighted(const double *w, int n, double u)
{
    double sum = 0.0, part = 0.0;
    int last = 0;
    for (int i = 0; i < n; i++) {
        sum += w[i];
    }
    for (int i = 0; i < n; i++) {
        part += w[i];
        last = w[i] > 0.0 ? i : last;
        if (part > u * sum) {
            return i;
        }
    }
    return last;
}

/* gap (n): squared distance to the nearest centre so far. */
static void seed_centres(struct kmeans *m, double *gap, const double *points,
                         const struct kmeans_cfg *cfg, int restart)
{
    const int d = m->d;
    int chosen = (int)(draw(cfg, 0, restart, m->k) * m->n);
    for (int i = 0; i < m->n; i++) {
        gap[i] = INFINITY;
    }
    for (int c = 0; c < m->k; c++) {
        chosen = c == 0 ? chosen : weighted(gap, m->n, draw(cfg, c, restart, m->k));
        memcpy(m->centre + (ptrdiff_t)c * d, row(points, chosen, d), (size_t)d * sizeof(double));
        for (int i = 0; i < m->n; i++) {
            const double d2 = distance2(row(points, i, d), row(points, chosen, d), d);
            gap[i] = d2 < gap[i] ? d2 : gap[i];
        }
    }
}

/* ---- iteration ---- */

/* Labels of the nearest centres; the number that changed. */
static int assign(struct kmeans *m, double *gap, const double *points)
{
    int changed = 0;
    m->sse = 0.0;
    memset(m->size, 0, (size_t)m->k * sizeof *m->size);
    for (int i = 0; i < m->n; i++) {
        const int c = kmeans_nearest(m, row(points, i, m->d));
        gap[i] = distance2(row(points, i, m->d), row(m->centre, c, m->d), m->d);
        changed += c != m->label[i];
        m->label[i] = c;
        m->size[c]++;
        m->sse += gap[i];
    }
    return changed;
}

/* Each empty cluster takes the farthest point of a cluster that has another one. SSE falls by the
 * gap of that point, so the iteration still ends. */
static int fill_empty(struct kmeans *m, double *gap)
{
    int filled = 0;
    for (int c = 0; c < m->k; c++) {
        int far = -1;
        for (int i = 0; m->size[c] == 0 && i < m->n; i++) {
            if (gap[i] > 0.0 && m->size[m->label[i]] > 1 && (far < 0 || gap[i] > gap[far])) {
                far = i;
            }
        }
        if (far >= 0) {
            m->size[m->label[far]]--;
            m->label[far] = c;
            m->size[c] = 1;
            m->sse -= gap[far];
            gap[far] = 0.0;
            filled++;
        }
    }
    return filled;
}

/* The mean of its points is the centre that minimises a cluster's SSE. */
static void move_centres(struct kmeans *m, const double *points)
{
    const int d = m->d;
    for (int c = 0; c < m->k; c++) {
        for (int j = 0; j < d && m->size[c] > 0; j++) {
            m->centre[(ptrdiff_t)c * d + j] = 0.0;
        }
    }
    for (int i = 0; i < m->n; i++) {
        double *centre = m->centre + (ptrdiff_t)m->label[i] * d;
        for (int j = 0; j < d; j++) {
            centre[j] += row(points, i, d)[j];
        }
    }
    for (int c = 0; c < m->k; c++) {
        for (int j = 0; j < d && m->size[c] > 0; j++) {
            m->centre[(ptrdiff_t)c * d + j] /= m->size[c];
        }
    }
}

/* Where point i would lower the SSE most if it moved there alone, both centres moving with it: away
 * from a cluster of n points it gains n / (n - 1) |x - c|^2, and it adds n / (n + 1) |x - c|^2 to
 * another one. Its own cluster if nothing helps by more than rounding. */
static int better_cluster(const struct kmeans *m, const double *x, int own)
{
    const double n = m->size[own];
    const double gain = n / (n - 1.0) * distance2(x, row(m->centre, own, m->d), m->d);
    double least = gain * (1.0 - 1e-9);
    int best = own;
    for (int c = 0; c < m->k; c++) {
        const double others = m->size[c];
        const double add = others / (others + 1.0) * distance2(x, row(m->centre, c, m->d), m->d);
        if (c != own && add < least) {
            least = add;
            best = c;
        }
    }
    return best;
}

/* Single points move as long as that helps (J. A. Hartigan, M. A. Wong 1979): such a move escapes
 * optima of Lloyd's iteration, and each optimum here is one there. Centres follow each move. */
static int exchange(struct kmeans *m, const double *points)
{
    int moved = 0;
    for (int i = 0; i < m->n; i++) {
        const double *x = row(points, i, m->d);
        const int from = m->label[i];
        const int to = m->size[from] > 1 ? better_cluster(m, x, from) : from;
        if (to != from) {
            double *left = m->centre + (ptrdiff_t)from * m->d;
            double *joined = m->centre + (ptrdiff_t)to * m->d;
            for (int j = 0; j < m->d; j++) {
                left[j] -= (x[j] - left[j]) / (m->size[from] - 1);
                joined[j] += (x[j] - joined[j]) / (m->size[to] + 1);
            }
            m->size[from]--;
            m->size[to]++;
            m->label[i] = to;
            moved++;
        }
    }
    return moved;
}

/* No step increases the SSE, and there are finitely many assignments; the bound on iterations is
 * for rounding. At the end labels, sizes and SSE belong to the centres. */
static void iterate(struct kmeans *m, double *gap, const double *points,
                    const struct kmeans_cfg *cfg)
{
    memset(m->label, 0xff, (size_t)m->n * sizeof *m->label); /* -1: none */
    for (int i = 0; i < cfg->iterations; i++) {
        const int changed = assign(m, gap, points);
        int moved = fill_empty(m, gap);
        if (changed + moved == 0) {
            moved = exchange(m, points);
        }
        if (changed + moved == 0) {
            return;
        }
        move_centres(m, points);
    }
    assign(m, gap, points);
}

static enum err room_for(struct kmeans *m, struct arena *arena, int n, int d, int k)
{
    *m = (struct kmeans){.k = k,
                         .n = n,
                         .d = d,
                         .label = ARENA_NEW(arena, n, int),
                         .size = ARENA_NEW(arena, k, int),
                         .centre = ARENA_NEW(arena, (size_t)k * (size_t)d, double),
                         .sse = INFINITY,
                         .silhouette = NAN};
    return arena_error(arena);
}

static void copy(struct kmeans *to, const struct kmeans *from)
{
    memcpy(to->label, from->label, (size_t)from->n * sizeof *to->label);
    memcpy(to->size, from->size, (size_t)from->k * sizeof *to->size);
    memcpy(to->centre, from->centre, (size_t)from->k * (size_t)from->d * sizeof *to->centre);
    to->k = from->k;
    to->sse = from->sse;
    to->silhouette = from->silhouette;
}

static enum err fit(struct kmeans *best, const double *points, const struct kmeans_cfg *cfg,
                    struct arena *scratch)
{
    struct kmeans m;
    TRY(room_for(&m, scratch, best->n, best->d, best->k));
    double *gap = ARENA_NEW(scratch, best->n, double);
    TRY(arena_error(scratch));
    best->sse = INFINITY;
    for (int r = 0; r < cfg->restarts; r++) {
        seed_centres(&m, gap, points, cfg, r);
        iterate(&m, gap, points, cfg);
        if (m.sse < best->sse) {
            copy(best, &m);
        }
    }
    return ERR_OK;
}

enum err kmeans_fit(struct kmeans *out, struct arena *arena, const double *points, int n, int d,
                    int k, const struct kmeans_cfg *cfg, struct arena *scratch)
{
    CHECK(k >= 1 && n >= k && cfg->restarts >= 1 && cfg->iterations >= 1);
    TRY(room_for(out, arena, n, d, k));
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = fit(out, points, cfg, scratch);
    if (arena != scratch) {
        arena_rewind(scratch, mark);
    }
    return e;
}

/* ---- number of clusters ---- */

/* Points whose silhouette is taken, every step-th, and their distances: the same for all k. */
struct sample {
    int n, step;
    double *distance; /* (pair_count(n)) */
    double *weight;   /* (n) 1 */
    int *label;       /* (n) */
};

static enum err sample_init(struct sample *s, const double *points, int n, int d,
                            struct arena *scratch)
{
    const int step = (n + KMEANS_SAMPLE - 1) / KMEANS_SAMPLE, m = (n + step - 1) / step;
    *s = (struct sample){.n = m,
                         .step = step,
                         .distance = ARENA_NEW(scratch, pair_count(m), double),
                         .weight = ARENA_NEW(scratch, m, double),
                         .label = ARENA_NEW(scratch, m, int)};
    TRY(arena_error(scratch));
    for (int i = 0; i < m; i++) {
        s->weight[i] = 1.0;
        for (int j = i + 1; j < m; j++) {
            s->distance[pair_index(m, i, j)] =
                sqrt(distance2(row(points, i * step, d), row(points, j * step, d), d));
        }
    }
    return ERR_OK;
}

static enum err mean_silhouette(double *mean, const struct kmeans *m, struct sample *s,
                                struct arena *scratch)
{
    for (int i = 0; i < s->n; i++) {
        s->label[i] = m->label[i * s->step];
    }
    return silhouette_of(mean, NULL, s->distance, s->label, s->weight, s->n, m->k, scratch);
}

static enum err try_all(struct kmeans *best, double *silhouettes, const double *points, int k_min,
                        int k_max, const struct kmeans_cfg *cfg, struct arena *scratch)
{
    struct kmeans m;
    struct sample sample;
    TRY(room_for(&m, scratch, best->n, best->d, k_max));
    TRY(sample_init(&sample, points, best->n, best->d, scratch));
    best->silhouette = -INFINITY;
    for (int k = k_min; k <= k_max; k++) {
        if (k <= best->n) {
            m.k = k;
            TRY(fit(&m, points, cfg, scratch));
            TRY(mean_silhouette(&m.silhouette, &m, &sample, scratch));
            if (m.silhouette > best->silhouette) {
                copy(best, &m);
            }
        }
        if (silhouettes != NULL) {
            silhouettes[k - k_min] = k <= best->n ? m.silhouette : NAN;
        }
    }
    return ERR_OK;
}

enum err kmeans_choose(struct kmeans *out, double *silhouettes, struct arena *arena,
                       const double *points, int n, int d, int k_min, int k_max,
                       const struct kmeans_cfg *cfg, struct arena *scratch)
{
    CHECK(k_min >= 2 && k_min <= k_max && k_max <= KMEANS_K_MAX && arena != scratch);
    if (n < k_min) {
        log_error("%d points are too few for %d clusters", n, k_min);
        return ERR_CONFIG;
    }
    TRY(room_for(out, arena, n, d, k_max));
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = try_all(out, silhouettes, points, k_min, k_max, cfg, scratch);
    arena_rewind(scratch, mark);
    return e;
}
