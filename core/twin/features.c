/* Columns are encoded by what column_def.h knows of them, KPIs by hand. See features.h. */
#include "core/twin/features.h"

#include "core/base/log.h"
#include "core/trace/column_def.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define NAME_(id, name, root) name,
const char *const features_kpi_name[FEATURES_KPIS] = {FEATURES_KPI_LIST(NAME_)};
#undef NAME_
#define ROOT_(id, name, root) (root) != 0,
static const bool kpi_root[FEATURES_KPIS] = {FEATURES_KPI_LIST(ROOT_)};
#undef ROOT_

/* ---- columns ---- */

/* "service.metric" -> "metric", "metric" of the whole application -> itself. */
const char *features_metric_of(const char *column)
{
    const char *dot = strrchr(column, '.');
    return dot != NULL ? dot + 1 : column;
}

static int service_of(const struct store_header *h, const char *column)
{
    const char *dot = strrchr(column, '.');
    for (int i = 0; dot != NULL && i < h->n_services; i++) {
        const size_t n = strlen(h->services[i]);
        if (n == (size_t)(dot - column) && memcmp(h->services[i], column, n) == 0) {
            return i;
        }
    }
    return FEATURES_NONE;
}

/* Times and levels that cannot be negative: those with a long tail, whose variance grows with
 * them. */
static bool is_root(const struct column_def *m)
{
    return m->min >= 0.0 && (m->kind == COLUMN_TIME || m->kind == COLUMN_LEVEL);
}

/* Limits before anything was fitted: lo = least and hi = most, so that no value is moved to an
 * end. */
static void no_limits(struct features_column *c, float lo, float hi)
{
    c->lo = c->least = lo;
    c->hi = c->most = hi;
}

/* A gap may be negative (more pods deployed than desired, while some drain), so its lower limit is
 * -max. */
static void take_gap(struct features *s, int i, const struct column_def *m)
{
    struct features_column *c = &s->columns[i];
    c->gap = c->service != FEATURES_NONE
                 ? (int8_t)pods_kind(&s->pods, c->service, features_metric_of(s->header.columns[i]))
                 : PODS_PLAIN;
    no_limits(c, c->gap == PODS_PLAIN ? (float)m->min : -(float)m->max, (float)m->max);
}

/* Other columns of the service may have been distances from this one. */
void features_forget(struct features *s, int column)
{
    const int service = s->columns[column].service;
    if (service == FEATURES_NONE) {
        return;
    }
    pods_forget(&s->pods, service, column);
    for (int i = 0; i < s->n_state; i++) {
        if (s->columns[i].service == service) {
            take_gap(s, i, column_def_find(features_metric_of(s->header.columns[i])));
        }
    }
}

/* Fills s->columns[i] from column_def.h. `desired` and the service's number are not learned: the
 * first is exact, the second constant. */
static enum err describe(struct features *s, int i)
{
    const char *column = s->header.columns[i], *name = features_metric_of(column);
    const struct column_def *m = column_def_find(name);
    if (m == NULL) {
        log_error(
            "a trace store with the column '%s', which is no metric known here: a twin cannot "
            "be learned from it",
            column);
        return ERR_FORMAT;
    }
    const int service = service_of(&s->header, column);
    const bool desired = service != FEATURES_NONE && s->pods.at[service].desired == i;
    struct features_column *c = &s->columns[i];
    *c = (struct features_column){.root = is_root(m),
                                  .learned = !desired && strcmp(name, "id") != 0,
                                  .whole =
                                      m->kind == COLUMN_PODS || strcmp(m->unit, "requests") == 0,
                                  .service = service};
    take_gap(s, i, m);
    if (desired) {
        s->desired_at[service] = i;
    }
    return ERR_OK;
}

/* The ground truth is that of a plant, all counters and in order, or not used. */
static bool has_truth(const struct store_header *h)
{
    bool all = h->n_truths == PLANT_TRUTHS;
    for (int i = 0; all && i < PLANT_TRUTHS; i++) {
        all = strcmp(h->truths[i], plant_truth_names[i]) == 0;
    }
    return all;
}

