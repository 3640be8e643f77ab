/* Statistics. Every resample is a pure function of its number, so intervals cannot depend on the
 * order in which a table is filled. */
#include "core/base/stats.h"

#include "core/base/fmath.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The third coordinate of a draw: what it chooses. */
enum { ROLE_SAMPLE, ROLE_TRAIN_A = STAT_ROLE_TRAIN_A, ROLE_TRAIN_B, ROLE_EVAL, ROLE_SIGN };

/* ---- moments ---- */

void running_add(struct running *r, double x)
{
    /* With d = x - mean and n the new count, the new mean is mean + d / n, and the sum of squares
     * grows by
     *
     *     d^2 (n - 1) / n = d (x - new mean)
     *
     * No large squares are subtracted, so nothing cancels. */
    double delta = x - r->mean;
    r->n++;
    r->mean += delta / (double)r->n;
    r->m2 += delta * (x - r->mean);
}

void running_merge(struct running *into, const struct running *from)
{
    if (from->n == 0) {
        return;
    }
    if (into->n == 0) {
        *into = *from;
        return;
    }
    /* The formulas of stats_merge() in core/nn/normaliser.c: deviations of both sides from the
     * common mean add delta^2 na nb / (na + nb) to the sum of squares. */
    double na = (double)into->n, nb = (double)from->n;
    double delta = from->mean - into->mean;
    into->n += from->n;
    into->mean += delta * (nb / (na + nb));
    into->m2 += from->m2 + delta * delta * (na * nb / (na + nb));
}

double running_variance(const struct running *r)
{
    return r->n < 2 ? (double)NAN : r->m2 / (double)(r->n - 1);
}

double stat_mean(const double *x, size_t n)
{
    CHECK(n > 0);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum / (double)n;
}

double stat_variance(const double *x, size_t n)
{
    /* Two passes: the mean is subtracted before squaring, so nothing cancels. */
    double mean = stat_mean(x, n), sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (x[i] - mean) * (x[i] - mean);
    }
    return n < 2 ? (double)NAN : sum / (double)(n - 1);
}

/* ---- order statistics ---- */

static int by_value_then_index(const void *pa, const void *pb, void *ctx)
{
    const double *x = ctx;
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    /* No two indices are equal, so the order is total and qsort_r() may use any algorithm. */
    if (x[a] != x[b]) {
        return x[a] < x[b] ? -1 : 1;
    }
    return (a > b) - (a < b);
}

void stat_order(uint32_t *order, const double *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        CHECK(!isnan(x[i])); /* would make the comparison inconsistent */
        order[i] = i;
    }
    qsort_r(order, n, sizeof(*order), by_value_then_index, (void *)(uintptr_t)x);
}

static double quantile_of_order(const double *x, const uint32_t *order, uint32_t n, double q)
{
    /* Type 7: quantile q stands at position q (n - 1) of the sorted values, between two of them in
     * proportion. At q = 1 there is none above the last, and share is 0. */
    double at = q * (double)(n - 1);
    uint32_t below = (uint32_t)at;
    uint32_t above = below + 1 < n ? below + 1 : below;
    double share = at - (double)below;
    return x[order[below]] + share * (x[order[above]] - x[order[below]]);
}

double stat_quantile(const double *x, uint32_t n, double q, uint32_t *order)
{
    CHECK(n > 0 && q >= 0.0 && q <= 1.0);
    stat_order(order, x, n);
    return quantile_of_order(x, order, n, q);
}

double stat_iqm(const double *x, uint32_t n, uint32_t *order)
{
    CHECK(n > 0);
    stat_order(order, x, n);
    /* 2 cut <= n / 2 < n, so at least one value is left. */
    uint32_t cut = n / 4;
    double sum = 0.0;
    for (uint32_t i = cut; i < n - cut; i++) {
        sum += x[order[i]];
    }
    return sum / (double)(n - 2 * cut);
}

/* ---- bootstrap ---- */

