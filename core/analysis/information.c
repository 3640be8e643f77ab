/* Counts of (z, x, y) in one dense table, and shuffles inside the cells of z. See information.h. */
#include "core/analysis/information.h"

#include "core/base/fmath.h"
#include "core/base/rng.h"

#include <math.h>
#include <string.h>

/* ---- rows ---- */

int info_moments(const struct info_sequences *s)
{
    int n = 0;
    for (int i = 0; i < s->n_sequences; i++) {
        n += s->end[i] - s->begin[i];
    }
    return n;
}

static enum err rows_init(struct info_rows *out, struct arena *arena,
                          const struct info_sequences *s, int kx, int ky, int kz)
{
    const int most = info_moments(s);
    *out = (struct info_rows){.kx = kx,
                              .ky = ky,
                              .kz = kz,
                              .x = ARENA_NEW(arena, most, int),
                              .y = ARENA_NEW(arena, most, int),
                              .z = ARENA_NEW(arena, most, int)};
    return arena_error(arena);
}

static void add_row(struct info_rows *out, int x, int y, int z)
{
    out->x[out->n] = x;
    out->y[out->n] = y;
    out->z[out->n++] = z;
}

/* y_t needs its own past, one moment, and x's, lag moments ago. */
enum err info_rows_transfer(struct info_rows *out, struct arena *arena, const int *x, const int *y,
                            int k, int lag, const struct info_sequences *s)
{
    CHECK(lag >= 1);
    TRY(rows_init(out, arena, s, k, k, k * s->n_strata));
    for (int i = 0; i < s->n_sequences; i++) {
        for (int t = s->begin[i] + lag; t < s->end[i]; t++) {
            add_row(out, x[t - lag], y[t], s->stratum[t] * k + y[t - 1]);
        }
    }
    return ERR_OK;
}

enum err info_rows_synchrony(struct info_rows *out, struct arena *arena, const int *x, const int *y,
                             int k, const struct info_sequences *s)
{
    TRY(rows_init(out, arena, s, k, k, k * k * s->n_strata));
    for (int i = 0; i < s->n_sequences; i++) {
        for (int t = s->begin[i] + 1; t < s->end[i]; t++) {
            add_row(out, x[t], y[t], (s->stratum[t] * k + x[t - 1]) * k + y[t - 1]);
        }
    }
    return ERR_OK;
}

enum err info_rows_reaction(struct info_rows *out, struct arena *arena, const int *v, int kv,
                            const int *x, int k, const struct info_sequences *s)
{
    TRY(rows_init(out, arena, s, kv, k, k * s->n_strata));
    for (int i = 0; i < s->n_sequences; i++) {
        for (int t = s->begin[i] + 1; t < s->end[i]; t++) {
            add_row(out, v[t], x[t], s->stratum[t] * k + x[t - 1]);
        }
    }
    return ERR_OK;
}

/* ---- estimate ---- */

struct counts {
    int kx, ky, kz;
    int *xyz, *xz, *yz, *z; /* (kz, kx, ky), (kz, kx), (kz, ky), (kz) */
};

static enum err counts_init(struct counts *c, struct arena *arena, const struct info_rows *r)
{
    const size_t kx = (size_t)r->kx, ky = (size_t)r->ky, kz = (size_t)r->kz;
    *c = (struct counts){.kx = r->kx,
                         .ky = r->ky,
                         .kz = r->kz,
                         .xyz = ARENA_NEW(arena, kz * kx * ky, int),
                         .xz = ARENA_NEW(arena, kz * kx, int),
                         .yz = ARENA_NEW(arena, kz * ky, int),
                         .z = ARENA_NEW(arena, kz, int)};
    return arena_error(arena);
}

/* x apart from the rows: a permutation of it. */
static void count(struct counts *c, const struct info_rows *r, const int *x)
{
    const size_t kx = (size_t)c->kx, ky = (size_t)c->ky, kz = (size_t)c->kz;
    memset(c->xyz, 0, kz * kx * ky * sizeof *c->xyz);
    memset(c->xz, 0, kz * kx * sizeof *c->xz);
    memset(c->yz, 0, kz * ky * sizeof *c->yz);
    memset(c->z, 0, kz * sizeof *c->z);
    for (int i = 0; i < r->n; i++) {
        const int xz = r->z[i] * c->kx + x[i];
        c->xyz[xz * c->ky + r->y[i]]++;
        c->xz[xz]++;
        c->yz[r->z[i] * c->ky + r->y[i]]++;
        c->z[r->z[i]]++;
    }
}

static double log2_of(double v)
{
    const double ln2 = 0.69314718055994530942;
    return fm_log(v) / ln2;
}

/* sum n_xyz log2(n_xyz n_z / (n_xz n_yz)) / N, in the order of (z, x, y). Rounding may make a sum
 * that is 0 slightly negative. */
