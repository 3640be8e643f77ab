/* A resample is a multiplicity for each training seed and each episode, so nothing is copied and
 * values are sorted once. See twoway.h. */
#include "core/base/twoway.h"

#include "core/base/fmath.h"
#include "core/base/log.h"

#include <math.h>
#include <string.h>

const char *twoway_name(enum twoway_statistic statistic)
{
    static const char *const names[] = {[TWOWAY_MEAN] = "mean",
                                        [TWOWAY_IQM] = "interquartile mean",
                                        [TWOWAY_IMPROVEMENT] = "probability of improvement"};
    return names[statistic];
}

/* ---- bootstrap ---- */

/* How often each row and column counts, and what an estimator needs beside it. */
struct resample {
    const struct stat_arm *a, *b;
    uint32_t n_eval;
    uint32_t *rows_a, *rows_b, *columns; /* multiplicities */
    uint32_t *drawn;                     /* scratch: at least the largest of the three */
    const uint32_t *order;               /* (n_a, n_eval) of a, ascending; IQM only */
};

static uint32_t largest(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void draw_counts(uint32_t *counts, uint32_t n, uint32_t *drawn, const struct stat_cfg *cfg,
                        uint32_t resample, enum stat_role role)
{
    stat_draw(drawn, n, cfg, resample, (uint32_t)role);
    memset(counts, 0, n * sizeof *counts);
    for (uint32_t i = 0; i < n; i++) {
        counts[drawn[i]]++;
    }
}

static void draw_all(struct resample *r, const struct stat_cfg *cfg, uint32_t resample)
{
    draw_counts(r->columns, r->n_eval, r->drawn, cfg, resample, STAT_ROLE_EVAL);
    draw_counts(r->rows_a, r->a->n_train, r->drawn, cfg, resample, STAT_ROLE_TRAIN_A);
    if (r->b != NULL) {
        draw_counts(r->rows_b, r->b->n_train, r->drawn, cfg, resample, STAT_ROLE_TRAIN_B);
    }
}

static void count_once(uint32_t *counts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        counts[i] = 1;
    }
}

/* The data themselves. */
static void draw_identity(struct resample *r)
{
    count_once(r->columns, r->n_eval);
    count_once(r->rows_a, r->a->n_train);
    if (r->b != NULL) {
        count_once(r->rows_b, r->b->n_train);
    }
}

/* How many of the positions [at, at + n) lie in [from, to): the intersection of two intervals. */
static uint64_t overlap(uint64_t at, uint64_t n, uint64_t from, uint64_t to)
{
    const uint64_t lo = at > from ? at : from;
    const uint64_t hi = at + n < to ? at + n : to;
    return hi > lo ? hi - lo : 0;
}

static double iqm_of(const struct resample *r)
{
    /* Think of the resample as sorted: value k of the sorted data occupies `count` positions, from
     * `at` on. The counts of all cells add up to n, because the multiplicities of rows add up to
     * n_train and those of columns to n_eval. Positions [cut, n - cut) are the middle half, so the
     * sum is that of stat_iqm() on the resample up to rounding, without sorting it. */
    const uint64_t n = (uint64_t)r->a->n_train * r->n_eval;
    const uint64_t cut = n / 4;
    uint64_t at = 0;
    double sum = 0.0;
    for (uint64_t k = 0; k < n && at < n - cut; k++) {
        const uint32_t i = r->order[k];
        const uint64_t count = (uint64_t)r->rows_a[i / r->n_eval] * r->columns[i % r->n_eval];
        sum += (double)overlap(at, count, cut, n - cut) * r->a->x[i];
        at += count;
    }
    return sum / (double)(n - 2 * cut);
}

/* Twice the score of row x against row y over the columns drawn. */
static uint64_t score_rows(const double *x, const double *y, const uint32_t *columns, uint32_t n)
{
    uint64_t score = 0;
    for (uint32_t e = 0; e < n; e++) {
        /* (x > y) + (x >= y) is 2, 1 or 0 for better, equal and worse. */
        score += columns[e] * (uint32_t)((x[e] > y[e]) + (x[e] >= y[e]));
    }
    return score;
}