static enum err check_finite(const double *x, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            log_error("%s: value %zu of %zu is %g; a statistic of it means nothing", what, i, n,
                      x[i]);
            return ERR_NUMERIC;
        }
    }
    return ERR_OK;
}

uint32_t stat_stream(const char *const *names)
{
    uint64_t hash = HASH_START;
    for (int i = 0; names[i] != NULL; i++) {
        hash = hash_fnv1a(hash, names[i], strlen(names[i]) + 1);
    }
    return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

void stat_draw(uint32_t *out, uint32_t n, const struct stat_cfg *cfg, uint32_t resample,
               uint32_t role)
{
    /* Index i of resample b is word i % 4 of the block (i / 4, b, role, stream): a function of its
     * coordinates. So resamples may be made in any order, and two statistics with different streams
     * or roles draw independently. */
    struct rng_key key = rng_key(cfg->seed, RNG_BOOTSTRAP, RNG_TEST_SPLIT);
    struct rng_block block = {{0}};
    for (uint32_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            block = rng_philox(key, i / 4, resample, role, cfg->stream);
        }
        out[i] = rng_below(block.v[i % 4], n);
    }
}

enum err stat_percentiles(struct stat_interval *out, double value, const double *estimates,
                          const struct stat_cfg *cfg, struct arena *scratch)
{
    uint32_t *order = ARENA_NEW(scratch, cfg->resamples, uint32_t);
    TRY(arena_error(scratch));
    /* The percentile interval leaves out the same share of the resamples at both ends. */
    double tail = 0.5 * (1.0 - cfg->level);
    stat_order(order, estimates, cfg->resamples);
    *out = (struct stat_interval){
        .value = value,
        .lo = quantile_of_order(estimates, order, cfg->resamples, tail),
        .hi = quantile_of_order(estimates, order, cfg->resamples, 1.0 - tail)};
    return ERR_OK;
}

static double estimate(const double *x, uint32_t n, enum stat_estimator what, uint32_t *order)
{
    return what == STAT_IQM ? stat_iqm(x, n, order) : stat_mean(x, n);
}

static enum err bootstrap(struct stat_interval *out, const double *x, uint32_t n,
                          enum stat_estimator what, const struct stat_cfg *cfg,
                          struct arena *scratch)
{
    double *estimates = ARENA_NEW(scratch, cfg->resamples, double);
    double *sample = ARENA_NEW(scratch, n, double);
    uint32_t *index = ARENA_NEW(scratch, n, uint32_t);
    TRY(arena_error(scratch));
    for (uint32_t b = 0; b < cfg->resamples; b++) {
        stat_draw(index, n, cfg, b, ROLE_SAMPLE);
        for (uint32_t i = 0; i < n; i++) {
            sample[i] = x[index[i]];
        }
        /* The resample is made, so `index` is free to serve the estimator as scratch. */
        estimates[b] = estimate(sample, n, what, index);
    }
    double value = estimate(x, n, what, index);
    return stat_percentiles(out, value, estimates, cfg, scratch);
}

static void check_cfg(const struct stat_cfg *cfg, uint32_t n)
{
    CHECK(n > 0 && cfg->resamples > 0 && cfg->level > 0.0 && cfg->level < 1.0);
}

enum err stat_bootstrap(struct stat_interval *out, const double *x, uint32_t n,
                        enum stat_estimator what, const struct stat_cfg *cfg, struct arena *scratch)
{
    check_cfg(cfg, n);
    TRY(check_finite(x, n, "bootstrap"));
    struct arena_mark mark = arena_mark(scratch);
    enum err e = bootstrap(out, x, n, what, cfg, scratch);
    arena_rewind(scratch, mark);
    return e;
}

