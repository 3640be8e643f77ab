/* What a serve leaves: rows of decisions, metrics of its own, the report. See serve.h. */
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "mpi/jobs/serve.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const columns[] = {"time",    "decision", "stage",    "decided_by", "fallback",
                                      "service", "desired",  "proposed", "allowed",    "written",
                                      "refused", "shield",   "oldest_s", "distance",   "score"};
enum { COLUMNS = sizeof columns / sizeof *columns };

enum err serve_log_open(struct serve *s, const char *dir)
{
    s->dir = arena_strdup(&s->arena, dir);
    const char *path = file_join(&s->arena, dir, "decisions.csv");
    TRY(arena_error(&s->arena));
    TRY(file_make_dirs(dir));
    return file_exists(path) ? csv_resume(&s->csv, &s->arena, path, columns, COLUMNS, CSV_KEEP_ALL)
                             : csv_create(&s->csv, &s->arena, path, columns, COLUMNS);
}

void serve_log_close(struct serve *s)
{
    if (s->csv.fd >= 0) {
        csv_close(&s->csv);
        s->csv.fd = -1;
    }
}

void serve_name_reasons(char *text, size_t size, uint32_t reasons)
{
    size_t len = 0;
    text[0] = '\0';
    for (int r = 0; r < SHIELD_REASONS && len < size; r++) {
        if ((reasons >> r & 1U) != 0) {
            const int n = snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "",
                                   shield_reason_info[r].name);
            len += n > 0 ? (size_t)n : 0U;
        }
    }
}

/* Age of the oldest value that the shield reads of a service, or of the whole. */
static double oldest(const struct serve *s, int service)
{
    const int n = s->x.env_setup.topology.n_services;
    double age = 0.0;
    for (int i = 0; i < s->plant->n_state; i++) {
        const bool mine = i / SERVICE_FEATURES == service || i >= n * SERVICE_FEATURES;
        if (mine && (s->needed[i] & READ_BY_SHIELD) != 0) {
            age = fmax(age, plant_age_s(s->plant, 0, i));
        }
    }
    return age;
}

static enum err put_row(struct serve *s, int service, const char *time)
{
    const struct serve_decision *d = &s->decision;
    const struct gate *g = &s->gate;
    char reasons[256];
    serve_name_reasons(reasons, sizeof reasons, g->verdict.reasons[service]);
    csv_text(&s->csv, time);
    csv_int(&s->csv, d->number);
    csv_text(&s->csv, stage_name(g->stage));
    csv_text(&s->csv, d->by_rule ? "khpa" : "policy");
    csv_text(&s->csv, d->by_rule ? fallback_words(d->reasons) : "");
    csv_text(&s->csv, s->x.env_setup.topology.cfg->services[service].name);
    csv_num(&s->csv, isfinite(s->before_age[state_service_at(service, SF_DESIRED)])
                         ? (double)s->before[state_service_at(service, SF_DESIRED)]
                         : (double)NAN);
    csv_int(&s->csv, g->proposed[service]);
    csv_int(&s->csv, g->allowed[service]);
    csv_int(&s->csv, s->moved[service]);
    csv_int(&s->csv, live_written(s->plant)[service] != ERR_OK);
    csv_text(&s->csv, reasons);
    csv_num(&s->csv, oldest(s, service));
    csv_num(&s->csv, d->distance);
    csv_num(&s->csv, d->score);
    return csv_end_row(&s->csv);
}

enum err serve_log_decision(struct serve *s)
{
    char time[CLOCK_ISO_BYTES];
    clock_iso_micro(time, s->decision.time_s);
    for (int i = 0; i < s->x.env_setup.topology.n_services; i++) {
        TRY(put_row(s, i, time));
    }
    return csv_sync(&s->csv);
}

/* ---- own metrics ---- */

static enum err put_metric(struct buf *b, const char *name, const char *type, const char *help,
                           double value)
{
    return buf_printf(b,
                      "# HELP karma_serve_%s %s\n# TYPE karma_serve_%s %s\nkarma_serve_%s %.9g\n",
                      name, help, name, type, name, value);
}

static enum err put_services(struct buf *b, const struct serve *s, const char *name,
                             const char *help, const int32_t *values, bool on_top)
{
    const struct topology_cfg *t = s->x.env_setup.topology.cfg;
    TRY(buf_printf(b, "# HELP karma_serve_%s %s\n# TYPE karma_serve_%s gauge\n", name, help, name));
    for (int i = 0; i < t->n_services; i++) {
        const double desired = (double)s->before[state_service_at(i, SF_DESIRED)];
        TRY(buf_printf(b, "karma_serve_%s{service=\"%s\"} %.9g\n", name, t->services[i].name,
                       (on_top ? desired : 0.0) + (double)(values != NULL ? values[i] : 0)));
    }
    return ERR_OK;
}