/* Sizes of inputs and targets. dataset_mark_exact() may take targets off later. pods_init() comes
 * before describe(), which asks it for the gap of each column. */
enum err features_init(struct features *s, struct arena *arena, const struct store_header *header,
                       int history)
{
    *s = (struct features){.header = *header,
                           .n_services = header->n_services,
                           .n_state = header->n_columns,
                           .history = history,
                           .n_kpis = has_truth(header) ? FEATURES_KPIS : 0};
    s->columns = ARENA_NEW(arena, s->n_state + s->n_kpis, struct features_column);
    s->learned_at = ARENA_NEW(arena, s->n_state, int);
    s->exact_at = ARENA_NEW(arena, s->n_state, int);
    s->desired_at = ARENA_NEW(arena, s->n_services, int);
    TRY(arena_error(arena));
    TRY(pods_init(&s->pods, arena, header));
    for (int i = 0; i < s->n_services; i++) {
        s->desired_at[i] = FEATURES_NONE;
    }
    for (int i = 0; i < s->n_state; i++) {
        TRY(describe(s, i));
        if (s->columns[i].learned) {
            s->learned_at[s->n_learned++] = i;
        }
    }
    for (int i = 0; i < s->n_kpis; i++) {
        struct features_column *c = &s->columns[s->n_state + i];
        *c = (struct features_column){
            .root = kpi_root[i], .learned = true, .service = FEATURES_NONE};
        no_limits(c, -FLT_MAX, FLT_MAX);
    }
    s->n_target = s->n_learned + s->n_kpis;
    s->n_in = history * s->n_state + s->n_services + STORE_ATTACK + history + 1;
    return ERR_OK;
}

void features_add_answer(struct features *s)
{
    s->n_answer = s->n_target;
    s->n_in += s->n_answer;
}

/* ---- inputs ---- */

/* The reference of feature_rows_input(), which computes the same bits in loops that vectorise. */
void features_input(float *in, const struct features *s, const struct features_decision *d)
{
    const struct pods_decision decision = {d->states, s->history, d->delta};
    for (int k = 0; k < s->history; k++, in += s->n_state) {
        for (int i = 0; i < s->n_state; i++) {
            in[i] = features_encode(&s->columns[i], features_value(s, i, d->states[k]));
        }
        pods_share(in, &s->pods, &decision, d->loads, k);
    }
    for (int i = 0; i < s->n_services; i++) {
        *in++ = (float)d->delta[i];
    }
    for (int i = 0; i < STORE_ATTACK; i++) {
        *in++ = d->attack != NULL ? (float)d->attack[i] : 0.0F;
    }
    for (int k = 0; k <= s->history; k++) {
        *in++ = d->loads[k];
    }
}

void features_answer(float *answer, const struct features *s, const float *state, const float *kpi)
{
    for (int i = 0; i < s->n_learned; i++) {
        const int column = s->learned_at[i];
        answer[i] = features_encode(&s->columns[column], features_value(s, column, state));
    }
    memcpy(answer + s->n_learned, kpi, (size_t)s->n_kpis * sizeof *answer);
}

float features_clamp(const struct features_column *c, float x)
{
    if (!(x > c->least)) {
        return c->lo; /* also where x is NaN */
    }
    if (x >= c->most) {
        return c->hi;
    }
    return c->whole ? floorf(x + 0.5F) : x;
}

float features_decode(const struct features_column *c, float y)
{
    return features_clamp(c, c->root ? (y > 0.0F ? y * y : 0.0F) : y);
}

/* ---- KPIs ---- */

bool features_kpi_is_root(enum features_kpi m)
{
    return kpi_root[m];
}

static double share(double n, double of, double if_none)
{
    return of > 0.0 ? n / of : if_none;
}

/* The order of the enum; a share of nothing takes the value at which the service is not blamed: 1
 * for answered, and 0 for what is multiplied by a count of 0 when it is decoded. */
