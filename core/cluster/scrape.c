/* Measurement: what a monitoring system would show at a decision.
 *
 * Counters and gauges are scraped every scrape_s, at such times that the newest scrape a decision
 * can see is exactly lag_s old (when period_s is a multiple of scrape_s; else up to scrape_s more).
 * Rates are differences between two scrapes; gauges are those of the newest one; the number of
 * desired pods is the present one, since controllers know what they asked for.
 *
 * A scrape may fail (metric_outage). While the newest is one that failed, every feature stays as it
 * was; after that, gauges are new at once, and each rate as soon as its window has two scrapes
 * again, from the oldest and the newest of them. The hpa_* columns are the exception: they say what
 * metrics-server has, and after an outage has begun that is soon nothing (hpa_pods.c).
 */
#include "core/cluster/internal.h"

/* ---- scraping ---- */

static struct sim_scrape_service *ring_service(const struct sim *s, int64_t number, int service)
{
    int64_t row = number % s->shared->n_ring;
    return &s->ring_service[row * s->shared->topology->n_services + service];
}

double *sim_ring_pods(const struct sim *s, int64_t number)
{
    return &s->ring_pod[number % s->shared->n_ring * s->shared->n_pods];
}

static void gauge_pod(struct sim_gauges *g, const struct sim *s, const struct sim_pod *p)
{
    const struct cluster_cfg *cfg = s->shared->cfg;
    bool runs = p->state == POD_STARTING || p->state == POD_READY || p->state == POD_DRAINING;
    g->queue += (double)p->queued;
    g->ram_mib += runs ? cfg->ram_base_mib + cfg->ram_call_mib * (p->held + p->queued) : 0.0;
    if (p->state != POD_DRAINING) {
        double age = s->now - p->created_s;
        g->age_s += age < SIM_OLD_S ? age : SIM_OLD_S;
    }
}

/* The scrape that is due. One that fails leaves a mark and nothing else. Those of the warm-up,
 * which ends at 0, do not fail. */
static bool scrape_fails(const struct sim *s)
{
    enum { SCRAPES = -1 }; /* instead of a request, with the number of the scrape */
    double p = s->now > 0.0 ? schedule_outage(s->schedule, s->now) : 0.0;
    struct rng_block draw = rng_philox(s->key_fault, (uint32_t)s->n_scrapes, (uint32_t)SCRAPES,
                                       s->id.episode, s->id.env);
    return p > 0.0 && (double)draw.v[0] * 0x1p-32 < p;
}

static void scrape_all(struct sim *s)
{
    double *pods = sim_ring_pods(s, s->n_scrapes);
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        const struct sim_service *service = &s->services[i];
        struct sim_scrape_service *row = ring_service(s, s->n_scrapes, i);
        row->count = service->count;
        row->count.ready_s = sim_area_at(&service->ready_area, s->now);
        row->gauge = (struct sim_gauges){
            .deployed = service->n_pods,
            .failed = service->n_failed,
            .ready = service->n_ready,
        };
    }
    for (int slot = 0; slot < s->shared->n_pods; slot++) {
        const struct sim_pod *p = &s->pods[slot];
        if (p->state != POD_FREE) {
            struct sim_scrape_service *row = ring_service(s, s->n_scrapes, p->service);
            pods[slot] = sim_pod_used_s(s, slot);
            row->count.used_s += pods[slot];
            gauge_pod(&row->gauge, s, p);
        }
    }
    /* The front sees attempts, and each retry follows one that failed. */
    s->ring[s->n_scrapes % s->shared->n_ring] = (struct sim_scrape){
        s->received + s->retries, s->answered, s->resolved + s->retries, s->latency_s, false};
}

void sim_scrape_take(struct sim *s)
{
    if (scrape_fails(s)) {
        s->ring[s->n_scrapes % s->shared->n_ring].failed = true;
    } else {
        scrape_all(s);
    }
    s->n_scrapes++;
    s->scrape_s = sim_scrape_at(s, s->n_scrapes);
}

/* ---- rates ---- */

/* The scrapes around a decision: the newest one that is observed, and how many lie in each window.
 */
struct view {
    int64_t newest, window, ten, five;
    double scrape_s;
};

int64_t sim_scrapes_in(const struct plant_cfg *plant, double seconds)
{
    int64_t n = llround(seconds / plant->scrape_s);
    return n > 0 ? n : 1;
}

/* 1e-9 of an interval: a scrape that is due exactly lag_s ago must not be missed by a rounding. */
static struct view view_now(const struct sim *s)
{
    const struct plant_cfg *plant = s->shared->plant;
    double observed_s = s->now - plant->lag_s - s->shared->scrape_from_s;
    return (struct view){
        .newest = (int64_t)floor(observed_s / plant->scrape_s + 1e-9),
        .window = sim_scrapes_in(plant, plant->window_s),
        .ten = sim_scrapes_in(plant, 10.0),
        .five = sim_scrapes_in(plant, 5.0),
        .scrape_s = plant->scrape_s,
    };
}

/* Increase of each counter between two scrapes. */
static struct sim_counters increase(const struct sim *s, int service, int64_t from, int64_t to)
{
    const struct sim_counters *a = &ring_service(s, from, service)->count;
    const struct sim_counters *b = &ring_service(s, to, service)->count;
    return (struct sim_counters){
        .received = b->received - a->received,
        .succeeded = b->succeeded - a->succeeded,
        .errors = b->errors - a->errors,
        .latency_s = b->latency_s - a->latency_s,
        .sent = b->sent - a->sent,
        .used_s = b->used_s - a->used_s,
        .ready_s = b->ready_s - a->ready_s,
    };
}

