/* Coordinates: columns by what column_def.h knows of them, measures by hand. See space.h. */
#include "core/twin/space.h"

#include "core/base/log.h"
#include "core/trace/column_def.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define NAME_(id, name, root) name,
const char *const space_measure_name[SPACE_MEASURES] = {SPACE_MEASURE_LIST(NAME_)};
#undef NAME_
#define ROOT_(id, name, root) (root) != 0,
static const bool measure_root[SPACE_MEASURES] = {SPACE_MEASURE_LIST(ROOT_)};
#undef ROOT_

/* ---- columns ---- */

/* "service.metric" -> "metric", "metric" of the whole application -> itself. */
static const char *metric_of(const char *column)
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
    return SPACE_NONE;
}

static bool is_root(const struct column_def *m)
{
    return m->min >= 0.0 && (m->kind == COLUMN_TIME || m->kind == COLUMN_LEVEL);
}

static void no_limits(struct space_column *c, float lo, float hi)
{
    c->lo = c->least = lo;
    c->hi = c->most = hi;
}

static enum err describe(struct space *s, int i)
{
    const char *column = s->header.columns[i], *name = metric_of(column);
    const struct column_def *m = column_def_find(name);
    if (m == NULL) {
        log_error(
            "a trace store with the column '%s', which is no metric known here: a twin cannot "
            "be learned from it",
            column);
        return ERR_FORMAT;
    }
    const int service = service_of(&s->header, column);
    const bool desired = service != SPACE_NONE && s->pods.at[service].desired == i;
    struct space_column *c = &s->columns[i];
    *c = (struct space_column){.root = is_root(m),
                               .learned = !desired && strcmp(name, "id") != 0,
                               .whole = m->kind == COLUMN_PODS || strcmp(m->unit, "requests") == 0,
                               .service = service};
    if (service != SPACE_NONE) {
        c->gap = (int8_t)pods_kind(&s->pods, service, name);
    }
    no_limits(c, c->gap == PODS_PLAIN ? (float)m->min : -(float)m->max, (float)m->max);
    if (desired) {
        s->desired_at[service] = i;
    }
    return ERR_OK;
}

/* The measures are those of a plant, all of them and in order, or not used. */
static bool has_truth(const struct store_header *h)
{
    bool all = h->n_truths == PLANT_TRUTHS;
    for (int i = 0; all && i < PLANT_TRUTHS; i++) {
        all = strcmp(h->truths[i], plant_truth_names[i]) == 0;
    }
    return all;
}

enum err space_init(struct space *s, struct arena *arena, const struct store_header *header,
                    int history)
{
    *s = (struct space){.header = *header,
                        .n_services = header->n_services,
                        .n_state = header->n_columns,
                        .history = history,
                        .n_measures = has_truth(header) ? SPACE_MEASURES : 0};
    s->columns = ARENA_NEW(arena, s->n_state + s->n_measures, struct space_column);
    s->learned_at = ARENA_NEW(arena, s->n_state, int);
    s->exact_at = ARENA_NEW(arena, s->n_state, int);
    s->desired_at = ARENA_NEW(arena, s->n_services, int);
    TRY(arena_error(arena));
    TRY(pods_init(&s->pods, arena, header));
    for (int i = 0; i < s->n_services; i++) {
        s->desired_at[i] = SPACE_NONE;
    }
    for (int i = 0; i < s->n_state; i++) {
        TRY(describe(s, i));
        if (s->columns[i].learned) {
            s->learned_at[s->n_learned++] = i;
        }
    }
    for (int i = 0; i < s->n_measures; i++) {
        struct space_column *c = &s->columns[s->n_state + i];
        *c = (struct space_column){.root = measure_root[i], .learned = true, .service = SPACE_NONE};
        no_limits(c, -FLT_MAX, FLT_MAX);
    }
    s->n_target = s->n_learned + s->n_measures;
    s->n_in = history * s->n_state + s->n_services + STORE_ATTACK + history + 1;
    return ERR_OK;
}

/* ---- asked ---- */

