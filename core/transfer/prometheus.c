/* Requests of the Prometheus API, and the trees of their answers as arrays. See prometheus.h.
 *
 * What an answer claims is never a size of ours: arrays have as many elements as the tree has. */
#include "core/transfer/prometheus.h"

#include "core/base/number.h"
#include "core/transfer/http.h"
#include "core/transfer/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void prometheus_init(struct prometheus *p, const struct prom_transport *transport)
{
    *p = (struct prometheus){.transport = *transport};
    buf_init(&p->form);
    buf_init(&p->body);
}

void prometheus_release(struct prometheus *p)
{
    buf_release(&p->form);
    buf_release(&p->body);
}

const char *prom_label(const struct prom_series *s, const char *name)
{
    for (int i = 0; i < s->n_labels; i++) {
        if (strcmp(s->labels[i].name, name) == 0) {
            return s->labels[i].value;
        }
    }
    return NULL;
}

/* ---- over HTTP ---- */

static enum err post_http(void *ctx, int *status, struct buf *body, char why[PROM_WHY],
                          const char *path, const char *form)
{
    struct http_answer a;
    http_answer_init(&a);
    const struct http_request r = {.method = "POST",
                                   .path = path,
                                   .content_type = "application/x-www-form-urlencoded",
                                   .body = form,
                                   .n_body = strlen(form)};
    enum err e = http_send(ctx, &a, &r);
    *status = a.status;
    body->len = 0;
    if (e == ERR_OK) {
        e = buf_append(body, a.body.data, a.body.len);
    } else {
        (void)snprintf(why, PROM_WHY, "%.*s", PROM_WHY - 1,
                       a.sentence[0] != '\0' ? a.sentence
                       : e == ERR_IO         ? "the file of its token cannot be read"
                                             : err_text(e));
    }
    http_answer_release(&a);
    return e;
}

struct prom_transport prometheus_over(struct http *h)
{
    return (struct prom_transport){.ctx = h, .post = post_http};
}

/* ---- answers ---- */

