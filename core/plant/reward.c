/* The reward of one decision period, term by term; what a term means when there was nothing to
 * count is part of its definition and stands in the header. */
#include "core/plant/reward.h"

#include <math.h>

static const double TERM_WEIGHT = 0.2;

static double clamp01(double x)
{
    return fmin(1.0, fmax(0.0, x));
}

/* n / of, 1 if there was nothing. */
static double share(double n, double of)
{
    return of > 0.0 ? clamp01(n / of) : 1.0;
}

static double latency_ratio(const struct plant_truth *t, double latency_max_ms)
{
    if (t->answered > 0.0) {
        return clamp01(t->latency_sum_ms / t->answered / latency_max_ms);
    }
    return t->failed > 0.0 ? 1.0 : 0.0;
}

void reward_of(struct reward_terms *out, const struct plant_truth *t, const struct plant_cfg *cfg,
               double node_cpu_m)
{
    struct reward_terms r = {
        .sr = share(t->answered, t->answered + t->failed),
        .pod = t->pods_deployed_mean > 0.0
                   ? 1.0 - clamp01(t->pods_failed_mean / t->pods_deployed_mean)
                   : 0.0,
        .latency = 1.0 - latency_ratio(t, cfg->latency_max_ms),
        .entry = clamp01(t->entry_available_mean),
        .tcr = share(t->answered_legit, t->received_legit),
        .cost = t->requested_m_mean / node_cpu_m,
    };
    r.resilience = TERM_WEIGHT * r.sr + TERM_WEIGHT * r.pod + TERM_WEIGHT * r.latency +
                   TERM_WEIGHT * r.entry + TERM_WEIGHT * r.tcr;
    r.reward = r.resilience - cfg->cost_weight * r.cost;
    *out = r;
}
