/* The least staffing of a rate, and of what fits the node. See staffing.h. */
#include "core/controllers/staffing.h"

#include "core/controllers/controller.h"
#include "core/game/need.h"

#include <math.h>

enum { HALVINGS = 40, PODS_MAX = 1000000 };

struct staffing_rule staffing_rule_of(const struct env_setup *w, double utilisation,
                                      double wait_share)
{
    return (struct staffing_rule){.utilisation = utilisation,
                                  .response_s = wait_share * w->cfg.plant->latency_max_ms * 1e-3,
                                  .visits = w->topology.visits,
                                  .pod_rps = w->topology.pod_rps};
}

/* The fewest pods of one service. With service rate mu of a pod and its largest load rho, lambda /
 * (mu rho) pods must be up, hence that many / up must exist. The result never falls when the rate
 * grows. */
static int staff(const struct env_setup *w, const struct staffing_rule *rule, int service,
                 double rate, const struct staffing_conditions *conditions)
{
    const double slowdown = conditions != NULL ? conditions->slowdown[service] : 1.0;
    const double up = conditions != NULL ? conditions->up[service] : 1.0;
    const double lambda = rate * rule->visits[service];
    const double mu = rule->pod_rps[service] / slowdown;
    const double rho = need_load_max(mu, rule->utilisation, rule->response_s);
    const double pods = ceil(lambda / (mu * rho) / up);
    return controller_clip(w, service, pods < PODS_MAX ? (int)pods : PODS_MAX);
}

/* CPU that one request at the entries costs the node, milli-core-seconds. */
static double work_m(const struct topology *t, const struct staffing_conditions *conditions)
{
    double sum = 0.0;
    for (int s = 0; s < t->n_services; s++) {
        sum += t->visits[s] * t->demand_s[s] * conditions->slowdown[s] * 1e3;
    }
    return sum;
}

/* Staff every service for `rate`. Does it fit? */
static bool make_plan(int *plan, const struct env_setup *w, const struct staffing_rule *rule,
                      double rate, const struct staffing_conditions *conditions)
{
    const struct topology_cfg *node = w->cfg.topology;
    double cpu_m = 0.0, ram_mib = 0.0;
    for (int s = 0; s < w->topology.n_services; s++) {
        plan[s] = staff(w, rule, s, rate, conditions);
        cpu_m += plan[s] * node->services[s].cpu_m;
        ram_mib += plan[s] * node->services[s].ram_mib;
    }
    const bool computes = conditions == NULL || rate * work_m(&w->topology, conditions) <=
                                                    node->node_cpu_m - conditions->taken_m;
    return computes && cpu_m <= node->node_cpu_m && ram_mib <= node->node_ram_mib;
}

/* Bisection for the largest rate whose plan fits. Invariant: `fits` is 0 or a rate whose plan fits,
 * and the plan of `too_much` does not. What a plan needs never falls when the rate grows, so there
 * is one boundary between the two. 40 halvings leave 1e-12 of the rate between them. If not even
 * the plan of 0 fits, the last call leaves it: the fewest replicas. */
void staffing_plan(int *plan, const struct env_setup *w, const struct staffing_rule *rule,
                   double rate_rps, const struct staffing_conditions *conditions)
{
    if (make_plan(plan, w, rule, rate_rps, conditions)) {
        return;
    }
    double fits = 0.0;
    double too_much = rate_rps;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = 0.5 * (fits + too_much);
        if (make_plan(plan, w, rule, middle, conditions)) {
            fits = middle;
        } else {
            too_much = middle;
        }
    }
    (void)make_plan(plan, w, rule, fits, conditions);
}
