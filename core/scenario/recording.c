/* Rows -> seconds: gaps are cut out, the rest is scaled and numbered through. See recording.h. */
#include "core/scenario/recording.h"

#include "core/base/gzip.h"
#include "core/base/log.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS_MIN = 5, FILE_BYTES_MAX = 256 * 1024 * 1024 };
static const double SECONDS_MAX = 1e9; /* of a whole recording, gaps included: 31 years */
static const double GAP_MEDIANS = 3.0;

/* The first second that begins at or after a row, counted from the first row. */
static double second_of(const struct recording_row *rows, size_t i)
{
    return ceil(rows[i].at_s - rows[0].at_s - 1e-6); /* times of 1/3 s are not exact */
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Three times the median spacing; the upper one of two. */
static enum err find_gap(double *gap_s, const struct recording_row *rows, size_t n)
{
    struct buf spacings;
    buf_init(&spacings);
    enum err e = ERR_OK;
    for (size_t i = 1; i < n && e == ERR_OK; i++) {
        double spacing = rows[i].at_s - rows[i - 1].at_s;
        e = buf_append(&spacings, &spacing, sizeof spacing);
    }
    if (e == ERR_OK) {
        qsort(spacings.data, n - 1, sizeof(double), ascending);
        *gap_s = GAP_MEDIANS * ((const double *)(const void *)spacings.data)[(n - 1) / 2];
    }
    buf_release(&spacings);
    return e;
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
    *gap = i + 1 < n && rows[i + 1].at_s - rows[i].at_s > gap_s;
    if (i + 1 == n || *gap) {
        return 1;
    }
    return (int)(second_of(rows, i + 1) - second_of(rows, i));
}

/* Rows that are overtaken within their second leave no sample. */
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

static enum err make(struct recording *r, struct arena *arena, const struct recording_row *rows,
                     size_t n, const struct recording_format *format, double mean_rps)
{
    double gap_s = format->gap_s;
    if (n < 2 || rows[n - 1].at_s - rows[0].at_s > SECONDS_MAX) {
        log_error("%s: %zu rates%s; a recording needs at least %d, one per second", format->path, n,
                  n < 2 ? "" : " over more than 31 years", SECONDS_MIN);
        return ERR_FORMAT;
    }
    if (gap_s <= 0.0) {
        TRY(find_gap(&gap_s, rows, n));
    }
    struct maker m = {.samples = ARENA_NEW(arena, n, struct recording_sample),
                      .pieces = ARENA_NEW(arena, n + 1, int)};
    if (m.samples == NULL || m.pieces == NULL) {
        return ERR_MEMORY;
    }
    cut(&m, rows, n, gap_s);
    if ((size_t)m.n_pieces == n) {
        log_error("%s: every two rows are more than workload.gap_s = %g s apart, so there is "
                  "nothing but gaps; raise it",
                  format->path, gap_s);
        return ERR_FORMAT;
    }
    if (m.n_seconds < SECONDS_MIN) {
        log_error("%s: %d rates; a recording needs at least %d, one per second", format->path,
                  m.n_seconds, SECONDS_MIN);
        return ERR_FORMAT;
    }
    if (m.sum < SUM_MIN) {
        log_error("%s: every rate is 0%s, so nothing can be scaled to mean_rps", format->path,
                  m.sum > 0.0 ? " or as good as that" : "");
        return ERR_FORMAT;
    }
    scale(&m, rows, n, gap_s, mean_rps);
    *r = (struct recording){m.samples, m.pieces, m.n_samples, m.n_pieces, m.n_seconds};
    return ERR_OK;
}

enum err recording_read(struct recording *r, struct arena *arena,
                        const struct recording_format *format, double mean_rps)
{
    struct buf text, rows;
    buf_init(&text);
    buf_init(&rows);
    enum err e = gzip_read(&text, format->path, FILE_BYTES_MAX);
    if (e == ERR_OK) {
        e = recording_rows(&rows, &text, format);
    }
    if (e == ERR_OK) {
        e = make(r, arena, (const struct recording_row *)(const void *)rows.data,
                 rows.len / sizeof(struct recording_row), format, mean_rps);
    }
    buf_release(&rows);
    buf_release(&text);
    return e;
}

/* The sample that covers second `at`: the last that begins at or before it. */
static int sample_at(const struct recording *r, int at)
{
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
