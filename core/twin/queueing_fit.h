/* Fitting the parameters of a queueing twin to recorded transitions.
 *
 * Every estimator is a function of sums over episodes, so its interval comes from resampling whole
 * episodes of the training part (bootstrap, core/base/stats.h). Of a service, over decisions at
 * which no error was measured:
 *
 *   visits    sum of calls received / sum of requests received at the entries
 *   demand_s  sum of CPU used / sum of calls received
 *   usable    mean utilisation u, weighted by u^64, while calls queued at all its pods; 1 if that
 *             was hardly ever recorded
 *
 * lag_s: a rate over a window of W s that ended lag_s before a decision is linear in lag_s if the
 * offered load of each period is known; least squares. start_s, start_sd_s: of pods that were added
 * to a service at rest it is known between which two scrapes they became ready; maximum likelihood
 * of a normal law from these interval-censored delays. servers: least squares of the logarithm of
 * the latency of services that call nobody. join and tail: training episodes are played again, with
 * their actions and loads, at each value of a grid. The smallest squared error wins: for join that
 * of the logarithm of the latency of services with parallel calls, for tail that of the root of the
 * share that was late. pod_mib, call_mib: least squares of memory over pods and calls held;
 * call_kbit: a ratio.
 */
#ifndef KARMA_TWIN_QUEUEING_FIT_H
#define KARMA_TWIN_QUEUEING_FIT_H

#include "core/twin/dataset.h"
#include "core/twin/fluid.h"

/* How well the fitted twin plays the validation episodes, from their first decision on. */
struct queueing_errors {
    double in_time; /* mean |error| of the share answered in time, over periods */
    double used_m;  /* mean |error| of the CPU used, milli-cores */
    int n_episodes;
};

/* `data` has the whole schema of `topology`, exact counters and the load, else ERR_FORMAT with a
 * sentence. plant: window, scrapes and L_max are known. out: queueing_init() was called. seed: of
 * the bootstrap. */
enum err queueing_fit(struct queueing *out, struct queueing_errors *errors,
                      const struct dataset *data, const struct topology *topology,
                      const struct plant_cfg *plant, const struct fluid_cfg *cfg, uint64_t seed,
                      struct arena *scratch) WARN_UNUSED;

#endif
