/* Faults of columns, each a function of its own. See check.h.
 *
 * A find_*() function looks for one fault in one column (or in a pair of columns) and adds a
 * finding if it is there. look() makes the counts and limits of a column and service once; the
 * others read them or go over the values again. Thresholds stand at the top. A threshold for a fail
 * is one that no intact recording is known to reach; a warning leaves the decision to the user. */
#include "core/trace/check.h"
#include "core/base/order.h"
#include "core/base/plural.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONSTANT_MIN = 20,  /* samples from which on "it never changes" says something */
    RELATION_MIN = 200, /* for a correlation: |r| of 200 unrelated pairs is below 0.14 */
    TREND_MIN = 60      /* for steps that shrink */
};
static const double MISSING_SHARE = 0.01;
static const double ZERO_MEMORY_SHARE = 0.1;
static const double SAME_SHARE = 0.99;
static const double CENSORED_SHARE = 0.2;
static const double ORDER_SHARE = 0.01;
static const double UNRELATED = 0.05; /* |correlation| below which latency ignores load */
static const double SHRUNK = 0.25;    /* mean step, last third / first third; 1/k gives 0.1 or so */
static const double PERSISTENT = 0.9; /* correlation of neighbours */

/* What one column holds for one service. */
struct cell {
    int n, n_missing, n_below, n_above, n_broken; /* broken: no whole number */
    double min, max, sum;
};

const char *check_verdict_name(enum check_verdict v)
{
    static const char *const names[] = {"pass", "warn", "fail"};
    return names[v];
}

/* ---- findings ---- */

/* A failure to store a finding is remembered in c->failed, not returned, so that the many callers
 * need not ask; check_table() asks once at the end. */
void check_add(struct check *c, const char *column, const char *fault, enum check_verdict v,
               const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const struct check_finding f = {
        .column = column, .fault = fault, .verdict = v, .why = arena_strdup(c->arena, text)};
    enum err e = f.why == NULL ? ERR_MEMORY : buf_append(&c->findings, &f, sizeof f);
    c->failed = c->failed == ERR_OK ? e : c->failed;
    c->worst = v > c->worst ? v : c->worst;
}

const struct check_finding *check_findings(const struct check *c, int *n)
{
    *n = (int)(c->findings.len / sizeof(struct check_finding));
    return (const void *)c->findings.data;
}

enum check_verdict check_of(const struct check *c, const char *column, const char *fault)
{
    int n;
    enum check_verdict worst = CHECK_PASS;
    const struct check_finding *f = check_findings(c, &n);
    for (int i = 0; i < n; i++) {
        if ((column == NULL || strcmp(f[i].column, column) == 0) &&
            strcmp(f[i].fault, fault) == 0 && f[i].verdict > worst) {
            worst = f[i].verdict;
        }
    }
    return worst;
}

void check_release(struct check *c)
{
    buf_release(&c->findings);
}

/* ---- one column ---- */

/* A value that is missing is NaN and only counted. `broken` counts values with a fractional
 * part. */
static struct cell look(const struct metrics_table *s, int service, int column)
{
    const struct column_def *m = s->columns[column].def;
    struct cell c = {.min = INFINITY, .max = -INFINITY};
    for (int row = 0; row < s->n_rows; row++) {
        const double v = metrics_table_at(s, row, service, column);
        if (isnan(v)) {
            c.n_missing++;
            continue;
        }
        c.n++;
        c.sum += v;
        c.min = fmin(c.min, v);
        c.max = fmax(c.max, v);
        c.n_below += v < m->min;
        c.n_above += v > m->max;
        c.n_broken += v > floor(v);
    }
    return c;
}

/* Values (n_rows) of two columns in the rows where both are there; returns how many. A pair is
 * written at x[n], y[n] and n moves on only if both are numbers: the next pair overwrites
 * others. */
static int pairs(double *x, double *y, const struct metrics_table *s, int service_x, int column_x,
                 int service_y, int column_y)
{
    int n = 0;
    for (int row = 0; row < s->n_rows; row++) {
        x[n] = metrics_table_at(s, row, service_x, column_x);
        y[n] = metrics_table_at(s, row, service_y, column_y);
        n += isnan(x[n]) || isnan(y[n]) ? 0 : 1;
    }
    return n;
}

/* Pearson's, in two passes: the means first, so that no large sums of squares are subtracted. 0 if
 * one of the two is constant. */
