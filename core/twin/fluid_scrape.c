/* What a monitoring system shows of the twin: the measured state (core/plant/schema.h).
 *
 * Counters and gauges are scraped every scrape_s, so that a decision finds one that is lag_s old
 * (when period_s is a multiple of scrape_s). Rates are differences of two scrapes, gauges those of
 * the newest, as in the simulator (core/cluster/scrape.c). Scrapes do not fail. */
#include "core/cluster/hpa_pods.h"
#include "core/plant/schema.h"
#include "core/twin/fluid.h"

#include <math.h>

static const double OLD_S = 600.0, FRESH_S = 10.0, NANO_CORE_M = 1e-6;

static void read_service(struct fluid *f, int s)
{
    struct fluid_reading *r =
        &f->ring[(f->n_scrapes % f->net->n_ring) * f->net->topology->n_services + s];
    const struct topology_cfg *t = f->net->topology->cfg;
    *r = f->services[s].reading;
    r->deployed = r->ready = r->queue = r->age_s = 0.0;
    r->held = f->services[s].waiting;
    for (int i = f->net->first_pod[s]; i < f->net->first_pod[s + 1]; i++) {
        const struct fluid_pod *p = &f->pods[i];
        if (p->state == FLUID_FREE) {
            continue;
        }
        const double age = f->now - p->created_s;
        const bool exists = p->state != FLUID_DRAINING;
        r->held += p->x;
        r->deployed += exists;
        r->ready += p->state == FLUID_READY;
        r->age_s += exists ? fmin(age, OLD_S) : 0.0;
        r->queue += fmax(0.0, p->x - t->slots_per_pod);
    }
}

/* Scrapes that are due by now; steps need not meet them exactly. */
void fluid_scrape(struct fluid *f)
{
    while (f->scrape_s <= f->now + 1e-9) {
        for (int s = 0; s < f->net->topology->n_services; s++) {
            read_service(f, s);
        }
        f->ring_front[f->n_scrapes % f->net->n_ring] = f->front;
        f->n_scrapes++;
        f->scrape_s += f->net->plant->scrape_s;
    }
}

/* ---- rates ---- */

static int scrapes_in(const struct plant_cfg *plant, double seconds)
{
    const int n = (int)lround(seconds / plant->scrape_s);
    return n > 0 ? n : 1;
}

/* The newest scrape that is lag_s old. */
static int64_t newest(const struct fluid *f)
{
    const double young = (f->scrape_s - (f->now - f->lag_s)) / f->net->plant->scrape_s;
    return f->n_scrapes - (int64_t)ceil(young - 1e-6);
}

static const struct fluid_reading *at(const struct fluid *f, int64_t scrape, int s)
{
    return &f->ring[(scrape % f->net->n_ring) * f->net->topology->n_services + s];
}

static double param(const struct fluid *f, enum queueing_of_whole which)
{
    const int n = f->net->topology->n_services;
    return f->net->queueing->params[queueing_at_whole(n, which)].value;
}

static double ratio(double a, double b)
{
    return b > 1e-12 ? a / b : 0.0;
}

static void measure_rates(float *out, const struct fluid *f, int s, int64_t now)
{
    const struct plant_cfg *plant = f->net->plant;
    const double cores = f->net->topology->cfg->services[s].cpu_m * 1e-3;
    const int n = scrapes_in(plant, plant->window_s), ten = scrapes_in(plant, 10.0);
    const struct fluid_reading *b = at(f, now, s), *a = at(f, now - n, s), *c = at(f, now - ten, s);
    const double per_s = 1.0 / (n * plant->scrape_s), kbit = per_s * param(f, QUEUEING_CALL_KBIT);
    const double sent = b->sent - a->sent, received = b->received - a->received;
    out[SF_CPU] = (float)((b->used_s - a->used_s) * per_s * 1e3);
    out[SF_RECEIVED] = (float)(received * per_s);
    out[SF_SUCCEEDED] = (float)((b->succeeded - a->succeeded) * per_s);
    out[SF_ERRORS] = (float)((b->errors - a->errors) * per_s);
    out[SF_NET_IN] = (float)((received + sent) * kbit);
    out[SF_NET_OUT] = (float)((b->succeeded - a->succeeded + b->errors - a->errors + sent) * kbit);
    out[SF_LATENCY] =
        (float)(ratio(b->latency_s - a->latency_s, b->succeeded - a->succeeded) * 1e3);
    out[SF_UTIL_10S] = (float)ratio(b->used_s - c->used_s, (b->ready_s - c->ready_s) * cores);
    out[SF_LATENCY_10S] =
        (float)(ratio(b->latency_s - c->latency_s, b->succeeded - c->succeeded) * 1e3);
}

