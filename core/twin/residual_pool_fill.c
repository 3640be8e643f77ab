/* Predict, standardise, sort by level, shrink. See residual_pool_fill.h.
 *
 * predict() computes, once for all members, the targets and the predictions of the chosen
 * transitions. Then each member gets its pool: sort() orders the transitions by the level that this
 * member predicts, write_rows() writes the residuals in that order with the row that followed each,
 * and shrink_all() multiplies them, target by target. find_ends() last looks at what the first
 * member and its noise predict, and sets the ends of the columns. All sums run in a fixed order, so
 * a pool has the same bits wherever it is filled. */
#include "core/twin/residual_pool_fill.h"

#include "core/base/fmath.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHRINKS = 16, /* factors of the noise that are tried: c = 1/SHRINKS .. 1 */
    PIECE = 64    /* transitions that stay together in a pool that is too small for all */
};
/* An end where at least this share of the transitions are is one that predictions must reach. */
static const double END_SHARE = 0.05;

struct residual {
    float level;
    int at; /* among the transitions of the pool */
};

/* Of n transitions, in network units. */
struct fill_ctx {
    struct ensemble *e;
    int n, n_target;
    int *rows;              /* (n) where they begin, ascending */
    float *target;          /* (n, n_target) */
    float *y;               /* (members, n, 2 n_target) */
    struct residual *order; /* (n) of one member */
    int *pos;               /* (n) */
    double *truth;          /* (n + 1) running sums of one target: |truth - mean| */
    double *noisy;          /* (SHRINKS, n + 1) the same of trajectories, for each factor */
    float *factor;          /* (n) of the residuals of one target, by which they shrink */
};

/* Which of the transitions at rows (n) go into the pool: at most `most`, in pieces of rows that
 * follow each other, spread evenly over all. A store is sorted by who played, so its beginning
 * alone would know the noise of one controller. Returns how many.
 *
 * After the piece that ends at `to`, due = to * most / n of them may have been chosen; a piece is
 * taken only if that holds, so the result is at most `most`. It is more than most - quarter: let
 * the deficit be due - n_chosen. A piece that is taken cannot raise it (due grows by no more than
 * the piece, as most < n). A piece that is refused leaves a deficit smaller than itself, and no
 * piece is longer than `quarter`. So the deficit stays below `quarter`, and at the end due = most.
 * If n <= most, one bound is never reached and all are chosen. */
static int choose(int *out, const int *rows, int n, int most)
{
    const int quarter = most / 4 > 0 ? most / 4 : 1;
    const int piece = n <= most ? n : quarter < PIECE ? quarter : PIECE;
    int n_chosen = 0;
    for (int from = 0, to = 0; from < n; from = to) {
        to = from + 1;
        while (to < n && to - from < piece && rows[to] == rows[to - 1] + 1) {
            to++;
        }
        const int64_t due = n <= most ? n : (int64_t)to * most / n;
        if (n_chosen + (to - from) <= due) {
            memcpy(out + n_chosen, rows + from, (size_t)(to - from) * sizeof *out);
            n_chosen += to - from;
        }
    }
    return n_chosen;
}

static enum err allocate(struct fill_ctx *f, struct arena *arena)
{
    const size_t n = (size_t)f->n, n_target = (size_t)f->n_target;
    f->target = ARENA_NEW(arena, n * n_target, float);
    f->y = ARENA_NEW(arena, (size_t)f->e->n_members * n * 2 * n_target, float);
    f->order = ARENA_NEW(arena, n, struct residual);
    f->pos = ARENA_NEW(arena, n, int);
    f->truth = ARENA_NEW(arena, n + 1, double);
    f->noisy = ARENA_NEW(arena, SHRINKS * (n + 1), double);
    f->factor = ARENA_NEW(arena, n, float);
    return arena_error(arena);
}

/* Means and log scales (2 n_target) of transition `at` of the pool by a member. */
static const float *prediction(const struct fill_ctx *f, int member, int at)
{
    return f->y + ((ptrdiff_t)member * f->n + at) * 2 * f->n_target;
}

/* Row by row: validation is short, and a row's bits do not depend on how many are computed at
 * once. */
static enum err predict(struct fill_ctx *f, const struct dataset *d, struct arena *scratch)
{
    const int n_in = f->e->features->n_in, n_out = 2 * f->n_target;
    float *in = ARENA_NEW(scratch, n_in, float);
    float *work = ARENA_NEW(scratch, ensemble_work_floats(f->e, 1), float);
    TRY(arena_error(scratch));
    for (int i = 0; i < f->n; i++) {
        float *target = f->target + (ptrdiff_t)i * f->n_target;
        dataset_input(in, d, f->rows[i]);
        dataset_target(target, d, f->rows[i]);
        ensemble_residual(f->e, target, target, in);
        for (int m = 0; m < f->e->n_members; m++) {
            ensemble_predict(f->e, m, f->y + ((ptrdiff_t)m * f->n + i) * n_out, in, 1, work);
        }
    }
    return ERR_OK;
}