static double better_of(const struct resample *r)
{
    uint64_t score = 0;
    for (uint32_t i = 0; i < r->a->n_train; i++) {
        for (uint32_t j = 0; j < r->b->n_train; j++) {
            const uint64_t count = (uint64_t)r->rows_a[i] * r->rows_b[j];
            if (count > 0) {
                score += count * score_rows(r->a->x + (size_t)i * r->n_eval,
                                            r->b->x + (size_t)j * r->n_eval, r->columns, r->n_eval);
            }
        }
    }
    /* The score is an integer and exact. The multiplicities of all comparisons add up to the
     * denominator without the 2. */
    return (double)score / (2.0 * r->a->n_train * r->b->n_train * r->n_eval);
}

static enum err check_arm(const struct stat_arm *arm, uint32_t n_eval)
{
    for (size_t i = 0; i < (size_t)arm->n_train * n_eval; i++) {
        if (!isfinite(arm->x[i])) {
            log_error("two-way bootstrap: value %zu is %g; a statistic of it means nothing", i,
                      arm->x[i]);
            return ERR_NUMERIC;
        }
    }
    return ERR_OK;
}

static enum err resample_init(struct resample *r, const struct stat_arm *a,
                              const struct stat_arm *b, uint32_t n_eval,
                              enum twoway_statistic statistic, struct arena *scratch)
{
    /* Only the interquartile mean needs the order of the values; it stays the same for all
     * resamples, so it is sorted once. */
    const uint32_t n_b = b != NULL ? b->n_train : 0;
    const uint32_t n = a->n_train * n_eval;
    uint32_t *order = ARENA_NEW(scratch, statistic == TWOWAY_IQM ? n : 0, uint32_t);
    *r = (struct resample){
        .a = a,
        .b = b,
        .n_eval = n_eval,
        .rows_a = ARENA_NEW(scratch, a->n_train, uint32_t),
        .rows_b = ARENA_NEW(scratch, n_b, uint32_t),
        .columns = ARENA_NEW(scratch, n_eval, uint32_t),
        .drawn = ARENA_NEW(scratch, largest(largest(a->n_train, n_b), n_eval), uint32_t),
        .order = order,
    };
    TRY(arena_error(scratch));
    if (statistic == TWOWAY_IQM) {
        stat_order(order, a->x, n);
    }
    return ERR_OK;
}

static enum err bootstrap(struct stat_interval *out, const struct stat_arm *a,
                          const struct stat_arm *b, uint32_t n_eval,
                          enum twoway_statistic statistic, const struct stat_cfg *cfg,
                          struct arena *scratch)
{
    struct resample r;
    double *estimates = ARENA_NEW(scratch, cfg->resamples, double);
    TRY(arena_error(scratch));
    TRY(resample_init(&r, a, b, n_eval, statistic, scratch));
    for (uint32_t k = 0; k < cfg->resamples; k++) {
        draw_all(&r, cfg, k);
        estimates[k] = statistic == TWOWAY_IQM ? iqm_of(&r) : better_of(&r);
    }
    draw_identity(&r);
    const double value = statistic == TWOWAY_IQM ? iqm_of(&r) : better_of(&r);
    return stat_percentiles(out, value, estimates, cfg, scratch);
}

enum err twoway_bootstrap(struct stat_interval *out, const struct stat_arm *a,
                          const struct stat_arm *b, uint32_t n_eval,
                          enum twoway_statistic statistic, const struct stat_cfg *cfg,
                          struct arena *scratch)
{
    if (statistic == TWOWAY_MEAN) {
        return stat_bootstrap_nested(out, a, b, n_eval, cfg, scratch);
    }
    CHECK(n_eval > 0 && a->n_train > 0 && cfg->resamples > 0);
    CHECK((statistic == TWOWAY_IMPROVEMENT) == (b != NULL && b->n_train > 0));
    TRY(check_arm(a, n_eval));
    if (b != NULL) {
        TRY(check_arm(b, n_eval));
    }
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = bootstrap(out, a, b, n_eval, statistic, cfg, scratch);
    arena_rewind(scratch, mark);
    return e;
}

/* ---- small samples ---- */

static double row_mean(const struct stat_arm *arm, uint32_t row, uint32_t n_eval)
{
    return stat_mean(arm->x + (size_t)row * n_eval, n_eval);
}

