/* Faults of the order of rows and of whole rows. See check.h. */
#include "core/base/hash.h"
#include "core/base/order.h"
#include "core/base/plausible.h"
#include "core/base/plural.h"
#include "core/base/timestamp.h"
#include "core/trace/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_MIN = 10,  /* rows of nothing but 0 that are no accident */
    REPEAT_MIN = 50, /* rows from which on repetition is looked for */
    SPACING_MIN = 3
};
static const double REPEAT_FAIL = 0.1, REPEAT_WARN = 0.02; /* shares of the rows */
static const double IRREGULAR_SHARE = 0.05;                /* of the spacings ... */
static const double IRREGULAR = 0.5; /* ... further from the median than this part of it */

/* ---- time ---- */

/* How many spacings within runs differ from their median by more than half of it. Such rows are not
 * wrong: import puts rows on a grid of the median and marks the holes as gaps. Fewer than
 * SPACING_MIN spacings have no median worth the name, and pass. */
static void find_irregular(struct check *c)
{
    const struct metrics_table *s = c->table;
    double *spacing = ARENA_NEW(c->arena, s->n_rows, double);
    int n = 0, n_far = 0;
    char from[TIMESTAMP_BYTES];
    timestamp_print(from, s->time_s[0]);
    if (spacing == NULL) {
        c->failed = ERR_MEMORY;
        return;
    }
    for (int i = 1; i < s->n_rows; i++) {
        if (s->run[i] == s->run[i - 1] && s->time_s[i] > s->time_s[i - 1]) {
            spacing[n++] = s->time_s[i] - s->time_s[i - 1];
        }
    }
    if (n < SPACING_MIN) {
        check_add(c, "(time)", "", CHECK_PASS, "%d row%s", s->n_rows, plural_s(s->n_rows));
        return;
    }
    qsort(spacing, (size_t)n, sizeof *spacing, order_doubles);
    const double median = spacing[n / 2];
    for (int i = 0; i < n; i++) {
        n_far += fabs(spacing[i] - median) > IRREGULAR * median;
    }
    if (n_far > IRREGULAR_SHARE * n) {
        check_add(c, "(time)", "time", CHECK_WARN,
                  "%.0f %% of the rows are not about %g s apart, up to %g s: they become gaps",
                  100.0 * n_far / n, median, spacing[n - 1]);
    } else {
        check_add(c, "(time)", "", CHECK_PASS, "%d run%s, %d rows %g s apart, from %s on (%s)",
                  s->n_runs, plural_s(s->n_runs), s->n_rows, median, from, s->times);
    }
}

/* Rows whose spacing no cluster is watched with: another unit than seconds, most likely. */
static void find_spacing(struct check *c)
{
    const struct metrics_table *s = c->table;
    const enum plausible_level level = plausible_spacing(s->spacing_s);
    if (level != PLAUSIBLE_OK) {
        check_add(c, "(time)", "time", level == PLAUSIBLE_FAIL ? CHECK_FAIL : CHECK_WARN,
                  "rows are %.9g s apart, an unusual spacing: are the times milliseconds? They are "
                  "read as %s",
                  s->spacing_s, s->times);
    }
}

/* Times that go back or stand still fail, whatever else holds; only where they ascend does a
 * spacing mean something. */
void check_time(struct check *c)
{
    const struct metrics_table *s = c->table;
    if (!s->timed) {
        check_add(c, "(time)", "time", CHECK_FAIL,
                  "there are no times: the order is lost, and without it what follows what");
        return;
    }
    if (s->n_back > 0) {
        check_add(c, "(time)", "time", CHECK_FAIL,
                  "it goes back %d time%s, first in line %d: runs were joined, or rows shuffled",
                  s->n_back, plural_s(s->n_back), s->back_line);
    }
    if (s->n_still > 0) {
        check_add(c, "(time)", "time", CHECK_FAIL,
                  "it stands still in %d of %d lines, first in line %d: rows were written faster "
                  "than time passed",
                  s->n_still, s->n_lines, s->still_line);
    }
    if (s->n_back == 0 && s->n_still == 0) {
        find_irregular(c);
    }
    find_spacing(c);
}

/* ---- whole rows ---- */

/* A row without what somebody decided: its measurements. */
struct content {
    uint64_t hash; /* FNV-1a, 64 bits */
    int row;
    bool zero, empty; /* nothing but 0; nothing at all */
};

/* Numbers of pods are left out: they are decided, and rest for long stretches in every intact
 * table. A missing value enters the hash as the bits of NaN, so rows with the same gaps can be
 * equal. */