enum err stat_bootstrap_paired(struct stat_interval *out, const double *a, const double *b,
                               uint32_t n, const struct stat_cfg *cfg, struct arena *scratch)
{
    check_cfg(cfg, n);
    TRY(check_finite(a, n, "paired bootstrap, first arm"));
    TRY(check_finite(b, n, "paired bootstrap, second arm"));
    struct arena_mark mark = arena_mark(scratch);
    /* A pair is one measurement of the difference: what both halves have in common (the episode)
     * cancels in it. Resampling the halves apart would add that variance again. */
    double *diff = ARENA_NEW(scratch, n, double);
    for (uint32_t i = 0; diff != NULL && i < n; i++) {
        diff[i] = a[i] - b[i];
    }
    enum err e = diff != NULL ? bootstrap(out, diff, n, STAT_MEAN, cfg, scratch) : ERR_MEMORY;
    arena_rewind(scratch, mark);
    return e;
}

/* Scratch of the nested bootstrap: the seeds of one resample, and all estimates. */
struct nested {
    uint32_t *train_a, *train_b, *eval;
    double *estimates;
};

static enum err nested_init(struct nested *w, const struct stat_arm *a, const struct stat_arm *b,
                            uint32_t n_eval, uint32_t resamples, struct arena *scratch)
{
    w->train_a = ARENA_NEW(scratch, a->n_train, uint32_t);
    w->train_b = ARENA_NEW(scratch, b != NULL ? b->n_train : 0, uint32_t);
    w->eval = ARENA_NEW(scratch, n_eval, uint32_t);
    w->estimates = ARENA_NEW(scratch, resamples, double);
    return arena_error(scratch);
}

/* Mean over the rows and columns drawn. */
static double nested_mean(const struct stat_arm *arm, const uint32_t *train, const uint32_t *eval,
                          uint32_t n_eval)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < arm->n_train; i++) {
        const double *row = arm->x + (size_t)train[i] * n_eval;
        for (uint32_t j = 0; j < n_eval; j++) {
            sum += row[eval[j]];
        }
    }
    return sum / ((double)arm->n_train * (double)n_eval);
}

static enum err nested(struct stat_interval *out, const struct stat_arm *a,
                       const struct stat_arm *b, uint32_t n_eval, const struct stat_cfg *cfg,
                       struct arena *scratch)
{
    struct nested w;
    TRY(nested_init(&w, a, b, n_eval, cfg->resamples, scratch));
    for (uint32_t r = 0; r < cfg->resamples; r++) {
        /* One draw of episodes serves both arms: they were measured on the same ones, so their luck
         * with the episodes cancels in the difference, as it does in the data. */
        stat_draw(w.eval, n_eval, cfg, r, ROLE_EVAL);
        stat_draw(w.train_a, a->n_train, cfg, r, ROLE_TRAIN_A);
        w.estimates[r] = nested_mean(a, w.train_a, w.eval, n_eval);
        if (b != NULL) {
            stat_draw(w.train_b, b->n_train, cfg, r, ROLE_TRAIN_B);
            w.estimates[r] -= nested_mean(b, w.train_b, w.eval, n_eval);
        }
    }
    double value = stat_mean(a->x, (size_t)a->n_train * n_eval);
    value -= b != NULL ? stat_mean(b->x, (size_t)b->n_train * n_eval) : 0.0;
    return stat_percentiles(out, value, w.estimates, cfg, scratch);
}

enum err stat_bootstrap_nested(struct stat_interval *out, const struct stat_arm *a,
                               const struct stat_arm *b, uint32_t n_eval,
                               const struct stat_cfg *cfg, struct arena *scratch)
{
    check_cfg(cfg, n_eval);
    CHECK(a->n_train > 0 && (b == NULL || b->n_train > 0));
    TRY(check_finite(a->x, (size_t)a->n_train * n_eval, "nested bootstrap, first arm"));
    if (b != NULL) {
        TRY(check_finite(b->x, (size_t)b->n_train * n_eval, "nested bootstrap, second arm"));
    }
    struct arena_mark mark = arena_mark(scratch);
    enum err e = nested(out, a, b, n_eval, cfg, scratch);
    arena_rewind(scratch, mark);
    return e;
}

/* ---- tests ---- */

/* Equal up to rounding counts as "at least as large": sums of the same numbers in another order of
 * signs differ in the last bits. */
struct sign_test {
    const double *diff;
    uint32_t n;
    double least; /* |sum| that counts as a hit */
};

