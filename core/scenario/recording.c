/* Rows -> seconds: gaps are cut out, the rest is scaled and numbered through. See recording.h.
 *
 * In order: the rows of the file are measured and judged; rows of empty stretches are dropped;
 * cut() turns rows into samples that begin at whole seconds; scale() gives them their rates. cut()
 * and scale() ask the same function held_s(), so both see the same samples. */
#include "core/scenario/recording.h"

#include "core/base/log.h"
#include "core/base/order.h"
#include "core/base/plausible.h"
#include "core/base/timestamp.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SECONDS_MIN = 5 };
static const double SECONDS_MAX = 1e9; /* of a whole recording, gaps included: 31 years */
static const double GAP_MEDIANS = 3.0;
static const double MISSING_SHARE = 0.01; /* of the rows, from which on it is said */

/* The first second that begins at or after a row, counted from the first row. */
static double second_of(const struct recording_row *rows, size_t i)
{
    return ceil(rows[i].at_s - rows[0].at_s - 1e-6); /* times of 1/3 s are not exact */
}

/* The upper one of two. n >= 2. */
static enum err median_spacing(double *median_s, const struct recording_row *rows, size_t n)
{
    struct buf spacings;
    buf_init(&spacings);
    enum err e = ERR_OK;
    for (size_t i = 1; i < n && e == ERR_OK; i++) {
        double spacing = rows[i].at_s - rows[i - 1].at_s;
        e = buf_append(&spacings, &spacing, sizeof spacing);
    }
    if (e == ERR_OK) {
        qsort(spacings.data, n - 1, sizeof(double), order_doubles);
        *median_s = ((const double *)(const void *)spacings.data)[(n - 1) / 2];
    }
    buf_release(&spacings);
    return e;
}

/* ---- what was understood ---- */

/* What is told of a recording, and judged. */
struct account {
    const struct recording_format *format;
    const struct recording_text *text;
    double spacing_s;      /* median */
    double min, max, mean; /* of the rates as they stand in the file */
    double mean_rps;
    int n_empty, empty_line; /* stretches without any request, and where the first one begins */
    double empty_s;          /* in all */
};

static void measure(struct account *a, const struct recording_row *rows, size_t n)
{
    a->min = a->max = rows[0].rate;
    for (size_t i = 0; i < n; i++) {
        a->min = fmin(a->min, rows[i].rate);
        a->max = fmax(a->max, rows[i].rate);
        a->mean += rows[i].rate / (double)n;
    }
}

static void tell(const struct account *a, size_t n, double first_s, double last_s,
                 const struct recording *r)
{
    char from[TIMESTAMP_BYTES];
    timestamp_print(from, first_s);
    log_info("%s: %zu samples over %.9g s from %s, %.9g s apart (median); %s; times: %s; rates %g "
             "to %g, mean %g, scaled to a mean of %g requests/s; %d s in %d piece%s",
             a->format->path, n, last_s - first_s, from, a->spacing_s, a->text->columns,
             a->text->times, a->min, a->max, a->mean, a->mean_rps, r->n_seconds, r->n_pieces,
             r->n_pieces == 1 ? "" : "s with gaps between them");
    const double rows = (double)(n + a->text->n_missing);
    if ((double)a->text->n_missing > MISSING_SHARE * rows) {
        log_warn("%s: %.2g %% of the rows have no rate: the sample before holds on, or there is a "
                 "gap where it would hold for too long",
                 a->format->path, 100.0 * (double)a->text->n_missing / rows);
    }
    if (a->n_empty > 0) {
        log_warn("%s: %d stretch%s of at least %g s without any request, %g s in all, the first "
                 "from line %d on: read as gaps in the recording, which no episode plays",
                 a->format->path, a->n_empty, a->n_empty == 1 ? "" : "es", PLAUSIBLE_EMPTY_S,
                 a->empty_s, a->empty_line);
    }
}

static enum err judge_spacing(const struct account *a)
{
    const enum plausible_level level = plausible_spacing(a->spacing_s);
    if (level == PLAUSIBLE_FAIL) {
        log_error("%s: rows are %.9g s apart; at most a month was expected; set "
                  "workload.time_unit_s to the length of one unit of the times (0.001 if they are "
                  "milliseconds)",
                  a->format->path, a->spacing_s);
        return ERR_FORMAT;
    }
    if (level == PLAUSIBLE_WARN) {
        log_warn(
            "%s: rows are %.9g s apart, an unusual spacing; if the times are milliseconds, set "
            "workload.time_unit_s=0.001",
            a->format->path, a->spacing_s);
    }
    return ERR_OK;
}

