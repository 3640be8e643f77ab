/* Queries: the table of the configuration, texts to send, and answers as columns of a state. */
#include "core/transfer/queries.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the configuration ---- */

static const struct cfg_choice absences[] = {
    {"unknown", ABSENT_UNKNOWN, "the value is not known"},
    {"zero", ABSENT_ZERO, "the value is 0, while its source answers"},
    {"one", ABSENT_ONE, "the value is 1, while its source answers"},
    {NULL, 0, NULL},
};

static const struct cfg_field query_fields[] = {
    CFG_STRING(struct query_cfg, query, "", CFG_OUTPUT, "PromQL; empty = not measured"),
    CFG_STRING(struct query_cfg, source, "", CFG_OUTPUT, "one of sources, which tells its age"),
    CFG_STRING(struct query_cfg, unit, "", CFG_OUTPUT,
               "of the answer: that of the column (empty), cores, bytes, bytes/s, s or ratio"),
    CFG_DOUBLE(struct query_cfg, scale, "1", CFG_NO_MIN, CFG_NO_MAX, "", CFG_OUTPUT,
               "multiplies the answer"),
    CFG_ENUM(struct query_cfg, absent, "unknown", absences, CFG_OUTPUT,
             "what a missing series means"),
    CFG_ENUM(struct query_cfg, nan, "unknown", absences, CFG_OUTPUT,
             "what an answer means that is no number"),
    CFG_END,
};

static const struct cfg_field source_fields[] = {
    CFG_STRING(struct source_cfg, name, CFG_REQUIRED, CFG_OUTPUT, "what queries call it"),
    CFG_STRING(struct source_cfg, age, CFG_REQUIRED, CFG_OUTPUT,
               "PromQL: Unix time of its oldest newest sample"),
    CFG_END,
};

/* A row for each column of the schema, named and explained by it. */
#define ROW_(at, name_, doc_)                                                                      \
    {                                                                                              \
        .name = (name_), .type = CFG_TYPE_TABLE,                                                   \
        .offset = (size_t)(at) * sizeof(struct query_cfg), .unit = "", .doc = (doc_),              \
        .table = query_fields                                                                      \
    }
#define SERVICE_ROW_(id, name_, unit_, obs_, paper_, doc_) ROW_(SF_##id, name_, doc_),
#define WHOLE_ROW_(id, name_, unit_, obs_, paper_, doc_)   ROW_(GF_##id, name_, doc_),
static const struct cfg_field service_rows[] = {SERVICE_FEATURE_LIST(SERVICE_ROW_) CFG_END};
static const struct cfg_field whole_rows[] = {GLOBAL_FEATURE_LIST(WHOLE_ROW_) CFG_END};

const struct cfg_field metrics_fields[] = {
    CFG_STRING(struct metrics_cfg, label, "deployment", CFG_OUTPUT,
               "label of an answer that names its service"),
    CFG_STRING(struct metrics_cfg, namespace, "default", CFG_OUTPUT, "what $namespace stands for"),
    CFG_DOUBLE(struct metrics_cfg, scrape_s, "0", 0, 3600, "s", CFG_OUTPUT,
               "interval at which Prometheus scrapes; 0 = plant.scrape_s, as in training"),
    CFG_LIST_STRING(struct metrics_cfg, names, n_names, "[]", 0, 1000, CFG_OUTPUT,
                    "SERVICE=VALUE where the label calls a service otherwise"),
    CFG_LIST(struct metrics_cfg, sources, n_sources, struct source_cfg, source_fields, "[]", 0, 64,
             "what is scraped together, and how its age is asked for"),
    CFG_TABLE(struct metrics_cfg, service, service_rows, "columns of each service"),
    CFG_TABLE(struct metrics_cfg, whole, whole_rows, "columns of the application"),
    CFG_TABLE(struct metrics_cfg, slo_attainment, query_fields,
              "requests answered within latency_max / received: for the report"),
    CFG_END,
};

/* ---- units ---- */

static const struct conversion {
    const char *from, *to;
    double factor;
} conversions[] = {
    {"cores", "mcpu", 1e3},      {"bytes", "MiB", 1.0 / 1048576.0},
    {"bytes/s", "kbit/s", 8e-3}, {"s", "ms", 1e3},
    {"ratio", "", 1.0},
};

