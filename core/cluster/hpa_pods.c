/* What the Kubernetes autoscaler finds at a decision: the hpa_* columns of the state.
 *
 * The pods come from the API server, so they are known at all times. Their CPU comes from
 * metrics-server: the increase of a counter between two scrapes, at most hpa_window_s apart. A
 * container that started later has a metric as soon as its scrapes span FRESH_S, as in
 * metrics-server. Scrapes that failed are left out; a pod for which no such pair is left has no
 * metric. Milli-cores are rounded up per pod, as resource.Quantity does.
 */
#include "core/cluster/hpa_pods.h"

#include "core/cluster/internal.h"

static const double FRESH_S = 10.0, NANO_CORE_M = 1e-6;

enum hpa_group hpa_group_of(const struct hpa_pod *p, double now_s, double init_s, double delay_s)
{
    if (p->pending) {
        return HPA_GROUP_IGNORED;
    }
    if (!p->has_metric) {
        return HPA_GROUP_MISSING;
    }
    const bool young = p->started_s + init_s > now_s;
    const bool ignored = young ? !p->ready || p->sampled_s < p->transition_s + p->window_s
                               : !p->ready && p->started_s + delay_s > p->transition_s;
    return ignored ? HPA_GROUP_IGNORED : HPA_GROUP_READY;
}

/* Fills in the metric of a pod with a running container; returns its milli-cores. */
static double metric_of(struct hpa_pod *out, const struct sim *s, int slot, int64_t newest)
{
    const struct plant_cfg *plant = s->shared->plant;
    const struct sim_pod *p = &s->pods[slot];
    int64_t from = newest - sim_scrapes_in(plant, plant->hpa_window_s), to = newest;
    from = from > p->first_scrape ? from : p->first_scrape;
    if (!sim_scrapes_between(s, &from, &to)) {
        return 0.0;
    }
    out->window_s = (double)(to - from) * plant->scrape_s;
    out->sampled_s = sim_scrape_at(s, to);
    out->has_metric = out->window_s >= FRESH_S || out->window_s >= plant->hpa_window_s;
    const double used_s = sim_ring_pods(s, to)[slot] - sim_ring_pods(s, from)[slot];
    return ceil(used_s * 1e3 / out->window_s - NANO_CORE_M);
}

static void count_pod(struct sim *s, int slot, int64_t newest)
{
    const struct sim_pod *p = &s->pods[slot];
    float *f = s->state + state_service_at(p->service, SF_ID);
    struct hpa_pod pod = {.pending = p->state == POD_PENDING,
                          .ready = p->state == POD_READY,
                          .started_s = p->started_s,
                          .transition_s = p->transition_s};
    const bool runs = p->state == POD_STARTING || p->state == POD_READY;
    const double mcpu = runs ? metric_of(&pod, s, slot, newest) : 0.0;
    switch (hpa_group_of(&pod, s->now, HPA_INIT_S, HPA_DELAY_S)) {
    case HPA_GROUP_READY:
        f[SF_HPA_READY] += 1.0f;
        f[SF_HPA_CPU] += (float)mcpu;
        break;
    case HPA_GROUP_IGNORED:
        f[SF_HPA_IGNORED] += 1.0f;
        break;
    case HPA_GROUP_MISSING:
        f[SF_HPA_MISSING] += 1.0f;
        break;
    }
}

void sim_scrape_hpa(struct sim *s, int64_t newest)
{
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        float *f = s->state + state_service_at(i, SF_ID);
        f[SF_HPA_READY] = f[SF_HPA_IGNORED] = f[SF_HPA_MISSING] = f[SF_HPA_CPU] = 0.0f;
    }
    for (int slot = 0; slot < s->shared->n_pods; slot++) {
        const enum sim_pod_state state = s->pods[slot].state;
        if (state != POD_FREE && state != POD_DRAINING) {
            count_pod(s, slot, newest);
        }
    }
}