/* Refused is what is nothing but a counter. */
static enum err judge_rates(const struct account *a, const struct recording_row *rows, size_t n)
{
    int n_resets;
    struct buf rates;
    buf_init(&rates);
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = buf_append(&rates, &rows[i].rate, sizeof rows[i].rate);
    }
    enum plausible_level level = PLAUSIBLE_OK;
    if (e == ERR_OK) {
        level =
            plausible_rate(&n_resets, a->text->rate, (const double *)(const void *)rates.data, n);
    }
    buf_release(&rates);
    TRY(e);
    if (level == PLAUSIBLE_FAIL) {
        log_error("%s: the rates '%.80s' only grow%s: this is the total of a counter; give the "
                  "rate, in Prometheus rate(NAME[1m])",
                  a->format->path, a->text->rate, n_resets > 0 ? " and begin again" : "");
        return ERR_FORMAT;
    }
    if (level == PLAUSIBLE_WARN) {
        log_warn("%s: the rates never fall; if they are the total of a counter, give the rate "
                 "instead, in Prometheus rate(NAME[1m])",
                 a->format->path);
    }
    return ERR_OK;
}

/* ---- empty stretches ---- */

/* Where the zeros that begin at row i end, and for how long they are known to last. */
static size_t zeros_from(double *span_s, const struct recording_row *rows, size_t n, size_t i,
                         double gap_s)
{
    /* Zeros belong to one stretch while no gap lies between them. The last zero holds up to the row
     * behind it, or for one second if a gap or nothing follows. */
    size_t end = i + 1;
    while (end < n && !(rows[end].rate > 0.0) && rows[end].at_s - rows[end - 1].at_s <= gap_s) {
        end++;
    }
    const bool held = end < n && rows[end].at_s - rows[end - 1].at_s <= gap_s;
    *span_s = (held ? rows[end].at_s : rows[end - 1].at_s + 1.0) - rows[i].at_s;
    return end;
}

/* Takes the rows of empty stretches out; returns how many are left. With nothing but zeros all
 * stay: that has a sentence of its own. */
static size_t drop_empty(struct account *a, struct recording_row *rows, size_t n, double gap_s)
{
    size_t kept = 0;
    if (!(a->max > 0.0)) {
        return n;
    }
    /* Invariant: rows[0 .. kept) are the rows kept of rows[0 .. i), and kept <= i, so the copy
     * forward never overwrites a row that is still to be read. Each round moves on: end > i. */
    for (size_t i = 0, end; i < n; i = end) {
        double span_s = 0.0;
        end = rows[i].rate > 0.0 ? i + 1 : zeros_from(&span_s, rows, n, i, gap_s);
        if (span_s >= PLAUSIBLE_EMPTY_S) {
            a->empty_line = a->n_empty++ == 0 ? rows[i].line : a->empty_line;
            a->empty_s += span_s;
            /* The row before holds up to the zeros. Without the mark it would hold up to the row
             * behind them, or, if that is too far away, for one second only. */
            if (kept > 0 && rows[i].at_s - rows[kept - 1].at_s <= gap_s) {
                rows[kept - 1].ends_s = rows[i].at_s;
            }
            continue;
        }
        for (size_t k = i; k < end; k++) {
            rows[kept++] = rows[k];
        }
    }
    return kept;
}

/* A recording in the making. */
struct maker {
    struct recording_sample *samples;
    int *pieces;
    int n_samples, n_pieces, n_seconds;
    double sum; /* of the rates over seconds */
};

/* Row i holds for so many seconds; *gap: what follows is missing. */
static int held_s(bool *gap, const struct recording_row *rows, size_t n, size_t i, double gap_s)
{
    if (!isnan(rows[i].ends_s)) {
        const int held = (int)(ceil(rows[i].ends_s - rows[0].at_s - 1e-6) - second_of(rows, i));
        *gap = true;
        return held > 1 ? held : 1;
    }
    /* Without a gap the seconds of a piece add up to a difference of whole seconds: consecutive
     * rows share an end, so nothing is lost or counted twice however uneven the spacing is. */
    *gap = i + 1 < n && rows[i + 1].at_s - rows[i].at_s > gap_s;
    if (i + 1 == n || *gap) {
        return 1;
    }
    return (int)(second_of(rows, i + 1) - second_of(rows, i));
}

/* Rows that are overtaken within their second leave no sample. The last row of a piece holds for
 * one second at least, so no piece is empty and samples begin at strictly ascending seconds. There
 * are at most n samples and n pieces, as make() allocates. */
static void cut(struct maker *m, const struct recording_row *rows, size_t n, double gap_s)
{
    bool begins = true;
    for (size_t i = 0; i < n; i++) {
        bool gap;
        int held = held_s(&gap, rows, n, i, gap_s);
        if (begins) {
            m->pieces[m->n_pieces++] = m->n_seconds;
        }
        begins = gap;
        if (held > 0) {
            m->samples[m->n_samples++].from = m->n_seconds;
            m->sum += rows[i].rate * (double)held;
            m->n_seconds += held;
        }
    }
    m->pieces[m->n_pieces] = m->n_seconds;
}