/* NaN: no such conversion. */
static double factor_of(const char *from, const char *to)
{
    if (from[0] == '\0' || strcmp(from, to) == 0) {
        return 1.0;
    }
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        if (strcmp(from, conversions[i].from) == 0 && strcmp(to, conversions[i].to) == 0) {
            return conversions[i].factor;
        }
    }
    return (double)NAN;
}

/* ---- variables ---- */

struct variable {
    const char *name, *value;
};
enum { VARIABLES = 6 };

/* Milliseconds as a PromQL duration, longer by 0.4 scrape intervals. A range of r intervals holds
 * at least floor(r) samples, and rate() needs two. */
static const char *range_of(struct arena *arena, double window_s, double scrape_s)
{
    const double range_s = fmax(window_s + 0.4 * scrape_s, 2.1 * scrape_s);
    return arena_printf(arena, "%.0fms", 1e3 * range_s);
}

/* "a|b|c" of the label's values. */
static const char *list_services(struct arena *arena, const struct queries *q)
{
    const char *list = "";
    for (int i = 0; list != NULL && i < q->topology->n_services; i++) {
        list = arena_printf(arena, "%s%s%s", list, i > 0 ? "|" : "", q->services[i]);
    }
    return list;
}

static const struct variable *match(const struct variable *v, const char *text)
{
    for (int i = 0; i < VARIABLES; i++) {
        if (strncmp(text, v[i].name, strlen(v[i].name)) == 0) {
            return &v[i];
        }
    }
    return NULL;
}

/* Copies the text with the variables' values in their places. A '$' that is none of them stays:
 * label_replace() has its own. */
static const char *expand(struct arena *arena, const struct variable *v, const char *text)
{
    const char *out = "";
    while (out != NULL && *text != '\0') {
        const char *dollar = strchr(text, '$');
        const size_t plain = dollar != NULL ? (size_t)(dollar - text) : strlen(text);
        const struct variable *found = dollar != NULL ? match(v, dollar) : NULL;
        const size_t skip = found != NULL ? strlen(found->name) : dollar != NULL ? 1U : 0U;
        out = arena_printf(arena, "%s%.*s%s", out, (int)plain, text,
                           found != NULL    ? found->value
                           : dollar != NULL ? "$"
                                            : "");
        text += plain + skip;
    }
    return out;
}

/* ---- setting up ---- */

/* Value of the label for each service. */
static enum err name_services(struct queries *q, struct arena *arena, const struct cfg *src_locs)
{
    for (int i = 0; i < q->topology->n_services; i++) {
        q->services[i] = q->topology->cfg->services[i].name;
    }
    for (int i = 0; i < q->cfg->n_names; i++) {
        const char *equals = strchr(q->cfg->names[i], '=');
        const size_t n = equals != NULL ? (size_t)(equals - q->cfg->names[i]) : 0;
        char *name = arena_printf(arena, "%.*s", (int)n, q->cfg->names[i]);
        TRY(arena_error(arena));
        const int service = topology_find(q->topology, name);
        if (n == 0 || service < 0) {
            return plant_cfg_error(src_locs, "metrics.names",
                                   "has '%s', which names no service; expected SERVICE=VALUE with "
                                   "a service of the policy, such as %s=frontend",
                                   q->cfg->names[i], q->topology->cfg->services[0].name);
        }
        q->services[service] = equals + 1;
    }
    return ERR_OK;
}

