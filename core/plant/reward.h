/* The defenders' reward: what they achieve in a decision period minus what it costs.
 *
 *   r = achieved - w_c * requested mCPU / node mCPU
 *
 * w_c is plant.cost_weight, unless a training sets another one for an episode (core/game/cost.h).
 * plant.reward says what `achieved` is.
 *
 * resilience (the default): operational resilience of the paper.
 *
 * OR(s) = 0.2 sr + 0.2 (1 - pfr) + 0.2 (1 - lr) + 0.2 epa + 0.2 tcr      (arXiv 2505.21559, eq. OR)
 *
 *   sr   answered / resolved requests of the period (1 if none was resolved)
 *   pfr  failed / existing pods, time means (1 if no pod exists)
 *   lr   min(1, mean latency of answered requests / latency_max); 1 if requests failed and none was
 *        answered, 0 if there was nothing to answer
 *   epa  available / all entry points, time mean
 *   tcr  min(1, legitimate answered / legitimate received) of the period (1 if none came)
 * OR alone has no cost term: its optimum is a constant over-provision. w_c = 0 is the paper's form.
 *
 * plant.reward_terms chooses other terms; their mean then stands in the place of OR.
 *
 * slo: the endpoint of evaluations, SLO attainment, for each decision.
 *
 * slo(s) = 1 - (received - compliant) / nominal
 *
 *   received   requests that came in the period
 *   compliant  requests that were answered without error within latency_max in the period
 *   nominal    requests of a period at the nominal load: workload.mean_rps * period_s
 * So slo is 1 where everything is answered in time, and each request that is not costs
 * 1 / nominal, in floods as in quiet periods; under a flood of three times the nominal load slo
 * falls to -2 if nothing is answered. `received` does not depend on what the defenders do. It is
 * subtracted because the load changes, which is none of their merit. Over an episode of n periods
 *
 *   mean slo = 1 - (1 - slo_attainment) * received / (n * nominal)
 *
 * slo needs exact counters. As slo_attainment it counts an attacker's requests, too: a service
 * cannot tell them from others. OR stays a reported metric.
 *
 * plant.reward_from: measured computes resilience from outcomes (outcomes.h), as a live cluster
 * shows them. They are means over a window that ends lag_s before the decision, not over the
 * period, and
 *
 *   sr       the measured answered share
 *   pfr, epa the pods of the newest scrape, not time means; queues are not looked at
 *   tcr      sr, since no monitoring system knows which requests are an attacker's
 *   headroom (a sixth term) the outcome of that name
 *
 * An outcome that is unknown makes its term NaN, and a reward with such a term NaN. Who trains asks
 * reward_check() beforehand.
 */
#ifndef KARMA_PLANT_REWARD_H
#define KARMA_PLANT_REWARD_H

#include "core/plant/outcomes.h"
#include "core/plant/plant.h"

struct reward_terms {
    double sr, pod, latency, entry, tcr; /* each in [0, 1], 1 = good; NaN = unknown */
    double resilience;                   /* OR: mean of the chosen terms */
    double cost;                         /* requested / node CPU */
    double reward;
    double headroom; /* a term as above; NaN where the reward is exact. Logs do not show it */
    double slo;      /* as above; NaN where the reward is measured. Logs do not show it */
};

/* nominal_rps: workload.mean_rps; 0 = not known, which makes slo -inf or NaN. */
void reward_of(struct reward_terms *out, const struct plant_truth *t, const struct plant_cfg *cfg,
               double node_cpu_m, double nominal_rps);
void reward_of_outcomes(struct reward_terms *out, const struct plant_outcomes *o,
                        const struct plant_cfg *cfg, double node_cpu_m);

/* The reward of these terms under another cost weight; cfg->cost_weight gives out->reward. */
double reward_at(const struct reward_terms *r, const struct plant_cfg *cfg, double cost_weight);

/* Reward and counters of a plant's last period. Counters are exact where the plant has them, else
 * as far as the outcomes tell them, NaN where unknown. */
void reward_of_plant(struct reward_terms *out, struct plant_truth *counters, const struct plant *p,
                     int lid);

/* Can the configured reward be computed where there are exact counters (or not) and these outcomes
 * are known (bits)? ERR_CONFIG with a sentence that names the first term that cannot, the outcome
 * that is missing, and `who` lacks it; src_locs may be NULL. */
enum err reward_check(const struct plant_cfg *cfg, bool exact, unsigned known, const char *who,
                      const struct cfg *src_locs) WARN_UNUSED;

/* The name of the first chosen term that is NaN, "cost" if that is; NULL: none is. */
const char *reward_unknown(const struct reward_terms *r, const struct plant_cfg *cfg);

#endif