static struct sign_test sign_test_of(const double *diff, uint32_t n)
{
    double sum = 0.0, size = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        sum += diff[i];
        size += fabs(diff[i]);
    }
    /* Rounding of a sum of n terms is at most about n 2^-53 times the sum of their sizes; 1e-12 of
     * it is enough for thousands of pairs. */
    return (struct sign_test){diff, n, fabs(sum) - 1e-12 * size};
}

/* All sign patterns, each as likely under the hypothesis. The last difference keeps its sign: a
 * pattern and its opposite have the same |sum|, so half of the 2^n patterns gives the same share.
 * The pattern without flips is a hit, hence p >= 2^(1-n). */
static double exact_p(const struct sign_test *t)
{
    uint32_t patterns = 1u << (t->n - 1), hits = 0;
    for (uint32_t flips = 0; flips < patterns; flips++) {
        double sum = 0.0;
        for (uint32_t i = 0; i < t->n; i++) {
            sum += (flips >> i & 1u) != 0 ? -t->diff[i] : t->diff[i];
        }
        hits += fabs(sum) >= t->least;
    }
    return (double)hits / (double)patterns;
}

static double random_p(const struct sign_test *t, const struct stat_cfg *cfg)
{
    struct rng_key key = rng_key(cfg->seed, RNG_BOOTSTRAP, RNG_TEST_SPLIT);
    uint32_t hits = 0;
    for (uint32_t r = 0; r < cfg->resamples; r++) {
        /* A block holds 128 fair bits: bit i % 128 is the sign of difference i. */
        struct rng_block block = {{0}};
        double sum = 0.0;
        for (uint32_t i = 0; i < t->n; i++) {
            if (i % 128 == 0) {
                block = rng_philox(key, i / 128, r, ROLE_SIGN, cfg->stream);
            }
            bool flip = (block.v[i / 32 % 4] >> (i % 32) & 1u) != 0;
            sum += flip ? -t->diff[i] : t->diff[i];
        }
        hits += fabs(sum) >= t->least;
    }
    /* The observed pattern counts as one of the patterns. So p is never 0, and under the hypothesis
     * p is at most alpha with probability at most alpha, for any number of resamples. */
    return (1.0 + (double)hits) / (1.0 + (double)cfg->resamples);
}

enum err stat_sign_flip(double *p, const double *diff, uint32_t n, const struct stat_cfg *cfg)
{
    CHECK(n > 0);
    TRY(check_finite(diff, n, "sign-flip test"));
    struct sign_test t = sign_test_of(diff, n);
    *p = n <= STAT_EXACT_MAX ? exact_p(&t) : random_p(&t, cfg);
    return ERR_OK;
}

void stat_holm(double *adjusted, const double *p, uint32_t n, uint32_t *order)
{
    /* Step-down: the i-th smallest p-value (from 0) competes with the n - i hypotheses that are not
     * rejected yet, so Bonferroni's factor for it is n - i. A hypothesis is rejected only if all
     * with smaller p-values are, which the running maximum expresses. */
    stat_order(order, p, n);
    double largest = 0.0; /* adjusted values never fall along the order */
    for (uint32_t i = 0; i < n; i++) {
        double scaled = (double)(n - i) * p[order[i]];
        largest = scaled > largest ? scaled : largest;
        adjusted[order[i]] = largest < 1.0 ? largest : 1.0;
    }
}

void stat_benjamini_hochberg(double *adjusted, const double *p, uint32_t n, uint32_t *order)
{
    /* Step-up: the i-th smallest p-value (from 1) is rejected at q if some j >= i has p_(j) <= q
     * j / n. So its adjusted value is the least of n p_(j) / j over j >= i: a running minimum from
     * the largest p-value down. */
    if (n == 0) {
        return;
    }
    stat_order(order, p, n);
    double least = 1.0;
    for (uint32_t i = n; i-- > 0;) {
        least = fm_min(least, p[order[i]] * (double)n / (double)(i + 1));
        adjusted[order[i]] = least;
    }
}