void space_input(float *in, const struct space *s, const struct space_decision *d)
{
    const struct pods_decision decision = {d->states, s->history, d->delta};
    for (int k = 0; k < s->history; k++, in += s->n_state) {
        for (int i = 0; i < s->n_state; i++) {
            in[i] = space_forth(&s->columns[i], space_value(s, i, d->states[k]));
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

float space_snap(const struct space_column *c, float x)
{
    if (!(x > c->least)) {
        return c->lo; /* also where x is NaN */
    }
    if (x >= c->most) {
        return c->hi;
    }
    return c->whole ? floorf(x + 0.5F) : x;
}

float space_back(const struct space_column *c, float y)
{
    return space_snap(c, c->root ? (y > 0.0F ? y * y : 0.0F) : y);
}

/* ---- measures ---- */

bool space_measure_is_root(enum space_measure m)
{
    return measure_root[m];
}

static double share(double n, double of, double if_none)
{
    return of > 0.0 ? n / of : if_none;
}

void space_measure(float out[SPACE_MEASURES], const struct plant_truth *t, double load,
                   double period_s)
{
    const double m[SPACE_MEASURES] = {
        [SM_RECEIVED] = t->received / period_s - load,
        [SM_INFLIGHT] = t->inflight,
        [SM_SUCCESS] = share(t->answered, t->answered + t->failed, 1.0),
        [SM_COMPLIANT] = share(t->compliant, t->answered, 0.0),
        [SM_LATENCY] = share(t->latency_sum_ms, t->answered, 0.0),
        [SM_LEGIT] = share(t->answered_legit, t->received_legit, 1.0),
        [SM_WAITING] = t->waiting_mean,
        [SM_DEPLOYED] = t->pods_deployed_mean,
        [SM_FAILED] = t->pods_failed_mean,
        [SM_ENTRY] = t->entry_available_mean,
        [SM_SERVICE] = t->service_available_mean,
        [SM_REQUESTED] = t->requested_m_mean,
        [SM_USED] = t->used_m_mean,
        [SM_RETRIES] = t->retries,
    };
    for (int i = 0; i < SPACE_MEASURES; i++) {
        out[i] = (float)(measure_root[i] ? sqrt(fmax(m[i], 0.0)) : m[i]);
    }
}

/* NaN becomes lo. */
static double clamp(double x, double lo, double hi)
{
    return x > lo ? (x < hi ? x : hi) : lo;
}

void space_truth(struct plant_truth *t, const float in[SPACE_MEASURES], double before, double load,
                 double legit, double period_s)
{
    double m[SPACE_MEASURES];
    for (int i = 0; i < SPACE_MEASURES; i++) {
        const double x = (double)in[i];
        m[i] = measure_root[i] ? (x > 0.0 ? x * x : 0.0) : x;
    }
    const double received = fmax(0.0, (load + m[SM_RECEIVED]) * period_s);
    const double inflight = fmin(m[SM_INFLIGHT], before + received);
    const double resolved = before + received - inflight;
    const double answered = resolved * clamp(m[SM_SUCCESS], 0.0, 1.0);
    const double from_legit = received * legit;
    *t = (struct plant_truth){
        .received = received,
        .answered = answered,
        .compliant = answered * clamp(m[SM_COMPLIANT], 0.0, 1.0),
        .failed = resolved - answered,
        .latency_sum_ms = answered * m[SM_LATENCY],
        .received_legit = from_legit,
        .answered_legit = fmin(answered, from_legit * fmax(0.0, m[SM_LEGIT])),
        .inflight = inflight,
        .waiting_mean = m[SM_WAITING],
        .pods_deployed_mean = fmax(0.0, m[SM_DEPLOYED]),
        .pods_failed_mean = fmax(0.0, m[SM_FAILED]),
        .entry_available_mean = clamp(m[SM_ENTRY], 0.0, 1.0),
        .service_available_mean = clamp(m[SM_SERVICE], 0.0, 1.0),
        .requested_m_mean = fmax(0.0, m[SM_REQUESTED]),
        .used_m_mean = fmax(0.0, m[SM_USED]),
        .retries = m[SM_RETRIES],
    };
}

void space_measure_forth(float measure[SPACE_MEASURES], const struct space *s, const float *state)
{
    const struct pods_base base = pods_base_of(&s->pods, state);
    measure[SM_DEPLOYED] = (float)((double)measure[SM_DEPLOYED] - base.pods);
    measure[SM_REQUESTED] = (float)((double)measure[SM_REQUESTED] - base.requested_m);
}

void space_measure_back(float measure[SPACE_MEASURES], const struct space *s, const float *state)
{
    const struct pods_base base = pods_base_of(&s->pods, state);
    measure[SM_DEPLOYED] = (float)((double)measure[SM_DEPLOYED] + base.pods);
    measure[SM_REQUESTED] = (float)((double)measure[SM_REQUESTED] + base.requested_m);
}