static struct content content_of(const struct metrics_table *s, int row)
{
    struct content c = {.hash = HASH_START, .row = row, .zero = true, .empty = true};
    for (int k = 0; k < s->n_services; k++) {
        for (int i = 0; i < s->n_columns; i++) {
            const double v = metrics_table_at(s, row, k, i);
            if (s->columns[i].def->kind == COLUMN_PODS) {
                continue;
            }
            c.empty = c.empty && isnan(v);
            c.zero = c.zero && !(v < 0.0 || v > 0.0);
            c.hash = hash_fnv1a(c.hash, &v, sizeof v);
        }
    }
    return c;
}

static int by_content(const void *a, const void *b)
{
    const struct content *x = a, *y = b;
    return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash)
                              : (x->row > y->row) - (x->row < y->row);
}

/* The longest stretch of rows of nothing but 0 within a run; n is the length of the stretch that
 * ends at row i. Rows that become gaps (gap, n_rows) do no harm and end a stretch. */
static void find_blocks(struct check *c, const struct content *rows, const bool *gap)
{
    const struct metrics_table *s = c->table;
    int n = 0, longest = 0, begin = 0, total = 0;
    for (int i = 0; i < s->n_rows; i++) {
        const bool zero = rows[i].zero && !rows[i].empty && !gap[i];
        n = zero && i > 0 && s->run[i] == s->run[i - 1] ? n + 1 : zero;
        total += zero;
        if (n > longest) {
            longest = n;
            begin = i - n + 1;
        }
    }
    if (longest >= BLOCK_MIN) {
        check_add(
            c, "(rows)", "zero block", CHECK_FAIL,
            "every metric is 0 in %d of %d rows, %d of them in a row from line %d on: nothing "
            "was measured",
            total, s->n_rows, longest, s->line[begin]);
    }
}

/* Sorts `rows`. Rows of nothing but 0 have their own fault. After the sort by (content, row), rows
 * of one content and run are neighbours, because the rows of a run are neighbours in the table;
 * every one but the first of them counts as repeated. Other runs may begin alike: they met the same
 * load. */
static void find_repeated(struct check *c, struct content *rows)
{
    const struct metrics_table *s = c->table;
    int n = 0, n_repeated = 0;
    for (int i = 0; i < s->n_rows; i++) {
        if (!rows[i].zero) {
            rows[n++] = rows[i];
        }
    }
    qsort(rows, (size_t)n, sizeof *rows, by_content);
    for (int i = 1; i < n; i++) {
        n_repeated +=
            rows[i].hash == rows[i - 1].hash && s->run[rows[i].row] == s->run[rows[i - 1].row];
    }
    if (n >= REPEAT_MIN && n_repeated > REPEAT_WARN * n) {
        check_add(c, "(rows)", "repeated", n_repeated > REPEAT_FAIL * n ? CHECK_FAIL : CHECK_WARN,
                  "of %d rows that are not 0, %d repeat the measurements of another one: "
                  "re-sampled from a smaller table, or nothing happened",
                  n, n_repeated);
    }
}

/* gap (n_rows): rows that become gaps. */
static void find_empty(struct check *c, bool *gap)
{
    const struct metrics_table *s = c->table;
    const int n = metrics_table_empty_rows(gap, s);
    int first = 0;
    while (n > 0 && !gap[first]) {
        first++;
    }
    if (n > 0) {
        check_add(c, "(rows)", "empty", CHECK_WARN,
                  "no service received anything in %d of %d rows, for at least %g s each time, "
                  "first from line %d on: they become gaps",
                  n, s->n_rows, PLAUSIBLE_EMPTY_S, s->line[first]);
    }
}

/* The contents are computed once, in the order of the rows, which find_blocks() needs;
 * find_repeated() sorts them and comes last. A table without a finding here gets a pass with its
 * size. */
enum err check_rows(struct check *c)
{
    const struct metrics_table *s = c->table;
    int n;
    struct content *rows = ARENA_NEW(c->arena, s->n_rows, struct content);
    bool *gap = ARENA_NEW(c->arena, s->n_rows, bool);
    TRY(arena_error(c->arena));
    for (int i = 0; i < s->n_rows; i++) {
        rows[i] = content_of(s, i);
    }
    if (!s->exported) {
        find_empty(c, gap);
        find_blocks(c, rows, gap);
        find_repeated(c, rows);
    }
    const struct check_finding *f = check_findings(c, &n);
    if (n == 0 || strcmp(f[n - 1].column, "(rows)") != 0) {
        check_add(c, "(rows)", "", CHECK_PASS, "%d row%s of %d service%s%s, %d column%s%s",
                  s->n_rows, plural_s(s->n_rows), metrics_table_services(s),
                  plural_s(metrics_table_services(s)),
                  metrics_table_services(s) < s->n_services ? " and the application" : "",
                  s->n_columns, plural_s(s->n_columns),
                  s->exported ? ", exported by this program: repetition, size and relations of "
                                "values are not judged"
                              : "");
    }
    return ERR_OK;
}