/* The ring holds both ends (size_measurement()). Each turn shortens the stretch by one scrape. */
bool sim_scrapes_between(const struct sim *s, int64_t *from, int64_t *to)
{
    while (*from < *to && s->ring[*from % s->shared->n_ring].failed) {
        ++*from;
    }
    while (*from < *to && s->ring[*to % s->shared->n_ring].failed) {
        --*to;
    }
    return *from < *to;
}

static double ratio_or(double a, double b, double otherwise)
{
    return b > 0.0 ? a / b : otherwise;
}

static void measure_window(float *f, const struct sim *s, int service, const struct view *v)
{
    int64_t from = v->newest - v->window, to = v->newest;
    if (!sim_scrapes_between(s, &from, &to)) {
        return;
    }
    struct sim_counters w = increase(s, service, from, to);
    double per_s = 1.0 / ((double)(to - from) * v->scrape_s);
    double kbit = s->shared->cfg->bytes_per_call * 8.0 / 1e3 * per_s;
    f[SF_CPU] = (float)(w.used_s * per_s * 1e3);
    f[SF_NET_IN] = (float)((w.received + w.sent) * kbit);
    f[SF_NET_OUT] = (float)((w.succeeded + w.errors + w.sent) * kbit);
    f[SF_RECEIVED] = (float)(w.received * per_s);
    f[SF_SUCCEEDED] = (float)(w.succeeded * per_s);
    f[SF_ERRORS] = (float)(w.errors * per_s);
    f[SF_LATENCY] = (float)(ratio_or(w.latency_s, w.succeeded, 0.0) * 1e3);
}

static void measure_ten(float *f, const struct sim *s, int service, const struct view *v)
{
    const struct service_cfg *cfg = &s->shared->topology->cfg->services[service];
    int64_t from = v->newest - v->ten, to = v->newest;
    if (!sim_scrapes_between(s, &from, &to)) {
        return;
    }
    struct sim_counters ten = increase(s, service, from, to);
    f[SF_UTIL_10S] = (float)ratio_or(ten.used_s, ten.ready_s * cfg->cpu_m * 1e-3, 0.0);
    f[SF_LATENCY_10S] = (float)(ratio_or(ten.latency_s, ten.succeeded, 0.0) * 1e3);
}

static void measure_gauges(float *f, const struct sim *s, int service, const struct view *v)
{
    const struct sim_gauges *g = &ring_service(s, v->newest, service)->gauge;
    f[SF_ID] = (float)service;
    f[SF_DEPLOYED] = (float)g->deployed;
    f[SF_FAILED_PODS] = (float)g->failed;
    f[SF_QUEUE] = (float)g->queue;
    f[SF_RAM] = (float)g->ram_mib;
    f[SF_READY] = (float)g->ready;
    f[SF_POD_AGE] = (float)ratio_or(g->age_s, g->deployed, 0.0);
}

/* ---- the cluster's front ---- */

static bool entry_rate(double *rps, const struct sim *s, int64_t from, int64_t to)
{
    const struct sim_scrape *ring = s->ring;
    int64_t n = s->shared->n_ring;
    if (!sim_scrapes_between(s, &from, &to)) {
        return false;
    }
    *rps = (ring[to % n].received - ring[from % n].received) /
           ((double)(to - from) * s->shared->plant->scrape_s);
    return true;
}

static void measure_entries(float *f, const struct sim *s, const struct view *v)
{
    double whole, ten, before, five;
    bool has_ten = entry_rate(&ten, s, v->newest - v->ten, v->newest);
    if (entry_rate(&whole, s, v->newest - v->window, v->newest)) {
        f[GF_ENTRY_30S] = (float)whole;
        f[GF_ENTRY_TREND] = has_ten ? (float)(ten - whole) : f[GF_ENTRY_TREND];
    }
    if (has_ten) {
        bool has_before = entry_rate(&before, s, v->newest - 2 * v->ten, v->newest - v->ten);
        f[GF_ENTRY_10S] = (float)ten;
        f[GF_ENTRY_DIFF] = has_before ? (float)(ten - before) : f[GF_ENTRY_DIFF];
    }
    if (entry_rate(&five, s, v->newest - v->five, v->newest)) {
        f[GF_ENTRY_5S] = (float)five;
    }
}

static void measure_answers(float *f, const struct sim *s, const struct view *v)
{
    int64_t from = v->newest - v->window, to = v->newest, n = s->shared->n_ring;
    if (!sim_scrapes_between(s, &from, &to)) {
        return;
    }
    const struct sim_scrape *a = &s->ring[from % n], *b = &s->ring[to % n];
    double answered = b->answered - a->answered;
    f[GF_ANSWERED] = (float)ratio_or(answered, b->resolved - a->resolved, 1.0);
    f[GF_RESPONSE] = (float)(ratio_or(b->latency_s - a->latency_s, answered, 0.0) * 1e3);
}

static void state_from_scrapes(struct sim *s, const struct view *v)
{
    int n_services = s->shared->topology->n_services;
    for (int i = 0; i < n_services; i++) {
        float *f = s->state + state_service_at(i, SF_ID);
        measure_gauges(f, s, i, v);
        measure_window(f, s, i, v);
        measure_ten(f, s, i, v);
    }
    float *front = s->state + state_global_at(n_services, GF_ENTRY_30S);
    measure_entries(front, s, v);
    measure_answers(front, s, v);
}

void sim_scrape_state(struct sim *s)
{
    struct view v = view_now(s);
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        s->state[state_service_at(i, SF_DESIRED)] = (float)s->services[i].desired;
    }
    if (!s->ring[v.newest % s->shared->n_ring].failed) {
        s->observed_s = s->shared->scrape_from_s + (double)v.newest * s->shared->plant->scrape_s;
        state_from_scrapes(s, &v);
    }
    sim_scrape_hpa(s, v.newest);
}