/* ---- one member ---- */

static int by_level(const void *a, const void *b)
{
    const struct residual *x = a, *y = b;
    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

/* order: positions of the pool -> transitions, ascending in level, ties in the order of time. pos
 * is its inverse. */
static void sort(struct fill_ctx *f, int member)
{
    for (int i = 0; i < f->n; i++) {
        f->order[i] = (struct residual){ensemble_level(f->e, prediction(f, member, i)), i};
    }
    qsort(f->order, (size_t)f->n, sizeof *f->order, by_level);
    for (int i = 0; i < f->n; i++) {
        f->pos[f->order[i].at] = i;
    }
}

/* z = (t - m) exp(-s), so that m + exp(s) z restores the target. A target that was not measured has
 * residual 0: the trajectory then follows the mean. `next` points to the transition of the row
 * after, if it is in the pool and of the same episode: an episode's last row begins no transition,
 * so row numbers of two episodes are never consecutive. */
static void write_rows(struct fill_ctx *f, int member)
{
    struct residual_pool *b = &f->e->members[member].residuals;
    for (int i = 0; i < f->n; i++) {
        const int at = f->order[i].at;
        const float *y = prediction(f, member, at),
                    *target = f->target + (ptrdiff_t)at * f->n_target;
        const bool follows = at + 1 < f->n && f->rows[at + 1] == f->rows[at] + 1;
        b->level[i] = f->order[i].level;
        b->next[i] = follows ? f->pos[at + 1] : RESIDUAL_NONE;
        for (int k = 0; k < f->n_target; k++) {
            const float off = isnan(target[k]) ? 0.0F : target[k] - y[k];
            b->z[(ptrdiff_t)i * f->n_target + k] =
                off * fm_expf(-ensemble_log_scale(y[f->n_target + k]));
        }
    }
}

/* Prefix sums of target k in the order of levels, in units of the member's scale: truth[i] and
 * noisy[c][i] are sums over the first i rows, so the sum over any window [lo, hi) is one
 * difference, and a window costs O(1) for each factor instead of O(window).
 *
 *     truth       |t - mean of the members| exp(-s)
 *     noisy[c]    |m - mean of the members + (c + 1) / SHRINKS * exp(s) z| exp(-s)
 *
 * The noise of a row is that of the next one: with its own, m + exp(s) z is its own truth and no
 * factor below 1 would ever be found. Targets that were not measured add 0 to all sums. */
static void sum_up(struct fill_ctx *f, int member, int k)
{
    const struct residual_pool *b = &f->e->members[member].residuals;
    const int members = f->e->n_members, n = f->n;
    for (int i = 0; i < n; i++) {
        const int at = f->order[i].at;
        const float *y = prediction(f, member, at);
        const double inv = (double)fm_expf(-ensemble_log_scale(y[f->n_target + k]));
        const double z = (double)b->z[(ptrdiff_t)((i + 1) % n) * f->n_target + k];
        double mean = 0.0;
        for (int m = 0; m < members; m++) {
            mean += (double)prediction(f, m, at)[k] / members;
        }
        const double off = ((double)y[k] - mean) * inv;
        const double truth = ((double)f->target[(ptrdiff_t)at * f->n_target + k] - mean) * inv;
        const bool known = !isnan(truth);
        f->truth[i + 1] = f->truth[i] + (known ? fabs(truth) : 0.0);
        for (int c = 0; c < SHRINKS; c++) {
            double *sum = f->noisy + (ptrdiff_t)c * (n + 1);
            sum[i + 1] = sum[i] + (known ? fabs(off + (c + 1.0) / SHRINKS * z) : 0.0);
        }
    }
}

/* For each row the largest factor with which the trajectories of its neighbourhood deviate no
 * further than the truth did (residual_pool.h). The mean of |a + c z| is convex in c and need not
 * rise from c = 0 on, so the factors are tried from 1 downwards; 1 / SHRINKS is taken where none is
 * small enough. z is not changed before all sums of this target exist. */
static void shrink(struct fill_ctx *f, int member, int k, float *factor)
{
    const int half = residual_pool_near(f->n);
    sum_up(f, member, k);
    for (int i = 0; i < f->n; i++) {
        const int lo = i - half > 0 ? i - half : 0, hi = i + half < f->n ? i + half : f->n;
        const double truth = f->truth[hi] - f->truth[lo];
        int c = SHRINKS - 1;
        while (c > 0 &&
               f->noisy[(ptrdiff_t)c * (f->n + 1) + hi] - f->noisy[(ptrdiff_t)c * (f->n + 1) + lo] >
                   truth) {
            c--;
        }
        factor[i] = (float)(c + 1) / SHRINKS;
    }
}

static void shrink_all(struct fill_ctx *f, int member)
{
    struct residual_pool *b = &f->e->members[member].residuals;
    for (int k = 0; k < f->n_target; k++) {
        shrink(f, member, k, f->factor);
        for (int i = 0; i < f->n; i++) {
            b->z[(ptrdiff_t)i * f->n_target + k] *= f->factor[i];
        }
    }
}

/* ---- the ends ---- */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Targets are the learned columns, then the KPIs; s->columns has all columns, then the KPIs. */
static struct features_column *column_of(struct features *s, int target)
{
    return &s->columns[target < s->n_learned ? s->learned_at[target]
                                             : s->n_state + target - s->n_learned];
}

/* A target as it is compared with limits: columns decoded, KPIs encoded. */
static float plain(const struct features *s, const struct features_column *c, int target, float y)
{
    return target < s->n_learned && c->root ? (y <= 0.0F ? 0.0F : y * y) : y;
}

/* An end as the truth is compared with it: encoded, like the truth. A root that is squared again
 * need not be the number it was taken of. */
static float encoded(const struct features *s, const struct features_column *c, int target,
                     float end)
{
    return target < s->n_learned ? features_encode(c, end) : end;
}

/* How many of the values that were measured sit at an end. */
struct reach {
    int lo, hi, known;
};

/* As many of n. */
static int share_of(int at_end, int known, int n)
{
    return known > 0 ? (int)((int64_t)at_end * n / known) : 0;
}

/* Where predictions of the first member, noise and all, reach the ends as often as the truth.
 *
 * Let a share p of the truths be at the lower end lo. A network with continuous noise is at exactly
 * lo almost never. The p-quantile of its predictions is made `least`: what is predicted at or below
 * it becomes lo (features_clamp()), which is then the share p of the predictions. The upper end is
 * the mirror image. x is sorted, so x[lo - 1] is the lo-th smallest and x[n - hi] the hi-th
 * largest. An end at which all truths are (lo = n) is left: the range of the column is that one
 * value. */
static enum err find_ends(struct fill_ctx *f, struct features *s, const struct dataset *d,
                          struct arena *scratch)
{
    const struct residual_pool *b = &f->e->members[0].residuals;
    float *in = ARENA_NEW(scratch, s->n_in, float),
          *target = ARENA_NEW(scratch, s->n_target, float);
    float *predicted = ARENA_NEW(scratch, (size_t)f->n * (size_t)s->n_target, float);
    struct reach *reach = ARENA_NEW(scratch, s->n_target, struct reach);
    TRY(arena_error(scratch));
    for (int i = 0; i < f->n; i++) {
        const int at = f->order[i].at, row = f->rows[at];
        dataset_input(in, d, row);
        dataset_target(target, d, row);
        for (int k = 0; k < s->n_target; k++) {
            const struct features_column *c = column_of(s, k);
            reach[k].lo += target[k] <= encoded(s, c, k, c->lo);
            reach[k].hi += target[k] >= encoded(s, c, k, c->hi);
            reach[k].known += !isnan(target[k]);
        }
        ensemble_answer(f->e, target, prediction(f, 0, at),
                        b->z + (ptrdiff_t)((i + 1) % f->n) * s->n_target, in);
        for (int k = 0; k < s->n_target; k++) {
            predicted[(ptrdiff_t)k * f->n + i] = plain(s, column_of(s, k), k, target[k]);
        }
    }
    for (int k = 0; k < s->n_target; k++) {
        struct features_column *c = column_of(s, k);
        float *x = predicted + (ptrdiff_t)k * f->n;
        qsort(x, (size_t)f->n, sizeof *x, by_value);
        const int lo = share_of(reach[k].lo, reach[k].known, f->n);
        const int hi = share_of(reach[k].hi, reach[k].known, f->n);
        if (lo >= END_SHARE * f->n && lo < f->n) {
            c->least = fmaxf(c->lo, x[lo - 1]);
        }
        if (hi >= END_SHARE * f->n && hi < f->n) {
            c->most = fminf(c->hi, x[f->n - hi]);
        }
    }
    return ERR_OK;
}

enum err residual_pool_fill(struct ensemble *e, struct features *s, const struct dataset *d,
                            int most, struct arena *arena, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int n = d->n_at[STORE_VALIDATION];
    struct fill_ctx f = {
        .e = e, .n_target = e->features->n_target, .rows = ARENA_NEW(scratch, n, int)};
    TRY(arena_error(scratch));
    f.n = choose(f.rows, d->at[STORE_VALIDATION], n, most);
    TRY(allocate(&f, scratch));
    TRY(predict(&f, d, scratch));
    /* The first one last: find_ends() uses its order. */
    for (int m = e->n_members - 1; m >= 0; m--) {
        TRY(residual_pool_init(&e->members[m].residuals, arena, f.n, f.n_target));
        sort(&f, m);
        write_rows(&f, m);
        shrink_all(&f, m);
    }
    TRY(find_ends(&f, s, d, scratch));
    arena_rewind(scratch, mark);
    return ERR_OK;
}
