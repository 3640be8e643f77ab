/* Mahalanobis distance with a Cholesky factor, and the hysteresis of the fallback. See drift.h. */
#include "core/transfer/drift.h"

#include "core/base/log.h"
#include "core/base/stats.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- states of a store ---- */

typedef void visit(void *ctx, const float *state);

/* Calls for each state of a part whose columns were all measured. */
static enum err each_state(const struct drift *d, struct store *store, enum store_part part,
                           visit *call, void *ctx, struct arena *scratch)
{
    const int n_columns = store->header.n_columns;
    for (int i = 0; i < store->n_episodes; i++) {
        const struct arena_mark mark = arena_mark(scratch);
        struct store_episode e;
        if (store->entries[i].part != part) {
            continue;
        }
        TRY(store_read(&e, store, i, scratch));
        for (int t = 0; t <= e.n_steps; t++) {
            bool known = true;
            for (int k = 0; k < d->n; k++) {
                known = known && store_known(&e, n_columns, t, d->column[k]);
            }
            if (known) {
                call(ctx, e.state + (ptrdiff_t)t * n_columns);
            }
        }
        arena_rewind(scratch, mark);
    }
    return ERR_OK;
}

/* ---- moments ---- */

struct moments {
    struct drift *d;
    struct running *columns; /* (n) */
    double *sum;             /* (n, n) of z z' */
};

static void add_columns(void *ctx, const float *state)
{
    struct moments *m = ctx;
    for (int i = 0; i < m->d->n; i++) {
        running_add(&m->columns[i], (double)state[m->d->column[i]]);
    }
}

static void normalise(const struct drift *d, double *z, const float *state)
{
    for (int i = 0; i < d->n; i++) {
        z[i] = ((double)state[d->column[i]] - d->mean[i]) / d->std[i];
    }
}

static void add_products(void *ctx, const float *state)
{
    struct moments *m = ctx;
    const int n = m->d->n;
    normalise(m->d, m->d->z, state);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k <= i; k++) {
            m->sum[i * n + k] += m->d->z[i] * m->d->z[k];
        }
    }
}

/* Columns that changed; the others have no unit. */
static void keep_moving(struct drift *d, const struct running *columns)
{
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        const double std = sqrt(running_variance(&columns[i]));
        if (std > 1e-6 * (1.0 + fabs(columns[i].mean))) {
            d->column[n] = d->column[i];
            d->mean[n] = columns[i].mean;
            d->std[n++] = std;
        }
    }
    d->n = n;
}

/* In place, row by row: L[i][k] = (C[i][k] - sum_j<k L[i][j] L[k][j]) / L[k][k]. C is at least
 * DRIFT_SHRINKAGE times the unit matrix plus a positive semidefinite one, so the roots are of
 * positive numbers up to rounding. */
static void factorise(double *c, int n)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; k <= i; k++) {
            double x = c[i * n + k];
            for (int j = 0; j < k; j++) {
                x -= c[i * n + j] * c[k * n + j];
            }
            c[i * n + k] = i == k ? sqrt(fmax(x, 1e-9)) : x / c[k * n + k];
        }
    }
}

struct distances {
    struct drift *d;
    double *values;
    int64_t n, cap;
};

static void count_state(void *ctx, const float *state)
{
    (void)state;
    ++*(int64_t *)ctx;
}

static void add_distance(void *ctx, const float *state)
{
    struct distances *s = ctx;
    if (s->n < s->cap) {
        s->values[s->n++] = drift_distance(s->d, NULL, state);
    }
}

static enum err find_threshold(struct drift *d, struct store *store, double quantile,
                               struct arena *scratch)
{
    int64_t n = 0;
    TRY(each_state(d, store, STORE_HELD_OUT, count_state, &n, scratch));
    if (n < DRIFT_HELD_OUT_MIN || n > UINT32_MAX) {
        log_error("%s: %" PRId64 " held-out states are too few for a threshold of drift, %d are "
                  "needed; collect more episodes, or give another store",
                  store->path, n, DRIFT_HELD_OUT_MIN);
        return ERR_MISMATCH;
    }
    struct distances s = {.d = d, .values = ARENA_NEW(scratch, n, double), .cap = n};
    uint32_t *order = ARENA_NEW(scratch, n, uint32_t);
    TRY(arena_error(scratch));
    TRY(each_state(d, store, STORE_HELD_OUT, add_distance, &s, scratch));
    d->threshold = stat_quantile(s.values, (uint32_t)s.n, quantile, order);
    d->n_held_out = s.n;
    return ERR_OK;
}