static double plug_in(const struct counts *c, int n)
{
    double sum = 0.0;
    for (int z = 0; z < c->kz; z++) {
        for (int x = 0; c->z[z] > 0 && x < c->kx; x++) {
            const int xz = z * c->kx + x;
            for (int y = 0; c->xz[xz] > 0 && y < c->ky; y++) {
                const double both = c->xyz[xz * c->ky + y];
                if (both > 0.0) {
                    const double alone = (double)c->xz[xz] * (double)c->yz[z * c->ky + y];
                    sum += both * log2_of(both * (double)c->z[z] / alone);
                }
            }
        }
    }
    return fm_max(sum / (double)n, 0.0);
}

static int n_positive(const int *v, int n)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        found += v[i] > 0;
    }
    return found;
}

/* Each cell is an estimate of its own; an empty cell, with all K = 0, would add 1. */
static double bias_of(const struct counts *c, int n)
{
    int excess = 0;
    for (int z = 0; z < c->kz; z++) {
        if (c->z[z] > 0) {
            excess += n_positive(c->xyz + z * c->kx * c->ky, c->kx * c->ky) -
                      n_positive(c->xz + z * c->kx, c->kx) - n_positive(c->yz + z * c->ky, c->ky) +
                      1;
        }
    }
    return (double)excess / (2.0 * (double)n * fm_log(2.0));
}

static struct info_value estimate(struct counts *c, const struct info_rows *r)
{
    if (r->n == 0) {
        return (struct info_value){NAN, NAN};
    }
    count(c, r, r->x);
    return (struct info_value){plug_in(c, r->n), bias_of(c, r->n)};
}

enum err info_conditional(struct info_value *out, const struct info_rows *rows,
                          struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct counts c;
    const enum err e = counts_init(&c, scratch, rows);
    if (e == ERR_OK) {
        *out = estimate(&c, rows);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- test ---- */

/* Rows sorted by z (counting sort, stable): order[first[z] .. first[z + 1]) have this z. */
static void sort_by_cell(int *order, int *first, const struct info_rows *r)
{
    memset(first, 0, ((size_t)r->kz + 1) * sizeof *first);
    for (int i = 0; i < r->n; i++) {
        first[r->z[i] + 1]++;
    }
    for (int z = 0; z < r->kz; z++) {
        first[z + 1] += first[z];
    }
    for (int i = 0; i < r->n; i++) {
        order[first[r->z[i]]++] = i;
    }
    for (int z = r->kz; z > 0; z--) {
        first[z] = first[z - 1];
    }
    first[0] = 0;
}

/* R. A. Fisher and F. Yates 1938, in the form of R. Durstenfeld 1964: position i of the cell takes
 * an element of 0 .. i. The draw of a row is word i modulo 4 of block i / 4 of this permutation. */
static void shuffle_cell(int *x, const int *order, int first, int end, struct rng_key key,
                         const struct info_test_cfg *cfg, uint32_t permutation)
{
    struct rng_block b = {{0}};
    for (int i = end - 1; i > first; i--) {
        if (i == end - 1 || i % 4 == 3) {
            b = rng_philox(key, (uint32_t)i / 4, permutation, cfg->stream, 0);
        }
        const int j = first + (int)rng_below(b.v[i % 4], (uint32_t)(i - first + 1));
        const int swapped = x[order[i]];
        x[order[i]] = x[order[j]];
        x[order[j]] = swapped;
    }
}

/* Estimates of permuted rows are sums of the same terms in the same order, so a permutation that
 * changes nothing gives the same bits and counts as at least as large; the margin is for equal sums
 * in another order. */
static void permute(struct info_test *out, struct counts *c, const struct info_rows *r, int *x,
                    const int *order, const int *first, const struct info_test_cfg *cfg)
{
    const struct rng_key key = rng_key(cfg->seed, RNG_ANALYSIS, RNG_DEV);
    const double least = out->value.bits - 1e-12;
    int hits = 0;
    for (int k = 0; k < cfg->permutations; k++) {
        for (int z = 0; z < r->kz; z++) {
            shuffle_cell(x, order, first[z], first[z + 1], key, cfg, (uint32_t)k);
        }
        count(c, r, x);
        const double bits = plug_in(c, r->n);
        out->null_mean += bits;
        hits += bits >= least;
    }
    out->null_mean /= cfg->permutations;
    out->p = (1.0 + hits) / (1.0 + cfg->permutations);
}

enum err info_test(struct info_test *out, const struct info_rows *rows,
                   const struct info_test_cfg *cfg, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct counts c;
    CHECK(cfg->permutations >= 1);
    int *x = ARENA_NEW(scratch, rows->n, int);
    int *order = ARENA_NEW(scratch, rows->n, int);
    int *first = ARENA_NEW(scratch, rows->kz + 1, int);
    const enum err e = counts_init(&c, scratch, rows);
    if (e == ERR_OK) {
        *out = (struct info_test){.value = estimate(&c, rows), .null_mean = NAN, .p = 1.0};
        if (rows->n > 0) {
            out->null_mean = 0.0;
            memcpy(x, rows->x, (size_t)rows->n * sizeof *x);
            sort_by_cell(order, first, rows);
            permute(out, &c, rows, x, order, first, cfg);
        }
    }
    arena_rewind(scratch, mark);
    return e;
}