/* Writes the sentence and passes the error on. */
static enum err fail(struct prom_result *out, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static enum err fail(struct prom_result *out, enum err e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(out->why, sizeof out->why, fmt, args);
    va_end(args);
    return e;
}

/* [1700000000.123, "0.5"] */
static bool read_sample(struct prom_sample *out, const struct json *pair)
{
    return pair->type == JSON_LIST_ && pair->n == 2 && pair->items[0].type == JSON_NUMBER_ &&
           pair->items[1].type == JSON_TEXT_ && ((out->time_s = pair->items[0].number), true) &&
           (number_real(&out->value, pair->items[1].text) ||
            (strcmp(pair->items[1].text, "NaN") == 0 && ((out->value = (double)NAN), true)) ||
            (strcmp(pair->items[1].text, "+Inf") == 0 && ((out->value = (double)INFINITY), true)) ||
            (strcmp(pair->items[1].text, "-Inf") == 0 && ((out->value = -(double)INFINITY), true)));
}

static enum err read_labels(struct prom_series *s, struct arena *arena, const struct json *metric)
{
    const int n = metric != NULL && metric->type == JSON_MAP_ ? metric->n : 0;
    struct prom_label *labels = ARENA_NEW(arena, n, struct prom_label);
    TRY(arena_error(arena));
    for (int i = 0; i < n; i++) {
        labels[i].name = metric->keys[i];
        labels[i].value = metric->items[i].type == JSON_TEXT_ ? metric->items[i].text : "";
    }
    s->labels = labels;
    s->n_labels = n;
    return ERR_OK;
}

/* {"metric": {...}, "value": [t, "v"]} or "values": [[t, "v"], ...] */
static enum err read_series(struct prom_result *out, struct prom_series *s, struct arena *arena,
                            const struct json *at)
{
    const struct json *one = json_member(at, "value"), *many = json_member(at, "values");
    const bool is_list = many != NULL && many->type == JSON_LIST_;
    const int n = one != NULL ? 1 : is_list ? many->n : 0;
    s->samples = ARENA_NEW(arena, n, struct prom_sample);
    TRY(arena_error(arena));
    TRY(read_labels(s, arena, json_member(at, "metric")));
    s->n_samples = n;
    for (int i = 0; i < n; i++) {
        if (!read_sample(&s->samples[i], one != NULL ? one : &many->items[i])) {
            return fail(out, ERR_FORMAT, "a sample is not [time, \"value\"]");
        }
        if (i > 0 && !(s->samples[i].time_s > s->samples[i - 1].time_s)) {
            return fail(out, ERR_FORMAT, "the samples of a series are not in the order of time");
        }
    }
    return n > 0 ? ERR_OK : fail(out, ERR_FORMAT, "a series has no sample");
}

static enum err read_warnings(struct prom_result *out, struct arena *arena, const struct json *top)
{
    const struct json *items;
    const int n = json_list(&items, top, "warnings");
    const char **warnings = ARENA_NEW(arena, n, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < n; i++) {
        warnings[i] = items[i].type == JSON_TEXT_ ? items[i].text : "?";
    }
    out->warnings = warnings;
    out->n_warnings = n;
    return ERR_OK;
}

static enum err read_data(struct prom_result *out, struct arena *arena, const struct json *top)
{
    const char *type = json_text(top, "data.resultType", "");
    const struct json *result = json_find(top, "data.result");
    if (result == NULL || result->type != JSON_LIST_) {
        return fail(out, ERR_FORMAT, "the answer has no data.result");
    }
    const bool scalar = strcmp(type, "scalar") == 0;
    if (!scalar && strcmp(type, "vector") != 0 && strcmp(type, "matrix") != 0) {
        return fail(out, ERR_FORMAT, "the result is a '%.32s', and a vector was expected", type);
    }
    const int n = scalar ? 1 : result->n;
    struct prom_series *series = ARENA_NEW(arena, n, struct prom_series);
    struct prom_sample *sample = ARENA_NEW(arena, 1, struct prom_sample);
    TRY(arena_error(arena));
    if (scalar) {
        series[0] = (struct prom_series){.samples = sample, .n_samples = 1};
        if (!read_sample(sample, result)) {
            return fail(out, ERR_FORMAT, "a scalar is not [time, \"value\"]");
        }
    }
    for (int i = 0; i < n && !scalar; i++) {
        TRY(read_series(out, &series[i], arena, &result->items[i]));
    }
    out->series = series;
    out->n_series = n;
    return read_warnings(out, arena, top);
}

/* What the server says of an error, if it says it in JSON: proxies answer in HTML. */
static enum err refused(struct prom_result *out, int status, const struct json *top)
{
    const char *error = json_text(top, "error", "");
    const bool query = status == 400 || status == 422;
    const char *hint = status == 401 || status == 403
                           ? "; it wants other credentials (a token, or user and password)"
                       : status == 404
                           ? "; is the URL that of a Prometheus, without /graph and /api/v1?"
                           : "";
    return fail(out, query ? ERR_CONFIG : ERR_SERVER, "HTTP status %d%s%.300s%s", status,
                error[0] != '\0' ? ": " : "", error, hint);
}

enum err prometheus_parse(struct prom_result *out, struct arena *arena, int status,
                          const void *body, size_t n)
{
    const struct json *top = NULL;
    char why[256];
    *out = (struct prom_result){.n_series = 0};
    const enum err e = json_read_quietly(&top, arena, why, sizeof why, body, n);
    if (e == ERR_MEMORY) {
        return fail(out, e, "out of memory");
    }
    if (status < 200 || status > 299) {
        return refused(out, status, e == ERR_OK ? top : NULL);
    }
    if (e != ERR_OK) {
        return fail(out, ERR_FORMAT, "the answer is no JSON: %s", why);
    }
    if (strcmp(json_text(top, "status", ""), "success") != 0) {
        return fail(out, ERR_FORMAT, "the answer does not say \"status\": \"success\"");
    }
    return read_data(out, arena, top);
}

/* ---- requests ---- */

/* The form, NUL-terminated; begins with the '?' that http_put_query() puts first. */
static enum err put_number(struct buf *form, const char *name, double x)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.3f", x);
    return http_put_query(form, name, text);
}

