/* The truth of a decision period: exact counters and exact time means.
 *
 * Counters of requests are kept where they happen (call.c); time means are differences of integrals
 * between the ends of the period. No request is lost between the books, and every period of every
 * run checks it: in flight before + received = answered + failed + in flight after.
 */
#include "core/cluster/internal.h"

/* CPU-seconds a pod has used by now. Reads only: observing must not change the simulation's bits.
 */
double sim_pod_used_s(const struct sim *s, int slot)
{
    const struct sim_pod *p = &s->pods[slot];
    return p->used_s + (double)p->computing * p->rate * (s->now - p->since_s);
}

static double used_by_all(const struct sim *s)
{
    double used = 0.0;
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        used += s->services[i].count.used_s;
    }
    for (int i = 0; i < s->shared->n_pods; i++) {
        used += s->pods[i].state != POD_FREE ? sim_pod_used_s(s, i) : 0.0;
    }
    return used;
}

/* The integrals behind the means, as they stand now. */
static struct plant_truth integrals(const struct sim *s)
{
    return (struct plant_truth){
        .inflight = s->received - s->resolved,
        .waiting_mean = sim_area_at(&s->waiting, s->now),
        .pods_deployed_mean = sim_area_at(&s->pods_area, s->now),
        .pods_failed_mean = sim_area_at(&s->failed_area, s->now),
        .entry_available_mean = sim_area_at(&s->entry_area, s->now),
        .requested_m_mean = sim_area_at(&s->requested_area, s->now),
        .used_m_mean = used_by_all(s) * 1e3,
    };
}

void sim_truth_open(struct sim *s)
{
    s->truth = (struct plant_truth){0};
    s->attack_answers = (struct attack_answers){0};
    s->mark = integrals(s);
    for (int i = 0; i < s->shared->topology->n_services; i++) {
        struct sim_service *service = &s->services[i];
        service->succeeded_mark = service->count.succeeded;
        service->errors_mark = service->count.errors;
        service->up_mark = sim_area_at(&service->up_area, s->now);
    }
}

/* Share of the period in which it had a ready pod; none if half of its calls failed. */
static double service_available(const struct sim *s, const struct sim_service *service)
{
    double succeeded = service->count.succeeded - service->succeeded_mark;
    double errors = service->count.errors - service->errors_mark;
    double up_s = sim_area_at(&service->up_area, s->now) - service->up_mark;
    return errors > 0.0 && errors >= succeeded ? 0.0 : up_s;
}

void sim_truth_close(struct sim *s)
{
    const struct topology *t = s->shared->topology;
    double per_s = 1.0 / s->shared->plant->period_s, available = 0.0;
    struct plant_truth end = integrals(s);
    for (int i = 0; i < t->n_services; i++) {
        available += service_available(s, &s->services[i]);
    }
    s->truth.inflight = end.inflight;
    CHECK(s->mark.inflight + s->truth.received ==
          s->truth.answered + s->truth.failed + s->truth.inflight);
    s->truth.waiting_mean = (end.waiting_mean - s->mark.waiting_mean) * per_s;
    s->truth.pods_deployed_mean = (end.pods_deployed_mean - s->mark.pods_deployed_mean) * per_s;
    s->truth.pods_failed_mean = (end.pods_failed_mean - s->mark.pods_failed_mean) * per_s;
    s->truth.entry_available_mean =
        (end.entry_available_mean - s->mark.entry_available_mean) * per_s / t->n_entries;
    s->truth.service_available_mean = available * per_s / t->n_services;
    s->truth.requested_m_mean = (end.requested_m_mean - s->mark.requested_m_mean) * per_s;
    s->truth.used_m_mean = (end.used_m_mean - s->mark.used_m_mean) * per_s;
}