static void scale(struct maker *m, const struct recording_row *rows, size_t n, double gap_s,
                  double mean_rps)
{
    /* mean over seconds of rate x factor = sum / n_seconds x factor = mean_rps. Each sample lasts
     * one second at least, so a scaled rate is at most mean_rps x n_seconds, which is a finite
     * float. */
    double factor = mean_rps * (double)m->n_seconds / m->sum;
    int k = 0;
    for (size_t i = 0; i < n; i++) {
        bool gap;
        if (held_s(&gap, rows, n, i, gap_s) > 0) {
            m->samples[k++].rps = (float)(rows[i].rate * factor);
        }
    }
}

/* Requests in a whole recording: with fewer the factor to mean_rps would not be finite. */
#define SUM_MIN 1e-100

static enum err too_short(const struct recording_format *format, size_t n)
{
    log_error("%s: %zu rates; a recording needs at least %d, one per second", format->path, n,
              SECONDS_MIN);
    return ERR_FORMAT;
}

static enum err make(struct recording *r, struct arena *arena, const struct recording_row *rows,
                     size_t n, double gap_s, const struct account *a)
{
    const struct recording_format *format = a->format;
    struct maker m = {.samples = ARENA_NEW(arena, n, struct recording_sample),
                      .pieces = ARENA_NEW(arena, n + 1, int)};
    TRY(arena_error(arena));
    cut(&m, rows, n, gap_s);
    if ((size_t)m.n_pieces == n && a->n_empty == 0) {
        log_error("%s: every two rows are more than workload.gap_s = %g s apart, so there is "
                  "nothing but gaps; raise it",
                  format->path, gap_s);
        return ERR_FORMAT;
    }
    if (m.n_seconds < SECONDS_MIN) {
        return too_short(format, (size_t)m.n_seconds);
    }
    if (m.sum < SUM_MIN) {
        log_error("%s: every rate is 0%s, so nothing can be scaled to mean_rps", format->path,
                  m.sum > 0.0 ? " or as good as that" : "");
        return ERR_FORMAT;
    }
    scale(&m, rows, n, gap_s, a->mean_rps);
    *r = (struct recording){m.samples, m.pieces, m.n_samples, m.n_pieces, m.n_seconds};
    return ERR_OK;
}

/* The rows are the caller's, and are changed. */
static enum err make_from(struct recording *r, struct arena *arena,
                          const struct recording_text *text, const struct recording_format *format,
                          double mean_rps)
{
    struct account a = {.format = format, .text = text, .mean_rps = mean_rps};
    struct recording_row *rows = (struct recording_row *)(void *)text->rows.data;
    const size_t n = text->rows.len / sizeof *rows;
    if (n < 2) {
        return too_short(format, n);
    }
    if (rows[n - 1].at_s - rows[0].at_s > SECONDS_MAX) {
        log_error(
            "%s: %zu rates over more than 31 years (%.9g s); if the times are no seconds, set "
            "workload.time_unit_s",
            format->path, n, rows[n - 1].at_s - rows[0].at_s);
        return ERR_FORMAT;
    }
    TRY(median_spacing(&a.spacing_s, rows, n));
    const double gap_s = format->gap_s > 0.0 ? format->gap_s : GAP_MEDIANS * a.spacing_s;
    measure(&a, rows, n);
    TRY(judge_spacing(&a));
    TRY(judge_rates(&a, rows, n));
    const double first_s = rows[0].at_s, last_s = rows[n - 1].at_s;
    const size_t kept = drop_empty(&a, rows, n, gap_s);
    struct recording made;
    TRY(make(&made, arena, rows, kept, gap_s, &a));
    tell(&a, n, first_s, last_s, &made);
    *r = made;
    return ERR_OK;
}

enum err recording_read(struct recording *r, struct arena *arena,
                        const struct recording_format *format, double mean_rps)
{
    struct recording_text text = {.columns = ""};
    buf_init(&text.rows);
    enum err e = recording_read_text(&text, arena, format);
    if (e == ERR_OK) {
        e = make_from(r, arena, &text, format, mean_rps);
    }
    buf_release(&text.rows);
    return e;
}

/* The sample that covers second `at`: the last that begins at or before it. */
static int sample_at(const struct recording *r, int at)
{
    /* Invariant: samples[lo].from <= at, and hi is the end or samples[hi].from > at. It holds at
     * the start, because the first sample begins at 0. hi - lo shrinks in every round. */
    int lo = 0, hi = r->n_samples;
    while (hi - lo > 1) {
        int middle = lo + (hi - lo) / 2;
        if (r->samples[middle].from <= at) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    return lo;
}

void recording_play(float *rps, const struct recording *r, int at, int begin, int len, int n)
{
    /* Invariant: sample i covers second `at`. Samples begin at different seconds, so one step in
     * time passes one beginning at most. */
    int i = sample_at(r, at);
    for (int t = 0; t < n; t++) {
        rps[t] = r->samples[i].rps;
        at++;
        if (at == begin + len) {
            at = begin;
            i = sample_at(r, at);
        } else if (i + 1 < r->n_samples && r->samples[i + 1].from <= at) {
            i++;
        }
    }
}