static double correlation(const double *x, const double *y, int n)
{
    double mx = 0.0, my = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (int i = 0; i < n; i++) {
        mx += x[i] / n;
        my += y[i] / n;
    }
    for (int i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xx > 0.0 && yy > 0.0 ? xy / sqrt(xx * yy) : 0.0;
}

/* Room for the values of two columns. */
struct columns {
    double *x, *y;
};

/* Of the values that are missing, those of services that received nothing at that time. */
static int missing_idle(const struct metrics_table *s, int column)
{
    const int received = metrics_table_find(s, "received");
    int n = 0;
    for (int row = 0; received >= 0 && row < s->n_rows; row++) {
        for (int k = 0; k < s->n_services; k++) {
            const double rate = metrics_table_at(s, row, k, received);
            n += isnan(metrics_table_at(s, row, k, column)) && rate >= 0.0 && rate <= 0.0;
        }
    }
    return n;
}

/* What is done to a plant may be unknown; what was measured may not. */
static void find_missing(struct check *c, int column, const struct cell *cells)
{
    const struct metrics_table *s = c->table;
    const char *header = s->columns[column].header;
    const bool measured = s->columns[column].def->kind != COLUMN_LEVEL;
    int n = 0, n_missing = 0, n_rows = 0;
    for (int k = 0; k < s->n_services; k++) {
        n += cells[k].n;
        n_missing += cells[k].n > 0 || !s->columns[column].def->whole ? cells[k].n_missing : 0;
        n_rows += s->n_rows;
    }
    const int idle = missing_idle(s, column);
    if (n == 0) {
        check_add(c, header, "missing", measured && !s->exported ? CHECK_FAIL : CHECK_WARN,
                  "no value in any row");
    } else if (measured && n_missing > 0 && idle == n_missing) {
        check_add(c, header, "missing", CHECK_WARN,
                  "%.2g %% of the values, all where nothing was received: they become gaps",
                  100.0 * n_missing / n_rows);
    } else if (measured && n_missing > MISSING_SHARE * n_rows) {
        check_add(c, header, "missing", CHECK_WARN, "%.2g %% of the values: they become gaps",
                  100.0 * n_missing / n_rows);
    }
}

/* A rate, a time or a memory that never changes was not measured: fail if all services are so, warn
 * if some are. Other columns may rest in some services; if they do in all, that is a warning.
 * Services with fewer than CONSTANT_MIN values are not judged. */
static void find_constant(struct check *c, int column, const struct cell *cells)
{
    const struct metrics_table *s = c->table;
    const enum column_kind kind = s->columns[column].def->kind;
    const bool measured = kind == COLUMN_RATE || kind == COLUMN_TIME || kind == COLUMN_MEMORY;
    int n = 0, n_constant = 0, first = -1;
    for (int k = 0; k < s->n_services; k++) {
        const bool is = cells[k].n >= CONSTANT_MIN && !(cells[k].max > cells[k].min);
        n += cells[k].n >= CONSTANT_MIN;
        n_constant += is;
        first = is && first < 0 ? k : first;
    }
    if (n_constant == 0 || (n_constant < n && !measured)) {
        return;
    }
    if (n_constant < n) {
        check_add(c, s->columns[column].header, "constant", CHECK_WARN,
                  "constant in %d of %d services, in %s it is always %g", n_constant, n,
                  s->services[first], cells[first].min);
    } else {
        check_add(c, s->columns[column].header, "constant", measured ? CHECK_FAIL : CHECK_WARN,
                  "constant in every service, in %s %g in all %d samples%s", s->services[first],
                  cells[first].min, cells[first].n,
                  kind == COLUMN_PODS ? ": nothing about scaling can be learned" : "");
    }
}

/* What exceeds a physical limit by the factor between two units gets a finding that names the
 * unit. */
static void find_limits(struct check *c, int column, const struct cell *cells)
{
    const struct metrics_table *s = c->table;
    const struct column_def *m = s->columns[column].def;
    const char *header = s->columns[column].header;
    int n_below = 0, n_above = 0, n_broken = 0;
    double min = INFINITY, max = -INFINITY;
    for (int k = 0; k < s->n_services; k++) {
        n_below += cells[k].n_below;
        n_above += cells[k].n_above;
        n_broken += cells[k].n_broken;
        min = fmin(min, cells[k].min);
        max = fmax(max, cells[k].max);
    }
    if (n_below > 0) {
        check_add(c, header, "limits", CHECK_FAIL, "%d value%s below %g, down to %.9g", n_below,
                  plural_s(n_below), m->min, min);
    }
    if (n_above > 0 && m->kind == COLUMN_SHARE && max <= 100.0) {
        check_add(c, header, "unit", CHECK_FAIL, "a share of up to %g: these are per cent", max);
    } else if (n_above > 0 && m->kind == COLUMN_MEMORY) {
        check_add(c, header, "unit", CHECK_FAIL, "up to %.3g %s: these are bytes", max, m->unit);
    } else if (n_above > 0) {
        check_add(c, header, "limits", CHECK_FAIL, "%d value%s above %g %s, up to %.9g%s", n_above,
                  plural_s(n_above), m->max, m->unit, max,
                  m->kind == COLUMN_TIME ? ": a quotient of two rates near 0?" : "");
    }
    if (n_broken > 0 && m->kind == COLUMN_PODS) {
        check_add(c, header, "limits", CHECK_FAIL, "%d value%s no whole number of pods", n_broken,
                  n_broken == 1 ? " is" : "s are");
    }
}

/* ---- relations between columns ---- */

static double mean_of(const struct metrics_table *s, int service, int column)
{
    const struct cell c = look(s, service, column);
    return c.n > 0 ? c.sum / c.n : -1.0;
}

/* A running process always has some memory; whether it runs, its CPU says. The rate of a gauge is 0
 * whenever the gauge rests, so many zeros beside a CPU above 0 mean that the column is such a rate;
 * a few are measurements that failed. */
static void find_gauge_rate(struct check *c, int column, struct columns room)
{
    const struct metrics_table *s = c->table;
    const int cpu = metrics_table_find(s, "cpu");
    int n = 0, n_zero = 0;
    if (s->columns[column].def->kind != COLUMN_MEMORY || cpu < 0) {
        return;
    }
    for (int k = 0; k < s->n_services; k++) {
        const int n_pairs = pairs(room.x, room.y, s, k, column, k, cpu);
        for (int i = 0; i < n_pairs; i++) {
            n += room.y[i] > 0.0;
            n_zero += room.y[i] > 0.0 && !(room.x[i] > 0.0);
        }
    }
    const char *header = s->columns[column].header;
    if (n_zero > ZERO_MEMORY_SHARE * n) {
        check_add(c, header, "gauge rate", CHECK_FAIL,
                  "no memory in %.0f %% of the samples in which CPU is used: the rate of a gauge, "
                  "not its value",
                  100.0 * n_zero / n);
    } else if (n_zero > 0) {
        check_add(c, header, "missing", CHECK_WARN,
                  "no memory in %.2g %% of the samples in which CPU is used: a measurement that "
                  "failed, written as 0; they become gaps",
                  100.0 * n_zero / n);
    }
}

/* Is the column one number, whatever the service? */
static bool one_number(const struct metrics_table *s, int column)
{
    int n = 0, n_same = 0;
    for (int row = 0; row < s->n_rows; row++) {
        double first = NAN;
        bool same = true;
        int n_here = 0;
        for (int k = 0; k < s->n_services; k++) {
            const double v = metrics_table_at(s, row, k, column);
            if (!isnan(v)) {
                first = n_here++ == 0 ? v : first;
                same = same && !(v < first || v > first);
            }
        }
        n += n_here > 1;
        n_same += n_here > 1 && same;
    }
    return n >= CONSTANT_MIN && n_same >= SAME_SHARE * n;
}

/* The service that uses most CPU: where load shows first. */
static int busiest(const struct metrics_table *s, int cpu)
{
    int best = 0;
    for (int k = 1; k < s->n_services; k++) {
        best = mean_of(s, k, cpu) > mean_of(s, best, cpu) ? k : best;
    }
    return best;
}

/* A mean over the first k samples moves by about 1/k of the distance of sample k. The sums of steps
 * over the last and the first third of n samples are then in the proportion
 *
 *     ln(3 / 2) / (ln(n / 3) + 0.58)
 *
 * 0.11 for n = 60 and less for more; a mean over a window has 1. SHRUNK = 0.25 lies between.
 * Neighbours of a running mean are alike, so their correlation must be high as well: a series that
 * merely calms down is not enough. */
static bool steps_shrink(double *ratio, const double *x, int n)
{
    double first = 0.0, last = 0.0;
    if (n < TREND_MIN) {
        return false;
    }
    for (int i = 1; i <= n / 3; i++) {
        first += fabs(x[i] - x[i - 1]);
        last += fabs(x[n - i] - x[n - i - 1]);
    }
    *ratio = first > 0.0 ? last / first : 1.0;
    return *ratio < SHRUNK && correlation(x, x + 1, n - 1) > PERSISTENT;
}

static bool find_shrinking(struct check *c, int column, struct columns room)
{
    const struct metrics_table *s = c->table;
    double ratio = 1.0;
    for (int k = 0; s->timed && s->n_runs == 1 && k < s->n_services; k++) {
        const int n = pairs(room.x, room.y, s, k, column, k, column);
        if (steps_shrink(&ratio, room.x, n)) {
            check_add(c, s->columns[column].header, "average", CHECK_FAIL,
                      "in %s steps shrink to %.2g of their size from the first third to the last: "
                      "a mean over the whole past, not over a window",
                      s->services[k], ratio);
            return true;
        }
    }
    return false;
}

/* CPU stands for load here, because every recording has it. Of n unrelated pairs |r| is below 2 /
 * sqrt(n) in 95 of 100 cases, 0.14 for RELATION_MIN. An |r| below UNRELATED can therefore not be
 * told from 0. */
static void find_average(struct check *c, int column, bool one, struct columns room)
{
    const struct metrics_table *s = c->table;
    const int cpu = metrics_table_find(s, "cpu");
    if (s->columns[column].def->kind != COLUMN_TIME || find_shrinking(c, column, room) || cpu < 0) {
        return;
    }
    const int k = busiest(s, cpu);
    const int n = pairs(room.x, room.y, s, k, column, k, cpu);
    const double r = correlation(room.x, room.y, n);
    if (n >= RELATION_MIN && fabs(r) < UNRELATED) {
        check_add(c, s->columns[column].header, "average", one ? CHECK_FAIL : CHECK_WARN,
                  "it does not move with load (correlation with the CPU of %s %.3f): %s",
                  s->services[k], r,
                  one ? "a mean over the whole past, not over a window"
                      : "a mean over the past, or a service that is never busy");
    }
}

/* The most frequent of n sorted values, the smallest of those if several are; NaN for n = 0. Equal
 * values are neighbours; `run` counts those up to x[i]. */
static double mode_of(int *count, const double *x, int n)
{
    double mode = NAN;
    *count = 0;
    for (int i = 0, run = 0; i < n; i++) {
        run = i > 0 && !(x[i] > x[i - 1]) ? run + 1 : 1;
        if (run > *count) {
            *count = run;
            mode = x[i];
        }
    }
    return mode;
}

/* A histogram quantile inside the first bucket is interpolated to the same number whatever the
 * truth is, so that one value is far too frequent. */
static void find_censored(struct check *c, int column, struct columns room)
{
    const struct metrics_table *s = c->table;
    int n = 0, n_mode;
    if (s->columns[column].def->kind != COLUMN_TIME) {
        return;
    }
    for (int k = 0; k < s->n_services; k++) {
        for (int row = 0; row < s->n_rows; row++) {
            const double v = metrics_table_at(s, row, k, column);
            if (v > 0.0) {
                room.x[n++] = v;
            }
        }
    }
    qsort(room.x, (size_t)n, sizeof *room.x, order_doubles);
    const double mode = mode_of(&n_mode, room.x, n);
    if (n >= CONSTANT_MIN && n_mode < n && n_mode > CENSORED_SHARE * n) {
        check_add(c, s->columns[column].header, "censored", CHECK_WARN,
                  "%.4g in %.0f %% of the samples: interpolation inside the first bucket of a "
                  "histogram; the truth is that or less",
                  mode, 100.0 * n_mode / n);
    }
}

/* ---- units ---- */

static void find_known(struct check *c, int column)
{
    const struct metrics_table_column *k = &c->table->columns[column];
    if (k->known != NULL) {
        check_add(c, k->header, "unit", CHECK_WARN, "%s (known of this format)", k->known);
    }
}

/* Quantiles in the wrong order. */
static void find_disorder(struct check *c, const char *lower, const char *upper,
                          struct columns room)
{
    const struct metrics_table *s = c->table;
    const int a = metrics_table_find(s, lower), b = metrics_table_find(s, upper);
    int n = 0, n_wrong = 0;
    for (int k = 0; a >= 0 && b >= 0 && k < s->n_services; k++) {
        const int n_pairs = pairs(room.x, room.y, s, k, a, k, b);
        n += n_pairs;
        for (int i = 0; i < n_pairs; i++) {
            n_wrong += room.x[i] > room.y[i];
        }
    }
    if (n_wrong > ORDER_SHARE * n) {
        check_add(c, s->columns[b].header, "unit", CHECK_FAIL,
                  "below %s in %.0f %% of the samples: the two have different units",
                  s->columns[a].header, 100.0 * n_wrong / n);
    }
}

/* Calls received are answered or fail, within a factor of two over the whole table. */
static void find_imbalance(struct check *c)
{
    const struct metrics_table *s = c->table;
    const int received = metrics_table_find(s, "received"), ok = metrics_table_find(s, "succeeded");
    const int errors = metrics_table_find(s, "errors");
    double in = 0.0, out = 0.0;
    if (received < 0 || ok < 0) {
        return;
    }
    for (int k = 0; k < s->n_services; k++) {
        in += look(s, k, received).sum;
        out += look(s, k, ok).sum + (errors >= 0 ? look(s, k, errors).sum : 0.0);
    }
    if (in > 0.0 && (out < 0.5 * in || out > 2.0 * in)) {
        check_add(c, s->columns[received].header, "unit", CHECK_FAIL,
                  "%.3g calls end for each one received: rates in different units", out / in);
    }
}

/* ---- all ---- */

/* A finding points to the header of its column itself, so pointers are compared. For other findings
 * the search ends behind the last column. */
const char *check_range(const struct check *c, const struct check_finding *f)
{
    const struct metrics_table *s = c->table;
    double min = INFINITY, max = -INFINITY;
    int column = 0;
    while (column < s->n_columns && s->columns[column].header != f->column) {
        column++;
    }
    for (int k = 0; column < s->n_columns && k < s->n_services; k++) {
        const struct cell cell = look(s, k, column);
        min = fmin(min, cell.min);
        max = fmax(max, cell.max);
    }
    return min > max ? ""
                     : arena_printf(c->arena, "%g .. %g%s%s", min, max,
                                    s->columns[column].def->unit[0] != '\0' ? " " : "",
                                    s->columns[column].def->unit);
}

/* A column of which nothing bad was said. */
static void say_pass(struct check *c, int column)
{
    const char *header = c->table->columns[column].header;
    int n;
    const struct check_finding *f = check_findings(c, &n);
    for (int i = 0; i < n; i++) {
        if (f[i].column == header) {
            return;
        }
    }
    check_add(c, header, "", CHECK_PASS, "nothing unusual");
}

/* A column that never varies has no relation to others, and would make their denominators 0. */
static void check_column(struct check *c, int column, struct cell *cells, struct columns room)
{
    const struct metrics_table *s = c->table;
    const enum column_kind kind = s->columns[column].def->kind;
    bool varies = false;
    for (int k = 0; k < s->n_services; k++) {
        cells[k] = look(s, k, column);
        varies = varies || cells[k].max > cells[k].min;
    }
    find_missing(c, column, cells);
    find_limits(c, column, cells);
    if (s->exported) {
        return;
    }
    find_constant(c, column, cells);
    find_known(c, column);
    if (!varies) {
        return;
    }
    const bool one = (kind == COLUMN_TIME || kind == COLUMN_RATE) && one_number(s, column);
    if (one) {
        check_add(c, s->columns[column].header, "one number", CHECK_WARN,
                  "every service has the same value: it was not measured for each");
    }
    find_gauge_rate(c, column, room);
    find_average(c, column, one, room);
    find_censored(c, column, room);
}

static enum err check_columns(struct check *c)
{
    const struct metrics_table *s = c->table;
    struct cell *cells = ARENA_NEW(c->arena, s->n_services * s->n_columns, struct cell);
    const struct columns room = {
        ARENA_NEW(c->arena, (size_t)s->n_rows * (size_t)s->n_services, double),
        ARENA_NEW(c->arena, s->n_rows, double)};
    TRY(arena_error(c->arena));
    for (int i = 0; i < s->n_columns; i++) {
        check_column(c, i, cells + i * s->n_services, room);
    }
    if (!s->exported) {
        find_disorder(c, "latency_p50", "latency_p95", room);
        find_disorder(c, "latency_p95", "latency_p99", room);
        find_imbalance(c);
        TRY(check_units(c));
    }
    for (int i = 0; i < s->n_columns; i++) {
        say_pass(c, i);
    }
    return ERR_OK;
}

enum err check_table(struct check *c, struct arena *arena, const struct metrics_table *s)
{
    *c = (struct check){.arena = arena, .table = s};
    buf_init(&c->findings);
    check_time(c);
    enum err e = check_rows(c);
    if (e == ERR_OK) {
        e = check_columns(c);
    }
    e = e == ERR_OK ? c->failed : e;
    if (e != ERR_OK) {
        check_release(c);
    }
    return e;
}
