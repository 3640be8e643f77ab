/* karma serve --check: each query, its answer, and what it becomes. See serve.h. */
#include "core/base/log.h"
#include "core/report/table.h"
#include "mpi/jobs/serve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "shield, policy"; "" for a column that nobody reads. */
static const char *readers_of(unsigned needed)
{
    static const char *const words[8] = {
        "",     "shield",       "policy",       "shield, policy",
        "khpa", "shield, khpa", "policy, khpa", "shield, policy, khpa"};
    return words[needed & 7U];
}

static int column_of(const struct serve *s, const struct query *q, int service)
{
    const int n = s->queries.topology->n_services;
    return q->feature < 0 ? -1
           : q->whole     ? state_global_at(n, (enum global_feature)q->feature)
                          : state_service_at(service, (enum service_feature)q->feature);
}

static unsigned needed_of(const struct serve *s, const struct query *q, int service)
{
    const int column = column_of(s, q, service);
    return column < 0 ? 0U : s->needed[column];
}

/* What is wrong with a value that somebody reads; NULL: nothing. */
static const char *fault_of(const struct serve *s, const struct query_cell *c, unsigned needed)
{
    if (needed == 0) {
        return NULL;
    }
    if (!cell_is_known(c)) {
        return cell_verdict_text[c->verdict];
    }
    return c->age_s > s->cfg.shield.stale_s ? "too old (shield.stale_s)" : NULL;
}

static void put_number(struct table *t, double x, const char *unit)
{
    if (isnan(x)) {
        table_text(t, "-");
    } else {
        table_cell(t, "%.6g%s%s", x, unit[0] != '\0' ? " " : "", unit);
    }
}

static void put_row(struct table *t, const struct serve *s, const struct query *q, int service,
                    const struct query_cell *c)
{
    const unsigned needed = needed_of(s, q, service);
    const char *fault = fault_of(s, c, needed);
    const bool known = cell_is_known(c);
    table_text(t, q->name);
    table_text(t, q->whole ? "" : s->queries.topology->cfg->services[service].name);
    table_text(t, readers_of(needed));
    put_number(t, c->answer, q->unit[0] != '\0' ? q->unit : q->becomes);
    put_number(t, known ? c->value : (double)NAN, q->becomes);
    put_number(t, isfinite(c->age_s) ? c->age_s : (double)NAN, "");
    table_text(t, fault != NULL ? fault : cell_verdict_text[c->verdict]);
}

/* Counts what is missing in *n_faults. */
static enum err print_values(struct buf *out, int *n_faults, const struct serve *s,
                             struct arena *arena)
{
    static const char *const head[] = {"column",  "service", "read_by", "answer",
                                       "becomes", "age_s",   "remark"};
    const struct queries *q = &s->queries;
    const struct query_cell *cells = live_cells(s->plant);
    struct table t;
    table_init(&t, arena, head, 7, 3);
    *n_faults = 0;
    for (int i = 0; i < q->n; i++) {
        for (int k = 0; k < (q->items[i].whole ? 1 : q->topology->n_services); k++) {
            const struct query_cell *c = queries_cell(q, cells, i, k);
            const unsigned needed = needed_of(s, &q->items[i], k);
            put_row(&t, s, &q->items[i], k, c);
            *n_faults += fault_of(s, c, needed) != NULL ? 1 : 0;
        }
    }
    return table_print(out, &t, TABLE_TEXT);
}

static enum err print_queries(struct buf *out, const struct serve *s)
{
    const struct queries *q = &s->queries;
    for (int i = 0; i < q->cfg->n_sources; i++) {
        TRY(buf_printf(out, "age of %s: %s\n", q->cfg->sources[i].name, q->ages[i]));
    }
    for (int i = 0; i < q->n; i++) {
        if (q->items[i].promql[0] != '\0') {
            TRY(buf_printf(out, "%s: %s\n", q->items[i].name, q->items[i].promql));
        }
    }
    return buf_printf(out, "\n");
}

enum err serve_check(struct serve *s)
{
    const struct episode_id id = {.seed = 1, .split = RNG_DEV};
    int n_faults = 0;
    struct buf b;
    TRY(plant_reset(s->plant, 0, &id, NULL, 1));
    const struct live_report *report = live_report(s->plant);
    if (!report->read_ok) {
        log_error("%s: no measurements: %s", http_label(s->http), report->why);
        return ERR_SERVER;
    }
    if (report->why[0] != '\0') {
        log_warn("Prometheus warns: %s", report->why);
    }
    const struct arena_mark mark = arena_mark(&s->scratch);
    buf_init(&b);
    enum err e = print_queries(&b, s);
    if (e == ERR_OK) {
        e = print_values(&b, &n_faults, s, &s->scratch);
    }
    if (e == ERR_OK) {
        fwrite(b.data, 1, b.len, stdout);
    }
    buf_release(&b);
    arena_rewind(&s->scratch, mark);
    TRY(e);
    if (s->kube != NULL) {
        TRY(live_kubernetes_check(&s->writes));
    }
    if (n_faults > 0) {
        const bool spaced = queries_ask_namespace(&s->queries);
        log_error("%d value%s that shield, policy or rule read %s not known; `remark` says why. "
                  "Change the query under `metrics` in a file that you give with --config, and "
                  "try --check again%s%s%s",
                  n_faults, n_faults == 1 ? "" : "s", n_faults == 1 ? "is" : "are",
                  spaced ? ". Asked was for the namespace '" : "",
                  spaced ? s->cfg.metrics.namespace : "",
                  spaced ? "'; another one: --set metrics.namespace=NAME" : "");
        return ERR_FAILED;
    }
    log_info("every value that shield, policy and rule read is known");
    return ERR_OK;
}