void features_kpis(float out[FEATURES_KPIS], const struct plant_truth *t, double load,
                   double period_s)
{
    const double m[FEATURES_KPIS] = {
        [KPI_RECEIVED] = t->received / period_s - load,
        [KPI_INFLIGHT] = t->inflight,
        [KPI_SUCCESS] = share(t->answered, t->answered + t->failed, 1.0),
        [KPI_COMPLIANT] = share(t->compliant, t->answered, 0.0),
        [KPI_LATENCY] = share(t->latency_sum_ms, t->answered, 0.0),
        [KPI_LEGIT] = share(t->answered_legit, t->received_legit, 1.0),
        [KPI_WAITING] = t->waiting_mean,
        [KPI_DEPLOYED] = t->pods_deployed_mean,
        [KPI_FAILED] = t->pods_failed_mean,
        [KPI_ENTRY] = t->entry_available_mean,
        [KPI_SERVICE] = t->service_available_mean,
        [KPI_REQUESTED] = t->requested_m_mean,
        [KPI_USED] = t->used_m_mean,
        [KPI_RETRIES] = t->retries,
    };
    for (int i = 0; i < FEATURES_KPIS; i++) {
        out[i] = (float)(kpi_root[i] ? sqrt(fmax(m[i], 0.0)) : m[i]);
    }
}

/* NaN becomes lo. */
static double clamp(double x, double lo, double hi)
{
    return x > lo ? (x < hi ? x : hi) : lo;
}

/* Counters from shares. Any input, NaN included, gives an account that balances:
 *
 *     received  =  resolved + (inflight - before),    resolved = answered + failed
 *
 * inflight is at most before + received, so resolved >= 0, and it is a square, so >= 0; fmin() and
 * fmax() prefer the number to a NaN, and clamp() turns a NaN into its lower end. Shares are cut to
 * [0, 1], so compliant <= answered <= resolved. */
void features_truth(struct plant_truth *t, const float in[FEATURES_KPIS], double before,
                    double load, double legit, double period_s)
{
    double m[FEATURES_KPIS];
    for (int i = 0; i < FEATURES_KPIS; i++) {
        const double x = (double)in[i];
        m[i] = kpi_root[i] ? (x > 0.0 ? x * x : 0.0) : x;
    }
    const double received = fmax(0.0, (load + m[KPI_RECEIVED]) * period_s);
    const double inflight = fmin(m[KPI_INFLIGHT], before + received);
    const double resolved = before + received - inflight;
    const double answered = resolved * clamp(m[KPI_SUCCESS], 0.0, 1.0);
    const double from_legit = received * legit;
    *t = (struct plant_truth){
        .received = received,
        .answered = answered,
        .compliant = answered * clamp(m[KPI_COMPLIANT], 0.0, 1.0),
        .failed = resolved - answered,
        .latency_sum_ms = answered * m[KPI_LATENCY],
        .received_legit = from_legit,
        .answered_legit = fmin(answered, from_legit * fmax(0.0, m[KPI_LEGIT])),
        .inflight = inflight,
        .waiting_mean = m[KPI_WAITING],
        .pods_deployed_mean = fmax(0.0, m[KPI_DEPLOYED]),
        .pods_failed_mean = fmax(0.0, m[KPI_FAILED]),
        .entry_available_mean = clamp(m[KPI_ENTRY], 0.0, 1.0),
        .service_available_mean = clamp(m[KPI_SERVICE], 0.0, 1.0),
        .requested_m_mean = fmax(0.0, m[KPI_REQUESTED]),
        .used_m_mean = fmax(0.0, m[KPI_USED]),
        .retries = m[KPI_RETRIES],
    };
}

void features_kpis_encode(float kpi[FEATURES_KPIS], const struct features *s, const float *state)
{
    const struct pods_base base = pods_base_of(&s->pods, state);
    kpi[KPI_DEPLOYED] = (float)((double)kpi[KPI_DEPLOYED] - base.pods);
    kpi[KPI_REQUESTED] = (float)((double)kpi[KPI_REQUESTED] - base.requested_m);
}

void features_kpis_decode(float kpi[FEATURES_KPIS], const struct features *s, const float *state)
{
    const struct pods_base base = pods_base_of(&s->pods, state);
    kpi[KPI_DEPLOYED] = (float)((double)kpi[KPI_DEPLOYED] + base.pods);
    kpi[KPI_REQUESTED] = (float)((double)kpi[KPI_REQUESTED] + base.requested_m);
}
