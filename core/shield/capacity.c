/* How many pods the measured load needs: now, and to be allowed to shrink.
 *
 * Load is measured twice, in pods of work (1 = what one pod can do):
 *
 *     told       entry+ x visits / mu            mu: calls/s of a pod, as the topology says
 *     measured   received+ x k+ / request        k: CPU-seconds of a call, CPU used / received
 *
 * x+ is the bound of bounds.h. k is the told one unless what is seen refutes it: N calls give k
 * with a relative standard error of sqrt(cs / N); if k is above the told one by more than z of
 * these, the upper end of the interval holds. The larger load counts, so a rate that is lied about
 * downwards does not help while the CPU is true, and the other way round.
 *
 * A decrease is judged over the actuation lag L: the told load with the growth that is significant,
 *
 *     rise = (entry rate of the last 10 s - of the 10 s before) - z sqrt(2 ca rate / 10), if > 0
 *     lag+ = entry+ + rise L / 10
 *
 * and by the backlog bound of each pod, which gets 1 / r of the calls and of those that wait. */
#include "core/base/minmax.h"
#include "core/shield/shield_parts.h"

#include <math.h>

static const double SHORT_S = 10.0; /* window of entry_10s; entry_diff compares two of them */
enum { CALLS_MIN = 30 };            /* fewer calls say nothing about the CPU of one */

/* entry_30s is over window_s (schema.h). */
void shield_load(struct shield_load *out, const struct shield *s, const struct shield_view *v)
{
    const double scv = s->cfg->arrival_scv;
    const double slow = shield_global(s, v, GF_ENTRY_30S), fast = shield_global(s, v, GF_ENTRY_10S);
    const double a = bound_rate(slow, s->window_s, scv, &s->level);
    const double b = bound_rate(fast, SHORT_S, scv, &s->level);
    const double noise = s->level.z * sqrt(2.0 * scv * fast / SHORT_S);
    const double rise = shield_global(s, v, GF_ENTRY_DIFF) - noise;
    out->now_rps = a > b ? a : b;
    out->lag_rps = out->now_rps + (rise > 0.0 ? rise * s->cfg->actuation_s / SHORT_S : 0.0);
}

/* Pods of work by what is measured at the service itself. */
static double measured_load(const struct shield *s, const struct shield_view *v, int service)
{
    const double received = shield_value(v, service, SF_RECEIVED);
    const double n = received * s->window_s;
    const double rate = bound_rate(received, s->window_s, s->cfg->arrival_scv, &s->level);
    const double told = 1.0 / s->topology->pod_rps[service]; /* pod-seconds of a call */
    if (!(n >= CALLS_MIN)) {
        return rate * told;
    }
    const double request_m = s->topology->cfg->services[service].cpu_m;
    const double seen = shield_value(v, service, SF_CPU) / request_m / received;
    const double error = s->level.z * sqrt(s->cfg->service_scv / n);
    return rate * (seen * (1.0 - error) > told ? seen * (1.0 + error) : told);
}

/* The least whole number of pods at which `load` is at most `utilisation`; at least 0. */
static int pods_for(double load, double utilisation)
{
    const double pods = ceil(load / utilisation);
    return pods < SHIELD_PODS_MAX ? (int)pods : SHIELD_PODS_MAX;
}

/* Can what waits at one of r pods, at worst, be worked off within latency_max? */
static bool drains(const struct shield *s, double waiting, double load, int r, double pod_rps)
{
    const struct bound_queue q = {.waiting = waiting / r,
                                  .lag_s = s->cfg->actuation_s,
                                  .arrivals = load / r * pod_rps,
                                  .capacity = pod_rps,
                                  .arrival_scv = s->cfg->arrival_scv,
                                  .service_scv = s->cfg->service_scv};
    return bound_backlog(&q, &s->level) <= pod_rps * s->answer_s;
}

/* The least r in safe .. desired that drains; desired if none does. The bound falls with r. */
static int first_draining(const struct shield *s, double waiting, double load, int safe,
                          int desired, double pod_rps)
{
    /* Invariant: below lo none drains; hi does, or is `desired`. */
    int lo = safe, hi = desired;
    if (drains(s, waiting, load, lo, pod_rps)) {
        return lo;
    }
    for (lo++; lo < hi;) {
        const int middle = lo + (hi - lo) / 2;
        if (drains(s, waiting, load, middle, pod_rps)) {
            hi = middle;
        } else {
            lo = middle + 1;
        }
    }
    return hi;
}

/* A service that has no safe smaller number keeps what it has, and at least `held`. */
struct shield_need shield_need_of(const struct shield *s, const struct shield_view *v,
                                  const struct shield_load *load, int service, int desired)
{
    const double pod_rps = s->topology->pod_rps[service];
    const double per_pod = s->topology->visits[service] / pod_rps;
    const double measured = measured_load(s, v, service);
    const double now = fmax(load->now_rps * per_pod, measured);
    const double lag = fmax(load->lag_rps * per_pod, measured);
    const int held = pods_for(now, s->cfg->utilisation);
    if (held >= desired) {
        return (struct shield_need){held, SHIELD_REASON_LOAD};
    }
    const int safe = int_max(1, pods_for(lag, s->cfg->scale_in_utilisation));
    if (safe >= desired) {
        return (struct shield_need){desired, SHIELD_REASON_LAG};
    }
    const double waiting = shield_value(v, service, SF_QUEUE);
    const int drained = first_draining(s, waiting, lag, safe, desired, pod_rps);
    const enum shield_reason why = drained > safe ? SHIELD_REASON_BACKLOG
                                   : safe > held  ? SHIELD_REASON_LAG
                                                  : SHIELD_REASON_LOAD;
    return (struct shield_need){drained, why};
}
