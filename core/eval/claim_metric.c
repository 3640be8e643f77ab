/* Names of the metrics of claims. See claim_metric.h. */
#include "core/eval/claim_metric.h"

#include "core/eval/outcomes.h"

#include <string.h>

static const struct claim_metric of_trainings[] = {
    {"convergence", CLAIM_OF_TRAININGS, 0, true},
    {"alignment", CLAIM_OF_AGENTS, CLAIM_ALIGNMENT, false},
    {"alignment_unmasked", CLAIM_OF_AGENTS, CLAIM_UNMASKED, false},
    {"missions", CLAIM_OF_AGENTS, CLAIM_MISSIONS, false},
};
enum { OF_TRAININGS = sizeof of_trainings / sizeof *of_trainings };

static bool less_is_better(int metric)
{
    return metric == METRIC_OF(pending) || metric == METRIC_OF(vcpu) ||
           metric == METRIC_OF(vcpu_h) || metric == METRIC_OF(latency) ||
           metric == METRIC_OF(recovery) || metric == METRIC_OF(censored) ||
           metric == METRIC_OF(violation) || metric == METRIC_OF(scalings) ||
           metric == METRIC_OF(flips) || metric == METRIC_OF(conflicts);
}

static struct claim_metric metric_at(int i)
{
    if (i >= METRIC_COUNT) {
        return of_trainings[i - METRIC_COUNT];
    }
    return (struct claim_metric){metric_info[i].name, CLAIM_OF_EPISODES, i, less_is_better(i)};
}

bool claim_metric_find(struct claim_metric *out, const char *name, struct nearest *near)
{
    bool found = false;
    for (int i = 0; i < METRIC_COUNT + OF_TRAININGS; i++) {
        const struct claim_metric m = metric_at(i);
        if (near != NULL) {
            nearest_offer(near, m.name);
        }
        if (strcmp(m.name, name) == 0) {
            *out = m;
            found = true;
        }
    }
    return found;
}
