/* Liveness probes that a busy pod answers too late: the load-dependent part of the crash rate.
 *
 * A kubelet probes each container every period_s, waits timeout_s for the answer, and restarts the
 * container when `failures` probes in a row have failed (Kubernetes, "Configure Liveness, Readiness
 * and Startup Probes"; defaults 10 s, 1 s, 3). A pod answers a probe after the work that it already
 * holds. Of a ready pod at service s that holds n calls which compute or queue,
 *
 *   w = n demand_s slowdown_s / cores                 seconds of work, on the CPU it has now
 *   p = exp(-timeout_s / w)                           a probe fails
 *   h = coupling p^failures / (failures period_s)     crashes per second
 *
 * p is the tail of an exponential response time of mean w. A run of `failures` probes takes
 * failures x period_s seconds and fails as a whole with probability p^failures if n does not change
 * meanwhile: hence h, for coupling 1. So h is 0 for an idle pod and at most coupling / (failures
 * period_s). Calls that wait for their callees need no CPU and do not count; nor does time before
 * the start of the episode, or before a pod is ready.
 *
 * A pod crashes when the integral of h since it became ready passes a unit exponential, drawn once
 * per start of its container: with a constant n the time to the crash is exponential with rate h.
 * The draws have a domain of their own, RNG_LIVENESS, so no other draw of an episode changes with
 * the coupling. h is held constant within a tick of disturbances.c, at its value at the tick's end.
 */
#include "core/base/fmath.h"
#include "core/cluster/internal.h"

double liveness_hazard(const struct liveness_cfg *cfg, double work_s)
{
    if (work_s <= 0.0) {
        return 0.0;
    }
    const double run_fails = fm_exp(-cfg->failures * cfg->timeout_s / work_s);
    return cfg->coupling * run_fails / (cfg->failures * cfg->period_s);
}

void sim_liveness_arm(struct sim *s, int slot)
{
    struct sim_pod *p = &s->pods[slot];
    const uint32_t who = (uint32_t)p->service << 24 | (p->serial & 0xffffffu);
    const struct rng_block draw =
        rng_philox(s->key_liveness, p->starts, who, s->id.episode, s->id.env);
    p->liveness_left = rng_exponential(draw.v[0]);
}

/* Seconds of work that a pod holds. */
static double work_s(const struct sim *s, const struct sim_pod *p)
{
    const double demand_s = s->shared->topology->demand_s[p->service];
    const double n = (double)(p->computing + p->queued);
    return n * demand_s * s->services[p->service].slowdown * p->cores_inverse;
}

void sim_liveness_advance(struct sim *s, double since_s)
{
    const struct liveness_cfg *cfg = &s->shared->cfg->liveness;
    for (int slot = 0; cfg->coupling > 0.0 && slot < s->shared->n_pods; slot++) {
        struct sim_pod *p = &s->pods[slot];
        if (p->state != POD_READY) {
            continue;
        }
        double from_s = p->transition_s > since_s ? p->transition_s : since_s;
        from_s = from_s > 0.0 ? from_s : 0.0;
        const double dt = s->now > from_s ? s->now - from_s : 0.0;
        p->liveness_left -= liveness_hazard(cfg, work_s(s, p)) * dt;
        if (p->liveness_left <= 0.0) {
            sim_pod_crash(s, slot);
        }
    }
}
