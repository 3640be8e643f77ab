/* The defenders' reward: operational resilience minus what it costs.
 *
 * OR(s) = 0.2 sr + 0.2 (1 - pfr) + 0.2 (1 - lr) + 0.2 epa + 0.2 tcr      (arXiv 2505.21559, eq. OR)
 * r     = OR - w_c * requested mCPU / node mCPU
 *
 *   sr   answered / resolved requests of the period (1 if none was resolved)
 *   pfr  failed / existing pods, time means (1 if no pod exists)
 *   lr   min(1, mean latency of answered requests / latency_max); 1 if requests failed and none was
 *        answered, 0 if there was nothing to answer
 *   epa  available / all entry points, time mean
 *   tcr  min(1, legitimate answered / legitimate received) of the period (1 if none came)
 * OR alone has no cost term: its optimum is a constant over-provision. w_c = 0 is the paper's form.
 */
#ifndef KARMA_PLANT_REWARD_H
#define KARMA_PLANT_REWARD_H

#include "core/plant/plant.h"

struct reward_terms {
    double sr, pod, latency, entry, tcr; /* each in [0, 1], 1 = good */
    double resilience;                   /* OR, their mean */
    double cost;                         /* requested / node CPU */
    double reward;
};

void reward_of(struct reward_terms *out, const struct plant_truth *t, const struct plant_cfg *cfg,
               double node_cpu_m);

#endif