static enum err fit(struct drift *d, struct store *store, double quantile, struct arena *scratch)
{
    struct moments m = {
        .d = d, .columns = ARENA_NEW(scratch, d->n, struct running), .sum = d->chol};
    TRY(arena_error(scratch));
    TRY(each_state(d, store, STORE_TRAIN, add_columns, &m, scratch));
    d->n_train = d->n > 0 ? (int64_t)m.columns[0].n : 0;
    keep_moving(d, m.columns);
    if (d->n == 0) {
        log_error("%s: no column that the policy observes changes in its training episodes, so "
                  "nothing can be said of drift; give the store that the policy's twin was fitted "
                  "to",
                  store->path);
        return ERR_MISMATCH;
    }
    TRY(each_state(d, store, STORE_TRAIN, add_products, &m, scratch));
    for (int i = 0; i < d->n; i++) {
        for (int k = 0; k <= i; k++) {
            double *c = &d->chol[i * d->n + k];
            *c = *c / (double)d->n_train * (1.0 - DRIFT_SHRINKAGE) +
                 (i == k ? DRIFT_SHRINKAGE : 0.0);
        }
    }
    factorise(d->chol, d->n);
    return find_threshold(d, store, quantile, scratch);
}

enum err drift_fit(struct drift *d, struct arena *arena, struct store *store, const uint8_t *wanted,
                   double quantile, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int most = store->header.n_columns;
    *d = (struct drift){.column = ARENA_NEW(arena, most, int)};
    TRY(arena_error(arena));
    for (int i = 0; i < most; i++) {
        if (wanted[i] != 0) {
            d->column[d->n++] = i;
        }
    }
    d->mean = ARENA_NEW(arena, d->n, double);
    d->std = ARENA_NEW(arena, d->n, double);
    d->z = ARENA_NEW(arena, d->n, double);
    d->y = ARENA_NEW(arena, d->n, double);
    d->chol = ARENA_NEW(arena, d->n * d->n, double);
    TRY(arena_error(arena));
    const enum err e = fit(d, store, quantile, scratch);
    arena_rewind(scratch, mark);
    return e;
}

/* L y = z forward gives d^2 = |y|^2. L' x = y backward gives x = C^-1 z, whose products with z are
 * the shares of d^2. */
double drift_distance(struct drift *d, int *worst, const float *state)
{
    const int n = d->n;
    double square = 0.0, most = -HUGE_VAL;
    normalise(d, d->z, state);
    for (int i = 0; i < n; i++) {
        double x = d->z[i];
        for (int j = 0; j < i; j++) {
            x -= d->chol[i * n + j] * d->y[j];
        }
        d->y[i] = x / d->chol[i * n + i];
        square += d->y[i] * d->y[i];
    }
    if (worst != NULL) {
        *worst = DRIFT_NONE;
        for (int i = n - 1; i >= 0; i--) {
            double x = d->y[i];
            for (int j = i + 1; j < n; j++) {
                x -= d->chol[j * n + i] * d->y[j];
            }
            d->y[i] = x / d->chol[i * n + i];
            const double share = d->z[i] * d->y[i];
            if (share > most) {
                most = share;
                *worst = d->column[i];
            }
        }
    }
    return isfinite(square) ? sqrt(square) : (double)INFINITY;
}

/* ---- who decides ---- */

const struct cfg_field fallback_fields[] = {
    CFG_DOUBLE(struct fallback_cfg, quantile, "0.995", 0.5, 1, "", CFG_OUTPUT,
               "of the held-out states' distances: beyond it a state has drifted"),
    CFG_DOUBLE(struct fallback_cfg, spread, "0.995", 0.5, 1, "", CFG_OUTPUT,
               "share of validation states in which the twin's ensemble agrees more than now"),
    CFG_DOUBLE(struct fallback_cfg, leave, "0.9", 0, 1, "", CFG_OUTPUT,
               "of a threshold: below it a signal is calm"),
    CFG_INT(struct fallback_cfg, calm, "4", 1, 1000, "decisions", CFG_OUTPUT,
            "calm decisions in a row after which the policy decides again"),
    CFG_END,
};

/* Comparisons with NaN are false: a signal that does not exist gives no reason. */
static unsigned reasons_at(const struct fallback_signals *s, const struct fallback_cfg *cfg,
                           double share)
{
    unsigned reasons = s->unknown ? FALLBACK_UNKNOWN : 0U;
    reasons |= s->distance > share * s->threshold ? FALLBACK_DRIFT : 0U;
    reasons |= s->spread > share * cfg->spread ? FALLBACK_SPREAD : 0U;
    return reasons;
}

bool fallback_step(struct fallback *f, const struct fallback_signals *s)
{
    const unsigned enter = reasons_at(s, f->cfg, 1.0);
    const unsigned stay = reasons_at(s, f->cfg, f->cfg->leave);
    f->n_decisions++;
    if (enter != 0 && !f->active) {
        f->active = true;
        f->n_entered++;
    }
    f->reasons = enter != 0 ? enter : f->reasons;
    f->calm = stay == 0 ? f->calm + 1 : 0;
    if (f->active && f->calm > f->cfg->calm) {
        f->active = false;
        f->reasons = 0;
    }
    f->n_active += f->active ? 1U : 0U;
    return f->active;
}

const char *fallback_words(unsigned reasons)
{
    static const char *const words[8] = {"",
                                         "drift",
                                         "disagreement",
                                         "drift, disagreement",
                                         "unknown inputs",
                                         "drift, unknown inputs",
                                         "disagreement, unknown inputs",
                                         "drift, disagreement, unknown inputs"};
    return words[reasons & 7U];
}