static double column_mean(const struct stat_arm *arm, uint32_t column, uint32_t n_eval)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < arm->n_train; i++) {
        sum += arm->x[(size_t)i * n_eval + column];
    }
    return sum / arm->n_train;
}

/* One source of variance: V_k and n_k. */
struct source {
    double variance;
    uint32_t n;
};

static struct source source_of(const struct running *r)
{
    const uint32_t n = (uint32_t)r->n;
    /* The variance of a mean of n is that of one value over n. */
    return (struct source){n > 1 ? running_variance(r) / n : 0.0, n};
}

static struct source training(const struct stat_arm *arm, uint32_t n_eval)
{
    struct running r = {0};
    for (uint32_t i = 0; arm != NULL && i < arm->n_train; i++) {
        running_add(&r, row_mean(arm, i, n_eval));
    }
    return source_of(&r);
}

static struct source episodes(const struct stat_arm *a, const struct stat_arm *b, uint32_t n_eval)
{
    struct running r = {0};
    for (uint32_t e = 0; e < n_eval; e++) {
        running_add(&r, column_mean(a, e, n_eval) - (b != NULL ? column_mean(b, e, n_eval) : 0.0));
    }
    return source_of(&r);
}

double twoway_satterthwaite(const struct stat_arm *a, const struct stat_arm *b, uint32_t n_eval,
                            double level)
{
    const struct source sources[3] = {training(a, n_eval), training(b, n_eval),
                                      episodes(a, b, n_eval)};
    /* The symbols of twoway.h: V, V' and the sum in df. Each source in the sums has n >= 2, so
     * V' >= V / 2. squares <= V^2, hence df >= 1, and all divisions are by positive numbers. The
     * factor is at least 1, because t falls with df and V >= V'. */
    double v = 0.0, v_bootstrap = 0.0, squares = 0.0;
    for (int k = 0; k < 3; k++) {
        const double n = sources[k].n, v_k = sources[k].variance;
        if (n > 1) {
            v += v_k;
            v_bootstrap += v_k * (n - 1.0) / n;
            squares += v_k * v_k / (n - 1.0);
        }
    }
    /* No variance at all: there is nothing to widen. */
    if (!(squares > 0.0)) {
        return 1.0;
    }
    return stat_t_critical(level, v * v / squares) / stat_t_critical(level, HUGE_VAL) *
           sqrt(v / v_bootstrap);
}

struct stat_interval twoway_ci_widen(const struct stat_interval *v, double factor)
{
    return (struct stat_interval){.value = v->value,
                                  .lo = v->value - factor * (v->value - v->lo),
                                  .hi = v->value + factor * (v->hi - v->value)};
}

enum err stat_bootstrap_corrected(struct stat_interval *out, const double *x, uint32_t n,
                                  const struct stat_cfg *cfg, struct arena *scratch)
{
    const struct stat_arm arm = {x, n};
    TRY(stat_bootstrap(out, x, n, STAT_MEAN, cfg, scratch));
    if (n == 1) {
        out->lo = out->hi = NAN;
    } else {
        *out = twoway_ci_widen(out, twoway_satterthwaite(&arm, NULL, 1, cfg->level));
    }
    return ERR_OK;
}

/* Mean over the pairs without thing `out` (n: over all). */
static double mean_of_pairs(const double *pairs, uint32_t n, uint32_t out)
{
    double sum = 0.0, n_pairs = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (i != out && j != out && !isnan(pairs[(size_t)i * n + j])) {
                sum += pairs[(size_t)i * n + j];
                n_pairs += 1.0;
            }
        }
    }
    return n_pairs > 0.0 ? sum / n_pairs : NAN;
}

enum err stat_pairs_corrected(struct stat_interval *out, const double *pairs, uint32_t n,
                              const struct stat_cfg *cfg, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const double all = mean_of_pairs(pairs, n, n);
    double *u = ARENA_NEW(scratch, n, double);
    bool known = n > 2;
    enum err e = arena_error(scratch);
    for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
        u[i] = n * all - (n - 1.0) * mean_of_pairs(pairs, n, i);
        known = known && isfinite(u[i]);
    }
    *out = (struct stat_interval){all, NAN, NAN};
    if (e == ERR_OK && known) {
        e = stat_bootstrap_corrected(out, u, n, cfg, scratch);
        out->value = all;
    }
    arena_rewind(scratch, mark);
    return e;
}