static enum err ask(struct prom_result *out, struct prometheus *p, struct arena *arena,
                    const char *path)
{
    int status = 0;
    TRY(buf_append(&p->form, "", 1));
    *out = (struct prom_result){.n_series = 0};
    TRY(p->transport.post(p->transport.ctx, &status, &p->body, out->why, path,
                          (const char *)p->form.data + 1));
    return prometheus_parse(out, arena, status, p->body.data, p->body.len);
}

enum err prometheus_query(struct prom_result *out, struct prometheus *p, struct arena *arena,
                          const char *promql, double at_s)
{
    p->form.len = 0;
    TRY(http_put_query(&p->form, "query", promql));
    if (!isnan(at_s)) {
        TRY(put_number(&p->form, "time", at_s));
    }
    return ask(out, p, arena, "/api/v1/query");
}

static enum err ask_page(struct prom_result *out, struct prometheus *p, struct arena *arena,
                         const char *promql, double start_s, double end_s, double step_s)
{
    p->form.len = 0;
    TRY(http_put_query(&p->form, "query", promql));
    TRY(put_number(&p->form, "start", start_s));
    TRY(put_number(&p->form, "end", end_s));
    TRY(put_number(&p->form, "step", step_s));
    return ask(out, p, arena, "/api/v1/query_range");
}

static bool same_labels(const struct prom_series *a, const struct prom_series *b)
{
    for (int i = 0; i < a->n_labels; i++) {
        const char *other = prom_label(b, a->labels[i].name);
        if (other == NULL || strcmp(other, a->labels[i].value) != 0) {
            return false;
        }
    }
    return a->n_labels == b->n_labels;
}

/* The samples of `from`, which are later, behind those of `into`. */
static enum err extend(struct prom_series *into, struct arena *arena,
                       const struct prom_series *from)
{
    const int n = into->n_samples + from->n_samples;
    struct prom_sample *samples = ARENA_NEW(arena, n, struct prom_sample);
    TRY(arena_error(arena));
    memcpy(samples, into->samples, (size_t)into->n_samples * sizeof *samples);
    memcpy(samples + into->n_samples, from->samples, (size_t)from->n_samples * sizeof *samples);
    into->samples = samples;
    into->n_samples = n;
    return ERR_OK;
}

static enum err merge(struct prom_result *into, struct arena *arena, const struct prom_result *page)
{
    const int most = into->n_series + page->n_series;
    struct prom_series *all = ARENA_NEW(arena, most, struct prom_series);
    TRY(arena_error(arena));
    int n = into->n_series;
    memcpy(all, into->series, (size_t)n * sizeof *all);
    for (int i = 0; i < page->n_series; i++) {
        int at = 0;
        while (at < n && !same_labels(&all[at], &page->series[i])) {
            at++;
        }
        if (at == n) {
            all[n++] = page->series[i];
        } else {
            TRY(extend(&all[at], arena, &page->series[i]));
        }
    }
    into->series = all;
    into->n_series = n;
    if (page->n_warnings > 0) {
        into->warnings = page->warnings;
        into->n_warnings = page->n_warnings;
    }
    return ERR_OK;
}

/* Page k begins one step behind the end of page k - 1, so no point is asked for twice. The first
 * error ends it: half of a range is not returned as if it were the whole. */
enum err prometheus_query_range(struct prom_result *out, struct prometheus *p, struct arena *arena,
                                const char *promql, double start_s, double end_s, double step_s)
{
    *out = (struct prom_result){.n_series = 0};
    if (!(step_s > 0.0) || !(end_s >= start_s)) {
        return fail(out, ERR_CONFIG, "a range from %.3f to %.3f in steps of %g s is none", start_s,
                    end_s, step_s);
    }
    const double points = floor((end_s - start_s) / step_s) + 1.0;
    for (double done = 0.0; done < points; done += PROM_POINTS_MAX) {
        struct prom_result page;
        const double from_s = start_s + done * step_s;
        const double to_s = start_s + (fmin(points, done + PROM_POINTS_MAX) - 1.0) * step_s;
        const enum err e = ask_page(&page, p, arena, promql, from_s, to_s, step_s);
        if (e != ERR_OK) {
            *out = (struct prom_result){.n_series = 0};
            memcpy(out->why, page.why, sizeof out->why);
            return e;
        }
        TRY(merge(out, arena, &page));
    }
    return ERR_OK;
}
