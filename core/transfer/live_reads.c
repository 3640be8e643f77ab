/* Readings of a live plant: from a Prometheus now, and from its past. See live.h. */
#include "core/transfer/live.h"

#include "core/base/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- now ---- */

/* The server's own time, asked for without one: an answer at our time would be our time. */
static enum err check_clock(struct prom_result *out, struct live_prometheus *p, struct arena *arena,
                            double at_s)
{
    TRY(prometheus_query(out, &p->client, arena, "time()", (double)NAN));
    const bool answered = out->n_series == 1 && out->series[0].n_samples == 1;
    const double ahead_s = answered ? out->series[0].samples[0].value - at_s : (double)NAN;
    if (!(fabs(ahead_s) <= p->skew_s)) {
        (void)snprintf(out->why, sizeof out->why,
                       "the clock of Prometheus is %.0f s %s that of this machine, so ages cannot "
                       "be known; set both by NTP",
                       fabs(ahead_s), ahead_s < 0.0 ? "behind" : "ahead of");
        return ERR_SERVER;
    }
    return ERR_OK;
}

static enum err append(struct prom_result *into, struct arena *arena,
                       const struct prom_result *from)
{
    const int n = into->n_series + from->n_series;
    struct prom_series *all = ARENA_NEW(arena, n, struct prom_series);
    TRY(arena_error(arena));
    if (into->n_series > 0) {
        memcpy(all, into->series, (size_t)into->n_series * sizeof *all);
    }
    if (from->n_series > 0) {
        memcpy(all + into->n_series, from->series, (size_t)from->n_series * sizeof *all);
    }
    into->series = all;
    into->n_series = n;
    if (from->n_warnings > 0) {
        into->warnings = from->warnings;
        into->n_warnings = from->n_warnings;
    }
    return ERR_OK;
}

/* A query that is refused leaves its column without series; `first`: log it. */
static enum err read_each(struct prom_result *out, struct live_prometheus *p, struct arena *arena,
                          double at_s, bool first)
{
    const struct queries *q = p->queries;
    *out = (struct prom_result){.n_series = 0};
    for (int i = 0; i < q->n + q->cfg->n_sources; i++) {
        const char *one = queries_one(q, arena, i);
        struct prom_result r;
        TRY(arena_error(arena));
        if (one[0] == '\0') {
            continue;
        }
        const enum err e = prometheus_query(&r, &p->client, arena, one, at_s);
        if (e == ERR_CONFIG && first) {
            log_warn("the query of %s is refused: %s",
                     i < q->n ? q->items[i].key : q->cfg->sources[i - q->n].name, r.why);
        } else if (e != ERR_OK && e != ERR_CONFIG) {
            *out = r;
            return e;
        }
        if (e == ERR_OK) {
            TRY(append(out, arena, &r));
        }
    }
    return ERR_OK;
}

static enum err read_now(void *ctx, struct prom_result *out, struct arena *arena, double at_s)
{
    struct live_prometheus *p = ctx;
    TRY(check_clock(out, p, arena, at_s));
    if (p->apart) {
        return read_each(out, p, arena, at_s, false);
    }
    const enum err e = prometheus_query(out, &p->client, arena, queries_all(p->queries), at_s);
    if (e != ERR_CONFIG) {
        return e;
    }
    p->apart = true;
    return read_each(out, p, arena, at_s, true);
}

struct live_reads live_prometheus_reads(struct live_prometheus *p)
{
    return (struct live_reads){.ctx = p, .read = read_now};
}

/* ---- the past ---- */

enum err live_past_load(struct live_past *out, struct live_prometheus *from, struct arena *arena,
                        double start_s, double end_s, double step_s)
{
    *out = (struct live_past){.start_s = start_s, .end_s = end_s, .step_s = step_s};
    return prometheus_query_range(&out->all, &from->client, arena, queries_all(from->queries),
                                  start_s, end_s, step_s);
}

/* The samples of one point of time. Series are sampled at start_s + k step_s, so half a step is
 * more than any rounding and less than the distance of two points. Samples are in order of time,
 * and a search by halves finds the first that is not too early. */
static enum err read_past(void *ctx, struct prom_result *out, struct arena *arena, double at_s)
{
    const struct live_past *p = ctx;
    struct prom_series *found = ARENA_NEW(arena, p->all.n_series, struct prom_series);
    int n = 0;
    TRY(arena_error(arena));
    for (int i = 0; i < p->all.n_series; i++) {
        const struct prom_series *s = &p->all.series[i];
        int lo = 0, hi = s->n_samples;
        while (lo < hi) {
            const int mid = lo + (hi - lo) / 2;
            if (s->samples[mid].time_s < at_s - 0.5 * p->step_s) {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        if (lo < s->n_samples && s->samples[lo].time_s <= at_s + 0.5 * p->step_s) {
            found[n] = *s;
            found[n].samples = s->samples + lo;
            found[n++].n_samples = 1;
        }
    }
    *out = (struct prom_result){.series = found, .n_series = n};
    return ERR_OK;
}

struct live_reads live_past_reads(struct live_past *p)
{
    return (struct live_reads){.ctx = p, .read = read_past};
}