static int find_source(const struct metrics_cfg *cfg, const char *name)
{
    for (int i = 0; i < cfg->n_sources; i++) {
        if (strcmp(cfg->sources[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static enum err add(struct queries *q, struct arena *arena, const struct variable *variables,
                    const struct query_cfg *cfg, struct query item, const struct cfg *src_locs)
{
    item.promql = expand(arena, variables, cfg->query);
    item.unit = cfg->unit;
    item.factor = cfg->scale * factor_of(cfg->unit, item.becomes);
    item.absent = cfg->absent;
    item.nan = cfg->nan;
    item.source = find_source(q->cfg, cfg->source);
    TRY(arena_error(arena));
    if (isnan(item.factor)) {
        return plant_cfg_error(src_locs, item.key,
                               "answers in '%s', and the column is in '%s'; no factor between them "
                               "is known: leave `unit` out and give the factor as `scale`",
                               cfg->unit, item.becomes);
    }
    if (cfg->query[0] != '\0' && item.source < 0) {
        return plant_cfg_error(src_locs, item.key,
                               "has the source '%s', which is not among metrics.sources; name one "
                               "of them, so that the age of the value is known",
                               cfg->source);
    }
    q->items[q->n++] = item;
    return ERR_OK;
}

static enum err add_all(struct queries *q, struct arena *arena, const struct variable *variables,
                        const struct cfg *src_locs)
{
    for (int f = SF_ID + 1; f < SERVICE_FEATURES; f++) {
        const struct feature_info *info = &service_feature_info[f];
        const struct query item = {.name = info->name,
                                   .becomes = info->unit,
                                   .doc = info->doc,
                                   .feature = f,
                                   .key = arena_printf(arena, "metrics.service.%s", info->name)};
        TRY(add(q, arena, variables, &q->cfg->service[f], item, src_locs));
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        const struct feature_info *info = &global_feature_info[f];
        const struct query item = {.name = info->name,
                                   .becomes = info->unit,
                                   .doc = info->doc,
                                   .feature = f,
                                   .whole = true,
                                   .key = arena_printf(arena, "metrics.whole.%s", info->name)};
        TRY(add(q, arena, variables, &q->cfg->whole[f], item, src_locs));
    }
    const struct query slo = {.name = "slo_attainment",
                              .becomes = "",
                              .feature = -1,
                              .doc = "requests answered within latency_max / received",
                              .whole = true,
                              .key = "metrics.slo_attainment"};
    return add(q, arena, variables, &q->cfg->slo_attainment, slo, src_locs);
}

const char *queries_one(const struct queries *q, struct arena *arena, int i)
{
    const bool value = i < q->n;
    const char *text = value ? q->items[i].promql : q->ages[i - q->n];
    if (text[0] == '\0') {
        return "";
    }
    return arena_printf(arena, "label_replace((%s),\"" QUERY_LABEL "\",\"%s%s\",\"\",\"\")", text,
                        value ? "" : "age/",
                        value ? q->items[i].name : q->cfg->sources[i - q->n].name);
}

/* Built in one buffer: the text grows with every query. */
static enum err join(struct queries *q, struct arena *arena)
{
    struct buf b;
    buf_init(&b);
    enum err e = ERR_OK;
    for (int i = 0; i < q->n + q->cfg->n_sources && e == ERR_OK; i++) {
        const char *one = queries_one(q, arena, i);
        e = arena_error(arena);
        if (e == ERR_OK && one[0] != '\0') {
            e = buf_printf(&b, "%s%s", b.len > 0 ? " or " : "", one);
        }
    }
    if (e == ERR_OK) {
        q->all = arena_printf(arena, "%.*s", (int)b.len, (const char *)b.data);
        e = arena_error(arena);
    }
    buf_release(&b);
    return e;
}

enum err queries_init(struct queries *q, struct arena *arena, const struct metrics_cfg *cfg,
                      const struct topology *topology, const struct plant_cfg *plant,
                      const struct cfg *src_locs)
{
    *q = (struct queries){.cfg = cfg,
                          .topology = topology,
                          .items =
                              ARENA_NEW(arena, SERVICE_FEATURES + GLOBAL_FEATURES, struct query),
                          .ages = ARENA_NEW(arena, cfg->n_sources, const char *),
                          .services = ARENA_NEW(arena, topology->n_services, const char *)};
    const double scrape_s = queries_scrape_s(cfg, plant);
    TRY(arena_error(arena));
    TRY(name_services(q, arena, src_locs));
    const struct variable variables[VARIABLES] = {
        {"$namespace", cfg->namespace},
        {"$services", list_services(arena, q)},
        {"$window", range_of(arena, plant->window_s, scrape_s)},
        {"$ten", range_of(arena, 10.0, scrape_s)},
        {"$five", range_of(arena, 5.0, scrape_s)},
        {"$hpa", range_of(arena, plant->hpa_window_s, scrape_s)},
    };
    TRY(arena_error(arena));
    for (int i = 0; i < cfg->n_sources; i++) {
        q->ages[i] = expand(arena, variables, cfg->sources[i].age);
    }
    TRY(add_all(q, arena, variables, src_locs));
    return join(q, arena);
}

bool queries_ask_namespace(const struct queries *q)
{
    const struct metrics_cfg *cfg = q->cfg;
    bool asks = strstr(cfg->slo_attainment.query, "$namespace") != NULL;
    for (int i = 0; i < cfg->n_sources; i++) {
        asks = asks || strstr(cfg->sources[i].age, "$namespace") != NULL;
    }
    for (int f = 0; f < SERVICE_FEATURES; f++) {
        asks = asks || (f > SF_ID && strstr(cfg->service[f].query, "$namespace") != NULL);
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        asks = asks || strstr(cfg->whole[f].query, "$namespace") != NULL;
    }
    return asks;
}

/* ---- answers ---- */

const char *const cell_verdict_text[] = {
    [CELL_KNOWN] = "",
    [CELL_FILLED] = "absent or no number: by definition",
    [CELL_ASSUMED] = "assumed: there is no query",
    [CELL_NO_QUERY] = "no query",
    [CELL_ABSENT] = "no series",
    [CELL_NAN] = "no number",
    [CELL_AMBIGUOUS] = "several series: aggregate by the label",
    [CELL_NO_AGE] = "its source has no age: is it scraped?",
    [CELL_RANGE] = "out of range: negative, or too large",
};

/* What series of an answer belong to: a query or a source, and a service. */
struct mark {
    int item, source, service; /* -1: none */
};

static struct mark mark_of(const struct queries *q, const struct prom_series *s)
{
    struct mark m = {-1, -1, -1};
    const char *kind = prom_label(s, QUERY_LABEL), *name = prom_label(s, q->cfg->label);
    for (int i = 0; kind != NULL && i < q->n; i++) {
        m.item = strcmp(q->items[i].name, kind) == 0 ? i : m.item;
    }
    if (kind != NULL && strncmp(kind, "age/", 4) == 0) {
        m.source = find_source(q->cfg, kind + 4);
    }
    for (int i = 0; name != NULL && i < q->topology->n_services; i++) {
        m.service = strcmp(q->services[i], name) == 0 ? i : m.service;
    }
    return m;
}

/* Ages of all sources: (n_sources, n_services + 1), the last column for the whole; -1: no age. A
 * series that names a service is about it, one that names none about all; the whole is as old as
 * the oldest of all. A sample of the future counts as new. */
static void read_ages(double *ages, const struct queries *q, const struct prom_result *r,
                      const struct mark *marks, double at_s)
{
    const int n = q->topology->n_services, width = n + 1;
    for (int i = 0; i < q->cfg->n_sources * width; i++) {
        ages[i] = -1.0;
    }
    for (int i = 0; i < r->n_series; i++) {
        const struct prom_series *s = &r->series[i];
        const bool all = prom_label(s, q->cfg->label) == NULL;
        if (marks[i].source < 0 || s->n_samples == 0 || (!all && marks[i].service < 0)) {
            continue;
        }
        const double age_s = fmax(0.0, at_s - s->samples[s->n_samples - 1].value);
        for (int k = 0; k < width && isfinite(age_s); k++) {
            double *age = &ages[marks[i].source * width + k];
            if (all || k == n || k == marks[i].service) {
                *age = fmax(*age, age_s);
            }
        }
    }
}

/* What no cluster has is no measurement: it is unknown, as NaN is, and never becomes an integer.
 * Only differences and trends of the whole may be negative. */
static bool in_range(const struct query *item, double value)
{
    const double most = strcmp(item->becomes, "pods") == 0 ? 1e6 : 1e15;
    return value <= most && value >= (item->whole ? -most : 0.0);
}

static struct query_cell filled(struct query_cell c, int absence, enum cell_verdict otherwise)
{
    c.verdict = absence == ABSENT_UNKNOWN ? otherwise : CELL_FILLED;
    c.value = absence == ABSENT_ONE ? 1.0 : 0.0;
    return c;
}

/* The answer that was found, n of them, as a cell. */
static struct query_cell judge(const struct query *item, double answer, int n, double age_s)
{
    struct query_cell c = {.verdict = CELL_KNOWN, .answer = answer, .age_s = age_s};
    if (item->promql[0] == '\0') {
        c = filled(c, item->absent, CELL_NO_QUERY);
        c.verdict = c.verdict == CELL_FILLED ? CELL_ASSUMED : c.verdict;
        c.age_s = 0.0;
    } else if (n > 1) {
        c.verdict = CELL_AMBIGUOUS;
    } else if (age_s < 0.0) {
        c.verdict = CELL_NO_AGE;
    } else if (n == 0) {
        c = filled(c, item->absent, CELL_ABSENT);
    } else if (!isfinite(answer)) {
        c = filled(c, item->nan, CELL_NAN);
    } else {
        c.value = answer * item->factor;
        c.verdict = in_range(item, c.value) ? CELL_KNOWN : CELL_RANGE;
    }
    if (!cell_is_known(&c)) {
        c.value = 0.0;
        c.age_s = (double)INFINITY;
    }
    return c;
}

/* The answers of each cell: how many (counts), and the last of them. Series of services that the
 * policy does not know belong to no cell, unless the query is one of the whole. */
static void read_answers(struct query_cell *cells, int *counts, const struct queries *q,
                         const struct prom_result *r, const struct mark *marks)
{
    const int n = q->topology->n_services;
    for (int i = 0; i < q->n * n; i++) {
        cells[i].answer = (double)NAN;
        counts[i] = 0;
    }
    for (int i = 0; i < r->n_series; i++) {
        const struct prom_series *s = &r->series[i];
        const int item = marks[i].item;
        const bool whole = item >= 0 && q->items[item].whole;
        if (item < 0 || s->n_samples == 0 || (!whole && marks[i].service < 0)) {
            continue;
        }
        const int at = item * n + (whole ? 0 : marks[i].service);
        cells[at].answer = s->samples[s->n_samples - 1].value;
        counts[at]++;
    }
}

enum err queries_read(struct query_cell *cells, const struct queries *q,
                      const struct prom_result *r, double at_s, struct arena *scratch)
{
    const struct arena_mark before = arena_mark(scratch);
    const int n = q->topology->n_services;
    struct mark *marks = ARENA_NEW(scratch, r->n_series, struct mark);
    int *counts = ARENA_NEW(scratch, q->n * n, int);
    double *ages = ARENA_NEW(scratch, q->cfg->n_sources * (n + 1), double);
    TRY(arena_error(scratch));
    for (int i = 0; i < r->n_series; i++) {
        marks[i] = mark_of(q, &r->series[i]);
    }
    read_ages(ages, q, r, marks, at_s);
    read_answers(cells, counts, q, r, marks);
    for (int i = 0; i < q->n; i++) {
        const struct query *item = &q->items[i];
        for (int s = 0; s < n; s++) {
            struct query_cell *c = &cells[i * n + s];
            const double age_s =
                item->source < 0 ? -1.0 : ages[item->source * (n + 1) + (item->whole ? n : s)];
            *c = judge(item, c->answer, counts[i * n + s], age_s);
        }
    }
    arena_rewind(scratch, before);
    return ERR_OK;
}

void queries_state(float *state, float *age, double *slo, const struct queries *q,
                   const struct query_cell *cells)
{
    const int n = q->topology->n_services;
    for (int s = 0; s < n; s++) {
        state[state_service_at(s, SF_ID)] = (float)s;
        age[state_service_at(s, SF_ID)] = 0.0F;
    }
    for (int i = 0; i < q->n; i++) {
        const struct query *item = &q->items[i];
        for (int s = 0; s < (item->whole ? 1 : n); s++) {
            const struct query_cell *c = &cells[i * n + s];
            if (item->feature < 0) {
                if (slo != NULL) {
                    *slo = cell_is_known(c) ? c->value : (double)NAN;
                }
                continue;
            }
            const int at = item->whole ? state_global_at(n, (enum global_feature)item->feature)
                                       : state_service_at(s, (enum service_feature)item->feature);
            state[at] = (float)c->value;
            age[at] = (float)c->age_s;
        }
    }
}