static void measure_gauges(float *out, const struct fluid *f, int s, int64_t now)
{
    const struct fluid_reading *r = at(f, now, s);
    out[SF_ID] = (float)s;
    out[SF_DEPLOYED] = (float)r->deployed;
    out[SF_DESIRED] = (float)f->services[s].desired;
    out[SF_FAILED_PODS] = 0.0F;
    out[SF_QUEUE] = (float)r->queue;
    out[SF_RAM] =
        (float)(param(f, QUEUEING_POD_MIB) * r->deployed + param(f, QUEUEING_CALL_MIB) * r->held);
    out[SF_READY] = (float)r->ready;
    out[SF_POD_AGE] = (float)ratio(r->age_s, r->deployed);
}

/* ---- the autoscaler's columns ---- */

/* The end of a pod's metric is the newest scrape, its beginning the oldest of the window that finds
 * the container running. */
static enum hpa_group group_of(const struct fluid *f, const struct fluid_pod *p, double newest_s)
{
    const struct plant_cfg *plant = f->net->plant;
    const double from = newest_s - plant->hpa_window_s;
    const double late = ceil((p->started_s - from) / plant->scrape_s - 1e-9) * plant->scrape_s;
    const double window = plant->hpa_window_s - fmax(0.0, late);
    const bool runs = p->state == FLUID_STARTING || p->state == FLUID_READY;
    const struct hpa_pod pod = {.pending = p->state == FLUID_PENDING,
                                .has_metric = runs && window > 0.0 &&
                                              (window >= FRESH_S || window >= plant->hpa_window_s),
                                .ready = p->state == FLUID_READY,
                                .started_s = p->started_s,
                                .transition_s = p->changed_s,
                                .sampled_s = newest_s,
                                .window_s = window};
    return hpa_group_of(&pod, f->now, HPA_INIT_S, HPA_DELAY_S);
}

/* The CPU of a ready pod is the mean over those of its service. */
static void measure_hpa(float *out, const struct fluid *f, int s, int64_t now)
{
    const struct plant_cfg *plant = f->net->plant;
    const double newest_s = f->scrape_s - (double)(f->n_scrapes - now) * plant->scrape_s;
    int n[3] = {0, 0, 0};
    for (int i = f->net->first_pod[s]; i < f->net->first_pod[s + 1]; i++) {
        const struct fluid_pod *p = &f->pods[i];
        if (p->state != FLUID_FREE && p->state != FLUID_DRAINING) {
            n[group_of(f, p, newest_s)]++;
        }
    }
    const struct fluid_reading *b = at(f, now, s);
    const struct fluid_reading *a = at(f, now - scrapes_in(plant, plant->hpa_window_s), s);
    const double limit_m =
        f->net->topology->cfg->services[s].cpu_m * f->net->topology->cfg->limit_ratio;
    const double each_m =
        fmin(limit_m, ratio(b->used_s - a->used_s, b->ready_s - a->ready_s) * 1e3);
    out[SF_HPA_READY] = (float)n[HPA_GROUP_READY];
    out[SF_HPA_IGNORED] = (float)n[HPA_GROUP_IGNORED];
    out[SF_HPA_MISSING] = (float)n[HPA_GROUP_MISSING];
    out[SF_HPA_CPU] = (float)(n[HPA_GROUP_READY] * ceil(each_m - NANO_CORE_M));
}

/* ---- the front ---- */

static double entry_rate(const struct fluid *f, int64_t from, int64_t to)
{
    const int n = f->net->n_ring;
    return (f->ring_front[to % n].received - f->ring_front[from % n].received) /
           ((double)(to - from) * f->net->plant->scrape_s);
}

static void measure_front(float *out, const struct fluid *f, int64_t now)
{
    const struct plant_cfg *plant = f->net->plant;
    const int window = scrapes_in(plant, plant->window_s), ten = scrapes_in(plant, 10.0);
    const struct fluid_front *b = &f->ring_front[now % f->net->n_ring];
    const struct fluid_front *a = &f->ring_front[(now - window) % f->net->n_ring];
    const double resolved = b->resolved - a->resolved, answered = b->answered - a->answered;
    const double whole = entry_rate(f, now - window, now), last = entry_rate(f, now - ten, now);
    out[GF_ENTRY_30S] = (float)whole;
    out[GF_ENTRY_10S] = (float)last;
    out[GF_ENTRY_5S] = (float)entry_rate(f, now - scrapes_in(plant, 5.0), now);
    out[GF_ENTRY_DIFF] = (float)(last - entry_rate(f, now - 2 * ten, now - ten));
    out[GF_ENTRY_TREND] = (float)(last - whole);
    out[GF_ANSWERED] = (float)(resolved > 0.0 ? answered / resolved : 1.0);
    out[GF_RESPONSE] = (float)(ratio(b->latency_s - a->latency_s, answered) * 1e3);
}

void fluid_measure(struct fluid *f)
{
    const int n = f->net->topology->n_services;
    const int64_t now = newest(f);
    for (int s = 0; s < n; s++) {
        float *out = f->state + state_service_at(s, SF_ID);
        measure_gauges(out, f, s, now);
        measure_rates(out, f, s, now);
        measure_hpa(out, f, s, now);
    }
    measure_front(f->state + state_global_at(n, GF_ENTRY_30S), f, now);
}