/* The density of Student's t is (1 + t^2 / df)^(-(df + 1) / 2), up to a constant. Substitute, with
 * a the angle,
 *
 *     t = sqrt(df) tan(a),   1 + t^2 / df = 1 / cos(a)^2,   dt / da = sqrt(df) / cos(a)^2
 *
 * Then the density of the angle, which is bounded by a quarter turn, is, up to a constant,
 *
 *     cos(a)^(df + 1) / cos(a)^2 = cos(a)^(df - 1)
 */
static double density(double angle, double df)
{
    const double c = fm_cos(angle);
    return fm_pow(c > 0.0 ? c : 0.0, df - 1.0); /* the last angle is a quarter turn, rounded */
}

/* Simpson's rule on one panel. */
static double panel(double from, double width, double df)
{
    return width / 6.0 *
           (density(from, df) + 4.0 * density(from + 0.5 * width, df) + density(from + width, df));
}

double stat_t_critical(double level, double df_given)
{
    enum { PANELS = 2048, NEWTON = 4 };
    const double quarter_turn = 1.5707963267948966;
    const double df = df_given < 1e4 ? df_given : 1e4;
    const double width = quarter_turn / PANELS;
    double whole = 0.0, sum = 0.0;
    CHECK(level > 0.0 && level < 1.0 && df >= 1.0);
    /* The constant of the density: the integral over all angles. */
    /* Panels 0 .. i-1 have the integral `sum`, and the wanted angle lies in the first panel that
     * would take it to level x whole. There is one: all panels, added in the same order, give
     * `whole` itself, and level < 1. */
    for (int i = 0; i < PANELS; i++) {
        whole += panel(i * width, width, df);
    }
    int i = 0;
    for (double next = panel(0.0, width, df); sum + next < level * whole;
         next = panel(i * width, width, df)) {
        sum += next;
        i++;
    }
    double share = 0.5 * width; /* of the panel in which it lies */
    for (int k = 0; k < NEWTON; k++) {
        /* Newton on the integral up to the angle. Its derivative is the density, which changes
         * little over one of 2048 panels, so each step about doubles the number of correct
         * digits. */
        const double excess = sum + panel(i * width, share, df) - level * whole;
        share -= excess / density(i * width + share, df);
    }
    const double angle = i * width + share;
    return sqrt(df) * fm_sin(angle) / fm_cos(angle);
}

/* ---- units of a permutation test ---- */

static uint32_t count_units(const struct stat_arm *a, const struct stat_arm *b, uint32_t n_eval)
{
    /* An arm with one row has no training to be paired: then the rows of the other one count. One
     * unit, or more units than episodes, cannot be dealt: each episode is a unit. */
    const bool both = a->n_train > 1 && b->n_train > 1;
    const uint32_t fewer = a->n_train < b->n_train ? a->n_train : b->n_train;
    const uint32_t n = both ? fewer : largest(a->n_train, b->n_train);
    return n == 1 || n > n_eval ? n_eval : n;
}

static double value_of(const struct stat_arm *arm, uint32_t row, uint32_t column, uint32_t n_eval)
{
    return arm->x[(arm->n_train > 1 ? (size_t)row * n_eval : 0) + column];
}

uint32_t twoway_units(double *diff, const struct stat_arm *a, const struct stat_arm *b,
                      uint32_t n_eval)
{
    const uint32_t n = count_units(a, b, n_eval);
    for (uint32_t i = 0; i < n; i++) {
        /* Episodes i, i + n, i + 2 n, ... belong to unit i. n <= n_eval, so every unit has one at
         * least, and no episode is in two units, and no row of an arm that has several. */
        double sum = 0.0;
        uint32_t n_dealt = 0;
        for (uint32_t e = i; e < n_eval; e += n, n_dealt++) {
            sum += value_of(a, i, e, n_eval) - value_of(b, i, e, n_eval);
        }
        diff[i] = sum / n_dealt;
    }
    return n;
}