static enum err put_counts(struct buf *b, const struct serve *s)
{
    const struct live_report *r = live_report(s->plant);
    const double n = s->cpu.n > 0 ? (double)s->cpu.n : 1.0;
    TRY(put_metric(b, "decisions_total", "counter", "Decisions made.", (double)s->cpu.n));
    TRY(put_metric(b, "readings_total", "counter", "Readings tried.", (double)r->n_reads));
    TRY(put_metric(b, "readings_failed_total", "counter", "Readings without measurements.",
                   (double)r->n_failed));
    TRY(put_metric(b, "late_total", "counter", "Decisions that began after the next was due.",
                   (double)r->n_late));
    TRY(put_metric(b, "writes_total", "counter", "Changes sent to the API server.",
                   (double)r->n_writes));
    TRY(put_metric(b, "writes_refused_total", "counter", "Of these not taken.",
                   (double)r->n_refused));
    TRY(put_metric(b, "decision_cpu_seconds_mean", "gauge",
                   "CPU of a decision without its reading.", s->cpu.decide_s / n));
    TRY(put_metric(b, "reading_cpu_seconds_mean", "gauge", "CPU of a reading.",
                   s->cpu.measure_s / n));
    return put_metric(b, "resident_bytes", "gauge", "Memory of this process.",
                      (double)mem_resident());
}

static enum err put_state(struct buf *b, const struct serve *s)
{
    const struct serve_decision *d = &s->decision;
    TRY(put_metric(b, "fallback", "gauge", "1 while the rule decides instead of the policy.",
                   d->by_rule ? 1.0 : 0.0));
    TRY(put_metric(b, "fallback_decisions_total", "counter", "Decisions of the rule.",
                   (double)s->fallback.n_active));
    TRY(put_metric(b, "stage", "gauge", "0 shadow, 1 limited, 2 full.", (double)s->gate.stage));
    if (!isnan(d->distance)) {
        TRY(put_metric(b, "drift_distance_ratio", "gauge",
                       "Distance of the state from the training distribution / threshold.",
                       d->distance / s->drift.threshold));
    }
    if (!isnan(d->score)) {
        TRY(put_metric(b, "disagreement_ratio", "gauge",
                       "Share of known states in which the twin's ensemble agrees more.",
                       d->score));
    }
    TRY(put_services(b, s, "replicas_desired", "Replicas asked for.", NULL, true));
    TRY(put_services(b, s, "replicas_allowed", "Replicas after policy and shield.", s->gate.allowed,
                     true));
    return put_services(b, s, "replicas_written", "Change written in the last decision.", s->moved,
                        false);
}

enum err serve_publish(struct serve *s)
{
    const struct live_report *r = live_report(s->plant);
    if (s->health == NULL) {
        return ERR_OK;
    }
    s->page.len = 0;
    TRY(put_counts(&s->page, s));
    TRY(put_state(&s->page, s));
    return health_set(s->health, &s->page, r->read_ok, r->why,
                      3.0 * s->x.cfg.plant.period_s + s->cfg.prometheus.timeout_s);
}

/* ---- the report ---- */

enum err serve_report(struct serve *s, bool show)
{
    struct buf b;
    const struct arena_mark mark = arena_mark(&s->scratch);
    const char *path = file_join(&s->scratch, s->dir, "report.txt");
    buf_init(&b);
    enum err e = arena_error(&s->scratch);
    if (e == ERR_OK) {
        e = shadow_print(&b, &s->shadow, &s->fallback, s->twin != NULL ? &s->effect : NULL,
                         s->gate.stage, &s->scratch);
    }
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    if (e == ERR_OK && show) {
        const double n = s->cpu.n > 0 ? (double)s->cpu.n : 1.0;
        fwrite(b.data, 1, b.len, stdout);
        log_info("decisions: %s/decisions.csv, report: %s; CPU of a decision: %.3f ms on average, "
                 "%.3f ms at most, of a reading: %.3f ms; memory: %.1f MB at most",
                 s->dir, path, 1e3 * s->cpu.decide_s / n, 1e3 * s->cpu.decide_most_s,
                 1e3 * s->cpu.measure_s / n, (double)mem_resident_most() / 1e6);
    }
    buf_release(&b);
    arena_rewind(&s->scratch, mark);
    return e;
}
